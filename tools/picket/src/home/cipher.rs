//! How a home's state is hidden: every value under AES-256-GCM, every name under a deterministic encryption, both under
//! keys made from the home's data key.
//!
//! Name: siv 12 ‖ AES-256-GCM(key "names", nonce siv, name), siv = first 12 bytes of HMAC-SHA-256(key "siv", name), so
//! that a name always looks the same and reveals its length only. Value: random nonce 12 ‖ AES-256-GCM(key "values",
//! value, associated data = the encrypted name), so that values cannot be exchanged with one another.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use picket_safe::locked::Locked;
use picket_shell::random::{self, NoRandomness};
use picket_wire::keys::hmac;
use std::io;
use zeroize::Zeroizing;

const NONCE: usize = 12;

/// Ciphers of one home, in locked memory.
pub struct Cipher {
    keys: Locked<Keys>,
}

struct Keys {
    siv: Zeroizing<[u8; 32]>,
    names: Aes256Gcm,
    values: Aes256Gcm,
    proof: Zeroizing<[u8; 32]>,
}

/// Bytes that were not made under this home's key, or were changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forged;

impl Cipher {
    /// From the home's data key.
    ///
    /// # Errors
    /// When the system gives no memory of its own for keys.
    pub fn new(data: &[u8; 32]) -> io::Result<Self> {
        let derive = |label: &[u8]| Zeroizing::new(hmac(data, &[b"PICKET-home-", label]));
        let keys = Keys {
            siv: derive(b"siv"),
            names: Aes256Gcm::new((&*derive(b"names")).into()),
            values: Aes256Gcm::new((&*derive(b"values")).into()),
            proof: derive(b"proof"),
        };
        Ok(Self { keys: Locked::new(keys)? })
    }

    /// What shows to the holder of the home that we hold its key too.
    #[must_use]
    pub fn proof(&self, challenge: &[u8]) -> [u8; 32] {
        hmac(&self.keys.proof, &[challenge])
    }

    /// Hides a name.
    ///
    /// # Errors
    /// Never for names within the table's limit.
    pub fn seal_name(&self, name: &[u8]) -> Result<Vec<u8>, Forged> {
        let mut siv = [0; NONCE];
        siv.copy_from_slice(&hmac(&self.keys.siv, &[name])[..NONCE]);
        let sealed = self.keys.names.encrypt(&Nonce::from(siv), name).map_err(|_| Forged)?;
        Ok([siv.as_slice(), &sealed].concat())
    }

    /// Reads a hidden name.
    ///
    /// # Errors
    /// [`Forged`].
    pub fn open_name(&self, hidden: &[u8]) -> Result<Vec<u8>, Forged> {
        let (siv, sealed) = hidden.split_first_chunk::<NONCE>().ok_or(Forged)?;
        self.keys.names.decrypt(&Nonce::from(*siv), sealed).map_err(|_| Forged)
    }

    /// Hides the value of a hidden name.
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub fn seal_value(&self, hidden_name: &[u8], value: &[u8]) -> Result<Vec<u8>, NoRandomness> {
        let nonce: [u8; NONCE] = random::bytes()?;
        let payload = Payload { msg: value, aad: hidden_name };
        // Encryption fails only above 64 GiB.
        let sealed = self.keys.values.encrypt(&Nonce::from(nonce), payload).map_err(|_| NoRandomness)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Reads a hidden value.
    ///
    /// # Errors
    /// [`Forged`].
    pub fn open_value(&self, hidden_name: &[u8], hidden: &[u8]) -> Result<Zeroizing<Vec<u8>>, Forged> {
        let (nonce, sealed) = hidden.split_first_chunk::<NONCE>().ok_or(Forged)?;
        let payload = Payload { msg: sealed, aad: hidden_name };
        self.keys.values.decrypt(&Nonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| Forged)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_repeat_values_do_not_and_neither_shows_through() {
        let c = Cipher::new(&[7; 32]).unwrap();
        let name = c.seal_name(b"outbox/1").unwrap();
        assert_eq!(name, c.seal_name(b"outbox/1").unwrap());
        assert_eq!(c.open_name(&name).unwrap(), b"outbox/1");
        let (a, b) = (c.seal_value(&name, b"hello").unwrap(), c.seal_value(&name, b"hello").unwrap());
        assert_ne!(a, b);
        assert_eq!(*c.open_value(&name, &a).unwrap(), b"hello");
    }

    #[test]
    fn a_value_belongs_to_its_name_and_home() {
        let c = Cipher::new(&[7; 32]).unwrap();
        let (one, two) = (c.seal_name(b"1").unwrap(), c.seal_name(b"2").unwrap());
        let mut value = c.seal_value(&one, b"hello").unwrap();
        assert_eq!(c.open_value(&two, &value), Err(Forged));
        assert_eq!(Cipher::new(&[8; 32]).unwrap().open_value(&one, &value), Err(Forged));
        assert_eq!(Cipher::new(&[8; 32]).unwrap().open_name(&one), Err(Forged));
        value[20] ^= 1;
        assert_eq!(c.open_value(&one, &value), Err(Forged));
    }
}
