//! The sending side of a session (spec §40.3 to §40.6).

use crate::aad::{self, AAD_MAX};
use crate::chain::{ChainKey, Tokens};
use crate::content::{Content, ContentError};
use crate::kem::{SetupError, sender_roots, to_extension};
use crate::lanes::{Lane, Lanes, Slot};
use crate::limits::{CONTENT_MAX, ENC_EVERY, ENC_FIRST, JUMP_MAX, RESERVE_BLOCK, SEND_STATE_MAX, SESSION_MAX};
use crate::prekey::Prekey;
use crate::session::{Local, Peer, SessionId, StateError};
use core::fmt;
use picket_roster::codec::{Reader, Writer};
use picket_roster::{DecodeError, Padding, PublicKey};
use picket_wire::envelope::{Class, Encapsulated, Envelope, Header};
use picket_wire::limits::{HEADER_LEN, TAG_LEN};
use picket_wire::{Identity, Lifetime, Precedence};

const FORMAT: u8 = 2;
/// The format before lanes: such a session has none.
const FORMAT_WITHOUT_LANES: u8 = 1;
const ENC: u8 = 1;
const ACKNOWLEDGED: u8 = 2;
const SLOT: u8 = 4;
const LANES: u8 = 8;

/// State of a session toward one peer. Secret; erased on drop.
///
/// No key and nonce is ever used twice: a counter is used only below the mark that is durable ([`SendSession::reserve`]),
/// and state read back from storage says which promise was kept when it was written ([`StoredSend`]).
#[derive(Clone)]
pub struct SendSession {
    id: SessionId,
    enc: Option<Encapsulated>,
    acknowledged: bool,
    chain: ChainKey,
    next: u32,
    reserved: u32,
    /// The slot this chain is of; `None`: lane 0.
    slot: Option<Slot>,
    /// Where slots come from; only in lane 0, and `None` in a session stored by older software.
    lanes: Option<Lanes>,
}

/// A raised reservation, to be made durable before it is used.
#[must_use = "store its bytes, then call `persisted`"]
pub struct Reservation(SendSession);

/// A send session read back from storage; how it may go on depends on what the caller promised when it stored it.
pub struct StoredSend(SendSession);

/// Routing of one message: the envelope's fields that the seal does not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Kind of content.
    pub class: Class,
    /// Urgency.
    pub precedence: Precedence,
    /// Custodians that may take it, 0 to 15.
    pub hop_limit: u8,
    /// Lifetime at the start.
    pub lifetime: Lifetime,
}

/// A sealed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed<'o> {
    /// The envelope.
    pub envelope: &'o [u8],
    /// Its identity.
    pub identity: Identity,
    /// Its counter.
    pub counter: u32,
    /// What its receipts will prove themselves by.
    pub tokens: Tokens,
}

/// Why a message cannot be sealed. It is never sent otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// No reserved counter is left: persist a reservation first.
    NotReserved,
    /// All counters of this session are used: open an in-band session.
    Exhausted,
    /// The content does not fit or is not well-formed.
    Content(ContentError),
    /// The output buffer is too small.
    NoRoom,
    /// A header field is out of its range.
    Header,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReserved => f.write_str("no reserved counter is left: store a reservation first"),
            Self::Exhausted => f.write_str("this session is used up: open another"),
            Self::Content(e) => write!(f, "{e}"),
            Self::NoRoom => f.write_str("the buffer is too small"),
            Self::Header => f.write_str("a header field is out of its range"),
        }
    }
}

impl core::error::Error for SealError {}

impl From<ContentError> for SealError {
    fn from(e: ContentError) -> Self {
        Self::Content(e)
    }
}

impl fmt::Debug for SendSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SendSession({:?}, next {}, reserved {})", self.id, self.next, self.reserved)
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reservation({:?})", self.0)
    }
}

impl fmt::Debug for StoredSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredSend({:?})", self.0)
    }
}

impl SendSession {
    /// The pre-placed session of `epoch` (sid 0): from the seed of own E to the peer's R, both in the roster, so that
    /// nothing of the exchange is on air. The seed must be erased in the transaction that stores the session.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn pre_placed(
        local: &Local<'_>,
        peer: &Peer,
        epoch: u32,
        seed_e: &[u8; 32],
        peer_r: &PublicKey,
        psk: &[u8; 32],
    ) -> Result<Self, SetupError> {
        let id = SessionId { mission: local.mission, from: local.index, to: peer.index, epoch, sid: 0 };
        let (roots, _) = sender_roots(&id, local.agreement, seed_e, peer_r, psk)?;
        Ok(Self { lanes: Some(roots.lanes), ..Self::new(id, roots.chain) })
    }

    /// An in-band session (sid 1 to 15): from 32 fresh random bytes to the peer's newest prekey.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn in_band(
        local: &Local<'_>,
        peer: &Peer,
        epoch: u32,
        sid: u16,
        randomness: &[u8; 32],
        prekey: &Prekey,
        psk: &[u8; 32],
    ) -> Result<Self, SetupError> {
        if sid == 0 || sid > SESSION_MAX || prekey.id > 127 {
            return Err(SetupError::Session);
        }
        let id = SessionId { mission: local.mission, from: local.index, to: peer.index, epoch, sid };
        let (roots, enc) = sender_roots(&id, local.agreement, randomness, &prekey.key, psk)?;
        let enc = Some(to_extension(&enc, prekey.id));
        // No lanes: as long as the prekey lives, the roots follow from it again (S-40.10-5).
        Ok(Self { enc, acknowledged: false, ..Self::new(id, roots.chain) })
    }

    fn new(id: SessionId, chain: ChainKey) -> Self {
        Self { id, enc: None, acknowledged: true, chain, next: 0, reserved: 0, slot: None, lanes: None }
    }

    /// Moves what leads to slots into a session of its own, which seals nothing itself: so both can be stored apart.
    /// `None` when there is nothing.
    pub fn split_lanes(&mut self) -> Option<Self> {
        let lanes = Some(self.lanes.take()?);
        Some(Self { lanes, next: u32::MAX, reserved: u32::MAX, ..Self::new(self.id, ChainKey([0; 32])) })
    }

    /// The chain of `slot`, once: from then on nothing in this session leads to it, nor to any slot of its lane before
    /// it. `None` when it was handed out, erased, or never there. Store both states in the transaction of the first
    /// message.
    pub fn enter(&mut self, slot: Slot) -> Option<Self> {
        let lanes = self.lanes.as_mut()?;
        if lanes.next(slot.lane())? > slot {
            return None;
        }
        lanes.erase_before(slot);
        let (slot, chain) = lanes.take(slot.lane())?;
        Some(Self { slot: Some(slot), ..Self::new(self.id, chain) })
    }

    /// Erases what leads to slots before `slot`. Whether the state changed, and is to be stored.
    pub fn erase_slots_before(&mut self, slot: Slot) -> bool {
        self.lanes.as_mut().is_some_and(|lanes| lanes.erase_before(slot))
    }

    /// Erases what leads to any slot of `lane`. Whether the state changed, and is to be stored.
    pub fn erase_lane(&mut self, lane: Lane) -> bool {
        self.lanes.as_mut().is_some_and(|lanes| lanes.erase_lane(lane))
    }

    /// The slot whose chain this is; `None`: lane 0.
    #[must_use]
    pub const fn slot(&self) -> Option<Slot> {
        self.slot
    }

    /// Which session this is.
    #[must_use]
    pub const fn id(&self) -> &SessionId {
        &self.id
    }

    /// Counter of the next message.
    #[must_use]
    pub const fn next_counter(&self) -> u32 {
        self.next
    }

    /// Messages that may still be sealed before another reservation.
    #[must_use]
    pub const fn reserved_left(&self) -> u32 {
        self.reserved.saturating_sub(self.next)
    }

    /// The peer has opened a message of this session: `enc` need not travel any more.
    pub const fn acknowledge(&mut self) {
        self.acknowledged = true;
    }

    /// Raises the reserved counters by a block. Store the reservation's bytes durably, then [`Reservation::persisted`].
    /// A caller that commits the exact state with every message, before the message leaves, may store both in that one
    /// transaction.
    pub fn reserve(&self) -> Reservation {
        let mut raised = self.clone();
        raised.reserved = self.next.saturating_add(RESERVE_BLOCK).max(self.reserved);
        Reservation(raised)
    }

    /// Seals `content` into `out` as one envelope. The state moves on only when that succeeded.
    ///
    /// # Errors
    /// [`SealError`]; the state is unchanged.
    pub fn seal<'o>(
        &mut self,
        route: &Route,
        content: &Content<'_>,
        padding: Padding,
        out: &'o mut [u8],
    ) -> Result<Sealed<'o>, SealError> {
        if self.next == u32::MAX {
            return Err(SealError::Exhausted);
        }
        if self.next >= self.reserved {
            return Err(SealError::NotReserved);
        }
        let header = self.header(route);
        let head = header
            .write(out)
            .map_err(|_| if out.len() < header.len() { SealError::NoRoom } else { SealError::Header })?;
        let room = out.len().saturating_sub(head + TAG_LEN).min(CONTENT_MAX);
        let body = out.get_mut(head..head + room).ok_or(SealError::NoRoom)?;
        let len = content.encode(padding, body)?;
        let (key, next) = self.chain.step();
        let tokens = key.tokens();
        let mut aad = [0; AAD_MAX];
        let (front, back) = out.split_at_mut(head);
        let extension = front.get(HEADER_LEN..).unwrap_or(&[]);
        let aad =
            aad::write(&mut aad, &self.id, header.first_byte(), self.next, extension).map_err(|_| SealError::Header)?;
        let (text, after) = back.split_at_mut(len);
        let tag = key.seal(aad, text).ok_or(SealError::NoRoom)?;
        after.get_mut(..TAG_LEN).ok_or(SealError::NoRoom)?.copy_from_slice(&tag);
        let envelope = out.get(..head + len + TAG_LEN).ok_or(SealError::NoRoom)?;
        let identity = Envelope::parse(envelope).map_err(|_| SealError::Header)?.identity();
        let counter = self.next;
        self.chain = next;
        self.next += 1;
        Ok(Sealed { envelope, identity, counter, tokens })
    }

    /// Writes the state; [`SEND_STATE_MAX`] bytes are always enough.
    ///
    /// # Errors
    /// [`StateError::NoRoom`].
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8], StateError> {
        let mut w = Writer::new(out);
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(self.enc.is_some(), ENC)
            | flag(self.acknowledged, ACKNOWLEDGED)
            | flag(self.slot.is_some(), SLOT)
            | flag(self.lanes.is_some(), LANES);
        w.put(&[FORMAT, flags])?;
        w.put(&self.id.to_bytes())?;
        w.put(&self.next.to_be_bytes())?;
        w.put(&self.reserved.to_be_bytes())?;
        w.put(&self.chain.0)?;
        if let Some(enc) = &self.enc {
            w.put(&[enc.prekey])?;
            w.put(&enc.x)?;
        }
        if let Some(slot) = self.slot {
            w.put(&[slot.byte()])?;
        }
        if let Some(lanes) = &self.lanes {
            lanes.write(&mut w)?;
        }
        debug_assert!(w.written().len() <= SEND_STATE_MAX);
        Ok(w.finish())
    }

    /// Reads a stored state; what comes out says how it may go on.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn decode(bytes: &[u8]) -> Result<StoredSend, StateError> {
        let mut r = Reader::new(bytes);
        let known = match r.u8()? {
            FORMAT_WITHOUT_LANES => ENC | ACKNOWLEDGED,
            FORMAT => ENC | ACKNOWLEDGED | SLOT | LANES,
            0 => return Err(DecodeError::Value.into()),
            version => return Err(StateError::Newer { version }),
        };
        let flags = r.u8()?;
        let has = |bit: u8| flags & bit != 0;
        let id = SessionId::read(&mut r)?;
        let (next, reserved, chain) = (r.u32()?, r.u32()?, ChainKey(r.array()?));
        let enc = if has(ENC) { Some(Encapsulated { prekey: r.u8()?, x: r.array()? }) } else { None };
        let slot = if has(SLOT) { Some(Slot::from_byte(r.u8()?).ok_or(DecodeError::Value)?) } else { None };
        let lanes = if has(LANES) { Some(Lanes::read(&mut r)?) } else { None };
        r.end()?;
        let ahead = reserved.checked_sub(next).is_some_and(|n| n <= JUMP_MAX);
        let one_lane = slot.is_none() && lanes.is_none() || id.sid == 0 && slot.is_some() != lanes.is_some();
        if flags & !known != 0 || !ahead || !one_lane || (id.sid == 0) != enc.is_none() {
            return Err(DecodeError::Value.into());
        }
        Ok(StoredSend(Self { id, enc, acknowledged: has(ACKNOWLEDGED), chain, next, reserved, slot, lanes }))
    }

    fn header(&self, route: &Route) -> Header {
        let carry = !self.acknowledged && (self.next < ENC_FIRST || self.next.is_multiple_of(ENC_EVERY));
        Header {
            class: route.class,
            precedence: route.precedence,
            destination: self.id.to,
            source: self.id.from,
            hop_limit: route.hop_limit,
            round: 0,
            flags: 0,
            lifetime: route.lifetime,
            epoch_low: self.id.epoch_low(),
            session_low: self.id.session_low(),
            counter_low: (self.next & 0xFFFF) as u16,
            lane: self.slot.map(Slot::byte),
            enc: self.enc.filter(|_| carry),
        }
    }
}

impl Reservation {
    /// Writes the state to be stored.
    ///
    /// # Errors
    /// [`StateError::NoRoom`].
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8], StateError> {
        self.0.encode(out)
    }

    /// The state is durable (or will be in the very transaction that holds the next message): go on with it.
    #[must_use]
    pub fn persisted(self) -> SendSession {
        self.0
    }
}

impl StoredSend {
    /// Goes on exactly where the state was written. Only for a caller that commits the state with *every* message,
    /// before the message leaves; for any other this would use a key twice.
    #[must_use]
    pub fn resume_exact(self) -> SendSession {
        self.0
    }

    /// Goes on after every counter that may have been used since the state was written: at the reserved mark, with
    /// nothing reserved. For callers that store the state at reservations only.
    #[must_use]
    pub fn resume_reserved(mut self) -> SendSession {
        while self.0.next < self.0.reserved {
            self.0.chain.advance();
            self.0.next += 1;
        }
        self.0
    }
}
