//! One radio or cable as a sans-IO machine: bytes in, authentic events out; parcels offered in, frames out.
//!
//! Normative text: `firmware/spec/50-link.md`.
//!
//! ```text
//! bytes → framing → receive → (offers: answers to ours) (incoming) (answers: ours to theirs) → events
//! offers, answers, control → transmit → (turn: may we talk?) (pace: has the last frame left?) → framing → gate → bytes
//! ```
//! Time is passed in; nothing here reads a clock, draws randomness or waits.
#![cfg_attr(not(test), no_std)]
extern crate alloc;

mod accept;
mod answers;
mod api;
mod framing;
pub mod gate;
mod group;
mod hop_keys;
mod incoming;
mod limits;
mod listen;
mod measure;
mod objects;
mod offers;
mod outgoing;
mod overdue;
mod pace;
mod peer;
mod pick;
mod rate;
mod receive;
mod rtt;
mod shape;
mod transmit;
mod turn;

pub use limits::HISTORY_SLOTS;
pub use measure::{Neighbour, Signal, Slot};

pub use api::{Arrival, Config, Counters, Due, Duplex, Event, Framing, Keyring, Offer, OfferId, Owed, ParcelKind};

pub use answers::Answer;
pub use gate::{Emcon, Emission, Gate};

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use answers::Answers;
use framing::Framer;
use gate::Held;
use hop_keys::HopKeys;
use incoming::Incoming;
use limits::CONTROL_QUEUE_MAX;
use measure::History;
use offers::Offers;
use pace::Pace;
use picket_wire::control::{Control, RefuseReason, Token};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Index, MessageId, Precedence};
use shape::Shape;
use turn::{Timing, Turn};

/// One link: commands ([`Link::offer`], [`Link::acknowledge`], …), bytes in ([`Link::receive`]), bytes out
/// ([`Link::poll_transmit`]), events out ([`Link::poll_event`]), and the time of the next wake-up.
#[derive(Debug)]
pub struct Link {
    shape: Shape,
    up: bool,
    now: Instant,
    me: Index,
    framer: Framer,
    pace: Pace,
    turn: Turn,
    offers: Offers,
    answers: Answers,
    inbound: Inbound,
    outbox: Outbox,
    objects: objects::Objects,
    hop_keys: HopKeys,
    events: VecDeque<Event>,
    counters: Counters,
    history: History,
    /// The gate held something back when it was tried last; until then, or until the gate changes.
    held: Option<Held>,
}

/// What is being received.
#[derive(Debug, Default)]
struct Inbound {
    incoming: Incoming,
    finished: VecDeque<(incoming::Key, Instant, answers::Key)>,
    /// Envelopes whose symbols neighbours said they would send to everyone.
    announced: VecDeque<(incoming::Key, MessageId)>,
    /// Whose authentic frame came last, and when: broken ones are probably of the same.
    talker: Option<(Index, Instant)>,
    /// Who last used each hop address.
    senders: BTreeMap<u8, Index>,
    /// The frame under examination; kept for its allocation.
    frame: Vec<u8>,
}

/// Small things that wait for air.
#[derive(Debug, Default)]
struct Outbox {
    reports: VecDeque<(Index, Control)>,
    control: VecDeque<(Option<Index>, Control)>,
    /// The frame being written; kept for its allocation.
    frame: Vec<u8>,
    /// Its body; kept likewise.
    symbols: Vec<u8>,
}

impl Link {
    /// A link that is down until [`Link::up`].
    #[must_use]
    pub fn new(config: Config) -> Self {
        let shape = Shape::of(&config);
        Self {
            shape,
            up: false,
            now: Instant::ZERO,
            me: Index(0),
            framer: Framer::new(config.framing),
            pace: Pace::new(config.air_bps.filter(|&bps| bps > 0)),
            turn: Turn::new(shape.half, config.turn_round, Timing::new(shape.blind)),
            offers: Offers::new(shape),
            answers: Answers::default(),
            inbound: Inbound::default(),
            outbox: Outbox::default(),
            objects: objects::Objects::default(),
            hop_keys: HopKeys::default(),
            events: VecDeque::new(),
            counters: Counters::default(),
            history: History::default(),
            held: None,
        }
    }

    /// The medium works (again): framing starts fresh, what was offered is sent (again), back-off is reset.
    pub fn up(&mut self, now: Instant) {
        (self.now, self.held) = (now, None);
        self.up = true;
        self.framer.restart();
        self.pace.restart();
        self.turn.restart(now);
        self.offers.restart();
    }

    /// The medium is gone: nothing is transmitted until [`Link::up`]; offers are kept, control messages dropped.
    pub fn down(&mut self, now: Instant) {
        self.now = now;
        self.up = false;
        self.framer.restart();
        self.outbox.control.clear();
        self.outbox.reports.clear();
        self.objects.hush();
    }

    /// Bytes from the medium, cut anywhere (COBS) or one packet (Packet).
    pub fn receive(&mut self, now: Instant, bytes: &[u8], keys: &dyn Keyring) {
        (self.now, self.held) = (now, None);
        self.receive_bytes(now, bytes, keys);
    }

    /// How many more parcels may be offered to `to` now whatever their precedence; 0 = wait for an event.
    #[must_use]
    pub fn room(&self, to: Index) -> usize {
        self.room_for(to, receive::LEAST)
    }

    /// How many more parcels of `precedence` may be offered to `to` now: lower ones do not take its room.
    #[must_use]
    pub fn room_for(&self, to: Index, precedence: Precedence) -> usize {
        self.offers.room(to, precedence)
    }

    /// Offers a parcel. It is retransmitted with back-off until an answer comes or it is withdrawn.
    /// An offer with an `id` already held replaces it.
    ///
    /// # Errors
    /// Gives the offer back when [`Link::room_for`] its precedence is 0.
    pub fn offer(&mut self, now: Instant, offer: Offer) -> Result<(), Offer> {
        let urgency = offer.precedence;
        self.offer_as(now, offer, urgency)
    }

    /// Offers a parcel that goes among others as if it were of precedence `urgency`, because it has waited for long.
    /// To the gate it stays what it is.
    ///
    /// # Errors
    /// As [`Link::offer`].
    pub fn offer_as(&mut self, now: Instant, offer: Offer, urgency: Precedence) -> Result<(), Offer> {
        (self.now, self.held) = (now, None);
        if self.offers.get(offer.id).is_none() && self.room_for(offer.to, urgency) == 0 {
            return Err(offer);
        }
        self.offers.insert(offer, urgency);
        Ok(())
    }

    /// Offers one envelope to several neighbours in one transmission; each answers for itself. All offers must have the
    /// same bytes and handles of their own.
    ///
    /// # Errors
    /// Gives the offers back when they are not of one envelope, or there is no room for one of them.
    pub fn offer_to_all(&mut self, now: Instant, offers: Vec<Offer>) -> Result<(), Vec<Offer>> {
        (self.now, self.held) = (now, None);
        let one = offers.windows(2).all(|w| w[0].bytes == w[1].bytes && w[0].identity == w[1].identity);
        let envelopes = offers.iter().all(|o| o.kind == ParcelKind::Envelope);
        if !one || !envelopes || offers.iter().any(|o| self.room_for(o.to, o.precedence) == 0) {
            return Err(offers);
        }
        self.offers.insert_group(offers);
        Ok(())
    }

    /// A station is revoked: nothing of it is remembered, and what was offered to it is withdrawn.
    pub fn forget(&mut self, peer: Index) {
        self.offers.forget(peer);
        self.inbound.announced.retain(|(key, _)| key.from != peer);
        self.inbound.senders.retain(|_, who| *who != peer);
    }

    /// Stops offering; unknown handles are ignored.
    pub fn withdraw(&mut self, offer: OfferId) {
        self.offers.remove(offer);
    }

    /// Answers a parcel that is durable now. `hold` is how long the answer may wait for the delivered token to be
    /// merged ([`Duration::ZERO`]: send at the next chance). A second call with a token within that time merges it.
    ///
    /// Returns whether the answer carries all that was given: false when `delivered` came after the answer had left
    /// without it, so that a receipt must go as a parcel of its own.
    pub fn acknowledge(&mut self, now: Instant, owed: Owed, delivered: Option<Token>, hold: Duration) -> bool {
        (self.now, self.held) = (now, None);
        self.drop_report(&owed);
        self.answers.acknowledge(now, owed.into(), delivered, hold)
    }

    /// Refuses a parcel.
    pub fn refuse(&mut self, now: Instant, owed: Owed, reason: RefuseReason, retry: Duration) {
        (self.now, self.held) = (now, None);
        self.drop_report(&owed);
        self.answers.refuse(now, owed.into(), reason, retry);
    }

    /// An answer says more than a report of the same parcel that still waits.
    fn drop_report(&mut self, owed: &Owed) {
        let ours = owed.identity.prefix().to_be_bytes();
        self.outbox.reports.retain(|(to, report)| {
            *to != owed.from || !matches!(report, Control::SymbolReport { prefix, .. } if *prefix == ours)
        });
    }

    /// Queues a control message to one neighbour, or (`None`) to all in earshot. Not retransmitted.
    ///
    /// # Errors
    /// Gives it back when the small control queue is full.
    pub fn send(&mut self, now: Instant, to: Option<Index>, message: Control) -> Result<(), Control> {
        (self.now, self.held) = (now, None);
        if self.outbox.control.len() >= CONTROL_QUEUE_MAX {
            return Err(message);
        }
        self.outbox.control.push_back((to, message));
        Ok(())
    }

    /// The next bytes to put on the medium, if anything may be sent at `now`; call until `None`. On packet media each
    /// call gives one packet; on streams a call may give several frames when the link is not paced. What the gate holds
    /// back stays queued; call again when the gate changes.
    pub fn poll_transmit(&mut self, now: Instant, keys: &dyn Keyring, gate: &mut Gate) -> Option<Emission> {
        self.held = None;
        let bytes = self.transmit(now, keys, gate).unwrap_or_default();
        gate.emit(bytes)
    }

    /// The next event; call until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if let Event::Arrived(arrival) = &event {
            self.answers.urgency(arrival.owed().into(), arrival.precedence());
        }
        Some(event)
    }

    /// How many answers wait for air.
    #[must_use]
    pub fn answers_waiting(&self) -> usize {
        self.answers.waiting()
    }

    /// Takes all answers that wait for air, most urgent first: whoever may not transmit keeps them durably instead.
    pub fn surrender(&mut self) -> Vec<Due> {
        let mut due = Vec::with_capacity(self.answers.waiting());
        while let Some((key, answer, precedence)) = self.answers.take_first() {
            let owed = Owed { from: key.from, identity: key.identity, hop_limit: key.hop_limit, round: key.round };
            due.push(Due { owed, answer, precedence });
        }
        due
    }

    /// Sends an answer that was kept.
    pub fn pay(&mut self, now: Instant, due: &Due) {
        (self.now, self.held) = (now, None);
        self.answers.urgency(due.owed.into(), due.precedence);
        self.answers.restate(now, due.owed.into(), due.answer);
    }

    /// When the last byte handed over will have left the air; in the past, or zero, when it has.
    #[must_use]
    pub const fn silent_at(&self) -> Instant {
        self.pace.free_at()
    }

    /// The longest that one frame of this link is on air; zero where nothing paces.
    #[must_use]
    pub fn longest_air(&self) -> Duration {
        // COBS adds one byte for every 254, and delimiters; coded frames are limited as a whole.
        self.pace.air((self.shape.frame_max + self.shape.frame_max / 254 + 3).max(self.shape.coded_max))
    }

    /// Drops what is only worth saying at once: reports and control messages. Offers and answers stay. What was handed
    /// over may have been destroyed in the middle of a frame: the next one begins behind a delimiter.
    pub fn hush(&mut self) {
        self.framer.owe_delimiter();
        self.outbox.control.clear();
        self.outbox.reports.clear();
        self.objects.hush();
    }

    /// When [`Link::poll_transmit`] should be called next if nothing else happens.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.wake()
    }

    /// Its framing.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        self.shape.framing
    }

    /// Whether both sides may transmit at once.
    #[must_use]
    pub const fn duplex(&self) -> Duplex {
        if self.shape.half { Duplex::Half } else { Duplex::Full }
    }

    /// The radio reports how strongly it receives.
    pub fn signal(&mut self, now: Instant, signal: Signal) {
        self.history.at(now).signal = Some(signal);
    }

    /// What happened in the last hour, minute by minute, the current one first.
    pub fn history(&mut self, now: Instant) -> [Slot; HISTORY_SLOTS] {
        self.history.recent(now)
    }

    /// The neighbours that offers were made to or frames heard of, by index.
    pub fn neighbours(&self) -> impl Iterator<Item = Neighbour> {
        let fec = self.shape.framing == Framing::Fec;
        self.offers.peers.iter().map(move |(index, peer)| Neighbour {
            index: *index,
            heard: peer.heard,
            silent: peer.probing().is_some(),
            round_trip: peer.rtt.smoothed(),
            noise_in: fec.then(|| peer.rate.noise_in()).flatten(),
            noise_out: fec.then(|| peer.rate.noise_out()).flatten(),
        })
    }

    /// Counters so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}
