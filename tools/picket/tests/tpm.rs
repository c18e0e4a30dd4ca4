//! A home under a TPM 2.0, played by swtpm: it opens beside that TPM only, and not after a zeroize, whoever kept a copy.
#![cfg(feature = "tpm")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use picket_safe::tpm::VARIABLE;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A TPM of its own, gone when dropped.
struct Tpm {
    child: Child,
    name: String,
}

impl Tpm {
    fn start(state: &Path) -> Self {
        std::fs::create_dir_all(state).unwrap();
        let port = free_pair();
        let child = Command::new("swtpm")
            .args(["socket", "--tpm2", "--flags", "startup-clear,not-need-init"])
            .args(["--tpmstate", &format!("dir={}", state.display())])
            .args(["--server", &format!("type=tcp,port={port}")])
            .args(["--ctrl", &format!("type=tcp,port={}", port + 1)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("swtpm runs (package swtpm)");
        let end = Instant::now() + Duration::from_secs(20);
        // Its control port: a connection to the other one would be taken for its one client.
        while TcpStream::connect(("127.0.0.1", port + 1)).is_err() {
            assert!(Instant::now() < end, "swtpm does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, name: format!("swtpm:host=127.0.0.1,port={port}") }
    }

    fn picket(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_picket"))
            .args(args)
            .env(VARIABLE, &self.name)
            .env("TSS2_LOG", "all+none")
            .env_remove("PICKET_PASSPHRASE_FILE")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two neighbouring ports that are free now.
fn free_pair() -> u16 {
    (0..100)
        .find_map(|_| {
            let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
            let next = port.checked_add(1)?;
            TcpListener::bind(("127.0.0.1", next)).ok().map(|_| port)
        })
        .unwrap()
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
        assert_eq!(code(&tpm.picket(&line)), 0);
        let done = tpm.picket(&["home", "protect", "--with", "tpm", "--home", text(&home)]);
        assert_eq!(code(&done), 0, "{}", said(&done));
        Self { tmp, home, tpm }
    }

    fn send(&self, tpm: &Tpm) -> Output {
        tpm.picket(&["send", "--home", text(&self.home), "--to", "bravo", "hello"])
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
    let status = bench.tpm.picket(&["home", "status", "--home", text(&bench.home)]);
    assert!(said(&status).contains("TPM"), "{}", said(&status));
    assert_eq!(code(&bench.send(&bench.tpm)), 0);
    let other = Tpm::start(&bench.tmp.path().join("other"));
    let refused = bench.send(&other);
    assert!(code(&refused) == 7 && said(&refused).contains("another machine"), "{}", said(&refused));
    // Whoever kept the folder, beside the very TPM that made it: after a zeroize it opens nowhere.
    let kept = bench.copy("kept");
    let done = bench.tpm.picket(&["zeroize", "--yes", "--home", text(&bench.home)]);
    assert_eq!(code(&done), 0, "{}", said(&done));
    assert!(!said(&done).contains("still has its half"), "{}", said(&done));
    let gone = bench.tpm.picket(&["sent", "--home", text(&kept)]);
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
    let done = bench.tpm.picket(&["home", "protect", "--with", "file", "--home", text(&bench.home)]);
    assert_eq!(code(&done), 0, "{}", said(&done));
    let other = Tpm::start(&bench.tmp.path().join("other"));
    assert_eq!(code(&bench.send(&other)), 0, "no TPM is asked any more");
}
