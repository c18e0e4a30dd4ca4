//! When it matters that something goes soon: after an outage, and through a long transfer.

use picket_wire::Precedence;
use picket_wire::time::{Duration, Instant};

use crate::air::theory::{mean, most};
use crate::air::{Link, Parcel, Table, World};

/// Envelope of a 100-byte text.
const TEXT: usize = 100 + super::texts::SEAL;
/// Envelope of a short urgent text.
const URGENT: usize = 60;
/// Urgent texts in one transfer.
const FLASHES: u64 = 10;

/// After an outage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outage {
    /// Messages whose sender knows.
    pub known: usize,
    /// From the end of the outage until the sender knew of the last, seconds.
    pub seconds: f64,
    /// What the bytes on air since then need, seconds.
    pub serialised: f64,
    /// Bytes put on air during the outage.
    pub in_vain: u64,
    /// Messages handed over twice.
    pub twice: usize,
}

/// Twenty texts, one every two seconds; the channel is away for a minute and some more after the tenth.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn outage_of_a_minute(link: &Link, seed: u64) -> Outage {
    let mut world = World::established(link, 2, seed);
    let (start, before) = (world.now, world.parcels.len());
    // At another moment of whatever repeats itself for each seed.
    let away = start + Duration::from_millis(19_000 + 317 * seed % 1_000);
    let back = away + Duration::from_millis(60_000 + 731 * seed);
    let mut on_air = 0;
    for n in 0..20 {
        run_until(&mut world, start + Duration::from_secs(2 * n));
        if n == 9 {
            run_until(&mut world, away);
            world.channel.set_outage(away, true);
            on_air = world.on_air();
        }
        world.queue(Parcel { from: 0, to: 1, len: TEXT, precedence: Precedence::Routine });
    }
    run_until(&mut world, back);
    world.channel.set_outage(back, false);
    let resumed = world.on_air();
    world.run(Duration::from_secs(300), World::is_done);
    let last = world.stations[0].accepted.values().copied().max().unwrap_or(Instant::ZERO);
    Outage {
        known: (before..world.parcels.len()).filter(|n| world.accepted(*n as u64).is_some()).count(),
        seconds: last.since(back).as_micros() as f64 / 1e6,
        serialised: (world.on_air() - resumed) as f64 * 8.0 / f64::from(link.rate),
        in_vain: resumed - on_air,
        twice: world.twice(),
    }
}

fn run_until(world: &mut World, at: Instant) {
    world.rest(at.since(world.now));
}

fn name(link: &Link) -> String {
    format!("{} bit/s, {}, {}", link.rate, link.name(), link.duplex())
}

/// A minute without the channel.
#[must_use]
pub fn outage() -> Table {
    let mut table = Table::new(
        "A minute's outage in the middle of 20 texts of 100 bytes, 5 seeds; LXMF delivers 5–12 of 20",
        "link | known, least | twice | seconds after its end, mean | most | of which serialisation, most | bytes in vain, mean | target",
    );
    for link in [Link::fec(9_600), Link::fec(9_600).half(), Link::fec(1_200).half(), Link::cobs(9_600).half()] {
        let name = name(&link);
        let runs: Vec<Outage> = (1..=5).map(|seed| outage_of_a_minute(&link, seed)).collect();
        let known = runs.iter().map(|r| r.known).min().unwrap_or(0);
        let twice: usize = runs.iter().map(|r| r.twice).sum();
        let of = |what: fn(&Outage) -> f64| runs.iter().map(what).collect::<Vec<f64>>();
        let (seconds, serialised) = (of(|r| r.seconds), of(|r| r.serialised));
        let in_vain = runs.iter().map(|r| r.in_vain).sum::<u64>() / 5;
        table.row(&format!(
            "{name} | {known} | {twice} | {:.2} | {:.2} | {:.2} | {in_vain} | 20; ≤ 10 + serialisation",
            mean(&seconds),
            most(&seconds),
            most(&serialised)
        ));
    }
    table
}

/// Urgent texts through a transfer.
#[derive(Clone, Debug, PartialEq)]
pub struct Flash {
    /// From each one's offer until its first bit was on air, seconds.
    pub delays: Vec<f64>,
    /// Frames that were sent again.
    pub again: u64,
    /// Bytes that the sender put on air beyond those of the transfer alone and those of the texts.
    pub beyond: i64,
    /// Parcels handed over twice.
    pub twice: usize,
}

/// Ten FLASH texts while 50 kB are being sent.
///
/// # Panics
/// When the transfer does not end on a clean channel.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn through_a_transfer(link: &Link) -> Flash {
    let alone = transfer(link, 0);
    let with = transfer(link, FLASHES);
    let delays = with.flashes.iter().map(|(offered, first, _)| first.since(*offered).as_micros() as f64 / 1e6);
    let own: u64 = with.flashes.iter().map(|(_, _, bytes)| *bytes).sum();
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    Flash {
        delays: delays.collect(),
        again: with.again.saturating_sub(alone.again),
        beyond: signed(with.sent) - signed(alone.sent) - signed(own),
        twice: with.twice,
    }
}

struct Transfer {
    /// Offered, first bit on air, bytes on air.
    flashes: Vec<(Instant, Instant, u64)>,
    again: u64,
    sent: u64,
    twice: usize,
}

fn transfer(link: &Link, flashes: u64) -> Transfer {
    let mut world = World::established(link, 2, 1);
    let (again, sent) = (world.stations[0].frames().1, world.channel.counters(0).sent);
    world.queue(Parcel { from: 0, to: 1, len: 50_000, precedence: Precedence::Routine });
    world.rest(Duration::from_secs(5));
    let mut offered = Vec::new();
    for n in 0..flashes {
        // At moments that no frame's length divides.
        world.rest(Duration::from_millis(2_000 + 137 * n));
        let number = world.queue(Parcel { from: 0, to: 1, len: URGENT, precedence: Precedence::Flash });
        offered.push((number, world.now));
    }
    assert!(world.run(Duration::from_secs(1_000), World::is_done), "a clean channel carries it");
    world.rest(Duration::from_secs(30));
    let on_air = offered.iter().filter_map(|(number, at)| {
        let burst = world.last_burst_of(*number)?;
        Some((*at, burst.start, burst.bytes as u64))
    });
    Transfer {
        flashes: on_air.collect(),
        again: world.stations[0].frames().1 - again,
        sent: world.channel.counters(0).sent - sent,
        twice: world.twice(),
    }
}

/// FLASH at two rates.
#[must_use]
pub fn flash() -> Table {
    let mut table = Table::new(
        "Ten FLASH texts through a 50 kB transfer: seconds from the offer until the first bit is on air",
        "link | on air | mean | most | frames sent again because of it | bytes beyond | twice | target",
    );
    for rate in [1_200, 9_600] {
        let kinds = [Link::fec(rate), Link::packets(rate, super::goodput::MTU)];
        for link in kinds.into_iter().flat_map(|link| [link, link.half()]) {
            let flash = through_a_transfer(&link);
            let bound = (255.0 * 8.0 / f64::from(rate)).max(1.0);
            table.row(&format!(
                "{} | {} | {:.3} | {:.3} | {} | {} | {} | ≤ {bound:.1}, nothing again",
                name(&link),
                flash.delays.len(),
                mean(&flash.delays),
                most(&flash.delays),
                flash.again,
                flash.beyond,
                flash.twice
            ));
        }
    }
    table
}
