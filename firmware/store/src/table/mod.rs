//! The durable ordered map.

use alloc::vec::Vec;

use crate::error::{BodyError, CommitError, OpenError};
use crate::limits::TableLimits;
use crate::log::Ticket;
use crate::medium::{Medium, MediumError};
use crate::report::{Loss, Recovery, Usage, Work};

/// A durable ordered map from keys to values with atomic transactions over many keys. Keys are kept in RAM, values on
/// the medium. Values are stored as given: who wants them secret encrypts them.
#[derive(Debug)]
pub struct Table<M> {
    medium: M,
}

impl<M: Medium> Table<M> {
    /// Opens or makes a table on `medium`.
    pub fn open(medium: M, limits: TableLimits) -> Result<(Self, Recovery), OpenError> {
        let _ = limits;
        Ok((Self { medium }, Recovery::default()))
    }

    /// All or nothing: sets (`Some`) or removes (`None`) each key; a key named twice takes the last. Visible at once,
    /// durable once the ticket is.
    pub fn commit(&mut self, changes: &[(&[u8], Option<&[u8]>)]) -> Result<Ticket, CommitError> {
        let _ = changes;
        Err(CommitError::Failed)
    }

    /// Whether the key is there.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        let _ = key;
        false
    }

    /// Reads a value and verifies its checksum again. A damaged one is lost: the key leaves the table and
    /// [`Table::take_losses`] tells.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, BodyError> {
        let _ = key;
        Ok(None)
    }

    /// Keys that begin with `prefix`, in order, with the length of their values.
    pub fn scan(&self, prefix: &[u8]) -> impl Iterator<Item = (&[u8], u32)> {
        let _ = prefix;
        core::iter::empty()
    }

    /// One bounded step of compaction and erasure. Call it when idle and after each sync.
    pub fn maintain(&mut self) -> Result<Work, MediumError> {
        Ok(Work::Idle)
    }

    /// Makes what was removed or replaced so far really go: maintenance rewrites what lives and overwrites every
    /// segment written before this call, until it answers [`Work::Idle`].
    pub fn purge(&mut self) {}

    /// [`Table::purge`], maintenance and syncs until done, on this thread.
    pub fn purge_now(&mut self) -> Result<(), MediumError> {
        Ok(())
    }

    /// As [`crate::Queue::sync_wanted`].
    pub fn sync_wanted(&mut self) -> Option<Ticket> {
        None
    }

    /// As [`crate::Queue::synced`].
    pub fn synced(&mut self, ticket: Ticket) {
        let _ = ticket;
    }

    /// As [`crate::Queue::sync_failed`].
    pub fn sync_failed(&mut self) {}

    /// Syncs on this thread, if anything waits.
    pub fn sync_now(&mut self) -> Result<(), MediumError> {
        self.medium.sync()
    }

    /// As [`crate::Queue::is_durable`].
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

    /// Syncs and gives the medium back.
    pub fn close(self) -> Result<M, MediumError> {
        Ok(self.medium)
    }
}
