//! What a clean medium must give: bytes on air, goodput, order, throughput.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use common::{A, B, World, config, offer};
use picket_link::Duplex;
use picket_wire::Precedence;
use picket_wire::time::Duration;

fn goodput(air_bps: u32, duplex: Duplex, turn_ms: u64, latency_ms: u64, sizes: &[usize]) -> f64 {
    let mut world = World::pair(&config(Some(air_bps), duplex, turn_ms));
    world.faults.latency = Duration::from_millis(latency_ms);
    // Both have spoken before: an established link.
    world.queue(0, offer(1, B, 30, Precedence::Routine));
    world.queue(1, offer(2, A, 30, Precedence::Routine));
    assert!(world.run(Duration::from_secs(30), |w| w.accepted(&[1, 1])));
    world.run(Duration::from_secs(20), |_| false);
    let start = world.now;
    for (n, size) in sizes.iter().enumerate() {
        world.queue(0, offer(10 + n as u64, B, *size, Precedence::Routine));
    }
    assert!(world.run(Duration::from_secs(2000), |w| w.accepted(&[1 + sizes.len(), 1])));
    assert_eq!(world.stations[1].arrived.len(), 1 + sizes.len(), "each once");
    assert_eq!(world.collisions, 0);
    let bytes: usize = sizes.iter().sum();
    let ideal = Duration::of_air(bytes, air_bps);
    ideal.as_micros() as f64 / world.now.since(start).as_micros() as f64
}

#[test]
fn goodput_of_50_kb_is_close_to_the_channel() {
    for (name, sizes) in [("1 × 50 kB", vec![50_000]), ("50 × 1 kB", vec![1_000; 50]), ("4 × 12.5 kB", vec![12_500; 4])]
    {
        let full = goodput(9_600, Duplex::Full, 0, 0, &sizes);
        let half = goodput(9_600, Duplex::Half, 0, 0, &sizes);
        let turn = goodput(9_600, Duplex::Half, 50, 10, &sizes);
        println!("{name}: full {full:.3} half {half:.3} half, 50 ms turn-round {turn:.3}");
        assert!(full >= 0.95, "{name}: full duplex {full:.3}");
        assert!(half >= 0.95, "{name}: half duplex {half:.3}");
        assert!(turn >= 0.92, "{name}: half duplex with 50 ms {turn:.3}");
    }
}

#[test]
fn an_established_20_byte_text_costs_56_bytes_and_its_answer_12() {
    for duplex in [Duplex::Full, Duplex::Half] {
        let mut world = World::pair(&config(Some(9_600), duplex, 20));
        world.queue(0, offer(1, B, 47, Precedence::Routine));
        world.queue(1, offer(2, A, 47, Precedence::Routine));
        assert!(world.run(Duration::from_secs(30), |w| w.accepted(&[1, 1])));
        world.run(Duration::from_secs(120), |_| false);
        let before = world.bytes_on_air;
        world.queue(0, offer(3, B, 47, Precedence::Routine));
        assert!(world.run(Duration::from_secs(30), |w| w.accepted(&[2, 1])));
        world.run(Duration::from_secs(120), |_| false);
        assert_eq!(world.bytes_on_air - before, 56 + 12);
    }
}

#[test]
fn flash_waits_for_one_frame_and_the_transfer_resumes() {
    for duplex in [Duplex::Full, Duplex::Half] {
        let mut world = World::pair(&config(Some(9_600), duplex, 20));
        world.queue(0, offer(1, B, 50_000, Precedence::Routine));
        world.run(Duration::from_secs(10), |_| false);
        let start = world.now;
        world.queue(0, offer(2, B, 60, Precedence::Flash));
        assert!(world.run(Duration::from_secs(10), |w| w.stations[1].arrived.len() == 1));
        let limit = if duplex == Duplex::Full { 1_200 } else { 1_700 };
        assert!(world.now.since(start) < Duration::from_millis(limit), "{:?}", world.now.since(start));
        assert!(world.run(Duration::from_secs(100), |w| w.accepted(&[2])));
        assert_eq!(world.stations[0].link.counters().retransmitted, 0);
    }
}

#[test]
fn an_unpaced_stream_delivers_everything_once_in_order() {
    let mut world = World::pair(&config(None, Duplex::Full, 0));
    world.faults.latency = Duration::from_millis(1);
    for n in 0..20_000 {
        world.queue(0, offer(n, B, 100, Precedence::Routine));
        world.queue(1, offer(n, A, 100, Precedence::Routine));
    }
    for n in 20_000..20_010 {
        world.queue(0, offer(n, B, 65_000, Precedence::Routine));
    }
    assert!(world.run(Duration::from_secs(60), |w| w.accepted(&[20_010, 20_000])));
    assert_eq!(world.stations[1].arrived.len(), 20_010);
    assert_eq!(world.stations[0].arrived.len(), 20_000);
    assert_eq!(world.stations[0].link.counters().retransmitted, 0);
    assert_eq!(world.stations[0].link.counters().stale_answers, 0);
}

#[test]
fn both_at_once_over_half_duplex_share_the_channel() {
    let mut world = World::pair(&config(Some(9_600), Duplex::Half, 20));
    world.faults.latency = Duration::from_millis(5);
    for n in 0..20 {
        world.queue(0, offer(n, B, 1_000, Precedence::Routine));
        world.queue(1, offer(n, A, 1_000, Precedence::Routine));
    }
    assert!(world.run(Duration::from_secs(200), |w| w.accepted(&[20, 20])));
    let efficiency = Duration::of_air(40_000, 9_600).as_micros() as f64 / world.now.as_micros_for_test();
    println!("both ways, half duplex: {efficiency:.3}, collisions {}", world.collisions);
    assert!(efficiency > 0.85, "{efficiency:.3}");
    assert!(world.collisions <= 2);
}

#[test]
fn a_late_host_and_a_slow_medium_cost_little_in_half_duplex() {
    for (latency, jitter) in [(0, 15), (30, 15), (80, 5), (80, 15)] {
        let mut world = World::pair(&config(Some(9_600), Duplex::Half, 20));
        world.faults.latency = Duration::from_millis(latency);
        world.host_jitter = Duration::from_millis(jitter);
        for n in 0..20 {
            world.queue(0, offer(n, B, 1_000, Precedence::Routine));
            world.queue(1, offer(n, A, 1_000, Precedence::Routine));
        }
        assert!(world.run(Duration::from_secs(200), |w| w.accepted(&[20, 20])));
        let efficiency = Duration::of_air(40_000, 9_600).as_micros() as f64 / world.now.as_micros_for_test();
        println!("latency {latency} ms, host late by {jitter} ms: {efficiency:.3}, {} collisions", world.collisions);
        assert!(efficiency > 0.8, "{efficiency:.3}, {} collisions", world.collisions);
    }
}

trait Micros {
    fn as_micros_for_test(&self) -> f64;
}

impl Micros for picket_wire::time::Instant {
    fn as_micros_for_test(&self) -> f64 {
        self.0 as f64
    }
}
