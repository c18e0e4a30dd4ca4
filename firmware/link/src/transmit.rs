//! From offers, answers and control messages to bytes of the medium (spec §50.3–§50.8).

use crate::Link;
use crate::answers::Next;
use crate::api::{Framing, Keyring, OfferId, ParcelKind};
use crate::gate::leave::{of_control, of_offer};
use crate::gate::{Gate, Traffic};
use crate::limits::{ANNOUNCE_LEN, BATCH, FRAGMENT_OVERHEAD, POLL_LEN, WHOLE_OVERHEAD};
use crate::offers::{Patience, Sent};
use crate::pick::Pick;
use alloc::vec::Vec;
use picket_codes::shield::Level;
use picket_wire::Index;
use picket_wire::control::{Control, Prefixes};
use picket_wire::envelope::{FLAG_TURN, set_flags};
use picket_wire::frame::{Around, Head, Kind, ack_many_suffix, ack_suffix};
use picket_wire::limits::{CONTROL_MAX, FRAGMENT_HEADER_LEN, HOP_LEN, MAC_LEN};
use picket_wire::time::{Duration, Instant};

/// One frame about to be written.
struct Outgoing<'a> {
    /// The neighbour, or everyone.
    to: Option<Index>,
    kind: Kind,
    body: [&'a [u8]; 3],
    /// What the MAC of an answer also covers.
    suffix: &'a [u8],
    /// The channel is the other's afterwards (half duplex).
    last: bool,
    /// How strongly it is coded.
    level: Level,
}

impl Link {
    pub(crate) fn transmit(&mut self, now: Instant, keys: &dyn Keyring, gate: &mut Gate) -> Option<Vec<u8>> {
        (self.now, self.me) = (now, keys.me());
        if !self.up {
            return None;
        }
        self.answers.release(now);
        let patience = self.patience();
        self.offers.expire(now, patience);
        let paced_out = self.pace.is_paced() && now < self.pace.ready_at();
        if paced_out || self.turn.start_at(now, self.me) > now {
            return None;
        }
        let mut out = Vec::new();
        while self.next_frame(now, keys, gate, &mut out) {
            if !out.is_empty() && (!self.shape.batch || out.len() >= BATCH) {
                break;
            }
        }
        self.counters.tx_bytes += out.len() as u64;
        self.history.at(now).sent_air += self.pace.air(out.len());
        (!out.is_empty()).then_some(out)
    }

    pub(crate) fn wake(&self) -> Option<Instant> {
        if !self.up {
            return None;
        }
        let ready = self.small_talk() || self.offers.is_ready();
        let (at, after) = match self.held {
            None => (ready.then_some(self.now), Instant::ZERO),
            // What the gate holds back is not asked for again by itself, nor are probes that came due meanwhile.
            Some(held) => (held.until, self.now + Duration(1)),
        };
        let wanted = at.into_iter().chain(self.offers.probe_at().filter(|at| *at >= after)).min();
        let allowed = wanted.map(|at| {
            let paced = if self.pace.is_paced() { self.pace.ready_at() } else { Instant::ZERO };
            self.turn.start_at(at.max(self.now).max(paced), self.me)
        });
        let timers = [allowed, self.answers.release_at(), self.offers.expire_at(self.patience())];
        timers.into_iter().flatten().min()
    }

    fn patience(&self) -> Patience {
        Patience { burst_end: self.turn.burst_end(), busy_until: self.turn.busy_until() }
    }

    /// Whether an answer, a report or a control message waits.
    fn small_talk(&self) -> bool {
        self.answers.is_due()
            || !self.outbox.reports.is_empty()
            || !self.outbox.control.is_empty()
            || self.objects.waits()
    }

    /// Writes one frame; false when there is nothing to send that may leave. A frame without a key is skipped (true,
    /// nothing written). What the gate holds back stays queued, and what is behind it is tried.
    fn next_frame(&mut self, now: Instant, keys: &dyn Keyring, gate: &mut Gate, out: &mut Vec<u8>) -> bool {
        if self.put_answers(now, keys, gate, out) {
            return true;
        }
        if let Some((to, report)) = self.outbox.reports.front().copied() {
            let report = self.fresh(to, report);
            if self.put_control(now, keys, gate, out, (Some(to), &report, of_control(&report)), &[]) {
                self.outbox.reports.pop_front();
                return true;
            }
        }
        if let Some((to, message)) = self.outbox.control.front().copied()
            && self.put_control(now, keys, gate, out, (to, &message, of_control(&message)), &[])
        {
            self.outbox.control.pop_front();
            return true;
        }
        let pick = self.offers.pick(now, self.turn.spoken_to(now));
        let offered = pick.and_then(|p| self.offers.get(p.id())).map(|tx| tx.offer.precedence);
        let object_first = self.objects.precedence().is_some_and(|object| offered.is_none_or(|offer| offer <= object));
        if object_first && self.put_signed(now, gate, out) {
            return true;
        }
        match pick {
            Some(pick) => self.put_offer(now, keys, gate, out, pick),
            None => false,
        }
    }

    /// A report as it is now: the frame that asked for it was counted after it asked.
    fn fresh(&mut self, to: Index, report: Control) -> Control {
        match (report, self.offers.peers.get_mut(&to)) {
            (Control::SymbolReport { prefix, need, next, .. }, Some(peer)) => {
                Control::SymbolReport { prefix, need, next, noise: peer.rate.report() }
            }
            (other, _) => other,
        }
    }

    /// An answer, and with an acknowledgement others that wait for the same neighbour. False when there is none that
    /// may leave.
    fn put_answers(&mut self, now: Instant, keys: &dyn Keyring, gate: &mut Gate, out: &mut Vec<u8>) -> bool {
        let Some(Next { all, answer, precedence }) = self.answers.next() else { return false };
        let suffixes: Vec<[u8; 17]> = all.iter().map(|k| ack_suffix(&k.identity, k.hop_limit, k.round)).collect();
        let Some(first) = all.first() else { return false };
        let (to, traffic) = (Some(first.from), Traffic::Answer(precedence));
        let left = if let [one] = suffixes.as_slice() {
            self.put_control(now, keys, gate, out, (to, &answer.control(&first.identity), traffic), one)
        } else {
            let mut prefixes = Prefixes::default();
            for key in &all {
                // As many as fit were taken.
                prefixes.push(key.identity.prefix().to_be_bytes());
            }
            let suffix = ack_many_suffix(&suffixes);
            self.put_control(now, keys, gate, out, (to, &Control::AckMany(prefixes), traffic), &suffix)
        };
        if left {
            self.answers.said(all.len());
        }
        left
    }

    /// False when the gate holds it back.
    fn put_control(
        &mut self,
        now: Instant,
        keys: &dyn Keyring,
        gate: &mut Gate,
        out: &mut Vec<u8>,
        (to, message, traffic): (Option<Index>, &Control, Traffic),
        suffix: &[u8],
    ) -> bool {
        let mut buf = [0; CONTROL_MAX];
        if let Ok(body) = message.encode(&mut buf) {
            let level = self.level(to, body.len());
            if !self.may_leave(gate, now, traffic, body.len(), level) {
                return false;
            }
            let frame = Outgoing { to, kind: Kind::Control, body: [body, &[], &[]], suffix, last: false, level };
            self.put(now, keys, out, &frame);
        }
        true
    }

    /// Strength of a frame that goes alone, with a body of `len` bytes.
    fn level(&self, to: Option<Index>, len: usize) -> Level {
        let len = len + WHOLE_OVERHEAD;
        match to {
            _ if self.shape.framing != Framing::Fec => Level::ALL[0],
            Some(peer) => self.offers.level(peer, len),
            None => crate::rate::level_for_all(len),
        }
    }

    /// False when the gate holds it back.
    fn put_offer(&mut self, now: Instant, keys: &dyn Keyring, gate: &mut Gate, out: &mut Vec<u8>, pick: Pick) -> bool {
        let Some(tx) = self.offers.get(pick.id()) else { return true };
        let traffic = of_offer(&tx.offer);
        let (len, level) = self.size(pick);
        if !self.may_leave(gate, now, traffic, len, level) {
            return false;
        }
        match pick {
            Pick::Poll(id) => self.put_poll(now, keys, out, id, level),
            Pick::Symbols(id, symbols) => self.put_symbols(now, keys, out, (id, symbols), level),
            Pick::Whole(id) => self.put_whole(now, keys, out, id, level),
            Pick::Announce(id) => self.put_announcement(now, keys, out, id, level),
        }
        true
    }

    /// Bytes of a frame's body, and how strongly it is coded.
    fn size(&self, pick: Pick) -> (usize, Level) {
        let Some(tx) = self.offers.get(pick.id()) else { return (0, Level::ALL[0]) };
        let len = match pick {
            Pick::Poll(_) => POLL_LEN,
            Pick::Announce(_) => ANNOUNCE_LEN,
            Pick::Whole(_) => tx.offer.bytes.len(),
            Pick::Symbols(_, symbols) => {
                let symbol = tx.coded.as_ref().map_or(0, |coded| coded.symbol());
                let len = FRAGMENT_HEADER_LEN + usize::from(symbols) * usize::from(symbol);
                if self.shape.framing == Framing::Fec {
                    return (len, self.offers.level_of_symbols(pick.id(), len + WHOLE_OVERHEAD));
                }
                len
            }
        };
        (len, self.level(Some(tx.offer.to), len))
    }

    /// Whether a frame of `len` bytes is the last one of our turn.
    fn ends(&self, now: Instant, pick: Pick, len: usize) -> bool {
        if self.offers.is_blind(pick.id()) {
            // Nobody will answer; the channel is left to others after each burst all the same.
            return self.shape.half && self.turn.burst_used();
        }
        let more = self.small_talk() || self.offers.more_after(pick);
        self.shape.half && (!more || self.turn.budget(now) < self.pace.air(len).times(2))
    }

    fn put_poll(&mut self, now: Instant, keys: &dyn Keyring, out: &mut Vec<u8>, id: OfferId, level: Level) {
        let Some(tx) = self.offers.get(id) else { return };
        let (to, prefix) = (Some(tx.offer.to), tx.offer.identity.prefix().to_be_bytes());
        let mut buf = [0; CONTROL_MAX];
        let Ok(body) = Control::Poll { prefix }.encode(&mut buf) else { return };
        let (kind, last) = (Kind::Control, self.shape.half);
        let frame = Outgoing { to, kind, body: [body, &[], &[]], suffix: &[], last, level };
        self.put_counted(now, keys, out, Pick::Poll(id), false, &frame);
    }

    fn put_announcement(&mut self, now: Instant, keys: &dyn Keyring, out: &mut Vec<u8>, id: OfferId, level: Level) {
        let Some(tx) = self.offers.get(id) else { return };
        let total = u32::try_from(tx.offer.bytes.len()).unwrap_or(u32::MAX);
        let (to, message) = (Some(tx.offer.to), Control::Announce { id: tx.offer.identity.id(), total });
        let mut buf = [0; CONTROL_MAX];
        let Ok(body) = message.encode(&mut buf) else { return };
        // It is answered by a report.
        let last = self.shape.half;
        let frame = Outgoing { to, kind: Kind::Control, body: [body, &[], &[]], suffix: &[], last, level };
        self.put_counted(now, keys, out, Pick::Announce(id), false, &frame);
    }

    fn put_symbols(
        &mut self,
        now: Instant,
        keys: &dyn Keyring,
        out: &mut Vec<u8>,
        (id, symbols): (OfferId, u16),
        level: Level,
    ) {
        let pick = Pick::Symbols(id, symbols);
        let Some(tx) = self.offers.get(id) else { return };
        let Some(coded) = &tx.coded else { return };
        // A group's symbols go to everyone; nobody is asked by them, or all would answer at once.
        let to = tx.membership.is_none().then_some(tx.offer.to);
        let len = usize::from(symbols) * usize::from(coded.symbol()) + FRAGMENT_OVERHEAD;
        let last = to.is_some() && self.ends(now, pick, len);
        let turn = if self.shape.half { last } else { to.is_some() && coded.should_ask(symbols) };
        let mut body = core::mem::take(&mut self.outbox.symbols);
        self.offers.write(id, symbols, turn, &mut body);
        let frame = Outgoing { to, kind: Kind::Fragment, body: [&body, &[], &[]], suffix: &[], last, level };
        self.put_counted(now, keys, out, pick, turn, &frame);
        self.outbox.symbols = body;
    }

    fn put_whole(&mut self, now: Instant, keys: &dyn Keyring, out: &mut Vec<u8>, id: OfferId, level: Level) {
        let pick = Pick::Whole(id);
        let Some(tx) = self.offers.get(id) else { return };
        let (to, kind) = (Some(tx.offer.to), tx.offer.kind);
        let last = self.ends(now, pick, tx.offer.bytes.len());
        // Kept for its allocation, and so that the offer is not borrowed while it goes out.
        let mut bytes = core::mem::take(&mut self.outbox.symbols);
        bytes.clear();
        bytes.extend_from_slice(&tx.offer.bytes);
        let kind = match kind {
            ParcelKind::Envelope => {
                set_flags(&mut bytes, if last { FLAG_TURN } else { 0 });
                Kind::Envelope
            }
            ParcelKind::Control => Kind::Control,
        };
        let frame = Outgoing { to, kind, body: [&bytes, &[], &[]], suffix: &[], last, level };
        self.put_counted(now, keys, out, pick, false, &frame);
        self.outbox.symbols = bytes;
    }

    fn put_counted(
        &mut self,
        now: Instant,
        keys: &dyn Keyring,
        out: &mut Vec<u8>,
        pick: Pick,
        asking: bool,
        frame: &Outgoing<'_>,
    ) {
        let end = self.put(now, keys, out, frame);
        let len = frame.body.iter().map(|part| part.len()).sum::<usize>() + WHOLE_OVERHEAD;
        let sent = Sent { end, asking, len, level: frame.level };
        if self.offers.sent(pick, sent, keys.me()) {
            self.counters.retransmitted += 1;
            self.history.at(now).repeated_frames += 1;
        }
    }

    fn put(&mut self, now: Instant, keys: &dyn Keyring, out: &mut Vec<u8>, frame: &Outgoing<'_>) -> Instant {
        let (framer, pace, turn) = (&mut self.framer, &mut self.pace, &mut self.turn);
        let (counters, hop_keys) = (&mut self.counters, &mut self.hop_keys);
        let mut medium = Medium { framer, pace, turn, counters, hop_keys };
        self.history.at(now).sent_frames += 1;
        medium.put(now, keys, out, frame, &mut self.outbox.frame)
    }
}

/// The parts of a link that a frame passes on its way out.
struct Medium<'a> {
    framer: &'a mut crate::framing::Framer,
    pace: &'a mut crate::pace::Pace,
    turn: &'a mut crate::turn::Turn,
    counters: &'a mut crate::Counters,
    hop_keys: &'a mut crate::hop_keys::HopKeys,
}

impl Medium<'_> {
    /// Returns when the frame will have left; `now` when it could not be written (no key, too long).
    fn put(
        &mut self,
        now: Instant,
        keys: &dyn Keyring,
        out: &mut Vec<u8>,
        frame: &Outgoing<'_>,
        buf: &mut Vec<u8>,
    ) -> Instant {
        let (key, to) = match frame.to {
            None => (&keys.net().mac, Index::BROADCAST),
            Some(peer) => match self.hop_keys.toward(peer, keys) {
                Some(key) => (key, peer.low()),
                None => return now,
            },
        };
        let len = HOP_LEN + frame.body.iter().map(|p| p.len()).sum::<usize>() + MAC_LEN;
        buf.resize(len, 0);
        let head = Head { kind: frame.kind, to, from: keys.me().low() };
        let around = Around { prefix: &[], suffix: frame.suffix };
        let Ok(len) = keys.mask().seal(buf, head, &frame.body, key, around) else { return now };
        let before = out.len();
        self.framer.put(out, &buf[..len], frame.level);
        self.counters.tx_frames += 1;
        let end = self.pace.sent(now, out.len() - before);
        let air: Duration = self.pace.air(out.len() - before);
        self.turn.sent(now, end, air, frame.to, frame.last);
        end
    }
}
