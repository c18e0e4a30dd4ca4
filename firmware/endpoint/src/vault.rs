//! Where a home keeps everything durable: a small ordered map with transactions.

use alloc::vec::Vec;
use core::fmt;

/// One change of a transaction: set the key to the value, or remove it (`None`).
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// Name of the device's own secrets (spec §70.9), for whoever opens a keyfill sealed to this device.
pub const SECRETS: &[u8] = crate::keys::SECRETS;

/// Why the vault did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VaultError {
    /// No room. Nothing was changed; the endpoint goes on and refuses what needs room.
    Full,
    /// A value cannot be read: damaged, or encrypted under another key.
    Damaged,
    /// The medium failed. What is on it is unknown: the endpoint stops until it is opened again.
    Failed,
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the home is full: make room on the disk, or let messages expire",
            Self::Damaged => "the home is damaged: a record in it cannot be read",
            Self::Failed => "the home's disk failed: check it and try again",
        })
    }
}

impl core::error::Error for VaultError {}

/// A durable map from keys to values. The owner encrypts the values; keys are short names that tell no content
/// (but for member indices and message ids). Keys are at most [`crate::limits::VAULT_KEY_MAX`] bytes, one transaction
/// at most [`crate::limits::VAULT_COMMIT_MAX`] bytes.
pub trait Vault {
    /// The value of a key.
    ///
    /// # Errors
    /// [`VaultError`].
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, VaultError>;

    /// All keys that begin with `prefix`, ascending.
    ///
    /// # Errors
    /// [`VaultError`].
    fn scan(&mut self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, VaultError>;

    /// Makes all changes or none, durable when it returns. A key named twice takes the last.
    ///
    /// # Errors
    /// [`VaultError::Full`]: nothing was changed. Anything else: unknown.
    fn commit(&mut self, changes: &[Change]) -> Result<(), VaultError>;

    /// What was removed or replaced by a commit with secrets in it (an activated epoch) should really go from the
    /// medium: called after such a commit, may work in the background.
    fn purge(&mut self) {}
}
