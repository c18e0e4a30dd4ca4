//! A bench: a mission from fixed randomness, gateways' configurations in a temporary folder, the real daemon.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Waiting for another process: there is no event to await.
#![allow(clippy::disallowed_methods)]

pub mod broker;
pub mod member;
pub mod provision;

use provision::Provisioned;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A folder with `gw1.keyfill` and whatever configurations are written to it.
pub struct Bench {
    pub folder: tempfile::TempDir,
    pub mission: Provisioned,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mission = Provisioned::new();
        for gateway in ["gw1", "gw2"] {
            fs::write(folder.path().join(format!("{gateway}.keyfill")), mission.keyfill(gateway)).unwrap();
        }
        Self { folder, mission }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a configuration of `gateway` with `more` after `[gateway]`.
    pub fn configure(&self, gateway: &str, more: &str) -> PathBuf {
        let file = self.path(&format!("{gateway}.toml"));
        let head = format!(
            "version = 1\n[gateway]\nname = \"{gateway}\"\nkeyfill = \"{gateway}.keyfill\"\nstate = \"state/{gateway}\"\ncontrol = \"run/{gateway}.ctl\"\n"
        );
        fs::write(&file, head + more).unwrap();
        file
    }

    pub fn start(&self, gateway: &str, more: &str) -> Daemon {
        Daemon::start(&self.configure(gateway, more), self.path(&format!("run/{gateway}.ctl")))
    }
}

pub fn picketd() -> Command {
    Command::new(env!("CARGO_BIN_EXE_picketd"))
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    pub child: Child,
    pub control: PathBuf,
}

impl Daemon {
    pub fn start(config: &Path, control: PathBuf) -> Self {
        let mut daemon = Self::spawn(config, control);
        daemon.await_up();
        daemon
    }

    /// Waits until it serves.
    pub fn await_up(&mut self) {
        let until = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(&self.control).is_err() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("picketd ended with {status}");
            }
            assert!(Instant::now() < until, "picketd does not serve");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn spawn(config: &Path, control: PathBuf) -> Self {
        let child = picketd().arg("--config").arg(config).stdin(Stdio::null()).spawn().unwrap();
        Self { child, control }
    }

    pub fn ask(&self, request: &serde_json::Value) -> serde_json::Value {
        let mut stream = UnixStream::connect(&self.control).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        writeln!(stream, "{request}").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    pub fn status(&self) -> serde_json::Value {
        self.ask(&serde_json::json!("status"))["status"].take()
    }

    /// Asks for the status until `holds`.
    pub fn await_status(&self, what: &str, holds: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let status = self.status();
            if holds(&status) {
                return status;
            }
            assert!(Instant::now() < until, "{what}: {status:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn terminate(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
