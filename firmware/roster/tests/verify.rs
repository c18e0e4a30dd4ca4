//! Fingerprints and safety words (spec §30.11), and their vectors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{authority, device, enrol, request, verified};
use picket_roster::device::DeviceRequest;
use picket_roster::{Digits, Fingerprint, Keyfill, KeyfillError, Kind, RosterDraft, SAFETY_WORDS, Safety};
use picket_wire::{Index, MissionId};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors/verify.json")
}

/// Every pair of the small mission.
fn made() -> Value {
    let (_, roster, _) = common::mission();
    let view = verified(&roster);
    let mission = view.mission();
    let prints: Vec<_> = view.stations().map(|s| (s.index, Fingerprint::of(mission, &s))).collect();
    let stations: Vec<_> = view
        .stations()
        .zip(&prints)
        .map(|(s, (_, print))| {
            json!({
                "index": s.index.0, "identity": hex::encode(s.identity.0), "agreement": hex::encode(s.agreement.0),
                "fingerprint": hex::encode(print.0), "digits": print.to_string(),
            })
        })
        .collect();
    let mut pairs = Vec::new();
    for (n, (a, of_a)) in prints.iter().enumerate() {
        for (b, of_b) in &prints[n + 1..] {
            let safety = Safety::new(mission, (*a, of_a), (*b, of_b));
            pairs.push(json!({ "of": [a.0, b.0], "safety": hex::encode(safety.0), "words": safety.words() }));
        }
    }
    json!({
        "about": "the roster of roster.json; words by their positions in the English list of BIP-39, from 0",
        "mission": hex::encode(mission.0), "roster_digits": Digits(view.hash()).to_string(),
        "stations": stations, "pairs": pairs,
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
fn the_vectors_of_verification_hold() {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap();
    assert!(file == made(), "verify.json differs: people could not compare across versions any more");
}

#[test]
fn digits_are_eight_groups_of_five() {
    let mut bytes = [0; 32];
    bytes[3] = 7;
    bytes[4..8].copy_from_slice(&99_999_u32.to_be_bytes());
    bytes[28..].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(Digits(&bytes).to_string(), "00007 99999 00000 00000 00000 00000 00000 67295");
}

#[test]
fn both_sides_of_a_pair_have_the_same_words() {
    let (a, b) = (Fingerprint([0xA5; 32]), Fingerprint([0x5A; 32]));
    let mission = MissionId([3; 8]);
    let one = Safety::new(mission, (Index(1), &a), (Index(0x102), &b));
    let other = Safety::new(mission, (Index(0x102), &b), (Index(1), &a));
    assert_eq!(one, other);
    assert_ne!(one, Safety::new(mission, (Index(1), &b), (Index(0x102), &a)), "who is who is in them");
    assert_ne!(one, Safety::new(MissionId([4; 8]), (Index(1), &a), (Index(0x102), &b)));
    assert!(one.words().iter().all(|w| *w < 2_048));
    let mut bits = Safety([0; 32]);
    bits.0[..3].copy_from_slice(&[0xFF, 0xE0, 0x04]);
    assert_eq!(bits.words()[..3], [2_047, 1, 0]);
    assert_eq!(bits.words().len(), SAFETY_WORDS);
}

#[test]
fn every_part_of_a_station_is_in_its_fingerprint() {
    let (_, roster, _) = common::mission();
    let view = verified(&roster);
    let s = view.station(Index(1)).unwrap();
    let other = view.station(Index(2)).unwrap();
    let prints: BTreeSet<_> = [
        Fingerprint::of(view.mission(), &s),
        Fingerprint::new(MissionId([0; 8]), s.index, &s.identity, &s.agreement),
        Fingerprint::new(view.mission(), Index(2), &s.identity, &s.agreement),
        Fingerprint::new(view.mission(), s.index, &other.identity, &s.agreement),
        Fingerprint::new(view.mission(), s.index, &s.identity, &other.agreement),
    ]
    .into();
    assert_eq!(prints.len(), 5);
}

#[test]
fn a_roster_with_other_epoch_keys_for_its_owner_is_refused() {
    let (_, roster, devices) = common::mission();
    let right = authority().keyfill(&verified(&roster), Index(1), 0, None).unwrap();
    assert_eq!(Keyfill::open(&right).unwrap().check_device(&devices[0]), Ok(()));
    // The authority of this roster put epoch keys of its own making into alpha's entry.
    let mut draft = RosterDraft::new("exercise", common::START).unwrap();
    let true_request = request(&devices[0], "alpha", Kind::Member);
    let mine = request(&device(0x66, 3), "alpha", Kind::Member);
    let of_alpha = DeviceRequest::verify(&true_request).unwrap();
    let mut false_request = DeviceRequest::verify(&mine).unwrap();
    (false_request.identity, false_request.agreement) = (of_alpha.identity, of_alpha.agreement);
    draft.enrol(&false_request, 0).unwrap();
    enrol(&mut draft, 0x0B, "bravo", Kind::Member, 0);
    let roster = draft.sign(&authority(), common::START).unwrap();
    let false_fill = authority().keyfill(&verified(&roster), Index(1), 0, None).unwrap();
    let opened = Keyfill::open(&false_fill).unwrap();
    assert_eq!(opened.check_device(&devices[0]), Err(KeyfillError::OtherDevice));
}
