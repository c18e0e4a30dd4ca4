//! A keyfill sealed to the device it is for, and signed by the authority (spec §30.12).
//!
//! ```text
//! head   = magic 8 ‖ format 2 ‖ mission 8 ‖ AK 33 ‖ index 2 ‖ request 32 ‖ roster version 4 ‖ issue 4 ‖ name length 1 ‖ name
//! sealed = head ‖ enc 33 ‖ ciphertext ‖ tag 16 ‖ signature 64
//! ```

use crate::limits::SEALED_MAX;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;
use hpke::aead::{AeadTag, AesGcm256};
use hpke::inout::InOutBuf;
use hpke::kdf::HkdfSha256;
use hpke::kem::DhP256HkdfSha256 as Kem;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, OpModeR, OpModeS, Serializable};
use picket_roster::codec::{DecodeError, Reader};
use picket_roster::file::FileKind;
use picket_roster::keys::mission_of;
use picket_roster::{
    AuthorityKey, DeviceSecrets, HeaderError, Keyfill, KeyfillError, Kind, PublicKey, Roster, SignerError,
};
use picket_wire::{Index, MissionId};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A keyfill sealed to its device.
pub const SEALED: FileKind = FileKind { magic: *b"PKSEALED", version: 1 };

const DOMAIN: &[u8] = b"PICKET-sealed";
const TAG: usize = 16;
const SIGNATURE: usize = 64;

/// Which of the authority's keyfills one is: the number of the act in its log (§30.15). Later ones are higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Issue(pub u32);

/// A sealed keyfill whose signature by the authority it names has been verified. Not opened yet.
#[derive(Clone, Debug)]
pub struct Sealed<'a> {
    authority: PublicKey,
    own: Index,
    request: [u8; 32],
    roster_version: u32,
    issue: Issue,
    name: &'a str,
    head: &'a [u8],
    enc: PublicKey,
    body: &'a [u8],
}

/// Why a sealed keyfill is refused, or cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedError {
    /// Another kind of file, or a newer format.
    Header(HeaderError),
    /// The bytes do not follow the format.
    Format(DecodeError),
    /// Not signed by the authority it names.
    Signature,
    /// Signed by another authority than this device's.
    OtherAuthority,
    /// Sealed to another device.
    OtherDevice,
    /// Not newer than the keyfill this device took last.
    NotNewer {
        /// Its issue.
        issue: Issue,
        /// Issue of the one taken last.
        last: Issue,
    },
    /// Signed rightly and does not open with this device's key.
    Closed,
    /// What is inside is another keyfill than the outside says.
    Contradiction,
    /// What is inside is refused.
    Keyfill(KeyfillError),
    /// The device's key is not a point of the curve.
    Key,
    /// The authority's key did not sign.
    Signer(SignerError),
    /// The station is not in the roster.
    Unknown,
}

impl fmt::Display for SealedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(e) => write!(f, "sealed keyfill: {e}"),
            Self::Format(e) => write!(f, "sealed keyfill: {e}"),
            Self::Signature => f.write_str("sealed keyfill: damaged, or not the authority's: its signature is wrong"),
            Self::OtherAuthority => f.write_str("sealed keyfill: signed by another authority than this device's"),
            Self::OtherDevice => f.write_str("sealed keyfill: made for another device, or for another request"),
            Self::NotNewer { issue, last } => write!(
                f,
                "sealed keyfill: issue {}, and this device has taken issue {} already: an old one, given again",
                issue.0, last.0
            ),
            Self::Closed => f.write_str("sealed keyfill: does not open with this device's key"),
            Self::Contradiction => f.write_str("sealed keyfill: the keyfill inside is not the one named outside"),
            Self::Keyfill(e) => write!(f, "{e}"),
            Self::Key => f.write_str("sealed keyfill: the device's key is not valid"),
            Self::Signer(e) => write!(f, "{e}"),
            Self::Unknown => f.write_str("sealed keyfill: the station is not in the roster"),
        }
    }
}

impl core::error::Error for SealedError {}

impl From<DecodeError> for SealedError {
    fn from(e: DecodeError) -> Self {
        Self::Format(e)
    }
}

/// What a keyfill is bound to of its device's request: SHA-256 of what the request's signature covers. Of the two forms
/// that every ECDSA signature has, neither makes another request.
#[must_use]
pub fn request_hash(request: &[u8]) -> [u8; 32] {
    Sha256::digest(request.get(..request.len().saturating_sub(SIGNATURE)).unwrap_or_default()).into()
}

/// The same, of the request with which a station of `roster` was enrolled: everything in it is in the roster, as long as
/// no keys have left it (§30.16). After that it is the hash of a request that nobody made: its device has joined already,
/// and knows itself by its identity.
///
/// # Errors
/// [`SealedError::Unknown`].
pub fn request_hash_of(roster: &Roster<impl AsRef<[u8]>>, station: Index) -> Result<[u8; 32], SealedError> {
    let s = roster.station(station).ok_or(SealedError::Unknown)?;
    let len = u8::try_from(s.name.len()).map_err(|_| SealedError::Unknown)?;
    let mut hash = Sha256::new_with_prefix(picket_roster::file::REQUEST.header())
        .chain_update([s.kind.byte(), len])
        .chain_update(s.name)
        .chain_update(s.identity.0)
        .chain_update(s.agreement.0)
        .chain_update(s.epochs.to_be_bytes());
    for epoch in s.listed_from..s.listed_end() {
        hash.update(roster.epoch_keys(station, epoch).ok_or(SealedError::Unknown)?.to_bytes());
    }
    Ok(hash.finalize().into())
}

/// Seals the keyfill of the station `own` of `roster`; `randomness` is fresh for each and erased by the caller.
///
/// # Errors
/// [`SealedError`].
pub fn seal(
    authority: &AuthorityKey,
    roster: &Roster<impl AsRef<[u8]>>,
    own: Index,
    keyfill: &[u8],
    issue: Issue,
    randomness: &[u8; 32],
) -> Result<Vec<u8>, SealedError> {
    let owner = roster.station(own).ok_or(SealedError::Unknown)?;
    let mut out = Vec::with_capacity(keyfill.len() + 256 + owner.name.len());
    out.extend_from_slice(&SEALED.header());
    out.extend_from_slice(&roster.mission().0);
    out.extend_from_slice(&roster.authority().0);
    out.extend_from_slice(&own.0.to_be_bytes());
    out.extend_from_slice(&request_hash_of(roster, own)?);
    out.extend_from_slice(&roster.version().to_be_bytes());
    out.extend_from_slice(&issue.0.to_be_bytes());
    out.push(u8::try_from(owner.name.len()).map_err(|_| SealedError::Unknown)?);
    out.extend_from_slice(owner.name.as_bytes());
    let mut body = Zeroizing::new(keyfill.to_vec());
    let (enc, tag) = encrypt(&owner.agreement, &out, &mut body, randomness)?;
    out.extend_from_slice(&enc.0);
    out.extend_from_slice(&body);
    out.extend_from_slice(&tag);
    let signature = authority.sign(DOMAIN, &out).map_err(SealedError::Signer)?;
    out.extend_from_slice(&signature);
    Ok(out)
}

impl<'a> Sealed<'a> {
    /// Reads the format only: for fuzzing. Nothing read this way is to be trusted.
    ///
    /// # Errors
    /// [`SealedError`] of header or format.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, SealedError> {
        if bytes.len() > SEALED_MAX {
            return Err(DecodeError::TooLong.into());
        }
        SEALED.open(bytes).map_err(SealedError::Header)?;
        let (signed, _) = bytes.split_last_chunk::<SIGNATURE>().ok_or(DecodeError::Truncated)?;
        let mut r = Reader::new(signed.get(picket_roster::file::HEADER_LEN..).ok_or(DecodeError::Truncated)?);
        let (mission, authority) = (MissionId(r.array()?), PublicKey(r.array()?));
        let (own, request) = (Index(r.u16()?), r.array()?);
        let (roster_version, issue) = (r.u32()?, Issue(r.u32()?));
        let name = r.name()?;
        let head = signed.get(..signed.len() - r.rest().len()).ok_or(DecodeError::Truncated)?;
        let enc = PublicKey(r.array()?);
        let body = r.rest();
        if !authority.plausible() || !enc.plausible() || mission != mission_of(&authority) {
            return Err(DecodeError::Value.into());
        }
        if body.len() < TAG {
            return Err(DecodeError::Truncated.into());
        }
        Ok(Self { authority, own, request, roster_version, issue, name, head, enc, body })
    }

    /// Reads the format and verifies the signature of the authority that it names.
    ///
    /// # Errors
    /// [`SealedError`].
    pub fn verify(bytes: &'a [u8]) -> Result<Self, SealedError> {
        let sealed = Self::decode(bytes)?;
        let (signed, signature) = bytes.split_last_chunk::<SIGNATURE>().ok_or(DecodeError::Truncated)?;
        sealed.authority.verify(DOMAIN, signed, signature).map_err(|_| SealedError::Signature)?;
        Ok(sealed)
    }

    /// The authority's public key.
    #[must_use]
    pub const fn authority(&self) -> &PublicKey {
        &self.authority
    }

    /// The station it is for.
    #[must_use]
    pub const fn own(&self) -> Index {
        self.own
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// Which of the authority's keyfills it is.
    #[must_use]
    pub const fn issue(&self) -> Issue {
        self.issue
    }

    /// Version of the roster inside.
    #[must_use]
    pub const fn roster_version(&self) -> u32 {
        self.roster_version
    }

    /// Opens it with the device's own secrets. `last` is the issue taken last, of that authority.
    ///
    /// # Errors
    /// [`SealedError`]: another device's, another authority's, an old one, damaged, or what [`Keyfill::open`] refuses.
    pub fn open(
        &self,
        secrets: &DeviceSecrets,
        last: Option<(&PublicKey, Issue)>,
    ) -> Result<Zeroizing<Vec<u8>>, SealedError> {
        if self.own_request(secrets) != Some(self.request) {
            return Err(SealedError::OtherDevice);
        }
        self.open_again(secrets, last)
    }

    /// The same for a device that has joined already and keeps no request: whoever uses what is inside checks that its
    /// owner's identity is the device's own.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_again(
        &self,
        secrets: &DeviceSecrets,
        last: Option<(&PublicKey, Issue)>,
    ) -> Result<Zeroizing<Vec<u8>>, SealedError> {
        match last {
            Some((authority, _)) if *authority != self.authority => return Err(SealedError::OtherAuthority),
            Some((_, last)) if self.issue <= last => return Err(SealedError::NotNewer { issue: self.issue, last }),
            Some(_) | None => (),
        }
        let (text, tag) = self.body.split_last_chunk::<TAG>().ok_or(DecodeError::Truncated)?;
        let mut keyfill = Zeroizing::new(text.to_vec());
        decrypt(&secrets.agreement().to_bytes(), &self.enc, self.head, &mut keyfill, tag)?;
        let inside = Keyfill::open(&keyfill).map_err(SealedError::Keyfill)?;
        let same = *inside.authority() == self.authority
            && inside.own() == self.own
            && inside.roster().version() == self.roster_version
            && inside.owner().is_ok_and(|owner| owner.name == self.name);
        if !same {
            return Err(SealedError::Contradiction);
        }
        Ok(keyfill)
    }

    /// Hash of the request that these secrets would have signed under this name.
    fn own_request(&self, secrets: &DeviceSecrets) -> Option<[u8; 32]> {
        let kind = if secrets.epochs() == 0 { Kind::Gateway } else { Kind::Member };
        let mut buffer = alloc::vec![0; picket_roster::limits::REQUEST_MAX];
        secrets.request(self.name, kind, &mut buffer).ok().map(request_hash)
    }
}

/// HPKE mode base, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM; info is the domain, aad the head.
fn encrypt(
    to: &PublicKey,
    head: &[u8],
    text: &mut [u8],
    randomness: &[u8; 32],
) -> Result<(PublicKey, [u8; TAG]), SealedError> {
    let to = to.uncompressed().map_err(|_| SealedError::Key)?;
    let to = <Kem as hpke::Kem>::PublicKey::from_bytes(&to).map_err(|_| SealedError::Key)?;
    let mut rng = Exactly(Zeroizing::new(*randomness));
    let (enc, tag) = hpke::single_shot_seal_inout_detached_with_rng::<AesGcm256, HkdfSha256, Kem>(
        &OpModeS::Base,
        &to,
        DOMAIN,
        InOutBuf::from(text),
        head,
        &mut rng,
    )
    .map_err(|_| SealedError::Key)?;
    let tag = tag.to_bytes().as_slice().try_into().map_err(|_| SealedError::Key)?;
    Ok((compress(&enc.to_bytes()).ok_or(SealedError::Key)?, tag))
}

fn decrypt(own: &[u8; 32], enc: &PublicKey, head: &[u8], text: &mut [u8], tag: &[u8; TAG]) -> Result<(), SealedError> {
    let own = <Kem as hpke::Kem>::PrivateKey::from_bytes(own).map_err(|_| SealedError::Key)?;
    let enc = enc.uncompressed().map_err(|_| SealedError::Closed)?;
    let enc = <Kem as hpke::Kem>::EncappedKey::from_bytes(&enc).map_err(|_| SealedError::Closed)?;
    let tag = AeadTag::from_bytes(tag).map_err(|_| SealedError::Closed)?;
    hpke::single_shot_open_inout_detached::<AesGcm256, HkdfSha256, Kem>(
        &OpModeR::Base,
        &own,
        &enc,
        DOMAIN,
        InOutBuf::from(text),
        head,
        &tag,
    )
    .map_err(|_| SealedError::Closed)
}

/// `04 ‖ x ‖ y` to `02|03 ‖ x`.
fn compress(uncompressed: &[u8]) -> Option<PublicKey> {
    let (x, last) = (uncompressed.get(1..33)?, uncompressed.get(64)?);
    let mut out = [2 | last & 1; 33];
    out.get_mut(1..)?.copy_from_slice(x);
    Some(PublicKey(out))
}

/// A source that yields the 32 bytes of `ikmE`; HPKE draws no more.
struct Exactly(Zeroizing<[u8; 32]>);

impl TryRng for Exactly {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        debug_assert!(false, "HPKE draws bytes only");
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        debug_assert!(false, "HPKE draws bytes only");
        Ok(0)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        debug_assert!(out.len() == 32, "HPKE draws exactly 32 bytes");
        for (to, from) in out.iter_mut().zip(self.0.iter()) {
            *to = *from;
        }
        Ok(())
    }
}

impl TryCryptoRng for Exactly {}

#[cfg(test)]
mod tests;
