//! The ways to a gateway: one open at a time, the next one tried when it fails.

use crate::limits::ATTACH_TRY;
use crate::via::{Serial, Via};
use picket_endpoint::{Duplex, Framing, LinkConfig};
use picket_node::gate::Emcon;
use picket_shell::port::{self, Driver, Event, Port, Reporter, What};
use picket_shell::{serial, tcp, unix};
use picket_wire::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Time a half-duplex radio needs to turn round, where nothing else is known: as the gateway's default.
const TURN_ROUND: Duration = Duration::from_millis(20);

/// Pause between two rounds over several ways.
const ROUND: core::time::Duration = core::time::Duration::from_millis(500);

/// What happened on the way.
#[derive(Debug)]
pub enum Happened {
    /// It is open.
    Up,
    /// Bytes arrived.
    Bytes(Vec<u8>),
    /// The last frame is with the medium.
    Sent,
    /// It closed; why.
    Down(String),
    /// It cannot be opened; why.
    Failed(String),
    /// Of a way given up meanwhile.
    Stale,
}

/// The ways of one home.
pub struct Ways {
    list: Vec<Via>,
    at: usize,
    /// Numbers the drivers, so that reports of a stopped one are not mistaken for its successor's.
    source: u32,
    driver: Option<Driver>,
    port: Option<Port>,
    reporter: Reporter,
    events: mpsc::Receiver<Event>,
    /// When the present way counts as leading nowhere.
    patience: Option<Instant>,
    /// When to begin again, after all of several ways failed.
    resume: Option<Instant>,
    /// Emission control of this device.
    emcon: Emcon,
}

impl Ways {
    /// No way yet; this state is in force for all of them.
    #[must_use]
    pub fn new(emcon: Emcon) -> Self {
        let (reporter, events) = port::channel();
        Self {
            list: Vec::new(),
            at: 0,
            source: 0,
            driver: None,
            port: None,
            reporter,
            events,
            patience: None,
            resume: None,
            emcon,
        }
    }

    /// The state in force on the present way: a socket on this machine is no emission.
    #[must_use]
    pub fn emcon(&self) -> Emcon {
        match self.current() {
            Some(Via::Unix(_)) => Emcon::Free,
            Some(Via::Tcp(_) | Via::Serial(_)) | None => self.emcon,
        }
    }

    /// Whether nothing may leave by the present way.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.emcon().forbids_all()
    }

    /// Puts a state in force: what waits in the driver is destroyed, and a connection that would acknowledge by itself
    /// is closed. On release returns what the endpoint must know of a way that begins again.
    pub fn set_emcon(&mut self, emcon: Emcon) -> Option<LinkConfig> {
        self.emcon = emcon;
        let closed = self.is_closed();
        if closed && matches!(self.current(), Some(Via::Tcp(_))) {
            self.stop();
        }
        match &self.port {
            Some(port) if closed => port.silence(),
            Some(port) => port.release(),
            None if !closed && self.driver.is_none() => return self.start(),
            None => {}
        }
        None
    }

    /// The ways in use.
    #[must_use]
    pub fn list(&self) -> &[Via] {
        &self.list
    }

    /// The way tried or open now.
    #[must_use]
    pub fn current(&self) -> Option<&Via> {
        self.list.get(self.at)
    }

    /// Whether one is open.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.port.is_some()
    }

    /// Uses these from now on. Returns what the endpoint must know of the first.
    pub fn replace(&mut self, list: Vec<Via>) -> Option<LinkConfig> {
        self.list = list;
        self.at = 0;
        self.start()
    }

    /// Goes on to the next way; after the last of several begins again with the first, a moment later. `None` when
    /// there is nothing to do: a single way is tried again by its driver.
    pub fn next(&mut self) -> Option<LinkConfig> {
        if self.list.len() < 2 {
            return None;
        }
        if self.is_last() {
            self.stop();
            self.resume = Some(Instant::now() + ROUND);
            return None;
        }
        self.at += 1;
        self.start()
    }

    /// Begins the next round, when that is due. Otherwise the present way has led nowhere, which is asked once for each
    /// opening: `None`.
    pub fn resume(&mut self) -> Option<LinkConfig> {
        self.patience = None;
        self.resume.take()?;
        self.at = 0;
        self.start()
    }

    /// Whether the next failure has tried them all.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.at + 1 >= self.list.len()
    }

    /// A gateway answered: this way leads somewhere.
    pub const fn settle(&mut self) {
        self.patience = None;
    }

    /// When to call [`Ways::resume`].
    #[must_use]
    pub fn patience(&self) -> Option<Instant> {
        self.resume.or(self.patience)
    }

    /// Waits for the next event; for ever when there is no way.
    pub async fn event(&mut self) -> Happened {
        let Some(event) = self.events.recv().await else { return core::future::pending().await };
        if event.source != self.source {
            return Happened::Stale;
        }
        match event.what {
            What::Up(port) => {
                if self.is_closed() {
                    port.silence();
                }
                self.port = Some(port);
                self.patience = Some(Instant::now() + ATTACH_TRY);
                Happened::Up
            }
            What::Bytes(bytes) => Happened::Bytes(bytes),
            What::Drained => Happened::Sent,
            What::Down(why) => {
                self.port = None;
                self.patience = None;
                Happened::Down(why.to_string())
            }
            What::Failed(why) => Happened::Failed(why.to_string()),
        }
    }

    /// Puts one frame on the open way. False when it is gone: the frame counts as sent and lost.
    pub fn transmit(&self, frame: &[u8]) -> bool {
        let Some(port) = &self.port else { return false };
        let taken = port.write(frame).is_ok();
        if taken {
            port.notify_drained();
        }
        taken
    }

    /// Closes the present way; what it still reports is stale.
    fn stop(&mut self) {
        self.driver = None;
        self.port = None;
        self.patience = None;
        self.resume = None;
        self.source = self.source.wrapping_add(1);
    }

    fn start(&mut self) -> Option<LinkConfig> {
        self.stop();
        let via = self.list.get(self.at)?.clone();
        let config = link_config(&via);
        if self.is_closed() && matches!(via, Via::Tcp(_)) {
            // TCP cannot only listen: counted as a way that leads nowhere.
            self.patience = Some(Instant::now());
            return Some(config);
        }
        let reporter = self.reporter.clone();
        self.driver = Some(match via {
            Via::Unix(path) => unix::connect(reporter, self.source, path),
            Via::Tcp(host) => tcp::connect(reporter, self.source, host),
            Via::Serial(s) => serial::start(reporter, self.source, serial::Settings::new(s.port, s.baud)),
        });
        Some(config)
    }
}

fn link_config(via: &Via) -> LinkConfig {
    let stream = LinkConfig {
        framing: Framing::Cobs,
        mtu: None,
        air_bps: None,
        duplex: Duplex::Full,
        turn_round: Duration::ZERO,
    };
    match via {
        Via::Unix(_) | Via::Tcp(_) => stream,
        Via::Serial(Serial { baud, air_bps, half_duplex, framing, .. }) => {
            let (duplex, turn_round) =
                if *half_duplex { (Duplex::Half, TURN_ROUND) } else { (Duplex::Full, Duration::ZERO) };
            let framing = framing.unwrap_or_else(|| Framing::for_serial(duplex, *baud, *air_bps));
            LinkConfig { framing, air_bps: Some(air_bps.unwrap_or(*baud)), duplex, turn_round, ..stream }
        }
    }
}
