//! Entering an epoch (spec §70.6): by trusted wall time, or one per 24 h of the home's own time; never by a frame.

use crate::batch::Batch;
use crate::home::{Home, key_bytes, secrets_bytes};
use crate::keys;
use crate::limits::{EPOCH_OWN_TIME, VAULT_COMMIT_MAX};
use crate::sessions::{put_send, put_send_as, receive_bytes};
use crate::vault::{Vault, VaultError};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use picket_roster::{Kind, Psk};
use picket_seal::epoch::Before;
use picket_seal::{Change, Local, activate};
use picket_wire::Index;
use picket_wire::time::{Duration, Instant, Wall};

/// Which sessions an activation begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    Both,
    Receive,
}

impl<V: Vault> Home<V> {
    /// Enters the epoch that is due, if one is. Says whether one was entered.
    pub(crate) fn advance_epoch(&mut self, now: Instant) -> Result<bool, VaultError> {
        let Some(to) = self.epoch_due(now) else { return Ok(false) };
        let first = self.secrets.first_epoch();
        let to = to.max(first);
        if self.record.epoch.is_some_and(|e| e >= to) {
            return Ok(false);
        }
        self.activate_epoch(now, to, self.record.epoch, Begin::Both)
    }

    /// Keys of epochs that have begun already came late, from `first` on: what is sent to them can be received from now on.
    /// We go on sending in-band until the next epoch, as not everybody lists them yet.
    pub(crate) fn begin_late(&mut self, now: Instant, first: u32) -> Result<(), VaultError> {
        match self.record.epoch {
            Some(epoch) if first <= epoch => {
                self.activate_epoch(now, epoch, first.checked_sub(1), Begin::Receive).map(|_| ())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// When the next epoch is due.
    pub(crate) fn next_epoch(&self) -> Option<Instant> {
        let epoch = self.record.epoch?;
        let start = Wall(self.roster.start_of(epoch.saturating_add(1)).saturating_mul(1_000));
        let by_own_time = || self.clock.instant_of(self.record.epoch_age.saturating_add(EPOCH_OWN_TIME.as_micros()));
        Some(self.clock.instant_of_wall(start).unwrap_or_else(by_own_time))
    }

    fn epoch_due(&self, now: Instant) -> Option<u32> {
        if let Some(wall) = self.clock.wall(now) {
            return Some(self.roster.epoch_at(wall));
        }
        let Some(epoch) = self.record.epoch else {
            return Some(self.roster.epoch_at(self.roster.issued()));
        };
        let entered = self.clock.age(now).saturating_sub(self.record.epoch_age);
        (entered >= EPOCH_OWN_TIME.as_micros()).then(|| epoch.saturating_add(1))
    }

    fn activate_epoch(
        &mut self,
        now: Instant,
        to: u32,
        activated: Option<u32>,
        begin: Begin,
    ) -> Result<bool, VaultError> {
        let pairing = self.pairing()?;
        let psks = self.all_psks()?;
        let known: BTreeSet<Vec<u8>> = self.scan(keys::RECEIVE)?.into_iter().collect();
        let mut changes = Vec::new();
        let before = Before {
            local: Local { mission: self.mission(), index: self.me(), agreement: self.secrets.agreement() },
            roster: &self.roster,
            secrets: &self.secrets,
            pairing: &pairing,
            activated,
        };
        let done = activate(
            &before,
            to,
            psks.iter().map(|(peer, psk)| (*peer, psk)),
            |peer, epoch| known.contains(&keys::receive(peer, epoch, 0, None)),
            |change| {
                changes.push(change);
                Ok::<(), VaultError>(())
            },
        );
        if done.is_err() {
            // A wrong clock (impossibly far ahead), or nothing to do: the epoch in force stays.
            return Ok(false);
        }
        self.write_activation(now, to, changes, begin)?;
        self.vault.purge();
        Ok(true)
    }

    /// All changes in one transaction. Only where they do not fit one, sessions go before it: they are in force with the
    /// last transaction, which also erases what they came from; a crash before it derives the same ones again.
    fn write_activation(
        &mut self,
        now: Instant,
        to: u32,
        changes: Vec<Change>,
        begin: Begin,
    ) -> Result<(), VaultError> {
        let mut batch = Batch::default();
        let mut secrets = self.secrets.clone();
        let mut next = self.record.clone();
        for change in changes {
            match change {
                Change::Send(mut session) if begin == Begin::Both && !self.record.rolled_back => {
                    if let Some(lanes) = session.split_lanes() {
                        put_send_as(&mut batch, keys::send_placed(lanes.id().to), &lanes)?;
                    }
                    // Toward a peer that announced a prekey, the epoch begins in-band.
                    if self.announced(session.id().to)?.uses_placed(session.id().epoch) {
                        put_send(&mut batch, &session)?;
                    }
                }
                // Late keys; or a copy of this home may send from the same key: both would use it.
                Change::Send(_) => {}
                Change::Receive(session) => {
                    let id = session.id();
                    batch.put(keys::receive(id.from, id.epoch, 0, None), receive_bytes(0, &session)?);
                }
                Change::Seeds { epoch, seeds } => {
                    if let Some(slot) = secrets.seeds_mut(epoch) {
                        *slot = seeds;
                    }
                }
                Change::Psk { peer, psk } => batch.put(keys::psk(peer), key_bytes(psk.epoch(), &psk.to_bytes())),
                Change::Pairing(d) => batch.put(keys::PAIRING.to_vec(), key_bytes(d.epoch(), &d.to_bytes())),
                Change::Forget { before } => {
                    let slots = self.scan(keys::RECEIVE_SLOT)?;
                    for key in self.scan(keys::RECEIVE)?.into_iter().chain(slots) {
                        if keys::receive_epoch(&key).is_some_and(|e| e < before) {
                            batch.remove(key);
                        }
                    }
                }
                Change::Activated { epoch } => next.epoch = Some(epoch),
            }
            if batch.bytes() > VAULT_COMMIT_MAX / 2 {
                let part = core::mem::take(&mut batch);
                self.commit(now, self.record.clone(), part)?;
            }
        }
        if self.record.epoch != Some(to) {
            next.epoch_age = self.entered_at(now, to);
        }
        batch.put(keys::SECRETS.to_vec(), secrets_bytes(&secrets)?);
        self.commit(now, next, batch)?;
        self.secrets = secrets;
        Ok(())
    }

    /// Age at which the epoch began: own time counts from there, not from when it was noticed.
    fn entered_at(&self, now: Instant, epoch: u32) -> u64 {
        let age = self.clock.age(now);
        let late = self.clock.wall(now).map_or(0, |w| w.as_secs().saturating_sub(self.roster.start_of(epoch)));
        age.saturating_sub(Duration::from_secs(late).as_micros())
    }

    fn all_psks(&mut self) -> Result<Vec<(Index, Psk)>, VaultError> {
        let members: Vec<Index> = self.roster.stations().filter(|s| s.kind == Kind::Member).map(|s| s.index).collect();
        let mut all = Vec::new();
        for member in members {
            if let Some(psk) = self.psk(member)? {
                all.push((member, psk));
            }
        }
        Ok(all)
    }
}
