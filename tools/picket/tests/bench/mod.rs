//! The real program in a folder of its own: provisioning, as people type it.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A folder in which the real program is run.
pub struct Bench {
    pub tmp: tempfile::TempDir,
    pub softhsm: Option<PathBuf>,
}

impl Bench {
    pub fn new() -> Self {
        Self { tmp: tempfile::tempdir().unwrap(), softhsm: None }
    }

    pub fn path(&self, name: &str) -> String {
        self.tmp.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.tmp.path().join(name), text).unwrap();
        self.path(name)
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_picket"));
        command.args(line.split_whitespace()).current_dir(self.tmp.path());
        for name in ["PICKET_PASSPHRASE_FILE", "PICKET_HOME", "PICKET_PKCS11", "PICKET_PIN_FILE"] {
            command.env_remove(name);
        }
        if let Some(conf) = &self.softhsm {
            command.env("SOFTHSM2_CONF", conf);
        }
        command
    }

    pub fn run(&self, line: &str) -> Output {
        self.command(line).stdin(Stdio::null()).output().unwrap()
    }

    /// What must be done; its standard output.
    pub fn must(&self, line: &str) -> String {
        let done = self.run(line);
        assert!(done.status.success(), "picket {line}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// What must be refused with this exit code; its standard error.
    pub fn refused(&self, line: &str, code: i32) -> String {
        let done = self.run(line);
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(code), "picket {line}: {said}");
        assert!(said.contains("next:"), "{said}");
        said
    }

    /// With these lines on standard input.
    pub fn scan(&self, line: &str, lines: &[String]) -> Output {
        let mut child =
            self.command(line).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Whoever has all parts reads no further.
        let _ = child.stdin.take().unwrap().write_all(lines.join("\n").as_bytes());
        child.wait_with_output().unwrap()
    }
}

/// Texts of a file's codes.
pub fn parts(bench: &Bench, file: &str) -> Vec<String> {
    let shown = bench.must(&format!("--json qr {file}"));
    shown.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["text"].as_str().unwrap().to_owned()).collect()
}

/// What it said on standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
