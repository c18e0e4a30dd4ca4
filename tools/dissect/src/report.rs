//! What is said about one piece of bytes, as a table for people and as an object for programs.

use serde_json::{Map, Value, json};
use std::fmt;

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Offset in the bytes explained.
    pub at: usize,
    /// Its bytes in hex as received, shortened when many.
    pub raw: String,
    /// What it is.
    pub name: &'static str,
    /// What it says.
    pub value: String,
}

/// What is known of a frame's hop MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Verified with the network key.
    Broadcast,
    /// Verified with a link key.
    Pairwise,
    /// The right kind of key was given and none verified.
    Wrong,
    /// No key that could verify it was given.
    Unchecked,
}

impl Verdict {
    /// The word in tables and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Broadcast => "broadcast",
            Self::Pairwise => "pairwise",
            Self::Wrong => "wrong",
            Self::Unchecked => "unchecked",
        }
    }
}

/// Everything said about one frame, envelope or piece of noise.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it is: `frame`, `envelope`, `broker payload`, `noise`.
    pub what: &'static str,
    /// Where it starts in the input.
    pub offset: usize,
    /// Its length in bytes.
    pub length: usize,
    /// The table.
    pub rows: Vec<Row>,
    /// The same for programs; names as in `firmware/spec/vectors`.
    pub fields: Map<String, Value>,
    /// What is wrong with it, if anything.
    pub problem: Option<String>,
}

impl Report {
    pub(crate) fn new(what: &'static str, length: usize) -> Self {
        Self { what, offset: 0, length, rows: Vec::new(), fields: Map::new(), problem: None }
    }

    pub(crate) fn unreadable(what: &'static str, bytes: &[u8], problem: &str) -> Self {
        let mut report = Self::new(what, bytes.len());
        report.row(0, bytes, "bytes", "");
        report.problem = Some(problem.to_owned());
        report
    }

    /// A row of the table only.
    pub(crate) fn row(&mut self, at: usize, raw: &[u8], name: &'static str, value: impl fmt::Display) {
        self.rows.push(Row { at, raw: shortened(raw), name, value: value.to_string() });
    }

    /// A value of the object only.
    pub(crate) fn field(&mut self, name: &str, value: Value) {
        self.fields.insert(name.to_owned(), value);
    }

    /// As one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = self.fields.clone();
        object.insert("what".into(), json!(self.what));
        object.insert("offset".into(), json!(self.offset));
        object.insert("length".into(), json!(self.length));
        object.insert("problem".into(), json!(self.problem));
        Value::Object(object)
    }
}

fn shortened(raw: &[u8]) -> String {
    match raw.get(..8).filter(|_| raw.len() > 10) {
        Some(start) => format!("{}… ({} B)", hex::encode(start), raw.len()),
        None => hex::encode(raw),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} of {} bytes at {}", self.what, self.length, self.offset)?;
        for row in &self.rows {
            let line = format!("{:>6}  {:<26}  {:<18}  {}", row.at, row.raw, row.name, row.value);
            writeln!(f, "{}", line.trim_end())?;
        }
        match &self.problem {
            Some(problem) => writeln!(f, "     !  {problem}"),
            None => Ok(()),
        }
    }
}
