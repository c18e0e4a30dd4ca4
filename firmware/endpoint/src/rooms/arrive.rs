//! What other members say about a room, sealed between two (spec §45.5, §45.10).

use super::records::{Act, Room, RoomRecord};
use super::view::{RoomError, RoomEvent};
use crate::batch::Batch;
use crate::endpoint::Endpoint;
use crate::io::Random;
use crate::limits::{NOT_YET_RETRY, ROOM_ASK_EVERY, ROOMS_MAX};
use crate::receive::Answer;
use crate::rooms::manage::Owes;
use crate::vault::{Vault, VaultError};
use alloc::vec::Vec;
use picket_seal::room::{RoomId, RoomKey, RoomState, RoomWord, keys_of};
use picket_wire::Index;
use picket_wire::control::RefuseReason;
use picket_wire::envelope::Envelope;
use picket_wire::time::Instant;

impl<V: Vault> Endpoint<V> {
    /// A room's state, handed over by `from`.
    pub(crate) fn room_state(
        &mut self,
        now: Instant,
        envelope: &Envelope<'_>,
        (bytes, keys): (&[u8], &[u8]),
        batch: Batch,
        random: &mut dyn Random,
    ) -> Result<Answer, VaultError> {
        let from = envelope.header().source;
        let identity = |i: Index| self.home.roster.station(i).map(|s| s.identity);
        let state = RoomState::verify(bytes, self.home.mission(), identity);
        let (Ok(state), Ok(keys)) = (state, keys_of(keys).map(Iterator::collect::<Vec<RoomKey>>)) else {
            return self.room_refused(now, batch);
        };
        if !state.moderates(from) {
            return self.room_refused(now, batch);
        }
        match self.rooms.all.get(&state.id).cloned() {
            None => self.invited(now, from, state, bytes, &keys, batch),
            Some(room) if room.state.index != state.index => self.room_refused(now, batch),
            Some(room) => self.room_follows(now, envelope, room, (state, bytes), &keys, batch, random),
        }
    }

    fn room_refused(&mut self, now: Instant, batch: Batch) -> Result<Answer, VaultError> {
        self.counters.rooms_refused += 1;
        self.home.commit(now, self.home.record.clone(), batch)?;
        Ok(Answer::Taken(None))
    }

    /// A room we did not know.
    fn invited(
        &mut self,
        now: Instant,
        from: Index,
        state: RoomState,
        bytes: &[u8],
        keys: &[RoomKey],
        batch: Batch,
    ) -> Result<Answer, VaultError> {
        let ours = state.role(self.me()).is_some() && keys.iter().any(|k| k.generation == state.generation);
        if !ours || self.rooms.all.len() >= ROOMS_MAX {
            return self.room_refused(now, batch);
        }
        let record = RoomRecord {
            signed: bytes.to_vec(),
            joined: false,
            keys: Vec::new(),
            pending: Vec::new(),
            said: 0,
            present: Vec::new(),
            acts: Vec::new(),
            alarms: Vec::new(),
        };
        let mut room = Room { state, record };
        keys.iter().for_each(|k| room.add_key(k));
        self.rooms.upto = (None, 0, 0);
        self.tell_room(&room, RoomEvent::Invited { by: from });
        self.put_room(now, room, batch, Owes::new(), None)?;
        Ok(Answer::Taken(None))
    }

    /// Another state of a room we know.
    #[allow(clippy::too_many_arguments, reason = "one inner step of `room_state`, split off for its length")]
    fn room_follows(
        &mut self,
        now: Instant,
        envelope: &Envelope<'_>,
        mut room: Room,
        (state, bytes): (RoomState, &[u8]),
        keys: &[RoomKey],
        batch: Batch,
        random: &mut dyn Random,
    ) -> Result<Answer, VaultError> {
        let by = state.signer;
        if bytes == room.record.signed {
            keys.iter().for_each(|key| room.add_key(key));
            self.put_room(now, room, batch, Owes::new(), None)?;
            return Ok(Answer::Taken(None));
        }
        if state.version == room.state.version && by == room.state.signer {
            self.raise(now, &mut room, by, false);
            self.put_room(now, room, batch, Owes::new(), None)?;
            return Ok(Answer::Taken(None));
        }
        if state.rank() <= room.state.rank() && !self.mends(&room, &state, keys) {
            return self.overruled(now, room, by, keys, batch);
        }
        if !room.state.moderates(by) && !self.keepers(&room, None).contains(&by) {
            // Made a moderator by a state that has not come yet, perhaps: the gateway keeps it a while.
            let waits = self.wait_for_key(envelope);
            return if waits {
                Ok(Answer::Refused(RefuseReason::RateLimited, NOT_YET_RETRY))
            } else {
                self.room_refused(now, batch)
            };
        }
        if state.role(self.me()).is_none() {
            self.tell_room(&room, RoomEvent::Removed { by });
            self.forget_room(now, room.state.id, batch)?;
            return Ok(Answer::Taken(None));
        }
        let again = self.overtaken(&room, &state);
        self.take_state(now, room, (state, bytes), keys, batch)?;
        self.act_again(now, &again, random)?;
        Ok(Answer::Taken(None))
    }

    /// A state that does not stand. What was sealed under its keys meanwhile is still read, as under keys that are known to
    /// somebody who must not know them.
    fn overruled(
        &mut self,
        now: Instant,
        mut room: Room,
        by: Index,
        keys: &[RoomKey],
        batch: Batch,
    ) -> Result<Answer, VaultError> {
        if !room.state.moderates(by) || !keys.iter().fold(false, |new, key| room.add_spare_key(key) | new) {
            return self.room_refused(now, batch);
        }
        self.put_room(now, room, batch, Owes::new(), None)?;
        Ok(Answer::Taken(None))
    }

    fn take_state(
        &mut self,
        now: Instant,
        mut room: Room,
        (state, bytes): (RoomState, &[u8]),
        keys: &[RoomKey],
        batch: Batch,
    ) -> Result<(), VaultError> {
        let removed = room.state.seats.iter().any(|s| state.role(s.index).is_none());
        room.record.keys.iter_mut().for_each(|k| k.exposed |= removed);
        keys.iter().for_each(|key| room.add_key(key));
        // Another moderator's keys may be of the same generation: our chain was under the former ones.
        self.rooms.senders.remove(&state.id);
        self.rooms.lapsed.remove(&state.id);
        self.rooms.upto = (None, 0, 0);
        room.record.signed = bytes.to_vec();
        room.record.present.retain(|i| state.role(*i).is_some());
        room.record.acts.clear();
        room.state = state;
        self.tell_room(&room, RoomEvent::Changed { by: room.state.signer });
        self.put_room(now, room, batch, Owes::new(), None)
    }

    /// What we changed and another moderator's state knows nothing of. An invitation is repeated only where both acted on
    /// the same state: later ones may have removed the member on purpose.
    fn overtaken(&self, room: &Room, state: &RoomState) -> Option<(RoomId, Vec<Act>)> {
        if state.parent == RoomState::hash(&room.record.signed) || !state.moderates(self.me()) {
            return None;
        }
        let same = state.version == room.state.version;
        let lost = |act: &&Act| match **act {
            Act::Remove(index) => state.role(index).is_some(),
            Act::Invite(index) => same && state.role(index).is_none(),
            Act::Promote(index) => same && state.role(index).is_some() && !state.moderates(index),
        };
        let acts: Vec<Act> = room.record.acts.iter().filter(lost).copied().collect();
        (!acts.is_empty()).then_some((state.id, acts))
    }

    fn act_again(
        &mut self,
        now: Instant,
        again: &Option<(RoomId, Vec<Act>)>,
        random: &mut dyn Random,
    ) -> Result<(), VaultError> {
        let Some((id, acts)) = again else { return Ok(()) };
        match self.room_change(now, *id, acts, random) {
            Err(RoomError::Vault(e)) => Err(e),
            // The room has become full, or is gone: there is nothing to repeat.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// What a member says to us as a moderator.
    pub(crate) fn room_word(
        &mut self,
        now: Instant,
        from: Index,
        (id, word): (RoomId, RoomWord),
        mut batch: Batch,
        random: &mut dyn Random,
    ) -> Result<Answer, VaultError> {
        let known = self.rooms.all.get(&id).filter(|r| r.record.joined && r.state.moderates(self.me()));
        let Some(mut room) = known.filter(|r| r.state.role(from).is_some()).cloned() else {
            return self.room_refused(now, batch);
        };
        match word {
            RoomWord::Joined => {
                if !room.record.present.contains(&from) {
                    room.record.present.push(from);
                    self.tell_room(&room, RoomEvent::Joined { member: from });
                }
                self.put_room(now, room, batch, Owes::new(), None)?;
            }
            RoomWord::Ask => {
                let mut next = self.home.record.clone();
                let owes = self.owe_state(now, &room, from, (&mut next, &mut batch), random)?;
                self.put_room(now, room, batch, owes.into_iter().collect(), Some(next))?;
            }
            RoomWord::Left => {
                let first = self.keepers(&room, Some(from)).first() == Some(&self.me());
                self.home.commit(now, self.home.record.clone(), batch)?;
                if first {
                    self.act_again(now, &Some((id, [Act::Remove(from)].to_vec())), random)?;
                }
            }
        }
        Ok(Answer::Taken(None))
    }

    /// Asks a moderator for state and keys, at most one in a while.
    pub(super) fn room_ask(&mut self, now: Instant, id: RoomId, random: &mut dyn Random) -> Result<(), VaultError> {
        if self.rooms.asked.get(&id).is_some_and(|at| now.since(*at) < ROOM_ASK_EVERY) {
            return Ok(());
        }
        let Some(room) = self.rooms.all.get(&id).cloned() else { return Ok(()) };
        let me = self.me();
        let keepers = self.keepers(&room, None);
        let Some(moderator) = keepers.into_iter().find(|m| *m != me) else { return Ok(()) };
        self.rooms.asked.insert(id, now);
        let (mut batch, mut next) = (Batch::default(), self.home.record.clone());
        let body = picket_seal::Body::RoomWord { room: id, word: RoomWord::Ask };
        let owes = self.owe_sealed(now, moderator, body, (&mut next, &mut batch), random)?;
        self.put_room(now, room, batch, owes.into_iter().collect(), Some(next))
    }
}
