//! A model of an MQTT broker with persistent sessions: what is published reaches every subscriber at least once, later
//! if it is away, and retained messages reach those who subscribe later.

use picket_node::{DeliveryId, Input, PublishId, UplinkId};
use picket_wire::time::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The only uplink of every simulated gateway.
pub const UPLINK: UplinkId = UplinkId(0);

/// One way through the IP network.
const LATENCY: Duration = Duration::from_millis(20);

type Topic = [u8; 16];

/// What the broker tells a gateway.
#[derive(Clone, Debug)]
pub enum Told {
    /// PUBACK.
    Published(PublishId, bool),
    /// A message.
    Arrived(DeliveryId, Vec<u8>),
}

impl Told {
    /// As the node's input.
    pub fn input(&self) -> Input<'_> {
        match self {
            Self::Published(publish, matched) => {
                Input::Published { uplink: UPLINK, publish: *publish, matched: *matched }
            }
            Self::Arrived(delivery, payload) => Input::Arrived { uplink: UPLINK, delivery: *delivery, payload },
        }
    }
}

#[derive(Default)]
struct Session {
    topics: BTreeSet<Topic>,
    /// Not acknowledged yet, in order.
    unsettled: BTreeMap<u64, Vec<u8>>,
    connected: bool,
}

/// The broker.
#[derive(Default)]
pub struct Broker {
    sessions: BTreeMap<usize, Session>,
    retained: BTreeMap<Topic, Vec<u8>>,
    next: u64,
    /// In flight to gateways, by time.
    wires: VecDeque<(Instant, usize, Told)>,
}

impl Broker {
    /// A gateway connects: everything unsettled is delivered again.
    pub fn connect(&mut self, now: Instant, gateway: usize) {
        let session = self.sessions.entry(gateway).or_default();
        session.connected = true;
        let again: Vec<_> = session.unsettled.iter().map(|(d, p)| (*d, p.clone())).collect();
        for (delivery, payload) in again {
            self.wires.push_back((now + LATENCY, gateway, Told::Arrived(DeliveryId(delivery), payload)));
        }
    }

    /// A gateway is gone; its session stays.
    pub fn disconnect(&mut self, gateway: usize) {
        self.sessions.entry(gateway).or_default().connected = false;
        self.wires.retain(|(_, g, _)| *g != gateway);
    }

    /// Whether it is connected.
    pub fn connected(&self, gateway: usize) -> bool {
        self.sessions.get(&gateway).is_some_and(|s| s.connected)
    }

    /// Subscribes and delivers what is retained.
    pub fn subscribe(&mut self, now: Instant, gateway: usize, topic: Topic) {
        self.sessions.entry(gateway).or_default().topics.insert(topic);
        if let Some(payload) = self.retained.get(&topic).cloned() {
            self.deliver(now, gateway, payload);
        }
    }

    /// Unsubscribes.
    pub fn unsubscribe(&mut self, gateway: usize, topic: Topic) {
        self.sessions.entry(gateway).or_default().topics.remove(&topic);
    }

    /// Publishes.
    pub fn publish(
        &mut self,
        now: Instant,
        gateway: usize,
        publish: PublishId,
        topic: Topic,
        payload: Vec<u8>,
        retain: bool,
    ) {
        if retain {
            self.retained.insert(topic, payload.clone());
        }
        let subscribers: Vec<usize> =
            self.sessions.iter().filter(|(_, s)| s.topics.contains(&topic)).map(|(g, _)| *g).collect();
        self.wires.push_back((now + LATENCY, gateway, Told::Published(publish, !subscribers.is_empty())));
        for subscriber in subscribers {
            self.deliver(now, subscriber, payload.clone());
        }
    }

    /// A gateway acknowledged a delivery.
    pub fn settle(&mut self, gateway: usize, delivery: DeliveryId) {
        self.sessions.entry(gateway).or_default().unsettled.remove(&delivery.0);
    }

    /// The next thing that arrives at a gateway by `now`.
    pub fn poll(&mut self, now: Instant) -> Option<(usize, Told)> {
        let at = self.wires.iter().position(|(at, ..)| *at <= now)?;
        self.wires.remove(at).map(|(_, gateway, told)| (gateway, told))
    }

    /// When something arrives next.
    pub fn next_wake(&self) -> Option<Instant> {
        self.wires.iter().map(|(at, ..)| *at).min()
    }

    fn deliver(&mut self, now: Instant, gateway: usize, payload: Vec<u8>) {
        self.next += 1;
        let delivery = self.next;
        let session = self.sessions.entry(gateway).or_default();
        session.unsettled.insert(delivery, payload.clone());
        if session.connected {
            self.wires.push_back((now + LATENCY, gateway, Told::Arrived(DeliveryId(delivery), payload)));
        }
    }
}
