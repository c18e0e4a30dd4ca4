//! ctgrind: each case marks its secrets as uninitialised and runs what handles them. Memcheck then reports every branch
//! and every address that depends on a secret. Run it by `cargo xtask constant-time`, which knows what may be reported.
//!
//! `picket-constant-time CASE` runs one case; without an argument it lists them.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program of the tests")]

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, KeyInit};
use crabgrind::memcheck::{MemState, mark_mem};
use picket_roster::{AgreementSecret, IdentitySecret};
use picket_safe::slots::{Cost, KeyFile, Opener, Owner};
use picket_seal::Tokens;
use picket_wire::MissionId;
use picket_wire::control::ReceiptKind;
use picket_wire::frame::{Around, Head, Kind, Mask};
use picket_wire::keys::NetKeys;
use std::ffi::c_void;
use std::hint::black_box;

/// From here on these bytes are secret.
fn secret<T: ?Sized>(value: &mut T) {
    mark(value, MemState::Undefined);
}

/// These bytes are known to the world: an outcome, a ciphertext, a public key.
fn public<T: ?Sized>(value: &mut T) {
    mark(value, MemState::Defined);
}

fn mark<T: ?Sized>(value: &mut T, state: MemState) {
    let bytes = size_of_val(value);
    // Outside valgrind nothing happens.
    let _ = mark_mem(core::ptr::from_mut(value).cast::<c_void>(), bytes, state);
}

const KEY: [u8; 32] = [0x42; 32];

/// Must be reported: shows that the check sees.
fn leaky() {
    let (mut a, b) = (KEY, [0x42; 32]);
    secret(&mut a);
    let equal = a.iter().zip(&b).all(|(x, y)| black_box(*x) == *y);
    black_box(equal);
}

fn hop_mac() {
    let mask = Mask::new(&NetKeys::derive(&[1; 32], 3));
    let mut frame = [0; 64];
    let around = Around::default();
    let n = mask.seal(&mut frame, Head { kind: Kind::Control, to: 3, from: 4 }, &[&[7; 20]], &KEY, around).unwrap();
    let mut key = KEY;
    secret(&mut key);
    let verified = mask.unmask(&mut frame[..n]).unwrap().authenticate(&key, around).is_ok();
    black_box(verified);
}

fn receipt_token() {
    let mut tokens = Tokens { delivered: [5; 8], read: [6; 8] };
    secret(&mut tokens);
    let mut proves = tokens.proves(ReceiptKind::Delivered, &[5; 8]);
    public(&mut proves);
    black_box(proves);
}

fn gcm() {
    let mut key = KEY;
    secret(&mut key);
    let gcm = AesGcm::<Aes256, U12, U12>::new_from_slice(&key).unwrap();
    let mut text = *b"a text of twenty b..";
    secret(&mut text);
    let tag = gcm.encrypt_inout_detached(&[9; 12].into(), b"aad", text.as_mut_slice().into()).unwrap();
    let mut tag: [u8; 12] = tag.into();
    public(&mut tag);
    public(&mut text);
    let opened = gcm.decrypt_inout_detached(&[9; 12].into(), b"aad", text.as_mut_slice().into(), &tag.into());
    black_box(opened.is_ok());
}

fn draw(out: &mut [u8]) -> std::io::Result<()> {
    out.fill(7);
    Ok(())
}

fn slots(protected: bool) {
    let cost = Cost { memory: 32, passes: 1, lanes: 1 };
    let mut passphrase = *b"correct horse";
    let mut tpm = [3; 32];
    let file = match protected {
        true => KeyFile::under_passphrase(Owner::Home, &KEY, &passphrase, cost, draw).unwrap(),
        false => KeyFile::under_tpm(Owner::Home, &KEY, &tpm, (1, 2), draw).unwrap(),
    };
    secret(&mut passphrase);
    secret(&mut tpm);
    let opened = match protected {
        true => file.open(&Opener::Passphrase(&passphrase)),
        false => file.open(&Opener::Tpm(&tpm)),
    };
    black_box(opened.is_ok());
}

fn wrapping_key() {
    slots(false);
}

fn passphrase() {
    slots(true);
}

fn agreement() {
    let peer = AgreementSecret::from_bytes(&[0x11; 32]).unwrap().public().unwrap();
    let mut bytes = [0x22; 32];
    secret(&mut bytes);
    let own = AgreementSecret::from_bytes(&bytes).unwrap();
    let key = picket_roster::link_key(&own, &peer, MissionId([1; 8]), 1).unwrap();
    black_box(key.0);
}

fn signature() {
    let mut bytes = [0x33; 32];
    secret(&mut bytes);
    let own = IdentitySecret::from_bytes(&bytes).unwrap();
    black_box(own.sign(b"PICKET-test", b"message").unwrap());
}

const CASES: [(&str, fn()); 8] = [
    ("leaky", leaky),
    ("hop-mac", hop_mac),
    ("receipt-token", receipt_token),
    ("aes-gcm", gcm),
    ("wrapping-key", wrapping_key),
    ("passphrase", passphrase),
    ("p256-agreement", agreement),
    ("p256-signature", signature),
];

fn main() {
    let wanted = std::env::args().nth(1);
    match wanted.and_then(|name| CASES.iter().find(|(n, _)| *n == name)) {
        Some((_, run)) => run(),
        None => CASES.iter().for_each(|(name, _)| println!("{name}")),
    }
}
