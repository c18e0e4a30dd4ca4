//! Provisioning: missions, devices, keyfills, rosters.
//!
//! ```text
//! DIR/roster               the signed roster, public
//! DIR/revoke-N.pkobj       the revocation that led to generation N of the network key
//! DIR/authority/           keep this folder offline
//!   authority.key          the authority's keys, under a passphrase or a token's key (see `keyring`)
//!   audit.log, audit.head  what the authority did, chained and signed; where that ends (see `ledger`)
//!   pending                an act on its way, while it is written; whoever comes next finishes it
//! DIR/tls/                 a CA for the broker, the broker's certificate, one certificate for each gateway
//! DIR/NAME.keyfill         what each enrolled device receives, sealed to it (in clear for gateways of a quickstart)
//! DIR/NAME.toml            a ready configuration for each gateway
//! DIR/MEMBER/              homes, after quickstart only
//! ```

mod acts;
pub mod codes;
mod config;
pub mod device;
mod extend;
mod keyring;
mod ledger;
mod log;
mod mission;
mod pkcs11;
mod quickstart;
mod refill;
mod revoke;
mod scan;
mod tls;

use crate::error::Failure;
use picket_roster::limits::NAME_MAX;
use picket_roster::{Digits, PublicKey};
use picket_wire::time::Wall;
use sha2::{Digest, Sha256};

pub use acts::{protect, reissue, remove, show};
pub use codes::qr;
pub use extend::extend;
pub use keyring::{Place, Unlock};
pub use log::log;
pub use mission::{enrol, new, protection};
pub use pkcs11::Pin;
pub use quickstart::quickstart;
pub use revoke::{cosign, revoke, revoker, revokers};

/// An authority as people compare it: its public key's SHA-256, as eight groups of five digits (spec §30.11).
fn authority_digits(key: &PublicKey) -> String {
    Digits(&Sha256::digest(key.0).into()).to_string()
}

/// A name that can be a file's: what the roster takes, and nothing a shell or a configuration would stumble over.
///
/// # Errors
/// Usage.
pub fn check_name(name: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = !name.is_empty() && name.len() <= NAME_MAX && !name.starts_with(['.', '-']);
    if fits && name.chars().all(plain) {
        return Ok(());
    }
    Err(Failure::usage(
        format!("\"{name}\" cannot be a name"),
        format!("use 1 to {NAME_MAX} bytes: letters, digits, - _ . (not first)"),
    ))
}

/// 32 bytes of randomness.
fn seed() -> Result<zeroize::Zeroizing<[u8; 32]>, Failure> {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    picket_shell::random::fill(seed.as_mut()).map_err(|e| Failure::internal(e.to_string()))?;
    Ok(seed)
}

/// The authority's clock: whoever provisions vouches for it.
fn now() -> Wall {
    picket_shell::clock::Clock::unvouched()
}

#[cfg(test)]
mod tests;
