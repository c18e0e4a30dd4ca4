//! The fountain with whatever a peer may send (C-52.6).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Dice;
use picket_codes::fountain::{Decoder, Encoder, Taken};
use picket_codes::limits::{ESI_MAX, SURPLUS_MAX};
use proptest::prelude::*;

/// Symbol numbers of one kind or another, many of them of a pattern.
fn number(kind: u8, n: u16, dice: &mut Dice) -> u16 {
    match kind % 5 {
        0 => dice.next() as u16,
        1 => n,
        2 => n.wrapping_mul(331),
        3 => ESI_MAX - n % ESI_MAX,
        _ => dice.below(64) as u16,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn c_52_6_1_any_symbols_make_the_object_with_its_exact_length(seed: u64, len in 1..3_000usize, size in 1..=255u8, kind: u8) {
        let mut dice = Dice(seed);
        let size = size.max((len / 200) as u8 + 1);
        let object = dice.bytes(len);
        let mut encoder = Encoder::new(&object, size);
        let mut decoder = Decoder::new(len, size).unwrap();
        let mut made = None;
        for n in 0..2_000 {
            let esi = number(kind, n, &mut dice) & ESI_MAX;
            let mut symbol = Vec::new();
            prop_assert!(encoder.symbol(esi, &mut symbol));
            match decoder.take(esi, &symbol) {
                Taken::Complete(whole) => made = Some(whole),
                Taken::Stored => prop_assert!(made.is_none() && decoder.needed() > 0),
                Taken::Duplicate => (),
                Taken::Wrong => prop_assert!(false, "a true symbol is never wrong"),
            }
            prop_assert!(decoder.received() <= encoder.k() + 6);
        }
        // Sixty-four numbers are not enough for a longer object.
        prop_assert!(made == Some(object) || (kind % 5 == 4 && encoder.k() >= 60));
    }

    #[test]
    fn c_52_6_4_false_symbols_end_in_an_object_or_a_bound(seed: u64, len in 1..500usize, size in 4..=40u8, kind: u8) {
        let mut dice = Dice(seed);
        let mut decoder = Decoder::new(len, size).unwrap();
        for n in 0..400 {
            let esi = number(kind, n, &mut dice);
            let length = if dice.chance(0.05) { dice.below(50) } else { usize::from(size) };
            let symbol = dice.bytes(length);
            match decoder.take(esi, &symbol) {
                Taken::Complete(whole) => prop_assert_eq!(whole.len(), len),
                Taken::Stored => prop_assert!(length == usize::from(size) && esi <= ESI_MAX),
                Taken::Duplicate | Taken::Wrong => (),
            }
            prop_assert!(usize::from(decoder.received()) <= len.div_ceil(usize::from(size)) + SURPLUS_MAX);
        }
    }
}

#[test]
fn c_52_6_3_few_symbols_more_than_needed_are_taken() {
    let mut dice = Dice(1);
    let object = dice.bytes(2_000);
    let mut encoder = Encoder::new(&object, 40);
    let k = encoder.k();
    let mut surplus = [0; 4];
    for _ in 0..2_000 {
        let mut decoder = Decoder::new(object.len(), 40).unwrap();
        while decoder.needed() > 0 {
            let (esi, mut symbol) = (dice.below(4_000) as u16, Vec::new());
            encoder.symbol(esi, &mut symbol);
            decoder.take(esi, &symbol);
        }
        surplus[usize::from(decoder.received() - k)] += 1;
    }
    assert!(surplus[0] >= 1_960 && surplus[1] <= 40 && surplus[2] + surplus[3] <= 2, "{surplus:?}");
}
