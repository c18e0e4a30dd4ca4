//! A mission as the authority makes it.

use picket_node::leaf::Keyring;
use picket_node::{Directory, StationKind};
use picket_roster::{
    AuthorityKey, DeviceRequest, DeviceSecrets, Keyfill, Kind, PathKeys, Revoke, RevokeDraft, Roster, RosterDraft,
    link_key, verify_claim, verify_listens,
};
use picket_wire::Index;
use picket_wire::control::{Claim, Listens};
use picket_wire::frame::Mask;
use picket_wire::keys::{LinkKey, NetKeys};

pub struct Mission {
    pub authority: AuthorityKey,
    pub draft: RosterDraft,
    pub roster: Vec<u8>,
    pub secrets: Vec<DeviceSecrets>,
    pub indices: Vec<Index>,
}

impl Mission {
    /// Members first, then gateways; positions in `secrets` and `indices` follow.
    pub fn new(members: &[&str], gateways: &[&str], start_s: u64) -> Self {
        let authority = AuthorityKey::generate(&[9; 32]).unwrap();
        let draft = RosterDraft::new("test", start_s).unwrap();
        let mut mission = Self { authority, draft, roster: vec![], secrets: vec![], indices: vec![] };
        for name in members {
            mission.enrol(name, Kind::Member, 8, 0);
        }
        for name in gateways {
            mission.enrol(name, Kind::Gateway, 0, 0);
        }
        mission.sign(start_s);
        mission
    }

    pub fn enrol(&mut self, name: &str, kind: Kind, epochs: u16, first_epoch: u32) {
        let seed = [self.secrets.len() as u8 + 1; 32];
        let secrets = DeviceSecrets::generate(&seed, epochs).unwrap();
        let mut buffer = vec![0; picket_roster::limits::REQUEST_MAX];
        let request = secrets.request(name, kind, &mut buffer).unwrap();
        let request = DeviceRequest::verify(request).unwrap();
        self.indices.push(self.draft.enrol(&request, first_epoch).unwrap());
        self.secrets.push(secrets);
    }

    /// Revokes the station at this position: the object.
    pub fn revoke(&mut self, at: &[usize], issued: u64) -> Vec<u8> {
        let gone: Vec<Index> = at.iter().map(|at| self.indices[*at]).collect();
        self.draft.revoke(&gone).unwrap();
        self.sign(issued);
        let roster = Roster::verify(self.roster.as_slice(), &self.authority.public().unwrap()).unwrap();
        let mut draft = RevokeDraft::new(&self.authority, &roster).unwrap();
        draft.sign(&self.authority, &roster).unwrap();
        draft.bytes().to_vec()
    }

    pub fn sign(&mut self, issued: u64) {
        self.roster = self.draft.sign(&self.authority, issued).unwrap();
    }

    /// Secrets and keyfill of the station at this position.
    pub fn home(&self, at: usize) -> (DeviceSecrets, Vec<u8>) {
        let roster = Roster::verify(self.roster.as_slice(), &self.authority.public().unwrap()).unwrap();
        let fill = self.authority.keyfill(&roster, self.indices[at], 0, None).unwrap();
        (self.secrets[at].clone(), fill.to_vec())
    }

    pub fn directory(&self, at: usize) -> GatewayDirectory {
        let (secrets, fill) = self.home(at);
        let fill = Keyfill::open(&fill).unwrap();
        let net = fill.net_keys();
        let roster = Roster::verify(self.roster.clone(), &self.authority.public().unwrap()).unwrap();
        let paths = fill.paths().unwrap().clone();
        GatewayDirectory { me: self.indices[at], mask: Mask::new(&net), net, roster, secrets, paths }
    }
}

/// What a gateway knows.
pub struct GatewayDirectory {
    pub me: Index,
    net: NetKeys,
    mask: Mask,
    roster: Roster<Vec<u8>>,
    secrets: DeviceSecrets,
    paths: PathKeys,
}

impl GatewayDirectory {
    /// Puts a revocation in force; false when it is none, or nothing new.
    pub fn apply(&mut self, object: &[u8]) -> bool {
        let Ok(revoke) = Revoke::verify(object.to_vec(), &self.roster) else { return false };
        let Ok(seed) = revoke.open(self.me, &self.paths) else { return false };
        self.paths.advance_to(revoke.generation());
        self.net = seed.net_keys(revoke.generation());
        self.mask = Mask::new(&self.net);
        self.roster.revoke(&revoke).unwrap();
        true
    }

    pub fn generation(&self) -> u8 {
        self.net.generation
    }
}

impl Keyring for GatewayDirectory {
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
        self.roster.stations().map(|s| s.index).filter(|i| i.low() == low && *i != self.me).collect()
    }
    fn link_key(&self, peer: Index) -> Option<LinkKey> {
        thread_local! {
            static KEYS: std::cell::RefCell<std::collections::BTreeMap<(Index, Index, u8), LinkKey>> = const { std::cell::RefCell::new(std::collections::BTreeMap::new()) };
        }
        let station = self.roster.station(peer)?;
        KEYS.with(|keys| {
            let mut keys = keys.borrow_mut();
            let make = || {
                link_key(self.secrets.agreement(), &station.agreement, self.roster.mission(), self.net.generation)
                    .unwrap()
            };
            Some(keys.entry((self.me, peer, self.net.generation)).or_insert_with(make).clone())
        })
    }
}

impl Directory for GatewayDirectory {
    fn kind(&self, index: Index) -> Option<StationKind> {
        self.roster.station(index).map(|s| match s.kind {
            Kind::Member => StationKind::Member,
            Kind::Gateway => StationKind::Gateway,
        })
    }
    fn revoked(&self) -> Vec<Index> {
        self.roster.revoked().as_slice().to_vec()
    }
    fn members(&self) -> Vec<Index> {
        self.roster.stations().filter(|s| s.kind == Kind::Member).map(|s| s.index).collect()
    }
    fn verify_claim(&self, claim: &Claim) -> bool {
        self.roster
            .station(claim.member)
            .is_some_and(|s| verify_claim(claim, self.roster.mission(), &s.identity).is_ok())
    }
    fn verify_listens(&self, listens: &Listens) -> bool {
        let station = self.roster.station(listens.member);
        station.is_some_and(|s| verify_listens(listens, self.roster.mission(), &s.identity).is_ok())
    }
}
