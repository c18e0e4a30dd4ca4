//! How noisy the channel to and from one neighbour is, and what follows for the next frame (spec §50.11).

use crate::limits::{FRAGMENT_OVERHEAD, LOST_FRAME_COST, NOISE_NEWS, PROBE_FRAME, PROBE_NOISE, TOLD_WEIGHT};
use picket_codes::plan::{self, Noise};
use picket_codes::shield::{self, Level};

/// What is known of the noise between one neighbour and us.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rate {
    /// On its frames to us, counted.
    hear: Noise,
    /// On ours to it: its word, and what was lost since. Until it said something what we hear counts.
    there: Option<Noise>,
    /// It has said something.
    told: bool,
    /// Coded bytes counted of its frames.
    counted: u32,
    /// What we reported last.
    reported: u8,
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
        let q = Noise::from_code(code);
        // A word of few errors comes from many bytes.
        self.there = Some(Noise::with(q, (1.0 / q).max(TOLD_WEIGHT)));
        self.told = true;
    }

    /// What we report of its frames, now.
    pub(crate) fn report(&mut self) -> u8 {
        self.reported = self.hear.code();
        self.reported
    }

    /// Whether what we reported last is not true any more: the noise has changed by half or more.
    pub(crate) fn has_news(&self) -> bool {
        self.counted > 0 && self.hear.code().abs_diff(self.reported) >= NOISE_NEWS
    }

    /// A frame of ours was lost that carried `len` bytes at `level`.
    pub(crate) fn lost(&mut self, len: usize, level: Level) {
        self.there.get_or_insert(self.hear).lost(shield::coded_len(len, level), level);
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

    /// Strength and length of the next frame of a long transfer, in whole symbols of `symbol` bytes and `most` coded
    /// bytes at most: the most of it per byte on air.
    pub(crate) fn level_long(&self, symbol: u8, most: usize) -> (Level, usize) {
        let most = if self.told { most } else { most.min(PROBE_FRAME) };
        let q = if self.told { self.q() } else { self.q().max(PROBE_NOISE) };
        let cost = |level: Level| {
            let len = filled(most, level, symbol);
            let good = plan::success(len, level, q) * (len - FRAGMENT_OVERHEAD) as f32;
            if good > 0.0 { shield::coded_len(len, level) as f32 / good } else { f32::MAX }
        };
        let level = least(cost, |level| shield::coded_len(filled(most, level, symbol), level) <= most);
        (level, filled(most, level, symbol))
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

/// The same in whole symbols, of which there is always one.
fn filled(most: usize, level: Level, symbol: u8) -> usize {
    let symbol = usize::from(symbol).max(1);
    let symbols = fitting(most, level).saturating_sub(FRAGMENT_OVERHEAD) / symbol;
    FRAGMENT_OVERHEAD + symbols.max(1) * symbol
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
        for _ in 0..60 {
            clean.heard(1_000, 0);
            bad.heard(1_000, 77);
        }
        clean.told(clean.hear.code());
        bad.told(bad.hear.code());
        assert!(clean.level_long(72, 1_200).0.parity() <= 2);
        assert!((50..90).contains(&bad.level_long(72, 1_200).0.parity()));
        assert!(bad.has_news());
        clean.told(bad.report());
        assert!(!bad.has_news());
        let (level, len) = clean.level_long(72, 1_200);
        assert!(level.parity() >= 50 && len > 800, "its word counts more than what we hear: {level:?} {len}");
    }

    #[test]
    fn the_first_frame_of_an_unknown_channel_is_short_and_strong() {
        let (level, len) = Rate::default().level_long(72, 1_200);
        assert!(shield::coded_len(len, level) <= PROBE_FRAME);
        assert!(plan::success(len, level, 0.077) > 0.9, "bit error rate 1e-2: {len} {level:?}");
    }
}
