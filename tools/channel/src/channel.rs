//! The model: who is on air when, and what the others hear of it.

use std::collections::VecDeque;

use picket_wire::time::{Duration, Instant};

use crate::noise::Noise;
use crate::{Burst, Config, Duplex, Rng};

/// Bytes that reached one station.
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
    /// Heard by this station, good or not.
    pub heard: u64,
    /// Heard with at least one wrong bit.
    pub corrupted: u64,
    /// Garbled because two stations were on air, at this receiver.
    pub collided: u64,
    /// Meant for this station and lost to an outage.
    pub lost: u64,
    /// Offered beyond the transmitter's buffer, and dropped there.
    pub overrun: u64,
}

/// A shared channel. Stations are numbered from 0; each hears all others. Times must not go backwards.
#[derive(Clone, Debug)]
pub struct Channel {
    config: Config,
    stations: Vec<Station>,
    outage: bool,
    now: Instant,
}

#[derive(Clone, Debug)]
struct Station {
    /// Transmissions, oldest first; finished ones are kept while they can still collide with an unheard byte.
    spans: VecDeque<Span>,
    noise: Noise,
    /// Arrivals not yet handed over: (time, byte), in order of time.
    ear: VecDeque<(Instant, u8)>,
    counters: Counters,
    deaf: bool,
}

/// Bytes that follow each other on air without a pause.
#[derive(Clone, Debug)]
struct Span {
    start: Instant,
    bytes: Vec<u8>,
    /// Bytes whose time on air has ended and that the receivers have heard.
    heard: usize,
}

impl Channel {
    /// A quiet channel.
    #[must_use]
    pub fn new(mut config: Config, seed: u64) -> Self {
        config.rate_bps = config.rate_bps.max(1);
        config.stations = config.stations.max(2);
        let mut seeds = Rng::new(seed);
        let stations = (0..config.stations)
            .map(|_| Station::new(Noise::new(Rng::new(seeds.next_u64()), config.ber, config.burst)))
            .collect();
        Self { config, stations, outage: false, now: Instant::ZERO }
    }

    /// The properties it was made with.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Offers `bytes` to a station's transmitter; they follow what it is sending, or start it after the turn-round time.
    /// Bytes beyond the buffer are dropped and counted, as in a modem without flow control. Returns how many were taken.
    pub fn transmit(&mut self, now: Instant, station: usize, bytes: &[u8]) -> usize {
        self.advance(now);
        let room = self.room(station);
        let turn_round = self.config.turn_round;
        let rate = self.config.rate_bps;
        let Some(s) = self.stations.get_mut(station) else { return 0 };
        let taken = bytes.len().min(room);
        s.counters.overrun += (bytes.len() - taken) as u64;
        let (bytes, _) = bytes.split_at(taken);
        if bytes.is_empty() {
            return 0;
        }
        match s.spans.back_mut() {
            Some(span) if span.end(rate) > now => span.bytes.extend_from_slice(bytes),
            Some(_) | None => s.spans.push_back(Span { start: now + turn_round, bytes: bytes.to_vec(), heard: 0 }),
        }
        taken
    }

    /// Bytes that a station's transmitter still takes.
    #[must_use]
    pub fn room(&self, station: usize) -> usize {
        let waiting = self.stations.get(station).map_or(usize::MAX, Station::waiting);
        self.config.buffer.saturating_sub(waiting)
    }

    /// Everything that arrived up to `now`, at most one delivery per station, by station.
    pub fn poll(&mut self, now: Instant) -> Vec<Delivery> {
        self.advance(now);
        let grain = self.config.grain;
        self.stations.iter_mut().enumerate().filter_map(|(to, s)| s.take(to, now, grain)).collect()
    }

    /// When [`Channel::poll`] next has something, if nothing else happens before.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let rate = self.config.rate_bps;
        let arrivals = self.stations.iter().filter_map(|s| s.ear.front()).map(|(at, _)| *at);
        let on_air = self.stations.iter().filter_map(Station::unheard);
        let on_air = on_air.map(|span| span.end_of(span.heard, rate) + self.config.latency);
        let at = arrivals.chain(on_air).min()?;
        Some(round_up(at, self.config.grain))
    }

    /// While on, every byte whose time on air ends is lost to everybody.
    pub fn set_outage(&mut self, now: Instant, on: bool) {
        self.advance(now);
        self.outage = on;
    }

    /// Makes one station deaf (its antenna came off) or well again; what it sends is still heard.
    pub fn set_deaf(&mut self, now: Instant, station: usize, deaf: bool) {
        self.advance(now);
        if let Some(s) = self.stations.get_mut(station) {
            s.deaf = deaf;
        }
    }

    /// Changes the independent bit error rate, at every receiver.
    pub fn set_ber(&mut self, now: Instant, ber: f64) {
        self.advance(now);
        self.stations.iter_mut().for_each(|s| s.noise.set_ber(ber));
    }

    /// Changes the burst noise, at every receiver.
    pub fn set_burst(&mut self, now: Instant, burst: Option<Burst>) {
        self.advance(now);
        self.stations.iter_mut().for_each(|s| s.noise.set_burst(burst));
    }

    /// Puts bytes that nobody sent into a station's receiver: a foreign transmitter, a loose connector.
    pub fn inject(&mut self, now: Instant, station: usize, bytes: &[u8]) {
        self.advance(now);
        if let Some(s) = self.stations.get_mut(station) {
            let at = s.ear.back().map_or(now, |(t, _)| (*t).max(now));
            s.ear.extend(bytes.iter().map(|b| (at, *b)));
        }
    }

    /// Forgets what a station's transmitter still holds, in the middle of whatever it was sending.
    pub fn abort(&mut self, now: Instant, station: usize) {
        self.advance(now);
        if let Some(span) = self.stations.get_mut(station).and_then(|s| s.spans.back_mut()) {
            span.bytes.truncate(span.heard);
        }
    }

    /// A station's counters; zeros for one that does not exist.
    #[must_use]
    pub fn counters(&self, station: usize) -> Counters {
        self.stations.get(station).map_or_else(Counters::default, |s| s.counters)
    }

    /// Lets every byte be heard whose time on air has ended.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let mut ended: Vec<(Instant, usize, u8, bool)> = Vec::new();
        for from in 0..self.stations.len() {
            self.collect_ended(from, &mut ended);
        }
        ended.sort_by_key(|(at, from, _, _)| (*at, *from));
        for (at, from, byte, collided) in ended {
            self.hear(at, from, byte, collided);
        }
        let (rate, now) = (self.config.rate_bps, self.now);
        self.stations.iter_mut().for_each(|s| s.forget_old(now, rate));
    }

    fn collect_ended(&mut self, from: usize, ended: &mut Vec<(Instant, usize, u8, bool)>) {
        let rate = self.config.rate_bps;
        let spans: Vec<(Instant, Instant, u8)> =
            self.stations[from].spans.iter().flat_map(|span| span.ended_by(self.now, rate)).collect();
        for (start, end, byte) in spans {
            ended.push((end, from, byte, self.collides(from, start, end)));
        }
        for span in &mut self.stations[from].spans {
            span.heard = span.count_ended_by(self.now, rate);
        }
    }

    fn collides(&self, from: usize, start: Instant, end: Instant) -> bool {
        let rate = self.config.rate_bps;
        self.config.duplex == Duplex::Half
            && self
                .stations
                .iter()
                .enumerate()
                .any(|(i, s)| i != from && s.spans.iter().any(|span| span.start < end && span.end(rate) > start))
    }

    fn hear(&mut self, end: Instant, from: usize, byte: u8, collided: bool) {
        let (at, outage) = (end + self.config.latency, self.outage);
        for (to, s) in self.stations.iter_mut().enumerate() {
            if to == from {
                s.counters.sent += 1;
            } else {
                s.hear(at, byte, outage, collided);
            }
        }
    }
}

impl Station {
    fn new(noise: Noise) -> Self {
        Self { spans: VecDeque::new(), noise, ear: VecDeque::new(), counters: Counters::default(), deaf: false }
    }

    fn waiting(&self) -> usize {
        self.spans.iter().map(|span| span.bytes.len() - span.heard).sum()
    }

    fn unheard(&self) -> Option<&Span> {
        self.spans.iter().find(|span| span.heard < span.bytes.len())
    }

    fn hear(&mut self, at: Instant, byte: u8, outage: bool, collided: bool) {
        if outage || self.deaf {
            self.counters.lost += 1;
            return;
        }
        let heard = if collided { self.noise.garble() } else { self.noise.pass(byte) };
        self.counters.heard += 1;
        self.counters.collided += u64::from(collided);
        self.counters.corrupted += u64::from(heard != byte);
        let at = self.ear.back().map_or(at, |(t, _)| (*t).max(at));
        self.ear.push_back((at, heard));
    }

    fn take(&mut self, to: usize, now: Instant, grain: Duration) -> Option<Delivery> {
        let due = self.ear.iter().take_while(|(at, _)| round_up(*at, grain) <= now).count();
        let at = self.ear.get(due.checked_sub(1)?)?.0;
        let bytes = self.ear.drain(..due).map(|(_, b)| b).collect();
        Some(Delivery { to, at, bytes })
    }

    /// A finished transmission can no longer collide once a byte time has passed since its end.
    fn forget_old(&mut self, now: Instant, rate: u32) {
        let margin = Duration::of_air(2, rate) + Duration::from_micros(2);
        while let Some(span) = self.spans.front() {
            let over = span.heard == span.bytes.len() && span.end(rate) + margin < now;
            if !over {
                break;
            }
            self.spans.pop_front();
        }
    }
}

impl Span {
    fn end(&self, rate: u32) -> Instant {
        self.start + Duration::of_air(self.bytes.len(), rate)
    }

    fn end_of(&self, byte: usize, rate: u32) -> Instant {
        self.start + Duration::of_air(byte + 1, rate)
    }

    fn count_ended_by(&self, now: Instant, rate: u32) -> usize {
        let (mut low, mut high) = (self.heard, self.bytes.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.end_of(middle, rate) <= now {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Bytes not yet heard whose time on air ended by `now`: (start, end, byte).
    fn ended_by(&self, now: Instant, rate: u32) -> impl Iterator<Item = (Instant, Instant, u8)> + '_ {
        let until = self.count_ended_by(now, rate);
        (self.heard..until).map(move |i| (self.start + Duration::of_air(i, rate), self.end_of(i, rate), self.bytes[i]))
    }
}

fn round_up(at: Instant, grain: Duration) -> Instant {
    let g = grain.as_micros();
    if g == 0 { at } else { Instant(at.0.div_ceil(g).saturating_mul(g)) }
}

#[cfg(test)]
mod tests;
