//! Why bytes are not a roster.

use crate::codec::DecodeError;
use crate::file::HeaderError;
use core::fmt;

/// Why bytes are not a roster to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RosterError {
    /// Another kind of file, or a newer format.
    Header(HeaderError),
    /// The bytes do not follow the format.
    Format(DecodeError),
    /// The authority's signature does not verify: not our mission's, or altered.
    Signature,
    /// Signed by the right key, but it names another authority inside.
    Authority,
}

impl fmt::Display for RosterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(e) => write!(f, "roster: {e}"),
            Self::Format(e) => write!(f, "roster: {e}"),
            Self::Signature => {
                f.write_str("roster: the authority's signature does not verify; get it from the authority again")
            }
            Self::Authority => f.write_str("roster: names another authority than the one that signed it"),
        }
    }
}

impl core::error::Error for RosterError {}

impl From<DecodeError> for RosterError {
    fn from(e: DecodeError) -> Self {
        Self::Format(e)
    }
}
