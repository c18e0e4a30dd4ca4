//! Directional keys of neighbours, derived once (spec §10.6). The keyring is asked for every frame all the same, so
//! that a revoked neighbour is refused at once.

use crate::api::Keyring;
use crate::limits::PEERS_MAX;
use alloc::collections::BTreeMap;
use picket_wire::Index;
use picket_wire::keys::LinkKey;

/// Cache of what follows from pairwise keys; erased on drop.
#[derive(Debug, Default)]
pub(crate) struct HopKeys {
    known: BTreeMap<Index, Pair>,
}

#[derive(Debug)]
struct Pair {
    from: LinkKey,
    to_peer: LinkKey,
    from_peer: LinkKey,
}

impl HopKeys {
    /// Key of frames from us to `peer`.
    pub(crate) fn toward(&mut self, peer: Index, keys: &dyn Keyring) -> Option<&[u8; 32]> {
        self.pair(peer, keys).map(|p| &p.to_peer.0)
    }

    /// Key of frames from `peer` to us.
    pub(crate) fn of(&mut self, peer: Index, keys: &dyn Keyring) -> Option<&[u8; 32]> {
        self.pair(peer, keys).map(|p| &p.from_peer.0)
    }

    fn pair(&mut self, peer: Index, keys: &dyn Keyring) -> Option<&Pair> {
        let Some(link_key) = keys.link_key(peer) else {
            self.known.remove(&peer);
            return None;
        };
        let stale = self.known.get(&peer).is_none_or(|p| p.from.0 != link_key.0);
        if stale {
            if self.known.len() >= PEERS_MAX {
                self.known.clear();
            }
            let to_peer = LinkKey(link_key.toward(keys.me(), peer));
            let from_peer = LinkKey(link_key.toward(peer, keys.me()));
            self.known.insert(peer, Pair { from: link_key, to_peer, from_peer });
        }
        self.known.get(&peer)
    }
}
