//! Revoking devices, and who may (spec §35).

use super::ledger::{Deed, Outcome};
use super::mission::{Handover, Mission, ROSTER, refused};
use super::{now, seed};
use crate::cli::{CosignArgs, RevokeArgs, RevokerArgs, RevokersArgs};
use crate::error::Failure;
use crate::files::{self, Access};
use crate::limits;
use crate::output::Output;
use crate::passphrase::{self, Source};
use picket_provision::Act;
use picket_roster::{Kind, PublicKey, RevokeDraft, RevokerSecret, Roster, file};
use picket_wire::Index;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The authority's public key, for those who cosign without the authority's own.
const PUBLIC: &str = "authority/public";

/// `picket mission revoke`.
///
/// # Errors
/// Usage, when a name is nobody's, or when revokers have to sign and nothing is proposed; nothing is written then.
pub fn revoke(args: &RevokeArgs, out: &Output) -> Result<(), Failure> {
    let mut mission = Mission::open(&args.dir, &args.unlock.unlock(), out)?;
    let before = read_roster(&args.dir, mission.public()?)?;
    let mut indices = Vec::new();
    let mut gateways = Vec::new();
    for name in &args.names {
        let station = before.by_name(name).ok_or_else(|| {
            Failure::usage(
                format!("nobody in this mission is called \"{name}\""),
                "see the names in the roster; nothing changed",
            )
        })?;
        indices.push(station.index);
        if station.kind == Kind::Gateway {
            gateways.push(station.name);
        }
    }
    mission.draft_mut().revoke(&indices).map_err(refused)?;
    let signing = mission.sign(Vec::new(), &[], Handover::Sealed)?;
    let roster = &signing.roster;
    let mut draft = mission.revocation(roster)?;
    let object = match &args.propose {
        Some(file) => file.clone(),
        None => {
            mission.sign_revocation(&mut draft, roster)?;
            args.dir.join(object_name(&draft))
        }
    };
    let unknown = mission.ca().revoke(&gateways)?;
    files::write(&args.dir.join(PUBLIC), &mission.public()?.0, Access::Public)?;
    let bytes = object_file(&draft);
    let deed = |(name, index): (&String, &Index)| Deed::of(Act::Revoke, name, index.0.into(), &bytes);
    let deeds = args.names.iter().zip(&indices).map(deed).collect();
    let mut written = Vec::new();
    match &args.propose {
        Some(file) => files::write(file, &bytes, Access::Public)?,
        None => written.push(Outcome::new(object_name(&draft), &bytes, Access::Public)),
    }
    mission.commit_also(&signing, deeds, written)?;
    let (generation, version) = (draft.generation(), roster.version());
    out.object(&json!({"revoked": args.names, "generation": generation, "roster_version": version, "object": object,
                       "bytes": draft.bytes().len(), "complete": args.propose.is_none()}))?;
    for name in unknown {
        out.warn(&format!("the certificate of {name} is not known here: have the broker refuse it by hand"));
    }
    let who = if args.names.is_empty() { "Nobody".to_owned() } else { args.names.join(", ") };
    let next = match (&args.propose, gateways.is_empty()) {
        (Some(_), _) => {
            format!("have it signed: `picket mission cosign {} {} --key K`", args.dir.display(), object.display())
        }
        (None, true) => format!("`picket gateway push {} --control PATH` on any gateway", object.display()),
        (None, false) => format!(
            "`picket gateway push {} --control PATH` on any gateway; give the broker {}/tls/crl.pem and reload it",
            object.display(),
            args.dir.display()
        ),
    };
    out.say(&format!(
        "{who} revoked: roster version {version}, network key generation {generation}, {} bytes.\n  next: {next}",
        draft.bytes().len()
    ))
}

/// `picket mission cosign`.
///
/// # Errors
/// Usage, when the key is no revoker's, or has signed.
pub fn cosign(args: &CosignArgs, out: &Output) -> Result<(), Failure> {
    let public = files::read(&args.dir.join(PUBLIC), limits::SMALL_FILE_MAX)?;
    let public = public.as_slice().try_into().map(PublicKey).map_err(|_| {
        Failure::damaged(
            format!("{}/{PUBLIC} is not a public key", args.dir.display()),
            "copy it from the authority again",
        )
    })?;
    let roster = read_roster(&args.dir, public)?;
    let bytes = files::read(&args.file, limits::KEYFILL_MAX)?;
    let not_one =
        |e: String| Failure::usage(format!("{}: {e}", args.file.display()), "give the file `--propose` wrote");
    let object = file::OBJECT.open(&bytes).map_err(|e| not_one(e.to_string()))?;
    let mut draft = RevokeDraft::from_bytes(object.to_vec()).map_err(|e| not_one(e.to_string()))?;
    let secret =
        passphrase::unwrap_file(passphrase::REVOKER, &args.key, &Source { file: args.passphrase_file.clone() })?;
    let secret = RevokerSecret::from_bytes(&secret).map_err(|e| {
        Failure::usage(format!("{}: {e}", args.key.display()), "give the key `picket mission revoker` made")
    })?;
    let (have, need) =
        draft.cosign(&secret, &roster).map_err(|e| Failure::usage(e.to_string(), "nothing was signed"))?;
    files::write(&args.file, &object_file(&draft), Access::Public)?;
    let revoked: Vec<u16> = draft.revoked().iter().map(|i| i.0).collect();
    out.object(&json!({"object": args.file, "signatures": have, "needed": need, "revoked": revoked,
                       "generation": draft.generation()}))?;
    out.say(&if have < need {
        format!("{have} of {need} signatures.\n  next: the same with another revoker's key")
    } else {
        format!(
            "{have} of {need} signatures: complete.\n  next: `picket gateway push {} --control PATH`",
            args.file.display()
        )
    })
}

/// `picket mission revokers`.
///
/// # Errors
/// Usage, when they are not k of n distinct keys.
pub fn revokers(args: &RevokersArgs, out: &Output) -> Result<(), Failure> {
    let mut keys = Vec::new();
    for path in &args.keys {
        let bytes = files::read(path, limits::SMALL_FILE_MAX)?;
        let key = bytes.as_slice().try_into().map(PublicKey).map_err(|_| {
            Failure::usage(format!("{} is not a revoker's public key", path.display()), "give the .pub file")
        })?;
        keys.push(key);
    }
    let mut mission = Mission::open(&args.dir, &args.unlock.unlock(), out)?;
    mission.draft_mut().set_revokers(args.k, keys).map_err(refused)?;
    let signing = mission.sign(Vec::new(), &[], Handover::Sealed)?;
    files::write(&args.dir.join(PUBLIC), &mission.public()?.0, Access::Public)?;
    mission.commit(&signing)?;
    let (version, n) = (signing.roster.version(), args.keys.len());
    out.object(&json!({"k": args.k, "n": n, "roster_version": version}))?;
    out.say(&format!(
        "Roster version {version}: {} of {n} revokers must sign a revocation.\n  next: give everybody the roster \
         (`picket gateway push {} --control PATH` on any gateway)",
        args.k,
        args.dir.join(ROSTER).display()
    ))
}

/// `picket mission revoker`.
///
/// # Errors
/// Usage, when the file exists.
pub fn revoker(args: &RevokerArgs, out: &Output) -> Result<(), Failure> {
    if args.file.exists() {
        return Err(Failure::usage(format!("{} exists", args.file.display()), "choose another name"));
    }
    let protection = super::mission::protection(&args.protection)?;
    let secret = RevokerSecret::generate(&*seed()?).map_err(|e| Failure::internal(e.to_string()))?;
    let public = secret.public().map_err(|e| Failure::internal(e.to_string()))?;
    let wrapped = passphrase::wrap(passphrase::REVOKER, &protection, secret.to_bytes().as_ref())?;
    files::write(&args.file, &wrapped, Access::Secret)?;
    let mut name = args.file.clone().into_os_string();
    name.push(".pub");
    let name = PathBuf::from(name);
    files::write(&name, &public.0, Access::Public)?;
    out.object(&json!({"key": args.file, "public": name, "made": now().as_secs()}))?;
    out.say(&format!("The key is in {}; give {} to the authority.", args.file.display(), name.display()))
}

fn read_roster(dir: &Path, public: PublicKey) -> Result<Roster<Vec<u8>>, Failure> {
    let path = dir.join(ROSTER);
    let bytes = files::read(&path, limits::KEYFILL_MAX)?;
    Roster::verify(bytes.to_vec(), &public)
        .map_err(|e| Failure::damaged(format!("{}: {e}", path.display()), "copy it from the authority again"))
}

fn object_file(draft: &RevokeDraft) -> Vec<u8> {
    [&file::OBJECT.header(), draft.bytes()].concat()
}

fn object_name(draft: &RevokeDraft) -> String {
    format!("revoke-{}.pkobj", draft.generation())
}
