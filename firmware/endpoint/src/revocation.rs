//! Signed objects at a member: verified, committed with all that follows from them, in force (spec §35.7).

use crate::batch::Batch;
use crate::endpoint::Endpoint;
use crate::error::{ImportError, OpenError};
use crate::hop::Hop;
use crate::io::Event;
use crate::keys;
use crate::message::{RefusedBecause, State};
use crate::vault::{Vault, VaultError};
use alloc::vec::Vec;
use core::fmt;
use picket_roster::{PathKeys, Revoke, RevokeError, Roster, Upgrade, UpgradeError, upgrade};
use picket_wire::signed::{ObjectKind, object_version};
use picket_wire::time::Instant;
use picket_wire::{Index, MessageId};
use zeroize::Zeroizing;

/// Why a signed object is not put in force. Nothing was changed, unless it revokes this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectError {
    /// No object that this version knows.
    Unknown,
    /// Its roster is refused.
    Roster(ImportError),
    /// The one in force is as new or newer.
    Older,
    /// It is not a revocation to be trusted.
    Revoke(RevokeError),
    /// Its seed cannot be had.
    Open(picket_roster::OpenError),
    /// This home's keyfill had no path keys.
    NoPaths,
    /// This device is revoked by it.
    Revoked,
    /// The vault did not take it.
    Vault(VaultError),
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("not a signed object that this version knows: update the software"),
            Self::Roster(e) => e.fmt(f),
            Self::Older => f.write_str("what is in force is as new"),
            Self::Revoke(e) => e.fmt(f),
            Self::Open(e) => e.fmt(f),
            Self::NoPaths => {
                f.write_str("this device's keyfill is too old for revocations: ask the authority for a new one")
            }
            Self::Revoked => f.write_str("this device is revoked"),
            Self::Vault(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for ObjectError {}

impl From<VaultError> for ObjectError {
    fn from(e: VaultError) -> Self {
        Self::Vault(e)
    }
}

/// Puts the kept revocation in force in a roster just read. Says whether we are revoked ourselves.
pub(crate) fn restore<V: Vault>(vault: &mut V, me: Index, roster: &mut Roster<Vec<u8>>) -> Result<bool, OpenError> {
    let Some(object) = vault.get(keys::REVOKE)? else { return Ok(false) };
    let revoke = Revoke::kept(object).map_err(|_| OpenError::Damaged)?;
    if revoke.revoked().contains(me) {
        return Ok(true);
    }
    roster.revoke(&revoke).map_err(|_| OpenError::Damaged)?;
    Ok(false)
}

impl<V: Vault> Endpoint<V> {
    /// Puts a revocation in force, from a file or from whoever was heard. Durable when this returns; a gateway that lacks
    /// it gets it from us. Gives the generation of the network key.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn import_revocation(&mut self, now: Instant, object: Vec<u8>) -> Result<u8, ObjectError> {
        self.revoke(now, &object)?;
        let me = self.me();
        self.way.object(now, me, object);
        Ok(self.generation())
    }

    /// Whether this device is revoked: it takes part in nothing any more.
    pub fn revoked(&self) -> bool {
        self.home.revoked
    }

    /// Generation of the network key in force.
    pub fn generation(&self) -> u8 {
        self.home.record.generation
    }

    /// What a neighbour or gateway said: refused quietly, but counted.
    pub(crate) fn object_heard(&mut self, now: Instant, object: Vec<u8>) -> Result<(), VaultError> {
        let outcome = match object_version(&object) {
            Some((ObjectKind::Revoke, _)) => self.import_revocation(now, object).map(|_| ()),
            Some((ObjectKind::Roster, _)) => self.offer_roster(object.get(1..).unwrap_or_default()),
            None => Err(ObjectError::Unknown),
        };
        match outcome {
            Ok(()) | Err(ObjectError::Older) => Ok(()),
            Err(ObjectError::Vault(e)) => Err(e),
            Err(
                ObjectError::Unknown
                | ObjectError::Roster(_)
                | ObjectError::Revoke(_)
                | ObjectError::Open(_)
                | ObjectError::NoPaths
                | ObjectError::Revoked,
            ) => {
                self.counters.objects_refused += 1;
                Ok(())
            }
        }
    }

    /// A newer roster was heard: the owner, who remembers whose keys were compared, puts it in force.
    fn offer_roster(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        let current = &self.home.roster;
        let refused = |e| ObjectError::Roster(ImportError::Roster(e));
        let offered = Roster::verify(bytes.to_vec(), current.authority()).map_err(refused)?;
        match upgrade(current, &offered) {
            Ok(Upgrade::Newer) => {
                self.tell(Event::RosterHeard { bytes: bytes.to_vec() });
                Ok(())
            }
            Ok(Upgrade::Same) | Err(UpgradeError::Older { .. }) => Err(ObjectError::Older),
            Err(e) => Err(ObjectError::Roster(ImportError::Upgrade(e))),
        }
    }

    /// In one transaction: the revocation, the next network key and path keys, and the end of all keys and sessions with the
    /// revoked.
    fn revoke(&mut self, now: Instant, object: &[u8]) -> Result<(), ObjectError> {
        let revoke = Revoke::verify(object.to_vec(), &self.home.roster).map_err(ObjectError::Revoke)?;
        if revoke.generation() <= self.home.record.generation || self.home.revoked {
            return Err(ObjectError::Older);
        }
        let me = self.me();
        let mut batch = Batch::default();
        batch.put(keys::REVOKE.to_vec(), object.to_vec());
        if revoke.revoked().contains(me) {
            self.home.commit(now, self.home.record.clone(), batch)?;
            self.home.revoked = true;
            self.tell(Event::Revoked);
            return Err(ObjectError::Revoked);
        }
        let paths = self.home.get(keys::PATHS)?.map(Zeroizing::new).ok_or(ObjectError::NoPaths)?;
        let mut paths = PathKeys::decode(&paths).map_err(|_| ObjectError::Vault(VaultError::Damaged))?;
        let seed = revoke.open(me, &paths).map_err(ObjectError::Open)?;
        paths.advance_to(revoke.generation());
        batch.put(keys::PATHS.to_vec(), paths.to_bytes().to_vec());
        let mut roster = self.home.roster.clone();
        roster.revoke(&revoke).map_err(|_| ObjectError::Vault(VaultError::Full))?;
        self.home.leavers(&roster, &mut batch)?;
        let mut next = self.home.record.clone();
        (next.generation, next.network_key) = (revoke.generation(), *seed.network_key(revoke.generation()));
        let earlier = self.home.net_keys();
        self.home.commit(now, next, batch)?;
        let before = self.home.roster.revoked().clone();
        self.home.roster = roster;
        self.home.vault.purge();
        self.renew_hop(Some(earlier));
        let fresh = revoke.revoked().as_slice().iter().copied().filter(|i| !before.contains(*i)).collect();
        self.tell(Event::Rekeyed { generation: revoke.generation(), revoked: fresh });
        Ok(self.end_for_revoked(now)?)
    }

    /// What waits for the revoked is not sent any more.
    pub(crate) fn end_for_revoked(&mut self, now: Instant) -> Result<(), VaultError> {
        let gone = |to: Index| self.home.roster.revoked().contains(to);
        let ended: Vec<MessageId> =
            self.desk.outs().filter(|(_, r)| r.is_pending() && gone(r.to)).map(|(id, _)| id).collect();
        ended.into_iter().try_for_each(|id| self.end_out(now, id, State::Refused(RefusedBecause::Revoked)))
    }

    pub(crate) fn renew_hop(&mut self, earlier: Option<picket_wire::keys::NetKeys>) {
        self.hop =
            Hop::new(self.me(), self.home.secrets.agreement(), self.home.net_keys(), &self.home.roster).after(earlier);
    }

    pub(crate) fn roster_object(&self) -> Vec<u8> {
        [&[ObjectKind::Roster as u8], self.home.roster.bytes()].concat()
    }

    /// A way begins: its leaf knows what we have.
    pub(crate) fn hold_objects(&mut self, now: Instant) {
        let me = self.me();
        let roster = self.roster_object();
        self.way.keep(roster);
        if let Ok(Some(object)) = self.home.get(keys::REVOKE) {
            self.way.object(now, me, object);
        }
    }
}
