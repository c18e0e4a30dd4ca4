//! What the vault holds about rooms (spec §45.10), in postcard.

use crate::clock::Age;
use crate::limits::ROOM_KEYS_MAX;
use crate::message::{Trust, optional_wall};
use crate::vault::VaultError;
use alloc::vec::Vec;
use core::fmt;
use picket_seal::room::{ChainId, Digest, Incarnation, RoomId, RoomKey, RoomSecret, RoomState};
use picket_wire::time::Wall;
use picket_wire::{Index, MissionId};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A room we are in, or invited to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RoomRecord {
    /// The state in force, as it was signed.
    pub(crate) signed: Vec<u8>,
    /// Whether we take part; otherwise we are invited.
    pub(crate) joined: bool,
    /// Oldest first.
    pub(crate) keys: Vec<KeyRecord>,
    /// Messages of ours that are not attested yet, oldest first.
    pub(crate) pending: Vec<Pending>,
    /// Age at which the last of them was sent.
    pub(crate) said: Age,
    /// Members who said that they take part (moderators are told).
    pub(crate) present: Vec<Index>,
    /// What we changed in the state in force, if we signed it.
    pub(crate) acts: Vec<Act>,
    /// Oldest first.
    pub(crate) alarms: Vec<AlarmRecord>,
}

/// One generation of a room's keys.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct KeyRecord {
    pub(crate) generation: u32,
    epoch: u32,
    key: [u8; 32],
    /// Somebody who is in the room no more has it: unsigned messages under it wait for their attestation.
    pub(crate) exposed: bool,
}

/// A message of ours to be attested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) generation: u32,
    pub(crate) epoch: u32,
    pub(crate) incarnation: Incarnation,
    pub(crate) counter: u32,
    pub(crate) digest: Digest,
    pub(crate) signed: bool,
}

/// What a moderator does to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Act {
    Invite(Index),
    Remove(Index),
    Promote(Index),
}

/// Something that must not happen, kept until the room is left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AlarmRecord {
    pub(crate) from: Index,
    pub(crate) forged: bool,
    #[serde(with = "optional_wall")]
    pub(crate) at: Option<Wall>,
}

/// What is known of a message received in a room, beside its [`crate::records::InRecord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) room: [u8; 16],
    pub(crate) index: Index,
    pub(crate) sender: Index,
    pub(crate) generation: u32,
    pub(crate) epoch: u32,
    pub(crate) incarnation: Incarnation,
    pub(crate) counter: u32,
    pub(crate) digest: Digest,
    pub(crate) trust: Trust,
    /// Not shown before it is confirmed.
    pub(crate) held: bool,
}

/// A room in memory.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) state: RoomState,
    pub(crate) record: RoomRecord,
}

impl fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRecord(generation {}, epoch {})", self.generation, self.epoch)
    }
}

impl KeyRecord {
    pub(crate) fn new(key: &RoomKey) -> Self {
        let secret = &key.secret;
        Self { generation: key.generation, epoch: secret.epoch(), key: *secret.to_bytes(), exposed: false }
    }

    fn spare(key: &RoomKey) -> Self {
        let mut record = Self::new(key);
        record.exposed = true;
        record
    }

    /// Whether it is this key, at whichever epoch both serve.
    fn is(&self, key: &RoomKey) -> bool {
        let epoch = self.epoch.max(key.secret.epoch());
        self.generation == key.generation
            && matches!((self.secret().at(epoch), key.secret.at(epoch)), (Ok(a), Ok(b)) if a == b)
    }

    pub(crate) const fn secret(&self) -> RoomSecret {
        RoomSecret::new(self.epoch, self.key)
    }

    /// Forgets the epochs before `oldest`. Whether anything changed.
    pub(crate) fn advance(&mut self, oldest: u32) -> bool {
        let mut secret = self.secret();
        if secret.epoch() >= oldest || secret.advance_to(oldest).is_err() {
            return false;
        }
        (self.epoch, self.key) = (secret.epoch(), *secret.to_bytes());
        true
    }
}

impl Note {
    pub(crate) const fn new(id: &ChainId, counter: u32, digest: Digest, trust: Trust, held: bool) -> Self {
        Self {
            room: id.room.0,
            index: id.index,
            sender: id.sender,
            generation: id.generation,
            epoch: id.epoch,
            incarnation: id.incarnation,
            counter,
            digest,
            trust,
            held,
        }
    }

    pub(crate) const fn room(&self) -> RoomId {
        RoomId(self.room)
    }

    /// Whether it came in this chain.
    pub(crate) fn is_of(&self, id: &ChainId) -> bool {
        (self.room(), self.sender, self.generation) == (id.room, id.sender, id.generation)
            && (self.epoch, self.incarnation) == (id.epoch, id.incarnation)
    }
}

impl Room {
    pub(crate) fn new(record: RoomRecord) -> Result<Self, VaultError> {
        let state = RoomState::from_stored(&record.signed).map_err(|_| VaultError::Damaged)?;
        Ok(Self { state, record })
    }

    /// The chain of `sender` in this room.
    pub(crate) const fn chain(
        &self,
        mission: MissionId,
        sender: Index,
        (generation, epoch, incarnation): (u32, u32, Incarnation),
    ) -> ChainId {
        ChainId { mission, room: self.state.id, index: self.state.index, sender, generation, epoch, incarnation }
    }

    /// The key of a generation.
    pub(crate) fn key(&self, generation: u32) -> Option<&KeyRecord> {
        self.record.keys.iter().rev().find(|k| k.generation == generation)
    }

    /// The key of a generation, if there is just one: moderators who act at once draw one each.
    pub(crate) fn only_key(&self, generation: u32) -> Option<&KeyRecord> {
        let mut keys = self.record.keys.iter().filter(|k| k.generation == generation);
        keys.next().filter(|_| keys.next().is_none())
    }

    /// Whether it is held already.
    pub(crate) fn holds(&self, key: &RoomKey) -> bool {
        self.record.keys.iter().any(|k| k.is(key))
    }

    /// Takes a key in that comes with the state in force; where there are too many the oldest goes.
    pub(crate) fn add_key(&mut self, key: &RoomKey) {
        let held = self.record.keys.iter().position(|k| k.is(key)).map(|at| self.record.keys.remove(at));
        let after = self.record.keys.partition_point(|k| k.generation <= key.generation);
        self.put_key(after, held.unwrap_or_else(|| KeyRecord::new(key)));
    }

    /// Takes a key in that came with a state that does not stand: for reading what was sealed under it, no more. Whether it
    /// is new.
    pub(crate) fn add_spare_key(&mut self, key: &RoomKey) -> bool {
        if self.holds(key) {
            return false;
        }
        let before = self.record.keys.partition_point(|k| k.generation < key.generation);
        self.put_key(before, KeyRecord::spare(key));
        true
    }

    fn put_key(&mut self, at: usize, key: KeyRecord) {
        self.record.keys.insert(at, key);
        let over = self.record.keys.len().saturating_sub(ROOM_KEYS_MAX);
        self.record.keys.drain(..over);
    }
}
