//! Time of a home (spec §70.7): its own age, which survives restarts, and trusted wall time, which may be unknown.
//!
//! The age grows while the endpoint runs. Time switched off is added only when wall time is known on both sides of it;
//! so a remaining lifetime never grows, and never shrinks by a guess.

use picket_wire::time::{Duration, Instant, Wall};

/// A moment in the life of a home, microseconds of its age.
pub(crate) type Age = u64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    base: Age,
    at: Instant,
    wall: Option<(Wall, Instant)>,
    /// Wall time that was known last, and the age it had then.
    anchor: Option<(Wall, Age)>,
}

impl Clock {
    pub(crate) fn open(now: Instant, age: Age, anchor: Option<(Wall, Age)>, wall: Option<Wall>) -> Self {
        let mut clock = Self { base: age, at: now, wall: None, anchor };
        clock.set_wall(now, wall);
        clock
    }

    pub(crate) fn set_wall(&mut self, now: Instant, wall: Option<Wall>) {
        self.wall = wall.map(|w| (w, now));
        let Some(wall) = wall else { return };
        if let Some((then, age)) = self.anchor {
            let by_wall = age.saturating_add(wall.since(then).as_micros());
            let behind = by_wall.saturating_sub(self.age(now));
            self.base = self.base.saturating_add(behind);
        }
        self.anchor = Some((wall, self.age(now)));
    }

    pub(crate) fn age(&self, now: Instant) -> Age {
        self.base.saturating_add(now.since(self.at).as_micros())
    }

    pub(crate) fn wall(&self, now: Instant) -> Option<Wall> {
        self.wall.map(|(wall, at)| Wall(wall.0.saturating_add(now.since(at).as_millis())))
    }

    /// What is stored: age, and wall time with the age it belongs to.
    pub(crate) fn stamp(&self, now: Instant) -> (Age, Option<(Wall, Age)>) {
        let anchor = self.wall(now).map(|w| (w, self.age(now))).or(self.anchor);
        (self.age(now), anchor)
    }

    /// Whether wall time is known.
    pub(crate) const fn sees(&self) -> bool {
        self.wall.is_some()
    }

    /// When the home is this old.
    pub(crate) fn instant_of(&self, age: Age) -> Instant {
        self.at + Duration::from_micros(age.saturating_sub(self.base))
    }

    /// When wall time reaches `wall`, if it is known.
    pub(crate) fn instant_of_wall(&self, wall: Wall) -> Option<Instant> {
        self.wall.map(|(then, at)| at + wall.since(then))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000;

    #[test]
    fn time_switched_off_counts_only_between_two_known_wall_times() {
        let start = Clock::open(Instant(5), 0, None, Some(Wall(1_000)));
        let (age, anchor) = start.stamp(Instant(5 + HOUR));
        assert_eq!(age, HOUR);
        // Two hours off, then a run of one hour without wall time: only that hour counts.
        let blind = Clock::open(Instant(0), age, anchor, None);
        let (age, anchor) = blind.stamp(Instant(HOUR));
        assert_eq!(age, 2 * HOUR);
        // Wall time returns, four hours after the first stamp.
        let wall = Wall(1_000 + 5 * 3_600_000);
        let seeing = Clock::open(Instant(0), age, anchor, Some(wall));
        assert_eq!(seeing.age(Instant(0)), 5 * HOUR);
    }

    #[test]
    fn a_wall_clock_set_back_gives_no_time_back() {
        let mut clock = Clock::open(Instant(0), 7 * HOUR, Some((Wall(9_000_000_000), 7 * HOUR)), Some(Wall(5)));
        assert_eq!(clock.age(Instant(0)), 7 * HOUR);
        clock.set_wall(Instant(HOUR), Some(Wall(1)));
        assert_eq!(clock.age(Instant(HOUR)), 8 * HOUR);
    }
}
