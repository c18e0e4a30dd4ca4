//! Small files under a device's data key: what a gateway was given before the mission (spec §75.2).
//!
//! File: magic `PICKETSF` ‖ version 2 ‖ nonce 12 ‖ AES-256-GCM(content), associated data = magic ‖ version ‖ name.

use crate::Draw;
use crate::disk::{self, Disk};
use crate::limits::SEALED_MAX;
use crate::slots::{Key, mac};
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use core::fmt;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const MAGIC: [u8; 8] = *b"PICKETSF";
const VERSION: [u8; 2] = [0, 1];
const HEAD: usize = 10;
const NONCE: usize = 12;

/// Why a sealed file cannot be used.
#[derive(Debug)]
pub enum SealedError {
    /// It cannot be read or written.
    Io(PathBuf, io::Error),
    /// It is not what was written, or not under this key.
    Damaged(PathBuf),
    /// Made by a newer program; left alone.
    Newer(PathBuf),
}

impl fmt::Display for SealedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, e) => write!(f, "{}: {e}", path.display()),
            Self::Damaged(path) => write!(f, "{} is damaged, or was sealed by another device", path.display()),
            Self::Newer(path) => write!(f, "{} was written by a newer program; it is untouched", path.display()),
        }
    }
}

impl core::error::Error for SealedError {}

/// A folder of files under one data key.
pub struct Sealed {
    folder: PathBuf,
    cipher: Aes256Gcm,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({})", self.folder.display())
    }
}

impl Sealed {
    /// The files of `folder` under `data`.
    #[must_use]
    pub fn new(folder: &Path, data: &Key) -> Self {
        let key = mac(data, &[b"PICKET-sealed-files"]);
        Self { folder: folder.to_owned(), cipher: Aes256Gcm::new((&*key).into()) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.sealed"))
    }

    /// Writes `content` under `name`, whole or not at all; durable when this returns.
    ///
    /// # Errors
    /// [`SealedError::Io`].
    pub fn put(&self, disk: &mut dyn Disk, name: &str, content: &[u8], draw: Draw) -> Result<(), SealedError> {
        let path = self.path(name);
        let refused = |e| SealedError::Io(path.clone(), e);
        let mut nonce = [0; NONCE];
        draw(&mut nonce).map_err(refused)?;
        let aad = aad(name);
        let payload = Payload { msg: content, aad: &aad };
        let hidden = self
            .cipher
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| refused(io::ErrorKind::InvalidInput.into()))?;
        let bytes = [&MAGIC[..], &VERSION, &nonce, &hidden].concat();
        disk::replace(disk, &path, &bytes).map_err(refused)
    }

    /// The content of `name`; `None` where there is none.
    ///
    /// # Errors
    /// [`SealedError`].
    pub fn get(&self, disk: &dyn Disk, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, SealedError> {
        let path = self.path(name);
        let bytes = match disk.read(&path, SEALED_MAX) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(SealedError::Io(path, e)),
        };
        let damaged = || SealedError::Damaged(path.clone());
        let (head, rest) = bytes.split_at_checked(HEAD).ok_or_else(damaged)?;
        if head.get(..8) != Some(&MAGIC) {
            return Err(damaged());
        }
        if head.get(8..) > Some(&VERSION) {
            return Err(SealedError::Newer(path));
        }
        let (nonce, hidden) = rest.split_first_chunk::<NONCE>().ok_or_else(damaged)?;
        let aad = aad(name);
        let payload = Payload { msg: hidden, aad: &aad };
        let content = self.cipher.decrypt(&Nonce::from(*nonce), payload).map_err(|_| damaged())?;
        Ok(Some(Zeroizing::new(content)))
    }
}

fn aad(name: &str) -> Vec<u8> {
    [&MAGIC[..], &VERSION, name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::disk::Files;
    use crate::locked::Locked;

    fn draw(out: &mut [u8]) -> io::Result<()> {
        out.fill(9);
        Ok(())
    }

    #[test]
    fn a_file_opens_under_its_key_and_name_only_and_every_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let sealed = Sealed::new(folder.path(), &Locked::new([1; 32]).unwrap());
        assert!(sealed.get(&Files, "keyfill").unwrap().is_none());
        sealed.put(&mut Files, "keyfill", b"one", draw).unwrap();
        sealed.put(&mut Files, "keyfill", b"two", draw).unwrap();
        assert_eq!(*sealed.get(&Files, "keyfill").unwrap().unwrap(), b"two");
        let other = Sealed::new(folder.path(), &Locked::new([2; 32]).unwrap());
        assert!(matches!(other.get(&Files, "keyfill"), Err(SealedError::Damaged(_))));
        let path = folder.path().join("keyfill.sealed");
        let good = std::fs::read(&path).unwrap();
        std::fs::write(folder.path().join("else.sealed"), &good).unwrap();
        assert!(matches!(sealed.get(&Files, "else"), Err(SealedError::Damaged(_))), "moved to another name");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x80;
            std::fs::write(&path, &bad).unwrap();
            assert!(sealed.get(&Files, "keyfill").is_err(), "byte {at}");
            std::fs::write(&path, &good[..at]).unwrap();
            assert!(sealed.get(&Files, "keyfill").is_err(), "cut at {at}");
        }
    }
}
