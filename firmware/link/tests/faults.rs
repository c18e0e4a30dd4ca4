//! Safety (nothing that was not sent, nothing twice) and liveness (everything, once the faults end) on bad media.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use common::{A, B, Faults, Keys, Seeded, World, config, envelope, offer};
use picket_link::{Config, Duplex, Event, Framing, Gate, Link};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Index, Precedence};
use proptest::prelude::*;
use std::collections::BTreeSet;

const S: fn(u64) -> Duration = Duration::from_secs;

fn check_safety(world: &World, sent: &[BTreeSet<Identity>; 2]) {
    for (station, sent) in world.stations.iter().zip(sent) {
        let mut seen = BTreeSet::new();
        for (_, arrival) in &station.arrived {
            assert!(sent.contains(&arrival.identity), "delivered what was never sent");
            assert!(seen.insert(arrival.identity), "delivered twice");
        }
    }
}

fn load(world: &mut World, rng: &mut Seeded, count: u64, largest: u64) -> [BTreeSet<Identity>; 2] {
    let mut sent = [BTreeSet::new(), BTreeSet::new()];
    for n in 0..count {
        for (station, to) in [(0usize, B), (1, A)] {
            let precedence = Precedence::from_bits(rng.below(6) as u8).unwrap();
            let offer = offer(n, to, 22 + rng.below(largest) as usize, precedence);
            sent[1 - station].insert(offer.identity);
            world.queue(station, offer);
        }
    }
    sent
}

/// Faults for a while, then peace; returns how long everything took after the faults ended.
fn ordeal(config: &Config, faults: Faults, seed: u64, count: u64, largest: u64) -> Duration {
    let mut world = World::pair(config);
    world.rng = Seeded(seed);
    world.faults = faults;
    let mut rng = Seeded(seed ^ 0xABCD);
    let sent = load(&mut world, &mut rng, count, largest);
    let all = [count as usize; 2];
    world.run(S(60), |w| w.accepted(&all));
    world.faults = Faults { latency: world.faults.latency, ..Faults::default() };
    let peace = world.now;
    let done = world.run(S(600), |w| w.accepted(&all));
    let missing: Vec<_> = world.stations.iter().map(|s| (s.accepted.len(), s.link.counters())).collect();
    assert!(done, "seed {seed}: not everything was accepted: {missing:?}");
    check_safety(&world, &sent);
    for (station, sent) in world.stations.iter().zip(&sent) {
        assert_eq!(station.arrived.len(), sent.len());
    }
    world.now.since(peace)
}

fn faults() -> impl Strategy<Value = Faults> {
    let p = |max: f64| prop_oneof![Just(0.0), 0.0..max];
    (p(0.003), p(0.002), p(0.5), p(0.3), p(0.3), p(0.5), p(0.2), 0u64..80).prop_map(
        |(flip, drop, lose, duplicate, cut, garbage, reorder, latency)| Faults {
            latency: Duration::from_millis(latency),
            flip,
            drop,
            lose,
            duplicate,
            cut,
            garbage,
            reorder,
        },
    )
}

fn media() -> impl Strategy<Value = Config> {
    prop_oneof![
        Just(config(Some(9_600), Duplex::Full, 0)),
        Just(config(Some(9_600), Duplex::Half, 20)),
        Just(config(Some(1_200), Duplex::Full, 0)),
        Just(Config { framing: Framing::Fec, ..config(Some(9_600), Duplex::Full, 0) }),
        Just(Config { framing: Framing::Fec, ..config(Some(9_600), Duplex::Half, 20) }),
        Just(Config { framing: Framing::Fec, ..config(Some(1_200), Duplex::Half, 20) }),
        Just(config(None, Duplex::Full, 0)),
        Just(Config { framing: Framing::Packet, mtu: Some(400), ..config(Some(50_000), Duplex::Full, 0) }),
        Just(Config { framing: Framing::Packet, mtu: Some(1_200), ..config(None, Duplex::Full, 0) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn everything_arrives_once_whatever_the_medium_does(
        config in media(), faults in faults(), seed in any::<u64>(), large in any::<bool>(),
    ) {
        let (count, largest) = if large { (4, 6_000) } else { (20, 300) };
        ordeal(&config, faults, seed, count, largest);
    }
}

#[test]
fn packets_that_overtake_each_other_do_no_harm() {
    let packet = Config { framing: Framing::Packet, mtu: Some(300), ..config(None, Duplex::Full, 0) };
    let faults =
        Faults { reorder: 0.3, duplicate: 0.3, lose: 0.2, latency: Duration::from_millis(20), ..Faults::default() };
    for seed in 0..5 {
        ordeal(&packet, faults.clone(), seed, 10, 30_000);
    }
}

#[test]
fn a_cut_at_every_byte_costs_that_frame_only() {
    let keys = [Keys::new(A, &[A, B]), Keys::new(B, &[A, B])];
    let frames: Vec<Vec<u8>> = (0..2)
        .map(|n| {
            let mut link = Link::new(config(None, Duplex::Full, 0));
            link.up(Instant::ZERO);
            link.offer(Instant::ZERO, offer(n, B, 40, Precedence::Routine)).unwrap();
            let bytes = link.poll_transmit(Instant::ZERO, &keys[0], &mut Gate::radio()).unwrap();
            bytes[1..].to_vec()
        })
        .collect();
    for cut in 0..=frames[0].len() {
        for (tail, garbage) in [(false, &b""[..]), (false, b"\x03noise\xff"), (true, b"\x24\x24\x02")] {
            let mut link = Link::new(config(None, Duplex::Full, 0));
            link.up(Instant::ZERO);
            let mut bytes = if tail { frames[0][cut..].to_vec() } else { frames[0][..cut].to_vec() };
            bytes.extend_from_slice(garbage);
            bytes.extend_from_slice(&frames[1]);
            for byte in bytes {
                link.receive(Instant::ZERO, &[byte], &keys[1]);
            }
            let whole = if tail { cut == 0 } else { cut == frames[0].len() };
            let arrived = std::iter::from_fn(|| link.poll_event()).filter(|e| matches!(e, Event::Arrived(_))).count();
            assert_eq!(arrived, 1 + usize::from(whole), "cut at {cut}, tail {tail}, garbage {garbage:?}");
        }
    }
}

#[test]
fn after_an_outage_everything_flows_within_seconds() {
    for (duplex, turn) in [(Duplex::Full, 0), (Duplex::Half, 20)] {
        let mut world = World::pair(&config(Some(9_600), duplex, turn));
        world.faults.latency = Duration::from_millis(5);
        for n in 0..20 {
            world.queue(0, offer(n, B, 200, Precedence::Routine));
            world.queue(1, offer(n, A, 200, Precedence::Routine));
        }
        world.run(S(1), |_| false);
        world.outage_until = world.now + S(60);
        let before = world.bytes_on_air;
        let end = world.outage_until;
        world.run(S(60), |_| false);
        let probing = world.bytes_on_air - before;
        assert!(probing < 12_000, "{probing} bytes were sent into the outage");
        assert!(world.run(S(100), |w| w.accepted(&[20, 20])));
        let after = world.now.since(end);
        println!(
            "{duplex:?}: all of 2 × 20 within {} ms of the outage's end, {probing} B during it",
            after.as_millis()
        );
        assert!(after < S(5 + 8000 * 8 / 9_600 + 2), "{after:?}");
        let each: Vec<usize> = world.stations.iter().map(|s| s.arrived.len()).collect();
        assert_eq!(each, [20, 20]);
    }
}

#[test]
fn a_transfer_goes_on_where_an_outage_or_a_restart_of_the_medium_cut_it() {
    for restart in [false, true] {
        let mut world = World::pair(&config(Some(9_600), Duplex::Full, 0));
        world.queue(0, offer(1, B, 50_000, Precedence::Routine));
        world.run(S(20), |_| false);
        world.outage_until = world.now + S(30);
        if restart {
            let now = world.now;
            world.stations.iter_mut().for_each(|s| s.link.down(now));
            world.run(S(30), |_| false);
            let now = world.now;
            world.stations.iter_mut().for_each(|s| s.link.up(now));
        } else {
            world.run(S(30), |_| false);
        }
        assert!(world.run(S(100), |w| w.accepted(&[1, 0])));
        let again = world.stations[0].link.counters().retransmitted;
        assert!(again <= 12, "{again} fragments again (restart {restart})");
        assert_eq!(world.stations[1].arrived.len(), 1);
    }
}

#[test]
fn either_side_may_restart_in_the_middle_of_a_transfer() {
    for who in [0, 1] {
        for duplex in [Duplex::Full, Duplex::Half] {
            let config = config(Some(9_600), duplex, 20);
            let mut world = World::pair(&config);
            world.queue(0, offer(1, B, 30_000, Precedence::Routine));
            world.run(S(12), |_| false);
            let now = world.now;
            let mut fresh = Link::new(config);
            fresh.up(now);
            world.stations[who].link = fresh;
            if who == 0 {
                world.queue(0, offer(1, B, 30_000, Precedence::Routine));
            }
            assert!(world.run(S(120), |w| w.accepted(&[1, 0])), "restart of {who}, {duplex:?}");
            assert_eq!(world.stations[1].arrived.len(), 1);
        }
    }
}

#[test]
fn precedence_rules_over_a_noisy_radio() {
    let mut world = World::pair(&config(Some(9_600), Duplex::Full, 0));
    world.faults.flip = 0.002;
    for n in 0..50 {
        let precedence = Precedence::from_bits((n % 6) as u8).unwrap();
        world.queue(0, offer(n, B, 60, precedence));
    }
    assert!(world.run(S(120), |w| w.accepted(&[50, 0])));
    assert_eq!(world.stations[1].arrived.len(), 50);
}

#[test]
fn a_neighbour_slow_to_make_things_durable_is_not_flooded() {
    let mut world = World::pair(&config(Some(9_600), Duplex::Full, 0));
    world.stations[1].durable_after = S(8);
    world.queue(0, offer(1, B, 1_000, Precedence::Routine));
    assert!(world.run(S(60), |w| w.accepted(&[1, 0])));
    assert!(world.bytes_on_air < 4 * 1_030, "{}", world.bytes_on_air);
    assert_eq!(world.stations[1].arrived.len(), 1);
}

#[test]
fn three_stations_on_one_half_duplex_channel() {
    let stations = [Index(1), Index(2), Index(3)];
    let mut world = World::new(&config(Some(9_600), Duplex::Half, 20), &stations);
    world.faults.latency = Duration::from_millis(5);
    for n in 0..10 {
        for from in 0..3usize {
            world.queue(from, offer(n, stations[(from + 1) % 3], 400, Precedence::Routine));
        }
    }
    assert!(world.run(S(300), |w| w.accepted(&[10, 10, 10])), "collisions {}", world.collisions);
    println!("three stations: {} ms, {} collisions", world.now.0 / 1000, world.collisions);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Arbitrary inputs: no panic, time-outs ahead, bounded memory.
    #[test]
    fn no_input_panics(config in media(), seed in any::<u64>()) {
        let mut rng = Seeded(seed);
        let keys = [Keys::new(A, &[A, B]), Keys::new(B, &[A, B])];
        let mut links = [Link::new(config.clone()), Link::new(config.clone())];
        let mut now = Instant(rng.below(1 << 40));
        let mut last: Vec<u8> = Vec::new();
        for _ in 0..400 {
            let i = rng.below(2) as usize;
            let link = &mut links[i];
            now = Instant(now.0 + rng.below(2_000_000));
            match rng.below(12) {
                0 => link.up(now),
                1 if rng.chance(0.2) => link.down(now),
                2 => {
                    let noise: Vec<u8> = (0..rng.below(300)).map(|_| rng.next() as u8).collect();
                    link.receive(now, &noise, &keys[i]);
                }
                3 | 4 => {
                    let mut bytes = last.clone();
                    if !bytes.is_empty() {
                        let at = rng.below(bytes.len() as u64) as usize;
                        bytes[at] ^= 1 << rng.below(8);
                    }
                    link.receive(now, &bytes, &keys[i]);
                }
                5..=7 => link.receive(now, &last, &keys[i]),
                8 => {
                    let to = if rng.chance(0.1) { Index(77) } else { [B, A][i] };
                    let _ = link.offer(now, offer(rng.below(30), to, rng.below(5_000) as usize, Precedence::Flash));
                }
                9 => link.withdraw(picket_link::OfferId(rng.below(30))),
                10 => {
                    let (identity, _) = envelope(rng.below(30), 50, Precedence::Routine);
                    let owed = picket_link::Owed { from: [B, A][i], identity, hop_limit: rng.next() as u8, round: rng.next() as u8 };
                    link.acknowledge(now, owed, rng.chance(0.5).then_some([1; 8]), Duration(rng.below(3_000_000)));
                }
                _ => {
                    while let Some(event) = link.poll_event() {
                        if let Event::Arrived(arrival) = event && rng.chance(0.7) {
                            link.acknowledge(now, arrival.owed(), None, Duration::ZERO);
                        }
                    }
                }
            }
            let mut calls = 0;
            while let Some(bytes) = links[i].poll_transmit(now, &keys[i], &mut Gate::radio()) {
                prop_assert!(!bytes.is_empty());
                last = bytes.into_bytes();
                calls += 1;
                prop_assert!(calls < 5_000, "never stops");
            }
            if let Some(wake) = links[i].next_wake() {
                prop_assert!(wake > now, "spins");
            }
        }
    }
}

#[test]
fn offered_again_in_the_next_round_a_transfer_goes_on() {
    for at in [12, 26, 28] {
        let mut world = World::pair(&config(Some(9_600), Duplex::Full, 0));
        // Long enough that an offer can be withdrawn when all of it has arrived.
        world.stations[1].durable_after = S(3);
        world.queue(0, offer(1, B, 30_000, Precedence::Routine));
        world.run(S(at), |_| false);
        let mut again = offer(1, B, 30_000, Precedence::Routine);
        again.bytes[5] ^= 0b0100;
        again.bytes[6] -= 1;
        again.id = picket_link::OfferId(2);
        world.stations[0].link.withdraw(picket_link::OfferId(1));
        world.queue(0, again);
        assert!(world.run(S(120), |w| w.accepted(&[1, 0])), "withdrawn after {at} s");
        if at == 12 {
            assert!(world.bytes_on_air < 36_000, "{}", world.bytes_on_air);
        }
        let rounds: Vec<u8> = world.stations[1].arrived.iter().map(|(_, a)| a.owed().round).collect();
        assert_eq!(rounds.last(), Some(&0), "answered in the round last offered");
    }
}

#[test]
fn a_refused_transfer_may_be_offered_again_when_its_time_has_come() {
    let mut world = World::pair(&config(Some(9_600), Duplex::Full, 0));
    world.stations[1].refuse_first = 1;
    world.queue(0, offer(1, B, 5_000, Precedence::Routine));
    assert!(world.run(S(60), |w| w.accepted(&[1, 0])));
    assert_eq!(world.stations[1].arrived.len(), 2);
}
