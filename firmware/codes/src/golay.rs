//! The extended Golay code (24, 12, 8) (spec §52.2): twelve bits in twenty-four, of which three may flip.
//!
//! ```
//! use picket_codes::golay;
//! let word = golay::encode(0xABC);
//! assert_eq!(golay::decode(word ^ 0x80_0101), Some((0xABC, 3)));
//! assert_eq!(golay::decode(word ^ 0x80_0111), None);
//! ```

/// The word of 24 bits for the low twelve bits of `data`: these bits first, then eleven of the cyclic code, then one
/// that makes the number of ones even.
#[must_use]
pub const fn encode(data: u16) -> u32 {
    let data = (data & 0xFFF) as u32;
    data << 12 | check(data) as u32
}

/// The twelve bits of `word` (its low 24 bits) and how many of the 24 were wrong, at most three; `None` with four.
/// With more it may be another word's.
#[must_use]
pub const fn decode(word: u32) -> Option<(u16, u8)> {
    let word = word & 0xFF_FFFF;
    let correction = CORRECTIONS[(check(word >> 12) ^ (word & 0xFFF) as u16) as usize];
    if correction == BEYOND {
        return None;
    }
    Some(((word >> 12) as u16 ^ (correction & 0xFFF), (correction >> 12) as u8))
}

/// x¹¹ + x¹⁰ + x⁶ + x⁵ + x⁴ + x² + 1, the generator of the cyclic code (23, 12, 7).
const GENERATOR: u32 = 0xC75;

/// In [`CORRECTIONS`]: no pattern of three or fewer flipped bits looks like this.
const BEYOND: u16 = 0xFFFF;

/// Check bits of each data bit, lowest first.
const ROWS: [u16; 12] = {
    let mut rows = [0; 12];
    let mut i = 0;
    while i < 12 {
        let mut rest = 1u32 << (i + 11);
        let mut bit = 22;
        while bit >= 11 {
            if rest >> bit & 1 == 1 {
                rest ^= GENERATOR << (bit - 11);
            }
            bit -= 1;
        }
        let odd = (rest.count_ones() + 1) % 2;
        rows[i] = (rest << 1 | odd) as u16;
        i += 1;
    }
    rows
};

/// By the difference of check bits received and expected: the data bits to flip, and above them the number of flipped
/// bits in the word.
static CORRECTIONS: [u16; 4096] = {
    let mut all = [BEYOND; 4096];
    all[0] = 0;
    let mut a = 0;
    while a < 24 {
        // The same place twice gives the patterns of one and two bits.
        let mut b = a;
        while b < 24 {
            let mut c = b;
            while c < 24 {
                let pattern = 1u32 << a | 1 << b | 1 << c;
                let seen = check(pattern >> 12) ^ (pattern & 0xFFF) as u16;
                all[seen as usize] = (pattern >> 12) as u16 | (pattern.count_ones() as u16) << 12;
                c += 1;
            }
            b += 1;
        }
        a += 1;
    }
    all
};

/// The twelve check bits of twelve data bits.
const fn check(data: u32) -> u16 {
    let (mut sum, mut i) = (0, 0);
    while i < 12 {
        if data >> i & 1 == 1 {
            sum ^= ROWS[i];
        }
        i += 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All words of 24 bits with `weight` ones.
    fn patterns(weight: u32) -> impl Iterator<Item = u32> {
        // From one to the next greater with as many ones (Gosper).
        let next = |p: &u32| {
            let low = p & p.wrapping_neg();
            let carry = p + low;
            (*p != 0).then(|| carry | ((p ^ carry) / low) >> 2)
        };
        core::iter::successors(Some((1u32 << weight) - 1), next).take_while(|p| *p < 1 << 24)
    }

    #[test]
    fn any_two_words_differ_in_eight_bits_at_least() {
        // The code is linear: the least difference is the least weight.
        let least = (1..4096).map(|d| encode(d).count_ones()).min();
        assert_eq!(least, Some(8));
    }

    #[test]
    fn up_to_three_flipped_bits_are_put_right_in_every_word() {
        for weight in 0..=3 {
            for (n, pattern) in patterns(weight).enumerate() {
                // Every pattern on a sixteenth of the words, another sixteenth each time.
                for data in (n as u16 % 16..4096).step_by(16) {
                    assert_eq!(decode(encode(data) ^ pattern), Some((data, weight as u8)));
                }
            }
        }
        assert_eq!(patterns(3).count(), 2024);
    }

    #[test]
    fn four_flipped_bits_are_always_noticed() {
        assert_eq!(patterns(4).count(), 10_626);
        for pattern in patterns(4) {
            for data in [0, 1, 0xABC, 0xFFF] {
                assert_eq!(decode(encode(data) ^ pattern), None);
            }
        }
    }

    #[test]
    fn bits_beyond_the_word_are_not_looked_at() {
        assert_eq!(encode(0xFABC), encode(0xABC));
        assert_eq!(decode(encode(0xABC) | 0xFF00_0000), Some((0xABC, 0)));
    }
}
