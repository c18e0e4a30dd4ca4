//! What must survive a power cut: a durable [`Queue`] of parcels and a durable [`Table`] of keys, both over one
//! segmented, pre-zeroed, append-only [`log`] behind a small [`Medium`] trait. Normative text:
//! `firmware/spec/60-store.md`.
//!
//! **Who syncs.** Every call here only writes to the page cache and returns a [`Ticket`]. The host asks
//! `sync_wanted()`, runs the medium's slow sync (on another thread if it likes) and tells the result with
//! `synced(ticket)`: from then on everything written before that ticket was handed out survives a power cut. One sync
//! answers for all records since the last one: that is the whole of group commit. Acknowledge a record only once
//! `is_durable(its ticket)`.
//!
//! ```
//! use picket_store::{Parcel, Queue, QueueLimits, RamMedium};
//! use picket_wire::{Identity, Precedence, time::{Duration, Instant}};
//!
//! let now = Instant::ZERO;
//! let (mut queue, recovery) = Queue::open(RamMedium::default(), QueueLimits::default(), now, None)?;
//! assert!(recovery.losses.is_empty());
//!
//! let parcel = Parcel {
//!     kind: 1,
//!     identity: Identity([7; 16]),
//!     precedence: Precedence::Routine,
//!     lifetime: Duration::from_secs(3600),
//!     meta: &[],
//!     body: b"sealed",
//! };
//! let (seq, ticket) = queue.put(now, &parcel)?;
//! assert!(!queue.is_durable(ticket), "written, but a power cut would still lose it");
//! queue.sync_now()?;
//! assert!(queue.is_durable(ticket), "now it may be acknowledged");
//! assert_eq!(queue.body(seq)?, b"sealed");
//! queue.finish(now, seq, Duration::from_secs(60))?;
//! assert!(queue.remembered(now, &Identity([7; 16])).is_some(), "a repeat is recognised");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod error;
pub mod limits;
pub mod log;
pub mod medium;
pub mod queue;
pub mod report;
pub mod table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use error::{BodyError, ChangeError, CommitError, OpenError, PutError};
pub use limits::{QueueLimits, TableLimits};
pub use log::{Seq, Ticket};
pub use medium::{Medium, MediumError, RamMedium, SegmentId};
pub use queue::{Entry, Memo, Parcel, Queue};
pub use report::{Cause, Loss, Recovery, Subject, Usage, Work};
pub use table::Table;
