//! Frames on a noisy byte pipe (spec §52.3): bits flip, bytes vanish or are inserted.
//!
//! On air a frame is `sync (3) ‖ header (6) ‖ body`; the body is the frame with its parity, spread over blocks.
//!
//! ```
//! use picket_codes::shield::{self, Found, Hunter, Level};
//! let level = Level::new(4).unwrap_or(Level::MAX);
//! let mut air = b"noise".to_vec();
//! shield::put(&mut air, b"a frame", level);
//! air[3] ^= 1;
//! air[9] ^= 1;
//! air[17] ^= 1;
//!
//! let mut hunter = Hunter::new();
//! hunter.push(&air);
//! let frame = Found::Frame { frame: b"a frame".to_vec(), level, body: 15, errors: 1 };
//! assert_eq!(hunter.next(), Some(frame));
//! assert_eq!(hunter.next(), Some(Found::Noise(5)));
//! assert_eq!(hunter.next(), None);
//! ```

mod body;
mod head;
mod hunter;
mod level;

use alloc::vec::Vec;

pub use crate::limits::FRAME_MAX;
pub use hunter::{Found, Hunter};
pub use level::Level;

/// Bytes of sync and header before a body.
pub const OVERHEAD: usize = 9;

/// Whole length on air of a frame of `frame_len` bytes, sync and header included.
#[must_use]
pub fn coded_len(frame_len: usize, level: Level) -> usize {
    OVERHEAD + frame_len + blocks(frame_len, level) * level.parity()
}

/// Appends `frame` to `out` as it goes on air. False when it is empty or longer than [`FRAME_MAX`]: then nothing is
/// written.
pub fn put(out: &mut Vec<u8>, frame: &[u8], level: Level) -> bool {
    let Some(head) = head::Head::new(frame.len(), level) else { return false };
    out.reserve(coded_len(frame.len(), level));
    out.extend_from_slice(&head.write());
    body::put(out, frame, level);
    true
}

/// Blocks that a frame of `frame_len` bytes is spread over.
pub(crate) fn blocks(frame_len: usize, level: Level) -> usize {
    frame_len.div_ceil(crate::limits::BLOCK_MAX - level.parity())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CODED_MAX;

    #[test]
    fn the_longest_coded_frame_is_what_the_limits_say() {
        let longest = Level::ALL.iter().flat_map(|l| (1..=FRAME_MAX).map(|n| coded_len(n, *l))).max();
        assert_eq!(longest, Some(CODED_MAX));
    }

    #[test]
    fn what_is_put_is_as_long_as_said() {
        for level in Level::ALL {
            for len in [1, 2, 126, 127, 128, 240, 255, 256, 1200, FRAME_MAX] {
                let mut out = vec![1];
                assert!(put(&mut out, &vec![5; len], level));
                assert_eq!(out.len(), 1 + coded_len(len, level));
            }
            let mut out = Vec::new();
            assert!(!put(&mut out, &[], level));
            assert!(!put(&mut out, &[0; FRAME_MAX + 1], level));
            assert!(out.is_empty());
        }
    }

    #[test]
    fn levels_ascend_in_parity() {
        assert!(Level::ALL.windows(2).all(|w| w[0].parity() < w[1].parity()));
        assert_eq!((Level::MIN.parity(), Level::MAX.parity()), (0, 128));
        assert!(Level::ALL.iter().all(|l| Level::new(l.bits()) == Some(*l)));
        assert_eq!(Level::new(32), None);
    }
}
