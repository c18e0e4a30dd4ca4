//! Revocation in a world of members and gateways: who goes on, who does not, who was away (spec §35.6, §35.7).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{START_S, World};
use picket_endpoint::testing::Crash;
use picket_endpoint::{ComposeError, Endpoint, Event, ObjectError, State};
use picket_wire::time::Duration;

const S: Duration = Duration::from_secs(1);
const CHARLIE: usize = 2;

/// alpha at gw1, bravo and charlie at gw2, all greeted.
fn world(seed: u64) -> World {
    let mut world = World::new(seed);
    for (member, post) in [(0, 0), (1, 1), (CHARLIE, 1)] {
        world.attach(member, post);
    }
    world.run(S.times(5));
    world
}

fn generation(world: &mut World, i: usize) -> u8 {
    world.endpoint(i).generation()
}

fn delivered(world: &mut World, from: usize, to: &str, text: &str) {
    let id = world.send(from, to, text);
    world.run(S.times(60));
    assert_eq!(world.state(from, id), State::Delivered, "{text}");
}

#[test]
fn from_one_gateway_it_spreads_and_the_others_go_on() {
    let mut world = world(40);
    delivered(&mut world, CHARLIE, "alpha", "while I still may");
    let object = world.mission.revoke(&[CHARLIE], START_S);
    world.push(0, &object);
    world.run(S.times(30));
    assert_eq!((world.posts[0].directory.generation(), world.posts[1].directory.generation()), (1, 1));
    assert_eq!((generation(&mut world, 0), generation(&mut world, 1)), (1, 1));
    let told = |e: &Event| matches!(e, Event::Rekeyed { generation: 1, revoked } if revoked.len() == 1);
    assert!(world.members[0].events.iter().any(told));
    delivered(&mut world, 0, "bravo", "there");
    delivered(&mut world, 1, "alpha", "and back");
    // The captured device hears it, too, and knows that it is out.
    assert!(world.endpoint(CHARLIE).revoked());
    let refused = world.try_send(CHARLIE, "alpha", "let me in", None);
    assert!(matches!(refused, Err(ComposeError::Revoked)), "{refused:?}");
    assert!(!world.texts(0).contains(&"let me in".to_string()));
}

#[test]
fn a_captor_that_hears_nothing_of_it_is_refused_all_the_same() {
    let mut world = world(41);
    // A copy of the device, which is kept from hearing anything.
    let copy = world.endpoint(CHARLIE).vault_mut().clone();
    world.detach(CHARLIE);
    let object = world.mission.revoke(&[CHARLIE], START_S);
    world.push(0, &object);
    world.run(S.times(30));
    world.members[CHARLIE].endpoint = Some(Endpoint::open(copy, world.now, world.wall_now()).unwrap());
    let id = world.try_send(CHARLIE, "alpha", "let me in", Some(S.times(600))).unwrap();
    world.attach(CHARLIE, 1);
    world.run(S.times(120));
    assert_eq!(world.state(CHARLIE, id), State::Queued, "no gateway takes it");
    assert_eq!(world.endpoint(CHARLIE).attached(), None);
    assert!(!world.texts(0).contains(&"let me in".to_string()));
}

#[test]
fn whoever_was_away_catches_up_also_over_several_generations_and_with_losses() {
    let mut world = world(42);
    world.loss = 100;
    world.detach(1);
    for (n, gone) in [vec![CHARLIE], vec![], vec![]].iter().enumerate() {
        let object = world.mission.revoke(gone, START_S);
        world.push(0, &object);
        world.run(S.times(120));
        assert_eq!(usize::from(generation(&mut world, 0)), n + 1);
    }
    let waiting = world.send(0, "bravo", "for your return");
    world.run(S.times(60));
    assert_eq!(generation(&mut world, 1), 0);
    world.attach(1, 1);
    world.run(S.times(180));
    assert_eq!(generation(&mut world, 1), 3, "the newest one is enough");
    assert_eq!(world.state(0, waiting), State::Delivered);
}

#[test]
fn a_member_hands_it_to_a_gateway_that_was_away() {
    let mut world = world(43);
    world.radio = false;
    let object = world.mission.revoke(&[CHARLIE], START_S);
    world.push(0, &object);
    world.run(S.times(60));
    assert_eq!((generation(&mut world, 0), world.posts[1].directory.generation()), (1, 0));
    world.detach(0);
    world.attach(0, 1);
    world.run(S.times(60));
    assert_eq!((world.posts[1].directory.generation(), generation(&mut world, 1)), (1, 1));
}

#[test]
fn what_waits_for_the_revoked_ends_and_all_keys_with_them_are_gone() {
    let mut world = world(44);
    world.detach(0);
    let id = world.send(0, "charlie", "too late");
    let keys = |w: &mut World| {
        let map = w.endpoint(0).vault_mut().map();
        map.keys().filter(|k| matches!(k[0], b'p' | b't' | b'r') && k[1..3] == [0, 3]).count()
    };
    assert!(keys(&mut world) > 0);
    let object = world.mission.revoke(&[CHARLIE], START_S);
    let now = world.now;
    assert_eq!(world.endpoint(0).import_revocation(now, object.clone()), Ok(1));
    assert_eq!(keys(&mut world), 0);
    assert!(matches!(world.state(0, id), State::Refused(_)));
    assert_eq!(world.endpoint(0).import_revocation(now, object), Err(ObjectError::Older));
}

#[test]
fn a_revocation_is_there_whole_or_not_at_all() {
    let mut fresh = world(45);
    delivered(&mut fresh, 0, "charlie", "keys to be erased");
    let object = fresh.mission.revoke(&[CHARLIE], START_S);
    let (now, wall) = (fresh.now, fresh.wall_now());
    let vault = fresh.endpoint(0).vault_mut().clone();
    let mut at = vault.commits();
    let mut crashes = 0;
    loop {
        let mut whole = true;
        for done in [false, true] {
            let mut vault = vault.clone();
            vault.crash_at(Some(Crash { at, done }));
            let mut endpoint = Endpoint::open(vault, now, wall).unwrap();
            let outcome = endpoint.import_revocation(now, object.clone());
            let after = endpoint.into_vault().restarted();
            let left = |name: u8| after.map().keys().filter(|k| k[0] == name && k[1..3] == [0, 3]).count();
            let (psk, has) = (left(b'p'), after.map().contains_key(b"No".as_slice()));
            let mut again = Endpoint::open(after, now, wall).unwrap();
            assert_eq!((again.generation() == 1, psk == 0), (has, has), "commit {at}, done {done}");
            assert_eq!(again.roster().revoked().as_slice().len(), usize::from(has));
            if !has {
                assert_eq!(again.import_revocation(now, object.clone()), Ok(1), "and once more");
            }
            whole &= outcome.is_ok();
            crashes += usize::from(outcome.is_err());
        }
        if whole {
            break;
        }
        at += 1;
    }
    assert!(crashes >= 2, "{crashes}");
}

#[test]
fn a_revoked_device_stops_for_good() {
    let mut world = world(46);
    let object = world.mission.revoke(&[CHARLIE], START_S);
    let now = world.now;
    assert_eq!(world.endpoint(CHARLIE).import_revocation(now, object), Err(ObjectError::Revoked));
    assert!(world.members[CHARLIE].events.contains(&Event::Revoked) || world.endpoint(CHARLIE).revoked());
    world.restart_member(CHARLIE);
    assert!(world.endpoint(CHARLIE).revoked());
    assert!(matches!(world.try_send(CHARLIE, "alpha", "?", None), Err(ComposeError::Revoked)));
}
