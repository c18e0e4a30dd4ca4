//! A mission made in memory, with real keys from the seed.

use picket_channel::Rng;
use picket_link::Keyring;
use picket_node::{Directory, StationKind};
use picket_roster::authority::{AuthorityKey, RosterDraft};
use picket_roster::{
    AgreementSecret, DeviceRequest, DeviceSecrets, Keyfill, Kind, PathKeys, Revoke, RevokeDraft, Roster, verify_claim,
    verify_listens,
};
use picket_wire::control::{Claim, Listens};
use picket_wire::frame::Mask;
use picket_wire::keys::{LinkKey, NetKeys};
use picket_wire::{Index, MissionId};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Epochs pre-placed: a simulated run is short.
const EPOCHS: u16 = 3;

/// What one device received.
pub struct Device {
    /// Its index.
    pub index: Index,
    /// Its own secrets.
    pub secrets: DeviceSecrets,
    /// Its keyfill.
    pub keyfill: Vec<u8>,
}

/// Everybody's provisioning.
pub struct Mission {
    /// Gateways.
    pub gateways: Vec<Device>,
    /// Members, named `m0`, `m1`, …
    pub members: Vec<Device>,
    authority: AuthorityKey,
    draft: RosterDraft,
    issued: u64,
}

impl Mission {
    /// Provisions `gateways` and `members` from the seed.
    ///
    /// # Errors
    /// In words: the authority refused something.
    pub fn new(seed: u64, start_unix: u64, gateways: usize, members: usize) -> Result<Self, String> {
        let mut rng = Rng::new(seed ^ 0xA07);
        let authority = AuthorityKey::generate(&draw(&mut rng)).map_err(|e| format!("{e:?}"))?;
        let mut draft = RosterDraft::new("simulated", start_unix).map_err(|e| format!("{e:?}"))?;
        let mut enrol = |name: String, kind: Kind| -> Result<(Index, DeviceSecrets), String> {
            let epochs = if kind == Kind::Member { EPOCHS } else { 0 };
            let secrets = DeviceSecrets::generate(&draw(&mut rng), epochs).map_err(|e| format!("{e:?}"))?;
            let mut out = vec![0; 64 * 1024];
            let bytes = secrets.request(&name, kind, &mut out).map_err(|e| format!("{e:?}"))?;
            let request = DeviceRequest::verify(bytes).map_err(|e| format!("{e:?}"))?;
            Ok((draft.enrol(&request, 0).map_err(|e| format!("{e:?}"))?, secrets))
        };
        let gateways = (0..gateways).map(|n| enrol(format!("gw{n}"), Kind::Gateway)).collect::<Result<Vec<_>, _>>()?;
        let members = (0..members).map(|n| enrol(format!("m{n}"), Kind::Member)).collect::<Result<Vec<_>, _>>()?;
        let signed = draft.sign(&authority, start_unix).map_err(|e| format!("{e:?}"))?;
        let public = authority.public().map_err(|e| format!("{e:?}"))?;
        let roster = Roster::verify(signed, &public).map_err(|e| format!("{e:?}"))?;
        let fill = |(index, secrets): (Index, DeviceSecrets)| -> Result<Device, String> {
            let keyfill = authority.keyfill(&roster, index, 0, Some(&secrets)).map_err(|e| format!("{e:?}"))?;
            Ok(Device { index, secrets, keyfill: keyfill.to_vec() })
        };
        let gateways = gateways.into_iter().map(fill).collect::<Result<_, _>>()?;
        let members = members.into_iter().map(fill).collect::<Result<_, _>>()?;
        Ok(Self { gateways, members, authority, draft, issued: start_unix })
    }

    /// Revokes a member: the object. The roster that goes with it is handed to nobody.
    ///
    /// # Errors
    /// In words: the authority refused it.
    pub fn revoke(&mut self, member: usize) -> Result<Vec<u8>, String> {
        let device = self.members.get(member).ok_or("no such member")?;
        self.draft.revoke(&[device.index]).map_err(|e| format!("{e:?}"))?;
        let signed = self.draft.sign(&self.authority, self.issued).map_err(|e| format!("{e:?}"))?;
        let public = self.authority.public().map_err(|e| format!("{e:?}"))?;
        let roster = Roster::verify(signed.as_slice(), &public).map_err(|e| format!("{e:?}"))?;
        let mut draft = RevokeDraft::new(&self.authority, &roster).map_err(|e| format!("{e:?}"))?;
        draft.sign(&self.authority, &roster).map_err(|e| format!("{e:?}"))?;
        Ok(draft.bytes().to_vec())
    }
}

fn draw(rng: &mut Rng) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(&rng.bytes(32));
    out
}

/// A gateway's view of the mission, over its real keyfill.
pub struct GatewayDirectory {
    me: Index,
    id: MissionId,
    net: NetKeys,
    mask: Mask,
    own: AgreementSecret,
    roster: Roster<Vec<u8>>,
    paths: Option<PathKeys>,
    before: Option<(NetKeys, Mask)>,
    link_keys: RefCell<BTreeMap<Index, Option<LinkKey>>>,
}

impl GatewayDirectory {
    /// From a gateway's provisioning.
    ///
    /// # Errors
    /// In words.
    pub fn new(device: &Device) -> Result<Self, String> {
        let fill = Keyfill::open(&device.keyfill).map_err(|e| format!("{e:?}"))?;
        let net = fill.net_keys();
        let roster = Roster::verify(fill.roster().bytes().to_vec(), fill.roster().authority());
        Ok(Self {
            me: device.index,
            id: fill.mission(),
            mask: Mask::new(&net),
            net,
            own: device.secrets.agreement().clone(),
            roster: roster.map_err(|e| format!("{e:?}"))?,
            paths: fill.paths().cloned(),
            before: None,
            link_keys: RefCell::default(),
        })
    }

    /// Puts a revocation in force; false when it is none, or nothing new.
    pub fn apply(&mut self, object: &[u8]) -> bool {
        let Ok(revoke) = Revoke::verify(object.to_vec(), &self.roster) else { return false };
        let Some(paths) = self.paths.as_mut().filter(|_| revoke.generation() > self.net.generation) else {
            return false;
        };
        let Ok(seed) = revoke.open(self.me, paths) else { return false };
        paths.advance_to(revoke.generation());
        let net = seed.net_keys(revoke.generation());
        let mask = std::mem::replace(&mut self.mask, Mask::new(&net));
        self.before = Some((std::mem::replace(&mut self.net, net), mask));
        self.link_keys.borrow_mut().clear();
        self.roster.revoke(&revoke).is_ok()
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
    fn earlier(&self) -> Option<(&NetKeys, &Mask)> {
        self.before.as_ref().map(|(net, mask)| (net, mask))
    }
    fn link_key(&self, peer: Index) -> Option<LinkKey> {
        let make = || {
            let station = self.roster.station(peer)?;
            picket_roster::link_key(&self.own, &station.agreement, self.id, self.net.generation).ok()
        };
        self.link_keys.borrow_mut().entry(peer).or_insert_with(make).clone()
    }
}

impl Directory for GatewayDirectory {
    fn kind(&self, index: Index) -> Option<StationKind> {
        self.roster.station(index).map(|s| match s.kind {
            Kind::Member => StationKind::Member,
            Kind::Gateway => StationKind::Gateway,
        })
    }
    fn mission(&self) -> Option<MissionId> {
        Some(self.id)
    }
    fn revoked(&self) -> Vec<Index> {
        self.roster.revoked().as_slice().to_vec()
    }
    fn members(&self) -> Vec<Index> {
        self.roster.stations().filter(|s| s.kind == Kind::Member).map(|s| s.index).collect()
    }
    fn verify_claim(&self, claim: &Claim) -> bool {
        let station = self.roster.station(claim.member);
        station.is_some_and(|s| verify_claim(claim, self.id, &s.identity).is_ok())
    }
    fn verify_listens(&self, listens: &Listens) -> bool {
        let station = self.roster.station(listens.member);
        station.is_some_and(|s| verify_listens(listens, self.id, &s.identity).is_ok())
    }
}
