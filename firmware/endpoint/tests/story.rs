//! People writing to each other through real gateways.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::World;
use picket_endpoint::{Event, State};
use picket_wire::time::Duration;

const S: Duration = Duration::from_secs(1);

#[test]
fn a_message_reaches_the_recipient_at_the_same_gateway_and_the_receipts_return() {
    let mut world = World::new(1);
    world.attach(0, 0);
    world.attach(1, 0);
    world.run(S.times(3));
    assert!(world.endpoint(0).attached().is_some());
    let id = world.send(0, "bravo", "hold the bridge");
    world.run(S.times(3));
    assert_eq!(world.texts(1), ["hold the bridge"]);
    assert_eq!(world.state(0, id), State::Delivered);
    world.mark_read(1, id);
    world.run(S.times(3));
    assert_eq!(world.state(0, id), State::Read);
    let states: Vec<State> = world.members[0]
        .events
        .iter()
        .filter_map(|e| match e {
            Event::State { state, .. } => Some(*state),
            _ => None,
        })
        .collect();
    assert_eq!(states, [State::Queued, State::Custody, State::Delivered, State::Read]);
}

#[test]
fn a_message_crosses_two_gateways_over_the_radio() {
    let mut world = World::new(2);
    world.attach(0, 0);
    world.attach(1, 1);
    world.run(S.times(30));
    let there = world.send(0, "bravo", "there");
    let back = world.send(1, "alpha", "back");
    world.run(S.times(60));
    assert_eq!((world.texts(1), world.texts(0)), (vec!["there".to_string()], vec!["back".to_string()]));
    assert_eq!((world.state(0, there), world.state(1, back)), (State::Delivered, State::Delivered));
}
