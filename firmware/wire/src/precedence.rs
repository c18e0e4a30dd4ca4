//! The six precedences of STANAG 4406, in three authenticated bits of every envelope.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// How urgent: a greater value goes first and preempts between frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Precedence {
    /// When nothing else waits.
    Deferred = 0,
    /// The default.
    Routine = 1,
    /// Before routine.
    Priority = 2,
    /// Before priority.
    Immediate = 3,
    /// Preempts every lower transfer between two frames.
    Flash = 4,
    /// Before everything.
    Override = 5,
}

impl Precedence {
    /// All of them, most urgent first.
    pub const ALL: [Self; 6] =
        [Self::Override, Self::Flash, Self::Immediate, Self::Priority, Self::Routine, Self::Deferred];

    /// The three bits on the wire.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// From three bits; 6 and 7 mean nothing in this version.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::Deferred),
            1 => Some(Self::Routine),
            2 => Some(Self::Priority),
            3 => Some(Self::Immediate),
            4 => Some(Self::Flash),
            5 => Some(Self::Override),
            _ => None,
        }
    }

    /// The word people use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deferred => "deferred",
            Self::Routine => "routine",
            Self::Priority => "priority",
            Self::Immediate => "immediate",
            Self::Flash => "flash",
            Self::Override => "override",
        }
    }
}

impl fmt::Display for Precedence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPrecedence;

impl fmt::Display for NotAPrecedence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a precedence is one of override, flash, immediate, priority, routine, deferred")
    }
}

impl core::error::Error for NotAPrecedence {}

impl FromStr for Precedence {
    type Err = NotAPrecedence;
    fn from_str(s: &str) -> Result<Self, NotAPrecedence> {
        Self::ALL.into_iter().find(|p| p.name() == s).ok_or(NotAPrecedence)
    }
}
