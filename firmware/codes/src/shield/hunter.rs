//! Finding frames in received bytes (spec §52.4).

use super::Level;
use alloc::vec::Vec;

/// What was found in received bytes. Over time every byte pushed is told exactly once: a `Frame` is
/// [`coded_len`](super::coded_len) of its length and level, a `Broken` is [`OVERHEAD`](super::OVERHEAD) + `body`, a
/// `Noise` is its number. A frame that is given back tells nothing; its bytes are told later, as what they turn out to
/// be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A frame that decoded. That it is genuine is for the caller to verify.
    Frame {
        /// The frame as it was sent, if the level has parity; as received, if it has none.
        frame: Vec<u8>,
        /// The level it was sent with.
        level: Level,
        /// Bytes of its body, parity included.
        body: usize,
        /// How many of them were corrected.
        errors: usize,
    },
    /// A plausible header whose body is beyond repair; told once, when no better frame was found inside it.
    Broken {
        /// The level it was sent with.
        level: Level,
        /// Bytes of its body that no other frame began in.
        body: usize,
    },
    /// So many bytes belong to no frame.
    Noise(usize),
}

/// The receiver of a byte pipe.
#[derive(Debug, Default)]
pub struct Hunter {
    bytes: Vec<u8>,
}

impl Hunter {
    /// A receiver that has heard nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Forgets everything received: the medium was away. What was not told is not told any more.
    pub fn restart(&mut self) {
        *self = Self::new();
    }

    /// Takes received bytes. [`Hunter::next`] is to be called until it gives `None` before more are pushed.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next find; `None` when more bytes are needed. A `Frame` is taken as genuine unless [`Hunter::reject`] is
    /// called before the next call.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Found> {
        let told = core::mem::take(&mut self.bytes).len();
        (told > 0).then_some(Found::Noise(told))
    }

    /// Gives back the frame of the last [`Hunter::next`]: it is not genuine, and scanning goes on one byte behind its
    /// start. Without such a frame nothing happens.
    pub fn reject(&mut self) {}

    /// Whether a plausible header was seen and its frame has not ended.
    #[must_use]
    pub fn in_frame(&self) -> bool {
        false
    }
}
