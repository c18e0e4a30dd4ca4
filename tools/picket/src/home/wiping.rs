//! The end of a home: zeroize, and finishing one that the power interrupted (spec §75.3).

use super::key::draw;
use super::{KEY, SOCKET};
use crate::error::Failure;
use crate::files;
use picket_safe::disk::Files;
use picket_safe::slots::Owner;
use picket_safe::wipe::{self, Device, Manner};
use picket_safe::{stop, tpm};
use std::path::Path;

/// The home as something to be wiped.
#[must_use]
pub fn device(home: &Path) -> Device {
    Device { folder: home.to_owned(), key: home.join(KEY), owner: Owner::Home, clear: Vec::new() }
}

fn extinguish(nv: (u32, u32)) -> Result<(), String> {
    tpm::extinguish(nv).map_err(|e| e.to_string())
}

/// Finishes a wipe that has begun, before anything else is done with the home.
///
/// # Errors
/// When the disk refuses: nothing is done with such a home.
pub fn resume(home: &Path) -> Result<(), Failure> {
    let device = device(home);
    let failed = |e: std::io::Error| files::io_failure("cannot finish the wipe of", home, &e);
    if !wipe::is_pending(&Files, &device).map_err(failed)? {
        return Ok(());
    }
    let _ = stop::holder(&home.join(SOCKET)); // who holds it has the key in memory; without one we go on
    wipe::resume(&mut Files, &device, draw, &mut extinguish).map_err(failed).map(|_| ())
}

/// Wipes a home: its key first, then whoever holds it, then the rest. Needs no passphrase. Says what a TPM kept.
///
/// # Errors
/// When the disk refuses; what was done stands, and every later command goes on with it.
pub fn wipe(home: &Path, manner: Manner) -> Result<Option<String>, Failure> {
    let device = device(home);
    let failed = |e: std::io::Error| files::io_failure("cannot wipe", home, &e);
    let kept = wipe::destroy_key(&mut Files, &device, manner, draw, &mut extinguish).map_err(failed)?;
    let stopped = stop::holder(&home.join(SOCKET));
    wipe::finish(&mut Files, &device, draw).map_err(failed)?;
    match stopped {
        Ok(_) => Ok(kept),
        Err(e) => Err(Failure::internal(format!(
            "the home at {} is wiped, but the process that held it could not be ended ({e}): end it by hand, it has keys \
             in memory",
            home.display()
        ))),
    }
}
