//! Random histories against what people may rely on: what was composed arrives, once, and states only go forward.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::World;
use picket_endpoint::testing::Crash;
use picket_endpoint::{Event, State};
use picket_wire::MessageId;
use picket_wire::time::Duration;
use proptest::prelude::*;
use std::collections::BTreeMap;

const NAMES: [&str; 3] = ["alpha", "bravo", "charlie"];

#[derive(Clone, Debug)]
enum Op {
    Send { from: usize, to: usize },
    ReadAll { who: usize },
    Attach { who: usize, post: usize },
    Detach { who: usize },
    Restart { who: usize },
    PowerCut { who: usize, after: u64, done: bool },
    Kill { post: usize },
    Start { post: usize },
    Radio(bool),
    Run { ms: u64 },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..3usize, 1..3usize).prop_map(|(from, d)| Op::Send { from, to: (from + d) % 3 }),
        1 => (0..3usize).prop_map(|who| Op::ReadAll { who }),
        2 => (0..3usize, 0..2usize).prop_map(|(who, post)| Op::Attach { who, post }),
        1 => (0..3usize).prop_map(|who| Op::Detach { who }),
        1 => (0..3usize).prop_map(|who| Op::Restart { who }),
        1 => (0..3usize, 0..4u64, any::<bool>()).prop_map(|(who, after, done)| Op::PowerCut { who, after, done }),
        1 => (0..2usize).prop_map(|post| Op::Kill { post }),
        1 => (0..2usize).prop_map(|post| Op::Start { post }),
        1 => any::<bool>().prop_map(Op::Radio),
        5 => (10..8000u64).prop_map(|ms| Op::Run { ms }),
    ]
}

/// What people know.
#[derive(Default)]
struct Known {
    sent: BTreeMap<MessageId, (usize, usize, String)>,
    n: usize,
}

fn act(world: &mut World, known: &mut Known, op: &Op) {
    match *op {
        Op::Send { from, to } => {
            known.n += 1;
            let text = format!("{} {}", NAMES[from], known.n);
            if let Ok(id) = world.try_send(from, NAMES[to], &text, None) {
                known.sent.insert(id, (from, to, text));
            }
        }
        Op::ReadAll { who } => {
            let now = world.now;
            for m in world.endpoint(who).inbox(now).unwrap_or_default() {
                let _power_may_go = world.endpoint(who).mark_read(now, m.id);
            }
            world.drain_member(who);
        }
        Op::Attach { who, post } => world.attach(who, post),
        Op::Detach { who } => world.detach(who),
        Op::Restart { who } => world.restart_member(who),
        Op::PowerCut { who, after, done } => {
            let at = world.endpoint(who).vault_mut().commits() + after;
            world.endpoint(who).vault_mut().crash_at(Some(Crash { at, done }));
        }
        Op::Kill { post } => {
            if world.posts[post].gateway.is_some() {
                world.kill_post(post);
            }
        }
        Op::Start { post } => {
            if world.posts[post].gateway.is_none() {
                world.start_post(post);
            }
        }
        Op::Radio(works) => world.radio = works,
        Op::Run { ms } => world.run(Duration::from_millis(ms)),
    }
    for who in 0..3 {
        if world.endpoint(who).failed() {
            world.restart_member(who);
        }
    }
}

fn check(world: &mut World, known: &Known) {
    for who in 0..3 {
        let mut ranks = BTreeMap::new();
        let mut shown = BTreeMap::new();
        for event in &world.members[who].events {
            match event {
                Event::State { id, state, .. } => {
                    let before = ranks.insert(*id, state.rank());
                    assert!(before.is_none_or(|r| r < state.rank()), "{id} went back to {state}");
                }
                Event::Received { id } => {
                    assert!(shown.insert(*id, ()).is_none(), "{id} told twice");
                }
                _ => {}
            }
        }
        let now = world.now;
        let inbox = world.endpoint(who).inbox(now).unwrap();
        let ids: std::collections::BTreeSet<MessageId> = inbox.iter().map(|m| m.id).collect();
        assert_eq!(ids.len(), inbox.len(), "an id twice in the mailbox");
        let texts: std::collections::BTreeSet<String> = world.texts(who).into_iter().collect();
        assert_eq!(texts.len(), inbox.len(), "a text twice in the mailbox");
        for (id, (_, to, _)) in &known.sent {
            assert!(*to == who || !ids.contains(id), "in the wrong mailbox");
        }
    }
}

fn heal(world: &mut World) {
    world.radio = true;
    (world.loss, world.late) = (0, 0);
    for who in 0..3 {
        world.endpoint(who).vault_mut().crash_at(None);
    }
    for post in 0..2 {
        if world.posts[post].gateway.is_none() {
            world.start_post(post);
        }
    }
    for who in 0..3 {
        if world.members[who].via.is_none() {
            world.attach(who, who % 2);
        }
    }
}

/// Says of each message that has not arrived where it is.
fn explain(world: &mut World, known: &Known) {
    let now = world.now;
    let mut lost = Vec::new();
    for (id, (from, to, text)) in &known.sent {
        let m = world.endpoint(*from).outgoing(now, *id).unwrap();
        if !matches!(m.state, State::Delivered | State::Read) {
            let arrived = world.texts(*to).contains(text);
            lost.push(format!("{id} {text:?} to {}: {}, {}; arrived: {arrived}", NAMES[*to], m.state, m.why));
        }
    }
    if !lost.is_empty() {
        for (who, name) in NAMES.iter().enumerate() {
            let via = world.members[who].via;
            let e = world.endpoint(who);
            lost.push(format!("{name}: via {via:?}, {:?}, {:?}", e.standing(), e.counters()));
        }
    }
    let posts = if lost.is_empty() { &mut [] } else { world.posts.as_mut_slice() };
    for post in posts {
        let queue = post.gateway.as_mut().unwrap().queue(now, &|i| format!("{}", i.0));
        lost.push(format!("gateway {:?}", post.gateway.as_ref().unwrap().counters()));
        let links = post.gateway.as_mut().unwrap().links(now, &|i| format!("{}", i.0));
        lost.extend(links.into_iter().map(|l| format!("link: {l:?}")));
        lost.extend(queue.into_iter().map(|q| format!("queue: {q:?}")));
    }
    assert!(lost.is_empty(), "{lost:#?}");
}

fn history(seed: u64, loss: u64, ops: &[Op]) {
    let mut world = World::new(seed);
    (world.loss, world.late) = (loss, loss / 2);
    let mut known = Known::default();
    for op in ops {
        act(&mut world, &mut known, op);
        check(&mut world, &known);
    }
    heal(&mut world);
    let arrived = |w: &mut World| {
        known.sent.iter().all(|(id, (from, ..))| matches!(w.state(*from, *id), State::Delivered | State::Read))
    };
    for _ in 0..720 {
        if arrived(&mut world) {
            break;
        }
        world.run(Duration::from_secs(10));
    }
    explain(&mut world, &known);
    check(&mut world, &known);
    for (from, to, text) in known.sent.values() {
        assert!(world.texts(*to).contains(text), "{text} of {from} is missing");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_what_was_composed_arrives_once(
        seed in any::<u64>(),
        loss in 0..150u64,
        ops in prop::collection::vec(op(), 5..40),
    ) {
        history(seed, loss, &ops);
    }
}

/// More of them, for a spare hour: `cargo test -p picket-endpoint --test model -- --ignored`.
mod many {
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        #[ignore = "minutes"]
        fn whatever_happens_what_was_composed_arrives_once_many(
            seed in any::<u64>(),
            loss in 0..150u64,
            ops in prop::collection::vec(op(), 5..40),
        ) {
            history(seed, loss, &ops);
        }
    }
}

#[test]
fn regression_of_a_receipt_that_never_came() {
    use Op::*;
    let ops = [
        Detach { who: 0 },
        Run { ms: 2515 },
        Run { ms: 1194 },
        Send { from: 1, to: 0 },
        Send { from: 1, to: 0 },
        Send { from: 1, to: 0 },
        Send { from: 0, to: 1 },
        Restart { who: 1 },
        Send { from: 0, to: 2 },
        PowerCut { who: 0, after: 1, done: false },
        PowerCut { who: 1, after: 0, done: false },
        Run { ms: 1870 },
        Send { from: 2, to: 1 },
        Send { from: 2, to: 0 },
        Kill { post: 1 },
        Run { ms: 3240 },
        Run { ms: 4874 },
        Start { post: 1 },
        Send { from: 2, to: 0 },
        Send { from: 1, to: 0 },
        Run { ms: 6966 },
        ReadAll { who: 0 },
        PowerCut { who: 0, after: 2, done: true },
        Attach { who: 0, post: 1 },
        Run { ms: 7104 },
        Attach { who: 0, post: 0 },
        Send { from: 0, to: 2 },
        Attach { who: 2, post: 0 },
        Start { post: 0 },
        PowerCut { who: 2, after: 1, done: true },
        Run { ms: 610 },
        Run { ms: 4227 },
    ];
    history(10_955_560_152_965_339_931, 24, &ops);
}
