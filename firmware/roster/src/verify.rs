//! What two people compare to know that they hold each other's keys (spec §30.11): fingerprints and safety words.

use crate::keys::PublicKey;
use crate::station::Station;
use core::fmt;
use picket_wire::{Index, MissionId};
use sha2::{Digest, Sha256};

/// Words that a pair compares: 132 bits, for whoever signs a roster of each side's own may search both ends at once
/// and needs the root of that.
pub const SAFETY_WORDS: usize = 12;

const FINGERPRINT: &[u8] = b"PICKET-fpr";
const SAFETY: &[u8] = b"PICKET-safety";
const WORD_BITS: usize = 11;
const GROUPS: usize = 8;

/// Fingerprint of a station's identity keys. Displayed as eight groups of five digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// What is the same on both sides of a pair, and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Safety(pub [u8; 32]);

impl Fingerprint {
    /// Of the station with this index and these keys.
    #[must_use]
    pub fn new(mission: MissionId, index: Index, identity: &PublicKey, agreement: &PublicKey) -> Self {
        let hash = Sha256::new_with_prefix(FINGERPRINT)
            .chain_update(mission.0)
            .chain_update(index.0.to_be_bytes())
            .chain_update(identity.0)
            .chain_update(agreement.0);
        Self(hash.finalize().into())
    }

    /// Of a station of a verified roster.
    #[must_use]
    pub fn of(mission: MissionId, station: &Station<'_>) -> Self {
        Self::new(mission, station.index, &station.identity, &station.agreement)
    }
}

impl Safety {
    /// Of a pair, whichever way round.
    #[must_use]
    pub fn new(mission: MissionId, one: (Index, &Fingerprint), other: (Index, &Fingerprint)) -> Self {
        let (low, high) = if one.0 <= other.0 { (one.1, other.1) } else { (other.1, one.1) };
        let hash = Sha256::new_with_prefix(SAFETY).chain_update(mission.0).chain_update(low.0).chain_update(high.0);
        Self(hash.finalize().into())
    }

    /// Positions of its words in a list of 2 048: eleven bits each, from the front.
    #[must_use]
    pub fn words(&self) -> [u16; SAFETY_WORDS] {
        core::array::from_fn(|n| {
            let bits = n * WORD_BITS..(n + 1) * WORD_BITS;
            bits.fold(0, |word, at| {
                let byte = self.0.get(at / 8).copied().unwrap_or(0);
                word << 1 | u16::from(byte >> (7 - at % 8) & 1)
            })
        })
    }
}

/// 32 bytes as people compare them: each four of them, as a big-endian number, modulo 100 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits<'a>(pub &'a [u8; 32]);

impl fmt::Display for Digits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (groups, _) = self.0.as_chunks::<4>();
        debug_assert_eq!(groups.len(), GROUPS);
        for (n, group) in groups.iter().enumerate() {
            let gap = if n == 0 { "" } else { " " };
            write!(f, "{gap}{:05}", u32::from_be_bytes(*group) % 100_000)?;
        }
        Ok(())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Digits(&self.0).fmt(f)
    }
}
