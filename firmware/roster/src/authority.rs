//! The authority's side: signing rosters, enrolling devices, making keyfills (spec §30.9). Needs a heap.

use crate::codec::{DecodeError, Reader, checked_name};
use crate::device::{DeviceRequest, DeviceSecrets};
use crate::file::{self, HeaderError};
use crate::keyfill::{self, checksum};
use crate::keys::{BadKey, PublicKey, derive_key_pair, mission_of};
use crate::limits;
use crate::psk::{PairingSecret, PskError, expand};
use crate::revoked::Revoked;
use crate::roster::{self, Padding, Roster, RosterError};
use crate::signer::{self, Roots, Signer, SignerError};
use crate::station::{EPOCH_KEYS_LEN, EpochKeys, Kind, STATION_LEN, Station, usable};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use picket_wire::{Index, MissionId};
use zeroize::Zeroizing;

/// AK, or whoever signs with it, and the roots from which the mission's shared secrets come. Kept offline. Erased on
/// drop, never printed.
#[derive(Clone)]
pub struct AuthorityKey {
    signer: Arc<dyn Signer>,
    roots: Roots,
}

/// A roster in the making: start with [`RosterDraft::new`] or from the one in force, enrol, sign.
#[derive(Clone, Debug)]
pub struct RosterDraft {
    /// Mission name, 1 to 32 bytes.
    pub mission_name: String,
    /// Start of epoch 0, Unix seconds.
    pub epoch_start: u64,
    /// Length of an epoch, seconds.
    pub epoch_seconds: u32,
    /// Longest delivery delay D, seconds.
    pub max_delay_s: u32,
    /// Padding policy.
    pub padding: Padding,
    version: u32,
    next_index: u32,
    stations: Vec<DraftStation>,
    pub(crate) generation: u8,
    pub(crate) revoked: Revoked,
    pub(crate) revokers: Option<(u8, Vec<PublicKey>)>,
}

#[derive(Clone, Debug)]
struct DraftStation {
    index: Index,
    kind: Kind,
    name: String,
    identity: PublicKey,
    agreement: PublicKey,
    first_epoch: u32,
    keys: Vec<EpochKeys>,
}

/// Why a draft or keyfill cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DraftError {
    /// The name is taken in this mission.
    NameTaken,
    /// The name is empty, too long or not printable.
    Name,
    /// The identity key is enrolled already.
    KeyTaken,
    /// No index is left.
    Full,
    /// A member without epoch keys.
    NoKeys,
    /// No station has this index.
    Unknown,
    /// Epoch length or D out of range.
    Times,
    /// The version would not grow.
    Version,
    /// The pairing secrets cannot be moved to that epoch.
    Psk(PskError),
    /// Not a key.
    Key,
    /// The roster is not this authority's.
    Roster(RosterError),
    /// The device secrets are not those of the station.
    Secrets,
    /// Something is longer than the format allows.
    TooLong,
    /// A mission has no more revocations left.
    TooManyRevoked,
    /// Not k of n keys, each there once.
    Revokers,
    /// The authority's key did not sign.
    Signer(SignerError),
}

/// Why an authority file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorityError {
    /// Another kind of file, or a newer format.
    Header(HeaderError),
    /// The bytes do not follow the format.
    Format(DecodeError),
    /// Not a key.
    Key,
}

impl fmt::Display for DraftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTaken => f.write_str("that name is taken in this mission: choose another"),
            Self::Name => f.write_str("a name is 1 to 32 bytes, printable, without slashes"),
            Self::KeyTaken => f.write_str("that device is enrolled already: have it make new keys"),
            Self::Full => f.write_str("no index is left in this mission"),
            Self::NoKeys => f.write_str("a member needs keys for at least one epoch, a gateway none"),
            Self::Unknown => f.write_str("no station has this index"),
            Self::Times => f.write_str("epoch length or longest delay out of range"),
            Self::Version => f.write_str("the version must grow"),
            Self::Psk(e) => write!(f, "{e}"),
            Self::Key => f.write_str("not a valid key"),
            Self::Roster(e) => write!(f, "{e}"),
            Self::Secrets => f.write_str("the device secrets are not those of the station"),
            Self::TooLong => f.write_str("longer than the format allows"),
            Self::TooManyRevoked => f.write_str("this mission can revoke no more: begin a new one"),
            Self::Revokers => f.write_str("revokers are 1 to 16 keys, each once, and k is 1 to as many as there are"),
            Self::Signer(e) => write!(f, "{e}"),
        }
    }
}

impl core::error::Error for DraftError {}

impl From<BadKey> for DraftError {
    fn from(_: BadKey) -> Self {
        Self::Key
    }
}

impl From<SignerError> for DraftError {
    fn from(e: SignerError) -> Self {
        Self::Signer(e)
    }
}

impl From<PskError> for DraftError {
    fn from(e: PskError) -> Self {
        Self::Psk(e)
    }
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(e) => write!(f, "authority key: {e}"),
            Self::Format(e) => write!(f, "authority key: {e}"),
            Self::Key => f.write_str("authority key: not a valid key"),
        }
    }
}

impl core::error::Error for AuthorityError {}

impl fmt::Debug for AuthorityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorityKey(..)")
    }
}

impl AuthorityKey {
    /// Bytes of the file form.
    pub const LEN: usize = file::HEADER_LEN + 96;

    /// A new authority from 32 bytes of randomness, which the caller erases afterwards.
    ///
    /// # Errors
    /// [`BadKey`] with negligible probability.
    pub fn generate(randomness: &[u8; 32]) -> Result<Self, BadKey> {
        let part = |label: &[u8]| {
            let mut out = Zeroizing::new([0; 32]);
            expand(randomness, &[b"PICKET-authority", label], &mut out);
            out
        };
        let (signing, _) = derive_key_pair(part(b"AK").as_ref())?;
        let roots = Roots { pairing: *part(b"pairing"), network: *part(b"network") };
        Ok(Self { signer: signer::in_memory(&signing)?, roots })
    }

    /// An authority whose AK is elsewhere: in a token that signs (spec §30.14).
    #[must_use]
    pub fn with_signer(signer: Arc<dyn Signer>, roots: Roots) -> Self {
        Self { signer, roots }
    }

    /// The file form: header, AK, roots. To be kept offline, under a passphrase. None when AK never leaves a token.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Zeroizing<[u8; Self::LEN]>> {
        let mut out = Zeroizing::new([0; Self::LEN]);
        out[..10].copy_from_slice(&file::AUTHORITY.header());
        out[10..42].copy_from_slice(self.signer.secret()?.as_ref());
        out[42..].copy_from_slice(self.roots.to_bytes().as_ref());
        Some(out)
    }

    /// Reads the file form.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AuthorityError> {
        let mut r = Reader::new(file::AUTHORITY.open(bytes).map_err(AuthorityError::Header)?);
        let signing = Zeroizing::new(r.array::<32>().map_err(AuthorityError::Format)?);
        let roots = Roots::from_bytes(&Zeroizing::new(r.array().map_err(AuthorityError::Format)?));
        r.end().map_err(AuthorityError::Format)?;
        Ok(Self { signer: signer::in_memory(&signing).map_err(|BadKey| AuthorityError::Key)?, roots })
    }

    /// The roots, to be kept apart from a token that holds AK.
    #[must_use]
    pub const fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Who signs with AK.
    #[must_use]
    pub fn signer(&self) -> &dyn Signer {
        self.signer.as_ref()
    }

    /// Signs `message` in `domain` with AK.
    ///
    /// # Errors
    /// [`SignerError`]; never for a key in memory.
    pub fn sign(&self, domain: &[u8], message: &[u8]) -> Result<[u8; 64], SignerError> {
        signer::sign_as(self.signer.as_ref(), domain, message)
    }

    /// AK's public half.
    ///
    /// # Errors
    /// Never for a value of this type; kept as a value rather than a panic.
    pub fn public(&self) -> Result<PublicKey, BadKey> {
        Ok(self.signer.public())
    }

    /// The mission this key is the authority of.
    ///
    /// # Errors
    /// As [`Self::public`].
    pub fn mission(&self) -> Result<MissionId, BadKey> {
        self.public().map(|key| mission_of(&key))
    }

    pub(crate) const fn network_root(&self) -> &[u8; 32] {
        &self.roots.network
    }

    /// The network key NK of a generation: the first one from the network root, later ones from their seeds.
    #[must_use]
    pub fn network_key(&self, generation: u8) -> Zeroizing<[u8; 32]> {
        if generation > 0 {
            return self.seed(generation).network_key(generation);
        }
        let mut out = Zeroizing::new([0; 32]);
        expand(&self.roots.network, &[b"PICKET-network", &[generation]], &mut out);
        out
    }

    /// d of a member, at its own first epoch.
    #[must_use]
    pub fn pairing(&self, member: Index, first_epoch: u32) -> PairingSecret {
        let mut out = Zeroizing::new([0; 32]);
        expand(&self.roots.pairing, &[b"PICKET-pairing", &member.0.to_be_bytes()], &mut out);
        PairingSecret::new(first_epoch, *out)
    }

    /// Makes the keyfill of the station `own` in `roster`, its pre-shared keys at its own first epoch. `secrets` are
    /// included only for quickstart and gateways.
    ///
    /// # Errors
    /// [`DraftError`].
    pub fn keyfill(
        &self,
        roster: &Roster<impl AsRef<[u8]>>,
        own: Index,
        generation: u8,
        secrets: Option<&DeviceSecrets>,
    ) -> Result<Zeroizing<Vec<u8>>, DraftError> {
        let authority = self.public()?;
        if *roster.authority() != authority {
            return Err(DraftError::Roster(RosterError::Authority));
        }
        let owner = roster.station(own).ok_or(DraftError::Unknown)?;
        let mut out = Zeroizing::new(Vec::with_capacity(roster.bytes().len() + 1024));
        out.extend_from_slice(&file::KEYFILL.header());
        section(&mut out, keyfill::OWNER, &[&mission_of(&authority).0, &authority.0, &own.0.to_be_bytes()])?;
        section(&mut out, keyfill::NETWORK, &[&[generation], self.network_key(generation).as_ref()])?;
        if owner.kind == Kind::Member {
            let pairing = self.pairing(own, owner.first_epoch);
            section(&mut out, keyfill::PAIRING, &[&pairing.epoch().to_be_bytes(), pairing.to_bytes().as_ref()])?;
            section(&mut out, keyfill::PSKS, &[&self.psks(roster, &owner)?])?;
        }
        section(&mut out, keyfill::ROSTER, &[roster.bytes()])?;
        if let Some(secrets) = secrets {
            section(&mut out, keyfill::SECRETS, &[&encode_secrets(secrets, &owner)?])?;
        }
        section(&mut out, keyfill::PATHS, &[self.paths(own, generation).to_bytes().as_ref()])?;
        let sum = checksum(&out);
        out.extend_from_slice(&sum);
        Ok(out)
    }

    /// Pre-shared keys of `owner` with every member enrolled earlier, each at the owner's first epoch.
    fn psks(&self, roster: &Roster<impl AsRef<[u8]>>, owner: &Station<'_>) -> Result<Zeroizing<Vec<u8>>, DraftError> {
        let mut out = Zeroizing::new(Vec::new());
        for peer in roster.stations().take_while(|s| s.index < owner.index) {
            if peer.kind == Kind::Gateway {
                continue;
            }
            let psk = self.pairing(peer.index, peer.first_epoch).psk(peer.index, owner.index, owner.first_epoch)?;
            out.extend_from_slice(&peer.index.0.to_be_bytes());
            out.extend_from_slice(&psk.epoch().to_be_bytes());
            out.extend_from_slice(psk.to_bytes().as_ref());
        }
        Ok(out)
    }
}

impl RosterDraft {
    /// An empty mission with default epoch length and D.
    ///
    /// # Errors
    /// [`DraftError::Name`].
    pub fn new(mission_name: &str, epoch_start: u64) -> Result<Self, DraftError> {
        checked_name(mission_name.as_bytes()).map_err(|_| DraftError::Name)?;
        Ok(Self {
            mission_name: mission_name.into(),
            epoch_start,
            epoch_seconds: limits::EPOCH_SECONDS_DEFAULT,
            max_delay_s: limits::MAX_DELAY_DEFAULT,
            padding: Padding::Off,
            version: 0,
            next_index: 1,
            stations: Vec::new(),
            generation: 0,
            revoked: Revoked::default(),
            revokers: None,
        })
    }

    /// Continues from the roster in force.
    #[must_use]
    pub fn from_roster(roster: &Roster<impl AsRef<[u8]>>) -> Self {
        let stations = roster.stations().map(|s| DraftStation {
            index: s.index,
            kind: s.kind,
            name: s.name.into(),
            identity: s.identity,
            agreement: s.agreement,
            first_epoch: s.first_epoch,
            keys: (0..u32::from(s.epochs))
                .filter_map(|n| roster.epoch_keys(s.index, s.first_epoch.saturating_add(n)))
                .collect(),
        });
        Self {
            mission_name: roster.mission_name().into(),
            epoch_start: roster.epoch_start(),
            epoch_seconds: roster.epoch_seconds(),
            max_delay_s: u32::try_from(roster.max_delay().as_secs()).unwrap_or(u32::MAX),
            padding: roster.padding(),
            version: roster.version(),
            next_index: roster.next_index(),
            stations: stations.collect(),
            generation: roster.generation(),
            revoked: roster.revoked().clone(),
            revokers: roster.revokers().map(|(k, keys)| (k, keys.collect())),
        }
    }

    /// Enrols a verified request; its keys begin at `first_epoch` (the current one). Returns the index given.
    ///
    /// # Errors
    /// [`DraftError`].
    pub fn enrol(&mut self, request: &DeviceRequest<'_>, first_epoch: u32) -> Result<Index, DraftError> {
        checked_name(request.name.as_bytes()).map_err(|_| DraftError::Name)?;
        if self.stations.iter().any(|s| s.name == request.name) {
            return Err(DraftError::NameTaken);
        }
        if self.stations.iter().any(|s| s.identity == request.identity) {
            return Err(DraftError::KeyTaken);
        }
        if (request.kind == Kind::Member) != (request.epochs() > 0) {
            return Err(DraftError::NoKeys);
        }
        let index = (self.next_index..=u32::from(u16::MAX))
            .filter_map(|n| u16::try_from(n).ok().map(Index))
            .find(|index| usable(*index))
            .ok_or(DraftError::Full)?;
        self.next_index = u32::from(index.0) + 1;
        self.stations.push(DraftStation {
            index,
            kind: request.kind,
            name: request.name.into(),
            identity: request.identity,
            agreement: request.agreement,
            first_epoch,
            keys: request.epoch_keys().collect(),
        });
        Ok(index)
    }

    /// The station of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Index> {
        self.stations.iter().find(|s| s.name == name).map(|s| s.index)
    }

    /// Removes a station; its index stays used.
    ///
    /// # Errors
    /// [`DraftError::Unknown`].
    pub fn remove(&mut self, index: Index) -> Result<(), DraftError> {
        let at = self.stations.iter().position(|s| s.index == index).ok_or(DraftError::Unknown)?;
        self.stations.remove(at);
        Ok(())
    }

    pub(crate) const fn next_index(&self) -> u32 {
        self.next_index
    }

    pub(crate) fn lists(&self, index: Index) -> bool {
        self.stations.iter().any(|s| s.index == index)
    }

    /// Version the next signature will carry.
    #[must_use]
    pub const fn next_version(&self) -> u32 {
        self.version.saturating_add(1)
    }

    /// Signs the draft as the next version; `issued` is the authority's clock in Unix seconds. Returns the roster file.
    ///
    /// # Errors
    /// [`DraftError`].
    pub fn sign(&mut self, authority: &AuthorityKey, issued: u64) -> Result<Vec<u8>, DraftError> {
        let version = self.version.checked_add(1).ok_or(DraftError::Version)?;
        checked_name(self.mission_name.as_bytes()).map_err(|_| DraftError::Name)?;
        let epoch_fits = (limits::EPOCH_SECONDS_MIN..=limits::EPOCH_SECONDS_MAX).contains(&self.epoch_seconds);
        if !epoch_fits || !roster::delay_fits(self.max_delay_s, self.epoch_seconds) {
            return Err(DraftError::Times);
        }
        let mut out = Vec::new();
        out.extend_from_slice(&file::ROSTER.header());
        out.extend_from_slice(&version.to_be_bytes());
        let public = authority.public()?;
        let name_len = u8::try_from(self.mission_name.len()).map_err(|_| DraftError::Name)?;
        section(&mut out, roster::MISSION, &[&public.0, &[name_len], self.mission_name.as_bytes()])?;
        section(
            &mut out,
            roster::TIMES,
            &[
                &issued.to_be_bytes(),
                &self.epoch_start.to_be_bytes(),
                &self.epoch_seconds.to_be_bytes(),
                &self.max_delay_s.to_be_bytes(),
            ],
        )?;
        section(&mut out, roster::POLICY, &[&[self.padding.byte()]])?;
        let (stations, keys) = self.tables()?;
        section(&mut out, roster::STATIONS, &[&self.next_index.to_be_bytes(), &stations])?;
        section(&mut out, roster::KEYS, &[&keys])?;
        self.revocation_sections(&mut out)?;
        let signature = authority.sign(roster::DOMAIN, &out)?;
        out.extend_from_slice(&signature);
        Roster::verify(out.as_slice(), &public).map_err(DraftError::Roster)?;
        self.version = version;
        Ok(out)
    }

    /// Sections 6 and 7, where there is something to say.
    fn revocation_sections(&self, out: &mut Vec<u8>) -> Result<(), DraftError> {
        if let Some((k, keys)) = &self.revokers {
            let keys: Vec<u8> = keys.iter().flat_map(|key| key.0).collect();
            section(out, roster::REVOKERS, &[&[*k], &keys])?;
        }
        if self.generation > 0 {
            let revoked: Vec<u8> = self.revoked.as_slice().iter().flat_map(|i| i.0.to_be_bytes()).collect();
            section(out, roster::REVOKED, &[&[self.generation], &revoked])?;
        }
        Ok(())
    }

    /// The station table and the key table.
    fn tables(&self) -> Result<(Vec<u8>, Vec<u8>), DraftError> {
        let mut stations = Vec::with_capacity(self.stations.len() * STATION_LEN);
        let mut keys = Vec::new();
        for s in &self.stations {
            let keys_at = u32::try_from(keys.len() / EPOCH_KEYS_LEN).map_err(|_| DraftError::TooLong)?;
            let count = u16::try_from(s.keys.len()).map_err(|_| DraftError::TooLong)?;
            let mut name = [0u8; limits::NAME_MAX];
            name.get_mut(..s.name.len()).ok_or(DraftError::Name)?.copy_from_slice(s.name.as_bytes());
            stations.extend_from_slice(&s.index.0.to_be_bytes());
            stations.push(s.kind.byte());
            stations.push(u8::try_from(s.name.len()).map_err(|_| DraftError::Name)?);
            stations.extend_from_slice(&name);
            stations.extend_from_slice(&s.identity.0);
            stations.extend_from_slice(&s.agreement.0);
            stations.extend_from_slice(&s.first_epoch.to_be_bytes());
            stations.extend_from_slice(&count.to_be_bytes());
            stations.extend_from_slice(&keys_at.to_be_bytes());
            for k in &s.keys {
                keys.extend_from_slice(&k.to_bytes());
            }
        }
        Ok((stations, keys))
    }
}

/// Appends a critical section.
fn section(out: &mut Vec<u8>, kind: u32, parts: &[&[u8]]) -> Result<(), DraftError> {
    let len: usize = parts.iter().map(|p| p.len()).sum();
    varint(out, kind << 1 | 1);
    varint(out, u32::try_from(len).map_err(|_| DraftError::TooLong)?);
    for part in parts {
        out.extend_from_slice(part);
    }
    Ok(())
}

fn varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn encode_secrets(secrets: &DeviceSecrets, owner: &Station<'_>) -> Result<Zeroizing<Vec<u8>>, DraftError> {
    if secrets.identity().public() != Ok(owner.identity) || secrets.epochs() != owner.epochs {
        return Err(DraftError::Secrets);
    }
    let mut own = secrets.clone();
    own.set_first_epoch(owner.first_epoch);
    let mut buffer = Zeroizing::new(alloc::vec![0; limits::SECRETS_MAX]);
    let used = own.encode(&mut buffer).map_err(|_| DraftError::TooLong)?.len();
    buffer.truncate(used);
    Ok(buffer)
}
