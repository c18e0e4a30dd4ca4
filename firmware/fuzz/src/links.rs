//! Links under any input: one fed with bytes, and three on one medium that the input damages.

use picket_link::{Arrival, Config, Duplex, Event, Framing, Gate, Keyring, Link, Offer, OfferId, ParcelKind};
use picket_wire::control::{Control, Hello, RefuseReason};
use picket_wire::envelope::{Class, Envelope, Header};
use picket_wire::frame::Mask;
use picket_wire::keys::{LinkKey, NetKeys};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Index, Lifetime, Precedence};
use std::collections::{BTreeMap, BTreeSet};

const STATIONS: [Index; 3] = [Index(0x0012), Index(0x0103), Index(0x0247)];

struct Keys {
    me: Index,
    net: NetKeys,
    mask: Mask,
}

impl Keys {
    fn of(me: Index) -> Self {
        let nk: [u8; 32] = core::array::from_fn(|i| i as u8);
        let net = NetKeys::derive(&nk, 11);
        Self { me, mask: Mask::new(&net), net }
    }
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
        STATIONS.into_iter().filter(|s| s.low() == low && *s != self.me).collect()
    }
    fn link_key(&self, _peer: Index) -> Option<LinkKey> {
        Some(LinkKey([0xA7; 32]))
    }
}

fn config(choice: u8) -> Config {
    Config {
        framing: match (choice & 16 != 0, choice & 1) {
            (true, _) => Framing::Fec,
            (false, 0) => Framing::Cobs,
            (false, _) => Framing::Packet,
        },
        mtu: (choice & 2 != 0).then_some(64 + u16::from(choice)),
        air_bps: (choice & 4 != 0).then_some(9600),
        duplex: if choice & 8 == 0 { Duplex::Half } else { Duplex::Full },
        turn_round: Duration::from_millis(20),
    }
}

fn offer(number: u8, len: usize, to: Index) -> Option<Offer> {
    let header = Header {
        class: Class::Pairwise,
        precedence: Precedence::from_bits(number % 6)?,
        destination: to,
        source: Index(9),
        hop_limit: 5,
        round: 1,
        flags: 0,
        lifetime: Lifetime(60),
        epoch_low: 1,
        session_low: 0,
        counter_low: u16::from(number),
        lane: None,
        enc: None,
    };
    let mut bytes = vec![number; len.max(22)];
    header.write(&mut bytes).ok()?;
    let identity = Envelope::parse(&bytes).ok()?.identity();
    let id = OfferId(u64::from(number));
    Some(Offer { id, to, kind: ParcelKind::Envelope, precedence: header.precedence, identity, bytes })
}

/// The first byte sets the link up; the rest arrives in pieces cut by a byte of length each.
pub fn link_bytes(data: &[u8]) {
    let Some((choice, mut rest)) = data.split_first() else { return };
    let mut station = Station::new(1, *choice);
    let mut now = Instant(1_000_000);
    station.link.up(now);
    while let Some((len, more)) = rest.split_first() {
        let (piece, left) = more.split_at(more.len().min(usize::from(*len)));
        rest = left;
        station.link.receive(now, piece, &station.keys);
        let _ = (station.take_events(now, true), station.transmit(now));
        now += Duration::from_millis(u64::from(*len));
    }
}

/// A link and its owner, who answers everything at once.
struct Station {
    link: Link,
    keys: Keys,
    gate: Gate,
    /// Offers that the link has taken and that were neither answered nor withdrawn.
    open: BTreeMap<OfferId, Identity>,
    /// What arrived and was acknowledged, by sender and round; what was refused may come again.
    taken: BTreeSet<(Index, Identity, u8)>,
    arrivals: usize,
}

impl Station {
    fn new(n: usize, choice: u8) -> Self {
        Self {
            link: Link::new(config(choice)),
            keys: Keys::of(STATIONS[n]),
            gate: Gate::radio(),
            open: BTreeMap::new(),
            taken: BTreeSet::new(),
            arrivals: 0,
        }
    }

    /// Offers one parcel, or the same one to several.
    fn offer(&mut self, now: Instant, offers: Vec<Offer>) {
        let ids: Vec<(OfferId, Identity)> = offers.iter().map(|o| (o.id, o.identity)).collect();
        let taken = match offers.as_slice() {
            [one] => self.link.offer(now, one.clone()).is_ok(),
            _ => self.link.offer_to_all(now, offers).is_ok(),
        };
        if taken {
            self.open.extend(ids);
        }
    }

    /// Takes everything the link reports: what arrived, and which offers of ours were accepted.
    fn take_events(&mut self, now: Instant, may_refuse: bool) -> (Vec<Arrival>, Vec<Identity>) {
        let (mut arrived, mut accepted) = (Vec::new(), Vec::new());
        while let Some(event) = self.link.poll_event() {
            match event {
                Event::Arrived(arrival) => {
                    self.answer(now, &arrival, may_refuse);
                    arrived.push(arrival);
                }
                Event::Accepted { offer, .. } => accepted.extend(self.open.remove(&offer)),
                Event::Refused { offer, .. } => drop(self.open.remove(&offer)),
                Event::Heard(_)
                | Event::Control { .. }
                | Event::DeliveredLate { .. }
                | Event::Object(_)
                | Event::Have(_)
                | Event::Generation(_) => {}
            }
        }
        (arrived, accepted)
    }

    /// Takes what goes on the medium.
    fn transmit(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let next = || self.link.poll_transmit(now, &self.keys, &mut self.gate);
        std::iter::from_fn(next).take(64).map(picket_link::Emission::into_bytes).collect()
    }

    /// A parcel that comes again after it was acknowledged is a finding.
    fn answer(&mut self, now: Instant, arrival: &Arrival, may_refuse: bool) {
        self.arrivals += 1;
        let owed = arrival.owed();
        if may_refuse && self.arrivals.is_multiple_of(5) {
            self.link.refuse(now, owed, RefuseReason::Full, Duration::from_secs(1));
            return;
        }
        let _ = self.link.acknowledge(now, owed, None, Duration::ZERO);
        assert!(self.taken.insert((arrival.from, arrival.identity, owed.round)), "delivered twice");
    }
}

/// Three stations on one medium.
struct Air {
    now: Instant,
    stations: [Station; 3],
    paced: bool,
    /// Everything ever offered, by its bytes.
    sent: BTreeMap<Identity, Vec<u8>>,
    /// Everything that arrived anywhere and was not refused.
    taken: BTreeSet<Identity>,
}

/// What the medium does with what one station transmits.
#[derive(Clone, Copy)]
enum Medium {
    Clean,
    Damages(u8),
    Loses,
}

impl Air {
    fn new(choice: u8) -> Self {
        let mut stations = [0, 1, 2].map(|n| Station::new(n, choice));
        let now = Instant(1_000_000);
        stations.iter_mut().for_each(|s| s.link.up(now));
        let paced = config(choice).air_bps.is_some();
        Self { now, stations, paced, sent: BTreeMap::new(), taken: BTreeSet::new() }
    }

    fn offer(&mut self, side: usize, number: u8, len: usize, to: &[usize]) {
        let Some(one) = offer(number, len, STATIONS[to[0]]) else { return };
        self.sent.insert(one.identity, one.bytes.clone());
        // Handles of a group differ from those of single parcels and from each other.
        let id = |n: usize| OfferId(u64::from(number) + if to.len() > 1 { 256 * (n as u64 + 1) } else { 0 });
        let offers = to.iter().enumerate().map(|(n, to)| Offer { id: id(n), to: STATIONS[*to], ..one.clone() });
        self.stations[side].offer(self.now, offers.collect());
    }

    /// Checks what a station reports against what was ever sent.
    fn check(&mut self, n: usize, may_refuse: bool) {
        let (arrived, accepted) = self.stations[n].take_events(self.now, may_refuse);
        for arrival in arrived {
            assert_eq!(self.sent.get(&arrival.identity), Some(&arrival.bytes), "delivered what nobody sent");
            let key = (arrival.from, arrival.identity, arrival.owed().round);
            if self.stations[n].taken.contains(&key) {
                self.taken.insert(arrival.identity);
            }
        }
        for identity in accepted {
            assert!(self.taken.contains(&identity), "accepted, and nobody has it");
        }
    }

    /// Everything goes out and arrives at once.
    fn exchange(&mut self, first: usize, medium: Medium) {
        for from in (0..3).map(|n| (first + n) % 3) {
            for mut bytes in self.stations[from].transmit(self.now) {
                match medium {
                    Medium::Loses => continue,
                    Medium::Damages(value) if !bytes.is_empty() => {
                        let at = usize::from(value) % bytes.len();
                        bytes[at] ^= value | 1;
                    }
                    Medium::Damages(_) | Medium::Clean => {}
                }
                self.hear(from, &bytes, true);
            }
        }
    }

    /// Both others hear it, and their owners answer before time passes.
    fn hear(&mut self, from: usize, bytes: &[u8], may_refuse: bool) {
        for to in (0..3).filter(|to| *to != from) {
            let station = &mut self.stations[to];
            station.link.receive(self.now, bytes, &station.keys);
            self.check(to, may_refuse);
        }
    }

    /// On a medium that is clean from now on, and as slow as it should be, every offer is answered.
    fn settle(&mut self) {
        let end = self.now + ENDS_WITHIN;
        let mut on_air: BTreeMap<(Instant, usize), (usize, Vec<u8>)> = BTreeMap::new();
        let mut free = [self.now; 3];
        for step in 0..STEPS_MOST {
            while let Some(((_, _), (from, bytes))) =
                on_air.first_entry().filter(|e| e.key().0 <= self.now).map(|e| e.remove_entry())
            {
                self.hear(from, &bytes, false);
            }
            for (from, free) in free.iter_mut().enumerate() {
                for bytes in self.stations[from].transmit(self.now) {
                    let air = if self.paced { Duration::of_air(bytes.len(), AIR_BPS) } else { Duration::ZERO };
                    *free = (*free).max(self.now) + air;
                    on_air.insert((*free, step * 256 + on_air.len()), (from, bytes));
                }
            }
            if self.stations.iter().all(|s| s.open.is_empty()) {
                return;
            }
            let wakes = self.stations.iter().filter_map(|s| s.link.next_wake());
            let next = wakes.chain(on_air.keys().next().map(|(at, _)| *at)).min().unwrap_or(end);
            self.now = next.max(self.now + Duration::from_millis(1));
            assert!(self.now < end, "not answered in {} s: {:?}", ENDS_WITHIN.as_secs(), self.left());
        }
        panic!("not answered in {STEPS_MOST} steps: {:?}", self.left());
    }

    fn left(&self) -> Vec<&BTreeMap<OfferId, Identity>> {
        self.stations.iter().map(|s| &s.open).collect()
    }
}

/// Air rate of paced links.
const AIR_BPS: u32 = 9_600;
/// What may be outstanding at most needs some minutes of air, and a silence lasts some seconds.
const ENDS_WITHIN: Duration = Duration::from_secs(1_800);
/// Moments at which something happens until then: some for each frame.
const STEPS_MOST: usize = 200_000;

/// A byte of set-up, then one operation a pair of bytes: offer, offer to both others, send, wait, damage, cut, lose,
/// restart. Then the medium is clean, and everything must be answered.
pub fn link_pair(data: &[u8]) {
    let Some((choice, ops)) = data.split_first() else { return };
    let mut air = Air::new(*choice);
    for op in ops.chunks_exact(2).take(256) {
        let (what, value) = ((op[0] >> 1) % 9, op[1]);
        let side = usize::from(op[0] & 1);
        let peer = 1 - side;
        let station = &mut air.stations[side];
        match what {
            0 | 1 => air.offer(side, value, usize::from(value) * usize::from(op[0] >> 1), &[peer]),
            2 => {
                let hello = Hello { index: STATIONS[side], gateway: false, answer: value & 1 != 0 };
                let _ = station.link.send(air.now, (value & 2 != 0).then_some(STATIONS[peer]), Control::Hello(hello));
            }
            3 => {
                station.link.withdraw(OfferId(u64::from(value)));
                station.open.remove(&OfferId(u64::from(value)));
            }
            4 => {
                station.link.down(air.now);
                station.link.up(air.now);
            }
            8 => air.offer(side, value, usize::from(value) * 16, &[peer, 2]),
            _ => air.now += Duration::from_millis(u64::from(value) * 40),
        }
        let medium = match what {
            6 => Medium::Damages(value),
            7 => Medium::Loses,
            _ => Medium::Clean,
        };
        air.exchange(side, medium);
    }
    air.settle();
}
