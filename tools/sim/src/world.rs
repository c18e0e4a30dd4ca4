//! The world and its clock.

mod told;

use crate::broker::Broker;
use crate::mission::Mission;
use crate::outcome::{Outcome, Sent, Verdict};
use crate::plan::{Fault, Plan, Topology, Write};
use crate::rooms::{JOIN_AGAIN, RoomAct, RoomBook};
use crate::stations::{FIRST_CONNECTION, GatewayStation, MemberStation, stream};
use picket_channel::{Channel, Config as ChannelConfig};
use picket_endpoint::testing::Crash;
use picket_endpoint::{Content, Draft, LinkConfig};
use picket_link::Duplex;
use picket_node::{Input, LinkId, Output};
use picket_store::Ticket;
use picket_store::testing::Cut;
use picket_wire::time::{Duration, Instant, Wall};
use std::collections::BTreeMap;

/// Wall time at the start of every run: 2026-01-01.
const START_UNIX: u64 = 1_767_225_600;
/// One way over a local socket.
const SOCKET: Duration = Duration::from_millis(1);
/// What a sync takes.
const SYNC: Duration = Duration::from_millis(4);
/// Turn-round of the simulated half-duplex modem.
const TURN_ROUND: Duration = Duration::from_millis(50);

/// Something on its way inside the world.
enum Wire {
    ToGateway(usize, LinkId, Vec<u8>),
    ToMember(usize, LinkId, Vec<u8>),
    Synced { gateway: usize, life: u32, ticket: Ticket, begun: usize },
}

/// A channel, and who is on it.
struct Radio {
    channel: Channel,
    gateways: Vec<usize>,
}

/// A run in progress.
pub struct World {
    now: Instant,
    plan: Plan,
    gateways: Vec<GatewayStation>,
    members: Vec<MemberStation>,
    radios: Vec<Radio>,
    mission: Mission,
    room: RoomBook,
    broker: Broker,
    wires: BTreeMap<(Instant, u64), Wire>,
    next: u64,
    outcome: Outcome,
}

impl World {
    /// Everything provisioned and started.
    ///
    /// # Errors
    /// In words: what could not be set up.
    pub fn new(mut plan: Plan) -> Result<Self, String> {
        let now = Instant::ZERO + Duration::from_millis(1);
        let mission = Mission::new(plan.seed, START_UNIX, plan.gateways, plan.members)?;
        plan.faults.sort_by_key(|(at, _)| *at);
        plan.writes.sort_by_key(|(at, _)| *at);
        plan.acts.sort_by_key(|(at, _)| *at);
        let gateways = mission.gateways.iter().map(GatewayStation::new).collect::<Result<Vec<_>, _>>()?;
        let members = mission.members.iter().enumerate().map(|(n, device)| {
            MemberStation::new(device, now, wall(now), n % plan.gateways, plan.seed ^ (n as u64 + 1) << 8)
        });
        let mut world = Self {
            now,
            gateways,
            members: members.collect::<Result<Vec<_>, _>>()?,
            radios: radios(&plan),
            room: RoomBook::new(mission.members.iter().map(|d| d.index).collect()),
            mission,
            broker: Broker::default(),
            wires: BTreeMap::new(),
            next: 0,
            outcome: Outcome::default(),
            plan,
        };
        for member in &mut world.members {
            member.tell(now, picket_endpoint::Input::Via(stream()));
        }
        for gateway in 0..world.gateways.len() {
            world.start(gateway)?;
        }
        Ok(world)
    }

    /// Runs until everything has arrived and its senders know, or the plan's end.
    ///
    /// # Errors
    /// In words: a station could not be started again.
    pub fn run(mut self) -> Result<Outcome, String> {
        loop {
            // What a station has said, it has said before the plan kills it: a message told is never told again.
            self.settle();
            self.follow_plan()?;
            self.settle();
            if self.is_over() {
                break;
            }
            let Some(at) = self.next_wake() else { break };
            if at > self.plan.end {
                break;
            }
            self.now = at.max(self.now);
            self.deliver();
        }
        self.outcome.ended = self.now;
        self.outcome.left = (0..self.gateways.len()).flat_map(|n| self.held(n)).collect();
        let sent = |r: &Radio| (0..r.gateways.len()).map(|n| r.channel.counters(n).sent).sum::<u64>();
        self.outcome.on_air = self.radios.iter().map(sent).sum();
        self.room.close(&self.members, &mut self.outcome);
        Ok(self.outcome)
    }

    /// What a gateway holds and why, in words.
    fn held(&mut self, n: usize) -> Vec<String> {
        let now = self.now;
        let name = |i: picket_wire::Index| format!("#{}", i.0);
        let Some(gateway) = self.gateways[n].running.as_mut() else { return vec![format!("gw{n} is not running")] };
        let counters = format!("gw{n}: {:?}", gateway.all_counters());
        let queue = gateway.queue(now, &name);
        queue
            .into_iter()
            .map(|q| format!("gw{n} {} {} {}: {}", q.id, q.precedence, q.state, q.why))
            .chain([counters])
            .collect()
    }

    fn is_over(&self) -> bool {
        let done = self.plan.writes.is_empty() && self.plan.faults.is_empty() && self.plan.acts.is_empty();
        done && self.outcome.verdict() == Verdict::Kept && self.room.missing(&self.members).is_empty()
    }

    fn next_wake(&self) -> Option<Instant> {
        let gateways = self.gateways.iter().filter_map(GatewayStation::next_wake).min();
        let members = self.members.iter().filter_map(|m| m.endpoint.as_ref()?.next_wake()).min();
        let wires = self.wires.keys().next().map(|(at, _)| *at);
        let faults = self.plan.faults.first().map(|f| f.0);
        let plan = [faults, self.plan.writes.first().map(|w| w.0), self.plan.acts.first().map(|a| a.0)];
        let radios = self.radios.iter().filter_map(|r| r.channel.next_wake()).min();
        let others = [gateways, members, wires, radios, self.broker.next_wake()];
        others.into_iter().chain(plan).flatten().min()
    }

    /// Carries everything that is due at `now` to its station.
    fn deliver(&mut self) {
        let now = self.now;
        for (link, radio) in self.radios.iter_mut().enumerate() {
            for delivery in radio.channel.poll(now) {
                let to = radio.gateways[delivery.to];
                self.gateways[to].tell(now, Input::Received(LinkId(link as u32), &delivery.bytes));
            }
        }
        while let Some((gateway, told)) = self.broker.poll(now) {
            self.gateways[gateway].tell(now, told.input());
            self.drain_gateway(gateway);
        }
        while let Some(entry) = self.wires.first_entry().filter(|e| e.key().0 <= now) {
            match entry.remove() {
                Wire::ToGateway(gateway, link, bytes) => {
                    self.gateways[gateway].tell(now, Input::Received(link, &bytes));
                }
                Wire::ToMember(member, link, bytes) => {
                    if self.members[member].link == Some(link) {
                        self.members[member].tell(now, picket_endpoint::Input::Received(&bytes));
                    }
                }
                Wire::Synced { gateway, life, ticket, begun } => self.synced(gateway, life, ticket, begun),
            }
        }
        for gateway in &mut self.gateways {
            if gateway.next_wake().is_some_and(|at| at <= now) {
                gateway.tell(now, Input::Tick);
            }
        }
        for member in &mut self.members {
            if member.endpoint.as_ref().and_then(|e| e.next_wake()).is_some_and(|at| at <= now) {
                member.tell(now, picket_endpoint::Input::Tick);
            }
        }
    }

    fn synced(&mut self, gateway: usize, life: u32, ticket: Ticket, begun: usize) {
        let now = self.now;
        let station = &mut self.gateways[gateway];
        if station.life == life && station.running.is_some() && station.medium.end_sync(begun).is_ok() {
            station.tell(now, Input::Synced(ticket));
        }
    }

    /// Drains every station's outputs until nothing comes out any more.
    fn settle(&mut self) {
        for gateway in 0..self.gateways.len() {
            self.drain_gateway(gateway);
        }
        for member in 0..self.members.len() {
            self.drain_member(member);
            self.room.look(self.now, member, &self.members);
        }
    }

    fn drain_gateway(&mut self, n: usize) {
        while let Some(output) = self.gateways[n].poll() {
            self.carry_out(n, output);
        }
    }

    fn carry_out(&mut self, n: usize, output: Output) {
        let now = self.now;
        match output {
            Output::Transmit(link, bytes) if link.0 < FIRST_CONNECTION => {
                let radio = &mut self.radios[link.0 as usize];
                if let Some(at) = radio.gateways.iter().position(|g| *g == n) {
                    radio.channel.transmit(now, at, &bytes);
                }
                self.gateways[n].tell(now, Input::Sent(link));
            }
            Output::Transmit(link, bytes) => {
                let member = self.members.iter().position(|m| m.gateway == n && m.link == Some(link));
                if let Some(member) = member {
                    self.wire(SOCKET, Wire::ToMember(member, link, bytes.into_bytes()));
                }
                self.gateways[n].tell(now, Input::Sent(link));
            }
            Output::Sync(ticket) => {
                let station = &self.gateways[n];
                let wire = Wire::Synced { gateway: n, life: station.life, ticket, begun: station.medium.begin_sync() };
                self.wire(SYNC, wire);
            }
            Output::Publish { publish, topic, payload, retain, .. } => {
                self.broker.publish(now, n, publish, topic, payload, retain);
            }
            Output::Subscribe(_, topic) => self.broker.subscribe(now, n, topic),
            Output::Unsubscribe(_, topic) => self.broker.unsubscribe(n, topic),
            // Nothing waits between a simulated station and its radio, and no band has a budget here.
            Output::Recall(_) => {}
            Output::RecordAirtime(_) => self.gateways[n].tell(now, Input::AirtimeRecorded(true)),
            Output::Settle(_, delivery) => self.broker.settle(n, delivery),
            Output::Object(object) => self.gateways[n].object(now, object),
            Output::Report(_) => {}
        }
    }

    fn drain_member(&mut self, n: usize) {
        let now = self.now;
        while let Some(output) = self.members[n].endpoint.as_mut().and_then(|e| e.poll(now)) {
            match output {
                picket_endpoint::Output::Transmit(bytes) => {
                    let member = &self.members[n];
                    if let Some(link) = member.link {
                        self.wire(SOCKET, Wire::ToGateway(self.members[n].gateway, link, bytes));
                    }
                    self.members[n].tell(now, picket_endpoint::Input::Sent);
                }
                picket_endpoint::Output::Event(event) => self.member_event(n, event),
            }
        }
    }

    fn follow_plan(&mut self) -> Result<(), String> {
        while self.plan.faults.first().is_some_and(|(at, _)| *at <= self.now) {
            let (_, fault) = self.plan.faults.remove(0);
            self.fault(fault)?;
            self.settle();
        }
        while self.plan.writes.first().is_some_and(|(at, _)| *at <= self.now) {
            let (_, write) = self.plan.writes.remove(0);
            self.write(&write)?;
        }
        while self.plan.acts.first().is_some_and(|(at, _)| *at <= self.now) {
            let (_, act) = self.plan.acts.remove(0);
            self.act(act)?;
            self.settle();
        }
        self.restart_cut()
    }

    fn act(&mut self, act: RoomAct) -> Result<(), String> {
        let now = self.now;
        if let RoomAct::Revoke(member, gateway) = act {
            let object = self.mission.revoke(member)?;
            self.room.revoked(member);
            self.gateways[gateway].object(now, object);
        } else if self.room.act(now, act, &mut self.members) && now + JOIN_AGAIN < self.plan.end {
            self.plan.acts.push((now + JOIN_AGAIN, act));
            self.plan.acts.sort_by_key(|(at, _)| *at);
        }
        Ok(())
    }

    /// Whoever lost power at a write starts again.
    fn restart_cut(&mut self) -> Result<(), String> {
        for n in 0..self.members.len() {
            if self.members[n].cut && self.members[n].endpoint.as_ref().is_some_and(|e| e.failed()) {
                self.fault(Fault::RestartMember(n))?;
                self.settle();
            }
        }
        Ok(())
    }

    fn each_radio(&mut self, act: impl Fn(&mut Channel)) {
        self.radios.iter_mut().for_each(|r| act(&mut r.channel));
    }

    fn write(&mut self, write: &Write) -> Result<(), String> {
        let now = self.now;
        let number = self.outcome.sent.len();
        let mut text = format!("{number}:");
        text.extend(std::iter::repeat_n('x', write.bytes.saturating_sub(text.len())));
        let draft = Draft {
            to: format!("m{}", write.to),
            precedence: write.precedence,
            ttl: None,
            burn: None,
            content: Content::Text(text.clone()),
        };
        let member = &mut self.members[write.from];
        let endpoint = member.endpoint.as_mut().ok_or("no endpoint")?;
        let id = endpoint.compose(now, draft, &mut member.random).map_err(|e| format!("not composed: {e}"))?;
        let sent = Sent {
            from: write.from,
            to: write.to,
            precedence: write.precedence,
            text,
            at: now,
            states: Vec::new(),
            shown: Vec::new(),
        };
        self.outcome.sent.insert(id, sent);
        Ok(())
    }

    fn fault(&mut self, fault: Fault) -> Result<(), String> {
        let now = self.now;
        match fault {
            Fault::RadioOutage(on) => self.each_radio(|r| r.set_outage(now, on)),
            Fault::RadioNoise(ber) => self.each_radio(|r| r.set_ber(now, ber)),
            Fault::RadioBursts(burst) => self.each_radio(|r| r.set_burst(now, burst)),
            Fault::UplinkCut(n, cut) => self.cut_uplink(n, cut),
            Fault::KillGateway(n) => self.kill(n, Cut::Kept),
            Fault::PowerCut(n) => self.kill(n, Cut::Torn),
            Fault::StartGateway(n) => self.start(n)?,
            Fault::RestartMember(n) => {
                self.leave(n);
                self.members[n].restart(now, wall(now))?;
                let wrong = self.room.caught_up(now, n, &mut self.members);
                self.outcome.faults.extend(wrong);
                self.members[n].tell(now, picket_endpoint::Input::Via(stream()));
                self.attach(n);
            }
            Fault::CutMember(n, after, done) => {
                let member = &mut self.members[n];
                let vault = member.endpoint.as_mut().ok_or("no endpoint")?.vault_mut();
                vault.crash_at(Some(Crash { at: vault.commits() + after, done }));
                member.cut = true;
            }
            Fault::CopyMember(n) => {
                let vault = self.members[n].endpoint.as_mut().ok_or("no endpoint")?.vault_mut();
                self.members[n].copy = Some(vault.clone().restarted());
                self.room.copied(n);
            }
            Fault::RestoreMember(n) => {
                self.outcome.faults.extend(self.room.collect(&self.members));
                let Some(vault) = self.members[n].copy.clone() else { return Ok(()) };
                self.leave(n);
                self.members[n].open(vault, now, wall(now))?;
                self.room.restored(now, n);
                self.members[n].tell(now, picket_endpoint::Input::Via(stream()));
                self.members[n].link = None;
                self.attach(n);
            }
            Fault::Move(n, gateway) => {
                self.leave(n);
                self.members[n].gateway = gateway % self.gateways.len();
                self.attach(n);
            }
        }
        Ok(())
    }

    fn cut_uplink(&mut self, n: usize, cut: bool) {
        let now = self.now;
        self.gateways[n].cut = cut;
        if cut && self.broker.connected(n) {
            self.broker.disconnect(n);
            self.gateways[n].tell(now, Input::UplinkDown(crate::broker::UPLINK, String::from("cut")));
        } else if !cut {
            self.connect_uplink(n);
        }
    }

    fn connect_uplink(&mut self, n: usize) {
        let now = self.now;
        let station = &mut self.gateways[n];
        if self.plan.broker && !station.cut && station.running.is_some() && !self.broker.connected(n) {
            self.broker.connect(now, n);
            self.gateways[n].uplink_up(now);
        }
    }

    fn kill(&mut self, n: usize, cut: Cut) {
        if self.gateways[n].running.is_none() {
            return;
        }
        let now = self.now;
        self.next += 1;
        self.gateways[n].kill(cut, self.plan.seed ^ self.next);
        self.broker.disconnect(n);
        for radio in &mut self.radios {
            if let Some(at) = radio.gateways.iter().position(|g| *g == n) {
                radio.channel.abort(now, at);
            }
        }
        for member in &mut self.members {
            if member.gateway == n && member.link.take().is_some() {
                member.tell(now, picket_endpoint::Input::LinkDown);
            }
        }
    }

    fn start(&mut self, n: usize) -> Result<(), String> {
        if self.gateways[n].running.is_some() {
            return Ok(());
        }
        let now = self.now;
        let radio = LinkConfig {
            framing: self.plan.framing,
            mtu: None,
            air_bps: Some(self.plan.air_bps),
            duplex: if self.plan.half_duplex { Duplex::Half } else { Duplex::Full },
            turn_round: if self.plan.half_duplex { TURN_ROUND } else { Duration::ZERO },
        };
        let on = self.radios.iter().enumerate().filter(|(_, r)| r.gateways.contains(&n));
        let links: Vec<LinkId> = on.map(|(link, _)| LinkId(link as u32)).collect();
        self.gateways[n].start(now, wall(now), &links, &radio)?;
        self.connect_uplink(n);
        for member in 0..self.members.len() {
            if self.members[member].gateway == n {
                self.attach(member);
            }
        }
        Ok(())
    }

    /// Connects a member to its gateway, if that runs.
    fn attach(&mut self, n: usize) {
        let now = self.now;
        let gateway = self.members[n].gateway;
        if self.gateways[gateway].running.is_some() && self.members[n].link.is_none() {
            let link = self.gateways[gateway].connect(now);
            self.members[n].link = Some(link);
            self.members[n].tell(now, picket_endpoint::Input::LinkUp);
        }
    }

    /// Disconnects a member.
    fn leave(&mut self, n: usize) {
        let now = self.now;
        if let Some(link) = self.members[n].link.take() {
            let gateway = self.members[n].gateway;
            self.gateways[gateway].tell(now, Input::LinkRemoved(link));
            self.members[n].tell(now, picket_endpoint::Input::LinkDown);
        }
    }

    fn wire(&mut self, after: Duration, wire: Wire) {
        self.next += 1;
        self.wires.insert((self.now + after, self.next), wire);
    }
}

fn radios(plan: &Plan) -> Vec<Radio> {
    let all: Vec<usize> = (0..plan.gateways).collect();
    let groups: Vec<Vec<usize>> = match plan.topology {
        Topology::Shared => vec![all],
        Topology::Ring => all.iter().map(|n| vec![*n, (n + 1) % plan.gateways]).collect(),
    };
    let radio = |(n, gateways): (usize, Vec<usize>)| {
        let mut config = ChannelConfig::new(plan.air_bps).stations(gateways.len());
        if plan.half_duplex {
            config = config.half(TURN_ROUND);
        }
        Radio { channel: Channel::new(config, plan.seed ^ (n as u64) << 32), gateways }
    };
    groups.into_iter().enumerate().map(radio).collect()
}

fn wall(now: Instant) -> Wall {
    Wall(START_UNIX * 1000 + now.since(Instant::ZERO).as_millis())
}
