//! One stretch of air used by one station, and the station's transmitter.

use std::collections::VecDeque;

use picket_wire::time::{Duration, Instant};

use crate::Rng;

/// Bytes that follow each other on air without a pause, or one packet.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// When it is on air, preamble included.
    start: Instant,
    /// From here on the times of bytes are counted: when byte number `from` begins. Moves when the rate changes.
    anchor: Instant,
    from: usize,
    /// When the byte before that one began: it may have been sent at two rates.
    before: Instant,
    pub(crate) bytes: Vec<u8>,
    /// Bytes whose time on air has ended and that the receivers have heard.
    pub(crate) heard: usize,
    /// From the end of a byte on air to its arrival, jitter included.
    pub(crate) delay: Duration,
}

impl Span {
    pub(crate) fn new(start: Instant, preamble: Duration, bytes: &[u8], delay: Duration) -> Self {
        Self { start, anchor: start + preamble, from: 0, before: start, bytes: bytes.to_vec(), heard: 0, delay }
    }

    pub(crate) const fn start(&self) -> Instant {
        self.start
    }

    pub(crate) fn end(&self, rate: u32) -> Instant {
        self.start_of(self.bytes.len(), rate)
    }

    /// When byte `i` begins; of those before the anchor only the last is still asked for.
    pub(crate) fn start_of(&self, i: usize, rate: u32) -> Instant {
        match i.checked_sub(self.from) {
            Some(after) => self.anchor + Duration::of_air(after, rate),
            None => self.before,
        }
    }

    pub(crate) fn end_of(&self, i: usize, rate: u32) -> Instant {
        self.start_of(i + 1, rate)
    }

    /// When the receivers next hear something of it, the delay excluded.
    pub(crate) fn next_end(&self, rate: u32, whole: bool) -> Instant {
        if whole { self.end(rate) } else { self.end_of(self.heard, rate) }
    }

    pub(crate) const fn is_unheard(&self) -> bool {
        self.heard < self.bytes.len()
    }

    /// How many bytes have ended by `now`; of a packet (`whole`) all or none.
    pub(crate) fn ended_by(&self, now: Instant, rate: u32, whole: bool) -> usize {
        if whole {
            return if self.end(rate) <= now { self.bytes.len() } else { self.heard };
        }
        let (mut low, mut high) = (self.heard, self.bytes.len());
        // Polled at every byte, the answer is the next byte or none.
        if low < high && self.end_of(low, rate) > now {
            return low;
        }
        while low < high {
            let middle = low.midpoint(high);
            if self.end_of(middle, rate) <= now {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// From `now` on bytes take their time at another rate: the rest of the byte on air too.
    fn change_rate(&mut self, now: Instant, old: u32, new: u32) {
        if now <= self.anchor {
            return;
        }
        if self.end(old) <= now {
            (self.anchor, self.from) = (self.end(old), self.bytes.len());
            return;
        }
        let byte = self.count_of_ended(now, old);
        let left = self.end_of(byte, old).since(now).as_micros();
        let left = Duration(left * u64::from(old) / u64::from(new));
        self.before = self.start_of(byte, old);
        (self.anchor, self.from) = (now + left, byte + 1);
    }

    fn count_of_ended(&self, now: Instant, rate: u32) -> usize {
        let first = self.from.saturating_sub(1);
        (first..self.bytes.len()).take_while(|i| self.end_of(*i, rate) <= now).count() + first
    }

    fn moved_to(&mut self, start: Instant) {
        let preamble = self.anchor.since(self.start);
        (self.start, self.anchor) = (start, start + preamble);
    }
}

/// One station's transmitter.
#[derive(Clone, Debug)]
pub(crate) struct Transmitter {
    /// Transmissions, oldest first; finished ones are kept while they can still collide with an unheard byte.
    pub(crate) spans: VecDeque<Span>,
    pub(crate) jitter: Rng,
    pub(crate) mute: bool,
    pub(crate) sent: u64,
    pub(crate) overrun: u64,
    pub(crate) air: Duration,
}

impl Transmitter {
    pub(crate) const fn new(jitter: Rng) -> Self {
        Self { spans: VecDeque::new(), jitter, mute: false, sent: 0, overrun: 0, air: Duration::ZERO }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.spans.iter().map(|span| span.bytes.len() - span.heard).sum()
    }

    pub(crate) fn unheard(&self) -> Option<&Span> {
        self.spans.iter().find(|span| span.is_unheard())
    }

    pub(crate) fn is_on_air(&self, now: Instant, rate: u32) -> bool {
        self.spans.iter().any(|span| span.start <= now && span.end(rate) > now)
    }

    /// What is on air keeps its place; what is queued behind it moves up or back.
    pub(crate) fn change_rate(&mut self, now: Instant, old: u32, new: u32) {
        let (mut end_before, mut end_after) = (None, Instant::ZERO);
        for span in &mut self.spans {
            let end = span.end(old);
            if end_before == Some(span.start) {
                span.moved_to(end_after);
            }
            span.change_rate(now, old, new);
            (end_before, end_after) = (Some(end), span.end(new));
        }
    }

    /// Forgets what has not been heard: the rest of a burst, packets whole.
    pub(crate) fn abort(&mut self) {
        self.spans.iter_mut().for_each(|span| span.bytes.truncate(span.heard));
        self.spans.retain(|span| !span.bytes.is_empty());
    }

    /// Drops finished transmissions that ended by `horizon`: nothing unheard began before it.
    pub(crate) fn forget(&mut self, horizon: Instant, rate: u32) {
        while self.spans.front().is_some_and(|span| !span.is_unheard() && span.end(rate) <= horizon) {
            self.spans.pop_front();
        }
    }
}
