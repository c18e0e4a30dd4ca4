//! Provisioning: missions, devices, keyfills, rosters.
//!
//! ```text
//! DIR/roster               the signed roster, public
//! DIR/authority/           the authority's keys (wrapped under its passphrase): keep this folder offline
//! DIR/revoke-N.pkobj       the revocation that led to generation N of the network key
//! DIR/tls/                 a CA for the broker, the broker's certificate, one certificate for each gateway
//! DIR/NAME.keyfill         what each enrolled device receives
//! DIR/NAME.toml            a ready configuration for each gateway
//! DIR/MEMBER/              homes, after quickstart only
//! ```

mod config;
pub mod device;
mod mission;
mod quickstart;
mod revoke;
mod tls;

use crate::error::Failure;
use picket_roster::limits::NAME_MAX;
use picket_wire::time::Wall;

pub use mission::{enrol, new};
pub use quickstart::quickstart;
pub use revoke::{cosign, revoke, revoker, revokers};

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
