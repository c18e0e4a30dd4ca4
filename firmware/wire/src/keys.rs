//! Keys of the hop: what a network-key generation is expanded into, and pairwise link keys (spec §10.6, §10.7).

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Pairwise key between two neighbours, 32 bytes: HKDF over ECDH of their identity keys, made by the roster crate.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct LinkKey(pub [u8; 32]);

/// Everything derived from one generation of the network key NK.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct NetKeys {
    /// Generation of NK; its low three bits travel in each frame's first byte.
    pub generation: u8,
    /// Key of broadcast hop MACs.
    pub mac: [u8; 32],
    /// Key of the header mask (AES-128).
    pub mask: [u8; 16],
    /// Key of broker topic names.
    pub topic: [u8; 32],
}

impl core::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("LinkKey(..)")
    }
}

impl core::fmt::Debug for NetKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "NetKeys(generation {})", self.generation)
    }
}

impl LinkKey {
    /// Key of the hop MACs from `from` to `to` (full indices): HMAC-SHA-256(LK, "PICKET-hop" ‖ 0 if `from` < `to`,
    /// otherwise 1). LK itself is the same both ways and hop addresses are only low bytes; one key per direction keeps
    /// a reflected frame from passing as the neighbour's where both low bytes are equal (spec §10.6).
    #[must_use]
    pub fn toward(&self, from: crate::Index, to: crate::Index) -> [u8; 32] {
        hmac(&self.0, &[b"PICKET-hop", &[u8::from(from >= to)]])
    }
}

impl NetKeys {
    /// Expands the 32-byte network key `nk` of `generation`: HKDF-SHA-256, labels `PICKET-net-mac`, `-mask`, `-topic`.
    #[must_use]
    pub fn derive(nk: &[u8; 32], generation: u8) -> Self {
        let hk = Hkdf::<Sha256>::new(Some(&[generation]), nk);
        let mut keys = Self { generation, mac: [0; 32], mask: [0; 16], topic: [0; 32] };
        // Expansion fails only above 255 × 32 bytes.
        let done = hk.expand(b"PICKET-net-mac", &mut keys.mac).is_ok()
            && hk.expand(b"PICKET-net-mask", &mut keys.mask).is_ok()
            && hk.expand(b"PICKET-net-topic", &mut keys.topic).is_ok();
        debug_assert!(done);
        keys
    }

    /// Masked topic name of (`kind`, `destination`): the first 16 bytes of HMAC-SHA-256(topic key, "mq" ‖ kind ‖
    /// destination), to be written as hex under the uplink's prefix (spec §10.7).
    #[must_use]
    pub fn topic_name(&self, kind: TopicKind, destination: crate::Index) -> [u8; 16] {
        let mut name = [0; 16];
        let tag = hmac(&self.topic, &[b"mq", &[kind as u8], &destination.0.to_be_bytes()]);
        name.copy_from_slice(&tag[..16]);
        name
    }
}

/// What a broker topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum TopicKind {
    /// Parcels for a member whose gateway is not known.
    Member = 0,
    /// Parcels and acknowledgements for one gateway.
    Gateway = 1,
    /// A member's attachment claim, retained.
    Claims = 2,
    /// The rooms a member listens to, retained.
    Listens = 3,
}

/// HMAC-SHA-256 over the concatenation of `parts`.
#[must_use]
pub fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    HmacKey::new(key).over(parts)
}

/// A key of HMAC-SHA-256 set up once, for several MACs: half of a short one's cost is its key.
pub struct HmacKey(Hmac<Sha256>);

impl HmacKey {
    /// Sets `key` up.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        // RFC 2104 pads short keys with zeros to the 64-byte block: padded here, the constructor cannot fail.
        let mut block = [0; 64];
        block[..32].copy_from_slice(key);
        let mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
        block.zeroize();
        Self(mac)
    }

    /// The MAC over the concatenation of `parts`.
    #[must_use]
    pub fn over(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl core::fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HmacKey(..)")
    }
}

/// MAC of a non-delivery notice: the first 8 bytes of HMAC-SHA-256(LK(gateway, sender), "PICKET-notice" ‖ id ‖ reason)
/// (spec §20.3).
#[must_use]
pub fn notice_mac(key: &LinkKey, id: crate::MessageId, reason: crate::control::NoticeReason) -> [u8; 8] {
    let mut mac = [0; 8];
    mac.copy_from_slice(&hmac(&key.0, &[b"PICKET-notice", &id.0, &[reason as u8]])[..8]);
    mac
}
