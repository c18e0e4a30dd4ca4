//! What lies inside the seal (spec §40.8): five bytes of head, optional fields, the body, padding.
//!
//! ```text
//! kind 4 | burn 1 | prekey 1 | original 1 | padded 1  1 B  (lowest bits first)
//! original lifetime code                           1 B
//! sent, seconds since the epoch's start            3 B  big-endian, FFFFFF unknown
//! [original message id]                          0/8 B  of a message sealed again
//! [prekey id, compressed point]                 0/34 B  a prekey its sender announces
//! [lifetime after reading]                       0/1 B  burn-on-read
//! body                                             n B  text: UTF-8; file: name length 1, name, bytes;
//!                                                       cannot-open: message id 8
//! [80 00 … 00]                                          where padded
//! ```

use crate::limits::{CONTENT_MAX, FILE_NAME_MAX};
use crate::prekey::{ANNOUNCED, Prekey};
use core::fmt;
use picket_roster::codec::{Reader, Writer};
use picket_roster::{DecodeError, NoRoom, Padding, PublicKey};
use picket_wire::{Lifetime, MessageId};

const BURN: u8 = 0x10;
const PREKEY: u8 = 0x20;
const ORIGINAL: u8 = 0x40;
const PADDED: u8 = 0x80;
const SENT_UNKNOWN: u32 = 0xFF_FFFF;

/// Content of one message, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content<'a> {
    /// Lifetime the sender gave it; the envelope's own counts down on the way.
    pub lifetime: Lifetime,
    /// When it was sent: seconds since the start of the session's epoch; `None` when the sender does not know.
    pub sent_s: Option<u32>,
    /// Set when this is a message sealed again: the id under which people know it.
    pub original: Option<MessageId>,
    /// A new prekey of the sender's, to be used by the next in-band session to it.
    pub prekey: Option<Prekey>,
    /// Once it is read, it lives this long at most, on both ends; `None`: as long as any other.
    pub burn: Option<Lifetime>,
    /// What it says.
    pub body: Body<'a>,
}

/// The body of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Text for a person.
    Text(&'a str),
    /// A file.
    File {
        /// Its name: no folders.
        name: &'a str,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// Housekeeping: the envelope of this id could not be opened; seal its message again, in-band.
    CannotOpen {
        /// First eight bytes of that envelope's identity.
        id: MessageId,
    },
    /// Housekeeping: the sender's device may have been in other hands; of its keys made before, none is sent to any more.
    Renewed,
}

/// Why content is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentError {
    /// Longer than an envelope can carry ([`CONTENT_MAX`]), or than the buffer.
    TooLong,
    /// A file name that is empty, too long, not printable or names a folder.
    Name,
    /// A kind this version does not know.
    Kind(u8),
    /// Text that is not UTF-8.
    Text,
    /// Bytes that do not follow the format.
    Format(DecodeError),
    /// Padding that is not `80 00 … 00`.
    Padding,
    /// A sent time beyond 24 bits, or a prekey that is not one to announce.
    Value,
}

impl fmt::Display for ContentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "too long for one message: at most {} bytes", crate::limits::BODY_MAX),
            Self::Name => f.write_str("a file name is 1 to 128 bytes, printable, without slashes"),
            Self::Kind(k) => write!(f, "content kind {k} is unknown: newer software sent it"),
            Self::Text => f.write_str("text is not UTF-8"),
            Self::Format(e) => write!(f, "content: {e}"),
            Self::Padding => f.write_str("content: padding is not well-formed"),
            Self::Value => f.write_str("content: a value is out of its range"),
        }
    }
}

impl core::error::Error for ContentError {}

impl From<DecodeError> for ContentError {
    fn from(e: DecodeError) -> Self {
        Self::Format(e)
    }
}

impl From<NoRoom> for ContentError {
    fn from(_: NoRoom) -> Self {
        Self::TooLong
    }
}

impl<'a> Content<'a> {
    /// Plain content without optional fields.
    #[must_use]
    pub const fn new(lifetime: Lifetime, sent_s: Option<u32>, body: Body<'a>) -> Self {
        Self { lifetime, sent_s, original: None, prekey: None, burn: None, body }
    }

    /// Writes the content, padded by `padding`, into `out`; returns its length. At most [`CONTENT_MAX`].
    ///
    /// # Errors
    /// [`ContentError`].
    pub fn encode(&self, padding: Padding, out: &mut [u8]) -> Result<usize, ContentError> {
        let room = out.len().min(CONTENT_MAX);
        let mut w = Writer::new(out.get_mut(..room).unwrap_or_default());
        let sent = self.sent_s.unwrap_or(SENT_UNKNOWN);
        let representable = sent <= SENT_UNKNOWN && self.sent_s != Some(SENT_UNKNOWN);
        if !representable || self.prekey.is_some_and(|p| !announced(p.id)) {
            return Err(ContentError::Value);
        }
        let mut first = self.body.kind();
        first |= if self.burn.is_some() { BURN } else { 0 };
        first |= if self.prekey.is_some() { PREKEY } else { 0 };
        first |= if self.original.is_some() { ORIGINAL } else { 0 };
        first |= if padding == Padding::Off { 0 } else { PADDED };
        w.put(&[first, self.lifetime.0])?;
        w.put(&sent.to_be_bytes()[1..])?;
        if let Some(id) = &self.original {
            w.put(&id.0)?;
        }
        if let Some(prekey) = &self.prekey {
            w.put(&[prekey.id])?;
            w.put(&prekey.key.0)?;
        }
        if let Some(burn) = self.burn {
            w.put(&[burn.0])?;
        }
        self.body.write(&mut w)?;
        pad(&mut w, padding)?;
        Ok(w.finish().len())
    }

    /// Reads the content of an opened message.
    ///
    /// # Errors
    /// [`ContentError`]: strict, nothing is guessed.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, ContentError> {
        let first = *bytes.first().ok_or(DecodeError::Truncated)?;
        let bytes = if first & PADDED == 0 { bytes } else { strip(bytes)? };
        let mut r = Reader::new(bytes);
        let _first = r.u8()?;
        let lifetime = Lifetime(r.u8()?);
        let [high, mid, low] = r.array()?;
        let sent = u32::from_be_bytes([0, high, mid, low]);
        let original = if first & ORIGINAL == 0 { None } else { Some(MessageId(r.array()?)) };
        let prekey = if first & PREKEY == 0 { None } else { Some(read_prekey(&mut r)?) };
        let burn = if first & BURN == 0 { None } else { Some(Lifetime(r.u8()?)) };
        let body = Body::read(first & 0x0F, r.rest())?;
        let sent_s = (sent != SENT_UNKNOWN).then_some(sent);
        Ok(Self { lifetime, sent_s, original, prekey, burn, body })
    }
}

impl<'a> Body<'a> {
    const fn kind(&self) -> u8 {
        match self {
            Self::Text(_) => 0,
            Self::File { .. } => 1,
            Self::CannotOpen { .. } => 2,
            Self::Renewed => 15,
        }
    }

    fn write(&self, w: &mut Writer<'_>) -> Result<(), ContentError> {
        match self {
            Self::Text(text) => w.put(text.as_bytes())?,
            Self::File { name, bytes } => {
                let len = u8::try_from(file_name(name.as_bytes())?.len()).map_err(|_| ContentError::Name)?;
                w.put(&[len])?;
                w.put(name.as_bytes())?;
                w.put(bytes)?;
            }
            Self::CannotOpen { id } => w.put(&id.0)?,
            Self::Renewed => (),
        }
        Ok(())
    }

    fn read(kind: u8, bytes: &'a [u8]) -> Result<Self, ContentError> {
        let mut r = Reader::new(bytes);
        match kind {
            0 => core::str::from_utf8(bytes).map(Self::Text).map_err(|_| ContentError::Text),
            1 => {
                let len = usize::from(r.u8()?);
                let name = file_name(r.take(len)?)?;
                Ok(Self::File { name, bytes: r.rest() })
            }
            2 => {
                let id = MessageId(r.array()?);
                r.end()?;
                Ok(Self::CannotOpen { id })
            }
            15 => {
                r.end()?;
                Ok(Self::Renewed)
            }
            unknown => Err(ContentError::Kind(unknown)),
        }
    }
}

fn read_prekey(r: &mut Reader<'_>) -> Result<Prekey, ContentError> {
    let id = r.u8()?;
    let key = PublicKey(r.array()?);
    if announced(id) && key.plausible() { Ok(Prekey { id, key }) } else { Err(ContentError::Value) }
}

/// Ids below are the roster's prekeys, which nobody announces (spec §40.7).
const fn announced(id: u8) -> bool {
    matches!(id, ANNOUNCED..=127)
}

/// A name that can become a file in a folder of the reader's choice, and nothing else.
fn file_name(bytes: &[u8]) -> Result<&str, ContentError> {
    let name = core::str::from_utf8(bytes).map_err(|_| ContentError::Name)?;
    let fits = !name.is_empty() && name.len() <= FILE_NAME_MAX;
    let plain = !name.chars().any(|c| c.is_control() || c == '/' || c == '\\');
    if fits && plain && name != "." && name != ".." { Ok(name) } else { Err(ContentError::Name) }
}

/// Length that `len` bytes (marker included) are padded to.
const fn padded_len(len: usize, padding: Padding) -> usize {
    match padding {
        Padding::Off => len,
        Padding::Steps8 => len.next_multiple_of(8),
        Padding::Steps16 => len.next_multiple_of(16),
        Padding::Buckets => match len {
            0..=32 => 32,
            33..=64 => 64,
            65..=128 => 128,
            129..=192 => 192,
            _ => len.next_multiple_of(64),
        },
    }
}

fn pad(w: &mut Writer<'_>, padding: Padding) -> Result<(), ContentError> {
    if padding == Padding::Off {
        return Ok(());
    }
    w.put(&[0x80])?;
    let len = w.written().len();
    for _ in len..padded_len(len, padding).min(CONTENT_MAX) {
        w.put(&[0])?;
    }
    Ok(())
}

fn strip(bytes: &[u8]) -> Result<&[u8], ContentError> {
    let end = bytes.iter().rposition(|b| *b != 0).ok_or(ContentError::Padding)?;
    match bytes.split_at_checked(end) {
        Some((content, [0x80, ..])) => Ok(content),
        Some(_) | None => Err(ContentError::Padding),
    }
}

#[cfg(test)]
mod tests;
