//! Drivers on one side, link instances of the node on the other.

use crate::config::{self, Medium};
use picket_node::gate::Emission;
use picket_node::operator::LinkStatus;
use picket_node::{Air, Input, LinkId};
use picket_shell::port::{Driver, Event, Port, Reporter, What, WriteError};
use picket_shell::unix::ListenError;
use picket_shell::{serial, tcp, udp, unix};
use std::collections::BTreeMap;

/// Bytes of a link that may wait for the kernel before the node is told to wait: enough to keep a socket busy, little
/// enough that precedence still works.
const AHEAD: usize = 32 * 1024;

/// All links: those configured, and one for each connection of a listener.
#[derive(Debug)]
pub struct Links {
    configured: Vec<config::Link>,
    /// By position in the configuration; none while emission control forbids what the driver itself would send.
    drivers: Vec<Option<Driver>>,
    reporter: Option<Reporter>,
    /// Nothing may leave by a link that emits.
    silenced: bool,
    /// What a listener said last, where that is trouble.
    troubles: BTreeMap<u32, String>,
    slots: BTreeMap<LinkId, Slot>,
    by_port: BTreeMap<u64, LinkId>,
    next: u32,
}

#[derive(Debug)]
struct Slot {
    source: u32,
    port: Option<Port>,
}

/// What became of a transmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transmitted {
    /// With the medium: the node may go on.
    Now,
    /// It will be said ([`What::Drained`]).
    Later,
    /// The link is gone; the node knows or will be told.
    Gone,
}

impl Links {
    /// All configured links, none open yet.
    #[must_use]
    pub fn new(configured: Vec<config::Link>, silenced: bool) -> Self {
        Self {
            drivers: configured.iter().map(|_| None).collect(),
            configured,
            reporter: None,
            silenced,
            troubles: BTreeMap::new(),
            slots: BTreeMap::new(),
            by_port: BTreeMap::new(),
            next: 0,
        }
    }

    /// The link instances that exist from the start.
    pub fn fixed(&mut self) -> Vec<Input<'static>> {
        let mut inputs = Vec::new();
        for (source, link) in (0..).zip(&self.configured) {
            if link.medium.listens() {
                continue;
            }
            let id = LinkId(self.next);
            self.next += 1;
            self.slots.insert(id, Slot { source, port: None });
            inputs.push(added(id, link));
        }
        inputs
    }

    /// Starts all drivers that may run; sockets appear now.
    ///
    /// # Errors
    /// [`ListenError`] when a Unix socket cannot be served; everything else is tried again for ever.
    pub async fn open(&mut self, reporter: &Reporter) -> Result<(), ListenError> {
        self.reporter = Some(reporter.clone());
        for (source, slot) in (0..).zip(&mut self.drivers) {
            let Some(link) = self.configured.get(source as usize) else { continue };
            if let Medium::Unix(settings) = &link.medium {
                *slot = Some(unix::listen(reporter.clone(), source, settings).await?);
            }
        }
        self.start();
        Ok(())
    }

    /// Starts what does not run and may.
    fn start(&mut self) {
        let Some(reporter) = &self.reporter else { return };
        for (source, slot) in (0..).zip(&mut self.drivers) {
            let Some(link) = self.configured.get(source as usize).filter(|_| slot.is_none()) else { continue };
            if self.silenced && speaks_by_itself(link) {
                self.troubles.insert(source, SILENCED.to_owned());
                continue;
            }
            let reporter = reporter.clone();
            *slot = match &link.medium {
                Medium::Serial(settings) => Some(serial::start(reporter, source, settings.clone())),
                Medium::Udp(settings) => Some(udp::start(reporter, source, settings.clone())),
                Medium::TcpListen(address) => Some(tcp::listen(reporter, source, *address)),
                Medium::TcpConnect(peer) => Some(tcp::connect(reporter, source, peer.clone())),
                Medium::Unix(_) => None,
            };
            self.troubles.remove(&source);
        }
    }

    /// Stops everything that is on its way out of links that emit, or lets it flow again. What follows is told.
    pub fn silence(&mut self, silenced: bool, tell: &mut dyn FnMut(Input<'_>)) {
        self.silenced = silenced;
        for slot in self.slots.values() {
            let emits = self.link(slot.source).is_none_or(|l| l.air != Air::Cable);
            if let Some(port) = slot.port.as_ref().filter(|_| emits) {
                if silenced { port.silence() } else { port.release() }
            }
        }
        if !silenced {
            return self.start();
        }
        for source in 0..self.configured.len() {
            let Some(link) = self.configured.get(source).filter(|l| speaks_by_itself(l)) else { continue };
            tracing::info!(link = %link.name, "closed by emission control");
            if let Some(driver) = self.drivers.get_mut(source).and_then(Option::take) {
                drop(driver);
                self.closed(source as u32, tell);
            }
        }
    }

    /// A driver was stopped: all of its connections are gone.
    fn closed(&mut self, source: u32, tell: &mut dyn FnMut(Input<'_>)) {
        self.troubles.insert(source, SILENCED.to_owned());
        let slots = self.slots.values().filter(|s| s.source == source);
        let ports: Vec<u64> = slots.filter_map(|s| s.port.as_ref().map(Port::id)).collect();
        for port in ports {
            self.down(source, port, SILENCED, tell);
        }
    }

    /// Destroys what is on its way out of this link.
    pub fn recall(&self, link: LinkId) {
        if let Some(port) = self.slots.get(&link).and_then(|slot| slot.port.as_ref()) {
            port.silence();
            if !self.silenced {
                port.release();
            }
        }
    }

    /// Takes a driver's event in and gives each input that follows to `tell`.
    pub fn take(&mut self, event: Event, tell: &mut dyn FnMut(Input<'_>)) {
        let Event { source, port, what } = event;
        if self.drivers.get(source as usize).is_none_or(Option::is_none) {
            return; // said before its driver was stopped
        }
        match what {
            What::Up(port) => self.up(source, port, tell),
            What::Bytes(bytes) => {
                if let Some(link) = self.by_port.get(&port) {
                    tell(Input::Received(*link, &bytes));
                }
            }
            What::Drained => {
                if let Some(link) = self.by_port.get(&port) {
                    tell(Input::Sent(*link));
                }
            }
            What::Down(why) => self.down(source, port, &why.to_string(), tell),
            What::Failed(why) => self.failed(source, &why.to_string(), tell),
        }
    }

    /// Writes a transmission of the node.
    pub fn transmit(&mut self, link: LinkId, bytes: &Emission) -> Transmitted {
        let Some(slot) = self.slots.get(&link) else { return Transmitted::Gone };
        let Some(port) = &slot.port else { return Transmitted::Gone };
        match port.write(bytes) {
            Ok(()) => {}
            Err(WriteError::Closed) => return Transmitted::Gone,
            // The gate has closed meanwhile; the node takes it for sent, and repeats what matters on release.
            Err(WriteError::Silenced) => return Transmitted::Now,
            // Only a far end that has not read a megabyte: the link machine repeats what matters.
            Err(WriteError::Full) => tracing::debug!(link = link.0, "outbox full"),
        }
        let paced = self.link(slot.source).is_some_and(|l| l.machine.air_bps.is_some());
        if !paced && port.queued() < AHEAD {
            return Transmitted::Now;
        }
        port.notify_drained();
        Transmitted::Later
    }

    /// Whether everything written has left for the kernel.
    #[must_use]
    pub fn drained(&self) -> bool {
        self.slots.values().filter_map(|s| s.port.as_ref()).all(|p| p.queued() == 0)
    }

    /// Closes all ports and removes all sockets.
    pub fn close(&mut self) {
        self.drivers.clear();
    }

    /// Rows for listeners, which the node does not know.
    #[must_use]
    pub fn listeners(&self) -> Vec<LinkStatus> {
        let listeners = (0..).zip(&self.configured).filter(|(_, l)| l.medium.listens());
        listeners
            .map(|(source, link)| LinkStatus {
                name: link.name.clone(),
                kind: link.medium.kind().to_owned(),
                state: self.troubles.get(&source).map_or_else(|| "listening".to_owned(), |why| format!("down: {why}")),
                rx_bytes: 0,
                tx_bytes: 0,
                attached: Vec::new(),
                emits: link.air != Air::Cable,
                silence: String::new(),
                band: None,
                quality: picket_node::operator::Quality::default(),
            })
            .collect()
    }

    /// All configured links.
    #[must_use]
    pub fn configured(&self) -> &[config::Link] {
        &self.configured
    }

    /// Name in the configuration of a link instance.
    #[must_use]
    pub fn name(&self, link: LinkId) -> &str {
        self.slots.get(&link).and_then(|s| self.link(s.source)).map_or("", |l| l.name.as_str())
    }

    fn link(&self, source: u32) -> Option<&config::Link> {
        self.configured.get(usize::try_from(source).ok()?)
    }

    fn up(&mut self, source: u32, port: Port, tell: &mut dyn FnMut(Input<'_>)) {
        let Some(config) = self.link(source).cloned() else { return };
        let link = if config.medium.listens() {
            let link = LinkId(self.next);
            self.next = self.next.wrapping_add(1);
            self.troubles.remove(&source);
            tell(added(link, &config));
            tracing::debug!(link = %config.name, connection = port.id(), "connected");
            link
        } else {
            let Some(link) = self.fixed_link(source) else { return };
            tracing::info!(link = %config.name, "up");
            link
        };
        if self.silenced && config.air != Air::Cable {
            port.silence();
        }
        self.by_port.insert(port.id(), link);
        self.slots.insert(link, Slot { source, port: Some(port) });
        tell(Input::LinkUp(link));
    }

    fn down(&mut self, source: u32, port: u64, why: &str, tell: &mut dyn FnMut(Input<'_>)) {
        let Some(link) = self.by_port.remove(&port) else { return };
        let Some(config) = self.link(source) else { return };
        if config.medium.listens() {
            tracing::debug!(link = %config.name, connection = port, why, "disconnected");
            self.slots.remove(&link);
            tell(Input::LinkRemoved(link));
        } else {
            tracing::warn!(link = %config.name, why, "down");
            if let Some(slot) = self.slots.get_mut(&link) {
                slot.port = None;
            }
            tell(Input::LinkDown(link, why.to_owned()));
        }
    }

    fn failed(&mut self, source: u32, why: &str, tell: &mut dyn FnMut(Input<'_>)) {
        let Some(config) = self.link(source) else { return };
        tracing::warn!(link = %config.name, why, "cannot be opened; tried again");
        match self.fixed_link(source) {
            Some(link) => tell(Input::LinkDown(link, why.to_owned())),
            None => drop(self.troubles.insert(source, why.to_owned())),
        }
    }

    fn fixed_link(&self, source: u32) -> Option<LinkId> {
        if self.link(source)?.medium.listens() {
            return None;
        }
        self.slots.iter().find(|(_, s)| s.source == source).map(|(id, _)| *id)
    }
}

fn added(link: LinkId, config: &config::Link) -> Input<'static> {
    let (name, kind) = (config.name.clone(), config.medium.kind());
    Input::LinkAdded { link, name, kind, config: config.machine.clone(), air: config.air }
}

/// Why a link is away, for people.
const SILENCED: &str = "emission control";

/// Whether the system itself sends something for such a link, whatever we do: TCP acknowledges what it receives and
/// connects by itself, and a host name is looked up.
fn speaks_by_itself(link: &config::Link) -> bool {
    let speaks = match &link.medium {
        Medium::TcpListen(_) | Medium::TcpConnect(_) => true,
        Medium::Udp(settings) => settings.peer.parse::<std::net::SocketAddr>().is_err(),
        Medium::Serial(_) | Medium::Unix(_) => false,
    };
    speaks && link.air != Air::Cable
}
