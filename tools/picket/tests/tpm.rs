//! A home under a TPM 2.0, played by swtpm: it opens beside that TPM only, and not after a zeroize, whoever kept a copy.
#![cfg(feature = "tpm")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../firmware/safe/tests/common/swtpm.rs"]
mod swtpm;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use swtpm::Tpm;

/// Runs the tool beside this TPM.
fn picket(tpm: &Tpm, args: &[&str]) -> Output {
    tpm.command(env!("CARGO_BIN_EXE_picket")).args(args).env_remove("PICKET_PASSPHRASE_FILE").output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

struct Bench {
    tmp: tempfile::TempDir,
    home: PathBuf,
    tpm: Tpm,
}

impl Bench {
    /// A mission; alpha's home under the TPM.
    fn new() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let (dir, tpm) = (tmp.path().join("m"), Tpm::start(&tmp.path().join("tpm")));
        let home = dir.join("alpha");
        let line =
            ["mission", "quickstart", text(&dir), "--members", "alpha,bravo", "--gateways", "gw1", "--unprotected"];
        assert_eq!(code(&picket(&tpm, &line)), 0);
        let done = picket(&tpm, &["home", "protect", "--with", "tpm", "--home", text(&home)]);
        assert_eq!(code(&done), 0, "{}", said(&done));
        Self { tmp, home, tpm }
    }

    fn send(&self, tpm: &Tpm) -> Output {
        picket(tpm, &["send", "--home", text(&self.home), "--to", "bravo", "hello"])
    }

    fn copy(&self, to: &str) -> PathBuf {
        let to = self.tmp.path().join(to);
        assert!(Command::new("cp").args(["-a", text(&self.home), text(&to)]).status().unwrap().success());
        to
    }
}

/// K-75.7-1
#[test]
fn a_home_under_a_tpm_opens_beside_it_only_and_no_copy_opens_after_a_zeroize() {
    let bench = Bench::new();
    let status = picket(&bench.tpm, &["home", "status", "--home", text(&bench.home)]);
    assert!(said(&status).contains("TPM"), "{}", said(&status));
    assert_eq!(code(&bench.send(&bench.tpm)), 0);
    let other = Tpm::start(&bench.tmp.path().join("other"));
    let refused = bench.send(&other);
    assert!(code(&refused) == 7 && said(&refused).contains("another machine"), "{}", said(&refused));
    // Whoever kept the folder, beside the very TPM that made it: after a zeroize it opens nowhere.
    let kept = bench.copy("kept");
    let done = picket(&bench.tpm, &["zeroize", "--yes", "--home", text(&bench.home)]);
    assert_eq!(code(&done), 0, "{}", said(&done));
    assert!(!said(&done).contains("still has its half"), "{}", said(&done));
    let gone = picket(&bench.tpm, &["sent", "--home", text(&kept)]);
    assert_eq!(code(&gone), 7, "{}", said(&gone));
}

/// K-75.7-2
#[test]
fn a_home_that_was_put_back_is_known_by_the_tpms_counter() {
    let bench = Bench::new();
    assert_eq!(code(&bench.send(&bench.tpm)), 0);
    let backup = bench.copy("backup");
    let ordinary = bench.send(&bench.tpm);
    assert!(!said(&ordinary).contains("backup"), "{}", said(&ordinary));
    std::fs::remove_dir_all(&bench.home).unwrap();
    std::fs::rename(backup, &bench.home).unwrap();
    let restored = bench.send(&bench.tpm);
    assert!(said(&restored).contains("backup"), "it is said: {}", said(&restored));
}

/// K-75.7-3
#[test]
fn leaving_the_tpm_keeps_the_home_and_frees_its_indices() {
    let bench = Bench::new();
    let done = picket(&bench.tpm, &["home", "protect", "--with", "file", "--home", text(&bench.home)]);
    assert_eq!(code(&done), 0, "{}", said(&done));
    let other = Tpm::start(&bench.tmp.path().join("other"));
    assert_eq!(code(&bench.send(&other)), 0, "no TPM is asked any more");
}
