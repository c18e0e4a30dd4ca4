//! Custody across a broker, step by step: what is acknowledged when, and what survives.

use super::*;
use crate::io::{DeliveryId, PublishId, StationKind, UplinkId};
use crate::testing::TestDirectory;
use alloc::vec;
use picket_store::RamMedium;
use picket_wire::envelope::{Class, Header};
use picket_wire::frame::{Around, Head, Kind as FrameKind};
use picket_wire::time::Duration;
use picket_wire::{Lifetime, Precedence};

pub(super) const ALPHA: Index = Index(1);
pub(super) const BRAVO: Index = Index(2);
pub(super) const GW1: Index = Index(10);
pub(super) const GW2: Index = Index(11);
pub(super) const GW3: Index = Index(12);
pub(super) const UP: UplinkId = UplinkId(0);

pub(super) fn directory(me: Index) -> TestDirectory {
    TestDirectory::new(me, &[ALPHA, BRAVO], &[GW1, GW2, GW3])
}

pub(super) fn envelope(counter: u16, seconds: u32) -> Vec<u8> {
    let header = Header {
        class: Class::Pairwise,
        precedence: Precedence::Routine,
        destination: BRAVO,
        source: ALPHA,
        hop_limit: 5,
        round: 0,
        flags: 0,
        lifetime: Lifetime::floor(seconds),
        epoch_low: 0,
        session_low: 0,
        counter_low: counter,
        lane: None,
        enc: None,
    };
    let mut bytes = vec![0xA5; 60];
    header.write(&mut bytes).unwrap();
    bytes
}

/// A gateway with everything it asked for, by kind.
pub(super) struct Rig {
    pub(super) gateway: Gateway<RamMedium>,
    pub(super) dir: TestDirectory,
    pub(super) now: Instant,
    pub(super) out: Vec<Output>,
}

impl Rig {
    pub(super) fn new(me: Index) -> Self {
        Self::on(me, RamMedium::default(), Instant(1_000_000))
    }

    pub(super) fn on(me: Index, medium: RamMedium, now: Instant) -> Self {
        Self::within(me, medium, now, QueueLimits::default())
    }

    pub(super) fn within(me: Index, medium: RamMedium, now: Instant, limits: QueueLimits) -> Self {
        let gateway = Gateway::open(GatewayConfig::default(), me, medium, limits, now, None).unwrap();
        Self { gateway, dir: directory(me), now, out: Vec::new() }
    }

    pub(super) fn tell(&mut self, input: Input<'_>) -> &mut Self {
        self.gateway.handle(self.now, input, &self.dir);
        self.out.extend(core::iter::from_fn(|| self.gateway.poll()));
        self
    }

    /// Everything written becomes durable.
    pub(super) fn sync(&mut self) -> &mut Self {
        while let Some(at) = self.out.iter().position(|o| matches!(o, Output::Sync(_))) {
            let Output::Sync(ticket) = self.out.remove(at) else { unreachable!() };
            self.gateway.medium_mut();
            self.tell(Input::Synced(ticket));
        }
        self
    }

    pub(super) fn later(&mut self, seconds: u64) -> &mut Self {
        self.now += Duration::from_secs(seconds);
        self.tell(Input::Tick)
    }

    /// Payloads published since the last call, with handle and topic.
    pub(super) fn published(&mut self) -> Vec<(PublishId, [u8; 16], Vec<u8>)> {
        let (published, rest) = core::mem::take(&mut self.out)
            .into_iter()
            .partition(|o| matches!(o, Output::Publish { retain: false, .. }));
        self.out = rest;
        let parts = |o| match o {
            Output::Publish { publish, topic, payload, .. } => (publish, topic, payload),
            _ => unreachable!(),
        };
        Vec::into_iter(published).map(parts).collect()
    }

    pub(super) fn settled(&self, delivery: u64) -> bool {
        self.out.contains(&Output::Settle(UP, DeliveryId(delivery)))
    }

    pub(super) fn count(&self, what: Count) -> u64 {
        self.gateway.counters().get(what)
    }
}

/// What `from` would publish for everybody.
pub(super) fn payload(from: Index, body: &[u8]) -> Vec<u8> {
    payload_of(&directory(from), from, body)
}

pub(super) fn payload_of(dir: &TestDirectory, from: Index, body: &[u8]) -> Vec<u8> {
    let prefix = from.0.to_be_bytes();
    let mut out = vec![0; 2 + body.len() + 7];
    out[..2].copy_from_slice(&prefix);
    let head = Head { kind: FrameKind::Envelope, to: Index::BROADCAST, from: from.low() };
    let net = picket_link::Keyring::net(dir).mac;
    let around = Around { prefix: &prefix, suffix: &[] };
    picket_link::Keyring::mask(dir).seal(&mut out[2..], head, &[body], &net, around).unwrap();
    out
}

pub(super) fn deliver(rig: &mut Rig, delivery: u64, payload: &[u8]) {
    rig.tell(Input::Arrived { uplink: UP, delivery: DeliveryId(delivery), payload });
}

#[test]
fn custody_is_acknowledged_and_the_broker_told_only_after_the_store_is_durable() {
    let mut rig = Rig::new(GW2);
    rig.tell(Input::UplinkUp(UP));
    deliver(&mut rig, 1, &payload(GW1, &envelope(1, 3600)));
    assert!(rig.published().is_empty() && !rig.settled(1), "written is not durable");
    rig.sync();
    let answers = rig.published();
    assert_eq!(answers.len(), 1, "the acknowledgement");
    let topic = picket_link::Keyring::net(&rig.dir).topic_name(picket_wire::keys::TopicKind::Gateway, GW1);
    assert_eq!(answers[0].1, topic, "to the publisher's own topic");
    assert!(rig.settled(1));
    assert_eq!(rig.gateway.queued(), 1);
}

#[test]
fn custody_passes_on_the_next_custodians_word_and_not_on_puback() {
    let (mut one, mut two) = (Rig::new(GW1), Rig::new(GW2));
    one.tell(Input::UplinkUp(UP));
    two.tell(Input::UplinkUp(UP));
    hand_to_first(&mut one);
    let offered = one.published();
    assert_eq!(offered.len(), 1);
    one.tell(Input::Published { uplink: UP, publish: offered[0].0, matched: true });
    assert_eq!(one.gateway.queued(), 1, "a PUBACK moves no custody");
    deliver(&mut two, 1, &offered[0].2);
    two.sync();
    let answer = two.published();
    deliver(&mut one, 8, &answer[0].2);
    assert_eq!(one.gateway.queued(), 0);
    assert!(one.settled(8));
    assert_eq!(one.count(Count::ParcelsPassed), 1);
}

/// A message for bravo, who is known to be at GW2, comes into the custody of `one` from a third gateway.
pub(super) fn hand_to_first(one: &mut Rig) {
    let claim = TestDirectory::claim(BRAVO, GW2, 1);
    let mut buffer = [0; 160];
    let body = Control::Claim(claim).encode(&mut buffer).unwrap().to_vec();
    deliver(one, 1, &control_payload(GW2, &body));
    deliver(one, 2, &payload(GW3, &envelope(1, 3600)));
    one.sync();
    assert!(one.settled(1) && one.settled(2));
    let topic = picket_link::Keyring::net(&one.dir).topic_name(picket_wire::keys::TopicKind::Gateway, GW3);
    let at = one.out.iter().position(|o| matches!(o, Output::Publish { topic: t, .. } if *t == topic));
    one.out.remove(at.expect("the answer to GW3"));
}

pub(super) fn control_payload(from: Index, body: &[u8]) -> Vec<u8> {
    let dir = directory(from);
    let prefix = from.0.to_be_bytes();
    let mut out = vec![0; 2 + body.len() + 7];
    out[..2].copy_from_slice(&prefix);
    let head = Head { kind: FrameKind::Control, to: Index::BROADCAST, from: from.low() };
    let net = picket_link::Keyring::net(&dir).mac;
    let around = Around { prefix: &prefix, suffix: &[] };
    picket_link::Keyring::mask(&dir).seal(&mut out[2..], head, &[body], &net, around).unwrap();
    out
}

#[test]
fn the_same_parcel_again_is_acknowledged_again_and_stored_once() {
    let mut rig = Rig::new(GW2);
    rig.tell(Input::UplinkUp(UP));
    for delivery in 1..=3 {
        deliver(&mut rig, delivery, &payload(GW1, &envelope(1, 3600)));
        rig.sync();
        assert_eq!(rig.published().len(), 1);
        assert!(rig.settled(delivery));
    }
    assert_eq!(rig.gateway.queued(), 1);
    assert_eq!(rig.count(Count::DuplicatesAcknowledged), 2);
}

#[test]
fn garbage_is_counted_and_settled_for_ever() {
    let mut rig = Rig::new(GW2);
    rig.tell(Input::UplinkUp(UP));
    let good = payload(GW1, &envelope(1, 3600));
    let mut forged = good.clone();
    forged[40] ^= 1;
    let stranger = {
        let mut p = good.clone();
        p[1] = 99;
        p
    };
    let own = payload(GW2, &envelope(1, 3600));
    let version = {
        let mut p = good.clone();
        p[2] ^= 0xC0;
        p
    };
    let table: [(&[u8], Count); 6] = [
        (&[], Count::UplinkGarbage),
        (&good[..5], Count::UplinkGarbage),
        (&forged, Count::UplinkBadMac),
        (&stranger, Count::UplinkUnknownPublisher),
        (&own, Count::UplinkOwnMessage),
        (&version, Count::UplinkOtherVersion),
    ];
    for (n, (bytes, count)) in table.into_iter().enumerate() {
        let before = rig.count(count);
        deliver(&mut rig, n as u64, bytes);
        assert_eq!(rig.count(count), before + 1, "{count:?}");
        assert!(rig.settled(n as u64), "{count:?}");
    }
    assert_eq!(rig.gateway.queued(), 0);
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart_and_is_not_taken_twice() {
    let mut rig = Rig::new(GW2);
    rig.tell(Input::UplinkUp(UP));
    deliver(&mut rig, 1, &payload(GW1, &envelope(1, 3600)));
    rig.sync();
    let medium = rig.gateway.close(rig.now).unwrap();
    let mut rig = Rig::on(GW2, medium, Instant(5));
    assert_eq!(rig.gateway.queued(), 1);
    rig.tell(Input::UplinkUp(UP));
    rig.published();
    deliver(&mut rig, 2, &payload(GW1, &envelope(1, 3600)));
    assert_eq!(rig.gateway.queued(), 1);
    assert!(rig.settled(2));
}

#[test]
fn an_ended_lifetime_is_told_to_the_sender() {
    let mut rig = Rig::new(GW2);
    rig.tell(Input::UplinkUp(UP));
    deliver(&mut rig, 1, &payload(GW1, &envelope(1, 10)));
    rig.sync();
    rig.later(11).sync();
    assert_eq!(rig.count(Count::ParcelsExpired), 1);
    assert_eq!(rig.count(Count::NoticesMade), 1);
    assert_eq!(rig.gateway.queued(), 1, "the notice, for alpha");
    let name = |i: Index| alloc::format!("#{}", i.0);
    let queue = rig.gateway.queue(rig.now, &name);
    assert_eq!(
        queue[0].id,
        picket_wire::envelope::Envelope::parse(&envelope(1, 10)).unwrap().identity().id().to_string()
    );
    deliver(&mut rig, 2, &payload(GW1, &envelope(1, 10)));
    assert_eq!(rig.count(Count::RefusedExpired), 1, "and it does not come back");
}

#[test]
fn a_full_store_refuses_by_name_and_keeps_what_it_has() {
    let limits = QueueLimits { max_parcels: 2, ..QueueLimits::default() };
    let mut rig = Rig::new(GW2);
    rig.gateway = Gateway::open(GatewayConfig::default(), GW2, RamMedium::default(), limits, rig.now, None).unwrap();
    rig.tell(Input::UplinkUp(UP));
    for n in 1..=3u16 {
        deliver(&mut rig, u64::from(n), &payload(GW1, &envelope(n, 3600)));
        rig.sync();
    }
    assert_eq!(rig.gateway.queued(), 2);
    assert_eq!(rig.count(Count::RefusedFull), 1);
    assert!(rig.settled(3), "the publisher keeps custody, so the broker may forget");
}

#[test]
fn a_forged_or_foreign_claim_moves_nobody() {
    let mut rig = Rig::new(GW2);
    rig.tell(Input::UplinkUp(UP));
    let mut claim = TestDirectory::claim(BRAVO, GW1, 9);
    claim.signature.0[0] ^= 1;
    let mut buffer = [0; 160];
    let body = Control::Claim(claim).encode(&mut buffer).unwrap().to_vec();
    deliver(&mut rig, 1, &control_payload(GW1, &body));
    assert_eq!(rig.count(Count::ClaimsForged), 1);
    assert!(rig.gateway.relay.routes().get(BRAVO).is_none());
    assert_eq!(crate::io::Directory::kind(&rig.dir, Index(77)), None::<StationKind>);
}

/// The link on which a member is attached in these tests.
const LINK: LinkId = LinkId(7);

fn attach_bravo(rig: &mut Rig, sequence: u32) {
    let config = picket_link::Config {
        framing: picket_link::Framing::Cobs,
        mtu: None,
        air_bps: None,
        duplex: picket_link::Duplex::Full,
        turn_round: Duration::ZERO,
    };
    rig.tell(Input::LinkAdded { link: LINK, name: "pipe".into(), kind: "test", config, air: crate::Air::Open })
        .tell(Input::LinkUp(LINK));
    rig.gateway.relay.follow(rig.now, TestDirectory::claim(BRAVO, rig.gateway.me, sequence));
    rig.gateway.relay.attach(rig.now, BRAVO, LINK.0);
    rig.tell(Input::Tick);
}

fn offers_at_the_broker(rig: &Rig) -> usize {
    rig.gateway.uplinks.by_id[&UP].published.len()
}

#[test]
fn an_offer_at_a_broker_is_forgotten_with_its_parcel() {
    let mut one = Rig::new(GW1);
    one.tell(Input::UplinkUp(UP));
    hand_to_first(&mut one);
    assert_eq!(offers_at_the_broker(&one), 1);
    one.later(20);
    assert_eq!(one.count(Count::OffersTimedOut), 1);
    assert_eq!(offers_at_the_broker(&one), 1, "a late acknowledgement still counts");
    one.later(3600);
    assert_eq!(one.count(Count::ParcelsExpired), 1);
    assert_eq!(offers_at_the_broker(&one), 0);
}

#[test]
fn a_late_word_from_a_broker_is_not_the_recipients() {
    let (mut one, mut two) = (Rig::new(GW1), Rig::new(GW2));
    one.tell(Input::UplinkUp(UP));
    two.tell(Input::UplinkUp(UP));
    hand_to_first(&mut one);
    let offered = one.published();
    deliver(&mut two, 1, &offered[0].2);
    let answer = two.sync().published();
    attach_bravo(&mut one, 2);
    deliver(&mut one, 8, &answer[0].2);
    assert_eq!((one.count(Count::ParcelsPassed), one.count(Count::ParcelsDelivered)), (1, 0));
    let mut back = envelope(1, 3600);
    picket_wire::envelope::set_mutable(&mut back, 3, 1, Lifetime::floor(3600));
    deliver(&mut one, 9, &payload(GW2, &back));
    assert_eq!(one.sync().gateway.queued(), 1, "the next custodian's offer is taken, for the member is here now");
}

#[test]
fn a_parcel_that_came_round_is_not_freed_by_an_answer_to_an_earlier_offer() {
    let (mut one, mut two) = (Rig::new(GW1), Rig::new(GW2));
    one.tell(Input::UplinkUp(UP));
    two.tell(Input::UplinkUp(UP));
    hand_to_first(&mut one);
    let offered = one.published();
    deliver(&mut two, 1, &offered[0].2);
    let answer = two.sync().published();
    // What the second one took has found its way back before its acknowledgement did.
    let mut back = envelope(1, 3600);
    picket_wire::envelope::set_mutable(&mut back, 3, 0, Lifetime::floor(3600));
    deliver(&mut one, 7, &payload(GW2, &back));
    assert_eq!(one.count(Count::DuplicatesAcknowledged), 1);
    assert_eq!(one.published().len(), 2, "the acknowledgement, and the offer of another round");
    deliver(&mut one, 8, &answer[0].2);
    assert_eq!(one.count(Count::UplinkStaleAnswers), 1);
    assert_eq!(one.gateway.queued(), 1, "somebody holds it");
    for delivery in 10..13 {
        deliver(&mut one, delivery, &payload(GW2, &back));
    }
    assert_eq!(one.count(Count::RefusedPassedOn), 1, "three rounds, then the other one keeps it");
}

#[test]
fn every_delivery_is_settled_although_the_parcel_died_unwritten_or_too_many_wait_for_it() {
    let mut rig = Rig::new(GW2);
    rig.tell(Input::UplinkUp(UP));
    let last = crate::limits::OWED_MAX as u64 + 2;
    for delivery in 1..=last {
        deliver(&mut rig, delivery, &payload(GW1, &envelope(1, 3600)));
    }
    assert!(rig.settled(last) && !rig.settled(1));
    rig.sync();
    assert!((1..=last).all(|delivery| rig.settled(delivery)));
    deliver(&mut rig, 50, &payload(GW1, &envelope(2, 1)));
    rig.later(2);
    assert!(!rig.settled(50));
    rig.sync();
    assert!(rig.settled(50));
    assert_eq!(rig.count(Count::RefusedExpired), 1);
}

#[test]
fn a_receipt_that_came_round_stays_with_whom_offers_it() {
    let mut one = Rig::new(GW1);
    one.tell(Input::UplinkUp(UP));
    let receipt = |hops| {
        let id = picket_wire::MessageId([4; 8]);
        let kind = picket_wire::control::ReceiptKind::Read;
        let receipt = Control::Receipt(picket_wire::control::Receipt { to: BRAVO, hops, id, kind, token: [5; 8] });
        let mut buffer = [0; 160];
        receipt.encode(&mut buffer).unwrap().to_vec()
    };
    hand_to_first(&mut one);
    deliver(&mut one, 20, &control_payload(GW3, &receipt(5)));
    one.sync();
    deliver(&mut one, 21, &control_payload(GW3, &receipt(5)));
    assert_eq!((one.count(Count::DuplicatesAcknowledged), one.gateway.queued()), (1, 2), "a repetition");
    deliver(&mut one, 22, &control_payload(GW2, &receipt(3)));
    assert_eq!(one.count(Count::RefusedPassedOn), 1);
    assert!(one.settled(22));
}
