//! How noisy the channel to and from one neighbour is, and what follows for the next frame (spec §50.11).

use crate::limits::{LOST_FRAME_COST, PROBE_FRAME, TOLD_WEIGHT};
use picket_codes::plan::{self, Noise};
use picket_codes::shield::{self, Level};

/// What is known of the noise between one neighbour and us.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rate {
    /// On its frames to us, counted.
    hear: Noise,
    /// On ours to it: its word, and what was lost since. Until it said something what we hear counts.
    there: Option<Noise>,
    /// Coded bytes counted of its frames.
    counted: u32,
}

impl Rate {
    /// An authentic frame of it came in: `errors` of its `body` coded bytes were corrected.
    pub(crate) fn heard(&mut self, body: usize, errors: usize) {
        self.hear.observe(body, errors);
        self.counted = self.counted.saturating_add(u32::try_from(body).unwrap_or(u32::MAX));
    }

    /// A frame that was probably its own could not be repaired.
    pub(crate) fn broken(&mut self, body: usize, level: Level) {
        self.hear.broken(body, level);
    }

    /// Its report says how noisy our frames arrive.
    pub(crate) fn told(&mut self, code: u8) {
        self.there = Some(Noise::with(Noise::from_code(code), TOLD_WEIGHT));
    }

    /// What we report of its frames.
    pub(crate) fn code(&self) -> u8 {
        self.hear.code()
    }

    /// A frame of ours was lost that carried `len` bytes at `level`.
    pub(crate) fn lost(&mut self, len: usize, level: Level) {
        let hear = &self.hear;
        self.there.get_or_insert_with(|| hear.clone()).lost(shield::coded_len(len, level), level);
    }

    /// Whether anything is known of how our frames arrive.
    pub(crate) const fn is_known(&self) -> bool {
        self.there.is_some()
    }

    /// Share of bytes of its frames that arrive wrong; `None` before anything was counted.
    pub(crate) fn noise_in(&self) -> Option<f32> {
        (self.counted > 0).then(|| self.hear.q())
    }

    /// Share of bytes of our frames that arrive wrong there, as far as known.
    pub(crate) fn noise_out(&self) -> Option<f32> {
        self.there.as_ref().map(Noise::q)
    }

    fn q(&self) -> f32 {
        self.there.as_ref().unwrap_or(&self.hear).q()
    }

    /// Strength for a frame whose loss costs more than its own air: an answer must be waited for first.
    pub(crate) fn level_alone(&self, len: usize, most: usize) -> Level {
        let q = self.q();
        let cost = |level: Level| {
            let coded = shield::coded_len(len, level) as f32;
            let lost = 1.0 - plan::success(len, level, q);
            coded + lost * (coded + LOST_FRAME_COST)
        };
        least(cost, |level| shield::coded_len(len, level) <= most)
    }

    /// Strength and length of the next frame of a long transfer: the most of it per byte on air, `overhead` bytes of
    /// each frame not counted, `most` coded bytes at most.
    pub(crate) fn level_long(&self, overhead: usize, most: usize) -> (Level, usize) {
        let most = if self.is_known() { most } else { most.min(PROBE_FRAME) };
        let q = self.q();
        let cost = |level: Level| {
            let len = fitting(most, level);
            let good = plan::success(len, level, q) * len.saturating_sub(overhead) as f32;
            if good > 0.0 { shield::coded_len(len, level) as f32 / good } else { f32::MAX }
        };
        let level = least(cost, |_| true);
        (level, fitting(most, level))
    }
}

/// Strength for frames to everyone: nobody says how they arrive, and they are few.
pub(crate) fn level_for_all(len: usize) -> Level {
    Rate::default().level_alone(len, usize::MAX)
}

/// Longest frame that takes at most `most` coded bytes at `level`.
pub(crate) fn fitting(most: usize, level: Level) -> usize {
    let body = most.saturating_sub(shield::OVERHEAD);
    let blocks = body.div_ceil(255);
    body.saturating_sub(blocks * level.parity()).clamp(1, shield::FRAME_MAX)
}

fn least(cost: impl Fn(Level) -> f32, allowed: impl Fn(Level) -> bool) -> Level {
    let mut best: Option<(f32, Level)> = None;
    for level in Level::ALL {
        if !allowed(level) {
            continue;
        }
        let cost = cost(level);
        if best.is_none_or(|(least, _)| cost < least) {
            best = Some((cost, level));
        }
    }
    best.map_or(Level::ALL[0], |(_, level)| level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_frame_fits_and_no_longer_one_does() {
        for level in Level::ALL {
            for most in [100, 255, 256, 300, 1_200, 1_500] {
                let len = fitting(most, level);
                assert!(len == 1 || shield::coded_len(len, level) <= most, "{most} {level:?}: {len}");
            }
        }
    }

    #[test]
    fn a_clean_channel_needs_little_and_a_bad_one_much() {
        let mut clean = Rate::default();
        let mut bad = Rate::default();
        for _ in 0..30 {
            clean.heard(1_000, 0);
            bad.heard(1_000, 77);
        }
        assert!(clean.level_long(20, 1_200).0.parity() <= 2);
        assert!((50..90).contains(&bad.level_long(20, 1_200).0.parity()));
        clean.told(bad.code());
        let (level, len) = clean.level_long(20, 1_200);
        assert!(level.parity() >= 50 && len > 800, "its word counts more than what we hear: {level:?} {len}");
    }

    #[test]
    fn the_first_frame_of_an_unknown_channel_is_short_and_strong() {
        let (level, len) = Rate::default().level_long(20, 1_200);
        assert!(shield::coded_len(len, level) <= PROBE_FRAME);
        assert!(plan::success(len, level, 0.0157) > 0.9, "bit error rate 2e-3");
    }
}
