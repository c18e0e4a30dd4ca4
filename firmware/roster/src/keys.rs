//! P-256 keys: public halves as compressed SEC1, secrets that erase themselves, key pairs derived from a seed
//! (RFC 9180 §7.1.3), signatures, and the pairwise link key (spec §30.3).

use core::fmt;
use hkdf::Hkdf;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::elliptic_curve::sec1::ToSec1Point;
use picket_wire::MissionId;
use picket_wire::keys::LinkKey;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Public half of a P-256 key: 33 bytes, compressed SEC1. Holding one does not prove that it is a point of the curve;
/// every use checks that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 33]);

/// Bytes that are not a key of P-256, or (for shared secrets) not one that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKey;

/// A signature that does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSignature;

/// IS: the ECDSA identity key of a device. Erased on drop, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct IdentitySecret(pub(crate) [u8; 32]);

/// IK: the ECDH identity key of a device, apart from [`IdentitySecret`]. Erased on drop, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct AgreementSecret {
    secret: [u8; 32],
    /// Kept beside it: every session that is set up needs it, and making it costs as much as an exchange.
    #[zeroize(skip)]
    public: PublicKey,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:02x}{:02x}{:02x}{:02x}…)", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a valid P-256 key")
    }
}

impl core::error::Error for BadKey {}

impl fmt::Display for BadSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the signature does not verify")
    }
}

impl core::error::Error for BadSignature {}

impl fmt::Debug for IdentitySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentitySecret(..)")
    }
}

impl fmt::Debug for AgreementSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgreementSecret(..)")
    }
}

impl PublicKey {
    /// The uncompressed form (65 bytes, `04 ‖ x ‖ y`), as RFC 9180 serialises it.
    ///
    /// # Errors
    /// [`BadKey`] when the bytes are not a point of the curve.
    pub fn uncompressed(&self) -> Result<[u8; 65], BadKey> {
        let point = p256::PublicKey::from_sec1_bytes(&self.0).map_err(|_| BadKey)?.to_sec1_point(false);
        point.as_bytes().try_into().map_err(|_| BadKey)
    }

    /// Checks that this is a point of the curve.
    ///
    /// # Errors
    /// [`BadKey`] when it is not.
    pub fn check(&self) -> Result<(), BadKey> {
        p256::PublicKey::from_sec1_bytes(&self.0).map(|_| ()).map_err(|_| BadKey)
    }

    /// Verifies an ECDSA P-256 signature (r ‖ s, SHA-256) over the concatenation of `domain` and `message`.
    ///
    /// # Errors
    /// [`BadSignature`], also when this key is not a point of the curve.
    pub fn verify(&self, domain: &[u8], message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        verify_plain(&self.0, &signed_digest(domain, message), signature)
    }

    /// As [`Self::verify`], over a message in parts.
    pub(crate) fn verify_parts(
        &self,
        domain: &[u8],
        message: &[&[u8]],
        signature: &[u8; 64],
    ) -> Result<(), BadSignature> {
        verify_plain(&self.0, &digest_of(domain, message), signature)
    }

    /// Whether the form can be right: length is, first byte is `02` or `03`.
    #[must_use]
    pub const fn plausible(&self) -> bool {
        matches!(self.0[0], 2 | 3)
    }
}

impl IdentitySecret {
    /// From its 32 bytes (big-endian scalar).
    ///
    /// # Errors
    /// [`BadKey`] for zero and for what is not below the group order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BadKey> {
        checked_scalar(bytes).map(Self)
    }

    /// Its 32 bytes, to be kept under the device's vault key.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0)
    }

    /// Public half.
    ///
    /// # Errors
    /// Never for a value of this type; kept as a value rather than a panic.
    pub fn public(&self) -> Result<PublicKey, BadKey> {
        public_of(&self.0)
    }

    /// Signs the concatenation of `domain` and `message`: ECDSA P-256 over SHA-256, deterministic (RFC 6979), r ‖ s.
    ///
    /// # Errors
    /// Never for a value of this type; kept as a value rather than a panic.
    pub fn sign(&self, domain: &[u8], message: &[u8]) -> Result<[u8; 64], BadKey> {
        sign(&self.0, domain, message)
    }
}

impl AgreementSecret {
    /// From its 32 bytes (big-endian scalar).
    ///
    /// # Errors
    /// [`BadKey`] for zero and for what is not below the group order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BadKey> {
        let secret = checked_scalar(bytes)?;
        Ok(Self { secret, public: public_of(&secret)? })
    }

    /// Its 32 bytes, to be kept under the device's vault key.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret)
    }

    /// Public half.
    ///
    /// # Errors
    /// Never for a value of this type; kept as a value rather than a panic.
    pub const fn public(&self) -> Result<PublicKey, BadKey> {
        Ok(self.public)
    }
}

/// The pairwise link key of two neighbours in one network-key generation: HKDF-SHA-256 with the mission as salt over
/// ECDH(IK, IK), label `PICKET-link` ‖ generation (spec §30.7). Both sides compute the same.
///
/// # Errors
/// [`BadKey`] when the peer's key is not a point of the curve.
pub fn link_key(
    own: &AgreementSecret,
    peer: &PublicKey,
    mission: MissionId,
    generation: u8,
) -> Result<LinkKey, BadKey> {
    let shared = ecdh(&own.secret, &peer.0)?;
    let hk = Hkdf::<Sha256>::new(Some(&mission.0), shared.as_ref());
    let mut key = LinkKey([0; 32]);
    hk.expand_multi_info(&[b"PICKET-link", &[generation]], &mut key.0).map_err(|_| BadKey)?;
    Ok(key)
}

/// Key pair of a 32-byte seed: DeriveKeyPair of DHKEM(P-256, HKDF-SHA256) (RFC 9180 §7.1.3), so that the same seed
/// given to HPKE as `ikm` yields the same pair. Returns (secret scalar, public half).
///
/// # Errors
/// [`BadKey`] with probability below 2⁻⁸⁰⁰⁰.
pub fn derive_key_pair(seed: &[u8]) -> Result<(Zeroizing<[u8; 32]>, PublicKey), BadKey> {
    const SUITE: &[u8] = b"HPKE-v1KEM\x00\x10";
    let mut extract = hkdf::HkdfExtract::<Sha256>::new(Some(&[]));
    extract.input_ikm(SUITE);
    extract.input_ikm(b"dkp_prk");
    extract.input_ikm(seed);
    let (_, hk) = extract.finalize();
    for counter in 0..=u8::MAX {
        let mut candidate = Zeroizing::new([0u8; 32]);
        hk.expand_multi_info(&[&[0, 32], SUITE, b"candidate", &[counter]], candidate.as_mut()).map_err(|_| BadKey)?;
        if let Ok(public) = public_of(&candidate) {
            return Ok((candidate, public));
        }
    }
    Err(BadKey)
}

/// MissionId of an authority: SHA-256 over its compressed public key, first 8 bytes.
#[must_use]
pub fn mission_of(authority: &PublicKey) -> MissionId {
    let digest = Sha256::digest(authority.0);
    let mut id = [0; 8];
    id.copy_from_slice(&digest[..8]);
    MissionId(id)
}

/// x-coordinate of the shared point; the peer's key is checked to be a point of the curve.
fn ecdh(secret: &[u8; 32], public: &[u8]) -> Result<Zeroizing<[u8; 32]>, BadKey> {
    let secret = p256::SecretKey::from_slice(secret).map_err(|_| BadKey)?;
    let public = p256::PublicKey::from_sec1_bytes(public).map_err(|_| BadKey)?;
    let shared = secret.diffie_hellman(&public);
    Ok(Zeroizing::new((*shared.raw_secret_bytes()).into()))
}

/// ECDSA P-256 over SHA-256 of `message` itself.
fn verify_plain(public: &[u8], message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
    let key = VerifyingKey::from_sec1_bytes(public).map_err(|_| BadSignature)?;
    let signature = Signature::from_slice(signature).map_err(|_| BadSignature)?;
    key.verify(message, &signature).map_err(|_| BadSignature)
}

pub(crate) fn sign(secret: &[u8; 32], domain: &[u8], message: &[u8]) -> Result<[u8; 64], BadKey> {
    let key = SigningKey::from_slice(secret).map_err(|_| BadKey)?;
    let signature: Signature = key.sign(&signed_digest(domain, message));
    Ok(signature.to_bytes().into())
}

pub(crate) fn public_of(secret: &[u8; 32]) -> Result<PublicKey, BadKey> {
    let key = p256::SecretKey::from_slice(secret).map_err(|_| BadKey)?;
    let point = key.public_key().to_sec1_point(true);
    point.as_bytes().try_into().map(PublicKey).map_err(|_| BadKey)
}

fn checked_scalar(bytes: &[u8; 32]) -> Result<[u8; 32], BadKey> {
    p256::SecretKey::from_slice(bytes).map(|_| *bytes).map_err(|_| BadKey)
}

/// ECDSA P-256 over a SHA-256 digest, deterministic (RFC 6979): what [`sign`] signs, for whoever signs digests only.
#[cfg(feature = "authority")]
pub(crate) fn sign_digest(secret: &[u8; 32], digest: &[u8; 32]) -> Result<[u8; 64], BadKey> {
    use p256::ecdsa::signature::hazmat::PrehashSigner;
    let key = SigningKey::from_slice(secret).map_err(|_| BadKey)?;
    let signature: Signature = key.sign_prehash(digest).map_err(|_| BadKey)?;
    Ok(signature.to_bytes().into())
}

/// The digest that a signature of `message` in `domain` is over.
#[cfg(feature = "authority")]
pub(crate) fn signing_digest(domain: &[u8], message: &[u8]) -> [u8; 32] {
    Sha256::digest(signed_digest(domain, message)).into()
}

/// What is signed: the domain, then SHA-256 of the message. The inner hash keeps large rosters out of the signer and
/// gives every domain its own fixed-length form.
fn signed_digest(domain: &[u8], message: &[u8]) -> [u8; 64] {
    digest_of(domain, &[message])
}

fn digest_of(domain: &[u8], message: &[&[u8]]) -> [u8; 64] {
    let mut out = [0u8; 64];
    out[..32].copy_from_slice(&Sha256::digest(domain));
    let hash = message.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part));
    out[32..].copy_from_slice(&hash.finalize());
    out
}

#[cfg(test)]
mod tests;
