//! Media that misbehave by seed, for tests of this crate and of those above it.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use crate::medium::{Medium, MediumError, SegmentId};

/// What a power cut does to writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// None of them is there.
    Dropped,
    /// All of them are there (a killed process, not a power cut).
    Kept,
    /// Those up to some moment are there.
    Prefix,
    /// Any of them is there or not.
    Reordered,
    /// Any of them is there, not, or in pieces cut at any byte.
    Torn,
}

impl Cut {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Dropped, Self::Kept, Self::Prefix, Self::Reordered, Self::Torn];
}

/// A small generator for tests (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// By seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `n`; 0 for `n` = 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)).checked_rem(n).unwrap_or(0)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

#[derive(Clone, Debug)]
enum Change {
    Create(SegmentId, u32),
    Write(SegmentId, u32, Vec<u8>),
    Remove(SegmentId),
}

type Segments = BTreeMap<SegmentId, Vec<u8>>;

#[derive(Clone, Debug, Default)]
struct World {
    /// As a running program sees it.
    live: Segments,
    /// As a power cut leaves it, before what of the journal happens to be there.
    durable: Segments,
    journal: Vec<Change>,
    steps: u64,
    crash_at: Option<u64>,
    crashed: bool,
    space: Option<u64>,
    written: u64,
    pages: u64,
}

/// A medium in memory that loses power at a chosen step, and decays on demand. Clones are handles on the same medium,
/// so that a test can keep one.
#[derive(Clone, Debug, Default)]
pub struct CrashMedium(Rc<RefCell<World>>);

impl CrashMedium {
    /// Loses power at the `step`-th change or sync from now on (the first is 1): that one fails, and all after it.
    pub fn crash_at(&self, step: u64) {
        let mut world = self.0.borrow_mut();
        world.crash_at = Some(world.steps + step);
    }

    /// Changes and syncs so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.0.borrow().steps
    }

    /// Whether power is lost.
    #[must_use]
    pub fn crashed(&self) -> bool {
        self.0.borrow().crashed
    }

    /// Answers [`MediumError::NoSpace`] beyond `bytes`.
    pub fn set_space(&self, bytes: Option<u64>) {
        self.0.borrow_mut().space = bytes;
    }

    /// Bytes written by the program, and bytes of whole 4 KiB pages a device would write for it at each sync.
    #[must_use]
    pub fn written(&self) -> (u64, u64) {
        let world = self.0.borrow();
        (world.written, world.pages * 4096)
    }

    /// Power is back: what was synced is there, of the rest what `cut` and the seed say.
    pub fn reboot(&self, cut: Cut, seed: u64) {
        let mut world = self.0.borrow_mut();
        let journal = core::mem::take(&mut world.journal);
        apply(&mut world.durable, &journal, cut, &mut Dice::new(seed));
        world.live = world.durable.clone();
        world.crashed = false;
        world.crash_at = None;
    }

    /// A sync on another thread begins: returns what to give to [`CrashMedium::end_sync`].
    #[must_use]
    pub fn begin_sync(&self) -> usize {
        self.0.borrow().journal.len()
    }

    /// It ends: what was written before it began is durable.
    pub fn end_sync(&self, begun: usize) -> Result<(), MediumError> {
        let mut world = self.0.borrow_mut();
        world.step()?;
        let begun = begun.min(world.journal.len());
        let rest = world.journal.split_off(begun);
        let done = core::mem::replace(&mut world.journal, rest);
        world.pages += pages(&done);
        apply(&mut world.durable, &done, Cut::Kept, &mut Dice::new(0));
        Ok(())
    }

    /// All segments and their lengths.
    #[must_use]
    pub fn segments(&self) -> Vec<(SegmentId, usize)> {
        self.0.borrow().live.iter().map(|(id, bytes)| (*id, bytes.len())).collect()
    }

    /// A copy of a segment.
    #[must_use]
    pub fn bytes(&self, id: SegmentId) -> Vec<u8> {
        self.0.borrow().live.get(&id).cloned().unwrap_or_default()
    }

    /// Damages a segment for good.
    pub fn damage(&self, id: SegmentId, mut by: impl FnMut(&mut Vec<u8>)) {
        let mut world = self.0.borrow_mut();
        if let Some(bytes) = world.live.get_mut(&id) {
            by(bytes);
        }
        if let Some(bytes) = world.durable.get_mut(&id) {
            by(bytes);
        }
    }

    /// Flips one bit.
    pub fn flip(&self, id: SegmentId, byte: usize, bit: u8) {
        self.damage(id, |bytes| {
            if let Some(byte) = bytes.get_mut(byte) {
                *byte ^= 1 << (bit % 8);
            }
        });
    }

    /// Zeroes one page of 4 KiB.
    pub fn zero_page(&self, id: SegmentId, page: usize) {
        self.damage(id, |bytes| bytes.iter_mut().skip(page * 4096).take(4096).for_each(|byte| *byte = 0));
    }

    /// An independent copy of the medium as it is.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(Rc::new(RefCell::new(self.0.borrow().clone())))
    }
}

impl World {
    /// Counts a step; power may go in it. The change itself is under way: it is in the journal.
    fn step(&mut self) -> Result<(), MediumError> {
        if self.crashed {
            return Err(MediumError::Io(5));
        }
        self.steps += 1;
        if self.crash_at.is_some_and(|at| self.steps >= at) {
            self.crashed = true;
            return Err(MediumError::Io(5));
        }
        Ok(())
    }

    fn change(&mut self, change: Change) -> Result<(), MediumError> {
        if !self.crashed {
            self.written += match &change {
                Change::Create(_, len) => u64::from(*len),
                Change::Write(_, _, bytes) => bytes.len() as u64,
                Change::Remove(_) => 0,
            };
            self.journal.push(change);
        }
        self.step()
    }
}

impl Medium for CrashMedium {
    fn list(&self) -> Result<Vec<SegmentId>, MediumError> {
        Ok(self.0.borrow().live.keys().copied().collect())
    }

    fn create(&mut self, id: SegmentId, len: u32) -> Result<(), MediumError> {
        let mut world = self.0.borrow_mut();
        if world.live.contains_key(&id) {
            return Err(MediumError::Exists);
        }
        let held: usize = world.live.values().map(Vec::len).sum();
        if world.space.is_some_and(|space| held as u64 + u64::from(len) > space) {
            return Err(MediumError::NoSpace);
        }
        world.change(Change::Create(id, len))?;
        world.live.insert(id, alloc::vec![0; len as usize]);
        Ok(())
    }

    fn len(&self, id: SegmentId) -> Result<u32, MediumError> {
        self.0.borrow().live.get(&id).map(|bytes| bytes.len() as u32).ok_or(MediumError::Missing)
    }

    fn read(&self, id: SegmentId, offset: u32, buf: &mut [u8]) -> Result<(), MediumError> {
        let world = self.0.borrow();
        let bytes = world.live.get(&id).ok_or(MediumError::Missing)?;
        let start = offset as usize;
        buf.copy_from_slice(bytes.get(start..start + buf.len()).ok_or(MediumError::Bounds)?);
        Ok(())
    }

    fn write(&mut self, id: SegmentId, offset: u32, bytes: &[u8]) -> Result<(), MediumError> {
        let mut world = self.0.borrow_mut();
        world.change(Change::Write(id, offset, bytes.to_vec()))?;
        let start = offset as usize;
        let segment = world.live.get_mut(&id).ok_or(MediumError::Missing)?;
        segment.get_mut(start..start + bytes.len()).ok_or(MediumError::Bounds)?.copy_from_slice(bytes);
        Ok(())
    }

    fn remove(&mut self, id: SegmentId) -> Result<(), MediumError> {
        let mut world = self.0.borrow_mut();
        world.change(Change::Remove(id))?;
        world.live.remove(&id).map(|_| ()).ok_or(MediumError::Missing)
    }

    fn sync(&mut self) -> Result<(), MediumError> {
        let begun = self.begin_sync();
        self.end_sync(begun)
    }
}

/// Whole pages touched by the writes of one sync.
fn pages(journal: &[Change]) -> u64 {
    let mut touched = alloc::collections::BTreeSet::new();
    for change in journal {
        let (id, from, len) = match change {
            Change::Create(id, len) => (id, 0, *len),
            Change::Write(id, offset, bytes) => (id, *offset, bytes.len() as u32),
            Change::Remove(_) => continue,
        };
        touched.extend((from / 4096..(from + len).div_ceil(4096)).map(|page| (*id, page)));
    }
    touched.len() as u64
}

fn apply(segments: &mut Segments, journal: &[Change], cut: Cut, dice: &mut Dice) {
    let until = match cut {
        Cut::Dropped => 0,
        Cut::Prefix => dice.below(journal.len() as u64 + 1) as usize,
        Cut::Kept | Cut::Reordered | Cut::Torn => journal.len(),
    };
    for change in journal.iter().take(until) {
        let there = match cut {
            Cut::Dropped | Cut::Kept | Cut::Prefix => true,
            Cut::Reordered => dice.one_in(2),
            Cut::Torn => !dice.one_in(3),
        };
        if there {
            apply_one(segments, change, cut == Cut::Torn, dice);
        }
    }
}

fn apply_one(segments: &mut Segments, change: &Change, torn: bool, dice: &mut Dice) {
    match change {
        Change::Create(id, len) => {
            let len = if torn && dice.one_in(3) { dice.below(u64::from(*len) + 1) as usize } else { *len as usize };
            segments.insert(*id, alloc::vec![0; len]);
        }
        Change::Remove(id) => {
            segments.remove(id);
        }
        Change::Write(id, offset, bytes) => {
            let Some(segment) = segments.get_mut(id) else { return };
            let (from, to) = if torn { piece(bytes.len(), dice) } else { (0, bytes.len()) };
            for (at, byte) in bytes.iter().enumerate().take(to).skip(from) {
                if let Some(old) = segment.get_mut(*offset as usize + at) {
                    *old = *byte;
                }
            }
        }
    }
}

/// The part of a write of `len` bytes that a tear leaves.
fn piece(len: usize, dice: &mut Dice) -> (usize, usize) {
    let cut = dice.below(len as u64 + 1) as usize;
    match dice.below(4) {
        0 => (0, len),
        1 => (cut, len),
        2 => (0, cut),
        _ => (cut, cut + dice.below((len - cut) as u64 + 1) as usize),
    }
}
