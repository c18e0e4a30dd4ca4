//! What a device makes for itself before the mission: identity keys, seeds of its epoch keys, and the request that
//! carries the public halves to the authority (spec §30.3, §30.9).

use crate::codec::{DecodeError, NoRoom, Reader, Writer, checked_name};
use crate::file::{self, HEADER_LEN, HeaderError};
use crate::keys::{AgreementSecret, BadKey, BadSignature, IdentitySecret, PublicKey, derive_key_pair};
use crate::limits::{EPOCHS_MAX, REQUEST_MAX};
use crate::psk::expand;
use crate::station::{EPOCH_KEYS_LEN, EpochKeys, Kind, public};
use core::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const DOMAIN: &[u8] = b"PICKET-request";

/// Seeds of one epoch's key pairs; each can be erased by itself. What is erased reads as `None`.
#[derive(Clone, PartialEq, Eq)]
pub struct EpochSeeds {
    e: Option<[u8; 32]>,
    r: Option<[u8; 32]>,
    p: Option<[u8; 32]>,
}

/// A device's own secrets: made on the device, never leaving it (quickstart and a gateway's keyfill excepted).
/// Erased on drop, never printed.
#[derive(Clone)]
pub struct DeviceSecrets {
    identity: IdentitySecret,
    agreement: AgreementSecret,
    first_epoch: u32,
    count: u16,
    seeds: [EpochSeeds; EPOCHS_MAX],
}

/// A device's request to be enrolled: its public halves, signed by itself. Borrowed from the file's bytes.
#[derive(Clone, Copy, Debug)]
pub struct DeviceRequest<'a> {
    /// Name it asks for.
    pub name: &'a str,
    /// What it is.
    pub kind: Kind,
    /// Public identity key IS.
    pub identity: PublicKey,
    /// Public agreement key IK.
    pub agreement: PublicKey,
    keys: &'a [u8],
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// Another kind of file, or a newer format.
    Header(HeaderError),
    /// The bytes do not follow the format.
    Format(DecodeError),
    /// Not signed by the identity key it names.
    Signature,
    /// One of its keys is not a point of the curve.
    Key,
}

/// Why a device's secrets cannot be read or a request not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceError {
    /// The buffer is too small ([`REQUEST_MAX`] and [`crate::limits::SECRETS_MAX`] are always enough).
    NoRoom,
    /// The name is empty, too long or not printable.
    Name,
    /// More epochs than [`EPOCHS_MAX`], or epochs for a gateway.
    Epochs,
    /// A seed needed for this is erased already.
    Erased,
    /// Another kind of file, or a newer format.
    Header(HeaderError),
    /// The bytes do not follow the format.
    Format(DecodeError),
    /// Not a key.
    Key,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(e) => write!(f, "request: {e}"),
            Self::Format(e) => write!(f, "request: {e}"),
            Self::Signature => f.write_str("request: not signed by the key it names; have the device make a new one"),
            Self::Key => f.write_str("request: a key in it is not valid; have the device make a new one"),
        }
    }
}

impl core::error::Error for RequestError {}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom => f.write_str("the buffer is too small"),
            Self::Name => f.write_str("a name is 1 to 32 bytes, printable, without slashes"),
            Self::Epochs => f.write_str("too many epochs (at most 64; none for a gateway)"),
            Self::Erased => f.write_str("a seed needed for this is erased already"),
            Self::Header(e) => write!(f, "device secrets: {e}"),
            Self::Format(e) => write!(f, "device secrets: {e}"),
            Self::Key => f.write_str("device secrets: not a valid key"),
        }
    }
}

impl core::error::Error for DeviceError {}

impl From<NoRoom> for DeviceError {
    fn from(_: NoRoom) -> Self {
        Self::NoRoom
    }
}

impl From<BadKey> for DeviceError {
    fn from(_: BadKey) -> Self {
        Self::Key
    }
}

impl From<DecodeError> for DeviceError {
    fn from(e: DecodeError) -> Self {
        Self::Format(e)
    }
}

impl From<DecodeError> for RequestError {
    fn from(e: DecodeError) -> Self {
        Self::Format(e)
    }
}

impl Zeroize for EpochSeeds {
    fn zeroize(&mut self) {
        self.e.zeroize();
        self.r.zeroize();
        self.p.zeroize();
    }
}

impl Drop for EpochSeeds {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl ZeroizeOnDrop for EpochSeeds {}

impl fmt::Debug for EpochSeeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpochSeeds(e: {}, r: {}, p: {})", self.e.is_some(), self.r.is_some(), self.p.is_some())
    }
}

impl fmt::Debug for DeviceSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceSecrets(epochs {} + {})", self.first_epoch, self.count)
    }
}

impl EpochSeeds {
    /// Bytes of [`Self::to_bytes`].
    pub const LEN: usize = 97;

    /// All three.
    pub(crate) const fn whole(e: &[u8; 32], r: &[u8; 32], p: &[u8; 32]) -> Self {
        Self { e: Some(*e), r: Some(*r), p: Some(*p) }
    }

    /// Nothing left.
    pub const ERASED: Self = Self { e: None, r: None, p: None };

    /// Seed of E: what the pre-placed sessions of this epoch are sent from; HPKE's `ikmE`.
    #[must_use]
    pub const fn e(&self) -> Option<&[u8; 32]> {
        self.e.as_ref()
    }

    /// Seed of R: what pre-placed sessions to this device go to.
    #[must_use]
    pub const fn r(&self) -> Option<&[u8; 32]> {
        self.r.as_ref()
    }

    /// Seed of P: the prekey for in-band sessions.
    #[must_use]
    pub const fn p(&self) -> Option<&[u8; 32]> {
        self.p.as_ref()
    }

    /// Erases E and R: when the epoch is activated.
    pub fn erase_er(&mut self) {
        self.e.zeroize();
        self.r.zeroize();
    }

    /// Erases P: at the epoch's end + D.
    pub fn erase_p(&mut self) {
        self.p.zeroize();
    }

    /// Public halves, as long as nothing is erased.
    ///
    /// # Errors
    /// [`DeviceError::Erased`].
    pub fn public(&self) -> Result<EpochKeys, DeviceError> {
        let half = |seed: &Option<[u8; 32]>| -> Result<PublicKey, DeviceError> {
            let seed = seed.as_ref().ok_or(DeviceError::Erased)?;
            Ok(derive_key_pair(seed)?.1)
        };
        Ok(EpochKeys { e: half(&self.e)?, r: half(&self.r)?, p: half(&self.p)? })
    }

    /// 97 bytes: which are present (bits 0 E, 1 R, 2 P), then E ‖ R ‖ P, zero where erased.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut out = Zeroizing::new([0; Self::LEN]);
        for (bit, seed) in [&self.e, &self.r, &self.p].into_iter().enumerate() {
            if let Some(seed) = seed {
                out[0] |= 1 << bit;
                out[1 + bit * 32..][..32].copy_from_slice(seed);
            }
        }
        out
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`DecodeError::Value`] for anything else.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, DecodeError> {
        let mut seeds = Self::ERASED;
        if bytes[0] & !0b111 != 0 {
            return Err(DecodeError::Value);
        }
        for (bit, seed) in [&mut seeds.e, &mut seeds.r, &mut seeds.p].into_iter().enumerate() {
            let mut here = Zeroizing::new([0; 32]);
            here.copy_from_slice(&bytes[1 + bit * 32..][..32]);
            let present = bytes[0] >> bit & 1 == 1;
            if !present && here.iter().any(|b| *b != 0) {
                return Err(DecodeError::Value);
            }
            *seed = present.then_some(*here);
        }
        Ok(seeds)
    }
}

impl DeviceSecrets {
    /// Makes all secrets of a device from 32 bytes of its own randomness, which the caller erases afterwards.
    /// `epochs` is 0 for gateways, at most [`EPOCHS_MAX`] for members.
    ///
    /// # Errors
    /// [`DeviceError::Epochs`].
    pub fn generate(randomness: &[u8; 32], epochs: u16) -> Result<Self, DeviceError> {
        if usize::from(epochs) > EPOCHS_MAX {
            return Err(DeviceError::Epochs);
        }
        let seed = |label: &[u8], n: u16| {
            let mut out = Zeroizing::new([0; 32]);
            expand(randomness, &[b"PICKET-device", label, &n.to_be_bytes()], &mut out);
            out
        };
        let (identity, _) = derive_key_pair(seed(b"IS", 0).as_ref())?;
        let (agreement, _) = derive_key_pair(seed(b"IK", 0).as_ref())?;
        let mut made = Self {
            identity: IdentitySecret(*identity),
            agreement: AgreementSecret::from_bytes(&agreement)?,
            first_epoch: 0,
            count: epochs,
            seeds: [const { EpochSeeds::ERASED }; EPOCHS_MAX],
        };
        for (n, slot) in (0..epochs).zip(made.seeds.iter_mut()) {
            slot.e = Some(*seed(b"E", n));
            slot.r = Some(*seed(b"R", n));
            slot.p = Some(*seed(b"P", n));
        }
        Ok(made)
    }

    /// IS.
    #[must_use]
    pub const fn identity(&self) -> &IdentitySecret {
        &self.identity
    }

    /// IK.
    #[must_use]
    pub const fn agreement(&self) -> &AgreementSecret {
        &self.agreement
    }

    /// First epoch its seeds are for: 0 until the roster says otherwise ([`Self::set_first_epoch`]).
    #[must_use]
    pub const fn first_epoch(&self) -> u32 {
        self.first_epoch
    }

    /// Number of epochs it was made with.
    #[must_use]
    pub const fn epochs(&self) -> u16 {
        self.count
    }

    /// Takes over the first epoch that the roster gives this device.
    pub const fn set_first_epoch(&mut self, epoch: u32) {
        self.first_epoch = epoch;
    }

    /// The same device with seeds for other epochs: those of `epochs`, each as `seeds` gives it, erased where it gives
    /// none.
    ///
    /// # Errors
    /// [`DeviceError::Epochs`] for more than [`EPOCHS_MAX`].
    pub fn with_epochs(
        &self,
        epochs: core::ops::Range<u32>,
        seeds: impl Fn(u32) -> Option<EpochSeeds>,
    ) -> Result<Self, DeviceError> {
        let count = u16::try_from(epochs.len()).map_err(|_| DeviceError::Epochs)?;
        if usize::from(count) > EPOCHS_MAX {
            return Err(DeviceError::Epochs);
        }
        let mut made = Self {
            identity: self.identity.clone(),
            agreement: self.agreement.clone(),
            first_epoch: epochs.start,
            count,
            seeds: [const { EpochSeeds::ERASED }; EPOCHS_MAX],
        };
        for (epoch, slot) in epochs.zip(made.seeds.iter_mut()) {
            *slot = seeds(epoch).unwrap_or(EpochSeeds::ERASED);
        }
        Ok(made)
    }

    /// Seeds of an epoch, if it was made with some for it.
    #[must_use]
    pub fn seeds(&self, epoch: u32) -> Option<&EpochSeeds> {
        let n = usize::try_from(epoch.checked_sub(self.first_epoch)?).ok()?;
        self.seeds.get(..usize::from(self.count))?.get(n)
    }

    /// The same, to erase from.
    #[must_use]
    pub fn seeds_mut(&mut self, epoch: u32) -> Option<&mut EpochSeeds> {
        let n = usize::try_from(epoch.checked_sub(self.first_epoch)?).ok()?;
        self.seeds.get_mut(..usize::from(self.count))?.get_mut(n)
    }

    /// Writes the request file: name, kind and all public halves, signed with IS.
    ///
    /// # Errors
    /// [`DeviceError`]; [`REQUEST_MAX`] bytes are always enough room.
    pub fn request<'o>(&self, name: &str, kind: Kind, out: &'o mut [u8]) -> Result<&'o [u8], DeviceError> {
        checked_name(name.as_bytes()).map_err(|_| DeviceError::Name)?;
        if kind == Kind::Gateway && self.count != 0 {
            return Err(DeviceError::Epochs);
        }
        let mut w = Writer::new(out);
        w.put(&file::REQUEST.header())?;
        w.put(&[kind.byte(), u8::try_from(name.len()).map_err(|_| DeviceError::Name)?])?;
        w.put(name.as_bytes())?;
        w.put(&self.identity.public()?.0)?;
        w.put(&self.agreement.public()?.0)?;
        w.put(&self.count.to_be_bytes())?;
        for seeds in self.seeds.iter().take(usize::from(self.count)) {
            w.put(&seeds.public()?.to_bytes())?;
        }
        let signature = self.identity.sign(DOMAIN, w.written())?;
        w.put(&signature)?;
        Ok(w.finish())
    }

    /// Writes the secrets as a file of their own (or as a keyfill's section): header, IS, IK, first epoch, count, seeds.
    ///
    /// # Errors
    /// [`DeviceError::NoRoom`]; [`crate::limits::SECRETS_MAX`] bytes are always enough.
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8], DeviceError> {
        let mut w = Writer::new(out);
        w.put(&file::SECRETS.header())?;
        w.put(&self.identity.0)?;
        w.put(self.agreement.to_bytes().as_ref())?;
        w.put(&self.first_epoch.to_be_bytes())?;
        w.put(&self.count.to_be_bytes())?;
        for seeds in self.seeds.iter().take(usize::from(self.count)) {
            w.put(seeds.to_bytes().as_ref())?;
        }
        Ok(w.finish())
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`DeviceError`] of header, format or keys.
    pub fn decode(bytes: &[u8]) -> Result<Self, DeviceError> {
        let mut r = Reader::new(file::SECRETS.open(bytes).map_err(DeviceError::Header)?);
        let identity = IdentitySecret::from_bytes(&Zeroizing::new(r.array()?))?;
        let agreement = AgreementSecret::from_bytes(&Zeroizing::new(r.array()?))?;
        let (first_epoch, count) = (r.u32()?, r.u16()?);
        if usize::from(count) > EPOCHS_MAX {
            return Err(DeviceError::Epochs);
        }
        let mut seeds = [const { EpochSeeds::ERASED }; EPOCHS_MAX];
        for slot in seeds.iter_mut().take(usize::from(count)) {
            *slot = EpochSeeds::from_bytes(&Zeroizing::new(r.array()?))?;
        }
        r.end()?;
        Ok(Self { identity, agreement, first_epoch, count, seeds })
    }
}

impl<'a> DeviceRequest<'a> {
    /// Decodes a request without checking signature and keys: for fuzzing and for tools that explain bytes.
    ///
    /// # Errors
    /// [`RequestError`] of header or format.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RequestError> {
        if bytes.len() > REQUEST_MAX {
            return Err(DecodeError::TooLong.into());
        }
        let mut r = Reader::new(file::REQUEST.open(bytes).map_err(RequestError::Header)?);
        let kind = Kind::from_byte(r.u8()?)?;
        let name = r.name()?;
        let (identity, agreement) = (public(&mut r)?, public(&mut r)?);
        let count = usize::from(r.u16()?);
        if count > EPOCHS_MAX || (kind == Kind::Gateway && count != 0) {
            return Err(DecodeError::Value.into());
        }
        let keys = r.take(count * EPOCH_KEYS_LEN)?;
        for record in keys.chunks_exact(EPOCH_KEYS_LEN) {
            EpochKeys::read(record)?;
        }
        r.array::<64>()?;
        r.end()?;
        Ok(Self { name, kind, identity, agreement, keys })
    }

    /// Decodes a request, verifies that its own identity key signed it and that every key is a point of the curve.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn verify(bytes: &'a [u8]) -> Result<Self, RequestError> {
        let request = Self::decode(bytes)?;
        let (signed, signature) = bytes.split_last_chunk::<64>().ok_or(DecodeError::Truncated)?;
        debug_assert!(signed.len() >= HEADER_LEN);
        request.identity.verify(DOMAIN, signed, signature).map_err(|BadSignature| RequestError::Signature)?;
        request.agreement.check().map_err(|BadKey| RequestError::Key)?;
        for keys in request.epoch_keys() {
            for key in [keys.e, keys.r, keys.p] {
                key.check().map_err(|BadKey| RequestError::Key)?;
            }
        }
        Ok(request)
    }

    /// Number of epochs it has keys for.
    #[must_use]
    pub const fn epochs(&self) -> usize {
        self.keys.len() / EPOCH_KEYS_LEN
    }

    /// The public halves, one set for each epoch.
    pub fn epoch_keys(&self) -> impl Iterator<Item = EpochKeys> + use<'a> {
        self.keys.chunks_exact(EPOCH_KEYS_LEN).filter_map(|record| EpochKeys::read(record).ok())
    }
}
