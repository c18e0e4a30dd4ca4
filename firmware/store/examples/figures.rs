//! Prints how fast the store is on this machine, on a medium in memory (what the store itself costs).
#![allow(clippy::expect_used, clippy::print_stdout, clippy::disallowed_methods)] // a benchmark reads the clock

use std::time::Instant as Clock;

use picket_store::{Parcel, Queue, QueueLimits, RamMedium};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Precedence};

fn main() {
    let limits = QueueLimits { max_parcels: 200_000, ..QueueLimits::default() };
    let (mut queue, _) = Queue::open(RamMedium::default(), limits, Instant::ZERO, None).expect("opens");
    let count = 100_000u64;
    let begun = Clock::now();
    for n in 0..count {
        let mut identity = [0; 16];
        identity[..8].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
        let (identity, precedence, lifetime) = (Identity(identity), Precedence::Routine, Duration::from_secs(86_400));
        let parcel = Parcel { kind: 0, identity, precedence, lifetime, meta: &[], body: &[7; 300] };
        queue.put(Instant::ZERO, &parcel).expect("room");
        if n % 32 == 31 {
            queue.sync_now().expect("syncs");
        }
    }
    let put = begun.elapsed();
    println!("| put, groups of 32 | {:>9.0} records/s |", count as f64 / put.as_secs_f64());
    let medium = queue.close(Instant::ZERO, None).expect("closes");
    let begun = Clock::now();
    let (mut queue, recovery) = Queue::open(medium, limits, Instant::ZERO, None).expect("opens");
    println!("| reopen {count} records | {:>6.1} ms |", begun.elapsed().as_secs_f64() * 1e3);
    assert_eq!(recovery.losses.len(), 0);
    let seqs: Vec<_> = queue.entries(Instant::ZERO).map(|e| e.seq).collect();
    let begun = Clock::now();
    for seq in &seqs {
        queue.body(*seq).expect("intact");
    }
    println!("| read and verify | {:>9.0} records/s |", count as f64 / begun.elapsed().as_secs_f64());
    let begun = Clock::now();
    for (n, seq) in seqs.iter().enumerate() {
        queue.finish(Instant::ZERO, *seq, Duration::from_secs(60)).expect("finishes");
        if n % 32 == 31 {
            queue.sync_now().expect("syncs");
            queue.maintain(Instant::ZERO, None).expect("maintains");
        }
    }
    println!("| finish with maintenance | {:>9.0} records/s |", count as f64 / begun.elapsed().as_secs_f64());
}
