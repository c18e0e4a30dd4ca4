//! The age of a store: the one clock its lifetimes are counted in (§60.7). It only ever goes forward, across restarts
//! too: each stamp names a ceiling that the age may reach before the next stamp, and a restart goes on from the
//! ceiling, or from later if trusted wall time on both sides says so.

use picket_wire::time::{Duration, Instant, Wall};

use super::records::Stamp;
use crate::limits::MAX_OFF;

/// The age and where it was last written down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Age {
    /// The age at `last`, in microseconds.
    age: u64,
    last: Instant,
    /// The age that the last stamp allows.
    ceiling: u64,
    ahead: u64,
    /// Trusted wall time at `last`.
    wall: Option<Wall>,
}

impl Age {
    /// Goes on after a restart; also returns the time switched off that was counted. `least` is an age that was
    /// certainly reached.
    pub fn resume(
        stamp: Option<Stamp>,
        least: u64,
        now: Instant,
        wall: Option<Wall>,
        ahead: Duration,
    ) -> (Self, Duration) {
        let stamp = stamp.unwrap_or_default();
        let off = match (stamp.wall, wall) {
            (Some(before), Some(after)) => Duration(after.since(before).0.min(MAX_OFF.0)),
            _ => Duration::ZERO,
        };
        let age = stamp.ceiling.max(stamp.age.saturating_add(off.0)).max(least);
        (Self { age, last: now, ceiling: 0, ahead: ahead.0.max(2), wall }, off)
    }

    /// The age at `now`; a clock that runs backward stands still.
    pub fn at(&self, now: Instant) -> u64 {
        self.age.saturating_add(now.since(self.last).0)
    }

    /// Moves on to `now`.
    pub fn tick(&mut self, now: Instant) -> u64 {
        let passed = now.since(self.last);
        self.age = self.age.saturating_add(passed.0);
        self.last = self.last.max(now);
        self.wall = self.wall.map(|wall| Wall(wall.0.saturating_add(passed.as_millis())));
        self.age
    }

    /// What is known of wall time at `now`.
    pub fn set_wall(&mut self, now: Instant, wall: Option<Wall>) {
        self.tick(now);
        self.wall = wall;
    }

    /// Whether the next stamp is due.
    pub fn due(&self, now: Instant) -> bool {
        self.at(now).saturating_add(self.ahead / 2) >= self.ceiling
    }

    /// When it will be.
    pub fn due_at(&self) -> Instant {
        let left = self.ceiling.saturating_sub(self.ahead / 2).saturating_sub(self.age);
        self.last + Duration(left)
    }

    /// The instant at which an age will be reached.
    pub fn instant_of(&self, age: u64) -> Instant {
        self.last + Duration(age.saturating_sub(self.age))
    }

    /// The stamp to write at `now`: with room to go on, or the last one before closing.
    pub fn stamp(&mut self, now: Instant, closing: bool) -> Stamp {
        let age = self.tick(now);
        let ceiling = if closing { age } else { age.saturating_add(self.ahead) };
        Stamp { age, ceiling, wall: self.wall }
    }

    /// It was written.
    pub fn stamped(&mut self, stamp: &Stamp) {
        self.ceiling = stamp.ceiling;
    }
}
