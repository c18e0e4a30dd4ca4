//! The stages of an attachment and their timers: the whole time policy of the leaf on one screen.

use super::limits;
use picket_link::Config;
use picket_wire::Index;
use picket_wire::control::Claim;
use picket_wire::time::{Duration, Instant};

#[derive(Debug)]
pub(super) enum Stage {
    Down,
    Searching(Searching),
    Claiming { gateway: Index, until: Instant },
    Attaching(Attaching),
    Attached(Attached),
}

/// Asking who is there.
#[derive(Debug)]
pub(super) struct Searching {
    next: Instant,
    pause: Duration,
}

/// A claim waits for its answer.
#[derive(Debug)]
pub(super) struct Attaching {
    pub(super) claim: Claim,
    /// The attachment stands and is only being renewed; whether it was drained.
    pub(super) again: Option<bool>,
    next: Instant,
    tries: u32,
}

/// Attached.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) claim: Claim,
    pub(super) drained: bool,
    since: Instant,
    heard: Instant,
    probes: u32,
}

impl Stage {
    /// When its timer comes due.
    pub(super) fn due(&self, config: &Config) -> Option<Instant> {
        match self {
            Self::Down => None,
            Self::Claiming { until, .. } => Some(*until),
            Self::Searching(s) => Some(s.next),
            Self::Attaching(a) => Some(a.next),
            Self::Attached(a) => Some(a.due(config)),
        }
    }
}

impl Searching {
    pub(super) const fn begin(now: Instant) -> Self {
        Self { next: now, pause: limits::HELLO_FIRST }
    }

    pub(super) fn asked(&mut self, now: Instant, me: Index) {
        let spread = limits::HELLO_SPREAD.as_micros() / 64 * u64::from(me.0 % 64);
        self.next = now + self.pause + Duration::from_micros(spread);
        self.pause = self.pause.times(2).min(limits::HELLO_MAX);
    }
}

impl Attaching {
    pub(super) const fn begin(now: Instant, claim: Claim) -> Self {
        Self { claim, again: None, next: now, tries: 0 }
    }

    pub(super) const fn again(now: Instant, claim: Claim, drained: bool) -> Self {
        Self { claim, again: Some(drained), next: now, tries: 0 }
    }

    pub(super) fn asked(&mut self, now: Instant, config: &Config) {
        let pause = answer_time(config).times(1 << self.tries.min(8));
        self.next = now + pause.min(limits::ATTACH_MAX);
        self.tries += 1;
    }

    pub(super) const fn exhausted(&self) -> bool {
        self.tries >= limits::ATTACH_TRIES
    }
}

/// How long a gateway may take to answer.
fn answer_time(config: &Config) -> Duration {
    let air = config.air_bps.map_or(Duration::ZERO, |bps| Duration::of_air(limits::ATTACH_AIR_BYTES, bps));
    limits::ATTACH_ANSWER + air + config.turn_round
}

impl Attached {
    pub(super) const fn begin(now: Instant, claim: Claim, drained: bool) -> Self {
        Self { claim, drained, since: now, heard: now, probes: 0 }
    }

    /// Something was held for us and the gateway has fallen silent: its word that all was handed over may be lost, or
    /// it still waits for an answer of ours that is.
    pub(super) fn drain_stalled(&self, now: Instant, config: &Config) -> bool {
        !self.drained && self.probes == 0 && now.since(self.heard) >= stall_time(config)
    }

    pub(super) const fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.probes = 0;
    }

    pub(super) fn probed(&mut self, now: Instant) {
        self.heard = now;
        self.probes += 1;
    }

    pub(super) const fn lost(&self) -> bool {
        self.probes >= limits::PROBES
    }

    pub(super) fn may_reattach(&self, now: Instant) -> bool {
        now.since(self.since) >= limits::REATTACH_EVERY
    }

    fn due(&self, config: &Config) -> Instant {
        let silence = if config.air_bps.is_none() { limits::SILENCE_SOCKET } else { limits::SILENCE_AIR };
        let silence = if self.drained { silence } else { silence.min(stall_time(config)) };
        self.heard + if self.probes == 0 { silence } else { limits::PROBE_EVERY }
    }
}

/// Silence before the end of the hand-over after which the attachment is renewed.
fn stall_time(config: &Config) -> Duration {
    answer_time(config).times(3)
}
