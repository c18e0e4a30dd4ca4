//! REVOKE: who is revoked, and the seed of the next network-key generation for everybody else (spec §35.3).
//!
//! ```text
//! type 1 = 01 ‖ generation 1 ‖ roster version 4 ‖ next index 2 ‖ n 2 ‖ n × index 2 ‖ w × wrapped seed 24
//! ‖ count 1 ‖ count × (signer 1 ‖ signature 64)
//! ```
//! w is the number of nodes that [`cover`] gives for the index limit and the revoked indices.

use crate::codec::{DecodeError, Reader};
use crate::keys::PublicKey;
use crate::limits::{OBJECT_MAX, REVOKERS_MAX};
use crate::path::{NotOurs, PathKeys, Seed, WRAP_LEN};
use crate::revoked::Revoked;
use crate::roster::Roster;
use crate::station::usable;
use crate::tree::{Node, cover};
use core::fmt;
use core::ops::Range;
use picket_wire::{Index, MissionId};

pub(crate) const DOMAIN: &[u8] = b"PICKET-revoke";
/// First byte of the object.
pub(crate) const REVOKE: u8 = picket_wire::signed::ObjectKind::Revoke as u8;
pub(crate) const SIGNATURE_LEN: usize = 65;
/// Who signed: the authority, or the revoker of this number in the roster, counted from 1.
pub(crate) const AUTHORITY: u8 = 0;

/// A REVOKE whose signatures are those that the roster in force demands.
#[derive(Clone)]
pub struct Revoke<B> {
    bytes: B,
    layout: Layout,
}

/// A REVOKE read by its format only: nothing of it is to be trusted.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) generation: u8,
    pub(crate) roster_version: u32,
    pub(crate) next: u16,
    pub(crate) revoked: Revoked,
    pub(crate) wraps: Range<usize>,
    /// End of what is signed.
    pub(crate) signed: usize,
    pub(crate) signatures: Range<usize>,
}

/// Why bytes are not a REVOKE to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokeError {
    /// The bytes do not follow the format.
    Format(DecodeError),
    /// Signatures are missing: what is there is not wrong.
    Incomplete {
        /// Signatures there are.
        have: u8,
        /// Signatures the roster demands.
        need: u8,
    },
    /// A signature does not verify, or is of somebody who may not revoke.
    Signature,
}

/// Why the seed in a REVOKE cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// We are revoked.
    Revoked,
    /// Its generation is not newer than that of our path keys.
    Older,
    /// We were enrolled after it was made: our keyfill holds what follows from it.
    EnrolledLater,
    /// Our path keys do not open it: they are not this mission's, or the authority wrapped another key.
    Keys,
}

impl fmt::Display for RevokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(e) => write!(f, "revocation: {e}"),
            Self::Incomplete { have, need } => {
                write!(f, "revocation: {have} of {need} signatures; have it signed by another revoker")
            }
            Self::Signature => f.write_str("revocation: a signature does not verify; get it from the authority again"),
        }
    }
}

impl core::error::Error for RevokeError {}

impl From<DecodeError> for RevokeError {
    fn from(e: DecodeError) -> Self {
        Self::Format(e)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Revoked => "this device is revoked",
            Self::Older => "the revocation is in force here already",
            Self::EnrolledLater => "this device was enrolled after that revocation",
            Self::Keys => "this device's keys do not open the revocation: ask the authority for a new keyfill",
        })
    }
}

impl core::error::Error for OpenError {}

impl<B: AsRef<[u8]>> fmt::Debug for Revoke<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revoke")
            .field("generation", &self.layout.generation)
            .field("revoked", &self.layout.revoked)
            .finish()
    }
}

impl<B: AsRef<[u8]>> Revoke<B> {
    /// Verifies `bytes` against the signers that `roster` names: the authority, or where it lists revokers as many of
    /// them as it demands.
    ///
    /// # Errors
    /// [`RevokeError`].
    pub fn verify(bytes: B, roster: &Roster<impl AsRef<[u8]>>) -> Result<Self, RevokeError> {
        let layout = Layout::read(bytes.as_ref())?;
        layout.check_signatures(bytes.as_ref(), roster)?;
        Ok(Self { bytes, layout })
    }

    /// Reads back what was verified before and kept since: its signers may have changed with a newer roster.
    ///
    /// # Errors
    /// [`DecodeError`] for what was damaged meanwhile.
    pub fn kept(bytes: B) -> Result<Self, DecodeError> {
        let layout = Layout::read(bytes.as_ref())?;
        Ok(Self { bytes, layout })
    }

    /// The bytes as received.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// Generation of the network key that follows from its seed.
    pub const fn generation(&self) -> u8 {
        self.layout.generation
    }

    /// Version of the roster that the authority signed with it.
    pub const fn roster_version(&self) -> u32 {
        self.layout.roster_version
    }

    /// All who were ever revoked in this mission.
    pub const fn revoked(&self) -> &Revoked {
        &self.layout.revoked
    }

    /// Opens the seed with the path keys of `own`, which stand at any earlier generation: none in between is needed.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, own: Index, paths: &PathKeys) -> Result<Seed, OpenError> {
        let layout = &self.layout;
        if layout.revoked.contains(own) {
            return Err(OpenError::Revoked);
        }
        if own.0 >= layout.next {
            return Err(OpenError::EnrolledLater);
        }
        if paths.generation() >= layout.generation {
            return Err(OpenError::Older);
        }
        let mut at = paths.clone();
        at.advance_to(layout.generation - 1);
        let (node, wrapped) = self.wrap_for(own).ok_or(OpenError::Keys)?;
        let key = at.key(own, node).ok_or(OpenError::Keys)?;
        key.unwrap(wrapped).map_err(|NotOurs| OpenError::Keys)
    }

    /// The node above `own` in the cover, and the seed wrapped for it.
    fn wrap_for(&self, own: Index) -> Option<(Node, &[u8; WRAP_LEN])> {
        let wraps = self.bytes.as_ref().get(self.layout.wraps.clone())?;
        let (mut at, mut found) = (0usize, None);
        cover(self.layout.next, self.layout.revoked.as_slice(), |node| {
            if node.covers(own) {
                found = Some((node, at));
            }
            at += 1;
        });
        let (node, at) = found?;
        Some((node, wraps.as_chunks::<WRAP_LEN>().0.get(at)?))
    }
}

/// Reads a REVOKE's format without any proof: for fuzzing and for tools that explain bytes. Gives its generation and who
/// it says is revoked.
///
/// # Errors
/// [`DecodeError`].
pub fn read_revoke(bytes: &[u8]) -> Result<(u8, Revoked), DecodeError> {
    Layout::read(bytes).map(|layout| (layout.generation, layout.revoked))
}

impl Layout {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > OBJECT_MAX {
            return Err(DecodeError::TooLong);
        }
        let mut r = Reader::new(bytes);
        let (kind, generation) = (r.u8()?, r.u8()?);
        if kind != REVOKE || generation == 0 {
            return Err(DecodeError::Value);
        }
        let (roster_version, next) = (r.u32()?, r.u16()?);
        if next > Index::ROOM_FIRST.0 {
            return Err(DecodeError::Value);
        }
        let revoked = read_indices(&mut r, next)?;
        let mut nodes = 0usize;
        cover(next, revoked.as_slice(), |_| nodes += 1);
        let start = bytes.len() - r.rest().len();
        r.take(nodes * WRAP_LEN)?;
        let signed = start + nodes * WRAP_LEN;
        let count = usize::from(r.u8()?);
        if count > REVOKERS_MAX {
            return Err(DecodeError::TooLong);
        }
        let mut last = None;
        for _ in 0..count {
            let signer = r.u8()?;
            r.take(SIGNATURE_LEN - 1)?;
            if last.is_some_and(|last| last >= signer) {
                return Err(DecodeError::Value);
            }
            last = Some(signer);
        }
        r.end()?;
        let signatures = signed + 1..bytes.len();
        Ok(Self { generation, roster_version, next, revoked, wraps: start..signed, signed, signatures })
    }

    /// Signer and signature of each.
    pub(crate) fn signatures<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = (u8, &'a [u8; 64])> + use<'a> {
        let all = bytes.get(self.signatures.clone()).unwrap_or(&[]);
        all.as_chunks::<SIGNATURE_LEN>().0.iter().filter_map(|s| Some((s[0], s.last_chunk::<64>()?)))
    }

    fn check_signatures(&self, bytes: &[u8], roster: &Roster<impl AsRef<[u8]>>) -> Result<(), RevokeError> {
        let signed = bytes.get(..self.signed).ok_or(DecodeError::Truncated)?;
        let mut have = 0u8;
        for (signer, signature) in self.signatures(bytes) {
            let key = roster.signer(signer).ok_or(RevokeError::Signature)?;
            verify_signature(&key, roster.mission(), signed, signature)?;
            have = have.saturating_add(1);
        }
        let need = roster.revokers().map_or(1, |(k, _)| k);
        match have.cmp(&need) {
            core::cmp::Ordering::Less => Err(RevokeError::Incomplete { have, need }),
            core::cmp::Ordering::Equal => Ok(()),
            core::cmp::Ordering::Greater => Err(RevokeError::Format(DecodeError::Value)),
        }
    }
}

pub(crate) fn verify_signature(
    key: &PublicKey,
    mission: MissionId,
    signed: &[u8],
    signature: &[u8; 64],
) -> Result<(), RevokeError> {
    key.verify_parts(DOMAIN, &[&mission.0, signed], signature).map_err(|_| RevokeError::Signature)
}

/// Count, then as many indices, ascending, each below `next`.
fn read_indices(r: &mut Reader<'_>, next: u16) -> Result<Revoked, DecodeError> {
    let count = r.u16()?;
    let mut out = Revoked::default();
    let mut last = 0;
    for _ in 0..count {
        let index = Index(r.u16()?);
        if index.0 <= last || index.0 >= next || !usable(index) {
            return Err(DecodeError::Indices);
        }
        last = index.0;
        out.insert(index).map_err(|_| DecodeError::TooLong)?;
    }
    Ok(out)
}
