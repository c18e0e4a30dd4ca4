//! A program under test: started, read line by line, ended kindly or not.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// Lines that a program may be ahead of its reader.
const AHEAD: usize = 65_536;

/// A running program. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
    lines: Receiver<String>,
}

impl Process {
    /// Starts `command`; standard output is read line by line, standard error is appended to `log`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(name: &str, mut command: Command, log: &Path) -> Self {
        let err = append(log);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(err);
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{name} does not start: {e}"));
        let out = child.stdout.take().expect("piped");
        let (tx, lines) = sync_channel(AHEAD);
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if tx.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, name: name.to_owned(), log: log.to_owned(), lines }
    }

    /// The next line of standard output; `None` at its end.
    ///
    /// # Panics
    /// When none comes within `limit`.
    pub fn line(&mut self, limit: Duration) -> Option<String> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{}: no line within {} s", self.name, limit.as_secs()),
        }
    }

    /// The next line, or `None` when none comes within `limit` or at its end.
    pub fn try_line(&mut self, limit: Duration) -> Option<String> {
        self.lines.recv_timeout(limit).ok()
    }

    /// Is it still running?
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it said on standard error so far, over all its lives.
    #[must_use]
    pub fn said(&self) -> String {
        std::fs::read(&self.log).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it runs on for longer than `limit`.
    pub fn ended(&mut self, limit: Duration) -> ExitStatus {
        let child = &mut self.child;
        wait::until(&format!("{} to end", self.name), limit, || child.try_wait().ok().flatten())
    }

    /// As a power cut does to it: no chance to say anything.
    pub fn kill9(&mut self) {
        // Ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and waits; its exit code.
    ///
    /// # Panics
    /// When it does not end within `limit`.
    pub fn terminate(&mut self, limit: Duration) -> i32 {
        if let Some(pid) = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0)) {
            // Ended already is as good.
            let _ = kill_process(pid, Signal::TERM);
        }
        code(self.ended(limit))
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// What a finished program left.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Exit code; 128 + signal when it was killed.
    pub code: i32,
    /// Lines of standard output.
    pub out: Vec<String>,
    /// Standard error.
    pub err: String,
    /// How long it took.
    pub took: Duration,
}

/// Runs a command to its end; what it said on standard error is also appended to `log`.
///
/// # Panics
/// When it does not end within `limit`.
#[must_use]
pub fn finish(name: &str, command: Command, log: &Path, limit: Duration) -> Finished {
    let start = Instant::now();
    let own = log.with_extension(format!("{}.err", crate::rig::serial()));
    let mut process = Process::start(name, command, &own);
    let mut out = Vec::new();
    while let Some(line) = process.line(limit.saturating_sub(start.elapsed())) {
        out.push(line);
    }
    let code = code(process.ended(wait::PROMPT));
    let err = process.said();
    let mut all = append(log);
    // A log that cannot be written is no reason to fail a scenario.
    let _ = std::io::Write::write_all(&mut all, err.as_bytes());
    let _ = std::fs::remove_file(own);
    Finished { code, out, err, took: start.elapsed() }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn append(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
