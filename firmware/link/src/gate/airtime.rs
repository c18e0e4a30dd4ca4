//! How long a band was used in the last hour, and how long it still may be (spec §57.6).
//!
//! Time on air is counted in slots of a minute, by the minute in which a frame *ends*; a slot counts until it has left
//! the hour as a whole. So at any moment at least everything that was on air in the last hour is counted: the budget is
//! exceeded in no window, wherever it begins, and at most a minute of it lies idle.
//!
//! What was spent must survive a power cut, or a board that restarts in a loop would transmit without end. Blocks of
//! airtime are therefore recorded as spent *before* they may be spent ([`Airtime::wants_block`], [`Airtime::granted`]):
//! a crash can lose what was left of a block, never what was used.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use picket_wire::Precedence;
use picket_wire::time::{Duration, Instant};

/// What the duty cycle is counted over.
pub const WINDOW: Duration = Duration::from_secs(3_600);

/// Length of a slot: sixty of them are kept exactly enough, and the record stays below a kilobyte.
const SLOT: Duration = Duration::from_secs(60);

/// A whole is this many parts: duty cycles and reserves are given in parts of ten thousand, so that 0.01 % is one.
pub const WHOLE: u32 = 10_000;

/// Blocks per hour's budget: a power cut costs at most a twentieth of it, and flash storage sees at most twenty small
/// writes an hour (and one for each frame longer than a block).
const BLOCKS: u64 = 20;

/// A frame handed over is on air a little later: the medium is given frames this long before the air is free.
const LATE: Duration = crate::limits::PACE_AHEAD;

/// Airtime used in one slot, as it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Minutes since the start of the host's clock.
    pub minute: u64,
    /// Microseconds on air.
    pub micros: u64,
}

/// What survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// What was used, by the minute; of the last hour only.
    pub used: Vec<Used>,
    /// What may be used after this is written and before the next record is.
    pub ahead: Duration,
    /// The part of `ahead` that may be spent only when this is durable.
    pub asked: Duration,
}

/// Why there is no airtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// The hour's budget, or what of it this precedence may use; room again then ([`Instant::FAR`]: never).
    Budget(Instant),
    /// The next block is not recorded yet.
    NotRecorded,
}

/// A band's budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Airtime {
    /// Airtime an hour, microseconds.
    limit: u64,
    /// The part of it that only flash and override may use.
    reserve: u64,
    /// Least precedence that may use the reserve.
    urgent: Precedence,
    /// Ascending by minute.
    slots: VecDeque<Used>,
    /// Recorded as ahead, and not spent yet.
    credit: u64,
    /// Asked to be recorded.
    asked: u64,
}

impl Airtime {
    /// `duty` and `reserve` in parts of [`WHOLE`]: of the hour, and of what the duty cycle gives.
    #[must_use]
    pub fn new(duty: u32, reserve: u32) -> Self {
        let part = |of: u64, parts: u32| of / u64::from(WHOLE) * u64::from(parts.min(WHOLE));
        let limit = part(WINDOW.as_micros(), duty);
        let reserve = (limit / u64::from(WHOLE)) * u64::from(reserve.min(WHOLE));
        Self { limit, reserve, urgent: Precedence::Flash, slots: VecDeque::new(), credit: 0, asked: 0 }
    }

    /// With another least precedence for the reserve than flash.
    #[must_use]
    pub const fn urgent_from(mut self, least: Precedence) -> Self {
        self.urgent = least;
        self
    }

    /// Airtime an hour.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        Duration(self.limit)
    }

    /// The part of it that only urgent precedences may use.
    #[must_use]
    pub const fn reserve(&self) -> Duration {
        Duration(self.reserve)
    }

    /// Airtime that counts as used at `now`.
    #[must_use]
    pub fn used(&self, now: Instant) -> Duration {
        let counted = self.slots.iter().filter(|slot| counts_until(slot.minute) > now);
        Duration(counted.fold(0, |sum: u64, slot| sum.saturating_add(slot.micros)))
    }

    /// Airtime that `precedence` may still use at `now`.
    #[must_use]
    pub fn left(&self, now: Instant, precedence: Precedence) -> Duration {
        Duration(self.share(precedence)).saturating_sub(self.used(now))
    }

    const fn share(&self, precedence: Precedence) -> u64 {
        if precedence as u8 >= self.urgent as u8 { self.limit } else { self.limit - self.reserve }
    }

    /// When `precedence` may use `air` more, if nothing else is sent meanwhile; [`Instant::FAR`] when never.
    #[must_use]
    pub fn next_free(&self, now: Instant, precedence: Precedence, air: Duration) -> Instant {
        let share = self.share(precedence);
        if air.0 > share {
            return Instant::FAR;
        }
        let mut over = self.used(now).0.saturating_add(air.0).saturating_sub(share);
        let mut at = now;
        for slot in self.slots.iter().filter(|slot| counts_until(slot.minute) > now) {
            if over == 0 {
                break;
            }
            over = over.saturating_sub(slot.micros);
            at = counts_until(slot.minute);
        }
        at
    }

    /// Spends `air`, or says why not.
    ///
    /// # Errors
    /// [`Spent`]; nothing is charged then.
    pub fn spend(&mut self, now: Instant, precedence: Precedence, air: Duration) -> Result<(), Spent> {
        if air > self.left(now, precedence) {
            return Err(Spent::Budget(self.next_free(now, precedence, air)));
        }
        if air.0 > self.credit {
            self.ask(air.0 - self.credit);
            return Err(Spent::NotRecorded);
        }
        self.credit -= air.0;
        self.charge(now, now + LATE + air, air.0);
        if self.credit < self.block() / 2 {
            self.ask(self.block() / 2);
        }
        Ok(())
    }

    /// Whether a record with more ahead is wanted: make [`Airtime::record`] durable, then say [`Airtime::granted`].
    #[must_use]
    pub const fn wants_block(&self) -> bool {
        self.asked > 0
    }

    /// What must be durable before the block asked for may be spent.
    #[must_use]
    pub fn record(&self, now: Instant) -> Record {
        let counted = self.slots.iter().filter(|slot| counts_until(slot.minute) > now);
        let ahead = Duration(self.credit.saturating_add(self.asked));
        Record { used: counted.copied().collect(), ahead, asked: Duration(self.asked) }
    }

    /// The same for an orderly end, after which nothing more is sent: nothing lies ahead.
    #[must_use]
    pub fn last_record(&self, now: Instant) -> Record {
        Record { ahead: Duration::ZERO, asked: Duration::ZERO, ..self.record(now) }
    }

    /// A record is durable: what it asked for may be spent.
    pub fn granted(&mut self, asked: Duration) {
        self.credit = self.credit.saturating_add(asked.0);
        self.asked = self.asked.saturating_sub(asked.0);
    }

    /// Takes up a record after a restart, its minutes already on this clock. What lay ahead may have been used at any
    /// time since it was written, so it counts from now; so does what seems to lie in the future.
    pub fn restore(&mut self, now: Instant, record: &Record) {
        for slot in &record.used {
            let end = Instant(slot.minute.saturating_mul(SLOT.as_micros())).min(now);
            self.charge(now, end, slot.micros);
        }
        self.charge(now, now, record.ahead.0);
    }

    /// Nothing is known of the last hour: all of it counts as used just now.
    pub fn assume_spent(&mut self, now: Instant) {
        self.slots.clear();
        self.charge(now, now, self.limit);
    }

    fn block(&self) -> u64 {
        self.limit / BLOCKS
    }

    fn ask(&mut self, least: u64) {
        self.asked = self.asked.max(least).max(self.block());
    }

    fn charge(&mut self, now: Instant, end: Instant, micros: u64) {
        while self.slots.front().is_some_and(|slot| counts_until(slot.minute) <= now) {
            self.slots.pop_front();
        }
        let minute = end.0 / SLOT.as_micros();
        let at = self.slots.partition_point(|slot| slot.minute < minute);
        match self.slots.get_mut(at).filter(|slot| slot.minute == minute) {
            Some(slot) => slot.micros = slot.micros.saturating_add(micros),
            None => self.slots.insert(at, Used { minute, micros }),
        }
    }
}

/// When a slot has left the window as a whole.
const fn counts_until(minute: u64) -> Instant {
    let end = (minute + 1).saturating_mul(SLOT.as_micros());
    Instant(end.saturating_add(WINDOW.as_micros()))
}
