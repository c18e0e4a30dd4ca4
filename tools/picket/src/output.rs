//! Where results go: one JSON object a line, or text for people. Everything is flushed at once.

use crate::error::{Exit, Failure};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// JSON instead of text.
    pub json: bool,
}

impl Output {
    /// Prints an object as one line, under `--json` only.
    ///
    /// # Errors
    /// When standard output is gone.
    pub fn object(&self, value: &impl Serialize) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let line = serde_json::to_string(value).map_err(|e| Failure::internal(e.to_string()))?;
        print(&line)
    }

    /// Prints text for people, without `--json` only.
    ///
    /// # Errors
    /// When standard output is gone.
    pub fn say(&self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { print(text) }
    }

    /// Prints whatever the form is.
    ///
    /// # Errors
    /// When standard output is gone.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        write_out(bytes)
    }

    /// A line on standard error that is no failure: it never disturbs what is read from standard output.
    pub fn warn(&self, text: &str) {
        let line = if self.json { serde_json::json!({"warning": text}).to_string() } else { format!("picket: {text}") };
        let _ = writeln!(io::stderr().lock(), "{line}"); // nowhere left to complain
    }

    /// The failure that ends a command, on standard error.
    pub fn fail(&self, failure: &Failure) {
        if failure.message.is_empty() {
            return;
        }
        let line = if self.json { failure.to_json() } else { failure.to_string() };
        let _ = writeln!(io::stderr().lock(), "{line}"); // nowhere left to complain
    }
}

/// Whether a person reads standard output.
#[must_use]
pub fn to_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Text from elsewhere, made safe for a terminal: control characters but line feeds and tabs are shown as escapes.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if (c.is_control() && c != '\n' && c != '\t') || direction {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Rows with aligned columns under a heading, two spaces apart; the last column is not padded.
#[must_use]
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let width = |n: usize| {
        let cells = rows.iter().filter_map(|r| r.get(n)).map(|c| c.chars().count());
        cells.chain([heading.get(n).map_or(0, |h| h.chars().count())]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let last = cells.len().saturating_sub(1);
        let mut out = String::new();
        for (n, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            out.push_str(cell);
            if n < last {
                out.push_str(&" ".repeat(width.saturating_sub(cell.chars().count()) + 2));
            }
        }
        out.truncate(out.trim_end().len());
        out
    };
    let body = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    let lines: Vec<String> = core::iter::once(line(heading.to_vec())).chain(body).collect();
    lines.join("\n")
}

fn print(line: &str) -> Result<(), Failure> {
    write_out(format!("{line}\n").as_bytes())
}

fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|e| match e.kind() {
        // `picket inbox | head`: the reader has what it wanted.
        io::ErrorKind::BrokenPipe => Failure::new(Exit::Done, "", ""),
        _ => Failure::new(Exit::Internal, format!("cannot write to standard output: {e}"), "free some space"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_cannot_drive_a_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{202e}"), "a\\u{1b}[2Jb\nc\\u{202e}");
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".into(), "long".into(), "x".into()], vec!["bbb".into(), "s".into(), String::new()]];
        assert_eq!(table(&["id", "to", "why"], &rows), "id   to    why\na    long  x\nbbb  s");
    }
}
