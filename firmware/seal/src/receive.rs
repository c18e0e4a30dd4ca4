//! The receiving side of a session (spec §40.3 to §40.6).

use crate::aad::{self, AAD_MAX};
use crate::chain::{ChainKey, MessageKey, Tokens};
use crate::kem::{Roots, SetupError, from_extension, receiver_roots};
use crate::lanes::{Lane, Lanes, Slot};
use crate::limits::{JUMP_FREE, RECEIVE_STATE_MAX, SKIPPED_MAX};
use crate::session::{Local, Peer, SessionId, StateError};
use core::fmt;
use heapless::Vec;
use picket_roster::codec::{Reader, Writer};
use picket_roster::keys::derive_key_pair;
use picket_roster::{DecodeError, PublicKey};
use picket_wire::Identity;
use picket_wire::envelope::{Encapsulated, Envelope};
use picket_wire::limits::TAG_LEN;
use zeroize::{Zeroize, ZeroizeOnDrop};

const FORMAT: u8 = 2;
/// The format before lanes: such a session has none.
const FORMAT_WITHOUT_LANES: u8 = 1;
const ENC: u8 = 1;
const SLOT: u8 = 4;
const LANES: u8 = 8;

/// State of a session from one peer. Secret; erased on drop.
///
/// Every message is opened at most once: its key is gone afterwards. Store the state in the transaction that stores the
/// message, and keep it until its epoch is over ([`crate::Change::Forget`]): an in-band session thrown away earlier would
/// be begun again by a replay of its first message. A receiver that has no room refuses the new session, and never makes
/// room by dropping an old one (S-40.4-6).
#[derive(Clone)]
pub struct ReceiveSession {
    id: SessionId,
    enc: Option<Encapsulated>,
    chain: ChainKey,
    next: u32,
    /// Counters below this whose key is not kept may have been forgotten rather than opened.
    floor: u32,
    skipped: Vec<Skipped, SKIPPED_MAX>,
    /// The slot this chain is of; `None`: lane 0.
    slot: Option<Slot>,
    /// Where slots come from; only in lane 0, and `None` in a session stored by older software.
    lanes: Option<Lanes>,
}

#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct Skipped {
    counter: u32,
    key: MessageKey,
}

/// Whether a counter may jump further than [`JUMP_FREE`]; callers allow it at a limited rate, for it costs time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Far {
    /// Not now.
    Refuse,
    /// This once, up to [`crate::limits::JUMP_MAX`].
    Follow,
}

/// An opened message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened<'o> {
    /// The content's bytes, authentic: [`crate::Content::decode`] reads them.
    pub content: &'o [u8],
    /// Identity of the envelope.
    pub identity: Identity,
    /// Its counter.
    pub counter: u32,
    /// What its receipts prove themselves by.
    pub tokens: Tokens,
}

/// Why an envelope is not opened. The state is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// It belongs to another session.
    OtherSession,
    /// It was opened already.
    Replayed,
    /// Its key is no longer kept: too many messages came before it, or it was opened long ago.
    TooOld,
    /// Its counter lies further ahead than may be followed now; [`Far::Follow`] would.
    FarJump {
        /// How far.
        steps: u32,
    },
    /// No tag verified: altered, or sealed with other keys.
    NotAuthentic,
    /// The output buffer is shorter than the content.
    NoRoom,
    /// All counters of this session are used.
    Exhausted,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherSession => f.write_str("belongs to another session"),
            Self::Replayed => f.write_str("opened already"),
            Self::TooOld => f.write_str("its key is no longer kept"),
            Self::FarJump { steps } => write!(f, "its counter is {steps} ahead: not now"),
            Self::NotAuthentic => f.write_str("not authentic"),
            Self::NoRoom => f.write_str("the buffer is too small"),
            Self::Exhausted => f.write_str("this session is used up"),
        }
    }
}

impl core::error::Error for OpenError {}

impl fmt::Debug for ReceiveSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiveSession({:?}, next {}, skipped {})", self.id, self.next, self.skipped.len())
    }
}

impl ReceiveSession {
    /// The pre-placed session of `epoch` from `peer`: own seed of R, the peer's E from the roster.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn pre_placed(
        local: &Local<'_>,
        peer: &Peer,
        epoch: u32,
        seed_r: &[u8; 32],
        peer_e: &PublicKey,
        psk: &[u8; 32],
    ) -> Result<Self, SetupError> {
        Self::pre_placed_by(local, peer, epoch, &derive_key_pair(seed_r)?.0, peer_e, psk)
    }

    /// The same from the private key itself: one serves the sessions of all peers.
    pub(crate) fn pre_placed_by(
        local: &Local<'_>,
        peer: &Peer,
        epoch: u32,
        secret_r: &[u8; 32],
        peer_e: &PublicKey,
        psk: &[u8; 32],
    ) -> Result<Self, SetupError> {
        let id = SessionId { mission: local.mission, from: peer.index, to: local.index, epoch, sid: 0 };
        let Roots { chain, lanes } = receiver_roots(&id, secret_r, peer_e, &peer.agreement, psk)?;
        Ok(Self { lanes: Some(lanes), ..Self::new(id, None, chain) })
    }

    /// The in-band session that an envelope's `enc` opens: own seed of the prekey it names. Nothing is proven until a
    /// message of it opens; store it only then.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn in_band(
        local: &Local<'_>,
        peer: &Peer,
        epoch: u32,
        sid: u16,
        enc: &Encapsulated,
        prekey_seed: &[u8; 32],
        psk: &[u8; 32],
    ) -> Result<Self, SetupError> {
        if sid == 0 || sid > crate::limits::SESSION_MAX {
            return Err(SetupError::Session);
        }
        let id = SessionId { mission: local.mission, from: peer.index, to: local.index, epoch, sid };
        let Roots { chain, .. } =
            receiver_roots(&id, &derive_key_pair(prekey_seed)?.0, &from_extension(enc), &peer.agreement, psk)?;
        Ok(Self::new(id, Some(*enc), chain))
    }

    /// Whether [`Self::enter`] may reach `slot`: it was neither handed out nor erased.
    #[must_use]
    pub fn leads_to(&self, slot: Slot) -> bool {
        self.lanes.as_ref().and_then(|lanes| lanes.next(slot.lane())).is_some_and(|next| next <= slot)
    }

    /// The chain of the next slot of `lane`, once: from then on nothing in this session leads to it. To reach a slot,
    /// enter those before it as well, and store all of them with this state: messages of theirs may still come. `None`
    /// when no slot is left.
    pub fn enter(&mut self, lane: Lane) -> Option<Self> {
        let (slot, chain) = self.lanes.as_mut()?.take(lane)?;
        Some(Self { slot: Some(slot), ..Self::new(self.id, None, chain) })
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

    /// The encapsulated key that opened it; `None` for pre-placed sessions.
    #[must_use]
    pub const fn enc(&self) -> Option<&Encapsulated> {
        self.enc.as_ref()
    }

    /// One more than the highest counter opened.
    #[must_use]
    pub const fn next_counter(&self) -> u32 {
        self.next
    }

    /// Whether an envelope claims to belong to this session: source, destination, epoch and session bits, and `enc`
    /// where it carries one.
    #[must_use]
    pub fn claims(&self, envelope: &Envelope<'_>) -> bool {
        let h = envelope.header();
        h.source == self.id.from
            && h.destination == self.id.to
            && h.epoch_low == self.id.epoch_low()
            && h.session_low == self.id.session_low()
            && h.lane == self.slot.map(Slot::byte)
            && (h.enc.is_none() || h.enc == self.enc)
    }

    /// Opens `envelope` into `out` (as long as the sealed part at least). At most two keys are tried. The state moves
    /// on only when a tag has verified.
    ///
    /// # Errors
    /// [`OpenError`]; the state is unchanged.
    pub fn open<'o>(&mut self, envelope: &Envelope<'_>, far: Far, out: &'o mut [u8]) -> Result<Opened<'o>, OpenError> {
        if !self.claims(envelope) {
            return Err(OpenError::OtherSession);
        }
        let low = envelope.header().counter_low;
        let kept = self.skipped.iter().rposition(|s| (s.counter & 0xFFFF) as u16 == low);
        let mut found = None;
        if let Some(at) = kept {
            let Skipped { counter, key } = &self.skipped[at];
            if let Some(len) = self.attempt(envelope, *counter, key, out)? {
                found = Some((len, *counter, key.tokens()));
                let _erased_on_drop = self.skipped.remove(at);
            }
        }
        if found.is_none() {
            found = Some(self.open_ahead(envelope, low, kept.is_some(), far, out)?);
        }
        let Some((len, counter, tokens)) = found else { return Err(OpenError::NotAuthentic) };
        let content = out.get(..len).ok_or(OpenError::NoRoom)?;
        Ok(Opened { content, identity: envelope.identity(), counter, tokens })
    }

    /// Writes the state; [`RECEIVE_STATE_MAX`] bytes are always enough.
    ///
    /// # Errors
    /// [`StateError::NoRoom`].
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8], StateError> {
        let mut w = Writer::new(out);
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(self.enc.is_some(), ENC) | flag(self.slot.is_some(), SLOT) | flag(self.lanes.is_some(), LANES);
        w.put(&[FORMAT, flags])?;
        w.put(&self.id.to_bytes())?;
        w.put(&self.next.to_be_bytes())?;
        w.put(&self.floor.to_be_bytes())?;
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
        for s in &self.skipped {
            w.put(&s.counter.to_be_bytes())?;
            w.put(&s.key.0)?;
        }
        debug_assert!(w.written().len() <= RECEIVE_STATE_MAX);
        Ok(w.finish())
    }

    /// Reads a stored state.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let mut r = Reader::new(bytes);
        let known = match r.u8()? {
            FORMAT_WITHOUT_LANES => ENC,
            FORMAT => ENC | SLOT | LANES,
            0 => return Err(DecodeError::Value.into()),
            version => return Err(StateError::Newer { version }),
        };
        let flags = r.u8()?;
        let has = |bit: u8| flags & bit != 0;
        let id = SessionId::read(&mut r)?;
        let (next, floor, chain) = (r.u32()?, r.u32()?, ChainKey(r.array()?));
        let enc = if has(ENC) { Some(Encapsulated { prekey: r.u8()?, x: r.array()? }) } else { None };
        let slot = if has(SLOT) { Some(Slot::from_byte(r.u8()?).ok_or(DecodeError::Value)?) } else { None };
        let lanes = if has(LANES) { Some(Lanes::read(&mut r)?) } else { None };
        let one_lane = slot.is_none() && lanes.is_none() || id.sid == 0 && slot.is_some() != lanes.is_some();
        if flags & !known != 0 || floor > next || !one_lane || (id.sid == 0) != enc.is_none() {
            return Err(DecodeError::Value.into());
        }
        let mut session = Self { floor, next, slot, lanes, ..Self::new(id, enc, chain) };
        let mut low = floor;
        while !r.is_empty() {
            let (counter, key) = (r.u32()?, MessageKey(r.array()?));
            if counter < low || counter >= next {
                return Err(DecodeError::Indices.into());
            }
            low = counter + 1;
            session.skipped.push(Skipped { counter, key }).map_err(|_| DecodeError::TooLong)?;
        }
        Ok(session)
    }

    fn new(id: SessionId, enc: Option<Encapsulated>, chain: ChainKey) -> Self {
        Self { id, enc, chain, next: 0, floor: 0, skipped: Vec::new(), slot: None, lanes: None }
    }

    /// Tries the first counter at or after `next` with these low bits.
    fn open_ahead(
        &mut self,
        envelope: &Envelope<'_>,
        low: u16,
        tried: bool,
        far: Far,
        out: &mut [u8],
    ) -> Result<(usize, u32, Tokens), OpenError> {
        let steps = u32::from(low.wrapping_sub((self.next & 0xFFFF) as u16));
        if steps > JUMP_FREE && far == Far::Refuse {
            return Err(if tried { OpenError::NotAuthentic } else { self.refusal(low, steps) });
        }
        let counter = self.next.checked_add(steps).filter(|c| *c < u32::MAX).ok_or(OpenError::Exhausted)?;
        let mut chain = self.chain.clone();
        let mut jumped: Vec<Skipped, SKIPPED_MAX> = Vec::new();
        for skipped in self.next..counter {
            // Only the newest can be kept; keys of the others are never made.
            if (counter - skipped) as usize <= SKIPPED_MAX {
                let _always_fits = jumped.push(Skipped { counter: skipped, key: chain.message_key() });
            }
            chain.advance();
        }
        let key = chain.message_key();
        let Some(len) = self.attempt(envelope, counter, &key, out)? else {
            return Err(OpenError::NotAuthentic);
        };
        chain.advance();
        self.commit(chain, counter, &jumped);
        Ok((len, counter, key.tokens()))
    }

    /// Name of the refusal of a counter that is not far ahead but behind, as far as can be told from its low bits.
    const fn refusal(&self, low: u16, steps: u32) -> OpenError {
        let back = (self.next as u16).wrapping_sub(low) as u32;
        match self.next.checked_sub(back) {
            Some(counter) if back <= 0x8000 && counter >= self.floor => OpenError::Replayed,
            Some(_) if back <= 0x8000 => OpenError::TooOld,
            Some(_) | None => OpenError::FarJump { steps },
        }
    }

    /// One attempt with one key: the length of the content, or `None` when the tag does not verify.
    fn attempt(
        &self,
        envelope: &Envelope<'_>,
        counter: u32,
        key: &MessageKey,
        out: &mut [u8],
    ) -> Result<Option<usize>, OpenError> {
        let (cipher, tag) = envelope.sealed().split_last_chunk::<TAG_LEN>().ok_or(OpenError::NotAuthentic)?;
        let text = out.get_mut(..cipher.len()).ok_or(OpenError::NoRoom)?;
        text.copy_from_slice(cipher);
        let mut aad = [0; AAD_MAX];
        let first = envelope.header().first_byte();
        let aad = aad::write(&mut aad, &self.id, first, counter, envelope.extension())
            .map_err(|_| OpenError::NotAuthentic)?;
        Ok(key.open(aad, text, tag).then_some(cipher.len()))
    }

    /// Takes over the chain after `counter` and keeps the newest of all skipped keys.
    fn commit(&mut self, chain: ChainKey, counter: u32, jumped: &[Skipped]) {
        let unmade = (counter - self.next) as usize > jumped.len();
        if unmade {
            self.skipped.clear();
            self.floor = jumped.first().map_or(counter, |s| s.counter);
        }
        for s in jumped {
            if self.skipped.is_full() {
                self.floor = self.skipped.remove(0).counter + 1;
            }
            let _always_fits = self.skipped.push(s.clone());
        }
        self.chain = chain;
        self.next = counter + 1;
    }
}
