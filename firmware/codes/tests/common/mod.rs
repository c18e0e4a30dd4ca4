//! What the tests of this crate share.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::expect_fun_call)]

use picket_codes::shield::{Found, Hunter, Level, OVERHEAD, coded_len, put};

/// A seeded generator (splitmix64): the same numbers on every machine.
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True in one of `1 / p` cases.
    pub fn chance(&mut self, p: f64) -> bool {
        ((self.next() >> 11) as f64) < p * (1u64 << 53) as f64
    }

    /// Random bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// Flips every bit with probability `ber`.
    pub fn flip(&mut self, bytes: &mut [u8], ber: f64) {
        for byte in bytes {
            (0..8).filter(|_| self.chance(ber)).for_each(|bit| *byte ^= 1 << bit);
        }
    }
}

/// A coded frame.
pub fn coded(frame: &[u8], level: Level) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(put(&mut out, frame, level));
    out
}

/// A level by its number.
pub fn level(number: u8) -> Level {
    Level::new(number).expect("a level")
}

/// What a receiver was told, and how many bytes that accounts for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub frames: Vec<Vec<u8>>,
    pub broken: Vec<(Level, usize)>,
    pub noise: usize,
    pub rejected: usize,
    /// Bytes of kept frames that were corrected.
    pub errors: usize,
    pub bytes: usize,
}

impl Told {
    /// Whether `pushed` bytes are told once each; only what a repaired frame shares with the next counts twice.
    pub fn accounts_for(&self, pushed: usize) -> bool {
        self.bytes >= pushed && self.bytes <= pushed + 2 * self.errors
    }

    /// Takes all that there is; frames that are not `genuine` are given back.
    pub fn drain(&mut self, hunter: &mut Hunter, genuine: impl Fn(&[u8]) -> bool) {
        while let Some(found) = hunter.next() {
            match found {
                Found::Frame { frame, level, body, errors } => {
                    assert!(errors <= body && body + OVERHEAD == coded_len(frame.len(), level));
                    if genuine(&frame) {
                        self.bytes += coded_len(frame.len(), level);
                        self.frames.push(frame);
                        self.errors += errors;
                    } else {
                        hunter.reject();
                        self.rejected += 1;
                    }
                }
                Found::Broken { level, body } => {
                    self.bytes += OVERHEAD + body;
                    self.broken.push((level, body));
                }
                Found::Noise(n) => {
                    assert!(n > 0);
                    self.noise += n;
                    self.bytes += n;
                }
            }
        }
    }
}

/// Zeros, after which everything before them is told: no sync word begins with them, and no frame is longer.
pub fn silence() -> Vec<u8> {
    vec![0; picket_codes::limits::CODED_MAX + 9]
}
