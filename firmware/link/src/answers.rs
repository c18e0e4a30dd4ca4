//! What we owe for parcels heard, and the memory that keeps a retransmission from reaching the owner twice
//! (spec §50.4).

use crate::api::Owed;
use crate::limits::{ANSWERS_MAX, MEMORY_MAX, PENDING_MAX};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;
use picket_wire::control::{Control, RefuseReason, Token};
use picket_wire::limits::ACK_MANY_MAX;
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Index, Precedence};

/// One offer of a neighbour: everything an answer's MAC covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) from: Index,
    pub(crate) identity: Identity,
    pub(crate) hop_limit: u8,
    pub(crate) round: u8,
}

impl From<Owed> for Key {
    fn from(o: Owed) -> Self {
        // Only what travels: four bits and two (spec §10.4).
        Self { from: o.from, identity: o.identity, hop_limit: o.hop_limit & 15, round: o.round & 3 }
    }
}

/// What was decided about a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Custody taken.
    Ack,
    /// Custody taken and delivered.
    Delivered(Token),
    /// Custody refused.
    Refuse(RefuseReason, u16),
}

impl Answer {
    /// The message on air.
    #[must_use]
    pub const fn control(self, identity: &Identity) -> Control {
        let prefix = [identity.0[0], identity.0[1]];
        match self {
            Self::Ack => Control::Ack { prefix },
            Self::Delivered(token) => Control::AckDelivered { prefix, token },
            Self::Refuse(reason, retry_s) => Control::Refuse { prefix, reason, retry_s },
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The owner has it and has not answered.
    Pending { since: Instant },
    /// Durable; the answer waits for a token.
    Held { until: Instant },
    /// Decided; `queued` while it waits for air; a refusal is forgotten at `until`. `said` once it has left: said again it
    /// goes alone, because the neighbour may not know the others any more.
    Decided { answer: Answer, queued: bool, said: bool, until: Instant },
}

/// What to do with a parcel that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Hand it to the owner.
    New,
    /// Heard before; what is owed, if anything is decided, is queued.
    Duplicate,
}

/// What a poll finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    /// Nothing of this prefix was heard.
    Unknown,
    /// The owner is still making it durable.
    Pending,
    /// The answer is queued again.
    Answered,
}

/// Answers owed and given, bounded by [`MEMORY_MAX`].
#[derive(Debug, Default)]
pub(crate) struct Answers {
    known: BTreeMap<Key, (u64, Phase)>,
    by_age: BTreeMap<u64, Key>,
    held: BTreeSet<(Instant, Key)>,
    /// Precedence of parcels whose answer may matter more (or less) than routine.
    urgency: BTreeMap<Key, Precedence>,
    /// Answers that wait for air: most urgent first, then in the order in which they were decided.
    queue: BTreeMap<Place, (Key, Answer)>,
    placed: u64,
    age: u64,
}

/// What leaves next.
#[derive(Debug)]
pub(crate) struct Next {
    /// What is answered: one parcel, or several to be acknowledged in one frame.
    pub(crate) all: Vec<Key>,
    /// The answer.
    pub(crate) answer: Answer,
    /// Of the most urgent of them.
    pub(crate) precedence: Precedence,
}

/// Where an answer stands among those that wait for air.
type Place = (Reverse<Precedence>, u64);

impl Answers {
    /// A parcel was heard.
    pub(crate) fn heard(&mut self, now: Instant, key: Key) -> Verdict {
        match self.known.get(&key).map(|(_, phase)| *phase) {
            None => {}
            Some(Phase::Pending { since }) if now.since(since) < PENDING_MAX => return Verdict::Duplicate,
            Some(Phase::Held { .. }) => {
                self.decide(key, Answer::Ack, Instant::FAR);
                return Verdict::Duplicate;
            }
            Some(Phase::Decided { answer, queued, until, .. }) if now < until => {
                if !queued {
                    self.decide(key, answer, until);
                }
                return Verdict::Duplicate;
            }
            Some(Phase::Pending { .. } | Phase::Decided { .. }) => {}
        }
        self.set(key, Phase::Pending { since: now });
        Verdict::New
    }

    /// Whether a repetition of this offer would be a duplicate.
    pub(crate) fn remembers(&self, now: Instant, key: &Key) -> bool {
        match self.known.get(key) {
            None => false,
            Some((_, Phase::Pending { since })) => now.since(*since) < PENDING_MAX,
            Some((_, Phase::Held { .. })) => true,
            Some((_, Phase::Decided { until, .. })) => now < *until,
        }
    }

    /// The neighbour asks for what is owed for parcels of this prefix.
    pub(crate) fn polled(&mut self, now: Instant, from: Index, prefix: u16) -> Polled {
        let mut low = [0; 16];
        let mut high = [0xFF; 16];
        low[..2].copy_from_slice(&prefix.to_be_bytes());
        high[..2].copy_from_slice(&prefix.to_be_bytes());
        let first = Key { from, identity: Identity(low), hop_limit: 0, round: 0 };
        let last = Key { from, identity: Identity(high), hop_limit: u8::MAX, round: u8::MAX };
        let found: Vec<_> = self.known.range(first..=last).map(|(k, (_, phase))| (*k, *phase)).collect();
        let mut result = Polled::Unknown;
        for (key, phase) in found {
            match phase {
                Phase::Pending { .. } if result == Polled::Unknown => result = Polled::Pending,
                Phase::Decided { until, .. } if until <= now => {}
                Phase::Pending { .. } => {}
                Phase::Held { .. } | Phase::Decided { .. } => {
                    self.heard(now, key);
                    result = Polled::Answered;
                }
            }
        }
        result
    }

    /// The parcel is durable. False when `delivered` came too late to travel with the answer.
    pub(crate) fn acknowledge(&mut self, now: Instant, key: Key, delivered: Option<Token>, hold: Duration) -> bool {
        let phase = self.known.get(&key).map(|(_, phase)| *phase);
        match (phase, delivered) {
            (Some(Phase::Decided { answer: Answer::Ack | Answer::Delivered(_), queued, .. }), Some(token)) => {
                if queued {
                    self.queue.retain(|_, (k, _)| *k != key);
                    self.decide(key, Answer::Delivered(token), Instant::FAR);
                }
                queued
            }
            (Some(Phase::Decided { answer: Answer::Ack | Answer::Delivered(_), .. }), None) => true,
            (_, Some(token)) => {
                self.decide(key, Answer::Delivered(token), Instant::FAR);
                true
            }
            (_, None) if hold == Duration::ZERO => {
                self.decide(key, Answer::Ack, Instant::FAR);
                true
            }
            (_, None) => {
                let until = now + hold;
                self.set(key, Phase::Held { until });
                true
            }
        }
    }

    /// Custody is refused; the same offer counts as new after `retry`.
    pub(crate) fn refuse(&mut self, now: Instant, key: Key, reason: RefuseReason, retry: Duration) {
        let retry_s = u16::try_from(retry.as_micros().div_ceil(1_000_000)).unwrap_or(u16::MAX);
        let until = if retry == Duration::ZERO { Instant::FAR } else { now + retry };
        self.decide(key, Answer::Refuse(reason, retry_s), until);
    }

    /// Queues acknowledgements whose token has not come in time.
    pub(crate) fn release(&mut self, now: Instant) {
        while let Some(&(until, key)) = self.held.first() {
            if until > now {
                break;
            }
            self.decide(key, Answer::Ack, Instant::FAR);
        }
    }

    /// When [`Answers::release`] has something to do.
    pub(crate) fn release_at(&self) -> Option<Instant> {
        self.held.first().map(|(until, _)| *until)
    }

    /// Whether an answer waits for air.
    pub(crate) fn is_due(&self) -> bool {
        !self.queue.is_empty()
    }

    /// An answer kept elsewhere meanwhile is to be sent, whatever is remembered of it here.
    pub(crate) fn restate(&mut self, now: Instant, key: Key, answer: Answer) {
        self.queue.retain(|_, (k, _)| *k != key);
        let until = match answer {
            Answer::Refuse(_, retry_s) if retry_s > 0 => now + Duration::from_secs(u64::from(retry_s)),
            Answer::Refuse(..) | Answer::Ack | Answer::Delivered(_) => Instant::FAR,
        };
        self.decide(key, answer, until);
    }

    /// How many answers wait for air.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// The precedence of a parcel: its answer's.
    pub(crate) fn urgency(&mut self, key: Key, precedence: Precedence) {
        if precedence == Precedence::Routine {
            self.urgency.remove(&key);
        } else {
            if self.urgency.len() >= MEMORY_MAX {
                // Only those of forgotten parcels make it that many.
                let known = &self.known;
                self.urgency.retain(|key, _| known.contains_key(key));
            }
            self.urgency.insert(key, precedence);
        }
    }

    /// The next answer to send; with an acknowledgement those behind it that may share its frame.
    pub(crate) fn next(&self) -> Option<Next> {
        let ((Reverse(precedence), _), (key, answer)) = self.queue.first_key_value()?;
        let mut all = alloc::vec![*key];
        if *answer == Answer::Ack && !self.was_said(key) {
            let shares = |(k, a): &&(Key, Answer)| k.from == key.from && *a == Answer::Ack && !self.was_said(k);
            let behind = self.queue.values().skip(1).take(ACK_MANY_MAX - 1);
            all.extend(behind.take_while(shares).map(|(k, _)| *k));
        }
        Some(Next { all, answer: *answer, precedence: *precedence })
    }

    /// Takes the next `count` answers: they have left.
    pub(crate) fn said(&mut self, count: usize) {
        for _ in 0..count {
            let Some((key, ..)) = self.take_first() else { return };
            if let Some((_, Phase::Decided { said, .. })) = self.known.get_mut(&key) {
                *said = true;
            }
        }
    }

    /// Takes the next answer, and its precedence.
    pub(crate) fn take_first(&mut self) -> Option<(Key, Answer, Precedence)> {
        let ((Reverse(precedence), _), (key, answer)) = self.queue.pop_first()?;
        self.not_queued(&key);
        Some((key, answer, precedence))
    }

    /// Said again an answer goes alone: the neighbour may not know the others any more.
    fn was_said(&self, key: &Key) -> bool {
        matches!(self.known.get(key), Some((_, Phase::Decided { said: true, .. })))
    }

    fn not_queued(&mut self, key: &Key) {
        if let Some((_, Phase::Decided { queued, .. })) = self.known.get_mut(key) {
            *queued = false;
        }
    }

    fn decide(&mut self, key: Key, answer: Answer, until: Instant) {
        let said = self.was_said(&key);
        self.set(key, Phase::Decided { answer, queued: true, said, until });
        if self.queue.len() >= ANSWERS_MAX
            && let Some((_, (least, _))) = self.queue.pop_last()
        {
            self.not_queued(&least);
        }
        self.enqueue(key, answer);
    }

    fn enqueue(&mut self, key: Key, answer: Answer) {
        let precedence = self.urgency.get(&key).copied().unwrap_or(Precedence::Routine);
        self.placed += 1;
        self.queue.insert((Reverse(precedence), self.placed), (key, answer));
    }

    fn set(&mut self, key: Key, phase: Phase) {
        if let Phase::Held { until } = phase {
            self.held.insert((until, key));
        }
        if let Some((_, old)) = self.known.get_mut(&key) {
            if let Phase::Held { until } = *old {
                let replaced = !matches!(phase, Phase::Held { until: new } if new == until);
                if replaced {
                    self.held.remove(&(until, key));
                }
            }
            *old = phase;
            return;
        }
        self.age += 1;
        self.known.insert(key, (self.age, phase));
        self.by_age.insert(self.age, key);
        if self.known.len() > MEMORY_MAX {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, key)) = self.by_age.pop_first() else { return };
        if let Some((_, Phase::Held { until })) = self.known.remove(&key) {
            self.held.remove(&(until, key));
            self.enqueue(key, Answer::Ack);
        }
        self.urgency.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn key(n: u8) -> Key {
        Key { from: Index(1), identity: Identity([n; 16]), hop_limit: 3, round: 0 }
    }
    const T0: Instant = Instant(1_000_000);

    #[test]
    fn a_retransmission_is_answered_again_and_not_handed_over_again() {
        let mut answers = Answers::default();
        assert_eq!(answers.heard(T0, key(1)), Verdict::New);
        assert_eq!(answers.heard(T0, key(1)), Verdict::Duplicate);
        assert!(!answers.is_due(), "still being made durable: nothing is said");
        answers.acknowledge(T0, key(1), None, Duration::ZERO);
        assert_eq!(answers.take_first().map(|(key, answer, _)| (key, answer)), Some((key(1), Answer::Ack)));
        for _ in 0..3 {
            assert_eq!(answers.heard(T0, key(1)), Verdict::Duplicate);
        }
        assert_eq!(answers.take_first().map(|(key, answer, _)| (key, answer)), Some((key(1), Answer::Ack)));
        assert_eq!(answers.take_first(), None, "queued once");
        let next_round = Key { round: 1, ..key(1) };
        assert_eq!(answers.heard(T0, next_round), Verdict::New);
    }

    #[test]
    fn the_token_is_merged_while_the_answer_is_held() {
        let mut answers = Answers::default();
        answers.heard(T0, key(1));
        answers.acknowledge(T0, key(1), None, Duration::from_secs(1));
        answers.release(T0 + Duration::from_millis(999));
        assert!(!answers.is_due());
        assert!(answers.acknowledge(T0, key(1), Some([9; 8]), Duration::ZERO));
        assert_eq!(
            answers.take_first().map(|(key, answer, _)| (key, answer)),
            Some((key(1), Answer::Delivered([9; 8])))
        );
        assert_eq!(answers.release_at(), None);
    }

    #[test]
    fn a_held_answer_leaves_when_its_time_is_up_or_the_parcel_is_heard_again() {
        for again in [false, true] {
            let mut answers = Answers::default();
            answers.heard(T0, key(1));
            answers.acknowledge(T0, key(1), None, Duration::from_secs(1));
            assert_eq!(answers.release_at(), Some(T0 + Duration::from_secs(1)));
            if again {
                answers.heard(T0, key(1));
            } else {
                answers.release(T0 + Duration::from_secs(1));
            }
            assert_eq!(answers.take_first().map(|(key, answer, _)| (key, answer)), Some((key(1), Answer::Ack)));
            assert!(!answers.acknowledge(T0, key(1), Some([9; 8]), Duration::ZERO), "too late: said so");
            assert!(!answers.is_due());
        }
    }

    #[test]
    fn a_refusal_counts_only_until_its_retry_time() {
        let mut answers = Answers::default();
        answers.heard(T0, key(1));
        answers.refuse(T0, key(1), RefuseReason::Full, Duration::from_millis(1_500));
        assert_eq!(
            answers.take_first().map(|(key, answer, _)| (key, answer)),
            Some((key(1), Answer::Refuse(RefuseReason::Full, 2)))
        );
        assert_eq!(answers.heard(T0, key(1)), Verdict::Duplicate);
        assert!(answers.take_first().is_some());
        assert_eq!(answers.heard(T0 + Duration::from_millis(1_500), key(1)), Verdict::New);
    }

    #[test]
    fn memory_is_bounded_and_never_eats_an_answer() {
        let mut answers = Answers::default();
        answers.heard(T0, key(1));
        answers.acknowledge(T0, key(1), None, Duration::from_secs(60));
        for n in 0..2 * MEMORY_MAX as u32 {
            let mut identity = [0; 16];
            identity[4..8].copy_from_slice(&n.to_be_bytes());
            answers.heard(T0, Key { identity: Identity(identity), ..key(0) });
        }
        assert_eq!(answers.known.len(), MEMORY_MAX);
        assert_eq!(answers.by_age.len(), MEMORY_MAX);
        assert!(answers.held.is_empty());
        assert_eq!(answers.take_first().map(|(key, answer, _)| (key, answer)), Some((key(1), Answer::Ack)));
    }
}
