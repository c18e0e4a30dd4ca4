//! `picket recover`: after the device was in other hands.

use super::{Aim, Waited, await_reach, await_reply, from_now, holder_ended};
use crate::agent::protocol::{Reply, Request};
use crate::agent::session::{Gone, Session};
use crate::cli::RecoverArgs;
use crate::error::{Exit, Failure};
use crate::limits;
use crate::output::Output;
use serde::Serialize;
use tokio::time::Instant;

#[derive(Serialize)]
struct Row {
    told: usize,
}

/// Stops the use of every key made before, and tells the members we wrote to or heard from.
///
/// # Errors
/// As the exit codes say.
pub async fn recover(args: RecoverArgs, out: Output) -> Result<Exit, Failure> {
    let (_home, mut session) = super::open(&args.attach, &out).await?;
    let outcome = renew(&mut session, &out).await;
    session.close().await?;
    outcome
}

async fn renew(session: &mut Session, out: &Output) -> Result<Exit, Failure> {
    let began = Instant::now();
    session.ask(Request::Renew).await.map_err(|Gone| holder_ended())?;
    let told = await_reply(session, out, |reply| match reply {
        Reply::Renewed(told) => Some(told),
        _ => None,
    })
    .await?;
    out.object(&Row { told })?;
    out.say(&format!(
        "Fresh keys from now on; {told} members are told. What was copied opens nothing they send after that."
    ))?;
    out.say("It still speaks in this device's name: if it may be used, ask the authority to revoke it.")?;
    let waited = await_reach(session, Aim::Idle, began, Some(from_now(limits::CUSTODY_TRY)), |_| Ok(())).await?;
    if waited != Waited::Reached {
        out.warn("no gateway in reach: they are told with the next command that attaches");
    }
    Ok(Exit::Done)
}
