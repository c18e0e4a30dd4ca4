//! A TPM 2.0 played by swtpm, for the tests of both programs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, dead_code)]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A TPM of its own, gone when dropped.
pub struct Tpm {
    child: Child,
    name: String,
}

impl Tpm {
    pub fn start(state: &Path) -> Self {
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

    /// A command that finds this TPM.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env(picket_safe::tpm::VARIABLE, &self.name).env("TSS2_LOG", "all+none").stdin(Stdio::null());
        command
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
