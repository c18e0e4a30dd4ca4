//! What recovery and maintenance tell the operator.

use alloc::vec::Vec;

use picket_wire::Identity;
use picket_wire::time::Duration;

use crate::log::Seq;
use crate::medium::SegmentId;

/// Whether a loss is a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// These bytes were durable once and are no longer what was written: the medium is failing.
    Damaged,
    /// The end of what was being written when power went; nothing in it was ever acknowledged, unless the medium
    /// damaged the very last record, which cannot be told apart.
    Unfinished,
}

/// What the lost bytes were about, as far as it can still be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Unreadable.
    Unknown,
    /// The store's own records; nothing of anybody's is lost.
    Housekeeping,
    /// A parcel of a queue.
    Parcel(Identity),
    /// Keys of a table, as far as they could be read.
    Keys(Vec<Vec<u8>>),
}

/// One stretch of bytes that recovery or a later read could not use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Where; 0 when a whole segment is missing.
    pub segment: SegmentId,
    /// First byte within the segment.
    pub offset: u32,
    /// How many bytes.
    pub bytes: u32,
    /// Why.
    pub cause: Cause,
    /// The record's number, if it could still be read.
    pub seq: Option<Seq>,
    /// Whose.
    pub subject: Subject,
}

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Up to [`crate::limits::MAX_LOSSES`] stretches lost.
    pub losses: Vec<Loss>,
    /// Losses beyond that number.
    pub more_losses: u32,
    /// Valid records read.
    pub records: u32,
    /// Bytes read.
    pub bytes: u64,
    /// Time switched off that was counted against lifetimes, zero when wall time was not trusted on both sides.
    pub off: Duration,
    /// Format version the files had, when they were migrated from an older one.
    pub migrated_from: Option<u16>,
}

impl Recovery {
    /// Losses that are the medium's fault.
    pub fn damaged(&self) -> impl Iterator<Item = &Loss> {
        self.losses.iter().filter(|loss| loss.cause == Cause::Damaged)
    }
}

/// How full a store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Parcels or keys.
    pub items: u32,
    /// Finished identities remembered.
    pub memos: u32,
    /// Bytes that live records take.
    pub live_bytes: u64,
    /// Bytes that live records may take before `Full`.
    pub capacity: u64,
    /// Bytes of all segments on the medium.
    pub medium_bytes: u64,
    /// Bytes written to the medium since opening, zeroing included.
    pub written_bytes: u64,
}

/// Whether another step of maintenance is worth calling soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nothing to do.
    Idle,
    /// More to do at once.
    More,
    /// More to do after the next sync.
    AfterSync,
}
