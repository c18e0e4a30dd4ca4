//! The demo: two gateways, a radio and a broker on this machine, and a story told by doing it.

use crate::error::{Exit, Failure};
use crate::output::Output;

/// Runs the demo; with `once` it ends by itself.
///
/// # Errors
/// When any leg of the story does not go as told.
pub fn run(once: bool, out: &Output) -> Result<Exit, Failure> {
    let _ = once;
    out.warn("the demo's story is not in this build");
    Err(Failure::usage("no story to tell", "update to a version that has one"))
}
