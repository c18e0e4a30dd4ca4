//! The endpoint: one home, one way, and the turn of events between them.

use crate::batch::Batch;
use crate::desk::Desk;
use crate::error::{CreateError, ImportError, OpenError};
use crate::home::Home;
use crate::hop::Hop;
use crate::io::{Counters, Detached, Event, Input, Output, Random};
use crate::keys;
use crate::limits::{EVENTS_MAX, LANES_EVERY, STAMP_EVERY};
use crate::receive::Restraint;
use crate::rooms::Rooms;
use crate::vault::{Vault, VaultError};
use crate::way::Way;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use picket_node::leaf::{Leaf, LinkCounters, Lost, Outcome, Standing};
use picket_roster::{DeviceSecrets, Kind, Roster, RosterError, Upgrade, sign_claim, upgrade};
use picket_seal::Body;
use picket_wire::Index;
use picket_wire::time::{Instant, Wall};

/// A member's endpoint over its home in `V`. See the [crate](crate) for how it is driven.
#[derive(Debug)]
pub struct Endpoint<V> {
    pub(crate) home: Home<V>,
    pub(crate) hop: Hop,
    pub(crate) desk: Desk,
    pub(crate) way: Way,
    pub(crate) events: VecDeque<Event>,
    pub(crate) counters: Counters,
    pub(crate) restraint: Restraint,
    pub(crate) rooms: Rooms,
    /// When the home's age was stamped last.
    stamped: Instant,
    /// When slots are looked at next.
    slots_due: Instant,
    /// Content expired since the medium was asked to let go of such.
    pub(crate) content_gone: bool,
}

impl<V: Vault> Endpoint<V> {
    /// Makes a home in an empty vault and opens it. `keyfill` is the file's bytes; `secrets` are the device's own, made
    /// before its request (quickstart keyfills carry them: [`picket_roster::Keyfill::secrets`]). The caller erases its
    /// copies of both. The home exists with the last transaction: after a crash before it, call `create` again.
    ///
    /// # Errors
    /// [`CreateError`].
    pub fn create(
        vault: V,
        secrets: &DeviceSecrets,
        keyfill: &[u8],
        now: Instant,
        wall: Option<Wall>,
    ) -> Result<Self, CreateError> {
        let mut home = Home::create(vault, secrets, keyfill, now, wall)?;
        home.advance_epoch(now)?;
        Ok(Self::over(home, Desk::default(), Rooms::default(), now))
    }

    /// Opens a home, enters the epoch that is due, and lets go what expired meanwhile.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(vault: V, now: Instant, wall: Option<Wall>) -> Result<Self, OpenError> {
        let mut home = Home::open(vault, now, wall)?;
        let desk = Desk::load(&mut home)?;
        let rooms = Rooms::load(&mut home)?;
        let mut endpoint = Self::over(home, desk, rooms, now);
        endpoint.upkeep(now).map_err(OpenError::Vault)?;
        Ok(endpoint)
    }

    fn over(home: Home<V>, desk: Desk, rooms: Rooms, now: Instant) -> Self {
        let hop = Hop::new(home.me(), home.secrets.agreement(), home.net_keys(), &home.roster);
        Self {
            home,
            hop,
            desk,
            way: Way::default(),
            events: VecDeque::new(),
            counters: Counters::default(),
            restraint: Restraint::default(),
            rooms,
            stamped: now,
            slots_due: now,
            content_gone: false,
        }
    }

    /// Gives the vault back.
    pub fn into_vault(self) -> V {
        self.home.vault
    }

    /// The vault, for its owner's upkeep (compaction).
    pub fn vault_mut(&mut self) -> &mut V {
        &mut self.home.vault
    }

    /// Our own index.
    pub fn me(&self) -> Index {
        self.home.me()
    }

    /// The roster in force: mission, members, gateways, D.
    pub fn roster(&self) -> &Roster<Vec<u8>> {
        &self.home.roster
    }

    /// Epoch in force.
    pub fn epoch(&self) -> Option<u32> {
        self.home.record.epoch
    }

    /// Name of a station in the roster or of a room of ours, or its number when it is neither any more.
    pub fn name_of(&self, index: Index) -> String {
        match self.home.roster.listed(index) {
            Some(station) => station.name.to_string(),
            None => self.rooms.name_of(index).unwrap_or_else(|| alloc::format!("#{}", index.0)),
        }
    }

    /// Puts a roster in force: verified, of this mission, strictly newer. `Same` when it is in force already.
    ///
    /// # Errors
    /// [`ImportError`], two of which are alarms; nothing was changed.
    pub fn import_roster(&mut self, now: Instant, bytes: Vec<u8>) -> Result<Upgrade, ImportError> {
        let authority = self.home.record.authority().ok_or(ImportError::Vault(VaultError::Damaged))?;
        let offered = Roster::verify(bytes, &authority).map_err(|e: RosterError| ImportError::Roster(e))?;
        match upgrade(&self.home.roster, &offered).map_err(ImportError::Upgrade)? {
            Upgrade::Same => return Ok(Upgrade::Same),
            Upgrade::Newer => {}
        }
        if offered.station(self.me()).is_none_or(|s| s.kind != Kind::Member) {
            return Err(ImportError::NotListed);
        }
        let own = self.home.own_keys_in(&offered)?.ok_or(ImportError::NotOurKeys)?;
        self.home.replace_roster(now, offered, own)?;
        self.renew_hop(None);
        self.end_for_revoked(now)?;
        let (me, object) = (self.me(), self.roster_object());
        self.way.object(now, me, object);
        Ok(Upgrade::Newer)
    }

    /// Something happened. Then drain [`Endpoint::poll`].
    pub fn handle(&mut self, now: Instant, input: Input<'_>, random: &mut dyn Random) {
        if self.home.failed {
            return;
        }
        match input {
            Input::Tick => {}
            Input::Via(config) => {
                self.detach_way(now);
                self.way.replace(config);
                self.hold_objects(now);
                let given = self.give_listens();
                self.check(given);
            }
            Input::LinkUp => self.with_leaf(|leaf, _| leaf.up(now)),
            Input::LinkDown => self.with_leaf(|leaf, _| leaf.down(now)),
            Input::Received(bytes) => self.with_leaf(|leaf, hop| leaf.receive(now, bytes, hop)),
            Input::Sent => self.with_leaf(|leaf, _| leaf.sent()),
            Input::Emcon(emcon) => self.way.set_emcon(emcon),
            Input::Wall(wall) => self.home.clock.set_wall(now, wall),
        }
        self.turn(now, random);
    }

    /// The next thing to do or to tell; call until `None`.
    pub fn poll(&mut self, now: Instant) -> Option<Output> {
        if let Some(event) = self.events.pop_front() {
            return Some(Output::Event(event));
        }
        if self.home.failed {
            return None;
        }
        self.ask_leaf(now);
        self.way.transmit.take().map(Output::Transmit)
    }

    /// When [`Input::Tick`] is due if nothing else happens.
    pub fn next_wake(&self) -> Option<Instant> {
        if self.home.failed {
            return None;
        }
        let deadline = self.desk.first_deadline().map(|(age, _)| self.home.clock.instant_of(age));
        let slots = Some(self.slots_due);
        let own = [self.home.next_epoch(), slots, self.stamp_due(), self.rooms_due()];
        [self.way.next_wake(), deadline].into_iter().chain(own).flatten().min()
    }

    /// The gateway we are attached to.
    pub fn attached(&self) -> Option<Index> {
        match self.way.standing() {
            Standing::Attached(gateway) => Some(gateway),
            Standing::Down | Standing::Searching | Standing::Attaching(_) => None,
        }
    }

    /// Where the way to a gateway stands.
    pub fn standing(&self) -> Standing {
        self.way.standing()
    }

    /// Messages, receipts and housekeeping that still wait for a gateway to take them: while it is 0 there is nothing to
    /// stay connected for but what may come.
    pub fn owed(&self) -> usize {
        self.desk.outs().filter(|(_, r)| r.is_pending()).count() + self.desk.oweds().count()
    }

    /// The vault failed: everything but opening again is refused.
    pub fn failed(&self) -> bool {
        self.home.failed
    }

    /// This home is older than the network remembers it ([`Event::HomeRolledBack`]).
    pub fn rolled_back(&self) -> bool {
        self.home.record.rolled_back
    }

    /// The owner found damage in the vault after which an older value may have come back: the home is treated as one
    /// restored from a backup ([`Event::HomeRolledBack`]), so that no key is ever used twice. Durable when this returns.
    ///
    /// # Errors
    /// When the vault does not take it: then the home must not be used.
    pub fn distrust(&mut self, now: Instant) -> Result<(), VaultError> {
        let sequence = self.home.record.sequence;
        self.outrun(now, sequence)
    }

    /// The owner says that the device may have been in other hands: nothing made before is sent from or asked to be sent
    /// to any more, and every member we wrote to or heard from is told, sealed, with a fresh prekey. Durable when this
    /// returns; how many were told. Then drain [`Endpoint::poll`].
    ///
    /// # Errors
    /// When the vault does not take it: then the home must not be used.
    pub fn renew(&mut self, now: Instant, random: &mut dyn Random) -> Result<usize, VaultError> {
        self.turn(now, random);
        let sequence = self.home.record.sequence;
        self.outrun(now, sequence)?;
        let mut told = 0;
        for peer in self.home.correspondents()? {
            told += usize::from(self.owe_housekeeping(now, peer, Body::Renewed, self.home.longest(), random)?);
        }
        let _offered_later = self.offer_more(now);
        Ok(told)
    }

    /// Counters so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Counters of the link of the present way.
    pub fn link_counters(&self) -> Option<LinkCounters> {
        self.way.leaf.as_ref().map(|leaf| *leaf.counters())
    }

    /// Everything that follows from what happened, until nothing more does.
    pub(crate) fn turn(&mut self, now: Instant, random: &mut dyn Random) {
        // A commit that finds no room leaves things as they are; the next turn tries again.
        let _room_or_failed = self.upkeep(now);
        let _room_or_failed = self.rooms_upkeep(now, random);
        loop {
            self.ask_leaf(now);
            let Some(outcome) = self.way.said.pop_front() else { break };
            self.on_outcome(now, outcome, random);
        }
        let _room_or_failed = self.offer_more(now);
        self.check(Ok(()));
    }

    /// Takes what the leaf says, up to the next transmission.
    fn ask_leaf(&mut self, now: Instant) {
        let Some(leaf) = &mut self.way.leaf else { return };
        while self.way.transmit.is_none() {
            match leaf.poll(now, &self.hop) {
                Some(Outcome::Transmit(bytes)) => self.way.transmit = Some(bytes.into_bytes()),
                Some(said) => self.way.said.push_back(said),
                None => break,
            }
        }
    }

    pub(crate) fn with_leaf(&mut self, act: impl FnOnce(&mut Leaf, &Hop)) {
        if let Some(leaf) = &mut self.way.leaf {
            act(leaf, &self.hop);
        }
    }

    fn detach_way(&mut self, now: Instant) {
        self.with_leaf(|leaf, _| leaf.down(now));
        self.ask_leaf(now);
        while let Some(said) = self.way.said.pop_front() {
            if let Outcome::Detached { gateway, .. } = said {
                self.tell(Event::Detached { gateway, because: Detached::LinkDown });
            }
        }
    }

    fn on_outcome(&mut self, now: Instant, outcome: Outcome, random: &mut dyn Random) {
        let done = match outcome {
            Outcome::Transmit(bytes) => {
                self.way.transmit = Some(bytes.into_bytes());
                Ok(())
            }
            Outcome::WantClaim { gateway } => self.claim(now, gateway),
            Outcome::Outrun { sequence } => self.outrun(now, sequence),
            Outcome::ListensKnown(known) => self.listens_known(now, &known),
            Outcome::Attached { gateway, held, .. } => {
                self.way.reset_offers();
                self.tell(Event::Attached { gateway, held });
                Ok(())
            }
            Outcome::Drained { gateway } => {
                self.tell(Event::Drained { gateway });
                Ok(())
            }
            Outcome::Detached { gateway, because } => {
                self.way.reset_offers();
                let because = match because {
                    Lost::LinkDown => Detached::LinkDown,
                    Lost::Silent => Detached::Silent,
                };
                self.tell(Event::Detached { gateway, because });
                Ok(())
            }
            Outcome::Object(object) => self.object_heard(now, object),
            Outcome::Arrived(arrival) => self.arrived(now, arrival, random),
            Outcome::Accepted { offer, delivered } => self.accepted(now, offer, delivered),
            Outcome::Refused { offer, reason, retry } => self.refused(now, offer, reason, retry),
        };
        self.check(done);
    }

    /// A vault that failed for good is told once.
    pub(crate) fn check(&mut self, done: Result<(), VaultError>) {
        if matches!(done, Err(VaultError::Damaged)) {
            self.home.failed = true;
        }
        if self.home.failed && !matches!(self.events.back(), Some(Event::Failed)) {
            self.tell(Event::Failed);
        }
    }

    pub(crate) fn tell(&mut self, event: Event) {
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Expiry, epochs, and the stamp of the home's age.
    fn upkeep(&mut self, now: Instant) -> Result<(), VaultError> {
        self.expire(now)?;
        self.home.advance_epoch(now)?;
        if self.slots_due <= now {
            self.erase_over(now)?;
        }
        if self.stamp_due().is_some_and(|at| at <= now) {
            self.stamped = now;
            self.home.commit(now, self.home.record.clone(), Batch::default())?;
        }
        Ok(())
    }

    /// Keys of slots that are over go, and the medium is asked to let go their bytes and those of expired content.
    fn erase_over(&mut self, now: Instant) -> Result<(), VaultError> {
        let erased = self.home.erase_slots(now)?;
        if erased || core::mem::take(&mut self.content_gone) {
            self.home.vault.purge();
        }
        self.slots_due = self.home.next_slot_end(now).unwrap_or(now + LANES_EVERY);
        Ok(())
    }

    /// Without wall time the age is written down now and then, as nothing else would count a run that ends in a crash.
    fn stamp_due(&self) -> Option<Instant> {
        let blind = !self.home.clock.sees();
        (blind && self.desk.first_deadline().is_some()).then(|| self.stamped + STAMP_EVERY)
    }

    fn claim(&mut self, now: Instant, gateway: Index) -> Result<(), VaultError> {
        let mut next = self.home.record.clone();
        let Some(sequence) = next.sequence.checked_add(1) else { return Ok(()) };
        next.sequence = sequence;
        self.home.commit(now, next, Batch::default())?;
        let identity = self.home.secrets.identity();
        if let Ok(claim) = sign_claim(identity, self.home.mission(), self.home.me(), gateway, sequence) {
            self.with_leaf(|leaf, _| leaf.claim(now, claim));
        }
        Ok(())
    }

    /// The network has seen a higher sequence than this home remembers: it was restored, or copied. Its send sessions may
    /// have been used since: they go, and pre-placed ones are never used again.
    fn outrun(&mut self, now: Instant, sequence: u32) -> Result<(), VaultError> {
        let mut next = self.home.record.clone();
        next.sequence = next.sequence.max(sequence);
        next.rolled_back = true;
        let mut batch = Batch::default();
        let placed = self.home.scan(keys::SEND_PLACED)?;
        for key in self.home.scan(keys::SEND)?.into_iter().chain(placed) {
            batch.remove(key);
        }
        self.home.put_suspect(now, &mut batch);
        self.home.commit(now, next, batch)?;
        self.tell(Event::HomeRolledBack);
        Ok(())
    }
}
