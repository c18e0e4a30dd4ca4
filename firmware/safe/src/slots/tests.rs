#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::*;
use core::time::Duration;
use proptest::prelude::*;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

const DATA: [u8; 32] = [0xD5; 32];
const CHEAP: Cost = Cost { memory: 8, passes: 1, lanes: 1 };

fn draw(out: &mut [u8]) -> io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    for piece in out.chunks_mut(8) {
        let n = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        piece.copy_from_slice(&n[..piece.len()]);
    }
    Ok(())
}

fn counting(out: &mut [u8]) -> io::Result<()> {
    for (n, b) in out.iter_mut().enumerate() {
        *b = n as u8;
    }
    Ok(())
}

fn key(opened: Result<Opened, SlotsError>) -> [u8; 32] {
    match opened {
        Ok(Opened::Key(key)) => *key,
        other => panic!("{other:?}"),
    }
}

/// K-75.1-1
#[test]
fn each_protection_opens_with_its_own_secret_only() {
    let plain = KeyFile::in_file(Owner::Home, &DATA, draw).unwrap();
    let phrase = KeyFile::under_passphrase(Owner::Gateway, &DATA, b"right", CHEAP, draw).unwrap();
    let tpm = KeyFile::under_tpm(Owner::Gateway, &DATA, &[3; 32], (1, 2), draw).unwrap();
    for file in [&plain, &phrase, &tpm] {
        let file = KeyFile::decode(file.bytes()).unwrap();
        let results =
            [file.open(&Opener::File), file.open(&Opener::Passphrase(b"right")), file.open(&Opener::Tpm(&[3; 32]))];
        for (n, result) in results.into_iter().enumerate() {
            if n == file.protection() as usize {
                assert_eq!(key(result), DATA);
            } else {
                assert_eq!(result.unwrap_err(), SlotsError::OtherProtection);
            }
        }
    }
    assert_eq!(phrase.open(&Opener::Passphrase(b"wrong")).unwrap_err(), SlotsError::Wrong);
    assert_eq!(tpm.open(&Opener::Tpm(&[4; 32])).unwrap_err(), SlotsError::Wrong);
    assert_eq!((tpm.nv(), tpm.owner(), plain.owner()), ((1, 2), Owner::Gateway, Owner::Home));
}

/// K-75.1-2
#[test]
fn any_changed_byte_is_damage_a_newer_version_is_left_alone_and_a_mark_is_a_wipe() {
    let good = *KeyFile::in_file(Owner::Home, &DATA, draw).unwrap().bytes();
    for at in 0..LEN {
        let mut bad = good;
        bad[at] ^= 1;
        let wanted = match at {
            0..8 => SlotsError::NotAKeyFile,
            8 => SlotsError::Newer(257),
            9 => SlotsError::Damaged,
            12..16 => SlotsError::Wiping,
            _ => SlotsError::Damaged,
        };
        assert_eq!(KeyFile::decode(&bad).unwrap_err(), wanted, "byte {at}");
        assert!(KeyFile::decode(&good[..at]).is_err(), "cut at {at}");
    }
    let mut newer = good;
    newer[9] = 2;
    assert_eq!(KeyFile::decode(&newer).unwrap_err(), SlotsError::Newer(2));
    assert!(KeyFile::decode(&[&good[..], &[0]].concat()).is_err());
}

/// K-75.4-1
#[test]
fn a_duress_passphrase_opens_to_duress_and_does_not_show() {
    let file = KeyFile::under_passphrase(Owner::Home, &DATA, b"right", CHEAP, draw).unwrap();
    assert_eq!(file.with_duress(b"wrong", b"duress", draw).unwrap_err(), SlotsError::Wrong);
    assert_eq!(file.with_duress(b"right", b"right", draw).unwrap_err(), SlotsError::Wrong, "the same passphrase twice");
    let duress = KeyFile::decode(file.with_duress(b"right", b"duress", draw).unwrap().bytes()).unwrap();
    assert!(matches!(duress.open(&Opener::Passphrase(b"duress")), Ok(Opened::Duress)));
    assert_eq!(key(duress.open(&Opener::Passphrase(b"right"))), DATA);
    assert_eq!(duress.open(&Opener::Passphrase(b"other")).unwrap_err(), SlotsError::Wrong);
    assert_eq!(
        duress.with_duress(b"duress", b"x", draw).unwrap_err(),
        SlotsError::Wrong,
        "it is no owner's passphrase"
    );
    // Both have the same length and header; the slots of either are noise to whoever has no passphrase.
    assert_eq!(duress.bytes()[..84], file.bytes()[..84]);
    for file in [&file, &duress] {
        for slot in &SLOTS {
            assert!(file.bytes()[slot.clone()].iter().filter(|b| **b == 0).count() < 10);
        }
        assert!(file.bytes()[206..SUM].iter().all(|b| *b == 0));
    }
    let gone = duress.without_duress(b"right", draw).unwrap();
    assert_eq!(gone.open(&Opener::Passphrase(b"duress")).unwrap_err(), SlotsError::Wrong);
    assert_eq!(key(gone.open(&Opener::Passphrase(b"right"))), DATA);
    // The owner's slot is the first or the second, by chance.
    let places: std::collections::BTreeSet<_> = (0..32)
        .map(|_| KeyFile::under_passphrase(Owner::Home, &DATA, b"r", CHEAP, draw).unwrap().own_slot(b"r").unwrap())
        .collect();
    assert_eq!(places.len(), 2);
}

/// K-75.1-3
#[test]
fn tuning_meets_its_time_in_bounded_memory() {
    let tuned = |one_pass_ms: u64, available: u64| {
        let mut calls = 0;
        let mut clock = || {
            calls += 1;
            Duration::from_millis(if calls == 1 { 0 } else { one_pass_ms })
        };
        tune(Duration::from_secs(1), available, &mut clock).unwrap()
    };
    assert_eq!(tuned(100, 1 << 22), Cost { memory: 65_536, passes: 10, lanes: 1 });
    assert_eq!(tuned(1_400, 1 << 22).passes, 1);
    assert_eq!(tuned(4_000, 1 << 22), Cost { memory: 16_384, passes: 1, lanes: 1 }, "a slow board gets less memory");
    assert_eq!(tuned(100, 40_000).memory, 10_000, "a quarter of what is free");
    assert_eq!(tuned(100, 0).memory, limits::ARGON2_MEMORY_MIN);
    assert_eq!(tuned(0, 1 << 22).passes, limits::ARGON2_PASSES_MAX);
}

/// K-75.1-5: the bytes of the file, frozen.
#[test]
fn the_bytes_are_those_of_the_vectors() {
    let plain = KeyFile::in_file(Owner::Home, &DATA, counting).unwrap();
    let phrase = KeyFile::under_passphrase(Owner::Home, &DATA, b"correct horse", CHEAP, counting).unwrap();
    let duress = phrase.with_duress(b"correct horse", b"battery staple", counting).unwrap();
    let tpm = KeyFile::under_tpm(Owner::Gateway, &DATA, &[3; 32], (0x0150_0010, 0x0150_0011), counting).unwrap();
    let text: String = [("file", &plain), ("passphrase", &phrase), ("duress", &duress), ("tpm", &tpm)]
        .iter()
        .map(|(name, file)| {
            let hex: String = file.bytes().iter().map(|b| format!("{b:02x}")).collect();
            format!("{name} {hex}\n")
        })
        .collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/key-file.txt");
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == text, "{path} is:\n{text}");
}

proptest! {
    #[test]
    fn no_bytes_panic(mut bytes: Vec<u8>, len in 0usize..600) {
        bytes.resize(len, 0);
        let _ = KeyFile::decode(&bytes);
        for (n, b) in b"PICKETKY\0\x01".iter().enumerate().take(len) {
            bytes[n] = *b;
        }
        let _ = KeyFile::decode(&bytes);
        let _ = header(&bytes);
    }
}
