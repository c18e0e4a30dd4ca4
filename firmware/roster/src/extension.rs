//! Keys for further epochs, made by a device that is enrolled already, and the request that carries their public halves
//! to the authority (spec §30.16).

use crate::codec::{DecodeError, Reader, Writer};
use crate::device::{DeviceError, EpochSeeds};
use crate::file::{self, HEADER_LEN, HeaderError};
use crate::keys::{BadKey, BadSignature, IdentitySecret, PublicKey};
use crate::limits::{EPOCHS_MAX, EXTENSION_MAX};
use crate::psk::expand;
use crate::station::{EPOCH_KEYS_LEN, EpochKeys, usable};
use core::fmt;
use core::ops::Range;
use picket_wire::{Index, MissionId};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const DOMAIN: &[u8] = b"PICKET-extend";
const LABEL: &[u8] = b"PICKET-extension";

/// Keys for further epochs that no roster lists yet: 32 bytes of the device's own randomness, from which their seeds
/// come. Erased on drop, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Extension {
    first: u32,
    count: u16,
    secret: [u8; 32],
}

/// A device's request to have keys of further epochs listed, signed by itself. Borrowed from the file's bytes.
#[derive(Clone, Copy, Debug)]
pub struct ExtensionRequest<'a> {
    /// The mission.
    pub mission: MissionId,
    /// Whose.
    pub own: Index,
    /// Epoch of the first keys.
    pub first: u32,
    keys: &'a [u8],
}

/// Why a request to extend is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtensionError {
    /// Another kind of file, or a newer format.
    Header(HeaderError),
    /// The bytes do not follow the format.
    Format(DecodeError),
    /// Another mission's.
    Mission,
    /// No member of this mission has that index, or it is revoked.
    Unknown {
        /// The index.
        index: Index,
    },
    /// Not signed by the identity key that the roster lists.
    Signature,
    /// One of its keys is not a point of the curve.
    Key,
}

impl fmt::Display for ExtensionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(e) => write!(f, "request for epochs: {e}"),
            Self::Format(e) => write!(f, "request for epochs: {e}"),
            Self::Mission => f.write_str("request for epochs: it belongs to another mission"),
            Self::Unknown { index } => {
                write!(f, "request for epochs: this roster lists no member of index {} (or it is revoked)", index.0)
            }
            Self::Signature => f.write_str("request for epochs: not signed by the device that it names"),
            Self::Key => f.write_str("request for epochs: a key in it is not valid"),
        }
    }
}

impl core::error::Error for ExtensionError {}

impl From<DecodeError> for ExtensionError {
    fn from(e: DecodeError) -> Self {
        Self::Format(e)
    }
}

impl fmt::Debug for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extension(epochs {} + {})", self.first, self.count)
    }
}

impl Extension {
    /// Bytes of [`Self::to_bytes`].
    pub const LEN: usize = 38;

    /// Keys for `count` epochs from `first` on, from 32 bytes of randomness, which the caller erases afterwards.
    ///
    /// # Errors
    /// [`DeviceError::Epochs`] for none, and for more than [`EPOCHS_MAX`].
    pub fn new(randomness: &[u8; 32], first: u32, count: u16) -> Result<Self, DeviceError> {
        let fits = count > 0 && usize::from(count) <= EPOCHS_MAX && first.checked_add(u32::from(count)).is_some();
        if fits { Ok(Self { first, count, secret: *randomness }) } else { Err(DeviceError::Epochs) }
    }

    /// The epochs it is for.
    #[must_use]
    pub const fn epochs(&self) -> Range<u32> {
        self.first..self.first.saturating_add(self.count as u32)
    }

    /// Seeds of one of its epochs.
    #[must_use]
    pub fn seeds(&self, epoch: u32) -> Option<EpochSeeds> {
        if !self.epochs().contains(&epoch) {
            return None;
        }
        let seed = |label: &[u8]| {
            let mut out = Zeroizing::new([0; 32]);
            expand(&self.secret, &[LABEL, label, &epoch.to_be_bytes()], &mut out);
            out
        };
        Some(EpochSeeds::whole(&seed(b"E"), &seed(b"R"), &seed(b"P")))
    }

    /// Public halves of one of its epochs.
    #[must_use]
    pub fn public(&self, epoch: u32) -> Option<EpochKeys> {
        self.seeds(epoch)?.public().ok()
    }

    /// Writes the request file, signed with IS. The same keys give the same file.
    ///
    /// # Errors
    /// [`DeviceError`]; [`EXTENSION_MAX`] bytes are always enough room.
    pub fn request<'o>(
        &self,
        identity: &IdentitySecret,
        mission: MissionId,
        own: Index,
        out: &'o mut [u8],
    ) -> Result<&'o [u8], DeviceError> {
        let mut w = Writer::new(out);
        w.put(&file::EXTENSION.header())?;
        w.put(&mission.0)?;
        w.put(&own.0.to_be_bytes())?;
        w.put(&self.first.to_be_bytes())?;
        w.put(&self.count.to_be_bytes())?;
        for epoch in self.epochs() {
            w.put(&self.public(epoch).ok_or(DeviceError::Key)?.to_bytes())?;
        }
        let signature = identity.sign(DOMAIN, w.written())?;
        w.put(&signature)?;
        Ok(w.finish())
    }

    /// 38 bytes, to be kept under the device's vault key: first epoch 4, count 2, secret 32.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut out = Zeroizing::new([0; Self::LEN]);
        out[..4].copy_from_slice(&self.first.to_be_bytes());
        out[4..6].copy_from_slice(&self.count.to_be_bytes());
        out[6..].copy_from_slice(&self.secret);
        out
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`DeviceError`] of format or epochs.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DeviceError> {
        let mut r = Reader::new(bytes);
        let (first, count) = (r.u32()?, r.u16()?);
        let secret = Zeroizing::new(r.array()?);
        r.end()?;
        Self::new(&secret, first, count)
    }
}

impl<'a> ExtensionRequest<'a> {
    /// Decodes a request without checking signature and keys: for fuzzing and for tools that explain bytes.
    ///
    /// # Errors
    /// [`ExtensionError`] of header or format.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, ExtensionError> {
        if bytes.len() > EXTENSION_MAX {
            return Err(DecodeError::TooLong.into());
        }
        let mut r = Reader::new(file::EXTENSION.open(bytes).map_err(ExtensionError::Header)?);
        let (mission, own) = (MissionId(r.array()?), Index(r.u16()?));
        let (first, count) = (r.u32()?, r.u16()?);
        let fits = count > 0 && usize::from(count) <= EPOCHS_MAX && first.checked_add(u32::from(count)).is_some();
        if !fits || !usable(own) {
            return Err(DecodeError::Value.into());
        }
        let keys = r.take(usize::from(count) * EPOCH_KEYS_LEN)?;
        for record in keys.chunks_exact(EPOCH_KEYS_LEN) {
            EpochKeys::read(record)?;
        }
        r.array::<64>()?;
        r.end()?;
        Ok(Self { mission, own, first, keys })
    }

    /// Decodes a request, and verifies that a member of `mission` signed it and that every key is a point of the curve.
    /// `identity_of` gives the identity key of a member that is not revoked.
    ///
    /// # Errors
    /// [`ExtensionError`].
    pub fn verify(
        bytes: &'a [u8],
        mission: MissionId,
        identity_of: impl FnOnce(Index) -> Option<PublicKey>,
    ) -> Result<Self, ExtensionError> {
        let request = Self::decode(bytes)?;
        if request.mission != mission {
            return Err(ExtensionError::Mission);
        }
        let identity = identity_of(request.own).ok_or(ExtensionError::Unknown { index: request.own })?;
        let (signed, signature) = bytes.split_last_chunk::<64>().ok_or(DecodeError::Truncated)?;
        debug_assert!(signed.len() >= HEADER_LEN);
        identity.verify(DOMAIN, signed, signature).map_err(|BadSignature| ExtensionError::Signature)?;
        for (_, keys) in request.epoch_keys() {
            for key in [keys.e, keys.r, keys.p] {
                key.check().map_err(|BadKey| ExtensionError::Key)?;
            }
        }
        Ok(request)
    }

    /// The epochs it has keys for.
    #[must_use]
    pub fn epochs(&self) -> Range<u32> {
        let count = u32::try_from(self.keys.len() / EPOCH_KEYS_LEN).unwrap_or(0);
        self.first..self.first.saturating_add(count)
    }

    /// The public halves, epoch by epoch.
    pub fn epoch_keys(&self) -> impl Iterator<Item = (u32, EpochKeys)> + use<'a> {
        let records = self.keys.chunks_exact(EPOCH_KEYS_LEN).filter_map(|record| EpochKeys::read(record).ok());
        (self.first..).zip(records)
    }
}
