//! The vectors of `firmware/spec/vectors/roster.json`, both ways.
//!
//! They are frozen: a changed vector is a changed format version. `cargo test -p picket-roster --test vectors --
//! --ignored` writes the file only if it does not exist.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{START, authority, device, mission, request, verified};
use picket_roster::device::DeviceRequest;
use picket_roster::{
    Keyfill, Kind, PublicKey, Roster, link_key, sign_claim, sign_listens, verify_claim, verify_listens,
};
use picket_wire::Index;
use picket_wire::control::{Claim, Listens, Rooms};
use serde_json::{Value, json};
use std::path::PathBuf;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors/roster.json")
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

/// Everything, made from the fixed randomness of [`common`].
fn made() -> Value {
    let (_, roster, devices) = mission();
    let key = authority();
    let view = verified(&roster);
    let stations: Vec<_> = view.stations().map(|s| station(&view, s)).collect();
    let alpha = key.keyfill(&view, Index(1), 0, None).unwrap();
    let bravo = key.keyfill(&view, Index(2), 0, None).unwrap();
    let gateway = key.keyfill(&view, Index(3), 0, Some(&devices[2])).unwrap();
    let psk = Keyfill::open(&bravo).unwrap().psk(&view.station(Index(1)).unwrap()).unwrap();
    let claim = sign_claim(devices[0].identity(), view.mission(), Index(1), Index(3), 7).unwrap();
    let rooms = Rooms::new(&[Index(0xC000), Index(0xC102)]).unwrap();
    let listens = sign_listens(devices[0].identity(), view.mission(), Index(1), 8, rooms).unwrap();
    let lk = link_key(devices[0].agreement(), &devices[2].agreement().public().unwrap(), view.mission(), 5).unwrap();
    json!({
        "about": "authority from 32 bytes 01; devices alpha 0A, bravo 0B (3 epochs each), gw1 0C, delta 21 (1 epoch)",
        "authority": {
            "randomness": hex::encode([1; 32]),
            "file": hex::encode(key.to_bytes().unwrap().as_slice()),
            "public": hex::encode(key.public().unwrap().0),
            "mission": hex::encode(key.mission().unwrap().0),
            "network_key_0": hex::encode(*key.network_key(0)),
        },
        "device": {
            "randomness": hex::encode([0x0A; 32]),
            "identity": hex::encode(devices[0].identity().to_bytes().as_slice()),
            "agreement": hex::encode(devices[0].agreement().to_bytes().as_slice()),
            "seed_e_0": hex::encode(devices[0].seeds(0).unwrap().e().unwrap()),
            "seed_r_0": hex::encode(devices[0].seeds(0).unwrap().r().unwrap()),
            "seed_p_0": hex::encode(devices[0].seeds(0).unwrap().p().unwrap()),
        },
        "request": { "hex": hex::encode(request(&device(0x21, 1), "delta", Kind::Member)), "name": "delta", "kind": "member", "epochs": 1 },
        "roster": {
            "hex": hex::encode(&roster),
            "version": 1,
            "hash": hex::encode(view.hash()),
            "mission_name": "exercise",
            "issued_s": START,
            "epoch_start_s": START,
            "epoch_s": 86_400,
            "max_delay_s": 259_200,
            "next_index": view.next_index(),
            "stations": stations,
        },
        "keyfills": [
            { "hex": hex::encode(without_paths(&alpha)), "own": 1, "generation": 0 },
            { "hex": hex::encode(without_paths(&bravo)), "own": 2, "generation": 0 },
            { "hex": hex::encode(without_paths(&gateway)), "own": 3, "generation": 0 },
        ],
        "psk_1_2": (0..4).map(|e| hex::encode(*psk.at(e).unwrap())).collect::<Vec<_>>(),
        "link_key_1_3_generation_5": hex::encode(lk.0),
        "claim": { "member": 1, "gateway": 3, "sequence": 7, "signature": hex::encode(claim.signature.0) },
        "listens": {
            "member": 1, "sequence": 8, "rooms": [0xC000, 0xC102], "signature": hex::encode(listens.signature.0),
        },
    })
}

/// As keyfills were before section 7, which `revocation.json` has.
fn without_paths(keyfill: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let section = 3 + picket_roster::PathKeys::LEN;
    let mut body = keyfill[..keyfill.len() - 8 - section].to_vec();
    let sum = Sha256::digest(&body);
    body.extend_from_slice(&sum[..8]);
    body
}

fn station(view: &Roster<&[u8]>, s: picket_roster::Station<'_>) -> Value {
    let keys: Vec<_> = (s.first_epoch..s.first_epoch + u32::from(s.epochs))
        .map(|e| hex::encode(view.epoch_keys(s.index, e).unwrap().to_bytes()))
        .collect();
    json!({
        "index": s.index.0,
        "kind": match s.kind { Kind::Member => "member", Kind::Gateway => "gateway" },
        "name": s.name,
        "identity": hex::encode(s.identity.0),
        "agreement": hex::encode(s.agreement.0),
        "first_epoch": s.first_epoch,
        "keys": keys,
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
    assert!(on_file() == made(), "roster.json differs: a changed vector is a changed format version");
}

#[test]
fn the_roster_on_file_reads_back_to_its_fields() {
    let file = on_file();
    let v = &file["roster"];
    let authority = PublicKey(array(&file["authority"]["public"]));
    let roster = Roster::verify(bytes(&v["hex"]), &authority).unwrap();
    assert_eq!(v["version"], roster.version());
    assert_eq!(array(&v["hash"]), *roster.hash());
    assert_eq!(v["mission_name"], roster.mission_name());
    assert_eq!(v["issued_s"], roster.issued().as_secs());
    assert_eq!(v["epoch_start_s"], roster.epoch_start());
    assert_eq!(v["max_delay_s"], roster.max_delay().as_secs());
    assert_eq!(array(&file["authority"]["mission"]), roster.mission().0);
    let slice = roster.bytes().to_vec();
    let view = Roster::verify(slice.as_slice(), &authority).unwrap();
    let stations: Vec<_> = view.stations().map(|s| station(&view, s)).collect();
    assert_eq!(v["stations"], Value::from(stations));
}

#[test]
fn the_other_files_read_back_to_their_fields() {
    let file = on_file();
    let request = bytes(&file["request"]["hex"]);
    let request = DeviceRequest::verify(&request).unwrap();
    assert_eq!((request.name, request.kind, request.epochs()), ("delta", Kind::Member, 1));
    for v in file["keyfills"].as_array().unwrap() {
        let hex = bytes(&v["hex"]);
        let keyfill = Keyfill::open(&hex).unwrap();
        assert_eq!(v["own"], keyfill.own().0);
        assert_eq!(v["generation"], keyfill.generation());
        assert_eq!(array(&file["authority"]["network_key_0"]), *keyfill.network_key());
        let owner = keyfill.owner().unwrap();
        let other = keyfill.roster().station(Index(if owner.index == Index(1) { 2 } else { 1 })).unwrap();
        match owner.kind {
            Kind::Gateway => assert!(keyfill.psk(&other).is_err()),
            Kind::Member => {
                let psk = keyfill.psk(&other).unwrap();
                for (e, v) in (0..).zip(file["psk_1_2"].as_array().unwrap()) {
                    assert_eq!(array(v), *psk.at(e).unwrap());
                }
            }
        }
    }
    let claim = Claim {
        member: Index(1),
        gateway: Index(3),
        sequence: 7,
        signature: picket_wire::control::Signature(array(&file["claim"]["signature"])),
    };
    let hex = bytes(&file["keyfills"][0]["hex"]);
    let keyfill = Keyfill::open(&hex).unwrap();
    assert!(verify_claim(&claim, keyfill.mission(), &keyfill.owner().unwrap().identity).is_ok());
    let rooms: Vec<Index> = file["listens"]["rooms"].as_array().unwrap().iter().map(room).collect();
    let listens = Listens {
        member: Index(1),
        sequence: 8,
        rooms: Rooms::new(&rooms).unwrap(),
        signature: picket_wire::control::Signature(array(&file["listens"]["signature"])),
    };
    assert!(verify_listens(&listens, keyfill.mission(), &keyfill.owner().unwrap().identity).is_ok());
}

fn room(v: &Value) -> Index {
    Index(v.as_u64().unwrap().try_into().unwrap())
}
