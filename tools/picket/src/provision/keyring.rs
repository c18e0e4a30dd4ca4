//! Where the authority's key is kept, and how it is opened: a file under a passphrase, or a token (spec §30.14).

use super::pkcs11::{self, Pin, Token};
use crate::error::Failure;
use crate::files;
use crate::limits;
use crate::passphrase::{self, Protection, Source};
use picket_roster::AuthorityKey;
use std::path::{Path, PathBuf};

/// Where a new key goes.
pub enum Place {
    /// Into a file.
    File(Protection),
    /// Into a token.
    Token {
        /// The token's module.
        module: PathBuf,
        /// The token's label.
        label: String,
        /// Its PIN.
        pin: Pin,
    },
}

/// What may be asked for to open a key.
#[derive(Clone, Debug, Default)]
pub struct Unlock {
    /// The passphrase of a file.
    pub passphrase: Source,
    /// The module of a token. Never read from the mission's folder: a module is code that runs here.
    pub module: Option<PathBuf>,
    /// The PIN of a token.
    pub pin: Pin,
}

/// How a key is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// In a file, in clear.
    Clear,
    /// In a file under a passphrase.
    Passphrase,
    /// In a token.
    Token,
}

impl Kept {
    /// A stable word for machines.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Passphrase => "passphrase",
            Self::Token => "token",
        }
    }
}

/// Makes a new authority; returns it with its key file.
///
/// # Errors
/// When the token refuses, or there is no randomness.
pub fn create(place: &Place) -> Result<(AuthorityKey, Vec<u8>), Failure> {
    match place {
        Place::File(protection) => {
            let key = AuthorityKey::generate(&*super::seed()?).map_err(|e| Failure::internal(e.to_string()))?;
            let file = wrap(&key, protection)?;
            Ok((key, file))
        }
        Place::Token { module, label, pin } => {
            // The roots come from randomness of this machine, and lie under a key of the token.
            let roots = AuthorityKey::generate(&*super::seed()?).map_err(|e| Failure::internal(e.to_string()))?;
            let token = Token::create(module, label, pin)?;
            let file = token.file(roots.roots())?;
            Ok((token.authority(roots.roots().clone()), file))
        }
    }
}

/// The key file of an authority that moves to `place`.
///
/// # Errors
/// As [`create`]; usage for a key that is in a token already.
pub fn keep_at(key: &AuthorityKey, place: &Place) -> Result<Vec<u8>, Failure> {
    match place {
        Place::File(protection) => wrap(key, protection),
        Place::Token { module, label, pin } => Token::import(key, module, label, pin)?.file(key.roots()),
    }
}

/// The key file under a passphrase, or in clear.
///
/// # Errors
/// Usage, when the key is in a token; internal, when it cannot be wrapped.
fn wrap(key: &AuthorityKey, protection: &Protection) -> Result<Vec<u8>, Failure> {
    let bytes = key.to_bytes().ok_or_else(|| {
        Failure::usage("this authority's key never leaves its token", "protect the token with another PIN instead")
    })?;
    let cost = match protection {
        Protection::Unprotected => limits::ARGON2_NEW,
        Protection::Passphrase(_) => passphrase::tuned()?,
    };
    passphrase::wrap_at(passphrase::AUTHORITY, protection, cost, bytes.as_ref())
}

/// How the key in a file is kept.
///
/// # Errors
/// Damaged, or usage for another file.
pub fn kept(path: &Path) -> Result<Kept, Failure> {
    let bytes = files::read(path, limits::SMALL_FILE_MAX)?;
    if pkcs11::is_token_file(&bytes) {
        return Ok(Kept::Token);
    }
    Ok(if passphrase::is_protected(passphrase::AUTHORITY, path)? { Kept::Passphrase } else { Kept::Clear })
}

/// Opens the key.
///
/// # Errors
/// Locked for a wrong passphrase or PIN, damaged, or usage when the token's module is not named.
pub fn open(path: &Path, unlock: &Unlock) -> Result<(AuthorityKey, Kept), Failure> {
    let kept = kept(path)?;
    if kept == Kept::Token {
        let bytes = files::read(path, limits::SMALL_FILE_MAX)?;
        return Ok((pkcs11::open(path, &bytes, unlock)?, kept));
    }
    let bytes = passphrase::unwrap_file(passphrase::AUTHORITY, path, &unlock.passphrase)?;
    let key = AuthorityKey::from_bytes(&bytes)
        .map_err(|e| Failure::damaged(format!("{}: {e}", path.display()), "restore it from a copy"))?;
    Ok((key, kept))
}
