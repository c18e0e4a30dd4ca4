//! The vectors of `firmware/spec/vectors/extension.json`, both ways. They are frozen, as those of `vectors.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{START, authority, mission};
use picket_roster::limits::EXTENSION_MAX;
use picket_roster::{Extension, ExtensionRequest, PublicKey, Roster};
use picket_wire::{Index, MissionId};
use serde_json::{Value, json};
use std::path::PathBuf;

const DAY: u64 = 86_400;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors/extension.json")
}

fn on_file() -> Value {
    serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap()
}

fn bytes(v: &Value) -> Vec<u8> {
    hex::decode(v.as_str().unwrap()).unwrap()
}

fn array<const N: usize>(v: &Value) -> [u8; N] {
    bytes(v).try_into().unwrap()
}

/// Alpha has keys for epochs 0 to 2. In epoch 5 it asks for 3 to 6, then loses those and asks for 5 to 7.
fn made() -> Value {
    let key = authority();
    let (id, public) = (key.mission().unwrap(), key.public().unwrap());
    let (mut draft, _, devices) = mission();
    let request = |seed: u8, first, count| {
        let pending = Extension::new(&[seed; 32], first, count).unwrap();
        let mut out = vec![0; EXTENSION_MAX];
        let used = pending.request(devices[0].identity(), id, Index(1), &mut out).unwrap().len();
        (pending, out[..used].to_vec())
    };
    let (pending, first) = request(0x31, 3, 4);
    let (_, second) = request(0x32, 5, 3);
    let mut rosters = Vec::new();
    for (bytes, replace) in [(&first, false), (&second, true)] {
        let read = ExtensionRequest::verify(bytes, id, |index| draft.identity_of(index)).unwrap();
        draft.extend(&read, 5, replace).unwrap();
        let signed = draft.sign(&key, START + 5 * DAY).unwrap();
        let view = Roster::verify(signed.as_slice(), &public).unwrap();
        let alpha = view.station(Index(1)).unwrap();
        rosters.push(json!({
            "hex": hex::encode(&signed), "first_epoch": alpha.first_epoch, "listed_from": alpha.listed_from,
            "epochs": alpha.epochs, "replaced": alpha.replaced,
        }));
    }
    let seeds = pending.seeds(4).unwrap();
    json!({
        "about": "the mission of roster.json: alpha (1), in epoch 5, asks for epochs 3 to 6 (31 31 …), then in their place for 5 to 7 (32 32 …)",
        "pending": {
            "hex": hex::encode(pending.to_bytes().as_ref()),
            "seed_e_4": hex::encode(seeds.e().unwrap()),
            "seed_r_4": hex::encode(seeds.r().unwrap()),
            "seed_p_4": hex::encode(seeds.p().unwrap()),
        },
        "requests": [
            { "hex": hex::encode(&first), "own": 1, "first": 3, "epochs": 4 },
            { "hex": hex::encode(&second), "own": 1, "first": 5, "epochs": 3 },
        ],
        "rosters": rosters,
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
fn the_vectors_of_extensions_on_file_are_what_this_code_writes() {
    assert!(on_file() == made(), "extension.json differs: a changed vector is a changed format version");
}

#[test]
fn requests_and_rosters_on_file_read_back_to_their_fields() {
    let file = on_file();
    let public: PublicKey = authority().public().unwrap();
    let id: MissionId = authority().mission().unwrap();
    let identity = common::device(0x0A, 3).identity().public().unwrap();
    for v in file["requests"].as_array().unwrap() {
        let bytes = bytes(&v["hex"]);
        let read = ExtensionRequest::verify(&bytes, id, |_| Some(identity)).unwrap();
        assert_eq!((&v["own"], &v["first"]), (&json!(read.own.0), &json!(read.first)));
        assert_eq!(v["epochs"], read.epochs().len());
    }
    let pending = Extension::from_bytes(&bytes(&file["pending"]["hex"])).unwrap();
    let seeds = pending.seeds(4).unwrap();
    assert_eq!(array(&file["pending"]["seed_r_4"]), *seeds.r().unwrap());
    for v in file["rosters"].as_array().unwrap() {
        let bytes = bytes(&v["hex"]);
        let roster = Roster::verify(bytes.as_slice(), &public).unwrap();
        let alpha = roster.station(Index(1)).unwrap();
        let found = json!([alpha.first_epoch, alpha.listed_from, alpha.epochs, alpha.replaced]);
        assert_eq!(found, json!([v["first_epoch"], v["listed_from"], v["epochs"], v["replaced"]]));
        assert_eq!(alpha.listed_end(), alpha.listed_from + u32::from(alpha.epochs));
    }
}
