//! Why the authority refuses.

use crate::codec::DecodeError;
use crate::file::HeaderError;
use crate::keys::BadKey;
use crate::psk::PskError;
use crate::roster::RosterError;
use crate::signer::SignerError;
use core::fmt;

/// Why a draft or keyfill cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DraftError {
    /// The name is taken in this mission.
    NameTaken,
    /// The name is empty, too long or not printable.
    Name,
    /// The identity key is enrolled already.
    KeyTaken,
    /// No index is left.
    Full,
    /// A member without epoch keys.
    NoKeys,
    /// No station has this index.
    Unknown,
    /// Epoch length or D out of range.
    Times,
    /// The version would not grow.
    Version,
    /// The pairing secrets cannot be moved to that epoch.
    Psk(PskError),
    /// Not a key.
    Key,
    /// The roster is not this authority's.
    Roster(RosterError),
    /// The device secrets are not those of the station.
    Secrets,
    /// Something is longer than the format allows.
    TooLong,
    /// A mission has no more revocations left.
    TooManyRevoked,
    /// Not k of n keys, each there once.
    Revokers,
    /// The authority's key did not sign.
    Signer(SignerError),
}

/// Why an authority file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorityError {
    /// Another kind of file, or a newer format.
    Header(HeaderError),
    /// The bytes do not follow the format.
    Format(DecodeError),
    /// Not a key.
    Key,
}

impl fmt::Display for DraftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTaken => f.write_str("that name is taken in this mission: choose another"),
            Self::Name => f.write_str("a name is 1 to 32 bytes, printable, without slashes"),
            Self::KeyTaken => f.write_str("that device is enrolled already: have it make new keys"),
            Self::Full => f.write_str("no index is left in this mission"),
            Self::NoKeys => f.write_str("a member needs keys for at least one epoch, a gateway none"),
            Self::Unknown => f.write_str("no station has this index"),
            Self::Times => f.write_str("epoch length or longest delay out of range"),
            Self::Version => f.write_str("the version must grow"),
            Self::Psk(e) => write!(f, "{e}"),
            Self::Key => f.write_str("not a valid key"),
            Self::Roster(e) => write!(f, "{e}"),
            Self::Secrets => f.write_str("the device secrets are not those of the station"),
            Self::TooLong => f.write_str("longer than the format allows"),
            Self::TooManyRevoked => f.write_str("this mission can revoke no more: begin a new one"),
            Self::Revokers => f.write_str("revokers are 1 to 16 keys, each once, and k is 1 to as many as there are"),
            Self::Signer(e) => write!(f, "{e}"),
        }
    }
}

impl core::error::Error for DraftError {}

impl From<BadKey> for DraftError {
    fn from(_: BadKey) -> Self {
        Self::Key
    }
}

impl From<SignerError> for DraftError {
    fn from(e: SignerError) -> Self {
        Self::Signer(e)
    }
}

impl From<PskError> for DraftError {
    fn from(e: PskError) -> Self {
        Self::Psk(e)
    }
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(e) => write!(f, "authority key: {e}"),
            Self::Format(e) => write!(f, "authority key: {e}"),
            Self::Key => f.write_str("authority key: not a valid key"),
        }
    }
}

impl core::error::Error for AuthorityError {}
