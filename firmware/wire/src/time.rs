//! Time as the core sees it: values passed in, never read.
//!
//! [`Instant`] is monotonic and counts suspend; [`Wall`] is a different type because it may be unknown or wrong
//! (spec §60). Arithmetic saturates: a clock that misbehaves must never panic the firmware.

use core::ops::{Add, AddAssign, Sub};

/// A point on the host's monotonic clock (counting suspend), in microseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

/// A span of time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub u64);

/// Trusted wall time, in milliseconds since the Unix epoch. Whoever holds one vouches that it is trusted;
/// "no trusted time" is `Option::<Wall>::None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub u64);

impl Instant {
    /// The start of the host's clock.
    pub const ZERO: Self = Self(0);
    /// Later than any time that will be reached.
    pub const FAR: Self = Self(u64::MAX);

    /// Time since `earlier`, zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Duration {
    /// No time.
    pub const ZERO: Self = Self(0);
    /// Longer than anything that will be waited for.
    pub const MAX: Self = Self(u64::MAX);

    /// From microseconds.
    #[must_use]
    pub const fn from_micros(us: u64) -> Self {
        Self(us)
    }
    /// From milliseconds.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms.saturating_mul(1_000))
    }
    /// From seconds.
    #[must_use]
    pub const fn from_secs(s: u64) -> Self {
        Self(s.saturating_mul(1_000_000))
    }
    /// In whole microseconds.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }
    /// In whole milliseconds, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000
    }
    /// In whole seconds, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }
    /// `self × n`, saturating.
    #[must_use]
    pub const fn times(self, n: u64) -> Self {
        Self(self.0.saturating_mul(n))
    }
    /// `self − other`, zero at the least.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
    /// Time that `bytes` need on a channel of `bits_per_second` at 8 bits a byte.
    #[must_use]
    pub const fn of_air(bytes: usize, bits_per_second: u32) -> Self {
        if bits_per_second == 0 {
            return Self::ZERO;
        }
        Self((bytes as u64).saturating_mul(8_000_000) / bits_per_second as u64)
    }
}

impl Wall {
    /// Seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000
    }
    /// Time since `earlier`, zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(d.0))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(d.0))
    }
}

impl Add for Duration {
    type Output = Self;
    fn add(self, d: Self) -> Self {
        Self(self.0.saturating_add(d.0))
    }
}

impl AddAssign for Duration {
    fn add_assign(&mut self, d: Self) {
        *self = *self + d;
    }
}
