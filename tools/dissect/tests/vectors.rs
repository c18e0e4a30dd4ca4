//! The tool against the protocol's vectors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use picket_dissect::{Keys, broker_payload, envelope, packet, stream};
use picket_wire::Lifetime;
use picket_wire::envelope::{Envelope, set_mutable};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../firmware/spec/vectors").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn bytes(v: &Value) -> Vec<u8> {
    hex::decode(v.as_str().unwrap()).unwrap()
}

fn keys(file: &Value) -> Keys {
    let generation = u8::try_from(file["generation"].as_u64().unwrap()).unwrap();
    let keys = Keys::none()
        .network(&bytes(&file["nk"]).try_into().unwrap(), generation)
        .link(bytes(&file["link_key"]).try_into().unwrap());
    // The envelopes that the acknowledgements among the frames answer.
    let offers = file["offers"].as_array().map(Vec::as_slice).unwrap_or_default();
    offers.iter().fold(keys, |keys, offer| keys.offer(&Envelope::parse(&bytes(offer)).unwrap()))
}

#[test]
fn every_frame_is_explained_as_the_vectors_say() {
    let file = vectors("wire-frames.json");
    let keys = keys(&file);
    for v in file["frames"].as_array().unwrap() {
        let (prefix, raw) = (bytes(&v["prefix"]), bytes(&v["hex"]));
        let report = match prefix.is_empty() {
            true => packet(&raw, &keys),
            false => broker_payload(&[prefix, raw].concat(), &keys),
        };
        let said = report.to_json();
        assert_eq!(said["problem"], Value::Null, "{}", v["name"]);
        assert_eq!(said["body"], v["fields"], "{}", v["name"]);
        assert_eq!(said["mac"]["verdict"], v["key"], "{}", v["name"]);
        assert_eq!(json!([said["to"], said["from"], said["kind"]]), json!([v["to"], v["from"], v["kind"]]));
    }
}

#[test]
fn an_acknowledgement_of_several_is_tried_with_every_offer_of_its_prefixes() {
    let file = vectors("wire-frames.json");
    let three = file["frames"].as_array().unwrap().iter().find(|v| v["name"] == "acknowledgement of three").unwrap();
    let offers: Vec<Vec<u8>> = file["offers"].as_array().unwrap().iter().map(bytes).collect();
    let verdict = |keys: &Keys| packet(&bytes(&three["hex"]), keys).to_json()["mac"]["verdict"].clone();
    let mut known = Keys::none()
        .network(&bytes(&file["nk"]).try_into().unwrap(), 11)
        .link(bytes(&file["link_key"]).try_into().unwrap());
    for offer in &offers[..2] {
        let mut earlier = offer.clone();
        set_mutable(&mut earlier, 7, 1, Lifetime(60));
        for raw in [&earlier, offer] {
            known = known.offer(&Envelope::parse(raw).unwrap());
            assert_eq!(verdict(&known), "unchecked", "one of the three is not known");
        }
    }
    assert_eq!(verdict(&known.offer(&Envelope::parse(&offers[2]).unwrap())), "pairwise");
}

#[test]
fn an_eavesdropper_learns_a_byte_and_a_length() {
    let file = vectors("wire-frames.json");
    for v in file["frames"].as_array().unwrap() {
        let said = packet(&bytes(&v["hex"]), &Keys::none()).to_json();
        assert_eq!(said["masked"], true);
        assert!(said.get("to").is_none() && said.get("body").is_none(), "{}", v["name"]);
        assert_eq!(said["mac"]["verdict"], "unchecked");
    }
}

#[test]
fn every_envelope_is_explained() {
    for v in vectors("wire-envelopes.json")["envelopes"].as_array().unwrap() {
        let said = envelope(&bytes(&v["hex"])).to_json();
        assert_eq!(said["body"], v["fields"], "{}", v["name"]);
        assert_eq!(said["identity"], v["identity"]);
    }
}

#[test]
fn what_is_wrong_is_said() {
    let file = vectors("wire-errors.json");
    let keys = keys(&file);
    for v in file["frames"].as_array().unwrap() {
        let report = packet(&bytes(&v["hex"]), &keys);
        // An answer to an offer nobody knows cannot be judged; every other fault is named.
        assert!(report.problem.is_some() || v["name"].as_str().unwrap().contains("cut by one"), "{}", v["name"]);
    }
    for v in file["envelopes"].as_array().unwrap() {
        assert!(envelope(&bytes(&v["hex"])).problem.is_some(), "{}", v["name"]);
    }
}

#[test]
fn no_bytes_make_it_fail() {
    let file = vectors("wire-frames.json");
    let keys = keys(&file);
    for v in file["frames"].as_array().unwrap() {
        let raw = bytes(&v["hex"]);
        for n in 0..=raw.len() {
            for k in [&keys, &Keys::none()] {
                let _ = (packet(&raw[..n], k), broker_payload(&raw[..n], k), envelope(&raw[..n]), stream(&raw[..n], k));
            }
        }
    }
}

#[test]
fn a_stream_is_cut_into_its_frames() {
    let file = vectors("wire-frames.json");
    let raw: Vec<Vec<u8>> = file["frames"].as_array().unwrap().iter().take(3).map(|v| bytes(&v["hex"])).collect();
    let mut wire = vec![0x99, 0x01, 0];
    for frame in &raw {
        let mut stuffed = vec![0; frame.len() + 8];
        let n = cobs::encode(frame, &mut stuffed);
        wire.extend(&stuffed[..n]);
        wire.push(0);
    }
    let reports = stream(&wire, &keys(&file));
    assert_eq!(reports.len(), 4);
    assert_eq!(reports[0].what, "noise");
    assert!(reports[1..].iter().all(|r| r.problem.is_none()));
    assert_eq!(reports[1].offset, 3);
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_picket-dissect")).args(arguments).output().unwrap();
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn the_program_prints_tables_and_json_and_says_how_it_went() {
    let file = vectors("wire-frames.json");
    let frame = file["frames"][0]["hex"].as_str().unwrap();
    let (nk, lk) = (file["nk"].as_str().unwrap(), file["link_key"].as_str().unwrap());
    let (code, out, _) = run(&["--nk", nk, "--generation", "11", "--link-key", lk, frame]);
    assert_eq!(code, 0);
    for expected in ["pairwise, routine", "right: written by the neighbour", "version 2, generation …3, envelope"] {
        assert!(out.contains(expected), "{expected} not in\n{out}");
    }
    let (code, out, _) = run(&["--json", frame]);
    assert_eq!(code, 0);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["masked"], true);
    let other = "11".repeat(32);
    assert_eq!(run(&["--nk", nk, "--generation", "11", "--link-key", &other, frame]).0, 1);
    assert_eq!(run(&["--envelope", "00"]).0, 1);
    assert_eq!(run(&["zz"]).0, 2);
    assert_eq!(run(&["--nk", nk, frame]).0, 2, "a network key needs its generation");
    let (code, help, _) = run(&["--help"]);
    assert!(code == 0 && help.contains("Exit codes") && help.contains("--mqtt"));
}
