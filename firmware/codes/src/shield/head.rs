//! Sync and header: where a frame begins, how long it is, and how much parity it has (spec §52.3).

use super::{FRAME_MAX, Level, OVERHEAD};
use crate::golay;

/// The word every frame begins with, the first byte on top. Shifted by a byte it differs from itself in 11 of 16 bits,
/// by two in 5 of 8, so that bytes around it do not look like it; every run of one repeated byte, `+++` among them, is
/// at least 8 bits away.
const SYNC: [u8; 3] = [0x8E, 0xF4, 0x49];

/// Bits of the sync word that may be wrong: as many as in each word of the header.
const SYNC_ERRORS: u32 = 3;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    len: u16,
    level: Level,
}

impl Head {
    /// `None` when a frame of `len` bytes is empty or too long.
    pub(super) fn new(len: usize, level: Level) -> Option<Self> {
        let fits = (1..=FRAME_MAX).contains(&len);
        fits.then_some(Self { len: len as u16, level })
    }

    pub(super) fn len(self) -> usize {
        usize::from(self.len)
    }

    pub(super) fn level(self) -> Level {
        self.level
    }

    /// Sync and header as they go on air.
    pub(super) fn write(self) -> [u8; OVERHEAD] {
        let level = u16::from(self.level.bits());
        let [_, a, b, c] = golay::encode(self.len).to_be_bytes();
        let [_, d, e, f] = golay::encode(level << 7 | u16::from(check(self.len, level))).to_be_bytes();
        let [x, y, z] = SYNC;
        [x, y, z, a, b, c, d, e, f]
    }

    /// What `bytes` begin with, sync and header, if they are within the errors allowed.
    pub(super) fn read(bytes: &[u8; OVERHEAD]) -> Option<Self> {
        if !may_begin(bytes) {
            return None;
        }
        let [_, _, _, a, b, c, d, e, f] = *bytes;
        let (len, _) = golay::decode(u32::from_be_bytes([0, a, b, c]))?;
        let (rest, _) = golay::decode(u32::from_be_bytes([0, d, e, f]))?;
        let level = Level::new((rest >> 7) as u8)?;
        let good = u16::from(check(len, rest >> 7)) == rest & 0x7F;
        good.then(|| Self::new(usize::from(len), level)).flatten()
    }
}

/// Whether a frame may begin with `bytes`, as far as they go: at most three bits differ from the sync word.
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    SYNC.iter().zip(bytes).map(|(s, b)| (s ^ b).count_ones()).sum::<u32>() <= SYNC_ERRORS
}

/// CRC-7 (x⁷ + x³ + 1) over twelve bits of length and five of level. It begins with 0x55, so that a header of nothing
/// but zeros does not check.
fn check(len: u16, level: u16) -> u8 {
    let bits = u32::from(len) << 5 | u32::from(level);
    (0..17).rev().fold(0x55u8, |crc, i| {
        let out = ((crc >> 6) & 1) ^ (bits >> i & 1) as u8;
        ((crc << 1) & 0x7F) ^ (out * 0x09)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_is_read_as_written() {
        for level in Level::ALL {
            for len in 1..=FRAME_MAX {
                let head = Head::new(len, level);
                assert_eq!(head.and_then(|h| Head::read(&h.write())), head);
            }
        }
    }

    #[test]
    fn three_wrong_bits_in_each_word_are_put_right_and_four_are_not() {
        let head = Head::new(1200, Level::MAX);
        for (flips, read) in [([0x80, 0x01, 0x10], true), ([0x80, 0x01, 0x11], false)] {
            for word in 0..3 {
                let mut bytes = head.map(Head::write).unwrap_or_default();
                bytes.iter_mut().skip(3 * word).zip(flips).for_each(|(b, f)| *b ^= f);
                assert_eq!(Head::read(&bytes), head.filter(|_| read), "word {word}");
            }
        }
    }

    #[test]
    fn the_sync_word_is_far_from_itself_shifted_and_from_runs() {
        let apart = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
        assert_eq!(apart(&SYNC[1..], &SYNC), 11);
        assert_eq!(apart(&SYNC[2..], &SYNC), 5);
        assert!((0..=255).all(|b| apart(&SYNC, &[b; 3]) >= 8));
        assert_eq!(apart(&SYNC, b"+++"), 14);
    }

    #[test]
    fn zeros_and_a_length_of_none_are_no_header() {
        let [x, y, z] = SYNC;
        assert_eq!(Head::read(&[x, y, z, 0, 0, 0, 0, 0, 0]), None);
        for level in Level::ALL {
            let none = Head { len: 0, level };
            assert_eq!(Head::read(&none.write()), None);
        }
    }
}
