//! The envelope: routing header and sealed body, the form that is stored, published and cut into fragments
//! (spec §10.4). Hop addresses and the hop MAC are added by [`crate::frame`].
//!
//! ```text
//! class 3 | precedence 3 | enc 1 | lane 1    1 B   immutable
//! destination                                2 B   immutable, big-endian
//! source                                     2 B   immutable, big-endian
//! hop limit 4 | custody round 2 | flags 2    1 B   changes at each hop
//! remaining lifetime                         1 B   changes at each custodian
//! epoch low 4 | session low 4                1 B   immutable
//! counter low 16                             2 B   immutable, big-endian
//! [lane slot]                                0/1 B immutable
//! [prekey byte, enc x-coordinate]           0/33 B immutable
//! ciphertext, 12-byte tag                    n B   immutable
//! ```

use crate::limits::{ENVELOPE_MAX, HEADER_LEN, HOP_LIMIT_MAX, TAG_LEN};
use crate::{Identity, Index, Lifetime, Precedence};
use core::fmt;
use sha2::{Digest, Sha256};

/// What kind of content is sealed inside (three bits; others are refused in this version).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// A message between two members.
    Pairwise = 0,
    /// A message to a room.
    Room = 1,
    /// Sealed housekeeping between two endpoints (cannot-open, prekeys): never shown to people.
    Housekeeping = 2,
}

impl Class {
    /// From three bits.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::Pairwise),
            1 => Some(Self::Room),
            2 => Some(Self::Housekeeping),
            _ => None,
        }
    }
}

/// The prekey byte and the x-coordinate of an in-band session's encapsulated key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encapsulated {
    /// Prekey id in the upper seven bits, parity of y in the lowest.
    pub prekey: u8,
    /// Big-endian x-coordinate on P-256.
    pub x: [u8; 32],
}

/// Header fields of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Kind of content.
    pub class: Class,
    /// Urgency, authenticated end to end and per hop.
    pub precedence: Precedence,
    /// Member (or room) it is for.
    pub destination: Index,
    /// Member that sealed it.
    pub source: Index,
    /// Custodians that may still take it, 0–15.
    pub hop_limit: u8,
    /// Custody round, 0–3 (spec §55).
    pub round: u8,
    /// Hop flags, two bits, [`FLAG_TURN`] and one reserved.
    pub flags: u8,
    /// Remaining lifetime.
    pub lifetime: Lifetime,
    /// Low four bits of the session's epoch.
    pub epoch_low: u8,
    /// Low four bits of the session id.
    pub session_low: u8,
    /// Low sixteen bits of the message counter.
    pub counter_low: u16,
    /// Lane slot, absent in lane 0.
    pub lane: Option<u8>,
    /// Encapsulated key of an in-band session, in messages that carry it.
    pub enc: Option<Encapsulated>,
}

/// Hop flag: the sender has finished and listens; the channel is the other's (half duplex).
pub const FLAG_TURN: u8 = 0b01;

/// Offset of the byte with hop limit, round and flags.
pub const HOP_BYTE: usize = 5;
/// Offset of the remaining-lifetime byte.
pub const LIFETIME_BYTE: usize = 6;

/// Why bytes are not an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Shorter than header, extension and tag.
    Short,
    /// Longer than [`ENVELOPE_MAX`].
    Long,
    /// A content class this version does not know.
    Class(u8),
    /// A precedence that does not exist.
    Precedence(u8),
    /// A field of [`Header`] is out of its range, or the output buffer is too small.
    Range,
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("envelope is cut short"),
            Self::Long => write!(f, "envelope is longer than {ENVELOPE_MAX} bytes"),
            Self::Class(c) => write!(f, "unknown content class {c}"),
            Self::Precedence(p) => write!(f, "unknown precedence {p}"),
            Self::Range => f.write_str("a header field does not fit its width"),
        }
    }
}

impl core::error::Error for EnvelopeError {}

impl Header {
    /// Bytes of header and extension.
    #[must_use]
    pub const fn len(&self) -> usize {
        let lane = if self.lane.is_some() { 1 } else { 0 };
        let enc = if self.enc.is_some() { 33 } else { 0 };
        HEADER_LEN + lane + enc
    }

    /// Never: a header has at least ten bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// First byte: class, precedence and which extensions follow. Part of the AAD.
    #[must_use]
    pub const fn first_byte(&self) -> u8 {
        (self.class as u8) << 5
            | self.precedence.bits() << 2
            | (self.enc.is_some() as u8) << 1
            | self.lane.is_some() as u8
    }

    /// Writes header and extension; returns their length.
    ///
    /// # Errors
    /// [`EnvelopeError::Range`] when a field exceeds its width or `out` is shorter than [`Header::len`].
    pub fn write(&self, out: &mut [u8]) -> Result<usize, EnvelopeError> {
        let fits = self.hop_limit <= HOP_LIMIT_MAX
            && self.round < 4
            && self.flags < 4
            && self.epoch_low < 16
            && self.session_low < 16
            && out.len() >= self.len();
        if !fits {
            return Err(EnvelopeError::Range);
        }
        out[0] = self.first_byte();
        out[1..3].copy_from_slice(&self.destination.0.to_be_bytes());
        out[3..5].copy_from_slice(&self.source.0.to_be_bytes());
        out[HOP_BYTE] = self.hop_limit << 4 | self.round << 2 | self.flags;
        out[LIFETIME_BYTE] = self.lifetime.0;
        out[7] = self.epoch_low << 4 | self.session_low;
        out[8..10].copy_from_slice(&self.counter_low.to_be_bytes());
        let mut at = HEADER_LEN;
        if let Some(slot) = self.lane {
            out[at] = slot;
            at += 1;
        }
        if let Some(enc) = &self.enc {
            out[at] = enc.prekey;
            out[at + 1..at + 33].copy_from_slice(&enc.x);
            at += 33;
        }
        Ok(at)
    }
}

/// An envelope whose bytes are well formed; says nothing of who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    header: Header,
    bytes: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Reads `bytes`, which must be one whole envelope.
    ///
    /// # Errors
    /// The first thing that is wrong with them.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > ENVELOPE_MAX {
            return Err(EnvelopeError::Long);
        }
        let (Some(first), true) = (bytes.first().copied(), bytes.len() >= HEADER_LEN + TAG_LEN) else {
            return Err(EnvelopeError::Short);
        };
        let class = Class::from_bits(first >> 5).ok_or(EnvelopeError::Class(first >> 5))?;
        let bits = first >> 2 & 0b111;
        let precedence = Precedence::from_bits(bits).ok_or(EnvelopeError::Precedence(bits))?;
        let mut at = HEADER_LEN;
        let lane = (first & 1 != 0).then(|| bytes[at]);
        at += usize::from(lane.is_some());
        let enc = if first & 2 == 0 { None } else { Some(read_enc(bytes.get(at..at + 33))?) };
        let header = Header {
            class,
            precedence,
            destination: Index(u16::from_be_bytes([bytes[1], bytes[2]])),
            source: Index(u16::from_be_bytes([bytes[3], bytes[4]])),
            hop_limit: bytes[HOP_BYTE] >> 4,
            round: bytes[HOP_BYTE] >> 2 & 0b11,
            flags: bytes[HOP_BYTE] & 0b11,
            lifetime: Lifetime(bytes[LIFETIME_BYTE]),
            epoch_low: bytes[7] >> 4,
            session_low: bytes[7] & 15,
            counter_low: u16::from_be_bytes([bytes[8], bytes[9]]),
            lane,
            enc,
        };
        if bytes.len() < header.len() + TAG_LEN {
            return Err(EnvelopeError::Short);
        }
        Ok(Self { header, bytes })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// All bytes.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Lane byte, prekey byte and enc, as sent: part of the AAD.
    #[must_use]
    pub fn extension(&self) -> &'a [u8] {
        &self.bytes[HEADER_LEN..self.header.len()]
    }

    /// Ciphertext followed by the 12-byte tag.
    #[must_use]
    pub fn sealed(&self) -> &'a [u8] {
        &self.bytes[self.header.len()..]
    }

    /// Identity: SHA-256("PICKET-id" ‖ everything but hop byte and lifetime), first 16 bytes (spec §10.5).
    #[must_use]
    pub fn identity(&self) -> Identity {
        let digest = Sha256::new()
            .chain_update(b"PICKET-id")
            .chain_update(&self.bytes[..HOP_BYTE])
            .chain_update(&self.bytes[LIFETIME_BYTE + 1..])
            .finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Identity(id)
    }
}

fn read_enc(bytes: Option<&[u8]>) -> Result<Encapsulated, EnvelopeError> {
    let bytes = bytes.ok_or(EnvelopeError::Short)?;
    let mut x = [0; 32];
    x.copy_from_slice(&bytes[1..]);
    Ok(Encapsulated { prekey: bytes[0], x })
}

/// Sets hop limit, custody round and remaining lifetime of the envelope in `bytes`, for the next hop; flags are cleared.
/// Bytes too short to be an envelope are left alone.
pub fn set_mutable(bytes: &mut [u8], hop_limit: u8, round: u8, lifetime: Lifetime) {
    if bytes.len() > LIFETIME_BYTE {
        bytes[HOP_BYTE] = hop_limit.min(HOP_LIMIT_MAX) << 4 | (round & 0b11) << 2;
        bytes[LIFETIME_BYTE] = lifetime.0;
    }
}

/// Sets the two hop flags of the envelope in `bytes`.
pub fn set_flags(bytes: &mut [u8], flags: u8) {
    if let Some(byte) = bytes.get_mut(HOP_BYTE) {
        *byte = *byte & 0b1111_1100 | flags & 0b11;
    }
}
