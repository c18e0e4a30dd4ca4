//! A vault in memory, with faults: for tests of this crate, the tool and the simulator.

use crate::vault::{Change, Vault, VaultError};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// A vault in memory. A clone is a copy of the home.
#[derive(Clone, Debug, Default)]
pub struct RamVault {
    map: BTreeMap<Vec<u8>, Vec<u8>>,
    commits: u64,
    crash: Option<Crash>,
    full: bool,
}

/// A power cut at a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// Which commit, counted from 0.
    pub at: u64,
    /// The commit had reached the medium.
    pub done: bool,
}

impl RamVault {
    /// Commits so far.
    #[must_use]
    pub const fn commits(&self) -> u64 {
        self.commits
    }

    /// The power goes at this commit; from then on every call fails.
    pub const fn crash_at(&mut self, crash: Option<Crash>) {
        self.crash = crash;
    }

    /// From now on there is no room, or there is again.
    pub const fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    /// Everything that is in it.
    #[must_use]
    pub const fn map(&self) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        &self.map
    }

    /// The power is back.
    #[must_use]
    pub fn restarted(mut self) -> Self {
        self.crash = None;
        self
    }

    fn dead(&self) -> bool {
        self.crash.is_some_and(|c| self.commits > c.at)
    }
}

impl crate::Endpoint<RamVault> {
    /// A copy of everything that is stored.
    #[must_use]
    pub fn clone_vault(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.home.vault.map.clone()
    }
}

/// Where a message of a room was sealed: sender, generation, epoch, incarnation, counter. One key and nonce.
pub type Place = (picket_wire::Index, u32, u32, [u8; 8], u32);

impl<V: Vault> crate::Endpoint<V> {
    /// Messages received in rooms: where each was sealed, and its hash. No place may ever have two hashes.
    pub fn room_places(&self) -> impl Iterator<Item = (Place, [u8; 8])> + '_ {
        self.rooms.places()
    }
}

impl Vault for RamVault {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        if self.dead() { Err(VaultError::Failed) } else { Ok(self.map.get(key).cloned()) }
    }

    fn scan(&mut self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, VaultError> {
        if self.dead() {
            return Err(VaultError::Failed);
        }
        Ok(self.map.keys().filter(|k| k.starts_with(prefix)).cloned().collect())
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), VaultError> {
        if self.dead() {
            return Err(VaultError::Failed);
        }
        if self.full {
            return Err(VaultError::Full);
        }
        let here = self.commits;
        self.commits += 1;
        let crash = self.crash.filter(|c| c.at == here);
        if crash.is_none_or(|c| c.done) {
            for (key, value) in changes {
                match value {
                    Some(value) => self.map.insert(key.clone(), value.clone()),
                    None => self.map.remove(key),
                };
            }
        }
        if crash.is_some() { Err(VaultError::Failed) } else { Ok(()) }
    }
}
