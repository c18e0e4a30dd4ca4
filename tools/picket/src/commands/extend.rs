//! `picket device extend`.

use super::{await_reply, holder_ended};
use crate::agent::protocol::{Reply, Request};
use crate::agent::session::{Gone, Session};
use crate::cli::{DeviceExtendArgs, SendArgs};
use crate::duration::Span;
use crate::error::{Exit, Failure};
use crate::files::{self, Access};
use crate::output::Output;
use crate::provision::codes;
use picket_wire::Precedence;
use std::path::PathBuf;
use std::time::Duration;

/// Makes keys for further epochs and the request for them; shows or sends it.
///
/// # Errors
/// As the exit codes say.
pub async fn extend(args: DeviceExtendArgs, out: Output) -> Result<Exit, Failure> {
    let (_home, mut session) = super::open(&args.attach, &out).await?;
    let made = make(&args, &mut session, &out).await;
    session.close().await?;
    let file = made?;
    match args.to.clone() {
        None => Ok(Exit::Done),
        Some(to) => super::send(as_message(&args, to, file), out).await,
    }
}

/// Where the request was written.
async fn make(args: &DeviceExtendArgs, session: &mut Session, out: &Output) -> Result<PathBuf, Failure> {
    session.ask(Request::Extend(args.epochs)).await.map_err(|Gone| holder_ended())?;
    let made = await_reply(session, out, |reply| match reply {
        Reply::Extension { name, hex, first, epochs, again } => Some((name, hex, first, epochs, again)),
        _ => None,
    })
    .await?;
    let (name, hex, first, epochs, again) = made;
    let bytes = hex::decode(hex).map_err(|e| Failure::internal(e.to_string()))?;
    let file = args.attach.home.home.join(format!("{name}.extend"));
    files::write(&file, &bytes, Access::Public)?;
    let last = first.saturating_add(epochs).saturating_sub(1);
    out.object(&serde_json::json!({"name": name, "first_epoch": first, "last_epoch": last, "again": again,
                                   "request": file}))?;
    codes::show(&bytes, &args.codes, out)?;
    let (what, shown) = (if again { "waits to be listed already" } else { "is made" }, file.display());
    let next = match &args.to {
        Some(to) => {
            format!(
                "it goes to {to}, who saves it with `picket read ID --output FILE` and runs `picket mission extend`"
            )
        }
        None => format!(
            "bring {shown} to the authority, who runs `picket mission extend DIR {shown}`; or send it with --to NAME"
        ),
    };
    out.say(&format!(
        "The request for epochs {first} to {last} {what}: {shown}. Its private keys never leave the home.\n  next: {next}; \
         the roster that lists the keys then comes by itself"
    ))?;
    Ok(file)
}

fn as_message(args: &DeviceExtendArgs, to: String, file: PathBuf) -> SendArgs {
    SendArgs {
        attach: args.attach.clone(),
        to: Some(to),
        room: None,
        order: false,
        precedence: Precedence::Routine,
        ttl: None,
        burn: None,
        file: Some(file),
        wait: None,
        timeout: Span(Duration::ZERO),
        text: None,
    }
}
