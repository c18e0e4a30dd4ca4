//! Opening what a member sealed for a room, and finding out who wrote it (spec §45.4, §45.7, §45.8).

use super::attest::{Attest, Digest};
use super::chain::{ChainId, Incarnation, ROOM_AAD_MAX, digest, split};
use super::secret::{RoomSecret, SecretError};
use super::send::{ORDER, SIGNED, SIGNED_LEN};
use crate::chain::MessageKey;
use crate::content::{PADDED, strip};
use crate::limits::{RIVALS_MAX, ROOM_CHAIN_STATE_MAX, UNSETTLED_MAX};
use crate::receive::{Far, OpenError};
use crate::session::StateError;
use crate::window::{Window, low_of};
use core::fmt;
use heapless::Vec;
use picket_roster::codec::{Reader, Writer};
use picket_roster::{DecodeError, PublicKey};
use picket_wire::Identity;
use picket_wire::envelope::Envelope;
use picket_wire::limits::TAG_LEN;

const FORMAT: u8 = 1;

/// One sender's chain as a member receives it. Secret; erased on drop.
///
/// Unlike a session's, a key outlives the message it opened, until that message is known to be its sender's: any member
/// holds the room's secret and could otherwise use up another's counters.
#[derive(Clone)]
pub struct RoomReceiver {
    id: ChainId,
    window: Window,
    unsettled: Vec<Unsettled, UNSETTLED_MAX>,
}

/// A counter whose message is not yet known to be its sender's. Ascending by counter.
#[derive(Clone)]
struct Unsettled {
    counter: u32,
    key: MessageKey,
    /// Messages that were opened under it.
    rivals: Vec<Digest, RIVALS_MAX>,
    /// What its sender attested, where no rival is that.
    attested: Option<Digest>,
}

/// An opened message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomOpened<'o> {
    /// The content, unsigned and unpadded: [`crate::Content::decode`] reads it.
    pub content: &'o [u8],
    /// Identity of the envelope.
    pub identity: Identity,
    /// Its counter.
    pub counter: u32,
    /// What it is attested by.
    pub digest: Digest,
    /// How sure it is who wrote it.
    pub settled: Settled,
    /// Its content is held already, unsigned: that message is now known to be its sender's, and this is the same.
    pub known: bool,
    /// Messages held for the same counter that its sender did not write.
    pub contradicted: Vec<Digest, RIVALS_MAX>,
}

/// How sure it is who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It carries its sender's signature.
    Signed,
    /// Its sender attested it before it came.
    Confirmed,
    /// A member sealed it; an attestation will tell.
    Member,
}

/// What an attestation says of a message that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its sender wrote it.
    Confirmed,
    /// Somebody else did, in the sender's name.
    Contradicted,
}

/// Why an envelope is not opened. The state is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomOpenError {
    /// As in a session.
    Open(OpenError),
    /// Its signature is not its sender's: another member forged it.
    Forged,
    /// Its sender has attested another message under this counter: another member forged it.
    Contradicted,
    /// Two messages are held for this counter already.
    Crowded,
}

impl From<OpenError> for RoomOpenError {
    fn from(e: OpenError) -> Self {
        Self::Open(e)
    }
}

impl fmt::Display for RoomOpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(e) => write!(f, "{e}"),
            Self::Forged => f.write_str("the signature is not its sender's: another member forged it"),
            Self::Contradicted => {
                f.write_str("its sender attested another message in its place: another member forged it")
            }
            Self::Crowded => f.write_str("two messages are held for its place already"),
        }
    }
}

impl core::error::Error for RoomOpenError {}

impl fmt::Debug for RoomReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomReceiver({:?}, next {}, unsettled {})", self.id, self.window.next(), self.unsettled.len())
    }
}

/// The incarnation that an envelope of a room carries; `None` where it carries none, or is no room's.
fn incarnation_of(envelope: &Envelope<'_>) -> Option<Incarnation> {
    split(envelope).and_then(|(incarnation, _, _)| incarnation)
}

/// A message decrypted under one key.
struct Plain {
    /// Content without signature and padding.
    len: usize,
    digest: Digest,
    signed: bool,
}

/// What is known of it.
struct Standing {
    settled: Settled,
    known: bool,
    contradicted: Vec<Digest, RIVALS_MAX>,
}

impl Standing {
    const fn new(settled: Settled) -> Self {
        Self { settled, known: false, contradicted: Vec::new() }
    }
}

impl RoomReceiver {
    /// The chain `id`, from the room's secret. Nothing is proven until a message of it opens; store it only then, and keep
    /// it until its epoch is over.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn begin(secret: &RoomSecret, id: ChainId) -> Result<Self, SecretError> {
        Ok(Self { id, window: Window::new(secret.chain(&id)?), unsettled: Vec::new() })
    }

    /// The incarnation that an envelope carries, and the low three bits of its generation of keys; `None` when it is no
    /// room's.
    #[must_use]
    pub fn hints(envelope: &Envelope<'_>) -> Option<(Option<Incarnation>, u8)> {
        split(envelope)?;
        Some((incarnation_of(envelope), envelope.header().session_low >> 1))
    }

    /// Which chain this is.
    #[must_use]
    pub const fn id(&self) -> &ChainId {
        &self.id
    }

    /// One more than the highest counter opened.
    #[must_use]
    pub const fn next_counter(&self) -> u32 {
        self.window.next()
    }

    /// Whether an envelope claims to belong to this chain.
    #[must_use]
    pub fn claims(&self, envelope: &Envelope<'_>) -> bool {
        let h = envelope.header();
        let Some((incarnation, _, _)) = split(envelope) else { return false };
        h.source == self.id.sender
            && h.destination == self.id.index
            && u32::from(h.epoch_low) == self.id.epoch & 15
            && u32::from(h.session_low >> 1) == self.id.generation & 7
            && incarnation.is_none_or(|i| i == self.id.incarnation)
    }

    /// Opens `envelope` into `out` (as long as the sealed part at least). `identity` is the sender's public identity key,
    /// from the roster. At most two keys are tried. The state moves on only when a tag has verified, and a signature where
    /// there is one.
    ///
    /// # Errors
    /// [`RoomOpenError`]; the state is unchanged.
    pub fn open<'o>(
        &mut self,
        envelope: &Envelope<'_>,
        identity: &PublicKey,
        far: Far,
        out: &'o mut [u8],
    ) -> Result<RoomOpened<'o>, RoomOpenError> {
        if !self.claims(envelope) {
            return Err(OpenError::OtherSession.into());
        }
        let low = envelope.header().counter_low;
        // Everything happens on a copy: a forged signature leaves no trace.
        let mut after = self.clone();
        let (counter, plain, standing) = after.find(envelope, identity, low, far, out)?;
        *self = after;
        let content = out.get(..plain.len).ok_or(OpenError::NoRoom)?;
        let Standing { settled, known, contradicted } = standing;
        let (identity, digest) = (envelope.identity(), plain.digest);
        Ok(RoomOpened { content, identity, counter, digest, settled, known, contradicted })
    }

    fn find(
        &mut self,
        envelope: &Envelope<'_>,
        identity: &PublicKey,
        low: u16,
        far: Far,
        out: &mut [u8],
    ) -> Result<(u32, Plain, Standing), RoomOpenError> {
        let id = self.id;
        let held = self.unsettled.iter().rposition(|u| low_of(u.counter) == low);
        // The newest counter with these bits first, wherever its key is kept.
        let held = held.filter(|at| self.window.kept(low) < self.unsettled.get(*at).map(|u| u.counter));
        if let Some(at) = held {
            let Unsettled { counter, key, .. } = self.unsettled.get(at).cloned().ok_or(OpenError::NotAuthentic)?;
            if let Some(plain) = attempt(&id, envelope, counter, &key, identity, out)? {
                let standing = self.again(at, &plain)?;
                return Ok((counter, plain, standing));
            }
        }
        let mut opened = None;
        let try_key = |counter: u32, key: &MessageKey| match attempt(&id, envelope, counter, key, identity, out) {
            Ok(Some(plain)) => {
                let len = plain.len;
                opened = Some(Ok(plain));
                Ok(Some(len))
            }
            Ok(None) => Ok(None),
            Err(RoomOpenError::Open(e)) => Err(e),
            Err(e) => {
                opened = Some(Err(e));
                Ok(Some(0))
            }
        };
        let found = match held {
            Some(_) => self.window.open_ahead(low, true, far, try_key),
            None => self.window.open(low, far, try_key),
        }?;
        let plain = opened.ok_or(OpenError::NotAuthentic)??;
        if plain.signed {
            return Ok((found.counter, plain, Standing::new(Settled::Signed)));
        }
        let mut rivals = Vec::new();
        let _always_fits = rivals.push(plain.digest);
        self.hold(Unsettled { counter: found.counter, key: found.key, rivals, attested: None });
        Ok((found.counter, plain, Standing::new(Settled::Member)))
    }

    /// Another message under a counter that is not settled yet.
    fn again(&mut self, at: usize, plain: &Plain) -> Result<Standing, RoomOpenError> {
        let held = self.unsettled.get_mut(at).ok_or(OpenError::NotAuthentic)?;
        let known = held.rivals.contains(&plain.digest);
        if plain.signed {
            // Somebody may have sealed an order's words unsigned before it came: the signature settles it either way.
            let contradicted = held.rivals.iter().copied().filter(|d| *d != plain.digest).collect();
            let _erased_on_drop = self.unsettled.remove(at);
            return Ok(Standing { settled: Settled::Signed, known, contradicted });
        }
        if known {
            return Err(OpenError::Replayed.into());
        }
        match held.attested {
            Some(digest) if digest == plain.digest => {
                let _erased_on_drop = self.unsettled.remove(at);
                Ok(Standing::new(Settled::Confirmed))
            }
            Some(_) => Err(RoomOpenError::Contradicted),
            None => {
                held.rivals.push(plain.digest).map_err(|_| RoomOpenError::Crowded)?;
                Ok(Standing::new(Settled::Member))
            }
        }
    }

    /// Keeps a key until its message is settled; the oldest goes where there are too many.
    fn hold(&mut self, new: Unsettled) {
        if self.unsettled.is_full() {
            let _erased_on_drop = self.unsettled.remove(0);
        }
        let at = self.unsettled.iter().position(|u| u.counter > new.counter).unwrap_or(self.unsettled.len());
        let _always_fits = self.unsettled.insert(at, new);
    }

    /// Takes over what the sender attested, in a message whose signature verified: each message held for the attested
    /// counters goes to `verdict`. Keys of what is settled are erased; those of what has not come yet are kept for it
    /// alone.
    pub fn attest(&mut self, attest: &Attest<'_>, mut verdict: impl FnMut(u32, Digest, Verdict)) {
        let n = u32::try_from(attest.digests.len()).unwrap_or(0);
        self.window.skip_to(attest.first.saturating_add(n));
        for (counter, attested) in (attest.first..).zip(attest.digests) {
            if let Some(key) = self.window.take(counter) {
                self.hold(Unsettled { counter, key, rivals: Vec::new(), attested: Some(*attested) });
                continue;
            }
            let Some(at) = self.unsettled.iter().position(|u| u.counter == counter) else { continue };
            let Some(held) = self.unsettled.get_mut(at) else { continue };
            for digest in &held.rivals {
                let said = if digest == attested { Verdict::Confirmed } else { Verdict::Contradicted };
                verdict(counter, *digest, said);
            }
            if held.rivals.contains(attested) {
                let _erased_on_drop = self.unsettled.remove(at);
            } else {
                held.attested = Some(*attested);
                held.rivals.clear();
            }
        }
    }

    /// Writes the state; [`ROOM_CHAIN_STATE_MAX`] bytes are always enough.
    ///
    /// # Errors
    /// [`StateError::NoRoom`].
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8], StateError> {
        let mut w = Writer::new(out);
        w.put(&[FORMAT])?;
        w.put(&self.id.to_bytes())?;
        self.window.write_head(&mut w)?;
        w.put(&[u8::try_from(self.unsettled.len()).unwrap_or(u8::MAX)])?;
        for u in &self.unsettled {
            w.put(&u.counter.to_be_bytes())?;
            w.put(&u.key.0)?;
            w.put(&[u8::try_from(u.rivals.len()).unwrap_or(0) | u8::from(u.attested.is_some()) << 4])?;
            w.put(u.rivals.as_flattened())?;
            if let Some(digest) = &u.attested {
                w.put(digest)?;
            }
        }
        self.window.write_kept(&mut w)?;
        debug_assert!(w.written().len() <= ROOM_CHAIN_STATE_MAX);
        Ok(w.finish())
    }

    /// Reads a stored state.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let mut r = Reader::new(bytes);
        match r.u8()? {
            FORMAT => (),
            0 => return Err(DecodeError::Value.into()),
            version => return Err(StateError::Newer { version }),
        }
        let id = ChainId::read(&mut r)?;
        let mut chain = Self { id, window: Window::read_head(&mut r)?, unsettled: Vec::new() };
        for _ in 0..r.u8()? {
            let one = chain.read_unsettled(&mut r)?;
            chain.unsettled.push(one).map_err(|_| DecodeError::TooLong)?;
        }
        while !r.is_empty() {
            chain.window.read_kept(&mut r)?;
        }
        Ok(chain)
    }

    fn read_unsettled(&self, r: &mut Reader<'_>) -> Result<Unsettled, DecodeError> {
        let (counter, key, flags) = (r.u32()?, MessageKey(r.array()?), r.u8()?);
        let low = self.unsettled.last().map_or(0, |u| u.counter + 1);
        if counter < low || counter >= self.window.next() || flags & !0x13 != 0 {
            return Err(DecodeError::Value);
        }
        let mut rivals = Vec::new();
        for _ in 0..flags & 3 {
            rivals.push(r.array()?).map_err(|_| DecodeError::TooLong)?;
        }
        let attested = if flags & 0x10 == 0 { None } else { Some(r.array()?) };
        if rivals.is_empty() == attested.is_none() {
            return Err(DecodeError::Value);
        }
        Ok(Unsettled { counter, key, rivals, attested })
    }
}

/// One attempt with one key; `None` when the tag does not verify.
fn attempt(
    id: &ChainId,
    envelope: &Envelope<'_>,
    counter: u32,
    key: &MessageKey,
    identity: &PublicKey,
    out: &mut [u8],
) -> Result<Option<Plain>, RoomOpenError> {
    let (_, extension, sealed) = split(envelope).ok_or(OpenError::NotAuthentic)?;
    let (cipher, tag) = sealed.split_last_chunk::<TAG_LEN>().ok_or(OpenError::NotAuthentic)?;
    let text = out.get_mut(..cipher.len()).ok_or(OpenError::NoRoom)?;
    text.copy_from_slice(cipher);
    let mut aad = [0; ROOM_AAD_MAX];
    let first = envelope.header().first_byte();
    let aad = id.aad(&mut aad, first, counter, extension).map_err(|_| OpenError::NotAuthentic)?;
    if !key.open(aad, text, tag) {
        return Ok(None);
    }
    let (len, signature) = unwrap(text);
    let content = text.get(..len).unwrap_or_default();
    if let Some(signature) = &signature {
        identity.verify(ORDER, &id.signed(first, counter, content), signature).map_err(|_| RoomOpenError::Forged)?;
    }
    Ok(Some(Plain { len, digest: digest(first, content), signed: signature.is_some() }))
}

/// Takes padding and signature off what was opened, in place: the length of the content as it is unsigned and unpadded.
/// What is not well-formed stays as it is, and is refused where the content is read.
fn unwrap(text: &mut [u8]) -> (usize, Option<[u8; 64]>) {
    let whole = text.len();
    let Some(first) = text.first().copied() else { return (0, None) };
    let len = if first & PADDED == 0 { Some(whole) } else { strip(text).ok().map(<[u8]>::len) };
    let Some(len) = len else { return (whole, None) };
    if first & 0x0F != SIGNED {
        if let Some(first) = text.first_mut() {
            *first &= !PADDED;
        }
        return (len, None);
    }
    let Some(inner) = len.checked_sub(SIGNED_LEN).filter(|n| *n > 0) else { return (whole, None) };
    let tail = text.get(inner..len).and_then(<[u8]>::split_first);
    let Some((kind, signature)) = tail.and_then(|(k, s)| Some((*k, *s.first_chunk::<64>()?))) else {
        return (whole, None);
    };
    if let Some(first) = text.first_mut() {
        *first = *first & !(PADDED | 0x0F) | kind & 0x0F;
    }
    (inner, Some(signature))
}
