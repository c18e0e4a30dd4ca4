//! What can be wrong with a configuration, each with its line and what to do.

use core::fmt;
use std::io;
use std::path::PathBuf;

/// A configuration that is refused.
#[derive(Debug)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// Line in it, from 1; 0 where none can be named.
    pub line: usize,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Debug)]
pub enum Problem {
    /// The file cannot be read.
    Unreadable(io::Error),
    /// It is not TOML.
    Syntax(String),
    /// No such key here.
    UnknownKey {
        /// Table in which it stands.
        table: &'static str,
        /// The key.
        key: String,
        /// The known key nearest to it.
        nearest: Option<&'static str>,
    },
    /// The key belongs to another kind of link.
    OtherKind {
        /// The key.
        key: String,
        /// Kind of this link.
        kind: String,
        /// Kinds that have it.
        kinds: String,
    },
    /// A table was expected, or an array of tables.
    NotATable {
        /// How it is written.
        header: &'static str,
    },
    /// A required key is missing.
    Missing {
        /// Table.
        table: &'static str,
        /// Key.
        key: &'static str,
    },
    /// The value is none the key takes.
    Value {
        /// Key.
        key: &'static str,
        /// What it takes.
        expected: String,
    },
    /// Both or none of two keys of which exactly one is needed.
    ExactlyOne(&'static str, &'static str),
    /// A key that needs another one.
    Needs(&'static str, &'static str),
    /// A framing that this kind of link cannot have.
    Framing {
        /// Kind of the link.
        kind: &'static str,
    },
    /// A link names a band that is not there.
    UnknownBand(String),
    /// A key that excludes another one, and why.
    Excludes(&'static str, &'static str, &'static str),
    /// Two links, two uplinks or two bands of the same name.
    Duplicate(String),
    /// A socket path that fits no socket address.
    SocketPath {
        /// Key.
        key: &'static str,
        /// Its length in bytes after resolution.
        bytes: usize,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        write!(f, " {}", self.problem)
    }
}

impl core::error::Error for ConfigError {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(e) => write!(f, "cannot be read: {e}"),
            Self::Syntax(message) => f.write_str(message),
            Self::UnknownKey { table, key, nearest } => {
                write!(f, "unknown key `{key}`")?;
                if !table.is_empty() {
                    write!(f, " in {table}")?;
                }
                match nearest {
                    Some(near) => write!(f, "; did you mean `{near}`?"),
                    None => f.write_str("; `picketd config` prints every key"),
                }
            }
            Self::OtherKind { key, kind, kinds } => {
                write!(f, "`{key}` is for links of kind {kinds}, this one is `{kind}`: remove it or change kind")
            }
            Self::NotATable { header } => write!(f, "write this as a table: {header}"),
            Self::Missing { table: "", key } => write!(f, "`{key}` is missing: add it"),
            Self::Missing { table, key } => write!(f, "`{key}` is missing in {table}: add it"),
            Self::Value { key, expected } => write!(f, "`{key}` takes {expected}"),
            Self::ExactlyOne(a, b) => write!(f, "exactly one of `{a}` and `{b}` is needed"),
            Self::Needs(a, b) => write!(f, "`{a}` needs `{b}`: add it"),
            Self::Framing { kind } => {
                let fits = match *kind {
                    "serial" => "`cobs` (a cable), `fec` (a radio) or `auto`",
                    "udp" => "`packet` or `auto`",
                    _ => "`cobs` or `auto`",
                };
                write!(f, "`framing` of a link of kind `{kind}` is {fits}")
            }
            Self::UnknownBand(name) => {
                write!(f, "there is no band `{name}`: add a [[band]] with name = \"{name}\" and its duty")
            }
            Self::Excludes(a, b, why) => write!(f, "`{a}` and {b} exclude each other ({why}): remove one of them"),
            Self::Duplicate(name) => write!(f, "the name `{name}` is used twice: choose another one"),
            Self::SocketPath { key, bytes } => write!(
                f,
                "`{key}` is {bytes} bytes long after resolution, a socket path has at most 107: choose a shorter one"
            ),
        }
    }
}
