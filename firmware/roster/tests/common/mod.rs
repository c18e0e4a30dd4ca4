//! A small mission from fixed randomness, shared by the tests of this crate.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use picket_roster::device::{DeviceRequest, DeviceSecrets};
use picket_roster::limits::REQUEST_MAX;
use picket_roster::{AuthorityKey, Kind, Roster, RosterDraft};
use picket_wire::Index;

/// Start of epoch 0: 2027-01-01T00:00:00Z.
pub const START: u64 = 1_798_761_600;

/// The authority of randomness 01 01 …
pub fn authority() -> AuthorityKey {
    AuthorityKey::generate(&[1; 32]).unwrap()
}

/// Secrets of a device of randomness `seed` `seed` …
pub fn device(seed: u8, epochs: u16) -> DeviceSecrets {
    DeviceSecrets::generate(&[seed; 32], epochs).unwrap()
}

/// Its request.
pub fn request(secrets: &DeviceSecrets, name: &str, kind: Kind) -> Vec<u8> {
    let mut out = vec![0; REQUEST_MAX];
    let used = secrets.request(name, kind, &mut out).unwrap().len();
    out.truncate(used);
    out
}

/// Enrols a new device in `draft`.
pub fn enrol(draft: &mut RosterDraft, seed: u8, name: &str, kind: Kind, first_epoch: u32) -> (Index, DeviceSecrets) {
    let epochs = if kind == Kind::Member { 3 } else { 0 };
    let secrets = device(seed, epochs);
    let bytes = request(&secrets, name, kind);
    let index = draft.enrol(&DeviceRequest::verify(&bytes).unwrap(), first_epoch).unwrap();
    (index, secrets)
}

/// A mission of alpha (1), bravo (2), gw1 (3); and its devices' secrets.
pub fn mission() -> (RosterDraft, Vec<u8>, Vec<DeviceSecrets>) {
    let mut draft = RosterDraft::new("exercise", START).unwrap();
    let (_, alpha) = enrol(&mut draft, 0x0A, "alpha", Kind::Member, 0);
    let (_, bravo) = enrol(&mut draft, 0x0B, "bravo", Kind::Member, 0);
    let (_, gw1) = enrol(&mut draft, 0x0C, "gw1", Kind::Gateway, 0);
    let bytes = draft.sign(&authority(), START).unwrap();
    (draft, bytes, vec![alpha, bravo, gw1])
}

/// Verified.
pub fn verified(bytes: &[u8]) -> Roster<&[u8]> {
    Roster::verify(bytes, &authority().public().unwrap()).unwrap()
}
