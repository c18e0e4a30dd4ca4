//! Pre-shared keys of pairs, ratcheted each epoch (spec §30.6).
//!
//! For a pair the station enrolled later is *x*, the other *y*. The key starts at x's first epoch:
//! PSK\[e₀\] = HKDF(d_y\[e₀\], "pair" ‖ x ‖ y), and moves on by PSK\[e+1\] = HKDF(PSK\[e\], "next"), as d_y does.

use crate::limits::RATCHET_MAX;
use core::fmt;
use hkdf::Hkdf;
use picket_wire::Index;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// d_y: the secret that a member and the authority hold, from which keys for later joiners come. Erased on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PairingSecret {
    epoch: u32,
    key: [u8; 32],
}

/// The pre-shared key of one pair, at the oldest epoch still alive. Erased on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Psk {
    epoch: u32,
    key: [u8; 32],
}

/// Why there is no pre-shared key. Never a reason to go on without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PskError {
    /// The key of that epoch is erased (or the pair began later).
    Erased,
    /// No key was placed for this pair: a new keyfill is needed.
    Missing,
    /// The epoch is impossibly far ahead.
    Far,
}

impl fmt::Display for PskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Erased => "the pre-shared key of that epoch is erased",
            Self::Missing => "no pre-shared key for this pair: ask the authority for a new keyfill",
            Self::Far => "that epoch is too far ahead: check the clock",
        })
    }
}

impl core::error::Error for PskError {}

impl fmt::Debug for PairingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PairingSecret(epoch {})", self.epoch)
    }
}

impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Psk(epoch {})", self.epoch)
    }
}

impl PairingSecret {
    /// d at `epoch`.
    #[must_use]
    pub const fn new(epoch: u32, key: [u8; 32]) -> Self {
        Self { epoch, key }
    }

    /// The oldest epoch it can still serve.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Its key, to be kept under the device's vault key together with [`Self::epoch`].
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key)
    }

    /// Moves on to `epoch` and forgets everything before it. Going back is a no-op.
    ///
    /// # Errors
    /// [`PskError::Far`] beyond [`RATCHET_MAX`] epochs; nothing is changed.
    pub fn advance_to(&mut self, epoch: u32) -> Result<(), PskError> {
        advance(&mut self.key, &mut self.epoch, epoch)
    }

    /// The key of the pair (`later`, `own`), which starts at the later station's first epoch.
    ///
    /// # Errors
    /// [`PskError::Erased`] when that epoch is gone, [`PskError::Far`] when it is too far ahead.
    pub fn psk(&self, own: Index, later: Index, first_epoch: u32) -> Result<Psk, PskError> {
        if first_epoch < self.epoch {
            return Err(PskError::Erased);
        }
        let mut at = self.clone();
        at.advance_to(first_epoch)?;
        let mut psk = Psk { epoch: first_epoch, key: [0; 32] };
        expand(&at.key, &[b"PICKET-pair", &later.0.to_be_bytes(), &own.0.to_be_bytes()], &mut psk.key);
        Ok(psk)
    }
}

impl Psk {
    /// The key at `epoch`, as it was listed in a keyfill or stored.
    #[must_use]
    pub const fn new(epoch: u32, key: [u8; 32]) -> Self {
        Self { epoch, key }
    }

    /// The oldest epoch it can still serve.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Its key, to be kept under the device's vault key together with [`Self::epoch`].
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key)
    }

    /// Moves on to `epoch` and forgets everything before it. Going back is a no-op.
    ///
    /// # Errors
    /// [`PskError::Far`] beyond [`RATCHET_MAX`] epochs; nothing is changed.
    pub fn advance_to(&mut self, epoch: u32) -> Result<(), PskError> {
        advance(&mut self.key, &mut self.epoch, epoch)
    }

    /// PSK\[`epoch`\], the 32 bytes HPKE takes.
    ///
    /// # Errors
    /// [`PskError::Erased`] for an epoch before its own, [`PskError::Far`] for one too far ahead.
    pub fn at(&self, epoch: u32) -> Result<Zeroizing<[u8; 32]>, PskError> {
        if epoch < self.epoch {
            return Err(PskError::Erased);
        }
        let mut copy = self.clone();
        copy.advance_to(epoch)?;
        Ok(Zeroizing::new(copy.key))
    }
}

fn advance(key: &mut [u8; 32], at: &mut u32, to: u32) -> Result<(), PskError> {
    let steps = to.saturating_sub(*at);
    if steps > RATCHET_MAX {
        return Err(PskError::Far);
    }
    for _ in 0..steps {
        let mut next = Zeroizing::new([0; 32]);
        expand(key, &[b"PICKET-next"], &mut next);
        key.copy_from_slice(next.as_ref());
    }
    *at = to.max(*at);
    Ok(())
}

/// HKDF-SHA-256 without salt, 32 bytes.
pub(crate) fn expand(ikm: &[u8], info: &[&[u8]], out: &mut [u8; 32]) {
    let done = Hkdf::<Sha256>::new(None, ikm).expand_multi_info(info, out);
    // Expansion fails only above 255 × 32 bytes.
    debug_assert!(done.is_ok());
}
