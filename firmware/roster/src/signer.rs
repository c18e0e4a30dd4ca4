//! Who signs for the authority: a key in memory, or one that never leaves its token (spec §30.14).

use crate::keys::{BadKey, PublicKey, public_of, sign_digest, signing_digest};
use alloc::sync::Arc;
use core::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Something that signs with the authority's key AK.
pub trait Signer: Send + Sync {
    /// AK's public half.
    fn public(&self) -> PublicKey;

    /// ECDSA P-256 over a SHA-256 digest: r ‖ s.
    ///
    /// # Errors
    /// [`SignerError`].
    fn sign_digest(&self, digest: &[u8; 32]) -> Result<[u8; 64], SignerError>;

    /// AK itself, where it is in memory; none when it never leaves a token.
    fn secret(&self) -> Option<Zeroizing<[u8; 32]>> {
        None
    }
}

/// The roots from which a mission's shared secrets come. Erased on drop, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Roots {
    pub(crate) pairing: [u8; 32],
    pub(crate) network: [u8; 32],
}

/// Why there is no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerError {
    /// The token did not sign.
    Refused,
    /// What it gave does not verify under AK: another key, or a fault.
    Wrong,
}

impl fmt::Display for SignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "the authority's key did not sign: check the token and log in again",
            Self::Wrong => "a signature of the authority's key does not verify: do not use this token or machine",
        })
    }
}

impl core::error::Error for SignerError {}

/// AK in memory. Erased on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
struct InMemory {
    secret: [u8; 32],
    #[zeroize(skip)]
    public: PublicKey,
}

impl Roots {
    /// Bytes of [`Self::to_bytes`].
    pub const LEN: usize = 64;

    /// From its bytes: pairing root, network root.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let mut roots = Self { pairing: [0; 32], network: [0; 32] };
        let (pairing, network) = bytes.split_at(32);
        roots.pairing.copy_from_slice(pairing);
        roots.network.copy_from_slice(network);
        roots
    }

    /// Its bytes, to be kept wrapped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut out = Zeroizing::new([0; Self::LEN]);
        out[..32].copy_from_slice(&self.pairing);
        out[32..].copy_from_slice(&self.network);
        out
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Roots(..)")
    }
}

impl Signer for InMemory {
    fn public(&self) -> PublicKey {
        self.public
    }

    fn sign_digest(&self, digest: &[u8; 32]) -> Result<[u8; 64], SignerError> {
        sign_digest(&self.secret, digest).map_err(|BadKey| SignerError::Refused)
    }

    fn secret(&self) -> Option<Zeroizing<[u8; 32]>> {
        Some(Zeroizing::new(self.secret))
    }
}

/// A signer whose key is in memory.
pub(crate) fn in_memory(secret: &[u8; 32]) -> Result<Arc<dyn Signer>, BadKey> {
    Ok(Arc::new(InMemory { secret: *secret, public: public_of(secret)? }))
}

/// Signs `message` in `domain` (spec §30.3), and trusts no signature that it has not verified.
///
/// # Errors
/// [`SignerError`].
pub fn sign_as(signer: &dyn Signer, domain: &[u8], message: &[u8]) -> Result<[u8; 64], SignerError> {
    let signature = signer.sign_digest(&signing_digest(domain, message))?;
    signer.public().verify(domain, message, &signature).map_err(|_| SignerError::Wrong)?;
    Ok(signature)
}
