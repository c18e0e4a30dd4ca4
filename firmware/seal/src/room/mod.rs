//! Rooms: one sealing for many readers, and who wrote what (spec §45).
//!
//! Every member holds the room's secret, so a tag proves only that some member sealed a message. Who did is proven by a
//! signature, in the message itself (an order) or afterwards over the hashes of several ([`Attest`]).

mod attest;
mod chain;
mod receive;
mod secret;
mod send;
mod state;

pub use attest::{Attest, Digest};
pub use chain::{ChainId, Incarnation};
pub use receive::{RoomOpenError, RoomOpened, RoomReceiver, Settled, Verdict};
pub use secret::{RoomKey, RoomSecret, SecretError, keys_of};
pub use send::{RoomSealed, RoomSender};
pub use state::{Policy, Role, RoomState, RoomStateError, Seat, StateHash};

use core::fmt;

/// A room: 16 random bytes, drawn by whoever made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub [u8; 16]);

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomId(")?;
        self.0.iter().take(4).try_for_each(|b| write!(f, "{b:02x}"))?;
        f.write_str("…)")
    }
}

/// What a member says to the moderators of a room (spec §45.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RoomWord {
    /// It takes part.
    Joined = 0,
    /// It does not want to, or no longer: change the keys.
    Left = 1,
    /// It lacks state or keys: send them again.
    Ask = 2,
}

impl RoomWord {
    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Joined),
            1 => Some(Self::Left),
            2 => Some(Self::Ask),
            _ => None,
        }
    }
}
