//! Sealing for a room (spec §45.4, §45.7).

use super::attest::Digest;
use super::chain::{ChainId, INCARNATION_LEN, ROOM_AAD_MAX, digest};
use super::secret::{RoomSecret, SecretError};
use crate::chain::ChainKey;
use crate::content::{Body, Content, PADDED, pad};
use crate::limits::{CONTENT_MAX, ENC_EVERY, ENC_FIRST};
use crate::send::{Route, SealError};
use core::fmt;
use picket_roster::codec::Writer;
use picket_roster::{IdentitySecret, Padding};
use picket_wire::Identity;
use picket_wire::envelope::{Class, Envelope, Header};
use picket_wire::limits::TAG_LEN;

/// Domain of an order's signature.
pub(crate) const ORDER: &[u8] = b"PICKET-order";

/// Kind of content that ends with its own kind and a signature.
pub(crate) const SIGNED: u8 = 11;

/// Bytes that a signature adds to a message.
pub(crate) const SIGNED_LEN: usize = 65;

/// Our chain in a room. It lives in memory only: whoever opens a home again begins another one, under another incarnation,
/// so that neither a crash nor a restored copy can use a key twice.
#[derive(Clone)]
pub struct RoomSender {
    id: ChainId,
    chain: ChainKey,
    next: u32,
}

/// A message sealed for a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomSealed<'o> {
    /// The envelope.
    pub envelope: &'o [u8],
    /// Its identity.
    pub identity: Identity,
    /// Its counter.
    pub counter: u32,
    /// What it is attested by.
    pub digest: Digest,
}

impl fmt::Debug for RoomSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomSender({:?}, next {})", self.id, self.next)
    }
}

impl RoomSender {
    /// The chain `id`, from the room's secret. `id.incarnation` must be freshly random.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn begin(secret: &RoomSecret, id: ChainId) -> Result<Self, SecretError> {
        Ok(Self { id, chain: secret.chain(&id)?, next: 0 })
    }

    /// Which chain this is.
    #[must_use]
    pub const fn id(&self) -> &ChainId {
        &self.id
    }

    /// Counter of the next message.
    #[must_use]
    pub const fn next_counter(&self) -> u32 {
        self.next
    }

    /// Seals `content` into `out` as one envelope, signed where `signer` is given. The class of the route is not used.
    ///
    /// A caller whose commit may be refused works on a clone: what was sealed must not leave then.
    ///
    /// # Errors
    /// [`SealError`]; the state is unchanged.
    pub fn seal<'o>(
        &mut self,
        route: &Route,
        content: &Content<'_>,
        signer: Option<&IdentitySecret>,
        padding: Padding,
        out: &'o mut [u8],
    ) -> Result<RoomSealed<'o>, SealError> {
        if self.next == u32::MAX {
            return Err(SealError::Exhausted);
        }
        let attests = matches!(content.body, Body::Attest { .. });
        let carries = self.next < ENC_FIRST || self.next.is_multiple_of(ENC_EVERY) && !attests;
        let header = self.header(route, carries);
        let head = header
            .write(out)
            .map_err(|_| if out.len() < header.len() { SealError::NoRoom } else { SealError::Header })?;
        let extension = if carries { INCARNATION_LEN } else { 0 };
        let at = head + extension;
        if carries {
            out.get_mut(head..at).ok_or(SealError::NoRoom)?.copy_from_slice(&self.id.incarnation);
        }
        let room = out.len().saturating_sub(at + TAG_LEN).min(CONTENT_MAX);
        let body = out.get_mut(at..at + room).ok_or(SealError::NoRoom)?;
        let (len, digest) = self.content(header.first_byte(), content, signer, padding, body)?;
        let (front, back) = out.split_at_mut(at);
        let (text, after) = back.split_at_mut(len);
        let mut aad = [0; ROOM_AAD_MAX];
        let extension = front.get(head..).unwrap_or(&[]);
        let aad = self.id.aad(&mut aad, header.first_byte(), self.next, extension).map_err(|_| SealError::Header)?;
        let (key, next) = self.chain.step();
        let tag = key.seal(aad, text).ok_or(SealError::NoRoom)?;
        after.get_mut(..TAG_LEN).ok_or(SealError::NoRoom)?.copy_from_slice(&tag);
        let envelope = out.get(..at + len + TAG_LEN).ok_or(SealError::NoRoom)?;
        let identity = Envelope::parse(envelope).map_err(|_| SealError::Header)?.identity();
        let counter = self.next;
        self.chain = next;
        self.next += 1;
        Ok(RoomSealed { envelope, identity, counter, digest })
    }

    /// Writes content, signature and padding; returns their length and the hash of the content.
    fn content(
        &self,
        first_byte: u8,
        content: &Content<'_>,
        signer: Option<&IdentitySecret>,
        padding: Padding,
        out: &mut [u8],
    ) -> Result<(usize, Digest), SealError> {
        let mut w = Writer::new(out);
        content.put(false, &mut w)?;
        let (kind, hash) = (w.written().first().map_or(0, |b| b & 0x0F), digest(first_byte, w.written()));
        if let Some(signer) = signer {
            let signed = self.id.signed(first_byte, self.next, w.written());
            let signature = signer.sign(ORDER, &signed).map_err(|_| SealError::Header)?;
            w.put(&[kind]).map_err(|_| SealError::NoRoom)?;
            w.put(&signature).map_err(|_| SealError::NoRoom)?;
        }
        pad(&mut w, padding)?;
        let written = w.finish();
        let len = written.len();
        if let Some(first) = out.first_mut() {
            let kind = if signer.is_some() { SIGNED } else { kind };
            *first = *first & !0x0F | kind | if padding == Padding::Off { 0 } else { PADDED };
        }
        Ok((len, hash))
    }

    fn header(&self, route: &Route, carries: bool) -> Header {
        Header {
            class: Class::Room,
            precedence: route.precedence,
            destination: self.id.index,
            source: self.id.sender,
            hop_limit: route.hop_limit,
            round: 0,
            flags: 0,
            lifetime: route.lifetime,
            epoch_low: (self.id.epoch & 15) as u8,
            session_low: self.id.session_low(carries),
            counter_low: (self.next & 0xFFFF) as u16,
            lane: None,
            enc: None,
        }
    }
}
