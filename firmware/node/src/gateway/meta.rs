//! What a gateway notes beside each parcel, in 18 bytes that stay in RAM and in the log (spec §65.2).

use alloc::vec::Vec;
use picket_relay::{Ingress, Known};
use picket_wire::control::Token;
use picket_wire::{Index, Precedence};

/// Kinds of parcel in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// An envelope with a person's message.
    Message = 1,
    /// An envelope with endpoints' housekeeping: nobody is told when it dies.
    Housekeeping = 2,
    /// A receipt or notice.
    Control = 3,
    /// A member's attachment claim.
    Claim = 4,
    /// An answer owed while nothing may be sent.
    Debt = 5,
    /// A member's word of listening.
    Listens = 6,
    /// An envelope for a room.
    Room = 7,
}

impl Kind {
    /// From the store's byte.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Message),
            2 => Some(Self::Housekeeping),
            3 => Some(Self::Control),
            4 => Some(Self::Claim),
            5 => Some(Self::Debt),
            6 => Some(Self::Listens),
            7 => Some(Self::Room),
            _ => None,
        }
    }
}

/// What became of a parcel, for those who offer it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// In custody.
    Open,
    /// The recipient has it; its token, if it gave one.
    Delivered(Option<Token>),
    /// Another custodian has it.
    PassedOn,
    /// It died here.
    Died,
    /// Everybody known had it, and its room was needed.
    Shed,
}

/// The note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Member it is for.
    pub destination: Index,
    /// Member that sent it.
    pub source: Index,
    /// Neighbour that offered it, and the broker it came by.
    pub ingress: Ingress,
    /// Hop limit in that offer.
    pub hop_limit: u8,
    /// Custody round in that offer.
    pub round: u8,
    /// Added to the round in our own offers.
    pub raised: u8,
    /// What became of it.
    pub fate: Fate,
}

/// Encoded length in bytes.
pub const META_LEN: usize = 18;

const NO_UPLINK: u16 = u16::MAX;

impl Meta {
    /// Fixed-width, big-endian.
    #[must_use]
    pub fn encode(&self) -> [u8; META_LEN] {
        let mut out = [0; META_LEN];
        out[0..2].copy_from_slice(&self.destination.0.to_be_bytes());
        out[2..4].copy_from_slice(&self.source.0.to_be_bytes());
        out[4..6].copy_from_slice(&self.ingress.from.0.to_be_bytes());
        out[6] = self.hop_limit << 4 | (self.round & 3) << 2 | (self.raised & 3);
        out[7] = match self.fate {
            Fate::Open => 0,
            Fate::Delivered(None) => 1,
            Fate::Delivered(Some(_)) => 2,
            Fate::PassedOn => 3,
            Fate::Died => 4,
            Fate::Shed => 5,
        };
        if let Fate::Delivered(Some(token)) = self.fate {
            out[8..16].copy_from_slice(&token);
        }
        let uplink = self.ingress.uplink.unwrap_or(NO_UPLINK);
        out[16..18].copy_from_slice(&uplink.to_be_bytes());
        out
    }

    /// `None` for bytes that are no note of ours.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < META_LEN {
            return None;
        }
        let word = |at: usize| Index(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        let mut token = [0; 8];
        token.copy_from_slice(&bytes[8..16]);
        let fate = match bytes[7] {
            0 => Fate::Open,
            1 => Fate::Delivered(None),
            2 => Fate::Delivered(Some(token)),
            3 => Fate::PassedOn,
            4 => Fate::Died,
            5 => Fate::Shed,
            _ => return None,
        };
        Some(Self {
            destination: word(0),
            source: word(2),
            ingress: Ingress { from: word(4), uplink: Some(word(16).0).filter(|u| *u != NO_UPLINK) },
            hop_limit: bytes[6] >> 4,
            round: bytes[6] >> 2 & 3,
            raised: bytes[6] & 3,
            fate,
        })
    }

    /// What the relay may conclude from the memo of a finished parcel.
    #[must_use]
    pub const fn known(&self) -> Known {
        match self.fate {
            Fate::Open => Known::Held,
            Fate::Delivered(token) => Known::Delivered(token),
            Fate::PassedOn => Known::PassedOn { from: self.ingress.from, round: self.round, hop_limit: self.hop_limit },
            Fate::Died => Known::Died,
            // Whoever comes for it now may be offered it by whoever has it still.
            Fate::Shed => Known::Fresh,
        }
    }

    /// Round of our own offers.
    #[must_use]
    pub const fn our_round(&self) -> u8 {
        (self.round + self.raised) & 3
    }

    /// Hop limit of our own offers; `None` when it is used up.
    #[must_use]
    pub const fn our_hop_limit(&self) -> Option<u8> {
        self.hop_limit.checked_sub(1)
    }
}

/// Facts of a parcel that is about to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// What it is.
    pub kind: Kind,
    /// Urgency.
    pub precedence: Precedence,
    /// The note to keep.
    pub meta: Meta,
    /// More to note of an envelope for a room.
    pub room: Option<RoomNotes>,
}

impl Incoming {
    /// A parcel that is not for a room.
    pub const fn plain(kind: Kind, precedence: Precedence, meta: Meta) -> Self {
        Self { kind, precedence, meta, room: None }
    }

    /// What is noted beside it.
    pub fn notes(&self) -> Vec<u8> {
        let mut out = self.meta.encode().to_vec();
        if let Some(room) = &self.room {
            out.extend(room.encode());
        }
        out
    }
}

/// What is noted beside an envelope for a room (spec §65.2), so that a restart costs nobody a repetition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomNotes {
    /// It came from a member: all gateways are ours to see to.
    pub origin: bool,
    /// Somebody took it.
    pub taken: bool,
    /// Stations that have it, or do not want it.
    pub done: Vec<Index>,
    /// Listeners that moved away before they had it.
    pub moved: Vec<Index>,
}

/// Stations that can be noted: what the store keeps beside a parcel is 64 bytes. Others are offered it again after a
/// restart, and know it.
const STATIONS_NOTED: usize = 22;

impl RoomNotes {
    /// Origin 1 bit · taken 1 bit · number of the done 6 bits, then two bytes a station.
    pub fn encode(&self) -> Vec<u8> {
        let done = self.done.len().min(STATIONS_NOTED);
        let flags = u8::from(self.origin) << 7 | u8::from(self.taken) << 6;
        let stations = self.done.iter().take(done).chain(&self.moved).take(STATIONS_NOTED);
        core::iter::once(flags | done as u8).chain(stations.flat_map(|s| s.0.to_be_bytes())).collect()
    }

    /// From what stands beside the parcel; nothing where nothing does.
    pub fn decode(notes: &[u8]) -> Self {
        let Some((flags, stations)) = notes.get(META_LEN..).and_then(<[u8]>::split_first) else {
            return Self::default();
        };
        let (pairs, _) = stations.as_chunks::<2>();
        let mut done: Vec<Index> = pairs.iter().map(|pair| Index(u16::from_be_bytes(*pair))).collect();
        let moved = done.split_off(usize::from(flags & 0x3F).min(done.len()));
        Self { origin: flags & 0x80 != 0, taken: flags & 0x40 != 0, done, moved }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_back_whatever_its_fate() {
        let fates =
            [Fate::Open, Fate::Delivered(None), Fate::Delivered(Some([9; 8])), Fate::PassedOn, Fate::Died, Fate::Shed];
        for (fate, uplink) in fates.into_iter().zip([None, Some(0), Some(7), None, None, None]) {
            let meta = Meta {
                destination: Index(0x1234),
                source: Index(2),
                ingress: Ingress { from: Index(0xFFF0), uplink },
                hop_limit: 15,
                round: 3,
                raised: 2,
                fate,
            };
            assert_eq!(Meta::decode(&meta.encode()), Some(meta));
            assert_eq!(meta.our_round(), 1);
        }
        assert_eq!(Meta::decode(&[0; 3]), None);
    }

    #[test]
    fn notes_of_a_room_read_back_as_far_as_there_is_room_for_them() {
        let stations = |range: core::ops::Range<u16>| range.map(Index).collect::<Vec<_>>();
        let notes = RoomNotes { origin: true, taken: true, done: stations(1..6), moved: stations(9..11) };
        let beside = |notes: &RoomNotes| [&[0; META_LEN][..], &notes.encode()].concat();
        assert_eq!(RoomNotes::decode(&beside(&notes)), notes);
        let many = RoomNotes { done: stations(1..90), ..notes };
        assert!(beside(&many).len() <= picket_store::limits::MAX_META);
        let read = RoomNotes::decode(&beside(&many));
        assert_eq!((read.done, read.moved), (stations(1..23), Vec::new()));
        assert_eq!(RoomNotes::decode(&[0; META_LEN]), RoomNotes::default());
    }
}
