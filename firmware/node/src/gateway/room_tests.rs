//! Envelopes for rooms at one gateway: who is offered them, when they end, and what a restart costs.

use super::tests::{Rig, control_payload, payload};
use super::*;
use crate::io::{DeliveryId, UplinkId};
use crate::operator::RoomProgress;
use crate::testing::TestDirectory;
use alloc::string::ToString;
use alloc::vec;
use picket_store::RamMedium;
use picket_wire::control::Rooms;
use picket_wire::envelope::{Class, Header};
use picket_wire::keys::TopicKind;
use picket_wire::time::Duration;
use picket_wire::{Lifetime, Precedence};

const ALPHA: Index = Index(1);
const BRAVO: Index = Index(2);
const GW1: Index = Index(10);
const GW2: Index = Index(11);
const GW3: Index = Index(12);
const UP: UplinkId = UplinkId(0);
const ROOM: Index = Index(0xC001);
/// Somebody who is at none of these gateways.
const SOMEBODY: Index = Index(77);

fn envelope(counter: u16, bytes: usize) -> Vec<u8> {
    let header = Header {
        class: Class::Room,
        precedence: Precedence::Routine,
        destination: ROOM,
        source: SOMEBODY,
        hop_limit: 5,
        round: 0,
        flags: 0,
        lifetime: Lifetime::floor(3600),
        epoch_low: 0,
        session_low: 0,
        counter_low: counter,
        lane: None,
        enc: None,
    };
    let mut out: Vec<u8> = (0..bytes).map(|n| (n * 37) as u8).collect();
    header.write(&mut out).unwrap();
    out
}

impl Rig {
    /// A member listens to the room and is attached at a gateway.
    fn listener(&mut self, member: Index, gateway: Index, sequence: u32) {
        self.gateway.relay.follow(self.now, TestDirectory::claim(member, gateway, sequence));
        let word = TestDirectory::listens(member, 1, Rooms::new(&[ROOM]).unwrap());
        self.gateway.relay.follow_listens(self.now, word);
    }

    /// An envelope is taken into custody, as from a member or from a gateway.
    fn hold(&mut self, counter: u16, origin: bool) {
        let bytes = envelope(counter, 60);
        let identity = picket_wire::envelope::Envelope::parse(&bytes).unwrap().identity();
        let from = if origin { SOMEBODY } else { GW3 };
        let meta = Meta {
            destination: ROOM,
            source: SOMEBODY,
            ingress: picket_relay::Ingress { from, uplink: None },
            hop_limit: 5,
            round: 0,
            raised: 0,
            fate: meta::Fate::Open,
        };
        let room = Some(meta::RoomNotes { origin, ..meta::RoomNotes::default() });
        let incoming = meta::Incoming { kind: Kind::Room, precedence: Precedence::Routine, meta, room };
        self.gateway.put(self.now, identity, &incoming, Duration::from_secs(3600), &bytes, None).unwrap();
        self.tell(Input::Tick).sync();
    }

    fn progress(&mut self) -> Vec<RoomProgress> {
        let now = self.now;
        self.gateway.queue(now, &|index| index.0.to_string()).into_iter().filter_map(|q| q.room).collect()
    }
}

fn progress(done: u64, pending: u64) -> RoomProgress {
    RoomProgress { room: "c001".to_string(), done, pending }
}

fn deliver(rig: &mut Rig, delivery: u64, payload: &[u8]) {
    rig.tell(Input::Arrived { uplink: UP, delivery: DeliveryId(delivery), payload });
}

/// What another gateway answers to what was published.
fn answer_of(gateway: Index, published: &[u8]) -> Vec<u8> {
    let mut rig = Rig::new(gateway);
    rig.tell(Input::UplinkUp(UP));
    deliver(&mut rig, 1, published);
    rig.sync();
    rig.published().remove(0).2
}

// N-65.8-1, N-65.8-2
#[test]
fn each_gateway_with_listeners_gets_it_on_its_own_topic_and_answers_for_itself_alone() {
    let mut rig = Rig::new(GW1);
    rig.tell(Input::UplinkUp(UP));
    rig.listener(ALPHA, GW2, 1);
    rig.listener(BRAVO, GW3, 1);
    rig.hold(1, true);
    let published = rig.published();
    let topics: Vec<[u8; 16]> = published.iter().map(|(_, topic, _)| *topic).collect();
    let directory = super::tests::directory(GW1);
    let net = picket_link::Keyring::net(&directory);
    assert_eq!(topics, [GW2, GW3].map(|g| net.topic_name(TopicKind::Gateway, g)));
    assert_eq!(rig.progress(), [progress(0, 2)]);
    let first = &published[0].2;
    deliver(&mut rig, 8, &answer_of(GW2, first));
    assert_eq!(rig.progress(), [progress(1, 1)], "each for itself");
    deliver(&mut rig, 9, &answer_of(GW2, first));
    assert_eq!((rig.progress(), rig.count(Count::UplinkStaleAnswers)), (vec![progress(1, 1)], 1));
    let medium = rig.gateway.medium_mut().clone();
    let mut again = Rig::on(GW1, medium, rig.now);
    again.listener(ALPHA, GW2, 2);
    again.listener(BRAVO, GW3, 2);
    again.tell(Input::UplinkUp(UP));
    let offered = again.published();
    assert_eq!(offered.len(), 1, "who has it is not asked again after a restart");
    assert_eq!(offered[0].1, topics[1]);
}

// N-65.8-2: one that came from a gateway is for listeners here.
#[test]
fn what_came_from_a_gateway_goes_to_no_other_gateway() {
    let mut rig = Rig::new(GW1);
    rig.tell(Input::UplinkUp(UP));
    rig.listener(ALPHA, GW2, 1);
    rig.listener(BRAVO, GW1, 1);
    deliver(&mut rig, 1, &payload(GW3, &envelope(1, 60)));
    rig.sync();
    assert_eq!(rig.published().len(), 1, "the acknowledgement and nothing else");
    assert_eq!(rig.progress(), [progress(0, 1)]);
    let claim = Control::Claim(TestDirectory::claim(BRAVO, GW2, 2));
    let mut buffer = [0; 160];
    let body = claim.encode(&mut buffer).unwrap().to_vec();
    deliver(&mut rig, 2, &control_payload(GW2, &body));
    assert_eq!(rig.published().len(), 1, "but to where a listener of ours has moved");
}

// N-65.8-4
#[test]
fn its_sender_is_told_only_if_nobody_at_all_took_it() {
    for (origin, taken, notices) in [(true, false, 1), (true, true, 0), (false, false, 0)] {
        let mut rig = Rig::new(GW1);
        rig.listener(ALPHA, GW2, 1);
        rig.hold(1, origin);
        if taken {
            let branch = picket_relay::Branch { parcel: first(&rig), to: GW2 };
            rig.gateway.branch_taken(rig.now, branch, picket_wire::Identity([1; 16]));
        }
        rig.later(3700);
        let ended = u64::from(notices == 0);
        let counts = [Count::NoticesDropped, Count::RoomParcelsEnded].map(|c| rig.count(c));
        // The sender of these is in no roster, so that the notice cannot be written: it was owed.
        assert_eq!(counts, [notices, ended], "{origin} {taken}");
        assert!(rig.progress().is_empty());
    }
}

#[test]
fn a_revoked_members_room_messages_and_word_end() {
    let mut rig = Rig::new(GW1);
    rig.dir.carry_objects(picket_wire::MissionId([9; 8]));
    rig.tell(Input::UplinkUp(UP));
    rig.listener(ALPHA, GW2, 1);
    rig.hold(1, true);
    let word = TestDirectory::listens(BRAVO, 1, Rooms::new(&[ROOM]).unwrap());
    let mut buffer = [0; picket_wire::limits::CONTROL_MAX];
    let word = Control::Listens(word).encode(&mut buffer).unwrap();
    deliver(&mut rig, 4, &control_payload(GW2, word));
    rig.sync();
    assert_eq!((rig.gateway.queued(), rig.gateway.rooms_of(BRAVO)), (1, &[ROOM][..]));
    rig.dir.rekey(1, &[BRAVO, SOMEBODY]);
    let mut object = vec![0x33; 246];
    (object[0], object[1]) = (1, 1);
    rig.tell(Input::Object(object)).sync();
    assert_eq!(
        (rig.gateway.queued(), rig.count(Count::RefusedRevoked)),
        (0, 1),
        "what the revoked said goes no further"
    );
    assert_eq!(rig.gateway.rooms_of(BRAVO), []);
    let medium = rig.gateway.medium_mut().clone();
    let again = Rig::on(GW1, medium, rig.now);
    assert_eq!(again.gateway.rooms_of(BRAVO), [], "nor after a restart");
    assert_eq!(again.gateway.rooms_of(ALPHA), []);
}

fn first(rig: &Rig) -> ParcelKey {
    ParcelKey(rig.gateway.custody.queue().entries(rig.now).next().unwrap().seq.0)
}

// N-65.8-5
#[test]
fn what_everybody_has_makes_room_and_who_comes_for_it_again_is_remembered() {
    let limits = QueueLimits { max_parcels: 2, ..QueueLimits::default() };
    let mut rig = Rig::within(GW1, RamMedium::default(), Instant(1_000_000), limits);
    rig.listener(ALPHA, GW2, 1);
    rig.hold(1, true);
    rig.hold(2, true);
    let all: Vec<ParcelKey> = rig.gateway.custody.queue().entries(rig.now).map(|e| ParcelKey(e.seq.0)).collect();
    rig.gateway.branch_taken(rig.now, picket_relay::Branch { parcel: all[1], to: GW2 }, picket_wire::Identity([2; 16]));
    rig.hold(3, true);
    assert_eq!(rig.count(Count::RoomParcelsShed), 1);
    assert_eq!(rig.progress(), [progress(0, 1), progress(0, 1)], "the second made room");
    let bytes = envelope(2, 60);
    let identity = picket_wire::envelope::Envelope::parse(&bytes).unwrap().identity();
    let notes = rig.gateway.notes_of_arrival(rig.now, &identity, GW3, &super::tests::directory(GW1));
    assert_eq!((notes.origin, notes.done), (true, vec![GW2]));
}

// N-65.8-3
#[test]
fn listeners_on_one_link_share_the_transmission_of_a_long_envelope() {
    let mut rig = Rig::new(GW1);
    let config = picket_link::Config {
        framing: picket_link::Framing::Cobs,
        mtu: None,
        air_bps: Some(9600),
        duplex: picket_link::Duplex::Half,
        turn_round: Duration::from_millis(50),
    };
    let (name, kind, air) = ("radio".to_string(), "serial", crate::io::Air::Open);
    rig.tell(Input::LinkAdded { link: LinkId(1), name, kind, config, air });
    rig.tell(Input::LinkUp(LinkId(1)));
    rig.tell(Input::UplinkUp(UP));
    for member in [ALPHA, BRAVO] {
        rig.listener(member, GW1, 1);
        rig.gateway.relay.attach(rig.now, member, 1);
    }
    deliver(&mut rig, 1, &payload(GW3, &envelope(1, 5000)));
    rig.sync();
    assert_eq!(rig.count(Count::RoomTransmissionsShared), 1);
    assert_eq!(rig.progress(), [progress(0, 2)]);
}
