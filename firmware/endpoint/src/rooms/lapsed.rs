//! Members who are of the mission no more, revoked or off the roster: their seats go, and the keys change (spec §45.11).
//! All of it follows from the roster in force and the room's state, so that a crash at any point loses none of it.

use super::records::{Act, Note, Room};
use super::view::{RoomError, RoomEvent};
use crate::batch::Batch;
use crate::endpoint::Endpoint;
use crate::io::Random;
use crate::keys;
use crate::limits::{ROOM_FOLLOW_RETRY, ROOM_TURN};
use crate::records::{InRecord, encode};
use crate::vault::{Vault, VaultError};
use alloc::vec::Vec;
use picket_roster::Kind;
use picket_seal::room::{RoomId, RoomKey, RoomState};
use picket_wire::time::Instant;
use picket_wire::{Index, MessageId};

/// A room with members who are of the mission no more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lapse {
    /// When this was seen first since the home was opened.
    since: Instant,
    /// When it is looked at again.
    next: Instant,
}

impl<V: Vault> Endpoint<V> {
    /// Whether a member is one of the mission.
    pub(super) fn stands(&self, index: Index) -> bool {
        self.home.roster.station(index).is_some_and(|s| s.kind == Kind::Member)
    }

    /// Those with a seat who are of the mission no more.
    pub(super) fn gone_of<'r>(&'r self, room: &'r Room) -> impl Iterator<Item = Index> + 'r {
        room.state.seats.iter().map(|s| s.index).filter(|i| !self.stands(*i))
    }

    /// Whether somebody without a seat, or without a right to it, has this generation's keys.
    pub(super) fn is_exposed(&self, room: &Room, generation: u32) -> bool {
        self.gone_of(room).next().is_some() || room.key(generation).is_none_or(|k| k.exposed)
    }

    /// Whose it is to change a room's keys, in order: its moderators who are of the mission, `but` left out; where no
    /// moderator is left, the first member who is.
    pub(super) fn keepers(&self, room: &Room, but: Option<Index>) -> Vec<Index> {
        let standing = || room.state.seats.iter().map(|s| s.index).filter(|i| self.stands(*i) && Some(*i) != but);
        let moderators: Vec<Index> = standing().filter(|i| room.state.moderates(*i)).collect();
        if moderators.is_empty() { standing().take(1).collect() } else { moderators }
    }

    /// Whether a state signed by somebody who is of the mission no more is in force, and this one mends that: signed by one
    /// who is, without anybody who is not, under keys that nobody can have shown us before.
    pub(super) fn mends(&self, room: &Room, state: &RoomState, keys: &[RoomKey]) -> bool {
        let fresh = keys.iter().any(|k| k.generation == state.generation && !room.holds(k));
        !self.stands(room.state.signer) && fresh && state.seats.iter().all(|s| self.stands(s.index))
    }

    /// When seats have to be looked at.
    pub(super) fn lapse_due(&self) -> Option<Instant> {
        let again = (self.rooms.upto != self.upto()).then_some(self.rooms.retry);
        self.rooms.lapsed.values().map(|l| l.next).chain(again).min()
    }

    /// What the rooms follow: epoch, roster, revocations.
    pub(super) fn upto(&self) -> (Option<u32>, u32, u8) {
        (self.home.record.epoch, self.home.roster.version(), self.home.record.generation)
    }

    /// Brings the rooms up to epoch, roster and revocations, and looks at seats whose time has come.
    pub(super) fn rooms_follow(&mut self, now: Instant, random: &mut dyn Random) -> Result<(), VaultError> {
        if self.lapse_due().is_none_or(|at| at > now) {
            return Ok(());
        }
        self.rooms.retry = now + ROOM_FOLLOW_RETRY;
        self.rooms_forget(now)?;
        self.drop_held_of_gone(now)?;
        let ids: Vec<RoomId> = self.rooms.all.keys().copied().collect();
        ids.into_iter().try_for_each(|id| self.follow_seats(now, id, random))?;
        self.listen_again(now)?;
        (self.rooms.upto, self.rooms.retry) = (self.upto(), Instant::ZERO);
        Ok(())
    }

    fn follow_seats(&mut self, now: Instant, id: RoomId, random: &mut dyn Random) -> Result<(), VaultError> {
        let Some(room) = self.rooms.all.get(&id).cloned() else { return Ok(()) };
        let gone: Vec<Index> = self.gone_of(&room).collect();
        let keepers = self.keepers(&room, None);
        if gone.is_empty() {
            self.rooms.lapsed.remove(&id);
            return Ok(());
        }
        let known = self.rooms.lapsed.get(&id).copied();
        if known.is_none() {
            let keeper = keepers.first().copied();
            let heir = keeper.is_some_and(|k| !room.state.moderates(k));
            self.tell_room(&room, RoomEvent::Lapsed { gone, keeper, heir });
        }
        let since = known.map_or(now, |l| l.since);
        self.rooms.lapsed.insert(id, Lapse { since, next: now + ROOM_TURN });
        let ours = keepers.iter().position(|k| *k == self.me()).filter(|_| room.record.joined);
        match ours {
            Some(turn) if now.since(since) >= ROOM_TURN.times(turn as u64) => self.unseat_gone(now, &room, random),
            Some(_) | None if known.is_some() && room.record.joined => self.room_ask(now, id, random),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes the seats of those who are of the mission no more, and changes the keys.
    pub(super) fn unseat_gone(&mut self, now: Instant, room: &Room, random: &mut dyn Random) -> Result<(), VaultError> {
        let mut acts: Vec<Act> = self.gone_of(room).map(Act::Remove).collect();
        if !room.state.moderates(self.me()) {
            acts.push(Act::Promote(self.me()));
        }
        match self.room_change(now, room.state.id, &acts, random) {
            Ok(()) => {
                self.rooms.lapsed.remove(&room.state.id);
                Ok(())
            }
            Err(RoomError::Vault(e)) => Err(e),
            // There is no epoch yet: at the next turn.
            Err(_) => Ok(()),
        }
    }

    /// The room to write to: while somebody has its keys who must not, they are changed first, by us if we may.
    pub(super) fn unlapsed(&mut self, now: Instant, id: RoomId, random: &mut dyn Random) -> Result<Room, RoomError> {
        let joined = |rooms: &super::Rooms| rooms.all.get(&id).filter(|r| r.record.joined).cloned();
        let room = joined(&self.rooms).ok_or(RoomError::NotJoined)?;
        let gone: Vec<Index> = self.gone_of(&room).collect();
        if gone.is_empty() {
            return Ok(room);
        }
        let keepers = self.keepers(&room, None);
        if keepers.contains(&self.me()) {
            self.unseat_gone(now, &room, random)?;
            return joined(&self.rooms).filter(|r| self.gone_of(r).next().is_none()).ok_or(RoomError::NoKeys);
        }
        self.room_ask(now, id, random)?;
        let gone = gone.into_iter().map(|i| self.name_of(i)).collect();
        Err(RoomError::Lapsed { gone, keeper: keepers.first().map(|k| self.name_of(*k)) })
    }

    /// What waits to be confirmed by somebody who can confirm nothing any more is never shown.
    fn drop_held_of_gone(&mut self, now: Instant) -> Result<(), VaultError> {
        let held = |(id, n): (&MessageId, &Note)| (n.held && !self.stands(n.sender)).then_some(*id);
        let dropped: Vec<MessageId> = self.rooms.notes.iter().filter_map(held).collect();
        let (mut batch, mut records) = (Batch::default(), Vec::<(MessageId, InRecord)>::new());
        for id in dropped {
            let Some(mut record) = self.desk.incoming(id).cloned() else { continue };
            record.kept = None;
            batch.put(keys::incoming(id), encode(&record)?);
            batch.remove(keys::body(id));
            batch.remove(keys::note(id));
            records.push((id, record));
        }
        if records.is_empty() {
            return Ok(());
        }
        self.home.commit(now, self.home.record.clone(), batch)?;
        self.content_gone = true;
        for (id, record) in records {
            self.counters.rooms_refused += 1;
            self.desk.set_in(id, Some(record));
            self.rooms.notes.remove(&id);
        }
        Ok(())
    }
}
