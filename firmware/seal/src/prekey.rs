//! Prekeys: what in-band sessions go to (spec §40.7).
//!
//! The id is seven bits on air. 0 to 63: the roster's P of an epoch, by its low six bits. 64 to 127: a prekey that its
//! owner announced inside a sealed message.

use picket_roster::PublicKey;

/// First id of announced prekeys.
pub const ANNOUNCED: u8 = 64;

/// A prekey of a peer, and the id by which the peer finds its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prekey {
    /// Seven bits.
    pub id: u8,
    /// Its public half.
    pub key: PublicKey,
}

/// Which of the receiver's secrets a prekey id means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// P of the epoch whose low six bits are these; see [`epoch_of`].
    Epoch(u8),
    /// The announced prekey of this id.
    Announced(u8),
}

impl Prekey {
    /// P of `epoch` from the roster.
    #[must_use]
    pub const fn of_epoch(epoch: u32, key: PublicKey) -> Self {
        Self { id: (epoch & 63) as u8, key }
    }

    /// The `n`-th prekey that a device announces; ids go round after 64.
    #[must_use]
    pub const fn announced(n: u32, key: PublicKey) -> Self {
        Self { id: ANNOUNCED | (n & 63) as u8, key }
    }
}

/// Reads the prekey byte of an envelope's extension.
#[must_use]
pub const fn which(prekey_byte: u8) -> Which {
    let id = prekey_byte >> 1;
    if id < ANNOUNCED { Which::Epoch(id) } else { Which::Announced(id) }
}

/// The epoch whose P is meant by six bits: the newest that is at most one ahead of `current`.
#[must_use]
pub const fn epoch_of(low: u8, current: u32) -> Option<u32> {
    let newest = current.saturating_add(1);
    newest.checked_sub(newest.wrapping_sub(low as u32) & 63)
}
