//! Garbage where frames are expected.

use std::time::Duration;

use hil_tests::wait;

use crate::outages::{exactly, ready, send_all};
use crate::world::{ByBroker, ByRadio, FAST, half_duplex, texts};

#[test]
fn garbage_on_the_serial_line() {
    let mut world = ByRadio::new("garbage_on_the_serial_line", half_duplex(FAST));
    let all = texts("message", 10, world.rig.rng());
    let (alpha, mut at_bravo, _at_alpha) = ready(&world.rig);
    for text in &all {
        let station = usize::try_from(world.rig.rng().below(2)).unwrap();
        let length = usize::try_from(world.rig.rng().below(2_000)).unwrap();
        let garbage = world.rig.rng().bytes(length);
        world.radio.inject(station, &garbage);
        alpha.send("bravo", text).expect(0);
    }
    at_bravo.texts_all(&all, wait::PROMPT * 2);
    exactly(&mut at_bravo, &all);
    assert!(world.gw1.is_running() && world.gw2.is_running());
    let dropped = world.gw1.counter("link_dropped_noise_bytes") + world.gw2.counter("link_dropped_noise_bytes");
    assert!(dropped > 0, "garbage is counted: {} {}", world.gw1.status(), world.gw2.status());
}

#[test]
fn garbage_on_a_broker_topic() {
    let mut world = ByBroker::new("garbage_on_a_broker_topic");
    let all = texts("message", 6, world.rig.rng());
    let (alpha, mut at_bravo, _at_alpha) = ready(&world.rig);
    let topics = world.broker.topics();
    assert!(!topics.is_empty(), "gateways subscribe");
    send_all(&alpha, &all[..3]);
    let mut published = 0;
    for topic in topics.iter().filter(|t| !t.contains(['+', '#'])) {
        for length in [0, 1, 37, 20_000] {
            let payload = world.rig.path("payload");
            std::fs::write(&payload, world.rig.rng().bytes(length)).unwrap();
            world.broker.publish(&world.rig, "gw1", topic, &payload);
            published += 1;
        }
    }
    send_all(&alpha, &all[3..]);
    at_bravo.texts_all(&all, wait::PROMPT * 2);
    exactly(&mut at_bravo, &all);
    let counted = || {
        [&world.gw1, &world.gw2]
            .iter()
            .flat_map(|g| {
                let status = g.status();
                ["uplink_garbage", "uplink_other_version", "uplink_unknown_publisher", "uplink_bad_mac"]
                    .map(|c| status["counters"][c].as_u64().unwrap_or(0))
            })
            .sum::<u64>()
    };
    wait::until("the garbage to be counted", Duration::from_secs(20), || (counted() >= published).then_some(()));
    let after = counted();
    // Acknowledged, so that it does not return with the next connection.
    world.broker.restart();
    world.gw1.await_uplink("up", wait::PROMPT * 2);
    world.gw2.await_uplink("up", wait::PROMPT * 2);
    alpha.send_with("bravo", &["--wait", "delivered", "after it"]).expect(0);
    assert_eq!(counted(), after, "garbage came back");
}
