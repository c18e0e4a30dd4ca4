//! The key file: the data key, wrapped (spec §75.1). 512 bytes, so that a mark and what it speaks of lie in one sector.
//!
//! It always holds two slots that look the same. One has the data key; the other is random, or opens with the duress
//! passphrase. Nobody can tell which without a passphrase.

use crate::Draw;
use crate::cost::stretch;
use crate::limits;
use crate::locked::Locked;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use core::fmt;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

pub use crate::cost::{Cost, tune};

/// Length of a key file.
pub const LEN: usize = 512;
/// Where the wipe mark lies: four bytes.
pub const MARK: core::ops::Range<usize> = 12..16;
/// Everything that a wipe destroys: all but what the file is and what a passphrase cost.
pub const SECRETS: core::ops::Range<usize> = 28..LEN;

const MAGIC: [u8; 8] = *b"PICKETKY";
const VERSION: u16 = 1;
const ARGON: core::ops::Range<usize> = 16..28;
const SALT: core::ops::Range<usize> = 28..44;
const PART: core::ops::Range<usize> = 44..76;
const NV: core::ops::Range<usize> = 76..84;
const SLOTS: [core::ops::Range<usize>; 2] = [84..145, 145..206];
const SUM: usize = 504;
const NONCE: usize = 12;
const ROLE_KEY: u8 = 1;
const ROLE_DURESS: u8 = 2;

/// A 32-byte key in locked memory.
pub type Key = Locked<[u8; 32]>;

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A member's home.
    Home = 1,
    /// A gateway's state folder.
    Gateway = 2,
}

/// Where the wrapping key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// In the file itself: whoever copies it has everything.
    File = 0,
    /// Made from a passphrase by Argon2id.
    Passphrase = 1,
    /// In a TPM; this file holds the other half.
    Tpm = 2,
}

/// Why a key file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotsError {
    /// Another kind of file, or its beginning is damaged.
    NotAKeyFile,
    /// Made by a newer program; left alone.
    Newer(u16),
    /// Not what was written.
    Damaged,
    /// A wipe has begun: it is to be finished.
    Wiping,
    /// Nothing in it opens with what was given.
    Wrong,
    /// It needs another kind of secret (see its protection).
    OtherProtection,
    /// The system gives no memory or no randomness.
    System,
}

impl fmt::Display for SlotsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAKeyFile => f.write_str("not a key file, or its beginning is damaged"),
            Self::Newer(version) => {
                write!(f, "the key file has format version {version}, newer than this program knows; it is untouched")
            }
            Self::Damaged => f.write_str("the key file is damaged"),
            Self::Wiping => f.write_str("a wipe of this device has begun"),
            Self::Wrong => f.write_str("the key does not open with this"),
            Self::OtherProtection => f.write_str("the key file is protected in another way"),
            Self::System => f.write_str("the system gives no memory or no randomness for keys"),
        }
    }
}

impl core::error::Error for SlotsError {}

/// What opens a key file.
pub enum Opener<'a> {
    /// Nothing: the wrapping key lies in the file.
    File,
    /// A passphrase.
    Passphrase(&'a [u8]),
    /// What the TPM gave.
    Tpm(&'a [u8; 32]),
}

/// What opening gave.
#[derive(Debug)]
pub enum Opened {
    /// The data key.
    Key(Key),
    /// The duress passphrase was given: everything is to be destroyed.
    Duress,
}

/// A key file's bytes, checked.
#[derive(Clone)]
pub struct KeyFile([u8; LEN]);

impl Drop for KeyFile {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFile({:?})", self.protection())
    }
}

impl KeyFile {
    /// Checks the bytes of a file.
    ///
    /// # Errors
    /// [`SlotsError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SlotsError> {
        if bytes.get(..8) != Some(&MAGIC) {
            return Err(SlotsError::NotAKeyFile);
        }
        let version = u16::from_be_bytes([byte(bytes, 8), byte(bytes, 9)]);
        if version > VERSION {
            return Err(SlotsError::Newer(version));
        }
        if is_marked(bytes) {
            return Err(SlotsError::Wiping);
        }
        let whole: [u8; LEN] = bytes.try_into().map_err(|_| SlotsError::Damaged)?;
        let file = Self(whole);
        let kinds = file.0[10] <= 2 && (file.0[11] == 1 || file.0[11] == 2);
        let right = file.0[SUM..] == file.sum() && version == VERSION && kinds;
        let cost = file.cost();
        let bounded = cost.memory <= limits::ARGON2_MEMORY_MAX
            && cost.passes <= limits::ARGON2_PASSES_MAX
            && cost.lanes <= limits::ARGON2_LANES_MAX;
        if right && bounded { Ok(file) } else { Err(SlotsError::Damaged) }
    }

    /// Wraps a data key under a wrapping key that lies in the file itself.
    ///
    /// # Errors
    /// [`SlotsError::System`].
    pub fn in_file(owner: Owner, data: &[u8; 32], draw: Draw) -> Result<Self, SlotsError> {
        let mut file = Self::blank(owner, Protection::File, draw)?;
        let wrapping = file.part();
        file.put(0, &wrapping, ROLE_KEY, data, draw)?;
        Ok(file.sealed())
    }

    /// Wraps a data key under a passphrase.
    ///
    /// # Errors
    /// [`SlotsError::System`].
    pub fn under_passphrase(
        owner: Owner,
        data: &[u8; 32],
        passphrase: &[u8],
        cost: Cost,
        draw: Draw,
    ) -> Result<Self, SlotsError> {
        let mut file = Self::blank(owner, Protection::Passphrase, draw)?;
        for (at, n) in [cost.memory, cost.passes, cost.lanes].into_iter().enumerate() {
            let begin = ARGON.start + 4 * at;
            file.0[begin..begin + 4].copy_from_slice(&n.to_be_bytes());
        }
        let mut which = [0];
        draw(&mut which).map_err(|_| SlotsError::System)?;
        let wrapping = file.stretch(passphrase)?;
        file.put(usize::from(which[0] & 1), &wrapping, ROLE_KEY, data, draw)?;
        Ok(file.sealed())
    }

    /// Wraps a data key under what a TPM holds at `nv`; `counter` is its index for rollbacks, 0 none.
    ///
    /// # Errors
    /// [`SlotsError::System`].
    pub fn under_tpm(
        owner: Owner,
        data: &[u8; 32],
        secret: &[u8; 32],
        (nv, counter): (u32, u32),
        draw: Draw,
    ) -> Result<Self, SlotsError> {
        let mut file = Self::blank(owner, Protection::Tpm, draw)?;
        file.0[NV.start..NV.start + 4].copy_from_slice(&nv.to_be_bytes());
        file.0[NV.start + 4..NV.end].copy_from_slice(&counter.to_be_bytes());
        let wrapping = file.joined(secret);
        file.put(0, &wrapping, ROLE_KEY, data, draw)?;
        Ok(file.sealed())
    }

    /// The same file with a duress passphrase in its other slot. Both passphrases are stretched with the same salt.
    ///
    /// # Errors
    /// [`SlotsError::Wrong`] unless `passphrase` opens the file and `duress` does not; [`SlotsError::OtherProtection`].
    pub fn with_duress(&self, passphrase: &[u8], duress: &[u8], draw: Draw) -> Result<Self, SlotsError> {
        let used = self.own_slot(passphrase)?;
        let wrapping = self.stretch(duress)?;
        if self.role(used, &wrapping).is_some() {
            return Err(SlotsError::Wrong);
        }
        let mut noise = Zeroizing::new([0; 32]);
        draw(noise.as_mut()).map_err(|_| SlotsError::System)?;
        let mut file = self.clone();
        file.put(1 - used, &wrapping, ROLE_DURESS, &noise, draw)?;
        Ok(file.sealed())
    }

    /// The same file with no duress passphrase.
    ///
    /// # Errors
    /// As [`Self::with_duress`].
    pub fn without_duress(&self, passphrase: &[u8], draw: Draw) -> Result<Self, SlotsError> {
        let used = self.own_slot(passphrase)?;
        let mut file = self.clone();
        draw(slot_mut(&mut file.0, 1 - used)).map_err(|_| SlotsError::System)?;
        Ok(file.sealed())
    }

    /// A file that looks like this one and opens with nothing: what a duress passphrase leaves behind.
    ///
    /// # Errors
    /// [`SlotsError::System`].
    pub fn decoy(owner: Owner, cost: Cost, draw: Draw) -> Result<Self, SlotsError> {
        let mut nothing = Zeroizing::new([[0; 32]; 2]);
        draw(nothing[0].as_mut()).map_err(|_| SlotsError::System)?;
        let mut file = Self::blank(owner, Protection::Passphrase, draw)?;
        for (at, n) in [cost.memory, cost.passes, cost.lanes].into_iter().enumerate() {
            let begin = ARGON.start + 4 * at;
            file.0[begin..begin + 4].copy_from_slice(&n.to_be_bytes());
        }
        Ok(file.sealed())
    }

    /// Opens it. Both slots are always tried.
    ///
    /// # Errors
    /// [`SlotsError::Wrong`], [`SlotsError::OtherProtection`], [`SlotsError::System`].
    pub fn open(&self, with: &Opener<'_>) -> Result<Opened, SlotsError> {
        let wrapping = match (with, self.protection()) {
            (Opener::File, Protection::File) => self.part(),
            (Opener::Passphrase(passphrase), Protection::Passphrase) => self.stretch(passphrase)?,
            (Opener::Tpm(secret), Protection::Tpm) => self.joined(secret),
            (Opener::File | Opener::Passphrase(_) | Opener::Tpm(_), _) => return Err(SlotsError::OtherProtection),
        };
        let [first, second] = [self.role(0, &wrapping), self.role(1, &wrapping)];
        let plain = first.or(second).ok_or(SlotsError::Wrong)?;
        match plain.first() {
            Some(&ROLE_DURESS) => Ok(Opened::Duress),
            Some(_) | None => {
                let mut key = Locked::new([0; 32]).map_err(|_| SlotsError::System)?;
                key.copy_from_slice(plain.get(1..33).ok_or(SlotsError::Damaged)?);
                Ok(Opened::Key(key))
            }
        }
    }

    /// How the wrapping key is kept.
    #[must_use]
    pub const fn protection(&self) -> Protection {
        match self.0[10] {
            0 => Protection::File,
            1 => Protection::Passphrase,
            _ => Protection::Tpm,
        }
    }

    /// Whose it is.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        if self.0[11] == Owner::Home as u8 { Owner::Home } else { Owner::Gateway }
    }

    /// What a passphrase costs; zeros where there is none.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let [memory, passes, lanes] = [0, 4, 8].map(|at| word(&self.0, ARGON.start + at));
        Cost { memory, passes, lanes }
    }

    /// Indices in the TPM: the secret's, and the counter's (0 none).
    #[must_use]
    pub fn nv(&self) -> (u32, u32) {
        (word(&self.0, NV.start), word(&self.0, NV.start + 4))
    }

    /// The bytes of the file.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; LEN] {
        &self.0
    }

    /// Random where a secret may be, so that what is used does not show.
    fn blank(owner: Owner, protection: Protection, draw: Draw) -> Result<Self, SlotsError> {
        let mut file = Self([0; LEN]);
        file.0[..8].copy_from_slice(&MAGIC);
        file.0[8..10].copy_from_slice(&VERSION.to_be_bytes());
        file.0[10] = protection as u8;
        file.0[11] = owner as u8;
        for range in [SALT, PART, SLOTS[0].clone(), SLOTS[1].clone()] {
            draw(&mut file.0[range]).map_err(|_| SlotsError::System)?;
        }
        Ok(file)
    }

    fn sealed(mut self) -> Self {
        let sum = self.sum();
        self.0[SUM..].copy_from_slice(&sum);
        self
    }

    fn sum(&self) -> [u8; LEN - SUM] {
        let digest = Sha256::digest(&self.0[..SUM]);
        let mut out = [0; LEN - SUM];
        out.copy_from_slice(&digest[..LEN - SUM]);
        out
    }

    fn part(&self) -> Zeroizing<[u8; 32]> {
        let mut part = Zeroizing::new([0; 32]);
        part.copy_from_slice(&self.0[PART]);
        part
    }

    fn joined(&self, secret: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        mac(secret, &[b"PICKET-tpm", &self.0[PART]])
    }

    fn stretch(&self, passphrase: &[u8]) -> Result<Zeroizing<[u8; 32]>, SlotsError> {
        stretch(passphrase, &self.0[SALT], self.cost())
    }

    /// The slot that this passphrase opens to the data key.
    fn own_slot(&self, passphrase: &[u8]) -> Result<usize, SlotsError> {
        if self.protection() != Protection::Passphrase {
            return Err(SlotsError::OtherProtection);
        }
        let wrapping = self.stretch(passphrase)?;
        let own = |n: &usize| self.role(*n, &wrapping).is_some_and(|p| p.first() == Some(&ROLE_KEY));
        [0, 1].into_iter().find(own).ok_or(SlotsError::Wrong)
    }

    fn put(&mut self, n: usize, wrapping: &[u8; 32], role: u8, key: &[u8; 32], draw: Draw) -> Result<(), SlotsError> {
        let mut nonce = [0; NONCE];
        draw(&mut nonce).map_err(|_| SlotsError::System)?;
        let mut plain = Zeroizing::new([role; 33]);
        plain[1..].copy_from_slice(key);
        let aad = self.aad(n);
        let payload = Payload { msg: plain.as_ref(), aad: &aad };
        let sealed = cipher(n, wrapping).encrypt(&Nonce::from(nonce), payload).map_err(|_| SlotsError::System)?;
        let slot = slot_mut(&mut self.0, n);
        let (head, tail) = slot.split_at_mut(NONCE);
        head.copy_from_slice(&nonce);
        tail.copy_from_slice(&sealed);
        Ok(())
    }

    fn role(&self, n: usize, wrapping: &[u8; 32]) -> Option<Zeroizing<Vec<u8>>> {
        let slot = SLOTS.get(n).and_then(|range| self.0.get(range.clone()))?;
        let (nonce, sealed) = slot.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: sealed, aad: &self.aad(n) };
        cipher(n, wrapping).decrypt(&Nonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }

    /// All of the header but the mark, and which slot.
    fn aad(&self, n: usize) -> Vec<u8> {
        [&self.0[..MARK.start], &self.0[MARK.end..NV.end], &[n as u8]].concat()
    }
}

/// Whether a wipe has begun, whatever else is in the file.
#[must_use]
pub fn is_marked(bytes: &[u8]) -> bool {
    bytes.get(..8) == Some(&MAGIC) && bytes.get(MARK).is_some_and(|mark| mark.iter().any(|b| *b != 0))
}

/// The bytes of a key file in which nothing is but the mark: for a device that never had one.
#[must_use]
pub fn only_marked(owner: Owner, mark: [u8; 4]) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..10].copy_from_slice(&VERSION.to_be_bytes());
    bytes[11] = owner as u8;
    bytes[MARK].copy_from_slice(&mark);
    bytes
}

/// What is left readable of the header of a file in which a wipe has begun.
#[must_use]
pub fn header(bytes: &[u8]) -> (Option<Owner>, Protection, Cost, (u32, u32)) {
    let owner = match bytes.get(11) {
        Some(1) => Some(Owner::Home),
        Some(2) => Some(Owner::Gateway),
        Some(_) | None => None,
    };
    let protection = match bytes.get(10) {
        Some(1) => Protection::Passphrase,
        Some(2) => Protection::Tpm,
        Some(_) | None => Protection::File,
    };
    let at = |at| if bytes.len() == LEN { word_of(bytes, at) } else { 0 };
    let cost = Cost { memory: at(ARGON.start), passes: at(ARGON.start + 4), lanes: at(ARGON.start + 8) };
    (owner, protection, cost, (at(NV.start), at(NV.start + 4)))
}

fn cipher(n: usize, wrapping: &[u8; 32]) -> Aes256Gcm {
    Aes256Gcm::new((&*mac(wrapping, &[b"PICKET-slot", &[n as u8]])).into())
}

/// HMAC-SHA-256 over parts.
pub(crate) fn mac(key: &[u8; 32], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key); // RFC 2104: shorter keys are filled with zeros
    let mut mac = <Hmac<Sha256>>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    let mut out = Zeroizing::new([0; 32]);
    out.copy_from_slice(&mac.finalize().into_bytes());
    out
}

/// Compares two secrets without telling by time where they differ.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    bool::from(a.ct_eq(b))
}

fn slot_mut(bytes: &mut [u8; LEN], n: usize) -> &mut [u8] {
    let [first, second] = SLOTS;
    if n == 0 { &mut bytes[first] } else { &mut bytes[second] }
}

fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

fn word(bytes: &[u8; LEN], at: usize) -> u32 {
    word_of(bytes, at)
}

fn word_of(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([0, 1, 2, 3].map(|n| byte(bytes, at + n)))
}

#[cfg(test)]
mod tests;
