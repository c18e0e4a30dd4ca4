//! A member under test: the tool that people use, by its command line and its JSON.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Finished, Process, finish};
use crate::programs::program;
use crate::wait;

/// Longest that a command may take that waits for nothing.
const COMMAND: Duration = Duration::from_secs(60);

/// A member's home and way.
#[derive(Clone, Debug)]
pub struct Member {
    name: String,
    home: PathBuf,
    via: String,
    log: PathBuf,
}

/// What a command said.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The command's end.
    pub end: Finished,
    /// Its JSON lines.
    pub lines: Vec<Value>,
}

impl Outcome {
    /// Of the first line that has one.
    ///
    /// # Panics
    /// When none has.
    #[must_use]
    pub fn id(&self) -> String {
        let id = self.lines.iter().find_map(|l| l["id"].as_str());
        id.unwrap_or_else(|| panic!("no id in {:?}, standard error: {}", self.lines, self.end.err)).to_owned()
    }

    /// The states that were reported, in order.
    #[must_use]
    pub fn states(&self) -> Vec<&str> {
        self.lines.iter().filter_map(|l| l["state"].as_str()).collect()
    }

    /// The last `{"error": …}` object on standard error.
    #[must_use]
    pub fn error(&self) -> Value {
        let objects = self.end.err.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        objects.filter_map(|v| v.get("error").cloned()).next_back().unwrap_or(Value::Null)
    }

    /// Holds the command to an exit code.
    ///
    /// # Panics
    /// When it ended with another.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.end.code, code, "{:?}\nstandard error: {}", self.lines, self.end.err);
        self
    }
}

impl Member {
    /// A member with this home, reached by this way.
    #[must_use]
    pub fn new(name: &str, home: PathBuf, via: String, log: PathBuf) -> Self {
        Self { name: name.to_owned(), home, via, log }
    }

    /// The same member by another way.
    #[must_use]
    pub fn via(&self, via: &str) -> Self {
        Self { via: via.to_owned(), ..self.clone() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its home.
    #[must_use]
    pub const fn home(&self) -> &PathBuf {
        &self.home
    }

    /// Sends a text: returns when it is durable, after trying for custody.
    #[must_use]
    pub fn send(&self, to: &str, text: &str) -> Outcome {
        self.send_with(to, &[text])
    }

    /// Sends with further arguments.
    #[must_use]
    pub fn send_with(&self, to: &str, more: &[&str]) -> Outcome {
        let mut args = vec!["send", "--to", to];
        args.extend(more);
        self.run(&args, COMMAND * 5)
    }

    /// Sends to a room, with further arguments.
    #[must_use]
    pub fn send_room(&self, room: &str, more: &[&str]) -> Outcome {
        let mut args = vec!["send", "--room", room];
        args.extend(more);
        self.run(&args, COMMAND * 5)
    }

    /// `picket room …`.
    #[must_use]
    pub fn room(&self, args: &[&str]) -> Outcome {
        let mut command = Command::new(program("picket"));
        command.arg("room").args(args).arg("--json").arg("--home").arg(&self.home).args(["--via", &self.via]);
        let end = finish(&self.name, command, &self.log, COMMAND);
        let lines = end.out.iter().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{l}: {e}"))).collect();
        Outcome { end, lines }
    }

    /// `picket device …`.
    #[must_use]
    pub fn device(&self, args: &[&str]) -> Outcome {
        let mut command = Command::new(program("picket"));
        command.arg("device").args(args).arg("--json").arg("--home").arg(&self.home).args(["--via", &self.via]);
        let end = finish(&self.name, command, &self.log, COMMAND);
        let lines = end.out.iter().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{l}: {e}"))).collect();
        Outcome { end, lines }
    }

    /// `picket inbox`, once.
    #[must_use]
    pub fn inbox(&self) -> Outcome {
        self.run(&["inbox"], COMMAND)
    }

    /// `picket read ID`.
    #[must_use]
    pub fn read(&self, id: &str, more: &[&str]) -> Outcome {
        let mut args = vec!["read", id];
        args.extend(more);
        self.run(&args, COMMAND)
    }

    /// `picket sent`.
    #[must_use]
    pub fn sent(&self) -> Outcome {
        self.run(&["sent"], COMMAND)
    }

    /// `picket recover`.
    #[must_use]
    pub fn recover(&self) -> Outcome {
        self.run(&["recover"], COMMAND)
    }

    /// `picket inbox --follow`: a reader that runs on.
    #[must_use]
    pub fn follow(&self) -> Follow {
        let command = self.command(&["inbox", "--follow"]);
        Follow { process: Process::start(&self.name, command, &self.log), seen: Vec::new(), ids: BTreeSet::new() }
    }

    /// Starts a command without waiting for its end.
    #[must_use]
    pub fn start(&self, args: &[&str]) -> Process {
        Process::start(&self.name, self.command(args), &self.log)
    }

    fn run(&self, args: &[&str], limit: Duration) -> Outcome {
        let end = finish(&self.name, self.command(args), &self.log, limit);
        let lines = end.out.iter().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{l}: {e}"))).collect();
        Outcome { end, lines }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program("picket"));
        let (verb, rest) = args.split_first().expect("a command");
        command.arg(verb).arg("--json").arg("--home").arg(&self.home).args(["--via", &self.via]).args(rest);
        command
    }
}

/// A running `picket inbox --follow`. It fails the scenario when an id is shown twice.
#[derive(Debug)]
pub struct Follow {
    process: Process,
    seen: Vec<Value>,
    ids: BTreeSet<String>,
}

impl Follow {
    /// Everything shown so far.
    #[must_use]
    pub fn seen(&self) -> &[Value] {
        &self.seen
    }

    /// Texts shown so far, in order.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        self.seen.iter().filter_map(|m| m["text"].as_str()).collect()
    }

    /// Waits for the next message.
    ///
    /// # Panics
    /// When none comes within `limit`, or one is shown a second time.
    pub fn next(&mut self, limit: Duration) -> Value {
        let line = self.process.line(limit);
        let line = line.unwrap_or_else(|| panic!("the reader ended: {}", self.process.said()));
        self.take(&line)
    }

    /// Waits until a message fulfils `wanted`.
    ///
    /// # Panics
    /// As [`Follow::next`].
    pub fn find(&mut self, what: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(found) = self.seen.iter().find(|m| wanted(m)) {
            return found.clone();
        }
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Some(line) = self.process.try_line(left) else {
                panic!("{what} did not come within {} s; seen: {:?}", limit.as_secs(), self.texts());
            };
            let message = self.take(&line);
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Waits for a text.
    ///
    /// # Panics
    /// As [`Follow::next`].
    pub fn text(&mut self, text: &str, limit: Duration) -> Value {
        self.find(&format!("{text:?}"), limit, |m| m["text"].as_str() == Some(text))
    }

    /// Waits until all of these texts were shown.
    ///
    /// # Panics
    /// As [`Follow::next`].
    pub fn texts_all(&mut self, texts: &[String], limit: Duration) {
        let end = Instant::now() + limit;
        for text in texts {
            self.text(text, end.saturating_duration_since(Instant::now()));
        }
    }

    /// Takes what has been shown without waiting.
    pub fn drain(&mut self) {
        while let Some(line) = self.process.try_line(Duration::ZERO) {
            self.take(&line);
        }
    }

    /// As a power cut does to it; what had been shown is kept.
    pub fn kill9(&mut self) {
        self.process.kill9();
        self.drain();
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to end; its exit code.
    pub fn stop(&mut self) -> i32 {
        self.process.terminate(wait::PROMPT)
    }

    fn take(&mut self, line: &str) -> Value {
        let message: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let id = message["id"].as_str().unwrap_or_else(|| panic!("no id: {line}")).to_owned();
        assert!(self.ids.insert(id), "shown twice in one run: {line}");
        self.seen.push(message.clone());
        message
    }
}
