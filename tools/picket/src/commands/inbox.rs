//! `picket inbox`.

use super::{Aim, Waited, await_reach, await_reply, from_now, holder_ended, no_gateway};
use crate::agent::protocol::{Reach, Reply, Request, failed};
use crate::agent::session::{Gone, Session};
use crate::cli::InboxArgs;
use crate::clockwork::human;
use crate::error::{Exit, Failure};
use crate::home::Home;
use crate::limits;
use crate::output::{Output, plain};
use crate::rows::{ContentRow, InboxRow};
use crate::trust::Standing;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// Lists the mailbox, or follows it.
///
/// # Errors
/// [`Exit::NoGateway`] when none is in reach (without `--follow`), and as the exit codes say.
pub async fn inbox(args: InboxArgs, out: Output) -> Result<Exit, Failure> {
    let (home, session) = super::open(&args.attach, &out).await?;
    let folder = home.path().to_owned();
    let mut shown = Shown { out, home: folder, ids: BTreeSet::new(), warned: BTreeSet::new() };
    if args.follow {
        return follow(&args, home, session, &mut shown).await;
    }
    let mut session = session;
    let outcome = once(&mut session, &mut shown).await;
    session.close().await?;
    outcome
}

/// Takes what the gateway holds, prints everything, and lets receipts out.
async fn once(session: &mut Session, shown: &mut Shown) -> Result<Exit, Failure> {
    let began = Instant::now();
    session.ask(Request::Inbox).await.map_err(|Gone| holder_ended())?;
    let out = shown.out;
    await_reply(session, &out, |reply| shown.listing(reply)).await.and_then(|listed| listed)?;
    let waited = await_reach(session, Aim::Drained, began, None, |reply| shown.news(reply)).await?;
    match waited {
        Waited::Reached => {
            let end = from_now(limits::CUSTODY_TRY);
            await_reach(session, Aim::Idle, began, Some(end), |reply| shown.news(reply)).await?;
            Ok(Exit::Done)
        }
        Waited::Unreachable(why) => Err(no_gateway(&why)),
        Waited::TimedOut => Err(no_gateway("it did not answer in time")),
    }
}

/// Prints the mailbox and everything new, until a signal ends it.
async fn follow(args: &InboxArgs, home: Home, mut session: Session, shown: &mut Shown) -> Result<Exit, Failure> {
    let no_signals = |e: std::io::Error| Failure::internal(format!("no signals: {e}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut said = None;
    // A holder that is gone meanwhile is noticed below.
    let _ = session.ask(Request::Inbox).await;
    let outcome = loop {
        shown.attachment(&session.reach, &mut said);
        let reply = tokio::select! {
            reply = session.next() => reply,
            _ = interrupt.recv() => break Ok(Exit::Done),
            _ = terminate.recv() => break Ok(Exit::Done),
        };
        match reply {
            Ok(Reply::Failed { exit, message, next }) => break Err(failed(exit, message, next)),
            Ok(reply) => {
                if let Err(failure) = shown.news(reply) {
                    break Err(failure);
                }
            }
            Err(Gone) => {
                session.close().await?;
                session = Session::open(&home, &args.attach.via, &shown.out).await?;
                let _ = session.ask(Request::Inbox).await; // as above
            }
        }
    };
    session.close().await?;
    outcome
}

/// What was printed in this run.
struct Shown {
    out: Output,
    home: PathBuf,
    ids: BTreeSet<String>,
    /// Members about whose keys was warned.
    warned: BTreeSet<String>,
}

impl Shown {
    /// Prints the listing; `Some` when it is complete.
    fn listing(&mut self, reply: Reply) -> Option<Result<(), Failure>> {
        let complete = matches!(&reply, Reply::Mailbox { more: false, .. });
        match self.news(reply) {
            Err(failure) => Some(Err(failure)),
            Ok(()) => complete.then_some(Ok(())),
        }
    }

    /// Prints what is new in a reply.
    fn news(&mut self, reply: Reply) -> Result<(), Failure> {
        match reply {
            Reply::Mailbox { messages, .. } => messages.into_iter().try_for_each(|m| self.message(m)),
            Reply::Message(message) => self.message(*message),
            Reply::Note(text) => {
                self.out.warn(&text);
                Ok(())
            }
            Reply::Ready
            | Reply::Reach(_)
            | Reply::State(_)
            | Reply::Body { .. }
            | Reply::Marked
            | Reply::Emcon(_)
            | Reply::Renewed(_)
            | Reply::Extension { .. }
            | Reply::Rooms { .. }
            | Reply::Sent { .. }
            | Reply::Roster { .. }
            | Reply::Rekeyed { .. }
            | Reply::Verify { .. }
            | Reply::Failed { .. } => Ok(()),
        }
    }

    /// Prints a message once.
    fn message(&mut self, m: InboxRow) -> Result<(), Failure> {
        if !self.ids.insert(m.id.clone()) {
            return Ok(());
        }
        self.out.object(&m)?;
        let unread = if m.state == "new" { "" } else { "  (read)" };
        if m.key == Standing::Changed.name() && self.warned.insert(m.from.clone()) {
            self.out.warn(&super::keys_changed(&m.from, &self.home));
        }
        let trust = m.room.as_ref().map(|_| format!(", {}", m.trust)).unwrap_or_default();
        let from = format!("{} ({}{trust})", m.from, m.key);
        if m.trust == "forged" {
            self.out.warn(&format!("ALARM: {} was not written by {}, but by another member of {}", m.id, m.from, m.to));
        }
        let head = format!("{}  {}  {from} to {}  {}{unread}", m.id, human(m.sent.as_deref()), m.to, m.precedence);
        let body = match &m.content {
            ContentRow::Text(text) => plain(text.trim_end_matches('\n')).replace('\n', "\n    "),
            ContentRow::File { name, bytes, .. } => {
                format!("file {}, {bytes} bytes: picket read {} --output PATH", plain(name), m.id)
            }
        };
        self.out.say(&format!("{head}\n    {body}"))
    }

    /// Says when the attachment comes and goes.
    fn attachment(&self, reach: &Reach, said: &mut Option<String>) {
        let text = match reach {
            Reach::Trying => return,
            Reach::Unreachable(why) => format!("no gateway in reach ({why}); trying on"),
            Reach::Attached(g) | Reach::Drained(g) | Reach::Idle(g) => format!("attached to {g}"),
        };
        if said.as_deref() != Some(&text) {
            self.out.warn(&text);
            *said = Some(text);
        }
    }
}
