//! Lanes: chains whose keys go before their epoch does (spec §40.10).
//!
//! An epoch is cut into slots, finer ones in higher lanes. Each slot has a chain of its own, from a root that is hashed
//! forward slot by slot. A message of a short lifetime is sealed in the slot it is sent in; once the slot and the lane's
//! longest lifetime have passed, its chain is erased, and neither the device nor a recording opens it any more, whether
//! it arrived or not.
//!
//! ```text
//! LR_first = ctx.Export("ck0" ‖ lane)          ck_0 of slot n = HMAC(LR_n, 01)          LR_{n+1} = HMAC(LR_n, 02)
//! ```

use crate::chain::ChainKey;
use picket_roster::codec::{Reader, Writer};
use picket_roster::{DecodeError, NoRoom};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A lane besides lane 0, which is the session's own chain and lives until the epoch's end + D.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// One slot, the epoch; lifetimes up to an epoch.
    Epoch = 1,
    /// 24 slots an epoch; lifetimes up to half an epoch.
    Hours = 2,
    /// 144 slots an epoch; lifetimes up to a 24th of an epoch.
    Minutes = 3,
}

/// One slot of one lane, as the lane slot byte has it: 0 to 143 [`Lane::Minutes`], 144 to 167 [`Lane::Hours`], 168
/// [`Lane::Epoch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    lane: Lane,
    number: u8,
}

impl Lane {
    /// All of them, the lane with the shortest lifetimes first.
    pub const ALL: [Self; 3] = [Self::Minutes, Self::Hours, Self::Epoch];

    /// Slots in an epoch.
    #[must_use]
    pub const fn slots(self) -> u8 {
        match self {
            Self::Epoch => 1,
            Self::Hours => 24,
            Self::Minutes => 144,
        }
    }

    /// Longest lifetime that goes in this lane, in seconds.
    #[must_use]
    pub const fn longest_s(self, epoch_length_s: u32) -> u32 {
        match self {
            Self::Epoch => epoch_length_s,
            Self::Hours => epoch_length_s / 2,
            Self::Minutes => epoch_length_s / 24,
        }
    }

    /// The lane for a lifetime of so many seconds; `None`: lane 0, whose keys go no later.
    #[must_use]
    pub fn for_lifetime(lifetime_s: u64, epoch_length_s: u32, max_delay_s: u32) -> Option<Self> {
        let fits = |lane: &Self| {
            let longest = lane.longest_s(epoch_length_s);
            lifetime_s <= u64::from(longest) && longest < max_delay_s
        };
        Self::ALL.into_iter().find(fits)
    }

    const fn first_byte(self) -> u8 {
        match self {
            Self::Minutes => 0,
            Self::Hours => 144,
            Self::Epoch => 168,
        }
    }

    const fn place(self) -> usize {
        match self {
            Self::Epoch => 0,
            Self::Hours => 1,
            Self::Minutes => 2,
        }
    }
}

impl Slot {
    /// The slot of `lane` in which the `offset_s`-th second of an epoch lies; the last one beyond its end.
    #[must_use]
    pub fn at(lane: Lane, offset_s: u64, epoch_length_s: u32) -> Self {
        let slots = lane.slots();
        let passed = offset_s.saturating_mul(u64::from(slots)).checked_div(u64::from(epoch_length_s)).unwrap_or(0);
        Self { lane, number: u8::try_from(passed).unwrap_or(u8::MAX).min(slots - 1) }
    }

    /// Reads a lane slot byte.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0..=143 => Some(Self { lane: Lane::Minutes, number: byte }),
            144..=167 => Some(Self { lane: Lane::Hours, number: byte - 144 }),
            168 => Some(Self { lane: Lane::Epoch, number: 0 }),
            169.. => None,
        }
    }

    /// The lane slot byte.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.lane.first_byte() + self.number
    }

    /// Its lane.
    #[must_use]
    pub const fn lane(self) -> Lane {
        self.lane
    }

    /// Its place in the epoch.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.number
    }

    /// Seconds after the epoch's start at which this slot begins.
    #[must_use]
    pub fn begins_s(self, epoch_length_s: u32) -> u64 {
        (u64::from(epoch_length_s) * u64::from(self.number)).div_ceil(u64::from(self.lane.slots()))
    }

    /// Seconds after the epoch's start from which on nothing of this slot can be alive: its keys go.
    #[must_use]
    pub fn over_s(self, epoch_length_s: u32) -> u64 {
        let end = (u64::from(epoch_length_s) * (u64::from(self.number) + 1)).div_ceil(u64::from(self.lane.slots()));
        end + u64::from(self.lane.longest_s(epoch_length_s))
    }

    /// The first slot of `lane` that is not over `offset_s` seconds after the epoch's start; `None`: all are.
    #[must_use]
    pub fn oldest_live(lane: Lane, offset_s: u64, epoch_length_s: u32) -> Option<Self> {
        // From the slot of the moment before which every lifetime has ended: at most two steps, whatever the rounding.
        let back = offset_s.saturating_sub(u64::from(lane.longest_s(epoch_length_s)));
        let from = Self::at(lane, back, epoch_length_s).number.saturating_sub(1);
        (from..lane.slots()).map(|number| Self { lane, number }).find(|slot| offset_s < slot.over_s(epoch_length_s))
    }
}

/// Where the slots of a session's lanes come from. Erased on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Lanes([Root; 3]);

/// LR of the first slot that was neither handed out nor erased.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct Root {
    next: u8,
    key: ChainKey,
}

impl Lanes {
    /// Bytes of [`Self::write`].
    pub(crate) const LEN: usize = 3 * 33;

    /// `root`: what the session exports for a lane.
    pub(crate) fn new<E>(mut root: impl FnMut(Lane) -> Result<[u8; 32], E>) -> Result<Self, E> {
        let mut of = |lane| Ok(Root { next: 0, key: ChainKey(root(lane)?) });
        Ok(Self([of(Lane::Epoch)?, of(Lane::Hours)?, of(Lane::Minutes)?]))
    }

    /// The next slot of `lane` that can be handed out; `None` when there is no later one.
    pub(crate) fn next(&self, lane: Lane) -> Option<Slot> {
        let number = self.root(lane)?.next;
        (number < lane.slots()).then_some(Slot { lane, number })
    }

    /// First chain key of the next slot of `lane`, handed out once: afterwards nothing here leads to it.
    pub(crate) fn take(&mut self, lane: Lane) -> Option<(Slot, ChainKey)> {
        let slot = self.next(lane)?;
        let root = self.0.get_mut(lane.place())?;
        let chain = ChainKey(root.key.step().0.0);
        root.step(lane);
        Some((slot, chain))
    }

    /// Erases what leads to slots before `slot`. Whether anything was there to erase.
    pub(crate) fn erase_before(&mut self, slot: Slot) -> bool {
        self.erase(slot.lane, slot.number)
    }

    /// Erases what leads to any slot of `lane` that is left.
    pub(crate) fn erase_lane(&mut self, lane: Lane) -> bool {
        self.erase(lane, lane.slots())
    }

    fn erase(&mut self, lane: Lane, below: u8) -> bool {
        let Some(root) = self.0.get_mut(lane.place()) else { return false };
        let behind = root.next < below;
        while root.next < below {
            root.step(lane);
        }
        behind
    }

    fn root(&self, lane: Lane) -> Option<&Root> {
        self.0.get(lane.place())
    }

    pub(crate) fn write(&self, w: &mut Writer<'_>) -> Result<(), NoRoom> {
        for root in &self.0 {
            w.put(&[root.next])?;
            w.put(&root.key.0)?;
        }
        Ok(())
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut of = |lane: Lane| {
            let root = Root { next: r.u8()?, key: ChainKey(r.array()?) };
            if root.next > lane.slots() { Err(DecodeError::Value) } else { Ok(root) }
        };
        Ok(Self([of(Lane::Epoch)?, of(Lane::Hours)?, of(Lane::Minutes)?]))
    }
}

impl Root {
    /// To the next slot; after the last one nothing is left.
    fn step(&mut self, lane: Lane) {
        self.next += 1;
        if self.next < lane.slots() { self.key.advance() } else { self.key.zeroize() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::convert::Infallible;

    const DAY: u32 = 86_400;

    fn lanes() -> Lanes {
        Lanes::new(|lane| Ok::<_, Infallible>([lane as u8; 32])).unwrap()
    }

    #[test]
    fn slot_bytes_have_one_meaning() {
        for byte in 0..=255 {
            assert_eq!(Slot::from_byte(byte).map(Slot::byte), (byte <= 168).then_some(byte));
        }
        assert_eq!(Slot::at(Lane::Minutes, 86_399, DAY).byte(), 143);
        assert_eq!(Slot::at(Lane::Hours, 3_600, DAY).byte(), 145);
        assert_eq!(Slot::at(Lane::Epoch, u64::MAX, DAY).byte(), 168);
    }

    #[test]
    fn a_lifetime_goes_in_the_lane_whose_keys_go_first() {
        let lane = |s| Lane::for_lifetime(s, DAY, 3 * DAY);
        assert_eq!(lane(60), Some(Lane::Minutes));
        assert_eq!(lane(3_600), Some(Lane::Minutes));
        assert_eq!(lane(3_601), Some(Lane::Hours));
        assert_eq!(lane(43_201), Some(Lane::Epoch));
        assert_eq!(lane(86_401), None);
        assert_eq!(Lane::for_lifetime(86_400, DAY, DAY), None, "lane 0 is erased as early");
    }

    /// Whatever the epoch's length: a message sent in a slot with the longest lifetime of the lane ends before the keys of
    /// the slot go, and they go within a slot of it.
    #[test]
    fn keys_go_after_every_lifetime_and_soon() {
        for length in [60, 1_000, 3_600, DAY, 604_800] {
            for lane in Lane::ALL {
                for offset in (0..u64::from(length)).step_by((length as usize / 997).max(1)) {
                    let slot = Slot::at(lane, offset, length);
                    let ends = offset + u64::from(lane.longest_s(length));
                    assert!(slot.begins_s(length) <= offset);
                    assert!(ends < slot.over_s(length), "{length} {lane:?} {offset}");
                    assert!(slot.over_s(length) <= ends + u64::from(length / u32::from(lane.slots())) + 1);
                    assert_eq!(
                        Slot::oldest_live(lane, ends, length).map(Slot::number).map(|n| n <= slot.number()),
                        Some(true)
                    );
                    let gone = Slot::oldest_live(lane, slot.over_s(length), length);
                    assert!(gone.is_none_or(|s| s.number() > slot.number()), "{length} {lane:?} {offset}");
                }
            }
        }
    }

    #[test]
    fn a_slot_is_handed_out_once_and_erased_ones_never() {
        let mut a = lanes();
        let mut b = lanes();
        let slot = |n| Slot::from_byte(n).unwrap();
        assert!(a.erase_before(slot(5)) && !a.erase_before(slot(5)) && !a.erase_before(slot(2)));
        let (first, key) = a.take(Lane::Minutes).unwrap();
        assert_eq!(first, slot(5));
        let other = (0..6).map(|_| b.take(Lane::Minutes).unwrap()).last().unwrap();
        assert!(other.0 == first && other.1.0 == key.0, "the same whichever way");
        assert!(a.take(Lane::Minutes).unwrap().1.0 != key.0);
        assert!(a.erase_lane(Lane::Hours) && a.take(Lane::Hours).is_none());
        assert_eq!(a.0[Lane::Hours.place()].key.0, [0; 32]);
        assert_eq!(a.take(Lane::Epoch).unwrap().0, slot(168));
        assert!(a.take(Lane::Epoch).is_none() && a.0[Lane::Epoch.place()].key.0 == [0; 32]);
    }
}
