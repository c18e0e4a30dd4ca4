//! How long an answer takes, from the end of a frame on air until it is heard (spec §50.6).

use picket_wire::time::Duration;

/// Smoothed answer time and its mean deviation (RFC 6298 §2 with the same gains).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rtt {
    smoothed: Option<Duration>,
    deviation: Duration,
}

/// Bounds of the time waited for an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Before anything was measured.
    pub(crate) initial: Duration,
    /// At the least.
    pub(crate) min: Duration,
    /// At the most.
    pub(crate) max: Duration,
}

impl Rtt {
    pub(crate) const fn new() -> Self {
        Self { smoothed: None, deviation: Duration::ZERO }
    }

    /// Smoothed answer time.
    pub(crate) const fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    /// An answer to a frame that was sent once.
    pub(crate) fn sample(&mut self, took: Duration) {
        let Some(smoothed) = self.smoothed else {
            self.smoothed = Some(took);
            self.deviation = Duration(took.0 / 2);
            return;
        };
        let off = Duration(took.0.abs_diff(smoothed.0));
        self.deviation = Duration(mix(self.deviation.0, off.0, 4));
        self.smoothed = Some(Duration(mix(smoothed.0, took.0, 8)));
    }

    /// How long to wait for an answer after the frame has left.
    pub(crate) fn wait(&self, bounds: &Bounds) -> Duration {
        match self.smoothed {
            None => bounds.initial,
            Some(s) => (s + self.deviation.times(4)).clamp(bounds.min, bounds.max),
        }
    }
}

/// `old` moved by 1/`gain` of the way to `new`.
const fn mix(old: u64, new: u64, gain: u64) -> u64 {
    old - old / gain + new / gain
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds =
        Bounds { initial: Duration::from_secs(2), min: Duration::from_millis(100), max: Duration::from_secs(4) };

    #[test]
    fn the_wait_follows_what_is_measured() {
        let mut rtt = Rtt::new();
        assert_eq!(rtt.wait(&BOUNDS), BOUNDS.initial);
        for _ in 0..64 {
            rtt.sample(Duration::from_millis(300));
        }
        let calm = rtt.wait(&BOUNDS);
        assert!(calm.as_millis() >= 290 && calm.as_millis() < 400, "{calm:?}");
        rtt.sample(Duration::from_secs(1));
        assert!(rtt.wait(&BOUNDS) > Duration::from_millis(700));
    }
}
