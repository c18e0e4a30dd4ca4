//! What the authority's log says, and whether it holds (spec §30.15).

use super::ledger::{self, Hold};
use super::mission::{ROSTER, no_mission, say_finished};
use crate::cli::MissionLogArgs;
use crate::error::{Exit, Failure};
use crate::files;
use crate::limits;
use crate::output::{Output, plain, table};
use picket_provision::audit::{self, LOG_HEADER_LEN};
use picket_provision::{Act, Entry};
use picket_roster::{PublicKey, Roster};
use serde_json::json;
use std::path::Path;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `picket mission log`.
///
/// # Errors
/// Usage for another folder; [`Exit::Damaged`] under `--check` when the log does not hold.
pub fn log(args: &MissionLogArgs, out: &Output) -> Result<(), Failure> {
    if !args.dir.join(ledger::FOLDER).exists() {
        return Err(no_mission(&args.dir));
    }
    let (_hold, finished) = Hold::of(&args.dir)?;
    say_finished(finished.as_deref(), out);
    let (log, head) = ledger::read(&args.dir)?;
    if args.check {
        return check(args, &log, &head, out);
    }
    let entries = audit::entries(&log).map_err(|e| damaged(&e))?;
    show(&entries, out)
}

fn check(args: &MissionLogArgs, log: &[u8], head: &[u8], out: &Output) -> Result<(), Failure> {
    let path = args.roster.clone().unwrap_or_else(|| args.dir.join(ROSTER));
    let bytes = files::read(&path, limits::KEYFILL_MAX)?;
    // The key that the log names: it counts only if the roster is that authority's.
    let key = key_of(log)?;
    let roster = Roster::verify(bytes.as_slice(), &key).map_err(|e| {
        Failure::damaged(
            format!("the log is not that of the authority of {}: {e}", path.display()),
            "get a roster from a device, and check with --roster",
        )
    })?;
    let entries = audit::check(log, head, roster.authority()).map_err(|e| damaged(&e))?;
    if args.roster.is_none() {
        last_roster(&entries, &roster)?;
    }
    let count = entries.len();
    out.object(&json!({"log": "holds", "entries": count, "authority": super::authority_digits(roster.authority()),
                       "roster_version": roster.version()}))?;
    out.say(&format!(
        "The log holds: {count} entries, each signed by the authority, none missing.\nauthority {}",
        super::authority_digits(roster.authority())
    ))
}

/// The roster in the folder is the one that was signed last.
fn last_roster(entries: &[Entry<'_>], roster: &Roster<&[u8]>) -> Result<(), Failure> {
    let last = entries.iter().rev().find(|e| matches!(e.act, Act::Roster | Act::Begin));
    if last.is_some_and(|e| e.detail == roster.version() && e.output == *roster.hash()) {
        return Ok(());
    }
    Err(Failure::damaged(
        format!(
            "the roster in the folder is version {}, and not the one that the log says was signed last",
            roster.version()
        ),
        "somebody signed without the log, or restored only a part of the folder: restore all of it from one copy",
    ))
}

/// Says that the log does not hold, at a use of the authority; acts go on, and the break stays visible.
pub fn warn_broken(dir: &Path, roster: &Roster<Vec<u8>>, out: &Output) {
    let Ok((log, head)) = ledger::read(dir) else {
        out.warn("THE LOG OF THE AUTHORITY'S ACTS CANNOT BE READ: see `picket mission log --check`");
        return;
    };
    if audit::entries(&log).is_ok_and(|entries| entries.len() > limits::AUDIT_CHECKED) {
        return;
    }
    if let Err(e) = audit::check(&log, &head, roster.authority()) {
        out.warn(&format!("THE LOG OF THE AUTHORITY'S ACTS DOES NOT HOLD: {e}; see `picket mission log --check`"));
    }
}

/// The authority that a log names. Nothing is proven by it.
///
/// # Errors
/// Damaged, when it names none.
pub fn key_of(log: &[u8]) -> Result<PublicKey, Failure> {
    let bytes = log.get(LOG_HEADER_LEN - 33..LOG_HEADER_LEN).and_then(|b| b.try_into().ok());
    bytes.map(PublicKey).filter(|k| k.check().is_ok()).ok_or_else(|| {
        Failure::damaged("the beginning of the log is damaged", "restore the folder `authority` from a copy")
    })
}

fn damaged(e: &picket_provision::Broken) -> Failure {
    let mut failure = Failure::new(Exit::Damaged, format!("the log does not hold: {e}"), String::new());
    failure.next = format!(
        "acts before entry {} are proven, later ones are not; compare with a copy of the folder `authority`",
        e.entry.max(1)
    );
    failure
}

fn show(entries: &[Entry<'_>], out: &Output) -> Result<(), Failure> {
    for e in entries {
        out.object(&json!({"number": e.number, "time": time_of(e), "act": e.act.word(), "name": e.name,
                           "detail": e.detail, "output": hex::encode(e.output)}))?;
    }
    let row = |e: &Entry<'_>| {
        let time = time_of(e).unwrap_or_else(|| "unknown".into());
        vec![e.number.to_string(), time, e.act.word().into(), plain(e.name), detail(e), hex::encode(&e.output[..8])]
    };
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    out.say(&table(&["NUMBER", "TIME", "ACT", "NAME", "DETAIL", "OUTPUT"], &rows))?;
    out.say("  next: `picket mission log --check DIR` verifies that it is whole")
}

fn time_of(entry: &Entry<'_>) -> Option<String> {
    let seconds = i64::try_from(entry.time?).ok()?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(&Rfc3339).ok()
}

fn detail(e: &Entry<'_>) -> String {
    match e.act {
        Act::Create => String::new(),
        Act::Enrol | Act::Revoke | Act::Remove | Act::Extend => format!("index {}", e.detail),
        Act::Roster | Act::Keyfill | Act::Begin => format!("roster {}", e.detail),
        Act::Protect => if e.detail == 0 { "no passphrase" } else { "passphrase" }.into(),
        Act::KeyMoved => "token".into(),
    }
}
