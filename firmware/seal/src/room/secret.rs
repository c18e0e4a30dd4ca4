//! A room's secret: one a generation of keys, hashed forward each epoch (spec §45.3).

use super::chain::ChainId;
use crate::chain::ChainKey;
use crate::limits::ROOM_FORWARD_MAX;
use core::fmt;
use hkdf::Hkdf;
use picket_roster::DecodeError;
use picket_roster::codec::Reader;
use picket_wire::keys::hmac;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// RS\[room, epoch\] of one generation. Erased on drop.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RoomSecret {
    epoch: u32,
    key: [u8; 32],
}

/// A secret as it is handed from a moderator to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomKey {
    /// Which generation of the room's keys.
    pub generation: u32,
    /// The secret, at the epoch of the handing over.
    pub secret: RoomSecret,
}

/// Why a secret does not serve an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretError {
    /// That epoch is gone.
    Erased,
    /// Impossibly far ahead: check the clock.
    Far,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Erased => "the room's keys of that epoch are erased",
            Self::Far => "that epoch is impossibly far ahead: check the clock",
        })
    }
}

impl core::error::Error for SecretError {}

impl fmt::Debug for RoomSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomSecret(epoch {})", self.epoch)
    }
}

impl RoomSecret {
    /// The secret at `epoch`: fresh random bytes, or as it was handed over or stored.
    #[must_use]
    pub const fn new(epoch: u32, key: [u8; 32]) -> Self {
        Self { epoch, key }
    }

    /// The oldest epoch it can still serve.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Its bytes, to be kept under the device's vault key together with [`Self::epoch`].
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key)
    }

    /// Moves on to `epoch` and forgets everything before it. Going back is a no-op.
    ///
    /// # Errors
    /// [`SecretError::Far`]; nothing is changed.
    pub fn advance_to(&mut self, epoch: u32) -> Result<(), SecretError> {
        if epoch.saturating_sub(self.epoch) > ROOM_FORWARD_MAX {
            return Err(SecretError::Far);
        }
        while self.epoch < epoch {
            let next = Zeroizing::new(hmac(&self.key, &[b"PICKET-room-next"]));
            self.key.copy_from_slice(next.as_ref());
            self.epoch += 1;
        }
        Ok(())
    }

    /// The secret at `epoch`, this one left as it is.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn at(&self, epoch: u32) -> Result<Self, SecretError> {
        if epoch < self.epoch {
            return Err(SecretError::Erased);
        }
        let mut copy = self.clone();
        copy.advance_to(epoch)?;
        Ok(copy)
    }

    /// SCK: the root of one sender's chain (spec §45.3).
    pub(crate) fn chain(&self, id: &ChainId) -> Result<ChainKey, SecretError> {
        let at = self.at(id.epoch)?;
        let mut root = Zeroizing::new([0; 32]);
        let hkdf = Hkdf::<Sha256>::from_prk(&at.key).map_err(|_| SecretError::Far)?;
        hkdf.expand(&id.info(), root.as_mut()).map_err(|_| SecretError::Far)?;
        Ok(ChainKey(*root))
    }
}

impl RoomKey {
    /// Bytes of [`Self::to_bytes`].
    pub const LEN: usize = 40;

    /// generation 4 ‖ epoch 4 ‖ RS 32.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut out = Zeroizing::new([0; Self::LEN]);
        out[..4].copy_from_slice(&self.generation.to_be_bytes());
        out[4..8].copy_from_slice(&self.secret.epoch.to_be_bytes());
        out[8..].copy_from_slice(&self.secret.key);
        out
    }
}

/// The keys in a [`crate::Body::RoomState`].
///
/// # Errors
/// When the bytes are not whole keys.
pub fn keys_of(bytes: &[u8]) -> Result<impl Iterator<Item = RoomKey> + '_, DecodeError> {
    if !bytes.len().is_multiple_of(RoomKey::LEN) {
        return Err(DecodeError::Truncated);
    }
    Ok(bytes.chunks_exact(RoomKey::LEN).filter_map(|chunk| {
        let mut r = Reader::new(chunk);
        Some(RoomKey { generation: r.u32().ok()?, secret: RoomSecret::new(r.u32().ok()?, r.array().ok()?) })
    }))
}
