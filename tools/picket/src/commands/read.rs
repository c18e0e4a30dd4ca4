//! `picket read`.

use super::{Aim, Waited, await_reach, await_reply, from_now, holder_ended};
use crate::agent::protocol::{Load, Reply, Request};
use crate::agent::session::{Gone, Session};
use crate::cli::ReadArgs;
use crate::error::{Exit, Failure};
use crate::files::{self, Access};
use crate::limits;
use crate::output::{Output, plain, to_terminal};
use crate::rows::InboxRow;
use crate::trust::Standing;
use picket_wire::MessageId;
use std::path::{Path, PathBuf};
use tokio::time::Instant;

/// Shows one message, marks it read, and lets the receipt out.
///
/// # Errors
/// [`Exit::NoSuchId`], and as the exit codes say.
pub async fn read(args: ReadArgs, out: Output) -> Result<Exit, Failure> {
    let (_home, mut session) = super::open(&args.attach, &out).await?;
    let outcome = show_and_mark(&args, &mut session, &out).await;
    session.close().await?;
    outcome
}

async fn show_and_mark(args: &ReadArgs, session: &mut Session, out: &Output) -> Result<Exit, Failure> {
    let began = Instant::now();
    let (mut message, load) = match fetch(args, session, out).await {
        // It may still be with the gateway.
        Err(failure) if failure.exit == Exit::NoSuchId => {
            let end = from_now(limits::ATTACH_TRY);
            match await_reach(session, Aim::Drained, began, Some(end), |_| Ok(())).await? {
                Waited::Reached => fetch(args, session, out).await?,
                Waited::Unreachable(_) | Waited::TimedOut => return Err(failure),
            }
        }
        other => other?,
    };
    if message.key == Standing::Changed.name() {
        out.warn(&super::keys_changed(&message.from, &args.attach.home.home));
    }
    if to_terminal() && args.output.is_none() {
        out.say(&format!("{} ({}):", message.from, message.key))?;
    }
    // What burns is marked first: shown and not marked, it would live on.
    if message.burn_s.is_some() {
        check_place(args, &load, out)?;
        mark(args, session, out).await?;
        show(args, &load, out)?;
    } else {
        show(args, &load, out)?;
        mark(args, session, out).await?;
    }
    if let Some(seconds) = message.burn_s {
        out.warn(&format!("it burns: gone here and at its sender within {seconds} s"));
    }
    message.state = "read".into();
    out.object(&message)?;
    let end = from_now(limits::CUSTODY_TRY);
    let waited = await_reach(session, Aim::Idle, began, Some(end), |_| Ok(())).await?;
    if waited != Waited::Reached {
        out.warn("no gateway in reach: the receipt goes out with the next command that attaches");
    }
    Ok(Exit::Done)
}

async fn mark(args: &ReadArgs, session: &mut Session, out: &Output) -> Result<(), Failure> {
    session.ask(Request::MarkRead(args.id.to_string())).await.map_err(|Gone| holder_ended())?;
    await_reply(session, out, |reply| matches!(reply, Reply::Marked).then_some(())).await
}

async fn fetch(args: &ReadArgs, session: &mut Session, out: &Output) -> Result<(InboxRow, Load), Failure> {
    session.ask(Request::Body(args.id.to_string())).await.map_err(|Gone| holder_ended())?;
    await_reply(session, out, |reply| match reply {
        Reply::Body { message, load } => Some((*message, load)),
        _ => None,
    })
    .await
}

/// Puts the content where it is wanted. Under `--json` the text is in the object that follows.
fn show(args: &ReadArgs, load: &Load, out: &Output) -> Result<(), Failure> {
    let to = place(args.output.as_deref(), args.id, load)?;
    match (load, to.as_deref()) {
        (Load::Text(text), Some(path)) => save(path, text.as_bytes(), out),
        (Load::Text(text), None) if out.json => {
            let _ = text;
            Ok(())
        }
        (Load::Text(text), None) if to_terminal() => out.say(&plain(text.trim_end_matches('\n'))),
        (Load::Text(text), None) => {
            let newline = if text.ends_with('\n') { "" } else { "\n" };
            out.raw(format!("{text}{newline}").as_bytes())
        }
        (Load::File { hex, .. }, Some(path)) => save(path, &bytes(hex)?, out),
        (Load::File { hex, .. }, None) if !out.json && (args.output.is_some() || !to_terminal()) => {
            out.raw(&bytes(hex)?)
        }
        (Load::File { name, .. }, None) => Err(no_place(args, name)),
    }
}

/// Where the content goes, if into a file: in a folder it takes the name that its sender gave it, and replaces nothing.
fn place(output: Option<&Path>, id: MessageId, load: &Load) -> Result<Option<PathBuf>, Failure> {
    let Some(path) = output.filter(|p| *p != Path::new("-")) else { return Ok(None) };
    if !path.is_dir() {
        return Ok(Some(path.to_owned()));
    }
    let text = format!("{id}.txt");
    let name = match load {
        Load::Text(_) => text.as_str(),
        Load::File { name, .. } => name,
    };
    // What another device calls its file never leads out of the folder.
    let name = Path::new(name).file_name().filter(|n| *n == name);
    let refuse = |why: &str| {
        let again = format!("name the file: picket read {id} --output PATH");
        Err(Failure::usage(format!("{}: {why}; nothing was written", path.display()), again))
    };
    match name.map(|n| path.join(n)) {
        None => refuse("the name that its sender gave the file does not name one"),
        Some(file) if file.exists() => refuse("a file of that name is in it already"),
        Some(file) => Ok(Some(file)),
    }
}

/// A file that is to be shown on a terminal, or under `--json`, needs a place.
fn check_place(args: &ReadArgs, load: &Load, out: &Output) -> Result<(), Failure> {
    let shown = args.output.is_some() || (!out.json && !to_terminal());
    match load {
        Load::File { name, .. } if !shown => Err(no_place(args, name)),
        Load::File { .. } | Load::Text(_) => place(args.output.as_deref(), args.id, load).map(drop),
    }
}

fn no_place(args: &ReadArgs, name: &str) -> Failure {
    Failure::usage(
        format!("{} is the file {}; it was not marked read", args.id, plain(name)),
        format!("say where to put it: picket read {} --output PATH", args.id),
    )
}

fn save(path: &Path, bytes: &[u8], out: &Output) -> Result<(), Failure> {
    files::write(path, bytes, Access::Secret)?;
    out.say(&format!("{} bytes written to {}", bytes.len(), path.display()))
}

fn bytes(hex: &str) -> Result<Vec<u8>, Failure> {
    hex::decode(hex).map_err(|_| Failure::internal("a file's bytes are not hex"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn in_a_folder_a_file_keeps_its_name_replaces_nothing_and_never_leaves() {
        let folder = tempfile::tempdir().unwrap();
        let id = MessageId([7; 8]);
        let of = |name: &str| Load::File { name: name.into(), hex: String::new() };
        let at = |output: &Path, load: &Load| place(Some(output), id, load);
        assert_eq!(at(folder.path(), &of("map.png")).unwrap(), Some(folder.path().join("map.png")));
        let text = at(folder.path(), &Load::Text("hello".into())).unwrap();
        assert_eq!(text, Some(folder.path().join("0707070707070707.txt")));
        for name in ["..", ".", "", "/etc/passwd", "../map.png", "a/b", "map.png/"] {
            assert!(at(folder.path(), &of(name)).is_err(), "{name}");
        }
        std::fs::write(folder.path().join("map.png"), "mine").unwrap();
        assert!(at(folder.path(), &of("map.png")).is_err(), "it would be replaced");
        let named = folder.path().join("other.png");
        assert_eq!(at(&named, &of("map.png")).unwrap(), Some(named));
        assert_eq!(at(Path::new("-"), &of("map.png")).unwrap(), None);
    }
}
