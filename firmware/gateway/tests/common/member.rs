//! A member's device without its seal: attaches over a Unix socket, offers envelopes of random-looking bytes,
//! acknowledges what arrives.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::provision::Provisioned;
use picket_node::leaf::{Duplex, Framing, Keyring, LinkConfig as Config, OfferId, ParcelKind};
use picket_node::leaf::{Leaf, Outcome, Parcel};
use picket_node::{Directory, StationKind};
use picket_roster::{AgreementSecret, Kind, Roster, link_key, sign_claim, sign_listens, verify_claim, verify_listens};
use picket_shell::clock::Clock;
use picket_shell::port::{self, Driver, Event, Port, What};
use picket_shell::unix;
use picket_wire::control::{Claim, Listens, Rooms};
use picket_wire::envelope::{Class, Envelope, Header};
use picket_wire::frame::Mask;
use picket_wire::keys::{LinkKey, NetKeys};
use picket_wire::time::Duration;
use picket_wire::{Index, Lifetime, Precedence};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use tokio::sync::mpsc::Receiver;

pub struct Known {
    me: Index,
    agreement: AgreementSecret,
    roster: Roster<Vec<u8>>,
    net: NetKeys,
    mask: Mask,
    keys: RefCell<BTreeMap<Index, Option<LinkKey>>>,
}

impl Known {
    pub fn new(mission: &Provisioned, name: &str) -> Self {
        let (me, secrets) = mission.device(name);
        let net = NetKeys::derive(&mission.authority.network_key(0), 0);
        Self {
            me,
            agreement: secrets.agreement().clone(),
            roster: Roster::verify(mission.roster.clone(), &mission.authority.public().unwrap()).unwrap(),
            mask: Mask::new(&net),
            net,
            keys: RefCell::default(),
        }
    }
}

impl Keyring for Known {
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
        self.roster.stations().map(|s| s.index).filter(|i| i.low() == low && *i != self.me).collect()
    }
    fn link_key(&self, peer: Index) -> Option<LinkKey> {
        let make = || link_key(&self.agreement, &self.roster.station(peer)?.agreement, self.roster.mission(), 0).ok();
        self.keys.borrow_mut().entry(peer).or_insert_with(make).clone()
    }
}

impl Directory for Known {
    fn kind(&self, index: Index) -> Option<StationKind> {
        self.roster.station(index).map(|s| match s.kind {
            Kind::Member => StationKind::Member,
            Kind::Gateway => StationKind::Gateway,
        })
    }
    fn members(&self) -> Vec<Index> {
        self.roster.stations().filter(|s| s.kind == Kind::Member).map(|s| s.index).collect()
    }
    fn verify_claim(&self, claim: &Claim) -> bool {
        let station = self.roster.station(claim.member);
        station.is_some_and(|s| verify_claim(claim, self.roster.mission(), &s.identity).is_ok())
    }
    fn verify_listens(&self, listens: &Listens) -> bool {
        let station = self.roster.station(listens.member);
        station.is_some_and(|s| verify_listens(listens, self.roster.mission(), &s.identity).is_ok())
    }
}

pub struct Member {
    known: Known,
    identity: picket_roster::IdentitySecret,
    leaf: Leaf,
    clock: Clock,
    events: Receiver<Event>,
    port: Option<Port>,
    sequence: u32,
    outbox: VecDeque<Parcel>,
    made: u64,
    pub attached: bool,
    /// Offers the gateway has taken custody of.
    pub accepted: BTreeSet<OfferId>,
    /// Bodies that arrived, in order.
    pub arrived: Vec<Vec<u8>>,
    _driver: Driver,
}

/// Envelopes offered before acknowledgements are awaited.
const OFFERED: usize = 4096;

impl Member {
    pub fn attach(mission: &Provisioned, name: &str, socket: &Path) -> Self {
        let (reporter, events) = port::channel();
        let config = Config {
            framing: Framing::Cobs,
            mtu: None,
            air_bps: None,
            duplex: Duplex::Full,
            turn_round: Duration::ZERO,
        };
        let (_, secrets) = mission.device(name);
        Self {
            known: Known::new(mission, name),
            identity: secrets.identity().clone(),
            leaf: Leaf::new(config),
            clock: Clock::default(),
            events,
            port: None,
            sequence: picket_shell::clock::Clock::unvouched().as_secs() as u32, // higher at every attachment
            outbox: VecDeque::new(),
            made: 0,
            attached: false,
            accepted: BTreeSet::new(),
            arrived: Vec::new(),
            _driver: unix::connect(reporter, 0, socket.to_owned()),
        }
    }

    /// Puts an envelope of `bytes` bytes to `to` into the outbox.
    pub fn send(&mut self, to: Index, bytes: usize) {
        let header = Header {
            class: if to.is_room() { Class::Room } else { Class::Pairwise },
            precedence: Precedence::Routine,
            destination: to,
            source: self.known.me,
            hop_limit: 8,
            round: 0,
            flags: 0,
            lifetime: Lifetime::floor(3600),
            epoch_low: 0,
            session_low: 0,
            counter_low: self.made as u16,
            lane: None,
            enc: None,
        };
        let mut envelope = vec![0; bytes.max(header.len() + 20)];
        header.write(&mut envelope).unwrap();
        envelope[header.len()..][..8].copy_from_slice(&self.made.to_le_bytes());
        let identity = Envelope::parse(&envelope).unwrap().identity();
        let id = OfferId(self.made);
        self.made += 1;
        let (kind, precedence) = (ParcelKind::Envelope, Precedence::Routine);
        self.outbox.push_back(Parcel { id, kind, precedence, identity, bytes: envelope });
    }

    /// Listens to these rooms from now on.
    pub fn listen(&mut self, rooms: &[Index]) {
        self.sequence += 1;
        let rooms = Rooms::new(rooms).unwrap();
        let (mission, me) = (self.known.roster.mission(), self.known.me);
        self.leaf.listens(sign_listens(&self.identity, mission, me, self.sequence, rooms).unwrap());
    }

    /// Serves the link until `done`.
    pub async fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        let mut taken = Vec::new();
        loop {
            self.offer();
            self.follow();
            if done(self) {
                return;
            }
            let now = self.clock.now();
            let wake = self.leaf.next_wake().map_or(1_000_000, |at| at.since(now).as_micros());
            let wake = std::time::Duration::from_micros(wake.min(1_000_000));
            tokio::select! {
                _ = self.events.recv_many(&mut taken, 256) => {
                    for event in taken.drain(..) {
                        self.take(event);
                    }
                }
                () = tokio::time::sleep(wake) => {}
            }
        }
    }

    fn take(&mut self, event: Event) {
        let now = self.clock.now();
        match event.what {
            What::Up(port) => {
                self.port = Some(port);
                self.leaf.up(now);
            }
            What::Bytes(bytes) => self.leaf.receive(now, &bytes, &self.known),
            What::Drained => self.leaf.sent(),
            What::Down(_) => {
                self.port = None;
                self.leaf.down(now);
            }
            What::Failed(_) => {}
        }
    }

    fn offer(&mut self) {
        let now = self.clock.now();
        while self.made as usize - self.outbox.len() - self.accepted.len() < OFFERED && self.leaf.room() > 0 {
            let Some(parcel) = self.outbox.pop_front() else { return };
            if let Err(parcel) = self.leaf.offer(now, parcel) {
                self.outbox.push_front(parcel);
                return;
            }
        }
    }

    fn follow(&mut self) {
        let now = self.clock.now();
        while let Some(outcome) = self.leaf.poll(now, &self.known) {
            match outcome {
                Outcome::Transmit(bytes) => {
                    let Some(port) = &self.port else { continue };
                    port.write(&bytes).unwrap();
                    if port.queued() < 32 * 1024 {
                        self.leaf.sent();
                    } else {
                        port.notify_drained();
                    }
                }
                Outcome::WantClaim { gateway } => {
                    self.sequence += 1;
                    let mission = self.known.roster.mission();
                    let claim = sign_claim(&self.identity, mission, self.known.me, gateway, self.sequence).unwrap();
                    self.leaf.claim(now, claim);
                }
                Outcome::Outrun { sequence } => self.sequence = sequence,
                Outcome::ListensKnown(known) => panic!("known already: {known:?}"),
                Outcome::Attached { .. } => self.attached = true,
                Outcome::Drained { .. } => {}
                Outcome::Detached { .. } => self.attached = false,
                Outcome::Arrived(arrival) => {
                    self.leaf.acknowledge(now, arrival.owed(), None);
                    self.arrived.push(arrival.bytes);
                }
                Outcome::Object(_) => {}
                Outcome::Accepted { offer, .. } => drop(self.accepted.insert(offer)),
                Outcome::Refused { offer, reason, retry } => panic!("{offer:?} refused: {reason:?}, {retry:?}"),
            }
        }
    }
}
