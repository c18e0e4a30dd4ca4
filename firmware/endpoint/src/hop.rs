//! Keys of the hop toward gateways: what the leaf asks for.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use picket_node::leaf::Keyring;
use picket_node::{Directory, StationKind};
use picket_roster::{AgreementSecret, Kind, PublicKey, Roster, link_key};
use picket_wire::control::{Claim, Listens};
use picket_wire::frame::Mask;
use picket_wire::keys::{LinkKey, NetKeys};
use picket_wire::{Index, MissionId};

/// A member's view of the mission's gateways. Members are strangers on a hop: nothing is taken from them.
pub(crate) struct Hop {
    me: Index,
    mission: MissionId,
    agreement: AgreementSecret,
    net: NetKeys,
    mask: Mask,
    gateways: BTreeMap<Index, PublicKey>,
    /// The generation before, until the next start or the next change.
    earlier: Option<(NetKeys, Mask)>,
    /// Computed at first use: one ECDH a gateway.
    keys: RefCell<BTreeMap<Index, LinkKey>>,
}

impl Hop {
    pub(crate) fn new(me: Index, agreement: &AgreementSecret, net: NetKeys, roster: &Roster<Vec<u8>>) -> Self {
        let gateways = roster.stations().filter(|s| s.kind == Kind::Gateway).map(|s| (s.index, s.agreement)).collect();
        Self {
            me,
            mission: roster.mission(),
            agreement: agreement.clone(),
            mask: Mask::new(&net),
            net,
            gateways,
            earlier: None,
            keys: RefCell::new(BTreeMap::new()),
        }
    }

    /// With the keys of the generation before, while the change goes on.
    pub(crate) fn after(mut self, earlier: Option<NetKeys>) -> Self {
        self.earlier = earlier.map(|net| (net.clone(), Mask::new(&net)));
        self
    }
}

impl fmt::Debug for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hop({} gateways)", self.gateways.len())
    }
}

impl Keyring for Hop {
    fn me(&self) -> Index {
        self.me
    }

    fn net(&self) -> &NetKeys {
        &self.net
    }

    fn mask(&self) -> &Mask {
        &self.mask
    }

    fn stations(&self, low: u8) -> Vec<Index> {
        self.gateways.keys().copied().filter(|i| i.low() == low && *i != self.me).collect()
    }

    fn link_key(&self, peer: Index) -> Option<LinkKey> {
        let public = self.gateways.get(&peer)?;
        if let Some(key) = self.keys.borrow().get(&peer) {
            return Some(key.clone());
        }
        let key = link_key(&self.agreement, public, self.mission, self.net.generation).ok()?;
        self.keys.borrow_mut().insert(peer, key.clone());
        Some(key)
    }

    fn earlier(&self) -> Option<(&NetKeys, &Mask)> {
        self.earlier.as_ref().map(|(net, mask)| (net, mask))
    }

    fn earlier_link_key(&self, peer: Index) -> Option<LinkKey> {
        let (net, _) = self.earlier()?;
        link_key(&self.agreement, self.gateways.get(&peer)?, self.mission, net.generation).ok()
    }
}

impl Directory for Hop {
    fn kind(&self, index: Index) -> Option<StationKind> {
        self.gateways.contains_key(&index).then_some(StationKind::Gateway)
    }

    fn members(&self) -> Vec<Index> {
        Vec::new()
    }

    fn verify_claim(&self, _claim: &Claim) -> bool {
        false
    }

    fn verify_listens(&self, _listens: &Listens) -> bool {
        false
    }
}
