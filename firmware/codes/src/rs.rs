//! Reed–Solomon blocks over GF(2⁸) (spec §52.1): systematic, polynomial 0x11D, roots α⁰, α¹, …; shortened as needed.
//!
//! A block is its data followed by an even number of parity bytes, 255 bytes at most. Half as many wrong bytes as
//! there is parity are found and put right, wherever they are.
//!
//! ```
//! use picket_codes::rs;
//! let mut block = *b"good morning\0\0\0\0";
//! let (data, parity) = block.split_at_mut(12);
//! assert!(rs::encode(data, parity));
//! block[0] = b'w';
//! block[13] ^= 0x40;
//! assert_eq!(rs::decode(&mut block, 4), Ok(2));
//! assert_eq!(&block[..12], b"good morning");
//! ```

use crate::gf::{EXP, LOG, alpha, div, mul};
use crate::limits::{BLOCK_MAX, PARITY_MAX};

/// More bytes of a block are wrong than its parity can find; the block is as it was. Also said of a block of more
/// than 255 bytes and of parity that is odd, over 128 or longer than the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uncorrectable;

/// Writes the parity of `data`, as many bytes as `parity` has. False when that is odd or over 128, or both together
/// are over 255: then nothing is written.
pub fn encode(data: &[u8], parity: &mut [u8]) -> bool {
    let len = parity.len();
    if !possible(data.len() + len, len) {
        return false;
    }
    parity.fill(0);
    if len == 0 {
        return true;
    }
    let generator = &GENERATORS[len / 2][..len];
    for byte in data {
        let feedback = byte ^ parity[0];
        parity.copy_within(1.., 0);
        parity[len - 1] = 0;
        if feedback != 0 {
            let log = usize::from(LOG[usize::from(feedback)]);
            for (p, g) in parity.iter_mut().zip(generator) {
                *p ^= EXP[log + usize::from(*g)];
            }
        }
    }
    true
}

/// Puts `block` right, data followed by `parity_len` bytes of parity, and says how many bytes were wrong.
///
/// With more errors than half the parity the block is nearly always told to be [`Uncorrectable`]; the chance that it
/// becomes another valid block instead is about 1 in (`parity_len` / 2)!.
///
/// # Errors
/// [`Uncorrectable`]; then the block is unchanged.
pub fn decode(block: &mut [u8], parity_len: usize) -> Result<u8, Uncorrectable> {
    if !possible(block.len(), parity_len) {
        return Err(Uncorrectable);
    }
    let mut all = [0; PARITY_MAX];
    let syndromes = &mut all[..parity_len];
    fill_syndromes(block, syndromes);
    if syndromes.iter().all(|s| *s == 0) {
        return Ok(0);
    }
    let (locator, count) = locator(syndromes).ok_or(Uncorrectable)?;
    let errors = errors(block.len(), syndromes, &locator, count).ok_or(Uncorrectable)?;
    // The same as computing the syndromes of the block put right, because they are linear; and it is still unchanged.
    for (power, value) in &errors[..count] {
        for (i, s) in syndromes.iter_mut().enumerate() {
            *s ^= mul(*value, alpha(i * usize::from(*power)));
        }
    }
    if syndromes.iter().any(|s| *s != 0) {
        return Err(Uncorrectable);
    }
    let last = block.len() - 1;
    for (power, value) in &errors[..count] {
        block[last - usize::from(*power)] ^= value;
    }
    Ok(count as u8)
}

/// Coefficients of a polynomial of at most [`PARITY_MAX`] degrees, lowest first.
type Polynomial = [u8; PARITY_MAX + 1];

/// Errors of one block: power of α that names the place (0 is the last byte), and what is to be added there.
type Errors = [(u8, u8); PARITY_MAX / 2];

/// Generator polynomials for 0, 2, 4 … 128 bytes of parity: logarithms of their coefficients, highest first, without
/// the leading 1. None is zero, because every word of the code with so few coefficients is of least weight.
static GENERATORS: [[u8; PARITY_MAX]; PARITY_MAX / 2 + 1] = {
    let mut all = [[0; PARITY_MAX]; PARITY_MAX / 2 + 1];
    // Lowest first while it grows: (x − α⁰)(x − α¹) …
    let mut poly = [0u8; PARITY_MAX + 1];
    poly[0] = 1;
    let mut degree = 0;
    while degree < PARITY_MAX {
        let root = alpha(degree);
        let mut i = degree + 1;
        while i > 0 {
            poly[i] = poly[i - 1] ^ mul(poly[i], root);
            i -= 1;
        }
        poly[0] = mul(poly[0], root);
        degree += 1;
        if degree % 2 == 0 {
            let mut j = 0;
            while j < degree {
                all[degree / 2][j] = LOG[poly[degree - 1 - j] as usize];
                j += 1;
            }
        }
    }
    all
};

const fn possible(block: usize, parity: usize) -> bool {
    block <= BLOCK_MAX && parity <= PARITY_MAX && parity <= block && parity.is_multiple_of(2)
}

/// The block as a polynomial, first byte the highest coefficient, at α⁰, α¹, …
fn fill_syndromes(block: &[u8], syndromes: &mut [u8]) {
    for byte in block {
        for (i, s) in syndromes.iter_mut().enumerate() {
            let shifted = if *s == 0 { 0 } else { EXP[usize::from(LOG[usize::from(*s)]) + i] };
            *s = shifted ^ byte;
        }
    }
}

/// The error locator and its degree (Berlekamp 1968, Massey 1969); `None` when it names more errors than half the
/// parity.
fn locator(syndromes: &[u8]) -> Option<(Polynomial, usize)> {
    let mut sigma: Polynomial = [0; PARITY_MAX + 1];
    sigma[0] = 1;
    let (mut before, mut before_discrepancy, mut gap) = (sigma, 1, 1);
    let mut degree = 0;
    for n in 0..syndromes.len() {
        let discrepancy = (0..=degree).fold(0, |sum, i| sum ^ mul(sigma[i], syndromes[n - i]));
        if discrepancy == 0 {
            gap += 1;
            continue;
        }
        let factor = div(discrepancy, before_discrepancy);
        let longer = 2 * degree <= n;
        let kept = sigma;
        for i in gap..sigma.len() {
            sigma[i] ^= mul(factor, before[i - gap]);
        }
        if longer {
            degree = n + 1 - degree;
            (before, before_discrepancy, gap) = (kept, discrepancy, 1);
        } else {
            gap += 1;
        }
    }
    (degree <= syndromes.len() / 2).then_some((sigma, degree))
}

/// Places by trying all (Chien 1964) and values (Forney 1965); `None` when fewer places than the locator's degree lie
/// within the block.
fn errors(len: usize, syndromes: &[u8], sigma: &Polynomial, degree: usize) -> Option<Errors> {
    let mut errors: Errors = [(0, 0); PARITY_MAX / 2];
    let mut evaluator: Polynomial = [0; PARITY_MAX + 1];
    for (i, e) in evaluator.iter_mut().enumerate().take(degree) {
        *e = (0..=i).fold(0, |sum, j| sum ^ mul(sigma[j], syndromes[i - j]));
    }
    let mut found = 0;
    for power in 0..len {
        let inverse = 255 - power;
        if at(&sigma[..=degree], inverse) != 0 {
            continue;
        }
        // Formal derivative: the odd coefficients, each one degree lower.
        let slope = (1..=degree).step_by(2).fold(0, |sum, i| sum ^ mul(sigma[i], alpha((i - 1) * inverse)));
        let value = mul(alpha(power), div(at(&evaluator[..degree], inverse), slope));
        *errors.get_mut(found)? = (power as u8, value);
        found += 1;
    }
    (found == degree).then_some(errors)
}

/// A polynomial at α to the power `e` (Horner).
fn at(coefficients: &[u8], e: usize) -> u8 {
    let x = alpha(e);
    coefficients.iter().rev().fold(0, |sum, c| mul(sum, x) ^ c)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_block_of_parity_only_is_the_zero_word() {
        let mut parity = [7; 4];
        assert!(encode(&[], &mut parity));
        assert_eq!(parity, [0; 4]);
        parity[2] = 9;
        assert_eq!(decode(&mut parity, 4), Ok(1));
        assert_eq!(parity, [0; 4]);
        assert_eq!(decode(&mut [], 0), Ok(0));
    }

    #[test]
    fn impossible_sizes_are_refused_and_nothing_is_written() {
        for (data, parity) in [(250, 6), (128, 128), (1, 3), (1, 129), (1, 130)] {
            let (data, mut out) = (vec![1; data], vec![9; parity]);
            assert!(!encode(&data, &mut out), "{parity}");
            assert!(out.iter().all(|b| *b == 9));
            let mut block = [data, out].concat();
            assert_eq!(decode(&mut block, parity), Err(Uncorrectable));
        }
        assert_eq!(decode(&mut [1, 2], 4), Err(Uncorrectable));
        assert_eq!(decode(&mut [1, 2], usize::MAX - 1), Err(Uncorrectable));
    }

    #[test]
    fn every_single_error_in_a_short_block_is_put_right() {
        let mut block = [1, 2, 3, 0xFF, 0, 0];
        let (data, parity) = block.split_at_mut(4);
        assert!(encode(data, parity));
        for place in 0..6 {
            for flip in 1..=255 {
                let mut bad = block;
                bad[place] ^= flip;
                assert_eq!(decode(&mut bad, 2), Ok(1));
                assert_eq!(bad, block);
            }
        }
    }

    #[test]
    fn every_double_error_in_a_short_block_is_put_right() {
        let mut block = [9, 0, 200, 0, 0, 0, 0];
        let (data, parity) = block.split_at_mut(3);
        assert!(encode(data, parity));
        for first in 0..7 {
            for second in first + 1..7 {
                for flips in (0..65_536u32).step_by(7) {
                    let mut bad = block;
                    let [.., a, b] = flips.to_be_bytes();
                    bad[first] ^= a;
                    bad[second] ^= b;
                    let wrong = u8::from(a != 0) + u8::from(b != 0);
                    assert_eq!(decode(&mut bad, 4), Ok(wrong));
                    assert_eq!(bad, block);
                }
            }
        }
    }

    #[test]
    fn a_block_that_cannot_be_put_right_is_unchanged() {
        let mut block = [0; 40];
        let (data, parity) = block.split_at_mut(20);
        data.copy_from_slice(b"twenty bytes of data");
        assert!(encode(data, parity));
        for wrong in 11..40 {
            let mut bad = block;
            bad.iter_mut().take(wrong).enumerate().for_each(|(i, b)| *b ^= (i * 37 + 1) as u8);
            let before = bad;
            assert_eq!(decode(&mut bad, 20), Err(Uncorrectable), "{wrong}");
            assert_eq!(bad, before);
        }
    }
}
