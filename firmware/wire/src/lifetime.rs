//! Remaining lifetime in one byte, logarithmic: no clock needed to count it down (spec §10.8).

use crate::time::Duration;
use serde::{Deserialize, Serialize};

/// Remaining lifetime code: `e = code >> 4`, `m = code & 15`; `e = 0` is `m` seconds, otherwise `(16 + m) << (e − 1)`
/// seconds, up to 507 904 s (5.9 days). Encoding rounds down, so a lifetime never grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lifetime(pub u8);

impl Lifetime {
    /// The longest that can be written.
    pub const MAX: Self = Self(0xFF);
    /// Nothing left.
    pub const OVER: Self = Self(0);

    /// Seconds that this code stands for.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        let (e, m) = (self.0 >> 4, (self.0 & 15) as u32);
        if e == 0 { m } else { (16 + m) << (e - 1) }
    }

    /// The greatest code that stands for no more than `seconds`.
    #[must_use]
    pub const fn floor(seconds: u32) -> Self {
        if seconds >= Self::MAX.seconds() {
            return Self::MAX;
        }
        if seconds < 16 {
            return Self(seconds as u8);
        }
        let shift = 31 - seconds.leading_zeros() - 4;
        let m = (seconds >> shift) - 16;
        Self((((shift + 1) << 4) | m) as u8)
    }

    /// As a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.seconds() as u64)
    }

    /// The greatest code within `d`.
    #[must_use]
    pub const fn within(d: Duration) -> Self {
        let s = d.as_secs();
        Self::floor(if s > u32::MAX as u64 { u32::MAX } else { s as u32 })
    }
}

#[cfg(test)]
mod tests {
    use super::Lifetime;

    #[test]
    fn every_code_is_its_own_floor_and_codes_ascend() {
        for code in 0..=255u8 {
            assert_eq!(Lifetime::floor(Lifetime(code).seconds()), Lifetime(code));
            if code > 0 {
                assert!(Lifetime(code).seconds() > Lifetime(code - 1).seconds());
                assert_eq!(Lifetime::floor(Lifetime(code).seconds() - 1), Lifetime(code - 1));
            }
        }
        assert_eq!(Lifetime::floor(u32::MAX), Lifetime::MAX);
    }
}
