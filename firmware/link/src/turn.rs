//! Who may talk on a half-duplex channel (spec §50.8).
//!
//! After every activity the channel's time is divided into slots. The first belongs to whoever was spoken to, the
//! second to whoever spoke, and so on in turn; a transmission begins in the first half of a slot, so that the other
//! side hears it before its own slot begins. When nobody began in four slots the channel is open to all.
//!
//! Where a third station was heard lately the channel is *crowded*: whoever has used a burst since the channel was last
//! quiet gives it up, and everybody who wants it next draws a short wait.

use crate::limits::{
    BURST, CONTENTION_MIN, CONTENTION_SHIFTS, CROWDED_FOR, GAP, GAP_IN_FRAME, NOISE_MAX, SLOT, SLOTS_UNTIL_OPEN,
};
use crate::peer::scramble;
use picket_wire::Index;
use picket_wire::time::{Duration, Instant};

/// What happened last on the channel, seen from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// Nothing yet, or nothing that matters.
    Nothing,
    /// We spoke to this neighbour; `asking` when an answer was asked for.
    Spoke { to: Option<Index>, asking: bool },
    /// We were spoken to; `given` when the speaker said that it has finished.
    Heard { given: bool },
    /// Two others spoke.
    Others,
}

/// How long one must listen to know that nobody talks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// A slot: whoever begins in its first half is heard before the next one begins.
    pub(crate) slot: Duration,
    /// Silence after which a burst is over that did not say so.
    pub(crate) gap: Duration,
}

impl Timing {
    /// `blind`: how long a station may be on air before anything of it is heard; the air of a packet on packet media,
    /// where nothing is heard before its end.
    pub(crate) fn new(blind: Duration) -> Self {
        Self { slot: SLOT + blind, gap: GAP + blind }
    }
}

/// Channel access of one station. On full-duplex media it always permits.
#[derive(Debug)]
pub(crate) struct Turn {
    half: bool,
    turn_round: Duration,
    timing: Timing,
    last: Last,
    /// End of the last activity.
    quiet_from: Instant,
    in_frame: bool,
    /// Air left in the burst we are in, and when its last frame has left.
    burst: Option<(Duration, Instant)>,
    burst_end: Instant,
    /// Our turns that nobody answered, in a row.
    unanswered: u32,
    /// First byte heard since the last frame that made sense.
    noise_since: Option<Instant>,
    /// When frames between others were last heard.
    others_at: Option<Instant>,
    /// Until when an exchange that we hear one side of may go on.
    reserved_until: Instant,
    /// Our air since the channel was last quiet.
    used: Duration,
    /// Waits drawn so far.
    draws: u32,
}

impl Turn {
    pub(crate) const fn new(half: bool, turn_round: Duration, timing: Timing) -> Self {
        Self {
            half,
            turn_round,
            timing,
            last: Last::Nothing,
            quiet_from: Instant::ZERO,
            in_frame: false,
            burst: None,
            burst_end: Instant::ZERO,
            unanswered: 0,
            noise_since: None,
            others_at: None,
            reserved_until: Instant::ZERO,
            used: Duration::ZERO,
            draws: 0,
        }
    }

    /// The medium came (back): stations that begin at the same moment are told apart by their index.
    pub(crate) fn restart(&mut self, now: Instant) {
        (self.last, self.burst, self.unanswered, self.in_frame) = (Last::Nothing, None, 0, false);
        (self.quiet_from, self.burst_end, self.noise_since) = (now, now, None);
    }

    /// Bytes came in. They end a burst of ours: somebody else is talking.
    pub(crate) fn bytes(&mut self, now: Instant) {
        let noise_since = *self.noise_since.get_or_insert(now);
        if now.since(noise_since) > NOISE_MAX {
            // A channel that is never quiet and never says anything is not listened to.
            return;
        }
        self.new_session(now);
        self.quiet_from = now;
        self.burst = None;
        match self.last {
            Last::Others => {}
            // Two talk at once: nothing of it will be answered, and it is no invitation either.
            Last::Spoke { to, .. } if now < self.burst_end => self.last = Last::Spoke { to, asking: true },
            Last::Spoke { .. } | Last::Heard { .. } | Last::Nothing => self.last = Last::Heard { given: false },
        }
    }

    /// All of the bytes are looked at; `in_frame` when they end in the middle of a frame.
    pub(crate) const fn settle(&mut self, in_frame: bool) {
        self.in_frame = in_frame;
        if in_frame && matches!(self.last, Last::Heard { given: true }) {
            self.last = Last::Heard { given: false };
        }
    }

    /// A frame to us came in; `given` when its sender has finished.
    pub(crate) const fn heard(&mut self, given: bool) {
        self.last = Last::Heard { given };
        self.unanswered = 0;
        self.noise_since = None;
    }

    /// A frame between others came in. `reserve`: how long the one it answers, whom we may not hear, will talk next.
    pub(crate) fn overheard(&mut self, now: Instant, reserve: Duration) {
        self.last = Last::Others;
        self.noise_since = None;
        self.others_at = Some(now);
        self.draws = self.draws.wrapping_add(1);
        self.reserved_until = self.reserved_until.max(now + reserve.min(BURST));
    }

    fn crowded(&self) -> bool {
        self.others_at.is_some_and(|at| self.quiet_from.since(at) < CROWDED_FOR)
    }

    /// The channel was quiet for so long that whoever wanted it could have had it.
    fn new_session(&mut self, now: Instant) {
        if now.since(self.quiet_from.max(self.burst_end)) > self.turn_round + self.timing.slot.times(2) {
            self.used = Duration::ZERO;
        }
    }

    /// Where several stations wait for the channel: a drawn wait, from a window that doubles with every turn of ours
    /// that nobody answered. The two slots before it belong to those that spoke last.
    fn contention(&self, me: Index) -> Duration {
        let window = CONTENTION_MIN << self.unanswered.min(CONTENTION_SHIFTS);
        let drawn = scramble(u64::from(me.0) << 32 | u64::from(self.draws)) % window;
        let giving_way = u64::from(self.used >= BURST) * CONTENTION_MIN / 2;
        self.turn_round + self.timing.slot.times(2) + Duration(self.timing.slot.0 / 2).times(drawn + giving_way)
    }

    /// End of our last transmission.
    pub(crate) const fn burst_end(&self) -> Instant {
        self.burst_end
    }

    /// Until when the other side may still be talking.
    pub(crate) fn busy_until(&self) -> Instant {
        if !self.half {
            return Instant::ZERO;
        }
        match self.last {
            Last::Heard { given: false } | Last::Others => self.quiet_from + self.gap(),
            Last::Heard { given: true } | Last::Spoke { .. } | Last::Nothing => self.quiet_from,
        }
    }

    fn gap(&self) -> Duration {
        if self.in_frame { GAP_IN_FRAME.max(self.timing.gap) } else { self.timing.gap }
    }

    /// Whether we have talked for as long as one may at a time.
    pub(crate) fn burst_used(&self) -> bool {
        self.used >= BURST
    }

    /// Whom we speak to in the burst we are in.
    pub(crate) fn spoken_to(&self, now: Instant) -> Option<Index> {
        match self.last {
            Last::Spoke { to, .. } if self.half && self.in_burst(now) => to,
            Last::Spoke { .. } | Last::Heard { .. } | Last::Nothing | Last::Others => None,
        }
    }

    /// Whether the burst goes on, counted from its last frame.
    fn in_burst(&self, now: Instant) -> bool {
        self.burst.is_some_and(|(_, end)| now <= end + Duration(self.timing.gap.0 / 2))
    }

    /// Earliest time at or after `now` at which we may transmit.
    pub(crate) fn start_at(&self, now: Instant, me: Index) -> Instant {
        if !self.half || self.in_burst(now) {
            return now;
        }
        let period = self.timing.slot.times(2);
        let (quiet, first, open) = self.slots(me);
        let open = quiet + open;
        let mut slot = quiet + first;
        if now > slot {
            slot += period.times(now.since(slot).as_micros() / period.as_micros());
            if now.since(slot) >= Duration(self.timing.slot.0 / 2) {
                slot += period;
            }
        }
        slot.max(now).min(open.max(now))
    }

    /// Last activity; from there: our first slot, and when the channel is open.
    fn slots(&self, me: Index) -> (Instant, Duration, Duration) {
        let t = self.turn_round;
        let open = t + self.timing.slot.times(SLOTS_UNTIL_OPEN);
        let given = matches!(self.last, Last::Heard { given: true });
        let another_turn = matches!(self.last, Last::Heard { .. } | Last::Spoke { .. });
        if self.crowded() && another_turn && !given && (self.used >= BURST || self.unanswered > 0) {
            let wait = self.contention(me);
            return (self.burst_end.max(self.quiet_from), wait, wait);
        }
        match self.last {
            Last::Nothing => {
                let wait = Duration(scramble(u64::from(me.0)) % 8 * 50_000);
                (self.quiet_from, wait, wait)
            }
            Last::Heard { given: true } => (self.quiet_from, t, open),
            Last::Heard { given: false } => (self.quiet_from, t.max(self.gap()), open),
            Last::Others => {
                let wait = self.contention(me);
                (self.quiet_from.max(self.reserved_until), wait, wait)
            }
            Last::Spoke { to, asking } => {
                let tie = if asking { self.tie_break(me, to) } else { Duration::ZERO };
                (self.burst_end.max(self.quiet_from), t + self.timing.slot + tie, open + tie)
            }
        }
    }

    /// Two stations that spoke at the same moment and did not hear each other must not do so again: the higher index
    /// waits one round longer, and all of them differ more with every turn that nobody answered.
    fn tie_break(&self, me: Index, to: Option<Index>) -> Duration {
        let later = to.is_some_and(|to| me > to);
        let spread =
            if self.unanswered < 3 { 0 } else { scramble(u64::from(me.0) << 32 | u64::from(self.unanswered)) % 4 };
        self.timing.slot.times(2 * (u64::from(later) + 2 * spread))
    }

    /// Air that may be used from `now` on, before what follows must wait for an answer.
    pub(crate) fn budget(&self, now: Instant) -> Duration {
        match (self.burst, self.last) {
            _ if !self.half => Duration::MAX,
            (Some((left, _)), _) if self.in_burst(now) => left,
            (_, Last::Heard { .. }) if self.crowded() => BURST.saturating_sub(self.used),
            (_, Last::Heard { .. }) => BURST,
            // Nobody has spoken to us: one frame, and listen.
            (_, Last::Nothing | Last::Spoke { .. } | Last::Others) => Duration::ZERO,
        }
    }

    /// A frame was handed over and will have left at `end`; `last` when it hands the channel over.
    pub(crate) fn sent(&mut self, now: Instant, end: Instant, air: Duration, to: Option<Index>, last: bool) {
        let left = self.budget(now).saturating_sub(air);
        self.new_session(now);
        self.used += air;
        self.draws = self.draws.wrapping_add(1);
        if !self.in_burst(now) && matches!(self.last, Last::Spoke { asking: true, .. }) {
            self.unanswered = self.unanswered.saturating_add(1);
        }
        let asking = last || matches!(self.last, Last::Spoke { asking: true, .. }) && self.in_burst(now);
        self.last = Last::Spoke { to, asking };
        (self.quiet_from, self.burst_end) = (end, end);
        self.burst = (self.half && !last).then_some((left, end));
        if last && !self.crowded() {
            self.used = Duration::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Index = Index(1);
    const B: Index = Index(2);
    const T: Duration = Duration::from_millis(20);

    fn turn() -> Turn {
        Turn::new(true, T, Timing::new(Duration::ZERO))
    }

    fn after(end: u64, ms: u64) -> Instant {
        Instant(end) + Duration::from_millis(ms)
    }

    #[test]
    fn the_one_spoken_to_goes_first_and_the_speaker_second() {
        let (mut a, mut b) = (turn(), turn());
        let end = 5_000_000;
        a.sent(Instant(4_000_000), Instant(end), Duration::from_secs(1), Some(B), true);
        b.bytes(Instant(end));
        b.heard(true);
        b.settle(false);
        assert_eq!(b.start_at(Instant(end), B), after(end, 20));
        assert_eq!(a.start_at(Instant(end), A), after(end, 220));
        // B was not ready in its first slot: it keeps off A's.
        assert_eq!(b.start_at(after(end, 150), B), after(end, 420));
        assert_eq!(b.start_at(after(end, 450), B), after(end, 450));
        assert_eq!(b.start_at(after(end, 900), B), after(end, 900), "open");
    }

    #[test]
    fn two_that_spoke_at_once_are_told_apart() {
        let mut stations = [(turn(), A, B), (turn(), B, A)];
        let end = Instant(1_000_000);
        for (turn, me, to) in &mut stations {
            turn.sent(Instant(500_000), end, Duration::from_millis(500), Some(*to), true);
            let start = turn.start_at(end, *me);
            turn.sent(start, start + T, T, Some(*to), true);
        }
        let next = stations.each_ref().map(|(turn, me, _)| turn.start_at(end + T, *me));
        assert!(next[1].since(next[0]) >= SLOT.times(2), "{next:?}");
    }

    #[test]
    fn bytes_heard_in_a_burst_end_it() {
        let mut a = turn();
        a.heard(true);
        a.sent(Instant(0), Instant(100_000), T, Some(B), false);
        assert_eq!(a.start_at(Instant(90_000), A), Instant(90_000), "the burst goes on");
        a.bytes(Instant(90_000));
        a.settle(true);
        assert!(a.start_at(Instant(91_000), A) >= Instant(90_000) + SLOT);
    }
}
