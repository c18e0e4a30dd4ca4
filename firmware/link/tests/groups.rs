//! One transmission for several neighbours, and neighbours that may not answer (spec §50.12, §50.13).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use common::{World, config, offer};
use picket_link::{Config, Duplex, Framing, Offer, OfferId};
use picket_wire::time::Duration;
use picket_wire::{Index, Precedence};

const S: fn(u64) -> Duration = Duration::from_secs;
const SENDER: Index = Index(0x0101);
const RECEIVERS: [Index; 4] = [Index(0x0202), Index(0x0303), Index(0x0404), Index(0x0505)];

fn world(config: &Config) -> World {
    World::new(config, &[&[SENDER][..], &RECEIVERS].concat())
}

fn packets(duplex: Duplex) -> Config {
    Config { framing: Framing::Packet, mtu: Some(255), ..config(Some(9_600), duplex, 20) }
}

/// The same envelope for each of `to`.
fn offers(to: &[Index], len: usize) -> Vec<Offer> {
    let one = offer(1, RECEIVERS[0], len, Precedence::Routine);
    (1..).zip(to).map(|(n, to)| Offer { id: OfferId(n), to: *to, ..one.clone() }).collect()
}

/// Bytes on air until all of `to` have taken custody.
fn cost(config: &Config, to: &[Index], lose: f64, seed: u64) -> u64 {
    let mut world = world(config);
    world.faults.lose = lose;
    world.rng = common::Seeded(seed);
    let now = world.now;
    let offers = offers(to, 50_000);
    world.stations[0].link.offer_to_all(now, offers).unwrap();
    assert!(world.run(S(2_000), |w| w.stations[0].accepted.len() == to.len()), "{} receivers", to.len());
    for (station, index) in world.stations.iter().zip([&[SENDER][..], &RECEIVERS].concat()) {
        assert_eq!(station.arrived.len(), usize::from(to.contains(&index)), "each once, and nobody else");
    }
    world.bytes_on_air
}

#[test]
fn four_receivers_cost_little_more_than_one() {
    for duplex in [Duplex::Full, Duplex::Half] {
        for lose in [0.0, 0.1, 0.3] {
            let sum = |to: &[Index]| (1..4).map(|seed| cost(&packets(duplex), to, lose, seed)).sum::<u64>() as f64;
            let ratio = sum(&RECEIVERS) / sum(&RECEIVERS[..1]);
            println!("{duplex:?}, {:.0} % lost: four receivers cost {ratio:.3} of one", lose * 100.0);
            assert!(ratio <= 1.3, "{duplex:?} {lose}: {ratio:.3}");
        }
    }
}

#[test]
fn a_receiver_that_missed_everything_gets_it_afterwards() {
    for duplex in [Duplex::Full, Duplex::Half] {
        let mut world = world(&packets(duplex));
        let now = world.now;
        world.stations[0].link.offer_to_all(now, offers(&RECEIVERS[..2], 20_000)).unwrap();
        let now = world.now;
        world.stations[2].link.down(now);
        assert!(world.run(S(200), |w| w.stations[0].accepted.len() == 1));
        let now = world.now;
        world.stations[2].link.up(now);
        assert!(world.run(S(200), |w| w.stations[0].accepted.len() == 2), "{duplex:?}");
        assert_eq!(world.stations[2].arrived.len(), 1);
    }
}

#[test]
fn urgent_traffic_goes_between_the_symbols_of_a_group() {
    let mut world = world(&packets(Duplex::Full));
    let now = world.now;
    world.stations[0].link.offer_to_all(now, offers(&RECEIVERS, 50_000)).unwrap();
    world.run(S(10), |_| false);
    let start = world.now;
    world.queue(0, offer(99, RECEIVERS[2], 60, Precedence::Flash));
    assert!(world.run(S(10), |w| w.stations[0].accepted.iter().any(|(_, id)| *id == OfferId(99))));
    assert!(world.now.since(start) < Duration::from_millis(600), "{:?}", world.now.since(start));
}

#[test]
fn short_envelopes_go_to_each_on_its_own() {
    let mut world = world(&packets(Duplex::Full));
    let now = world.now;
    world.stations[0].link.offer_to_all(now, offers(&RECEIVERS, 60)).unwrap();
    assert!(world.run(S(10), |w| w.stations[0].accepted.len() == 4));
    assert_eq!(world.bytes_on_air, 4 * (67 + 10));
}

#[test]
fn offers_of_different_envelopes_are_no_group() {
    let mut world = world(&packets(Duplex::Full));
    let two = vec![offer(1, RECEIVERS[0], 60, Precedence::Routine), offer(2, RECEIVERS[1], 60, Precedence::Routine)];
    let now = world.now;
    assert_eq!(world.stations[0].link.offer_to_all(now, two).map_err(|back| back.len()), Err(2));
}

#[test]
fn a_neighbour_that_may_not_speak_gets_everything_blindly() {
    for (framing, lose) in [(Framing::Packet, 0.1), (Framing::Cobs, 0.0)] {
        let config = Config { framing, mtu: Some(255), ..config(Some(9_600), Duplex::Full, 0) };
        let mut world = world(&config);
        world.faults.lose = lose;
        world.muted = Some(1);
        for (id, len) in [(1, 60), (2, 20_000), (3, 600)] {
            world.queue(0, offer(id, RECEIVERS[0], len, Precedence::Routine));
        }
        assert!(world.run(S(300), |w| w.stations[1].arrived.len() == 3), "{framing:?}");
        assert_eq!(world.stations[0].accepted.len(), 0, "custody stays");
        let spent = world.bytes_on_air;
        world.run(S(3_600), |_| false);
        let hourly = Duration::of_air((world.bytes_on_air - spent) as usize, 9_600);
        println!("{framing:?}: {} s of air an hour for a neighbour that says nothing", hourly.as_secs());
        assert!(hourly < S(360), "{hourly:?}");
        // The silence is over: what it owes is paid, and nothing is sent twice.
        world.muted = None;
        assert!(world.run(S(60), |w| w.stations[0].accepted.len() == 3));
        assert_eq!(world.stations[1].arrived.len(), 3);
    }
}
