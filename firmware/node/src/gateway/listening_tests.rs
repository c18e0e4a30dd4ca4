//! Words of listening at a gateway: what is believed, kept, answered.

use super::*;
use crate::gateway::tests::Rig;
use crate::io::{DeliveryId, UplinkId};
use crate::testing::TestDirectory;
use picket_link::{Config, Duplex, Event, Framing, Link, Offer, OfferId, ParcelKind};
use picket_wire::Precedence;
use picket_wire::control::{Listens, Rooms, Signature};
use picket_wire::time::Duration;

const ALPHA: Index = Index(1);
const GW1: Index = Index(10);
const GW2: Index = Index(11);
const PIPE: Config =
    Config { framing: Framing::Cobs, mtu: None, air_bps: None, duplex: Duplex::Full, turn_round: Duration::ZERO };

fn word(sequence: u32, rooms: &[u16]) -> Listens {
    let list: Vec<Index> = rooms.iter().copied().map(Index).collect();
    TestDirectory::listens(ALPHA, sequence, Rooms::new(&list).unwrap())
}

/// A gateway and a neighbour's link in the hands of the test.
struct Side {
    rig: Rig,
    link: Link,
    dir: TestDirectory,
    events: Vec<Event>,
}

impl Side {
    fn new(neighbour: Index) -> Self {
        Self::beside(Rig::new(GW1), neighbour)
    }

    fn beside(mut rig: Rig, neighbour: Index) -> Self {
        let (name, kind, air) = (String::from("pipe"), "pipe", crate::io::Air::Cable);
        rig.tell(Input::LinkAdded { link: LinkId(1), name, kind, config: PIPE, air });
        rig.tell(Input::LinkUp(LinkId(1)));
        let mut link = Link::new(PIPE);
        link.up(rig.now);
        let mut side = Self { rig, link, dir: super::tests::directory(neighbour), events: Vec::new() };
        side.run();
        side
    }

    /// Everything that can happen now, without syncing.
    fn run(&mut self) {
        for _ in 0..20 {
            while let Some(bytes) = self.link.poll_transmit(self.rig.now, &self.dir, &mut picket_link::Gate::radio()) {
                self.rig.tell(Input::Received(LinkId(1), &bytes));
            }
            while let Some(at) = self.rig.out.iter().position(|o| matches!(o, Output::Transmit(..))) {
                let Output::Transmit(_, bytes) = self.rig.out.remove(at) else { unreachable!() };
                self.link.receive(self.rig.now, &bytes, &self.dir);
                self.rig.tell(Input::Sent(LinkId(1)));
            }
            self.events.extend(core::iter::from_fn(|| self.link.poll_event()));
        }
    }

    fn tell(&mut self, id: u64, word: Listens) {
        let message = Control::Listens(word);
        let mut buffer = [0; 160];
        let bytes = message.encode(&mut buffer).unwrap().to_vec();
        let identity = message.parcel_identity().unwrap();
        let (kind, precedence) = (ParcelKind::Control, Precedence::Immediate);
        self.link.offer(self.rig.now, Offer { id: OfferId(id), to: GW1, kind, precedence, identity, bytes }).unwrap();
        self.run();
    }

    fn accepted(&self, id: u64) -> bool {
        self.events.contains(&Event::Accepted { offer: OfferId(id), delivered: None })
    }
}

// N-65.7-1
#[test]
fn a_word_of_listening_is_acknowledged_when_it_is_durable_and_outlives_a_restart() {
    let mut side = Side::new(ALPHA);
    side.tell(1, word(3, &[0xC001, 0xC002]));
    assert!(!side.accepted(1), "written is not durable");
    side.rig.sync();
    side.run();
    assert!(side.accepted(1));
    side.tell(2, word(4, &[0xC002]));
    side.rig.sync();
    side.tell(3, word(4, &[0xC002]));
    assert!(side.accepted(3), "known already: acknowledged at once");
    assert_eq!(side.rig.gateway.rooms_of(ALPHA), [Index(0xC002)]);
    let medium = side.rig.gateway.medium_mut().clone();
    let again = Rig::on(GW1, medium, side.rig.now);
    assert_eq!(again.gateway.rooms_of(ALPHA), [Index(0xC002)], "the newest only");
}

// R-30.8-2, N-65.7-1
#[test]
fn a_wrong_word_is_nobodys_and_counted_by_name() {
    let mut side = Side::new(ALPHA);
    side.tell(1, Listens { signature: Signature([7; 64]), ..word(3, &[0xC001]) });
    let strange = TestDirectory::listens(Index(99), 1, Rooms::default());
    side.tell(2, strange);
    let counts = [Count::ListensForged, Count::ListensNotAMember].map(|c| side.rig.count(c));
    assert_eq!(counts, [1, 1]);
    assert!(side.rig.gateway.rooms_of(ALPHA).is_empty());
    assert!(side.accepted(1) && side.accepted(2), "answered, or they would come for ever");
}

// N-65.7-2
#[test]
fn whoever_tells_an_older_word_than_is_known_is_told_the_newer_one() {
    let mut side = Side::new(ALPHA);
    side.tell(1, word(7, &[0xC001]));
    side.rig.sync();
    side.run();
    side.tell(2, word(6, &[]));
    let (reason, retry) = (picket_wire::control::RefuseReason::Expired, Duration::from_secs(10));
    assert!(side.events.contains(&Event::Refused { offer: OfferId(2), reason, retry }), "until it has learnt");
    let known = side.events.iter().find_map(|e| match e {
        Event::Arrived(a) => Control::decode(&a.bytes).ok(),
        _ => None,
    });
    assert_eq!(known, Some(Control::Listens(word(7, &[0xC001]))));
    assert_eq!((side.rig.count(Count::ListensOld), side.rig.gateway.rooms_of(ALPHA)), (1, &[Index(0xC001)][..]));
}

// N-65.7-1
#[test]
fn a_word_from_the_broker_counts_as_one_from_a_link() {
    let mut rig = Rig::new(GW1);
    let up = UplinkId(0);
    rig.tell(Input::UplinkUp(up));
    let mut buffer = [0; 160];
    let body = Control::Listens(word(3, &[0xC009])).encode(&mut buffer).unwrap().to_vec();
    let payload = super::tests::control_payload(GW2, &body);
    rig.tell(Input::Arrived { uplink: up, delivery: DeliveryId(1), payload: &payload });
    assert!(rig.settled(1));
    assert_eq!(rig.gateway.rooms_of(ALPHA), [Index(0xC009)]);
}
