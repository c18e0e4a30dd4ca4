//! What a command ends with: an exit code, a stable word, what is wrong and what to do next.

use core::fmt;
use serde::Serialize;

/// Exit codes of `picket`: a stable contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// A fault of this program or of the system under it.
    Internal = 1,
    /// Usage or configuration.
    Usage = 2,
    /// `--timeout` passed; the message is kept.
    TimedOut = 3,
    /// The message expired or was refused.
    Dead = 4,
    /// The message cannot be sealed; it is never sent in clear.
    Unsealed = 5,
    /// No gateway in reach.
    NoGateway = 6,
    /// The home is locked, or the passphrase is wrong.
    Locked = 7,
    /// Keys or state are damaged.
    Damaged = 8,
    /// No message has this id.
    NoSuchId = 9,
}

impl Exit {
    /// The word that goes with the code in `{"error": {"code": …}}`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Internal => "internal",
            Self::Usage => "usage",
            Self::TimedOut => "timed_out",
            Self::Dead => "undeliverable",
            Self::Unsealed => "cannot_be_sealed",
            Self::NoGateway => "no_gateway",
            Self::Locked => "locked",
            Self::Damaged => "damaged",
            Self::NoSuchId => "no_such_id",
        }
    }

    /// From the number, as an agent passes it on; unknown numbers are internal.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        let all = [
            Self::Done,
            Self::Internal,
            Self::Usage,
            Self::TimedOut,
            Self::Dead,
            Self::Unsealed,
            Self::NoGateway,
            Self::Locked,
            Self::Damaged,
            Self::NoSuchId,
        ];
        all.into_iter().find(|e| *e as u8 == code).unwrap_or(Self::Internal)
    }
}

/// Why a command did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Exit code.
    pub exit: Exit,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do next, in one sentence; may be empty.
    pub next: String,
}

#[derive(Serialize)]
struct Json<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    code: &'a str,
    message: &'a str,
    next: &'a str,
}

impl Failure {
    /// A failure with its next step.
    pub fn new(exit: Exit, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { exit, message: message.into(), next: next.into() }
    }

    /// Wrong usage or configuration.
    pub fn usage(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message, next)
    }

    /// A fault of this program or of the system under it.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Exit::Internal, message, "please report this, with the command that showed it")
    }

    /// Keys or state are damaged.
    pub fn damaged(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Exit::Damaged, message, next)
    }

    /// `{"error": {"code", "message", "next"}}` on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let error = Body { code: self.exit.word(), message: &self.message, next: &self.next };
        serde_json::to_string(&Json { error }).unwrap_or_default()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "picket: {}", self.message)?;
        if self.next.is_empty() { Ok(()) } else { write!(f, "\n  next: {}", self.next) }
    }
}

impl core::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_number_and_word() {
        for code in 0..=9 {
            assert_eq!(Exit::from_code(code) as u8, code);
        }
        assert_eq!(Exit::from_code(77), Exit::Internal);
    }

    #[test]
    fn the_error_object_has_three_keys() {
        let f = Failure::new(Exit::Locked, "the home is locked", "give the passphrase");
        assert_eq!(
            f.to_json(),
            r#"{"error":{"code":"locked","message":"the home is locked","next":"give the passphrase"}}"#
        );
    }
}
