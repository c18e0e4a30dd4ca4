//! A stack for secrets: keys pass through it, and every call leaves some behind (spec §75.6).

use core::ptr;
use std::io;
use std::thread;

use crate::limits::{STACK, STACK_LOCKED};
use crate::locked;

/// Bytes below the caller that [`scrub`] erases: more than any work with keys has been seen to use in a release build.
const SCRUBBED: usize = 256 << 10;

/// Runs `work` on a thread of its own, whose stack is locked and left out of core files. Pages are taken as they are
/// first used; such that cannot be locked are used all the same: see [`locked::warning`].
///
/// # Errors
/// When the system gives no thread.
///
/// # Panics
/// With `work`'s own panic.
pub fn on_locked<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let begun = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || {
            lock_own();
            work()
        })?;
        begun.join().map_err(|panic| std::panic::resume_unwind(panic))
    })
}

/// What is below the caller's own frame. The frames above hold nothing yet.
#[inline(never)]
fn lock_own() {
    let here = 0_u8;
    let low = (&raw const here).addr().saturating_sub(STACK_LOCKED);
    locked::lock_when_used(ptr::with_exposed_provenance_mut(low), STACK_LOCKED);
}

/// Erases what calls that have returned left on the stack below. Call it where work with keys is done: what it returned
/// from must not be inlined into the caller.
pub fn scrub() {
    zeroize::zeroize_stack::<SCRUBBED>();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Flags of the mapping that holds this address.
    fn flags(place: usize) -> String {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            if let Some((low, high)) = line.split(' ').next().unwrap().split_once('-') {
                let of = |hex: &str| usize::from_str_radix(hex, 16).unwrap();
                inside = (of(low)..of(high)).contains(&place);
            } else if inside && let Some(flags) = line.strip_prefix("VmFlags: ") {
                return flags.to_owned();
            }
        }
        String::new()
    }

    #[inline(never)]
    fn deep(levels: usize) -> usize {
        let frame = [7_u8; 4096];
        let place = core::hint::black_box(&frame).as_ptr().addr();
        if levels == 0 { place } else { core::hint::black_box(deep(levels - 1)) }
    }

    /// K-75.6-4
    #[test]
    fn the_stack_is_locked_however_deep_the_work_goes() {
        let place = on_locked(|| (flags(deep(1)), flags(deep(100)))).unwrap();
        for flags in [place.0, place.1] {
            assert!(locked::is_unlocked() || (flags.contains(" lo") && flags.contains(" dd")), "{flags}");
        }
        assert!(!flags(deep(1)).contains(" lo"), "only that one");
    }

    #[test]
    fn a_panic_of_the_work_is_passed_on() {
        assert!(std::panic::catch_unwind(|| on_locked(|| std::panic::panic_any(7))).is_err());
    }

    #[inline(never)]
    fn leave(behind: u8) -> *const u8 {
        let frame = [behind; 512];
        core::hint::black_box(&frame).as_ptr()
    }

    /// K-75.6-4
    #[test]
    #[allow(unsafe_code)]
    fn what_calls_left_on_the_stack_is_erased() {
        let found = on_locked(|| {
            let place = leave(0xA5);
            scrub();
            // SAFETY: below this frame, in a stack that is mapped as a whole; volatile, as nothing promises what is there.
            (0..512).filter(|n| unsafe { place.add(*n).read_volatile() } == 0xA5).count()
        });
        assert!(found.unwrap() < 64, "but for what this very look writes there");
    }
}
