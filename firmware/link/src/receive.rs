//! From frames to authentic events (spec §50.2, §50.4, §50.5).

use crate::Link;
use crate::accept::{Answered, answered};
use crate::answers::{Key, Polled, Verdict};
use crate::api::{Arrival, Event, Keyring, ParcelKind};
use crate::hop_keys::HopKeys;
use crate::incoming::{self, Taken};
use crate::limits::{ANNOUNCED_MAX, FINISHED, FINISHED_FOR, REPORT_EVERY, REPORTS_MAX};
use crate::listen::Drop;
use crate::offers::{Report, hop_and_round};
use alloc::vec::Vec;
use picket_wire::control::{Control, NEED_ALL, NEED_NOTHING, NEED_UNKNOWN};
use picket_wire::envelope::{Envelope, FLAG_TURN, set_flags};
use picket_wire::frame::{Around, Authentic, Body, Fragment, FrameError, Kind, Unmasked};
use picket_wire::signed::is_signed;
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Index, MessageId, Precedence};

impl Link {
    pub(crate) fn frame(&mut self, now: Instant, frame: &mut [u8], keys: &dyn Keyring) -> Result<(), Drop> {
        if frame.first().is_some_and(|first| is_signed(*first)) {
            return self.signed(now, frame);
        }
        let other = frame.first().is_some_and(|first| first >> 2 & 0b111 != keys.net().generation & 0b111);
        if other && let Some((_, mask)) = keys.earlier() {
            let unmasked = mask.unmask(frame).map_err(|error| self.unusable(error))?;
            return self.earlier(now, unmasked, keys);
        }
        let unmasked = keys.mask().unmask(frame).map_err(|error| self.unusable(error))?;
        if unmasked.to() == Index::BROADCAST {
            return self.broadcast(now, unmasked, keys);
        }
        if unmasked.to() != keys.me().low() {
            // A damaged frame names anybody; one between two that are there is taken for talk of others.
            if ![unmasked.to(), unmasked.from()].into_iter().any(|low| keys.stations(low).is_empty()) {
                let reserve = self.reserved_by(&unmasked);
                self.turn.overheard(now, reserve);
            }
            return Err(Drop::NotForUs);
        }
        match answered(&unmasked) {
            Some(Answered::One(prefix)) => self.answer(now, unmasked, prefix, keys),
            Some(Answered::Many(prefixes)) => self.answer_many(now, unmasked, &prefixes, keys),
            None => self.pairwise(now, unmasked, keys),
        }
    }

    fn unusable(&mut self, error: FrameError) -> Drop {
        match error {
            FrameError::Short | FrameError::Long => Drop::Noise,
            FrameError::Version(_) => Drop::Version,
            FrameError::Generation(bits) => {
                if !matches!(self.events.back(), Some(Event::Generation(_))) {
                    self.events.push_back(Event::Generation(bits));
                }
                Drop::Generation
            }
            FrameError::Kind(_) => Drop::Body,
        }
    }

    /// A frame of the generation before, while the change goes on: only what one neighbour says to us under their pairwise
    /// key, which no revoked station has (spec §35.7). It is told of the change.
    fn earlier(&mut self, now: Instant, unmasked: Unmasked<'_>, keys: &dyn Keyring) -> Result<(), Drop> {
        let bits = keys.earlier().map_or(0, |(net, _)| net.generation & 0b111);
        self.events.push_back(Event::Generation(bits));
        if unmasked.to() != keys.me().low() || answered(&unmasked).is_some() {
            return Err(Drop::Generation);
        }
        let low = unmasked.from();
        let mut frame = unmasked;
        for peer in keys.stations(low) {
            let Some(key) = keys.earlier_link_key(peer) else { continue };
            match frame.authenticate(&key.toward(peer, keys.me()), Around::default()) {
                Ok(authentic) => return self.taken(now, low, peer, &authentic),
                Err(back) => frame = back,
            }
        }
        Err(Drop::Mac)
    }

    /// A report to a station that we may not hear: what it asks for will be on air next. Not authenticated: whoever
    /// forges it could as well talk all the time.
    fn reserved_by(&self, frame: &Unmasked<'_>) -> Duration {
        if frame.kind() != Kind::Control {
            return Duration::ZERO;
        }
        match Control::decode(frame.body()) {
            Ok(Control::SymbolReport { need, .. }) if need != NEED_UNKNOWN => {
                self.pace.air(usize::from(need) * usize::from(self.shape.symbol))
            }
            Ok(_) | Err(_) => Duration::ZERO,
        }
    }

    /// Under the network key only presence and claims are believed.
    fn broadcast(&mut self, now: Instant, frame: Unmasked<'_>, keys: &dyn Keyring) -> Result<(), Drop> {
        let low = frame.from();
        let frame = frame.authenticate(&keys.net().mac, Around::default()).map_err(|_| Drop::Mac)?;
        let message = match frame.body() {
            Ok(Body::Control(message)) => message,
            Ok(Body::Fragment(fragment)) => return self.meant_for_all(now, low, &fragment),
            Ok(Body::Envelope(_)) | Err(_) => return Err(Drop::Body),
        };
        let named = match message {
            Control::Hello(hello) if hello.index.low() == low => Some(hello.index),
            Control::Claim(claim) => Some(claim.gateway).filter(|g| g.low() == low),
            _ => return Err(Drop::Body),
        };
        if named == Some(keys.me()) {
            // Our own, echoed by the medium.
            return Err(Drop::NotForUs);
        }
        self.counters.rx_frames += 1;
        self.turn.heard(false);
        if let (Control::Hello(_), Some(peer)) = (message, named)
            && self.offers.peers.contains_key(&peer)
        {
            self.offers.hear(now, peer);
        }
        self.events.push_back(Event::Control { from: named, message });
        Ok(())
    }

    /// Symbols for several stations: taken if their sender has said that they are meant for us too.
    fn meant_for_all(&mut self, now: Instant, low: u8, fragment: &Fragment<'_>) -> Result<(), Drop> {
        let (prefix, total) = (fragment.head.prefix, fragment.head.total);
        let meant = |k: &incoming::Key| k.from.low() == low && (k.prefix, k.total) == (prefix, total);
        // More is coming, and nobody is asked: like talk between others.
        self.turn.overheard(now, Duration::ZERO);
        let key = self.inbound.announced.iter().map(|(key, _)| *key).find(meant);
        let Some(key) = key else { return Err(Drop::NotForUs) };
        self.counters.rx_frames += 1;
        self.fragment(now, key.from, fragment);
        Ok(())
    }

    fn announced(&mut self, now: Instant, from: Index, id: MessageId, total: u32) {
        let key = incoming::Key { from, prefix: u16::from_be_bytes([id.0[0], id.0[1]]), total };
        self.inbound.announced.retain(|(k, _)| *k != key);
        if self.inbound.announced.len() >= ANNOUNCED_MAX {
            self.inbound.announced.pop_front();
        }
        self.inbound.announced.push_back((key, id));
        // Told again in the middle: what is needed; told the first time: all.
        match self.inbound.incoming.report(key) {
            Some((need, next)) => self.report(from, key.prefix, need, next),
            None => self.polled(now, from, key.prefix),
        }
    }

    fn pairwise(&mut self, now: Instant, frame: Unmasked<'_>, keys: &dyn Keyring) -> Result<(), Drop> {
        let low = frame.from();
        let (peer, frame) = self.authenticate(frame, keys).ok_or(Drop::Mac)?;
        self.taken(now, low, peer, &frame)
    }

    /// What an authentic frame of a neighbour says.
    fn taken(&mut self, now: Instant, low: u8, peer: Index, frame: &Authentic<'_>) -> Result<(), Drop> {
        self.inbound.senders.insert(low, peer);
        self.authentic(now, peer);
        let given = match frame.body() {
            Ok(Body::Envelope(envelope)) => {
                self.envelope(now, peer, envelope.bytes());
                envelope.header().flags & FLAG_TURN != 0
            }
            Ok(Body::Fragment(fragment)) => {
                self.fragment(now, peer, &fragment);
                fragment.head.turn
            }
            Ok(Body::Control(message)) => self.control(now, peer, message)?,
            Err(_) => return Err(Drop::Body),
        };
        self.turn.heard(given && self.shape.half);
        if given && self.shape.half {
            for key in self.inbound.incoming.touched(peer) {
                self.queue_report(key);
            }
        }
        Ok(())
    }

    fn authenticate<'f>(&mut self, frame: Unmasked<'f>, keys: &dyn Keyring) -> Option<(Index, Authentic<'f>)> {
        let low = frame.from();
        let lately = self.inbound.senders.get(&low).copied();
        let mut frame = frame;
        if let Some(peer) = lately {
            match try_key(&mut self.hop_keys, frame, peer, &[], keys) {
                Ok(authentic) => return Some((peer, authentic)),
                Err(back) => frame = back,
            }
        }
        for peer in keys.stations(low) {
            if Some(peer) == lately {
                continue;
            }
            match try_key(&mut self.hop_keys, frame, peer, &[], keys) {
                Ok(authentic) => return Some((peer, authentic)),
                Err(back) => frame = back,
            }
        }
        None
    }

    pub(crate) fn authentic(&mut self, now: Instant, peer: Index) {
        self.counters.rx_frames += 1;
        self.history.at(now).good_frames += 1;
        self.inbound.talker = Some((peer, now));
        if self.offers.hear(now, peer) {
            self.events.push_back(Event::Heard(peer));
        }
    }

    fn envelope(&mut self, now: Instant, from: Index, bytes: &[u8]) {
        let Ok(envelope) = Envelope::parse(bytes) else {
            self.counters.dropped_body += 1;
            return;
        };
        let mut owned = bytes.to_vec();
        set_flags(&mut owned, 0);
        self.arrived(now, Arrival { from, kind: ParcelKind::Envelope, identity: envelope.identity(), bytes: owned });
    }

    fn arrived(&mut self, now: Instant, arrival: Arrival) {
        match self.answers.heard(now, Key::from(arrival.owed())) {
            Verdict::New => {
                self.history.at(now).delivered_in += arrival.bytes.len() as u64;
                self.events.push_back(Event::Arrived(arrival));
            }
            Verdict::Duplicate => self.counters.duplicates += 1,
        }
    }

    /// Returns whether the sender has finished and listens.
    fn control(&mut self, now: Instant, from: Index, message: Control) -> Result<bool, Drop> {
        match message {
            Control::Receipt(_) | Control::Notice(_) | Control::Claim(_) | Control::Listens(_) => {
                let mut buf = [0; picket_wire::limits::CONTROL_MAX];
                let (Some(identity), Ok(bytes)) = (message.parcel_identity(), message.encode(&mut buf)) else {
                    return Err(Drop::Body);
                };
                let bytes = bytes.to_vec();
                self.arrived(now, Arrival { from, kind: ParcelKind::Control, identity, bytes });
            }
            Control::SymbolReport { prefix, need, next, noise } => {
                self.offers.report(now, from, &Report { prefix: u16::from_be_bytes(prefix), need, next, noise });
            }
            Control::Poll { prefix } => {
                self.polled(now, from, u16::from_be_bytes(prefix));
                return Ok(true);
            }
            // Answers were tried with what they answer; without it they prove nothing.
            Control::Ack { .. } | Control::AckDelivered { .. } | Control::Refuse { .. } | Control::AckMany(_) => {
                return Err(Drop::Body);
            }
            Control::Announce { id, total } => {
                self.announced(now, from, id, total);
                return Ok(true);
            }
            // Presence is for all in earshot (spec §20.3).
            Control::Hello(_) => return Err(Drop::Body),
            Control::Attach(_) | Control::Attached { .. } | Control::Drained { .. } => {
                self.events.push_back(Event::Control { from: Some(from), message })
            }
        }
        Ok(false)
    }

    fn polled(&mut self, now: Instant, from: Index, prefix: u16) {
        let partial = self.inbound.incoming.with_prefix(from, prefix);
        for key in &partial {
            self.queue_report(*key);
        }
        let nothing_partial = partial.is_empty();
        match self.answers.polled(now, from, prefix) {
            Polled::Unknown if nothing_partial => {
                let announced = self.inbound.announced.iter().any(|(k, _)| (k.from, k.prefix) == (from, prefix));
                self.report(from, prefix, if announced { NEED_ALL } else { NEED_UNKNOWN }, 0);
            }
            Polled::Pending if nothing_partial => self.report(from, prefix, NEED_NOTHING, 0),
            Polled::Unknown | Polled::Pending | Polled::Answered => {}
        }
    }

    fn fragment(&mut self, now: Instant, from: Index, fragment: &Fragment<'_>) {
        let key = incoming::Key { from, prefix: fragment.head.prefix, total: fragment.head.total };
        if let Some(owed) = self.finished(now, key, fragment) {
            self.counters.duplicates += 1;
            if fragment.head.turn {
                self.answers.heard(now, owed);
            }
            return;
        }
        match self.inbound.incoming.take(key, fragment) {
            Taken::Duplicate => self.counters.duplicates += 1,
            Taken::Restarted => self.counters.dropped_fragment += 1,
            Taken::Stored { .. } => {
                let (frames, gap) = self.inbound.incoming.unreported(key);
                let news = self.offers.peers.get(&from).is_some_and(|peer| peer.rate.has_news());
                let volunteer = news || frames >= if gap { 2 } else { REPORT_EVERY };
                if !self.shape.half && volunteer && !fragment.head.turn {
                    self.queue_report(key);
                }
            }
            Taken::Complete(identity, bytes) => return self.complete(now, key, identity, bytes),
            Taken::Poisoned => return self.poisoned(key),
        }
        if fragment.head.turn {
            self.queue_report(key);
        }
    }

    /// What was put together is not what was offered: the sender begins again.
    fn poisoned(&mut self, key: incoming::Key) {
        self.counters.dropped_fragment += 1;
        self.report(key.from, key.prefix, NEED_UNKNOWN, 0);
    }

    /// The offer that symbols of this key completed lately. It counts only while its answer is remembered, and not
    /// when they are of another offer of the same envelope.
    fn finished(&mut self, now: Instant, key: incoming::Key, fragment: &Fragment<'_>) -> Option<Key> {
        let at = self.inbound.finished.iter().position(|(k, ..)| *k == key)?;
        let (_, since, owed) = *self.inbound.finished.get(at)?;
        let another = (fragment.head.hop_limit, fragment.head.round) != (owed.hop_limit, owed.round);
        if another || now.since(since) >= FINISHED_FOR || !self.answers.remembers(now, &owed) {
            self.inbound.finished.remove(at);
            return None;
        }
        Some(owed)
    }

    fn complete(&mut self, now: Instant, key: incoming::Key, identity: Identity, bytes: Vec<u8>) {
        let named = self.inbound.announced.iter().find(|(k, _)| *k == key);
        if named.is_some_and(|(_, id)| *id != identity.id()) {
            // Whoever holds the network key can write symbols for everyone; what was announced was announced by one.
            return self.poisoned(key);
        }
        let (hop_limit, round) = hop_and_round(ParcelKind::Envelope, &bytes);
        if self.inbound.finished.len() >= FINISHED {
            self.inbound.finished.pop_front();
        }
        self.inbound.finished.push_back((key, now, Key { from: key.from, identity, hop_limit, round }));
        self.arrived(now, Arrival { from: key.from, kind: ParcelKind::Envelope, identity, bytes });
    }

    pub(crate) fn queue_report(&mut self, key: incoming::Key) {
        if let Some((need, next)) = self.inbound.incoming.report(key) {
            self.report(key.from, key.prefix, need, next);
        }
    }

    /// The latest report of a parcel replaces an earlier one that still waits.
    fn report(&mut self, to: Index, prefix: u16, need: u16, next: u16) {
        let bytes = prefix.to_be_bytes();
        self.outbox.reports.retain(|(peer, old)| {
            *peer != to || !matches!(old, Control::SymbolReport { prefix, .. } if *prefix == bytes)
        });
        if self.outbox.reports.len() >= REPORTS_MAX {
            self.outbox.reports.pop_front();
        }
        self.outbox.reports.push_back((to, Control::SymbolReport { prefix: bytes, need, next, noise: 0 }));
    }
}

/// Least urgent: what [`Link::room`] answers for.
pub(crate) const LEAST: Precedence = Precedence::Deferred;

pub(crate) fn try_key<'f>(
    hop_keys: &mut HopKeys,
    frame: Unmasked<'f>,
    peer: Index,
    suffix: &[u8],
    keys: &dyn Keyring,
) -> Result<Authentic<'f>, Unmasked<'f>> {
    match hop_keys.of(peer, keys) {
        Some(key) => frame.authenticate(key, Around { prefix: &[], suffix }),
        None => Err(frame),
    }
}
