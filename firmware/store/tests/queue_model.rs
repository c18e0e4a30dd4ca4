//! The queue against a model: any sequence of operations, reopened at any time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeMap;

use picket_store::testing::{CrashMedium, Cut};
use picket_store::{BodyError, ChangeError, Parcel, PutError, Queue, Seq};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Precedence};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Put { id: u8, len: usize, lifetime: u64 },
    Note { which: usize, len: usize },
    Finish { which: usize, remember: u64 },
    Maintain,
    Pass(u64),
    Sync,
    Reopen { closed: bool },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0u8..30, 0usize..1500, 1u64..2000).prop_map(|(id, len, lifetime)| Op::Put { id, len, lifetime }),
        2 => (0usize..50, 0usize..=64).prop_map(|(which, len)| Op::Note { which, len }),
        4 => (0usize..50, 0u64..1000).prop_map(|(which, remember)| Op::Finish { which, remember }),
        4 => Just(Op::Maintain),
        1 => (0u64..40).prop_map(Op::Pass),
        2 => Just(Op::Sync),
        1 => any::<bool>().prop_map(|closed| Op::Reopen { closed }),
    ]
}

#[derive(Default)]
struct Model {
    held: BTreeMap<Seq, (Identity, Vec<u8>, Vec<u8>)>,
    memos: BTreeMap<Identity, Vec<u8>>,
}

struct Run {
    queue: Queue<CrashMedium>,
    medium: CrashMedium,
    model: Model,
    now: Instant,
    count: u32,
}

impl Run {
    fn step(&mut self, op: Op) {
        match op {
            Op::Put { id, len, lifetime } => self.put(id, len, lifetime),
            Op::Note { which, len } => {
                let seq = self.which(which);
                let meta = vec![len as u8; len];
                match (self.queue.note(seq, &meta), self.model.held.get_mut(&seq)) {
                    (Ok(_), Some(held)) => held.2 = meta,
                    (Err(ChangeError::Unknown), None) => {}
                    (got, _) => panic!("note: {got:?}"),
                }
            }
            Op::Finish { which, remember } => {
                let seq = self.which(which);
                let remember_for = Duration::from_secs(remember);
                match (self.queue.finish(self.now, seq, remember_for), self.model.held.remove(&seq)) {
                    (Ok(_), Some((identity, _, meta))) if remember > 0 => drop(self.model.memos.insert(identity, meta)),
                    (Ok(_), Some(_)) | (Err(ChangeError::Unknown), None) => {}
                    (got, _) => panic!("finish: {got:?}"),
                }
            }
            Op::Maintain => drop(self.queue.maintain(self.now, None).unwrap()),
            Op::Pass(seconds) => {
                self.now += Duration::from_secs(seconds);
                self.queue.maintain(self.now, None).unwrap();
            }
            Op::Sync => self.queue.sync_now().unwrap(),
            Op::Reopen { closed } => self.reopen(closed),
        }
    }

    fn which(&self, which: usize) -> Seq {
        self.model.held.keys().nth(which).copied().unwrap_or(Seq(u64::MAX))
    }

    fn put(&mut self, id: u8, len: usize, lifetime: u64) {
        self.count += 1;
        let body: Vec<u8> = (0..len).map(|i| (i as u8).wrapping_mul(id).wrapping_add(self.count as u8)).collect();
        let parcel = Parcel {
            kind: id,
            identity: Identity([id; 16]),
            precedence: Precedence::Priority,
            lifetime: Duration::from_secs(lifetime),
            meta: &[id],
            body: &body,
        };
        match self.queue.put(self.now, &parcel) {
            Ok((seq, _)) => drop(self.model.held.insert(seq, (Identity([id; 16]), body, vec![id]))),
            Err(PutError::Full { .. }) => {}
            Err(error) => panic!("put: {error:?}"),
        }
    }

    fn reopen(&mut self, closed: bool) {
        let fresh = Queue::open(CrashMedium::default(), common::small_queue(), self.now, None).unwrap().0;
        let old = std::mem::replace(&mut self.queue, fresh);
        if closed {
            old.close(self.now, None).unwrap();
            self.medium.reboot(Cut::Dropped, 0);
        } else {
            drop(old);
            self.medium.reboot(Cut::Kept, 0);
        }
        let (queue, recovery) = Queue::open(self.medium.clone(), common::small_queue(), self.now, None).unwrap();
        assert_eq!(recovery.losses, vec![]);
        self.queue = queue;
    }

    fn compare(&mut self) {
        let entries: Vec<_> =
            self.queue.entries(self.now).map(|e| (e.seq, e.identity, e.meta.to_vec(), e.bytes)).collect();
        assert_eq!(entries.len(), self.model.held.len());
        for (seq, identity, meta, bytes) in entries {
            let (id, body, noted) = &self.model.held[&seq];
            assert_eq!((identity, &meta, bytes as usize), (*id, noted, body.len()));
            assert_eq!(self.queue.body(seq).as_ref(), Ok(body));
            assert!(self.queue.find(&identity).any(|s| s == seq));
        }
        assert_eq!(self.queue.body(Seq(u64::MAX)), Err(BodyError::Unknown));
        for (identity, meta) in &self.model.memos {
            if let Some(memo) = self.queue.remembered(self.now, identity) {
                assert_eq!(memo.meta, meta);
            }
        }
        let usage = self.queue.usage();
        assert!(usage.live_bytes <= usage.capacity + 8192, "{usage:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_queue_is_its_model(ops in proptest::collection::vec(op(), 1..250)) {
        let medium = CrashMedium::default();
        let (queue, _) = common::open_queue(&medium);
        let mut run = Run { queue, medium, model: Model::default(), now: Instant::ZERO, count: 0 };
        for op in ops {
            let look = matches!(op, Op::Reopen { .. });
            run.step(op);
            if look {
                run.compare();
            }
        }
        run.compare();
    }
}
