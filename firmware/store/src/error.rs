//! Errors, one small enum per operation.

use core::fmt;

use picket_wire::time::Duration;

use crate::medium::MediumError;

/// Why a store could not be opened. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Written by a newer version of this program, in this format version.
    Newer(u16),
    /// These files hold something else (a table where a queue was asked for, or the other way round).
    WrongKind,
    /// The limits contradict each other (segment too small, fewer than four segments).
    Limits,
    /// The medium refused.
    Medium(MediumError),
}

/// Why a parcel was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutError {
    /// No room; an ordinary answer: come back after this long.
    Full {
        /// How long to wait before offering again.
        retry_after: Duration,
    },
    /// Body or meta over their limit.
    TooLarge,
    /// The medium refused.
    Medium(MediumError),
    /// A sync failed earlier: what is on the medium is unknown until the store is reopened.
    Failed,
}

/// Why a parcel could not be noted or finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// No such parcel.
    Unknown,
    /// Meta over its limit.
    TooLarge,
    /// The medium refused.
    Medium(MediumError),
    /// A sync failed earlier: what is on the medium is unknown until the store is reopened.
    Failed,
}

/// Why a body or a value could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// No such parcel or key.
    Unknown,
    /// The medium returned other bytes than were written. The loss is reported and the item is gone.
    Damaged,
    /// The medium refused.
    Medium(MediumError),
}

/// Why a transaction was not taken. Nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// No room.
    Full,
    /// A key or the whole transaction over its limit.
    TooLarge,
    /// The medium refused.
    Medium(MediumError),
    /// A sync failed earlier: what is on the medium is unknown until the store is reopened.
    Failed,
}

const FAILED: &str = "an earlier sync failed, so what is on the medium is unknown: restart to recover";

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer(version) => {
                write!(
                    f,
                    "the store has format version {version}, newer than this program knows: use the newer program; nothing was changed"
                )
            }
            Self::WrongKind => f.write_str("the folder holds another kind of store: check the path"),
            Self::Limits => f.write_str("the limit in bytes is too small for four segments: raise it"),
            Self::Medium(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { retry_after } => write!(f, "full: retry after {} s", retry_after.as_secs()),
            Self::TooLarge => f.write_str("larger than the store takes"),
            Self::Medium(error) => error.fmt(f),
            Self::Failed => f.write_str(FAILED),
        }
    }
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("no such parcel"),
            Self::TooLarge => f.write_str("note larger than the store takes"),
            Self::Medium(error) => error.fmt(f),
            Self::Failed => f.write_str(FAILED),
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("no such item"),
            Self::Damaged => f.write_str("the medium damaged this item: it is lost and reported"),
            Self::Medium(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the store is full: remove something"),
            Self::TooLarge => f.write_str("larger than the store takes"),
            Self::Medium(error) => error.fmt(f),
            Self::Failed => f.write_str(FAILED),
        }
    }
}

impl core::error::Error for OpenError {}
impl core::error::Error for PutError {}
impl core::error::Error for ChangeError {}
impl core::error::Error for BodyError {}
impl core::error::Error for CommitError {}

impl From<MediumError> for OpenError {
    fn from(error: MediumError) -> Self {
        Self::Medium(error)
    }
}
impl From<MediumError> for PutError {
    fn from(error: MediumError) -> Self {
        Self::Medium(error)
    }
}
impl From<MediumError> for ChangeError {
    fn from(error: MediumError) -> Self {
        Self::Medium(error)
    }
}
impl From<MediumError> for BodyError {
    fn from(error: MediumError) -> Self {
        Self::Medium(error)
    }
}
impl From<MediumError> for CommitError {
    fn from(error: MediumError) -> Self {
        Self::Medium(error)
    }
}
