//! Symbols of coded envelopes, what is said about them, and acknowledgements of several parcels (spec §20.2, §20.5 and
//! §20.6; requirement ids in comments).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/spec.rs"]
mod spec;
#[path = "common/strategies.rs"]
mod strategies;

use common::{mask, up_key};
use picket_wire::control::{Control, NEED_ALL, NEED_NOTHING, NEED_UNKNOWN, Prefixes};
use picket_wire::frame::{
    Around, Body, BodyError, ESI_MAX, Fragment, FragmentHead, Head, Kind, ack_many_suffix, ack_suffix, decode_body,
};
use picket_wire::limits::{ACK_MANY_MAX, CONTROL_MAX, FRAGMENT_HEADER_LEN, SOURCE_SYMBOLS_MAX};
use picket_wire::{Identity, Lifetime, MessageId};
use proptest::prelude::*;

fn config() -> ProptestConfig {
    ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() }
}

/// A header that goes with two symbols of ten bytes.
const HEAD: FragmentHead = FragmentHead {
    prefix: 0xBEEF,
    turn: true,
    esi: 5,
    hop_limit: 7,
    round: 2,
    total: 1_000,
    symbol: 10,
    lifetime: Lifetime(0xC3),
};

fn fragment_of(body: &[u8]) -> Option<Fragment<'_>> {
    match decode_body(Kind::Fragment, body) {
        Ok(Body::Fragment(fragment)) => Some(fragment),
        Ok(_) | Err(_) => None,
    }
}

fn prefixes(count: usize) -> Prefixes {
    let mut all = Prefixes::default();
    assert!((0..count).all(|n| all.push([0xC0, n as u8])));
    all
}

fn encoded(message: &Control) -> Vec<u8> {
    message.encode(&mut [0; CONTROL_MAX]).unwrap().to_vec()
}

/// Seals `body` toward station 3.
fn sealed(kind: Kind, body: &[u8], around: Around<'_>) -> Vec<u8> {
    let mut out = vec![0; body.len() + 7];
    let n = mask().seal(&mut out, Head { kind, to: 3, from: 0x12 }, &[body], &up_key(), around).unwrap();
    assert_eq!(n, out.len());
    out
}

fn opens(frame: &[u8], around: Around<'_>) -> bool {
    let mut bytes = frame.to_vec();
    mask().unmask(&mut bytes).is_ok_and(|f| f.authenticate(&up_key(), around).is_ok())
}

proptest! {
    #![proptest_config(config())]

    // W-20.5-3: against the text of the spec; another order, another suffix.
    #[test]
    fn several_are_acknowledged_as_the_spec_says(
        offers in prop::collection::vec((any::<[u8; 16]>(), 0u8..16, 0u8..4), 1..=ACK_MANY_MAX),
    ) {
        let suffixes: Vec<[u8; 17]> = offers.iter().map(|(id, limit, round)| ack_suffix(&Identity(*id), *limit, *round)).collect();
        let suffix = ack_many_suffix(&suffixes);
        prop_assert_eq!(&suffix[..], spec::ack_many_suffix(&offers));
        let turned = ack_many_suffix(suffixes.iter().rev());
        prop_assert_eq!(turned == suffix, suffixes.iter().eq(suffixes.iter().rev()));
    }

    // W-20.6-1: fields → bytes → fields, and against a second implementation written from the text of the spec.
    #[test]
    fn a_fragment_reads_back_as_written((head, data) in strategies::fragment()) {
        let bytes = head.bytes();
        let theirs = spec::fragment_header(
            head.prefix, head.turn, head.esi, head.hop_limit, head.round, head.total, head.symbol, head.lifetime.0,
        );
        prop_assert_eq!(&bytes[..], theirs);
        let body = [&bytes[..], &data].concat();
        let fragment = Fragment { head, data: &data };
        prop_assert_eq!(fragment_of(&body), Some(fragment));
        prop_assert_eq!(usize::from(fragment.symbols()) * usize::from(head.symbol), data.len());
        let object = head.total as usize + 8;
        let (k, symbol) = (head.source_symbols(), usize::from(head.symbol));
        prop_assert!(k * symbol >= object && (k - 1) * symbol < object);
        for n in 0..body.len() {
            let whole = n > FRAGMENT_HEADER_LEN && (n - FRAGMENT_HEADER_LEN).is_multiple_of(symbol);
            prop_assert_eq!(fragment_of(&body[..n]).is_some(), whole, "cut at {}", n);
        }
    }

    // W-20.6-1: bytes → fields → bytes.
    #[test]
    fn whatever_is_a_fragment_is_written_as_the_same_bytes(
        raw in any::<[u8; FRAGMENT_HEADER_LEN]>(), few in any::<bool>(), data in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut raw = raw;
        if few {
            // Otherwise few are fragments.
            (raw[4], raw[7]) = (raw[4] & 0xFC, 1 + raw[7] % 32);
        }
        let symbols = data.len() / usize::from(raw[7]).max(1) * usize::from(raw[7]);
        for body in [[&raw[..], &data].concat(), [&raw[..], &data[..symbols]].concat()] {
            if let Some(fragment) = fragment_of(&body) {
                prop_assert_eq!([&fragment.head.bytes()[..], fragment.data].concat(), body);
            }
        }
    }
}

// W-20.5-1 to -3
#[test]
fn an_acknowledgement_of_several_answers_these_offers_only() {
    let offers = [7, 8, 9].map(|n| ack_suffix(&Identity([n; 16]), 7, n & 3));
    let suffix = ack_many_suffix(&offers);
    let body = encoded(&Control::AckMany(prefixes(3)));
    let frame = sealed(Kind::Control, &body, Around { prefix: &[], suffix: &suffix });
    assert!(opens(&frame, Around { prefix: &[], suffix: &suffix }));
    let later = ack_suffix(&Identity([9; 16]), 7, 2);
    for other in [&[offers[0], offers[1]][..], &[offers[1], offers[0], offers[2]], &[offers[0], offers[1], later]] {
        assert!(!opens(&frame, Around { prefix: &[], suffix: &ack_many_suffix(other) }));
    }
    assert!(!opens(&frame, Around::default()));
}

// W-20.2-1, W-20.2-3
#[test]
fn an_acknowledgement_of_several_names_one_to_fifteen() {
    for count in 0..=16usize {
        let raw = [&[13, count as u8][..], &[0xC0; 32][..2 * count]].concat();
        let decoded = Control::decode(&raw);
        assert_eq!(decoded.is_ok(), (1..=ACK_MANY_MAX).contains(&count), "{count}");
        if let Ok(Control::AckMany(named)) = decoded {
            assert_eq!(named.as_slice(), &vec![[0xC0; 2]; count][..]);
        }
    }
    let mut full = prefixes(ACK_MANY_MAX);
    assert!(!full.push([1, 2]), "no room");
    assert_eq!(full, prefixes(ACK_MANY_MAX));
    assert!(prefixes(0).as_slice().is_empty());
}

// W-20.2-1, W-20.2-3
#[test]
fn an_announcement_is_of_an_envelope() {
    let id = MessageId([7; 8]);
    for (total, good) in [(0, false), (21, false), (22, true), (65_536, true), (65_537, false), (u32::MAX, false)] {
        let raw = encoded(&Control::Announce { id, total });
        assert_eq!(Control::decode(&raw).is_ok(), good, "{total}");
    }
}

// W-20.6-4
#[test]
fn the_words_of_a_report_are_no_numbers_of_symbols() {
    assert_eq!((NEED_NOTHING, NEED_ALL, NEED_UNKNOWN), (0, 0xFFFE, 0xFFFF));
    assert!(SOURCE_SYMBOLS_MAX < usize::from(NEED_ALL), "K is less than that");
    for need in [NEED_NOTHING, 1, ESI_MAX, NEED_ALL, NEED_UNKNOWN] {
        let report = Control::SymbolReport { prefix: [1, 2], need, next: ESI_MAX + 1, noise: 3 };
        assert_eq!(Control::decode(&encoded(&report)), Ok(report));
    }
}

// W-20.6-1
#[test]
fn a_fragment_keeps_to_its_limits() {
    let head = HEAD;
    for (what, head, len, good) in [
        ("two symbols", head, 20, true),
        ("no symbol", head, 0, false),
        ("less than a symbol", head, 9, false),
        ("a symbol and a half", head, 15, false),
        ("symbols of no bytes", FragmentHead { symbol: 0, ..head }, 20, false),
        ("symbols of 255", FragmentHead { symbol: 255, ..head }, 510, true),
        ("the last id", FragmentHead { esi: ESI_MAX, ..head }, 10, true),
        ("past the last id", FragmentHead { esi: ESI_MAX, ..head }, 20, false),
        ("up to the last id", FragmentHead { esi: ESI_MAX - 1, ..head }, 20, true),
        ("21 bytes in all", FragmentHead { total: 21, ..head }, 10, false),
        ("22 bytes in all", FragmentHead { total: 22, ..head }, 10, true),
        ("64 KiB", FragmentHead { total: 65_536, symbol: 20, ..head }, 20, true),
        ("a byte more", FragmentHead { total: 65_537, symbol: 20, ..head }, 20, false),
        ("the most 17 bits hold", FragmentHead { total: 0x1_FFFF, symbol: 40, ..head }, 40, false),
        ("4096 source symbols", FragmentHead { symbol: 16, total: 65_528, ..head }, 16, true),
        ("4097 source symbols", FragmentHead { symbol: 16, total: 65_529, ..head }, 16, false),
        ("65 544 source symbols", FragmentHead { symbol: 1, total: 65_536, ..head }, 1, false),
    ] {
        let body = [&head.bytes()[..], &vec![1; len]].concat();
        let read = decode_body(Kind::Fragment, &body);
        match read {
            Ok(Body::Fragment(fragment)) => assert_eq!((fragment.head, good), (head, true), "{what}"),
            other => assert_eq!((other, good), (Err(BodyError::Fragment), false), "{what}"),
        }
    }
}

// W-20.6-1
#[test]
fn the_spare_bit_of_a_fragment_is_zero() {
    let mut body = [&HEAD.bytes()[..], &[1; 20]].concat();
    assert!(fragment_of(&body).is_some());
    assert_eq!(body[4] & 2, 0);
    body[4] |= 2;
    assert_eq!(fragment_of(&body), None);
}

// W-10.4-4
#[test]
fn fields_of_a_fragment_keep_to_their_bits() {
    let written = FragmentHead { esi: 0xFFFF, turn: false, hop_limit: 0xFF, round: 0xFF, total: u32::MAX, ..HEAD };
    let kept = FragmentHead { esi: ESI_MAX, turn: false, hop_limit: 15, round: 3, total: 0x1_FFFF, ..HEAD };
    assert_eq!(written.bytes(), kept.bytes());
}

/// The sizes that the budget of a long envelope stands on (spec §10.9).
#[test]
fn what_things_cost_on_air() {
    let symbols = [&HEAD.bytes()[..], &[0; 100]].concat();
    assert_eq!(sealed(Kind::Fragment, &symbols, Around::default()).len() - 100, 16);
    let control = |message| sealed(Kind::Control, &encoded(&message), Around::default()).len();
    assert_eq!(control(Control::SymbolReport { prefix: [0; 2], need: 100, next: 1_000, noise: 0 }), 14);
    assert_eq!(control(Control::Poll { prefix: [0; 2] }), 10);
    assert_eq!(control(Control::Announce { id: MessageId([0; 8]), total: 4_000 }), 18);
    assert_eq!(control(Control::AckMany(prefixes(2))), 13);
    assert_eq!(control(Control::AckMany(prefixes(ACK_MANY_MAX))), 39);
}
