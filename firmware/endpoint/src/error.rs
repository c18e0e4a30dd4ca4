//! Errors, one small enum per operation, each saying what to do.

use crate::limits::CONTENT_MAX;
use crate::vault::VaultError;
use alloc::string::String;
use core::fmt;
use picket_roster::{BadKey, KeyfillError, RosterError, UpgradeError};
use picket_wire::MessageId;
use picket_wire::time::Duration;

/// Why a home cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateError {
    /// The keyfill is refused.
    Keyfill(KeyfillError),
    /// The keyfill is a gateway's.
    NotAMember,
    /// There is a home here already.
    Exists,
    /// A key is not valid.
    Key,
    /// The vault did not take it.
    Vault(VaultError),
}

/// Why a home cannot be opened. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// There is no home here (or it was never completed): `picket join` first.
    Missing,
    /// Written by newer software, in this format version.
    Newer(u16),
    /// A record is damaged.
    Damaged,
    /// The vault did not answer.
    Vault(VaultError),
}

/// Why a roster is not put in force. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// Not a roster of this mission's authority.
    Roster(RosterError),
    /// An older one, or an ALARM.
    Upgrade(UpgradeError),
    /// We are not listed in it.
    NotListed,
    /// ALARM: it lists keys as ours that are not.
    NotOurKeys,
    /// The vault did not take it.
    Vault(VaultError),
}

/// Why nothing can be sealed to a member. Such a message is never sent in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CannotSeal {
    /// No pre-shared key with this member.
    NoPsk,
    /// The roster lists no usable key of this member for the present epoch.
    NoPeerKeys,
    /// Our own keys do not cover the present epoch.
    NoOwnKeys,
    /// The session's keys are used up and no other can be made.
    Exhausted,
}

/// Why a message was not taken into the outbox. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComposeError {
    /// Nobody of that name in the roster.
    UnknownRecipient {
        /// The name asked for.
        name: String,
    },
    /// That name is a gateway's.
    NotAMember {
        /// The name asked for.
        name: String,
    },
    /// The recipient is ourselves.
    Yourself,
    /// The lifetime is above D.
    TtlTooLong {
        /// The longest allowed.
        max: Duration,
    },
    /// The lifetime is shorter than a second.
    TtlTooShort,
    /// It does not fit one envelope.
    TooLarge {
        /// Its bytes.
        bytes: usize,
    },
    /// The file name is empty, too long, or holds a folder.
    FileName,
    /// It cannot be sealed.
    CannotSeal(CannotSeal),
    /// The outbox holds as much as it may.
    OutboxFull,
    /// This device is revoked.
    Revoked,
    /// The vault did not take it.
    Vault(VaultError),
}

/// Why a body cannot be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// No message of this id, or its lifetime is over.
    NoSuchId(MessageId),
    /// The vault did not answer.
    Vault(VaultError),
}

/// Why a message was not marked read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkReadError {
    /// No message of this id in the mailbox, or its lifetime is over.
    NoSuchId(MessageId),
    /// The vault did not take it.
    Vault(VaultError),
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyfill(e) => e.fmt(f),
            Self::NotAMember => f.write_str("this keyfill is a gateway's: use the one of this device"),
            Self::Exists => f.write_str("there is a home here already: choose another folder"),
            Self::Key => f.write_str("a key of this device is not valid: make new ones"),
            Self::Vault(e) => e.fmt(f),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no home here: run `picket join` with this device's keyfill first"),
            Self::Newer(v) => {
                write!(f, "the home has format version {v}, newer than this software: update it; nothing was changed")
            }
            Self::Damaged => f.write_str("the home is damaged: a record in it cannot be read"),
            Self::Vault(e) => e.fmt(f),
        }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Roster(e) => e.fmt(f),
            Self::Upgrade(e) => e.fmt(f),
            Self::NotListed => f.write_str("this roster does not list this device; nothing changed"),
            Self::NotOurKeys => f.write_str(
                "ALARM: this roster lists keys as this device's own that are not; nothing changed, tell the authority at \
                 once; where this device was restored from a copy, make new keys with `picket device extend`, which the \
                 authority lists with --replace",
            ),
            Self::Vault(e) => e.fmt(f),
        }
    }
}

impl fmt::Display for CannotSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPsk => "no pre-shared key with this member: ask the authority for a new keyfill",
            Self::NoPeerKeys => {
                "the roster holds no key of this member for today: import a newer roster, and check the clock; if it is \
                 the newest, the member must run `picket device extend`"
            }
            Self::NoOwnKeys => "this device's own keys do not cover today: check the clock, and see `picket device extend`",
            Self::Exhausted => "the keys of this conversation are used up for today: wait for the next epoch",
        })
    }
}

impl fmt::Display for ComposeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownRecipient { name } => {
                write!(f, "the roster lists nobody named \"{name}\": check the name, or import a newer roster")
            }
            Self::NotAMember { name } => write!(f, "\"{name}\" is a gateway: messages go to members"),
            Self::Yourself => f.write_str("the recipient is this device itself"),
            Self::TtlTooLong { max } => {
                write!(f, "the lifetime is above the mission's longest delay: at most {} s", max.as_secs())
            }
            Self::TtlTooShort => f.write_str("the lifetime is below one second"),
            Self::TooLarge { bytes } => write!(f, "{bytes} bytes do not fit one message: at most {CONTENT_MAX}"),
            Self::FileName => f.write_str("a file name is 1 to 128 bytes, printable, without folders"),
            Self::CannotSeal(e) => write!(f, "cannot be sealed, and is never sent in clear: {e}"),
            Self::OutboxFull => f.write_str("the outbox is full: attach to a gateway, or wait until messages expire"),
            Self::Revoked => f.write_str("this device is revoked: it takes part in this mission no more"),
            Self::Vault(e) => e.fmt(f),
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchId(id) => write!(f, "no message {id} (or its lifetime is over): `picket inbox` lists them"),
            Self::Vault(e) => e.fmt(f),
        }
    }
}

impl fmt::Display for MarkReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchId(id) => write!(f, "no message {id} (or its lifetime is over): `picket inbox` lists them"),
            Self::Vault(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for CreateError {}
impl core::error::Error for OpenError {}
impl core::error::Error for ImportError {}
impl core::error::Error for CannotSeal {}
impl core::error::Error for ComposeError {}
impl core::error::Error for BodyError {}
impl core::error::Error for MarkReadError {}

macro_rules! from_vault {
    ($($error:ty),+) => {$(
        impl From<VaultError> for $error {
            fn from(e: VaultError) -> Self {
                Self::Vault(e)
            }
        }
    )+};
}
from_vault!(CreateError, OpenError, ImportError, ComposeError, BodyError, MarkReadError);

impl From<BadKey> for CreateError {
    fn from(_: BadKey) -> Self {
        Self::Key
    }
}

impl From<CannotSeal> for ComposeError {
    fn from(e: CannotSeal) -> Self {
        Self::CannotSeal(e)
    }
}
