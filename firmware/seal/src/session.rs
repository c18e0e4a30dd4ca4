//! What names a session, and who takes part in it (spec §40.2).

use core::fmt;
use picket_roster::{AgreementSecret, DecodeError, PublicKey};
use picket_wire::{Index, MissionId};

/// One session: direction, epoch and id. Bound into the key schedule and, with the mission, into every message's AAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// The mission.
    pub mission: MissionId,
    /// Who sends.
    pub from: Index,
    /// Who receives.
    pub to: Index,
    /// The epoch.
    pub epoch: u32,
    /// 0: pre-placed; 1 to 15: in-band.
    pub sid: u16,
}

/// This device, as a party of a session.
#[derive(Clone, Copy)]
pub struct Local<'a> {
    /// The mission.
    pub mission: MissionId,
    /// Own index.
    pub index: Index,
    /// Own IK.
    pub agreement: &'a AgreementSecret,
}

/// The other device, as a party of a session.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its index.
    pub index: Index,
    /// Its public IK, from the roster.
    pub agreement: PublicKey,
}

/// Why stored state cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateError {
    /// Written by newer software: update it; the state is untouched.
    Newer {
        /// Its format version.
        version: u8,
    },
    /// The bytes are not such a state.
    Format(DecodeError),
    /// The buffer is too small.
    NoRoom,
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { version } => {
                write!(f, "session state of format {version} is newer than this software: update it")
            }
            Self::Format(e) => write!(f, "session state: {e}"),
            Self::NoRoom => f.write_str("the buffer is too small"),
        }
    }
}

impl core::error::Error for StateError {}

impl From<DecodeError> for StateError {
    fn from(e: DecodeError) -> Self {
        Self::Format(e)
    }
}

impl From<picket_roster::NoRoom> for StateError {
    fn from(_: picket_roster::NoRoom) -> Self {
        Self::NoRoom
    }
}

impl SessionId {
    /// Bytes of [`Self::to_bytes`].
    pub(crate) const LEN: usize = 18;

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..8].copy_from_slice(&self.mission.0);
        out[8..10].copy_from_slice(&self.from.0.to_be_bytes());
        out[10..12].copy_from_slice(&self.to.0.to_be_bytes());
        out[12..16].copy_from_slice(&self.epoch.to_be_bytes());
        out[16..].copy_from_slice(&self.sid.to_be_bytes());
        out
    }

    pub(crate) fn read(r: &mut picket_roster::codec::Reader<'_>) -> Result<Self, DecodeError> {
        let id = Self {
            mission: MissionId(r.array()?),
            from: Index(r.u16()?),
            to: Index(r.u16()?),
            epoch: r.u32()?,
            sid: r.u16()?,
        };
        if id.sid > crate::limits::SESSION_MAX { Err(DecodeError::Value) } else { Ok(id) }
    }

    /// `info` of the key schedule: "PICKET-P1" ‖ A ‖ B ‖ epoch ‖ sid (spec §40.3).
    pub(crate) fn info(&self) -> [u8; 19] {
        let mut out = [0; 19];
        out[..9].copy_from_slice(b"PICKET-P1");
        out[9..11].copy_from_slice(&self.from.0.to_be_bytes());
        out[11..13].copy_from_slice(&self.to.0.to_be_bytes());
        out[13..17].copy_from_slice(&self.epoch.to_be_bytes());
        out[17..].copy_from_slice(&self.sid.to_be_bytes());
        out
    }

    /// Low four bits of the epoch, as an envelope carries them.
    pub(crate) const fn epoch_low(&self) -> u8 {
        (self.epoch & 15) as u8
    }

    /// Low four bits of the session id (all of it), as an envelope carries them.
    pub(crate) const fn session_low(&self) -> u8 {
        (self.sid & 15) as u8
    }
}

/// The epoch that an envelope's four bits mean to a receiver whose own epoch is `current`: the newest one that is at
/// most one ahead. `None` when that would lie before epoch 0. Never moves the receiver's epoch (spec §40.6).
#[must_use]
pub const fn expand_epoch(low: u8, current: u32) -> Option<u32> {
    let newest = current.saturating_add(1);
    let back = (newest.wrapping_sub(low as u32)) & 15;
    newest.checked_sub(back)
}
