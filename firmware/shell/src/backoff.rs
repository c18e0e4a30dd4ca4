//! Pauses between attempts: doubling, bounded, jittered, for ever.

use crate::{limits, random};
use core::time::Duration;

/// A series of pauses.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    next: Duration,
    min: Duration,
    max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(limits::RETRY_MIN, limits::RETRY_MAX)
    }
}

impl Backoff {
    /// Pauses from `min` to `max`.
    #[must_use]
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self { next: min, min, max }
    }

    /// The next pause: the series' value less up to a quarter of it, so that many stations do not return in step.
    pub fn pause(&mut self) -> Duration {
        let base = self.next;
        self.next = (base * 2).min(self.max);
        base - (base / 4) * (random::jitter() % 1024) / 1024
    }

    /// Begins again: the last attempt succeeded.
    pub const fn reset(&mut self) {
        self.next = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_bound_and_begins_again() {
        let mut b = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let pauses: Vec<_> = (0..6).map(|_| b.pause()).collect();
        for (pause, base) in pauses.iter().zip([100, 200, 400, 800, 1000, 1000]) {
            let base = Duration::from_millis(base);
            assert!(*pause <= base && *pause >= base * 3 / 4, "{pause:?} of {base:?}");
        }
        b.reset();
        assert!(b.pause() <= Duration::from_millis(100));
    }
}
