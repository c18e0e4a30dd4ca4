//! What rooms owe to time and to the roster: keys of epochs that are over go, members who left the mission go, what was
//! said is attested (spec §45.3, §45.10).

use super::records::Act;
use super::view::RoomError;
use crate::batch::Batch;
use crate::endpoint::Endpoint;
use crate::io::Random;
use crate::keys;
use crate::records::encode;
use crate::vault::{Vault, VaultError};
use alloc::vec::Vec;
use picket_seal::room::RoomId;
use picket_wire::MessageId;
use picket_wire::time::Instant;

impl<V: Vault> Endpoint<V> {
    /// Brings the rooms up to the epoch and the roster in force, and attests what is due.
    pub(crate) fn rooms_upkeep(&mut self, now: Instant, random: &mut dyn Random) -> Result<(), VaultError> {
        let upto = (self.home.record.epoch, self.home.roster.version());
        if self.rooms.upto != upto {
            self.rooms_forget(now)?;
            self.rooms_follow_roster(now, random)?;
            self.rooms.upto = upto;
        }
        self.attest_all(now, random)
    }

    /// When that has something to do.
    pub(crate) fn rooms_due(&self) -> Option<Instant> {
        self.next_attest()
    }

    /// Secrets move on to the oldest live epoch; chains of those before go, and notes of messages that are gone.
    fn rooms_forget(&mut self, now: Instant) -> Result<(), VaultError> {
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

    /// Whoever the roster lists no more is in no room: the first of the moderators left changes the keys. All others
    /// refuse its messages at once.
    fn rooms_follow_roster(&mut self, now: Instant, random: &mut dyn Random) -> Result<(), VaultError> {
        let mut gone: Vec<(RoomId, Vec<Act>)> = Vec::new();
        for room in self.rooms.all.values().filter(|r| self.acts_first(r, None)) {
            let acts: Vec<Act> =
                room.state.seats.iter().map(|s| s.index).filter(|i| !self.stands(*i)).map(Act::Remove).collect();
            if !acts.is_empty() {
                gone.push((room.state.id, acts));
            }
        }
        for (id, acts) in gone {
            // Refused for another reason there is no epoch yet: done when there is one.
            if let Err(RoomError::Vault(e)) = self.room_change(now, id, &acts, random) {
                return Err(e);
            }
        }
        Ok(())
    }
}
