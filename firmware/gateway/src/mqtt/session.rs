//! One connection to a broker: what was handed to the client, and what waits for its turn.
//!
//! The client takes no request at all, acknowledgements included, while as many publishes are under way as its limit
//! allows. So it is never given that many: further ones wait here, and acknowledgements always pass. (Without this,
//! answers to a broker's burst and the acknowledgements of that burst blocked each other until the connection was
//! given up.)

use picket_node::{DeliveryId, PublishId};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Publish, PublishProperties};
use rumqttc::v5::{AsyncClient, ClientError};
use std::collections::{BTreeMap, VecDeque};

/// Publishes that wait for their turn: a full publish window of parcels, all answers the node may owe a broker, and
/// claims. The node bounds each of them; this catches a mistake there.
pub const HELD_MAX: usize = 16 * 1024;

/// The client, or this connection, takes no more.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl From<ClientError> for Full {
    fn from(_: ClientError) -> Self {
        Self
    }
}

/// A publish that waits for its turn.
#[derive(Debug)]
pub struct Held {
    pub publish: PublishId,
    pub topic: String,
    pub payload: Vec<u8>,
    pub retain: bool,
    pub properties: PublishProperties,
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    pub client: AsyncClient,
    /// Largest packet the broker takes, in bytes.
    pub max_packet: usize,
    /// Publishes handed to the client at once.
    window: usize,
    held: VecDeque<Held>,
    /// Given to the client, no packet id known yet, in order.
    waiting: VecDeque<PublishId>,
    /// Under way, by packet id.
    sent: BTreeMap<u16, PublishId>,
    /// Took a packet id that was still in use: sent when that one is acknowledged.
    collided: Option<(u16, PublishId)>,
    /// Messages not yet acknowledged to the broker.
    unsettled: BTreeMap<DeliveryId, Publish>,
}

impl Session {
    /// A connection just accepted. `window`: the publishes we want under way; `receive_max`: those the broker allows.
    pub fn new(client: AsyncClient, max_packet: usize, window: u16, receive_max: Option<u16>) -> Self {
        // One less than the broker allows: at its limit the client would stop taking acknowledgements.
        let window = receive_max.map_or(window, |most| window.min(most.saturating_sub(1))).max(1);
        Self {
            client,
            max_packet,
            window: usize::from(window),
            held: VecDeque::new(),
            waiting: VecDeque::new(),
            sent: BTreeMap::new(),
            collided: None,
            unsettled: BTreeMap::new(),
        }
    }

    /// Publishes, now or when its turn comes.
    pub fn publish(&mut self, held: Held) -> Result<(), Full> {
        if self.held.len() >= HELD_MAX {
            return Err(Full);
        }
        self.held.push_back(held);
        self.feed()
    }

    /// The oldest publish without a packet id has this one.
    pub fn assigned(&mut self, packet: u16) {
        match self.collided.take_if(|(id, _)| *id == packet).map(|(_, publish)| publish) {
            Some(publish) => drop(self.sent.insert(packet, publish)),
            None => {
                if let Some(publish) = self.waiting.pop_front() {
                    self.sent.insert(packet, publish);
                }
            }
        }
    }

    /// The oldest publish without a packet id has this one, which is in use.
    pub fn collided(&mut self, packet: u16) {
        self.collided = self.waiting.pop_front().map(|publish| (packet, publish));
    }

    /// PUBACK: which publish it was for.
    pub fn acknowledged(&mut self, packet: u16) -> Option<PublishId> {
        self.sent.remove(&packet)
    }

    /// A message that the broker waits to have acknowledged.
    pub fn arrived(&mut self, delivery: DeliveryId, publish: Publish) {
        self.unsettled.insert(delivery, publish);
    }

    /// Acknowledges one to the broker.
    pub fn settle(&mut self, delivery: DeliveryId) -> Result<(), Full> {
        match self.unsettled.remove(&delivery) {
            Some(publish) => Ok(self.client.try_ack(&publish)?),
            None => Ok(()),
        }
    }

    /// Hands over as many publishes as may be under way.
    pub fn feed(&mut self) -> Result<(), Full> {
        while self.waiting.len() + self.sent.len() + usize::from(self.collided.is_some()) < self.window {
            let Some(Held { publish, topic, payload, retain, properties }) = self.held.pop_front() else { break };
            self.client.try_publish_with_properties(topic, QoS::AtLeastOnce, retain, payload, properties)?;
            self.waiting.push_back(publish);
        }
        Ok(())
    }
}
