//! A mission from fixed randomness: members alpha, bravo; gateways gw1, gw2.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use picket_roster::limits::{REQUEST_MAX, SECRETS_MAX};
use picket_roster::{AuthorityKey, DeviceRequest, DeviceSecrets, Kind, Roster, RosterDraft};
use picket_wire::Index;

/// Start of epoch 0: 2027-01-01T00:00:00Z.
const START: u64 = 1_798_761_600;

/// A provisioned mission.
pub struct Provisioned {
    pub authority: AuthorityKey,
    pub draft: RosterDraft,
    pub roster: Vec<u8>,
    devices: Vec<(&'static str, Index, DeviceSecrets)>,
}

impl Provisioned {
    pub fn new() -> Self {
        let authority = AuthorityKey::generate(&[1; 32]).unwrap();
        let mut draft = RosterDraft::new("bench", START).unwrap();
        let mut devices = Vec::new();
        for (seed, name, kind) in [
            (10, "alpha", Kind::Member),
            (11, "bravo", Kind::Member),
            (12, "gw1", Kind::Gateway),
            (13, "gw2", Kind::Gateway),
        ] {
            let own = DeviceSecrets::generate(&[seed; 32], if kind == Kind::Member { 2 } else { 0 }).unwrap();
            let mut request = vec![0; REQUEST_MAX];
            let used = own.request(name, kind, &mut request).unwrap().len();
            request.truncate(used);
            let index = draft.enrol(&DeviceRequest::verify(&request).unwrap(), 0).unwrap();
            devices.push((name, index, own));
        }
        let roster = draft.sign(&authority, START).unwrap();
        Self { authority, draft, roster, devices }
    }

    pub fn device(&self, name: &str) -> (Index, &DeviceSecrets) {
        let (_, index, secrets) = self.devices.iter().find(|(n, _, _)| *n == name).unwrap();
        (*index, secrets)
    }

    pub fn keyfill(&self, name: &str) -> Vec<u8> {
        let (index, secrets) = self.device(name);
        self.fill(index, Some(secrets))
    }

    pub fn keyfill_without_secrets(&self, name: &str) -> Vec<u8> {
        self.fill(self.device(name).0, None)
    }

    pub fn secrets(&self, name: &str) -> Vec<u8> {
        let mut out = vec![0; SECRETS_MAX];
        self.device(name).1.encode(&mut out).unwrap().to_vec()
    }

    /// The next version of the roster.
    pub fn newer(&mut self) -> Vec<u8> {
        self.draft.sign(&self.authority, START + 60).unwrap()
    }

    fn fill(&self, index: Index, secrets: Option<&DeviceSecrets>) -> Vec<u8> {
        let roster = Roster::verify(self.roster.as_slice(), &self.authority.public().unwrap()).unwrap();
        self.authority.keyfill(&roster, index, 0, secrets).unwrap().to_vec()
    }
}
