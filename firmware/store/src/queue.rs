//! The durable queue of parcels.

use alloc::vec::Vec;

use picket_wire::time::{Duration, Instant, Wall};
use picket_wire::{Identity, Precedence};

use crate::error::{BodyError, ChangeError, OpenError, PutError};
use crate::limits::QueueLimits;
use crate::log::{Seq, Ticket};
use crate::medium::{Medium, MediumError};
use crate::report::{Loss, Recovery, Usage, Work};

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
    medium: M,
}

impl<M: Medium> Queue<M> {
    /// Opens or makes a queue on `medium`. `wall` is trusted wall time, if there is any: time switched off counts
    /// against lifetimes only if it is known now and was known at the last stamp.
    pub fn open(medium: M, limits: QueueLimits, now: Instant, wall: Option<Wall>) -> Result<(Self, Recovery), OpenError> {
        let _ = (limits, now, wall);
        Ok((Self { medium }, Recovery::default()))
    }

    /// Takes a parcel; durable once the ticket is.
    pub fn put(&mut self, now: Instant, parcel: &Parcel<'_>) -> Result<(Seq, Ticket), PutError> {
        let _ = (now, parcel);
        Err(PutError::Failed)
    }

    /// Replaces the meta of a parcel.
    pub fn note(&mut self, seq: Seq, meta: &[u8]) -> Result<Ticket, ChangeError> {
        let _ = (seq, meta);
        Err(ChangeError::Failed)
    }

    /// Ends a parcel: it leaves the queue; identity and meta are remembered for `remember_for` (zero: not at all).
    pub fn finish(&mut self, now: Instant, seq: Seq, remember_for: Duration) -> Result<Ticket, ChangeError> {
        let _ = (now, seq, remember_for);
        Err(ChangeError::Failed)
    }

    /// Remembers an identity that never was a parcel here, as [`Queue::finish`] does.
    pub fn remember(&mut self, now: Instant, identity: &Identity, meta: &[u8], remember_for: Duration) -> Result<Ticket, ChangeError> {
        let _ = (now, identity, meta, remember_for);
        Err(ChangeError::Failed)
    }

    /// All parcels in order of their numbers.
    pub fn entries(&self, now: Instant) -> impl Iterator<Item = Entry<'_>> {
        let _ = now;
        core::iter::empty()
    }

    /// One parcel.
    #[must_use]
    pub fn entry(&self, now: Instant, seq: Seq) -> Option<Entry<'_>> {
        let _ = (now, seq);
        None
    }

    /// Parcels with this identity, in order of their numbers.
    pub fn find(&self, identity: &Identity) -> impl Iterator<Item = Seq> {
        let _ = identity;
        core::iter::empty()
    }

    /// Reads a body and verifies its checksum again. A damaged one is lost: the parcel leaves the index and
    /// [`Queue::take_losses`] tells.
    pub fn body(&mut self, seq: Seq) -> Result<Vec<u8>, BodyError> {
        let _ = seq;
        Err(BodyError::Unknown)
    }

    /// Whether a parcel with this identity was finished and is still remembered.
    #[must_use]
    pub fn remembered(&self, now: Instant, identity: &Identity) -> Option<Memo<'_>> {
        let _ = (now, identity);
        None
    }

    /// Parcels whose lifetime has ended, the earliest first. They stay until [`Queue::finish`].
    pub fn expired(&self, now: Instant) -> impl Iterator<Item = Seq> {
        let _ = now;
        core::iter::empty()
    }

    /// When the next lifetime ends.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// One bounded step: stamps the age when due, forgets, compacts, makes the next segment. Call it when idle, after
    /// each sync, and at [`Queue::wake_at`].
    pub fn maintain(&mut self, now: Instant, wall: Option<Wall>) -> Result<Work, MediumError> {
        let _ = (now, wall);
        Ok(Work::Idle)
    }

    /// When [`Queue::maintain`] must be called at the latest; [`Instant::FAR`] when nothing is kept.
    #[must_use]
    pub fn wake_at(&self) -> Instant {
        Instant::FAR
    }

    /// Writes the age down now: call it when trusted wall time becomes known or is lost.
    pub fn stamp(&mut self, now: Instant, wall: Option<Wall>) -> Result<Ticket, MediumError> {
        let _ = (now, wall);
        Ok(Ticket(0))
    }

    /// Asks for a sync: run the medium's sync from now, then call [`Queue::synced`] with this ticket. `None` while
    /// nothing waits or the last one asked for is still under way.
    pub fn sync_wanted(&mut self) -> Option<Ticket> {
        None
    }

    /// Everything written before `ticket` was handed out is durable.
    pub fn synced(&mut self, ticket: Ticket) {
        let _ = ticket;
    }

    /// The sync failed: nothing more is written until the store is reopened.
    pub fn sync_failed(&mut self) {}

    /// Syncs on this thread, if anything waits.
    pub fn sync_now(&mut self) -> Result<(), MediumError> {
        self.medium.sync()
    }

    /// Whether what this ticket stands for survives a power cut.
    #[must_use]
    pub fn is_durable(&self, ticket: Ticket) -> bool {
        let _ = ticket;
        false
    }

    /// Losses found by reading since the last call.
    pub fn take_losses(&mut self) -> Vec<Loss> {
        Vec::new()
    }

    /// How full it is.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage::default()
    }

    /// The medium, for making its syncer.
    pub fn medium_mut(&mut self) -> &mut M {
        &mut self.medium
    }

    /// Stamps the exact age, syncs, and gives the medium back.
    pub fn close(self, now: Instant, wall: Option<Wall>) -> Result<M, MediumError> {
        let _ = (now, wall);
        Ok(self.medium)
    }
}
