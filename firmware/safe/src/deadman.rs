//! How long nobody has given a sign of life (spec §75.5): counted in the device's own powered-on time, and in wall time
//! where that is trusted on both sides of a time switched off.

use crate::limits::{OFF_MAX_MS, WARNING_MAX_MS, WARNING_PART};

/// What the clocks say now, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Which run of the machine this is.
    pub boot: String,
    /// Time since the machine started.
    pub up: u64,
    /// Trusted wall time.
    pub wall: Option<u64>,
}

/// The count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadMan {
    limit: u64,
    spent: u64,
    last: Reading,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet; milliseconds left.
    Fine(u64),
    /// The end is near: to be said aloud; milliseconds left.
    Warning(u64),
    /// The time is over.
    Due,
}

impl DeadMan {
    /// Begins, with a sign of life now.
    #[must_use]
    pub const fn begin(limit_ms: u64, now: Reading) -> Self {
        Self { limit: limit_ms, spent: 0, last: now }
    }

    /// Its limit in milliseconds.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Another limit; what is spent stays.
    pub const fn set_limit(&mut self, limit_ms: u64) {
        self.limit = limit_ms;
    }

    /// A sign of life.
    pub fn alive(&mut self, now: Reading) {
        self.spent = 0;
        self.last = now;
    }

    /// Counts on to `now`. What is spent never shrinks by this.
    pub fn count(&mut self, now: Reading) -> Verdict {
        let passed = if now.boot == self.last.boot && !now.boot.is_empty() {
            now.up.saturating_sub(self.last.up)
        } else {
            let off = match (self.last.wall, now.wall) {
                (Some(then), Some(now)) => now.saturating_sub(then).min(OFF_MAX_MS),
                (None | Some(_), None) | (None, Some(_)) => 0,
            };
            now.up.max(off)
        };
        self.spent = self.spent.saturating_add(passed);
        self.last = now;
        self.verdict()
    }

    /// As counted so far.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let left = self.limit.saturating_sub(self.spent);
        if left == 0 {
            Verdict::Due
        } else if left <= (self.limit / WARNING_PART).min(WARNING_MAX_MS) {
            Verdict::Warning(left)
        } else {
            Verdict::Fine(left)
        }
    }

    /// One line of text, to be kept where it is replaced as a whole.
    #[must_use]
    pub fn to_line(&self) -> String {
        let Reading { boot, up, wall } = &self.last;
        let wall = wall.map_or_else(|| "-".to_owned(), |w| w.to_string());
        let boot = if boot.is_empty() { "-" } else { boot };
        format!("1 {} {} {up} {wall} {boot}\n", self.limit, self.spent)
    }

    /// From such a line; `None` for anything else.
    #[must_use]
    pub fn from_line(line: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(line).ok()?.strip_suffix('\n')?;
        let mut words = text.split(' ');
        if words.next()? != "1" {
            return None;
        }
        let mut number = || words.next()?.parse::<u64>().ok();
        let (limit, spent, up) = (number()?, number()?, number()?);
        let wall = match words.next()? {
            "-" => None,
            text => Some(text.parse().ok()?),
        };
        let boot = words.next()?.trim_start_matches('-').to_owned();
        let whole = words.next().is_none() && boot.len() <= 64 && limit > 0;
        whole.then_some(Self { limit, spent, last: Reading { boot, up, wall } })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn at(boot: &str, up: u64, wall: Option<u64>) -> Reading {
        Reading { boot: boot.into(), up, wall }
    }

    /// K-75.5-1
    #[test]
    fn powered_on_time_counts_and_time_off_only_where_the_wall_clock_is_trusted() {
        let mut man = DeadMan::begin(100_000, at("a", 5, Some(1_000)));
        assert_eq!(man.count(at("a", 10_005, None)), Verdict::Fine(90_000));
        assert_eq!(man.count(at("b", 2_000, Some(9_000_000))), Verdict::Fine(88_000), "wall unknown before");
        assert_eq!(man.count(at("c", 1_000, Some(9_050_000))), Verdict::Fine(38_000), "off for 50 s");
        assert_eq!(man.count(at("d", 4_000, Some(1))), Verdict::Fine(34_000), "a clock set back counts up-time");
        assert_eq!(man.count(at("d", 29_000, Some(1))), Verdict::Warning(9_000));
        assert_eq!(man.count(at("d", 38_000, Some(1))), Verdict::Due);
        man.alive(at("d", 38_000, Some(1)));
        assert_eq!(man.verdict(), Verdict::Fine(100_000));
    }

    /// K-75.5-2
    #[test]
    fn the_warning_is_a_tenth_and_at_most_a_day() {
        let month = 30 * 86_400_000;
        let mut man = DeadMan::begin(month, at("a", 0, None));
        assert_eq!(man.count(at("a", month - 86_400_001, None)), Verdict::Fine(86_400_001));
        assert_eq!(man.count(at("a", month - 86_400_000, None)), Verdict::Warning(86_400_000));
    }

    proptest! {
        #[test]
        fn a_line_comes_back(limit in 1u64.., spent: u64, up: u64, wall: Option<u64>, boot in "([a-f0-9-]{1,30}[a-f])?") {
            let boot = boot.trim_start_matches('-').to_owned();
            let man = DeadMan { limit, spent, last: Reading { boot, up, wall } };
            prop_assert_eq!(DeadMan::from_line(man.to_line().as_bytes()), Some(man));
        }

        #[test]
        fn no_line_panics(bytes: Vec<u8>) {
            let _ = DeadMan::from_line(&bytes);
        }
    }
}
