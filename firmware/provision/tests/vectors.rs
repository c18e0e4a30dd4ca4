//! The vectors of `firmware/spec/vectors/provision.json`, both ways. They are frozen: a changed vector is a changed
//! format version. `cargo test -p picket-provision --test vectors -- --ignored` writes the file if it does not exist.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{authority, log, mission, sealed};
use picket_provision::sealed::{Sealed, request_hash};
use picket_provision::{Collector, audit, split};
use serde_json::{Value, json};
use std::path::PathBuf;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors/provision.json")
}

fn on_file() -> Value {
    serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap()
}

fn bytes(v: &Value) -> Vec<u8> {
    hex::decode(v.as_str().unwrap()).unwrap()
}

fn made() -> Value {
    let (roster, devices, requests) = mission();
    let keyfills: Vec<_> = [(1u16, 5u32), (3, 8)]
        .into_iter()
        .map(|(own, issue)| {
            let n = usize::from(own) - 1;
            json!({
                "hex": hex::encode(sealed(&roster, own, issue)), "own": own, "issue": issue, "roster_version": 1,
                "randomness": hex::encode([0x5E ^ own as u8; 32]),
                "agreement": hex::encode(devices[n].agreement().to_bytes().as_slice()),
                "request": hex::encode(&requests[n]),
                "request_hash": hex::encode(request_hash(&requests[n])),
            })
        })
        .collect();
    let (log, head) = log();
    let entries: Vec<_> = audit::entries(&log)
        .unwrap()
        .iter()
        .map(|e| {
            json!({"number": e.number, "time": e.time.unwrap_or(0), "act": e.act.byte(), "name": e.name,
                   "detail": e.detail, "output": hex::encode(e.output)})
        })
        .collect();
    let file: Vec<u8> = (0..1_000u32).map(|n| (n * 7) as u8).collect();
    let parts: Vec<_> = split(&file).unwrap().iter().map(|p| p.to_string()).collect();
    json!({
        "about": "authority 01, alpha 0A, bravo 0B, gw1 0C as in roster.json; keyfills sealed to alpha and gw1",
        "authority": hex::encode(authority().public().unwrap().0),
        "sealed": keyfills,
        "parts": { "file": hex::encode(&file), "parts": parts },
        "audit": { "log": hex::encode(&log), "head": hex::encode(&head), "entries": entries },
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
    assert!(on_file() == made(), "provision.json differs: a changed vector is a changed format version");
}

#[test]
fn the_vectors_on_file_read_back_to_their_fields() {
    let file = on_file();
    let (roster, devices, _) = mission();
    for v in file["sealed"].as_array().unwrap() {
        let hex = bytes(&v["hex"]);
        let view = Sealed::verify(&hex).unwrap();
        assert_eq!((v["own"].clone(), v["issue"].clone()), (view.own().0.into(), view.issue().0.into()));
        let own = usize::from(view.own().0) - 1;
        assert_eq!(*view.open(&devices[own], None).unwrap(), common::keyfill(&roster, view.own().0));
    }
    let mut collector = Collector::new();
    for part in file["parts"]["parts"].as_array().unwrap().iter().rev() {
        collector.add(part.as_str().unwrap()).unwrap();
    }
    assert_eq!(*collector.finish().unwrap(), bytes(&file["parts"]["file"]));
    let (log, head) = (bytes(&file["audit"]["log"]), bytes(&file["audit"]["head"]));
    let found = audit::check(&log, &head, &authority().public().unwrap()).unwrap();
    for (entry, v) in found.iter().zip(file["audit"]["entries"].as_array().unwrap()) {
        assert_eq!((v["number"].clone(), v["act"].clone()), (entry.number.into(), entry.act.byte().into()));
        assert_eq!(v["name"], entry.name);
    }
}
