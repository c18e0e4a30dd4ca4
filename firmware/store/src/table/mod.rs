//! The durable ordered map.

mod index;
mod records;

use alloc::vec::Vec;
use core::ops::Bound;

use crate::error::{BodyError, CommitError, OpenError};
use crate::limits::{MAX_COMMIT, MAX_KEY, MAX_LOSSES, STEP_BYTES, TableLimits};
use crate::log::format::{MIGRATIONS, StoreKind, kind, record_size};
use crate::log::scan::Found;
use crate::log::{AppendError, Config, Loc, Log, Ticket, Urgency, Victim};
use crate::medium::{Medium, MediumError};
use crate::report::{Cause, Loss, Recovery, Subject, Usage, Work};
use index::{Index, Value};
use records::{encode, ops};

/// Records after which a mark of their durability is written.
const WITNESS_AFTER: u32 = 64;

/// One change of a transaction: a key, and its new value or that it goes.
pub type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// A durable ordered map from keys to values with atomic transactions over many keys. Keys are kept in RAM, values on
/// the medium. Values are stored as given: who wants them secret encrypts them.
///
/// ```
/// use picket_store::{RamMedium, Table, TableLimits};
///
/// let (mut table, _) = Table::open(RamMedium::default(), TableLimits::default())?;
/// table.commit(&[(b"seat/1", Some(b"alpha")), (b"seat/2", Some(b"bravo"))])?; // both or neither
/// table.sync_now()?;
/// assert_eq!(table.scan(b"seat/").count(), 2);
/// assert_eq!(table.get(b"seat/2")?.as_deref(), Some(&b"bravo"[..]));
/// table.commit(&[(b"seat/2", None)])?;
/// table.purge_now()?; // now its bytes are gone from the medium, too
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Table<M> {
    log: Log<M>,
    index: Index,
    limits: TableLimits,
    victim: Option<Victim>,
    purge: bool,
    losses: Vec<Loss>,
}

impl<M: Medium> Table<M> {
    /// Opens or makes a table on `medium`.
    ///
    /// A key whose newest value the medium damaged is gone, and reported. Where not even the key of a damaged record
    /// can be read (`Subject::Unknown`), an older value may have come back: callers whose values must never go back,
    /// such as counters, treat such a report as a restored backup.
    pub fn open(medium: M, limits: TableLimits) -> Result<(Self, Recovery), OpenError> {
        let config = config(&limits)?;
        let mut index = Index::default();
        let (log, recovery) = Log::open(medium, config, &mut index)?;
        let mut table = Self { log, index, limits, victim: None, purge: false, losses: Vec::new() };
        table.settle(&recovery);
        for (key, value) in &table.index.keys {
            table.log.hold(value.loc.serial, value.size(key));
        }
        Ok((table, recovery))
    }

    /// All or nothing: sets (`Some`) or removes (`None`) each key; a key named twice takes the last. Visible at once,
    /// durable once the ticket is. A transaction that only removes is taken even when the table is full.
    pub fn commit(&mut self, changes: &[Change<'_>]) -> Result<Ticket, CommitError> {
        self.check(changes)?;
        if changes.is_empty() {
            return Ok(self.log.demand());
        }
        let removes = changes.iter().all(|(_, value)| value.is_none());
        let urgency = if removes { Urgency::Urgent } else { Urgency::Ordinary };
        self.write(changes, urgency)?;
        Ok(self.log.demand())
    }

    /// Whether the key is there.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.index.keys.contains_key(key)
    }

    /// Reads a value and verifies its checksum again. A damaged one is lost: the key leaves the table and
    /// [`Table::take_losses`] tells.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, BodyError> {
        let Some(value) = self.index.keys.get(key).copied() else { return Ok(None) };
        let mut bytes = alloc::vec![0; value.place.len as usize];
        self.log.read_payload(value.loc, value.place.at, &mut bytes)?;
        if crc32fast::hash(&bytes) == value.place.sum {
            return Ok(Some(bytes));
        }
        self.lose(key);
        Err(BodyError::Damaged)
    }

    /// Keys that begin with `prefix`, in order, with the length of their values.
    pub fn scan<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = (&'a [u8], u32)> {
        let from = self.index.keys.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        from.take_while(move |(key, _)| key.starts_with(prefix)).map(|(key, value)| (key.as_slice(), value.place.len))
    }

    /// One bounded step of compaction and erasure. Call it when idle and after each sync.
    pub fn maintain(&mut self) -> Result<Work, MediumError> {
        if self.purge {
            self.log.purge()?;
            self.purge = false;
            self.victim = None;
        }
        if self.log.unwitnessed() >= WITNESS_AFTER {
            self.log.witness()?;
        }
        if self.compact()? {
            return Ok(Work::More);
        }
        self.log.maintain()
    }

    /// Makes what was removed or replaced so far really go: maintenance rewrites what lives and overwrites every
    /// segment written before this call, until it answers [`Work::Idle`].
    pub fn purge(&mut self) {
        self.purge = true;
    }

    /// [`Table::purge`], maintenance and syncs until done, on this thread.
    pub fn purge_now(&mut self) -> Result<(), MediumError> {
        self.purge();
        loop {
            match self.maintain()? {
                Work::More => {}
                Work::AfterSync => self.sync_now()?,
                Work::Idle => return self.sync_now(),
            }
        }
    }

    /// As [`crate::Queue::sync_wanted`].
    pub fn sync_wanted(&mut self) -> Option<Ticket> {
        self.log.sync_wanted()
    }

    /// As [`crate::Queue::synced`].
    pub fn synced(&mut self, ticket: Ticket) {
        self.log.synced(ticket);
    }

    /// As [`crate::Queue::sync_failed`].
    pub fn sync_failed(&mut self) {
        self.log.sync_failed();
    }

    /// Syncs on this thread.
    pub fn sync_now(&mut self) -> Result<(), MediumError> {
        self.log.sync_now()
    }

    /// As [`crate::Queue::is_durable`].
    #[must_use]
    pub fn is_durable(&self, ticket: Ticket) -> bool {
        self.log.is_durable(ticket)
    }

    /// Losses found by reading since the last call.
    pub fn take_losses(&mut self) -> Vec<Loss> {
        core::mem::take(&mut self.losses)
    }

    /// How full it is.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage { items: self.index.keys.len() as u32, ..self.log.usage() }
    }

    /// The medium, for making its syncer.
    pub fn medium_mut(&mut self) -> &mut M {
        self.log.medium_mut()
    }

    /// Syncs and gives the medium back.
    pub fn close(mut self) -> Result<M, MediumError> {
        self.log.sync_now()?;
        self.log.witness()?;
        self.log.sync_now()?;
        Ok(self.log.into_medium())
    }

    fn check(&self, changes: &[Change<'_>]) -> Result<(), CommitError> {
        let sizes = changes.iter().map(|(key, value)| 9 + key.len() + value.map_or(0, <[u8]>::len));
        if sizes.sum::<usize>() > MAX_COMMIT || changes.iter().any(|(key, _)| key.len() > MAX_KEY) {
            return Err(CommitError::TooLarge);
        }
        let sets = || changes.iter().filter_map(|(key, value)| value.map(|v| (key, v.len() as u64 + key.len() as u64)));
        let fresh = sets().filter(|(key, _)| !self.contains(key)).count();
        let usage = self.log.usage();
        let full =
            sets().next().is_some() && usage.live_bytes + sets().map(|(_, len)| 48 + len).sum::<u64>() > usage.capacity;
        if full || (fresh > 0 && self.index.keys.len() + fresh > self.limits.max_keys as usize) {
            return Err(CommitError::Full);
        }
        Ok(())
    }

    /// Appends a transaction and makes it visible.
    fn write(&mut self, changes: &[Change<'_>], urgency: Urgency) -> Result<u32, AppendError> {
        let (head, body) = encode(changes);
        let seq = self.log.next_seq();
        let loc = self.log.append(kind::COMMIT, seq, &head, &body, urgency)?;
        for op in ops(&head) {
            let before = match op.value {
                Some(place) => {
                    let value = Value { loc, place };
                    self.log.hold(loc.serial, value.size(op.key));
                    self.index.keys.insert(op.key.to_vec(), value)
                }
                None => self.index.keys.remove(op.key),
            };
            if let Some(before) = before {
                self.log.release(before.loc.serial, before.size(op.key));
            }
        }
        Ok(record_size(loc.len))
    }

    /// One step of writing what lives in the oldest segment again; whether there was anything to do.
    fn compact(&mut self) -> Result<bool, MediumError> {
        let picked = match self.victim.take() {
            Some(victim) => Some(victim),
            None => self.log.pick()?,
        };
        let Some(mut victim) = picked else { return Ok(false) };
        let mut moved = 0;
        while moved < STEP_BYTES {
            let serial = victim.serial;
            let Some(found) = victim.next_found() else {
                self.lose_rest(serial);
                self.log.retire(&victim);
                return Ok(true);
            };
            let (offset, header, head, body) = match found {
                Found::Record { offset, header, head, body } => (offset, header, head, body),
                Found::Hole(hole) => match hole.about.filter(|_| hole.verified) {
                    Some((header, head, body)) => (hole.offset, header, head, body),
                    None => continue,
                },
            };
            if header.kind == kind::COMMIT {
                moved += self.rewrite(Loc { serial, offset, len: header.len }, head, body)?;
            }
        }
        self.victim = Some(victim);
        Ok(true)
    }

    /// Writes again what of a transaction is still the newest of its key; returns the bytes written.
    fn rewrite(&mut self, loc: Loc, head: &[u8], body: &[u8]) -> Result<u32, MediumError> {
        let mut changes: Vec<Change<'_>> = Vec::new();
        for op in ops(head) {
            let Some(place) = op.value.filter(|place| place.intact(head, body)) else { continue };
            if self.index.keys.get(op.key) == Some(&Value { loc, place }) {
                changes.push((op.key, place.bytes(head, body)));
            }
        }
        if changes.is_empty() {
            return Ok(0);
        }
        Ok(self.write(&changes, Urgency::Urgent)?)
    }

    /// Values that should have been in a segment and were not found intact are lost.
    fn lose_rest(&mut self, serial: u32) {
        if self.log.live_in(serial) == 0 {
            return;
        }
        let lost = self.index.keys.iter().filter(|(_, value)| value.loc.serial == serial);
        let lost: Vec<Vec<u8>> = lost.map(|(key, _)| key.clone()).collect();
        for key in lost {
            self.lose(&key);
        }
    }

    /// The medium lost a value.
    fn lose(&mut self, key: &[u8]) {
        let Some(value) = self.index.keys.remove(key) else { return };
        self.log.release(value.loc.serial, value.size(key));
        if self.losses.len() < MAX_LOSSES {
            self.losses.push(Loss {
                segment: self.log.segment_id(value.loc.serial),
                offset: value.loc.offset,
                bytes: record_size(value.loc.len),
                cause: Cause::Damaged,
                seq: None,
                subject: Subject::Keys(alloc::vec![key.to_vec()]),
            });
        }
    }

    /// Tells the index which of the transactions it had doubts about were durable once.
    fn settle(&mut self, recovery: &Recovery) {
        let log = &self.log;
        let unfinished = |loc: Loc| {
            let here = (log.segment_id(loc.serial), loc.offset);
            recovery.losses.iter().any(|l| (l.segment, l.offset) == here && l.cause == Cause::Unfinished)
        };
        self.index.settle(|loc| !unfinished(loc));
    }
}

fn config(limits: &TableLimits) -> Result<Config, OpenError> {
    let segment_bytes =
        crate::limits::segment_bytes(limits.segment_bytes, limits.max_bytes).ok_or(OpenError::Limits)?;
    Ok(Config {
        store: StoreKind::Table,
        segment_bytes,
        max_bytes: limits.max_bytes,
        erase: true,
        salt: limits.salt,
        steps: MIGRATIONS,
    })
}
