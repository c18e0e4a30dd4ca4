//! From offers, answers and control messages to bytes of the medium (spec §50.3–§50.8).

use crate::Link;
use crate::api::{Keyring, ParcelKind};
use crate::gate::leave::{Way, of_control, of_offer};
use crate::gate::{Gate, Traffic};
use crate::limits::{BATCH, FRAGMENT_OVERHEAD};
use crate::offers::{Patience, Pick};
use alloc::vec::Vec;
use picket_wire::Index;
use picket_wire::control::Control;
use picket_wire::envelope::{FLAG_TURN, HOP_BYTE};
use picket_wire::frame::{Around, Fragment, Head, Kind, ack_suffix};
use picket_wire::limits::{CONTROL_MAX, HOP_LEN, MAC_LEN};
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
        self.answers.is_due() || !self.outbox.reports.is_empty() || !self.outbox.control.is_empty()
    }

    /// Writes one frame; false when there is nothing to send that may leave. A frame without a key is skipped (true,
    /// nothing written). What the gate holds back stays queued, and what is behind it is tried.
    fn next_frame(&mut self, now: Instant, keys: &dyn Keyring, gate: &mut Gate, out: &mut Vec<u8>) -> bool {
        if let Some((key, answer, precedence)) = self.answers.peek() {
            let suffix = ack_suffix(&key.identity, key.hop_limit, key.round);
            let (message, traffic) = (answer.control(&key.identity), Traffic::Answer(precedence));
            if self.put_control(now, keys, gate, out, (Some(key.from), &message, traffic), &suffix) {
                self.answers.pop();
                return true;
            }
        }
        if let Some((to, report)) = self.outbox.reports.front().copied()
            && self.put_control(now, keys, gate, out, (Some(to), &report, of_control(&report)), &[])
        {
            self.outbox.reports.pop_front();
            return true;
        }
        if let Some((to, message)) = self.outbox.control.front().copied()
            && self.put_control(now, keys, gate, out, (to, &message, of_control(&message)), &[])
        {
            self.outbox.control.pop_front();
            return true;
        }
        match self.offers.pick(now) {
            Some(pick) => self.put_offer(now, keys, gate, out, pick),
            None => false,
        }
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
            if !self.may_leave(gate, now, traffic, body.len()) {
                return false;
            }
            let frame = Outgoing { to, kind: Kind::Control, body: [body, &[], &[]], suffix, last: false };
            self.put(now, keys, out, &frame);
        }
        true
    }

    fn put_offer(&mut self, now: Instant, keys: &dyn Keyring, gate: &mut Gate, out: &mut Vec<u8>, pick: Pick) -> bool {
        let half = self.shape.half;
        let more = self.small_talk() || self.offers.more_after(pick);
        let Some(tx) = self.offers.get(pick.id()) else { return true };
        let to = Some(tx.offer.to);
        let bytes: &[u8] = &tx.offer.bytes;
        let mut buf = [0; CONTROL_MAX];
        let budget = self.turn.budget(now);
        let ends = |len: usize| half && (!more || budget < self.pace.air(len).times(2));
        let mut fragment = [0; 7];
        let hop: [u8; 1];
        let (kind, body, last): (Kind, [&[u8]; 3], bool) = match pick {
            Pick::Poll(_) => {
                let prefix = tx.offer.identity.prefix().to_be_bytes();
                let Ok(body) = Control::Poll { prefix }.encode(&mut buf) else { return true };
                (Kind::Control, [body, &[], &[]], half)
            }
            Pick::Piece(_, index) => {
                let Some(cut) = &tx.cut else { return true };
                let data = bytes.get(cut.range(index)).unwrap_or_default();
                let last = ends(data.len() + FRAGMENT_OVERHEAD);
                let turn = if half { last } else { cut.should_ask() };
                fragment = Fragment::header(tx.offer.identity.prefix(), index, turn, bytes.len() as u32);
                (Kind::Fragment, [&fragment, data, &[]], last)
            }
            Pick::Whole(_) => {
                let last = ends(bytes.len());
                match (tx.offer.kind, bytes.split_at_checked(HOP_BYTE)) {
                    (ParcelKind::Envelope, Some((head, [byte, rest @ ..]))) => {
                        hop = [byte & !0b11 | if last { FLAG_TURN } else { 0 }];
                        (Kind::Envelope, [head, &hop, rest], last)
                    }
                    (ParcelKind::Envelope | ParcelKind::Control, _) => (Kind::Control, [bytes, &[], &[]], last),
                }
            }
        };
        let traffic = of_offer(&tx.offer);
        let len = body.iter().map(|part| part.len()).sum();
        if !Way::new(self.shape.framing, &self.pace, &mut self.held).may_leave(gate, now, traffic, len) {
            return false;
        }
        let asking = fragment[2] & 0x80 != 0;
        let frame = Outgoing { to, kind, body, suffix: &[], last };
        let (framer, pace, turn) = (&mut self.framer, &mut self.pace, &mut self.turn);
        let (counters, hop_keys) = (&mut self.counters, &mut self.hop_keys);
        let mut medium = Medium { framer, pace, turn, counters, hop_keys };
        let end = medium.put(now, keys, out, &frame, &mut self.outbox.frame);
        if self.offers.sent(pick, end, asking, keys.me()) {
            self.counters.retransmitted += 1;
        }
        true
    }

    fn put(&mut self, now: Instant, keys: &dyn Keyring, out: &mut Vec<u8>, frame: &Outgoing<'_>) {
        let (framer, pace, turn) = (&mut self.framer, &mut self.pace, &mut self.turn);
        let (counters, hop_keys) = (&mut self.counters, &mut self.hop_keys);
        let mut medium = Medium { framer, pace, turn, counters, hop_keys };
        medium.put(now, keys, out, frame, &mut self.outbox.frame);
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
        self.framer.put(out, &buf[..len]);
        self.counters.tx_frames += 1;
        let end = self.pace.sent(now, out.len() - before);
        let air: Duration = self.pace.air(out.len() - before);
        self.turn.sent(now, end, air, frame.to, frame.last);
        end
    }
}
