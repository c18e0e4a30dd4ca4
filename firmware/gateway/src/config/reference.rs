//! The annotated reference, printed from the schema.

use super::schema::{self, Absent, Key, Section};

/// The reference configuration: every key with its default and its reason. It is itself a valid configuration.
#[must_use]
pub fn print() -> String {
    let mut out = String::new();
    table(&mut out, &schema::ROOT);
    for section in [&schema::GATEWAY, &schema::STORE, &schema::ZEROIZE, &schema::LOG] {
        table(&mut out, section);
    }
    table(&mut out, &schema::BAND);
    for kind in schema::LINK_KINDS {
        link(&mut out, kind);
    }
    table(&mut out, &schema::UPLINK);
    out
}

fn table(out: &mut String, section: &Section) {
    if !out.is_empty() {
        out.push('\n');
    }
    comment(out, section.doc);
    if !section.header.is_empty() {
        out.push_str(section.header);
        out.push('\n');
    }
    for key in section.keys {
        let shown = match key.absent {
            Absent::Unset(example) if matches!(key.name, "ca" | "cert" | "key") => Some(example),
            _ => None,
        };
        entry(out, key, shown);
    }
}

/// One link of each kind: the common keys with name and kind filled in, then those of the kind.
fn link(out: &mut String, kind: &str) {
    let Some(own) = schema::of_kind(kind) else { return };
    out.push('\n');
    comment(out, own.doc);
    out.push_str("[[link]]\n");
    for key in schema::LINK.keys {
        let shown = match key.name {
            "name" => Some(format!("\"my-{kind}\"")),
            "kind" => Some(format!("\"{kind}\"")),
            _ => None,
        };
        entry(out, key, shown.as_deref());
    }
    for key in own.keys {
        let listens = kind == "tcp" && key.name == "listen";
        let shown = match key.absent {
            Absent::Unset(example) if listens => Some(example),
            _ => None,
        };
        entry(out, key, shown);
    }
}

fn entry(out: &mut String, key: &Key, shown: Option<&str>) {
    comment(out, key.doc);
    let (mark, value) = match (shown, key.absent) {
        (Some(value), _) | (None, Absent::Required(value) | Absent::Default(value)) => ("", value),
        (None, Absent::Unset(value)) => ("#", value),
    };
    out.push_str(mark);
    out.push_str(key.name);
    out.push_str(" = ");
    out.push_str(value);
    out.push('\n');
}

fn comment(out: &mut String, doc: &str) {
    for line in doc.lines() {
        out.push_str("# ");
        out.push_str(line);
        out.push('\n');
    }
}
