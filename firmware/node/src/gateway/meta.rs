//! What a gateway notes beside each parcel, in 18 bytes that stay in RAM and in the log (spec §65.2).

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_back_whatever_its_fate() {
        let fates = [Fate::Open, Fate::Delivered(None), Fate::Delivered(Some([9; 8])), Fate::PassedOn, Fate::Died];
        for (fate, uplink) in fates.into_iter().zip([None, Some(0), Some(7), None, None]) {
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
}
