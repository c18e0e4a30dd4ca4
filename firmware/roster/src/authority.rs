//! The authority's side: signing rosters, enrolling devices, making keyfills (spec §30.9). Needs a heap.

use crate::codec::Reader;
use crate::device::DeviceSecrets;
use crate::file;
use crate::keyfill::{self, checksum};
use crate::keys::{BadKey, PublicKey, derive_key_pair, mission_of};
use crate::limits;
use crate::psk::{PairingSecret, expand};
use crate::roster::{Roster, RosterError};
use crate::signer::{self, Roots, Signer, SignerError};
use crate::station::{Kind, Station};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use picket_wire::{Index, MissionId};
use zeroize::Zeroizing;

mod draft;
mod error;
mod extending;

pub use draft::RosterDraft;
pub use error::{AuthorityError, DraftError};
pub use extending::{ExtendError, Extended};

/// AK, or whoever signs with it, and the roots from which the mission's shared secrets come. Kept offline. Erased on
/// drop, never printed.
#[derive(Clone)]
pub struct AuthorityKey {
    signer: Arc<dyn Signer>,
    roots: Roots,
}

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
