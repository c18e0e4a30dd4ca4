//! The vectors of `firmware/spec/vectors/seal.json`, both ways: fields → envelope and envelope → fields.
//!
//! They are frozen: a changed vector is a changed wire version. `cargo test -p picket-seal --test vectors -- --ignored`
//! writes the file only if it does not exist.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Device, Storing, encode_receive, encode_send, mission, roster};
use picket_roster::{Keyfill, Padding, PublicKey};
use picket_seal::{Body, Content, Far, Local, Peer, Prekey, ReceiveSession, Route, SendSession, Slot};
use picket_wire::envelope::{Class, Encapsulated, Envelope};
use picket_wire::{Index, Lifetime, MessageId, Precedence};
use serde_json::{Value, json};
use std::path::PathBuf;

const EPOCH: u32 = 2;

/// Slots of each lane, one of them after another of its lane.
const SLOTS: [u8; 4] = [3, 5, 150, 168];

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors/seal.json")
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

/// Every kind of content, with its route and padding.
fn contents() -> Vec<(&'static str, Route, Content<'static>, Padding)> {
    let routine =
        Route { class: Class::Pairwise, precedence: Precedence::Routine, hop_limit: 5, lifetime: Lifetime(0xD5) };
    let flash = Route { precedence: Precedence::Flash, hop_limit: 15, ..routine };
    let housekeeping = Route { class: Class::Housekeeping, ..routine };
    let plain = |body| Content::new(Lifetime(0xD5), Some(3_661), body);
    let id = MessageId(*b"\x01\x23\x45\x67\x89\xab\xcd\xef");
    let prekey = Prekey::announced(3, roster().epoch_keys(Index(1), 5).unwrap().p);
    vec![
        ("text of 20 bytes", routine, plain(Body::Text("twenty bytes of text")), Padding::Off),
        ("flash, time unknown", flash, Content { sent_s: None, ..plain(Body::Text("contact")) }, Padding::Off),
        ("file, padded", routine, plain(Body::File { name: "grid.txt", bytes: b"33UXP04" }), Padding::Steps16),
        (
            "cannot open, with a prekey",
            housekeeping,
            Content { prekey: Some(prekey), ..plain(Body::CannotOpen { id }) },
            Padding::Off,
        ),
        ("sealed again", routine, Content { original: Some(id), ..plain(Body::Text("contact")) }, Padding::Buckets),
        (
            "burns after reading",
            routine,
            Content { burn: Some(Lifetime(0x1E)), ..plain(Body::Text("x")) },
            Padding::Off,
        ),
        ("renewed", housekeeping, Content { prekey: Some(prekey), ..plain(Body::Renewed) }, Padding::Off),
    ]
}

/// Inputs of the two sessions, from the members' keyfills.
struct Inputs {
    alpha_ik: [u8; 32],
    bravo_ik: PublicKey,
    seed_e: [u8; 32],
    bravo_r: PublicKey,
    bravo_p: PublicKey,
    psk: [u8; 32],
}

fn inputs() -> Inputs {
    let alpha = Keyfill::open(&mission().keyfills[0]).unwrap();
    let secrets = alpha.secrets().unwrap().unwrap();
    let bravo = alpha.roster().station(Index(2)).unwrap();
    let keys = alpha.roster().epoch_keys(Index(2), EPOCH).unwrap();
    Inputs {
        alpha_ik: *secrets.agreement().to_bytes(),
        bravo_ik: bravo.agreement,
        seed_e: *secrets.seeds(EPOCH).unwrap().e().unwrap(),
        bravo_r: keys.r,
        bravo_p: keys.p,
        psk: *alpha.psk(&bravo).unwrap().at(EPOCH).unwrap(),
    }
}

fn session(v: &Value, i: &Inputs) -> SendSession {
    let agreement = picket_roster::AgreementSecret::from_bytes(&i.alpha_ik).unwrap();
    let local = Local { mission: roster().mission(), index: Index(1), agreement: &agreement };
    let peer = Peer { index: Index(2), agreement: i.bravo_ik };
    if v["sid"] == 0 {
        SendSession::pre_placed(&local, &peer, EPOCH, &i.seed_e, &i.bravo_r, &i.psk).unwrap()
    } else {
        let prekey = Prekey::of_epoch(EPOCH, i.bravo_p);
        SendSession::in_band(&local, &peer, EPOCH, 7, &array(&v["randomness"]), &prekey, &i.psk).unwrap()
    }
}

fn made() -> Value {
    let i = inputs();
    let sessions = [json!({"sid": 0}), json!({"sid": 7, "randomness": hex::encode([0xC3; 32])})];
    let sessions: Vec<_> = sessions
        .into_iter()
        .map(|mut v| {
            let fresh = session(&v, &i);
            v["state"] = hex::encode(encode_send(&fresh)).into();
            let mut send = fresh.reserve().persisted();
            v["messages"] = contents().iter().map(|c| message(&mut send, c)).collect();
            if v["sid"] == 0 {
                v["slots"] = SLOTS.iter().map(|byte| slot(&mut send, *byte)).collect();
            }
            v
        })
        .collect();
    json!({
        "about": "alpha (index 1, device randomness 0A) to bravo (2, 0B), 12 epochs each, authority 01, in epoch 2",
        "mission": hex::encode(roster().mission().0),
        "epoch": EPOCH,
        "alpha_ik_secret": hex::encode(i.alpha_ik),
        "bravo_ik": hex::encode(i.bravo_ik.0),
        "alpha_seed_e": hex::encode(i.seed_e),
        "bravo_r": hex::encode(i.bravo_r.0),
        "bravo_p": hex::encode(i.bravo_p.0),
        "psk": hex::encode(i.psk),
        "sessions": sessions,
    })
}

/// Two messages of a slot, and the state it begins with.
fn slot(send: &mut SendSession, byte: u8) -> Value {
    let fresh = send.enter(Slot::from_byte(byte).unwrap()).unwrap();
    let state = hex::encode(encode_send(&fresh));
    let mut send = fresh.reserve().persisted();
    let messages: Vec<_> = contents().iter().take(2).map(|c| message(&mut send, c)).collect();
    json!({ "slot": byte, "state": state, "messages": messages })
}

fn message(send: &mut SendSession, (name, route, content, padding): &(&str, Route, Content<'_>, Padding)) -> Value {
    let mut out = [0; 512];
    let mut plain = [0; 256];
    let len = content.encode(*padding, &mut plain).unwrap();
    let sealed = send.seal(route, content, *padding, &mut out).unwrap();
    json!({
        "name": name,
        "content": hex::encode(&plain[..len]),
        "fields": fields(content),
        "padding": format!("{padding:?}"),
        "envelope": hex::encode(sealed.envelope),
        "identity": hex::encode(sealed.identity.0),
        "counter": sealed.counter,
        "delivered": hex::encode(sealed.tokens.delivered),
        "read": hex::encode(sealed.tokens.read),
    })
}

fn fields(c: &Content<'_>) -> Value {
    let body = match c.body {
        Body::Text(text) => json!({ "text": text }),
        Body::File { name, bytes } => json!({ "file": name, "bytes": hex::encode(bytes) }),
        Body::CannotOpen { id } => json!({ "cannot_open": id.to_string() }),
        Body::Renewed => json!({ "renewed": true }),
    };
    json!({
        "lifetime": c.lifetime.0,
        "sent_s": c.sent_s,
        "original": c.original.map(|id| id.to_string()),
        "burn": c.burn.map(|b| b.0),
        "prekey": c.prekey.map(|p| json!({ "id": p.id, "key": hex::encode(p.key.0) })),
        "body": body,
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
    assert!(on_file() == made(), "seal.json differs: a changed vector is a changed wire version");
}

#[test]
fn every_envelope_on_file_opens_to_its_fields() {
    let file = on_file();
    let mut bravo = Device::new(1, Storing::Every);
    let (secrets, psk) = (bravo.disk.secrets.clone(), bravo.disk.psks[&Index(1)].clone());
    bravo.activate(EPOCH);
    let alpha = Peer { index: Index(1), agreement: roster().station(Index(1)).unwrap().agreement };
    for v in file["sessions"].as_array().unwrap() {
        let messages = v["messages"].as_array().unwrap();
        let first = bytes(&messages[0]["envelope"]);
        let mut receive = match Envelope::parse(&first).unwrap().header().enc {
            None => ReceiveSession::decode(&bravo.disk.receive[&(Index(1), EPOCH, 0, Vec::new())]).unwrap(),
            Some(Encapsulated { prekey, x }) => {
                assert_eq!(u32::from(prekey >> 1), EPOCH);
                let seed = secrets.seeds(EPOCH).unwrap().p().unwrap();
                let psk = psk.at(EPOCH).unwrap();
                let enc = Encapsulated { prekey, x };
                ReceiveSession::in_band(&bravo.local(&secrets), &alpha, EPOCH, 7, &enc, seed, &psk).unwrap()
            }
        };
        opens(&mut receive, messages);
        assert!(encode_receive(&receive).len() < 256);
        for slot in v["slots"].as_array().unwrap_or(&Vec::new()) {
            let wanted = Slot::from_byte(u8::try_from(slot["slot"].as_u64().unwrap()).unwrap()).unwrap();
            assert!(receive.leads_to(wanted));
            let mut of_slot = receive.enter(wanted.lane()).unwrap();
            while of_slot.slot() != Some(wanted) {
                of_slot = receive.enter(wanted.lane()).unwrap();
            }
            opens(&mut of_slot, slot["messages"].as_array().unwrap());
        }
    }
}

/// Out of order: the last one first.
fn opens(receive: &mut ReceiveSession, messages: &[Value]) {
    for m in messages.iter().rev() {
        let envelope = bytes(&m["envelope"]);
        let mut out = [0; 512];
        let opened = receive.open(&Envelope::parse(&envelope).unwrap(), Far::Refuse, &mut out).unwrap();
        assert_eq!(opened.content, bytes(&m["content"]));
        assert_eq!(fields(&Content::decode(opened.content).unwrap()), m["fields"]);
        assert_eq!(opened.identity.0, array(&m["identity"]));
        assert_eq!(m["counter"], opened.counter);
        assert_eq!(opened.tokens.delivered, array(&m["delivered"]));
        assert_eq!(opened.tokens.read, array(&m["read"]));
    }
}

#[test]
fn sessions_begin_from_the_keys_on_file() {
    let v = on_file();
    let i = Inputs {
        alpha_ik: array(&v["alpha_ik_secret"]),
        bravo_ik: PublicKey(array(&v["bravo_ik"])),
        seed_e: array(&v["alpha_seed_e"]),
        bravo_r: PublicKey(array(&v["bravo_r"])),
        bravo_p: PublicKey(array(&v["bravo_p"])),
        psk: array(&v["psk"]),
    };
    for s in v["sessions"].as_array().unwrap() {
        assert_eq!(encode_send(&session(s, &i)), bytes(&s["state"]));
    }
}
