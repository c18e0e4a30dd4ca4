//! Attestations: hashes of several messages of one chain, under the signature of the message that carries them
//! (spec §45.8).
//!
//! ```text
//! back 1                                          1 B   own counter less the first one's; 0: another chain is named
//! [generation 4, epoch 4, incarnation 8, first 4] 0/20 B
//! hashes                                          n × 8 B
//! ```

use super::chain::Incarnation;
use crate::limits::ATTEST_MAX;
use picket_roster::codec::{Reader, Writer};
use picket_roster::{DecodeError, NoRoom};

/// The hash by which a message is attested.
pub type Digest = [u8; 8];

/// An attestation: the messages from counter `first` on of one of the sender's chains hash to these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attest<'a> {
    /// Another chain of the sender's than the one that carries this: generation, epoch, incarnation.
    pub other: Option<(u32, u32, Incarnation)>,
    /// Counter of the first message.
    pub first: u32,
    /// One hash a message, in the order of their counters.
    pub digests: &'a [Digest],
}

impl<'a> Attest<'a> {
    /// Bytes of an encoded attestation, at most.
    pub const LEN_MAX: usize = 21 + ATTEST_MAX * 8;

    /// Writes it; `counter` is that of the message that will carry it.
    ///
    /// # Errors
    /// [`NoRoom`], also when it cannot be said: no hash or too many, or a first message too far back.
    pub fn encode<'o>(&self, counter: u32, out: &'o mut [u8]) -> Result<&'o [u8], NoRoom> {
        if self.digests.is_empty() || self.digests.len() > ATTEST_MAX {
            return Err(NoRoom);
        }
        let mut w = Writer::new(out);
        match self.other {
            None => {
                let back = counter.checked_sub(self.first).and_then(|b| u8::try_from(b).ok()).filter(|b| *b > 0);
                w.put(&[back.ok_or(NoRoom)?])?;
            }
            Some((generation, epoch, incarnation)) => {
                w.put(&[0])?;
                w.put(&generation.to_be_bytes())?;
                w.put(&epoch.to_be_bytes())?;
                w.put(&incarnation)?;
                w.put(&self.first.to_be_bytes())?;
            }
        }
        w.put(self.digests.as_flattened())?;
        Ok(w.finish())
    }

    /// Reads one that message `counter` carried.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(counter: u32, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let (other, first) = match r.u8()? {
            0 => (Some((r.u32()?, r.u32()?, r.array()?)), r.u32()?),
            back => (None, counter.checked_sub(u32::from(back)).ok_or(DecodeError::Value)?),
        };
        let (digests, rest) = r.rest().as_chunks::<8>();
        let n = u32::try_from(digests.len()).map_err(|_| DecodeError::TooLong)?;
        let ends = first.checked_add(n).ok_or(DecodeError::Value)?;
        if !rest.is_empty() || (other.is_none() && ends > counter) || ends == u32::MAX {
            return Err(DecodeError::Value);
        }
        if digests.is_empty() || digests.len() > ATTEST_MAX {
            return Err(DecodeError::TooLong);
        }
        Ok(Self { other, first, digests })
    }
}
