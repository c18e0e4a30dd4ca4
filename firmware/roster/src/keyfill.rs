//! The keyfill: what one device receives before the mission (spec §30.10). A view over the file's bytes.

use crate::codec::{DecodeError, Reader, Sections, skip_unknown};
use crate::device::{DeviceError, DeviceSecrets};
use crate::file::{self, HeaderError};
use crate::keys::{PublicKey, mission_of};
use crate::path::PathKeys;
use crate::psk::{PairingSecret, Psk, PskError};
use crate::roster::{Roster, RosterError};
use crate::station::{Kind, Station};
use core::fmt;
use picket_wire::keys::NetKeys;
use picket_wire::{Index, MissionId};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

pub(crate) const OWNER: u32 = 1;
pub(crate) const NETWORK: u32 = 2;
pub(crate) const PAIRING: u32 = 3;
pub(crate) const PSKS: u32 = 4;
pub(crate) const ROSTER: u32 = 5;
pub(crate) const SECRETS: u32 = 6;
pub(crate) const PATHS: u32 = 7;

pub(crate) const CHECKSUM_LEN: usize = 8;
pub(crate) const PSK_LEN: usize = 38;

/// A keyfill whose checksum, roster signature and consistency have been verified.
#[derive(Clone)]
pub struct Keyfill<'a> {
    parts: Parts<'a>,
    roster: Roster<&'a [u8]>,
}

#[derive(Clone)]
struct Parts<'a> {
    authority: PublicKey,
    own: Index,
    generation: u8,
    network_key: Zeroizing<[u8; 32]>,
    pairing: Option<PairingSecret>,
    psks: &'a [u8],
    roster: &'a [u8],
    secrets: Option<&'a [u8]>,
    paths: Option<PathKeys>,
}

/// Why a keyfill is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyfillError {
    /// Another kind of file, or a newer format.
    Header(HeaderError),
    /// Damaged: the checksum is wrong.
    Checksum,
    /// The bytes do not follow the format.
    Format(DecodeError),
    /// The roster in it is not to be trusted.
    Roster(RosterError),
    /// Its owner is not in its roster.
    Owner,
    /// It holds material its owner must not have (a gateway's pre-shared keys), or lacks what a member needs.
    Material,
    /// The device secrets in it are not the owner's.
    Secrets(DeviceError),
    /// This device's secrets do not match the owner's public halves in the roster.
    OtherDevice,
}

impl fmt::Display for KeyfillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(e) => write!(f, "keyfill: {e}"),
            Self::Checksum => f.write_str("keyfill: damaged (checksum); copy it again"),
            Self::Format(e) => write!(f, "keyfill: {e}"),
            Self::Roster(e) => write!(f, "keyfill: {e}"),
            Self::Owner => f.write_str("keyfill: its owner is not in its roster; ask the authority for a new one"),
            Self::Material => f.write_str(
                "keyfill: holds keys its owner must not have, or lacks some; ask the authority for a new one",
            ),
            Self::Secrets(e) => write!(f, "keyfill: {e}"),
            Self::OtherDevice => f.write_str("keyfill: made for another device; use the one for this device's request"),
        }
    }
}

impl core::error::Error for KeyfillError {}

impl From<DecodeError> for KeyfillError {
    fn from(e: DecodeError) -> Self {
        Self::Format(e)
    }
}

impl fmt::Debug for Keyfill<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyfill(owner {}, {:?})", self.parts.own.0, self.roster)
    }
}

impl<'a> Keyfill<'a> {
    /// Opens a keyfill: format, checksum, roster signature, owner, and that a gateway's holds no end-to-end material.
    ///
    /// # Errors
    /// [`KeyfillError`].
    pub fn open(bytes: &'a [u8]) -> Result<Self, KeyfillError> {
        let parts = Parts::decode(bytes)?;
        let roster = Roster::verify(parts.roster, &parts.authority).map_err(KeyfillError::Roster)?;
        let owner = roster.station(parts.own).ok_or(KeyfillError::Owner)?;
        let right = match owner.kind {
            Kind::Gateway => parts.pairing.is_none() && parts.psks.is_empty(),
            Kind::Member => parts.pairing.is_some(),
        };
        if !right {
            return Err(KeyfillError::Material);
        }
        let keyfill = Self { parts, roster };
        if let Some(secrets) = keyfill.secrets()? {
            keyfill.check_device(&secrets)?;
        }
        Ok(keyfill)
    }

    /// Decodes the format and the checksum only: for fuzzing. Nothing read this way is to be trusted.
    ///
    /// # Errors
    /// [`KeyfillError`] of header, checksum or format.
    pub fn check_format(bytes: &[u8]) -> Result<(), KeyfillError> {
        Parts::decode(bytes).map(|_| ())
    }

    /// The mission.
    #[must_use]
    pub fn mission(&self) -> MissionId {
        mission_of(&self.parts.authority)
    }

    /// The authority's public key.
    #[must_use]
    pub const fn authority(&self) -> &PublicKey {
        &self.parts.authority
    }

    /// The owner's index.
    #[must_use]
    pub const fn own(&self) -> Index {
        self.parts.own
    }

    /// The owner's entry in the roster.
    ///
    /// # Errors
    /// Never after [`Self::open`]; kept as a value rather than a panic.
    pub fn owner(&self) -> Result<Station<'_>, KeyfillError> {
        self.roster.station(self.parts.own).ok_or(KeyfillError::Owner)
    }

    /// The verified roster.
    #[must_use]
    pub const fn roster(&self) -> &Roster<&'a [u8]> {
        &self.roster
    }

    /// Generation of the network key.
    #[must_use]
    pub const fn generation(&self) -> u8 {
        self.parts.generation
    }

    /// The network key NK (32 bytes), to be kept under the device's vault key.
    #[must_use]
    pub fn network_key(&self) -> &[u8; 32] {
        &self.parts.network_key
    }

    /// Keys derived from NK.
    #[must_use]
    pub fn net_keys(&self) -> NetKeys {
        NetKeys::derive(&self.parts.network_key, self.parts.generation)
    }

    /// The owner's keys of the revocation tree. A keyfill without them was made before there was one: whoever holds it
    /// cannot follow a revocation.
    #[must_use]
    pub const fn paths(&self) -> Option<&PathKeys> {
        self.parts.paths.as_ref()
    }

    /// d_y, from which keys of later joiners come; members only.
    #[must_use]
    pub const fn pairing(&self) -> Option<&PairingSecret> {
        self.parts.pairing.as_ref()
    }

    /// Pre-shared keys listed for members enrolled earlier.
    pub fn psks(&self) -> impl Iterator<Item = (Index, Psk)> + '_ {
        self.parts.psks.chunks_exact(PSK_LEN).filter_map(|record| read_psk(record).ok())
    }

    /// The pre-shared key with `peer`: listed when the peer came earlier, derived when it came later.
    ///
    /// # Errors
    /// [`PskError::Missing`] when none was placed: nothing can be sealed to this peer.
    pub fn psk(&self, peer: &Station<'_>) -> Result<Psk, PskError> {
        if peer.index < self.parts.own {
            return self.psks().find(|(i, _)| *i == peer.index).map(|(_, psk)| psk).ok_or(PskError::Missing);
        }
        if peer.index == self.parts.own || peer.kind == Kind::Gateway {
            return Err(PskError::Missing);
        }
        self.pairing().ok_or(PskError::Missing)?.psk(self.parts.own, peer.index, peer.first_epoch)
    }

    /// Device secrets, which only quickstart and gateway keyfills carry; first epoch taken from the roster.
    ///
    /// # Errors
    /// [`KeyfillError::Secrets`] when they are not well-formed.
    pub fn secrets(&self) -> Result<Option<DeviceSecrets>, KeyfillError> {
        let Some(bytes) = self.parts.secrets else { return Ok(None) };
        let mut secrets = DeviceSecrets::decode(bytes).map_err(KeyfillError::Secrets)?;
        secrets.set_first_epoch(self.owner()?.first_epoch);
        Ok(Some(secrets))
    }

    /// Checks that `secrets` are those whose public halves the roster lists for the owner.
    ///
    /// # Errors
    /// [`KeyfillError::OtherDevice`].
    pub fn check_device(&self, secrets: &DeviceSecrets) -> Result<(), KeyfillError> {
        let owner = self.owner()?;
        let same = secrets.identity().public() == Ok(owner.identity)
            && secrets.agreement().public() == Ok(owner.agreement)
            && secrets.epochs() == owner.epochs
            && (0..secrets.epochs()).all(|n| self.lists_own(secrets, owner.first_epoch, n));
        if same { Ok(()) } else { Err(KeyfillError::OtherDevice) }
    }

    /// Whether E, R and P of the `n`-th own epoch are those of the secrets, as far as these are not erased: whoever put
    /// others there would read what is sent to them.
    fn lists_own(&self, secrets: &DeviceSecrets, first_epoch: u32, n: u16) -> bool {
        let (mine, theirs) = (secrets.first_epoch().checked_add(n.into()), first_epoch.checked_add(n.into()));
        let seeds = mine.and_then(|epoch| secrets.seeds(epoch));
        let listed = theirs.and_then(|epoch| self.roster.epoch_keys(self.parts.own, epoch));
        match (seeds, listed) {
            (Some(seeds), Some(listed)) => match seeds.public() {
                Ok(own) => own == listed,
                Err(e) => e == DeviceError::Erased,
            },
            (Some(_) | None, _) => false,
        }
    }
}

/// The checksum of everything before it: SHA-256, first 8 bytes. Against damage, not against forgery.
pub(crate) fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_LEN] {
    let digest = Sha256::digest(bytes);
    let mut out = [0; CHECKSUM_LEN];
    out.copy_from_slice(&digest[..CHECKSUM_LEN]);
    out
}

impl<'a> Parts<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, KeyfillError> {
        file::KEYFILL.open(bytes).map_err(KeyfillError::Header)?;
        let (body, sum) = bytes.split_last_chunk::<CHECKSUM_LEN>().ok_or(DecodeError::Truncated)?;
        if !bool::from(checksum(body).ct_eq(sum)) {
            return Err(KeyfillError::Checksum);
        }
        let body = body.get(file::HEADER_LEN..).ok_or(DecodeError::Truncated)?;
        let mut sections = Sections::new(body);
        let [mut owner, mut network, mut pairing, mut psks, mut roster, mut secrets, mut paths] = [None; 7];
        while let Some(section) = sections.next()? {
            match section.kind {
                OWNER => owner = Some(section.body),
                NETWORK => network = Some(section.body),
                PAIRING => pairing = Some(section.body),
                PSKS => psks = Some(section.body),
                ROSTER => roster = Some(section.body),
                SECRETS => secrets = Some(section.body),
                PATHS => paths = Some(section.body),
                _ => skip_unknown(&section)?,
            }
        }
        let (authority, own) = read_owner(owner.ok_or(DecodeError::Sections)?)?;
        let (generation, network_key) = read_network(network.ok_or(DecodeError::Sections)?)?;
        Ok(Self {
            authority,
            own,
            generation,
            network_key,
            pairing: pairing.map(read_pairing).transpose()?,
            psks: check_psks(psks.unwrap_or(&[]), own)?,
            roster: roster.ok_or(DecodeError::Sections)?,
            secrets,
            paths: paths.map(|body| read_paths(body, generation)).transpose()?,
        })
    }
}

fn read_owner(body: &[u8]) -> Result<(PublicKey, Index), KeyfillError> {
    let mut r = Reader::new(body);
    let mission = MissionId(r.array()?);
    let authority = crate::station::public(&mut r)?;
    let own = Index(r.u16()?);
    r.end()?;
    if mission == mission_of(&authority) { Ok((authority, own)) } else { Err(DecodeError::Value.into()) }
}

fn read_network(body: &[u8]) -> Result<(u8, Zeroizing<[u8; 32]>), DecodeError> {
    let mut r = Reader::new(body);
    let generation = r.u8()?;
    let key = Zeroizing::new(r.array()?);
    r.end()?;
    Ok((generation, key))
}

fn read_paths(body: &[u8], generation: u8) -> Result<PathKeys, DecodeError> {
    let paths = PathKeys::decode(body)?;
    if paths.generation() == generation { Ok(paths) } else { Err(DecodeError::Value) }
}

fn read_pairing(body: &[u8]) -> Result<PairingSecret, DecodeError> {
    let mut r = Reader::new(body);
    let epoch = r.u32()?;
    let key = Zeroizing::new(r.array()?);
    r.end()?;
    Ok(PairingSecret::new(epoch, *key))
}

/// Records of 38 bytes, indices strictly ascending and below the owner's.
fn check_psks(body: &[u8], own: Index) -> Result<&[u8], DecodeError> {
    if !body.len().is_multiple_of(PSK_LEN) {
        return Err(DecodeError::Truncated);
    }
    let mut last = 0;
    for record in body.chunks_exact(PSK_LEN) {
        let (index, _) = read_psk(record)?;
        if index.0 <= last || index >= own {
            return Err(DecodeError::Indices);
        }
        last = index.0;
    }
    Ok(body)
}

fn read_psk(record: &[u8]) -> Result<(Index, Psk), DecodeError> {
    let mut r = Reader::new(record);
    let index = Index(r.u16()?);
    let epoch = r.u32()?;
    let key = Zeroizing::new(r.array()?);
    r.end()?;
    Ok((index, Psk::new(epoch, *key)))
}
