//! Frames on a noisy byte pipe (spec §52.3, §52.4): bits flip, bytes vanish or are inserted.
//!
//! On air a frame is `sync (3) ‖ header (6) ‖ body`; the body is the frame with its parity, spread over blocks.

mod hunter;
mod level;

use alloc::vec::Vec;

pub use crate::limits::FRAME_MAX;
pub use hunter::{Found, Hunter};
pub use level::Level;

/// Bytes of sync and header before a body.
pub const OVERHEAD: usize = 9;

/// Whole length on air of a frame of `frame_len` bytes, sync and header included; [`OVERHEAD`] for a frame of none.
#[must_use]
pub fn coded_len(frame_len: usize, level: Level) -> usize {
    OVERHEAD + frame_len + blocks(frame_len, level) * level.parity()
}

/// Appends `frame` to `out` as it goes on air. False when it is empty or longer than [`FRAME_MAX`]: then nothing is
/// written.
pub fn put(out: &mut Vec<u8>, frame: &[u8], level: Level) -> bool {
    let _ = (out, frame, level);
    false
}

/// Blocks that a frame of `frame_len` bytes is spread over.
pub(crate) fn blocks(frame_len: usize, level: Level) -> usize {
    frame_len.div_ceil(crate::limits::BLOCK_MAX - level.parity())
}
