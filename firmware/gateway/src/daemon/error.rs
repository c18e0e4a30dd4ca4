//! Why the daemon cannot run, or ended.

use crate::keys::KeysError;
use crate::mission::MissionError;
use crate::tls;
use core::fmt;
use picket_shell::unix::ListenError;
use picket_store::{MediumError, OpenError};
use std::io;

/// Why the daemon cannot run.
#[derive(Debug)]
pub enum StartError {
    /// Keyfill or roster.
    Mission(MissionError),
    /// The gateway's own keys.
    Keys(KeysError),
    /// This gateway was zeroized: now, or before and only finished now. Why.
    Zeroized(String),
    /// The switch of `[zeroize]`.
    Line(io::Error),
    /// TLS material of an uplink.
    Tls(String, tls::TlsError),
    /// A socket.
    Socket(ListenError),
    /// The state folder.
    State(std::path::PathBuf, MediumError),
    /// The store in it.
    Store(std::path::PathBuf, OpenError),
    /// The operating system.
    System(io::Error),
}

impl StartError {
    /// The process's exit code.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Mission(MissionError::State(..) | MissionError::KeptRoster(..) | MissionError::KeptConflict(..)) => 8,
            Self::Keys(KeysError::Sealed(_) | KeysError::Slots(..) | KeysError::Io(..)) => 8,
            Self::Zeroized(_) => 9,
            Self::Keys(_) | Self::Line(_) | Self::Mission(_) | Self::Tls(..) | Self::Socket(_) => 2,
            Self::State(..) | Self::Store(..) => 8,
            Self::System(_) => 1,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mission(e) => e.fmt(f),
            Self::Keys(e) => e.fmt(f),
            Self::Line(e) => write!(f, "[zeroize] line: {e}: a gateway must not run without its switch"),
            Self::Zeroized(why) => write!(f, "zeroized: {why}. Its keys are gone; have it enrolled again"),
            Self::Tls(uplink, e) => write!(f, "uplink {uplink}: {e}"),
            Self::Socket(e) => e.fmt(f),
            Self::State(folder, e) => write!(f, "state folder {}: {e}", folder.display()),
            Self::Store(folder, e) => write!(f, "store in {}: {e}", folder.display()),
            Self::System(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for StartError {}
