//! Files in parts for QR codes (spec §30.13).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use picket_provision::limits::{PART_BYTES, PARTED_MAX};
use picket_provision::parts::{Added, Collector, PartError, split};
use proptest::prelude::*;

fn file(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|n| (n as u8).wrapping_mul(31) ^ seed).collect()
}

#[test]
fn parts_are_in_the_alphabet_of_a_qr_code_and_fit_one() {
    let parts = split(&file(6_000, 1)).unwrap();
    assert_eq!(parts.len(), 13);
    for part in &parts {
        assert!(part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'/'), "{}", **part);
        assert!(part.len() <= 816, "a code of version 18, level M, holds 816 characters: {}", part.len());
    }
}

proptest! {
    #[test]
    fn in_any_order_and_more_than_once_they_make_the_file(
        len in 1usize..8_000, seed: u8, order in Just(()).prop_perturb(|(), mut rng| rng.random::<u64>()),
    ) {
        let whole = file(len, seed);
        let parts = split(&whole).unwrap();
        let mut order_of: Vec<usize> = (0..parts.len()).collect();
        order_of.sort_by_key(|n| (*n as u64 + 1).wrapping_mul(order | 1));
        let mut collector = Collector::new();
        for n in &order_of {
            prop_assert_eq!(collector.add(&format!("  {}\r\n", *parts[*n])), Ok(Added::New));
            prop_assert_eq!(collector.add(&parts[*n].to_lowercase()), Ok(Added::Again));
            prop_assert_eq!(collector.is_complete(), collector.missing().count() == 0);
        }
        prop_assert_eq!(&*collector.finish().unwrap(), &whole);
    }

    #[test]
    fn no_changed_character_makes_another_file(len in 1usize..1_500, at: prop::sample::Index, by in 1u8..36) {
        let whole = file(len, 9);
        let parts = split(&whole).unwrap();
        let victim = at.index(parts.len());
        let mut text = parts[victim].as_bytes().to_vec();
        let place = at.index(text.len());
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let was = alphabet.iter().position(|b| *b == text[place]).unwrap_or(0);
        text[place] = alphabet[(was + usize::from(by)) % alphabet.len()];
        prop_assume!(text != parts[victim].as_bytes());
        let mut collector = Collector::new();
        let mut taken = true;
        for (n, part) in parts.iter().enumerate() {
            let line = if n == victim { String::from_utf8(text.clone()).unwrap() } else { part.to_string() };
            taken &= collector.add(&line).is_ok();
        }
        prop_assert!(!taken || collector.finish().is_err());
    }

    #[test]
    fn no_text_makes_it_fail_otherwise_than_by_name(lines in prop::collection::vec("(PICKETQ1/)?[A-Z2-7/1-9 é]{0,60}", 0..20)) {
        let mut collector = Collector::new();
        for line in &lines {
            let _ = collector.add(line);
        }
        let _ = collector.finish();
    }
}

#[test]
fn missing_parts_are_named_and_sets_are_not_mixed() {
    let parts = split(&file(5 * PART_BYTES, 1)).unwrap();
    let other = split(&file(5 * PART_BYTES, 2)).unwrap();
    let mut collector = Collector::new();
    assert_eq!(collector.finish(), Err(PartError::Incomplete { missing: 0 }));
    collector.add(&parts[3]).unwrap();
    collector.add(&parts[0]).unwrap();
    assert_eq!(collector.missing().collect::<Vec<_>>(), [2, 3, 5]);
    assert_eq!(collector.finish(), Err(PartError::Incomplete { missing: 3 }));
    assert_eq!(collector.add(&other[1]), Err(PartError::OtherSet));
    let forged = parts[0].replacen("/1/", "/2/", 1);
    assert_eq!(collector.add(&forged), Ok(Added::New), "only the whole tells");
    assert_eq!(collector.add(&parts[1]), Err(PartError::Contradiction { number: 2 }));
    let longer = parts[2].replacen("/3/5/", "/3/6/", 1);
    assert_eq!(collector.add(&longer), Err(PartError::Contradiction { number: 3 }));
    collector.add(&parts[2]).unwrap();
    collector.add(&parts[4]).unwrap();
    assert_eq!(collector.finish(), Err(PartError::Checksum));
    for bad in ["", "hello", "PICKETQ1/", "PICKETQ1/AAAA/1/1/AA", "PICKETQ2/A/1/1/AA"] {
        assert!(Collector::new().add(bad).is_err(), "{bad}");
    }
    for number in ["0/5", "6/5", "01/5", "1/1000", "x/5", "1/"] {
        let bad = parts[0].replacen("/1/5/", &format!("/{number}/"), 1);
        assert!(matches!(Collector::new().add(&bad), Err(PartError::Damaged { .. })), "{number}");
    }
}

#[test]
fn what_is_empty_or_too_long_does_not_travel_in_parts() {
    assert_eq!(split(&[]).map(|_| ()), Err(PartError::Length));
    assert_eq!(split(&vec![1; PARTED_MAX + 1]).map(|_| ()), Err(PartError::Length));
    assert_eq!(split(&vec![1; PARTED_MAX]).unwrap().len(), 999);
}
