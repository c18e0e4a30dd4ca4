//! A member's word which rooms it listens to (spec §20.3, §30.8).

use crate::Index;
use crate::control::Signature;
use crate::limits::LISTENS_ROOMS_MAX;
use core::fmt;
use serde::{Deserialize, Serialize};

/// A member's signed word which rooms it listens to: the highest sequence wins, an empty list ends all listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listens {
    /// The member.
    pub member: Index,
    /// Persistent and strictly growing with every change of the list; not that of attachment claims.
    pub sequence: u32,
    /// The rooms.
    pub rooms: Rooms,
    /// ECDSA P-256 by the member's identity key IS; made and verified by the roster crate.
    pub signature: Signature,
}

/// Rooms in strictly ascending order, at most [`LISTENS_ROOMS_MAX`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rooms {
    len: usize,
    list: [Index; LISTENS_ROOMS_MAX],
}

impl Default for Rooms {
    fn default() -> Self {
        Self { len: 0, list: [Index(0); LISTENS_ROOMS_MAX] }
    }
}

impl Rooms {
    /// From a list in strictly ascending order.
    ///
    /// # Errors
    /// Which of the conditions of [`RoomsError`] it misses first.
    pub fn new(rooms: &[Index]) -> Result<Self, RoomsError> {
        let mut all = Self::default();
        rooms.iter().try_for_each(|room| all.push(*room))?;
        Ok(all)
    }

    /// Those named, ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[Index] {
        self.list.get(..self.len).unwrap_or_default()
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn contains(&self, room: Index) -> bool {
        self.as_slice().binary_search(&room).is_ok()
    }

    fn push(&mut self, room: Index) -> Result<(), RoomsError> {
        if !room.is_room() {
            return Err(RoomsError::NotARoom);
        }
        if self.as_slice().last().is_some_and(|last| *last >= room) {
            return Err(RoomsError::Order);
        }
        let place = self.list.get_mut(self.len).ok_or(RoomsError::TooMany)?;
        *place = room;
        self.len += 1;
        Ok(())
    }
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

/// Why indices are not a list of rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomsError {
    /// One of them names no room.
    NotARoom,
    /// They are not in strictly ascending order.
    Order,
    /// There are more than [`LISTENS_ROOMS_MAX`].
    TooMany,
}

impl fmt::Display for RoomsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotARoom => f.write_str("an index of the list names no room"),
            Self::Order => f.write_str("the rooms are not in strictly ascending order"),
            Self::TooMany => write!(f, "a member listens to at most {LISTENS_ROOMS_MAX} rooms"),
        }
    }
}

impl core::error::Error for RoomsError {}

impl Serialize for Rooms {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.as_slice())
    }
}

impl<'de> Deserialize<'de> for Rooms {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_seq(RoomsVisitor)
    }
}

struct RoomsVisitor;

impl<'de> serde::de::Visitor<'de> for RoomsVisitor {
    type Value = Rooms;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {LISTENS_ROOMS_MAX} rooms in strictly ascending order")
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Rooms, A::Error> {
        let mut all = Rooms::default();
        while let Some(room) = seq.next_element()? {
            all.push(room).map_err(serde::de::Error::custom)?;
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_rooms_is_ascending_short_and_of_rooms() {
        let rooms = |list: &[u16]| Rooms::new(&list.iter().copied().map(Index).collect::<std::vec::Vec<_>>());
        let two = rooms(&[0xC001, 0xFFFE]);
        assert!(two.is_ok_and(|two| two.contains(Index(0xFFFE)) && !two.contains(Index(0xC002))));
        assert_eq!(rooms(&[0xBFFE]), Err(RoomsError::NotARoom));
        assert_eq!(rooms(&[0xC0FF]), Err(RoomsError::NotARoom));
        assert_eq!(rooms(&[0xC001, 0xC001]), Err(RoomsError::Order));
        assert_eq!(rooms(&[0xC002, 0xC001]), Err(RoomsError::Order));
        let many: std::vec::Vec<u16> = (0xC000..).take(LISTENS_ROOMS_MAX + 1).collect();
        assert!(rooms(&many[..LISTENS_ROOMS_MAX]).is_ok());
        assert_eq!(rooms(&many), Err(RoomsError::TooMany));
    }
}
