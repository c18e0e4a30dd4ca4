//! From offers, answers and control messages to bytes of the medium (spec §50.3–§50.8).

use crate::Link;
use crate::answers::{Answer, Key};
use crate::api::{Framing, Keyring, OfferId, ParcelKind};
use crate::limits::{BATCH, FRAGMENT_OVERHEAD, WHOLE_OVERHEAD};
use crate::offers::{Patience, Pick, Sent};
use alloc::vec::Vec;
use picket_wire::Index;
use picket_wire::control::{Control, Prefixes};
use picket_wire::envelope::{FLAG_TURN, set_flags};
use picket_codes::shield::Level;
use picket_wire::frame::{Around, Head, Kind, ack_many_suffix, ack_suffix};
use picket_wire::limits::{ACK_MANY_MAX, CONTROL_MAX, HOP_LEN, MAC_LEN};
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
    pub(crate) fn transmit(&mut self, now: Instant, keys: &dyn Keyring) -> Option<Vec<u8>> {
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
        while self.next_frame(now, keys, &mut out) {
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
        let wanted = ready.then_some(self.now).into_iter().chain(self.offers.probe_at()).min();
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
        self.answers.is_due() || !self.outbox.reports.is_empty() || !self.outbox.control.is_empty()
    }

    /// Writes one frame; false when there is nothing to send. A frame without a key is skipped (true, nothing written).
    fn next_frame(&mut self, now: Instant, keys: &dyn Keyring, out: &mut Vec<u8>) -> bool {
        if let Some(first) = self.answers.pop() {
            self.put_answers(now, keys, out, first);
            return true;
        }
        if let Some((to, mut report)) = self.outbox.reports.pop_front() {
            // As it is now: what asked for the report was counted after it was asked for.
            if let (Control::SymbolReport { noise, .. }, Some(peer)) = (&mut report, self.offers.peers.get_mut(&to)) {
                *noise = peer.rate.report();
            }
            self.put_control(now, keys, out, Some(to), &report, &[]);
            return true;
        }
        if let Some((to, message)) = self.outbox.control.pop_front() {
            self.put_control(now, keys, out, to, &message, &[]);
            return true;
        }
        match self.offers.pick(now) {
            Some(pick) => {
                self.put_offer(now, keys, out, pick);
                true
            }
            None => false,
        }
    }

    /// An answer, and with an acknowledgement others that wait for the same neighbour.
    fn put_answers(&mut self, now: Instant, keys: &dyn Keyring, out: &mut Vec<u8>, first: (Key, Answer)) {
        let mut all = alloc::vec![first.0];
        while all.len() < ACK_MANY_MAX {
            let Some(next) = self.answers.pop_along(&first) else { break };
            all.push(next);
        }
        let suffixes: Vec<[u8; 17]> = all.iter().map(|k| ack_suffix(&k.identity, k.hop_limit, k.round)).collect();
        let to = Some(first.0.from);
        if let [one] = suffixes.as_slice() {
            self.put_control(now, keys, out, to, &first.1.control(&first.0.identity), one);
        } else {
            let mut prefixes = Prefixes::default();
            for key in &all {
                // As many as fit were taken.
                prefixes.push(key.identity.prefix().to_be_bytes());
            }
            self.put_control(now, keys, out, to, &Control::AckMany(prefixes), &ack_many_suffix(&suffixes));
        }
        for key in &all {
            self.answers.mark_said(key);
        }
    }

    fn put_control(
        &mut self,
        now: Instant,
        keys: &dyn Keyring,
        out: &mut Vec<u8>,
        to: Option<Index>,
        message: &Control,
        suffix: &[u8],
    ) {
        let mut buf = [0; CONTROL_MAX];
        if let Ok(body) = message.encode(&mut buf) {
            let level = self.level(to, body.len());
            let frame = Outgoing { to, kind: Kind::Control, body: [body, &[], &[]], suffix, last: false, level };
            self.put(now, keys, out, &frame);
        }
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

    fn put_offer(&mut self, now: Instant, keys: &dyn Keyring, out: &mut Vec<u8>, pick: Pick) {
        match pick {
            Pick::Poll(id) => self.put_poll(now, keys, out, id),
            Pick::Symbols(id, symbols) => self.put_symbols(now, keys, out, id, symbols),
            Pick::Whole(id) => self.put_whole(now, keys, out, id),
            Pick::Announce(id) => self.put_announcement(now, keys, out, id),
        }
    }

    /// Whether a frame of `len` bytes is the last one of our turn.
    fn ends(&self, now: Instant, pick: Pick, len: usize) -> bool {
        let more = self.small_talk() || self.offers.more_after(pick);
        self.shape.half && (!more || self.turn.budget(now) < self.pace.air(len).times(2))
    }

    fn put_poll(&mut self, now: Instant, keys: &dyn Keyring, out: &mut Vec<u8>, id: OfferId) {
        let Some(tx) = self.offers.get(id) else { return };
        let (to, prefix) = (Some(tx.offer.to), tx.offer.identity.prefix().to_be_bytes());
        let mut buf = [0; CONTROL_MAX];
        let Ok(body) = Control::Poll { prefix }.encode(&mut buf) else { return };
        let level = self.level(to, body.len());
        let (kind, last) = (Kind::Control, self.shape.half);
        let frame = Outgoing { to, kind, body: [body, &[], &[]], suffix: &[], last, level };
        self.put_counted(now, keys, out, Pick::Poll(id), false, &frame);
    }

    fn put_announcement(&mut self, now: Instant, keys: &dyn Keyring, out: &mut Vec<u8>, id: OfferId) {
        let Some(tx) = self.offers.get(id) else { return };
        let total = u32::try_from(tx.offer.bytes.len()).unwrap_or(u32::MAX);
        let (to, message) = (Some(tx.offer.to), Control::Announce { id: tx.offer.identity.id(), total });
        let mut buf = [0; CONTROL_MAX];
        let Ok(body) = message.encode(&mut buf) else { return };
        let level = self.level(to, body.len());
        // It is answered by a report.
        let last = self.shape.half;
        let frame = Outgoing { to, kind: Kind::Control, body: [body, &[], &[]], suffix: &[], last, level };
        self.put_counted(now, keys, out, Pick::Announce(id), false, &frame);
    }

    fn put_symbols(&mut self, now: Instant, keys: &dyn Keyring, out: &mut Vec<u8>, id: OfferId, symbols: u16) {
        let pick = Pick::Symbols(id, symbols);
        let Some(tx) = self.offers.get(id) else { return };
        let Some(coded) = &tx.coded else { return };
        // A group's symbols go to everyone; nobody is asked by them, or all would answer at once.
        let to = tx.membership.is_none().then_some(tx.offer.to);
        let len = usize::from(symbols) * usize::from(coded.symbol()) + FRAGMENT_OVERHEAD;
        let level =
            if self.shape.framing == Framing::Fec { self.offers.level_of_symbols(id, len) } else { Level::ALL[0] };
        let last = to.is_some() && self.ends(now, pick, len);
        let turn = if self.shape.half { last } else { to.is_some() && coded.should_ask(symbols) };
        let mut body = core::mem::take(&mut self.outbox.symbols);
        self.offers.write(id, symbols, turn, &mut body);
        let frame =
            Outgoing { to, kind: Kind::Fragment, body: [&body, &[], &[]], suffix: &[], last, level };
        self.put_counted(now, keys, out, pick, turn, &frame);
        self.outbox.symbols = body;
    }

    fn put_whole(&mut self, now: Instant, keys: &dyn Keyring, out: &mut Vec<u8>, id: OfferId) {
        let pick = Pick::Whole(id);
        let Some(tx) = self.offers.get(id) else { return };
        let (to, kind) = (Some(tx.offer.to), tx.offer.kind);
        let last = self.ends(now, pick, tx.offer.bytes.len());
        let level = self.level(to, tx.offer.bytes.len());
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
