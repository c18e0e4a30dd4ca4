//! Path keys: what a device holds of the tree (spec §35.2). They move forward with every network-key generation.

use crate::codec::{DecodeError, Reader};
use crate::psk::expand;
use crate::tree::{Node, PATH_NODES};
use aes_kw::{KeyInit, KwAes256};
use core::fmt;
use picket_wire::Index;
use picket_wire::keys::NetKeys;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of a generation's seed: 128 bits. 24 or 32 bytes would make a REVOKE for 64 stations longer than 250 bytes, and
/// what follows from a seed guards headers and membership, never content.
pub const SEED_LEN: usize = 16;

/// Bytes of a wrapped seed.
pub const WRAP_LEN: usize = SEED_LEN + 8;

/// The seed of a network-key generation. Erased on drop.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Seed(pub(crate) [u8; SEED_LEN]);

/// Keys of the nodes from the root to one index, at one generation. Erased on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PathKeys {
    generation: u8,
    keys: [[u8; 32]; PATH_NODES],
}

/// The key of one node. Erased on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct NodeKey(pub(crate) [u8; 32]);

/// A wrapped seed that this key does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOurs;

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey(..)")
    }
}

impl fmt::Debug for PathKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathKeys(generation {})", self.generation)
    }
}

impl Seed {
    /// The network key NK of `generation`: HKDF(seed, "PICKET-network" ‖ generation).
    #[must_use]
    pub fn network_key(&self, generation: u8) -> Zeroizing<[u8; 32]> {
        let mut out = Zeroizing::new([0; 32]);
        expand(&self.0, &[b"PICKET-network", &[generation]], &mut out);
        out
    }

    /// What is derived from [`Self::network_key`] for the hop.
    #[must_use]
    pub fn net_keys(&self, generation: u8) -> NetKeys {
        NetKeys::derive(&self.network_key(generation), generation)
    }
}

impl NodeKey {
    /// One generation on: HKDF(key, "PICKET-node-next").
    pub(crate) fn step(&mut self) {
        let mut next = Zeroizing::new([0; 32]);
        expand(&self.0, &[b"PICKET-node-next"], &mut next);
        self.0.copy_from_slice(next.as_ref());
    }

    /// Wraps a seed: AES-256 key wrap (RFC 3394).
    #[must_use]
    pub fn wrap(&self, seed: &Seed) -> [u8; WRAP_LEN] {
        let mut out = [0; WRAP_LEN];
        let done = KwAes256::new(&self.0.into()).wrap_key(&seed.0, &mut out);
        // Fails only for lengths other than these.
        debug_assert!(done.is_ok());
        out
    }

    /// Opens a wrapped seed.
    ///
    /// # Errors
    /// [`NotOurs`] when it was wrapped under another key or altered.
    pub fn unwrap(&self, wrapped: &[u8; WRAP_LEN]) -> Result<Seed, NotOurs> {
        let mut seed = Seed([0; SEED_LEN]);
        KwAes256::new(&self.0.into()).unwrap_key(wrapped, &mut seed.0).map_err(|_| NotOurs)?;
        Ok(seed)
    }
}

impl PathKeys {
    /// Bytes of the encoding: generation 1 ‖ seventeen keys from the root down.
    pub const LEN: usize = 1 + 32 * PATH_NODES;

    /// From the keys of the nodes above an index.
    #[cfg(feature = "authority")]
    pub(crate) fn new(generation: u8, of: impl Fn(u8) -> NodeKey) -> Self {
        let mut keys = [[0; 32]; PATH_NODES];
        for (depth, key) in (0..).zip(&mut keys) {
            key.copy_from_slice(&of(depth).0);
        }
        Self { generation, keys }
    }

    /// Reads the encoding.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let generation = r.u8()?;
        let mut path = Self { generation, keys: [[0; 32]; PATH_NODES] };
        for key in &mut path.keys {
            *key = r.array()?;
        }
        r.end()?;
        Ok(path)
    }

    /// The encoding, to be kept under the device's vault key.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut out = Zeroizing::new([0; Self::LEN]);
        if let Some((first, rest)) = out.split_first_mut() {
            *first = self.generation;
            for (to, key) in rest.chunks_exact_mut(32).zip(&self.keys) {
                to.copy_from_slice(key);
            }
        }
        out
    }

    /// The generation they stand at: that of the network key in force.
    #[must_use]
    pub const fn generation(&self) -> u8 {
        self.generation
    }

    /// Moves on to `generation` and forgets everything before it. Going back is a no-op.
    pub fn advance_to(&mut self, generation: u8) {
        for key in &mut self.keys {
            let mut node = NodeKey(*key);
            for _ in self.generation..generation {
                node.step();
            }
            key.copy_from_slice(&node.0);
        }
        self.generation = self.generation.max(generation);
    }

    /// The key of `node`, if it is above `own`, the index these keys were made for.
    #[must_use]
    pub fn key(&self, own: Index, node: Node) -> Option<NodeKey> {
        if !node.covers(own) {
            return None;
        }
        self.keys.get(usize::from(node.depth)).map(|key| NodeKey(*key))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use aes_kw::{KwAes128, KwAes192};

    fn bytes(hex: &str) -> Vec<u8> {
        hex::decode(hex.replace(' ', "")).unwrap()
    }

    const KEK: &str = "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F";
    const DATA: &str = "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F";

    /// RFC 3394 §4.1 to §4.6: key bytes of the KEK, bytes wrapped, result.
    const RFC_3394: [(usize, usize, &str); 6] = [
        (16, 16, "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"),
        (24, 16, "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D"),
        (32, 16, "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7"),
        (24, 24, "031D33264E15D33268F24EC260743EDCE1C6C7DDEE725A936BA814915C6762D2"),
        (32, 24, "A8F9BC1612C68B3FF6E6F4FBE30E71E4769C8B80A32CB8958CD5D17D6B254DA1"),
        (32, 32, "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"),
    ];

    #[test]
    fn the_vectors_of_rfc_3394_hold() {
        let (kek, data) = (bytes(KEK), bytes(DATA));
        for (key, len, wrapped) in RFC_3394 {
            let (key, data, wrapped) = (&kek[..key], &data[..len], bytes(wrapped));
            let (mut there, mut back) = (vec![0; len + 8], vec![0; len]);
            match key.len() {
                16 => {
                    KwAes128::new_from_slice(key).unwrap().wrap_key(data, &mut there).unwrap();
                    KwAes128::new_from_slice(key).unwrap().unwrap_key(&wrapped, &mut back).unwrap();
                }
                24 => {
                    KwAes192::new_from_slice(key).unwrap().wrap_key(data, &mut there).unwrap();
                    KwAes192::new_from_slice(key).unwrap().unwrap_key(&wrapped, &mut back).unwrap();
                }
                _ => {
                    KwAes256::new_from_slice(key).unwrap().wrap_key(data, &mut there).unwrap();
                    KwAes256::new_from_slice(key).unwrap().unwrap_key(&wrapped, &mut back).unwrap();
                }
            }
            assert_eq!((there, back.as_slice()), (wrapped, data));
        }
    }

    #[test]
    fn a_seed_is_wrapped_as_rfc_3394_4_3_says() {
        let key = NodeKey(bytes(KEK).try_into().unwrap());
        let seed = Seed(bytes(DATA)[..16].try_into().unwrap());
        let wrapped = key.wrap(&seed);
        assert_eq!(wrapped.to_vec(), bytes(RFC_3394[2].2));
        assert!(key.unwrap(&wrapped) == Ok(seed));
        for bit in 0..WRAP_LEN * 8 {
            let mut other = wrapped;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.unwrap(&other).err(), Some(NotOurs), "bit {bit}");
        }
    }

    #[test]
    fn path_keys_go_forward_only_and_do_not_show() {
        let mut paths = PathKeys { generation: 3, keys: [[7; 32]; PATH_NODES] };
        let before = paths.to_bytes();
        paths.advance_to(2);
        assert_eq!(*paths.to_bytes(), *before, "going back is nothing");
        let mut twice = paths.clone();
        twice.advance_to(4);
        twice.advance_to(5);
        paths.advance_to(5);
        assert_eq!(*paths.to_bytes(), *twice.to_bytes());
        assert!(!paths.keys.contains(&[7; 32]));
        assert_eq!(
            format!("{paths:?} {:?} {:?}", NodeKey([9; 32]), Seed([9; 16])),
            "PathKeys(generation 5) NodeKey(..) Seed(..)"
        );
        assert!(PathKeys::decode(&paths.to_bytes()[1..]).is_err());
        assert_eq!(*PathKeys::decode(paths.to_bytes().as_ref()).unwrap().to_bytes(), *paths.to_bytes());
    }
}
