//! The second implementation as a process that answers questions.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

pub struct Python {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Where it lies.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("independent")
}

/// A Python that has the package `cryptography`: the one in PATH, or the distribution's.
///
/// # Panics
/// By name when there is none.
pub fn command(script: &str) -> Command {
    let has = |python: &str| {
        let tried = Command::new(python).args(["-c", "import cryptography"]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    let python = ["python3", "/usr/bin/python3"].into_iter().find(|p| has(p)).expect(
        "no python3 has the package `cryptography`: apt-get install python3-cryptography, or `cargo xtask test`",
    );
    let mut command = Command::new(python);
    command.arg("-B").arg(folder().join(script));
    command
}

impl Python {
    pub fn start() -> Self {
        let mut child = command("serve.py").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (questions, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, questions, answers }
    }

    /// The answer: results, or `refused`.
    pub fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.questions, "{question}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the second implementation failed (its words are above) at {question}");
        serde_json::from_str(&line).unwrap()
    }

    /// Asks what must have an answer.
    pub fn must(&mut self, question: &Value) -> Value {
        let answer = self.ask(question);
        assert!(answer.get("refused").is_none(), "{answer} to {question}");
        answer
    }

    /// Asks what must be refused.
    pub fn must_refuse(&mut self, question: &Value, why: &str) {
        let answer = self.ask(question);
        assert!(answer.get("refused").is_some(), "{why}: not refused: {question}");
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It ends by itself once nobody asks; a failed test does not wait for that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
