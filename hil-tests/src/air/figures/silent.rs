//! A receiver that never speaks: it may only listen, or its transmitter is broken.

use picket_wire::Precedence;
use picket_wire::time::{Duration, Instant};

use super::goodput::{MTU, RATE};
use crate::air::theory::{mean, most};
use crate::air::{Link, Parcel, Table, World};

/// The envelope.
const OBJECT: usize = 20_000;
/// Seeds of one row.
const SEEDS: u64 = 5;
/// What is not there by then is not there.
const HOUR: Duration = Duration::from_secs(3_600);

/// Seconds until 20 kB are there, and bytes that the sender put on air in an hour; `None`: not within it.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn until_there(link: &Link, ber: f64, loss: f64, seed: u64) -> (Option<f64>, u64) {
    let mut world = World::established(link, 2, seed);
    let now = world.now;
    world.channel.set_mute(now, 1, true);
    world.channel.set_ber(now, ber);
    world.channel.set_loss(now, loss);
    let before = world.on_air();
    let number = world.queue(Parcel { from: 0, to: 1, len: OBJECT, precedence: Precedence::Routine });
    world.rest(HOUR);
    let seconds = |at: Instant| at.since(now).as_micros() as f64 / 1e6;
    (world.arrived(number).map(seconds), world.on_air() - before)
}

/// Three kinds of link.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn receiver() -> Table {
    let mut table = Table::new(
        "A silent receiver: 20 kB for a neighbour that was heard once and never speaks again, 9600 bit/s",
        "link | channel | there, of 5 seeds | seconds, mean | seconds, most | its bytes alone need | sender's air in an hour, share",
    );
    let rows = [
        (Link::packets(RATE, MTU), "10 % of packets lost", 0.0, 0.1),
        (Link::packets(RATE, MTU).half(), "10 % of packets lost", 0.0, 0.1),
        (Link::fec(RATE), "bit error rate 1e-3", 1e-3, 0.0),
        (Link::fec(RATE).half(), "bit error rate 1e-3", 1e-3, 0.0),
        (Link::cobs(RATE), "clean", 0.0, 0.0),
    ];
    for (link, channel, ber, loss) in rows {
        let runs: Vec<(Option<f64>, u64)> = (1..=SEEDS).map(|seed| until_there(&link, ber, loss, seed)).collect();
        let there: Vec<f64> = runs.iter().filter_map(|r| r.0).collect();
        let air: u64 = runs.iter().map(|r| r.1).sum();
        let share = air as f64 * 8.0 / f64::from(RATE) / 3_600.0 / SEEDS as f64;
        let need = Duration::of_air(OBJECT, RATE).as_micros() as f64 / 1e6;
        table.row(&format!(
            "{}, {} | {channel} | {} | {:.1} | {:.1} | {need:.1} | {share:.3}",
            link.name(),
            link.duplex(),
            there.len(),
            mean(&there),
            most(&there)
        ));
    }
    table
}
