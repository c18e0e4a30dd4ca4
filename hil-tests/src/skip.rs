//! Named skips: what cannot run here says so, and in CI it is a failure.

use std::io::Write;

/// Notes that a scenario, or a part of it, cannot run here.
///
/// # Panics
/// When `CI` is set: there, what a scenario needs must be present.
pub fn skip(scenario: &str, reason: &str) {
    eprintln!("SKIPPED {scenario}: {reason}");
    assert!(std::env::var_os("CI").is_none_or(|v| v.is_empty()), "{scenario} cannot run in CI: {reason}");
    let Some(list) = std::env::var_os("PICKET_SKIPS") else { return };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(list).expect("the list of skips opens");
    writeln!(file, "{scenario}: {reason}").expect("the list of skips takes a line");
}

/// Is this process root, as namespaces and mounts need?
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Is a program of the system there?
#[must_use]
pub fn has(program: &str) -> bool {
    find(program).is_some()
}

/// A program of the system, in PATH or where daemons and administrators' programs live.
#[must_use]
pub fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|f| f.join(program)).find(|p| p.is_file())
}
