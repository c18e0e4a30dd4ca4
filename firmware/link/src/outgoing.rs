//! An envelope on its way as symbols of an erasure code: how many more must be sent (spec §50.5).
//!
//! ```text
//! symbols sent    0 ········ settled ········ next ───▶
//!                 in `need`          in flight
//! ```
//! What was sent before `settled` is accounted for in `need`, the neighbour's own word; of what is in flight a part
//! will be lost, as it was before. New symbols are due while what is needed exceeds what is expected to arrive.

use crate::limits::{BLIND_SHARE, GRANT_EVERY, SYMBOLS_ALLOWED, SYMBOLS_ALLOWED_MORE};
use crate::peer::scramble;
use alloc::vec::Vec;
use picket_codes::fountain::Encoder;
use picket_wire::Identity;
use picket_wire::control::{NEED_NOTHING, offer_of};
use picket_wire::envelope::{HOP_BYTE, LIFETIME_BYTE};
use picket_wire::frame::{ESI_MAX, FragmentHead};
use picket_wire::time::Instant;
use picket_wire::{Lifetime, limits::OBJECT_ID_LEN};

/// Sending state of one coded envelope.
#[derive(Debug)]
pub(crate) struct Transfer {
    /// `None` where a group transmits: one encoder serves all its members.
    encoder: Option<Encoder>,
    k: u16,
    /// Of every frame, but for its symbol id and turn bit.
    head: FragmentHead,
    next: u16,
    settled: u16,
    need: u16,
    loss: Loss,
    /// Frames since one asked for a report, and since a report came.
    unasked: u32,
    unreported: u32,
    /// Most frames without a report.
    limit: u32,
    /// `next` as a poll was sent: its report tells of everything before.
    polled_at: Option<u16>,
    /// Nothing was heard in time: one more frame goes out whatever is in flight.
    nudge: bool,
    jumped: bool,
    /// Symbols that may still be sent of this offer, whatever is asked for, and since when no more were granted.
    allowed: u32,
    granted_at: Instant,
}

/// What a report changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Symbols newly known to have helped.
    pub(crate) arrived: u16,
    /// Symbols found lost.
    pub(crate) lost: u16,
    /// Everything has arrived.
    pub(crate) all: bool,
}

/// Share of symbols lost, in thousandths, following the last hundred or so.
#[derive(Clone, Copy, Debug, Default)]
struct Loss(u16);

impl Loss {
    /// Never believed to be total: something must be sent to find out.
    const MOST: u32 = 900;

    fn learn(&mut self, sent: u16, lost: u16) {
        let (sent, lost, old) = (u32::from(sent), u32::from(lost.min(sent)), u32::from(self.0));
        const MEMORY: u32 = 32;
        let new = (old * MEMORY + lost * 1000) / (MEMORY + sent);
        self.0 = u16::try_from(new.min(Self::MOST)).unwrap_or(0);
    }

    /// How many of `sent` are expected to arrive.
    fn arriving(self, sent: u16) -> u16 {
        (u32::from(sent) * (1000 - u32::from(self.0)) / 1000) as u16
    }

    /// How many must be sent for `wanted` to arrive.
    fn for_arrival(self, wanted: u16) -> u16 {
        let sent = (u32::from(wanted) * 1000).div_ceil(1000 - u32::from(self.0));
        u16::try_from(sent).unwrap_or(u16::MAX)
    }
}

impl Transfer {
    /// An envelope in symbols of `symbol` bytes, at most `limit` frames of them without a report.
    pub(crate) fn new(envelope: &[u8], identity: &Identity, symbol: u8, limit: u32) -> Self {
        let (hop_limit, round) = offer_of(envelope);
        let head = FragmentHead {
            prefix: identity.prefix(),
            turn: false,
            esi: 0,
            hop_limit,
            round,
            total: u32::try_from(envelope.len()).unwrap_or(u32::MAX),
            symbol,
            lifetime: Lifetime(envelope.get(LIFETIME_BYTE).copied().unwrap_or(0)),
        };
        let encoder = Encoder::new(&object(envelope, identity), symbol);
        let k = encoder.k();
        Self {
            encoder: Some(encoder),
            k,
            head,
            next: 0,
            settled: 0,
            need: k,
            loss: Loss::default(),
            unasked: 0,
            unreported: 0,
            limit: limit.max(2),
            polled_at: None,
            nudge: false,
            jumped: false,
            allowed: u32::from(k) * SYMBOLS_ALLOWED + SYMBOLS_ALLOWED_MORE,
            granted_at: Instant::ZERO,
        }
    }

    /// Bytes of a symbol.
    pub(crate) const fn symbol(&self) -> u8 {
        self.head.symbol
    }

    /// Whether a symbol was ever sent.
    pub(crate) const fn started(&self) -> bool {
        self.next > 0
    }

    /// Symbols to send now; 0 while what is in flight may be enough.
    pub(crate) fn due(&self) -> u16 {
        // Where much is lost, so are reports.
        let limit = u32::from(self.loss.for_arrival(u16::try_from(self.limit).unwrap_or(u16::MAX)));
        if self.allowed == 0 || self.unreported >= limit.max(self.limit) && !self.nudge {
            return 0;
        }
        let arriving = self.loss.arriving(self.next.saturating_sub(self.settled));
        let missing = self.loss.for_arrival(self.need.saturating_sub(arriving));
        if self.nudge { missing.max(1) } else { missing }
    }

    /// Whether a frame of `symbols` is to ask for a report: the first one (much may be there from an earlier offer),
    /// the last one for now, and twice in what may be sent without one.
    pub(crate) fn should_ask(&self, symbols: u16) -> bool {
        let last = symbols >= self.due() || self.unreported + 1 >= self.limit;
        !self.started() || last || (self.unasked + 1) * 2 >= self.limit || self.nudge
    }

    /// Writes header and `symbols` symbols of the next frame; nothing for a member of a group.
    pub(crate) fn write(&mut self, symbols: u16, turn: bool, out: &mut Vec<u8>) {
        let mut encoder = self.encoder.take();
        if let Some(encoder) = &mut encoder {
            self.write_from(encoder, symbols, turn, out);
        }
        self.encoder = encoder;
    }

    /// The same from the encoder of a group.
    pub(crate) fn write_from(&self, encoder: &mut Encoder, symbols: u16, turn: bool, out: &mut Vec<u8>) {
        let head = FragmentHead { esi: self.next_esi(symbols), turn, ..self.head };
        out.clear();
        out.extend_from_slice(&head.bytes());
        for esi in head.esi..head.esi.saturating_add(symbols) {
            encoder.symbol(esi, out);
        }
    }

    /// Becomes the member of a group, whose passes nobody reports on before their end; gives the encoder up.
    pub(crate) const fn join_group(&mut self) -> Option<Encoder> {
        (self.limit, self.jumped) = (u32::MAX, true);
        self.encoder.take()
    }

    /// Symbols of a pass that nobody answers.
    pub(crate) const fn blind_pass(&self) -> u16 {
        self.k + self.k / BLIND_SHARE + 2
    }

    /// Where a frame of so many symbols begins: behind the last id the first repair symbols come round.
    const fn next_esi(&self, symbols: u16) -> u16 {
        if self.next as u32 + symbols as u32 > ESI_MAX as u32 + 1 { 0 } else { self.next }
    }

    /// Such a frame was handed over; `asking` when it asks for a report. Returns whether it repairs a loss.
    pub(crate) fn sent(&mut self, symbols: u16, asking: bool) -> bool {
        let from = self.next_esi(symbols);
        if from < self.next {
            self.settled = from;
        }
        let again = from >= self.k || from < self.next;
        self.next = from + symbols;
        self.allowed = self.allowed.saturating_sub(u32::from(symbols));
        self.unasked = if asking { 0 } else { self.unasked + 1 };
        self.unreported += 1;
        self.nudge = false;
        again
    }

    /// A poll was sent: the next report tells of everything sent so far.
    pub(crate) const fn polled(&mut self) {
        self.polled_at = Some(self.next);
    }

    /// Nothing was heard in time though the neighbour is there.
    pub(crate) const fn nudge(&mut self) {
        self.nudge = true;
    }

    /// Time goes on: what was used up comes back slowly.
    pub(crate) fn grant(&mut self, now: Instant) {
        if self.allowed > 0 {
            self.granted_at = now;
        } else if now.since(self.granted_at) >= GRANT_EVERY {
            self.granted_at = now;
            self.allowed = u32::from(self.k);
        }
    }

    /// Takes in a report: `need` more were needed when the symbol before `next` was heard. `settled`: nothing of ours
    /// was on its way as it was made (half duplex).
    pub(crate) fn report(&mut self, need: u16, next: u16, settled: bool) -> Progress {
        let polled = self.polled_at.take();
        if need == NEED_NOTHING {
            self.need = 0;
            return Progress { all: true, ..Progress::default() };
        }
        let upto = match (polled, settled) {
            (_, true) => self.next,
            (Some(at), false) => at.max(next.min(self.next)),
            (None, false) => next.min(self.next),
        };
        if upto < self.settled || !self.started() && polled.is_none() {
            // Made before a report that was heard already.
            return Progress::default();
        }
        // Who knows nothing yet, or not how long a symbol is, needs them all.
        let need = need.min(self.k);
        let sent = upto - self.settled;
        let arrived = self.need.saturating_sub(need).min(sent);
        let ahead = need < self.need.saturating_sub(sent);
        self.loss.learn(sent, sent - arrived);
        let progress = Progress { arrived: self.need.saturating_sub(need), lost: sent - arrived, all: false };
        (self.need, self.settled) = (need, upto);
        (self.unreported, self.nudge) = (0, false);
        if ahead && !self.jumped {
            self.jump();
        }
        progress
    }

    /// The neighbour holds more than was sent now: symbols of an earlier offer. Which ones is not known, so what
    /// follows comes from a place of its own among the repair symbols.
    fn jump(&mut self) {
        let seed =
            u64::from(self.head.prefix) << 16 | u64::from(self.head.round) << 8 | u64::from(self.head.lifetime.0);
        let to = u64::from(self.k) + scramble(seed) % 16_384;
        self.next = self.next.max(u16::try_from(to).unwrap_or(self.next));
        self.settled = self.next;
        self.jumped = true;
    }
}

/// What is coded: the envelope without the two bytes that change from offer to offer, and its identity, so that
/// nothing wrongly decoded is taken for it.
pub(crate) fn object(envelope: &[u8], identity: &Identity) -> Vec<u8> {
    let mut object = Vec::with_capacity(envelope.len() + OBJECT_ID_LEN);
    object.extend_from_slice(envelope);
    for at in [HOP_BYTE, LIFETIME_BYTE] {
        if let Some(byte) = object.get_mut(at) {
            *byte = 0;
        }
    }
    object.extend_from_slice(&identity.0[..OBJECT_ID_LEN]);
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(bytes: usize, symbol: u8) -> Transfer {
        Transfer::new(&alloc::vec![7; bytes], &Identity([1; 16]), symbol, 64)
    }

    #[test]
    fn as_many_symbols_as_needed_are_sent_and_then_nothing() {
        let mut t = transfer(992, 100);
        assert_eq!(t.due(), 10);
        assert!(t.should_ask(3), "the first frame asks");
        t.sent(3, true);
        assert!(!t.should_ask(3));
        t.sent(3, false);
        assert_eq!(t.due(), 4);
        assert!(t.should_ask(4), "the last frame asks");
        t.sent(4, true);
        assert_eq!(t.due(), 0);
        assert!(t.report(NEED_NOTHING, 10, false).all);
        assert_eq!(t.due(), 0);
    }

    #[test]
    fn what_is_lost_is_replaced_and_the_loss_expected_again() {
        let mut t = transfer(9_992, 100);
        t.sent(50, true);
        let progress = t.report(75, 50, false);
        assert_eq!((progress.arrived, progress.lost), (25, 25));
        assert!(t.due() > 75 + 25, "about a third is expected to be lost again: {}", t.due());
        t.sent(75, true);
        assert!(t.due() > 0, "what is in flight is not all expected to arrive");
    }

    #[test]
    fn reports_of_symbols_in_flight_are_no_loss() {
        let mut t = transfer(9_992, 100);
        t.sent(10, true);
        t.sent(10, false);
        assert_eq!(t.report(90, 10, false), Progress { arrived: 10, lost: 0, all: false });
        assert_eq!(t.due(), 80);
        assert_eq!(t.report(95, 5, false), Progress::default(), "older");
        assert_eq!(t.report(80, 20, true), Progress { arrived: 10, lost: 0, all: false });
        assert_eq!(t.due(), 80);
    }

    #[test]
    fn a_neighbour_that_holds_an_earlier_offer_gets_symbols_it_has_not() {
        let mut t = transfer(9_992, 100);
        t.sent(1, true);
        t.report(20, 1, false);
        assert_eq!(t.due(), 20);
        let mut out = Vec::new();
        t.write(1, false, &mut out);
        assert!(u16::from_be_bytes([out[2], out[3]]) >= 100, "no source symbol again");
        t.sent(20, true);
        assert!(t.report(3, t.next, false).lost == 3);
        t.polled();
        t.report(u16::MAX, 0, false);
        assert_eq!(t.need, 100, "the receiver forgot everything");
    }

    #[test]
    fn symbol_ids_come_round_and_sending_goes_on_until_it_was_too_much() {
        let mut t = transfer(60_000, 20);
        let mut sent = 0u32;
        while t.allowed > 0 {
            t.nudge();
            t.sent(20, true);
            sent += 20;
            t.report(3, t.next, false);
            assert!(t.due() > 0 || t.allowed == 0);
        }
        assert!(sent > u32::from(ESI_MAX) && sent < 80_000, "{sent}");
        t.nudge();
        assert_eq!(t.due(), 0, "it is only asked for now");
        t.grant(Instant::ZERO + GRANT_EVERY);
        assert!(t.due() > 0);
    }

    #[test]
    fn without_reports_sending_stops_until_it_is_nudged() {
        let mut t = Transfer::new(&[7; 60_000], &Identity([1; 16]), 100, 8);
        let mut asks = 0;
        while t.due() > 0 {
            let asking = t.should_ask(2);
            asks += u32::from(asking);
            t.sent(2, asking);
        }
        assert_eq!((t.next, asks), (16, 3));
        t.nudge();
        assert!(t.due() > 0 && t.should_ask(2));
        t.sent(2, true);
        assert_eq!(t.due(), 0);
    }
}
