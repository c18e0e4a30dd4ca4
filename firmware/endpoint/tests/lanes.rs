//! Short-lived messages (spec §40.10): their keys go soon after their lifetime, whether they arrived or not.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "../../seal/tests/common/search.rs"]
mod search;

use common::World;
use picket_endpoint::State;
use picket_wire::envelope::Envelope;
use picket_wire::time::Duration;
use picket_wire::{Index, MessageId};
use search::opens_with_anything_in;

const S: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

fn pair(seed: u64) -> World {
    let mut world = World::new(seed);
    world.attach(0, 0);
    world.attach(1, 0);
    world.run(S.times(3));
    world
}

fn short(world: &mut World, text: &str, ttl: Duration) -> MessageId {
    world.try_send(0, "bravo", text, Some(ttl)).unwrap()
}

/// The envelope of a message in the sender's outbox, as a recording of the air has it.
fn recorded(world: &mut World, id: MessageId) -> Vec<u8> {
    let key = [b"e".as_slice(), &id.0].concat();
    world.endpoint(0).vault_mut().map()[&key].clone()
}

/// Every byte that a member's device holds.
fn held(world: &mut World, i: usize) -> Vec<u8> {
    world.endpoint(i).vault_mut().map().values().flatten().copied().collect()
}

/// Bravo's stored session from alpha, for its name.
fn begun(world: &mut World) -> Vec<u8> {
    let map = world.endpoint(1).vault_mut().map();
    let (_, value) = map.iter().find(|(k, _)| k.starts_with(&[b'r', 0, 1])).unwrap();
    value[8..].to_vec()
}

#[test]
fn short_lifetimes_are_sealed_in_the_slot_of_their_lane_and_arrive_across_slots() {
    let mut world = pair(40);
    let cases = [(MINUTE, 0..=143), (HOUR.times(3), 144..=167), (HOUR.times(20), 168..=168)];
    for round in 0..4 {
        for (ttl, bytes) in cases.clone() {
            let text = format!("{round} {}", ttl.as_secs());
            let id = short(&mut world, &text, ttl);
            let lane = Envelope::parse(&recorded(&mut world, id)).unwrap().header().lane.unwrap();
            assert!(bytes.contains(&lane), "{lane}");
            world.run(S.times(5));
            assert_eq!(world.state(0, id), State::Delivered);
            assert!(world.texts(1).contains(&text));
        }
        world.run(MINUTE.times(25));
        if round == 1 {
            world.restart_member(0);
            world.restart_member(1);
        }
    }
    let id = world.send(0, "bravo", "for days");
    assert_eq!(Envelope::parse(&recorded(&mut world, id)).unwrap().header().lane, None);
    assert_eq!(world.endpoint(1).counters().cannot_open, 0);
}

/// The issue's own words: after expiry neither the device nor a recording plus a captured device opens it.
#[test]
fn after_its_lifetime_a_message_that_never_arrived_is_beyond_everyones_reach() {
    let mut world = pair(41);
    world.detach(1);
    let id = short(&mut world, "meet at the ford", MINUTE.times(30));
    let recording = recorded(&mut world, id);
    let begun = begun(&mut world);
    world.run(MINUTE);
    assert!(opens_with_anything_in(&held(&mut world, 1), &recording, &begun), "the search finds what is there");
    world.run(MINUTE.times(30));
    assert_eq!(world.state(0, id), State::Expired, "its sender is told");
    // The slot ends within ten minutes of its sending, and an hour later no lifetime of its lane is left.
    world.run(MINUTE.times(39));
    for i in 0..2 {
        let bytes = held(&mut world, i);
        assert!(!bytes.windows(16).any(|w| w == b"meet at the ford"));
        assert!(!opens_with_anything_in(&bytes, &recording, &begun), "device {i}");
    }
    let seeds = picket_roster::DeviceSecrets::decode(&world.endpoint(1).vault_mut().map()[b"d".as_slice()]).unwrap();
    let epoch = world.endpoint(1).epoch().unwrap();
    assert!(seeds.seeds(epoch).unwrap().r().is_none() && seeds.seeds(epoch).unwrap().e().is_none());
}

/// What has been switched off through the whole time does so before anything else.
#[test]
fn a_device_that_was_off_erases_first_what_is_over() {
    let mut world = pair(42);
    world.detach(1);
    let id = short(&mut world, "meet at the ford", MINUTE.times(30));
    let (recording, begun) = (recorded(&mut world, id), begun(&mut world));
    world.stop_member(1);
    world.run(HOUR.times(2));
    world.start_member(1);
    assert!(!opens_with_anything_in(&held(&mut world, 1), &recording, &begun));
}

/// Without wall time the home's own time counts.
#[test]
fn without_wall_time_slots_go_by_own_time() {
    let mut world = World::new(43);
    world.wall = false;
    for i in 0..2 {
        world.restart_member(i);
        world.member_input(i, picket_endpoint::Input::Wall(None));
        world.attach(i, 0);
    }
    world.run(S.times(3));
    let arrives = short(&mut world, "now", MINUTE.times(30));
    world.run(S.times(5));
    assert_eq!(world.state(0, arrives), State::Delivered);
    world.detach(1);
    let id = short(&mut world, "meet at the ford", MINUTE.times(30));
    let (recording, begun) = (recorded(&mut world, id), begun(&mut world));
    assert!(opens_with_anything_in(&held(&mut world, 1), &recording, &begun));
    world.run(MINUTE.times(75));
    assert!(!opens_with_anything_in(&held(&mut world, 1), &recording, &begun));
}

/// A copy of a home may seal in the same slots: it never does (§70.6).
#[test]
fn a_home_that_was_outrun_seals_short_lifetimes_in_band() {
    let mut world = pair(44);
    let now = world.now;
    world.endpoint(0).distrust(now).unwrap();
    let id = short(&mut world, "after", MINUTE);
    let envelope = recorded(&mut world, id);
    let header = *Envelope::parse(&envelope).unwrap().header();
    assert!(header.lane.is_none() && header.enc.is_some() && header.source == Index(1));
    world.run(S.times(5));
    assert_eq!(world.state(0, id), State::Delivered);
}

/// Burn-on-read counts from reading, on both ends; unread it lives as any other.
#[test]
fn what_burns_goes_soon_after_it_was_read_on_both_ends() {
    let mut world = pair(45);
    let (now, text) = (world.now, "burn this");
    let draft = picket_endpoint::Draft {
        to: "bravo".into(),
        precedence: picket_wire::Precedence::Routine,
        ttl: None,
        burn: Some(S.times(30)),
        content: picket_endpoint::Content::Text(text.into()),
    };
    let rng = &mut world.rng;
    let id = world.members[0].endpoint.as_mut().unwrap().compose(now, draft, &mut |o: &mut [u8]| rng.fill(o)).unwrap();
    world.drain_member(0);
    world.run(HOUR);
    let holds = |w: &mut World, i: usize| held(w, i).windows(text.len()).any(|b| b == text.as_bytes());
    assert!(holds(&mut world, 0) && holds(&mut world, 1), "unread it stays");
    let now = world.now;
    assert_eq!(world.endpoint(1).incoming(now, id).unwrap().burn, Some(S.times(30)));
    world.mark_read(1, id);
    world.run(S.times(20));
    world.restart_member(1);
    assert!(holds(&mut world, 0) && holds(&mut world, 1), "for so long it may be read again");
    world.run(S.times(15));
    assert!(!holds(&mut world, 0) && !holds(&mut world, 1));
    assert_eq!(world.state(0, id), State::Read);
    assert!(world.texts(1).is_empty());
}
