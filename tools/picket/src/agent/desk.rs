//! The holder of a home: one endpoint, its way to a gateway, and the clients it serves.

use super::clients::{ClientId, Clients};
use super::load::dice;
use super::protocol::{Reach, Reply, Request};
use super::way::{Happened, Ways};
use super::{comparing, extend, notes, rooms};
use crate::error::{Exit, Failure};
use crate::home::{Damage, State};
use crate::limits;
use crate::refusals;
use crate::rows::{InboxRow, SentRow};
use crate::trust::{Standing, Trust};
use crate::vault::{self, HomeVault};
use crate::via::Via;
use picket_endpoint::{Draft, Endpoint, Event, Input, OpenError, Output};
use picket_node::gate::Emcon;
use picket_safe::{locked, stack};
use picket_shell::clock::Clock;
use picket_wire::MessageId;
use picket_wire::time::{Duration, Instant};
use std::path::Path;
use tokio::sync::mpsc;

mod rosters;

/// What clients bring.
#[derive(Debug)]
pub enum Command {
    /// A new client, and where to answer it.
    Join(ClientId, mpsc::Sender<Reply>),
    /// It asks.
    Ask(ClientId, Request),
    /// It is gone.
    Leave(ClientId),
}

/// The holder's state.
pub struct Desk {
    endpoint: Endpoint<HomeVault>,
    trust: Trust,
    clock: Clock,
    ways: Ways,
    clients: Clients,
    reach: Reach,
    /// A frame is with the medium and not yet reported sent.
    sending: bool,
    /// Everything the gateway held at the attachment is in the mailbox.
    drained: bool,
    few: extend::Few,
    /// It was said that keys may lie in memory that is swapped.
    swappable: bool,
}

impl Desk {
    /// Opens the endpoint of a home.
    ///
    /// # Errors
    /// Usage when the home has not joined, damaged, or a newer format.
    pub fn open(mut state: State, damage: Option<&Damage>, clock: Clock, emcon: Emcon) -> Result<Self, Failure> {
        let joined = state.has_joined()?;
        let trust = Trust::load(&mut state)?;
        let mut endpoint = Endpoint::open(HomeVault::new(state), clock.now(), clock.wall()).map_err(|e| match e {
            // It was here once.
            OpenError::Missing if joined => refusals::open(&OpenError::Damaged),
            e => refusals::open(&e),
        })?;
        if let Some(damage) = damage {
            if damage.stale {
                endpoint.distrust(clock.now()).map_err(vault::failure)?;
            }
            endpoint.vault_mut().renew()?;
        }
        Ok(Self {
            endpoint,
            trust,
            clock,
            ways: Ways::new(emcon),
            clients: Clients::default(),
            reach: Reach::Unreachable("no way to a gateway is known".into()),
            sending: false,
            drained: false,
            few: extend::Few::default(),
            swappable: locked::warning().is_some(),
        })
    }

    /// Serves until all clients' senders are gone or the vault fails, then brings out what is owed.
    ///
    /// # Errors
    /// When the vault failed.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) -> Result<(), Failure> {
        let mut wall = tokio::time::interval(limits::WALL_EVERY);
        loop {
            self.drain()?;
            let wake = self.until_wake();
            let patience = self.ways.patience();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.serve(command),
                    None => return self.linger().await,
                },
                happened = self.ways.event() => self.happened(happened),
                () = tokio::time::sleep(wake) => self.handle(Input::Tick),
                () = sleep_until(patience) => self.patience_ended(),
                _ = wall.tick() => self.look_at_the_clock(),
            }
        }
    }

    fn look_at_the_clock(&mut self) {
        // A mailbox that grew may have filled the locked heap since the home was opened.
        if let Some(warning) = locked::warning().filter(|_| !self.swappable) {
            self.swappable = true;
            self.note(warning.to_owned());
        }
        let wall = self.clock.wall();
        self.handle(Input::Wall(wall));
        if let Some(words) = self.few.words(&mut self.endpoint, self.clock.now()) {
            self.note(words);
        }
    }

    /// After the last client: lets acknowledgements out that are due any moment.
    async fn linger(mut self) -> Result<(), Failure> {
        let end = tokio::time::Instant::now() + limits::LINGER_MAX;
        while self.ways.is_up() && tokio::time::Instant::now() < end {
            let wake = self.until_wake();
            if !self.sending && wake > limits::LINGER_SOON {
                break;
            }
            tokio::select! {
                happened = self.ways.event() => self.happened(happened),
                () = tokio::time::sleep(wake) => self.handle(Input::Tick),
                () = tokio::time::sleep_until(end) => break,
            }
            self.drain()?;
        }
        Ok(())
    }

    fn until_wake(&self) -> core::time::Duration {
        let at = self.endpoint.next_wake().unwrap_or(Instant::FAR);
        let wait = at.since(self.clock.now()).min(Duration::from_secs(3_600));
        core::time::Duration::from_micros(wait.as_micros())
    }

    fn handle(&mut self, input: Input<'_>) {
        self.endpoint.handle(self.clock.now(), input, &mut dice);
    }

    /// Does and tells all that the endpoint asks for.
    fn drain(&mut self) -> Result<(), Failure> {
        // Whatever happened before this is done, and what it left of keys on the stack is in nobody's use.
        stack::scrub();
        while let Some(output) = self.endpoint.poll(self.clock.now()) {
            match output {
                Output::Transmit(bytes) => {
                    self.sending = self.ways.transmit(&bytes);
                    if !self.sending {
                        self.handle(Input::Sent);
                    }
                }
                Output::Event(event) => self.tell(&event),
            }
        }
        if self.endpoint.failed() {
            let unknown = || {
                Failure::new(
                    Exit::Internal,
                    "the home's state cannot be written any more",
                    "check the disk and try again; nothing that was reported is lost",
                )
            };
            return Err(self.endpoint.vault_mut().take_failure().unwrap_or_else(unknown));
        }
        self.settle_reach();
        Ok(())
    }

    fn happened(&mut self, happened: Happened) {
        match happened {
            Happened::Up => {
                self.set_reach(Reach::Trying);
                self.handle(Input::LinkUp);
            }
            Happened::Bytes(bytes) => self.handle(Input::Received(&bytes)),
            Happened::Sent => {
                self.sending = false;
                self.handle(Input::Sent);
            }
            Happened::Down(why) => {
                if core::mem::take(&mut self.sending) {
                    self.handle(Input::Sent);
                }
                self.handle(Input::LinkDown);
                self.gave_up(&why);
            }
            Happened::Failed(why) => self.gave_up(&why),
            Happened::Stale => {}
        }
    }

    /// The way's patience ended: time for another round, or nobody answers on an open way.
    fn patience_ended(&mut self) {
        match self.ways.resume() {
            Some(config) => self.use_way(config),
            None if self.endpoint.attached().is_none() => {
                let why = if self.ways.is_closed() { "emission control" } else { "no gateway answers there" };
                self.gave_up(why);
            }
            None => {}
        }
    }

    /// The present way leads nowhere: the next one is tried; after the last one it is said.
    fn gave_up(&mut self, why: &str) {
        let via = self.ways.current().map(ToString::to_string).unwrap_or_default();
        if self.ways.is_last() {
            self.set_reach(Reach::Unreachable(format!("{via}: {why}")));
        }
        let was_up = self.ways.is_up();
        let next = self.ways.next();
        if was_up && !self.ways.is_up() {
            self.sending = false;
            self.handle(Input::LinkDown);
        }
        if let Some(config) = next {
            self.use_way(config);
        }
    }

    fn tell(&mut self, event: &Event) {
        match event {
            Event::State { id, .. } => self.tell_states(*id),
            Event::Received { id } => self.tell_received(*id),
            Event::Attached { gateway, .. } => {
                self.ways.settle();
                self.drained = false;
                let name = self.endpoint.name_of(*gateway);
                self.set_reach(Reach::Attached(name));
            }
            Event::Drained { .. } => self.drained = true,
            Event::Detached { gateway, .. } => {
                self.drained = false;
                let name = self.endpoint.name_of(*gateway);
                self.clients.tell_all(&Reply::Note(format!("{name} is gone; attaching again")));
                self.set_reach(Reach::Trying);
            }
            Event::ReceivedLate { .. }
            | Event::CannotOpen { .. }
            | Event::HomeRolledBack
            | Event::Rekeyed { .. }
            | Event::Revoked
            | Event::PeerRenewed { .. } => {
                if let Some(words) = notes::words(event, |index| self.endpoint.name_of(index)) {
                    self.note(words);
                }
            }
            Event::Room { name, event, .. } => {
                if let Some(words) = rooms::words(name, event, |index| self.endpoint.name_of(index)) {
                    self.note(words);
                }
            }
            Event::RosterHeard { bytes } => match self.import_bytes(bytes) {
                Ok(_) => self
                    .note(format!("roster version {} is in force, from a gateway", self.endpoint.roster().version())),
                Err(e) => self.note(format!("a roster from a gateway is refused: {}", e.message)),
            },
            Event::Failed => {}
        }
    }

    /// Another way: emission control first, so that nothing of it is on its way before it is in force.
    fn use_way(&mut self, config: picket_endpoint::LinkConfig) {
        self.handle(Input::Emcon(self.ways.emcon()));
        self.handle(Input::Via(config));
    }

    /// The driver first: what it holds is called back before anything else happens.
    fn silence(&mut self, word: &str) -> Result<(), Failure> {
        let state = word.parse::<Emcon>().map_err(|e| Failure::usage(e.to_string(), "name one of them"))?;
        let was_up = self.ways.is_up();
        let begun = self.ways.set_emcon(state);
        self.handle(Input::Emcon(self.ways.emcon()));
        if state.forbids_all() && core::mem::take(&mut self.sending) {
            self.handle(Input::Sent);
        }
        if was_up && !self.ways.is_up() {
            self.handle(Input::LinkDown);
        }
        if let Some(config) = begun {
            self.use_way(config);
        }
        Ok(())
    }

    fn note(&mut self, text: String) {
        self.clients.tell_all(&Reply::Note(text));
    }

    fn tell_states(&mut self, id: MessageId) {
        let name = id.to_string();
        if !self.clients.any_watching(&name) {
            return;
        }
        if let Ok(outgoing) = self.endpoint.outgoing(self.clock.now(), id) {
            let standing = self.standing(outgoing.to);
            let mut row = SentRow::new(outgoing, standing);
            row.steps.iter_mut().for_each(|step| step.key = Some(row.key.clone()));
            self.clients.tell_states(&name, &row.steps);
        }
    }

    fn tell_received(&mut self, id: MessageId) {
        if !self.clients.any_inbox() {
            return;
        }
        if let Ok(incoming) = self.endpoint.incoming(self.clock.now(), id) {
            let incoming_from = incoming.from;
            let row = InboxRow::new(incoming, self.standing(incoming_from));
            self.clients.tell_inboxes(&Reply::Message(Box::new(row)));
        }
    }

    fn set_reach(&mut self, reach: Reach) {
        if self.reach != reach {
            self.reach = reach;
            self.clients.tell_reach(&self.reach);
        }
    }

    /// Answers what made work. How far we are goes first: who waits for idle must not take the idle of before for it, and
    /// end before the work has left.
    fn answer_work(&mut self, client: ClientId, reply: Reply) {
        self.settle_reach();
        self.clients.answer(client, reply);
    }

    /// Attached → drained → idle, as the endpoint is. New work makes idle drained again.
    fn settle_reach(&mut self) {
        let Some(gateway) = self.endpoint.attached() else { return };
        let name = self.endpoint.name_of(gateway);
        let idle = self.endpoint.owed() == 0 && !self.sending && !self.endpoint.awaits_object(self.clock.now());
        match (self.drained, idle) {
            (true, true) => self.set_reach(Reach::Idle(name)),
            (true, false) => self.set_reach(Reach::Drained(name)),
            (false, _) => self.set_reach(Reach::Attached(name)),
        }
    }

    fn serve(&mut self, command: Command) {
        match command {
            Command::Join(client, replies) => self.clients.add(client, replies),
            Command::Leave(client) => self.clients.remove(client),
            Command::Ask(client, request) => {
                if let Err(failure) = self.ask(client, request) {
                    self.clients.answer(client, failure.into());
                }
            }
        }
    }

    fn ask(&mut self, client: ClientId, request: Request) -> Result<(), Failure> {
        let now = self.clock.now();
        match request {
            Request::Ways(ways) => self.use_ways(client, &ways)?,
            Request::Send { to, room, precedence, ttl_ms, burn_ms, load } => {
                let (ttl, burn) = (ttl_ms.map(Duration::from_millis), burn_ms.map(Duration::from_millis));
                let precedence = precedence.parse().map_err(|e: picket_wire::precedence::NotAPrecedence| {
                    Failure::usage(e.to_string(), "choose one of them")
                })?;
                let id = match room {
                    Some(order) => {
                        let asked = rooms::ToRoom { room: to, order, precedence, ttl, load };
                        rooms::compose(&mut self.endpoint, now, asked)?
                    }
                    None => self.compose(Draft { to, precedence, ttl, burn, content: load.try_into()? })?,
                };
                self.clients.watch(client, id.to_string());
                self.tell_states(id);
            }
            Request::Watch(id) => {
                let id = message_id(&id)?;
                self.endpoint.outgoing(now, id).map_err(refusals::body)?;
                self.clients.watch(client, id.to_string());
                self.tell_states(id);
            }
            Request::Inbox => {
                let mailbox = self.endpoint.inbox(now).map_err(vault::failure)?;
                let row = |m: picket_endpoint::Incoming| {
                    let standing = self.standing(m.from);
                    InboxRow::new(m, standing)
                };
                let messages = mailbox.into_iter().map(row).collect();
                self.clients.want_inbox(client);
                self.clients.answer(client, Reply::Mailbox { messages, more: false });
            }
            Request::Body(id) => {
                let id = message_id(&id)?;
                let message = self.endpoint.incoming(now, id).map_err(refusals::body)?;
                let body = self.endpoint.body(now, id).map_err(refusals::body)?;
                let message = Box::new(InboxRow::new(message, self.standing(body.from)));
                let reply = Reply::Body { message, load: body.content.into() };
                self.clients.answer(client, reply);
            }
            Request::MarkRead(id) => {
                self.endpoint.mark_read(now, message_id(&id)?).map_err(refusals::mark_read)?;
                self.answer_work(client, Reply::Marked);
            }
            Request::Sent => {
                let sent = self.endpoint.sent(now).map_err(vault::failure)?;
                let row = |m: picket_endpoint::Outgoing| {
                    let standing = self.standing(m.to);
                    SentRow::new(m, standing)
                };
                let messages = sent.into_iter().map(row).collect();
                self.clients.answer(client, Reply::Sent { messages, more: false });
            }
            Request::Emcon(word) => {
                self.silence(&word)?;
                self.clients.answer(client, Reply::Emcon(word));
            }
            Request::Room(asked) => {
                let rooms = rooms::act(&mut self.endpoint, &self.trust, now, asked)?;
                self.answer_work(client, Reply::Rooms { rooms, more: false });
            }
            Request::Renew => {
                let told = self.endpoint.renew(self.clock.now(), &mut dice).map_err(vault::failure)?;
                self.answer_work(client, Reply::Renewed(told));
            }
            Request::Extend(epochs) => {
                let reply = extend::make(&mut self.endpoint, now, epochs)?;
                self.clients.answer(client, reply);
            }
            Request::Roster(path) => {
                let reply = self.import(Path::new(&path))?;
                self.clients.answer(client, reply);
            }
            Request::Verify(member) => {
                let members = comparing::rows(&self.endpoint, &self.trust, member.as_deref())?;
                self.clients.answer(client, Reply::Verify { members, more: false });
            }
            Request::Confirm { member, sha256 } => {
                let (index, print) = comparing::confirmed(&self.endpoint, &member, &sha256)?;
                self.trust.confirm(self.endpoint.vault_mut().state_mut(), index, print)?;
                let members = comparing::rows(&self.endpoint, &self.trust, Some(&member))?;
                self.clients.answer(client, Reply::Verify { members, more: false });
            }
        }
        Ok(())
    }

    /// Adopts the ways a client names, unless an attachment over others stands.
    fn use_ways(&mut self, client: ClientId, ways: &[String]) -> Result<(), Failure> {
        let asked: Vec<Via> = ways.iter().filter_map(|w| w.parse().ok()).collect();
        let others = !asked.is_empty() && asked != self.ways.list();
        if others && self.endpoint.attached().is_some() {
            let held = self.ways.current().map(ToString::to_string).unwrap_or_default();
            return Err(Failure::new(
                Exit::Locked,
                format!("this home is attached over {held} by process {}", std::process::id()),
                "use the same --via or none, or stop that process first",
            ));
        }
        if others && let Some(config) = self.ways.replace(asked) {
            self.sending = false;
            self.set_reach(Reach::Trying);
            self.use_way(config);
        }
        self.clients.answer(client, Reply::Ready);
        self.clients.answer(client, Reply::Reach(self.reach.clone()));
        if let Some(words) = extend::words(&mut self.endpoint, self.clock.now()) {
            self.clients.answer(client, Reply::Note(words));
        }
        Ok(())
    }

    fn compose(&mut self, draft: Draft) -> Result<MessageId, Failure> {
        self.endpoint.compose(self.clock.now(), draft, &mut dice).map_err(|e| refusals::compose(&e))
    }

    fn standing(&self, of: picket_wire::Index) -> Standing {
        self.trust.standing(self.endpoint.roster(), of)
    }
}

fn message_id(text: &str) -> Result<MessageId, Failure> {
    text.parse().map_err(|e: picket_wire::ids::NotAnId| Failure::usage(e.to_string(), "copy it from there"))
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => core::future::pending().await,
    }
}
