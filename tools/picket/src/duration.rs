//! Spans of time as people write them: 90s, 30m, 24h, 3d.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// A span of time given on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Text that is not a span of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotASpan(String);

impl fmt::Display for NotASpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is not a time such as 500ms, 90s, 30m, 24h or 3d", self.0)
    }
}

impl core::error::Error for NotASpan {}

impl FromStr for Span {
    type Err = NotASpan;

    fn from_str(s: &str) -> Result<Self, NotASpan> {
        let wrong = || NotASpan(s.to_owned());
        let digits = s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
        let (number, unit) = s.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let millis: u64 = match unit {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        number.checked_mul(millis).map(|ms| Self(Duration::from_millis(ms))).ok_or_else(wrong)
    }
}

/// A number of seconds in words short enough for a table: 45 s, 12 min, 3.5 h, 2.1 d.
#[must_use]
pub fn short(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{}.{} h", seconds / 3_600, seconds % 3_600 / 360),
        _ => format!("{}.{} d", seconds / 86_400, seconds % 86_400 / 8_640),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn spans_are_read_and_nonsense_is_refused() {
        for (text, ms) in [("500ms", 500), ("90s", 90_000), ("90", 90_000), ("30m", 1_800_000), ("24h", 86_400_000)] {
            assert_eq!(text.parse::<Span>().unwrap().0.as_millis(), ms);
        }
        for bad in ["", "h", "-1s", "1.5h", "1w", "99999999999999999999d", "18446744073709551615d"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }

    #[test]
    fn seconds_are_shortened() {
        assert_eq!([short(45), short(720), short(12_600), short(181_440)], ["45 s", "12 min", "3.5 h", "2.1 d"]);
    }
}
