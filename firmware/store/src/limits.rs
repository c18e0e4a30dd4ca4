//! Every limit of this crate, each with its reason.

use picket_wire::time::Duration;

/// Largest body of a parcel: a 64 KiB envelope with its frame of headers, rounded up.
pub const MAX_BODY: usize = 80 * 1024;
/// Largest meta of a parcel: what a custodian notes per parcel; kept in RAM, so small.
pub const MAX_META: usize = 64;
/// Largest key of a table: a name and an identity fit; kept in RAM.
pub const MAX_KEY: usize = 200;
/// Largest transaction of a table: keys, values and their framing.
pub const MAX_COMMIT: usize = 1024 * 1024;
/// Losses listed one by one in a report; more are only counted, as a medium that is all garbage must not fill RAM.
pub const MAX_LOSSES: usize = 1024;
/// Longest time switched off that is counted: beyond it every lifetime has ended, and arithmetic stays small.
pub const MAX_OFF: Duration = Duration::from_secs(400 * 24 * 3600);
/// Longest lifetime a parcel may have: the same, for the same reason.
pub const MAX_LIFETIME: Duration = MAX_OFF;
/// Largest ordinary segment: it is read whole for recovery and compaction.
pub const MAX_SEGMENT: u32 = 8 * 1024 * 1024;
/// Bytes moved or zeroed in one step of maintenance: about a millisecond on an SD card's page cache.
pub const STEP_BYTES: u32 = 128 * 1024;

/// Limits of a [`crate::Queue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Bytes of medium that parcels may fill, overhead and room for maintenance included.
    pub max_bytes: u64,
    /// Parcels held at once: bounds the index in RAM (about 170 bytes each).
    pub max_parcels: u32,
    /// Finished identities remembered at once (about 100 bytes each); the earliest finished are forgotten first.
    pub max_memos: u32,
    /// Size of a segment: large enough that creating one is rare, small enough that a medium holds several.
    pub segment_bytes: u32,
    /// How far ahead the age of the store is written down: after a crash without trusted wall time at most this much
    /// too much is counted against every lifetime, and a stamp is written twice per this while anything is kept.
    pub stamp_ahead: Duration,
    /// What `Full` asks the sender to wait.
    pub retry_after: Duration,
    /// Any random number, used once when a store is first made: it numbers the segments, so that no one can forge a
    /// record inside a message body for recovery to find.
    pub salt: u32,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            max_bytes: 256 * 1024 * 1024,
            max_parcels: 100_000,
            max_memos: 65_536,
            segment_bytes: 1024 * 1024,
            stamp_ahead: Duration::from_secs(60),
            retry_after: Duration::from_secs(30),
            salt: 0,
        }
    }
}

/// Limits of a [`crate::Table`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableLimits {
    /// Bytes of medium that keys and values may fill, overhead and room for maintenance included.
    pub max_bytes: u64,
    /// Keys held at once: bounds the index in RAM.
    pub max_keys: u32,
    /// Size of an ordinary segment; a larger transaction gets a segment of its own.
    pub segment_bytes: u32,
    /// As in [`QueueLimits::salt`].
    pub salt: u32,
}

impl Default for TableLimits {
    fn default() -> Self {
        Self { max_bytes: 64 * 1024 * 1024, max_keys: 100_000, segment_bytes: 256 * 1024, salt: 0 }
    }
}

/// Smallest segment: a page.
const MIN_SEGMENT: u32 = 4096;
/// Segments a store has at least: head, reserve, victim, its copy, and four to fill.
const MIN_SEGMENTS: u64 = 8;

/// The size of segments: as wanted, or less where the limit in bytes would not hold enough of them; `None` where not
/// even the smallest would do.
pub(crate) fn segment_bytes(wanted: u32, max_bytes: u64) -> Option<u32> {
    let most = u32::try_from((max_bytes / MIN_SEGMENTS).min(u64::from(MAX_SEGMENT))).ok()?;
    let bytes = wanted.min(most) / MIN_SEGMENT * MIN_SEGMENT;
    (bytes >= MIN_SEGMENT).then_some(bytes)
}
