//! Memory for secrets: pages of their own, locked (never swapped) and left out of core files, erased when dropped. Not the
//! whole process: only what would open something (spec §75.6).

use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};
use rustix::mm::{Advice, MapFlags, MlockFlags, ProtFlags, madvise, mlock, mlock_with, mmap_anonymous, munmap};
use std::io;
use zeroize::Zeroize;

const PAGE: usize = 4096;

/// Whether any page could not be locked in this process.
static UNLOCKED: AtomicBool = AtomicBool::new(false);
/// Whether the heap for secrets was ever full in this process, so that some went elsewhere.
static OVERFULL: AtomicBool = AtomicBool::new(false);

/// A value in pages of its own.
///
/// ```
/// use picket_safe::locked::Locked;
/// let mut key = Locked::new([0_u8; 32])?;
/// key[0] = 7;
/// assert_eq!(key[0], 7);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Locked<T> {
    place: NonNull<T>,
    bytes: usize,
}

/// The name of a warning: pages with secrets may be swapped out.
pub const NOT_LOCKED: &str = "memory_not_locked: pages with keys could not be locked and may reach the swap; raise \
                              `ulimit -l` (LimitMEMLOCK= in the unit) or switch the swap off";

/// The warning, if any page of this process could not be locked.
#[must_use]
pub fn warning() -> Option<&'static str> {
    (is_unlocked() || OVERFULL.load(Ordering::Relaxed)).then_some(NOT_LOCKED)
}

pub(crate) fn is_unlocked() -> bool {
    UNLOCKED.load(Ordering::Relaxed)
}

/// Notes that the heap for secrets is full.
pub(crate) fn overfull() {
    OVERFULL.store(true, Ordering::Relaxed);
}

/// Locks each page of a range once it is used, and leaves the range out of core files. The range is the caller's own, and
/// mapped; a page in part counts as a whole.
#[allow(unsafe_code)]
pub(crate) fn lock_when_used(low: *mut u8, bytes: usize) {
    let begin = low.map_addr(|a| a - a % PAGE);
    let bytes = (low.addr() + bytes).next_multiple_of(PAGE) - begin.addr();
    // SAFETY: locking changes nothing that is read or written; a range that is not mapped is refused.
    if unsafe { mlock_with(begin.cast(), bytes, MlockFlags::ONFAULT) }.is_err() {
        UNLOCKED.store(true, Ordering::Relaxed);
    }
    for advice in [Advice::LinuxDontDump, Advice::LinuxNoHugepage] {
        // SAFETY: neither advice changes what is read or written.
        let _ = unsafe { madvise(begin.cast(), bytes, advice) }; // core dumps are off as well; large pages cost memory only
    }
}

#[allow(unsafe_code)]
impl<T> Locked<T> {
    /// Moves `value` into locked pages. What `value` was built from must be erased by whoever built it.
    ///
    /// # Errors
    /// When the system gives no page. A page that cannot be locked is used all the same: see [`warning`].
    pub fn new(value: T) -> io::Result<Self> {
        let bytes = size_of::<T>().max(1).next_multiple_of(PAGE);
        if align_of::<T>() > PAGE {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // SAFETY: a private anonymous mapping at an address the kernel chooses touches no other memory.
        let page = unsafe {
            mmap_anonymous(core::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        }?;
        // SAFETY: the range is the mapping just made.
        let locked = unsafe { mlock(page, bytes) };
        if locked.is_err() {
            UNLOCKED.store(true, Ordering::Relaxed);
        }
        // SAFETY: the range is the mapping just made; the advice changes nothing that is read from it.
        let _ = unsafe { madvise(page, bytes, Advice::LinuxDontDump) }; // core dumps are off altogether as well
        let place = NonNull::new(page.cast::<T>()).ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: the mapping is writable, large enough, aligned to a page, and nothing else points into it.
        unsafe { place.as_ptr().write(value) };
        Ok(Self { place, bytes })
    }
}

#[allow(unsafe_code)]
impl<T> Deref for Locked<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: `place` holds a valid T from `new` until `drop`, and is only reached through this value.
        unsafe { self.place.as_ref() }
    }
}

#[allow(unsafe_code)]
impl<T> DerefMut for Locked<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; `&mut self` makes the access the only one.
        unsafe { self.place.as_mut() }
    }
}

#[allow(unsafe_code)]
impl<T> Drop for Locked<T> {
    fn drop(&mut self) {
        // SAFETY: the value is dropped once, here; afterwards the pages are plain bytes, erased and given back, and
        // nothing points into them.
        unsafe {
            self.place.as_ptr().drop_in_place();
            core::slice::from_raw_parts_mut(self.place.as_ptr().cast::<u8>(), self.bytes).zeroize();
            let _ = munmap(self.place.as_ptr().cast(), self.bytes); // unmapping unlocks; nothing to do if it fails
        }
    }
}

// SAFETY: a `Locked` owns its value as a `Box` does.
#[allow(unsafe_code)]
unsafe impl<T: Send> Send for Locked<T> {}
// SAFETY: as above: shared access gives `&T` only.
#[allow(unsafe_code)]
unsafe impl<T: Sync> Sync for Locked<T> {}

impl<T> core::fmt::Debug for Locked<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Locked(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn locked_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|l| l.starts_with("VmLck:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// K-75.6-2
    #[test]
    fn a_secret_lies_in_locked_pages_and_they_are_given_back() {
        let secrets: Vec<_> = (0..4).map(|n| Locked::new([n as u8; 5000]).unwrap()).collect();
        assert!(is_unlocked() || locked_kib() >= 32, "four values of two pages each");
        assert!(secrets.iter().enumerate().all(|(n, s)| s.iter().all(|b| usize::from(*b) == n)));
        assert_eq!(format!("{:?}", secrets[0]), "Locked(..)");
    }

    #[test]
    fn what_is_in_it_is_dropped_once() {
        let counted = std::sync::Arc::new(());
        let locked = Locked::new(std::sync::Arc::clone(&counted)).unwrap();
        assert_eq!(std::sync::Arc::strong_count(&counted), 2);
        drop(locked);
        assert_eq!(std::sync::Arc::strong_count(&counted), 1);
    }
}
