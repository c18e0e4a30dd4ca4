//! A channel that is idle, and one that four stations share.

use picket_wire::Precedence;
use picket_wire::time::Duration;

use crate::air::theory::jain;
use crate::air::{Link, Parcel, Table, World};

/// How long four stations talk.
const TALK: Duration = Duration::from_secs(300);
/// Envelope of a 100-byte text.
const TEXT: usize = 100 + super::texts::SEAL;

/// Bytes on air in two minutes when nobody has anything to say.
#[must_use]
pub fn idle_bytes(link: &Link) -> u64 {
    let mut world = World::established(link, 2, 1);
    world.rest(Duration::from_secs(60));
    let before = world.on_air();
    world.rest(Duration::from_secs(120));
    world.on_air() - before
}

/// An idle link.
#[must_use]
pub fn idle() -> Table {
    let mut table = Table::new("Idle link: bytes on air in 120 s; LXMF 66", "duplex | bytes | target");
    for (name, link) in [("full", Link::full(9_600)), ("half, 50 ms", Link::half(9_600))] {
        table.row(&format!("{name} | {} | 0 when silent, ≤ 40 otherwise", idle_bytes(&link)));
    }
    table
}

/// Four stations that all have something to say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shared {
    /// Envelopes' bytes whose senders know, as a fraction of the channel.
    pub goodput: f64,
    /// Air used, as a fraction of the time.
    pub used: f64,
    /// Jain's index over the senders' shares.
    pub fairness: f64,
    /// Bytes spoiled by an overlap or missed while transmitting, as a fraction of those that could have been heard.
    pub collided: f64,
    /// Parcels handed over twice.
    pub twice: usize,
}

/// Four stations, each with more texts for every other in range than the time allows. With `hidden`, the first two do
/// not hear each other.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn of_four(link: &Link, hidden: bool, seed: u64) -> Shared {
    let mut world = World::established(link, 4, seed);
    world.channel.set_range(world.now, 0, 1, !hidden);
    let first = world.parcels.len();
    for _ in 0..200 {
        for (from, to) in (0..4).flat_map(|a| (0..4).map(move |b| (a, b))) {
            if from != to && !(hidden && from + to == 1) {
                world.queue(Parcel { from, to, len: TEXT, precedence: Precedence::Routine });
            }
        }
    }
    let known = |world: &World, n: usize| world.stations[n].accepted.keys().filter(|p| **p >= first as u64).count();
    let counts = |world: &World| {
        let spoiled = world.total(|c| c.collided + c.deafened);
        // A byte that collided is heard, as garbage; a packet is not.
        let unheard = if link.mtu.is_some() { spoiled } else { world.total(|c| c.deafened) };
        (spoiled, world.total(|c| c.heard) + unheard, world.total(|c| c.air.as_micros()))
    };
    let before = counts(&world);
    world.rest(TALK);
    let after = counts(&world);
    let shares: Vec<f64> = (0..4).map(|n| (known(&world, n) * TEXT) as f64).collect();
    Shared {
        goodput: shares.iter().sum::<f64>() * 8.0 / f64::from(link.rate) / TALK.as_secs() as f64,
        used: (after.2 - before.2) as f64 / TALK.as_micros() as f64,
        fairness: jain(&shares),
        collided: (after.0 - before.0) as f64 / (after.1 - before.1).max(1) as f64,
        twice: world.twice(),
    }
}

/// Four stations on one channel.
#[must_use]
pub fn four() -> Table {
    let mut table = Table::new(
        "Four stations on one half-duplex channel, 50 ms turn-round, 100-byte texts from each to each for 300 s",
        "link | in range | goodput | air used | fairness | spoiled | twice",
    );
    let pipe = Link::half(9_600);
    let packets = Link { mtu: Some(255), ..pipe };
    for (name, link) in [("9600 bit/s byte pipe", pipe), ("9600 bit/s packet radio", packets)] {
        for (range, hidden) in [("all", false), ("one pair hidden", true)] {
            let s = of_four(&link, hidden, 1);
            table.row(&format!(
                "{name} | {range} | {:.3} | {:.3} | {:.3} | {:.3} | {}",
                s.goodput, s.used, s.fairness, s.collided, s.twice
            ));
        }
    }
    table
}
