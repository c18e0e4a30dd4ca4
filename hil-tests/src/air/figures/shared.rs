//! A channel that is idle, and one that several stations share.

use picket_wire::Precedence;
use picket_wire::time::Duration;

use super::goodput::{MTU, RATE};
use crate::air::theory::jain;
use crate::air::{Link, Parcel, Table, World};

/// How long the stations talk.
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
    let mut table = Table::new("Idle link: bytes on air in 120 s; LXMF 66", "link | bytes | target");
    for link in [Link::cobs(RATE), Link::cobs(RATE).half(), Link::fec(RATE), Link::fec(RATE).half()] {
        let bytes = idle_bytes(&link);
        table.row(&format!("{}, {} | {bytes} | 0 when silent, ≤ 40 otherwise", link.name(), link.duplex()));
    }
    table
}

/// Who hears whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Everybody hears everybody.
    All,
    /// The first two do not hear each other.
    HiddenPair,
    /// Everybody hears the first, and nobody else.
    Star,
}

impl Range {
    fn hears(self, a: usize, b: usize) -> bool {
        match self {
            Self::All => true,
            Self::HiddenPair => a + b != 1,
            Self::Star => a == 0 || b == 0,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::HiddenPair => "one pair hidden",
            Self::Star => "all hear one only",
        }
    }
}

/// Stations that all have something to say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shared {
    /// Envelopes' bytes whose senders know, as a fraction of the channel.
    pub goodput: f64,
    /// Air used, as a fraction of the time.
    pub used: f64,
    /// Jain's index over the senders' shares, each for as many neighbours as it has.
    pub fairness: f64,
    /// Bytes spoiled by an overlap or missed while transmitting, as a fraction of those that could have been heard.
    pub collided: f64,
    /// Parcels handed over twice.
    pub twice: usize,
}

/// Stations that each have more texts for every other in range than the time allows.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn among(link: &Link, stations: usize, range: Range, seed: u64) -> Shared {
    let mut world = World::established(link, stations, seed);
    let pairs: Vec<(usize, usize)> = (0..stations).flat_map(|a| (0..stations).map(move |b| (a, b))).collect();
    let pairs = || pairs.iter().copied().filter(|(a, b)| a != b);
    for (a, b) in pairs() {
        world.channel.set_heard(world.now, a, b, range.hears(a, b));
    }
    let first = world.parcels.len();
    let each = 3_000 / pairs().count();
    for _ in 0..each {
        for (from, to) in pairs().filter(|(a, b)| range.hears(*a, *b)) {
            world.queue(Parcel { from, to, len: TEXT, precedence: Precedence::Routine });
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
    let shares: Vec<f64> = (0..stations).map(|n| (known(&world, n) * TEXT) as f64).collect();
    let fair =
        (0..stations).map(|n| shares[n] / pairs().filter(|(a, b)| *a == n && range.hears(*a, *b)).count() as f64);
    Shared {
        goodput: shares.iter().sum::<f64>() * 8.0 / f64::from(link.rate) / TALK.as_secs() as f64,
        used: (after.2 - before.2) as f64 / TALK.as_micros() as f64,
        fairness: jain(&fair.collect::<Vec<f64>>()),
        collided: (after.0 - before.0) as f64 / (after.1 - before.1).max(1) as f64,
        twice: world.twice(),
    }
}

/// Several stations on one channel.
#[must_use]
pub fn several() -> Table {
    let mut table = Table::new(
        "Stations on one half-duplex channel, 9600 bit/s, 50 ms turn-round, 100-byte texts from each to each in range for 300 s",
        "link | stations | in range | goodput | air used | fairness | spoiled | twice",
    );
    let cases =
        [(2, Range::All), (3, Range::All), (4, Range::All), (8, Range::All), (4, Range::HiddenPair), (4, Range::Star)];
    for link in [Link::cobs(RATE).half(), Link::fec(RATE).half(), Link::packets(RATE, MTU).half()] {
        for (stations, range) in cases {
            let s = among(&link, stations, range, 1);
            table.row(&format!(
                "{} | {stations} | {} | {:.3} | {:.3} | {:.3} | {:.3} | {}",
                link.name(),
                range.name(),
                s.goodput,
                s.used,
                s.fairness,
                s.collided,
                s.twice
            ));
        }
    }
    table.note(
        "Fairness is Jain's index over what each sender got, divided by its number of neighbours. One transmission at a time and nothing lost would be a goodput of about 0.8.",
    )
}
