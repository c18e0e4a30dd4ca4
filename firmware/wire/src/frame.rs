//! The hop frame: one transmission between neighbours (spec §10.2, §10.3, §10.6).
//!
//! ```text
//! version 3 | generation 3 | kind 2     1 B   clear
//! to, from                              2 B   masked; low 8 bits of the roster index, FF = all
//! body                                  n B   envelope | fragment | control; its header is masked too
//! hop MAC                               4 B   HMAC-SHA-256(key, around ‖ unmasked frame)[..4], see [`Around`]
//! ```
//! The mask is AES-128(mask key, sample) over the masked bytes, the sample being the last 5–16 bytes of the frame: the
//! header protection of RFC 9001 §5.4 and RFC 9147 §4.2.3, which costs no byte and keeps no state.

use crate::Lifetime;
use crate::control::{Control, ControlError};
use crate::envelope::{Envelope, EnvelopeError};
use crate::keys::{NetKeys, hmac};
use crate::limits::{
    CONTROL_MAX, ENVELOPE_MAX, ENVELOPE_MIN, FRAGMENT_HEADER_LEN, HEADER_LEN, HOP_LEN, MAC_LEN, OBJECT_ID_LEN,
    SAMPLE_MAX, SAMPLE_MIN, SOURCE_SYMBOLS_MAX, WIRE_VERSION,
};
use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use core::fmt;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What a frame's body is (two bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// One whole envelope.
    Envelope = 0,
    /// Symbols of an envelope's erasure code.
    Fragment = 1,
    /// A control message.
    Control = 2,
    /// An object that its own signatures prove: [`crate::signed`] reads it, nothing here does.
    Signed = 3,
}

impl Kind {
    const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0 => Self::Envelope,
            1 => Self::Fragment,
            2 => Self::Control,
            _ => Self::Signed,
        }
    }

    /// One past the last masked byte; masking starts at byte 1.
    const fn masked_end(self) -> usize {
        match self {
            Self::Envelope => HOP_LEN + HEADER_LEN,
            Self::Fragment => HOP_LEN + FRAGMENT_HEADER_LEN,
            Self::Control => HOP_LEN + 1,
            Self::Signed => 1,
        }
    }
}

/// Why a frame was dropped before its MAC was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Too short for its kind.
    Short,
    /// Longer than a frame may be.
    Long,
    /// Another wire version.
    Version(u8),
    /// A network-key generation (low three bits) that we do not hold.
    Generation(u8),
    /// A kind that is not read here, or a body that is not of it.
    Kind(Kind),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("frame is too short"),
            Self::Long => f.write_str("frame is too long"),
            Self::Version(v) => write!(f, "frame of wire version {v}; this is version {WIRE_VERSION}"),
            Self::Generation(g) => write!(f, "frame of network-key generation …{g}, which is not held here"),
            Self::Kind(k) => write!(f, "frame of kind {k:?}, which this version does not accept"),
        }
    }
}

impl core::error::Error for FrameError {}

/// Why the body of an authentic frame could not be used: its sender is a neighbour that speaks something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Not an envelope.
    Envelope(EnvelopeError),
    /// Not a fragment.
    Fragment,
    /// Not a control message.
    Control(ControlError),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Envelope(e) => e.fmt(f),
            Self::Fragment => f.write_str("fragment outside its envelope"),
            Self::Control(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for BodyError {}

/// Bytes that the hop MAC covers though they are not part of the frame. Both lengths (one byte each) come first in
/// what is authenticated, so that no split of the same bytes can be taken for another (spec §10.6).
#[derive(Clone, Copy, Debug, Default)]
pub struct Around<'a> {
    /// Before the frame: the publishing gateway's index in a broker payload.
    pub prefix: &'a [u8],
    /// After the frame: identity, hop limit and round that an acknowledgement answers (see [`ack_suffix`]).
    pub suffix: &'a [u8],
}

/// Suffix of an acknowledgement of several parcels: SHA-256 of theirs ([`ack_suffix`]) in the order named (spec §20.5).
#[must_use]
pub fn ack_many_suffix<'a>(suffixes: impl IntoIterator<Item = &'a [u8; 17]>) -> [u8; 32] {
    suffixes.into_iter().fold(Sha256::new(), |hash, suffix| hash.chain_update(suffix)).finalize().into()
}

/// Suffix of acknowledgements and refusals: identity ‖ hop limit and custody round of the offer (spec §20.5).
#[must_use]
pub fn ack_suffix(identity: &crate::Identity, hop_limit: u8, round: u8) -> [u8; 17] {
    let mut suffix = [0; 17];
    suffix[..16].copy_from_slice(&identity.0);
    suffix[16] = (hop_limit & 0b1111) << 4 | (round & 0b11) << 2;
    suffix
}

/// Addressing of a frame to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What the body is.
    pub kind: Kind,
    /// Hop destination, `Index::BROADCAST` for all.
    pub to: u8,
    /// Hop source.
    pub from: u8,
}

/// Masks and unmasks frames of one network-key generation.
#[derive(Clone)]
pub struct Mask {
    cipher: Aes128,
    generation: u8,
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mask(generation …{})", self.generation)
    }
}

impl Mask {
    /// For the generation of `keys`.
    #[must_use]
    pub fn new(keys: &NetKeys) -> Self {
        Self { cipher: Aes128::new(&keys.mask.into()), generation: keys.generation & 0b111 }
    }

    /// Writes a frame with `body` (concatenated) into `out`; returns its length.
    ///
    /// # Errors
    /// [`FrameError::Long`] when it does not fit `out` or the limits, [`FrameError::Short`] when the body is too short
    /// for its kind.
    pub fn seal(
        &self,
        out: &mut [u8],
        head: Head,
        body: &[&[u8]],
        key: &[u8; 32],
        around: Around<'_>,
    ) -> Result<usize, FrameError> {
        let body_len: usize = body.iter().map(|p| p.len()).sum();
        let len = HOP_LEN + body_len + MAC_LEN;
        check_len(head.kind, len)?;
        if out.len() < len {
            return Err(FrameError::Long);
        }
        out[0] = WIRE_VERSION << 5 | self.generation << 2 | head.kind as u8;
        out[1] = head.to;
        out[2] = head.from;
        let mut at = HOP_LEN;
        for part in body {
            out[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let tag = hop_mac(key, &out[..at], around);
        out[at..at + MAC_LEN].copy_from_slice(&tag);
        self.apply(&mut out[..len], head.kind);
        Ok(len)
    }

    /// Unmasks `frame` in place.
    ///
    /// # Errors
    /// Why it is dropped; the bytes are unchanged then.
    pub fn unmask<'a>(&self, frame: &'a mut [u8]) -> Result<Unmasked<'a>, FrameError> {
        let first = *frame.first().ok_or(FrameError::Short)?;
        if first >> 5 != WIRE_VERSION {
            return Err(FrameError::Version(first >> 5));
        }
        if first >> 2 & 0b111 != self.generation {
            return Err(FrameError::Generation(first >> 2 & 0b111));
        }
        let kind = Kind::from_bits(first);
        if kind == Kind::Signed {
            return Err(FrameError::Kind(kind));
        }
        check_len(kind, frame.len())?;
        self.apply(frame, kind);
        Ok(Unmasked { bytes: frame, kind })
    }

    fn apply(&self, frame: &mut [u8], kind: Kind) {
        let end = kind.masked_end();
        let from = end.max(frame.len().saturating_sub(SAMPLE_MAX));
        let mut block = [0u8; SAMPLE_MAX];
        block[..frame.len() - from].copy_from_slice(&frame[from..]);
        let mut block = block.into();
        self.cipher.encrypt_block(&mut block);
        for (byte, mask) in frame[1..end].iter_mut().zip(block.iter()) {
            *byte ^= mask;
        }
    }
}

fn hop_mac(key: &[u8; 32], unmasked: &[u8], around: Around<'_>) -> [u8; MAC_LEN] {
    let lengths = [around.prefix.len() as u8, around.suffix.len() as u8];
    let tag = hmac(key, &[&lengths, around.prefix, unmasked, around.suffix]);
    [tag[0], tag[1], tag[2], tag[3]]
}

fn check_len(kind: Kind, len: usize) -> Result<(), FrameError> {
    let body_max = match kind {
        Kind::Envelope | Kind::Fragment => ENVELOPE_MAX,
        Kind::Control => CONTROL_MAX,
        Kind::Signed => return Err(FrameError::Kind(kind)),
    };
    if len < kind.masked_end() + SAMPLE_MIN {
        return Err(FrameError::Short);
    }
    if len > HOP_LEN + body_max + MAC_LEN {
        return Err(FrameError::Long);
    }
    Ok(())
}

/// A frame in the clear whose MAC nobody has verified: only addressing may be read, to find the key.
#[derive(Debug)]
pub struct Unmasked<'a> {
    bytes: &'a [u8],
    kind: Kind,
}

impl<'a> Unmasked<'a> {
    /// What the body claims to be.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }
    /// Hop destination.
    #[must_use]
    pub const fn to(&self) -> u8 {
        self.bytes[1]
    }
    /// Claimed hop source.
    #[must_use]
    pub const fn from(&self) -> u8 {
        self.bytes[2]
    }
    /// The body, unverified: needed to look up which identity an acknowledgement answers.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[HOP_LEN..self.bytes.len() - MAC_LEN]
    }

    /// Verifies the hop MAC in constant time.
    ///
    /// # Errors
    /// Gives the frame back when the MAC is of another key, so that the next candidate can be tried.
    pub fn authenticate(self, key: &[u8; 32], around: Around<'_>) -> Result<Authentic<'a>, Self> {
        let (covered, mac) = self.bytes.split_at(self.bytes.len() - MAC_LEN);
        let tag = hop_mac(key, covered, around);
        if bool::from(tag.ct_eq(mac)) { Ok(Authentic(self)) } else { Err(self) }
    }
}

/// A frame whose hop MAC was verified.
#[derive(Debug)]
pub struct Authentic<'a>(Unmasked<'a>);

/// The decoded body of an authentic frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// A whole envelope.
    Envelope(Envelope<'a>),
    /// Symbols of one.
    Fragment(Fragment<'a>),
    /// A control message.
    Control(Control),
}

/// Symbols of an envelope's erasure code (spec §20.6, RFC 6330): as many of any as the envelope has are nearly always
/// enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// What precedes the symbols.
    pub head: FragmentHead,
    /// Symbols `head.esi`, `head.esi + 1`, …, each of `head.symbol` bytes; at least one.
    pub data: &'a [u8],
}

/// The header of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentHead {
    /// The first two bytes of the envelope's identity.
    pub prefix: u16,
    /// The sender has finished and listens, or (full duplex) asks for a report.
    pub turn: bool,
    /// Encoding symbol id of the first symbol, 0 to [`ESI_MAX`].
    pub esi: u16,
    /// Hop limit of this offer.
    pub hop_limit: u8,
    /// Custody round of this offer.
    pub round: u8,
    /// Length of the whole envelope in bytes.
    pub total: u32,
    /// Bytes of a symbol, 1 to 255.
    pub symbol: u8,
    /// Remaining lifetime at this offer.
    pub lifetime: Lifetime,
}

/// Greatest encoding symbol id: fifteen bits.
pub const ESI_MAX: u16 = 0x7FFF;
const TURN: u16 = 0x8000;

impl FragmentHead {
    /// The nine header bytes.
    #[must_use]
    pub const fn bytes(&self) -> [u8; FRAGMENT_HEADER_LEN] {
        let esi = (self.esi & ESI_MAX) | if self.turn { TURN } else { 0 };
        let hop = ((self.hop_limit & 0b1111) as u32) << 2 | (self.round & 0b11) as u32;
        let (p, i, t) =
            (self.prefix.to_be_bytes(), esi.to_be_bytes(), (hop << 18 | self.total & 0x1FFFF).to_be_bytes());
        [p[0], p[1], i[0], i[1], t[1], t[2], t[3], self.symbol, self.lifetime.0]
    }

    /// K: the symbols of the object (the envelope and [`OBJECT_ID_LEN`] bytes), which have the ids below it.
    /// `usize::MAX` where a symbol has no bytes.
    #[must_use]
    pub const fn source_symbols(&self) -> usize {
        let object = self.total as usize + OBJECT_ID_LEN;
        if self.symbol == 0 { usize::MAX } else { object.div_ceil(self.symbol as usize) }
    }

    const fn parse(b: &[u8; FRAGMENT_HEADER_LEN]) -> Self {
        let esi = u16::from_be_bytes([b[2], b[3]]);
        let word = u32::from_be_bytes([0, b[4], b[5], b[6]]);
        Self {
            prefix: u16::from_be_bytes([b[0], b[1]]),
            turn: esi & TURN != 0,
            esi: esi & ESI_MAX,
            hop_limit: b[4] >> 4,
            round: b[4] >> 2 & 0b11,
            total: word & 0x1FFFF,
            symbol: b[7],
            lifetime: Lifetime(b[8]),
        }
    }
}

impl<'a> Fragment<'a> {
    fn parse(body: &'a [u8]) -> Option<Self> {
        let (head, data) = body.split_first_chunk::<FRAGMENT_HEADER_LEN>()?;
        let spare = head[4] & 0b10 != 0;
        let head = FragmentHead::parse(head);
        let symbols = data.len().checked_div(usize::from(head.symbol))?;
        let sane = !spare
            && symbols > 0
            && data.len() == symbols * usize::from(head.symbol)
            && (ENVELOPE_MIN..=ENVELOPE_MAX).contains(&(head.total as usize))
            && usize::from(head.esi) + symbols <= usize::from(ESI_MAX) + 1
            && head.source_symbols() <= SOURCE_SYMBOLS_MAX;
        sane.then_some(Self { head, data })
    }

    /// How many symbols it carries.
    #[must_use]
    pub fn symbols(&self) -> u16 {
        // Parsed: at most ESI_MAX + 1 of them.
        (self.data.len() / usize::from(self.head.symbol).max(1)) as u16
    }
}

impl<'a> Authentic<'a> {
    /// Hop destination.
    #[must_use]
    pub const fn to(&self) -> u8 {
        self.0.to()
    }
    /// Hop source (its low eight bits; which station it is follows from the key that verified).
    #[must_use]
    pub const fn from(&self) -> u8 {
        self.0.from()
    }
    /// What the body is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Decodes the body.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn body(&self) -> Result<Body<'a>, BodyError> {
        decode_body(self.0.kind, self.0.body())
    }
}

/// Decodes the body of a frame of `kind` without any proof of who wrote it: for tools that explain bytes. Whoever acts
/// on a frame uses [`Authentic::body`].
///
/// # Errors
/// What is wrong with it.
pub fn decode_body(kind: Kind, bytes: &[u8]) -> Result<Body<'_>, BodyError> {
    match kind {
        Kind::Envelope => Envelope::parse(bytes).map(Body::Envelope).map_err(BodyError::Envelope),
        Kind::Fragment => Fragment::parse(bytes).map(Body::Fragment).ok_or(BodyError::Fragment),
        Kind::Control | Kind::Signed => Control::decode(bytes).map(Body::Control).map_err(BodyError::Control),
    }
}
