//! The dead man's time of a home, `H/alive`: in clear, so that it is kept without a passphrase (spec §75.5).

use super::wiping;
use crate::error::{Exit, Failure};
use crate::files;
use picket_safe::deadman::{DeadMan, Reading, Verdict};
use picket_safe::wipe::Manner;
use picket_shell::clock::{self, Clock};
use picket_shell::keep;
use std::path::Path;

/// Name of the count.
pub const ALIVE: &str = "alive";

fn reading() -> Reading {
    let clock = Clock::new(crate::runtime::TRUST);
    Reading { boot: clock::boot(), up: clock.now().0 / 1_000, wall: clock.wall().map(|w| w.0) }
}

/// The count; `None` where no time is set. A damaged one begins anew with the longest time: it must neither wipe a home
/// nor be forgotten.
fn load(home: &Path) -> Result<Option<DeadMan>, Failure> {
    let path = home.join(ALIVE);
    match keep::read(&path) {
        Ok(None) => Ok(None),
        Ok(Some(line)) => DeadMan::from_line(&line).map(Some).ok_or_else(|| damaged(&path)),
        Err(keep::KeepError::Damaged) => Err(damaged(&path)),
        Err(keep::KeepError::Io(e)) => Err(files::io_failure("cannot read", &path, &e)),
    }
}

fn damaged(path: &Path) -> Failure {
    Failure::damaged(
        format!("{} is damaged: it is not known how long the owner was away", path.display()),
        "set the time again: `picket home dead-man TIME`",
    )
}

fn store(home: &Path, man: &DeadMan) -> Result<(), Failure> {
    let path = home.join(ALIVE);
    keep::write(&path, man.to_line().as_bytes()).map_err(|e| files::io_failure("cannot write", &path, &e))
}

/// Counts on. A home whose time is over is wiped; what is left of it is told.
///
/// # Errors
/// [`Exit::Locked`], when it was wiped just now.
pub fn check(home: &Path) -> Result<Option<Verdict>, Failure> {
    let Some(mut man) = load(home)? else { return Ok(None) };
    let verdict = man.count(reading());
    if verdict == Verdict::Due {
        wiping::wipe(home, Manner::Open)?;
        return Err(Failure::new(
            Exit::Locked,
            format!("the home at {} was not unlocked in the time its owner set; it has been wiped", home.display()),
            "have the device enrolled again",
        ));
    }
    store(home, &man)?;
    Ok(Some(verdict))
}

/// The owner was here: the home was unlocked.
///
/// # Errors
/// When it cannot be written down.
pub fn note(home: &Path) -> Result<(), Failure> {
    let Some(mut man) = load(home)? else { return Ok(()) };
    man.alive(reading());
    store(home, &man)
}

/// Sets the time, counted from now, or ends it.
///
/// # Errors
/// When it cannot be written down.
pub fn set(home: &Path, limit_ms: Option<u64>) -> Result<(), Failure> {
    match limit_ms {
        Some(limit) => store(home, &DeadMan::begin(limit, reading())),
        None => match std::fs::remove_file(home.join(ALIVE)) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(files::io_failure("cannot remove", &home.join(ALIVE), &e)),
        },
    }
}
