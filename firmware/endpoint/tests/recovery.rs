//! Recovery after the device was in other hands (spec §70.10).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::World;
use picket_endpoint::{Event, State};
use picket_wire::envelope::{Encapsulated, Envelope};
use picket_wire::time::Duration;
use picket_wire::{Index, MessageId};

const S: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

fn pair(seed: u64) -> World {
    let mut world = World::new(seed);
    for i in 0..3 {
        world.attach(i, 0);
    }
    world.run(S.times(3));
    world
}

/// The header of a message in a member's outbox.
fn enc(world: &mut World, i: usize, id: MessageId) -> Option<Encapsulated> {
    let key = [b"e".as_slice(), &id.0].concat();
    let bytes = world.endpoint(i).vault_mut().map()[&key].clone();
    Envelope::parse(&bytes).unwrap().header().enc
}

fn days(world: &mut World, n: u64) {
    for i in 0..3 {
        world.detach(i);
    }
    world.run(DAY.times(n));
    for i in 0..3 {
        world.attach(i, 0);
    }
    world.run(S.times(5));
}

#[test]
fn two_who_write_to_each_other_come_to_fresh_prekeys_by_themselves() {
    let mut world = pair(60);
    let mut announced = [false; 2];
    for day in 0..10 {
        for (from, to) in [(0, "bravo"), (1, "alpha")] {
            let id = world.send(from, to, &format!("day {day}"));
            let prekey = enc(&mut world, from, id).map(|e| e.prekey >> 1);
            assert!(prekey.is_none_or(|id| id >= 64), "in-band only to what was announced");
            announced[from] |= prekey.is_some();
            assert!(day >= 7 || prekey.is_none(), "not in the first week");
            world.run(S.times(5));
            assert_eq!(world.state(from, id), State::Delivered, "day {day}");
        }
        days(&mut world, 1);
    }
    assert_eq!(announced, [true, true]);
    assert_eq!(world.endpoint(0).counters().cannot_open + world.endpoint(1).counters().cannot_open, 0);
}

#[test]
fn a_device_that_was_in_other_hands_tells_its_correspondents_and_none_uses_its_old_keys_again() {
    let mut world = pair(61);
    world.send(0, "bravo", "hello");
    world.send(2, "alpha", "hello");
    world.run(S.times(5));
    let (now, rng) = (world.now, &mut world.rng);
    let told = world.members[0].endpoint.as_mut().unwrap().renew(now, &mut |out: &mut [u8]| rng.fill(out));
    assert_eq!(told, Ok(2));
    world.drain_member(0);
    assert!(world.endpoint(0).rolled_back());
    world.run(S.times(10));
    for i in [1, 2] {
        assert!(world.members[i].events.contains(&Event::PeerRenewed { from: Index(1) }), "{i}");
    }
    for day in 0..3 {
        // A short lifetime, too: the slots come from keys made before.
        let there = world.try_send(1, "alpha", "short", Some(S.times(60))).unwrap();
        assert!(enc(&mut world, 1, there).is_some_and(|e| e.prekey >> 1 >= 64), "day {day}");
        let back = world.send(0, "bravo", "back");
        assert!(enc(&mut world, 0, back).is_some(), "day {day}");
        world.run(S.times(5));
        assert_eq!((world.state(1, there), world.state(0, back)), (State::Delivered, State::Delivered), "day {day}");
        // Others' keys are not touched by it.
        let others = world.send(1, "charlie", "as ever");
        assert!(enc(&mut world, 1, others).is_none());
        days(&mut world, 1);
    }
    for i in 0..3 {
        assert_eq!(world.endpoint(i).counters().cannot_open, 0);
    }
}
