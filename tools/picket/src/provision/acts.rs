//! What an authority does beside enrolling: look, sign again, remove, protect its key.

use super::keyring::{self, Kept, Place};
use super::ledger::{self, Deed, Hold, Outcome};
use super::log::key_of;
use super::mission::{AUTHORITY_KEY, Handover, Mission, ROSTER, kind_name, no_mission, say_finished};
use crate::cli::{MissionShowArgs, ProtectArgs, ReissueArgs, RemoveArgs};
use crate::error::Failure;
use crate::files::{self, Access};
use crate::limits;
use crate::output::{Output, table};
use picket_provision::{Act, audit};
use picket_roster::{Digits, Kind, Roster, Station};
use serde_json::json;

/// `picket mission show`: needs no key.
///
/// # Errors
/// Usage for another folder, damaged.
pub fn show(args: &MissionShowArgs, out: &Output) -> Result<(), Failure> {
    let folder = args.dir.join(ledger::FOLDER);
    if !folder.join(AUTHORITY_KEY).exists() {
        return Err(no_mission(&args.dir));
    }
    let (_hold, finished) = Hold::of(&args.dir)?;
    say_finished(finished.as_deref(), out);
    let (log, _) = ledger::read(&args.dir)?;
    let acts = audit::entries(&log).map_or(0, |entries| entries.len());
    let path = args.dir.join(ROSTER);
    let bytes = files::read(&path, limits::KEYFILL_MAX)?;
    let roster = Roster::verify(bytes.as_slice(), &key_of(&log)?)
        .map_err(|e| Failure::damaged(format!("{}: {e}", path.display()), "see `picket mission log --check`"))?;
    let kept = keyring::kept(&folder.join(AUTHORITY_KEY))?;
    let (authority, digits) = (super::authority_digits(roster.authority()), Digits(roster.hash()).to_string());
    out.object(&json!({"mission": roster.mission_name(), "id": hex::encode(roster.mission().0), "key": kept.word(),
                       "authority": authority, "roster_version": roster.version(), "roster": digits, "acts": acts}))?;
    for s in roster.stations() {
        out.object(&json!({"index": s.index.0, "name": s.name, "kind": kind_name(s.kind),
                           "first_epoch": s.first_epoch, "listed_from": s.listed_from, "epochs": s.epochs,
                           "replaced": s.replaced}))?;
    }
    out.say(&format!(
        "mission {} ({})\nauthority {authority}\n  its key: {}\nroster version {}\n    {digits}\n{acts} acts in the log\n",
        roster.mission_name(),
        hex::encode(roster.mission().0),
        kept.word(),
        roster.version()
    ))?;
    let row = |s: Station<'_>| {
        let epochs = match s.kind {
            Kind::Member => {
                format!("{} to {}", s.listed_from, s.listed_end().saturating_sub(1))
            }
            Kind::Gateway => String::new(),
        };
        vec![s.index.0.to_string(), s.name.to_owned(), kind_name(s.kind).to_owned(), epochs]
    };
    let rows: Vec<Vec<String>> = roster.stations().map(row).collect();
    out.say(&table(&["INDEX", "NAME", "KIND", "EPOCHS"], &rows))
}

/// `picket mission reissue`.
///
/// # Errors
/// Usage for an unknown name; nothing is written then.
pub fn reissue(args: &ReissueArgs, out: &Output) -> Result<(), Failure> {
    let mut mission = Mission::open(&args.dir, &args.unlock.unlock(), out)?;
    let mut owners = Vec::new();
    for name in &args.names {
        owners.push((mission.station(name)?, None));
    }
    let signing = mission.sign(Vec::new(), &owners, Handover::Sealed)?;
    mission.commit(&signing)?;
    let version = signing.roster.version();
    out.object(&json!({"roster_version": version, "roster": args.dir.join(ROSTER)}))?;
    for device in &signing.devices {
        let keyfill = mission.keyfill_path(&device.name);
        out.object(&json!({"reissued": device.name, "kind": kind_name(device.kind), "keyfill": keyfill}))?;
        out.say(&format!(
            "a new keyfill of {} is {}; older ones are refused once it is taken",
            device.name,
            keyfill.display()
        ))?;
    }
    say_version(version, args.dir.join(ROSTER), out)
}

/// `picket mission remove`.
///
/// # Errors
/// Usage for an unknown name; nothing is written then.
pub fn remove(args: &RemoveArgs, out: &Output) -> Result<(), Failure> {
    let mut mission = Mission::open(&args.dir, &args.unlock.unlock(), out)?;
    let mut deeds = Vec::new();
    for name in &args.names {
        let index = mission.station(name)?;
        mission.draft_mut().remove(index).map_err(|e| Failure::internal(e.to_string()))?;
        let detail = index.0.into();
        deeds.push(Deed { act: Act::Remove, name: name.clone(), detail, output: [0; 32] });
    }
    let signing = mission.sign(deeds, &[], Handover::Sealed)?;
    mission.commit(&signing)?;
    let version = signing.roster.version();
    out.object(&json!({"removed": args.names, "roster_version": version, "roster": args.dir.join(ROSTER)}))?;
    out.warn("what a removed device knows it keeps: the network key opens headers until that changes");
    say_version(version, args.dir.join(ROSTER), out)
}

fn say_version(version: u32, roster: std::path::PathBuf, out: &Output) -> Result<(), Failure> {
    out.say(&format!(
        "Roster version {version} is {}.\n  next: `picket roster import --home H ROSTER` on members, `picket gateway roster \
         ROSTER --control PATH` on gateways",
        roster.display()
    ))
}

/// `picket mission protect`.
///
/// # Errors
/// Usage without a passphrase to be had, or for a key in a token.
pub fn protect(args: &ProtectArgs, out: &Output) -> Result<(), Failure> {
    let mut mission = Mission::open(&args.dir, &args.unlock.unlock(), &Output { json: out.json })?;
    if mission.kept() == Kept::Token {
        return Err(Failure::usage(
            "this authority's key never leaves its token",
            "change the token's PIN instead, for example with `pkcs11-tool --change-pin`",
        ));
    }
    let place = args.place()?;
    let file = keyring::keep_at(mission.authority(), &place)?;
    let name = mission.draft_mut().mission_name.clone();
    let (deed, kept, now_under) = match place {
        Place::File(_) => (Deed::of(Act::Protect, &name, 1, &file), Kept::Passphrase, "under its new passphrase"),
        Place::Token { .. } => (Deed::of(Act::KeyMoved, &name, 0, &file), Kept::Token, "in the token"),
    };
    let path = format!("{}/{AUTHORITY_KEY}", ledger::FOLDER);
    mission.record(&[deed], vec![Outcome::new(path, &file, Access::Secret)])?;
    out.object(&json!({"protected": name, "key": kept.word()}))?;
    out.say(&format!(
        "The authority's key of {name} is {now_under}.\n  next: erase copies of the old file; a medium may keep \
         what was on it, so that a key that once lay in clear is safest on a medium of its own that is then destroyed"
    ))
}
