//! When the medium may be given the next bytes (spec §50.7).

use crate::limits::PACE_AHEAD;
use picket_wire::time::{Duration, Instant};

/// Pacing by the air rate, eight bits a byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    air_bps: Option<u32>,
    free_at: Instant,
}

impl Pace {
    pub(crate) const fn new(air_bps: Option<u32>) -> Self {
        Self { air_bps, free_at: Instant::ZERO }
    }

    pub(crate) const fn is_paced(&self) -> bool {
        self.air_bps.is_some()
    }

    /// Forgets what was on its way: the medium was gone.
    pub(crate) const fn restart(&mut self) {
        self.free_at = Instant::ZERO;
    }

    /// Earliest time for the next frame.
    pub(crate) fn ready_at(&self) -> Instant {
        self.free_at - PACE_AHEAD
    }

    /// When the last bit handed over has left.
    pub(crate) const fn free_at(&self) -> Instant {
        self.free_at
    }

    /// Time of `bytes` on air, zero when unpaced.
    pub(crate) const fn air(&self, bytes: usize) -> Duration {
        match self.air_bps {
            Some(bps) => Duration::of_air(bytes, bps),
            None => Duration::ZERO,
        }
    }

    /// Accounts for bytes handed over at `now`; returns when their last bit has left.
    pub(crate) fn sent(&mut self, now: Instant, bytes: usize) -> Instant {
        self.free_at = self.free_at.max(now) + self.air(bytes);
        self.free_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_frame_waits_until_the_last_has_almost_left() {
        let mut pace = Pace::new(Some(9_600));
        let end = pace.sent(Instant::ZERO, 1_200);
        assert_eq!(end, Instant(1_000_000));
        assert_eq!(pace.ready_at(), Instant(990_000));
        assert_eq!(pace.sent(Instant(990_000), 1_200), Instant(2_000_000));
    }
}
