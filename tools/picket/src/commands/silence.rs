//! `picket emcon`: to silence a member's own device, and to release it.

use super::emcon::{confirm, is_release};
use super::{await_reply, holder_ended};
use crate::agent::protocol::{Reply, Request};
use crate::agent::session::{Gone, Session};
use crate::cli::DeviceEmconArgs;
use crate::error::{Exit, Failure};
use crate::output::Output;
use crate::silence;
use picket_node::gate::Emcon;

/// Shows or orders the state.
///
/// # Errors
/// Usage, when a release is not confirmed; [`Exit::Damaged`], when the state cannot be written down; whatever keeps us
/// from telling the process that holds the home.
pub async fn emcon(args: DeviceEmconArgs, out: Output) -> Result<Exit, Failure> {
    let folder = args.home.home.clone();
    let (present, trouble) = silence::read(&folder);
    if let Some(why) = trouble {
        out.warn(&why);
    }
    let Some(word) = &args.state else { return show(present, &out) };
    let state: Emcon = word.parse().map_err(|e| Failure::usage(format!("the state {e}"), "name one of them"))?;
    if is_release(present.name(), word) && !args.yes {
        confirm("device", present.name(), word)?;
    }
    // The mark first: whoever opens the home from now on is bound by it, whatever happens below.
    let written = silence::write(&folder, state);
    tell_holder(&args, state, &out).await?;
    show(state, &out)?;
    match written {
        Ok(()) => Ok(Exit::Done),
        Err(e) => Err(Failure::new(
            Exit::Damaged,
            format!(
                "{state} cannot be written down in {}: {e}; only the process that holds the home keeps to it",
                folder.display()
            ),
            "mend the disk or make room, then order it again",
        )),
    }
}

/// Where a process holds the home, it is told: it may be transmitting.
async fn tell_holder(args: &DeviceEmconArgs, state: Emcon, out: &Output) -> Result<(), Failure> {
    if !Session::is_held(&args.home.home) {
        return Ok(());
    }
    let home = super::unlock(&args.home)?;
    let Some(mut session) = Session::with_holder(&home).await? else { return Ok(()) };
    session.ask(Request::Emcon(state.name().to_owned())).await.map_err(|Gone| holder_ended())?;
    let in_force = await_reply(&mut session, out, |reply| match reply {
        Reply::Emcon(word) => Some(word),
        _ => None,
    });
    let in_force = in_force.await?;
    session.close().await?;
    if in_force == state.name() { Ok(()) } else { Err(Failure::internal("the holder of the home did not follow")) }
}

fn show(state: Emcon, out: &Output) -> Result<Exit, Failure> {
    out.object(&serde_json::json!({ "state": state.name() }))?;
    out.say(&format!("emcon      {state}"))?;
    if state.forbids_all() && !out.json {
        out.warn("warning: whether the radio itself is silent is not known; a modem may transmit by itself");
    }
    Ok(Exit::Done)
}
