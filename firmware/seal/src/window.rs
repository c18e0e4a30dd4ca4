//! Where a receiving chain stands: the next key, and the keys of messages that were skipped (spec S-40.4-4, S-40.4-5).
//! Sessions and the chains of rooms share it.

use crate::chain::{ChainKey, MessageKey};
use crate::limits::{JUMP_FREE, SKIPPED_MAX};
use crate::receive::{Far, OpenError};
use heapless::Vec;
use picket_roster::codec::{Reader, Writer};
use picket_roster::{DecodeError, NoRoom};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A chain's next key and its skipped ones. Secret; erased on drop.
#[derive(Clone)]
pub(crate) struct Window {
    chain: ChainKey,
    next: u32,
    /// Counters below this whose key is not kept may have been forgotten rather than opened.
    floor: u32,
    skipped: Vec<Skipped, SKIPPED_MAX>,
}

#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct Skipped {
    counter: u32,
    key: MessageKey,
}

/// What a key opened.
pub(crate) struct Found {
    pub(crate) len: usize,
    pub(crate) counter: u32,
    /// The key, which the window no longer has.
    pub(crate) key: MessageKey,
}

impl Window {
    pub(crate) const fn new(chain: ChainKey) -> Self {
        Self { chain, next: 0, floor: 0, skipped: Vec::new() }
    }

    /// One more than the highest counter opened.
    pub(crate) const fn next(&self) -> u32 {
        self.next
    }

    pub(crate) fn skipped_len(&self) -> usize {
        self.skipped.len()
    }

    /// The newest kept skipped counter with these low bits.
    pub(crate) fn kept(&self, low: u16) -> Option<u32> {
        self.skipped.iter().rev().map(|s| s.counter).find(|c| low_of(*c) == low)
    }

    /// Takes the key of a skipped counter out.
    pub(crate) fn take(&mut self, counter: u32) -> Option<MessageKey> {
        let at = self.skipped.iter().position(|s| s.counter == counter)?;
        Some(self.skipped.remove(at).key.clone())
    }

    /// Tries the newest kept key with these low bits, then the first counter at or after the next one; `attempt` says how
    /// long the content is, `None` when the tag does not verify. The window moves on only when one did.
    pub(crate) fn open(
        &mut self,
        low: u16,
        far: Far,
        mut attempt: impl FnMut(u32, &MessageKey) -> Result<Option<usize>, OpenError>,
    ) -> Result<Found, OpenError> {
        let kept = self.skipped.iter().rposition(|s| low_of(s.counter) == low);
        if let Some(at) = kept {
            let Skipped { counter, key } = &self.skipped[at];
            if let Some(len) = attempt(*counter, key)? {
                let found = Found { len, counter: *counter, key: key.clone() };
                let _erased_on_drop = self.skipped.remove(at);
                return Ok(found);
            }
        }
        self.open_ahead(low, kept.is_some(), far, attempt)
    }

    /// Tries the first counter at or after `next` with these low bits; `tried`: another key was tried before.
    pub(crate) fn open_ahead(
        &mut self,
        low: u16,
        tried: bool,
        far: Far,
        mut attempt: impl FnMut(u32, &MessageKey) -> Result<Option<usize>, OpenError>,
    ) -> Result<Found, OpenError> {
        let steps = u32::from(low.wrapping_sub(low_of(self.next)));
        if steps > JUMP_FREE && far == Far::Refuse {
            return Err(if tried { OpenError::NotAuthentic } else { self.refusal(low, steps) });
        }
        let counter = self.next.checked_add(steps).filter(|c| *c < u32::MAX).ok_or(OpenError::Exhausted)?;
        let mut jumped = Vec::new();
        let (key, next) = self.jump(counter, &mut jumped).step();
        let Some(len) = attempt(counter, &key)? else { return Err(OpenError::NotAuthentic) };
        self.commit(next, &jumped, counter, counter + 1);
        Ok(Found { len, counter, key })
    }

    /// Keeps the keys of all counters before `counter`, as if they had been skipped; not further than may be jumped.
    pub(crate) fn skip_to(&mut self, counter: u32) {
        if counter > self.next && counter - self.next <= JUMP_FREE {
            let mut jumped = Vec::new();
            let chain = self.jump(counter, &mut jumped);
            self.commit(chain, &jumped, counter, counter);
        }
    }

    /// The chain at `counter`; the keys before it that may be kept go into `jumped`.
    fn jump(&self, counter: u32, jumped: &mut Vec<Skipped, SKIPPED_MAX>) -> ChainKey {
        let mut chain = self.chain.clone();
        for skipped in self.next..counter {
            // Only the newest can be kept; keys of the others are never made.
            if (counter - skipped) as usize > SKIPPED_MAX {
                chain.advance();
                continue;
            }
            let (key, next) = chain.step();
            let _always_fits = jumped.push(Skipped { counter: skipped, key });
            chain = next;
        }
        chain
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

    /// Takes over the chain at `next`, counters below `upto` having been skipped; keeps the newest of all skipped keys.
    fn commit(&mut self, chain: ChainKey, jumped: &[Skipped], upto: u32, next: u32) {
        let unmade = (upto - self.next) as usize > jumped.len();
        if unmade {
            self.skipped.clear();
            self.floor = jumped.first().map_or(upto, |s| s.counter);
        }
        for s in jumped {
            if self.skipped.is_full() {
                self.floor = self.skipped.remove(0).counter + 1;
            }
            let _always_fits = self.skipped.push(s.clone());
        }
        self.chain = chain;
        self.next = next;
    }

    /// next ‖ floor ‖ ck.
    pub(crate) fn write_head(&self, w: &mut Writer<'_>) -> Result<(), NoRoom> {
        w.put(&self.next.to_be_bytes())?;
        w.put(&self.floor.to_be_bytes())?;
        w.put(&self.chain.0)
    }

    /// n × (counter ‖ mk).
    pub(crate) fn write_kept(&self, w: &mut Writer<'_>) -> Result<(), NoRoom> {
        for s in &self.skipped {
            w.put(&s.counter.to_be_bytes())?;
            w.put(&s.key.0)?;
        }
        Ok(())
    }

    pub(crate) fn read_head(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (next, floor, chain) = (r.u32()?, r.u32()?, ChainKey(r.array()?));
        if floor > next { Err(DecodeError::Value) } else { Ok(Self { next, floor, ..Self::new(chain) }) }
    }

    /// One kept key; they come in ascending order.
    pub(crate) fn read_kept(&mut self, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        let (counter, key) = (r.u32()?, MessageKey(r.array()?));
        let low = self.skipped.last().map_or(self.floor, |s| s.counter + 1);
        if counter < low || counter >= self.next {
            return Err(DecodeError::Indices);
        }
        self.skipped.push(Skipped { counter, key }).map_err(|_| DecodeError::TooLong)
    }
}

/// What an envelope carries of a counter.
pub(crate) const fn low_of(counter: u32) -> u16 {
    (counter & 0xFFFF) as u16
}
