//! What every file starts with: eight bytes that say what it is, and a format version (spec §30.1).

use crate::codec::Reader;
use core::fmt;

/// A kind of file: its magic and the newest format version this software writes and reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileKind {
    /// First eight bytes.
    pub magic: [u8; 8],
    /// Format version, two bytes after the magic.
    pub version: u16,
}

/// The signed roster.
pub const ROSTER: FileKind = FileKind { magic: *b"PKROSTER", version: 1 };
/// A device's request to be enrolled.
pub const REQUEST: FileKind = FileKind { magic: *b"PKREQST\n", version: 1 };
/// A device's request to have keys of further epochs listed.
pub const EXTENSION: FileKind = FileKind { magic: *b"PKEXTEND", version: 1 };
/// A device's keyfill.
pub const KEYFILL: FileKind = FileKind { magic: *b"PKKEYFIL", version: 1 };
/// The authority's own keys.
pub const AUTHORITY: FileKind = FileKind { magic: *b"PKAUTHOR", version: 1 };
/// A device's own secrets.
pub const SECRETS: FileKind = FileKind { magic: *b"PKSECRET", version: 1 };
/// An object that frames of kind 3 carry (spec §35.5), complete or still to be signed.
pub const OBJECT: FileKind = FileKind { magic: *b"PKOBJECT", version: 1 };
/// A revoker's secret key.
pub const REVOKER: FileKind = FileKind { magic: *b"PKREVOKR", version: 1 };

/// Bytes of magic and version.
pub const HEADER_LEN: usize = 10;

/// Why a file's first bytes are refused. The file is left untouched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Another kind of file, or none of ours.
    Magic,
    /// Written by newer software: update before opening it.
    Newer {
        /// Its format version.
        version: u16,
    },
    /// A format version that never existed.
    Version,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("not a file of this kind"),
            Self::Newer { version } => {
                write!(f, "format version {version} is newer than this software: update it; the file is untouched")
            }
            Self::Version => f.write_str("unknown format version"),
        }
    }
}

impl core::error::Error for HeaderError {}

impl FileKind {
    /// Checks magic and version; returns what follows them.
    ///
    /// # Errors
    /// [`HeaderError`], naming a newer format apart from everything else.
    pub fn open(self, bytes: &[u8]) -> Result<&[u8], HeaderError> {
        let mut reader = Reader::new(bytes);
        let magic: [u8; 8] = reader.array().map_err(|_| HeaderError::Magic)?;
        if magic != self.magic {
            return Err(HeaderError::Magic);
        }
        let version = reader.u16().map_err(|_| HeaderError::Magic)?;
        match version {
            0 => Err(HeaderError::Version),
            v if v > self.version => Err(HeaderError::Newer { version: v }),
            _ => Ok(reader.rest()),
        }
    }

    /// Magic and version as bytes.
    #[must_use]
    pub fn header(self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..8].copy_from_slice(&self.magic);
        out[8..].copy_from_slice(&self.version.to_be_bytes());
        out
    }
}
