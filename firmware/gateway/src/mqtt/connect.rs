//! The task behind an uplink: connects, drives the client, reports in batches, connects again.

use super::trouble;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use picket_node::UplinkId;
use picket_shell::backoff::Backoff;
use picket_shell::clock::Clock;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Packet, PubAckReason, Publish, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event as Mqtt, EventLoop, MqttOptions};
use rumqttc::{Outgoing, TlsConfiguration, Transport};
use rustls::ClientConfig;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};

/// Longest packet accepted: an envelope of 64 KiB with its hop frame, and the publish around it.
const MAX_PACKET: u32 = 80 * 1024;
/// Messages the broker may have under way to us; with [`MAX_PACKET`] this bounds the memory they take.
const RECEIVE_MAXIMUM: u16 = 256;
/// Requests waiting for the client: an acknowledgement for every packet id there is (mosquitto 2.0.11 was seen to have
/// many thousands under way in spite of [`RECEIVE_MAXIMUM`]), a publish window and many subscriptions. Room is taken
/// only as it is used.
const REQUESTS: usize = 65_535 + 4_096;
/// Events reported together at most.
const BATCH: usize = 128;
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);
const CONNECT_SECONDS: u64 = 10;
/// A connection that lived this long ends a series of failures.
const RETRY_FORGET: picket_wire::time::Duration = picket_wire::time::Duration::from_secs(10);

/// How to reach a broker.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name for people.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS, or none for a bench.
    pub tls: Option<Arc<ClientConfig>>,
    /// Client identifier: the session's name at the broker.
    pub client_id: String,
    /// First levels of every topic.
    pub prefix: String,
    /// Keep-alive interval.
    pub keep_alive: Duration,
    /// Session expiry.
    pub session: Duration,
    /// Publishes under way.
    pub window: u16,
}

/// Events of one uplink, in order.
#[derive(Debug)]
pub struct Event {
    /// Whose.
    pub uplink: UplinkId,
    /// What happened.
    pub whats: Vec<What>,
}

/// What happened.
#[derive(Debug)]
pub enum What {
    /// Connected; requests go to this client until the next [`What::Down`].
    Up {
        /// The client of this connection.
        client: AsyncClient,
        /// Largest packet the broker takes.
        max_packet: usize,
        /// Publishes the broker allows under way, if it says.
        receive_max: Option<u16>,
    },
    /// Not connected; why.
    Down(String),
    /// The oldest publish without a packet id has this one and is sent.
    Assigned(u16),
    /// The oldest publish without a packet id has this one, which is in use: it waits.
    Collided(u16),
    /// PUBACK.
    Acknowledged(u16, PubAckReason),
    /// A message from the broker.
    Arrived(Publish),
}

/// The owner of the loop is gone.
struct Orphaned;

/// Connects for ever.
pub async fn run(uplink: UplinkId, settings: Settings, events: mpsc::Sender<Event>, abandon: Arc<Notify>) {
    let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
    let mut reported = None;
    loop {
        let (client, mut machine) = AsyncClient::new(options(&settings), REQUESTS);
        let begun = Clock::default().now();
        let mut reporter = Reporter { uplink, events: &events, batch: Vec::new(), client, up: false };
        let Ok(error) = drive(&mut machine, &mut reporter, &abandon).await else { return };
        let was_up = reporter.up;
        let why = trouble::explain(&error, settings.tls.is_some());
        if was_up || reported.as_ref() != Some(&why) {
            reported = Some(why.clone());
            if reporter.report(What::Down(why)).await.is_err() || reporter.flush().await.is_err() {
                return;
            }
        }
        if was_up && Clock::default().now().since(begun) > RETRY_FORGET {
            backoff.reset();
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

/// Polls the event loop until it fails, or the owner gives the connection up. Events are reported together whenever it
/// has to wait.
async fn drive(
    machine: &mut EventLoop,
    reporter: &mut Reporter<'_>,
    abandon: &Notify,
) -> Result<ConnectionError, Orphaned> {
    loop {
        let polled = {
            let mut next = pin!(machine.poll());
            // The future is kept while it waits, never dropped half-way: it may hold a packet not yet written.
            match poll_now(next.as_mut()) {
                Poll::Ready(polled) => polled,
                Poll::Pending => {
                    reporter.flush().await?;
                    tokio::select! {
                        polled = next => polled,
                        () = abandon.notified() => return Ok(ConnectionError::RequestsDone),
                    }
                }
            }
        };
        match polled {
            Ok(Mqtt::Incoming(packet)) => reporter.incoming(packet).await?,
            Ok(Mqtt::Outgoing(Outgoing::Publish(packet))) => reporter.report(What::Assigned(packet)).await?,
            Ok(Mqtt::Outgoing(Outgoing::AwaitAck(packet))) => reporter.report(What::Collided(packet)).await?,
            Ok(Mqtt::Outgoing(_)) => {}
            Err(error) => return Ok(error),
        }
    }
}

/// Polls once. The waker does nothing: whoever gets `Pending` awaits the same future next.
fn poll_now<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

struct Reporter<'e> {
    uplink: UplinkId,
    events: &'e mpsc::Sender<Event>,
    batch: Vec<What>,
    client: AsyncClient,
    up: bool,
}

impl Reporter<'_> {
    async fn incoming(&mut self, packet: Packet) -> Result<(), Orphaned> {
        match packet {
            Packet::ConnAck(ack) => {
                self.up = true;
                let properties = ack.properties.as_ref();
                let limit = properties.and_then(|p| p.max_packet_size);
                let max_packet = limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
                let receive_max = properties.and_then(|p| p.receive_max);
                self.report(What::Up { client: self.client.clone(), max_packet, receive_max }).await
            }
            Packet::PubAck(ack) => self.report(What::Acknowledged(ack.pkid, ack.reason)).await,
            Packet::Publish(publish) => self.report(What::Arrived(publish)).await,
            Packet::SubAck(ack) => {
                if ack.return_codes.iter().any(|code| !matches!(code, SubscribeReasonCode::Success(_))) {
                    tracing::warn!(codes = ?ack.return_codes, "the broker refused a subscription: check its access list");
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn report(&mut self, what: What) -> Result<(), Orphaned> {
        self.batch.push(what);
        if self.batch.len() < BATCH { Ok(()) } else { self.flush().await }
    }

    async fn flush(&mut self) -> Result<(), Orphaned> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let event = Event { uplink: self.uplink, whats: core::mem::take(&mut self.batch) };
        self.events.send(event).await.map_err(|_| Orphaned)
    }
}

fn options(settings: &Settings) -> MqttOptions {
    let mut options = MqttOptions::new(&settings.client_id, &settings.host, settings.port);
    let mut properties = ConnectProperties::new();
    properties.session_expiry_interval = u32::try_from(settings.session.as_secs()).ok();
    properties.receive_maximum = Some(RECEIVE_MAXIMUM);
    properties.max_packet_size = Some(MAX_PACKET);
    options.set_connect_properties(properties);
    options.set_keep_alive(settings.keep_alive);
    options.set_clean_start(false);
    options.set_manual_acks(true);
    options.set_connection_timeout(CONNECT_SECONDS);
    // Twice the window that `Session` keeps to: the client numbers packets up to this limit, and one whose number is
    // still in use stops it.
    options.set_outgoing_inflight_upper_limit(settings.window.saturating_mul(2));
    if let Some(tls) = &settings.tls {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::clone(tls))));
    }
    options
}
