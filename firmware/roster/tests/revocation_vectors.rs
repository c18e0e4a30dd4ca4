//! The vectors of `firmware/spec/vectors/revocation.json`, both ways. They are frozen, as those of `vectors.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{START, authority, mission};
use picket_roster::{Keyfill, PathKeys, Revoke, RevokeDraft, RevokerSecret, Roster};
use picket_wire::Index;
use picket_wire::signed::{ObjectKind, Signed, object_id, object_topic, object_version};
use serde_json::{Value, json};
use std::path::PathBuf;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors/revocation.json")
}

fn on_file() -> Value {
    serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap()
}

fn bytes(v: &Value) -> Vec<u8> {
    hex::decode(v.as_str().unwrap()).unwrap()
}

fn roster(bytes: &[u8]) -> Roster<Vec<u8>> {
    Roster::verify(bytes.to_vec(), &authority().public().unwrap()).unwrap()
}

/// Bravo is revoked by the authority, then nobody by two of three revokers; alpha follows.
fn made() -> Value {
    let key = authority();
    let (mut draft, first, _) = mission();
    let keyfill = key.keyfill(&roster(&first), Index(1), 0, None).unwrap();
    draft.revoke(&[Index(2)]).unwrap();
    let second = draft.sign(&key, START).unwrap();
    let mut one = RevokeDraft::new(&key, &roster(&second)).unwrap();
    one.sign(&key, &roster(&second)).unwrap();
    let people: Vec<RevokerSecret> = (1..=3).map(|n| RevokerSecret::generate(&[n; 32]).unwrap()).collect();
    draft.set_revokers(2, people.iter().map(|p| p.public().unwrap()).collect()).unwrap();
    let third = draft.sign(&key, START).unwrap();
    draft.revoke(&[]).unwrap();
    let fourth = draft.sign(&key, START).unwrap();
    let mut two = RevokeDraft::new(&key, &roster(&fourth)).unwrap();
    let unsigned = two.bytes().to_vec();
    two.cosign(&people[2], &roster(&fourth)).unwrap();
    two.cosign(&people[0], &roster(&fourth)).unwrap();
    let mut frame = vec![0; 600];
    let len = Signed::Whole(one.bytes()).write(&mut frame).unwrap();
    let opened = |object: &RevokeDraft, roster: &[u8]| {
        let object = object.finish(&self::roster(roster)).unwrap();
        let seed = object.open(Index(1), &key.paths(Index(1), 0)).unwrap();
        hex::encode(*seed.network_key(object.generation()))
    };
    json!({
        "about": "the mission of roster.json: bravo (2) is revoked by the authority; then a new generation, by revokers 1 and 3 of 01, 02, 03",
        "keyfill_alpha": hex::encode(&*keyfill),
        "paths_alpha_0": hex::encode(*key.paths(Index(1), 0).to_bytes()),
        "paths_alpha_1": hex::encode(*key.paths(Index(1), 1).to_bytes()),
        "roster_2": hex::encode(&second),
        "revoke_1": {
            "hex": hex::encode(one.bytes()), "generation": 1, "roster_version": 2, "revoked": [2],
            "network_key": opened(&one, &first), "id": hex::encode(object_id(one.bytes())), "frame": hex::encode(&frame[..len]),
        },
        "roster_3": hex::encode(&third),
        "roster_4": hex::encode(&fourth),
        "revoke_2": {
            "hex": hex::encode(two.bytes()), "unsigned": hex::encode(unsigned), "generation": 2, "roster_version": 4, "revoked": [2],
            "network_key": opened(&two, &third), "id": hex::encode(object_id(two.bytes())),
        },
        "topic_revoke": hex::encode(object_topic(key.mission().unwrap(), ObjectKind::Revoke)),
        "topic_roster": hex::encode(object_topic(key.mission().unwrap(), ObjectKind::Roster)),
    })
}

#[test]
#[ignore = "writes the vector file if it does not exist yet"]
fn write_missing_vectors() {
    if !path().exists() {
        std::fs::write(path(), serde_json::to_string_pretty(&made()).unwrap() + "\n").unwrap();
    }
}

#[test]
fn the_vectors_on_file_are_what_this_code_writes() {
    assert!(on_file() == made(), "revocation.json differs: a changed vector is a changed format version");
}

#[test]
fn the_revocations_on_file_read_back_to_their_fields() {
    let file = on_file();
    let keyfill = bytes(&file["keyfill_alpha"]);
    let keyfill = Keyfill::open(&keyfill).unwrap();
    let paths = keyfill.paths().unwrap();
    assert_eq!(paths.to_bytes().to_vec(), bytes(&file["paths_alpha_0"]));
    let mut moved = PathKeys::decode(&bytes(&file["paths_alpha_0"])).unwrap();
    moved.advance_to(1);
    assert_eq!(moved.to_bytes().to_vec(), bytes(&file["paths_alpha_1"]));
    for (name, by) in [("revoke_1", keyfill.roster().bytes().to_vec()), ("revoke_2", bytes(&file["roster_3"]))] {
        let v = &file[name];
        let object = Revoke::verify(bytes(&v["hex"]), &roster(&by)).unwrap();
        assert_eq!(v["generation"], object.generation());
        assert_eq!(v["roster_version"], object.roster_version());
        let revoked: Vec<u16> = object.revoked().as_slice().iter().map(|i| i.0).collect();
        assert_eq!(v["revoked"], json!(revoked));
        let seed = object.open(keyfill.own(), paths).unwrap();
        assert_eq!(bytes(&v["network_key"]), *seed.network_key(object.generation()));
        assert_eq!(object_version(object.bytes()), Some((ObjectKind::Revoke, object.generation().into())));
    }
    assert!(RevokeDraft::from_bytes(bytes(&file["revoke_2"]["unsigned"])).is_ok());
    let object = [&[2], bytes(&file["roster_4"]).as_slice()].concat();
    assert_eq!(object_version(&object), Some((ObjectKind::Roster, 4)));
}
