//! A gateway whose keys are sealed under a TPM 2.0, played by swtpm: it starts unattended beside that TPM only, and no copy
//! of its folder starts after a zeroize.
#![cfg(feature = "tpm")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod common;
#[path = "../../safe/tests/common/swtpm.rs"]
mod swtpm;

use common::{Bench, Daemon};
use std::path::Path;
use std::process::{Command, Output};
use swtpm::Tpm;

fn picketd(tpm: &Tpm, args: &[&str]) -> Output {
    tpm.command(env!("CARGO_BIN_EXE_picketd")).args(args).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// K-75.7-1
#[test]
fn a_gateway_under_a_tpm_starts_unattended_beside_it_only_and_no_copy_starts_after_a_zeroize() {
    let bench = Bench::new();
    let config = bench.configure("gw1", "[[link]]\nname = \"attach\"\nkind = \"unix\"\npath = \"run/gw1.sock\"\n");
    let (tpm, other) = (Tpm::start(&bench.path("tpm")), Tpm::start(&bench.path("other")));
    let keyfill = bench.path("gw1.keyfill");
    let done = picketd(&tpm, &["--config", text(&config), "--import-keyfill", text(&keyfill), "--wrap", "tpm"]);
    assert!(done.status.success() && !said(&done).contains("NOT protected"), "{}", said(&done));
    assert!(!keyfill.exists());
    let refused = picketd(&other, &["check", text(&config)]);
    assert!(refused.status.code() == Some(2) && said(&refused).contains("another machine"), "{}", said(&refused));

    let child = tpm.command(env!("CARGO_BIN_EXE_picketd")).arg("--config").arg(&config).spawn().unwrap();
    let mut daemon = Daemon { child, control: bench.path("run/gw1.ctl") };
    daemon.await_up();
    assert_eq!(daemon.status()["keys"]["kept"], "tpm");
    assert!(daemon.status()["keys"]["warnings"].as_array().unwrap().is_empty());
    assert!(daemon.terminate().success());

    let (state, kept) = (bench.path("state"), bench.path("kept"));
    assert!(Command::new("cp").args(["-a", text(&state), text(&kept)]).status().unwrap().success());
    let done = picketd(&tpm, &["--config", text(&config), "--zeroize", "--yes"]);
    assert!(done.status.success() && !said(&done).contains("keeps its half"), "{}", said(&done));
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::rename(&kept, &state).unwrap();
    let gone = picketd(&tpm, &["check", text(&config)]);
    assert_eq!(gone.status.code(), Some(2), "put back, and yet: {}", said(&gone));
}
