//! Reed–Solomon blocks against another implementation, both ways (C-52.1).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use picket_codes::rs::{self, Uncorrectable};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// A block of data and parity.
fn encoded(data: &[u8], parity: usize) -> Vec<u8> {
    let mut block = data.to_vec();
    block.resize(data.len() + parity, 0);
    let (data, out) = block.split_at_mut(data.len());
    assert!(rs::encode(data, out));
    block
}

/// Data, an even amount of parity, and both together at most 255.
fn sizes() -> impl Strategy<Value = (Vec<u8>, usize)> {
    (0..=64usize).prop_flat_map(|half| (vec(any::<u8>(), 1..=255 - 2 * half), Just(2 * half)))
}

/// What flips: place and difference, `most` places at most.
fn damage(len: usize, most: usize) -> impl Strategy<Value = Vec<(usize, u8)>> {
    btree_map(0..len, 1..=255u8, 0..=most).prop_map(|m| m.into_iter().collect())
}

fn damaged() -> impl Strategy<Value = (Vec<u8>, usize, Vec<(usize, u8)>)> {
    sizes().prop_flat_map(|(data, parity)| {
        let len = data.len() + parity;
        (Just(data), Just(parity), damage(len, (parity / 2).min(len)))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn c_52_1_1_the_other_implementation_writes_the_same_parity((data, parity) in sizes()) {
        let theirs = reed_solomon::Encoder::new(parity).encode(&data);
        prop_assert_eq!(&theirs[..], &encoded(&data, parity)[..]);
    }

    #[test]
    fn c_52_1_2_as_many_errors_as_half_the_parity_are_put_right((data, parity, flips) in damaged()) {
        let good = encoded(&data, parity);
        let mut bad = good.clone();
        flips.iter().for_each(|(at, flip)| bad[*at] ^= flip);
        prop_assert_eq!(rs::decode(&mut bad, parity), Ok(flips.len() as u8));
        prop_assert_eq!(bad, good);
    }

    #[test]
    fn the_other_implementation_puts_our_blocks_right((data, parity, flips) in damaged()) {
        let good = encoded(&data, parity);
        let mut bad = good.clone();
        flips.iter().for_each(|(at, flip)| bad[*at] ^= flip);
        let theirs = reed_solomon::Decoder::new(parity).correct_err_count(&bad, None);
        let (block, errors) = theirs.map_err(|_| TestCaseError::fail("theirs gave up"))?;
        prop_assert_eq!((&block[..], errors), (&good[..], flips.len()));
    }

    #[test]
    fn c_52_1_3_anything_is_a_valid_block_afterwards_or_unchanged(block in vec(any::<u8>(), 0..=255), half in 0..=64usize) {
        let mut out = block.clone();
        match rs::decode(&mut out, 2 * half) {
            Err(Uncorrectable) => prop_assert_eq!(out, block),
            Ok(wrong) => {
                let data = &out[..out.len() - 2 * half];
                prop_assert_eq!(&encoded(data, 2 * half), &out);
                let differ = out.iter().zip(&block).filter(|(a, b)| a != b).count();
                prop_assert_eq!(differ, usize::from(wrong));
                prop_assert!(usize::from(wrong) <= half);
            }
        }
    }
}
