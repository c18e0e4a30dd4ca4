//! The one place that reads clocks.
//!
//! [`Clock::now`] is monotonic and counts suspend (`CLOCK_BOOTTIME`), so that a lifetime runs down while a board sleeps.
//! [`Clock::wall`] is known only when somebody vouches for it: the kernel's time discipline (`adjtimex`), or the
//! configuration.

use core::str::FromStr;
use picket_wire::time::{Instant, Wall};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Whether the system's wall clock is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// When the kernel says that a time service keeps it synchronised.
    #[default]
    Synchronised,
    /// Always: the board has a clock that somebody keeps right.
    Always,
    /// Never: the board's clock is known to be wrong.
    Never,
}

impl Trust {
    /// The word used in configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Synchronised => "synchronised",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

/// The word is none of `synchronised`, `always`, `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownTrust;

impl FromStr for Trust {
    type Err = UnknownTrust;
    fn from_str(word: &str) -> Result<Self, UnknownTrust> {
        [Self::Synchronised, Self::Always, Self::Never].into_iter().find(|t| t.name() == word).ok_or(UnknownTrust)
    }
}

/// The host's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    trust: Trust,
}

impl Clock {
    /// A clock whose wall time is believed as `trust` says.
    #[must_use]
    pub const fn new(trust: Trust) -> Self {
        Self { trust }
    }

    /// Monotonic time since the machine started, suspend included.
    #[must_use]
    pub fn now(self) -> Instant {
        let t = clock_gettime(ClockId::Boottime);
        Instant(seconds(t).saturating_mul(1_000_000).saturating_add(micros(t)))
    }

    /// Wall time, or `None` where nobody vouches for it.
    #[must_use]
    pub fn wall(self) -> Option<Wall> {
        let trusted = match self.trust {
            Trust::Synchronised => synchronised(),
            Trust::Always => true,
            Trust::Never => false,
        };
        trusted.then(Self::unvouched)
    }

    /// What the wall clock says, trusted or not: for people to read, never for decisions.
    #[must_use]
    pub fn unvouched() -> Wall {
        let t = clock_gettime(ClockId::Realtime);
        Wall(seconds(t).saturating_mul(1_000).saturating_add(micros(t) / 1_000))
    }
}

/// Names this run of the machine: [`Clock::now`] begins anew with each. Empty where the system does not say.
#[must_use]
pub fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

fn seconds(t: Timespec) -> u64 {
    u64::try_from(t.tv_sec).unwrap_or(0)
}

fn micros(t: Timespec) -> u64 {
    u64::try_from(t.tv_nsec).unwrap_or(0) / 1_000
}

/// Whether the kernel's time discipline says that the wall clock is synchronised (adjtimex(2)).
fn synchronised() -> bool {
    // No crate of the tree wraps this call, and nothing under /proc or /sys tells the same.
    #[allow(unsafe_code)]
    // SAFETY: `timex` is a plain C structure for which all zeros is valid; `modes` 0 makes the call read-only; the
    // pointer is to a live local.
    let (state, status) = unsafe {
        let mut timex: libc::timex = core::mem::zeroed();
        let state = libc::adjtimex(&raw mut timex);
        (state, timex.status)
    };
    state >= 0 && state != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn monotonic_time_never_goes_back() {
        let clock = Clock::default();
        let first = clock.now();
        assert!(clock.now() >= first);
        assert!(first > Instant::ZERO);
    }

    #[test]
    fn wall_time_is_known_only_where_trusted() {
        assert!(Clock::new(Trust::Never).wall().is_none());
        // After 2020 on any machine that runs this test.
        assert!(Clock::new(Trust::Always).wall().unwrap().as_secs() > 1_577_836_800);
    }

    #[test]
    fn words_round_trip() {
        for t in [Trust::Synchronised, Trust::Always, Trust::Never] {
            assert_eq!(t.name().parse::<Trust>(), Ok(t));
        }
        assert_eq!("allways".parse::<Trust>(), Err(UnknownTrust));
    }
}
