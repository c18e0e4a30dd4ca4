//! A heap for secrets: what a program allocates while it works with keys lies in one locked range, and is erased when it
//! is freed (spec §75.6).
//!
//! Keys are copied by everything that is moved or grows: a vector that is reallocated leaves its old bytes behind. So it
//! is not enough to lock the places where keys live on purpose ([`crate::locked`]). A program makes [`SecretHeap`] its
//! allocator, calls [`prepare`] once, and does what has to do with keys [`within`] it. Everything else is allocated as ever.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicUsize, Ordering};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use std::alloc::System;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use talc::DefaultBinning;
use talc::base::Talc;
use talc::source::Manual;
use zeroize::Zeroize;

use crate::limits::{HEAP, HEAP_ALLOCATION_MAX};
use crate::locked;

/// Where the range begins; 0 before [`prepare`].
static BASE: AtomicUsize = AtomicUsize::new(0);
/// What is free in it.
static FREE: Mutex<Talc<Manual, DefaultBinning>> = Mutex::new(Talc::new(Manual));

thread_local! {
    static WITHIN: Cell<bool> = const { Cell::new(false) };
}

/// The allocator: make it the program's with `#[global_allocator]`.
pub struct SecretHeap;

/// Maps and locks the range. Pages are taken as they are first used.
///
/// # Errors
/// When the system gives no pages; everything is allocated as ever then. Pages that cannot be locked are used all the
/// same: see [`locked::warning`].
#[allow(unsafe_code)]
pub fn prepare() -> io::Result<()> {
    let mut free = free();
    if BASE.load(Ordering::Acquire) != 0 {
        return Ok(());
    }
    // SAFETY: a private anonymous mapping at an address the kernel chooses touches no other memory.
    let range =
        unsafe { mmap_anonymous(core::ptr::null_mut(), HEAP, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) }?;
    locked::lock_when_used(range.cast(), HEAP);
    // SAFETY: the mapping is never given back, and nobody but this allocator has its address.
    unsafe { free.claim(range.cast(), HEAP) }.ok_or(io::ErrorKind::OutOfMemory)?;
    BASE.store(range.addr(), Ordering::Release);
    Ok(())
}

/// What `work` allocates on this thread lies in the locked range, as long as it is small and there is room: larger
/// things are content, not keys. What it frees is erased, wherever it lies.
pub fn within<T>(work: impl FnOnce() -> T) -> T {
    set(true, work)
}

/// The opposite, for what holds no key and may grow large: an index of what lies encrypted on the medium.
pub fn outside<T>(work: impl FnOnce() -> T) -> T {
    set(false, work)
}

fn set<T>(to: bool, work: impl FnOnce() -> T) -> T {
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            WITHIN.set(self.0);
        }
    }
    let _back = Back(WITHIN.replace(to));
    work()
}

fn free() -> MutexGuard<'static, Talc<Manual, DefaultBinning>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_ours(place: *mut u8) -> bool {
    let base = BASE.load(Ordering::Acquire);
    base != 0 && place.addr().wrapping_sub(base) < HEAP
}

/// `None` where it is not for us: too large, not within, no room.
#[allow(unsafe_code)]
fn allocate(layout: Layout) -> Option<*mut u8> {
    if !WITHIN.get() || layout.size() > HEAP_ALLOCATION_MAX || BASE.load(Ordering::Acquire) == 0 {
        return None;
    }
    // SAFETY: whoever asks an allocator asks for at least one byte.
    let place = unsafe { free().try_allocate(layout) };
    if place.is_none() {
        locked::overfull();
    }
    place.map(core::ptr::NonNull::as_ptr)
}

// SAFETY: each place comes from one of two allocators and goes back to the same one, told apart by its address; the
// layouts are passed on unchanged. Nothing here allocates: a mutex of this platform does not, nor does a thread-local
// without a destructor.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for SecretHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about `layout` is ours.
        allocate(layout).unwrap_or_else(|| unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(place) = allocate(layout) else {
            // SAFETY: the caller's promise about `layout` is ours. The system's zeros need no writing.
            return unsafe { System.alloc_zeroed(layout) };
        };
        // SAFETY: just allocated with this size.
        unsafe { place.write_bytes(0, layout.size()) };
        place
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        let ours = is_ours(place);
        if ours || WITHIN.get() {
            // SAFETY: the caller gives up these bytes, which nobody else reads any more.
            unsafe { core::slice::from_raw_parts_mut(place.cast::<MaybeUninit<u8>>(), layout.size()) }.zeroize();
        }
        if ours {
            // SAFETY: in our range, so it came from there with this layout.
            unsafe { free().deallocate(place, layout) };
        } else {
            // SAFETY: not in our range, so it came from the system with this layout.
            unsafe { System.dealloc(place, layout) };
        }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !is_ours(place) && !WITHIN.get() {
            // SAFETY: not in our range, so it came from the system with this layout.
            return unsafe { System.realloc(place, layout, size) };
        }
        // SAFETY: the caller promises that `size` makes a layout with this alignment.
        let grown = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: as above; the two places do not overlap, since the old one is not free yet, and both hold the copied bytes.
        unsafe {
            let fresh = self.alloc(grown);
            if !fresh.is_null() {
                fresh.copy_from_nonoverlapping(place, layout.size().min(size));
                self.dealloc(place, layout);
            }
            fresh
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    // The unit tests' own allocator: everything below runs on it.
    #[global_allocator]
    static HEAP_UNDER_TEST: SecretHeap = SecretHeap;

    fn is_here<T>(of: *const T) -> bool {
        is_ours(of.cast_mut().cast())
    }

    /// K-75.6-4
    #[test]
    fn what_is_allocated_within_lies_in_the_range_and_nothing_else() {
        prepare().unwrap();
        let before = Box::new(1_u64);
        let (small, large, after) = within(|| (vec![2_u8; 100], vec![3_u8; HEAP_ALLOCATION_MAX + 1], Box::new(4_u64)));
        assert!(!is_here(&raw const *before));
        assert!(is_here(small.as_ptr()) && is_here(&raw const *after));
        assert!(!is_here(large.as_ptr()), "content, not keys");
        let index = within(|| outside(|| Box::new(6_u64)));
        assert!(!is_here(&raw const *index));
        let other = within(|| std::thread::spawn(|| Box::new(5_u64)).join().unwrap());
        assert!(!is_here(&raw const *other), "another thread is not within");
        drop((before, small, large, after, other));
    }

    /// K-75.6-4
    #[test]
    #[allow(unsafe_code)]
    fn what_is_freed_or_outgrown_is_erased() {
        prepare().unwrap();
        // Held all the time, so that nobody else is given a place that is looked at.
        let mut secret = within(|| Vec::with_capacity(64));
        secret.extend_from_slice(&[0xA5_u8; 64]);
        let was = secret.as_ptr();
        within(|| secret.reserve_exact(4_000));
        assert_ne!(was, secret.as_ptr());
        assert_eq!(secret, [0xA5; 64]);
        // SAFETY: the range stays mapped for ever; at worst other tests' bytes are read.
        let left = unsafe { core::slice::from_raw_parts(was, 64) };
        assert!(left.windows(8).all(|w| w != [0xA5; 8]), "{left:x?}");
    }

    /// A panic within, a vector that moves between the two heaps, and every size.
    #[test]
    fn it_works_as_an_allocator() {
        prepare().unwrap();
        assert!(std::panic::catch_unwind(|| within(|| std::panic::panic_any(7))).is_err());
        assert!(!WITHIN.get(), "put back");
        let mut lists: Vec<Vec<u32>> = Vec::new();
        for round in 0..2_000_u32 {
            let mut list = if round % 3 == 0 { vec![round] } else { within(|| vec![round]) };
            let more = (round * 7_919 % 900) as usize;
            if round % 2 == 0 {
                within(|| list.resize(more + 1, round))
            } else {
                list.resize(more + 1, round)
            }
            lists.push(list);
            if lists.len() > 40 {
                let gone = lists.swap_remove((round % 40) as usize);
                assert!(gone.iter().all(|n| *n == gone[0]));
            }
        }
    }

    /// K-75.6-2
    #[test]
    fn when_it_is_full_the_program_goes_on_and_says_so() {
        prepare().unwrap();
        let many: Vec<Vec<u8>> =
            within(|| (0..=HEAP / HEAP_ALLOCATION_MAX).map(|_| vec![1; HEAP_ALLOCATION_MAX]).collect());
        assert!(many.iter().any(|v| !is_here(v.as_ptr())));
        assert!(locked::warning().is_some());
    }
}
