//! Processor time per parcel of an unpaced stream link, both ends in one thread:
//! `cargo run --release -p picket-link --example throughput`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, dead_code)]
// A measurement needs the clock that the link itself never reads.
#![allow(clippy::disallowed_methods)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{A, B, Keys, config, offer};
use picket_link::{Duplex, Event, Gate, Link};
use picket_wire::Precedence;
use picket_wire::time::{Duration, Instant};

fn main() {
    println!("{:>8} {:>12} {:>16} {:>10}", "bytes", "parcels/s", "µs per parcel", "MB/s");
    for (bytes, count) in [(56, 200_000u64), (200, 200_000), (1_000, 100_000), (60_000, 4_000)] {
        let seconds = run(bytes, count);
        let each = seconds / count as f64;
        println!("{bytes:>8} {:>12.0} {:>16.2} {:>10.1}", 1.0 / each, each * 1e6, bytes as f64 / each / 1e6);
    }
}

/// One way: offer, frame, receive, acknowledge, accept.
fn run(bytes: usize, count: u64) -> f64 {
    let keys = [Keys::new(A, &[A, B]), Keys::new(B, &[A, B])];
    let mut links: [Link; 2] = core::array::from_fn(|_| Link::new(config(None, Duplex::Full, 0)));
    for link in &mut links {
        link.up(Instant::ZERO);
    }
    let mut offers = (0..count).map(|n| offer(n, B, bytes, Precedence::Routine)).collect::<Vec<_>>().into_iter();
    let (mut now, mut accepted) = (Instant::ZERO, 0);
    let start = std::time::Instant::now();
    while accepted < count {
        now += Duration::from_micros(100);
        while links[0].room(B) > 0 {
            let Some(offer) = offers.next() else { break };
            links[0].offer(now, offer).unwrap();
        }
        for i in [0, 1] {
            while let Some(out) = links[i].poll_transmit(now, &keys[i], &mut Gate::radio()) {
                links[1 - i].receive(now, &out, &keys[1 - i]);
            }
        }
        accepted += events(&mut links, now);
    }
    start.elapsed().as_secs_f64()
}

fn events(links: &mut [Link; 2], now: Instant) -> u64 {
    while let Some(event) = links[1].poll_event() {
        if let Event::Arrived(arrival) = event {
            links[1].acknowledge(now, arrival.owed(), None, Duration::ZERO);
        }
    }
    std::iter::from_fn(|| links[0].poll_event()).filter(|e| matches!(e, Event::Accepted { .. })).count() as u64
}
