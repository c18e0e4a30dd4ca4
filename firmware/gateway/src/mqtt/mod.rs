//! The uplink: an MQTT 5 client that keeps its session at the broker for ever, and nothing of its own.
//!
//! A task drives the client's event loop; the daemon's loop owns an [`Uplink`] value that matches the broker's packet
//! ids to the node's handles. After a lost connection both start afresh: what was under way is the node's to publish
//! again, because only the node's store survives a crash.

mod connect;
mod session;
mod trouble;

pub use connect::{Event, Settings, What};

use picket_node::{DeliveryId, PublishId, UplinkId};
use picket_wire::time::Duration;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{PubAckReason, PublishProperties};
use session::{Full, Held, Session};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// What the daemon's loop must tell the node.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// The broker accepted us.
    Up,
    /// The broker is away; why.
    Down(String),
    /// PUBACK; whether somebody is subscribed.
    Published(PublishId, bool),
    /// A message.
    Arrived(DeliveryId, Vec<u8>),
}

/// One broker, as the daemon's loop sees it.
#[derive(Debug)]
pub struct Uplink {
    /// Position in the configuration.
    pub id: UplinkId,
    /// Name in the configuration.
    pub name: String,
    prefix: String,
    state: String,
    session: Option<Session>,
    /// Publishes that were answered without being sent (too large for this broker).
    refused: VecDeque<PublishId>,
    next_delivery: u64,
    /// Tells the task that the connection is given up.
    abandon: Arc<Notify>,
    settings: Settings,
    /// The client; none while emission control forbids it.
    task: Option<JoinHandle<()>>,
}

/// Why an uplink is away, for people.
const SILENCED: &str = "emission control";

/// Bytes of an MQTT publish besides topic and payload, at the most.
const PUBLISH_OVERHEAD: usize = 64;

impl Uplink {
    /// Starts the client. Its events arrive on `events` with this uplink's number.
    #[must_use]
    pub fn start(id: UplinkId, settings: Settings, events: mpsc::Sender<Event>) -> Self {
        let mut uplink = Self::stopped(id, settings);
        uplink.resume(events);
        uplink
    }

    /// One that may not connect: not a packet is sent before [`Self::resume`].
    #[must_use]
    pub fn stopped(id: UplinkId, settings: Settings) -> Self {
        Self {
            id,
            name: settings.name.clone(),
            prefix: settings.prefix.clone(),
            state: format!("down: {SILENCED}"),
            session: None,
            refused: VecDeque::new(),
            next_delivery: 0,
            abandon: Arc::new(Notify::new()),
            settings,
            task: None,
        }
    }

    /// Starts the client, if it does not run.
    pub fn resume(&mut self, events: mpsc::Sender<Event>) {
        if self.task.is_none() {
            "down: connecting".clone_into(&mut self.state);
            // A new one: an earlier client may have left a word in the old.
            self.abandon = Arc::new(Notify::new());
            let abandon = Arc::clone(&self.abandon);
            self.task = Some(tokio::spawn(connect::run(self.id, self.settings.clone(), events, abandon)));
        }
    }

    /// Stops the client at once, without a goodbye: what is not yet with the kernel is never sent.
    pub fn stop(&mut self) {
        self.session = None;
        self.state = format!("down: {SILENCED}");
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    /// `up`, or `down: why`.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Takes one event of the task in.
    pub fn take(&mut self, what: What) -> Option<Told> {
        self.task.as_ref()?; // said before it was stopped
        match what {
            What::Up { client, max_packet, receive_max } => {
                self.session = Some(Session::new(client, max_packet, self.settings.window, receive_max));
                "up".clone_into(&mut self.state);
                Some(Told::Up)
            }
            What::Down(why) => {
                self.session = None;
                self.state = format!("down: {why}");
                Some(Told::Down(why))
            }
            What::Assigned(packet) => {
                self.session.as_mut()?.assigned(packet);
                None
            }
            What::Collided(packet) => {
                self.session.as_mut()?.collided(packet);
                None
            }
            What::Acknowledged(packet, reason) => {
                let session = self.session.as_mut()?;
                let publish = session.acknowledged(packet)?;
                let fed = session.feed();
                self.unless_full(fed);
                Some(Told::Published(publish, matched(&self.name, reason)))
            }
            What::Arrived(mut publish) => {
                let session = self.session.as_mut()?;
                let payload = core::mem::take(&mut publish.payload);
                let delivery = DeliveryId(self.next_delivery);
                self.next_delivery += 1;
                session.arrived(delivery, publish);
                Some(Told::Arrived(delivery, payload.to_vec()))
            }
        }
    }

    /// Publishes that were answered at once; call after [`Self::publish`].
    pub fn take_refused(&mut self) -> Option<PublishId> {
        self.refused.pop_front()
    }

    /// Publishes at QoS 1.
    pub fn publish(&mut self, publish: PublishId, topic: &[u8; 16], payload: Vec<u8>, retain: bool, expiry: Duration) {
        let topic = self.topic(topic);
        let Some(session) = self.session.as_mut() else { return };
        if topic.len() + payload.len() + PUBLISH_OVERHEAD > session.max_packet {
            tracing::warn!(uplink = %self.name, bytes = payload.len(), "larger than this broker takes");
            self.refused.push_back(publish);
            return;
        }
        let seconds = u32::try_from(expiry.as_secs()).unwrap_or(u32::MAX).max(1);
        let properties = PublishProperties { message_expiry_interval: Some(seconds), ..Default::default() };
        let handed = session.publish(Held { publish, topic, payload, retain, properties });
        self.unless_full(handed);
    }

    /// Subscribes at QoS 1.
    pub fn subscribe(&mut self, topic: &[u8; 16]) {
        let topic = self.topic(topic);
        let Some(session) = self.session.as_ref() else { return };
        let asked = session.client.try_subscribe(topic, QoS::AtLeastOnce);
        self.unless_full(asked.map_err(Full::from));
    }

    /// Unsubscribes.
    pub fn unsubscribe(&mut self, topic: &[u8; 16]) {
        let topic = self.topic(topic);
        let Some(session) = self.session.as_ref() else { return };
        let asked = session.client.try_unsubscribe(topic);
        self.unless_full(asked.map_err(Full::from));
    }

    /// Acknowledges a delivery to the broker. One of an earlier connection is forgotten: the broker delivers it again.
    pub fn settle(&mut self, delivery: DeliveryId) {
        let Some(session) = self.session.as_mut() else { return };
        let settled = session.settle(delivery);
        self.unless_full(settled);
    }

    /// Says goodbye, so that the broker does not wait for the keep-alive.
    pub fn disconnect(&mut self) {
        if let Some(session) = self.session.take() {
            let _ = session.client.try_disconnect(); // the connection is closed in any case
        }
    }

    fn topic(&self, name: &[u8; 16]) -> String {
        let mut topic = String::with_capacity(self.prefix.len() + 33);
        topic.push_str(&self.prefix);
        topic.push('/');
        for byte in name {
            for digit in [byte >> 4, byte & 15] {
                topic.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            }
        }
        topic
    }

    /// Ends this connection, once, if it takes no more; the task tells that it is down and makes a new one. Nothing is
    /// lost: what was not acknowledged is published, or delivered, again.
    fn unless_full(&mut self, handed: Result<(), Full>) {
        if handed == Err(Full) && self.session.take().is_some() {
            tracing::warn!(uplink = %self.name, why = "the client takes no more requests", "connection given up");
            self.abandon.notify_one();
        }
    }
}

impl Drop for Uplink {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether the broker passed it on to somebody. A refusal counts as nobody: the node tries the next way.
fn matched(uplink: &str, reason: PubAckReason) -> bool {
    match reason {
        PubAckReason::Success => true,
        PubAckReason::NoMatchingSubscribers => false,
        PubAckReason::UnspecifiedError
        | PubAckReason::ImplementationSpecificError
        | PubAckReason::NotAuthorized
        | PubAckReason::TopicNameInvalid
        | PubAckReason::PacketIdentifierInUse
        | PubAckReason::QuotaExceeded
        | PubAckReason::PayloadFormatInvalid => {
            tracing::warn!(uplink, ?reason, "the broker refused a publish");
            false
        }
    }
}

#[cfg(test)]
mod tests;
