//! `picket send`.

use super::{from_now, holder_ended, sleep_until};
use crate::agent::protocol::{Load, Reach, Reply, Request, failed};
use crate::agent::session::{Gone, Session};
use crate::cli::{Milestone, SendArgs};
use crate::error::{Exit, Failure};
use crate::files;
use crate::home::Home;
use crate::limits;
use crate::output::Output;
use crate::rows::{ContentRow, SentRow, StateRow};
use crate::trust::Standing;
use picket_endpoint::limits::CONTENT_MAX;
use picket_wire::time::Wall;
use sha2::{Digest, Sha256};
use std::io::Read;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Seals, stores and tries to have it taken; waits as far as asked.
///
/// # Errors
/// As the exit codes say.
pub async fn send(args: SendArgs, out: Output) -> Result<Exit, Failure> {
    let load = load(&args)?;
    let (home, session) = super::open(&args.attach, &out).await?;
    let mut sending = Sending {
        home,
        session: Some(session),
        args: &args,
        out,
        id: None,
        states: Vec::new(),
        began: Instant::now(),
        since: crate::clockwork::rfc3339(Some(a_moment_ago())),
    };
    let outcome = sending.run(load).await;
    if let Some(session) = sending.session.take() {
        session.close().await?;
    }
    outcome
}

struct Sending<'a> {
    home: Home,
    session: Option<Session>,
    args: &'a SendArgs,
    out: Output,
    id: Option<String>,
    /// States shown so far.
    states: Vec<String>,
    began: Instant,
    /// Wall time at the start, to find the message again should the holder die between taking and confirming it.
    since: Option<String>,
}

impl Sending<'_> {
    async fn run(&mut self, load: Load) -> Result<Exit, Failure> {
        let mark = ContentMark::of(&load);
        let request = Request::Send {
            to: self.args.to.clone(),
            precedence: self.args.precedence.name().into(),
            ttl_ms: self.args.ttl.map(|t| u64::try_from(t.0.as_millis()).unwrap_or(u64::MAX)),
            burn_ms: self.args.burn.map(|t| u64::try_from(t.0.as_millis()).unwrap_or(u64::MAX)),
            load,
        };
        while self.id.is_none() {
            if !self.hand_over(request.clone()).await? {
                self.reopen().await?;
                self.find_again(&mark).await?;
            }
        }
        self.wait().await
    }

    /// True once the message is durable; false when the holder died before it said so.
    async fn hand_over(&mut self, request: Request) -> Result<bool, Failure> {
        if self.session()?.ask(request).await.is_err() {
            return Ok(false);
        }
        loop {
            match self.session()?.next().await {
                Ok(Reply::State(row)) => {
                    self.id = Some(row.id.clone());
                    self.show(&row)?;
                    return Ok(true);
                }
                Ok(Reply::Failed { exit, message, next }) => return Err(failed(exit, message, next)),
                Ok(Reply::Note(text)) => self.out.warn(&text),
                Ok(_) => {}
                Err(Gone) => return Ok(false),
            }
        }
    }

    /// Waits for custody, or for what `--wait` names.
    async fn wait(&mut self) -> Result<Exit, Failure> {
        let patience = if self.args.wait.is_some() { self.args.timeout.0 } else { limits::CUSTODY_TRY };
        let end = from_now(patience);
        loop {
            if let Some(exit) = self.verdict() {
                return Ok(exit);
            }
            let unreachable = matches!(self.session()?.reach, Reach::Unreachable(_));
            let give_up = match self.args.wait {
                None if unreachable => end.min(self.began + limits::UNREACHABLE_GRACE),
                None | Some(_) => end,
            };
            let session = self.session()?;
            let reply = tokio::select! {
                reply = session.next() => reply,
                () = sleep_until(Some(give_up)) => return self.out_of_time(),
            };
            match reply {
                Ok(Reply::State(row)) => self.show(&row)?,
                Ok(Reply::Failed { exit, message, next }) => return Err(failed(exit, message, next)),
                Ok(Reply::Note(text)) => self.out.warn(&text),
                Ok(_) => {}
                Err(Gone) => {
                    self.reopen().await?;
                    let id = self.id.clone().unwrap_or_default();
                    // Should the new holder die at once, the next turn finds out.
                    let _ = self.session()?.ask(Request::Watch(id)).await;
                }
            }
        }
    }

    /// The exit code, once the states shown settle it.
    fn verdict(&self) -> Option<Exit> {
        let reached = self.states.iter().filter_map(|s| milestone(s)).max();
        if reached >= Some(self.args.wait.unwrap_or(Milestone::Custody)) {
            return Some(Exit::Done);
        }
        self.states.iter().any(|s| s == "expired" || s == "refused").then_some(Exit::Dead)
    }

    fn out_of_time(&mut self) -> Result<Exit, Failure> {
        let id = self.id.clone().unwrap_or_default();
        let state = self.states.last().cloned().unwrap_or_default();
        if let Some(wanted) = self.args.wait {
            return Err(Failure::new(
                Exit::TimedOut,
                format!(
                    "{id} is {state}, not yet {}, after {} s; it is kept",
                    word(wanted),
                    self.args.timeout.0.as_secs()
                ),
                "see `picket sent`; any command that attaches goes on delivering it",
            ));
        }
        let why = match &self.session()?.reach {
            Reach::Unreachable(why) => format!("no gateway in reach ({why})"),
            Reach::Trying => "no gateway has answered yet".into(),
            Reach::Attached(g) | Reach::Drained(g) | Reach::Idle(g) => format!("{g} has not taken it yet"),
        };
        self.out.warn(&format!("{why}: {id} is queued, and goes out with the next command that attaches"));
        Ok(Exit::Done)
    }

    /// After the holder died: another session, with this process as holder if nobody was quicker.
    async fn reopen(&mut self) -> Result<(), Failure> {
        if let Some(session) = self.session.take() {
            session.close().await?;
        }
        self.session = Some(Session::open(&self.home, &self.args.attach.via, &self.out).await?);
        Ok(())
    }

    /// Looks whether the holder took the message before it died, so that it is never sent twice.
    async fn find_again(&mut self, mark: &ContentMark) -> Result<(), Failure> {
        let out = self.out;
        let Ok(()) = self.session()?.ask(Request::Sent).await else { return Ok(()) };
        let mut rows: Vec<SentRow> = Vec::new();
        super::await_reply(self.session()?, &out, |reply| match reply {
            Reply::Sent { messages, more } => {
                rows.extend(messages);
                (!more).then_some(())
            }
            _ => None,
        })
        .await?;
        let ours = |row: &SentRow| row.to == self.args.to && moment(&row.sent) >= moment(&self.since) && mark.fits(row);
        if let Some(row) = rows.into_iter().rev().find(ours) {
            for step in &row.steps {
                self.show(step)?;
            }
            let _ = self.session()?.ask(Request::Watch(row.id.clone())).await; // as above
            self.id = Some(row.id);
        }
        Ok(())
    }

    fn session(&mut self) -> Result<&mut Session, Failure> {
        self.session.as_mut().ok_or_else(holder_ended)
    }

    /// Prints a state once.
    fn show(&mut self, row: &StateRow) -> Result<(), Failure> {
        if self.states.contains(&row.state) {
            return Ok(());
        }
        if self.states.is_empty() && row.key.as_deref() == Some(Standing::Changed.name()) {
            self.out.warn(&super::keys_changed(&self.args.to, self.home.path()));
        }
        let first = self.states.is_empty();
        self.states.push(row.state.clone());
        self.out.object(row)?;
        let reason = row.reason.as_deref().map(|r| format!(" ({r})")).unwrap_or_default();
        let to =
            row.key.as_deref().filter(|_| first).map(|k| format!(" to {} ({k})", self.args.to)).unwrap_or_default();
        self.out.say(&format!("{} {}{to}{reason}", row.id, row.state))
    }
}

/// Now, less what the holder's clock may differ from ours: it reads the wall clock once a minute, in whole
/// milliseconds, and counts on from there.
fn a_moment_ago() -> Wall {
    Wall(picket_shell::clock::Clock::unvouched().0.saturating_sub(limits::CLOCKS_DIFFER_MS))
}

/// RFC 3339 in a form whose order as text is that of time: without the Z, fewer digits of a second come first.
fn moment(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(|t| t.trim_end_matches('Z'))
}

/// What a message carries, for recognising it in a list.
enum ContentMark {
    Text(String),
    File { name: String, sha256: String },
}

impl ContentMark {
    fn of(load: &Load) -> Self {
        match load {
            Load::Text(text) => Self::Text(text.clone()),
            Load::File { name, hex } => {
                let bytes = hex::decode(hex).unwrap_or_default();
                Self::File { name: name.clone(), sha256: hex::encode(Sha256::digest(bytes)) }
            }
        }
    }

    fn fits(&self, row: &SentRow) -> bool {
        match (self, &row.content) {
            (Self::Text(a), Some(ContentRow::Text(b))) => a == b,
            (Self::File { name, sha256 }, Some(ContentRow::File { name: n, sha256: s, .. })) => {
                name == n && sha256 == s
            }
            _ => false,
        }
    }
}

fn milestone(state: &str) -> Option<Milestone> {
    match state {
        "custody" => Some(Milestone::Custody),
        "delivered" => Some(Milestone::Delivered),
        "read" => Some(Milestone::Read),
        _ => None,
    }
}

const fn word(milestone: Milestone) -> &'static str {
    match milestone {
        Milestone::Custody => "custody",
        Milestone::Delivered => "delivered",
        Milestone::Read => "read",
    }
}

fn load(args: &SendArgs) -> Result<Load, Failure> {
    match (&args.file, args.text.as_deref()) {
        (Some(path), _) => {
            let bytes = files::read(path, u64::MAX - 1).and_then(|bytes| fits(bytes.len()).map(|()| bytes))?;
            let name = path.file_name().unwrap_or_default().to_str().ok_or_else(|| {
                Failure::usage(format!("the name of {} is not UTF-8", path.display()), "rename the file")
            })?;
            Ok(Load::File { name: name.into(), hex: hex::encode(&*bytes) })
        }
        (None, Some("-")) => {
            let mut bytes = Zeroizing::new(Vec::new());
            let most = CONTENT_MAX as u64 + 1;
            std::io::stdin()
                .take(most)
                .read_to_end(&mut bytes)
                .map_err(|e| Failure::internal(format!("cannot read standard input: {e}")))?;
            fits(bytes.len())?;
            let text = core::str::from_utf8(&bytes)
                .map_err(|_| Failure::usage("standard input is not UTF-8 text", "send it as a file: --file F"))?;
            Ok(Load::Text(text.into()))
        }
        (None, Some(text)) => fits(text.len()).map(|()| Load::Text(text.into())),
        (None, None) => Err(Failure::usage("nothing to send", "give a text, - or --file F")),
    }
}

/// The sealed message must fit 64 KiB.
fn fits(bytes: usize) -> Result<(), Failure> {
    if bytes <= CONTENT_MAX {
        return Ok(());
    }
    Err(Failure::usage(
        format!("more than {CONTENT_MAX} bytes do not fit one sealed message of 64 KiB"),
        "nothing was sent; send it in parts",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_with_fewer_digits_are_ordered_in_time() {
        let at = |t: &str| Some(format!("2026-11-23T21:03:{t}Z"));
        for (earlier, later) in [("50.52", "50.528"), ("50", "50.5"), ("50.5", "50.51"), ("50.9", "51")] {
            assert!(moment(&at(earlier)) < moment(&at(later)), "{earlier} {later}");
        }
        assert!(moment(&None) < moment(&at("0")));
    }
}
