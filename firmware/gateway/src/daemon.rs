//! The daemon's loop: one node value, and everything that feeds it.

mod emission;
mod ending;
mod error;
mod objects;

use crate::airtime::Ledger;
use crate::config::Config;
use crate::control::{self, Asked};
use crate::emcon::Mark;
use crate::keys::{self, Keys};
use crate::links::{Links, Transmitted};
use crate::mission::Mission;
use crate::mqtt::{self, Told, Uplink};
use crate::sync::{self, SyncThread};
use crate::{notify, tls};
use picket_node::gate::Emcon;
use picket_node::operator::{Reply, Request, Status, UplinkStatus};
use picket_node::{EmissionConfig, Gateway, GatewayConfig, Input, Output, Report, UplinkId};
use picket_safe::{heap, stack};
use picket_shell::clock::Clock;
use picket_shell::medium::FileMedium;
use picket_shell::port::{self, Event};
use picket_store::QueueLimits;
use picket_wire::time::Instant;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

pub use error::StartError;

/// Wall time is told to the node this often.
const WALL_EVERY: Duration = Duration::from_secs(60);
/// Name look-ups that may hang at once; the store has a thread of its own.
const NAME_LOOKUPS: usize = 8;
/// Events taken at once.
const EVENTS: usize = 256;
/// Reports of all uplinks waiting for the loop, each of up to a hundred events.
const UPLINK_REPORTS: usize = 16;
/// Time given to bytes already written to leave, and to the broker's goodbye.
const FAREWELL: Duration = Duration::from_millis(500);

/// Everything a start needs that can be checked without serving.
#[derive(Debug)]
pub struct Ready {
    keys: Keys,
    mission: Mission,
    uplinks: Vec<mqtt::Settings>,
}

/// Finishes a wipe that has begun; otherwise loads keyfill, roster and TLS material.
///
/// # Errors
/// [`StartError`].
pub fn prepare(config: &Config) -> Result<Ready, StartError> {
    let g = &config.gateway;
    if keys::resume(config).map_err(StartError::Keys)? {
        return Err(StartError::Zeroized("the wipe that had begun is finished".to_owned()));
    }
    let keys = Keys::open(&g.state).map_err(StartError::Keys)?;
    let material = keys.material(config).map_err(ending::refused)?;
    let mission = Mission::from(&g.name, &material, &g.state).map_err(StartError::Mission)?;
    let mut uplinks = Vec::new();
    for uplink in &config.uplinks {
        let sealed = keys.tls(&uplink.name).map_err(StartError::Keys)?;
        let sealed = sealed.as_deref().map(Vec::as_slice);
        let tls = uplink.tls.as_ref().map(|t| tls::client(t, sealed)).transpose();
        uplinks.push(mqtt::Settings {
            name: uplink.name.clone(),
            host: uplink.host.clone(),
            port: uplink.port,
            tls: tls.map_err(|e| StartError::Tls(uplink.name.clone(), e))?,
            client_id: mission.client_id(&uplink.name),
            prefix: uplink.prefix.clone(),
            keep_alive: Duration::from_millis(uplink.keep_alive.as_millis()),
            session: Duration::from_millis(uplink.session.as_millis()),
            window: g.publish_window,
        });
    }
    Ok(Ready { keys, mission, uplinks })
}

/// Runs until SIGTERM or SIGINT. `emcon` makes the state of emission control stricter than it is written down, never
/// freer.
///
/// # Errors
/// [`StartError`]; once it serves, nothing ends it but a signal.
pub fn run(config: Config, emcon: Option<Emcon>) -> Result<(), StartError> {
    let ready = heap::within(|| prepare(&config))?;
    stack::scrub();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(NAME_LOOKUPS)
        .thread_stack_size(256 * 1024)
        .build()
        .map_err(StartError::System)?;
    // The daemon lies in the future that serves it, with the keys of the hop.
    let serving = heap::within(|| Box::pin(serve(config, ready, emcon)));
    let outcome = runtime.block_on(serving);
    runtime.shutdown_timeout(FAREWELL);
    outcome
}

async fn serve(config: Config, ready: Ready, emcon: Option<Emcon>) -> Result<(), StartError> {
    let drain = config.gateway.drain;
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::System)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::System)?;
    let (reporter, mut events) = port::channel();
    let (uplink_reports, mut reports) = mpsc::channel(UPLINK_REPORTS);
    let control_settings = config.gateway.control.clone();
    let mut ends = ending::Ends::begin(&config, &ready.keys)?;
    let mut daemon = Daemon::open(config, ready, emcon, uplink_reports)?;
    daemon.links.open(&reporter).await.map_err(StartError::Socket)?;
    let (control, mut requests) = control::serve(&control_settings).await.map_err(StartError::Socket)?;
    notify::say("READY=1");
    tracing::info!(name = %daemon.name, roster = daemon.mission.roster_version(), "serving");

    let mut taken = Vec::with_capacity(EVENTS);
    let mut wall = tokio::time::interval(WALL_EVERY);
    let mut stop_at = None;
    loop {
        daemon.sync_next();
        if daemon.revoked || daemon.may_stop(stop_at) {
            break;
        }
        let wake = daemon.until_wake(stop_at);
        tokio::select! {
            count = events.recv_many(&mut taken, EVENTS) => {
                debug_assert!(count > 0);
                for event in taken.drain(..) {
                    daemon.link_event(event);
                }
            }
            Some(report) = reports.recv() => daemon.uplink_event(report),
            outcome = daemon.sync.finished() => daemon.synced(outcome),
            Some(asked) = requests.recv() => daemon.answer(asked, &mut ends),
            why = ends.due() => return Err(daemon.zeroize(&ends, why)),
            () = tokio::time::sleep(wake) => daemon.tell(Input::Tick),
            _ = wall.tick() => daemon.minute(),
            () = either(&mut terminate, &mut interrupt), if stop_at.is_none() => {
                tracing::info!("stopping");
                notify::say("STOPPING=1");
                stop_at = Some(daemon.clock.now() + drain);
                daemon.tell(Input::Drain);
            }
        }
    }
    control.abort();
    let revoked = daemon.revoked;
    daemon.farewell().await?;
    if revoked { Err(StartError::Mission(crate::mission::MissionError::Revoked)) } else { Ok(()) }
}

async fn either(a: &mut Signal, b: &mut Signal) {
    tokio::select! {
        _ = a.recv() => {}
        _ = b.recv() => {}
    }
}

/// The state at start: the stricter of what is written down and what the command line says. What the command line made
/// stricter is written down, so that a restart without it changes nothing.
fn in_force(config: &Config, given: Option<Emcon>) -> Mark {
    let mut mark = Mark::load([config.gateway.state.join("emcon"), config.gateway.emcon_mark.clone()]);
    if let Some(given) = given.filter(|given| *given > mark.state()) {
        mark.set(given);
    }
    if mark.state() > Emcon::Free {
        tracing::warn!(state = %mark.state(), "emission control");
    }
    for warning in mark.warnings() {
        tracing::error!(warning, "emission control");
    }
    mark
}

fn emission_config(config: &Config, emcon: Emcon, bands: Vec<picket_node::gate::Gate>) -> EmissionConfig {
    let uplinks = (0..).zip(&config.uplinks).filter(|(_, u)| u.emits);
    EmissionConfig {
        emcon,
        minimize: config.gateway.minimize,
        bands,
        emitting_uplinks: uplinks.map(|(n, _)| UplinkId(n)).collect(),
    }
}

struct Daemon {
    name: String,
    node: Gateway<FileMedium>,
    mission: Mission,
    clock: Clock,
    started: Instant,
    links: Links,
    uplinks: Vec<Uplink>,
    /// Which uplinks go by a radio.
    emitting: Vec<bool>,
    /// Where their events go.
    reports: mpsc::Sender<mqtt::Event>,
    mark: Mark,
    ledger: Ledger,
    sync: SyncThread,
    /// Inputs that follow from outputs.
    next: VecDeque<Input<'static>>,
    /// When the change to the present network key began.
    changing: Option<Instant>,
    /// This gateway is revoked: it stops.
    revoked: bool,
}

impl Daemon {
    fn open(
        config: Config,
        ready: Ready,
        emcon: Option<Emcon>,
        reports: mpsc::Sender<mqtt::Event>,
    ) -> Result<Self, StartError> {
        let clock = Clock::new(config.gateway.clock);
        let now = clock.now();
        let mark = in_force(&config, emcon);
        let boot = picket_shell::clock::boot();
        let record = config.gateway.state.join("airtime");
        let (ledger, bands) = Ledger::load(record, boot, &config.bands, now, clock.wall());
        let folder = config.gateway.state.join("store");
        let medium = FileMedium::open(&folder).map_err(|e| StartError::State(folder.clone(), e))?;
        let salt = picket_shell::random::bytes().map_err(|e| StartError::System(io::Error::other(e)))?;
        let salt = u32::from_be_bytes(salt);
        let limits = QueueLimits { max_bytes: config.store_bytes, salt, ..QueueLimits::default() };
        let settings = GatewayConfig {
            max_delay: ready.mission.roster().max_delay(),
            uplink_timeout: config.gateway.uplink_timeout,
            link_timeout: config.gateway.link_timeout,
            publish_window: config.gateway.publish_window,
            uplink_rate: config.gateway.uplink_rate,
            emission: emission_config(&config, mark.state(), bands),
            ..GatewayConfig::default()
        };
        let emitting: Vec<bool> = config.uplinks.iter().map(|u| u.emits).collect();
        let me = picket_node::leaf::Keyring::me(&ready.mission);
        let node =
            Gateway::open(settings, me, medium, limits, now, clock.wall()).map_err(|e| StartError::Store(folder, e))?;
        let uplinks = (0..).zip(ready.uplinks).zip(&emitting).map(|((n, settings), emits)| {
            if emission::uplink_closed(mark.state(), *emits) {
                Uplink::stopped(UplinkId(n), settings)
            } else {
                Uplink::start(UplinkId(n), settings, reports.clone())
            }
        });
        let uplinks = uplinks.collect();
        let mut daemon = Self {
            name: config.gateway.name,
            node,
            mission: ready.mission,
            clock,
            started: now,
            links: Links::new(config.links, mark.state().forbids_all()),
            uplinks,
            emitting,
            reports,
            mark,
            ledger,
            sync: SyncThread::start().map_err(StartError::System)?,
            next: VecDeque::new(),
            changing: None,
            revoked: false,
        };
        daemon.hold_objects();
        for input in daemon.links.fixed() {
            daemon.tell(input);
        }
        Ok(daemon)
    }

    /// Gives one input to the node and does all that follows.
    fn tell(&mut self, input: Input<'_>) {
        self.node.handle(self.clock.now(), input, &self.mission);
        self.follow();
    }

    fn follow(&mut self) {
        loop {
            while let Some(output) = self.node.poll() {
                self.act(output);
            }
            let Some(input) = self.next.pop_front() else { return };
            self.node.handle(self.clock.now(), input, &self.mission);
        }
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Transmit(link, bytes) => match self.links.transmit(link, &bytes) {
                Transmitted::Now => self.next.push_back(Input::Sent(link)),
                Transmitted::Later | Transmitted::Gone => {}
            },
            Output::Recall(link) => self.links.recall(link),
            Output::RecordAirtime(records) => self.record_airtime(&records),
            Output::Sync(ticket) => self.sync.want(ticket),
            Output::Publish { uplink, publish, topic, payload, retain, expiry } => {
                let Some(to) = self.uplinks.get_mut(usize::from(uplink.0)) else { return };
                to.publish(publish, &topic, payload, retain, expiry);
                while let Some(publish) = to.take_refused() {
                    self.next.push_back(Input::Published { uplink, publish, matched: false });
                }
            }
            Output::Subscribe(uplink, topic) => self.with_uplink(uplink, |u| u.subscribe(&topic)),
            Output::Unsubscribe(uplink, topic) => self.with_uplink(uplink, |u| u.unsubscribe(&topic)),
            Output::Settle(uplink, delivery) => self.with_uplink(uplink, |u| u.settle(delivery)),
            Output::Object(object) => self.object(object),
            Output::Report(report) => self.log(report),
        }
    }

    fn with_uplink(&mut self, id: UplinkId, act: impl FnOnce(&mut Uplink)) {
        if let Some(uplink) = self.uplinks.get_mut(usize::from(id.0)) {
            act(uplink);
        }
    }

    fn link_event(&mut self, event: Event) {
        let Self { links, node, clock, mission, .. } = self;
        links.take(event, &mut |input| node.handle(clock.now(), input, mission));
        self.follow();
    }

    fn uplink_event(&mut self, event: mqtt::Event) {
        let uplink = event.uplink;
        for what in event.whats {
            let Some(from) = self.uplinks.get_mut(usize::from(uplink.0)) else { return };
            match from.take(what) {
                None => {}
                Some(Told::Up) => {
                    tracing::info!(uplink = %from.name, "up");
                    self.tell(Input::UplinkUp(uplink));
                }
                Some(Told::Down(why)) => {
                    tracing::warn!(uplink = %from.name, why, "broker away; tried again");
                    self.tell(Input::UplinkDown(uplink, why));
                }
                Some(Told::Published(publish, matched)) => self.tell(Input::Published { uplink, publish, matched }),
                Some(Told::Arrived(delivery, payload)) => {
                    self.tell(Input::Arrived { uplink, delivery, payload: &payload });
                }
            }
        }
    }

    /// Starts the sync that is wanted, if none is running. Called once for each batch of events: what was written
    /// meanwhile is answered by one sync.
    fn sync_next(&mut self) {
        let Self { sync, node, .. } = self;
        sync.run_next(|| node.medium_mut().syncer());
    }

    fn synced(&mut self, (ticket, outcome): sync::Outcome) {
        match outcome {
            Ok(()) => self.tell(Input::Synced(ticket)),
            Err(e) => {
                tracing::error!(error = %e, "the store cannot be synced: custody is refused until it can");
                self.tell(Input::SyncFailed);
            }
        }
    }

    /// Time until something is due.
    fn until_wake(&self, stop_at: Option<Instant>) -> Duration {
        let due = self.node.next_wake().into_iter().chain(stop_at).min().unwrap_or(Instant::FAR);
        Duration::from_micros(due.since(self.clock.now()).as_micros()).min(WALL_EVERY)
    }

    /// Whether a stop that was asked for may happen now: nothing is owed, or its time is over.
    fn may_stop(&self, stop_at: Option<Instant>) -> bool {
        let quiet = || self.node.is_quiet() && !self.sync.is_running() && self.links.drained();
        stop_at.is_some_and(|at| quiet() || self.clock.now() >= at)
    }

    async fn farewell(mut self) -> Result<(), StartError> {
        if self.sync.is_running() {
            let _ = self.sync.finished().await; // what was written is synced again below
        }
        for uplink in &mut self.uplinks {
            uplink.disconnect();
        }
        let drained = async {
            while !self.links.drained() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, drained).await; // whoever does not read is left
        if !self.uplinks.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await; // the clients write their goodbye
        }
        self.links.close();
        let now = self.clock.now();
        if let Err(e) = self.ledger.store(&self.node.last_airtime(now), now, self.clock.wall()) {
            tracing::warn!(error = %e, "airtime could not be written down once more; a little more counts as used");
        }
        let closed = self.node.close(now);
        if let Err(e) = &closed {
            tracing::error!(error = %e, "the store could not be closed in order; it is recovered at the next start");
        }
        tracing::info!("stopped");
        Ok(())
    }

    fn answer(&mut self, asked: Asked, ends: &mut ending::Ends) {
        let reply = match asked.request {
            Request::Status => Reply::Status(self.status(ends)),
            Request::Alive => {
                ends.alive();
                Reply::Status(self.status(ends))
            }
            Request::Links => Reply::Links(self.link_rows()),
            Request::Queue => {
                let Self { node, mission, clock, .. } = self;
                Reply::Queue(node.queue(clock.now(), &|index| mission.name(index)))
            }
            Request::Emcon(state) => self.order(state.as_deref()),
            Request::Roster(hex) => self.import(&hex),
            Request::Object(hex) => self.push_object(&hex),
        };
        let _ = asked.answer.send(reply); // the operator may have gone
    }

    fn status(&self, ends: &ending::Ends) -> Status {
        let uplinks = self.uplinks.iter();
        Status {
            v: 1,
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: self.clock.now().since(self.started).as_secs(),
            roster_version: self.mission.roster_version(),
            queued: self.node.queued(),
            stored_bytes: self.node.stored_bytes(),
            uplinks: uplinks.map(|u| UplinkStatus { name: u.name.clone(), state: u.state().to_owned() }).collect(),
            emcon: self.emcon(),
            keys: ends.status(),
            counters: self.node.all_counters(),
        }
    }

    fn link_rows(&mut self) -> Vec<picket_node::operator::LinkStatus> {
        let (now, mission) = (self.clock.now(), &self.mission);
        let mut rows = self.node.links(now, &|index| mission.name(index));
        rows.extend(self.links.listeners());
        self.complete(&mut rows);
        rows
    }

    fn log(&self, report: Report) {
        match report {
            Report::Attached { member, sequence } => {
                tracing::info!(member = %self.mission.name(member), sequence, "attached");
            }
            Report::Neighbour { link, gateway } => {
                tracing::info!(link = self.links.name(link), gateway = %self.mission.name(gateway), "heard");
            }
            Report::Taken { identity } => tracing::debug!(id = %identity.id(), "custody taken"),
            Report::Passed { identity, to } => {
                tracing::debug!(id = %identity.id(), to = %self.mission.name(to), "custody passed");
            }
            Report::Died { identity, reason } => tracing::warn!(id = %identity.id(), ?reason, "ended undelivered"),
            Report::Damage { records } => {
                tracing::error!(records, "the store was damaged: these records are lost, all others kept");
            }
            Report::Rekeyed { generation } => {
                tracing::warn!(generation, revoked = ?self.mission.revoked_names(), "a revocation is in force");
            }
            Report::StoreTrouble => tracing::error!("the store refuses to write: custody is refused until it works"),
        }
    }
}
