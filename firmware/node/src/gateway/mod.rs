//! A gateway: links, relay, store and uplinks as one machine. The only place where they meet.
//!
//! Normative text: `firmware/spec/65-node.md`.
//!
//! One call of [`Gateway::handle`] runs three steps: the input is taken in, what follows from it is decided
//! ([`Gateway::turn_over`]), and what may leave is put out (offers, transmissions, one sync at a time).

mod arrive;
mod attach;
mod counters;
mod custody;
mod debts;
mod dispatch;
mod emission;
mod fate;
mod listening;
mod meta;
mod objects;
mod ports;
mod published;
mod quality;
mod rooms;
mod status;
mod tell;
mod uplink;

pub use counters::{Count, Counters};
pub use emission::{BandUse, Silence};

use crate::io::{Directory, GatewayConfig, Input, LinkId, Output, Report};
use crate::objects::Objects;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use attach::Attachments;
use custody::Custody;
use emission::Emissions;
use listening::Listening;
use meta::{Kind, Meta};
use picket_relay::{ParcelKey, Relay};
use picket_store::{Medium, OpenError, Queue, QueueLimits};
use picket_wire::Index;
use picket_wire::control::Control;
use picket_wire::time::{Instant, Wall};
use ports::{Port, Ports};
use tell::Telling;
use uplink::Uplinks;

/// The machine. See the crate's documentation for how it is driven.
#[derive(Debug)]
pub struct Gateway<M> {
    config: GatewayConfig,
    me: Index,
    relay: Relay,
    custody: Custody<M>,
    ports: Ports,
    emission: Emissions,
    uplinks: Uplinks,
    attachments: Attachments,
    listening: Listening,
    telling: Telling,
    objects: Objects,
    counters: Counters,
    out: VecDeque<Output>,
    host: Host,
}

/// What the host told about itself.
#[derive(Debug)]
struct Host {
    wall: Option<Wall>,
    stopping: bool,
    store_trouble: bool,
    /// Ends of lifetimes could not be written down: not tried again before.
    expire_after: Instant,
}

impl<M: Medium> Gateway<M> {
    /// Opens the store on `medium` and takes up whatever is in custody there.
    ///
    /// # Errors
    /// As [`Queue::open`]; the medium is unchanged then.
    pub fn open(
        config: GatewayConfig,
        me: Index,
        medium: M,
        limits: QueueLimits,
        now: Instant,
        wall: Option<Wall>,
    ) -> Result<Self, OpenError> {
        let (queue, recovery) = Queue::open(medium, limits, now, wall)?;
        let emission = Emissions::new(&config.emission);
        let mut gateway = Self {
            config,
            me,
            relay: Relay::new(me),
            custody: Custody::new(queue),
            ports: BTreeMap::new(),
            emission,
            uplinks: Uplinks::default(),
            attachments: Attachments::default(),
            listening: Listening::default(),
            telling: Telling::default(),
            objects: Objects::default(),
            counters: Counters::default(),
            out: VecDeque::new(),
            host: Host { wall, stopping: false, store_trouble: false, expire_after: Instant::ZERO },
        };
        let damaged = recovery.damaged().count() as u32;
        if damaged > 0 {
            gateway.counters.add(Count::StoreDamage);
            gateway.out.push_back(Output::Report(Report::Damage { records: damaged }));
        }
        gateway.recover(now);
        Ok(gateway)
    }

    /// Takes one input in and decides what follows; then drain [`Gateway::poll`].
    pub fn handle(&mut self, now: Instant, input: Input<'_>, dir: &dyn Directory) {
        self.take_in(now, input, dir);
        self.turn_over(now, dir);
    }

    /// The next thing asked for.
    pub fn poll(&mut self) -> Option<Output> {
        while let Some(output) = self.out.pop_front() {
            if self.may_leave(&output) {
                return Some(output);
            }
        }
        None
    }

    /// When [`Input::Tick`] is due if nothing else happens.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let queue = self.custody.queue();
        [
            self.ports.values().filter_map(Port::next_wake).min(),
            self.relay.next_wake(),
            self.custody.next_hold(),
            self.telling.next_wake(),
            self.emission.next_wake(),
            self.next_expiry(),
            self.next_object(),
            Some(queue.wake_at()).filter(|at| *at != Instant::FAR),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Nothing is being written or waits to be answered: a stop loses no one's time.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.ports.values().all(|p| !p.busy) && self.custody.next_hold().is_none()
    }

    /// Ends in order: gives the medium back with everything written down.
    ///
    /// # Errors
    /// As the medium's; nothing that was acknowledged is lost by it.
    pub fn close(self, now: Instant) -> Result<M, picket_store::MediumError> {
        self.custody.into_queue().close(now, self.host.wall)
    }

    /// The store's medium, for making a syncer.
    pub fn medium_mut(&mut self) -> &mut M {
        self.custody.queue_mut().medium_mut()
    }

    /// Counters so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    fn take_in(&mut self, now: Instant, input: Input<'_>, dir: &dyn Directory) {
        match input {
            Input::Tick => {}
            Input::LinkAdded { link, name, kind, config, air } => {
                self.port_added(now, link, Port::new(name, kind, config, air));
            }
            Input::LinkRemoved(link) => self.port_removed(now, link),
            Input::LinkUp(link) => self.port_up(now, link),
            Input::LinkDown(link, why) => self.port_down(now, link, why),
            Input::Received(link, bytes) => self.received(now, link, bytes, dir),
            Input::Sent(link) => {
                if let Some(port) = self.ports.get_mut(&link) {
                    port.busy = false;
                }
            }
            Input::Synced(ticket) => self.synced(now, ticket, dir),
            Input::SyncFailed => {
                self.custody.queue_mut().sync_failed();
                self.store_trouble();
            }
            Input::Emcon(emcon) => self.set_emcon(now, emcon),
            Input::AirtimeRecorded(durable) => self.airtime_recorded(now, durable),
            // A connection that was made while the state forbids it counts for nothing; the host ends it.
            Input::UplinkUp(uplink) if self.emission.uplink_closed(uplink) => {}
            Input::UplinkUp(uplink) => self.uplink_up(now, uplink, dir),
            Input::UplinkDown(uplink, why) => self.uplink_down(now, uplink, why),
            Input::Published { uplink, publish, matched } => self.published(now, uplink, publish, matched),
            Input::Arrived { uplink, delivery, payload } => self.uplink_arrived(now, uplink, delivery, payload, dir),
            Input::Wall(wall) => self.wall(now, wall),
            Input::Object(object) => self.object_in_force(now, object, dir),
            Input::Keep(object) => self.objects.keep(object),
            Input::RosterChanged => self.subscribe_all(dir),
            Input::Drain => self.host.stopping = true,
        }
    }

    /// Everything that follows from what is known now.
    fn turn_over(&mut self, now: Instant, dir: &dyn Directory) {
        for _ in 0..self.relay.due(now) {
            self.counters.add(Count::OffersTimedOut);
        }
        self.expire(now, dir);
        for creditor in self.custody.holds_due(now) {
            self.acknowledge(now, creditor, None, dir);
        }
        self.greet(now);
        self.offer_claims(now);
        self.say_objects(now, dir);
        self.dispatch(now, dir);
        self.say_drained(now);
        self.maintain(now);
        self.keep_answers(now);
        self.pay_debts(now);
        self.transmit(now, dir);
        self.record_airtime(now);
        if let Some(ticket) = self.custody.queue_mut().sync_wanted() {
            self.out.push_back(Output::Sync(ticket));
        }
    }

    fn recover(&mut self, now: Instant) {
        let found: Vec<_> = self
            .custody
            .queue()
            .entries(now)
            .map(|e| (ParcelKey(e.seq.0), Kind::from_byte(e.kind), Meta::decode(e.meta), e.precedence))
            .collect();
        for (key, kind, meta, precedence) in found {
            match (kind, meta) {
                (Some(Kind::Claim), Some(_)) => self.recover_claim(now, key),
                (Some(Kind::Listens), Some(_)) => self.recover_listens(now, key),
                (Some(Kind::Debt), Some(_)) => self.recover_debt(now, key, precedence),
                (Some(Kind::Room), Some(meta)) => self.take_room(now, key, &meta, precedence),
                (Some(Kind::Message | Kind::Housekeeping | Kind::Control), Some(meta)) => {
                    self.relay.take(now, key, meta.destination, meta.ingress, precedence);
                }
                (None, _) | (_, None) => {
                    self.counters.add(Count::UnparsableParcels);
                    self.custody.finish(now, key, meta::Fate::Died, picket_wire::time::Duration::ZERO);
                }
            }
        }
    }

    fn recover_claim(&mut self, now: Instant, key: ParcelKey) {
        let body = self.custody.queue_mut().body(picket_store::Seq(key.0));
        match body.ok().and_then(|b| Control::decode(&b).ok()) {
            Some(Control::Claim(claim)) => {
                self.relay.follow(now, claim);
                self.attachments.stored(claim.member, key);
            }
            Some(_) | None => self.counters.add(Count::UnparsableParcels),
        }
    }

    fn port_up(&mut self, now: Instant, link: LinkId) {
        if let Some(port) = self.ports.get_mut(&link) {
            port.opened(now);
            self.objects.link_up(link, port.alone);
            self.refresh_port(now, link);
        }
    }

    fn port_down(&mut self, now: Instant, link: LinkId, why: String) {
        if let Some(port) = self.ports.get_mut(&link) {
            port.closed(now, why);
            port.usable = false;
            self.objects.link_down(link);
            self.relay.port_down(now, link.0);
        }
    }

    fn port_removed(&mut self, now: Instant, link: LinkId) {
        if let Some(port) = self.ports.remove(&link) {
            self.counters.keep_link(port.link.counters());
        }
        self.objects.link_down(link);
        self.relay.port_removed(now, link.0);
        self.attachments.port_removed(link.0);
        self.telling.port_removed(link);
        self.custody.forget_creditors(|c| matches!(c, custody::Creditor::Port { port, .. } if *port == link.0));
    }

    fn wall(&mut self, now: Instant, wall: Option<Wall>) {
        let changed = wall.is_some() != self.host.wall.is_some();
        self.host.wall = wall;
        if changed && self.custody.queue_mut().stamp(now, wall).is_err() {
            self.store_trouble();
        }
    }

    fn maintain(&mut self, now: Instant) {
        let wall = self.host.wall;
        let queue = self.custody.queue_mut();
        if queue.wake_at() <= now && queue.maintain(now, wall).is_err() {
            self.store_trouble();
        }
        let losses = self.custody.queue_mut().take_losses().len() as u32;
        if losses > 0 {
            self.counters.add(Count::StoreDamage);
            self.out.push_back(Output::Report(Report::Damage { records: losses }));
        }
    }

    fn store_trouble(&mut self) {
        self.counters.add(Count::StoreErrors);
        if !self.host.store_trouble {
            self.host.store_trouble = true;
            self.out.push_back(Output::Report(Report::StoreTrouble));
        }
    }

    fn send(&mut self, now: Instant, link: LinkId, to: Option<Index>, message: Control) {
        let Some(port) = self.ports.get_mut(&link) else { return };
        if !self.emission.allows(port.air, picket_link::gate::of_control(&message)) {
            // Only worth saying at once: whoever needs to know asks again.
            self.counters.add(Count::ControlHeldBack);
        } else if port.link.send(now, to, message).is_err() {
            self.counters.add(Count::ControlQueueFull);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod emission_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod listening_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod objects_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod room_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
