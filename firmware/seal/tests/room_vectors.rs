//! The vectors of `firmware/spec/vectors/rooms.json`, both ways. Frozen, as `vectors.rs` says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/rooms.rs"]
mod rooms;

use picket_roster::Padding;
use picket_seal::room::{Attest, Policy, Role, RoomId, RoomSealed, RoomState, Settled};
use picket_seal::{Body, Content, Far, Route};
use picket_wire::envelope::Envelope;
use picket_wire::{Index, Lifetime, Precedence};
use rooms::*;
use serde_json::{Value, json};
use std::path::PathBuf;

const INCARNATION: [u8; 8] = *b"\xA0\xA1\xA2\xA3\xA4\xA5\xA6\xA7";

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors/rooms.json")
}

fn on_file() -> Value {
    serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap()
}

fn bytes(v: &Value) -> Vec<u8> {
    hex::decode(v.as_str().unwrap()).unwrap()
}

fn message(name: &str, sealed: &RoomSealed<'_>, content: &Content<'_>, signed: bool, padding: Padding) -> Value {
    let mut plain = [0; 512];
    let len = content.encode(Padding::Off, &mut plain).unwrap();
    json!({
        "name": name,
        "content": hex::encode(&plain[..len]),
        "signed": signed,
        "padding": format!("{padding:?}"),
        "envelope": hex::encode(sealed.envelope),
        "identity": hex::encode(sealed.identity.0),
        "counter": sealed.counter,
        "digest": hex::encode(sealed.digest),
    })
}

const fn plain(body: Body<'_>) -> Content<'_> {
    Content::new(Lifetime(0xD5), Some(3_661), body)
}

fn messages() -> Vec<Value> {
    let (mut chain, key) = (sender(INCARNATION), signer(0));
    let routine = route();
    let flash = Route { precedence: Precedence::Flash, ..routine };
    let mut all = Vec::new();
    let mut digests = Vec::new();
    let said = [
        ("text of 20 bytes", routine, plain(Body::Text("twenty bytes of text")), false, Padding::Off),
        ("order", flash, plain(Body::Text("hold the bridge")), true, Padding::Off),
        ("file, padded", routine, plain(Body::File { name: "grid.txt", bytes: b"33UXP04" }), false, Padding::Steps16),
        ("order, padded", routine, plain(Body::Text("withdraw")), true, Padding::Buckets),
    ];
    for (name, route, content, signed, padding) in said {
        let mut out = [0; 512];
        let sealed = chain.seal(&route, &content, signed.then_some(&key), padding, &mut out).unwrap();
        digests.push(sealed.digest);
        all.push(message(name, &sealed, &content, signed, padding));
    }
    for (name, other) in [("attestation", None), ("attestation of another chain", Some((2, 6, [0xB0; 8])))] {
        let mut body = [0; Attest::LEN_MAX];
        let attest = Attest { other, first: 0, digests: &digests };
        let content = plain(Body::Attest { bytes: attest.encode(chain.next_counter(), &mut body).unwrap() });
        let mut out = [0; 512];
        let sealed = chain.seal(&routine, &content, Some(&key), Padding::Off, &mut out).unwrap();
        all.push(message(name, &sealed, &content, true, Padding::Off));
    }
    all
}

fn state() -> Vec<u8> {
    let policy = Policy { most: 8, signed_only: true, lifetime: Lifetime(0xA7), retention: Some(Index(9)) };
    let mut state = RoomState::new(ROOM, INDEX, "bridge", policy, Index(1)).unwrap();
    assert!(state.seat(Index(9), Role::Member) && state.seat(Index(2), Role::Moderator));
    (state.version, state.parent, state.generation) = (7, [0xCD; 8], GENERATION);
    let mut out = [0; picket_seal::limits::ROOM_STATE_MAX];
    state.sign(common::roster().mission(), &signer(0), &mut out).unwrap().to_vec()
}

fn made() -> Value {
    let id = chain(INCARNATION);
    json!({
        "about": "alpha (index 1, device randomness 0A) to a room, authority 01; the room's secret at epoch 5",
        "mission": hex::encode(id.mission.0),
        "room": hex::encode(ROOM.0),
        "index": INDEX.0,
        "sender": ALPHA.0,
        "identity_secret": hex::encode(*signer(0).to_bytes()),
        "secret": hex::encode(*secret().to_bytes()),
        "secret_epoch": secret().epoch(),
        "secret_at_epoch": hex::encode(*secret().at(EPOCH).unwrap().to_bytes()),
        "epoch": EPOCH,
        "generation": GENERATION,
        "incarnation": hex::encode(INCARNATION),
        "messages": messages(),
        "state": hex::encode(state()),
        "words": {
            "joined": word(picket_seal::room::RoomWord::Joined),
            "left": word(picket_seal::room::RoomWord::Left),
            "ask": word(picket_seal::room::RoomWord::Ask),
        },
    })
}

fn word(word: picket_seal::room::RoomWord) -> String {
    let mut out = [0; 64];
    let content = Content::new(Lifetime(0xD5), Some(3_661), Body::RoomWord { room: RoomId(ROOM.0), word });
    let len = content.encode(Padding::Off, &mut out).unwrap();
    assert_eq!(Content::decode(&out[..len]), Ok(content));
    hex::encode(&out[..len])
}

#[test]
#[ignore = "writes the vector file if it does not exist yet"]
fn write_missing_vectors() {
    if !path().exists() {
        std::fs::write(path(), serde_json::to_string_pretty(&made()).unwrap() + "\n").unwrap();
    }
}

#[test]
fn the_room_vectors_on_file_are_what_this_code_writes() {
    assert!(on_file() == made(), "rooms.json differs: a changed vector is a changed wire version");
}

#[test]
fn every_message_to_the_room_on_file_opens_to_its_content() {
    let file = on_file();
    let mut chain = receiver(INCARNATION);
    for m in file["messages"].as_array().unwrap().iter().rev() {
        let envelope = bytes(&m["envelope"]);
        let mut out = [0; 512];
        let envelope = Envelope::parse(&envelope).unwrap();
        let opened = chain.open(&envelope, &identity(0), Far::Refuse, &mut out).unwrap();
        assert_eq!(opened.content, bytes(&m["content"]));
        assert_eq!(m["counter"], opened.counter);
        assert_eq!(hex::encode(opened.digest), m["digest"]);
        assert_eq!(opened.settled == Settled::Signed, m["signed"] == true);
    }
    let state = RoomState::verify(&bytes(&file["state"]), common::roster().mission(), |_| Some(identity(0))).unwrap();
    assert_eq!((state.name(), state.version, state.seats.len()), ("bridge", 7, 3));
}
