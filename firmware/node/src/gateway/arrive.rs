//! What arrives: parcels offered to us, until custody of them is taken and answered.

use super::custody::{Creditor, Durable};
use super::dispatch::branch_of;
use super::fate::Via;
use super::meta::{Fate, Incoming, Kind, Meta};
use super::{Count, Gateway};
use crate::io::{Directory, LinkId, Output, Report, StationKind};
use crate::limits::{DRAIN_RETRY, RECEIPT_PRECEDENCE};
use picket_link::{Arrival, Event, Owed, ParcelKind};
use picket_relay::{Admission, Branch, Ingress, Known, Offered, ParcelKey, State, Wait, Way, admit};
use picket_store::{Medium, PutError, Ticket};
use picket_wire::Identity;
use picket_wire::control::{Control, Notice, Receipt, RefuseReason, Token};
use picket_wire::envelope::{Class, Envelope};
use picket_wire::time::{Duration, Instant};

/// A parcel offered to us, whatever way it came.
#[derive(Debug)]
pub(super) struct Deposit<'a> {
    pub kind: ParcelKind,
    pub identity: Identity,
    pub bytes: &'a [u8],
    pub creditor: Creditor,
}

impl Deposit<'_> {
    fn is_for_a_room(&self) -> bool {
        self.kind == ParcelKind::Envelope
            && Envelope::parse(self.bytes).is_ok_and(|envelope| envelope.header().class == Class::Room)
    }
}

impl Creditor {
    const fn ingress(&self) -> Ingress {
        match self {
            Self::Port { owed, .. } => Ingress { from: owed.from, uplink: None },
            Self::Uplink { uplink, owed, .. } => Ingress { from: owed.from, uplink: Some(uplink.0) },
        }
    }

    pub(super) const fn owed(&self) -> &Owed {
        match self {
            Self::Port { owed, .. } | Self::Uplink { owed, .. } => owed,
        }
    }
}

impl<M: Medium> Gateway<M> {
    pub(super) fn received(&mut self, now: Instant, id: LinkId, bytes: &[u8], dir: &dyn Directory) {
        let Some(port) = self.ports.get_mut(&id) else { return };
        port.link.receive(now, bytes, dir);
        while let Some(event) = self.ports.get_mut(&id).and_then(|p| p.link.poll_event()) {
            self.link_event(now, id, event, dir);
        }
    }

    fn link_event(&mut self, now: Instant, id: LinkId, event: Event, dir: &dyn Directory) {
        match event {
            Event::Heard(who) => self.heard(now, id, who, dir),
            Event::Arrived(arrival) => self.arrived_by_link(now, id, &arrival, dir),
            Event::Accepted { offer, delivered } => {
                if !self.telling.answered(id, offer) {
                    self.accepted(now, branch_of(offer), Via::Link(id), delivered, dir);
                }
            }
            Event::DeliveredLate { identity, source, token } => self.make_receipt(now, identity, source, token),
            Event::Refused { offer, .. } if self.telling.answered(id, offer) => self.counters.add(Count::OffersRefused),
            Event::Refused { offer, reason, retry } => {
                self.offer_refused(now, branch_of(offer), Via::Link(id), reason, retry);
            }
            Event::Object(object) => self.object_arrived(now, Some(id), object),
            Event::Have(have) => self.objects.heard_have(now, self.me, id, &have),
            Event::Generation(bits) => self.other_generation(now, id, bits, dir),
            Event::Control { from, message } => self.control(now, id, from, message, dir),
        }
    }

    fn arrived_by_link(&mut self, now: Instant, id: LinkId, arrival: &Arrival, dir: &dyn Directory) {
        let message = Control::decode(&arrival.bytes).ok().filter(|_| arrival.kind == ParcelKind::Control);
        let (hop_limit, round) =
            message.map_or_else(|| picket_wire::control::offer_of(&arrival.bytes), |message| (message.hops(), 0));
        let owed = Owed { from: arrival.from, identity: arrival.identity, hop_limit, round };
        let creditor = Creditor::Port { port: id.0, owed };
        if let Some(Control::Claim(claim)) = message {
            // No custody: the answer says only that it was heard. A power cut costs a detour, not a message.
            self.claim_by_link(now, id, arrival.from, claim, dir);
            return self.acknowledge(now, creditor, None, dir);
        }
        if let Some(Control::Listens(listens)) = message {
            return self.listens_by_link(now, id, creditor, listens, dir);
        }
        let deposit = Deposit { kind: arrival.kind, identity: arrival.identity, bytes: &arrival.bytes, creditor };
        self.deposit(now, &deposit, dir);
    }

    /// Decides about an offered parcel (spec §55.2): stores it, answers it again, or refuses it.
    pub(super) fn deposit(&mut self, now: Instant, deposit: &Deposit<'_>, dir: &dyn Directory) {
        let Some((incoming, lifetime)) = self.read(now, deposit, dir) else {
            self.counters.add(Count::UnparsableParcels);
            return self.settle(&deposit.creditor);
        };
        let meta = incoming.meta;
        if dir.is_revoked(meta.source) || dir.is_revoked(meta.destination) {
            self.counters.add(Count::RefusedRevoked);
            return self.refuse(now, deposit.creditor, RefuseReason::UnknownDestination, Duration::ZERO, dir);
        }
        let offered = Offered {
            identity: deposit.identity,
            from: meta.ingress.from,
            round: meta.round,
            has_rounds: deposit.kind == ParcelKind::Envelope,
            alive: lifetime > Duration::ZERO,
            known_destination: incoming.room.is_some() || dir.kind(meta.destination) == Some(StationKind::Member),
            attached_here: match &incoming.room {
                Some(_) => self.relay.serves(meta.destination, meta.source),
                None => self.relay.surroundings().attached_port(meta.destination).is_some(),
            },
            hop_limit: meta.hop_limit,
        };
        let known = self.custody.known(now, &deposit.identity);
        if known == Known::Held && !self.came_round(now, deposit, &meta, dir) {
            self.counters.add(Count::RefusedPassedOn);
            return self.refuse(now, deposit.creditor, RefuseReason::PassedOn, Duration::ZERO, dir);
        }
        match admit(&offered, known) {
            Admission::Take if self.host.stopping => {
                self.counters.add(Count::RefusedStopping);
                self.refuse(now, deposit.creditor, RefuseReason::Full, DRAIN_RETRY, dir);
            }
            Admission::Take => self.take(now, deposit, &incoming, lifetime, dir),
            Admission::Wait => {
                if !self.custody.also_owed(&deposit.identity, deposit.creditor) {
                    // Unanswered, it is offered again; but the broker's delivery is over.
                    self.settle(&deposit.creditor);
                }
            }
            Admission::AcknowledgeAgain(token) => {
                self.counters.add(Count::DuplicatesAcknowledged);
                self.acknowledge(now, deposit.creditor, token, dir);
            }
            Admission::Refuse(reason) => {
                self.counters.add(refusal(reason));
                self.refuse(now, deposit.creditor, reason, Duration::ZERO, dir);
            }
        }
    }

    /// A gateway offers what we hold, and it is no repetition of the offer we took: whoever had it from us may have passed
    /// it on to there. Once we acknowledge, no earlier offer of ours may be answered by "I had it": they are taken back,
    /// and the next ones are of another round. False when there is none left: the other one keeps it (spec §55.2).
    fn came_round(&mut self, now: Instant, deposit: &Deposit<'_>, offer: &Meta, dir: &dyn Directory) -> bool {
        let Some(seq) = self.custody.queue().find(&deposit.identity).next() else { return true };
        let (key, from) = (ParcelKey(seq.0), offer.ingress.from);
        let Some((_, _, held)) = self.custody.meta(now, key) else { return true };
        if deposit.is_for_a_room() {
            // Nobody lets go of it before its time: that others have it too changes nothing but whom we need not ask.
            if dir.kind(from) == Some(StationKind::Gateway) && from != held.ingress.from {
                self.branch_taken(now, Branch { parcel: key, to: from }, deposit.identity);
            }
            return true;
        }
        let repeated = (held.ingress.from, held.hop_limit, held.round) == (from, offer.hop_limit, offer.round);
        let branch = Branch { parcel: key, to: held.destination };
        let ends_here = match self.relay.state(branch) {
            Some(State::Offered { way: Way::Attached { .. }, .. } | State::Ready(Way::Attached { .. })) => true,
            Some(State::Held(wait)) => wait == Wait::Away,
            Some(State::Offered { .. } | State::Ready(_)) => false,
            None => true,
        };
        if repeated || ends_here || dir.kind(from) != Some(StationKind::Gateway) {
            return true;
        }
        let rounds_left = deposit.kind == ParcelKind::Envelope && held.raised < 3;
        if rounds_left {
            self.raise(now, key, &held);
            self.relay.take_back(now, branch, from);
            self.uplinks.finished(key);
        }
        rounds_left
    }

    /// Facts of a deposit; `None` when its bytes are no parcel.
    fn read(&self, now: Instant, deposit: &Deposit<'_>, dir: &dyn Directory) -> Option<(Incoming, Duration)> {
        let owed = deposit.creditor.owed();
        let (kind, precedence, destination, source, lifetime) = match deposit.kind {
            ParcelKind::Envelope => {
                let envelope = Envelope::parse(deposit.bytes).ok()?;
                let h = envelope.header();
                let kind = match h.class {
                    Class::Pairwise => Kind::Message,
                    Class::Room => Kind::Room,
                    Class::Housekeeping => Kind::Housekeeping,
                };
                if (kind == Kind::Room) != h.destination.is_room() {
                    return None;
                }
                (kind, h.precedence, h.destination, h.source, h.lifetime.duration())
            }
            ParcelKind::Control => match Control::decode(deposit.bytes).ok()? {
                Control::Receipt(Receipt { to, .. }) | Control::Notice(Notice { to, .. }) => {
                    (Kind::Control, RECEIPT_PRECEDENCE, to, to, self.config.max_delay)
                }
                Control::Hello(_)
                | Control::Attach(_)
                | Control::Attached { .. }
                | Control::Drained { .. }
                | Control::Claim(_)
                | Control::Listens(_)
                | Control::Ack { .. }
                | Control::AckDelivered { .. }
                | Control::Refuse { .. }
                | Control::SymbolReport { .. }
                | Control::Announce { .. }
                | Control::AckMany(_)
                | Control::Poll { .. } => return None,
            },
        };
        let meta = Meta {
            destination,
            source,
            ingress: deposit.creditor.ingress(),
            hop_limit: owed.hop_limit,
            round: owed.round,
            raised: 0,
            fate: Fate::Open,
        };
        let room = (kind == Kind::Room).then(|| self.notes_of_arrival(now, &deposit.identity, meta.ingress.from, dir));
        Some((Incoming { kind, precedence, meta, room }, lifetime.min(self.config.max_delay)))
    }

    fn take(
        &mut self,
        now: Instant,
        deposit: &Deposit<'_>,
        incoming: &Incoming,
        lifetime: Duration,
        dir: &dyn Directory,
    ) {
        let put = self.put(now, deposit.identity, incoming, lifetime, deposit.bytes, Some(deposit.creditor));
        match put {
            Ok(_) => {}
            Err(PutError::Full { retry_after }) => {
                self.counters.add(Count::RefusedFull);
                self.refuse(now, deposit.creditor, RefuseReason::Full, retry_after, dir);
            }
            Err(PutError::TooLarge | PutError::Medium(_) | PutError::Failed) => {
                self.store_trouble();
                self.refuse(now, deposit.creditor, RefuseReason::Full, DRAIN_RETRY, dir);
            }
        }
    }

    pub(super) fn synced(&mut self, now: Instant, ticket: Ticket, dir: &dyn Directory) {
        for durable in self.custody.synced(ticket) {
            self.now_durable(now, durable, dir);
        }
        if self.custody.queue_mut().maintain(now, self.host.wall).is_err() {
            self.store_trouble();
        }
    }

    /// Durable: into custody, and only now acknowledged.
    fn now_durable(&mut self, now: Instant, durable: Durable, dir: &dyn Directory) {
        let key = ParcelKey(durable.seq.0);
        let Some((kind, identity, meta)) = self.custody.meta(now, key) else {
            // Its lifetime ended while it was being written: never ours.
            for creditor in durable.creditors {
                self.counters.add(Count::RefusedExpired);
                self.refuse(now, creditor, RefuseReason::Expired, Duration::ZERO, dir);
            }
            return;
        };
        match kind {
            Kind::Claim | Kind::Debt => return,
            Kind::Listens => return self.listens_durable(now, durable.creditors, dir),
            Kind::Message | Kind::Housekeeping | Kind::Control | Kind::Room => {}
        }
        let precedence = self.custody.queue().entry(now, durable.seq).map_or(RECEIPT_PRECEDENCE, |e| e.precedence);
        if kind == Kind::Room {
            self.take_room(now, key, &meta, precedence);
        } else {
            self.relay.take(now, key, meta.destination, meta.ingress, precedence);
        }
        self.counters.add(Count::ParcelsTaken);
        self.out.push_back(Output::Report(Report::Taken { identity }));
        let merge = kind == Kind::Message && self.relay.surroundings().attached_port(meta.destination).is_some();
        for creditor in durable.creditors {
            let until = if merge { self.hold_of(now, &creditor) } else { now };
            self.custody.hold(durable.seq, creditor, until);
        }
    }

    /// Until when an answer may wait for the delivered token: only where air is scarce.
    fn hold_of(&self, now: Instant, creditor: &Creditor) -> Instant {
        match creditor {
            Creditor::Port { port, .. } if self.ports.get(&LinkId(*port)).is_some_and(|p| p.paced) => {
                now + self.config.receipt_hold
            }
            Creditor::Port { .. } | Creditor::Uplink { .. } => now,
        }
    }

    /// Answers: custody taken (and delivered).
    pub(super) fn acknowledge(
        &mut self,
        now: Instant,
        creditor: Creditor,
        delivered: Option<Token>,
        dir: &dyn Directory,
    ) {
        match creditor {
            Creditor::Port { port, owed } => {
                if let Some(port) = self.ports.get_mut(&LinkId(port)) {
                    port.link.acknowledge(now, owed, delivered, Duration::ZERO);
                }
            }
            Creditor::Uplink { uplink, owed, .. } => self.uplink_acknowledge(uplink, &owed, delivered, dir),
        }
        self.settle(&creditor);
    }

    pub(super) fn refuse(
        &mut self,
        now: Instant,
        creditor: Creditor,
        reason: RefuseReason,
        retry: Duration,
        dir: &dyn Directory,
    ) {
        match creditor {
            Creditor::Port { port, owed } => {
                if let Some(port) = self.ports.get_mut(&LinkId(port)) {
                    port.link.refuse(now, owed, reason, retry);
                }
            }
            Creditor::Uplink { uplink, owed, .. } => self.uplink_refuse(uplink, &owed, reason, retry, dir),
        }
        self.settle(&creditor);
    }

    /// The broker may forget its delivery: the answer is given, or the bytes were worthless.
    pub(super) fn settle(&mut self, creditor: &Creditor) {
        if let Creditor::Uplink { uplink, delivery, .. } = creditor {
            self.out.push_back(Output::Settle(*uplink, *delivery));
        }
    }
}

const fn refusal(reason: RefuseReason) -> Count {
    match reason {
        RefuseReason::Full => Count::RefusedFull,
        RefuseReason::PassedOn => Count::RefusedPassedOn,
        RefuseReason::Expired => Count::RefusedExpired,
        RefuseReason::HopLimit => Count::RefusedHopLimit,
        RefuseReason::UnknownDestination => Count::RefusedUnknownDestination,
        RefuseReason::RateLimited => Count::RefusedRateLimited,
    }
}
