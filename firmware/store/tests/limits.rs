//! Full stores, foreign files, older and newer versions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use picket_store::log::format::{SegmentHeader, StoreKind};
use picket_store::log::scan::Hole;
use picket_store::log::{Config, Loc, Log, Sink};
use picket_store::testing::{CrashMedium, Cut};
use picket_store::{MediumError, OpenError, Parcel, PutError, Queue, QueueLimits, Subject, Table, Work};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Precedence};

const NOW: Instant = Instant::ZERO;

fn parcel(n: u64, body: &[u8]) -> Parcel<'_> {
    let mut identity = [0; 16];
    identity[..8].copy_from_slice(&n.to_be_bytes());
    let (identity, precedence) = (Identity(identity), Precedence::Routine);
    Parcel { kind: 0, identity, precedence, lifetime: common::LONG, meta: &[1; 10], body }
}

fn settle(queue: &mut Queue<CrashMedium>) {
    loop {
        match queue.maintain(NOW, None).unwrap() {
            Work::More => {}
            Work::AfterSync => queue.sync_now().unwrap(),
            Work::Idle => return,
        }
    }
}

#[test]
fn a_full_queue_refuses_keeps_everything_and_recovers_by_finishing() {
    let medium = CrashMedium::default();
    let (mut queue, _) = common::open_queue(&medium);
    for round in 0..5u64 {
        let mut seqs = Vec::new();
        let retry_after = common::small_queue().retry_after;
        let mut refusals = 0;
        for n in 0..400u64 {
            match queue.put(NOW, &parcel(round * 1000 + n, &[n as u8; 400])) {
                Ok((seq, _)) => seqs.push(seq),
                Err(error) => {
                    assert_eq!(error, PutError::Full { retry_after });
                    refusals += 1;
                }
            }
        }
        assert!(refusals > 0 && seqs.len() > 80, "round {round}: {} taken", seqs.len());
        for seq in &seqs {
            queue.note(*seq, &[9; 64]).expect("a note is always taken");
        }
        settle(&mut queue);
        for seq in seqs {
            queue.finish(NOW, seq, Duration::ZERO).expect("a finish is always taken");
        }
        settle(&mut queue);
        assert!(queue.usage().medium_bytes <= 2 * common::small_queue().max_bytes, "{:?}", queue.usage());
    }
}

#[test]
fn a_count_limit_is_full_as_well() {
    let limits = QueueLimits { max_parcels: 3, ..common::small_queue() };
    let (mut queue, _) = Queue::open(CrashMedium::default(), limits, NOW, None).unwrap();
    for n in 0..3 {
        queue.put(NOW, &parcel(n, b"x")).unwrap();
    }
    assert!(matches!(queue.put(NOW, &parcel(4, b"x")), Err(PutError::Full { .. })));
    let first = queue.entries(NOW).next().unwrap().seq;
    queue.finish(NOW, first, Duration::ZERO).unwrap();
    queue.put(NOW, &parcel(4, b"x")).unwrap();
}

#[test]
fn a_full_device_refuses_puts_and_still_takes_finishes() {
    let medium = CrashMedium::default();
    medium.set_space(Some(40 * 1024));
    let (mut queue, _) = common::open_queue(&medium);
    let mut seqs = Vec::new();
    while let Ok((seq, _)) = queue.put(NOW, &parcel(seqs.len() as u64, &[3; 500])) {
        seqs.push(seq);
    }
    assert!(seqs.len() > 20);
    for seq in &seqs {
        queue.finish(NOW, *seq, Duration::ZERO).expect("the reserve takes it");
        settle(&mut queue);
    }
    assert_eq!(queue.usage().items, 0);
    queue.put(NOW, &parcel(1, &[3; 500])).expect("there is room again");
    medium.set_space(None);
}

#[test]
fn a_newer_version_is_refused_and_not_touched() {
    let medium = CrashMedium::default();
    let (mut queue, _) = common::open_queue(&medium);
    queue.put(NOW, &parcel(1, b"x")).unwrap();
    queue.close(NOW, None).unwrap();
    let (id, _) = medium.segments()[0];
    let header = SegmentHeader::parse(&medium.bytes(id)).unwrap();
    medium.damage(id, |bytes| bytes[..64].copy_from_slice(&SegmentHeader { version: 2, ..header }.encode()));
    let (before, steps) = (medium.bytes(id), medium.steps());
    let opened = Queue::open(medium.clone(), common::small_queue(), NOW, None);
    assert_eq!(opened.err(), Some(OpenError::Newer(2)));
    assert_eq!((medium.bytes(id), medium.steps()), (before, steps));
}

#[test]
fn a_queue_is_not_opened_as_a_table_nor_twice_too_small() {
    let medium = CrashMedium::default();
    common::open_queue(&medium).0.close(NOW, None).unwrap();
    assert_eq!(Table::open(medium, common::small_table()).err(), Some(OpenError::WrongKind));
    let limits = QueueLimits { max_bytes: 10_000, ..QueueLimits::default() };
    assert_eq!(Queue::open(CrashMedium::default(), limits, NOW, None).err(), Some(OpenError::Limits));
}

#[test]
fn after_a_failed_sync_nothing_is_taken_until_reopened() {
    let medium = CrashMedium::default();
    let (mut queue, _) = common::open_queue(&medium);
    let (seq, ticket) = queue.put(NOW, &parcel(1, b"x")).unwrap();
    assert_eq!(queue.sync_wanted(), Some(ticket));
    queue.sync_failed();
    assert!(!queue.is_durable(ticket));
    assert_eq!(queue.put(NOW, &parcel(2, b"x")), Err(PutError::Failed));
    assert!(queue.finish(NOW, seq, Duration::ZERO).is_err());
    assert_eq!(queue.sync_now(), Err(MediumError::Io(0)));
    medium.reboot(Cut::Kept, 0);
    assert_eq!(common::open_queue(&medium).0.entries(NOW).count(), 1);
}

/// Collects bodies.
#[derive(Default)]
struct Bodies(Vec<Vec<u8>>);

impl Sink for Bodies {
    fn record(&mut self, _: Loc, header: &picket_store::log::format::RecordHeader, _: &[u8], body: &[u8]) {
        if header.kind == 16 {
            self.0.push(body.to_vec());
        }
    }
    fn hole(&mut self, _: Loc, _: &Hole<'_>) -> Subject {
        Subject::Unknown
    }
}

/// A pretended version 0 that said 0 where version 1 says 1.
fn from_zero(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(header) = SegmentHeader::parse(&bytes) {
        bytes[..64].copy_from_slice(&SegmentHeader { version: 1, ..header }.encode());
    }
    bytes
}

#[test]
fn an_older_version_is_read_through_its_migration_and_written_again() {
    let medium = CrashMedium::default();
    let (mut queue, _) = common::open_queue(&medium);
    queue.put(NOW, &parcel(1, b"old")).unwrap();
    queue.close(NOW, None).unwrap();
    for (id, _) in medium.segments() {
        if let Some(header) = SegmentHeader::parse(&medium.bytes(id)) {
            medium.damage(id, |bytes| bytes[..64].copy_from_slice(&SegmentHeader { version: 0, ..header }.encode()));
        }
    }
    let config = Config {
        store: StoreKind::Queue,
        segment_bytes: 4096,
        max_bytes: 128 * 1024,
        erase: false,
        salt: 1,
        steps: &[from_zero],
    };
    let mut bodies = Bodies::default();
    let (log, recovery) = Log::open(medium.clone(), config, &mut bodies).unwrap();
    assert_eq!(recovery.migrated_from, Some(0));
    assert_eq!(bodies.0, [b"old"]);
    let victim = log.pick().unwrap();
    assert!(victim.is_some(), "it is to be written again");
}
