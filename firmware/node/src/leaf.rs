//! What a member's device runs on its way to ONE gateway over one link (spec §70.2).
//!
//! ```text
//!        up                heard a gateway           owner's claim            Attached
//! Down ───────► Searching ────────────────► Claiming ─────────────► Attaching ────────► Attached
//!   ▲               ▲                                                   │ no answer        │ silent
//!   └── down, from  └───────────────────────────────────────────────────┴──────────────────┘
//!       anywhere
//! ```
//! The owner (an endpoint, a simulator) signs claims, holds what is to be sent, and answers arrivals once they are
//! durable. The leaf never keeps a parcel that its owner does not keep.

mod api;
pub mod limits;
mod listening;
mod stage;
#[cfg(test)]
mod tests;

use crate::io::{Directory, LinkId, StationKind};
use crate::objects::{Candidate, Objects, Say};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use listening::Listening;
use picket_link::gate::Traffic;
use picket_link::{Emcon, Event, Gate, Link, Offer};
use picket_wire::control::{Claim, Control, Hello, Receipt, ReceiptKind, RefuseReason, Token};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Index, Precedence};
use stage::{Attached, Attaching, Searching, Stage};

pub use api::{Lost, Outcome, Parcel, Standing};
pub use picket_link::{
    Arrival, Config as LinkConfig, Counters as LinkCounters, Duplex, Framing, Keyring, OfferId, Owed, ParcelKind,
};

/// See the [module](self).
#[derive(Debug)]
pub struct Leaf {
    link: Link,
    gate: Gate,
    config: LinkConfig,
    stage: Stage,
    listening: Listening,
    offered: BTreeSet<OfferId>,
    outcomes: VecDeque<Outcome>,
    objects: Objects,
    transmitting: bool,
}

/// The leaf has one link.
const LINK: LinkId = LinkId(0);

impl Leaf {
    /// A leaf over a link that is down.
    #[must_use]
    pub fn new(config: LinkConfig) -> Self {
        Self {
            link: Link::new(config.clone()),
            gate: Gate::radio(),
            config,
            stage: Stage::Down,
            listening: Listening::default(),
            offered: BTreeSet::new(),
            outcomes: VecDeque::new(),
            objects: Objects::default(),
            transmitting: false,
        }
    }

    /// The medium works.
    pub fn up(&mut self, now: Instant) {
        self.down(now);
        self.link.up(now);
        self.objects.link_up(LINK, self.config.is_alone());
        self.stage = Stage::Searching(Searching::begin(now));
    }

    /// The medium is gone.
    pub fn down(&mut self, now: Instant) {
        self.leave(Lost::LinkDown);
        self.link.down(now);
        self.objects.link_down(LINK);
        self.stage = Stage::Down;
        self.transmitting = false;
    }

    /// Bytes from the medium.
    pub fn receive(&mut self, now: Instant, bytes: &[u8], directory: &dyn Directory) {
        self.link.receive(now, bytes, directory);
        while let Some(event) = self.link.poll_event() {
            self.on_event(now, event, directory);
        }
    }

    /// Emission control: in force with this call. The owner calls back what its driver holds when a state forbids
    /// everything; what is on its way here counts as never sent.
    pub fn set_emcon(&mut self, emcon: Emcon) {
        self.gate.set(emcon);
        if emcon.forbids_all() {
            self.link.hush();
            self.transmitting = false;
        }
    }

    /// The state of emission control in force.
    #[must_use]
    pub const fn emcon(&self) -> Emcon {
        self.gate.emcon()
    }

    /// When what was handed over has left the air.
    #[must_use]
    pub const fn silent_at(&self) -> Instant {
        self.link.silent_at()
    }

    /// Whether the state lets us show that we are here: look for a gateway, attach, ask whether it is still there. While
    /// it does not, an attachment is kept as it is.
    fn may_show(&self) -> bool {
        self.gate.forbids(Traffic::Presence).is_none()
    }

    /// The last transmission is with the medium.
    pub const fn sent(&mut self) {
        self.transmitting = false;
    }

    /// The claim asked for by [`Outcome::WantClaim`], durable. One that is not asked for (any more) is ignored.
    pub fn claim(&mut self, now: Instant, claim: Claim) {
        if matches!(self.stage, Stage::Claiming { gateway, .. } if gateway == claim.gateway) {
            self.stage = Stage::Attaching(Attaching::begin(now, claim));
        }
    }

    /// How many more parcels may be offered now, whatever their precedence.
    #[must_use]
    pub fn room(&self) -> usize {
        self.room_for(Precedence::Deferred)
    }

    /// How many more parcels of `precedence` may be offered now: lower ones do not take its room.
    #[must_use]
    pub fn room_for(&self, precedence: Precedence) -> usize {
        match &self.stage {
            Stage::Attached(a) => self.link.room_for(a.claim.gateway, precedence),
            Stage::Down | Stage::Searching(_) | Stage::Claiming { .. } | Stage::Attaching(_) => 0,
        }
    }

    /// Offers a parcel for custody to the gateway we are attached to.
    ///
    /// # Errors
    /// Gives it back when not attached or [`Leaf::room_for`] its precedence is 0.
    pub fn offer(&mut self, now: Instant, parcel: Parcel) -> Result<(), Parcel> {
        let Stage::Attached(attached) = &self.stage else { return Err(parcel) };
        let Parcel { id, kind, precedence, identity, bytes } = parcel;
        let offer = Offer { id, to: attached.claim.gateway, kind, precedence, identity, bytes };
        self.link.offer(now, offer).map_err(|o| Parcel {
            id: o.id,
            kind: o.kind,
            precedence: o.precedence,
            identity: o.identity,
            bytes: o.bytes,
        })?;
        self.offered.insert(id);
        Ok(())
    }

    /// Stops offering.
    pub fn withdraw(&mut self, offer: OfferId) {
        if self.offered.remove(&offer) {
            self.link.withdraw(offer);
        }
    }

    /// An object that the owner has verified, durable and in force: answers [`Outcome::Object`], and at the beginning for
    /// what was kept.
    pub fn object(&mut self, now: Instant, me: Index, object: Vec<u8>) {
        self.objects.hold(now, me, object);
    }

    /// Whether our gateway said that it has a newer object, which may still be on its way.
    #[must_use]
    pub fn awaits_object(&self, now: Instant) -> bool {
        self.objects.awaits(now)
    }

    /// The roster in force, as an object: handed to a gateway that has an older one.
    pub fn keep(&mut self, object: Vec<u8>) {
        self.objects.keep(object);
    }

    /// Answers an arrival that is durable now, with the delivered token when it was for us and opened.
    pub fn acknowledge(&mut self, now: Instant, owed: Owed, delivered: Option<Token>) {
        self.link.acknowledge(now, owed, delivered, Duration::ZERO);
    }

    /// Refuses an arrival.
    pub fn refuse(&mut self, now: Instant, owed: Owed, reason: RefuseReason, retry: Duration) {
        self.link.refuse(now, owed, reason, retry);
    }

    /// The next thing to do or to tell; call until `None`.
    pub fn poll(&mut self, now: Instant, directory: &dyn Directory) -> Option<Outcome> {
        self.run_timers(now, directory.me());
        self.tell_rooms(now);
        self.say_objects(now);
        while let Some(event) = self.link.poll_event() {
            self.on_event(now, event, directory);
        }
        if let Some(outcome) = self.outcomes.pop_front() {
            return Some(outcome);
        }
        if self.transmitting || matches!(self.stage, Stage::Down) {
            return None;
        }
        let bytes = self.link.poll_transmit(now, directory, &mut self.gate)?;
        self.transmitting = true;
        Some(Outcome::Transmit(bytes))
    }

    /// When to poll again if nothing else happens.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let link = if self.transmitting || matches!(self.stage, Stage::Down) { None } else { self.link.next_wake() };
        let shown = [self.stage.due(&self.config), self.telling_due()].into_iter().flatten();
        shown.filter(|_| self.may_show()).chain(link).chain(self.objects.next_wake()).min()
    }

    /// Where it stands.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match &self.stage {
            Stage::Down => Standing::Down,
            Stage::Searching(_) => Standing::Searching,
            Stage::Claiming { gateway, .. } => Standing::Attaching(*gateway),
            Stage::Attaching(a) => Standing::Attaching(a.claim.gateway),
            Stage::Attached(a) => Standing::Attached(a.claim.gateway),
        }
    }

    /// Counters of the link.
    #[must_use]
    pub const fn counters(&self) -> &LinkCounters {
        self.link.counters()
    }

    fn on_event(&mut self, now: Instant, event: Event, directory: &dyn Directory) {
        match event {
            Event::Heard(from) => self.on_heard(now, from, directory),
            Event::Arrived(arrival) => {
                self.on_heard(now, arrival.from, directory);
                let Some(arrival) = self.our_own_word(now, arrival, directory) else { return };
                if directory.kind(arrival.from) == Some(StationKind::Gateway) {
                    self.outcomes.push_back(Outcome::Arrived(arrival));
                }
            }
            Event::Accepted { offer, .. } if offer == listening::OFFER => self.listening.taken(),
            Event::Refused { offer, retry, .. } if offer == listening::OFFER => self.listening.refused(now, retry),
            Event::Accepted { offer, delivered } => {
                if self.offered.remove(&offer) {
                    self.outcomes.push_back(Outcome::Accepted { offer, delivered });
                }
            }
            Event::DeliveredLate { identity, source, token } => {
                let kind = ReceiptKind::Delivered;
                let receipt = Receipt { to: source, hops: 0, id: identity.id(), kind, token };
                self.outcomes.extend(self.receipt(receipt).map(Outcome::Arrived));
            }
            Event::Refused { offer, reason, retry } => {
                if self.offered.remove(&offer) {
                    // It had taken custody before: only its acknowledgement was lost.
                    self.outcomes.push_back(match reason {
                        RefuseReason::PassedOn => Outcome::Accepted { offer, delivered: None },
                        RefuseReason::Full
                        | RefuseReason::Expired
                        | RefuseReason::HopLimit
                        | RefuseReason::UnknownDestination
                        | RefuseReason::RateLimited => Outcome::Refused { offer, reason, retry },
                    });
                }
            }
            Event::Object(object) => {
                if self.objects.candidate(now, Some(LINK), &object) == Candidate::Verify {
                    self.outcomes.push_back(Outcome::Object(object));
                }
            }
            Event::Have(have) => self.objects.heard_have(now, directory.me(), LINK, &have),
            Event::Generation(bits) => {
                self.objects.other_generation(now, directory.me(), LINK, bits, directory.net().generation);
            }
            Event::Control { from, message } => self.on_control(now, from, message, directory),
        }
    }

    /// Says what is due of signed objects.
    fn say_objects(&mut self, now: Instant) {
        for (id, say) in self.objects.due(now) {
            match say {
                Say::Have if self.may_show() => self.link.say_have(now, &self.objects.have()),
                // Only worth saying at once.
                Say::Have => {}
                Say::Push(kind) => {
                    let free = !self.gate.is_closed() && !self.link.objects_wait();
                    match self.objects.get(kind).filter(|_| free) {
                        Some(object) => {
                            let more = self.link.push_object(now, object);
                            self.objects.pushed(now, id, kind, more);
                        }
                        None => self.objects.postponed(now, id, kind),
                    }
                }
            }
        }
    }

    /// A receipt as if it had come in a frame of its own.
    fn receipt(&self, receipt: Receipt) -> Option<Arrival> {
        let Stage::Attached(attached) = &self.stage else { return None };
        let message = Control::Receipt(receipt);
        let mut buffer = [0; picket_wire::limits::CONTROL_MAX];
        let bytes = message.encode(&mut buffer).ok()?.to_vec();
        let (from, identity) = (attached.claim.gateway, message.parcel_identity()?);
        Some(Arrival { from, kind: ParcelKind::Control, identity, bytes })
    }

    /// An authentic frame of this station was heard.
    fn on_heard(&mut self, now: Instant, from: Index, directory: &dyn Directory) {
        match &mut self.stage {
            Stage::Searching(_) if directory.kind(from) == Some(StationKind::Gateway) => self.want_claim(now, from),
            Stage::Attached(a) if a.claim.gateway == from => a.heard(now),
            Stage::Down | Stage::Searching(_) | Stage::Claiming { .. } | Stage::Attaching(_) | Stage::Attached(_) => {}
        }
    }

    fn on_control(&mut self, now: Instant, from: Option<Index>, message: Control, directory: &dyn Directory) {
        match message {
            Control::Hello(hello) => self.on_hello(now, hello, directory),
            Control::Attached { sequence, held } => self.on_attached(now, from, sequence, held),
            Control::Drained { sequence } => self.on_drained(now, from, sequence),
            // Not for members, or handled inside the link.
            Control::Attach(_)
            | Control::Claim(_)
            | Control::Listens(_)
            | Control::Ack { .. }
            | Control::AckDelivered { .. }
            | Control::Refuse { .. }
            | Control::Receipt(_)
            | Control::Notice(_)
            | Control::SymbolReport { .. }
            | Control::Announce { .. }
            | Control::AckMany(_)
            | Control::Poll { .. } => {}
        }
    }

    fn on_hello(&mut self, now: Instant, hello: Hello, directory: &dyn Directory) {
        if !hello.gateway {
            return;
        }
        self.on_heard(now, hello.index, directory);
        // A gateway that asks who is there has just come up: it may not know us any more. The same claim, idempotent.
        if let Stage::Attached(a) = &self.stage
            && hello.answer
            && a.claim.gateway == hello.index
            && a.may_reattach(now)
        {
            self.stage = Stage::Attaching(Attaching::again(now, a.claim, a.drained));
        }
    }

    fn on_attached(&mut self, now: Instant, from: Option<Index>, sequence: u32, held: u16) {
        let Stage::Attaching(attaching) = &self.stage else { return };
        let (claim, again) = (attaching.claim, attaching.again);
        if from != Some(claim.gateway) {
            return;
        }
        if sequence == claim.sequence {
            self.stage = Stage::Attached(Attached::begin(now, claim, again == Some(true)));
            if again.is_none() {
                self.outcomes.push_back(Outcome::Attached { gateway: claim.gateway, sequence, held });
            }
            if held == 0 {
                self.on_drained(now, from, sequence);
            }
        } else if sequence > claim.sequence && sequence - claim.sequence <= limits::OUTRUN_MAX {
            self.outcomes.push_back(Outcome::Outrun { sequence });
            self.want_claim(now, claim.gateway);
        }
    }

    fn on_drained(&mut self, now: Instant, from: Option<Index>, sequence: u32) {
        let Stage::Attached(a) = &mut self.stage else { return };
        // What waits in rooms is handed over only when the gateway knows which ones we listen to; it says so again.
        if from == Some(a.claim.gateway) && sequence == a.claim.sequence && !a.drained && self.listening.is_told() {
            a.drained = true;
            a.heard(now);
            let gateway = a.claim.gateway;
            self.outcomes.push_back(Outcome::Drained { gateway });
        }
    }

    fn want_claim(&mut self, now: Instant, gateway: Index) {
        self.leave(Lost::Silent);
        self.stage = Stage::Claiming { gateway, until: now + limits::CLAIM_WITHIN };
        self.outcomes.push_back(Outcome::WantClaim { gateway });
    }

    /// Ends an attachment (also one being renewed): offers are withdrawn, the owner is told.
    fn leave(&mut self, because: Lost) {
        let gateway = match &self.stage {
            Stage::Attached(a) => Some(a.claim.gateway),
            Stage::Attaching(a) if a.again.is_some() => Some(a.claim.gateway),
            Stage::Down | Stage::Searching(_) | Stage::Claiming { .. } | Stage::Attaching(_) => None,
        };
        for offer in core::mem::take(&mut self.offered) {
            self.link.withdraw(offer);
        }
        self.untell_rooms();
        if let Some(gateway) = gateway {
            self.outcomes.push_back(Outcome::Detached { gateway, because });
        }
    }

    fn run_timers(&mut self, now: Instant, me: Index) {
        if !self.may_show() || self.stage.due(&self.config).is_none_or(|due| now < due) {
            return;
        }
        let hello = Control::Hello(Hello { index: me, gateway: false, answer: true });
        match &mut self.stage {
            Stage::Down => {}
            // The owner could not make one (its home is full, say): begin anew.
            Stage::Claiming { .. } => self.stage = Stage::Searching(Searching::begin(now)),
            Stage::Searching(s) => {
                s.asked(now, me);
                // A full control queue: the next attempt comes anyway.
                let _later = self.link.send(now, None, hello);
            }
            Stage::Attaching(a) if a.exhausted() => {
                self.leave(Lost::Silent);
                self.stage = Stage::Searching(Searching::begin(now));
            }
            Stage::Attaching(a) => {
                a.asked(now, &self.config);
                let claim = a.claim;
                let _later = self.link.send(now, Some(claim.gateway), Control::Attach(claim));
            }
            Stage::Attached(a) if a.lost() => {
                self.leave(Lost::Silent);
                self.stage = Stage::Searching(Searching::begin(now));
            }
            Stage::Attached(a) if a.drain_stalled(now, &self.config) => {
                self.stage = Stage::Attaching(Attaching::again(now, a.claim, a.drained));
            }
            Stage::Attached(a) => {
                a.probed(now);
                let _later = self.link.send(now, None, hello);
            }
        }
    }
}
