//! `picket inbox --follow --json` of one member, read as it goes.

use crate::error::Failure;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// A member who reads along.
pub(super) struct Follower {
    child: Child,
    lines: Receiver<Value>,
    /// Every message shown so far, in order.
    pub(super) shown: Vec<Value>,
}

impl Follower {
    /// Starts following.
    pub(super) fn start(home: &Path, via: &str) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(|e| Failure::internal(e.to_string()))?;
        let mut child = Command::new(program)
            .args(["inbox", "--follow", "--json", "--via", via, "--home"])
            .arg(home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| Failure::internal(format!("inbox process: {e}")))?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::internal("no output of inbox"))?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Ok(value) = serde_json::from_str(&line) else { continue };
                if sender.send(value).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, lines, shown: Vec::new() })
    }

    /// Waits until the message `id` is shown.
    pub(super) fn wait_for(&mut self, id: &str, within: Duration) -> Result<Value, Failure> {
        let deadline = std::time::Instant::now() + within;
        loop {
            if let Some(message) = self.shown.iter().find(|m| m["id"] == id) {
                return Ok(message.clone());
            }
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            let message = self
                .lines
                .recv_timeout(left)
                .map_err(|_| Failure::internal(format!("message {id} was not shown within {} s", within.as_secs())))?;
            self.shown.push(message);
        }
    }

    /// What has been shown since the last look, without waiting.
    pub(super) fn news(&mut self) -> Vec<Value> {
        let news: Vec<Value> = self.lines.try_iter().collect();
        self.shown.extend(news.iter().cloned());
        news
    }

    /// How often a message was shown.
    pub(super) fn times_shown(&mut self, id: &str) -> usize {
        self.news();
        self.shown.iter().filter(|m| m["id"] == id).count()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill(); // gone already is as good
        let _ = self.child.wait();
    }
}
