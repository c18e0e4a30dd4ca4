//! From TOML with positions to checked values, by the tables of [`super::schema`].

use super::error::Problem;
use super::schema::{Absent, Form, Key, LINK_KINDS, Section, of_kind};
use picket_wire::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A problem and the byte of the file where it is.
pub type Located = (usize, Problem);

/// One checked value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Any text.
    Text(String),
    /// Integer, bytes or mode.
    Number(u64),
    /// A time.
    Span(Duration),
    /// A flag.
    Flag(bool),
    /// An address.
    Address(SocketAddr),
}

/// The checked values of one table, defaults filled in.
#[derive(Debug)]
pub struct Values {
    /// Byte of the file where the table begins.
    pub at: usize,
    values: BTreeMap<&'static str, (usize, Value)>,
}

impl Values {
    /// Checks `table` against the keys of `sections`.
    pub fn read(table: &Spanned<DeTable<'_>>, sections: &[&'static Section]) -> Result<Self, Located> {
        let mut out = Self { at: table.span().start, values: BTreeMap::new() };
        for (name, value) in table.get_ref() {
            let at = name.span().start;
            let key = find(sections, name.get_ref()).ok_or_else(|| (at, unknown(sections, name.get_ref(), table)))?;
            let checked = check(key, value.get_ref()).ok_or_else(|| (at, expected(key)))?;
            out.values.insert(key.name, (at, checked));
        }
        for key in sections.iter().flat_map(|s| s.keys) {
            out.fill(key, sections)?;
        }
        Ok(out)
    }

    fn fill(&mut self, key: &'static Key, sections: &[&'static Section]) -> Result<(), Located> {
        if self.values.contains_key(key.name) {
            return Ok(());
        }
        match key.absent {
            Absent::Unset(_) => {}
            Absent::Required(_) => {
                let table = sections.first().map_or("", |s| s.header);
                return Err((self.at, Problem::Missing { table, key: key.name }));
            }
            Absent::Default(written) => {
                let source = format!("x = {written}");
                let value = DeTable::parse(&source).ok().and_then(|t| check(key, t.get_ref().get("x")?.get_ref()));
                // A default that its own key refuses is caught by a test.
                self.values.insert(key.name, (self.at, value.ok_or_else(|| (self.at, expected(key)))?));
            }
        }
        Ok(())
    }

    /// Byte of the file where `key` stands.
    pub fn at(&self, key: &str) -> usize {
        self.values.get(key).map_or(self.at, |(at, _)| *at)
    }

    /// Text of `key`; empty when it is unset.
    pub fn text(&self, key: &str) -> String {
        self.maybe_text(key).unwrap_or_default()
    }

    /// Text of `key`, if it is set.
    pub fn maybe_text(&self, key: &str) -> Option<String> {
        match self.values.get(key) {
            Some((_, Value::Text(text))) => Some(text.clone()),
            _ => None,
        }
    }

    /// Number of `key`, if it is set.
    pub fn maybe_number(&self, key: &str) -> Option<u64> {
        match self.values.get(key) {
            Some((_, Value::Number(n))) => Some(*n),
            _ => None,
        }
    }

    /// Number of `key` within `T`; its form's bounds keep it there.
    pub fn number<T: TryFrom<u64> + Default>(&self, key: &str) -> T {
        self.maybe_number(key).and_then(|n| T::try_from(n).ok()).unwrap_or_default()
    }

    /// Time of `key`, if it is set.
    pub fn maybe_span(&self, key: &str) -> Option<Duration> {
        match self.values.get(key) {
            Some((_, Value::Span(span))) => Some(*span),
            _ => None,
        }
    }

    /// Time of `key`; zero when it is unset.
    pub fn span(&self, key: &str) -> Duration {
        self.maybe_span(key).unwrap_or_default()
    }

    /// Flag of `key`, if it is set.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.values.get(key) {
            Some((_, Value::Flag(flag))) => Some(*flag),
            _ => None,
        }
    }

    /// Address of `key`, if it is set.
    pub fn address(&self, key: &str) -> Option<SocketAddr> {
        match self.values.get(key) {
            Some((_, Value::Address(address))) => Some(*address),
            _ => None,
        }
    }
}

fn find(sections: &[&'static Section], name: &str) -> Option<&'static Key> {
    sections.iter().flat_map(|s| s.keys).find(|k| k.name == name)
}

fn unknown(sections: &[&'static Section], name: &str, table: &Spanned<DeTable<'_>>) -> Problem {
    let header = sections.first().map_or("", |s| s.header);
    if header == "[[link]]" {
        let has = |kind: &&&str| of_kind(kind).is_some_and(|s| s.keys.iter().any(|k| k.name == name));
        let kinds: Vec<&str> = LINK_KINDS.iter().filter(has).copied().collect();
        if !kinds.is_empty() {
            let kind = table.get_ref().get("kind").and_then(|v| v.get_ref().as_str()).unwrap_or("").to_owned();
            return Problem::OtherKind { key: name.to_owned(), kind, kinds: kinds.join(", ") };
        }
    }
    let known = sections.iter().flat_map(|s| s.keys).map(|k| k.name);
    Problem::UnknownKey { table: header, key: name.to_owned(), nearest: nearest(name, known) }
}

/// The known word nearest to `name`, when one is near enough to be meant.
pub fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    known
        .map(|k| (strsim::jaro_winkler(name, k), k))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

fn expected(key: &Key) -> Problem {
    let expected = match key.form {
        Form::Name => "text of 1 to 64 bytes without slashes".to_owned(),
        Form::Path => "a path as text".to_owned(),
        Form::Word(words) => format!("one of: {}", words.join(", ")),
        Form::Integer(min, max) if min == max => format!("{min}"),
        Form::Integer(min, max) => format!("a whole number from {min} to {max}"),
        Form::Bytes(min, max) => format!("a size such as \"256MiB\", from {min} to {max} bytes"),
        Form::Span(min, max) => {
            format!("a time such as \"300ms\", \"5s\", \"15m\" or \"72h\", from {min} ms to {max} ms")
        }
        Form::Share(min, max) => {
            format!("a share such as \"1%\" or \"0.1%\", from {} % to {} %", hundredths(min), hundredths(max))
        }
        Form::Mode => "permission bits as text, such as \"0660\"".to_owned(),
        Form::Flag => "true or false".to_owned(),
        Form::Address => "\"IP:PORT\"".to_owned(),
        Form::HostPort => "\"HOST:PORT\"".to_owned(),
        Form::Url => "\"mqtts://HOST:PORT\", or \"mqtt://HOST:PORT\" for a bench".to_owned(),
        Form::Line => "\"gpio:/dev/gpiochipN:LINE\", \"gpio-low:...\" or \"file:PATH\"".to_owned(),
        Form::Prefix => "topic levels of letters, digits, - and _, separated by /".to_owned(),
    };
    Problem::Value { key: key.name, expected }
}

fn check(key: &Key, value: &DeValue<'_>) -> Option<Value> {
    let text = value.as_str();
    match key.form {
        Form::Name => {
            let name = text.filter(|t| (1..=64).contains(&t.len()))?;
            (!name.contains(|c: char| c.is_control() || c == '/')).then(|| Value::Text(name.to_owned()))
        }
        Form::Path => text.filter(|t| !t.is_empty() && !t.contains('\0')).map(|t| Value::Text(t.to_owned())),
        Form::Word(words) => text.filter(|t| words.contains(t)).map(|t| Value::Text(t.to_owned())),
        Form::Integer(min, max) => number(value).filter(|n| (min..=max).contains(n)).map(Value::Number),
        Form::Bytes(min, max) => {
            number(value).or_else(|| bytes(text?)).filter(|n| (min..=max).contains(n)).map(Value::Number)
        }
        Form::Span(min, max) => {
            span(text?).filter(|ms| (min..=max).contains(ms)).map(|ms| Value::Span(Duration::from_millis(ms)))
        }
        Form::Share(min, max) => share(text?).filter(|n| (min..=max).contains(n)).map(Value::Number),
        Form::Mode => {
            let digits = text.filter(|t| (3..=4).contains(&t.len()))?;
            u64::from_str_radix(digits, 8).ok().filter(|m| *m <= 0o777).map(Value::Number)
        }
        Form::Flag => value.as_bool().map(Value::Flag),
        Form::Address => text?.parse().ok().map(Value::Address),
        Form::HostPort => host_port(text?).map(|_| Value::Text(text.unwrap_or_default().to_owned())),
        Form::Url => url(text?).map(|_| Value::Text(text.unwrap_or_default().to_owned())),
        Form::Line => {
            text?.parse::<picket_safe::line::Place>().ok().map(|_| Value::Text(text.unwrap_or_default().to_owned()))
        }
        Form::Prefix => text.filter(|t| prefix(t)).map(|t| Value::Text(t.to_owned())),
    }
}

fn number(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// Number and unit of `300ms`, `256MiB`.
fn with_unit(text: &str) -> Option<(u64, &str)> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at_checked(split)?;
    Some((digits.parse().ok()?, unit.trim_start()))
}

fn bytes(text: &str) -> Option<u64> {
    let (n, unit) = with_unit(text)?;
    let factor = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    n.checked_mul(factor)
}

/// Milliseconds.
fn span(text: &str) -> Option<u64> {
    let (n, unit) = with_unit(text)?;
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    n.checked_mul(factor)
}

/// Parts of ten thousand of `1%`, `0.25%`.
fn share(text: &str) -> Option<u64> {
    let number = text.strip_suffix('%')?.trim_end();
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || part.len() > 2 || !digits(whole) || !digits(part) {
        return None;
    }
    let hundredths: u64 = format!("{part:0<2}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(hundredths)
}

/// Parts of ten thousand as per cent.
pub fn hundredths(parts: u64) -> String {
    let text = format!("{}.{:02}", parts / 100, parts % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Host and port of `HOST:PORT`, `[IPv6]:PORT`.
pub fn host_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|p| *p > 0)?;
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host = match bare {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().ok().map(|_| v6)?,
        None => host,
    };
    let plain = bare.is_some() || host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    (!host.is_empty() && plain).then_some((host, port))
}

/// Whether TLS is used, host and port of a broker's URL.
pub fn url(text: &str) -> Option<(bool, &str, u16)> {
    let (tls, rest, default) = match text.split_once("://")? {
        ("mqtts", rest) => (true, rest, 8883),
        ("mqtt", rest) => (false, rest, 1883),
        _ => return None,
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if let Some((host, port)) = host_port(rest) {
        return Some((tls, host, port));
    }
    let plain = !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    plain.then_some((tls, rest, default))
}

fn prefix(text: &str) -> bool {
    let level = |l: &str| !l.is_empty() && l.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    text.len() <= 128 && text.split('/').all(level)
}
