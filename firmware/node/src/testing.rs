//! For tests and simulators: a mission without a roster. Keys follow from the indices, claims are signed by nobody.

/// The link machine itself, for tests that play a neighbour.
pub use picket_link as link;

use crate::io::{Directory, StationKind};
use alloc::vec::Vec;
use picket_link::Keyring;
use picket_wire::control::{Claim, Listens, Rooms, Signature};
use picket_wire::frame::Mask;
use picket_wire::keys::{LinkKey, NetKeys, hmac};
use picket_wire::{Index, MissionId};

/// Everything a test station knows of its mission.
#[derive(Debug)]
pub struct TestDirectory {
    me: Index,
    net: NetKeys,
    mask: Mask,
    stations: Vec<(Index, StationKind)>,
    mission: Option<MissionId>,
    revoked: Vec<Index>,
    earlier: Option<(NetKeys, Mask)>,
}

impl TestDirectory {
    /// As seen by `me` in a mission of these members and gateways.
    #[must_use]
    pub fn new(me: Index, members: &[Index], gateways: &[Index]) -> Self {
        let net = NetKeys::derive(&[7; 32], 0);
        let kind = |of: StationKind| move |i: &Index| (*i, of);
        let mut stations: Vec<_> = members.iter().map(kind(StationKind::Member)).collect();
        stations.extend(gateways.iter().map(kind(StationKind::Gateway)));
        stations.sort_by_key(|(index, _)| *index);
        Self { me, mask: Mask::new(&net), net, stations, mission: None, revoked: Vec::new(), earlier: None }
    }

    /// Signed objects are carried, in this mission.
    pub fn carry_objects(&mut self, mission: MissionId) {
        self.mission = Some(mission);
    }

    /// The network key of this generation, and these are revoked.
    pub fn rekey(&mut self, generation: u8, revoked: &[Index]) {
        let net = NetKeys::derive(&[7; 32], generation);
        let mask = core::mem::replace(&mut self.mask, Mask::new(&net));
        self.earlier = Some((core::mem::replace(&mut self.net, net), mask));
        self.revoked = revoked.to_vec();
    }

    /// A claim that [`Directory::verify_claim`] of every test directory accepts.
    #[must_use]
    pub fn claim(member: Index, gateway: Index, sequence: u32) -> Claim {
        Claim { member, gateway, sequence, signature: signature(member, gateway, sequence) }
    }

    /// A word of listening that [`Directory::verify_listens`] of every test directory accepts.
    #[must_use]
    pub fn listens(member: Index, sequence: u32, rooms: Rooms) -> Listens {
        Listens { member, sequence, rooms, signature: rooms_signature(member, sequence, &rooms) }
    }
}

fn rooms_signature(member: Index, sequence: u32, rooms: &Rooms) -> Signature {
    let list: Vec<u8> = rooms.as_slice().iter().flat_map(|room| room.0.to_be_bytes()).collect();
    let half = hmac(&[3; 32], &[&member.0.to_be_bytes(), &sequence.to_be_bytes(), &list]);
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&half);
    Signature(bytes)
}

fn signature(member: Index, gateway: Index, sequence: u32) -> Signature {
    let text = [&member.0.to_be_bytes()[..], &gateway.0.to_be_bytes(), &sequence.to_be_bytes()];
    let half = hmac(&[1; 32], &text);
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&half);
    Signature(bytes)
}

impl Keyring for TestDirectory {
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
        self.stations.iter().map(|(i, _)| *i).filter(|i| i.low() == low && *i != self.me).collect()
    }
    fn earlier(&self) -> Option<(&NetKeys, &Mask)> {
        self.earlier.as_ref().map(|(net, mask)| (net, mask))
    }
    fn link_key(&self, peer: Index) -> Option<LinkKey> {
        self.kind(peer)?;
        let (a, b) = (self.me.min(peer), self.me.max(peer));
        Some(LinkKey(hmac(&[2; 32], &[&a.0.to_be_bytes(), &b.0.to_be_bytes()])))
    }
}

impl Directory for TestDirectory {
    fn kind(&self, index: Index) -> Option<StationKind> {
        let listed = self.stations.iter().find(|(i, _)| *i == index && !self.revoked.contains(i));
        listed.map(|(_, kind)| *kind)
    }
    fn members(&self) -> Vec<Index> {
        self.stations.iter().filter(|(_, k)| *k == StationKind::Member).map(|(i, _)| *i).collect()
    }
    fn mission(&self) -> Option<MissionId> {
        self.mission
    }
    fn revoked(&self) -> Vec<Index> {
        self.revoked.clone()
    }
    fn verify_claim(&self, claim: &Claim) -> bool {
        claim.signature == signature(claim.member, claim.gateway, claim.sequence)
    }
    fn verify_listens(&self, listens: &Listens) -> bool {
        listens.signature == rooms_signature(listens.member, listens.sequence, &listens.rooms)
    }
}
