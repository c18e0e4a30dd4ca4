//! What the vector files of the codes hold: written once, then law.

use crate::common::{Dice, coded, level};
use picket_codes::fountain::Encoder;
use picket_codes::plan::Noise;
use picket_codes::shield::{Found, Hunter};
use picket_codes::{golay, rs};
use serde_json::{Value, json};

/// Names and contents of all files.
pub fn files() -> [(&'static str, Value); 4] {
    [
        ("codes-words.json", words()),
        ("codes-blocks.json", blocks()),
        ("codes-shield.json", shield()),
        ("codes-fountain.json", fountain()),
    ]
}

/// Golay words, whole and damaged, and the codes of `q`.
fn words() -> Value {
    let whole = [0, 1, 0x800, 0xABC, 0x555, 0xFFF];
    let words: Vec<_> = whole.iter().map(|d| json!({ "data": d, "word": word(golay::encode(*d)) })).collect();
    let flips = [1, 0x80_0000, 0x80_0001, 0x10_1010, 0x00_000F, 0xF0_0000, 0x11_1100];
    let damaged = flips.iter().map(|flip| {
        let word_on_air = golay::encode(0xABC) ^ flip;
        json!({ "word": word(word_on_air), "read": golay::decode(word_on_air) })
    });
    // As bits of a 32-bit float: its decimal digits are not law.
    let noise = [0u8, 1, 8, 39, 100, 160, 255].map(|c| json!({ "code": c, "q": word(Noise::from_code(c).to_bits()) }));
    json!({ "words": words, "damaged": damaged.collect::<Vec<_>>(), "noise": noise })
}

fn word(word: u32) -> String {
    hex::encode(word.to_be_bytes())
}

/// Blocks of every kind of length, whole and damaged.
fn blocks() -> Value {
    let mut dice = Dice(52);
    let sizes = [(1, 2), (10, 4), (100, 16), (223, 32), (127, 128), (40, 0), (255, 0), (249, 6)];
    let whole = sizes.map(|(len, parity)| {
        let data = dice.bytes(len);
        let mut out = vec![0; parity];
        assert!(rs::encode(&data, &mut out));
        json!({ "data": hex::encode(&data), "parity": hex::encode(&out) })
    });
    let damaged = [1, 4, 5, 8].map(|wrong| {
        let mut block = b"a block with eight bytes of parity--------".to_vec();
        let (data, parity) = block.split_at_mut(34);
        assert!(rs::encode(data, parity));
        (0..wrong).for_each(|n| block[n * 5 + 1] ^= 0x42);
        let received = hex::encode(&block);
        let errors = rs::decode(&mut block, 8).ok();
        json!({ "received": received, "parity_len": 8, "errors": errors, "block": errors.map(|_| hex::encode(&block)) })
    });
    json!({ "blocks": whole, "damaged": damaged })
}

/// Frames as they go on air, and streams with what is found in them.
fn shield() -> Value {
    let mut dice = Dice(53);
    let sizes = [(1, 0), (12, 0), (1, 1), (12, 4), (54, 9), (300, 3), (300, 16), (256, 31), (600, 20)];
    let frames = sizes.map(|(len, number)| {
        let frame = dice.bytes(len);
        let air = hex::encode(coded(&frame, level(number)));
        json!({ "level": number, "frame": hex::encode(frame), "air": air })
    });
    let streams: Vec<_> = streams().into_iter().map(|(name, bytes)| stream(name, &bytes)).collect();
    json!({ "frames": frames, "streams": streams })
}

fn streams() -> Vec<(&'static str, Vec<u8>)> {
    let a = coded(b"the first frame of the stream", level(4));
    let b = coded(b"the second", level(2));
    let mut flipped = a.clone();
    [0, 3, 7, 12, 20, 30].into_iter().for_each(|at| flipped[at] ^= 0x24);
    let mut broken = a.clone();
    broken[12..24].fill(0);
    let cut = [&a[..20], &b].concat();
    // As many bytes are missing as its parity can replace: the next frame begins within the first.
    let shared = [&a[..a.len() - 4], &b].concat();
    let false_one = coded(&[&b"two in "[..], &coded(b"one", level(0))].concat(), level(0));
    vec![
        ("clean", [&a[..], &b].concat()),
        ("noise between", [b"noise", &a[..], &[0xFF; 9], &b].concat()),
        ("flipped bits", flipped),
        ("beyond repair", [&broken[..], &b].concat()),
        ("cut in the middle", cut),
        ("end cut off and repaired", shared),
        ("a frame inside a frame", false_one),
        ("a header without a frame", [&a[..9], b"and nothing more"].concat()),
    ]
}

fn stream(name: &str, bytes: &[u8]) -> Value {
    let mut hunter = Hunter::new();
    hunter.push(bytes);
    let finds: Vec<Value> = core::iter::from_fn(|| hunter.next()).map(|f| find(&f)).collect();
    json!({ "name": name, "air": hex::encode(bytes), "finds": finds, "in_frame": hunter.in_frame() })
}

fn find(found: &Found) -> Value {
    match found {
        Found::Frame { frame, level, body, errors } => {
            json!({ "frame": hex::encode(frame), "level": level.bits(), "body": body, "errors": errors })
        }
        Found::Broken { level, body } => json!({ "broken": body, "level": level.bits() }),
        Found::Noise(n) => json!({ "noise": n }),
    }
}

/// Symbols of some objects: enough to make the smaller ones whole.
fn fountain() -> Value {
    let mut dice = Dice(54);
    let objects = [(1, 1), (10, 4), (100, 10), (1_000, 49)].map(|(len, size)| {
        let object = dice.bytes(len);
        let mut encoder = Encoder::new(&object, size);
        let k = encoder.k();
        let esis: Vec<u16> = [0, k - 1].into_iter().chain(k..k + k.min(12) + 4).chain([1_000, 0x7FFF]).collect();
        let symbols: Vec<_> = esis
            .into_iter()
            .map(|esi| {
                let mut out = Vec::new();
                assert!(encoder.symbol(esi, &mut out));
                json!({ "esi": esi, "symbol": hex::encode(out) })
            })
            .collect();
        json!({ "object": hex::encode(object), "size": size, "k": k, "symbols": symbols })
    });
    json!({ "objects": objects })
}
