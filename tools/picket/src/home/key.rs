//! The key file of a home, `H/home.key`: made, opened, wrapped anew (spec §75.1).

use super::{KEY, no_home, wiping};
use crate::error::{Exit, Failure};
use crate::files;
use crate::limits;
use crate::passphrase::{Passphrase, Protection, Source};
use picket_safe::disk::{self, Files};
use picket_safe::locked::Locked;
use picket_safe::slots::{self, Cost, Key, KeyFile, Opened, Opener, Owner, SlotsError};
use picket_safe::tpm;
use picket_safe::wipe::Manner;
use picket_shell::clock::Clock;
use picket_shell::random;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Draws from the kernel.
///
/// # Errors
/// When it gives nothing.
pub fn draw(out: &mut [u8]) -> io::Result<()> {
    random::fill(out).map_err(io::Error::other)
}

/// Where a wrapping key is to be.
pub enum Wrapping {
    /// In the file.
    File,
    /// Made from a passphrase, at this cost.
    Passphrase(Passphrase, Cost),
    /// In a TPM.
    Tpm,
}

/// Makes a new data key and its file in `home`.
///
/// # Errors
/// Internal, when there is no randomness or the disk refuses.
pub fn create(home: &Path, protection: &Protection) -> Result<Key, Failure> {
    let mut data = Locked::new([0; 32]).map_err(|e| Failure::internal(format!("no memory for keys: {e}")))?;
    draw(data.as_mut()).map_err(|e| Failure::internal(e.to_string()))?;
    let wrapping = match protection {
        Protection::Unprotected => Wrapping::File,
        Protection::Passphrase(passphrase) => {
            Wrapping::Passphrase(passphrase.clone(), tuned(picket_safe::limits::UNLOCK_TIME)?)
        }
    };
    write(home, &wrap(&wrapping, &data)?)?;
    Ok(data)
}

/// The cost at which an unlock takes about `target` here.
///
/// # Errors
/// Internal, when there is no memory.
pub fn tuned(target: Duration) -> Result<Cost, Failure> {
    let clock = Clock::default();
    let mut now = || Duration::from_micros(clock.now().0);
    slots::tune(target, available_kib(), &mut now).map_err(|e| Failure::internal(e.to_string()))
}

/// Memory that is free to use, in KiB; little where the system does not say.
fn available_kib() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|l| l.strip_prefix("MemAvailable:"));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn wrap(wrapping: &Wrapping, data: &Key) -> Result<KeyFile, Failure> {
    let wrapped = match wrapping {
        Wrapping::File => KeyFile::in_file(Owner::Home, data, draw),
        Wrapping::Passphrase(passphrase, cost) => KeyFile::under_passphrase(Owner::Home, data, passphrase, *cost, draw),
        Wrapping::Tpm => {
            let (secret, nv) = tpm::make(draw).map_err(|e| tpm_failure(&e))?;
            KeyFile::under_tpm(Owner::Home, data, &secret, nv, draw)
        }
    };
    wrapped.map_err(|e| Failure::internal(e.to_string()))
}

fn write(home: &Path, file: &KeyFile) -> Result<(), Failure> {
    let path = home.join(KEY);
    disk::replace(&mut Files, &path, file.bytes()).map_err(|e| files::io_failure("cannot write", &path, &e))
}

/// Reads the key file of a home in which no wipe is pending.
///
/// # Errors
/// [`Exit::Damaged`], usage for a newer version or where there is no home.
pub fn read(home: &Path) -> Result<KeyFile, Failure> {
    let path = home.join(KEY);
    if !path.exists() {
        return Err(no_home(home));
    }
    let bytes = files::read(&path, limits::SMALL_FILE_MAX)?;
    KeyFile::decode(&bytes).map_err(|e| refused(&path, e))
}

/// The data key, and the indices in the TPM if it is under one. With a duress passphrase the home is wiped, and all
/// looks like a wrong passphrase.
///
/// # Errors
/// [`Exit::Locked`], [`Exit::Damaged`].
pub fn unlock(home: &Path, source: &Source) -> Result<(Key, Option<(u32, u32)>), Failure> {
    let file = read(home)?;
    let nv = (file.protection() == slots::Protection::Tpm).then(|| file.nv());
    open(home, &file, source).map(|(key, _)| (key, nv))
}

/// The data key, and the passphrase that opened it.
fn open(home: &Path, file: &KeyFile, source: &Source) -> Result<(Key, Option<Passphrase>), Failure> {
    let what = format!("the home at {}", home.display());
    let (opened, passphrase) = match file.protection() {
        slots::Protection::File => (file.open(&Opener::File), None),
        slots::Protection::Passphrase => {
            let passphrase = source.ask(&what)?;
            (file.open(&Opener::Passphrase(&passphrase)), Some(passphrase))
        }
        slots::Protection::Tpm => {
            let secret = tpm::read(file.nv()).map_err(|e| tpm_failure(&e))?;
            (file.open(&Opener::Tpm(&secret)), None)
        }
    };
    match opened {
        Ok(Opened::Key(key)) => Ok((key, passphrase)),
        Ok(Opened::Duress) => {
            wiping::wipe(home, Manner::Quiet)?;
            Err(wrong(&what))
        }
        Err(SlotsError::Wrong) if passphrase.is_some() => Err(wrong(&what)),
        Err(e) => Err(refused(&home.join(KEY), e)),
    }
}

fn wrong(what: &str) -> Failure {
    Failure::new(Exit::Locked, format!("wrong passphrase for {what}"), "try again with the right passphrase")
}

/// Wraps the data key anew; nothing else of the home is touched. A duress passphrase is gone with the old file.
///
/// # Errors
/// As [`unlock`]; the old file is in force then, or the new one.
pub fn protect(home: &Path, source: &Source, wrapping: &Wrapping) -> Result<(), Failure> {
    let old = read(home)?;
    let (data, _) = open(home, &old, source)?;
    write(home, &wrap(wrapping, &data)?)?;
    if old.protection() == slots::Protection::Tpm {
        tpm::extinguish(old.nv()).map_err(|e| tpm_failure(&e))?;
    }
    Ok(())
}

/// Sets a duress passphrase, or removes it.
///
/// # Errors
/// As [`unlock`]; usage for a home without a passphrase, or the same passphrase twice.
pub fn set_duress(home: &Path, source: &Source, duress: Option<&Passphrase>) -> Result<(), Failure> {
    let file = read(home)?;
    let (_, passphrase) = open(home, &file, source)?;
    let Some(passphrase) = passphrase else {
        return Err(Failure::usage(
            "a duress passphrase stands beside an ordinary one, and this home has none",
            "first `picket home protect --with passphrase`",
        ));
    };
    let changed = match duress {
        Some(duress) => file.with_duress(&passphrase, duress, draw),
        None => file.without_duress(&passphrase, draw),
    };
    let changed = changed.map_err(|e| match e {
        SlotsError::Wrong => Failure::usage("both passphrases are the same", "choose another duress passphrase"),
        other => refused(&home.join(KEY), other),
    })?;
    write(home, &changed)
}

/// How a home is protected, in words for its owner.
#[must_use]
pub const fn in_words(protection: slots::Protection) -> &'static str {
    match protection {
        slots::Protection::File => {
            "NOT protected: the wrapping key lies in home.key; whoever copies this folder has everything in it"
        }
        slots::Protection::Passphrase => "protected by a passphrase (Argon2id)",
        slots::Protection::Tpm => "protected by this machine's TPM: a copy of this folder opens nowhere else",
    }
}

fn refused(path: &Path, e: SlotsError) -> Failure {
    let text = format!("{}: {e}", path.display());
    match e {
        SlotsError::Newer(_) => Failure::usage(text, "use the newer program"),
        SlotsError::Wiping | SlotsError::System | SlotsError::OtherProtection => Failure::internal(text),
        SlotsError::NotAKeyFile | SlotsError::Damaged | SlotsError::Wrong => Failure::damaged(
            text,
            "restore it from a copy; without it the keys cannot be read, and the device must be enrolled again",
        ),
    }
}

/// A TPM that does not do what is asked.
pub(crate) fn tpm_failure(e: &tpm::TpmError) -> Failure {
    Failure::new(Exit::Locked, e.to_string(), "check the TPM; nothing was changed")
}
