//! What people do with messages and gateways.

mod emcon;
mod extend;
mod gateway;
pub mod home;
mod inbox;
mod quality;
mod read;
mod recover;
mod room;
mod send;
mod sent;
mod silence;
mod verify;

use crate::agent::protocol::{Reach, Reply, failed};
use crate::agent::session::{Gone, Session};
use crate::cli::{AttachArgs, HomeArgs, RosterImportArgs};
use crate::error::{Exit, Failure};
use crate::home::Home;
use crate::limits;
use crate::output::Output;
use std::future::Future;
use tokio::time::{Duration, Instant};

pub use emcon::gateway_emcon;
pub use extend::extend;
pub use gateway::{gateway, gateway_links, gateway_push, gateway_roster};
pub use inbox::inbox;
pub use read::read;
pub use recover::recover;
pub use room::room;
pub use send::send;
pub use sent::sent;
pub use silence::emcon;
pub use verify::verify;

/// Runs a command to its end on this thread.
///
/// # Errors
/// The command's own, or internal when there is no runtime.
pub fn block_on(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::internal(format!("no runtime: {e}")))?;
    tokio::task::LocalSet::new().block_on(&runtime, command)
}

/// `picket roster import`.
///
/// # Errors
/// Usage, when the roster is not newer or not of this mission.
pub async fn roster_import(args: RosterImportArgs, out: Output) -> Result<Exit, Failure> {
    let path = std::path::absolute(&args.file).unwrap_or_else(|_| args.file.clone());
    let home = unlock(&args.home)?;
    let mut session = Session::open(&home, &[], &out).await?;
    let asked = session.ask(crate::agent::protocol::Request::Roster(path.to_string_lossy().into_owned())).await;
    let answer = match asked {
        Ok(()) => {
            await_reply(&mut session, &out, |reply| match reply {
                Reply::Roster { version, same } => Some(("Roster version", version, same)),
                Reply::Rekeyed { generation, same } => Some(("Network key generation", generation.into(), same)),
                _ => None,
            })
            .await
        }
        Err(Gone) => Err(holder_ended()),
    };
    session.close().await?;
    let (what, version, same) = answer?;
    let key = if what.starts_with("Roster") { "roster_version" } else { "generation" };
    out.object(&serde_json::json!({key: version, "changed": !same}))?;
    out.say(&match same {
        true => format!("{what} {version} is in force already."),
        false => format!("{what} {version} is in force."),
    })?;
    Ok(Exit::Done)
}

fn unlock(args: &HomeArgs) -> Result<Home, Failure> {
    Home::unlock(&args.home, &args.source())
}

/// A home and its session.
async fn open(args: &AttachArgs, out: &Output) -> Result<(Home, Session), Failure> {
    let home = unlock(&args.home)?;
    let session = Session::open(&home, &args.via, out).await?;
    Ok((home, session))
}

/// Waits for the reply to the last request; notes are shown, everything else passes by.
async fn await_reply<T>(
    session: &mut Session,
    out: &Output,
    mut wanted: impl FnMut(Reply) -> Option<T>,
) -> Result<T, Failure> {
    loop {
        match session.next().await {
            Ok(Reply::Failed { exit, message, next }) => return Err(failed(exit, message, next)),
            Ok(Reply::Note(text)) => out.warn(&text),
            Ok(reply) => {
                if let Some(found) = wanted(reply) {
                    return Ok(found);
                }
            }
            Err(Gone) => return Err(holder_ended()),
        }
    }
}

/// Why waiting for the attachment ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Waited {
    /// It came as far as wanted.
    Reached,
    /// No gateway; why.
    Unreachable(String),
    /// The time is over.
    TimedOut,
}

/// How far the attachment is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    /// Everything held for us is in the mailbox.
    Drained,
    /// And nothing waits to go out.
    Idle,
}

/// Waits until the attachment has come far enough, or no gateway is in reach after a short grace, or `end`. Replies
/// that come meanwhile go to `each`.
async fn await_reach(
    session: &mut Session,
    aim: Aim,
    began: Instant,
    end: Option<Instant>,
    mut each: impl FnMut(Reply) -> Result<(), Failure>,
) -> Result<Waited, Failure> {
    let grace = began + limits::UNREACHABLE_GRACE;
    loop {
        let until = match (&session.reach, aim) {
            (Reach::Idle(_), _) | (Reach::Drained(_), Aim::Drained) => return Ok(Waited::Reached),
            (Reach::Unreachable(why), _) if Instant::now() >= grace => return Ok(Waited::Unreachable(why.clone())),
            (Reach::Unreachable(_), _) => Some(grace),
            (Reach::Trying | Reach::Attached(_) | Reach::Drained(_), _) => end,
        };
        let reply = tokio::select! {
            reply = session.next() => reply,
            () = sleep_until(until) => {
                if end.is_some_and(|end| Instant::now() >= end) {
                    return Ok(Waited::TimedOut);
                }
                continue;
            }
        };
        match reply {
            Ok(Reply::Failed { exit, message, next }) => return Err(failed(exit, message, next)),
            Ok(reply) => each(reply)?,
            Err(Gone) => return Err(holder_ended()),
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => core::future::pending().await,
    }
}

/// Some time from now.
fn from_now(span: Duration) -> Instant {
    // Far spans saturate: a timeout of centuries is none.
    Instant::now().checked_add(span).unwrap_or_else(|| Instant::now() + Duration::from_secs(1 << 30))
}

/// Said at every use of a member whose keys changed, until they are compared again (spec R-30.11-4).
fn keys_changed(member: &str, home: &std::path::Path) -> String {
    format!(
        "WARNING: THE KEYS OF {member} CHANGED. Somebody else may hold the new ones. Compare them with {member} by voice: \
         picket verify {member} --home {}",
        home.display()
    )
}

fn holder_ended() -> Failure {
    Failure::new(Exit::Internal, "the process that holds this home ended", "try again")
}

fn no_gateway(why: &str) -> Failure {
    Failure::new(
        Exit::NoGateway,
        format!("no gateway in reach: {why}"),
        "check that the gateway runs and that --via leads to it; what is in the mailbox was printed",
    )
}
