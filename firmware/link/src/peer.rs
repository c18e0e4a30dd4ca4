//! What is known of one neighbour: what waits for it, what is on its way, how long it takes to answer, whether it is
//! silent (spec §50.6).

use crate::api::{Framing, OfferId};
use crate::limits::{BLIND_AFTER, BLIND_MAX, HEARD_EVERY, PROBE_JITTER, PROBE_MAX};
use crate::rate::Rate;
use crate::rtt::Rtt;
use crate::shape::Shape;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::cmp::Reverse;
use picket_wire::time::{Duration, Instant};
use picket_wire::{Index, Precedence};

/// Sending order: most urgent first, then first offered.
pub(crate) type Rank = (Reverse<Precedence>, u64, OfferId);

/// State kept per neighbour.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Offers with something to send now.
    pub(crate) ready: BTreeSet<Rank>,
    /// Offers waiting for an answer, by the time at which it is overdue.
    pub(crate) flying: BTreeSet<(Instant, OfferId)>,
    /// Offers by the first two bytes of their identity.
    pub(crate) prefixes: BTreeSet<(u16, OfferId)>,
    /// Parcels and charged bytes by precedence.
    pub(crate) load: [(usize, usize); 6],
    /// Answer times.
    pub(crate) rtt: Rtt,
    /// When an authentic frame of it last came.
    pub(crate) heard: Option<Instant>,
    /// Longest frame worth sending, from the losses seen, where frames are not coded.
    pub(crate) frame_limit: usize,
    /// Noise between us, where they are.
    pub(crate) rate: Rate,
    /// Questions that were not answered since it was heard.
    pub(crate) unanswered: u32,
    reported: Option<Instant>,
    silence: Option<Silence>,
}

/// A neighbour that does not answer: one probe at a time; now and then everything once, in case it only may not speak.
#[derive(Clone, Debug)]
struct Silence {
    probes: u32,
    next: Instant,
    /// When the next blind pass is due, and the pause after it.
    blind_at: Instant,
    blind_pause: Duration,
    /// What a pass still has to send, last first: the offer and how many symbols (0: it goes whole).
    blind: Vec<(OfferId, u16)>,
}

impl Peer {
    pub(crate) fn new(frame_limit: usize) -> Self {
        Self {
            ready: BTreeSet::new(),
            flying: BTreeSet::new(),
            prefixes: BTreeSet::new(),
            load: [(0, 0); 6],
            rtt: Rtt::new(),
            heard: None,
            frame_limit,
            rate: Rate::default(),
            unanswered: 0,
            reported: None,
            silence: None,
        }
    }

    /// Longest frame, framing excluded, that is worth sending to it now.
    pub(crate) fn whole_limit(&self, shape: &Shape) -> usize {
        match shape.framing {
            Framing::Fec => self.rate.level_long(shape.symbol, shape.coded_max).1,
            Framing::Cobs | Framing::Packet => self.frame_limit,
        }
    }

    /// Whether nothing is offered to it.
    pub(crate) fn is_idle(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// Parcels and bytes outstanding of precedence `least` and above.
    pub(crate) fn load_from(&self, least: Precedence) -> (usize, usize) {
        let from = usize::from(least.bits()).min(self.load.len() - 1);
        self.load[from..].iter().fold((0, 0), |sum, l| (sum.0 + l.0, sum.1 + l.1))
    }

    /// Notes an authentic frame; true when the owner is to be told.
    pub(crate) fn hear(&mut self, now: Instant) -> bool {
        self.heard = Some(now);
        self.unanswered = 0;
        let tell = self.reported.is_none_or(|at| now.since(at) >= HEARD_EVERY);
        if tell {
            self.reported = Some(now);
        }
        tell
    }

    /// Ends a silence; true when there was one.
    pub(crate) fn break_silence(&mut self) -> bool {
        self.silence.take().is_some()
    }

    /// The neighbour owes an answer and nothing was heard since: from now on only probes.
    pub(crate) fn fall_silent(&mut self, now: Instant) {
        self.silence.get_or_insert_with(|| Silence {
            probes: 0,
            next: now,
            blind_at: now + BLIND_AFTER,
            blind_pause: BLIND_AFTER,
            blind: Vec::new(),
        });
    }

    /// Whether a blind pass is to begin.
    pub(crate) fn blind_due(&self, now: Instant) -> bool {
        self.silence.as_ref().is_some_and(|s| s.blind_at <= now && s.next <= now && s.blind.is_empty())
    }

    /// Begins a blind pass over these offers, the first one first.
    pub(crate) fn begin_blind(&mut self, now: Instant, mut offers: Vec<(OfferId, u16)>) {
        if let Some(silence) = &mut self.silence {
            offers.reverse();
            silence.blind = offers;
            silence.blind_pause = silence.blind_pause.times(2).min(BLIND_MAX);
            silence.blind_at = now + silence.blind_pause;
        }
    }

    /// What a blind pass sends next.
    pub(crate) fn blind(&self) -> Option<(OfferId, u16)> {
        self.silence.as_ref()?.blind.last().copied()
    }

    /// A frame of a blind pass was sent, `symbols` of them in it, and has left at `end`; false when there is no pass.
    pub(crate) fn sent_blind(&mut self, id: OfferId, symbols: u16, end: Instant) -> bool {
        let Some(silence) = &mut self.silence else { return false };
        let Some((of, left)) = silence.blind.last_mut() else { return false };
        if *of != id {
            return false;
        }
        *left = left.saturating_sub(symbols);
        if *left == 0 {
            silence.blind.pop();
        }
        silence.next = end;
        // A pass takes its time; the pause is counted from its end.
        silence.blind_at = end + silence.blind_pause;
        true
    }

    /// An offer has ended.
    pub(crate) fn skip_blind(&mut self, id: OfferId) {
        if let Some(silence) = &mut self.silence {
            silence.blind.retain(|(of, _)| *of != id);
        }
    }

    /// Number of the probe that is due next; `None` while the neighbour is not silent.
    pub(crate) fn probing(&self) -> Option<u32> {
        self.silence.as_ref().map(|s| s.probes)
    }

    /// When the next probe may leave.
    pub(crate) fn probe_at(&self) -> Option<Instant> {
        self.silence.as_ref().map(|s| s.next)
    }

    /// A probe was sent and has left at `end`. Pauses double from `wait` to [`PROBE_MAX`]; the jitter is drawn from
    /// both stations' names, so that two that probe each other do not stay in step.
    pub(crate) fn probed(&mut self, end: Instant, wait: Duration, me: Index, peer: Index) {
        if let Some(silence) = &mut self.silence {
            let pause = wait.times(1 << silence.probes.min(4)).min(PROBE_MAX);
            let seed = u64::from(me.0) << 32 | u64::from(peer.0) << 16 | u64::from(silence.probes & 0xFFFF);
            let jitter = scramble(seed) % PROBE_JITTER.as_micros().min(pause.as_micros() / 2 + 1);
            silence.probes = silence.probes.saturating_add(1);
            silence.next = end + pause + Duration(jitter);
        }
    }
}

/// A fixed mixing of 64 bits (the finaliser of SplitMix64): jitter without a source of randomness.
pub(crate) const fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_of_a_silent_neighbour_never_pause_five_seconds() {
        let mut peer = Peer::new(255);
        peer.fall_silent(Instant::ZERO);
        let mut now = Instant::ZERO;
        for n in 0..100 {
            assert_eq!(peer.probing(), Some(n));
            peer.probed(now, Duration::from_secs(1), Index(1), Index(2));
            let next = peer.probe_at().unwrap_or(Instant::FAR);
            assert!(next > now && next.since(now) < Duration::from_secs(5));
            now = next;
        }
        assert!(peer.break_silence());
        assert!(!peer.break_silence());
    }
}
