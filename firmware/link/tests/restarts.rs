//! Both sides of a link against what may happen to it: loss, damage, duplication, reordering, silence, and either side
//! killed and started anew at any moment (spec §50.5). A plain list of what was sent is the model.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use common::{A, B, Faults, Seeded, World, config, offer};
use picket_link::{Config, Duplex, Framing, Link, Offer, OfferId};
use picket_wire::time::Duration;
use picket_wire::{Identity, Precedence};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const S: fn(u64) -> Duration = Duration::from_secs;

fn media() -> impl Strategy<Value = Config> {
    let coded = |bps, duplex, turn| Config { framing: Framing::Fec, ..config(Some(bps), duplex, turn) };
    prop_oneof![
        Just(config(Some(9_600), Duplex::Full, 0)),
        Just(config(Some(9_600), Duplex::Half, 20)),
        Just(coded(9_600, Duplex::Full, 0)),
        Just(coded(9_600, Duplex::Half, 20)),
        Just(coded(1_200, Duplex::Full, 0)),
        Just(Config { framing: Framing::Packet, mtu: Some(255), ..config(Some(9_600), Duplex::Full, 0) }),
        Just(Config { framing: Framing::Packet, mtu: Some(255), ..config(Some(9_600), Duplex::Half, 20) }),
    ]
}

fn faults(rng: &mut Seeded) -> Faults {
    let mut up_to = |most: f64| if rng.chance(0.5) { most * (rng.below(1_000) as f64) / 1_000.0 } else { 0.0 };
    Faults {
        flip: up_to(0.02),
        drop: up_to(0.001),
        lose: up_to(0.4),
        duplicate: up_to(0.2),
        cut: up_to(0.2),
        garbage: up_to(0.2),
        reorder: up_to(0.1),
        latency: Duration::from_millis((up_to(60.0)) as u64),
    }
}

/// What was offered by each side and is not accepted yet.
struct Model {
    config: Config,
    sent: [BTreeSet<Identity>; 2],
    open: [BTreeMap<OfferId, Offer>; 2],
    restarts: [usize; 2],
}

impl Model {
    /// Kills a side: its link forgets everything, and its owner offers again what nobody has taken.
    fn restart(&mut self, world: &mut World, side: usize) {
        let now = world.now;
        let accepted: BTreeSet<OfferId> = world.stations[side].accepted.iter().map(|(_, id)| *id).collect();
        self.open[side].retain(|id, _| !accepted.contains(id));
        let mut link = Link::new(self.config.clone());
        link.up(now);
        world.stations[side].link = link;
        world.stations[side].owing.clear();
        world.stations[side].backlog = self.open[side].values().cloned().collect();
        self.restarts[side] += 1;
    }

    /// Nothing that was not sent; nothing more often than the receiver was killed, and once.
    fn check(&self, world: &World) {
        for side in [0, 1] {
            let mut times: BTreeMap<Identity, usize> = BTreeMap::new();
            for (_, arrival) in &world.stations[side].arrived {
                assert!(self.sent[side].contains(&arrival.identity), "delivered what was never sent");
                *times.entry(arrival.identity).or_default() += 1;
            }
            let most = times.values().copied().max().unwrap_or(0);
            assert!(most <= 1 + self.restarts[side], "delivered {most} times, {} restarts", self.restarts[side]);
        }
    }
}

fn ordeal(config: &Config, seed: u64) {
    let mut rng = Seeded(seed);
    let mut world = World::pair(config);
    world.rng = Seeded(seed ^ 0x5EED);
    let mut model =
        Model { config: config.clone(), sent: Default::default(), open: Default::default(), restarts: [0; 2] };
    for id in 0..6 {
        for (side, to) in [(0usize, B), (1, A)] {
            let longest = if rng.chance(0.3) { 6_000 } else { 300 };
            let len = 22 + rng.below(longest) as usize;
            let offer = offer(id, to, len, Precedence::from_bits(rng.below(6) as u8).unwrap());
            model.sent[1 - side].insert(offer.identity);
            model.open[side].insert(offer.id, offer.clone());
            world.queue(side, offer);
        }
    }
    let all = [6usize; 2];
    for _ in 0..rng.below(8) {
        world.faults = faults(&mut rng);
        if rng.chance(0.2) {
            world.outage_until = world.now + S(rng.below(20));
        }
        world.run(Duration::from_millis(rng.below(9_000)), |w| w.accepted(&all));
        if rng.chance(0.6) {
            model.restart(&mut world, rng.below(2) as usize);
        }
        model.check(&world);
    }
    world.faults = Faults { latency: world.faults.latency, ..Faults::default() };
    let done = world.run(S(900), |w| w.accepted(&all));
    assert!(
        done,
        "seed {seed}: {:?}",
        world.stations.iter().map(|s| (s.accepted.len(), s.link.counters())).collect::<Vec<_>>()
    );
    model.check(&world);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, max_shrink_iters: 30, ..ProptestConfig::default() })]

    #[test]
    fn everything_is_delivered_whoever_is_killed_in_between(config in media(), seed in any::<u64>()) {
        ordeal(&config, seed);
    }
}
