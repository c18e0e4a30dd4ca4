//! What must hold of every frame, envelope and control message (spec §10 and §20; requirement ids in comments).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/spec.rs"]
mod spec;
#[path = "common/strategies.rs"]
mod strategies;

use common::{GENERATION, LK, NK, mask, net, up_key};
use picket_wire::control::Control;
use picket_wire::envelope::{self, Envelope, HOP_BYTE, LIFETIME_BYTE};
use picket_wire::frame::{Around, FrameError, Head, Kind, Mask, ack_suffix};
use picket_wire::keys::{LinkKey, NetKeys};
use picket_wire::limits::{CONTROL_MAX, ENVELOPE_MAX, ENVELOPE_MIN, FRAME_MAX, MAC_LEN, WIRE_VERSION};
use picket_wire::{Identity, Index, Lifetime, MessageId, Precedence};
use proptest::prelude::*;

fn config() -> ProptestConfig {
    ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() }
}

/// Seals `body` toward station 3.
fn sealed(kind: Kind, body: &[u8], around: Around<'_>) -> Vec<u8> {
    let mut out = vec![0; body.len() + 7];
    let n = mask().seal(&mut out, Head { kind, to: 3, from: 0x12 }, &[body], &up_key(), around).unwrap();
    assert_eq!(n, out.len());
    out
}

/// Whether `frame` opens under our keys.
fn opens(frame: &[u8], around: Around<'_>) -> bool {
    let mut bytes = frame.to_vec();
    mask().unmask(&mut bytes).is_ok_and(|f| f.authenticate(&up_key(), around).is_ok())
}

proptest! {
    #![proptest_config(config())]

    // W-10.4-1, W-10.4-4
    #[test]
    fn an_envelope_reads_back_as_written(raw in strategies::envelope()) {
        let parsed = Envelope::parse(&raw).unwrap();
        let mut again = vec![0; parsed.header().len()];
        parsed.header().write(&mut again).unwrap();
        prop_assert_eq!([&again, parsed.extension()].concat().len() + parsed.sealed().len(),
            raw.len() + parsed.extension().len());
        again.extend(parsed.sealed());
        prop_assert_eq!(again, raw);
    }

    // W-10.4-2
    #[test]
    fn a_cut_header_is_refused(raw in strategies::envelope()) {
        let least = Envelope::parse(&raw).unwrap().header().len() + 12;
        for n in 0..least {
            prop_assert!(Envelope::parse(&raw[..n]).is_err());
        }
    }

    // W-10.5-1, W-10.5-2
    #[test]
    fn identity_ignores_what_hops_change_and_nothing_else(
        raw in strategies::envelope(), limit in 0u8..=15, round in 0u8..4, life in any::<u8>(), flags in 0u8..4,
        at in any::<prop::sample::Index>(), flip in 1u8..=255,
    ) {
        let before = Envelope::parse(&raw).unwrap().identity();
        let mut changed = raw.clone();
        envelope::set_mutable(&mut changed, limit, round, Lifetime(life));
        envelope::set_flags(&mut changed, flags);
        let after = Envelope::parse(&changed).unwrap();
        prop_assert_eq!(after.identity(), before);
        let h = after.header();
        prop_assert_eq!((h.hop_limit, h.round, h.flags, h.lifetime.0), (limit, round, flags, life));
        prop_assert_eq!(picket_wire::control::offer_of(&changed), (limit, round));

        let at = at.index(raw.len());
        let mut other = raw.clone();
        other[at] ^= flip;
        if let Ok(other) = Envelope::parse(&other) {
            prop_assert_eq!(other.identity() == before, at == HOP_BYTE || at == LIFETIME_BYTE);
        }
    }

    // W-20.2-1, W-20.2-2
    #[test]
    fn a_control_message_has_one_encoding(message in strategies::control()) {
        let mut buf = [0; CONTROL_MAX];
        let raw = message.encode(&mut buf).unwrap().to_vec();
        prop_assert_eq!(Control::decode(&raw), Ok(message));
        for n in 0..raw.len() {
            prop_assert!(Control::decode(&raw[..n]).is_err(), "cut at {}", n);
        }
        for extra in [0, 1, 0x80, 0xFF] {
            prop_assert!(Control::decode(&[&raw[..], &[extra]].concat()).is_err(), "trailing {}", extra);
        }
        // The type as a varint of two bytes.
        let long = [&[raw[0] | 0x80, 0], &raw[1..]].concat();
        prop_assert!(Control::decode(&long).is_err());
    }

    // W-20.2-1
    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(raw in prop::collection::vec(any::<u8>(), 0..96), kind in 0u8..16) {
        let raw = [&[kind], &raw[..]].concat();
        for n in 1..raw.len() {
            if let Ok(message) = Control::decode(&raw[..n]) {
                let mut again = [0; CONTROL_MAX];
                prop_assert_eq!(message.encode(&mut again).unwrap(), &raw[..n]);
            }
        }
    }

    // W-20.4-1
    #[test]
    fn a_parcel_keeps_its_identity_from_hop_to_hop(message in strategies::control(), hops in 0u8..=15) {
        let moved = match message {
            Control::Receipt(r) => Control::Receipt(picket_wire::control::Receipt { hops, ..r }),
            Control::Notice(n) => Control::Notice(picket_wire::control::Notice { hops, ..n }),
            Control::Claim(_) | Control::Listens(_) => { prop_assert!(message.parcel_identity().is_some()); return Ok(()); }
            other => { prop_assert_eq!(other.parcel_identity(), None); return Ok(()); }
        };
        prop_assert!(message.parcel_identity().is_some());
        prop_assert_eq!(moved.parcel_identity(), message.parcel_identity());
        prop_assert_eq!(moved.hops(), hops);
    }

    // W-10.2-1, W-10.3-1 to -3, W-10.6-1 to -3: against a second implementation written from the text of the spec.
    #[test]
    fn frames_are_what_the_spec_says(
        (kind, body) in strategies::body(), to in any::<u8>(), from in any::<u8>(),
        prefix in prop::collection::vec(any::<u8>(), 0..3), suffix in prop::collection::vec(any::<u8>(), 0..18),
    ) {
        let mut ours = vec![0; body.len() + 7];
        let around = Around { prefix: &prefix, suffix: &suffix };
        mask().seal(&mut ours, Head { kind, to, from }, &[&body], &up_key(), around).unwrap();
        let key = spec::link_key(&LK, 0x0012, 0x0103);
        prop_assert_eq!(key, up_key());
        let theirs = spec::frame(&NK, GENERATION, &key, kind as u8, to, from, &body, &prefix, &suffix);
        prop_assert_eq!(&ours, &theirs);
    }

    // W-10.3-1: the mask touches exactly the bytes it should.
    #[test]
    fn the_mask_covers_what_it_should((kind, body) in strategies::body()) {
        let frame = sealed(kind, &body, Around::default());
        let mut clear = frame.clone();
        mask().unmask(&mut clear).unwrap();
        let masked = match kind { Kind::Envelope => 13, Kind::Fragment => 12, Kind::Control | Kind::Signed => 4 };
        prop_assert_eq!(frame[0], clear[0]);
        prop_assert_eq!(&frame[masked..], &clear[masked..]);
        let block: Vec<u8> = spec::mask_block(&NK, GENERATION, &frame[masked.max(frame.len().saturating_sub(16))..]);
        for i in 1..masked {
            prop_assert_eq!(frame[i] ^ clear[i], block[i - 1]);
        }
    }

    // W-10.6-4
    #[test]
    fn every_flipped_bit_is_noticed((kind, body) in strategies::body(), around in strategies::around()) {
        let (prefix, suffix) = around;
        let around = Around { prefix: &prefix, suffix: &suffix };
        let frame = sealed(kind, &body, around);
        prop_assert!(opens(&frame, around));
        let step = 1.max(frame.len() / 64);
        for at in (0..frame.len()).step_by(step).chain(frame.len() - 5..frame.len()) {
            for bit in 0..8 {
                let mut bad = frame.clone();
                bad[at] ^= 1 << bit;
                prop_assert!(!opens(&bad, around), "byte {} bit {}", at, bit);
            }
        }
    }

    // W-10.6-4: a truncated frame never opens, nor one with bytes appended.
    #[test]
    fn every_truncation_is_noticed((kind, body) in strategies::body(), extra in any::<u8>()) {
        let frame = sealed(kind, &body, Around::default());
        for n in 0..frame.len() {
            prop_assert!(!opens(&frame[..n], Around::default()), "cut at {}", n);
        }
        prop_assert!(!opens(&[&frame[..], &[extra]].concat(), Around::default()));
    }

    // W-10.6-2: the same bytes, split elsewhere, are not the same.
    #[test]
    fn around_bytes_cannot_be_moved(body in strategies::control_body(), at in 1usize..17) {
        let bytes = [7u8; 17];
        let frame = sealed(Kind::Control, &body, Around { prefix: &[], suffix: &bytes });
        let moved = Around { prefix: &bytes[..at], suffix: &bytes[at..] };
        prop_assert!(!opens(&frame, moved));
        let short = Around { prefix: &[], suffix: &bytes[..16] };
        prop_assert!(!opens(&frame, short));
    }

    // W-10.1-1, W-10.1-2
    #[test]
    fn nothing_read_from_noise_panics(raw in prop::collection::vec(any::<u8>(), 0..200), first in any::<u8>()) {
        let mut raw = raw;
        if let Some(byte) = raw.first_mut() {
            *byte = first;
        }
        let before = raw.clone();
        match mask().unmask(&mut raw) {
            Err(e) => {
                if first >> 5 != WIRE_VERSION && !before.is_empty() {
                    prop_assert_eq!(e, FrameError::Version(first >> 5));
                }
                prop_assert_eq!(raw, before);
            }
            Ok(frame) => prop_assert!(frame.authenticate(&up_key(), Around::default()).is_err()),
        }
    }
}

// W-10.1-1, W-10.2-2, W-10.2-3
#[test]
fn unknown_versions_generations_and_kinds_are_told_apart() {
    let good = sealed(Kind::Envelope, &[4; 40], Around::default());
    for version in (0..8u8).filter(|v| *v != WIRE_VERSION) {
        let mut bytes = good.clone();
        bytes[0] = bytes[0] & 0x1F | version << 5;
        assert_eq!(mask().unmask(&mut bytes).unwrap_err(), FrameError::Version(version));
    }
    for generation in (0..8u8).filter(|g| *g != GENERATION & 7) {
        let mut bytes = good.clone();
        bytes[0] = bytes[0] & 0xE3 | generation << 2;
        assert_eq!(mask().unmask(&mut bytes).unwrap_err(), FrameError::Generation(generation));
    }
    let mut bytes = good;
    bytes[0] |= 3;
    assert_eq!(mask().unmask(&mut bytes).unwrap_err(), FrameError::Kind(Kind::Signed));
    let head = Head { kind: Kind::Signed, to: 1, from: 2 };
    let sealed = mask().seal(&mut [0; 64], head, &[&[0; 32]], &up_key(), Around::default());
    assert_eq!(sealed, Err(FrameError::Kind(Kind::Signed)));
}

// W-10.4-3
#[test]
fn unknown_classes_and_precedences_are_refused() {
    for first in 0..=255u8 {
        let mut raw = [0u8; 80];
        raw[0] = first;
        let known = first >> 5 < 3 && (first >> 2 & 7) < 6;
        assert_eq!(Envelope::parse(&raw).is_ok(), known, "first byte {first:#04x}");
    }
    assert!(Precedence::Override > Precedence::Flash);
}

// W-10.4-5
#[test]
fn limits_hold_at_both_ends() {
    let mut raw = vec![4u8; ENVELOPE_MAX + 1];
    raw[0] = 4;
    assert!(Envelope::parse(&raw).is_err());
    assert!(Envelope::parse(&raw[..ENVELOPE_MAX]).is_ok());
    assert!(Envelope::parse(&raw[..ENVELOPE_MIN]).is_ok());
    assert!(Envelope::parse(&raw[..ENVELOPE_MIN - 1]).is_err());
    let head = Head { kind: Kind::Envelope, to: 1, from: 2 };
    let mut out = vec![0; FRAME_MAX + 9];
    let key = up_key();
    assert_eq!(mask().seal(&mut out, head, &[&raw], &key, Around::default()), Err(FrameError::Long));
    assert_eq!(mask().seal(&mut out, head, &[&raw[..ENVELOPE_MAX]], &key, Around::default()), Ok(FRAME_MAX));
    assert_eq!(mask().seal(&mut out[..40], head, &[&raw[..34]], &key, Around::default()), Err(FrameError::Long));
    let control = Head { kind: Kind::Control, ..head };
    assert_eq!(mask().seal(&mut out, control, &[&[0; 1]], &key, Around::default()), Err(FrameError::Short));
    assert_eq!(
        mask().seal(&mut out, control, &[&[0; CONTROL_MAX + 1]], &key, Around::default()),
        Err(FrameError::Long)
    );
}

// W-10.6-5: a frame thrown back at its sender is not its neighbour's, even where the low bytes are the same.
#[test]
fn a_reflected_frame_is_refused() {
    let (a, b) = (Index(0x0105), Index(0x0205));
    let lk = LinkKey(LK);
    let mut frame = [0; 64];
    let head = Head { kind: Kind::Control, to: b.low(), from: a.low() };
    let n = mask().seal(&mut frame, head, &[&[11, 1, 2]], &lk.toward(a, b), Around::default()).unwrap();
    let mut reflected = frame[..n].to_vec();
    let at_a = mask();
    let seen = at_a.unmask(&mut reflected).unwrap();
    assert_eq!((seen.to(), seen.from()), (a.low(), b.low()), "the addresses alone do not tell");
    assert!(seen.authenticate(&lk.toward(b, a), Around::default()).is_err());
    assert!(opens_with(&frame[..n], &lk.toward(a, b)));
}

fn opens_with(frame: &[u8], key: &[u8; 32]) -> bool {
    let mut bytes = frame.to_vec();
    mask().unmask(&mut bytes).unwrap().authenticate(key, Around::default()).is_ok()
}

// W-10.6-3
#[test]
fn neither_another_pair_nor_the_network_key_opens_a_pairwise_frame() {
    let frame = sealed(Kind::Control, &[11, 1, 2], Around::default());
    assert!(opens_with(&frame, &up_key()));
    assert!(!opens_with(&frame, &net().mac));
    assert!(!opens_with(&frame, &LK));
    assert!(!opens_with(&frame, &LinkKey([1; 32]).toward(Index(0x12), Index(0x103))));
}

// W-10.7-1
#[test]
fn another_generation_has_other_keys() {
    let (a, b) = (NetKeys::derive(&NK, 11), NetKeys::derive(&NK, 12));
    assert!(a.mac != b.mac && a.mask != b.mask && a.topic != b.topic);
    assert_ne!(a.mac, a.topic);
    // Same low three bits, another generation: unmasks to nonsense, the MAC notices.
    let mut frame = sealed(Kind::Control, &[11, 1, 2], Around::default());
    let far = Mask::new(&NetKeys::derive(&NK, GENERATION + 8));
    assert!(far.unmask(&mut frame).unwrap().authenticate(&up_key(), Around::default()).is_err());
}

// W-20.5-1, W-20.5-2
#[test]
fn an_acknowledgement_answers_one_offer_only() {
    let identity = Identity([0xC0; 16]);
    let ack = |limit, round| ack_suffix(&identity, limit, round);
    let offer = ack(7, 1);
    let frame = sealed(Kind::Control, &[5, 0xC0, 0xC0], Around { prefix: &[], suffix: &offer });
    assert!(opens(&frame, Around { prefix: &[], suffix: &offer }));
    let mut near = identity;
    near.0[15] ^= 1;
    for other in [ack(7, 2), ack(6, 1), ack_suffix(&near, 7, 1)] {
        assert!(!opens(&frame, Around { prefix: &[], suffix: &other }));
    }
    assert!(!opens(&frame, Around::default()));
    assert_eq!(ack_suffix(&identity, 0xFF, 0xFF)[16], 0xFC, "fields keep to their bits");
}

#[test]
fn message_ids_are_written_and_read_as_sixteen_digits() {
    let id = MessageId([0, 1, 2, 3, 0xFC, 0xFD, 0xFE, 0xFF]);
    assert_eq!(id.to_string(), "00010203fcfdfeff");
    assert_eq!("00010203fcfdfeff".parse(), Ok(id));
    for bad in ["", "0001", "00010203fcfdfefg", "00010203fcfdfeff0", "+0010203fcfdfeff"] {
        assert!(bad.parse::<MessageId>().is_err(), "{bad}");
    }
}

/// The sizes that the budget of a message stands on (spec §10.9).
#[test]
fn what_things_cost_on_air() {
    let text = 5 + 20;
    assert_eq!(sealed(Kind::Envelope, &vec![4; 10 + text + 12], Around::default()).len(), 54);
    assert_eq!(sealed(Kind::Control, &[5, 0, 0], Around::default()).len(), 10);
    assert_eq!(sealed(Kind::Control, &[6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Around::default()).len(), 18);
    assert_eq!(MAC_LEN, 4);
}
