//! What the tests of this crate share.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::expect_fun_call)]

pub mod controls;
pub mod fields;

use picket_wire::Index;
use picket_wire::frame::{BodyError, FrameError, Mask};
use picket_wire::keys::{LinkKey, NetKeys};
use serde_json::Value;
use std::path::PathBuf;

/// Network key of the tests and vectors: bytes 0 to 31.
pub const NK: [u8; 32] = {
    let mut nk = [0; 32];
    let mut i = 0;
    while i < 32 {
        nk[i] = i as u8;
        i += 1;
    }
    nk
};

/// Its generation; the low three bits, 3, travel.
pub const GENERATION: u8 = 11;

/// A pairwise key.
pub const LK: [u8; 32] = [0xA7; 32];

/// One end of `LK`.
pub const ALPHA: Index = Index(0x0012);
/// The other end.
pub const GATEWAY: Index = Index(0x0103);

/// Keys of `NK`.
pub fn net() -> NetKeys {
    NetKeys::derive(&NK, GENERATION)
}

/// Mask of `NK`.
pub fn mask() -> Mask {
    Mask::new(&net())
}

/// Key of frames from `ALPHA` to `GATEWAY`.
pub fn up_key() -> [u8; 32] {
    LinkKey(LK).toward(ALPHA, GATEWAY)
}

/// `len` bytes that depend on `seed`, no two neighbours alike.
pub fn filler(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(29).wrapping_add(seed)).collect()
}

/// Path of a vector file.
pub fn vector_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors").join(name)
}

/// A vector file.
pub fn vectors(name: &str) -> Value {
    let path = vector_path(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Word of a frame error in the vectors.
pub fn frame_error(e: FrameError) -> &'static str {
    match e {
        FrameError::Short => "short",
        FrameError::Long => "long",
        FrameError::Version(_) => "version",
        FrameError::Generation(_) => "generation",
        FrameError::Kind(_) => "kind",
    }
}

/// Word of a body error in the vectors.
pub fn body_error(e: BodyError) -> &'static str {
    match e {
        BodyError::Envelope(_) => "body_envelope",
        BodyError::Fragment => "body_fragment",
        BodyError::Control(_) => "body_control",
    }
}
