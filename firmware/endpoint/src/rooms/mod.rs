//! Rooms (spec §45): who is in them, their keys, and which message is whose.

mod arrive;
mod lapsed;
mod manage;
mod receive;
mod records;
mod send;
#[cfg(test)]
mod tests;
mod upkeep;
mod view;

pub use view::{RoomAlarm, RoomDraft, RoomError, RoomEvent, RoomMember, RoomMessage, RoomView};

use crate::endpoint::Endpoint;
use crate::home::Home;
use crate::keys;
use crate::records::decode;
use crate::vault::{Vault, VaultError};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use lapsed::Lapse;
use picket_seal::room::{Role, RoomId, RoomSender};
use picket_wire::time::Instant;
use picket_wire::{Index, MessageId};
use records::{Note, Room};

/// All rooms of a home.
#[derive(Debug)]
pub(crate) struct Rooms {
    all: BTreeMap<RoomId, Room>,
    /// Our chains. In memory only: opened again, a home begins others.
    senders: BTreeMap<RoomId, RoomSender>,
    notes: BTreeMap<MessageId, Note>,
    /// When a moderator was last asked for a room's keys.
    asked: BTreeMap<RoomId, Instant>,
    /// Rooms with members who are of the mission no more.
    lapsed: BTreeMap<RoomId, Lapse>,
    /// Epoch, roster and revocations that the rooms are brought up to.
    upto: (Option<u32>, u32, u8),
    /// When that is tried again.
    retry: Instant,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            all: BTreeMap::new(),
            senders: BTreeMap::new(),
            notes: BTreeMap::new(),
            asked: BTreeMap::new(),
            lapsed: BTreeMap::new(),
            upto: (None, 0, 0),
            retry: Instant::ZERO,
        }
    }
}

impl Rooms {
    pub(crate) fn load<V: Vault>(home: &mut Home<V>) -> Result<Self, VaultError> {
        let mut rooms = Self::default();
        for key in home.scan(keys::ROOM)? {
            let bytes = home.get(&key)?.ok_or(VaultError::Damaged)?;
            let room = Room::new(decode(&bytes)?)?;
            rooms.all.insert(room.state.id, room);
        }
        for key in home.scan(keys::NOTE)? {
            let id = key.get(1..).and_then(<[u8]>::first_chunk::<8>).ok_or(VaultError::Damaged)?;
            let bytes = home.get(&key)?.ok_or(VaultError::Damaged)?;
            rooms.notes.insert(MessageId(*id), decode(&bytes)?);
        }
        Ok(rooms)
    }

    /// Name of the room with this index.
    pub(crate) fn name_of(&self, index: Index) -> Option<String> {
        self.all.values().find(|r| r.state.index == index).map(|r| r.state.name().to_string())
    }

    pub(crate) fn note(&self, id: MessageId) -> Option<&Note> {
        self.notes.get(&id)
    }

    /// Where messages received were sealed, for simulators.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn places(&self) -> impl Iterator<Item = (crate::testing::Place, [u8; 8])> + '_ {
        self.notes.values().map(|n| ((n.sender, n.generation, n.epoch, n.incarnation, n.counter), n.digest))
    }

    /// The room of this index that we take part in.
    fn joined(&self, index: Index) -> Option<&Room> {
        self.all.values().find(|r| r.state.index == index && r.record.joined)
    }
}

impl<V: Vault> Endpoint<V> {
    /// All rooms we are in or invited to.
    pub fn rooms(&self) -> Vec<RoomView> {
        self.rooms.all.values().map(|room| self.room_view(room)).collect()
    }

    fn room_view(&self, room: &Room) -> RoomView {
        let state = &room.state;
        let told = room.record.joined && state.moderates(self.me());
        let members = state.seats.iter().map(|seat| RoomMember {
            index: seat.index,
            name: self.name_of(seat.index),
            moderator: seat.role == Role::Moderator,
            retention: state.policy.retention == Some(seat.index),
            gone: !self.stands(seat.index),
            joined: if seat.index == self.me() {
                Some(room.record.joined)
            } else {
                told.then(|| seat.role == Role::Moderator || room.record.present.contains(&seat.index))
            },
        });
        let lapsed = self.gone_of(room).next().is_some();
        let alarms =
            room.record.alarms.iter().map(|a| RoomAlarm { from: self.name_of(a.from), forged: a.forged, at: a.at });
        RoomView {
            name: state.name().to_string(),
            index: state.index,
            joined: room.record.joined,
            version: state.version,
            signed_only: state.policy.signed_only,
            lifetime: state.policy.lifetime.duration(),
            most: state.policy.most,
            members: members.collect(),
            alarms: alarms.collect(),
            keeper: lapsed.then(|| self.keepers(room, None).first().map(|k| self.name_of(*k))).flatten(),
            lapsed,
        }
    }

    /// A revoked device is in no room any more (spec S-45.11-1).
    fn takes_part(&self) -> Result<(), RoomError> {
        if self.home.revoked { Err(crate::error::ComposeError::Revoked.into()) } else { Ok(()) }
    }

    /// A room by its name, or by its index in hex.
    fn find_room(&self, name: &str) -> Result<RoomId, RoomError> {
        self.takes_part()?;
        let is = |room: &&Room| room.state.name() == name || alloc::format!("{:04x}", room.state.index.0) == name;
        let mut found = self.rooms.all.values().filter(is);
        match (found.next(), found.next()) {
            (Some(room), None) => Ok(room.state.id),
            (None, _) => Err(RoomError::Unknown { name: name.to_string() }),
            (Some(_), Some(_)) => Err(RoomError::Ambiguous { name: name.to_string() }),
        }
    }
}
