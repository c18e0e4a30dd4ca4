//! Envelopes arriving in fragments (spec §50.5). Bounded in count; progress survives retransmission and outages.

use crate::limits::{REASSEMBLIES_MAX, REASSEMBLIES_PER_PEER, REPORT_WINDOW};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use picket_wire::Index;
use picket_wire::envelope::{HOP_BYTE, LIFETIME_BYTE};
use picket_wire::frame::Fragment;

/// Which reassembly: the sender, the first two bytes of the identity, the whole length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) from: Index,
    pub(crate) prefix: u16,
    pub(crate) total: u32,
}

/// What a fragment did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was there already.
    Duplicate,
    /// It filled a place; `gap`: an earlier one is missing.
    Stored {
        /// An earlier fragment is missing.
        gap: bool,
    },
    /// It contradicts the earlier ones, which are forgotten; it may have begun anew.
    Restarted,
    /// Everything is there.
    Complete(Vec<u8>),
}

/// All reassemblies of a link.
#[derive(Debug, Default)]
pub(crate) struct Reassemblies {
    partial: BTreeMap<Key, Partial>,
    stamp: u64,
}

#[derive(Debug)]
struct Partial {
    bytes: Vec<u8>,
    /// Length of all fragments but the last; `None` while a single one, which may be the last, is known.
    size: Option<usize>,
    lone: u16,
    lone_len: usize,
    have: Vec<u64>,
    got: usize,
    base: u16,
    highest: u16,
    unreported: u16,
    stamp: u64,
}

impl Reassemblies {
    /// Adds a fragment of the envelope named by `key`.
    pub(crate) fn take(&mut self, key: Key, fragment: &Fragment<'_>) -> Taken {
        self.stamp += 1;
        if !self.partial.contains_key(&key) {
            self.make_room(key.from);
        }
        let partial = self.partial.entry(key).or_insert_with(|| Partial::new(key.total));
        partial.stamp = self.stamp;
        match partial.take(fragment.index, fragment.data) {
            Some(taken) => {
                if partial.got < partial.bytes.len() || partial.size.is_none() {
                    return taken;
                }
                self.partial.remove(&key).map_or(Taken::Duplicate, |p| Taken::Complete(p.bytes))
            }
            None => {
                *partial = Partial { stamp: self.stamp, ..Partial::new(key.total) };
                if partial.take(fragment.index, fragment.data).is_none() {
                    self.partial.remove(&key);
                }
                Taken::Restarted
            }
        }
    }

    /// Base and map of a reassembly; counts as reported.
    pub(crate) fn report(&mut self, key: Key) -> Option<(u16, u64)> {
        let partial = self.partial.get_mut(&key)?;
        partial.unreported = 0;
        Some((partial.base, partial.map()))
    }

    /// Fragments taken since the last report.
    pub(crate) fn unreported(&self, key: Key) -> u16 {
        self.partial.get(&key).map_or(0, |p| p.unreported)
    }

    /// Reassemblies of `from` with this prefix.
    pub(crate) fn with_prefix(&self, from: Index, prefix: u16) -> Vec<Key> {
        let first = Key { from, prefix, total: 0 };
        let last = Key { from, prefix, total: u32::MAX };
        self.partial.range(first..=last).map(|(k, _)| *k).collect()
    }

    /// Reassemblies of `from` that took fragments since their last report.
    pub(crate) fn touched(&self, from: Index) -> Vec<Key> {
        self.of(from).filter(|(_, p)| p.unreported > 0).map(|(k, _)| *k).collect()
    }

    fn of(&self, from: Index) -> impl Iterator<Item = (&Key, &Partial)> {
        let first = Key { from, prefix: 0, total: 0 };
        let last = Key { from, prefix: u16::MAX, total: u32::MAX };
        self.partial.range(first..=last)
    }

    /// Forgets the one longest untouched, of `from` when that neighbour has its share already.
    fn make_room(&mut self, from: Index) {
        let oldest = if self.of(from).count() >= REASSEMBLIES_PER_PEER {
            self.of(from).min_by_key(|(_, p)| p.stamp).map(|(k, _)| *k)
        } else if self.partial.len() >= REASSEMBLIES_MAX {
            self.partial.iter().min_by_key(|(_, p)| p.stamp).map(|(k, _)| *k)
        } else {
            None
        };
        if let Some(key) = oldest {
            self.partial.remove(&key);
        }
    }
}

impl Partial {
    fn new(total: u32) -> Self {
        Self {
            bytes: alloc::vec![0; total as usize],
            size: None,
            lone: 0,
            lone_len: 0,
            have: Vec::new(),
            got: 0,
            base: 0,
            highest: 0,
            unreported: 0,
            stamp: 0,
        }
    }

    /// `None` when the fragment contradicts what is there.
    fn take(&mut self, index: u16, data: &[u8]) -> Option<Taken> {
        if data.is_empty() || data.len() > self.bytes.len() {
            return None;
        }
        self.unreported = self.unreported.saturating_add(1);
        if self.size.is_none() && !self.settle(index, data)? {
            return Some(Taken::Stored { gap: true });
        }
        self.place(index, data)
    }

    /// Learns the fragment length; false while `data` is the only fragment and may be the last one.
    fn settle(&mut self, index: u16, data: &[u8]) -> Option<bool> {
        if index == 0 {
            self.fix_size(data.len())?;
            return Some(true);
        }
        if self.lone_len == 0 {
            // Kept at the end of the buffer, where a last fragment belongs.
            let at = self.bytes.len() - data.len();
            self.bytes[at..].copy_from_slice(data);
            (self.lone, self.lone_len) = (index, data.len());
            return Some(false);
        }
        if index == self.lone {
            let same = self.bytes.ends_with(data) && data.len() == self.lone_len;
            return same.then_some(false);
        }
        self.fix_size(data.len().max(self.lone_len))?;
        Some(true)
    }

    fn fix_size(&mut self, size: usize) -> Option<()> {
        self.size = Some(size);
        let count = self.bytes.len().div_ceil(size);
        self.have = alloc::vec![0; count.div_ceil(64)];
        if self.lone_len > 0 {
            let lone = self.bytes[self.bytes.len() - self.lone_len..].to_vec();
            let (index, _) = (self.lone, core::mem::take(&mut self.lone_len));
            self.place(index, &lone)?;
        }
        Some(())
    }

    fn place(&mut self, index: u16, data: &[u8]) -> Option<Taken> {
        let size = self.size?;
        let from = usize::from(index).checked_mul(size)?;
        let end = from.checked_add(data.len())?;
        let fits = end <= self.bytes.len() && (data.len() == size || data.len() < size && end == self.bytes.len());
        if !fits {
            return None;
        }
        if self.has(index) {
            return same_but_hop(index, &self.bytes[from..end], data).then(|| {
                // The newest offer's hop byte and lifetime count: the answer covers them.
                self.bytes[from..end].copy_from_slice(data);
                Taken::Duplicate
            });
        }
        self.bytes[from..end].copy_from_slice(data);
        self.have[usize::from(index / 64)] |= 1 << (index % 64);
        self.got += data.len();
        while self.has(self.base) {
            self.base += 1;
        }
        self.highest = self.highest.max(index);
        Some(Taken::Stored { gap: self.base <= self.highest })
    }

    fn has(&self, index: u16) -> bool {
        self.have.get(usize::from(index / 64)).is_some_and(|w| w >> (index % 64) & 1 == 1)
    }

    fn map(&self) -> u64 {
        if self.size.is_none() {
            return if self.lone_len > 0 && self.lone < REPORT_WINDOW { 1 << self.lone } else { 0 };
        }
        (1..REPORT_WINDOW)
            .filter(|&bit| self.base.checked_add(bit).is_some_and(|i| self.has(i)))
            .fold(0, |map, bit| map | 1 << bit)
    }
}

/// Whether a fragment is the one held, but for the two header bytes that change when a parcel is offered again.
fn same_but_hop(index: u16, held: &[u8], data: &[u8]) -> bool {
    let changeable = |at: usize| index == 0 && (HOP_BYTE..=LIFETIME_BYTE).contains(&at);
    held.len() == data.len() && held.iter().zip(data).enumerate().all(|(at, (a, b))| a == b || changeable(at))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::cut::Cut;

    const FROM: Index = Index(7);

    fn fragment(index: u16, total: usize, data: &[u8]) -> Fragment<'_> {
        Fragment { prefix: 1, index, turn: false, total: total as u32, data }
    }

    fn key(total: usize) -> Key {
        Key { from: FROM, prefix: 1, total: total as u32 }
    }

    #[test]
    fn every_order_of_arrival_completes() {
        for total in 1..60usize {
            let bytes: Vec<u8> = (0..total).map(|i| i as u8).collect();
            for most in 2..20 {
                for start in 0..5u16 {
                    let cut = Cut::new(total, most, 64);
                    let count = total.div_ceil(cut.piece()) as u16;
                    let mut all = Reassemblies::default();
                    let mut done = None;
                    for step in 0..count {
                        // Backwards from `start`, round and round: the last fragment early, then all others.
                        let index = (start + count - 1 - step % count) % count;
                        for _ in 0..2 {
                            if done.is_none()
                                && let Taken::Complete(whole) =
                                    all.take(key(total), &fragment(index, total, &bytes[cut.range(index)]))
                            {
                                done = Some(whole);
                            }
                        }
                    }
                    assert_eq!(done.as_ref(), Some(&bytes), "total {total} most {most} start {start}");
                    assert!(all.partial.is_empty());
                }
            }
        }
    }

    #[test]
    fn the_report_names_what_is_there() {
        let bytes = [9u8; 100];
        let mut all = Reassemblies::default();
        for index in [0, 1, 3, 5] {
            all.take(key(100), &fragment(index, 100, &bytes[..10]));
        }
        assert_eq!(all.unreported(key(100)), 4);
        assert_eq!(all.report(key(100)), Some((2, 0b1010)));
        assert_eq!(all.unreported(key(100)), 0);
        assert_eq!(all.touched(FROM), []);
    }

    #[test]
    fn another_cut_of_the_same_envelope_begins_anew() {
        let bytes = [9u8; 100];
        let mut all = Reassemblies::default();
        all.take(key(100), &fragment(0, 100, &bytes[..10]));
        all.take(key(100), &fragment(1, 100, &bytes[..10]));
        assert_eq!(all.take(key(100), &fragment(2, 100, &bytes[..7])), Taken::Restarted);
        for index in 0..14 {
            all.take(key(100), &fragment(index, 100, &bytes[..7]));
        }
        let Taken::Complete(whole) = all.take(key(100), &fragment(14, 100, &bytes[..2])) else { panic!("incomplete") };
        assert_eq!(whole, bytes);
    }

    #[test]
    fn offered_again_in_the_next_round_it_goes_on_with_the_new_hop_byte() {
        let old = [9u8; 100];
        let mut new = old;
        (new[HOP_BYTE], new[LIFETIME_BYTE]) = (1, 2);
        let mut all = Reassemblies::default();
        for index in 0..9 {
            all.take(key(100), &fragment(index, 100, &old[..10]));
        }
        assert_eq!(all.take(key(100), &fragment(0, 100, &new[..10])), Taken::Duplicate);
        assert_eq!(all.take(key(100), &fragment(9, 100, &old[..10])), Taken::Complete(new.to_vec()));
    }

    #[test]
    fn a_neighbour_never_holds_more_than_its_share() {
        let mut all = Reassemblies::default();
        for total in 100..200 {
            all.take(key(total), &fragment(0, total, &[1; 10]));
        }
        assert_eq!(all.partial.len(), REASSEMBLIES_PER_PEER);
        for from in 0..100 {
            all.take(Key { from: Index(from), ..key(50) }, &fragment(0, 50, &[1; 10]));
        }
        assert_eq!(all.partial.len(), REASSEMBLIES_MAX);
    }
}
