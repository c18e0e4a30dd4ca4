//! Waiting for something to become true, with a limit and a name for it.

use std::time::{Duration, Instant};

/// Longest that anything which should happen promptly may take on a loaded machine.
pub const PROMPT: Duration = Duration::from_secs(30);

/// How often a condition without an event of its own is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until `look` finds something.
///
/// # Panics
/// When it does not within `limit`.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {} s for {what}", limit.as_secs());
        std::thread::sleep(LOOK);
    }
}
