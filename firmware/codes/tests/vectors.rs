//! The vectors of `firmware/spec/vectors/codes-*.json`, both ways: hex → fields and fields → hex.
//!
//! They are frozen: a changed vector is a changed wire version. `cargo test -p picket-codes --test vectors -- --ignored`
//! writes only files that do not exist.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::expect_fun_call)]

#[path = "common/cases.rs"]
mod cases;
mod common;

use common::{coded, level};
use picket_codes::fountain::{Decoder, Encoder, Taken};
use picket_codes::plan::Noise;
use picket_codes::shield::{Found, Hunter};
use picket_codes::{golay, rs};
use serde_json::{Value, json};
use std::path::PathBuf;

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors").join(file)
}

fn vectors(file: &str) -> Value {
    let path = path(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn list<'a>(file: &'a Value, key: &str) -> &'a Vec<Value> {
    file[key].as_array().expect(key)
}

fn bytes(v: &Value) -> Vec<u8> {
    hex::decode(v.as_str().expect("hex")).expect("hex")
}

fn number<T: TryFrom<u64>>(v: &Value) -> T {
    v.as_u64().and_then(|n| T::try_from(n).ok()).expect("a number that fits")
}

fn word(v: &Value) -> u32 {
    u32::from_be_bytes(bytes(v).try_into().expect("four bytes"))
}

#[test]
#[ignore = "writes vector files that do not exist yet"]
fn write_missing_vectors() {
    for (file, content) in cases::files() {
        if !path(file).exists() {
            let text = serde_json::to_string_pretty(&content).unwrap() + "\n";
            std::fs::write(path(file), text).unwrap();
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
fn words_both_ways() {
    let file = vectors("codes-words.json");
    for v in list(&file, "words") {
        assert_eq!(golay::encode(number(&v["data"])), word(&v["word"]));
        assert_eq!(golay::decode(word(&v["word"])), Some((number(&v["data"]), 0)));
    }
    for v in list(&file, "damaged") {
        assert_eq!(json!(golay::decode(word(&v["word"]))), v["read"]);
    }
    for v in list(&file, "noise") {
        let q = f32::from_bits(word(&v["q"]));
        assert_eq!(Noise::from_code(number(&v["code"])), q);
    }
}

#[test]
fn blocks_both_ways() {
    let file = vectors("codes-blocks.json");
    for v in list(&file, "blocks") {
        let (data, parity) = (bytes(&v["data"]), bytes(&v["parity"]));
        let mut out = vec![0; parity.len()];
        assert!(rs::encode(&data, &mut out));
        assert_eq!(out, parity);
        assert_eq!(rs::decode(&mut [data, parity].concat(), out.len()), Ok(0));
    }
    for v in list(&file, "damaged") {
        let mut block = bytes(&v["received"]);
        let errors = rs::decode(&mut block, number(&v["parity_len"])).ok();
        assert_eq!(json!(errors), v["errors"]);
        assert_eq!(json!(errors.map(|_| hex::encode(&block))), v["block"]);
    }
}

#[test]
fn frames_both_ways() {
    for v in list(&vectors("codes-shield.json"), "frames") {
        let (frame, air, sent) = (bytes(&v["frame"]), bytes(&v["air"]), level(number(&v["level"])));
        assert_eq!(coded(&frame, sent), air);
        let mut hunter = Hunter::new();
        hunter.push(&air);
        let found = Found::Frame { frame, level: sent, body: air.len() - 9, errors: 0 };
        assert_eq!(hunter.next(), Some(found));
        assert_eq!(hunter.next(), None);
    }
}

#[test]
fn streams_give_the_frames_they_say() {
    for v in list(&vectors("codes-shield.json"), "streams") {
        let (air, mut hunter, mut told) = (bytes(&v["air"]), Hunter::new(), common::Told::default());
        for byte in &air {
            hunter.push(&[*byte]);
            told.drain(&mut hunter, |_| true);
        }
        let frames = list(v, "finds").iter().filter(|f| f["frame"].is_string());
        let expected: Vec<Vec<u8>> = frames.map(|f| bytes(&f["frame"])).collect();
        assert_eq!(told.frames, expected, "{}", v["name"]);
        assert_eq!(json!(hunter.in_frame()), v["in_frame"], "{}", v["name"]);
    }
}

#[test]
fn symbols_both_ways() {
    for v in list(&vectors("codes-fountain.json"), "objects") {
        let (object, size) = (bytes(&v["object"]), number(&v["size"]));
        let mut encoder = Encoder::new(&object, size);
        assert_eq!(encoder.k(), number::<u16>(&v["k"]));
        let mut decoder = Decoder::new(object.len(), size).expect("sizes");
        let mut complete = None;
        for s in list(v, "symbols") {
            let mut out = Vec::new();
            assert!(encoder.symbol(number(&s["esi"]), &mut out));
            assert_eq!(out, bytes(&s["symbol"]));
            match decoder.take(number(&s["esi"]), &out) {
                Taken::Complete(whole) => complete = Some(whole),
                Taken::Stored | Taken::Duplicate => (),
                Taken::Wrong => panic!("symbol {} is wrong", s["esi"]),
            }
        }
        let enough = usize::from(encoder.k()) <= list(v, "symbols").len() - 4;
        assert!(!enough || complete.as_ref() == Some(&object));
    }
}
