//! No core files: neither of a crash nor by a debugger of the same user (spec §75.6).

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// The name of a warning: the system did not let us forbid core files.
pub const DUMPABLE: &str = "core_dumps_not_forbidden: a crash may write keys to a core file; set `ulimit -c 0`";

/// Forbids core files and other processes of the same user to look in. Call it first of all.
///
/// # Errors
/// [`DUMPABLE`]: go on, but say so.
pub fn process() -> Result<(), &'static str> {
    let limited = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let closed = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    limited.and(closed).map_err(|_| DUMPABLE)
}
