//! Who and what: indices, mission, envelope identity.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// Roster index of a member or gateway. Never reused within a mission (spec §30).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Index(pub u16);

impl Index {
    /// Hop address of every station in earshot.
    pub const BROADCAST: u8 = 0xFF;

    /// Indices from here on are rooms; stations stay below (spec §10.4).
    pub const ROOM_FIRST: Self = Self(0xC000);

    /// Whether this names a room: one whose low byte is that of the broadcast address names nothing.
    #[must_use]
    pub const fn is_room(self) -> bool {
        self.0 >= Self::ROOM_FIRST.0 && self.low() != Self::BROADCAST
    }

    /// The low eight bits used as hop address (spec §10.3); ambiguity is resolved by the hop MAC. `0xFF` is the
    /// broadcast address, so rosters give no index whose low byte is `0xFF`.
    #[must_use]
    pub const fn low(self) -> u8 {
        (self.0 & 0xFF) as u8
    }
}

/// The mission: first 8 bytes of SHA-256 over the authority's public key (compressed SEC1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MissionId(pub [u8; 8]);

/// Identity of an envelope or parcel everywhere: 16 bytes of SHA-256, unkeyed so that it survives a change of the
/// network key (spec §10.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity(pub [u8; 16]);

/// What people see of an [`Identity`]: its first 8 bytes, written as 16 lowercase hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId(pub [u8; 8]);

impl Identity {
    /// The first eight bytes.
    #[must_use]
    pub fn id(&self) -> MessageId {
        let mut id = [0; 8];
        id.copy_from_slice(&self.0[..8]);
        MessageId(id)
    }

    /// The first two bytes: how acknowledgements and fragments name it on air; the MAC covers the rest unsent.
    #[must_use]
    pub const fn prefix(&self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for b in self.0 {
            write!(f, "{b:02x}")?;
        }
        Ok(())
    }
}

/// Text that is not a message id: 16 hex digits were expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId;

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message id is 16 hex digits, as `picket inbox` and `picket sent` print it")
    }
}

impl core::error::Error for NotAnId {}

impl FromStr for MessageId {
    type Err = NotAnId;
    fn from_str(s: &str) -> Result<Self, NotAnId> {
        if s.len() != 16 || !s.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NotAnId);
        }
        let value = u64::from_str_radix(s, 16).map_err(|_| NotAnId)?;
        Ok(Self(value.to_be_bytes()))
    }
}
