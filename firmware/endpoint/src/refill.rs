//! A newer keyfill for a home that has one already: what it brings that nothing else can (spec §70.12).

use crate::batch::Batch;
use crate::endpoint::Endpoint;
use crate::error::ImportError;
use crate::home::key_bytes;
use crate::keys;
use crate::vault::{Vault, VaultError};
use core::fmt;
use picket_roster::{Keyfill, KeyfillError, Upgrade};
use picket_wire::time::Instant;

/// What a newer keyfill brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refilled {
    /// Whether its roster is newer than the one that was in force.
    pub roster: Upgrade,
    /// Members with whom there was no pre-shared key.
    pub peers: usize,
    /// The generation of the network key, where a newer one is in force now.
    pub generation: Option<u8>,
}

/// Why a newer keyfill is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefillError {
    /// The keyfill is refused.
    Keyfill(KeyfillError),
    /// Its roster is refused: older than the one in force, or an ALARM.
    Roster(ImportError),
    /// This device is revoked.
    Revoked,
    /// The vault did not take it.
    Vault(VaultError),
}

impl fmt::Display for RefillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyfill(e) => e.fmt(f),
            Self::Roster(e) => e.fmt(f),
            Self::Revoked => f.write_str("this device is revoked: it takes part in this mission no more"),
            Self::Vault(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for RefillError {}

impl From<VaultError> for RefillError {
    fn from(e: VaultError) -> Self {
        Self::Vault(e)
    }
}

impl<V: Vault> Endpoint<V> {
    /// Takes a newer keyfill of this device: its roster, pre-shared keys with members for whom there was none, and the
    /// network key and path keys where they are of a later generation. Nothing that is here already is replaced or goes
    /// back. After a power cut, take it again.
    ///
    /// # Errors
    /// [`RefillError`].
    pub fn refill(&mut self, now: Instant, keyfill: &[u8]) -> Result<Refilled, RefillError> {
        if self.home.revoked {
            return Err(RefillError::Revoked);
        }
        let fill = Keyfill::open(keyfill).map_err(RefillError::Keyfill)?;
        let owner = fill.owner().map_err(RefillError::Keyfill)?;
        let secrets = &self.home.secrets;
        let ours = self.home.record.authority() == Some(*fill.authority())
            && fill.own() == self.me()
            && secrets.identity().public() == Ok(owner.identity)
            && secrets.agreement().public() == Ok(owner.agreement);
        if !ours {
            return Err(RefillError::Keyfill(KeyfillError::OtherDevice));
        }
        let roster = self.import_roster(now, fill.roster().bytes().to_vec()).map_err(RefillError::Roster)?;
        let mut batch = Batch::default();
        let peers = self.missing_keys(&fill, &mut batch)?;
        let mut next = self.home.record.clone();
        let later = fill.generation() > next.generation;
        let earlier = self.home.net_keys();
        let lacks = self.home.get(keys::PATHS)?.is_none() && fill.generation() == next.generation;
        if let Some(paths) = fill.paths().filter(|_| later || lacks) {
            batch.put(keys::PATHS.to_vec(), paths.to_bytes().to_vec());
        }
        if later {
            (next.generation, next.network_key) = (fill.generation(), *fill.network_key());
        }
        self.home.commit(now, next, batch)?;
        if later {
            self.renew_hop(Some(earlier));
            self.home.vault.purge();
        }
        Ok(Refilled { roster, peers, generation: later.then_some(fill.generation()) })
    }

    /// Pre-shared keys that the keyfill has and the home has not, moved on to what is still alive.
    fn missing_keys(&mut self, fill: &Keyfill<'_>, batch: &mut Batch) -> Result<usize, VaultError> {
        let oldest = self.home.roster.oldest_live(self.home.record.epoch.unwrap_or(0));
        let mut peers = 0;
        for station in fill.roster().stations() {
            let Ok(mut psk) = fill.psk(&station) else { continue };
            if self.home.psk(station.index)?.is_some() || psk.advance_to(oldest).is_err() {
                continue;
            }
            batch.put(keys::psk(station.index), key_bytes(psk.epoch(), &psk.to_bytes()));
            peers += 1;
        }
        Ok(peers)
    }
}
