//! Signed objects at a gateway, and what a change of the network key does to custody (spec §35.6, §35.7).

use super::tests::{ALPHA, BRAVO, GW1, GW2, GW3, Rig, UP, deliver, envelope, hand_to_first, payload};
use super::*;
use crate::io::LinkId;
use crate::testing::link::Event;
use alloc::vec;
use picket_link::{Config, Duplex, Framing, Keyring, Link};
use picket_wire::keys::TopicKind;
use picket_wire::signed::{AT_BROKER, ObjectKind, Signed, object_topic};
use picket_wire::time::Duration;

const MISSION: picket_wire::MissionId = picket_wire::MissionId([9; 8]);

fn rig(me: Index) -> Rig {
    let mut rig = Rig::new(me);
    rig.dir.carry_objects(MISSION);
    rig
}

/// Shaped like a REVOKE: the host, who verifies, is the test.
fn revoke(generation: u8) -> Vec<u8> {
    let mut object = vec![0x33; 246];
    (object[0], object[1]) = (1, generation);
    object
}

fn at_broker(object: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; object.len() + 2];
    Signed::Whole(object).write(&mut frame).unwrap();
    [AT_BROKER.as_slice(), &frame].concat()
}

/// The host verified it and put it in force.
fn in_force(rig: &mut Rig, generation: u8, gone: &[Index]) {
    rig.dir.rekey(generation, gone);
    rig.tell(Input::Object(revoke(generation)));
}

fn retained(rig: &Rig) -> Vec<([u8; 16], Vec<u8>)> {
    let all = rig.out.iter().filter_map(|o| match o {
        Output::Publish { topic, payload, retain: true, .. } => Some((*topic, payload.clone())),
        _ => None,
    });
    all.filter(|(_, payload)| payload.starts_with(&AT_BROKER)).collect()
}

#[test]
fn an_object_from_a_broker_goes_to_the_host_and_nothing_is_passed_on_before_it_says_so() {
    let mut rig = rig(GW1);
    rig.tell(Input::UplinkUp(UP));
    let topic = object_topic(MISSION, ObjectKind::Revoke);
    assert!(rig.out.contains(&Output::Subscribe(UP, topic)));
    deliver(&mut rig, 1, &at_broker(&revoke(1)));
    assert!(rig.settled(1) && rig.out.contains(&Output::Object(revoke(1))));
    rig.later(600);
    assert!(retained(&rig).is_empty(), "it has not been verified");
    in_force(&mut rig, 1, &[]);
    rig.later(600);
    assert!(retained(&rig).is_empty(), "this broker has it");
    deliver(&mut rig, 2, &at_broker(&[1, 0]));
    assert!(rig.settled(2) && rig.count(Count::ObjectsGarbage) == 1);
}

#[test]
fn what_a_broker_lacks_or_somebody_replaced_is_published_there() {
    let mut rig = rig(GW1);
    in_force(&mut rig, 2, &[]);
    rig.tell(Input::UplinkUp(UP));
    assert!(retained(&rig).is_empty(), "what the broker retains comes first");
    rig.later(4);
    assert_eq!(retained(&rig), [(object_topic(MISSION, ObjectKind::Revoke), at_broker(&revoke(2)))]);
    rig.out.clear();
    deliver(&mut rig, 1, &at_broker(&revoke(1)));
    rig.later(11);
    assert_eq!(retained(&rig).len(), 1, "an old one in its place is replaced");
}

#[test]
fn at_a_change_everything_unacknowledged_is_published_again_under_new_names() {
    let mut one = rig(GW1);
    one.tell(Input::UplinkUp(UP));
    hand_to_first(&mut one);
    let before = one.published();
    assert_eq!(before.len(), 1);
    let old = one.dir.net().topic_name(TopicKind::Gateway, GW1);
    in_force(&mut one, 1, &[GW3]);
    let new = one.dir.net().topic_name(TopicKind::Gateway, GW1);
    assert!(one.out.contains(&Output::Unsubscribe(UP, old)) && one.out.contains(&Output::Subscribe(UP, new)));
    let after = one.published();
    assert_eq!(after.len(), 1, "the same message once more");
    assert_eq!(after[0].1, one.dir.net().topic_name(TopicKind::Gateway, GW2));
    assert_ne!((after[0].1, &after[0].2), (before[0].1, &before[0].2));
    // A publish of the former generation is nobody's now, whoever says it is from.
    deliver(&mut one, 7, &payload(GW2, &envelope(9, 3600)));
    assert!(one.settled(7) && one.count(Count::UplinkOtherVersion) == 1);
}

#[test]
fn what_a_revoked_station_wrote_or_is_to_get_ends() {
    for gone in [ALPHA, BRAVO] {
        let mut one = rig(GW1);
        one.tell(Input::UplinkUp(UP));
        hand_to_first(&mut one);
        assert_eq!(one.gateway.queued(), 1);
        in_force(&mut one, 1, &[gone]);
        one.sync();
        let left = u64::from(gone == BRAVO);
        assert_eq!(one.gateway.queued(), left, "{}: but for the notice to its sender", gone.0);
        assert_eq!(one.count(Count::RefusedRevoked), 1);
        deliver_at(&mut one, 3, 1, &envelope(5, 3600));
        one.sync();
        assert_eq!((one.gateway.queued(), one.count(Count::RefusedRevoked)), (left, 2), "{}", gone.0);
    }
}

/// A publish of GW2 in a generation.
fn deliver_at(rig: &mut Rig, delivery: u64, generation: u8, body: &[u8]) {
    let mut dir = crate::testing::TestDirectory::new(GW2, &[ALPHA, BRAVO], &[GW1, GW2, GW3]);
    dir.rekey(generation, &[]);
    deliver(rig, delivery, &super::tests::payload_of(&dir, GW2, body));
}

#[test]
fn a_neighbour_that_is_behind_is_handed_the_revocation_by_radio() {
    let mut one = rig(GW1);
    let config = Config {
        framing: Framing::Cobs,
        mtu: None,
        air_bps: Some(9_600),
        duplex: Duplex::Full,
        turn_round: Duration::ZERO,
    };
    let (id, name) = (LinkId(1), String::from("radio"));
    one.tell(Input::LinkAdded { link: id, name, kind: "serial", config: config.clone(), air: crate::io::Air::Open });
    one.tell(Input::LinkUp(id));
    in_force(&mut one, 1, &[GW3]);
    // The first three sendings are over before the neighbour comes.
    for _ in 0..200 {
        one.tell(Input::Sent(id)).later(1);
    }
    one.out.clear();
    let behind = crate::testing::TestDirectory::new(GW2, &[ALPHA, BRAVO], &[GW1, GW2, GW3]);
    let mut theirs = Link::new(config);
    theirs.up(one.now);
    let hello = picket_wire::control::Hello { index: GW2, gateway: true, answer: true };
    theirs.send(one.now, None, Control::Hello(hello)).unwrap();
    let frame = theirs.poll_transmit(one.now, &behind, &mut picket_link::Gate::radio()).unwrap();
    one.tell(Input::Received(id, &frame));
    let mut heard = Vec::new();
    for _ in 0..5 {
        one.tell(Input::Sent(id)).later(1);
        let said: Vec<_> = one.out.drain(..).collect();
        for output in said {
            if let Output::Transmit(_, bytes) = output {
                theirs.receive(one.now, &bytes, &behind);
                heard.extend(core::iter::from_fn(|| theirs.poll_event()));
            }
        }
    }
    assert!(heard.contains(&Event::Object(revoke(1))), "{heard:?}");
}
