//! HPKE set-up: RFC 9180 SetupAuthPSK, unmodified, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (spec §40.3).
//! Only the exporter is used.

use crate::chain::ChainKey;
use crate::lanes::Lanes;
use crate::session::SessionId;
use core::convert::Infallible;
use core::fmt;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::DhP256HkdfSha256 as Kem;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, OpModeR, OpModeS, PskBundle, Serializable};
use picket_roster::{AgreementSecret, BadKey, PublicKey};
use picket_wire::envelope::Encapsulated;
use zeroize::Zeroizing;

type PublicH = <Kem as hpke::Kem>::PublicKey;
type PrivateH = <Kem as hpke::Kem>::PrivateKey;
type EncH = <Kem as hpke::Kem>::EncappedKey;

/// Why a session cannot be set up. Nothing is ever sent without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupError {
    /// A key is not a point of the curve, or not a scalar.
    Key,
    /// HPKE refused its inputs.
    Hpke,
    /// The session id does not fit the kind of session.
    Session,
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "a key of this session is not valid",
            Self::Hpke => "the key exchange refused its inputs",
            Self::Session => "the session id does not fit this kind of session",
        })
    }
}

impl core::error::Error for SetupError {}

impl From<BadKey> for SetupError {
    fn from(_: BadKey) -> Self {
        Self::Key
    }
}

/// What a session begins with: the first chain key of lane 0, and the roots of the other lanes.
pub(crate) struct Roots {
    pub(crate) chain: ChainKey,
    pub(crate) lanes: Lanes,
}

/// The roots as the sender derives them from the 32 bytes `ikm`; and the encapsulated key.
pub(crate) fn sender_roots(
    id: &SessionId,
    own: &AgreementSecret,
    ikm: &[u8; 32],
    receiver: &PublicKey,
    psk: &[u8; 32],
) -> Result<(Roots, PublicKey), SetupError> {
    let secret = private(&own.to_bytes())?;
    let public_own = public(&own.public()?)?;
    let psk_id = id.epoch.to_be_bytes();
    let bundle = PskBundle::new(psk, &psk_id).map_err(|_| SetupError::Hpke)?;
    let mode = OpModeS::<Kem>::AuthPsk((secret, public_own), bundle);
    let mut rng = Exactly { bytes: Zeroizing::new(*ikm), drawn: false };
    let (enc, ctx) =
        hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, Kem>(&mode, &public(receiver)?, &id.info(), &mut rng)
            .map_err(|_| SetupError::Hpke)?;
    let roots = roots(|info, out| ctx.export(info, out).map_err(|_| SetupError::Hpke))?;
    Ok((roots, compress(&enc.to_bytes())?))
}

/// The roots as the receiver derives them from its R or P key.
pub(crate) fn receiver_roots(
    id: &SessionId,
    own: &[u8; 32],
    enc: &PublicKey,
    sender: &PublicKey,
    psk: &[u8; 32],
) -> Result<Roots, SetupError> {
    let psk_id = id.epoch.to_be_bytes();
    let bundle = PskBundle::new(psk, &psk_id).map_err(|_| SetupError::Hpke)?;
    let mode = OpModeR::<Kem>::AuthPsk(public(sender)?, bundle);
    let enc = EncH::from_bytes(&enc.uncompressed()?).map_err(|_| SetupError::Key)?;
    let ctx = hpke::setup_receiver::<AesGcm256, HkdfSha256, Kem>(&mode, &private(own)?, &enc, &id.info())
        .map_err(|_| SetupError::Hpke)?;
    roots(|info, out| ctx.export(info, out).map_err(|_| SetupError::Hpke))
}

fn roots(mut export: impl FnMut(&[u8], &mut [u8]) -> Result<(), SetupError>) -> Result<Roots, SetupError> {
    let mut of = |lane: u8| {
        let mut root = [0; 32];
        export(&[b'c', b'k', b'0', lane], &mut root).map(|()| root)
    };
    Ok(Roots { chain: ChainKey(of(0)?), lanes: Lanes::new(|lane| of(lane as u8))? })
}

/// The extension's form of an encapsulated key: x, and the parity of y in the prekey byte's lowest bit.
pub(crate) fn to_extension(enc: &PublicKey, prekey_id: u8) -> Encapsulated {
    let mut x = [0; 32];
    x.copy_from_slice(&enc.0[1..]);
    Encapsulated { prekey: prekey_id << 1 | enc.0[0] & 1, x }
}

/// The encapsulated key of an extension; whether it is a point of the curve is checked at its use.
pub(crate) fn from_extension(enc: &Encapsulated) -> PublicKey {
    let mut out = [0; 33];
    out[0] = 2 | enc.prekey & 1;
    out[1..].copy_from_slice(&enc.x);
    PublicKey(out)
}

/// A source that yields exactly the 32 bytes of `ikmE`, once; HPKE draws no more. Anything further would be zeros, and
/// the second draw is asserted against in tests.
struct Exactly {
    bytes: Zeroizing<[u8; 32]>,
    drawn: bool,
}

impl TryRng for Exactly {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        debug_assert!(false, "HPKE draws bytes only");
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        debug_assert!(false, "HPKE draws bytes only");
        Ok(0)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        debug_assert!(!self.drawn && out.len() == 32, "HPKE draws exactly 32 bytes, once");
        for (to, from) in out.iter_mut().zip(self.bytes.iter()) {
            *to = *from;
        }
        self.drawn = true;
        Ok(())
    }
}

impl TryCryptoRng for Exactly {}

fn private(bytes: &[u8; 32]) -> Result<PrivateH, SetupError> {
    PrivateH::from_bytes(bytes).map_err(|_| SetupError::Key)
}

fn public(key: &PublicKey) -> Result<PublicH, SetupError> {
    PublicH::from_bytes(&key.uncompressed()?).map_err(|_| SetupError::Key)
}

/// `04 ‖ x ‖ y` to `02|03 ‖ x`.
fn compress(uncompressed: &[u8]) -> Result<PublicKey, SetupError> {
    let (Some(x), Some(last)) = (uncompressed.get(1..33), uncompressed.get(64)) else {
        return Err(SetupError::Key);
    };
    let mut out = [0; 33];
    out[0] = 2 | last & 1;
    out[1..].copy_from_slice(x);
    Ok(PublicKey(out))
}

#[cfg(test)]
mod tests;
