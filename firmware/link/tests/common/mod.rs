//! A pair (or more) of links around a pipe in virtual time.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use picket_link::{Arrival, Config, Duplex, Event, Framing, Gate, Keyring, Link, Offer, OfferId, ParcelKind};
use picket_wire::control::RefuseReason;
use picket_wire::envelope::{Class, Header, set_mutable};
use picket_wire::frame::Mask;
use picket_wire::keys::{LinkKey, NetKeys};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Index, Lifetime, Precedence};
use std::collections::{BTreeMap, VecDeque};

pub const A: Index = Index(0x0101);
pub const B: Index = Index(0x0202);
pub const C: Index = Index(0x0303);

/// A small deterministic generator (SplitMix64).
#[derive(Clone, Debug)]
pub struct Seeded(pub u64);

impl Seeded {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    pub fn chance(&mut self, p: f64) -> bool {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64 <= p && p > 0.0
    }
}

pub struct Keys {
    me: Index,
    net: NetKeys,
    mask: Mask,
    stations: Vec<Index>,
}

impl Keys {
    pub fn new(me: Index, stations: &[Index]) -> Self {
        let net = NetKeys::derive(&[7; 32], 1);
        let mask = Mask::new(&net);
        Self { me, net, mask, stations: stations.to_vec() }
    }
}

pub fn pair_key(a: Index, b: Index) -> [u8; 32] {
    let (low, high) = (a.min(b), a.max(b));
    let mut key = [0x55; 32];
    key[..2].copy_from_slice(&low.0.to_be_bytes());
    key[2..4].copy_from_slice(&high.0.to_be_bytes());
    key
}

impl Keyring for Keys {
    fn me(&self) -> Index {
        self.me
    }
    fn net(&self) -> &NetKeys {
        &self.net
    }
    fn mask(&self) -> &Mask {
        &self.mask
    }
    fn stations(&self, low: u8) -> Vec<Index> {
        self.stations.iter().copied().filter(|s| s.low() == low && *s != self.me).collect()
    }
    fn link_key(&self, peer: Index) -> Option<LinkKey> {
        self.stations.contains(&peer).then(|| LinkKey(pair_key(self.me, peer)))
    }
}

/// An envelope of `len` bytes (at least 22) that differs by `n`.
pub fn envelope(n: u64, len: usize, precedence: Precedence) -> (Identity, Vec<u8>) {
    let header = Header {
        class: Class::Pairwise,
        precedence,
        destination: Index(9),
        source: Index(8),
        hop_limit: 5,
        round: 1,
        flags: 0,
        lifetime: Lifetime(40),
        epoch_low: 1,
        session_low: 2,
        counter_low: n as u16,
        lane: None,
        enc: None,
    };
    let mut bytes = vec![0; len.max(22)];
    header.write(&mut bytes).unwrap();
    let mut rng = Seeded(n);
    for byte in &mut bytes[10..] {
        *byte = rng.next() as u8;
    }
    set_mutable(&mut bytes, 5, 1, Lifetime(40));
    (picket_wire::envelope::Envelope::parse(&bytes).unwrap().identity(), bytes)
}

pub fn offer(id: u64, to: Index, len: usize, precedence: Precedence) -> Offer {
    let (identity, bytes) = envelope(id ^ u64::from(to.0) << 32, len, precedence);
    Offer { id: OfferId(id), to, kind: ParcelKind::Envelope, precedence, identity, bytes }
}

pub fn config(air_bps: Option<u32>, duplex: Duplex, turn_ms: u64) -> Config {
    Config { framing: Framing::Cobs, mtu: None, air_bps, duplex, turn_round: Duration::from_millis(turn_ms) }
}

/// What a pipe does to what passes.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    pub latency: Duration,
    /// Per byte.
    pub flip: f64,
    /// Per byte: it vanishes.
    pub drop: f64,
    /// Per transmission.
    pub lose: f64,
    pub duplicate: f64,
    pub cut: f64,
    pub garbage: f64,
    /// Per transmission: delayed behind later ones.
    pub reorder: f64,
}

pub struct Station {
    pub link: Link,
    pub keys: Keys,
    pub backlog: VecDeque<Offer>,
    pub accepted: Vec<(Instant, OfferId)>,
    pub arrived: Vec<(Instant, Arrival)>,
    pub others: Vec<Event>,
    /// From arrival to durable.
    pub durable_after: Duration,
    pub owing: Vec<(Instant, Arrival)>,
    pub tx: u64,
    pub refuse_first: u64,
    pub again: Vec<(Instant, OfferId)>,
    offered: BTreeMap<OfferId, Offer>,
}

impl Station {
    pub fn new(me: Index, stations: &[Index], config: Config) -> Self {
        let mut link = Link::new(config);
        link.up(Instant::ZERO);
        Self {
            link,
            keys: Keys::new(me, stations),
            backlog: VecDeque::new(),
            accepted: Vec::new(),
            arrived: Vec::new(),
            others: Vec::new(),
            durable_after: Duration::from_millis(5),
            owing: Vec::new(),
            tx: 0,
            refuse_first: 0,
            again: Vec::new(),
            offered: BTreeMap::new(),
        }
    }
}

/// Everything in one virtual world: station 0 … n on one channel.
pub struct World {
    pub now: Instant,
    pub stations: Vec<Station>,
    pub faults: Faults,
    pub half: bool,
    pub air_bps: Option<u32>,
    pub rng: Seeded,
    pub collisions: u64,
    /// No byte passes until then.
    pub outage_until: Instant,
    /// (arrival time, running number) → (receiver, bytes).
    air: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    /// Last transmission of each station: start and end on air.
    on_air: Vec<Vec<(Instant, Instant)>>,
    number: u64,
    pub bytes_on_air: u64,
    /// What this station transmits reaches nobody.
    pub muted: Option<usize>,
    pub traced: bool,
    /// How late the host may serve a time-out.
    pub host_jitter: Duration,
    packets: bool,
}

impl World {
    pub fn pair(config: &Config) -> Self {
        Self::new(config, &[A, B])
    }

    pub fn new(config: &Config, stations: &[Index]) -> Self {
        Self {
            now: Instant::ZERO,
            stations: stations.iter().map(|me| Station::new(*me, stations, config.clone())).collect(),
            faults: Faults::default(),
            half: config.duplex == Duplex::Half,
            air_bps: config.air_bps,
            rng: Seeded(1),
            collisions: 0,
            outage_until: Instant::ZERO,
            air: BTreeMap::new(),
            on_air: vec![Vec::new(); stations.len()],
            number: 0,
            bytes_on_air: 0,
            muted: None,
            traced: false,
            host_jitter: Duration::ZERO,
            packets: config.framing == Framing::Packet,
        }
    }

    pub fn queue(&mut self, station: usize, offer: Offer) {
        self.stations[station].backlog.push_back(offer);
    }

    /// Runs until `done` or `limit`; returns whether `done`.
    pub fn run(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.service();
            if done(self) {
                return true;
            }
            let next = self.next_event();
            assert!(next > self.now, "spins at {:?}", self.now);
            let next = self.late(next);
            if next > end {
                self.now = end;
                self.service();
                return done(self);
            }
            self.now = next;
            self.deliver();
        }
    }

    /// Whether `counts[i]` offers of station i were accepted.
    pub fn accepted(&self, counts: &[usize]) -> bool {
        self.stations.iter().zip(counts).all(|(s, n)| s.accepted.len() >= *n)
    }

    fn late(&mut self, next: Instant) -> Instant {
        match self.host_jitter.0 {
            0 => next,
            most => next + Duration(self.rng.below(most)),
        }
    }

    fn next_event(&self) -> Instant {
        let wakes = self.stations.iter().filter_map(|s| s.link.next_wake());
        let owing = self.stations.iter().flat_map(|s| s.owing.iter().map(|(at, _)| *at));
        let air = self.air.keys().next().map(|(at, _)| *at);
        let again = self.stations.iter().flat_map(|s| s.again.iter().map(|(at, _)| *at));
        wakes.chain(owing).chain(again).chain(air).min().unwrap_or(Instant::FAR)
    }

    fn deliver(&mut self) {
        while let Some((&(at, number), _)) = self.air.first_key_value() {
            if at > self.now {
                break;
            }
            let (to, bytes) = self.air.remove(&(at, number)).unwrap();
            let station = &mut self.stations[to];
            station.link.receive(self.now, &bytes, &station.keys);
        }
    }

    fn service(&mut self) {
        for index in 0..self.stations.len() {
            loop {
                self.serve(index);
                let station = &mut self.stations[index];
                let Some(bytes) = station.link.poll_transmit(self.now, &station.keys, &mut Gate::radio()) else {
                    break;
                };
                assert!(!bytes.is_empty());
                station.tx += bytes.len() as u64;
                self.transmit(index, bytes.into_bytes());
            }
            let wake = self.stations[index].link.next_wake();
            assert!(
                wake.is_none_or(|w| w > self.now),
                "station {index} wants to be woken at {wake:?}, now {:?}",
                self.now
            );
        }
    }

    fn serve(&mut self, index: usize) {
        let now = self.now;
        let s = &mut self.stations[index];
        while let Some(event) = s.link.poll_event() {
            match event {
                Event::Arrived(arrival) => {
                    s.owing.push((now + s.durable_after, arrival.clone()));
                    s.arrived.push((now, arrival));
                }
                Event::Accepted { offer, .. } => s.accepted.push((now, offer)),
                // Refused: offered again when it is time.
                Event::Refused { offer, retry, .. } => s.again.push((now + retry, offer)),
                other => s.others.push(other),
            }
        }
        let mut later = Vec::new();
        for (at, arrival) in std::mem::take(&mut s.owing) {
            if at <= now && s.refuse_first > 0 {
                s.refuse_first -= 1;
                s.link.refuse(now, arrival.owed(), RefuseReason::Full, Duration::from_secs(2));
            } else if at <= now {
                s.link.acknowledge(now, arrival.owed(), None, Duration::ZERO);
            } else {
                later.push((at, arrival));
            }
        }
        s.owing = later;
        s.again.retain(|(at, id)| {
            if *at <= now {
                s.backlog.extend(s.offered.get(id).cloned());
            }
            *at > now
        });
        while let Some(next) = s.backlog.front() {
            if s.link.room_for(next.to, next.precedence) == 0 {
                break;
            }
            let next = s.backlog.pop_front().unwrap();
            s.offered.insert(next.id, next.clone());
            s.link.offer(now, next).unwrap();
        }
    }

    fn transmit(&mut self, from: usize, mut bytes: Vec<u8>) {
        self.bytes_on_air += bytes.len() as u64;
        let start = self.on_air[from].last().map_or(self.now, |(_, end)| (*end).max(self.now));
        let air = self.air_bps.map_or(Duration::ZERO, |bps| Duration::of_air(bytes.len(), bps));
        let end = start + air;
        self.on_air[from].push((start, end));
        self.trace(|| format!("{from} sends {} bytes until {}", bytes.len(), end.0 / 1000));
        let keep = self.now - Duration::from_secs(60);
        self.on_air[from].retain(|(_, e)| *e >= keep);
        if self.half && self.collides(from, start, end) {
            self.collisions += 1;
            self.trace(|| format!("collision by {from}"));
            let at = self.rng.below(bytes.len() as u64) as usize;
            for byte in &mut bytes[at..] {
                *byte = self.rng.next() as u8;
            }
        }
        if end < self.outage_until || self.muted == Some(from) {
            return;
        }
        for to in 0..self.stations.len() {
            if to != from {
                let copy = bytes.clone();
                self.arrive(to, start, air, copy);
            }
        }
    }

    fn trace(&self, what: impl FnOnce() -> String) {
        if self.traced {
            println!("{:>8} ms {}", self.now.0 / 1000, what());
        }
    }

    fn collides(&mut self, from: usize, start: Instant, end: Instant) -> bool {
        let lag = self.faults.latency;
        let others = self.on_air.iter().enumerate().filter(|(i, _)| *i != from);
        let hit = others.flat_map(|(_, l)| l).any(|(s, e)| *s < end + lag && start < *e + lag && *e > *s);
        if hit {
            // Whatever the others had in the air arrives damaged too.
            let (rng, now) = (&mut self.rng, self.now);
            for ((at, _), (_, bytes)) in &mut self.air {
                if *at >= now {
                    for byte in bytes.iter_mut() {
                        *byte ^= rng.next() as u8;
                    }
                }
            }
        }
        hit
    }

    /// Bytes arrive in pieces while they are on air.
    fn arrive(&mut self, to: usize, start: Instant, air: Duration, bytes: Vec<u8>) {
        let f = self.faults.clone();
        if self.rng.chance(f.lose) {
            return;
        }
        let copies = 1 + u64::from(self.rng.chance(f.duplicate));
        let late = if self.rng.chance(f.reorder) { Duration::from_millis(700) } else { Duration::ZERO };
        for copy in 0..copies {
            let mut bytes = self.damage(bytes.clone());
            if self.rng.chance(f.cut) && !bytes.is_empty() {
                let at = self.rng.below(bytes.len() as u64) as usize;
                bytes.truncate(at);
            }
            if self.rng.chance(f.garbage) {
                let noise: Vec<u8> = (0..self.rng.below(40)).map(|_| self.rng.next() as u8).collect();
                bytes.splice(0..0, noise);
            }
            let chunk = match self.air_bps {
                Some(bps) if !self.packets => (bps as usize / 8 / 64).max(8),
                Some(_) | None => bytes.len().max(1),
            };
            let pieces = bytes.len().div_ceil(chunk).max(1) as u64;
            for (n, piece) in bytes.chunks(chunk).enumerate() {
                let part = Duration(air.0 * (n as u64 + 1) / pieces);
                let at = start + part + f.latency + late + air.times(copy);
                self.number += 1;
                self.air.insert((at.max(self.now + Duration(1)), self.number), (to, piece.to_vec()));
            }
        }
    }

    fn damage(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let f = self.faults.clone();
        if f.flip == 0.0 && f.drop == 0.0 {
            return bytes;
        }
        let mut out = Vec::with_capacity(bytes.len());
        for mut byte in bytes {
            if self.rng.chance(f.flip) {
                byte ^= 1 << self.rng.below(8);
            }
            if !self.rng.chance(f.drop) {
                out.push(byte);
            }
        }
        out
    }
}
