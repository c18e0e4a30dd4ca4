//! What the byte error probability is, from what was counted.

use crate::limits::{BLOCK_MAX, CLEAN_MAX, MEMORY, Q_MAX, Q_MIN};
use crate::shield::Level;

/// An estimate of `q`, the probability that a byte arrives wrong, which follows the channel.
///
/// Before anything is counted every order of magnitude of `q` down to 10⁻⁸ is as likely as any other. Errors are
/// forgotten with time; bytes are forgotten as far as there are errors among them. So a noisy channel is followed
/// within two seconds at 9 600 bit/s, while a clean one is trusted more and more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Bytes remembered, at least one.
    bytes: f64,
    /// Wrong ones among them.
    errors: f64,
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
        let bytes = if weight.is_nan() { 1.0 } else { f64::from(weight).clamp(1.0, CLEAN_MAX) };
        let q = if q.is_nan() { Q_MAX } else { f64::from(q).clamp(Q_MIN, Q_MAX) };
        Self { bytes, errors: q * bytes }
    }

    /// A body of `bytes` was repaired, `errors` of them were wrong.
    pub fn observe(&mut self, bytes: usize, errors: usize) {
        self.add(bytes as f64, errors.min(bytes) as f64);
    }

    /// A body of `bytes` could not be repaired, or decoded and did not verify: more than half the parity was wrong in
    /// some block. That much is taken to be wrong in every block, so that few broken frames suffice to find the level
    /// that comes through.
    pub fn broken(&mut self, bytes: usize, level: Level) {
        self.add(bytes as f64, at_least(bytes, level));
    }

    /// Nothing was heard of a frame that we sent, with a body of `bytes`. It counts half of a broken one: the answer may
    /// be what was lost, or the other station was away.
    pub fn lost(&mut self, bytes: usize, level: Level) {
        self.add(bytes as f64 / 2.0, at_least(bytes, level) / 2.0);
    }

    /// The probability that the next byte is wrong, at most one half.
    #[must_use]
    pub fn q(&self) -> f32 {
        // The mean of q when its logarithm was equally likely everywhere above Q_MIN, `errors` being any number: the
        // Gamma distribution cut off at Q_MIN, of which the first term of the series is enough as Q_MIN · bytes is
        // small.
        let cut = libm::log(Q_MIN * self.bytes);
        let beyond = if self.errors < 1e-3 {
            // The limit of the other case; −γ is the derivative of ln Γ(1 + x) at 0.
            (-cut - EULER) * self.bytes
        } else {
            (1.0 - libm::exp(self.errors * cut) / libm::tgamma(1.0 + self.errors)) * self.bytes / self.errors
        };
        (1.0 / beyond).clamp(Q_MIN, Q_MAX) as f32
    }

    /// [`Noise::q`] in one byte, as one station tells another: `q` = 2^(−1 − code/8), eight steps per octave, rounded
    /// to the nearest. The greater the code, the cleaner the channel.
    #[must_use]
    pub fn code(&self) -> u8 {
        let steps = -8.0 * (libm::log2(f64::from(self.q())) + 1.0);
        libm::round(steps).clamp(0.0, 255.0) as u8
    }

    /// The `q` that a code stands for; every code stands for one.
    #[must_use]
    pub fn from_code(code: u8) -> f32 {
        libm::exp2(-1.0 - f64::from(code) / 8.0) as f32
    }

    fn add(&mut self, bytes: f64, errors: f64) {
        if errors > 0.0 {
            // A clean time that has ended is no argument against the errors that end it.
            self.bytes = self.bytes.min(MEMORY);
        }
        let forgotten = bytes / MEMORY;
        self.bytes = self.bytes * libm::exp(-forgotten * self.errors.min(1.0)) + bytes;
        self.errors = self.errors * libm::exp(-forgotten) + errors;
        let most = (CLEAN_MAX / self.bytes).min(1.0);
        self.bytes = (self.bytes * most).max(1.0);
        self.errors *= most;
    }
}

/// Euler's constant.
const EULER: f64 = 0.577_215_664_901_532_9;

/// Errors in a body of `bytes` when every block has one more than can be repaired.
fn at_least(bytes: usize, level: Level) -> f64 {
    (bytes.div_ceil(BLOCK_MAX) * (level.parity() / 2 + 1)).min(bytes) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::best_level;

    fn after_clean(bytes: usize) -> Noise {
        let mut noise = Noise::default();
        (0..bytes / 250).for_each(|_| noise.observe(250, 0));
        noise
    }

    #[test]
    fn an_unknown_channel_has_parity_for_two_wrong_bits_in_a_thousand() {
        let q = 1.0 - libm::powf(1.0 - 2e-3, 8.0);
        for len in [20, 60, 240, 1200] {
            assert!(best_level(len, Noise::default().q()) >= best_level(len, q), "{len}");
        }
    }

    #[test]
    fn a_clean_channel_is_trusted_more_and_more() {
        let parity = |bytes| best_level(1000, after_clean(bytes).q()).parity();
        assert!(parity(250) > 2);
        assert_eq!([parity(2_500), parity(9_000), parity(25_000)], [2, 2, 0]);
        let all: Vec<f32> = (0..4_000).step_by(10).map(|n| after_clean(n * 250).q()).collect();
        assert!(all.windows(2).all(|w| w[1] <= w[0]), "it never rises");
        assert!(all.last().is_some_and(|q| *q > 5e-7 && *q < 1e-6));
    }

    #[test]
    fn every_channel_is_estimated_right_in_the_mean() {
        for q in [0.2, 0.05, 0.01, 0.002] {
            let (mut noise, mut owed, mut sum) = (Noise::default(), 0.0, 0.0);
            for n in 0..2_000 {
                owed += 250.0 * q;
                let errors = owed as usize;
                owed -= errors as f64;
                noise.observe(250, errors);
                sum += if n < 100 { 0.0 } else { f64::from(noise.q()) / 1_900.0 };
            }
            assert!((sum / q - 1.0).abs() < 0.25, "{q}: {sum}");
        }
    }

    #[test]
    fn a_channel_that_turns_bad_is_followed_within_two_seconds() {
        let mut noise = after_clean(100_000);
        assert_eq!(best_level(240, noise.q()), Level::MIN);
        (0..10).for_each(|_| noise.observe(240, 5));
        assert!(noise.q() > 0.01, "{}", noise.q());
    }

    #[test]
    fn broken_frames_raise_the_parity_until_one_comes_through() {
        let mut noise = after_clean(100_000);
        let mut tries = 0;
        while best_level(1000, noise.q()) < best_level(1000, 0.05) {
            let level = best_level(1000, noise.q());
            noise.broken(crate::shield::coded_len(1000, level) - 9, level);
            tries += 1;
        }
        assert!((2..=8).contains(&tries), "{tries}");
        let mut sent = after_clean(100_000);
        sent.lost(1000, Level::MIN);
        assert!(sent.q() > after_clean(100_000).q());
    }

    #[test]
    fn codes_are_eight_to_the_octave_and_come_back() {
        for code in 0..=255 {
            let q = Noise::from_code(code);
            assert!(code == 0 || q < Noise::from_code(code - 1));
            let told = Noise::with(q, 2_000.0);
            // An estimate of few errors differs from its mean; one of many is what it was made of.
            assert!(told.errors < 4.0 || told.code() == code, "{code}: {}", told.q());
        }
        assert_eq!((Noise::from_code(0), Noise::from_code(8), Noise::from_code(16)), (0.5, 0.25, 0.125));
        assert!(after_clean(10_000_000).code() < 160);
    }

    #[test]
    fn nothing_makes_it_senseless() {
        for q in [f32::NAN, f32::INFINITY, -1.0, 0.0, 1.0] {
            for weight in [f32::NAN, f32::INFINITY, -1.0, 0.0, 1e9] {
                let mut noise = Noise::with(q, weight);
                noise.observe(0, 10);
                noise.observe(usize::MAX, usize::MAX);
                noise.broken(0, Level::MAX);
                noise.lost(usize::MAX / 256, Level::MIN);
                noise.observe(10, 0);
                assert!(noise.q() > 0.0 && noise.q() <= 0.5, "{q} {weight} {noise:?}");
            }
        }
    }
}
