//! Processor time per frame and memory per neighbour, by a real clock: a loaded machine makes them worse.

use std::time::Instant as Clock;

use hil_tests::air::{Link, Parcel, Station};
use picket_wire::Precedence;
use picket_wire::time::{Duration, Instant};

/// Parcels of one measurement.
const PARCELS: u64 = 2_000;
/// Links and neighbours of each, for memory; all neighbours' low bytes differ.
const LINKS: usize = 40;
const NEIGHBOURS: usize = 200;
/// A pair that has not finished by then does not finish.
const PATIENCE: Instant = Instant(100_000_000_000);

/// Prints both.
pub fn print() {
    println!("## Processor and memory (real clock, not kept)\n");
    println!("| | µs per frame, sent and received |\n|---|---:|");
    for (name, len) in [("20-byte text and its acknowledgement", 47), ("one fragment of 50 kB and its reports", 50_000)]
    {
        println!("| {name} | {:.1} |", per_frame(len));
    }
    match memory() {
        Some(bytes) => println!("\nMemory per neighbour that has been heard and is silent: {bytes:.0} B"),
        None => println!("\nMemory per neighbour: this system does not say"),
    }
}

/// Two links back to back, without a channel between them; time passes as the air would take.
#[allow(clippy::cast_precision_loss)]
fn per_frame(len: usize) -> f64 {
    let link = Link::full(9_600);
    let mut pair = [Station::new(0, 2, &link), Station::new(1, 2, &link)];
    let parcels = if len > 1_000 { PARCELS / 100 } else { PARCELS };
    for number in 0..parcels {
        pair[0].queue(number, &Parcel { from: 0, to: 1, len, precedence: Precedence::Routine });
    }
    let (mut now, start) = (Instant::ZERO, Clock::now());
    while (pair[0].accepted.len() as u64) < parcels && now < PATIENCE {
        now += Duration::from_millis(10);
        exchange(&mut pair, now);
    }
    let frames: u64 = pair.iter().map(|s| s.frames().0).sum();
    start.elapsed().as_secs_f64() * 1e6 / frames as f64
}

fn exchange(pair: &mut [Station; 2], now: Instant) {
    let [a, b] = pair;
    while let Some(bytes) = a.serve(now) {
        b.hear(now, &bytes);
    }
    while let Some(bytes) = b.serve(now) {
        a.hear(now, &bytes);
    }
}

/// What a link keeps of a neighbour, from the resident memory of many.
#[allow(clippy::cast_precision_loss)]
fn memory() -> Option<f64> {
    let link = Link::full(1_000_000);
    let before = resident()?;
    let mut hubs: Vec<Station> = (0..LINKS).map(|_| Station::new(0, NEIGHBOURS + 1, &link)).collect();
    let mut now = Instant::ZERO;
    for peer in 1..=NEIGHBOURS {
        let mut other = Station::new(peer, NEIGHBOURS + 1, &link);
        other.queue(peer as u64, &Parcel { from: peer, to: 0, len: 47, precedence: Precedence::Routine });
        while other.accepted.is_empty() && now < PATIENCE {
            now += Duration::from_millis(10);
            while let Some(bytes) = other.serve(now) {
                hubs.iter_mut().for_each(|hub| hub.hear(now, &bytes));
            }
            for hub in &mut hubs {
                while let Some(bytes) = hub.serve(now) {
                    other.hear(now, &bytes);
                }
            }
        }
    }
    let after = resident()?;
    drop(hubs);
    Some(after.saturating_sub(before) as f64 / (LINKS * NEIGHBOURS) as f64)
}

/// Resident bytes of this process.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * 4_096)
}
