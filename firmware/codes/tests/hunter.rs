//! Finding frames: what holds for any bytes (C-52.3, C-52.4).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Dice, Told, coded, level, silence};
use picket_codes::shield::{FRAME_MAX, Found, Hunter, Level, coded_len};
use proptest::prelude::*;

/// Frames verify, as if they had a MAC: the first eight bytes are a sum of the others.
fn genuine(frame: &[u8]) -> bool {
    frame.split_first_chunk().is_some_and(|(sum, rest)| *sum == sum_of(rest))
}

fn sum_of(bytes: &[u8]) -> [u8; 8] {
    bytes.iter().fold(Dice(7), |dice, b| Dice(Dice(dice.0 ^ u64::from(*b)).next())).0.to_be_bytes()
}

fn frame(dice: &mut Dice, len: usize) -> Vec<u8> {
    let rest = dice.bytes(len);
    [&sum_of(&rest)[..], &rest].concat()
}

/// One stretch of a stream: whole, damaged and cut frames, headers alone, noise.
fn stretch(dice: &mut Dice) -> Vec<u8> {
    let len = dice.below(400);
    let body = if dice.chance(0.7) { frame(dice, len) } else { dice.bytes(len + 1) };
    let parity = dice.below(32) as u8;
    let mut air = coded(&body, level(parity));
    match dice.below(6) {
        0 => dice.flip(&mut air, 0.03),
        1 => air.truncate(1 + dice.below(air.len())),
        2 => drop(air.drain(..dice.below(air.len()))),
        3 => {
            let at = dice.below(air.len());
            air.splice(at..at, dice.bytes(7));
        }
        4 => air = dice.bytes(len),
        _ => (),
    }
    air
}

fn stream(seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    (0..12).flat_map(|_| stretch(&mut dice)).collect()
}

/// Feeds `bytes` in pieces of up to `most` bytes.
fn hear(bytes: &[u8], most: usize, dice: &mut Dice) -> Told {
    let (mut hunter, mut told, mut rest) = (Hunter::new(), Told::default(), bytes);
    while !rest.is_empty() {
        let (piece, left) = rest.split_at((1 + dice.below(most)).min(rest.len()));
        rest = left;
        hunter.push(piece);
        told.drain(&mut hunter, genuine);
        assert!(told.bytes <= bytes.len() - rest.len() + 2 * told.errors);
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn c_52_4_1_every_byte_is_told_once_and_finds_do_not_depend_on_the_pieces(seed: u64) {
        let bytes = [stream(seed), silence()].concat();
        let whole = hear(&bytes, bytes.len(), &mut Dice(seed));
        prop_assert!(whole.accounts_for(bytes.len()), "{} of {}", whole.bytes, bytes.len());
        for most in [1, 10, 700] {
            prop_assert_eq!(&hear(&bytes, most, &mut Dice(seed)), &whole);
        }
    }

    #[test]
    fn c_52_4_2_whatever_came_before_a_frame_is_found(seed: u64, before in 0..30_000usize, number in 0..32u8) {
        let mut dice = Dice(seed);
        let mut bytes = stream(seed);
        bytes.truncate(before % (bytes.len() + 1));
        let long = frame(&mut dice, 1_000);
        bytes.extend(coded(&long, level(number)));
        let told = hear(&bytes, 300, &mut dice);
        prop_assert_eq!(told.frames.last(), Some(&long));
    }

    #[test]
    fn c_52_4_3_a_false_frame_inside_a_true_one_costs_nothing_when_given_back(seed: u64, number in 0..32u8) {
        let mut dice = Dice(seed);
        let false_one = dice.bytes(50);
        let mut rest = dice.bytes(400);
        rest.splice(100..100, coded(&false_one, level(number)));
        let long = [&sum_of(&rest)[..], &rest].concat();
        // Without parity the frame is on air as it is.
        let told = hear(&coded(&long, Level::MIN), 300, &mut dice);
        prop_assert_eq!(told.rejected, 1);
        prop_assert_eq!(told.frames, [long]);
    }

    #[test]
    fn nothing_pushed_makes_it_panic_or_lose_count(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), seed: u64) {
        let bytes = [bytes, silence()].concat();
        prop_assert_eq!(hear(&bytes, 64, &mut Dice(seed)).bytes, bytes.len());
    }
}

#[test]
fn c_52_4_4_a_frame_is_there_with_its_last_byte() {
    let mut dice = Dice(4);
    for number in [0, 1, 9, 31] {
        let sent = frame(&mut dice, 600);
        let air = coded(&sent, level(number));
        let mut hunter = Hunter::new();
        for (n, byte) in air.iter().enumerate() {
            assert_eq!(hunter.in_frame(), n >= 9);
            hunter.push(&[*byte]);
            match hunter.next() {
                Some(Found::Frame { frame, .. }) => {
                    assert_eq!((n + 1, frame), (air.len(), sent.clone()));
                    assert_eq!(hunter.next(), None);
                    assert!(!hunter.in_frame());
                }
                other => assert!(other.is_none() && n + 1 < air.len()),
            }
        }
    }
}

#[test]
fn a_frame_cut_anywhere_does_not_cost_the_next_one() {
    let mut dice = Dice(5);
    let (first, second) = (frame(&mut dice, 120), frame(&mut dice, 30));
    let (cut, next) = (coded(&first, level(8)), coded(&second, level(2)));
    for at in 0..cut.len() {
        // The beginning is there, the middle is missing, the end is there.
        for bytes in [[&cut[..at], &next].concat(), [&cut[..at / 2], &cut[at..], &next].concat()] {
            let told = hear(&bytes, 50, &mut dice);
            assert_eq!(told.frames.last(), Some(&second), "cut at {at}");
            assert!(told.accounts_for(bytes.len()), "cut at {at}");
        }
    }
}

#[test]
fn c_52_4_2_the_first_to_end_and_verify_wins() {
    let mut dice = Dice(11);
    let (first, second) = (frame(&mut dice, 120), frame(&mut dice, 0));
    let (cut, inside) = (coded(&first, level(20)), coded(&second, Level::MIN));
    let bytes = [&cut[..cut.len() - 20], &inside, &[0; 3], &silence()].concat();
    let told = hear(&bytes, 1, &mut dice);
    // The first could still be repaired, but the other one has ended before it.
    assert_eq!((told.frames, told.bytes), (vec![second], bytes.len()));
}

#[test]
fn a_broken_frame_is_told_whole_and_once() {
    let mut dice = Dice(6);
    let sent = frame(&mut dice, 500);
    let mut air = coded(&sent, level(4));
    let body = air.len() - 9;
    air[20..120].fill(0x33);
    let both = [&[0x55; 40][..], &air, &air].concat();
    let mut hunter = Hunter::new();
    hunter.push(&both);
    let broken = Found::Broken { level: level(4), body };
    let all: Vec<Found> = core::iter::from_fn(|| hunter.next()).collect();
    assert_eq!(all, [Found::Noise(40), broken.clone(), broken]);
}

#[test]
fn a_broken_frame_ends_where_a_frame_begins_inside_it() {
    let mut dice = Dice(7);
    let (first, second) = (frame(&mut dice, 300), frame(&mut dice, 60));
    for lost in 1..60 {
        // So many bytes of the first frame vanished: its length reaches into the second.
        let mut air = coded(&first, level(3));
        air.drain(50..50 + lost);
        let body = air.len() - 9;
        air.extend(coded(&second, level(3)));
        let told = hear(&air, 20, &mut dice);
        assert_eq!((told.frames, told.broken), (vec![second.clone()], vec![(level(3), body)]), "{lost}");
    }
}

#[test]
fn headers_without_end_do_not_cost_a_frame_that_ends_before_them() {
    let mut dice = Dice(8);
    let claim = &coded(&vec![0; FRAME_MAX], Level::MAX)[..9];
    let sent = frame(&mut dice, 200);
    let bytes = [claim.repeat(300), coded(&sent, level(5))].concat();
    let told = hear(&bytes, 100, &mut dice);
    assert_eq!(told.frames, [sent]);
    assert_eq!(told.bytes, bytes.len());
}

#[test]
fn giving_back_is_for_the_last_frame_only() {
    let mut dice = Dice(9);
    let sent = frame(&mut dice, 20);
    let mut hunter = Hunter::new();
    hunter.reject();
    hunter.push(&[b"noise", &coded(&sent, level(2))[..]].concat());
    assert!(matches!(hunter.next(), Some(Found::Frame { .. })));
    assert_eq!(hunter.next(), Some(Found::Noise(5)));
    hunter.reject();
    assert_eq!(hunter.next(), None);
}

#[test]
fn a_restart_forgets_half_a_frame() {
    let mut dice = Dice(10);
    let sent = frame(&mut dice, 20);
    let air = coded(&sent, level(2));
    let mut hunter = Hunter::new();
    hunter.push(&air[..12]);
    assert!(hunter.next().is_none() && hunter.in_frame());
    hunter.restart();
    assert!(!hunter.in_frame());
    hunter.push(&air);
    assert!(matches!(hunter.next(), Some(Found::Frame { errors: 0, .. })));
    assert_eq!(hunter.next(), None);
    assert_eq!(coded_len(sent.len(), level(2)), air.len());
}
