//! From bytes of the medium to authentic events (spec §50.2, §50.4, §50.5).

use crate::Link;
use crate::answers::{Key, Polled, Verdict};
use crate::api::{Arrival, Event, Keyring, ParcelKind};
use crate::framing::{Found, decode, later_starts};
use crate::hop_keys::HopKeys;
use crate::incoming::{self, Taken};
use crate::limits::{
    ANNOUNCED_MAX, CHOICES_MAX, FINISHED, FINISHED_FOR, REPORT_EVERY, REPORTS_MAX, SALVAGE_TRIALS, TALKER_FOR,
};
use crate::offers::{Named, Report, hop_and_round};
use alloc::vec::Vec;
use picket_codes::shield::Level;
use picket_wire::control::{Control, NEED_ALL, NEED_NOTHING, NEED_UNKNOWN, Prefixes};
use picket_wire::envelope::{Envelope, FLAG_TURN, set_flags};
use picket_wire::frame::{Around, Authentic, Body, Fragment, FrameError, Kind, Unmasked, ack_many_suffix};
use picket_wire::limits::WIRE_VERSION;
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Index, MessageId, Precedence};

/// Why a run of bytes gave no frame for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drop {
    Noise,
    Version,
    Generation,
    Mac,
    NotForUs,
    StaleAnswer,
    Body,
}

impl Link {
    pub(crate) fn receive_bytes(&mut self, now: Instant, bytes: &[u8], keys: &dyn Keyring) {
        self.counters.rx_bytes += bytes.len() as u64;
        self.history.at(now).heard_air += self.pace.air(bytes.len());
        if bytes.iter().any(|&b| b != 0) {
            self.turn.bytes(now);
        }
        let mut rest = bytes;
        while let Some(found) = self.framer.next(&mut rest) {
            match found {
                Found::Run(run) => self.run(now, &run, keys),
                Found::Overlong(len) => self.counters.dropped_noise += len as u64,
                Found::Coded { mut frame, level, body, errors } => {
                    self.coded(now, &mut frame, (level, body, errors), keys)
                }
                Found::Broken { level, body } => {
                    self.counters.dropped_broken += 1;
                    self.history.at(now).bad_frames += 1;
                    self.broken(now, level, body);
                }
            }
        }
        self.turn.settle(self.framer.in_frame());
    }

    /// A frame that was decoded. One that nobody's key verifies is taken for a false find where the code proves little.
    fn coded(
        &mut self,
        now: Instant,
        frame: &mut [u8],
        (level, body, errors): (Level, usize, usize),
        keys: &dyn Keyring,
    ) {
        let talker = self.inbound.talker.take();
        match self.frame(now, frame, keys) {
            Ok(()) => self.repaired(now, body, errors),
            Err(Drop::StaleAnswer | Drop::Body) => self.repaired(now, body, errors),
            Err(drop @ (Drop::Noise | Drop::Version | Drop::Generation | Drop::Mac | Drop::NotForUs)) => {
                let proven = level.parity() >= PROVING_PARITY;
                self.inbound.talker = self.inbound.talker.or(talker);
                if proven || drop == Drop::NotForUs {
                    return self.count(drop, frame.len());
                }
                self.framer.reject();
                self.broken(now, level, body);
            }
        }
    }

    fn repaired(&mut self, now: Instant, body: usize, errors: usize) {
        self.counters.corrected += errors as u64;
        let slot = self.history.at(now);
        (slot.coded_bytes, slot.wrong_bytes) = (slot.coded_bytes + body as u64, slot.wrong_bytes + errors as u64);
        if let Some((talker, _)) = self.inbound.talker
            && let Some(peer) = self.offers.peers.get_mut(&talker)
        {
            peer.rate.heard(body, errors);
        }
    }

    fn broken(&mut self, now: Instant, level: Level, body: usize) {
        if let Some((talker, at)) = self.inbound.talker
            && now.since(at) < TALKER_FOR
            && let Some(peer) = self.offers.peers.get_mut(&talker)
        {
            peer.rate.broken(body, level);
            // Who sends it must learn at once that this is not enough.
            if !self.shape.half && peer.rate.has_news() {
                self.inbound.incoming.all_of(talker).into_iter().for_each(|key| self.queue_report(key));
            }
        }
    }

    /// A whole run is one frame, or noise with a frame at its end.
    fn run(&mut self, now: Instant, run: &[u8], keys: &dyn Keyring) {
        let mut frame = core::mem::take(&mut self.inbound.frame);
        if let Err(drop) = self.try_run(now, run, &mut frame, keys) {
            match self.salvage(now, run, drop, &mut frame, keys) {
                Some(noise) => self.counters.dropped_noise += noise as u64,
                None => {
                    self.history.at(now).bad_frames += u32::from(matches!(drop, Drop::Noise | Drop::Mac));
                    self.count(drop, run.len());
                }
            }
        }
        self.inbound.frame = frame;
    }

    fn try_run(&mut self, now: Instant, run: &[u8], frame: &mut Vec<u8>, keys: &dyn Keyring) -> Result<(), Drop> {
        if !decode(self.shape.framing, run, frame) {
            return Err(Drop::Noise);
        }
        self.frame(now, frame, keys)
    }

    /// Looks for a frame behind noise; returns how many bytes of noise there were.
    fn salvage(
        &mut self,
        now: Instant,
        run: &[u8],
        drop: Drop,
        frame: &mut Vec<u8>,
        keys: &dyn Keyring,
    ) -> Option<usize> {
        if self.shape.framing != crate::Framing::Cobs || matches!(drop, Drop::StaleAnswer | Drop::Body) {
            return None;
        }
        let ours = WIRE_VERSION << 5 | (keys.net().generation & 0b111) << 2;
        let starts = later_starts(run, |first| first & !0b11 == ours && first & 0b11 != Kind::Signed as u8);
        for at in from_both_ends(&starts).take(SALVAGE_TRIALS) {
            if self.try_run(now, &run[at..], frame, keys).is_ok() {
                return Some(at);
            }
        }
        None
    }

    fn count(&mut self, drop: Drop, len: usize) {
        let counters = &mut self.counters;
        match drop {
            Drop::Noise => counters.dropped_noise += len as u64,
            Drop::Version => counters.dropped_version += 1,
            Drop::Generation => counters.dropped_generation += 1,
            Drop::Mac => counters.dropped_mac += 1,
            Drop::NotForUs => counters.not_for_us += 1,
            Drop::StaleAnswer => counters.stale_answers += 1,
            Drop::Body => counters.dropped_body += 1,
        }
    }

    fn frame(&mut self, now: Instant, frame: &mut [u8], keys: &dyn Keyring) -> Result<(), Drop> {
        let unmasked = keys.mask().unmask(frame).map_err(|error| match error {
            FrameError::Short | FrameError::Long => Drop::Noise,
            FrameError::Version(_) => Drop::Version,
            FrameError::Generation(_) => Drop::Generation,
            FrameError::Kind(_) => Drop::Body,
        })?;
        if unmasked.to() == Index::BROADCAST {
            return self.broadcast(now, unmasked, keys);
        }
        if unmasked.to() != keys.me().low() {
            let reserve = self.reserved_by(&unmasked);
            self.turn.overheard(now, reserve);
            return Err(Drop::NotForUs);
        }
        match answered(&unmasked) {
            Some(Answered::One(prefix)) => self.answer(now, unmasked, prefix, keys),
            Some(Answered::Many(prefixes)) => self.answer_many(now, unmasked, &prefixes, keys),
            None => self.pairwise(now, unmasked, keys),
        }
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
            Ok(Body::Fragment(fragment)) => return self.to_everyone(now, low, &fragment),
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
    fn to_everyone(&mut self, now: Instant, low: u8, fragment: &Fragment<'_>) -> Result<(), Drop> {
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

    /// An answer's MAC covers what it answers, so each offer of that prefix is tried.
    fn answer(&mut self, now: Instant, frame: Unmasked<'_>, prefix: u16, keys: &dyn Keyring) -> Result<(), Drop> {
        let mut frame = frame;
        let mut known = false;
        for peer in keys.stations(frame.from()) {
            for id in self.offers.with_prefix(peer, prefix) {
                let Some(suffix) = self.offers.get(id).map(|tx| tx.suffix) else { continue };
                known = true;
                match try_key(&mut self.hop_keys, frame, peer, &suffix, keys) {
                    Ok(authentic) => return self.accept(now, peer, id, &authentic),
                    Err(back) => frame = back,
                }
            }
            let ended: Vec<[u8; 17]> = self.offers.finished(peer, prefix).map(|f| f.suffix).collect();
            for suffix in ended {
                match try_key(&mut self.hop_keys, frame, peer, &suffix, keys) {
                    Ok(_) => {
                        self.authentic(now, peer);
                        self.turn.heard(false);
                        return Err(Drop::StaleAnswer);
                    }
                    Err(back) => frame = back,
                }
            }
        }
        Err(if known { Drop::Mac } else { Drop::StaleAnswer })
    }

    /// The MAC of an acknowledgement of several parcels covers all of them; where two offers share a prefix, each is
    /// tried.
    fn answer_many(
        &mut self,
        now: Instant,
        frame: Unmasked<'_>,
        prefixes: &Prefixes,
        keys: &dyn Keyring,
    ) -> Result<(), Drop> {
        let mut frame = frame;
        let mut known = false;
        for peer in keys.stations(frame.from()) {
            let named = self.offers.named(peer, prefixes.as_slice());
            if named.iter().any(Vec::is_empty) {
                continue;
            }
            known = true;
            for choice in choices(&named) {
                let suffix = ack_many_suffix(choice.iter().map(|(suffix, _)| suffix));
                match try_key(&mut self.hop_keys, frame, peer, &suffix, keys) {
                    Ok(_) => {
                        self.authentic(now, peer);
                        self.turn.heard(false);
                        choice.iter().for_each(|(_, id)| self.accepted(now, *id));
                        return Ok(());
                    }
                    Err(back) => frame = back,
                }
            }
        }
        Err(if known { Drop::Mac } else { Drop::StaleAnswer })
    }

    /// One of several acknowledged parcels; `None` for one that had ended before.
    fn accepted(&mut self, now: Instant, id: Option<crate::OfferId>) {
        let Some(id) = id else {
            self.counters.stale_answers += 1;
            return;
        };
        if let Some(tx) = self.offers.answered(now, id, self.turn.burst_end()) {
            self.history.at(now).delivered_out += tx.offer.bytes.len() as u64;
            self.events.push_back(Event::Accepted { offer: id, delivered: None });
        }
    }

    fn accept(&mut self, now: Instant, peer: Index, id: crate::OfferId, frame: &Authentic<'_>) -> Result<(), Drop> {
        self.authentic(now, peer);
        self.turn.heard(false);
        let event = match frame.body() {
            Ok(Body::Control(Control::Ack { .. })) => Event::Accepted { offer: id, delivered: None },
            Ok(Body::Control(Control::AckDelivered { token, .. })) => {
                Event::Accepted { offer: id, delivered: Some(token) }
            }
            Ok(Body::Control(Control::Refuse { reason, retry_s, .. })) => {
                Event::Refused { offer: id, reason, retry: Duration::from_secs(u64::from(retry_s)) }
            }
            Ok(_) | Err(_) => return Err(Drop::Body),
        };
        let tx = self.offers.answered(now, id, self.turn.burst_end());
        if let (Some(tx), Event::Accepted { .. }) = (tx, &event) {
            self.history.at(now).delivered_out += tx.offer.bytes.len() as u64;
        }
        self.events.push_back(event);
        Ok(())
    }

    fn authentic(&mut self, now: Instant, peer: Index) {
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
            Control::Receipt(_) | Control::Notice(_) | Control::Claim(_) => {
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

    fn queue_report(&mut self, key: incoming::Key) {
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

/// Parity bytes a block from which on bytes that are no frame practically never decode (one in 720 a block).
const PROVING_PARITY: usize = 12;

/// Least urgent: what [`Link::room`] answers for.
pub(crate) const LEAST: Precedence = Precedence::Deferred;

/// A short frame behind much noise is among the last candidates, a long one behind little among the first.
fn from_both_ends(starts: &[usize]) -> impl Iterator<Item = usize> {
    let halves = starts.iter().zip(starts.iter().rev());
    halves.flat_map(|(first, last)| [*last, *first]).take(starts.len())
}

/// What an answer names; nothing is believed of it yet.
enum Answered {
    One(u16),
    Many(Prefixes),
}

/// The parcels that an answer names; `None` for other frames.
fn answered(frame: &Unmasked<'_>) -> Option<Answered> {
    if frame.kind() != Kind::Control {
        return None;
    }
    match *frame.body() {
        // Spec §20.5: types 5, 6 and 7.
        [5..=7, a, b, ..] => Some(Answered::One(u16::from_be_bytes([a, b]))),
        [13, ..] => match Control::decode(frame.body()) {
            Ok(Control::AckMany(prefixes)) => Some(Answered::Many(prefixes)),
            Ok(_) | Err(_) => None,
        },
        _ => None,
    }
}

/// Every way to choose one offer for each name, at most [`CHOICES_MAX`] of them.
fn choices(named: &[Vec<Named>]) -> impl Iterator<Item = Vec<Named>> {
    let all = named.iter().fold(1usize, |n, of| n.saturating_mul(of.len()));
    (0..all.min(CHOICES_MAX)).map(|number| {
        let mut rest = number;
        let choose = |of: &Vec<Named>| {
            let at = rest % of.len().max(1);
            rest /= of.len().max(1);
            of.get(at).copied()
        };
        named.iter().filter_map(choose).collect()
    })
}

fn try_key<'f>(
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
