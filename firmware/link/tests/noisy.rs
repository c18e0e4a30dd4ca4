//! Framing `fec` on channels that flip bits (spec §50.11).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use common::{B, Seeded, World, config, offer};
use picket_link::{Config, Duplex, Framing};
use picket_wire::Precedence;
use picket_wire::time::Duration;

const S: fn(u64) -> Duration = Duration::from_secs;

fn coded(duplex: Duplex, turn_ms: u64) -> Config {
    Config { framing: Framing::Fec, ..config(Some(9_600), duplex, turn_ms) }
}

fn world(config: &Config, ber: f64, seed: u64) -> World {
    let mut world = World::pair(config);
    world.faults.flip = 1.0 - (1.0 - ber).powi(8);
    world.rng = Seeded(seed);
    world
}

/// Fraction of the channel that 50 kB get, from nothing known of the neighbour until the sender has custody.
fn goodput(config: &Config, ber: f64, seed: u64) -> f64 {
    let mut world = world(config, ber, seed);
    world.queue(0, offer(1, B, 50_000, Precedence::Routine));
    assert!(world.run(S(300), |w| w.accepted(&[1, 0])), "{ber}: {:?}", world.stations[1].link.counters());
    assert_eq!(world.stations[1].arrived.len(), 1);
    Duration::of_air(50_000, 9_600).as_micros() as f64 / world.now.0 as f64
}

#[test]
fn a_file_crosses_every_channel_up_to_one_bit_in_a_hundred() {
    let rows =
        [(0.0, 0.97), (1e-5, 0.95), (1e-4, 0.93), (5e-4, 0.90), (1e-3, 0.88), (2e-3, 0.84), (5e-3, 0.75), (1e-2, 0.65)];
    for (ber, target) in rows {
        let mean = |config: &Config| (1..4).map(|seed| goodput(config, ber, seed)).sum::<f64>() / 3.0;
        let (full, half) = (mean(&coded(Duplex::Full, 0)), mean(&coded(Duplex::Half, 50)));
        println!("{ber:7}: full {full:.3} half {half:.3}, target {target}");
        assert!(full > target - 0.02 && half > target - 0.1, "{ber}: {full:.3} {half:.3}");
    }
}
