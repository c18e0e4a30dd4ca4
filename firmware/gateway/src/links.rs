//! Drivers on one side, link instances of the node on the other.

use crate::config::{self, Medium};
use picket_node::operator::LinkStatus;
use picket_node::{Input, LinkId};
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
    drivers: Vec<Driver>,
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
    pub fn new(configured: Vec<config::Link>) -> Self {
        Self {
            configured,
            drivers: Vec::new(),
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

    /// Starts all drivers; sockets appear now.
    ///
    /// # Errors
    /// [`ListenError`] when a Unix socket cannot be served; everything else is tried again for ever.
    pub async fn open(&mut self, reporter: &Reporter) -> Result<(), ListenError> {
        for (source, link) in (0..).zip(&self.configured) {
            let reporter = reporter.clone();
            let driver = match &link.medium {
                Medium::Serial(settings) => serial::start(reporter, source, settings.clone()),
                Medium::Udp(settings) => udp::start(reporter, source, settings.clone()),
                Medium::TcpListen(address) => tcp::listen(reporter, source, *address),
                Medium::TcpConnect(peer) => tcp::connect(reporter, source, peer.clone()),
                Medium::Unix(settings) => unix::listen(reporter, source, settings).await?,
            };
            self.drivers.push(driver);
        }
        Ok(())
    }

    /// Takes a driver's event in and gives each input that follows to `tell`.
    pub fn take(&mut self, event: Event, tell: &mut dyn FnMut(Input<'_>)) {
        let Event { source, port, what } = event;
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
    pub fn transmit(&mut self, link: LinkId, bytes: &[u8]) -> Transmitted {
        let Some(slot) = self.slots.get(&link) else { return Transmitted::Gone };
        let Some(port) = &slot.port else { return Transmitted::Gone };
        match port.write(bytes) {
            Ok(()) => {}
            Err(WriteError::Closed) => return Transmitted::Gone,
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
            })
            .collect()
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
    Input::LinkAdded { link, name, kind, config: config.machine.clone() }
}
