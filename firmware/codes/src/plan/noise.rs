//! What the byte error probability is, from what was counted.

use crate::shield::Level;

/// An estimate of `q`, the probability that a byte arrives wrong, which follows the channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    bytes: f32,
    errors: f32,
}

impl Default for Noise {
    /// An unknown channel: parity for a bit error rate of 2·10⁻³ to begin with, and little insistence on it.
    fn default() -> Self {
        Self::with(0.016, 50.0)
    }
}

impl Noise {
    /// An estimate of `q` that weighs as much as `weight` bytes heard.
    #[must_use]
    pub fn with(q: f32, weight: f32) -> Self {
        Self { bytes: weight, errors: q * weight }
    }

    /// A body of `bytes` was repaired, `errors` of them were wrong.
    pub fn observe(&mut self, bytes: usize, errors: usize) {
        self.bytes += bytes as f32;
        self.errors += errors as f32;
    }

    /// A body of `bytes` could not be repaired: at least half the parity and one more were wrong in some block.
    pub fn broken(&mut self, bytes: usize, level: Level) {
        let _ = (bytes, level);
    }

    /// Nothing was heard of a frame whose body we sent. It counts half: the answer may be what was lost.
    pub fn lost(&mut self, bytes: usize, level: Level) {
        let _ = (bytes, level);
    }

    /// The probability that the next byte is wrong.
    #[must_use]
    pub fn q(&self) -> f32 {
        self.errors / self.bytes
    }

    /// [`Noise::q`] in one byte, as one station tells another: `q` = 2^(−1 − code/8), eight steps per octave, rounded
    /// to the nearest. The greater the code, the cleaner the channel.
    #[must_use]
    pub fn code(&self) -> u8 {
        0
    }

    /// The `q` that a code stands for; every code stands for one.
    #[must_use]
    pub fn from_code(code: u8) -> f32 {
        let _ = code;
        0.0
    }
}
