//! A small world for tests: members, gateways, pipes between them, one virtual clock, one seed.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod mission;

use mission::{GatewayDirectory, Mission};
use picket_endpoint::testing::RamVault;
use picket_endpoint::{Content, Draft, Duplex, Endpoint, Event, Framing, Input, LinkConfig, Output};
use picket_node::{Gateway, GatewayConfig, LinkId};
use picket_store::{QueueLimits, RamMedium};
use picket_wire::time::{Duration, Instant, Wall};
use picket_wire::{MessageId, Precedence};
use std::collections::BTreeMap;

/// Start of the mission, and of every world.
pub const START_S: u64 = 1_800_000_000;

pub const PIPE: LinkConfig =
    LinkConfig { framing: Framing::Cobs, mtu: None, air_bps: None, duplex: Duplex::Full, turn_round: Duration::ZERO };

pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }
    pub fn fill(&mut self, out: &mut [u8]) {
        out.fill_with(|| self.next() as u8);
    }
}

pub struct Member {
    pub endpoint: Option<Endpoint<RamVault>>,
    pub vault: Option<RamVault>,
    pub events: Vec<Event>,
    pub via: Option<(usize, LinkId)>,
    generation: u32,
}

pub struct Post {
    pub gateway: Option<Gateway<RamMedium>>,
    medium: Option<RamMedium>,
    pub directory: GatewayDirectory,
    links: BTreeMap<LinkId, Far>,
    generation: u32,
}

/// What is at the other end of a gateway's link.
#[derive(Clone, Copy)]
enum Far {
    Member(usize),
    Post(usize, LinkId),
}

enum Delivery {
    ToMember(usize, u32, Vec<u8>),
    ToPost(usize, u32, LinkId, Vec<u8>),
    MemberSent(usize, u32),
    PostSent(usize, u32, LinkId),
    Synced(usize, u32, picket_store::Ticket),
}

pub struct World {
    pub now: Instant,
    pub mission: Mission,
    pub members: Vec<Member>,
    pub posts: Vec<Post>,
    pub rng: Rng,
    /// Transmissions lost between stations, out of 1000.
    pub loss: u64,
    /// Transmissions that overtake others, out of 1000.
    pub late: u64,
    /// The radio between the gateways works.
    pub radio: bool,
    /// Members know wall time.
    pub wall: bool,
    /// Everything that was ever transmitted.
    pub air: Vec<Vec<u8>>,
    queue: BTreeMap<(Instant, u64), Delivery>,
    order: u64,
    next_link: u32,
}

impl World {
    /// alpha, bravo, charlie; gw1 and gw2, joined by a radio. Nobody is attached.
    pub fn new(seed: u64) -> Self {
        let mission = Mission::new(&["alpha", "bravo", "charlie"], &["gw1", "gw2"], START_S);
        let mut world = Self {
            now: Instant::from_start(),
            members: Vec::new(),
            posts: Vec::new(),
            rng: Rng(seed | 1),
            loss: 0,
            late: 0,
            radio: true,
            wall: true,
            air: Vec::new(),
            queue: BTreeMap::new(),
            order: 0,
            next_link: 1,
            mission,
        };
        for i in 0..3 {
            let (secrets, keyfill) = world.mission.home(i);
            let endpoint =
                Endpoint::create(RamVault::default(), &secrets, &keyfill, world.now, world.wall_now()).unwrap();
            let member = Member { endpoint: Some(endpoint), vault: None, events: vec![], via: None, generation: 0 };
            world.members.push(member);
        }
        for i in 0..2 {
            let directory = world.mission.directory(3 + i);
            let links = BTreeMap::new();
            let medium = Some(RamMedium::default());
            world.posts.push(Post { gateway: None, medium, directory, links, generation: 0 });
            world.start_post(i);
        }
        world
    }

    pub fn wall_now(&self) -> Option<Wall> {
        self.wall.then(|| Wall(START_S * 1000 + self.now.0 / 1000))
    }

    pub fn endpoint(&mut self, i: usize) -> &mut Endpoint<RamVault> {
        self.members[i].endpoint.as_mut().unwrap()
    }

    // ---- people

    pub fn try_send(
        &mut self,
        from: usize,
        to: &str,
        text: &str,
        ttl: Option<Duration>,
    ) -> Result<MessageId, picket_endpoint::ComposeError> {
        let draft = Draft {
            to: to.into(),
            precedence: Precedence::Routine,
            ttl,
            burn: None,
            content: Content::Text(text.into()),
        };
        let now = self.now;
        let (members, rng) = (&mut self.members, &mut self.rng);
        let done = members[from].endpoint.as_mut().unwrap().compose(now, draft, &mut |out: &mut [u8]| rng.fill(out));
        self.drain_member(from);
        done
    }

    pub fn send(&mut self, from: usize, to: &str, text: &str) -> MessageId {
        self.try_send(from, to, text, None).unwrap()
    }

    pub fn mark_read(&mut self, i: usize, id: MessageId) {
        let now = self.now;
        self.endpoint(i).mark_read(now, id).unwrap();
        self.drain_member(i);
    }

    pub fn state(&mut self, i: usize, id: MessageId) -> picket_endpoint::State {
        let now = self.now;
        self.endpoint(i).outgoing(now, id).unwrap().state
    }

    /// Texts of a mailbox, oldest first.
    pub fn texts(&mut self, i: usize) -> Vec<String> {
        let now = self.now;
        let inbox = self.endpoint(i).inbox(now).unwrap();
        inbox
            .into_iter()
            .map(|m| match m.shown {
                picket_endpoint::Shown::Text(text) => text,
                picket_endpoint::Shown::File { name, .. } => name,
            })
            .collect()
    }

    // ---- ways and power

    pub fn attach(&mut self, i: usize, post: usize) {
        self.detach(i);
        let link = self.new_link();
        self.posts[post].links.insert(link, Far::Member(i));
        self.members[i].via = Some((post, link));
        self.add_link(post, link);
        self.member_input(i, Input::Via(PIPE));
        self.member_input(i, Input::LinkUp);
    }

    pub fn detach(&mut self, i: usize) {
        if let Some((post, link)) = self.members[i].via.take() {
            self.members[i].generation += 1;
            self.posts[post].links.remove(&link);
            self.post_input(post, picket_node::Input::LinkDown(link, "closed".into()));
            self.post_input(post, picket_node::Input::LinkRemoved(link));
            self.member_input(i, Input::LinkDown);
        }
    }

    /// Ends a member's process, by the fault of its vault or just so, and starts it again from what is durable.
    pub fn restart_member(&mut self, i: usize) {
        self.stop_member(i);
        self.start_member(i);
    }

    pub fn stop_member(&mut self, i: usize) {
        let via = self.members[i].via;
        self.detach(i);
        let member = &mut self.members[i];
        if let Some(endpoint) = member.endpoint.take() {
            member.vault = Some(endpoint.into_vault().restarted());
        }
        member.via = via;
    }

    pub fn start_member(&mut self, i: usize) {
        let via = self.members[i].via.take();
        let vault = self.members[i].vault.take().unwrap();
        self.members[i].endpoint = Some(Endpoint::open(vault, self.now, self.wall_now()).unwrap());
        if let Some((post, _)) = via {
            self.attach(i, post);
        }
    }

    /// kill -9: what was written is kept, what was in memory is not.
    pub fn kill_post(&mut self, p: usize) {
        let post = &mut self.posts[p];
        post.generation += 1;
        let mut gateway = post.gateway.take().unwrap();
        post.medium = Some(gateway.medium_mut().clone());
        let members: Vec<usize> =
            (0..self.members.len()).filter(|i| self.members[*i].via.is_some_and(|v| v.0 == p)).collect();
        for i in members {
            self.members[i].generation += 1;
            self.member_input(i, Input::LinkDown);
        }
    }

    pub fn start_post(&mut self, p: usize) {
        let wall = self.wall_now();
        let post = &mut self.posts[p];
        let medium = post.medium.take().unwrap();
        let me = post.directory.me;
        let config = GatewayConfig::default();
        let gateway = Gateway::open(config, me, medium, QueueLimits::default(), self.now, wall).unwrap();
        post.gateway = Some(gateway);
        post.links.clear();
        self.post_input(p, picket_node::Input::Wall(wall));
        self.join_radio();
        for i in 0..self.members.len() {
            if self.members[i].via.is_some_and(|v| v.0 == p) {
                self.members[i].via = None;
                self.attach(i, p);
            }
        }
    }

    /// A fresh radio between the gateways that run.
    fn join_radio(&mut self) {
        if self.posts.len() < 2 || self.posts.iter().any(|p| p.gateway.is_none()) {
            return;
        }
        let ends = [self.new_link(), self.new_link()];
        for p in 0..2 {
            let old: Vec<LinkId> =
                self.posts[p].links.iter().filter(|(_, f)| matches!(f, Far::Post(..))).map(|(l, _)| *l).collect();
            for link in old {
                self.posts[p].links.remove(&link);
                self.post_input(p, picket_node::Input::LinkRemoved(link));
            }
        }
        for p in 0..2 {
            self.posts[p].links.insert(ends[p], Far::Post(1 - p, ends[1 - p]));
        }
        for (p, end) in ends.into_iter().enumerate() {
            self.add_link(p, end);
        }
    }

    fn new_link(&mut self) -> LinkId {
        self.next_link += 1;
        LinkId(self.next_link)
    }

    fn add_link(&mut self, post: usize, link: LinkId) {
        self.post_input(
            post,
            picket_node::Input::LinkAdded {
                link,
                name: "pipe".into(),
                kind: "unix",
                config: PIPE,
                air: picket_node::Air::Cable,
            },
        );
        self.post_input(post, picket_node::Input::LinkUp(link));
    }

    // ---- the turn of events

    pub fn member_input(&mut self, i: usize, input: Input<'_>) {
        let (now, rng) = (self.now, &mut self.rng);
        if let Some(endpoint) = self.members[i].endpoint.as_mut() {
            endpoint.handle(now, input, &mut |out: &mut [u8]| rng.fill(out));
        }
        self.drain_member(i);
    }

    pub fn drain_member(&mut self, i: usize) {
        let now = self.now;
        while let Some(output) = self.members[i].endpoint.as_mut().and_then(|e| e.poll(now)) {
            match output {
                Output::Event(event) => self.members[i].events.push(event),
                Output::Transmit(bytes) => {
                    let generation = self.members[i].generation;
                    self.put(Duration::from_micros(50), Delivery::MemberSent(i, generation));
                    if let Some((post, link)) = self.members[i].via {
                        let to = Delivery::ToPost(post, self.posts[post].generation, link, bytes);
                        self.carry(to);
                    }
                }
            }
        }
    }

    fn post_input(&mut self, p: usize, input: picket_node::Input<'_>) {
        let now = self.now;
        let post = &mut self.posts[p];
        let Some(gateway) = post.gateway.as_mut() else { return };
        gateway.handle(now, input, &post.directory);
        while let Some(output) = self.posts[p].gateway.as_mut().unwrap().poll() {
            self.post_output(p, output);
        }
    }

    fn post_output(&mut self, p: usize, output: picket_node::Output) {
        let generation = self.posts[p].generation;
        match output {
            picket_node::Output::Transmit(link, emission) => {
                let bytes = emission.into_bytes();
                self.put(Duration::from_micros(50), Delivery::PostSent(p, generation, link));
                match self.posts[p].links.get(&link).copied() {
                    Some(Far::Member(i)) => {
                        let to = Delivery::ToMember(i, self.members[i].generation, bytes);
                        self.carry(to);
                    }
                    Some(Far::Post(q, far)) if self.radio => {
                        let to = Delivery::ToPost(q, self.posts[q].generation, far, bytes);
                        self.carry(to);
                    }
                    Some(Far::Post(..)) | None => {}
                }
            }
            picket_node::Output::Sync(ticket) => {
                self.put(Duration::from_millis(1), Delivery::Synced(p, generation, ticket));
            }
            picket_node::Output::Object(object) if self.posts[p].directory.apply(&object) => {
                self.post_input(p, picket_node::Input::Object(object));
            }
            _ => {}
        }
    }

    /// A gateway is given a revocation, as by its operator.
    pub fn push(&mut self, p: usize, object: &[u8]) {
        assert!(self.posts[p].directory.apply(object));
        self.post_input(p, picket_node::Input::Object(object.to_vec()));
    }

    /// Over a medium that loses and delays.
    fn carry(&mut self, delivery: Delivery) {
        if let Delivery::ToMember(.., bytes) | Delivery::ToPost(.., bytes) = &delivery {
            self.air.push(bytes.clone());
        }
        if self.rng.next() % 1000 < self.loss {
            return;
        }
        let slow = self.rng.next() % 1000 < self.late;
        self.put(Duration::from_millis(if slow { 400 } else { 2 }), delivery);
    }

    fn put(&mut self, after: Duration, delivery: Delivery) {
        self.order += 1;
        self.queue.insert((self.now + after, self.order), delivery);
    }

    /// Runs for so long.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        let mut steps = 0u32;
        loop {
            steps += 1;
            assert!(steps < 2_000_000, "the world does not come to rest");
            let Some(at) = self.next_event().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
        self.tick_all();
    }

    /// Runs until the condition holds; panics after so long.
    pub fn run_until(&mut self, most: Duration, mut done: impl FnMut(&mut Self) -> bool) {
        let end = self.now + most;
        while !done(self) {
            assert!(self.now < end, "not reached within {} s", most.as_secs());
            self.run(Duration::from_millis(200));
        }
    }

    fn next_event(&self) -> Option<Instant> {
        let queue = self.queue.first_key_value().map(|((at, _), _)| *at);
        let members = self.members.iter().filter_map(|m| m.endpoint.as_ref()?.next_wake()).min();
        let posts = self.posts.iter().filter_map(|p| p.gateway.as_ref()?.next_wake()).min();
        [queue, members, posts].into_iter().flatten().min()
    }

    fn step(&mut self) {
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let delivery = entry.remove();
            self.deliver(delivery);
        }
        self.tick_due();
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::ToMember(i, g, bytes) if self.members[i].generation == g => {
                self.member_input(i, Input::Received(&bytes));
            }
            Delivery::ToPost(p, g, link, bytes)
                if self.posts[p].generation == g && self.posts[p].links.contains_key(&link) =>
            {
                self.post_input(p, picket_node::Input::Received(link, &bytes));
            }
            Delivery::MemberSent(i, g) if self.members[i].generation == g => self.member_input(i, Input::Sent),
            Delivery::PostSent(p, g, link) if self.posts[p].generation == g => {
                self.post_input(p, picket_node::Input::Sent(link));
            }
            Delivery::Synced(p, g, ticket) if self.posts[p].generation == g => {
                self.post_input(p, picket_node::Input::Synced(ticket));
            }
            _ => {}
        }
    }

    fn tick_due(&mut self) {
        let now = self.now;
        for i in 0..self.members.len() {
            let due = self.members[i].endpoint.as_ref().and_then(Endpoint::next_wake).is_some_and(|at| at <= now);
            if due {
                self.member_input(i, Input::Tick);
            }
        }
        for p in 0..self.posts.len() {
            let due = self.posts[p].gateway.as_ref().and_then(Gateway::next_wake).is_some_and(|at| at <= now);
            if due {
                self.post_input(p, picket_node::Input::Tick);
            }
        }
    }

    fn tick_all(&mut self) {
        for i in 0..self.members.len() {
            self.member_input(i, Input::Tick);
        }
        for p in 0..self.posts.len() {
            self.post_input(p, picket_node::Input::Tick);
        }
    }
}

trait FromStart {
    fn from_start() -> Self;
}

impl FromStart for Instant {
    /// Not zero: nothing may take zero for "never".
    fn from_start() -> Self {
        Self(1_000_000)
    }
}
