//! `picket gateway emcon`: to silence a gateway, and to release it.

use super::gateway::ask;
use crate::cli::EmconArgs;
use crate::error::{Exit, Failure};
use crate::output::{Output, table};
use picket_node::gate::Emcon;
use picket_node::operator::{EmconStatus, Reply, Request};
use std::io::{self, BufRead, IsTerminal, Write};

/// `gateway emcon [STATE]`.
///
/// # Errors
/// Usage, when a release is not confirmed; [`Exit::Damaged`], when the state is in force and not written down;
/// [`Exit::NoGateway`].
pub fn gateway_emcon(args: &EmconArgs, out: &Output) -> Result<(), Failure> {
    if let Some(state) = &args.state
        && !args.yes
    {
        let present = order(args, None)?;
        if is_release(&present.state, state) {
            confirm("gateway", &present.state, state)?;
        }
    }
    let status = order(args, args.state.clone())?;
    show(&status, out)?;
    if status.durable {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Damaged,
        format!("{} is in force, but not written down: a restart may forget it", status.state),
        "make room on the disk of the state folder, or mend it, then order the state again",
    ))
}

fn order(args: &EmconArgs, state: Option<String>) -> Result<EmconStatus, Failure> {
    match ask(&args.control.control, &Request::Emcon(state))? {
        Reply::Emcon(status) => Ok(status),
        Reply::Error { message, next, .. } => Err(Failure::usage(message, next)),
        Reply::Status(_) | Reply::Links(_) | Reply::Queue(_) | Reply::Roster { .. } | Reply::Object { .. } => {
            Err(Failure::internal("the gateway answered something else than was asked"))
        }
    }
}

/// A word that is not known is the gateway's to refuse.
pub(super) fn is_release(present: &str, wanted: &str) -> bool {
    let states = (present.parse::<Emcon>(), wanted.parse::<Emcon>());
    matches!(states, (Ok(present), Ok(wanted)) if wanted < present)
}

pub(super) fn confirm(what: &str, present: &str, wanted: &str) -> Result<(), Failure> {
    let refused = || {
        Failure::usage(
            format!("going from {present} to {wanted} lets this {what} transmit, and that was not confirmed"),
            "answer yes at a terminal, or add --yes",
        )
    };
    if !io::stdin().is_terminal() {
        return Err(refused());
    }
    let question = format!("The {what} is {present}. Let it transmit ({wanted})? Type yes: ");
    let mut line = String::new();
    let mut stderr = io::stderr().lock();
    let asked = stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush());
    asked.and_then(|()| io::stdin().lock().read_line(&mut line)).map_err(|e| Failure::internal(e.to_string()))?;
    if line.trim() == "yes" { Ok(()) } else { Err(refused()) }
}

/// The state in one line of `gateway status`.
pub(super) fn line(emcon: &EmconStatus) -> String {
    let mut text = format!("emcon      {}", emcon.state);
    if !emcon.reached {
        text.push_str(&format!(", stopping for {} ms more", emcon.stopping_ms));
    }
    if emcon.owed > 0 {
        text.push_str(&format!(", {} answers owed", emcon.owed));
    }
    text.push('\n');
    text
}

pub(super) fn show(emcon: &EmconStatus, out: &Output) -> Result<(), Failure> {
    out.object(emcon)?;
    out.say(line(emcon).trim_end())?;
    if !emcon.links.is_empty() {
        let rows: Vec<Vec<String>> = emcon.links.iter().map(|l| vec![l.name.clone(), l.silence.clone()]).collect();
        out.say(&table(&["LINK", "SILENCE"], &rows))?;
    }
    if !out.json {
        emcon.warnings.iter().for_each(|warning| out.warn(&format!("warning: {warning}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_freer_state_is_to_be_confirmed() {
        assert!(is_release("silent", "free") && is_release("silent", "receive-only") && is_release("minimize", "free"));
        assert!(!is_release("free", "silent") && !is_release("silent", "silent") && !is_release("?", "free"));
    }
}
