//! How much parity a channel needs (spec §52.5).
//!
//! A channel is described by one number, `q`: the probability that a byte arrives wrong. Bytes are taken to be wrong
//! independently; blocks are spread over the frame so that this is nearly true of bursts as well.
//!
//! ```
//! use picket_codes::plan::{Noise, best_level};
//! let mut noise = Noise::default();
//! assert!(best_level(240, noise.q()).parity() >= 8);
//! for _ in 0..100 {
//!     noise.observe(250, 0);
//! }
//! assert_eq!(best_level(240, noise.q()).parity(), 0);
//! ```

mod noise;

use crate::shield::{Level, blocks, coded_len};
pub use noise::Noise;

/// Probability that a frame of `frame_len` bytes is found and repaired: sync and both header words have at most three
/// wrong bits each, and every block has at most half as many wrong bytes as parity. `q` is taken as 0 to 1.
#[must_use]
pub fn success(frame_len: usize, level: Level, q: f32) -> f32 {
    let q = if q.is_nan() { 1.0 } else { f64::from(q.clamp(0.0, 1.0)) };
    let bit = 1.0 - libm::pow(1.0 - q, 1.0 / 8.0);
    let word = at_most(24, 3, bit);
    let count = blocks(frame_len, level);
    let (short, more) = (frame_len.checked_div(count).unwrap_or(0), frame_len.checked_rem(count).unwrap_or(0));
    let parity = level.parity();
    let of_length = |data, times: usize| match times {
        0 => 1.0,
        _ => libm::pow(at_most(data + parity, parity / 2, q), times as f64),
    };
    (word * word * word * of_length(short, count - more) * of_length(short + 1, more)) as f32
}

/// The part of the channel that is of use: bytes of frame that arrive per byte sent, 0 to 1.
#[must_use]
pub fn efficiency(frame_len: usize, level: Level, q: f32) -> f32 {
    success(frame_len, level, q) * frame_len as f32 / coded_len(frame_len, level) as f32
}

/// The level with the greatest [`efficiency`], so the least air for a frame that is repeated until it arrives; among
/// equals the one with the least parity, and the most parity when nothing helps.
#[must_use]
pub fn best_level(frame_len: usize, q: f32) -> Level {
    let mut best = (Level::MAX, 0.0);
    for level in Level::ALL {
        let this = efficiency(frame_len, level, q);
        if this > best.1 {
            best = (level, this);
        }
    }
    best.0
}

/// Probability that at most `most` of `n` things happen, each with probability `p` (binomial, by recurrence).
fn at_most(n: usize, most: usize, p: f64) -> f64 {
    if p >= 1.0 {
        return if most >= n { 1.0 } else { 0.0 };
    }
    // Far below the normal numbers the sum is nothing: then n·p is far above any number of errors that is repaired.
    let mut term = libm::pow(1.0 - p, n as f64);
    let mut sum = term;
    for k in 0..most.min(n) {
        term *= (n - k) as f64 / (k + 1) as f64 * p / (1.0 - p);
        sum += term;
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QS: [f32; 9] = [0.0, 1e-6, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.3, 1.0];

    #[test]
    fn binomial_sums_are_right() {
        assert!((at_most(4, 1, 0.5) - 5.0 / 16.0).abs() < 1e-12);
        assert!((at_most(24, 3, 0.1) - 0.785_738).abs() < 1e-5);
        assert!((at_most(255, 255, 0.3) - 1.0).abs() < 1e-9);
        assert_eq!((at_most(9, 0, 0.0), at_most(9, 8, 1.0), at_most(9, 9, 1.0)), (1.0, 0.0, 1.0));
    }

    #[test]
    fn success_is_a_probability_that_falls_with_noise_and_grows_with_parity() {
        for len in [0, 1, 20, 240, 1200, 4095] {
            for level in Level::ALL {
                let all = QS.map(|q| success(len, level, q));
                assert!(all.iter().all(|p| (0.0..=1.0).contains(p)), "{len} {level:?} {all:?}");
                assert!(all.windows(2).all(|w| w[0] >= w[1]), "{len} {level:?} {all:?}");
            }
            for q in QS {
                let strongest = success(len, Level::MAX, q);
                assert!(Level::ALL.iter().all(|l| success(len, *l, q) <= strongest + 1e-6), "{len} {q}");
            }
        }
        assert_eq!(success(100, Level::MAX, f32::NAN), 0.0);
    }

    #[test]
    fn the_worse_the_channel_the_more_parity() {
        for len in [20, 60, 240, 600, 1200, 4095] {
            let mut before = 0;
            for step in 0..200 {
                let q = 1e-7 * libm::powf(1.08, step as f32);
                if q < 0.12 {
                    let parity = best_level(len, q).parity();
                    assert!(parity >= before, "{len} {q}: {parity} after {before}");
                    before = parity;
                }
            }
        }
        assert_eq!(best_level(1200, 0.0), Level::MIN);
        assert_eq!(best_level(1200, 1.0), Level::MAX);
    }

    #[test]
    fn the_best_level_is_the_best() {
        for len in [1, 60, 240, 1200] {
            for q in QS {
                let best = efficiency(len, best_level(len, q), q);
                assert!(Level::ALL.iter().all(|l| efficiency(len, *l, q) <= best), "{len} {q}");
            }
        }
    }
}
