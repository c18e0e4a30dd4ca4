//! The small mission of `roster.json` again: authority 01 …, alpha 0A …, bravo 0B … (3 epochs each), gw1 0C ….
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use picket_provision::sealed::{self, Issue};
use picket_provision::{Act, Chain, Entry, audit};
use picket_roster::device::DeviceRequest;
use picket_roster::limits::REQUEST_MAX;
use picket_roster::{AuthorityKey, DeviceSecrets, Kind, Roster, RosterDraft};
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

/// A roster of alpha (1), bravo (2), gw1 (3), its devices and their requests.
pub fn mission() -> (Roster<Vec<u8>>, Vec<DeviceSecrets>, Vec<Vec<u8>>) {
    let mut draft = RosterDraft::new("exercise", START).unwrap();
    let mut devices = Vec::new();
    let mut requests = Vec::new();
    for (seed, name, kind) in
        [(0x0A, "alpha", Kind::Member), (0x0B, "bravo", Kind::Member), (0x0C, "gw1", Kind::Gateway)]
    {
        let secrets = device(seed, if kind == Kind::Member { 3 } else { 0 });
        let bytes = request(&secrets, name, kind);
        draft.enrol(&DeviceRequest::verify(&bytes).unwrap(), 0).unwrap();
        devices.push(secrets);
        requests.push(bytes);
    }
    let bytes = draft.sign(&authority(), START).unwrap();
    (Roster::verify(bytes, &authority().public().unwrap()).unwrap(), devices, requests)
}

/// The keyfill of a station, as the authority makes it.
pub fn keyfill(roster: &Roster<Vec<u8>>, own: u16) -> Vec<u8> {
    authority().keyfill(roster, Index(own), 0, None).unwrap().to_vec()
}

/// Sealed, as issue `issue`, from randomness 5E ^ own.
pub fn sealed(roster: &Roster<Vec<u8>>, own: u16, issue: u32) -> Vec<u8> {
    let randomness = [0x5E ^ own as u8; 32];
    sealed::seal(&authority(), roster, Index(own), &keyfill(roster, own), Issue(issue), &randomness).unwrap()
}

/// A log of a mission, an enrolment and what came of it; and its head.
pub fn log() -> (Vec<u8>, Vec<u8>) {
    let key = authority();
    let public = key.public().unwrap();
    let mut log = audit::log_header(&public);
    let mut chain = Chain::begin(&public);
    let acts = [
        (Act::Create, "exercise", 0, Some(START)),
        (Act::Roster, "exercise", 1, Some(START)),
        (Act::Enrol, "alpha", 1, Some(START + 60)),
        (Act::Roster, "exercise", 2, None),
        (Act::Keyfill, "alpha", 2, Some(START + 61)),
        (Act::Protect, "exercise", 1, Some(START + 3600)),
    ];
    for (n, (act, name, detail, time)) in (1u8..).zip(acts) {
        let entry = Entry { number: 0, time, act, name, detail, output: [n; 32] };
        log.extend(chain.append(&key, &entry).unwrap());
    }
    (log, chain.head(&key).unwrap())
}
