//! `cargo xtask constant-time`: runs what handles secrets under valgrind, with the secrets marked (ctgrind).

use crate::{cargo, needs};
use std::process::Command;

/// What may be reported: the outcome of a check, which is told anyway, by the innermost function; or anything inside of
/// what is named by `within`.
struct Case {
    name: &'static str,
    outcomes: &'static [&'static str],
    within: Option<&'static str>,
    why: &'static str,
}

const fn case(name: &'static str, outcomes: &'static [&'static str], why: &'static str) -> Case {
    Case { name, outcomes, within: None, why }
}

/// Whether a slot opens, and to what.
const OPENS: &[&str] = &["decrypt_inout_detached", "KeyFile::open"];

const CASES: [Case; 8] = [
    case("leaky", &[], "a comparison that stops early: it must be reported"),
    case("hop-mac", &["authenticate"], "whether the MAC is right"),
    case("receipt-token", &[], "whether the token is right"),
    case("aes-gcm", &["decrypt_inout_detached"], "whether the tag is right"),
    case("wrapping-key", OPENS, "whether a slot opens, and to what"),
    Case {
        name: "passphrase",
        outcomes: OPENS,
        within: Some("argon2"),
        why: "the same; and Argon2id, which in its second half reads where the passphrase says (RFC 9106)",
    },
    // sec1's `point.rs` encodes the public half, and nothing else.
    case(
        "p256-agreement",
        &["elliptic_curve::scalar", "from_bytes<p256", "src/point.rs"],
        "whether a secret is a scalar at all, and its public half",
    ),
    case(
        "p256-signature",
        &["elliptic_curve::scalar", "from_bytes<p256", "src/point.rs", "from_scalars", "KGenerator", "unwrap<p256"],
        "the same of the nonce and of both halves",
    ),
];

/// Builds and runs every case.
///
/// # Errors
/// When something depends on a secret that must not, or valgrind is missing.
pub fn run() -> Result<(), String> {
    needs::install_missing(needs::Set::Proofs);
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
        let found = reports(&report);
        let (told, leaks): (Vec<_>, Vec<_>) = found.iter().partition(|report| case.allows(report));
        let good = if case.name == "leaky" { !leaks.is_empty() } else { leaks.is_empty() };
        let verdict = if good { "ok" } else { "WRONG" };
        println!("{:<15} {verdict:<5} {:>3} reports; {} tell {}", case.name, found.len(), told.len(), case.why);
        if !good {
            leaks.iter().filter_map(|leak| leak.first()).for_each(|leak| println!("    {leak}"));
            wrong.push(case.name);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("depends on a secret: {}", wrong.join(", "))) }
}

impl Case {
    fn allows(&self, report: &[String]) -> bool {
        let outcome = report.first().is_some_and(|at| self.outcomes.iter().any(|o| at.contains(o)));
        outcome || self.within.is_some_and(|name| report.iter().any(|frame| frame.contains(name)))
    }
}

/// The frames of each report, innermost first.
fn reports(text: &str) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    let mut inside = false;
    for line in text.lines().filter_map(|l| l.split_once("== ").map(|(_, rest)| rest.trim())) {
        if line.contains("depends on uninitialised") || line.contains("Use of uninitialised") {
            found.push(Vec::new());
            inside = true;
        } else if !line.starts_with("at 0x") && !line.starts_with("by 0x") {
            inside = false;
        } else if let Some(frames) = found.last_mut().filter(|_| inside) {
            frames.push(line.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_and_only_outcomes_allowed() {
        let text = "==1== Conditional jump or move depends on uninitialised value(s)\n\
                    ==1==    at 0x1: authenticate (frame.rs:293)\n==1==    by 0x2: main\n==1== \n\
                    ==1== Use of uninitialised value of size 8\n==1==    at 0x3: table (sbox.rs:1)\n\
                    ==1==    by 0x4: authenticate (frame.rs:290)\n==1== \n==1== HEAP SUMMARY:\n";
        let found = reports(text);
        let lengths: Vec<usize> = found.iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 2]);
        let mac = case("x", &["authenticate"], "");
        assert!(mac.allows(&found[0]) && !mac.allows(&found[1]), "what it calls must not leak");
        assert!(Case { within: Some("authenticate"), ..mac }.allows(&found[1]));
    }
}
