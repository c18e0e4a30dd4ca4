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
use std::path::Path;
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
    let to = args.output.as_deref().filter(|p| *p != Path::new("-"));
    match (load, to) {
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

/// A file that is to be shown on a terminal, or under `--json`, needs a place.
fn check_place(args: &ReadArgs, load: &Load, out: &Output) -> Result<(), Failure> {
    let shown = args.output.is_some() || (!out.json && !to_terminal());
    match load {
        Load::File { name, .. } if !shown => Err(no_place(args, name)),
        Load::File { .. } | Load::Text(_) => Ok(()),
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
