//! Where passphrases come from, and secrets wrapped under them.
//!
//! A wrapped secret is a file: magic 8 ‖ version 2 ‖ protection 1 ‖ Argon2id memory KiB 4, passes 4, lanes 4 ‖ salt 16 ‖
//! nonce 12 ‖ secret (AES-256-GCM with its 16-byte tag, all before it as associated data; in clear when unprotected) ‖
//! first 8 bytes of SHA-256 over all of it. The checksum tells damage from a wrong passphrase.

use crate::error::{Exit, Failure};
use crate::files;
use crate::limits;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use argon2::{Algorithm, Argon2, Params, Version};
use sha2::{Digest, Sha256};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Passphrase bytes, erased when dropped.
pub type Passphrase = Zeroizing<Vec<u8>>;

/// How a new secret is kept.
#[derive(Clone)]
pub enum Protection {
    /// In clear: benches only.
    Unprotected,
    /// Under a key made from this passphrase by Argon2id.
    Passphrase(Passphrase),
}

/// Where to ask for a passphrase.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// A file whose first line it is; otherwise the terminal is asked.
    pub file: Option<PathBuf>,
}

/// A kind of wrapped secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// First eight bytes of the file.
    pub magic: [u8; 8],
    /// What people call it.
    pub name: &'static str,
}

/// The authority's keys.
pub const AUTHORITY: Kind = Kind { magic: *b"PKAUTHKY", name: "authority" };
/// The key of one who may sign revocations.
pub const REVOKER: Kind = Kind { magic: *b"PKREVKEY", name: "revoker" };

const VERSION: u16 = 1;
const HEAD: usize = 51;
const SUM: usize = 8;

impl Source {
    /// The passphrase of something that exists.
    ///
    /// # Errors
    /// [`Exit::Locked`] when there is no file given and nobody to ask.
    pub fn ask(&self, what: &str) -> Result<Passphrase, Failure> {
        match &self.file {
            Some(path) => from_file(path),
            None if std::io::stdin().is_terminal() => prompt(&format!("Passphrase of {what}: ")),
            None => Err(Failure::new(
                Exit::Locked,
                format!("{what} is locked, and there is no terminal to ask for its passphrase"),
                "give --passphrase-file FILE or set PICKET_PASSPHRASE_FILE",
            )),
        }
    }

    /// A new passphrase, asked twice at a terminal.
    ///
    /// # Errors
    /// Usage, when there is none to be had.
    pub fn choose(&self) -> Result<Passphrase, Failure> {
        match &self.file {
            Some(path) => from_file(path),
            None if std::io::stdin().is_terminal() => {
                let first = prompt("New passphrase: ")?;
                if prompt("The same again: ")? == first {
                    Ok(first)
                } else {
                    Err(Failure::usage("the two passphrases differ; nothing was written", "try again"))
                }
            }
            None => Err(Failure::usage(
                "keys need a passphrase, and there is no terminal to ask for one",
                "give --passphrase-file FILE, or --unprotected on a bench",
            )),
        }
    }
}

/// Price of a guess at a passphrase: Argon2id's memory in KiB, passes and lanes.
pub type Cost = (u32, u32, u32);

/// Wraps `secret` as a file of `kind`, at the usual price of a guess.
///
/// # Errors
/// Internal, when there is no randomness or too little memory.
pub fn wrap(kind: Kind, protection: &Protection, secret: &[u8]) -> Result<Vec<u8>, Failure> {
    wrap_at(kind, protection, limits::ARGON2_NEW, secret)
}

/// A price of about a second on this machine, for what is opened rarely: one pass is timed, then as many as fit.
///
/// # Errors
/// Internal, when there is too little memory.
pub fn tuned() -> Result<Cost, Failure> {
    let clock = picket_shell::clock::Clock::new(crate::runtime::TRUST);
    let (memory, _, lanes) = limits::ARGON2_NEW;
    let before = clock.now();
    stretch(b"how long does a pass take", &[0; 16], memory, 1, lanes)?;
    let took = clock.now().0.saturating_sub(before.0);
    Ok((memory, passes_of(took), lanes))
}

/// Passes that take about [`limits::STRETCH_FOR`] when one takes `micros`; never fewer than usual.
fn passes_of(micros: u64) -> u32 {
    let wanted = u64::try_from(limits::STRETCH_FOR.as_micros()).unwrap_or(u64::MAX) / micros.max(1);
    u32::try_from(wanted).unwrap_or(u32::MAX).clamp(limits::ARGON2_NEW.1, limits::ARGON2_PASSES_MAX)
}

/// Wraps `secret` as a file of `kind`.
///
/// # Errors
/// Internal, when there is no randomness or too little memory.
pub fn wrap_at(kind: Kind, protection: &Protection, cost: Cost, secret: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::with_capacity(HEAD + secret.len() + 16 + SUM);
    out.extend_from_slice(&kind.magic);
    out.extend_from_slice(&VERSION.to_be_bytes());
    match protection {
        Protection::Unprotected => {
            out.push(0);
            out.resize(HEAD, 0);
            out.extend_from_slice(secret);
        }
        Protection::Passphrase(passphrase) => {
            let (memory, passes, lanes) = cost;
            let salt: [u8; 16] = random()?;
            let nonce: [u8; 12] = random()?;
            out.push(1);
            for n in [memory, passes, lanes] {
                out.extend_from_slice(&n.to_be_bytes());
            }
            out.extend_from_slice(&salt);
            out.extend_from_slice(&nonce);
            let key = stretch(passphrase, &salt, memory, passes, lanes)?;
            let payload = Payload { msg: secret, aad: &out };
            let sealed = cipher(&key).encrypt(&Nonce::from(nonce), payload).map_err(|_| broken())?;
            out.extend_from_slice(&sealed);
        }
    }
    let sum = Sha256::digest(&out);
    out.extend_from_slice(&sum[..SUM]);
    Ok(out)
}

/// Unwraps the file `path` of `kind`, asking for the passphrase only where one is needed.
///
/// # Errors
/// [`Exit::Damaged`], [`Exit::Locked`] for a wrong or missing passphrase, usage for another file or a newer version.
pub fn unwrap_file(kind: Kind, path: &Path, source: &Source) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let bytes = files::read(path, limits::SMALL_FILE_MAX)?;
    let (head, rest) = check(kind, path, &bytes)?;
    if head[10] == 0 {
        return Ok(Zeroizing::new(rest.to_vec()));
    }
    let number = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (memory, passes, lanes) = (number(11), number(15), number(19));
    let bounded =
        memory <= limits::ARGON2_MEMORY_MAX && passes <= limits::ARGON2_PASSES_MAX && lanes <= limits::ARGON2_LANES_MAX;
    if !bounded {
        return Err(damaged(path));
    }
    let mut salt = [0; 16];
    salt.copy_from_slice(&head[23..39]);
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&head[39..HEAD]);
    let what = format!("the {} at {}", kind.name, path.parent().unwrap_or(path).display());
    let passphrase = source.ask(&what)?;
    let key = stretch(&passphrase, &salt, memory, passes, lanes)?;
    let payload = Payload { msg: rest, aad: head };
    cipher(&key).decrypt(&Nonce::from(nonce), payload).map(Zeroizing::new).map_err(|_| {
        Failure::new(Exit::Locked, format!("wrong passphrase for {what}"), "try again with the right passphrase")
    })
}

/// Whether the file needs a passphrase.
///
/// # Errors
/// As [`unwrap_file`].
pub fn is_protected(kind: Kind, path: &Path) -> Result<bool, Failure> {
    let bytes = files::read(path, limits::SMALL_FILE_MAX)?;
    check(kind, path, &bytes).map(|(head, _)| head[10] != 0)
}

fn check<'a>(kind: Kind, path: &Path, bytes: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Failure> {
    if bytes.len() < 10 || bytes[..8] != kind.magic {
        return Err(Failure::damaged(
            format!("{} is not a key file of this kind, or its beginning is damaged", path.display()),
            "check the path; restore the file from a copy if you have one",
        ));
    }
    let version = u16::from_be_bytes([bytes[8], bytes[9]]);
    if version > VERSION {
        return Err(Failure::usage(
            format!("{} has format version {version}, newer than this program knows; it is untouched", path.display()),
            "use the newer program",
        ));
    }
    let body_len = bytes.len().checked_sub(SUM).filter(|n| *n >= HEAD).ok_or_else(|| damaged(path))?;
    let (body, sum) = bytes.split_at(body_len);
    if Sha256::digest(body)[..SUM] != *sum || body[10] > 1 || version == 0 {
        return Err(damaged(path));
    }
    Ok(body.split_at(HEAD))
}

fn damaged(path: &Path) -> Failure {
    Failure::damaged(
        format!("{} is damaged", path.display()),
        "restore it from a copy; without it the keys cannot be read, and the device must be enrolled again",
    )
}

fn stretch(
    passphrase: &[u8],
    salt: &[u8],
    memory: u32,
    passes: u32,
    lanes: u32,
) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let params = Params::new(memory, passes, lanes, Some(32)).map_err(|_| broken())?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase, salt, key.as_mut())
        .map_err(|_| broken())?;
    Ok(key)
}

fn cipher(key: &[u8; 32]) -> Aes256Gcm {
    Aes256Gcm::new(key.into())
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    picket_shell::random::bytes().map_err(|e| Failure::internal(e.to_string()))
}

fn broken() -> Failure {
    Failure::internal("the key could not be wrapped or stretched")
}

fn from_file(path: &Path) -> Result<Passphrase, Failure> {
    let bytes = files::read(path, limits::PASSPHRASE_MAX)?;
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(Failure::usage(
            format!("the first line of {} is empty", path.display()),
            "write the passphrase on the first line",
        ));
    }
    Ok(Zeroizing::new(line.to_vec()))
}

fn prompt(question: &str) -> Result<Passphrase, Failure> {
    let answer = rpassword::prompt_password(question)
        .map(|s| Zeroizing::new(s.into_bytes()))
        .map_err(|e| Failure::new(Exit::Locked, format!("no passphrase: {e}"), "give --passphrase-file FILE"))?;
    if answer.is_empty() { Err(Failure::usage("the passphrase is empty", "try again")) } else { Ok(answer) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn source(dir: &Path, passphrase: &str) -> Source {
        let file = dir.join("passphrase");
        std::fs::write(&file, format!("{passphrase}\nsecond line\n")).unwrap();
        Source { file: Some(file) }
    }

    #[test]
    fn a_wrapped_secret_opens_with_its_passphrase_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("authority.key");
        let right = source(dir.path(), "correct horse");
        let protection = Protection::Passphrase(right.choose().unwrap());
        std::fs::write(&path, wrap(AUTHORITY, &protection, b"secret").unwrap()).unwrap();
        assert_eq!(*unwrap_file(AUTHORITY, &path, &right).unwrap(), b"secret");
        assert!(is_protected(AUTHORITY, &path).unwrap());
        let wrong = source(dir.path(), "battery staple");
        assert_eq!(unwrap_file(AUTHORITY, &path, &wrong).unwrap_err().exit, Exit::Locked);
        let other = Kind { magic: *b"PKOTHERS", name: "other" };
        assert_eq!(unwrap_file(other, &path, &right).unwrap_err().exit, Exit::Damaged);
    }

    #[test]
    fn passes_fill_about_a_second_and_stay_in_bounds() {
        assert_eq!(passes_of(50_000), 20);
        assert_eq!(passes_of(900_000), limits::ARGON2_NEW.1, "a slow machine does not make guesses cheap");
        assert_eq!(passes_of(1), limits::ARGON2_PASSES_MAX, "and what is written can be read");
        let (memory, passes, lanes) = tuned().unwrap();
        assert!(memory >= limits::ARGON2_NEW.0 && memory <= limits::ARGON2_MEMORY_MAX);
        assert!(passes >= limits::ARGON2_NEW.1 && passes <= limits::ARGON2_PASSES_MAX && lanes > 0);
    }

    #[test]
    fn any_changed_byte_is_damage_and_a_newer_version_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("authority.key");
        let good = wrap(AUTHORITY, &Protection::Unprotected, b"secret").unwrap();
        for at in (0..good.len()).filter(|at| !(8..10).contains(at)) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            assert_eq!(unwrap_file(AUTHORITY, &path, &Source::default()).unwrap_err().exit, Exit::Damaged, "byte {at}");
        }
        for cut in 0..good.len() {
            std::fs::write(&path, &good[..cut]).unwrap();
            assert_eq!(unwrap_file(AUTHORITY, &path, &Source::default()).unwrap_err().exit, Exit::Damaged, "cut {cut}");
        }
        let mut newer = good;
        newer[9] = 2;
        std::fs::write(&path, &newer).unwrap();
        let refused = unwrap_file(AUTHORITY, &path, &Source::default()).unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert!(refused.message.contains("newer"));
        assert_eq!(std::fs::read(&path).unwrap(), newer);
    }
}
