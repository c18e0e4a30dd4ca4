//! What people do to rooms: make, invite, join, remove, leave (spec §45.10, §45.11).

use super::records::{Act, AlarmRecord, Room, RoomRecord};
use super::view::{RoomDraft, RoomError};
use crate::batch::Batch;
use crate::endpoint::Endpoint;
use crate::home::Record;
use crate::io::{Event, Random};
use crate::keys;
use crate::limits::{HOP_LIMIT, ROOM_ALARMS_MAX, ROOMS_MAX};
use crate::records::{OwedRecord, encode};
use crate::rooms::RoomEvent;
use crate::sessions::{Letter, SealFail};
use crate::vault::{Vault, VaultError};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use picket_roster::Kind;
use picket_seal::limits::{ROOM_MEMBERS_MAX, ROOM_STATE_MAX};
use picket_seal::room::{Policy, Role, RoomId, RoomKey, RoomSecret, RoomState, RoomWord};
use picket_seal::{Body, Route};
use picket_wire::envelope::Class;
use picket_wire::time::Instant;
use picket_wire::{Index, Lifetime, Precedence};
use zeroize::Zeroizing;

/// Parcels that a transaction in the making owes to the network.
pub(super) type Owes = Vec<(u64, OwedRecord)>;

impl<V: Vault> Endpoint<V> {
    /// Makes a room; we are its first moderator. Durable when this returns.
    ///
    /// # Errors
    /// [`RoomError`].
    pub fn room_create(&mut self, now: Instant, draft: &RoomDraft, random: &mut dyn Random) -> Result<(), RoomError> {
        self.turn(now, random);
        self.takes_part()?;
        if self.rooms.all.len() >= ROOMS_MAX {
            return Err(RoomError::TooMany);
        }
        if self.rooms.all.values().any(|r| r.state.name() == draft.name) {
            return Err(RoomError::Exists { name: draft.name.clone() });
        }
        let retention = draft.retention.as_ref().map(|name| self.mission_member(name)).transpose()?;
        let longest = self.home.roster.max_delay();
        let lifetime = draft.lifetime.unwrap_or(longest);
        if lifetime > longest {
            return Err(RoomError::Compose(crate::error::ComposeError::TtlTooLong { max: longest }));
        }
        let most = draft.most.unwrap_or(u8::try_from(ROOM_MEMBERS_MAX).unwrap_or(u8::MAX));
        let policy = Policy { most, signed_only: draft.signed_only, lifetime: Lifetime::within(lifetime), retention };
        let mut drawn = Zeroizing::new([0; 48]);
        random.fill(drawn.as_mut());
        let (id, secret) = drawn.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        let index = self.fresh_index(random);
        let state = RoomState::new(RoomId(*id), index, &draft.name, policy, self.me()).ok_or(RoomError::Name)?;
        let epoch = self.home.record.epoch.ok_or(RoomError::NoKeys)?;
        let secret = RoomSecret::new(epoch, *secret.first_chunk::<32>().unwrap_or(&[0; 32]));
        let record = RoomRecord {
            signed: self.sign(&state)?,
            joined: true,
            keys: Vec::new(),
            pending: Vec::new(),
            said: 0,
            present: Vec::new(),
            acts: Vec::new(),
            alarms: Vec::new(),
        };
        let mut room = Room { state, record };
        room.add_key(&RoomKey { generation: room.state.generation, secret });
        let id = room.state.id;
        self.put_room(now, room, Batch::default(), Owes::new(), None)?;
        self.listen_to_rooms(now)?;
        match retention {
            Some(member) => self.room_change(now, id, &[Act::Invite(member)], random),
            None => Ok(()),
        }
    }

    /// Seats a member of the mission and hands it the keys; it decides whether to join.
    ///
    /// # Errors
    /// [`RoomError`].
    pub fn room_invite(
        &mut self,
        now: Instant,
        room: &str,
        member: &str,
        random: &mut dyn Random,
    ) -> Result<(), RoomError> {
        self.turn(now, random);
        let (id, index) = (self.moderated(room)?, self.mission_member(member)?);
        if self.rooms.all.get(&id).is_some_and(|r| r.state.role(index).is_some()) {
            return Err(RoomError::Seated { name: member.to_string() });
        }
        self.room_change(now, id, &[Act::Invite(index)], random)
    }

    /// Takes a member's seat and changes the keys: nothing said from then on opens for it.
    ///
    /// # Errors
    /// [`RoomError`].
    pub fn room_remove(
        &mut self,
        now: Instant,
        room: &str,
        member: &str,
        random: &mut dyn Random,
    ) -> Result<(), RoomError> {
        self.turn(now, random);
        let id = self.moderated(room)?;
        let index = self.seated(id, member)?;
        if index == self.me() {
            return Err(RoomError::LastModerator);
        }
        self.room_change(now, id, &[Act::Remove(index)], random)
    }

    /// Makes a member a moderator.
    ///
    /// # Errors
    /// [`RoomError`].
    pub fn room_promote(
        &mut self,
        now: Instant,
        room: &str,
        member: &str,
        random: &mut dyn Random,
    ) -> Result<(), RoomError> {
        self.turn(now, random);
        let id = self.moderated(room)?;
        let index = self.seated(id, member)?;
        self.room_change(now, id, &[Act::Promote(index)], random)
    }

    /// Takes part in a room we are invited to. Again: nothing happens.
    ///
    /// # Errors
    /// [`RoomError`].
    pub fn room_join(&mut self, now: Instant, room: &str, random: &mut dyn Random) -> Result<(), RoomError> {
        self.turn(now, random);
        let id = self.find_room(room)?;
        let Some(mut room) = self.rooms.all.get(&id).cloned().filter(|r| !r.record.joined) else { return Ok(()) };
        room.record.joined = true;
        self.rooms.upto = (None, 0, 0);
        self.tell_moderators(now, room, RoomWord::Joined, random)?;
        Ok(self.listen_to_rooms(now)?)
    }

    /// Leaves a room, or refuses an invitation. Its keys are gone when this returns, and a moderator changes them.
    ///
    /// # Errors
    /// [`RoomError`].
    pub fn room_leave(&mut self, now: Instant, room: &str, random: &mut dyn Random) -> Result<(), RoomError> {
        self.turn(now, random);
        let id = self.find_room(room)?;
        let Some(room) = self.rooms.all.get(&id).cloned() else { return Ok(()) };
        let (me, state) = (self.me(), &room.state);
        let others = state.seats.iter().any(|s| s.index != me);
        if others && state.moderates(me) && !state.moderators().any(|m| m != me && self.stands(m)) {
            return Err(RoomError::LastModerator);
        }
        if others {
            self.tell_moderators(now, room, RoomWord::Left, random)?;
        }
        self.forget_room(now, id, Batch::default())?;
        Ok(())
    }

    /// Changes a room as its moderator: the signed state and, where who is in it changed, fresh keys go to every member,
    /// all in one transaction.
    pub(super) fn room_change(
        &mut self,
        now: Instant,
        id: RoomId,
        acts: &[Act],
        random: &mut dyn Random,
    ) -> Result<(), RoomError> {
        let mut room = self.rooms.all.get(&id).cloned().ok_or(RoomError::NotJoined)?;
        let epoch = self.home.record.epoch.ok_or(RoomError::NoKeys)?;
        let before: Vec<Index> = room.state.seats.iter().map(|s| s.index).collect();
        for act in acts {
            let done = match *act {
                Act::Invite(index) => room.state.seat(index, Role::Member),
                Act::Promote(index) => room.state.seat(index, Role::Moderator),
                Act::Remove(index) => {
                    room.state.unseat(index);
                    true
                }
            };
            if !done {
                return Err(RoomError::Full);
            }
        }
        room.state.version = room.state.version.saturating_add(1);
        room.state.parent = RoomState::hash(&room.record.signed);
        room.state.signer = self.me();
        let removed: Vec<Index> = before.iter().copied().filter(|i| room.state.role(*i).is_none()).collect();
        if before.len() != room.state.seats.len() || !removed.is_empty() {
            let mut fresh = Zeroizing::new([0; 32]);
            random.fill(fresh.as_mut());
            room.state.generation = room.state.generation.saturating_add(1);
            room.record.keys.iter_mut().for_each(|k| k.exposed |= !removed.is_empty());
            let secret = RoomSecret::new(epoch, *fresh);
            room.add_key(&RoomKey { generation: room.state.generation, secret });
        }
        room.record.signed = self.sign(&room.state)?;
        room.record.acts = acts.to_vec();
        room.record.present.retain(|i| room.state.role(*i).is_some());
        let (mut batch, mut next, mut owes) = (Batch::default(), self.home.record.clone(), Owes::new());
        let me = self.me();
        for index in room.state.seats.iter().map(|s| s.index).filter(|i| *i != me).chain(removed) {
            let owed = self.owe_state(now, &room, index, (&mut next, &mut batch), random)?;
            owes.extend(owed);
        }
        self.put_room(now, room, batch, owes, Some(next))?;
        let _offered_later = self.offer_more(now);
        Ok(())
    }

    /// The state, sealed to one member; with the key in force where it has a seat.
    pub(super) fn owe_state(
        &mut self,
        now: Instant,
        room: &Room,
        to: Index,
        into: (&mut Record, &mut Batch),
        random: &mut dyn Random,
    ) -> Result<Option<(u64, OwedRecord)>, VaultError> {
        let epoch = self.home.record.epoch.unwrap_or(0);
        let seated = room.state.role(to).is_some();
        let key = room.key(room.state.generation).filter(|_| seated);
        let key = key.and_then(|k| Some(RoomKey { generation: k.generation, secret: k.secret().at(epoch).ok()? }));
        let keys = key.map(|k| k.to_bytes());
        let keys = keys.as_ref().map_or(&[][..], |k| k.as_slice());
        self.owe_sealed(now, to, Body::RoomState { state: &room.record.signed, keys }, into, random)
    }

    /// Housekeeping sealed to one member, at most one in each transaction; `None` where it cannot be sealed: the member
    /// asks once it can.
    pub(super) fn owe_sealed(
        &mut self,
        now: Instant,
        to: Index,
        body: Body<'_>,
        (next, batch): (&mut Record, &mut Batch),
        random: &mut dyn Random,
    ) -> Result<Option<(u64, OwedRecord)>, VaultError> {
        let lifetime = self.home.longest();
        let precedence = Precedence::Priority;
        let route = Route { class: Class::Housekeeping, precedence, hop_limit: HOP_LIMIT, lifetime };
        let letter = Letter { to, route, lifetime, original: None, burn: None, body, fresh: false, announce: false };
        let sealed = match self.home.seal(now, &letter, random, batch) {
            Ok(sealed) => sealed,
            Err(SealFail::Vault(e)) => return Err(e),
            Err(SealFail::Cannot(_) | SealFail::TooLarge) => return Ok(None),
        };
        let at = next.take_position();
        let deadline = self.home.clock.age(now).saturating_add(lifetime.duration().as_micros());
        let identity = sealed.sealing.identity;
        let record = OwedRecord { envelope: true, precedence, identity, deadline, bytes: sealed.envelope };
        batch.put(keys::owed(at), encode(&record)?);
        Ok(Some((at, record)))
    }

    /// Commits a room with what it owes.
    pub(super) fn put_room(
        &mut self,
        now: Instant,
        room: Room,
        mut batch: Batch,
        owes: Owes,
        next: Option<Record>,
    ) -> Result<(), VaultError> {
        batch.put(keys::room(room.state.id), encode(&room.record)?);
        let next = next.unwrap_or_else(|| self.home.record.clone());
        let done = self.home.commit(now, next, batch);
        self.check(done);
        done?;
        for (at, owed) in owes {
            self.desk.set_owed(at, Some(owed));
        }
        self.rooms.all.insert(room.state.id, room);
        Ok(())
    }

    /// Commits the room and says a word to each of its moderators.
    fn tell_moderators(
        &mut self,
        now: Instant,
        room: Room,
        word: RoomWord,
        random: &mut dyn Random,
    ) -> Result<(), VaultError> {
        let (mut batch, mut next, mut owes) = (Batch::default(), self.home.record.clone(), Owes::new());
        let me = self.me();
        let moderators: Vec<Index> = room.state.moderators().filter(|m| *m != me).collect();
        for moderator in moderators {
            let body = Body::RoomWord { room: room.state.id, word };
            owes.extend(self.owe_sealed(now, moderator, body, (&mut next, &mut batch), random)?);
        }
        self.put_room(now, room, batch, owes, Some(next))
    }

    /// Everything of a room goes: state, keys, chains.
    pub(super) fn forget_room(&mut self, now: Instant, id: RoomId, mut batch: Batch) -> Result<(), VaultError> {
        let Some(room) = self.rooms.all.get(&id) else { return Ok(()) };
        let index = room.state.index;
        // First of all: cut off after it, we are in the room still, and listen again.
        self.listen_but(now, Some(id))?;
        batch.remove(keys::room(id));
        for key in self.home.scan(&keys::room_chains(index))? {
            batch.remove(key);
        }
        self.home.commit(now, self.home.record.clone(), batch)?;
        self.home.vault.purge();
        self.rooms.all.remove(&id);
        self.rooms.senders.remove(&id);
        self.rooms.lapsed.remove(&id);
        Ok(())
    }

    /// The word of listening is a write of its own: after a power cut between the two it follows the rooms again.
    pub(super) fn listen_again(&mut self, now: Instant) -> Result<(), VaultError> {
        if self.rooms.all.is_empty() { Ok(()) } else { self.listen_but(now, None) }
    }

    fn listen_but(&mut self, now: Instant, left: Option<RoomId>) -> Result<(), VaultError> {
        let joined = self.rooms.all.values().filter(|r| r.record.joined && Some(r.state.id) != left);
        let joined: Vec<Index> = joined.map(|r| r.state.index).collect();
        match self.listen(now, &joined) {
            Ok(()) | Err(crate::listen::ListenError::Rooms(_) | crate::listen::ListenError::Exhausted) => Ok(()),
            Err(crate::listen::ListenError::Vault(e)) => Err(e),
        }
    }

    /// Gateways are told which rooms to hand us.
    pub(super) fn listen_to_rooms(&mut self, now: Instant) -> Result<(), crate::listen::ListenError> {
        let joined: Vec<Index> = self.rooms.all.values().filter(|r| r.record.joined).map(|r| r.state.index).collect();
        self.listen(now, &joined)
    }

    /// Keeps and tells an alarm.
    pub(super) fn raise(&mut self, now: Instant, room: &mut Room, from: Index, forged: bool) {
        if room.record.alarms.len() >= ROOM_ALARMS_MAX {
            room.record.alarms.remove(0);
        }
        room.record.alarms.push(AlarmRecord { from, forged, at: self.home.clock.wall(now) });
        self.counters.room_alarms += 1;
        self.tell_room(room, RoomEvent::Alarm { from, forged });
    }

    pub(super) fn tell_room(&mut self, room: &Room, event: RoomEvent) {
        self.tell(Event::Room { room: room.state.index, name: room.state.name().to_string(), event });
    }

    fn sign(&self, state: &RoomState) -> Result<Vec<u8>, RoomError> {
        let mut out = vec![0; ROOM_STATE_MAX];
        let signed = state.sign(self.home.mission(), self.home.secrets.identity(), &mut out);
        signed.map(<[u8]>::to_vec).map_err(|_| RoomError::Name)
    }

    /// An index that no room we know has.
    fn fresh_index(&self, random: &mut dyn Random) -> Index {
        let mut drawn = [0; 2];
        loop {
            random.fill(&mut drawn);
            let index = Index(u16::from_be_bytes(drawn) | Index::ROOM_FIRST.0);
            if index.is_room() && !self.rooms.all.values().any(|r| r.state.index == index) {
                return index;
            }
        }
    }

    /// A room we moderate.
    fn moderated(&self, name: &str) -> Result<RoomId, RoomError> {
        let id = self.find_room(name)?;
        let room = self.rooms.all.get(&id).filter(|r| r.record.joined).ok_or(RoomError::NotJoined)?;
        if room.state.moderates(self.me()) { Ok(id) } else { Err(RoomError::NotModerator) }
    }

    fn seated(&self, id: RoomId, name: &str) -> Result<Index, RoomError> {
        let seats = self.rooms.all.get(&id).into_iter().flat_map(|r| r.state.seats.iter());
        let mut seats = seats.map(|s| s.index);
        seats.find(|i| self.name_of(*i) == name).ok_or_else(|| RoomError::NotSeated { name: name.to_string() })
    }

    fn mission_member(&self, name: &str) -> Result<Index, RoomError> {
        let station = self.home.roster.by_name(name).filter(|s| s.kind == Kind::Member && s.index != self.me());
        station.map(|s| s.index).ok_or_else(|| RoomError::Member { name: name.to_string() })
    }
}
