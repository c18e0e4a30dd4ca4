//! The symmetric chain: one key per message, then gone (spec §40.4).

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use aes_gcm::aes::Aes256Enc;
use aes_gcm::{AesGcm, KeyInit};
use hkdf::Hkdf;
use picket_wire::control::{ReceiptKind, Token};
use picket_wire::keys::HmacKey;
use picket_wire::limits::TAG_LEN;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// AES-256-GCM with 12-byte nonce and 12-byte tag. Counter mode only ever encrypts: no key schedule for decrypting.
type Gcm = AesGcm<Aes256Enc, U12, U12>;

/// ck_i. Erased on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct ChainKey(pub(crate) [u8; 32]);

/// mk_i: the key of one message. Erased on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct MessageKey(pub(crate) [u8; 32]);

/// What proves that a message was delivered and read: HMAC(mk_i, "delivered" | "read")[..8]. The recipient keeps them
/// until sent, the sender until seen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// Token of the delivered receipt.
    pub delivered: Token,
    /// Token of the read receipt.
    pub read: Token,
}

impl core::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Tokens(..)")
    }
}

impl Tokens {
    /// The token of a kind of receipt.
    #[must_use]
    pub const fn of(&self, kind: ReceiptKind) -> Token {
        match kind {
            ReceiptKind::Delivered => self.delivered,
            ReceiptKind::Read => self.read,
        }
    }

    /// Whether `token` proves a receipt of `kind`; constant time.
    #[must_use]
    pub fn proves(&self, kind: ReceiptKind, token: &Token) -> bool {
        bool::from(self.of(kind).ct_eq(token))
    }
}

impl ChainKey {
    /// mk_i = HMAC(ck_i, 1), and ck_{i+1} = HMAC(ck_i, 2).
    pub(crate) fn step(&self) -> (MessageKey, Self) {
        let key = HmacKey::new(&self.0);
        (MessageKey(key.over(&[&[1]])), Self(key.over(&[&[2]])))
    }

    /// ck_{i+1} in place of ck_i, where mk_i is not needed.
    pub(crate) fn advance(&mut self) {
        *self = Self(HmacKey::new(&self.0).over(&[&[2]]));
    }
}

impl MessageKey {
    /// Receipt tokens, to be derived before the key is erased.
    pub(crate) fn tokens(&self) -> Tokens {
        let key = HmacKey::new(&self.0);
        let token = |word: &[u8]| {
            let mut out = [0; 8];
            out.copy_from_slice(&key.over(&[word])[..8]);
            out
        };
        Tokens { delivered: token(b"delivered"), read: token(b"read") }
    }

    /// Encrypts in place; returns the tag, `None` when the input is beyond AES-GCM's limits (never for an envelope).
    pub(crate) fn seal(&self, aad: &[u8], text: &mut [u8]) -> Option<[u8; TAG_LEN]> {
        let (gcm, nonce) = self.cipher()?;
        let tag = gcm.encrypt_inout_detached(&nonce.into(), aad, text.into()).ok()?;
        Some(tag.into())
    }

    /// Decrypts in place after the tag has verified; `false` leaves `text` undefined but never in clear.
    pub(crate) fn open(&self, aad: &[u8], text: &mut [u8], tag: &[u8; TAG_LEN]) -> bool {
        let Some((gcm, nonce)) = self.cipher() else { return false };
        gcm.decrypt_inout_detached(&nonce.into(), aad, text.into(), &(*tag).into()).is_ok()
    }

    /// K(32) ‖ N(12) = HKDF-Expand(mk_i, "PICKET-msg", 44).
    #[inline]
    fn cipher(&self) -> Option<(Gcm, [u8; 12])> {
        let mut okm = Zeroizing::new([0u8; 44]);
        Hkdf::<Sha256>::from_prk(&self.0).ok()?.expand(b"PICKET-msg", okm.as_mut()).ok()?;
        let (key, nonce) = okm.split_first_chunk::<32>()?;
        Some((Gcm::new(key.into()), nonce.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests;
