//! ctgrind: each case marks its secrets as uninitialised and runs what handles them. Memcheck then reports every branch
//! and every address that depends on a secret. Run it by `cargo xtask constant-time`, which knows what may be reported.
//!
//! `picket-constant-time CASE` runs one case; without an argument it lists them.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program of the tests")]

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use aes_gcm::aes::Aes256Enc;
use aes_gcm::{AesGcm, KeyInit};
use picket_roster::{AgreementSecret, IdentitySecret};
use picket_safe::slots::{Cost, KeyFile, Opener, Owner};
use picket_seal::Tokens;
use picket_wire::MissionId;
use picket_wire::control::ReceiptKind;
use picket_wire::frame::{Around, Head, Kind, Mask};
use picket_wire::keys::NetKeys;
use std::hint::black_box;

/// From here on these bytes are secret.
fn secret<T: ?Sized>(value: &mut T) {
    mark(value, MAKE_MEM_UNDEFINED);
}

/// These bytes are known to the world: an outcome, a ciphertext, a public key.
fn public<T: ?Sized>(value: &mut T) {
    mark(value, MAKE_MEM_DEFINED);
}

/// Requests of memcheck (valgrind/memcheck.h): `'M' << 24 | 'C' << 16`, and which.
const MAKE_MEM_UNDEFINED: u64 = 0x4D43_0001;
const MAKE_MEM_DEFINED: u64 = 0x4D43_0002;

/// A client request, as valgrind/valgrind.h writes it for x86-64: outside valgrind these instructions do nothing. The
/// crate that wraps it needs newer headers than distributions have.
fn mark<T: ?Sized>(value: &mut T, request: u64) {
    let bytes = size_of_val(value) as u64;
    let arguments: [u64; 6] = [request, core::ptr::from_mut(value).cast::<u8>() as u64, bytes, 0, 0, 0];
    // SAFETY: the rotations add up to two full turns; rax and rdx are named, memory and flags count as changed.
    unsafe {
        core::arch::asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") arguments.as_ptr(),
            inout("rdx") 0_u64 => _,
        );
    }
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
    let gcm = AesGcm::<Aes256Enc, U12, U12>::new_from_slice(&key).unwrap();
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
