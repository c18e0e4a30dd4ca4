//! Who is on air when, and what an overlap leaves of a transmission at a receiver.

use picket_wire::time::Instant;

use crate::ear::Ear;
use crate::span::Transmitter;
use crate::{Config, Duplex};

/// Everything between the transmitters and the receivers.
#[derive(Clone, Debug)]
pub(crate) struct Air {
    pub(crate) config: Config,
    pub(crate) transmitters: Vec<Transmitter>,
    pub(crate) outage: bool,
}

/// What a receiver makes of a byte or packet, before noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing else was on air.
    Clear,
    /// Strong enough to be heard regardless of the others.
    Captured,
    /// Another transmission captured the receiver.
    Beaten,
    /// Nothing is left of any of them.
    Garbled,
    /// The receiver was transmitting itself.
    Deafened,
}

/// Another transmission that may overlap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rival {
    start: Instant,
    end: Instant,
    /// Power at the receiver, linear; `None`: the receiver's own.
    power: Option<f64>,
}

impl Air {
    pub(crate) const fn rate(&self) -> u32 {
        self.config.rate_bps
    }

    pub(crate) const fn whole(&self) -> bool {
        self.config.packets.is_some()
    }

    /// Earliest begin of anything that receivers have not heard yet.
    pub(crate) fn horizon(&self) -> Instant {
        let (rate, whole) = (self.rate(), self.whole());
        let unheard = self.transmitters.iter().filter_map(Transmitter::unheard);
        let begins = unheard.map(|span| if whole { span.start() } else { span.start_of(span.heard, rate) });
        begins.min().unwrap_or(Instant::FAR)
    }

    /// What else was on air, as `ear` hears it, between `start` and `end`.
    pub(crate) fn rivals(&self, from: usize, to: usize, ear: &Ear, start: Instant, end: Instant) -> Vec<Rival> {
        let mut rivals = Vec::new();
        if self.config.duplex == Duplex::Full {
            return rivals;
        }
        let rate = self.rate();
        for (other, transmitter) in self.transmitters.iter().enumerate() {
            if other == from || (other != to && (transmitter.mute || !ear.hears(other))) {
                continue;
            }
            let power = (other != to).then(|| power(ear.strength(other)));
            let spans = transmitter.spans.iter().map(|s| Rival { start: s.start(), end: s.end(rate), power });
            rivals.extend(spans.filter(|r| r.overlaps(start, end)));
        }
        rivals
    }

    /// What becomes of a byte or packet of strength `db` among `rivals`.
    pub(crate) fn fate(&self, db: f64, rivals: &[Rival], start: Instant, end: Instant) -> Fate {
        let (mut sum, mut strongest) = (0.0, 0.0_f64);
        for rival in rivals.iter().filter(|r| r.overlaps(start, end)) {
            let Some(power) = rival.power else { return Fate::Deafened };
            sum += power;
            strongest = strongest.max(power);
        }
        if sum <= 0.0 {
            return Fate::Clear;
        }
        let own = power(db);
        let Some(needed) = self.config.capture_db.map(power) else { return Fate::Garbled };
        if own >= sum * needed {
            Fate::Captured
        } else if strongest >= (sum - strongest + own) * needed {
            Fate::Beaten
        } else {
            Fate::Garbled
        }
    }
}

impl Rival {
    fn overlaps(&self, start: Instant, end: Instant) -> bool {
        self.start < end && self.end > start
    }
}

fn power(db: f64) -> f64 {
    10f64.powf(db / 10.0)
}
