//! How much a station may emit (spec §57.1).

use core::fmt;
use core::str::FromStr;

/// Emission control, from the freest to the strictest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Emcon {
    /// Everything may be sent.
    #[default]
    Free,
    /// Only what is urgent, and answers; nothing that merely tells of our presence.
    Minimize,
    /// Nothing leaves by a link that emits.
    ReceiveOnly,
    /// Nothing leaves by a link that emits, and the uplinks are disconnected too.
    Silent,
}

impl Emcon {
    /// All of them, from the freest to the strictest.
    pub const ALL: [Self; 4] = [Self::Free, Self::Minimize, Self::ReceiveOnly, Self::Silent];

    /// The word people use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Minimize => "minimize",
            Self::ReceiveOnly => "receive-only",
            Self::Silent => "silent",
        }
    }

    /// Whether nothing at all may leave by a link that emits.
    #[must_use]
    pub const fn forbids_all(self) -> bool {
        match self {
            Self::Free | Self::Minimize => false,
            Self::ReceiveOnly | Self::Silent => true,
        }
    }
}

impl fmt::Display for Emcon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The word is none of `free`, `minimize`, `receive-only`, `silent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownEmcon;

impl fmt::Display for UnknownEmcon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("takes one of: free, minimize, receive-only, silent")
    }
}

impl core::error::Error for UnknownEmcon {}

impl FromStr for Emcon {
    type Err = UnknownEmcon;
    fn from_str(word: &str) -> Result<Self, UnknownEmcon> {
        Self::ALL.into_iter().find(|state| state.name() == word).ok_or(UnknownEmcon)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip_and_strictness_is_an_order() {
        for state in Emcon::ALL {
            assert_eq!(state.name().parse(), Ok(state));
        }
        assert_eq!("quiet".parse::<Emcon>(), Err(UnknownEmcon));
        assert!(Emcon::ALL.is_sorted());
    }
}
