//! What a link measures of itself, as small histories for people (spec §50.14). What adapts to noise and delay keeps
//! its own figures ([`crate::rate`], [`crate::rtt`]).

use crate::limits::{HISTORY_SLOT, HISTORY_SLOTS};
use picket_wire::time::{Duration, Instant};

/// What happened on a link within one slot of its history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// Air time of what we transmitted.
    pub sent_air: Duration,
    /// Air time of what was heard, noise included.
    pub heard_air: Duration,
    /// Bytes of parcels whose custody a neighbour took.
    pub delivered_out: u64,
    /// Bytes of parcels that arrived.
    pub delivered_in: u64,
    /// Frames transmitted.
    pub sent_frames: u32,
    /// Of these, frames that repeat or repair something.
    pub repeated_frames: u32,
    /// Authentic frames heard.
    pub good_frames: u32,
    /// Frames and runs of bytes that were damaged beyond use.
    pub bad_frames: u32,
    /// Coded bytes heard in good frames (framing `fec`).
    pub coded_bytes: u64,
    /// Of these, bytes that were wrong and corrected.
    pub wrong_bytes: u64,
    /// Signal reported by the radio last, if it reports any.
    pub signal: Option<Signal>,
}

/// What a radio says of the signal it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Received strength, dBm.
    pub rssi_dbm: i16,
    /// Signal to noise ratio, quarters of a dB.
    pub snr_quarter_db: i16,
}

/// One neighbour as the link knows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Who.
    pub index: picket_wire::Index,
    /// When an authentic frame of it last came.
    pub heard: Option<Instant>,
    /// Whether it does not answer at the moment.
    pub silent: bool,
    /// Smoothed time from the end of a frame until its answer.
    pub round_trip: Option<Duration>,
    /// Share of bytes that arrive wrong here, of its frames (framing `fec`).
    pub noise_in: Option<f32>,
    /// The same there, of our frames, by its own word.
    pub noise_out: Option<f32>,
}

/// A ring of slots of one minute.
#[derive(Debug)]
pub(crate) struct History {
    slots: [Slot; HISTORY_SLOTS],
    /// Number of the slot in use, counted from time zero.
    current: u64,
}

impl Default for History {
    fn default() -> Self {
        Self { slots: [Slot::default(); HISTORY_SLOTS], current: 0 }
    }
}

impl History {
    /// The slot of `now`.
    pub(crate) fn at(&mut self, now: Instant) -> &mut Slot {
        let number = now.0 / HISTORY_SLOT.0;
        // Time does not go backwards; after a long sleep the whole ring is stale.
        let stale = number.saturating_sub(self.current).min(HISTORY_SLOTS as u64);
        for n in 0..stale {
            self.slots[((number - n) % HISTORY_SLOTS as u64) as usize] = Slot::default();
        }
        self.current = self.current.max(number);
        &mut self.slots[(self.current % HISTORY_SLOTS as u64) as usize]
    }

    /// The last slots, the current one first; what is older than the link is empty.
    pub(crate) fn recent(&mut self, now: Instant) -> [Slot; HISTORY_SLOTS] {
        self.at(now);
        core::array::from_fn(|back| {
            let number = self.current.checked_sub(back as u64);
            number.map_or_else(Slot::default, |n| self.slots[(n % HISTORY_SLOTS as u64) as usize])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(n: u64) -> Instant {
        Instant::ZERO + HISTORY_SLOT.times(n)
    }

    #[test]
    fn slots_follow_each_other_and_old_ones_are_forgotten() {
        let mut history = History::default();
        for n in 0..200 {
            history.at(minute(n)).sent_frames = n as u32;
        }
        let recent = history.recent(minute(199));
        assert_eq!([recent[0].sent_frames, recent[1].sent_frames], [199, 198]);
        assert_eq!(recent[HISTORY_SLOTS - 1].sent_frames, 200 - HISTORY_SLOTS as u32);
        let later = history.recent(minute(202));
        assert_eq!([later[0].sent_frames, later[3].sent_frames], [0, 199]);
        assert!(history.recent(minute(10_000)).iter().all(|slot| *slot == Slot::default()));
    }
}
