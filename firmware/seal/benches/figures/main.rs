//! What sealing costs: microseconds a message, an epoch change, bytes. `cargo bench -p picket-seal --bench figures`.
//!
//! Measured, not asserted. Each figure is the median of several rounds, so that a busy machine shows less.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

mod counted;
mod mission;

use mission::{Mission, open, seal, seal_all};
use picket_seal::Slot;
use std::hint::black_box;
use std::time::{Duration, Instant};

const PEERS: usize = 64;
const ROUNDS: usize = 101;
/// Messages a round.
const MESSAGES: usize = 1_000;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, case, times] = args.as_slice()
        && flag == "--count"
    {
        return counted::run(case, times.parse().expect("a number"));
    }
    let mission = Mission::new(PEERS);
    println!("| figure | target | measured |");
    println!("|---|---:|---:|");
    let (seal, open) = messages(&mission);
    println!("| seal a text of 20 B | ≤ 3 µs | {:.2} µs |", micros(seal));
    println!("| open it | ≤ 2 µs | {:.2} µs |", micros(open));
    let bytes = bytes(&mission);
    println!(
        "| its envelope, pre-placed: lane 0 / with a slot / in-band | 47 / 48 / 80 B | {} / {} / {} B |",
        bytes[0], bytes[1], bytes[2]
    );
    let change = mission.epoch_change(PEERS);
    let done = change();
    let epoch = median((0..5).map(|_| time(&change)).collect());
    let sessions = done.send + done.receive;
    println!("| epoch change for {PEERS} peers, {sessions} sessions | ≤ 0.15 s | {:.3} s |", epoch.as_secs_f64());
    let begin = mission.in_band();
    let in_band = median((0..ROUNDS).map(|_| time(&begin)).collect());
    println!("| one in-band session, sender's side | | {:.0} µs |", micros(in_band));
}

fn micros(d: Duration) -> f64 {
    d.as_secs_f64() * 1e6
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    black_box(work());
    begun.elapsed()
}

/// Time to seal and to open one.
fn messages(mission: &Mission) -> (Duration, Duration) {
    let (mut send, mut receive) = mission.pair();
    let (mut seals, mut opens) = (Vec::new(), Vec::new());
    let mut sealed = vec![(0, [0; 64]); MESSAGES];
    let mut out = [0; 256];
    let per = u32::try_from(MESSAGES).expect("it fits");
    for _ in 0..ROUNDS {
        seals.push(time(|| seal_all(&mut send, &mut sealed)) / per);
        let open_all = || {
            for (len, envelope) in &sealed {
                black_box(open(&mut receive, &envelope[..*len], &mut out));
            }
        };
        opens.push(time(open_all) / per);
    }
    (median(seals), median(opens))
}

/// Bytes of an envelope: in lane 0, with a slot, and in-band.
fn bytes(mission: &Mission) -> [usize; 3] {
    let mut lane = mission.pair().0;
    let slot = lane.enter(Slot::from_byte(7).unwrap()).unwrap();
    let mut out = [0; 256];
    [lane, slot, mission.in_band()()].map(|session| seal(&mut session.reserve().persisted(), &mut out).envelope.len())
}
