//! The vectors of `firmware/spec/vectors/wire-*.json`, both ways: hex → fields and fields → hex.
//!
//! They are frozen: a changed vector is a changed wire version. `cargo test -p picket-wire --test vectors -- --ignored`
//! writes only files that do not exist.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::expect_fun_call)]

#[path = "common/cases.rs"]
mod cases;
mod common;

use cases::{body_fields, hex_of};
use common::fields::{array, bytes, control, control_from, envelope, envelope_bytes, fragment_bytes, number};
use common::{body_error, frame_error, vector_path, vectors};
use picket_wire::control::{Control, offer_of};
use picket_wire::envelope::{Envelope, EnvelopeError};
use picket_wire::frame::{Around, Head, Kind, Mask, ack_many_suffix, ack_suffix};
use picket_wire::keys::{LinkKey, NetKeys, TopicKind};
use picket_wire::limits::CONTROL_MAX;
use picket_wire::{Index, Lifetime};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn list<'a>(file: &'a Value, key: &str) -> &'a Vec<Value> {
    file[key].as_array().expect(key)
}

fn name(v: &Value) -> &str {
    v["name"].as_str().expect("name")
}

#[test]
#[ignore = "writes vector files that do not exist yet"]
fn write_missing_vectors() {
    for (file, content) in cases::files() {
        let path = vector_path(file);
        if !path.exists() {
            let text = serde_json::to_string_pretty(&content).unwrap() + "\n";
            std::fs::write(path, text).unwrap();
        }
    }
}

#[test]
fn the_vectors_on_file_are_what_this_code_writes() {
    for (file, content) in cases::files() {
        assert!(vectors(file) == content, "{file} differs: a changed vector is a changed wire version");
    }
}

#[test]
fn keys() {
    let v = vectors("wire-keys.json");
    let net = NetKeys::derive(&array(&v["nk"]), number(&v["generation"]));
    assert_eq!(net.mac, array(&v["mac"]));
    assert_eq!(net.mask, array(&v["mask"]));
    assert_eq!(net.topic, array(&v["topic"]));
    for t in list(&v, "topics") {
        let kind = match t["kind"].as_str().unwrap() {
            "member" => TopicKind::Member,
            "gateway" => TopicKind::Gateway,
            "claims" => TopicKind::Claims,
            "listens" => TopicKind::Listens,
            other => panic!("{other}"),
        };
        assert_eq!(net.topic_name(kind, Index(number(&t["destination"]))), array(&t["name"]));
    }
    let link = LinkKey(array(&v["link_key"]));
    for t in list(&v, "toward") {
        assert_eq!(link.toward(Index(number(&t["from"])), Index(number(&t["to"]))), array(&t["key"]));
    }
    for t in list(&v, "lifetimes") {
        assert_eq!(Lifetime(number(&t["code"])).seconds(), number::<u32>(&t["seconds"]));
    }
    for t in list(&v, "lifetime_floors") {
        assert_eq!(Lifetime::floor(number(&t["seconds"])), Lifetime(number(&t["code"])));
    }
}

#[test]
fn envelopes_both_ways() {
    for v in list(&vectors("wire-envelopes.json"), "envelopes") {
        let raw = hex_of(v);
        let parsed = Envelope::parse(&raw).unwrap();
        assert_eq!(envelope(parsed.header(), parsed.sealed()), v["fields"], "{}", name(v));
        assert_eq!(envelope_bytes(&v["fields"]), raw, "{}", name(v));
        assert_eq!(parsed.identity().0, array(&v["identity"]), "{}", name(v));
        assert_eq!(json!(parsed.identity().id().to_string()), v["id"]);
    }
}

#[test]
fn control_messages_both_ways() {
    let file = vectors("wire-control.json");
    for v in list(&file, "controls") {
        let raw = hex_of(v);
        let message = Control::decode(&raw).unwrap();
        assert_eq!(control(&message), v["fields"], "{}", name(v));
        assert_eq!(control_from(&v["fields"]).encode(&mut [0; CONTROL_MAX]).unwrap(), raw, "{}", name(v));
        assert_eq!(json!(message.parcel_identity().map(|i| hex::encode(i.0))), v["parcel_identity"]);
    }
    let types: BTreeSet<u8> = list(&file, "controls").iter().map(|v| hex_of(v)[0]).collect();
    assert_eq!(types, (0..=14).collect(), "every type has a vector");
}

/// What [`open`] needs from the head of a file of frames.
struct Keys {
    mask: Mask,
    broadcast: [u8; 32],
    pairwise: [u8; 32],
}

fn keys_of(file: &Value) -> Keys {
    let net = NetKeys::derive(&array(&file["nk"]), number(&file["generation"]));
    let (from, to) = (Index(number(&file["from_index"])), Index(number(&file["to_index"])));
    let pairwise = LinkKey(array(&file["link_key"])).toward(from, to);
    Keys { mask: Mask::new(&net), broadcast: net.mac, pairwise }
}

#[test]
fn frames_are_read() {
    let file = vectors("wire-frames.json");
    let keys = keys_of(&file);
    for v in list(&file, "frames") {
        let mut raw = hex_of(v);
        let unmasked = keys.mask.unmask(&mut raw).unwrap();
        assert_eq!(json!([unmasked.to(), unmasked.from()]), json!([v["to"], v["from"]]));
        let key = if v["key"] == "broadcast" { keys.broadcast } else { keys.pairwise };
        let (prefix, suffix) = (bytes(&v["prefix"]), bytes(&v["suffix"]));
        let frame = unmasked.authenticate(&key, Around { prefix: &prefix, suffix: &suffix }).expect(name(v));
        assert_eq!(body_fields(&frame.body().unwrap()), v["fields"], "{}", name(v));
        assert_eq!(raw, bytes(&v["unmasked"]), "{}", name(v));
    }
}

#[test]
fn answers_answer_the_offers_on_file() {
    let file = vectors("wire-frames.json");
    let offers: Vec<(String, [u8; 17])> = list(&file, "offers")
        .iter()
        .map(|offer| {
            let raw = bytes(offer);
            let (hop_limit, round) = offer_of(&raw);
            let identity = Envelope::parse(&raw).unwrap().identity();
            (hex::encode(&identity.0[..2]), ack_suffix(&identity, hop_limit, round))
        })
        .collect();
    let named = |prefix: &Value| &offers.iter().find(|(p, _)| json!(p) == *prefix).expect("offered").1;
    for v in list(&file, "frames") {
        let suffix = match v["fields"]["type"].as_str() {
            Some("ack" | "ack_delivered" | "refuse") => named(&v["fields"]["prefix"]).to_vec(),
            Some("ack_many") => ack_many_suffix(list(&v["fields"], "prefixes").iter().map(named)).to_vec(),
            _ => Vec::new(),
        };
        assert_eq!(suffix, bytes(&v["suffix"]), "{}", name(v));
    }
}

#[test]
fn frames_are_written() {
    let file = vectors("wire-frames.json");
    let keys = keys_of(&file);
    let mut kinds = BTreeSet::new();
    for v in list(&file, "frames") {
        let (kind, body) = match v["kind"].as_str().unwrap() {
            "envelope" => (Kind::Envelope, envelope_bytes(&v["fields"])),
            "control" => (Kind::Control, control_from(&v["fields"]).encode(&mut [0; CONTROL_MAX]).unwrap().to_vec()),
            _ => (Kind::Fragment, fragment_bytes(&v["fields"])),
        };
        kinds.insert(kind);
        let key = if v["key"] == "broadcast" { keys.broadcast } else { keys.pairwise };
        let head = Head { kind, to: number(&v["to"]), from: number(&v["from"]) };
        let (prefix, suffix) = (bytes(&v["prefix"]), bytes(&v["suffix"]));
        let mut out = vec![0; body.len() + 7];
        let around = Around { prefix: &prefix, suffix: &suffix };
        let n = keys.mask.seal(&mut out, head, &[&body], &key, around).unwrap();
        assert_eq!(out[..n], hex_of(v), "{}", name(v));
    }
    assert_eq!(kinds.len(), 3, "every accepted kind has a vector");
}

#[test]
fn what_is_wrong_is_named() {
    let file = vectors("wire-errors.json");
    let keys = keys_of(&file);
    for v in list(&file, "frames") {
        let mut raw = hex_of(v);
        let error = match keys.mask.unmask(&mut raw) {
            Err(e) => frame_error(e),
            Ok(frame) => match frame.authenticate(&keys.pairwise, Around::default()) {
                Err(_) => "mac",
                Ok(frame) => frame.body().map(|_| "none").unwrap_or_else(body_error),
            },
        };
        assert_eq!(json!(error), v["error"], "{}", name(v));
    }
    for v in list(&file, "envelopes") {
        let error = match Envelope::parse(&hex_of(v)).expect_err(name(v)) {
            EnvelopeError::Short => "short",
            EnvelopeError::Long => "long",
            EnvelopeError::Class(_) => "class",
            EnvelopeError::Precedence(_) => "precedence",
            EnvelopeError::Range => "range",
        };
        assert_eq!(json!(error), v["error"], "{}", name(v));
    }
    for v in list(&file, "controls") {
        assert!(Control::decode(&hex_of(v)).is_err(), "{} was accepted", name(v));
    }
}
