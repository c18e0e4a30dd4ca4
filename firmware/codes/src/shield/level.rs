//! How much parity a frame has.

/// Parity bytes per block of each level: steps of two while they are cheap, of about a twelfth later.
const PARITY: [u8; 32] = [
    0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 36, 40, 44, 48, 54, 60, 66, 72, 80, 88, 96, 104,
    112, 120, 128,
];

/// One of 32 amounts of parity, from none to half of every block (spec §52.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// No parity: sync and header are protected, the body is not.
    pub const MIN: Self = Self(0);
    /// The most parity, 128 bytes per block.
    pub const MAX: Self = Self(31);
    /// All levels, least parity first.
    pub const ALL: [Self; 32] = {
        let mut all = [Self(0); 32];
        let mut i = 0;
        while i < all.len() {
            all[i] = Self(i as u8);
            i += 1;
        }
        all
    };

    /// The level with this number; `None` above 31.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// Parity bytes of each block; half as many wrong bytes are repaired in it.
    #[must_use]
    pub const fn parity(self) -> usize {
        PARITY[self.0 as usize] as usize
    }

    /// Its number, as it travels in five bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}
