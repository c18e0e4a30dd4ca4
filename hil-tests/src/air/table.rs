//! A table as the snapshot holds it.

use std::fmt;

/// Rows under a heading, printed as markdown.
#[derive(Clone, Debug, Default)]
pub struct Table {
    title: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    note: Option<&'static str>,
}

impl Table {
    /// An empty one. The columns' names are separated by bars.
    #[must_use]
    pub fn new(title: &str, head: &str) -> Self {
        Self { title: title.to_owned(), head: split(head), rows: Vec::new(), note: None }
    }

    /// The same with a sentence or two below.
    #[must_use]
    pub const fn note(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    /// Adds a row, its cells separated by bars.
    pub fn row(&mut self, cells: &str) {
        self.rows.push(split(cells));
    }
}

fn split(cells: &str) -> Vec<String> {
    cells.split('|').map(|c| c.trim().to_owned()).collect()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n", self.title)?;
        writeln!(f, "| {} |", self.head.join(" | "))?;
        writeln!(f, "|---{}|", "|---:".repeat(self.head.len().saturating_sub(1)))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))?;
        self.note.map_or(Ok(()), |note| writeln!(f, "\n{note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new("T", "a | b");
        table.row("1 | 2");
        assert_eq!(table.to_string(), "## T\n\n| a | b |\n|---|---:|\n| 1 | 2 |\n");
    }
}
