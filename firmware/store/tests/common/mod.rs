//! A scripted life of a queue and of a table on a medium that may crash, and what must hold afterwards.
#![allow(dead_code)]

use std::collections::BTreeMap;

use picket_store::testing::{CrashMedium, Dice};
use picket_store::{
    ChangeError, MediumError, Parcel, PutError, Queue, QueueLimits, Recovery, Seq, Table, TableLimits, Ticket, Work,
};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Precedence};

pub const LONG: Duration = Duration::from_secs(24 * 3600);

pub fn small_queue() -> QueueLimits {
    QueueLimits { max_bytes: 128 * 1024, segment_bytes: 4096, salt: 0x1234_5678, ..QueueLimits::default() }
}

pub fn small_table() -> TableLimits {
    TableLimits { max_bytes: 128 * 1024, segment_bytes: 4096, salt: 0x1234_5678, ..TableLimits::default() }
}

pub fn open_queue(medium: &CrashMedium) -> (Queue<CrashMedium>, Recovery) {
    Queue::open(medium.clone(), small_queue(), Instant::ZERO, None).expect("the queue opens")
}

pub fn open_table(medium: &CrashMedium) -> (Table<CrashMedium>, Recovery) {
    Table::open(medium.clone(), small_table()).expect("the table opens")
}

/// One parcel as the test knows it.
#[derive(Clone, Debug)]
pub struct Known {
    pub identity: Identity,
    pub body: Vec<u8>,
    pub put: Ticket,
    pub put_durable: bool,
    /// Every meta it had, and whether that is durable.
    pub metas: Vec<(Vec<u8>, Ticket, bool)>,
    pub finish: Option<(Ticket, bool)>,
    /// A finish was tried when power went: it may or may not have happened.
    pub finish_tried: bool,
}

/// A queue and what it should hold.
pub struct QueueLife {
    pub queue: Queue<CrashMedium>,
    pub medium: CrashMedium,
    pub known: BTreeMap<Seq, Known>,
    pub dice: Dice,
    pub number: u64,
    /// The put under way when power went.
    tried: Option<Known>,
    syncing: Option<(Ticket, usize)>,
}

/// Power went.
#[derive(Debug)]
pub struct Cut;

impl QueueLife {
    pub fn new(medium: &CrashMedium, seed: u64) -> Option<Self> {
        let opened = Queue::open(medium.clone(), small_queue(), Instant::ZERO, None);
        let queue = opened.ok()?.0;
        let dice = Dice::new(seed);
        Some(Self {
            queue,
            medium: medium.clone(),
            known: BTreeMap::new(),
            dice,
            number: 0,
            tried: None,
            syncing: None,
        })
    }

    /// Some steps of a busy life.
    pub fn live(&mut self, steps: u64) -> Result<(), Cut> {
        for _ in 0..steps {
            match self.dice.below(20) {
                0..=7 => self.put()?,
                8 => self.note()?,
                9..=13 => self.finish()?,
                14..=15 => self.sync()?,
                16..=17 => self.begin_or_end_sync()?,
                _ => self.maintain()?,
            }
        }
        Ok(())
    }

    fn put(&mut self) -> Result<(), Cut> {
        self.number += 1;
        let mut identity = [0; 16];
        identity[..8].copy_from_slice(&self.number.to_be_bytes());
        let len = if self.dice.one_in(12) { 5000 } else { self.dice.below(700) as usize };
        let body: Vec<u8> = (0..len).map(|_| self.dice.below(256) as u8).collect();
        let meta = [self.number as u8; 3];
        let parcel = Parcel {
            kind: 1,
            identity: Identity(identity),
            precedence: Precedence::Routine,
            lifetime: LONG,
            meta: &meta,
            body: &body,
        };
        let put = self.queue.put(Instant::ZERO, &parcel);
        let ticket = put.map_or(Ticket(u64::MAX), |(_, ticket)| ticket);
        let known = Known {
            identity: Identity(identity),
            body,
            put: ticket,
            put_durable: false,
            metas: vec![(meta.to_vec(), ticket, false)],
            finish: None,
            finish_tried: false,
        };
        match put {
            Ok((seq, _)) => {
                assert!(self.known.insert(seq, known).is_none(), "a number is given once");
                Ok(())
            }
            Err(PutError::Full { .. }) => self.maintain(),
            Err(PutError::Medium(_) | PutError::Failed) => {
                self.tried = Some(known);
                Err(Cut)
            }
            Err(PutError::TooLarge) => panic!("not too large"),
        }
    }

    fn pick(&mut self) -> Option<Seq> {
        let open: Vec<Seq> = self.known.iter().filter(|(_, k)| k.finish.is_none()).map(|(seq, _)| *seq).collect();
        let at = self.dice.below(open.len() as u64) as usize;
        open.get(at).copied()
    }

    fn note(&mut self) -> Result<(), Cut> {
        let Some(seq) = self.pick() else { return Ok(()) };
        let meta = vec![self.dice.below(256) as u8; self.dice.below(64) as usize];
        let noted = self.queue.note(seq, &meta);
        let known = self.known.get_mut(&seq).expect("known");
        match noted {
            Ok(ticket) => known.metas.push((meta, ticket, false)),
            Err(ChangeError::Medium(MediumError::Io(_))) => {
                known.metas.push((meta, Ticket(u64::MAX), false));
                return Err(Cut);
            }
            Err(error) => panic!("a note is always taken: {error:?}"),
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Cut> {
        let Some(seq) = self.pick() else { return Ok(()) };
        let finished = self.queue.finish(Instant::ZERO, seq, LONG);
        let known = self.known.get_mut(&seq).expect("known");
        match finished {
            Ok(ticket) => known.finish = Some((ticket, false)),
            Err(ChangeError::Medium(MediumError::Io(_))) => {
                known.finish_tried = true;
                return Err(Cut);
            }
            Err(error) => panic!("a finish is always taken: {error:?}"),
        }
        Ok(())
    }

    pub fn sync(&mut self) -> Result<(), Cut> {
        self.queue.sync_now().map_err(|_| Cut)?;
        self.learn();
        Ok(())
    }

    /// As a host does it that syncs on another thread.
    fn begin_or_end_sync(&mut self) -> Result<(), Cut> {
        if let Some((ticket, begun)) = self.syncing.take() {
            // An inline sync meanwhile may have shortened the journal: then there is nothing left to wait for.
            if !self.queue.is_durable(ticket) {
                self.medium.end_sync(begun).map_err(|_| Cut)?;
                self.queue.synced(ticket);
            }
            self.learn();
        } else if let Some(ticket) = self.queue.sync_wanted() {
            self.syncing = Some((ticket, self.medium.begin_sync()));
        }
        Ok(())
    }

    fn maintain(&mut self) -> Result<(), Cut> {
        for _ in 0..8 {
            if self.queue.maintain(Instant::ZERO, None).map_err(|_| Cut)? != Work::More {
                break;
            }
        }
        Ok(())
    }

    /// What is durable by now?
    fn learn(&mut self) {
        for known in self.known.values_mut() {
            known.put_durable |= self.queue.is_durable(known.put);
            for (_, ticket, durable) in &mut known.metas {
                *durable |= self.queue.is_durable(*ticket);
            }
            if let Some((ticket, durable)) = &mut known.finish {
                *durable |= self.queue.is_durable(*ticket);
            }
        }
    }

    /// After reopening: nothing acknowledged lost, nothing finished back, nothing altered. What is unknown is learned.
    pub fn check(&mut self, queue: Queue<CrashMedium>) {
        self.queue = queue;
        self.syncing = None;
        let now = Instant::ZERO;
        let entries: Vec<(Seq, Vec<u8>)> = self.queue.entries(now).map(|e| (e.seq, e.meta.to_vec())).collect();
        let tried = self.tried.take();
        for (seq, meta) in &entries {
            let identity = self.queue.entry(now, *seq).map(|e| e.identity);
            if let Some(tried) = tried.as_ref().filter(|t| Some(t.identity) == identity) {
                self.known.insert(*seq, tried.clone());
            }
            let known = self.known.get(seq).unwrap_or_else(|| panic!("nothing unknown comes up: {seq:?}"));
            assert!(!matches!(known.finish, Some((_, true))), "finished for good, and back: {seq:?}");
            assert_eq!(self.queue.body(*seq).as_ref(), Ok(&known.body), "a body came back altered: {seq:?}");
            let last = known.metas.iter().rposition(|(_, _, durable)| *durable).unwrap_or(0);
            assert!(known.metas[last..].iter().any(|(m, _, _)| m == meta), "meta older than the durable one: {seq:?}");
        }
        for (seq, known) in &self.known {
            let there = entries.iter().any(|(s, _)| s == seq);
            let may_be_gone = known.finish.is_some() || known.finish_tried;
            assert!(there || may_be_gone || !known.put_durable, "acknowledged and lost: {seq:?}");
            let remembered = self.queue.remembered(now, &known.identity).is_some();
            if matches!(known.finish, Some((_, true))) {
                assert!(remembered, "a finished identity is forgotten: {seq:?}");
            }
            assert!(!(there && remembered), "in the queue and finished at once: {seq:?}");
        }
        self.settle(&entries);
    }

    /// What came back is durable now, what did not never was.
    fn settle(&mut self, entries: &[(Seq, Vec<u8>)]) {
        let now = Instant::ZERO;
        let queue = &self.queue;
        self.known.retain(|seq, known| {
            let there = entries.iter().find(|(s, _)| s == seq);
            let remembered = queue.remembered(now, &known.identity).is_some();
            if let Some((_, meta)) = there {
                known.put_durable = true;
                known.finish = None;
                known.metas = vec![(meta.clone(), Ticket(0), true)];
            } else if remembered {
                known.finish = Some((Ticket(0), true));
            }
            known.finish_tried = false;
            there.is_some() || remembered
        });
    }
}
