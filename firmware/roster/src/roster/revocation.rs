//! What a roster says about revocation: its sections 6 and 7, and who is revoked (spec §35.4).

use super::Roster;
use crate::codec::{DecodeError, Reader};
use crate::keys::PublicKey;
use crate::limits;
use crate::revoke::{AUTHORITY, Revoke};
use crate::revoked::{Full, Revoked};
use crate::station::usable;
use picket_wire::Index;

const PUBLIC_LEN: usize = 33;

impl<B: AsRef<[u8]>> Roster<B> {
    /// Puts a verified REVOKE in force: from now on its indices are nobody's here.
    ///
    /// # Errors
    /// [`Full`] when more are revoked than a mission can have; those that fit are refused.
    pub fn revoke(&mut self, revoke: &Revoke<impl AsRef<[u8]>>) -> Result<(), Full> {
        self.revoked.extend(revoke.revoked())
    }

    /// All who are revoked here.
    pub const fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    /// Generation of the network key when this roster was signed.
    pub const fn generation(&self) -> u8 {
        self.layout.generation
    }

    /// How many revokers must sign a revocation, and their keys; `None` where the authority alone does.
    pub fn revokers(&self) -> Option<(u8, impl Iterator<Item = PublicKey> + '_)> {
        let (k, range) = self.layout.revokers.as_ref()?;
        let keys = self.slice(range)?.as_chunks::<PUBLIC_LEN>().0;
        Some((*k, keys.iter().map(|key| PublicKey(*key))))
    }

    /// Who may sign a revocation under this number: 0 is the authority where there are no revokers; these count from 1.
    pub(crate) fn signer(&self, number: u8) -> Option<PublicKey> {
        match (self.revokers(), number) {
            (None, AUTHORITY) => Some(*self.authority()),
            (None, _) => None,
            (Some((_, mut keys)), number) => keys.nth(usize::from(number).checked_sub(1)?),
        }
    }
}

/// k, then the revokers' public keys: as many as k at least.
pub(super) fn check_revokers(body: &[u8]) -> Result<(u8, &[u8]), DecodeError> {
    let mut r = Reader::new(body);
    let k = r.u8()?;
    let list = r.rest();
    let n = list.len() / PUBLIC_LEN;
    if !list.len().is_multiple_of(PUBLIC_LEN) {
        return Err(DecodeError::Truncated);
    }
    if k == 0 || usize::from(k) > n || n > limits::REVOKERS_MAX {
        return Err(DecodeError::Value);
    }
    let keys = list.as_chunks::<PUBLIC_LEN>().0;
    let plausible = keys.iter().all(|key| PublicKey(*key).plausible());
    let distinct = keys.iter().enumerate().all(|(n, key)| keys.iter().take(n).all(|other| other != key));
    if plausible && distinct { Ok((k, list)) } else { Err(DecodeError::Value) }
}

/// Generation, then the revoked indices, ascending.
pub(super) fn read_revoked(body: &[u8], next_index: u32) -> Result<(u8, Revoked), DecodeError> {
    let mut r = Reader::new(body);
    let generation = r.u8()?;
    let mut revoked = Revoked::default();
    let mut last = 0;
    while !r.is_empty() {
        let index = Index(r.u16()?);
        if index.0 <= last || u32::from(index.0) >= next_index || !usable(index) {
            return Err(DecodeError::Indices);
        }
        last = index.0;
        revoked.insert(index).map_err(|Full| DecodeError::TooLong)?;
    }
    if generation == 0 { Err(DecodeError::Value) } else { Ok((generation, revoked)) }
}
