//! What rooms owe to time: keys of epochs that are over go, what was said is attested (spec §45.3, §45.10).

use crate::batch::Batch;
use crate::endpoint::Endpoint;
use crate::io::Random;
use crate::keys;
use crate::records::encode;
use crate::vault::{Vault, VaultError};
use alloc::vec::Vec;
use picket_wire::MessageId;
use picket_wire::time::Instant;

impl<V: Vault> Endpoint<V> {
    /// Brings the rooms up to the epoch and the roster in force, and attests what is due.
    pub(crate) fn rooms_upkeep(&mut self, now: Instant, random: &mut dyn Random) -> Result<(), VaultError> {
        if self.home.revoked {
            return Ok(());
        }
        self.rooms_follow(now, random)?;
        self.attest_all(now, random)
    }

    /// When that has something to do.
    pub(crate) fn rooms_due(&self) -> Option<Instant> {
        if self.home.revoked {
            return None;
        }
        [self.next_attest(), self.lapse_due()].into_iter().flatten().min()
    }

    /// Secrets move on to the oldest live epoch; chains of those before go, and notes of messages that are gone.
    pub(super) fn rooms_forget(&mut self, now: Instant) -> Result<(), VaultError> {
        let Some(epoch) = self.home.record.epoch else { return Ok(()) };
        let oldest = self.home.roster.oldest_live(epoch);
        let mut batch = Batch::default();
        let mut all = self.rooms.all.clone();
        for room in all.values_mut() {
            let moved = room.record.keys.iter_mut().fold(false, |moved, key| key.advance(oldest) | moved);
            if moved {
                batch.put(keys::room(room.state.id), encode(&room.record)?);
            }
        }
        for key in self.home.scan(keys::ROOM_CHAIN)? {
            if keys::room_chain_epoch(&key).is_some_and(|e| e < oldest) {
                batch.remove(key);
            }
        }
        let gone: Vec<MessageId> =
            self.rooms.notes.keys().copied().filter(|id| self.desk.incoming(*id).is_none()).collect();
        gone.iter().for_each(|id| batch.remove(keys::note(*id)));
        if batch.changes().is_empty() {
            return Ok(());
        }
        self.home.commit(now, self.home.record.clone(), batch)?;
        self.home.vault.purge();
        self.rooms.all = all;
        for id in gone {
            self.rooms.notes.remove(&id);
        }
        Ok(())
    }
}
