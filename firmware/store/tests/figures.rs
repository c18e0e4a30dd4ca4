//! Bytes written per record: counted, so the same on every machine. Times are printed by `--example figures`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use picket_store::testing::CrashMedium;
use picket_store::{Parcel, Queue, QueueLimits, Work};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Precedence};

/// Device bytes per record of 300 bytes, synced in groups: of the first megabytes, zeroing counted, and later.
fn device_bytes(group: u64) -> (u64, u64) {
    let medium = CrashMedium::default();
    let limits = QueueLimits { max_bytes: 16 * 1024 * 1024, segment_bytes: 64 * 1024, ..QueueLimits::default() };
    let (mut queue, _) = Queue::open(medium.clone(), limits, Instant::ZERO, None).unwrap();
    let mut fill = |records: u64| {
        let before = medium.written().1;
        let mut seqs = Vec::new();
        for n in 0..records {
            let (identity, precedence) = (Identity((u128::from(n)).to_be_bytes()), Precedence::Routine);
            let lifetime = Duration::from_secs(3600);
            let parcel = Parcel { kind: 0, identity, precedence, lifetime, meta: &[], body: &[5; 300] };
            seqs.push(queue.put(Instant::ZERO, &parcel).unwrap().0);
            if n % group == group - 1 {
                queue.sync_now().unwrap();
            }
        }
        let written = medium.written().1 - before;
        for seq in seqs {
            queue.finish(Instant::ZERO, seq, Duration::ZERO).unwrap();
        }
        while queue.maintain(Instant::ZERO, None).unwrap() != Work::Idle {
            queue.sync_now().unwrap();
        }
        written / records
    };
    (fill(8000), fill(1000))
}

#[test]
fn bytes_written_per_record_stay_within_their_targets() {
    let (single, single_again) = device_bytes(1);
    let (grouped, grouped_again) = device_bytes(32);
    println!("device bytes per 300 B record | first fill, zeroing counted | segments reused");
    println!("synced singly                 | {single:>27} | {single_again:>15}");
    println!("in groups of 32               | {grouped:>27} | {grouped_again:>15}");
    assert!(single <= 5_000 && single_again <= 5_000);
    assert!(grouped <= 900 && grouped_again <= 750);
}
