//! The durable queue of parcels.

mod age;
mod compact;
mod index;
mod records;

use alloc::vec::Vec;

use picket_wire::time::{Duration, Instant, Wall};
use picket_wire::{Identity, Precedence};

use crate::error::{BodyError, ChangeError, OpenError, PutError};
use crate::limits::{MAX_BODY, MAX_LIFETIME, MAX_LOSSES, MAX_META, QueueLimits};
use crate::log::format::{MIGRATIONS, StoreKind, kind, record_size};
use crate::log::{AppendError, Config, Loc, Log, Seq, Ticket, Urgency, Victim};
use crate::medium::{Medium, MediumError};
use crate::report::{Cause, Loss, Recovery, Subject, Usage, Work};
use age::Age;
use index::{Held, Index, Note};
use records::{MemoHead, PUT_FIXED, PutHead, Stamp, note_head};

/// Room kept per parcel so that its notes always fit.
const NOTE_ROOM: u64 = record_size(8 + MAX_META as u32) as u64;
/// Most that a memo takes.
const MEMO_ROOM: u64 = record_size(32 + MAX_META as u32) as u64;
/// Identities forgotten in one step of maintenance.
const FORGET_STEP: usize = 1024;

/// What is put into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parcel<'a> {
    /// What the caller means by it; any value.
    pub kind: u8,
    /// Identity of the envelope; several parcels may share one.
    pub identity: Identity,
    /// How urgent.
    pub precedence: Precedence,
    /// Remaining lifetime, clamped to [`crate::limits::MAX_LIFETIME`].
    pub lifetime: Duration,
    /// Up to [`crate::limits::MAX_META`] bytes of the caller's, kept in RAM and changed by [`Queue::note`].
    pub meta: &'a [u8],
    /// Up to [`crate::limits::MAX_BODY`] bytes, kept on the medium only.
    pub body: &'a [u8],
}

/// One parcel as the index knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its number.
    pub seq: Seq,
    /// As put.
    pub kind: u8,
    /// As put.
    pub identity: Identity,
    /// As put.
    pub precedence: Precedence,
    /// As put or as last noted.
    pub meta: &'a [u8],
    /// Length of the body.
    pub bytes: u32,
    /// What is left of the lifetime; zero when it has ended.
    pub remaining: Duration,
}

/// What is remembered of a finished parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memo<'a> {
    /// Its last meta.
    pub meta: &'a [u8],
    /// How much longer it is remembered.
    pub remaining: Duration,
}

/// A durable queue: see the crate's documentation for who syncs.
#[derive(Debug)]
pub struct Queue<M> {
    log: Log<M>,
    index: Index,
    age: Age,
    limits: QueueLimits,
    victim: Option<Victim>,
    losses: Vec<Loss>,
}

impl<M: Medium> Queue<M> {
    /// Opens or makes a queue on `medium`. `wall` is trusted wall time, if there is any: time switched off counts
    /// against lifetimes only if it is known now and was known at the last stamp.
    ///
    /// Everything the index shows after opening is durable, provided the medium synced what it had at hand when it
    /// was itself opened.
    pub fn open(
        medium: M,
        limits: QueueLimits,
        now: Instant,
        wall: Option<Wall>,
    ) -> Result<(Self, Recovery), OpenError> {
        let config = config(&limits)?;
        let mut index = Index::default();
        let (log, mut recovery) = Log::open(medium, config, &mut index)?;
        let stamp = index.stamp.map(|(stamp, _)| stamp);
        let (age, off) = Age::resume(stamp, index.least_age, now, wall, limits.stamp_ahead);
        recovery.off = off;
        let mut queue = Self { log, index, age, limits, victim: None, losses: Vec::new() };
        queue.count_live();
        queue.forget(usize::MAX);
        if !queue.is_empty() {
            queue.write_stamp(now, false).map_err(|error| OpenError::Medium(error.into()))?;
            // The age may have leapt by the time switched off: what is shown of it must not be taken back.
            queue.log.sync_now()?;
        }
        Ok((queue, recovery))
    }

    /// Takes a parcel; durable once the ticket is.
    pub fn put(&mut self, now: Instant, parcel: &Parcel<'_>) -> Result<(Seq, Ticket), PutError> {
        if parcel.body.len() > MAX_BODY || parcel.meta.len() > MAX_META {
            return Err(PutError::TooLarge);
        }
        let len = (PUT_FIXED + parcel.meta.len() + parcel.body.len()) as u32;
        if !self.has_room(u64::from(record_size(len))) {
            return Err(self.full());
        }
        if self.age.due(now) {
            self.write_stamp(now, false).map_err(|error| self.refuse(error))?;
        }
        let born = self.age.tick(now);
        let head = PutHead {
            identity: parcel.identity,
            kind: parcel.kind,
            precedence: parcel.precedence,
            born,
            deadline: born.saturating_add(parcel.lifetime.min(MAX_LIFETIME).0),
            meta: parcel.meta,
        };
        let seq = self.log.next_seq();
        let appended = self.log.append(kind::PUT, seq, &head.encode(), parcel.body, Urgency::Ordinary);
        let loc = appended.map_err(|error| self.refuse(error))?;
        self.log.hold(loc.serial, u64::from(record_size(loc.len)));
        self.index.insert(seq, &head, loc);
        Ok((seq, self.log.demand()))
    }

    /// Replaces the meta of a parcel.
    pub fn note(&mut self, seq: Seq, meta: &[u8]) -> Result<Ticket, ChangeError> {
        if meta.len() > MAX_META {
            return Err(ChangeError::TooLarge);
        }
        let number = self.log.next_seq();
        let held = self.index.parcels.get_mut(&seq).ok_or(ChangeError::Unknown)?;
        let loc = self.log.append(kind::NOTE, number, &note_head(seq, meta), &[], Urgency::Urgent)?;
        if let Some(note) = held.note.replace(Note { serial: loc.serial, offset: loc.offset }) {
            self.log.release(note.serial, held.note_size());
        }
        held.meta = meta.into();
        self.log.hold(loc.serial, held.note_size());
        Ok(self.log.demand())
    }

    /// Ends a parcel: it leaves the queue; identity and meta are remembered for `remember_for` (zero: not at all).
    pub fn finish(&mut self, now: Instant, seq: Seq, remember_for: Duration) -> Result<Ticket, ChangeError> {
        let held = self.index.parcels.get(&seq).ok_or(ChangeError::Unknown)?;
        let (identity, meta) = (held.identity, held.meta.clone());
        let ticket = self.memo(now, &identity, seq, &meta, remember_for)?;
        if let Some(held) = self.index.remove(seq) {
            self.release(&held);
        }
        Ok(ticket)
    }

    /// Remembers an identity that never was a parcel here, as [`Queue::finish`] does.
    pub fn remember(
        &mut self,
        now: Instant,
        identity: &Identity,
        meta: &[u8],
        remember_for: Duration,
    ) -> Result<Ticket, ChangeError> {
        if meta.len() > MAX_META {
            return Err(ChangeError::TooLarge);
        }
        self.memo(now, identity, Seq(0), meta, remember_for)
    }

    /// All parcels in order of their numbers.
    pub fn entries(&self, now: Instant) -> impl Iterator<Item = Entry<'_>> {
        let age = self.age.at(now);
        self.index.parcels.iter().map(move |(seq, held)| entry(*seq, held, age))
    }

    /// One parcel.
    #[must_use]
    pub fn entry(&self, now: Instant, seq: Seq) -> Option<Entry<'_>> {
        self.index.parcels.get(&seq).map(|held| entry(seq, held, self.age.at(now)))
    }

    /// Parcels with this identity, in order of their numbers.
    pub fn find(&self, identity: &Identity) -> impl Iterator<Item = Seq> {
        let from = (*identity, Seq(0));
        let to = (*identity, Seq(u64::MAX));
        self.index.identities.range(from..=to).map(|(_, seq)| *seq)
    }

    /// Reads a body and verifies its checksum again. A damaged one is lost: the parcel leaves the index and
    /// [`Queue::take_losses`] tells.
    pub fn body(&mut self, seq: Seq) -> Result<Vec<u8>, BodyError> {
        let loc = self.index.parcels.get(&seq).ok_or(BodyError::Unknown)?.loc;
        match self.log.read_record(loc)? {
            Some((header, mut payload)) if header.seq == seq => {
                payload.drain(..header.head as usize);
                Ok(payload)
            }
            _ => {
                self.lose(seq);
                Err(BodyError::Damaged)
            }
        }
    }

    /// Whether a parcel with this identity was finished and is still remembered.
    #[must_use]
    pub fn remembered(&self, now: Instant, identity: &Identity) -> Option<Memo<'_>> {
        let memo = self.index.memos.get(identity)?;
        let remaining = Duration(memo.until.saturating_sub(self.age.at(now)));
        (remaining > Duration::ZERO).then_some(Memo { meta: &memo.meta, remaining })
    }

    /// Parcels whose lifetime has ended, the earliest first. They stay until [`Queue::finish`].
    pub fn expired(&self, now: Instant) -> impl Iterator<Item = Seq> {
        let age = self.age.at(now);
        self.index.deadlines.range(..=(age, Seq(u64::MAX))).map(|(_, seq)| *seq)
    }

    /// When the next lifetime ends.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.index.deadlines.first().map(|(deadline, _)| self.age.instant_of(*deadline))
    }

    /// One bounded step: stamps the age when due, forgets, compacts, makes the next segment. Call it when idle, after
    /// each sync, and at [`Queue::wake_at`].
    pub fn maintain(&mut self, now: Instant, wall: Option<Wall>) -> Result<Work, MediumError> {
        self.age.set_wall(now, wall);
        if !self.is_empty() && self.age.due(now) {
            self.log.witness()?;
            self.write_stamp(now, false)?;
            self.log.demand();
        }
        self.forget(FORGET_STEP);
        if self.compact()? {
            return Ok(Work::More);
        }
        self.log.maintain()
    }

    /// When [`Queue::maintain`] must be called at the latest; [`Instant::FAR`] when nothing is kept.
    #[must_use]
    pub fn wake_at(&self) -> Instant {
        if self.is_empty() { Instant::FAR } else { self.age.due_at() }
    }

    /// Writes the age down now: call it when trusted wall time becomes known or is lost.
    pub fn stamp(&mut self, now: Instant, wall: Option<Wall>) -> Result<Ticket, MediumError> {
        self.age.set_wall(now, wall);
        self.write_stamp(now, false)?;
        Ok(self.log.demand())
    }

    /// Asks for a sync: run the medium's sync from now, then call [`Queue::synced`] with this ticket. `None` while
    /// nothing waits or the last one asked for is still under way.
    pub fn sync_wanted(&mut self) -> Option<Ticket> {
        self.log.sync_wanted()
    }

    /// Everything written before `ticket` was handed out is durable.
    pub fn synced(&mut self, ticket: Ticket) {
        self.log.synced(ticket);
    }

    /// The sync failed: nothing more is written until the store is reopened.
    pub fn sync_failed(&mut self) {
        self.log.sync_failed();
    }

    /// Syncs on this thread.
    pub fn sync_now(&mut self) -> Result<(), MediumError> {
        self.log.sync_now()
    }

    /// Whether what this ticket stands for survives a power cut.
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
        let (items, memos) = (self.index.parcels.len() as u32, self.index.memos.len() as u32);
        Usage { items, memos, ..self.log.usage() }
    }

    /// The medium, for making its syncer.
    pub fn medium_mut(&mut self) -> &mut M {
        self.log.medium_mut()
    }

    /// Stamps the exact age, syncs, and gives the medium back.
    pub fn close(mut self, now: Instant, wall: Option<Wall>) -> Result<M, MediumError> {
        self.age.set_wall(now, wall);
        self.write_stamp(now, true)?;
        self.log.sync_now()?;
        self.log.witness()?;
        self.log.sync_now()?;
        Ok(self.log.into_medium())
    }

    fn is_empty(&self) -> bool {
        self.index.parcels.is_empty() && self.index.memos.is_empty()
    }

    fn has_room(&self, size: u64) -> bool {
        let notes = NOTE_ROOM * (self.index.parcels.len() as u64 + 1);
        let usage = self.log.usage();
        self.index.parcels.len() < self.limits.max_parcels as usize && usage.live_bytes + size + notes <= usage.capacity
    }

    fn full(&self) -> PutError {
        PutError::Full { retry_after: self.limits.retry_after }
    }

    fn refuse(&self, error: AppendError) -> PutError {
        match error {
            AppendError::Full => self.full(),
            AppendError::Medium(error) => PutError::Medium(error),
            AppendError::Failed => PutError::Failed,
        }
    }

    /// Memos may take a quarter of the room.
    fn max_memos(&self) -> usize {
        let room = self.log.capacity() / 4 / MEMO_ROOM;
        usize::try_from(room).unwrap_or(usize::MAX).min(self.limits.max_memos as usize)
    }

    fn memo(
        &mut self,
        now: Instant,
        identity: &Identity,
        ended: Seq,
        meta: &[u8],
        remember_for: Duration,
    ) -> Result<Ticket, ChangeError> {
        let remember_for = remember_for.min(MAX_LIFETIME);
        let until = if remember_for == Duration::ZERO { 0 } else { self.age.tick(now).saturating_add(remember_for.0) };
        let memo = MemoHead { identity: *identity, ended, until, meta };
        let seq = self.log.next_seq();
        let loc = self.log.append(kind::MEMO, seq, &memo.encode(), &[], Urgency::Urgent)?;
        if until > 0 {
            self.log.hold(loc.serial, u64::from(record_size(loc.len)));
            if let Some(before) = self.index.remember(&memo, loc) {
                self.log.release(before.loc.serial, u64::from(record_size(before.loc.len)));
            }
        }
        self.forget(2);
        Ok(self.log.demand())
    }

    /// Forgets up to `steps` of the earliest remembered whose time is over or for which there is no room.
    fn forget(&mut self, steps: usize) {
        let (age, max) = (self.age.at(Instant::ZERO), self.max_memos());
        for _ in 0..steps {
            match self.index.forget_one(age, max) {
                None => return,
                Some(Some(memo)) => self.log.release(memo.loc.serial, u64::from(record_size(memo.loc.len))),
                Some(None) => {}
            }
        }
    }

    fn write_stamp(&mut self, now: Instant, closing: bool) -> Result<(), AppendError> {
        let stamp = self.age.stamp(now, closing);
        self.put_stamp(stamp)?;
        self.age.stamped(&stamp);
        Ok(())
    }

    fn write_stamp_again(&mut self) -> Result<(), MediumError> {
        match self.index.stamp {
            Some((stamp, _)) => Ok(self.put_stamp(stamp)?),
            None => Ok(()),
        }
    }

    fn put_stamp(&mut self, stamp: Stamp) -> Result<(), AppendError> {
        let seq = self.log.next_seq();
        let loc = self.log.append(kind::STAMP, seq, &stamp.encode(), &[], Urgency::Urgent)?;
        self.log.hold(loc.serial, stamp_size(loc));
        if let Some((_, before)) = self.index.stamp.replace((stamp, loc)) {
            self.log.release(before.serial, stamp_size(before));
        }
        Ok(())
    }

    /// Counts everything the index shows as alive, once after opening.
    fn count_live(&mut self) {
        for held in self.index.parcels.values() {
            self.log.hold(held.loc.serial, u64::from(record_size(held.loc.len)));
            if let Some(note) = held.note {
                self.log.hold(note.serial, held.note_size());
            }
        }
        for memo in self.index.memos.values() {
            self.log.hold(memo.loc.serial, u64::from(record_size(memo.loc.len)));
        }
        if let Some((_, loc)) = self.index.stamp {
            self.log.hold(loc.serial, stamp_size(loc));
        }
    }

    /// The medium lost a parcel.
    fn lose(&mut self, seq: Seq) {
        let Some(held) = self.index.remove(seq) else { return };
        self.release(&held);
        if self.losses.len() < MAX_LOSSES {
            self.losses.push(Loss {
                segment: self.log.segment_id(held.loc.serial),
                offset: held.loc.offset,
                bytes: record_size(held.loc.len),
                cause: Cause::Damaged,
                seq: Some(seq),
                subject: Subject::Parcel(held.identity),
            });
        }
    }
}

fn stamp_size(loc: Loc) -> u64 {
    u64::from(record_size(loc.len))
}

fn entry(seq: Seq, held: &Held, age: u64) -> Entry<'_> {
    Entry {
        seq,
        kind: held.kind,
        identity: held.identity,
        precedence: held.precedence,
        meta: &held.meta,
        bytes: held.body_len(),
        remaining: Duration(held.deadline.saturating_sub(age)),
    }
}

/// A small store gets small segments, so that there are always enough of them.
fn config(limits: &QueueLimits) -> Result<Config, OpenError> {
    let segment_bytes =
        crate::limits::segment_bytes(limits.segment_bytes, limits.max_bytes).ok_or(OpenError::Limits)?;
    Ok(Config {
        store: StoreKind::Queue,
        segment_bytes,
        max_bytes: limits.max_bytes,
        erase: false,
        salt: limits.salt,
        steps: MIGRATIONS,
    })
}
