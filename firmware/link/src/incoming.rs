//! Envelopes arriving as symbols of an erasure code (spec §50.5). Bounded in count; what has arrived survives silence,
//! outages and a new offer of the same envelope.

use crate::limits::{INCOMING_MAX, INCOMING_PER_PEER};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use picket_codes::fountain::{self, Decoder};
use picket_wire::envelope::{Envelope, set_mutable};
use picket_wire::frame::{Fragment, FragmentHead};
use picket_wire::limits::OBJECT_ID_LEN;
use picket_wire::{Identity, Index};

/// Which envelope: the sender, the first two bytes of the identity, the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) from: Index,
    pub(crate) prefix: u16,
    pub(crate) total: u32,
}

/// What a frame of symbols did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// All of it was there already.
    Duplicate,
    /// Something new.
    Stored {
        /// Symbols between the last frame and this one were not heard.
        gap: bool,
    },
    /// It contradicts what is there, which is forgotten; it may have begun anew.
    Restarted,
    /// Everything is there: the envelope as last offered.
    Complete(Identity, Vec<u8>),
    /// Enough symbols came, and what they give is not the envelope that they name.
    Poisoned,
}

/// All envelopes arriving on a link.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    partial: BTreeMap<Key, Partial>,
    stamp: u64,
}

#[derive(Debug)]
struct Partial {
    decoder: Decoder,
    /// Of the frame heard last.
    head: FragmentHead,
    /// One more than the greatest symbol id of that frame.
    next: u16,
    /// Frames taken since the last report.
    unreported: u16,
    /// Whether a report is owed for a gap.
    gap: bool,
    stamp: u64,
}

impl Incoming {
    /// Takes the symbols of the envelope named by `key`.
    pub(crate) fn take(&mut self, key: Key, fragment: &Fragment<'_>) -> Taken {
        self.stamp += 1;
        let mut restarted = false;
        if self.partial.get(&key).is_some_and(|p| p.head.symbol != fragment.head.symbol) {
            self.partial.remove(&key);
            restarted = true;
        }
        if !self.partial.contains_key(&key) {
            self.make_room(key.from);
            let Some(fresh) = Partial::new(key.total, fragment.head) else { return Taken::Restarted };
            self.partial.insert(key, fresh);
        }
        let Some(partial) = self.partial.get_mut(&key) else { return Taken::Restarted };
        partial.stamp = self.stamp;
        match partial.take(fragment) {
            Step::Old => Taken::Duplicate,
            Step::New { .. } if restarted => Taken::Restarted,
            Step::New { gap } => Taken::Stored { gap },
            Step::Hopeless => {
                self.partial.remove(&key);
                Taken::Poisoned
            }
            Step::Whole(object) => {
                self.partial.remove(&key);
                match envelope(object, key.prefix, &fragment.head) {
                    Some((identity, bytes)) => Taken::Complete(identity, bytes),
                    None => Taken::Poisoned,
                }
            }
        }
    }

    /// `need` and `next` of a report; counts as reported.
    pub(crate) fn report(&mut self, key: Key) -> Option<(u16, u16)> {
        let partial = self.partial.get_mut(&key)?;
        (partial.unreported, partial.gap) = (0, false);
        Some((partial.decoder.needed(), partial.next))
    }

    /// Frames taken since the last report, and whether a gap was noticed among them.
    pub(crate) fn unreported(&self, key: Key) -> (u16, bool) {
        self.partial.get(&key).map_or((0, false), |p| (p.unreported, p.gap))
    }

    /// Envelopes of `from` with this prefix.
    pub(crate) fn with_prefix(&self, from: Index, prefix: u16) -> Vec<Key> {
        let first = Key { from, prefix, total: 0 };
        let last = Key { from, prefix, total: u32::MAX };
        self.partial.range(first..=last).map(|(k, _)| *k).collect()
    }

    /// Envelopes of `from`.
    pub(crate) fn all_of(&self, from: Index) -> Vec<Key> {
        self.of(from).map(|(k, _)| *k).collect()
    }

    /// Envelopes of `from` of which symbols were taken since their last report.
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
        let oldest = if self.of(from).count() >= INCOMING_PER_PEER {
            self.of(from).min_by_key(|(_, p)| p.stamp).map(|(k, _)| *k)
        } else if self.partial.len() >= INCOMING_MAX {
            self.partial.iter().min_by_key(|(_, p)| p.stamp).map(|(k, _)| *k)
        } else {
            None
        };
        if let Some(key) = oldest {
            self.partial.remove(&key);
        }
    }
}

/// What the symbols of one frame did.
enum Step {
    Old,
    New { gap: bool },
    Whole(Vec<u8>),
    Hopeless,
}

impl Partial {
    fn new(total: u32, head: FragmentHead) -> Option<Self> {
        let decoder = Decoder::new(total as usize + OBJECT_ID_LEN, head.symbol)?;
        Some(Self { decoder, head, next: head.esi, unreported: 0, gap: false, stamp: 0 })
    }

    fn take(&mut self, fragment: &Fragment<'_>) -> Step {
        let head = fragment.head;
        // A pass begins at 0; other ids out of turn mean that frames in between were not heard.
        let gap = head.esi > self.next;
        self.gap |= gap;
        self.head = head;
        self.next = head.esi.saturating_add(fragment.symbols());
        self.unreported = self.unreported.saturating_add(1);
        let mut new = false;
        for (esi, symbol) in (head.esi..).zip(fragment.data.chunks_exact(usize::from(head.symbol).max(1))) {
            match self.decoder.take(esi, symbol) {
                fountain::Taken::Duplicate => {}
                fountain::Taken::Stored => new = true,
                fountain::Taken::Wrong => return Step::Hopeless,
                fountain::Taken::Complete(object) => return Step::Whole(object),
            }
        }
        if new { Step::New { gap } } else { Step::Old }
    }
}

/// The envelope of a decoded object, with the hop byte and lifetime of the offer heard last; `None` unless it is the
/// one that its identity and its frames name.
fn envelope(mut object: Vec<u8>, prefix: u16, head: &FragmentHead) -> Option<(Identity, Vec<u8>)> {
    let named = object.split_off(object.len().checked_sub(OBJECT_ID_LEN)?);
    let identity = Envelope::parse(&object).ok()?.identity();
    if identity.prefix() != prefix || identity.0[..OBJECT_ID_LEN] != named[..] {
        return None;
    }
    set_mutable(&mut object, head.hop_limit, head.round, head.lifetime);
    Some((identity, object))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::outgoing::Transfer;
    use picket_wire::Lifetime;
    use picket_wire::envelope::{HOP_BYTE, LIFETIME_BYTE};

    const FROM: Index = Index(7);

    fn sample(len: usize) -> (Identity, Vec<u8>) {
        let mut bytes: Vec<u8> = (0..len).map(|i| if i == 0 { 4 } else { (i * 7) as u8 }).collect();
        set_mutable(&mut bytes, 9, 1, Lifetime(40));
        (Envelope::parse(&bytes).unwrap().identity(), bytes)
    }

    fn frames(t: &mut Transfer, symbols: u16, count: usize) -> Vec<Vec<u8>> {
        (0..count)
            .map(|_| {
                let mut out = Vec::new();
                t.write(symbols, false, &mut out);
                t.sent(symbols, false);
                out
            })
            .collect()
    }

    fn feed(all: &mut Incoming, body: &[u8]) -> Taken {
        let fragment = parse(body);
        let key = Key { from: FROM, prefix: fragment.head.prefix, total: fragment.head.total };
        all.take(key, &fragment)
    }

    fn parse(body: &[u8]) -> Fragment<'_> {
        match picket_wire::frame::decode_body(picket_wire::frame::Kind::Fragment, body) {
            Ok(picket_wire::frame::Body::Fragment(fragment)) => fragment,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn any_order_with_losses_completes() {
        for (len, symbol, lose) in [(30, 10, 2), (500, 20, 3), (5_000, 100, 2), (5_000, 255, 5)] {
            let (identity, bytes) = sample(len);
            let mut t = Transfer::new(&bytes, &identity, symbol, 64);
            let mut list = frames(&mut t, 2, 3 * len / usize::from(symbol) + 20);
            list.reverse();
            let mut all = Incoming::default();
            let done =
                list.iter().enumerate().filter(|(n, _)| n % lose != 0).find_map(|(_, f)| match feed(&mut all, f) {
                    Taken::Complete(id, whole) => Some((id, whole)),
                    Taken::Stored { .. } | Taken::Duplicate => None,
                    other => panic!("{other:?}"),
                });
            assert_eq!(done, Some((identity, bytes)), "{len} {symbol}");
            assert!(all.partial.is_empty());
        }
    }

    #[test]
    fn the_report_says_how_many_more() {
        let (identity, bytes) = sample(992);
        let mut t = Transfer::new(&bytes, &identity, 100, 64);
        let list = frames(&mut t, 2, 5);
        let mut all = Incoming::default();
        let key = Key { from: FROM, prefix: identity.prefix(), total: 992 };
        assert_eq!(feed(&mut all, &list[0]), Taken::Stored { gap: false });
        assert_eq!(feed(&mut all, &list[2]), Taken::Stored { gap: true });
        assert_eq!(all.unreported(key), (2, true));
        assert_eq!(all.report(key), Some((6, 6)));
        assert_eq!(all.unreported(key), (0, false));
        assert_eq!(feed(&mut all, &list[2]), Taken::Duplicate);
        assert_eq!(all.touched(FROM), [key]);
    }

    #[test]
    fn a_new_offer_goes_on_with_the_symbols_of_the_old_one() {
        let (identity, mut bytes) = sample(992);
        let mut all = Incoming::default();
        let mut first = Transfer::new(&bytes, &identity, 100, 64);
        for frame in frames(&mut first, 2, 4) {
            feed(&mut all, &frame);
        }
        set_mutable(&mut bytes, 3, 2, Lifetime(77));
        let mut second = Transfer::new(&bytes, &identity, 100, 64);
        frames(&mut second, 2, 4);
        let last = frames(&mut second, 2, 1);
        let Taken::Complete(_, whole) = feed(&mut all, &last[0]) else { panic!("incomplete") };
        assert_eq!((whole[HOP_BYTE] >> 4, whole[LIFETIME_BYTE]), (3, 77));
        assert_eq!(whole, bytes);
    }

    #[test]
    fn other_symbols_begin_anew_and_wrong_ones_are_found_out() {
        let (identity, bytes) = sample(992);
        let mut all = Incoming::default();
        for frame in frames(&mut Transfer::new(&bytes, &identity, 100, 64), 2, 4) {
            feed(&mut all, &frame);
        }
        let mut other = Transfer::new(&bytes, &identity, 50, 64);
        let list = frames(&mut other, 4, 5);
        assert_eq!(feed(&mut all, &list[0]), Taken::Restarted);
        let mut bad = list[1].clone();
        bad[20] ^= 1;
        feed(&mut all, &bad);
        feed(&mut all, &list[2]);
        feed(&mut all, &list[3]);
        assert_eq!(feed(&mut all, &list[4]), Taken::Poisoned);
        assert!(all.partial.is_empty());
    }

    #[test]
    fn a_neighbour_never_holds_more_than_its_share() {
        let mut all = Incoming::default();
        let head = |total| FragmentHead {
            prefix: 1,
            turn: false,
            esi: 0,
            hop_limit: 1,
            round: 0,
            total,
            symbol: 10,
            lifetime: Lifetime(1),
        };
        for total in 100..200 {
            all.take(Key { from: FROM, prefix: 1, total }, &Fragment { head: head(total), data: &[1; 10] });
        }
        assert_eq!(all.partial.len(), INCOMING_PER_PEER);
        for from in 0..100 {
            all.take(Key { from: Index(from), prefix: 1, total: 50 }, &Fragment { head: head(50), data: &[1; 10] });
        }
        assert_eq!(all.partial.len(), INCOMING_MAX);
    }
}
