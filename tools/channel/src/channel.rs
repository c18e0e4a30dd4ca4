//! The model: what the stations put on air, and what the others hear of it.

use picket_wire::time::{Duration, Instant};

use crate::air::Air;
use crate::ear::{Ear, round_down, round_up};
use crate::span::{Span, Transmitter};
use crate::{Burst, Config, Duplex, Rng};

/// Bytes, or a packet, that reached one station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The station that heard them.
    pub to: usize,
    /// When the last of them arrived.
    pub at: Instant,
    /// As they were heard, errors included.
    pub bytes: Vec<u8>,
}

/// What one station sent and heard, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Put on air by this station.
    pub sent: u64,
    /// Handed to this station, good or not.
    pub heard: u64,
    /// With at least one wrong bit: of byte pipes among the heard, of packets dropped whole.
    pub corrupted: u64,
    /// Spoiled at this receiver because two stations that it hears were on air.
    pub collided: u64,
    /// Among the heard: strong enough to survive an overlap.
    pub captured: u64,
    /// On air while this station transmitted itself, in half duplex: not heard.
    pub deafened: u64,
    /// Meant for this station and lost: an outage, a deaf or a mute station, a missed packet.
    pub lost: u64,
    /// Offered beyond the transmitter's buffer or the longest packet, and dropped there.
    pub overrun: u64,
    /// Time that this station was on air, preambles included.
    pub air: Duration,
}

impl Counters {
    pub(crate) const EMPTY: Self = Self {
        sent: 0,
        heard: 0,
        corrupted: 0,
        collided: 0,
        captured: 0,
        deafened: 0,
        lost: 0,
        overrun: 0,
        air: Duration::ZERO,
    };
}

/// A shared channel. Stations are numbered from 0. Times must not go backwards.
#[derive(Clone, Debug)]
pub struct Channel {
    air: Air,
    ears: Vec<Ear>,
    now: Instant,
}

impl Channel {
    /// A quiet channel.
    #[must_use]
    pub fn new(mut config: Config, seed: u64) -> Self {
        config.rate_bps = config.rate_bps.max(1);
        config.stations = config.stations.max(2);
        let mut seeds = Rng::new(seed);
        let ears = (0..config.stations).map(|_| Ear::new(seeds.next_u64(), config.ber, config.burst)).collect();
        let transmitters = (0..config.stations).map(|_| Transmitter::new(Rng::new(seeds.next_u64()))).collect();
        Self { air: Air { config, transmitters, outage: false }, ears, now: Instant::ZERO }
    }

    /// Its properties as they are now.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.air.config
    }

    /// Offers `bytes` to a station's transmitter; they follow what it is sending, or start it after the turn-round time.
    /// Bytes beyond the buffer are dropped and counted, as in a modem without flow control. A packet is taken whole or
    /// not at all. Returns how many bytes were taken.
    pub fn transmit(&mut self, now: Instant, station: usize, bytes: &[u8]) -> usize {
        self.advance(now);
        let room = self.room(station);
        let taken = match self.air.config.packets {
            Some(packets) if bytes.len() > packets.mtu.min(room) => 0,
            Some(_) | None => bytes.len().min(room),
        };
        let Some(transmitter) = self.air.transmitters.get_mut(station) else { return 0 };
        transmitter.overrun += (bytes.len() - taken) as u64;
        let (bytes, _) = bytes.split_at(taken);
        if !bytes.is_empty() {
            transmitter.send(&self.air.config, now, bytes);
        }
        taken
    }

    /// Bytes that a station's transmitter still takes.
    #[must_use]
    pub fn room(&self, station: usize) -> usize {
        let waiting = self.air.transmitters.get(station).map_or(usize::MAX, Transmitter::waiting);
        self.air.config.buffer.saturating_sub(waiting)
    }

    /// Whether `station` can tell that somebody whom it hears is on air, as radios report it that sense a carrier. In
    /// half duplex a station that transmits hears nobody.
    #[must_use]
    pub fn busy(&self, now: Instant, station: usize) -> bool {
        let rate = self.air.rate();
        let Some(ear) = self.ears.get(station).filter(|ear| !ear.deaf && !self.air.outage) else { return false };
        let on_air = |other: usize| self.air.transmitters.get(other).is_some_and(|t| t.is_on_air(now, rate));
        let talks = self.air.config.duplex == Duplex::Half && on_air(station);
        let others = self.air.transmitters.iter().enumerate().filter(|(other, t)| *other != station && !t.mute);
        !talks && others.map(|(other, _)| other).any(|other| ear.hears(other) && on_air(other))
    }

    /// Everything that arrived up to `now`, by station: of a byte pipe at most one delivery each, of packets one each.
    pub fn poll(&mut self, now: Instant) -> Vec<Delivery> {
        self.advance(now);
        let until = round_down(now, self.air.config.grain);
        let mut out = Vec::new();
        self.ears.iter_mut().enumerate().for_each(|(to, ear)| ear.take(to, until, &mut out));
        out
    }

    /// When [`Channel::poll`] next may have something, if nothing else happens before.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let (rate, whole) = (self.air.rate(), self.air.whole());
        let arrivals = self.ears.iter().filter_map(Ear::next_arrival);
        let on_air = self.air.transmitters.iter().filter_map(Transmitter::unheard);
        let on_air = on_air.map(|span| span.next_end(rate, whole) + span.delay);
        let at = arrivals.chain(on_air).min()?;
        Some(round_up(at, self.air.config.grain))
    }

    /// Puts bytes that nobody sent into a station's receiver: a foreign transmitter, a loose connector.
    pub fn inject(&mut self, now: Instant, station: usize, bytes: &[u8]) {
        self.advance(now);
        let whole = self.air.whole();
        if let Some(ear) = self.ears.get_mut(station) {
            ear.inject(now, bytes, whole);
        }
    }

    /// Forgets what a station's transmitter still holds, in the middle of whatever it was sending.
    pub fn abort(&mut self, now: Instant, station: usize) {
        self.advance(now);
        if let Some(transmitter) = self.air.transmitters.get_mut(station) {
            transmitter.abort();
        }
    }

    /// A station's counters; zeros for one that does not exist.
    #[must_use]
    pub fn counters(&self, station: usize) -> Counters {
        match (self.ears.get(station), self.air.transmitters.get(station)) {
            (Some(ear), Some(t)) => Counters { sent: t.sent, overrun: t.overrun, air: t.air, ..ear.counters },
            (_, _) => Counters::default(),
        }
    }

    /// Air time that all stations used, as a fraction of the time since the start; above 1 when they overlap.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn utilisation(&self) -> f64 {
        let used: u64 = self.air.transmitters.iter().map(|t| t.air.as_micros()).sum();
        used as f64 / self.now.0.max(1) as f64
    }

    /// Lets everything be heard whose time on air has ended.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let (mut any, stations) = (false, self.ears.len());
        for from in 0..stations {
            while let Some((span, until)) = self.ended(from) {
                any = true;
                self.hear(from, span, until);
            }
        }
        if any {
            // Only now: what has been heard can still have disturbed what ended in the same step.
            let (horizon, rate) = (self.air.horizon(), self.air.rate());
            self.air.transmitters.iter_mut().for_each(|t| t.forget(horizon, rate));
        }
    }

    /// A station's first span of which something has ended unheard: its number, and how many of its bytes have ended.
    fn ended(&self, from: usize) -> Option<(usize, usize)> {
        let (rate, whole) = (self.air.rate(), self.air.whole());
        let spans = &self.air.transmitters.get(from)?.spans;
        let (n, span) = spans.iter().enumerate().find(|(_, span)| span.is_unheard())?;
        let until = span.ended_by(self.now, rate, whole);
        (until > span.heard).then_some((n, until))
    }

    fn hear(&mut self, from: usize, span: usize, until: usize) {
        let (rate, whole) = (self.air.rate(), self.air.whole());
        let Some(heard) = self.air.transmitters.get(from).and_then(|t| t.spans.get(span)) else { return };
        for (to, ear) in self.ears.iter_mut().enumerate().filter(|(to, _)| *to != from) {
            ear.hear(&self.air, (from, to), heard, until);
        }
        let Some(transmitter) = self.air.transmitters.get_mut(from) else { return };
        let Some(span) = transmitter.spans.get_mut(span) else { return };
        let start = if whole { span.start() } else { span.start_of(span.heard, rate) };
        transmitter.air += span.start_of(until, rate).since(start);
        transmitter.sent += (until - span.heard) as u64;
        span.heard = until;
    }
}

impl Transmitter {
    fn send(&mut self, config: &Config, now: Instant, bytes: &[u8]) {
        let rate = config.rate_bps;
        let busy_until = self.spans.back().map(|span| span.end(rate)).filter(|end| *end > now);
        match (config.packets, self.spans.back_mut()) {
            (None, Some(span)) if busy_until.is_some() => span.bytes.extend_from_slice(bytes),
            (packets, _) => {
                let start = busy_until.unwrap_or(now + config.turn_round);
                let jitter = match config.jitter {
                    Duration::ZERO => 0,
                    most => self.jitter.below(most.as_micros().saturating_add(1)),
                };
                let preamble = packets.map_or(Duration::ZERO, |p| p.preamble);
                self.spans.push_back(Span::new(start, preamble, bytes, config.latency + Duration(jitter)));
            }
        }
    }
}

/// What goes wrong, and what changes, while the channel runs. Every change holds for what ends on air after it.
impl Channel {
    /// While on, everything whose time on air ends is lost to everybody.
    pub fn set_outage(&mut self, now: Instant, on: bool) {
        self.advance(now);
        self.air.outage = on;
    }

    /// Makes one station deaf (its antenna came off) or well again; what it sends is still heard.
    pub fn set_deaf(&mut self, now: Instant, station: usize, deaf: bool) {
        self.advance(now);
        if let Some(ear) = self.ears.get_mut(station) {
            ear.deaf = deaf;
        }
    }

    /// Makes one station mute (its power amplifier failed) or well again; it still hears, and disturbs nobody.
    pub fn set_mute(&mut self, now: Instant, station: usize, mute: bool) {
        self.advance(now);
        if let Some(transmitter) = self.air.transmitters.get_mut(station) {
            transmitter.mute = mute;
        }
    }

    /// Changes the independent bit error rate, at every receiver.
    pub fn set_ber(&mut self, now: Instant, ber: f64) {
        self.advance(now);
        self.air.config.ber = ber;
        self.ears.iter_mut().for_each(|ear| ear.set_ber(ber));
    }

    /// Changes the burst noise, at every receiver.
    pub fn set_burst(&mut self, now: Instant, burst: Option<Burst>) {
        self.advance(now);
        self.air.config.burst = burst;
        self.ears.iter_mut().for_each(|ear| ear.set_burst(burst));
    }

    /// Changes the probability that a receiver misses a packet.
    pub fn set_loss(&mut self, now: Instant, loss: f64) {
        self.advance(now);
        self.air.config.loss = loss;
    }

    /// Changes the air rate (0 counts as 1), for the rest of what is on air too.
    pub fn set_rate(&mut self, now: Instant, rate_bps: u32) {
        self.advance(now);
        let (old, new) = (self.air.config.rate_bps, rate_bps.max(1));
        self.air.config.rate_bps = new;
        self.air.transmitters.iter_mut().for_each(|t| t.change_rate(now, old, new));
    }

    /// Says whether two stations are in range of each other.
    pub fn set_range(&mut self, now: Instant, a: usize, b: usize, heard: bool) {
        self.set_heard(now, a, b, heard);
        self.set_heard(now, b, a, heard);
    }

    /// Says whether `to` hears `from`, whatever holds the other way round.
    pub fn set_heard(&mut self, now: Instant, from: usize, to: usize, heard: bool) {
        self.advance(now);
        if let Some(ear) = self.ears.get_mut(to) {
            ear.set_hears(from, heard);
        }
    }

    /// How strong `from` is at `to`, in decibels above any common level; all begin at 0. It decides who captures
    /// ([`Config::capture_db`]); noise does not depend on it.
    pub fn set_strength(&mut self, now: Instant, from: usize, to: usize, db: f64) {
        self.advance(now);
        if let Some(ear) = self.ears.get_mut(to) {
            ear.set_strength(from, db);
        }
    }
}

#[cfg(test)]
mod tests;
