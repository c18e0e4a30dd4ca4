//! The authority's and the revokers' side of revocation (spec §35). Needs a heap.

use crate::authority::{AuthorityKey, DraftError, RosterDraft};
use crate::codec::{DecodeError, Reader};
use crate::file::{self, HEADER_LEN, HeaderError};
use crate::keys::{BadKey, IdentitySecret, PublicKey, derive_key_pair};
use crate::limits::{GENERATION_MAX, OBJECT_MAX, REVOKERS_MAX};
use crate::path::{NodeKey, PathKeys, SEED_LEN, Seed};
use crate::psk::expand;
use crate::revoke::{AUTHORITY, DOMAIN, Layout, REVOKE, Revoke, RevokeError, SIGNATURE_LEN, verify_signature};
use crate::roster::Roster;
use crate::signer::SignerError;
use crate::station::usable;
use crate::tree::{Node, cover};
use alloc::vec::Vec;
use core::fmt;
use picket_wire::Index;
use zeroize::Zeroizing;

/// A REVOKE that still wants signatures, or has them all.
#[derive(Clone)]
pub struct Draft {
    bytes: Vec<u8>,
    layout: Layout,
}

/// The key of one who may sign revocations. Erased on drop, never printed.
#[derive(Clone, Debug)]
pub struct RevokerSecret(IdentitySecret);

/// Why a revocation is not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CosignError {
    /// The roster does not list this key among the revokers.
    NotARevoker,
    /// This key has signed already.
    Again,
    /// A signature that is there does not verify: nothing is added to it.
    Revoke(RevokeError),
    /// Not a key.
    Key,
    /// The authority's key did not sign.
    Signer(SignerError),
}

impl fmt::Display for CosignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotARevoker => f.write_str("the roster does not list this key among the revokers"),
            Self::Again => f.write_str("this key has signed it already: have another revoker sign"),
            Self::Revoke(e) => write!(f, "{e}"),
            Self::Key => f.write_str("not a valid key"),
            Self::Signer(e) => write!(f, "{e}"),
        }
    }
}

impl core::error::Error for CosignError {}

impl From<BadKey> for CosignError {
    fn from(_: BadKey) -> Self {
        Self::Key
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Draft(generation {})", self.layout.generation)
    }
}

impl RevokerSecret {
    /// Bytes of the file form.
    pub const LEN: usize = HEADER_LEN + 32;

    /// From 32 bytes of randomness, which the caller erases afterwards.
    ///
    /// # Errors
    /// [`BadKey`] with negligible probability.
    pub fn generate(randomness: &[u8; 32]) -> Result<Self, BadKey> {
        let mut seed = Zeroizing::new([0; 32]);
        expand(randomness, &[b"PICKET-revoker"], &mut seed);
        let (secret, _) = derive_key_pair(seed.as_ref())?;
        IdentitySecret::from_bytes(&secret).map(Self)
    }

    /// The file form: header, secret.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut out = Zeroizing::new([0; Self::LEN]);
        out[..HEADER_LEN].copy_from_slice(&file::REVOKER.header());
        out[HEADER_LEN..].copy_from_slice(self.0.to_bytes().as_ref());
        out
    }

    /// Reads the file form.
    ///
    /// # Errors
    /// [`HeaderError`] for another kind of file, also when it holds no key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut r = Reader::new(file::REVOKER.open(bytes)?);
        let secret = Zeroizing::new(r.array().map_err(|_: DecodeError| HeaderError::Magic)?);
        r.end().map_err(|_| HeaderError::Magic)?;
        IdentitySecret::from_bytes(&secret).map(Self).map_err(|BadKey| HeaderError::Magic)
    }

    /// Public half, for the roster.
    ///
    /// # Errors
    /// Never for a value of this type; kept as a value rather than a panic.
    pub fn public(&self) -> Result<PublicKey, BadKey> {
        self.0.public()
    }
}

impl AuthorityKey {
    /// The seed of a network-key generation from 1 on: HKDF(network root, "PICKET-seed" ‖ generation), its first 16 bytes.
    #[must_use]
    pub fn seed(&self, generation: u8) -> Seed {
        let mut out = Zeroizing::new([0; 32]);
        expand(self.network_root(), &[b"PICKET-seed", &[generation]], &mut out);
        let mut seed = Seed([0; SEED_LEN]);
        seed.0.copy_from_slice(&out[..SEED_LEN]);
        seed
    }

    /// The key of a node of the tree at a generation.
    #[must_use]
    pub fn node_key(&self, node: Node, generation: u8) -> NodeKey {
        let mut root = Zeroizing::new([0; 32]);
        expand(self.network_root(), &[b"PICKET-tree"], &mut root);
        let mut key = NodeKey([0; 32]);
        expand(root.as_ref(), &[b"PICKET-node", &[node.depth], &node.prefix.to_be_bytes()], &mut key.0);
        for _ in 0..generation {
            key.step();
        }
        key
    }

    /// The path keys of an index at a generation.
    #[must_use]
    pub fn paths(&self, index: Index, generation: u8) -> PathKeys {
        PathKeys::new(generation, |depth| {
            let node = Node::above(index, depth).unwrap_or(Node::ROOT);
            self.node_key(node, generation)
        })
    }
}

impl RosterDraft {
    /// Revokes stations: the next generation of the network key begins, and their indices are refused from then on. Those
    /// whose index is no longer listed for another reason are revoked with them: they hold keys all the same.
    ///
    /// # Errors
    /// [`DraftError`]; nothing changed then.
    pub fn revoke(&mut self, indices: &[Index]) -> Result<(), DraftError> {
        let mut next = self.clone();
        for index in indices {
            next.remove(*index)?;
        }
        let given = (1..next.next_index()).filter_map(|n| u16::try_from(n).ok()).map(Index);
        for index in given.filter(|i| usable(*i)) {
            if !next.lists(index) {
                next.revoked.insert(index).map_err(|_| DraftError::TooManyRevoked)?;
            }
        }
        if next.generation == GENERATION_MAX {
            return Err(DraftError::TooManyRevoked);
        }
        next.generation += 1;
        *self = next;
        Ok(())
    }

    /// Who must sign revocations: `k` of these keys, or (none of them) the authority alone.
    ///
    /// # Errors
    /// [`DraftError::Revokers`] when k is not 1 to as many as there are, or a key is there twice.
    pub fn set_revokers(&mut self, k: u8, keys: Vec<PublicKey>) -> Result<(), DraftError> {
        let distinct = keys.iter().enumerate().all(|(n, key)| keys.iter().take(n).all(|other| other != key));
        let valid = keys.iter().all(|key| key.check().is_ok());
        let fits = (1..=keys.len()).contains(&usize::from(k)) && keys.len() <= REVOKERS_MAX;
        if keys.is_empty() && k == 0 {
            self.revokers = None;
        } else if fits && distinct && valid {
            self.revokers = Some((k, keys));
        } else {
            return Err(DraftError::Revokers);
        }
        Ok(())
    }

    /// Generation of the network key that the next signature will carry.
    #[must_use]
    pub const fn generation(&self) -> u8 {
        self.generation
    }
}

impl Draft {
    /// The REVOKE that leads to the generation of `roster`, without signatures.
    ///
    /// # Errors
    /// [`DraftError`] when the roster is not this authority's, or nothing is revoked in it.
    pub fn new(authority: &AuthorityKey, roster: &Roster<impl AsRef<[u8]>>) -> Result<Self, DraftError> {
        let generation = roster.generation();
        if *roster.authority() != authority.public()? {
            return Err(DraftError::Unknown);
        }
        let before = generation.checked_sub(1).ok_or(DraftError::Unknown)?;
        let next = u16::try_from(roster.next_index()).map_err(|_| DraftError::TooLong)?;
        let mut bytes = Vec::from([REVOKE, generation]);
        bytes.extend_from_slice(&roster.version().to_be_bytes());
        bytes.extend_from_slice(&next.to_be_bytes());
        let revoked = roster.revoked().as_slice();
        bytes.extend_from_slice(&u16::try_from(revoked.len()).map_err(|_| DraftError::TooLong)?.to_be_bytes());
        for index in revoked {
            bytes.extend_from_slice(&index.0.to_be_bytes());
        }
        let seed = authority.seed(generation);
        cover(next, revoked, |node| {
            bytes.extend_from_slice(&authority.node_key(node, before).wrap(&seed));
        });
        bytes.push(0);
        if bytes.len() > OBJECT_MAX - REVOKERS_MAX * SIGNATURE_LEN {
            return Err(DraftError::TooLong);
        }
        let layout = Layout::read(&bytes).map_err(|_| DraftError::TooLong)?;
        Ok(Self { bytes, layout })
    }

    /// From an object that still wants signatures.
    ///
    /// # Errors
    /// [`RevokeError::Format`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, RevokeError> {
        let layout = Layout::read(&bytes)?;
        Ok(Self { bytes, layout })
    }

    /// The object as it is.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Generation it leads to.
    #[must_use]
    pub const fn generation(&self) -> u8 {
        self.layout.generation
    }

    /// Who is revoked by it, earlier ones included.
    #[must_use]
    pub fn revoked(&self) -> &[Index] {
        self.layout.revoked.as_slice()
    }

    /// Signs as the authority, where there are no revokers.
    ///
    /// # Errors
    /// [`CosignError`].
    pub fn sign(&mut self, authority: &AuthorityKey, roster: &Roster<impl AsRef<[u8]>>) -> Result<(), CosignError> {
        if roster.revokers().is_some() || *roster.authority() != authority.public()? {
            return Err(CosignError::NotARevoker);
        }
        let signature = authority.sign(DOMAIN, &self.message(roster)).map_err(CosignError::Signer)?;
        self.add(AUTHORITY, &signature)
    }

    /// Adds a revoker's signature. Gives how many there are, and how many the roster demands.
    ///
    /// # Errors
    /// [`CosignError`]; nothing changed then.
    pub fn cosign(
        &mut self,
        revoker: &RevokerSecret,
        roster: &Roster<impl AsRef<[u8]>>,
    ) -> Result<(u8, u8), CosignError> {
        let own = revoker.public()?;
        let (need, mut keys) = roster.revokers().ok_or(CosignError::NotARevoker)?;
        let at = keys.position(|key| key == own).ok_or(CosignError::NotARevoker)?;
        for (signer, signature) in self.layout.signatures(&self.bytes) {
            let key = roster.signer(signer).ok_or(CosignError::Revoke(RevokeError::Signature))?;
            verify_signature(&key, roster.mission(), self.signed(), signature).map_err(CosignError::Revoke)?;
        }
        let have = self.layout.signatures(&self.bytes).count();
        if have >= usize::from(need) {
            return Ok((need, need));
        }
        let signature = revoker.0.sign(DOMAIN, &self.message(roster))?;
        // At most sixteen revokers.
        self.add(at as u8 + 1, &signature)?;
        Ok((have as u8 + 1, need))
    }

    /// The finished REVOKE.
    ///
    /// # Errors
    /// As [`Revoke::verify`].
    pub fn finish(&self, roster: &Roster<impl AsRef<[u8]>>) -> Result<Revoke<Vec<u8>>, RevokeError> {
        Revoke::verify(self.bytes.clone(), roster)
    }

    fn message(&self, roster: &Roster<impl AsRef<[u8]>>) -> Vec<u8> {
        [&roster.mission().0, self.signed()].concat()
    }

    fn signed(&self) -> &[u8] {
        self.bytes.get(..self.layout.signed).unwrap_or(&[])
    }

    /// Puts a signature among the others, by number.
    fn add(&mut self, signer: u8, signature: &[u8; 64]) -> Result<(), CosignError> {
        let before: Vec<(u8, [u8; 64])> = self.layout.signatures(&self.bytes).map(|(n, s)| (n, *s)).collect();
        if before.iter().any(|(n, _)| *n == signer) {
            return Err(CosignError::Again);
        }
        let mut all = before;
        all.push((signer, *signature));
        all.sort_by_key(|(n, _)| *n);
        self.bytes.truncate(self.layout.signed);
        // At most sixteen.
        self.bytes.push(all.len() as u8);
        for (n, s) in all {
            self.bytes.push(n);
            self.bytes.extend_from_slice(&s);
        }
        self.layout = Layout::read(&self.bytes).map_err(|e| CosignError::Revoke(e.into()))?;
        Ok(())
    }
}
