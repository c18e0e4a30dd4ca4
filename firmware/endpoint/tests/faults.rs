//! What may go wrong between two people: power, links, gateways, duplicates.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::World;
use picket_endpoint::testing::Crash;
use picket_endpoint::{Event, State};
use picket_wire::MessageId;
use picket_wire::time::Duration;

const S: Duration = Duration::from_secs(1);

fn shown(world: &World, i: usize) -> Vec<MessageId> {
    let ids = world.members[i].events.iter();
    ids.filter_map(|e| if let Event::Received { id } = e { Some(*id) } else { None }).collect()
}

fn assert_forward(world: &World, i: usize) {
    let mut last = std::collections::BTreeMap::new();
    for event in &world.members[i].events {
        if let Event::State { id, state, .. } = event {
            let rank = last.insert(*id, state.rank());
            assert!(rank.is_none_or(|r| r < state.rank()), "{id} went back to {state}");
        }
    }
}

/// alpha composes and reads, bravo receives and reads; the power of one of them goes at one commit.
fn crash_at(who: usize, crash: Crash) -> bool {
    let mut world = World::new(77);
    world.endpoint(who).vault_mut().crash_at(None);
    let base = world.endpoint(who).vault_mut().commits();
    world.endpoint(who).vault_mut().crash_at(Some(Crash { at: base + crash.at, ..crash }));
    world.attach(0, 0);
    world.attach(1, 0);
    let mut sent = Vec::new();
    let mut crashed = false;
    for text in ["one", "two", "three"] {
        loop {
            let done = world.try_send(0, "bravo", text, None);
            world.run(S);
            for i in 0..2 {
                if world.endpoint(i).failed() {
                    assert!(world.members[i].events.contains(&Event::Failed), "told");
                    crashed = true;
                    world.restart_member(i);
                }
            }
            match done {
                Ok(id) => {
                    sent.push(id);
                    break;
                }
                // Composed but not told: it may be in the outbox all the same, like a mail program killed at "send".
                Err(_) => {
                    let now = world.now;
                    let all = world.endpoint(0).sent(now).unwrap();
                    if let Some(m) = all.iter().find(|m| m.shown == Some(picket_endpoint::Shown::Text(text.into()))) {
                        sent.push(m.id);
                        break;
                    }
                }
            }
        }
    }
    world.run(S.times(10));
    for i in 0..2 {
        if world.endpoint(i).failed() {
            crashed = true;
            world.restart_member(i);
        }
    }
    world.run(S.times(30));
    assert_eq!(world.texts(1), ["one", "two", "three"], "each once, in order");
    for id in &sent {
        let now = world.now;
        while world.endpoint(1).mark_read(now, *id).is_err() {
            assert!(world.endpoint(1).failed());
            crashed = true;
            world.restart_member(1);
        }
    }
    world.drain_member(1);
    world.run(S.times(10));
    for i in 0..2 {
        if world.endpoint(i).failed() {
            crashed = true;
            world.restart_member(i);
        }
    }
    world.run(S.times(60));
    for id in sent {
        assert_eq!(world.state(0, id), State::Read);
    }
    let mut ids = shown(&world, 1);
    let n = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), n, "nothing told twice");
    assert_forward(&world, 0);
    crashed
}

#[test]
fn a_power_cut_at_any_commit_of_either_side_loses_and_doubles_nothing() {
    for who in 0..2 {
        for done in [false, true] {
            let mut at = 0;
            while crash_at(who, Crash { at, done }) {
                at += 1;
            }
            assert!(at >= 5, "member {who} makes some commits ({at})");
        }
    }
}

#[test]
fn a_lossy_reordering_medium_delivers_everything_once() {
    for seed in 0..6 {
        let mut world = World::new(100 + seed);
        (world.loss, world.late) = (200, 100);
        world.attach(0, 0);
        world.attach(1, 1);
        let texts: Vec<String> = (0..12).map(|n| format!("message {n}")).collect();
        let ids: Vec<MessageId> = texts.iter().map(|t| world.send(0, "bravo", t)).collect();
        world.run_until(S.times(3600), |w| w.texts(1).len() == 12);
        world.run_until(S.times(3600), |w| ids.iter().all(|id| w.state(0, *id) == State::Delivered));
        let mut got = world.texts(1);
        got.sort();
        let mut all = texts;
        all.sort();
        assert_eq!(got, all);
        assert_eq!(shown(&world, 1).len(), 12);
        assert_forward(&world, 0);
    }
}

#[test]
fn gateways_killed_at_random_moments_lose_nothing_that_was_acknowledged() {
    let mut world = World::new(5);
    world.attach(0, 0);
    world.attach(1, 1);
    let mut ids = Vec::new();
    for round in 0..12 {
        ids.push(world.send(0, "bravo", &format!("round {round}")));
        let pause = Duration::from_millis(world.rng.next() % 3000);
        world.run(pause);
        let p = (world.rng.next() % 2) as usize;
        world.kill_post(p);
        world.run(Duration::from_millis(500));
        world.start_post(p);
    }
    world.run_until(S.times(3600), |w| w.texts(1).len() == 12);
    world.run_until(S.times(3600), |w| ids.iter().all(|id| w.state(0, *id) == State::Delivered));
    assert_eq!(shown(&world, 1).len(), 12);
}

#[test]
fn a_member_who_moves_takes_what_waits_at_the_old_gateway_along() {
    let mut world = World::new(6);
    world.attach(1, 0);
    world.run(S.times(5));
    world.detach(1);
    world.attach(0, 0);
    world.run(S.times(5));
    let id = world.send(0, "bravo", "where are you");
    world.run(S.times(5));
    assert_eq!(world.state(0, id), State::Custody, "nobody attached: custody and no more");
    world.attach(1, 1);
    world.run_until(S.times(600), |w| w.texts(1).len() == 1);
    world.run_until(S.times(600), |w| w.state(0, id) == State::Delivered);
}

#[test]
fn without_a_gateway_messages_wait_and_say_why() {
    let mut world = World::new(7);
    let id = world.send(0, "bravo", "early");
    let now = world.now;
    assert_eq!(world.endpoint(0).outgoing(now, id).unwrap().why, picket_endpoint::Why::NoWay);
    world.kill_post(0);
    world.attach(0, 0);
    world.run(S.times(3));
    let now = world.now;
    assert_eq!(world.endpoint(0).outgoing(now, id).unwrap().why, picket_endpoint::Why::NoGateway);
    world.start_post(0);
    world.run_until(S.times(120), |w| w.state(0, id) == State::Custody);
    let now = world.now;
    let why = world.endpoint(0).outgoing(now, id).unwrap().why.to_string();
    assert_eq!(why, "in custody of gw1, recipient not heard from");
}

#[test]
fn the_inbox_is_drained_when_all_that_was_held_is_here() {
    let mut world = World::new(8);
    world.attach(0, 0);
    world.attach(1, 0);
    world.run(S.times(3));
    world.detach(1);
    for n in 0..20 {
        world.send(0, "bravo", &format!("{n}"));
    }
    world.run(S.times(10));
    world.attach(1, 0);
    let drained =
        |w: &mut World| w.members[1].events.iter().filter(|e| matches!(e, Event::Drained { .. })).count() >= 2;
    world.run_until(S.times(60), drained);
    assert_eq!(world.texts(1).len(), 20);
    let events = &world.members[1].events;
    let last = events.iter().rposition(|e| matches!(e, Event::Received { .. })).unwrap();
    let end = events.iter().rposition(|e| matches!(e, Event::Drained { .. })).unwrap();
    assert!(last < end, "told only after everything is in the mailbox");
}

#[test]
fn a_full_vault_refuses_and_takes_the_message_later() {
    let mut world = World::new(9);
    world.attach(0, 0);
    world.attach(1, 0);
    world.run(S.times(3));
    world.endpoint(1).vault_mut().set_full(true);
    let id = world.send(0, "bravo", "patience");
    world.run(S.times(20));
    assert_eq!(world.texts(1).len(), 0);
    assert_eq!(world.state(0, id), State::Custody);
    world.endpoint(1).vault_mut().set_full(false);
    world.run_until(S.times(300), |w| w.state(0, id) == State::Delivered);
    assert_eq!(world.texts(1), ["patience"]);
}
