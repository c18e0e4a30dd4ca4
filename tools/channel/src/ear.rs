//! One station's receiver: what it hears of whom, and what has arrived.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use picket_wire::time::{Duration, Instant};

use crate::air::{Air, Fate};
use crate::noise::Noise;
use crate::span::Span;
use crate::{Burst, Counters, Delivery, Rng};

/// Sender of bytes that no station sent.
const NOBODY: usize = usize::MAX;

/// A receiver.
#[derive(Clone, Debug)]
pub(crate) struct Ear {
    /// Seed of this receiver's paths.
    seed: u64,
    paths: BTreeMap<usize, Path>,
    /// Bytes or packets that have arrived or are on their way behind the air.
    pending: usize,
    out_of_range: BTreeSet<usize>,
    strength: BTreeMap<usize, f64>,
    noise: (f64, Option<Burst>),
    pub(crate) deaf: bool,
    pub(crate) counters: Counters,
}

/// From one sender to this receiver.
#[derive(Clone, Debug)]
struct Path {
    noise: Noise,
    /// Arrivals not yet handed over, in order of time.
    bytes: VecDeque<(Instant, u8)>,
    packets: VecDeque<(Instant, Vec<u8>)>,
    last: Instant,
}

impl Ear {
    pub(crate) const fn new(seed: u64, ber: f64, burst: Option<Burst>) -> Self {
        Self {
            seed,
            paths: BTreeMap::new(),
            pending: 0,
            out_of_range: BTreeSet::new(),
            strength: BTreeMap::new(),
            noise: (ber, burst),
            deaf: false,
            counters: Counters::EMPTY,
        }
    }

    pub(crate) fn hears(&self, other: usize) -> bool {
        !self.out_of_range.contains(&other)
    }

    pub(crate) fn set_hears(&mut self, other: usize, heard: bool) {
        if heard {
            self.out_of_range.remove(&other);
        } else {
            self.out_of_range.insert(other);
        }
    }

    pub(crate) fn strength(&self, other: usize) -> f64 {
        self.strength.get(&other).copied().unwrap_or(0.0)
    }

    pub(crate) fn set_strength(&mut self, other: usize, db: f64) {
        self.strength.insert(other, db);
    }

    pub(crate) fn set_ber(&mut self, ber: f64) {
        self.noise.0 = ber;
        self.paths.values_mut().for_each(|p| p.noise.set_ber(ber));
    }

    pub(crate) fn set_burst(&mut self, burst: Option<Burst>) {
        self.noise.1 = burst;
        self.paths.values_mut().for_each(|p| p.noise.set_burst(burst));
    }

    /// Bytes that nobody sent arrive at `now`, as a packet of their own on a packet radio.
    pub(crate) fn inject(&mut self, now: Instant, bytes: &[u8], whole: bool) {
        self.pending += if whole { 1 } else { bytes.len() };
        let path = self.path(NOBODY);
        let at = path.last.max(now);
        path.last = at;
        if whole {
            path.packets.push_back((at, bytes.to_vec()));
        } else {
            path.bytes.extend(bytes.iter().map(|b| (at, *b)));
        }
    }

    /// Hears what has ended of `from`'s span: bytes up to `until`, or the packet.
    pub(crate) fn hear(&mut self, air: &Air, (from, to): (usize, usize), span: &Span, until: usize) {
        if !self.hears(from) {
            return;
        }
        if air.outage || self.deaf || air.transmitters.get(from).is_none_or(|t| t.mute) {
            self.counters.lost += (until - span.heard) as u64;
            return;
        }
        if air.whole() {
            self.hear_packet(air, (from, to), span);
        } else {
            self.hear_bytes(air, (from, to), span, until);
        }
    }

    fn hear_packet(&mut self, air: &Air, (from, to): (usize, usize), span: &Span) {
        let (start, end) = (span.start(), span.end(air.rate()));
        let rivals = air.rivals(from, to, self, start, end);
        let fate = air.fate(self.strength(from), &rivals, start, end);
        let size = span.bytes.len() as u64;
        if !self.count(fate, size) {
            return;
        }
        let path = self.path(from);
        if path.noise.loses(air.config.loss) {
            self.counters.lost += size;
            return;
        }
        if path.noise.damages(&span.bytes) {
            self.counters.corrupted += size;
            return;
        }
        path.last = path.last.max(end + span.delay);
        path.packets.push_back((path.last, span.bytes.clone()));
        self.pending += 1;
        self.counters.heard += size;
        self.counters.captured += if fate == Fate::Captured { size } else { 0 };
    }

    fn hear_bytes(&mut self, air: &Air, (from, to): (usize, usize), span: &Span, until: usize) {
        let rate = air.rate();
        let rivals = air.rivals(from, to, self, span.start_of(span.heard, rate), span.start_of(until, rate));
        let db = self.strength(from);
        for i in span.heard..until {
            let (byte, end) = (span.bytes.get(i).copied().unwrap_or_default(), span.end_of(i, rate));
            let fate = if rivals.is_empty() { Fate::Clear } else { air.fate(db, &rivals, span.start_of(i, rate), end) };
            if !self.count(fate, 1) && fate != Fate::Garbled {
                continue;
            }
            let path = self.path(from);
            let heard = if fate == Fate::Garbled { path.noise.garble() } else { path.noise.pass(byte) };
            path.last = path.last.max(end + span.delay);
            path.bytes.push_back((path.last, heard));
            self.pending += 1;
            self.counters.heard += 1;
            self.counters.corrupted += u64::from(heard != byte);
            self.counters.captured += u64::from(fate == Fate::Captured);
        }
    }

    /// Counts what an overlap spoiled; whether the receiver can make sense of it.
    const fn count(&mut self, fate: Fate, bytes: u64) -> bool {
        match fate {
            Fate::Clear | Fate::Captured => return true,
            Fate::Garbled | Fate::Beaten => self.counters.collided += bytes,
            Fate::Deafened => self.counters.deafened += bytes,
        }
        false
    }

    fn path(&mut self, from: usize) -> &mut Path {
        let (seed, (ber, burst)) = (self.seed, self.noise);
        self.paths.entry(from).or_insert_with(|| {
            // Two draws apart: neighbouring seeds of this generator give shifted sequences.
            let mut mixed = Rng::new(seed ^ (from as u64).wrapping_add(1).wrapping_mul(0xD6E8_FEB8_6659_FD93));
            let noise = Noise::new(Rng::new(mixed.next_u64()), ber, burst);
            Path { noise, bytes: VecDeque::new(), packets: VecDeque::new(), last: Instant::ZERO }
        })
    }

    /// When the next of it can be handed over, the grain excluded.
    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        if self.pending == 0 {
            return None;
        }
        self.paths.values().filter_map(Path::front).min()
    }

    /// Everything that arrived by `until`: bytes in one delivery, each packet in its own.
    pub(crate) fn take(&mut self, to: usize, until: Instant, out: &mut Vec<Delivery>) {
        if self.pending == 0 {
            return;
        }
        self.take_bytes(to, until, out);
        let first = out.len();
        for path in self.paths.values_mut() {
            while let Some((at, bytes)) = path.packets.pop_front_if(|(at, _)| *at <= until) {
                out.push(Delivery { to, at, bytes });
            }
        }
        let packets = out.get_mut(first..).unwrap_or_default();
        packets.sort_by_key(|d| d.at);
        self.pending -= packets.len();
    }

    fn take_bytes(&mut self, to: usize, until: Instant, out: &mut Vec<Delivery>) {
        let mut due: Vec<(Instant, u8)> = Vec::new();
        let mut sources = 0;
        for path in self.paths.values_mut() {
            let count = path.bytes.partition_point(|(at, _)| *at <= until);
            sources += usize::from(count > 0);
            due.extend(path.bytes.drain(..count));
        }
        if sources > 1 {
            due.sort_by_key(|(at, _)| *at);
        }
        self.pending -= due.len();
        if let Some((at, _)) = due.last() {
            let at = *at;
            out.push(Delivery { to, at, bytes: due.into_iter().map(|(_, b)| b).collect() });
        }
    }
}

impl Path {
    fn front(&self) -> Option<Instant> {
        let bytes = self.bytes.front().map(|(at, _)| *at);
        let packets = self.packets.front().map(|(at, _)| *at);
        bytes.into_iter().chain(packets).min()
    }
}

/// The first multiple of `grain` at or after `at`.
pub(crate) fn round_up(at: Instant, grain: Duration) -> Instant {
    let g = grain.as_micros();
    if g == 0 { at } else { Instant(at.0.div_ceil(g).saturating_mul(g)) }
}

/// The last multiple of `grain` by `now`: what arrived until then may be handed over.
pub(crate) const fn round_down(now: Instant, grain: Duration) -> Instant {
    match now.0.checked_rem(grain.as_micros()) {
        Some(over) => Instant(now.0 - over),
        None => now,
    }
}
