//! One station: a link, the keys it asks for, what it has to send, and the host behind it. The only file here that
//! knows the link's interface.

use std::collections::{BTreeMap, BTreeSet};

use picket_link::{Arrival, Config, Counters, Duplex, Event, Framing, Gate, Keyring, Offer, OfferId, Owed, ParcelKind};
use picket_wire::envelope::{Class, Envelope, Header, set_mutable};
use picket_wire::frame::Mask;
use picket_wire::keys::{LinkKey, NetKeys};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Index, Lifetime, Precedence};

use crate::Rng;

/// From arrival to durable: one write of a small board's flash, batched.
pub const DURABLE_AFTER: Duration = Duration::from_millis(5);
/// Bytes that a full fragment's frame spends on anything but data, framing excluded (spec §50).
pub const FRAGMENT_OVERHEAD: usize = 16;
/// Shortest envelope: header and tag.
const ENVELOPE_MIN: usize = 22;
/// Where an envelope's own number is written, behind the header.
const NUMBER_AT: usize = 10;

/// Turn-round time of half-duplex radios here.
pub const TURN_ROUND: Duration = Duration::from_millis(50);

/// How the stations' links are configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Air rate in bit/s.
    pub rate: u32,
    /// How bytes become frames; packets go over packet radios, everything else over a byte pipe.
    pub framing: Framing,
    /// `Some`: half duplex with this turn-round time.
    pub half: Option<Duration>,
    /// Longest packet of a packet radio.
    pub mtu: Option<u16>,
}

impl Link {
    /// Full duplex over a byte pipe, frames delimited and not coded.
    #[must_use]
    pub const fn cobs(rate: u32) -> Self {
        Self { rate, framing: Framing::Cobs, half: None, mtu: None }
    }

    /// Full duplex over a byte pipe, frames coded as strongly as the noise asks for.
    #[must_use]
    pub const fn fec(rate: u32) -> Self {
        Self { framing: Framing::Fec, ..Self::cobs(rate) }
    }

    /// Full duplex between packet radios.
    #[must_use]
    pub const fn packets(rate: u32, mtu: u16) -> Self {
        Self { framing: Framing::Packet, mtu: Some(mtu), ..Self::cobs(rate) }
    }

    /// The same in half duplex, 50 ms turn-round.
    #[must_use]
    pub const fn half(self) -> Self {
        Self { half: Some(TURN_ROUND), ..self }
    }

    /// What it is, in a table.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.framing {
            Framing::Cobs => "cobs",
            Framing::Fec => "fec",
            Framing::Packet => "packets",
        }
    }

    /// How it is shared, in a table.
    #[must_use]
    pub const fn duplex(&self) -> &'static str {
        if self.half.is_some() { "half" } else { "full" }
    }

    /// The channel that such stations share.
    #[must_use]
    pub fn air(&self, stations: usize) -> picket_channel::Config {
        let mut air = picket_channel::Config::new(self.rate).stations(stations);
        if let Some(turn_round) = self.half {
            air = air.half(turn_round);
        }
        match self.mtu {
            Some(mtu) => air.packets(usize::from(mtu)),
            None => air,
        }
    }

    pub(super) fn config(&self) -> Config {
        Config {
            framing: self.framing,
            mtu: self.mtu,
            air_bps: Some(self.rate),
            duplex: if self.half.is_some() { Duplex::Half } else { Duplex::Full },
            turn_round: self.half.unwrap_or(Duration::ZERO),
        }
    }
}

/// Something to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Station that has it.
    pub from: usize,
    /// Station that it is for.
    pub to: usize,
    /// Bytes of the envelope.
    pub len: usize,
    /// Urgency.
    pub precedence: Precedence,
}

/// What a station remembers of one parcel, by the number that the world gave it.
pub type Times = BTreeMap<u64, Instant>;

/// A link and the host behind it.
#[derive(Debug)]
pub struct Station {
    link: picket_link::Link,
    keys: Keys,
    gate: Gate,
    /// By falling urgency, then by age: (urgency inverted, number). Several offers together are one envelope for all.
    outbox: BTreeMap<(u8, u64), Vec<Offer>>,
    /// Something may be offered that could not be before.
    may_offer: bool,
    owing: Vec<(Instant, Owed)>,
    /// Every parcel is for a person here who has received it: the delivered token goes with the acknowledgement.
    pub delivers: bool,
    /// When each parcel arrived here, by number, in order of arrival.
    pub arrived: Vec<(u64, Instant)>,
    /// When the other side's acknowledgement of each parcel came.
    pub accepted: Times,
    /// When the delivered token of each parcel came.
    pub delivered: Times,
    /// Parcels that the link handed over more than once.
    pub twice: usize,
    seen: BTreeSet<u64>,
}

impl Station {
    /// Station number `me` of `stations`, its link up.
    #[must_use]
    pub fn new(me: usize, stations: usize, link: &Link) -> Self {
        let mut link = picket_link::Link::new(link.config());
        link.up(Instant::ZERO);
        Self {
            link,
            keys: Keys::new(me, stations),
            gate: Gate::radio(),
            outbox: BTreeMap::new(),
            may_offer: false,
            owing: Vec::new(),
            delivers: false,
            arrived: Vec::new(),
            accepted: Times::new(),
            delivered: Times::new(),
            twice: 0,
            seen: BTreeSet::new(),
        }
    }

    /// Puts a parcel into the outbox.
    pub fn queue(&mut self, number: u64, parcel: &Parcel) {
        self.queue_for_all(number, parcel, &[parcel.to]);
    }

    /// Puts one parcel for several stations into the outbox. It arrives everywhere under `number`; the sender has
    /// numbers from there on, one for each station.
    pub fn queue_for_all(&mut self, number: u64, parcel: &Parcel, to: &[usize]) {
        let one = offer(number, parcel);
        let offers = (number..).zip(to).map(|(n, to)| Offer { id: OfferId(n), to: index(*to), ..one.clone() });
        self.outbox.insert((u8::MAX - parcel.precedence.bits(), number), offers.collect());
        self.may_offer = true;
    }

    /// Bytes from the channel.
    pub fn hear(&mut self, now: Instant, bytes: &[u8]) {
        self.link.receive(now, bytes, &self.keys);
    }

    /// Does everything that is due, and returns the next bytes to put on air; call until `None`.
    pub fn serve(&mut self, now: Instant) -> Option<Vec<u8>> {
        while let Some(event) = self.link.poll_event() {
            self.handle(now, event);
        }
        self.acknowledge_durable(now);
        if std::mem::take(&mut self.may_offer) {
            self.offer_what_fits(now);
        }
        self.link.poll_transmit(now, &self.keys, &mut self.gate).map(picket_link::Emission::into_bytes)
    }

    /// When [`Station::serve`] should be called next.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.owing.iter().map(|(at, _)| *at).chain(self.link.next_wake()).min()
    }

    /// What the link counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        self.link.counters()
    }

    /// Frames put on air so far, and how many of them were sent again.
    #[must_use]
    pub const fn frames(&self) -> (u64, u64) {
        (self.link.counters().tx_frames, self.link.counters().retransmitted)
    }

    fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::Arrived(arrival) => self.arrive(now, &arrival),
            Event::Accepted { offer, delivered } => {
                self.accepted.entry(offer.0).or_insert(now);
                if delivered.is_some() {
                    self.delivered.entry(offer.0).or_insert(now);
                }
                self.may_offer = true;
            }
            Event::Refused { offer, reason, .. } => panic!("nobody here refuses: {offer:?} {reason:?}"),
            Event::Heard(_)
            | Event::Control { .. }
            | Event::DeliveredLate { .. }
            | Event::Object(_)
            | Event::Have(_)
            | Event::Generation(_) => {}
        }
    }

    fn arrive(&mut self, now: Instant, arrival: &Arrival) {
        let number = arrival.bytes.get(NUMBER_AT..NUMBER_AT + 8).and_then(|b| b.try_into().ok());
        let number = u64::from_be_bytes(number.expect("an envelope of ours"));
        self.owing.push((now + DURABLE_AFTER, arrival.owed()));
        if self.seen.insert(number) {
            self.arrived.push((number, now));
        } else {
            self.twice += 1;
        }
    }

    fn acknowledge_durable(&mut self, now: Instant) {
        let token = self.delivers.then_some([0xA5; 8]);
        for (_, owed) in self.owing.extract_if(.., |(at, _)| *at <= now) {
            self.link.acknowledge(now, owed, token, Duration::ZERO);
        }
    }

    /// Most urgent first; what does not fit holds up nothing for another neighbour.
    fn offer_what_fits(&mut self, now: Instant) {
        let link = &mut self.link;
        self.outbox.retain(|_, offers| {
            let fit = offers.iter().all(|offer| link.room_for(offer.to, offer.precedence) > 0);
            let taken = fit
                && match offers.as_slice() {
                    [one] => link.offer(now, one.clone()).is_ok(),
                    all => link.offer_to_all(now, all.to_vec()).is_ok(),
                };
            !taken
        });
    }
}

/// An envelope with a body that does not compress and its number in it.
fn offer(number: u64, parcel: &Parcel) -> Offer {
    let header = Header {
        class: Class::Pairwise,
        precedence: parcel.precedence,
        destination: index(parcel.to),
        source: index(parcel.from),
        hop_limit: 5,
        round: 1,
        flags: 0,
        lifetime: Lifetime(40),
        epoch_low: 1,
        session_low: 2,
        counter_low: (number & 0xFFFF) as u16,
        lane: None,
        enc: None,
    };
    let mut bytes = vec![0; parcel.len.max(ENVELOPE_MIN)];
    header.write(&mut bytes).expect("room for a header");
    let body = Rng::new(number).bytes(bytes.len() - NUMBER_AT - 8);
    bytes[NUMBER_AT..NUMBER_AT + 8].copy_from_slice(&number.to_be_bytes());
    bytes[NUMBER_AT + 8..].copy_from_slice(&body);
    set_mutable(&mut bytes, 5, 1, Lifetime(40));
    let identity = Envelope::parse(&bytes).expect("an envelope").identity();
    let (to, precedence) = (index(parcel.to), parcel.precedence);
    Offer { id: OfferId(number), to, kind: ParcelKind::Envelope, precedence, identity, bytes }
}

/// The roster's index of a station.
fn index(station: usize) -> Index {
    let n = u16::try_from(station + 1).unwrap_or(u16::MAX);
    Index(n << 8 | n & 0xFF)
}

/// Keys as a roster of `stations` would give them.
#[derive(Debug)]
struct Keys {
    me: Index,
    net: NetKeys,
    mask: Mask,
    stations: Vec<Index>,
}

impl Keys {
    fn new(me: usize, stations: usize) -> Self {
        let net = NetKeys::derive(&[7; 32], 1);
        let mask = Mask::new(&net);
        Self { me: index(me), net, mask, stations: (0..stations).map(index).collect() }
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
        self.stations.iter().copied().filter(|s| s.low() == low && *s != self.me).collect()
    }
    fn link_key(&self, peer: Index) -> Option<LinkKey> {
        let (low, high) = (self.me.min(peer), self.me.max(peer));
        let mut key = [0x55; 32];
        key[..2].copy_from_slice(&low.0.to_be_bytes());
        key[2..4].copy_from_slice(&high.0.to_be_bytes());
        self.stations.contains(&peer).then_some(LinkKey(key))
    }
}
