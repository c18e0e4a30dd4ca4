//! Keys of further epochs, as the authority lists them (spec §30.16).

use super::ledger::Deed;
use super::mission::{Handover, Mission, ROSTER};
use crate::cli::MissionExtendArgs;
use crate::error::Failure;
use crate::output::Output;
use picket_provision::Act;
use picket_roster::keys::mission_of;
use picket_roster::{ExtendError, Extended, ExtensionError, ExtensionRequest};
use picket_wire::limits::OBJECT_MAX;
use serde_json::json;

/// `picket mission extend`.
///
/// # Errors
/// Usage for a request that is refused; nothing is written then.
pub fn extend(args: &MissionExtendArgs, out: &Output) -> Result<(), Failure> {
    let files = super::scan::requests(&args.requests, args.qr, out)?;
    let mut mission = Mission::open(&args.dir, &args.unlock.unlock(), out)?;
    let (mut deeds, mut done) = (Vec::new(), Vec::new());
    for (place, bytes) in &files {
        match list(&mut mission, bytes, args.replace) {
            Ok((name, extended)) => {
                deeds.push(Deed::of(Act::Extend, &name, extended.index.0.into(), bytes));
                done.push((name, extended));
            }
            Err(Refusal::Listed(name)) => out.say(&format!("{name}: these keys are listed already; nothing to do"))?,
            Err(Refusal::Failed(failure)) => {
                let message = format!("{place}: {}", failure.message);
                return Err(Failure { message, ..failure });
            }
        }
    }
    if done.is_empty() {
        return Ok(());
    }
    let signing = mission.sign(deeds, &[], Handover::Sealed)?;
    mission.commit(&signing)?;
    let (version, roster) = (signing.roster.version(), args.dir.join(ROSTER));
    for (name, Extended { listed, replaced, .. }) in &done {
        let last = listed.end.saturating_sub(1);
        out.object(&json!({"extended": name, "listed_from": listed.start, "last_epoch": last, "replaced": replaced,
                           "roster_version": version, "roster": roster}))?;
        let how = if *replaced { ", in place of others" } else { "" };
        out.say(&format!("{name}: keys of epochs {} to {last} are listed{how}", listed.start))?;
    }
    let way = match signing.roster.bytes().len() < OBJECT_MAX {
        true => "to any one gateway, `picket gateway push ROSTER --control PATH`; it spreads from there by itself",
        false => {
            "it is longer than 64 KiB and does not spread by itself: `picket gateway roster ROSTER --control PATH` on each \
             gateway, `picket roster import --home H ROSTER` on each member"
        }
    };
    out.say(&format!("Roster version {version} is {}.\n  next: {way}", roster.display()))
}

enum Refusal {
    /// The same keys are listed already: a request given twice.
    Listed(String),
    Failed(Failure),
}

fn list(mission: &mut Mission, bytes: &[u8], replace: bool) -> Result<(String, Extended), Refusal> {
    let id = mission_of(&mission.public().map_err(Refusal::Failed)?);
    let current = mission.epoch();
    let draft = mission.draft_mut();
    let read = ExtensionRequest::verify(bytes, id, |index| draft.identity_of(index));
    let request = read.map_err(|e| Refusal::Failed(unreadable(&e)))?;
    let name = draft.name_of(request.own).unwrap_or_default().to_owned();
    match draft.extend(&request, current, replace) {
        Ok(extended) => Ok((name, extended)),
        Err(ExtendError::Nothing { .. }) => Err(Refusal::Listed(name)),
        Err(e) => Err(Refusal::Failed(refused(&name, e))),
    }
}

fn unreadable(e: &ExtensionError) -> Failure {
    let next = match e {
        ExtensionError::Header(_) | ExtensionError::Format(_) => {
            "give the file `picket device extend` made; parts of codes go with --qr; nothing was written"
        }
        ExtensionError::Mission => "give it to that mission's authority; nothing was written",
        ExtensionError::Unknown { .. } => "see `picket mission show DIR`; nothing was written",
        ExtensionError::Signature | ExtensionError::Key => {
            "do not list it; have its owner run `picket device extend` again; nothing was written"
        }
    };
    Failure::usage(e.to_string(), next)
}

fn refused(name: &str, e: ExtendError) -> Failure {
    let next = match e {
        ExtendError::OtherKeys { .. } => {
            "ask its owner, by voice: where the device was restored from a copy it has lost those, and --replace lists these \
             instead; otherwise somebody else may hold its identity key; nothing was written"
        }
        ExtendError::TooMany { .. } => "`picket device extend --epochs N` with fewer; nothing was written",
        ExtendError::Unknown { .. }
        | ExtendError::Nothing { .. }
        | ExtendError::Over
        | ExtendError::Gap { .. }
        | ExtendError::Worn => {
            "`picket device extend` again on the device, with the newest roster; nothing was written"
        }
    };
    Failure::usage(format!("{name}: {e}"), next)
}
