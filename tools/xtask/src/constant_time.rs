//! `cargo xtask constant-time`: runs what handles secrets under valgrind, with the secrets marked (ctgrind).

use crate::cargo;
use std::process::Command;

/// What may be reported, by the name of the innermost function: the outcome of a check, which the caller is told anyway.
/// A case that may report nothing must not.
struct Case {
    name: &'static str,
    outcomes: &'static [&'static str],
    why: &'static str,
}

const CASES: [Case; 8] = [
    Case { name: "leaky", outcomes: &[], why: "a comparison that stops early: must be reported" },
    Case { name: "hop-mac", outcomes: &["authenticate"], why: "whether the MAC is right" },
    Case { name: "receipt-token", outcomes: &[], why: "" },
    Case { name: "aes-gcm", outcomes: &["decrypt_inout_detached"], why: "whether the tag is right" },
    Case { name: "wrapping-key", outcomes: &["decrypt_inout_detached"], why: "whether a slot opens" },
    Case { name: "passphrase", outcomes: &[], why: "" },
    Case { name: "p256-agreement", outcomes: &[], why: "" },
    Case { name: "p256-signature", outcomes: &[], why: "" },
];

/// Builds and runs every case.
///
/// # Errors
/// When something depends on a secret that must not, or valgrind is missing.
pub fn run() -> Result<(), String> {
    let folder = cargo::root().join("hil-tests/constant-time");
    let target = cargo::target_dir()?.join("constant-time");
    let manifest = folder.join("Cargo.toml");
    cargo::run(
        cargo::cargo().args(["build", "--release", "--manifest-path"]).arg(manifest).arg("--target-dir").arg(&target),
    )?;
    let program = target.join("release/picket-constant-time");
    let mut wrong = Vec::new();
    for case in &CASES {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--read-inline-info=yes", "--num-callers=20", "--error-limit=no"]).arg(&program).arg(case.name);
        let done = valgrind.output().map_err(|e| format!("valgrind: {e} (package valgrind)"))?;
        let report = String::from_utf8_lossy(&done.stderr);
        if !done.status.success() {
            return Err(format!("{} did not run to its end:\n{report}", case.name));
        }
        let found = innermost(&report);
        let (told, leaks): (Vec<_>, Vec<_>) = found.iter().partition(|f| case.outcomes.iter().any(|o| f.contains(o)));
        let good = if case.name == "leaky" { !leaks.is_empty() } else { leaks.is_empty() };
        println!(
            "{:<16} {:<5} {} reports, {} of them {}",
            case.name,
            if good { "ok" } else { "WRONG" },
            found.len(),
            told.len(),
            case.why
        );
        if !good {
            leaks.iter().for_each(|leak| println!("    {leak}"));
            wrong.push(case.name);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("depends on a secret: {}", wrong.join(", "))) }
}

/// The innermost frame of each report.
fn innermost(report: &str) -> Vec<String> {
    let lines: Vec<&str> = report.lines().filter_map(|l| l.split_once("== ").map(|(_, rest)| rest)).collect();
    let about = |l: &str| l.contains("depends on uninitialised") || l.contains("Use of uninitialised");
    let pairs = lines.windows(2).filter_map(|w| match w {
        [first, second] if about(first) => Some(second.trim().to_owned()),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_frame_of_each_report_is_found() {
        let report = "==1== Conditional jump or move depends on uninitialised value(s)\n\
                      ==1==    at 0x1: authenticate (frame.rs:293)\n==1==    by 0x2: main\n==1== \n\
                      ==1== Use of uninitialised value of size 8\n==1==    at 0x3: table (sbox.rs:1)\n";
        assert_eq!(innermost(report), ["at 0x1: authenticate (frame.rs:293)", "at 0x3: table (sbox.rs:1)"]);
    }
}
