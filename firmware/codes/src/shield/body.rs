//! A frame with its parity (spec §52.3): byte `i` of the body belongs to block `i mod B`.

use super::{Level, OVERHEAD, blocks, coded_len};
use crate::limits::BLOCK_MAX;
use crate::rs;
use alloc::vec::Vec;

/// Appends the body of `frame`.
pub(super) fn put(out: &mut Vec<u8>, frame: &[u8], level: Level) {
    let start = out.len();
    out.extend_from_slice(frame);
    out.resize(start + coded_len(frame.len(), level) - OVERHEAD, 0);
    if level.parity() == 0 {
        return;
    }
    let Some((_, body)) = out.split_at_mut_checked(start) else { return };
    let count = blocks(frame.len(), level);
    for first in 0..count {
        let (mut block, len) = gather(body, first, count);
        if let Some((data, parity)) = block[..len].split_at_mut_checked(len - level.parity()) {
            rs::encode(data, parity);
        }
        scatter(body, first, count, &block);
    }
}

/// The frame of `len` bytes in `body` and how many bytes of the body were wrong; `None` when a block is beyond repair.
pub(super) fn decode(body: &[u8], len: usize, level: Level) -> Option<(Vec<u8>, usize)> {
    let mut errors = 0;
    let mut frame = body.get(..len)?.to_vec();
    if level.parity() == 0 {
        return Some((frame, errors));
    }
    let count = blocks(len, level);
    for first in 0..count {
        let (mut block, size) = gather(body, first, count);
        let wrong = rs::decode(&mut block[..size], level.parity()).ok()?;
        if wrong > 0 {
            scatter(&mut frame, first, count, &block);
            errors += usize::from(wrong);
        }
    }
    Some((frame, errors))
}

/// Every `count`th byte from `first` on, and how many they are. No block is longer than [`BLOCK_MAX`]: `count` blocks
/// hold the frame.
fn gather(body: &[u8], first: usize, count: usize) -> ([u8; BLOCK_MAX], usize) {
    let mut block = [0; BLOCK_MAX];
    let mut len = 0;
    for (to, from) in block.iter_mut().zip(body.iter().skip(first).step_by(count)) {
        *to = *from;
        len += 1;
    }
    (block, len)
}

/// The way back; what is beyond the end of `body` is left out.
fn scatter(body: &mut [u8], first: usize, count: usize, block: &[u8]) {
    for (to, from) in body.iter_mut().skip(first).step_by(count).zip(block) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn body(frame: &[u8], level: Level) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, frame, level);
        out
    }

    #[test]
    fn blocks_differ_by_one_byte_at_most_and_none_is_too_long() {
        for level in Level::ALL.into_iter().skip(1) {
            for len in 1..=super::super::FRAME_MAX {
                let count = blocks(len, level);
                let whole = len + count * level.parity();
                assert!(whole.div_ceil(count) <= BLOCK_MAX);
                assert!(len / count > 0, "no block without data");
            }
        }
    }

    #[test]
    fn a_burst_as_long_as_half_the_parity_of_all_blocks_is_put_right() {
        let frame: Vec<u8> = (0..1200).map(|i| (i * 7 % 251) as u8).collect();
        for level in Level::ALL {
            let good = body(&frame, level);
            let burst = blocks(frame.len(), level) * level.parity() / 2;
            for start in (0..good.len() - burst).step_by(97) {
                let mut bad = good.clone();
                bad[start..start + burst].iter_mut().for_each(|b| *b ^= 0x5A);
                assert_eq!(decode(&bad, frame.len(), level), Some((frame.clone(), burst)));
                if level.parity() > 0 {
                    bad[start + burst] ^= 1;
                    assert!(decode(&bad, frame.len(), level).is_none_or(|(wrong, _)| wrong != frame));
                }
            }
        }
    }
}
