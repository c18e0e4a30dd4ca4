#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::cli::{Cli, Command, DeviceCommand, GatewayCommand, MissionCommand};
use crate::error::Exit;
use crate::output::Output;
use clap::Parser;
use picket_provision::Sealed;
use picket_roster::{Keyfill, Kind};
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Runs one provisioning command line.
fn picket(line: &str) -> Result<(), Failure> {
    let out = Output { json: true };
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
    match cli.command {
        Command::Mission(MissionCommand::Quickstart(args)) => quickstart(&args, &out),
        Command::Mission(MissionCommand::New(args)) => new(&args, &out),
        Command::Mission(MissionCommand::Enrol(args)) => enrol(&args, &out),
        Command::Mission(MissionCommand::Show(args)) => show(&args, &out),
        Command::Mission(MissionCommand::Reissue(args)) => reissue(&args, &out),
        Command::Mission(MissionCommand::Remove(args)) => remove(&args, &out),
        Command::Mission(MissionCommand::Protect(args)) => protect(&args, &out),
        Command::Mission(MissionCommand::Log(args)) => log(&args, &out),
        Command::Gateway(GatewayCommand::Provision(args)) => device::provision_gateway(&args, &out),
        Command::Device(DeviceCommand::New(args)) => device::new(&args, &out),
        Command::Join(args) => device::join(&args, &out),
        other => panic!("{other:?}"),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn quickstart_writes_everything_that_the_contract_names() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("m");
    let d = dir.display();
    picket(&format!("picket mission quickstart {d} --members alpha,bravo --gateways gw1,gw2 --unprotected")).unwrap();
    for name in ["roster", "authority", "alpha", "bravo", "gw1.toml", "gw2.toml", "tls/ca.pem", "tls/server.pem"] {
        assert!(dir.join(name).exists(), "{name}");
    }
    for secret in ["gw1.keyfill", "tls/ca.key", "tls/gw1.key", "alpha/home.key", "authority/authority.key"] {
        assert_eq!(mode(&dir.join(secret)), 0o600, "{secret}");
    }
    assert_eq!(mode(&dir.join("alpha")), 0o700);
    let bytes = fs::read(dir.join("gw1.keyfill")).unwrap();
    let keyfill = Keyfill::open(&bytes).unwrap();
    assert_eq!(keyfill.owner().unwrap().kind, Kind::Gateway);
    assert!(keyfill.secrets().unwrap().is_some(), "a gateway starts from its keyfill alone");
    assert_eq!(keyfill.roster().len(), 4);
    assert_eq!(keyfill.roster().bytes(), fs::read(dir.join("roster")).unwrap());
    let again = picket(&format!("picket mission quickstart {d} --members a,b --gateways g --unprotected")).unwrap_err();
    assert_eq!(again.exit, Exit::Usage);
}

#[test]
fn quickstart_refuses_names_that_cannot_be_files_before_it_writes() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("m");
    let d = dir.display();
    for (members, gateways) in [("alpha,alpha", "g"), ("roster", "g"), ("a", "a"), (".x", "g"), ("a$b", "g")] {
        let line = format!("picket mission quickstart {d} --members {members} --gateways {gateways} --unprotected");
        assert_eq!(picket(&line).unwrap_err().exit, Exit::Usage, "{line}");
        assert!(!dir.exists(), "{line}");
    }
    let line = format!("picket mission quickstart {d} --members a --gateways g --unprotected --broker localhost");
    assert_eq!(picket(&line).unwrap_err().exit, Exit::Usage);
    let line = format!("picket mission quickstart {d} --members a --gateways g --unprotected --radio x=/dev/ttyS0");
    assert_eq!(picket(&line).unwrap_err().exit, Exit::Usage);
}

#[test]
fn devices_enrol_by_request_and_keep_their_keys() {
    let tmp = tempfile::tempdir().unwrap();
    let t = tmp.path().display();
    fs::write(tmp.path().join("pw"), "a secret\n").unwrap();
    let with = format!("--passphrase-file {t}/pw");
    picket(&format!("picket mission new {t}/m --name exercise {with}")).unwrap();
    for (name, kind) in [("alpha", "member"), ("bravo", "member"), ("gw1", "gateway")] {
        picket(&format!("picket device new {name} --kind {kind} --home {t}/{name} {with} --epochs 2")).unwrap();
    }
    let requests = format!("{t}/alpha/request {t}/gw1/request");
    picket(&format!("picket mission enrol {t}/m {requests} {with}")).unwrap();
    picket(&format!("picket mission enrol {t}/m {t}/bravo/request {with}")).unwrap();

    let alpha = fs::read(tmp.path().join("m/alpha.keyfill")).unwrap();
    assert!(Keyfill::open(&alpha).is_err(), "it is sealed");
    let sealed = Sealed::verify(&alpha).unwrap();
    assert_eq!((sealed.name(), sealed.roster_version()), ("alpha", 2));
    let bravo = fs::read(tmp.path().join("m/bravo.keyfill")).unwrap();
    assert_eq!(Sealed::verify(&bravo).unwrap().roster_version(), 3);

    let other = picket(&format!("picket join --home {t}/alpha {t}/m/bravo.keyfill {with}")).unwrap_err();
    assert_eq!(other.exit, Exit::Usage);
    picket(&format!("picket join --home {t}/alpha {t}/m/alpha.keyfill {with}")).unwrap();
    let twice = picket(&format!("picket join --home {t}/alpha {t}/m/alpha.keyfill {with}")).unwrap_err();
    assert_eq!(twice.exit, Exit::Usage);

    picket(&format!("picket join --home {t}/gw1 {t}/m/gw1.keyfill {with}")).unwrap();
    let joined = fs::read(tmp.path().join("gw1/gw1.keyfill")).unwrap();
    assert!(Keyfill::open(&joined).unwrap().secrets().unwrap().is_some());
}

#[test]
fn enrolling_needs_the_authoritys_passphrase_and_a_sound_request() {
    let tmp = tempfile::tempdir().unwrap();
    let t = tmp.path().display();
    fs::write(tmp.path().join("pw"), "a secret\n").unwrap();
    fs::write(tmp.path().join("wrong"), "a guess\n").unwrap();
    picket(&format!("picket mission new {t}/m --name exercise --passphrase-file {t}/pw")).unwrap();
    picket(&format!("picket device new alpha --kind member --home {t}/alpha --unprotected --epochs 1")).unwrap();
    let before = fs::read(tmp.path().join("m/roster")).unwrap();
    let line = |pw: &str| format!("picket mission enrol {t}/m {t}/alpha/request --passphrase-file {t}/{pw}");
    assert_eq!(picket(&line("wrong")).unwrap_err().exit, Exit::Locked);
    let request = tmp.path().join("alpha/request");
    let good = fs::read(&request).unwrap();
    let mut bad = good.clone();
    bad[40] ^= 1;
    fs::write(&request, bad).unwrap();
    assert_eq!(picket(&line("pw")).unwrap_err().exit, Exit::Usage);
    assert_eq!(fs::read(tmp.path().join("m/roster")).unwrap(), before);
    fs::write(&request, good).unwrap();
    picket(&line("pw")).unwrap();
    assert_eq!(picket(&line("pw")).unwrap_err().exit, Exit::Usage, "enrolled twice");
}

#[test]
fn a_damaged_keyfill_changes_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let t = tmp.path().display();
    picket(&format!("picket mission new {t}/m --name exercise --unprotected")).unwrap();
    picket(&format!("picket device new alpha --kind member --home {t}/alpha --unprotected --epochs 1")).unwrap();
    picket(&format!("picket mission enrol {t}/m {t}/alpha/request")).unwrap();
    let path = tmp.path().join("m/alpha.keyfill");
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&path, bad).unwrap();
    let join = format!("picket join --home {t}/alpha {t}/m/alpha.keyfill");
    assert_eq!(picket(&join).unwrap_err().exit, Exit::Damaged);
    fs::write(&path, good).unwrap();
    picket(&join).unwrap();
}

/// A mission without passphrases, with a member and a gateway enrolled.
fn enrolled(tmp: &tempfile::TempDir) -> String {
    let t = tmp.path().display().to_string();
    picket(&format!("picket mission new {t}/m --name exercise --unprotected")).unwrap();
    for (name, kind) in [("alpha", "member"), ("gw1", "gateway")] {
        picket(&format!("picket device new {name} --kind {kind} --home {t}/{name} --unprotected --epochs 2")).unwrap();
    }
    picket(&format!("picket mission enrol {t}/m {t}/alpha/request {t}/gw1/request")).unwrap();
    t
}

#[test]
fn a_keyfill_for_another_device_is_refused_by_name() {
    let tmp = tempfile::tempdir().unwrap();
    let t = enrolled(&tmp);
    let refused = picket(&format!("picket join --home {t}/alpha {t}/m/gw1.keyfill")).unwrap_err();
    assert_eq!(refused.exit, Exit::Usage);
    assert!(refused.message.contains("gw1"), "{refused}");
    let member = picket(&format!("picket gateway provision --home {t}/alpha {t}/m/alpha.keyfill")).unwrap_err();
    assert!(member.message.contains("member"), "{member}");
    let digits = |d: &str| picket(&format!("picket join --home {t}/alpha {t}/m/alpha.keyfill --authority {d}"));
    assert_eq!(digits("00000-11111").unwrap_err().exit, Exit::Dead);
    let keyfill = fs::read(tmp.path().join("m/alpha.keyfill")).unwrap();
    let right = authority_digits(Sealed::verify(&keyfill).unwrap().authority());
    digits(&right.replace(' ', "-")).unwrap();
}

#[test]
fn an_old_keyfill_given_again_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let t = enrolled(&tmp);
    let old = fs::read(tmp.path().join("m/gw1.keyfill")).unwrap();
    picket(&format!("picket gateway provision --home {t}/gw1 {t}/m/gw1.keyfill")).unwrap();
    picket(&format!("picket mission reissue {t}/m gw1 alpha")).unwrap();
    let provision = format!("picket gateway provision --home {t}/gw1 {t}/m/gw1.keyfill");
    picket(&provision).unwrap();
    let version = |file: &str| Keyfill::open(&fs::read(tmp.path().join(file)).unwrap()).unwrap().roster().version();
    assert_eq!(version("gw1/gw1.keyfill"), 3);
    let again = picket(&provision).unwrap_err();
    assert!(again.message.contains("given again"), "{again}");
    fs::write(tmp.path().join("m/gw1.keyfill"), old).unwrap();
    assert!(picket(&provision).unwrap_err().message.contains("given again"));
    assert_eq!(version("gw1/gw1.keyfill"), 3, "nothing changed");
    // A member's keys are gone once it has joined, and the old one is named all the same.
    picket(&format!("picket join --home {t}/alpha {t}/m/alpha.keyfill")).unwrap();
    let again = picket(&format!("picket join --home {t}/alpha {t}/m/alpha.keyfill")).unwrap_err();
    assert!(again.message.contains("given again"), "{again}");
    assert_eq!(picket(&format!("picket mission reissue {t}/m nobody")).unwrap_err().exit, Exit::Usage);
}

fn acts(t: &str) -> Vec<(String, String)> {
    let log = fs::read(Path::new(t).join("m/authority/audit.log")).unwrap();
    let entries = picket_provision::audit::entries(&log).unwrap();
    entries.iter().map(|e| (e.act.word().to_owned(), e.name.to_owned())).collect()
}

#[test]
fn every_act_of_the_authority_is_in_its_log() {
    let tmp = tempfile::tempdir().unwrap();
    let t = enrolled(&tmp);
    fs::write(tmp.path().join("pw"), "a secret\n").unwrap();
    picket(&format!("picket mission reissue {t}/m alpha")).unwrap();
    picket(&format!("picket mission remove {t}/m alpha")).unwrap();
    picket(&format!("picket mission protect {t}/m --new-passphrase-file {t}/pw")).unwrap();
    let expected = [
        "create exercise",
        "roster exercise",
        "enrol alpha",
        "enrol gw1",
        "roster exercise",
        "keyfill alpha",
        "keyfill gw1",
        "roster exercise",
        "keyfill alpha",
        "remove alpha",
        "roster exercise",
        "protect exercise",
    ];
    let found: Vec<String> = acts(&t).into_iter().map(|(act, name)| format!("{act} {name}")).collect();
    assert_eq!(found, expected);
    picket(&format!("picket mission log {t}/m --check")).unwrap();
    picket(&format!("picket mission log {t}/m")).unwrap();
    picket(&format!("picket mission show {t}/m")).unwrap();
    // Each keyfill's issue is the number of its act.
    let keyfill = fs::read(tmp.path().join("m/alpha.keyfill")).unwrap();
    assert_eq!(Sealed::verify(&keyfill).unwrap().issue().0, 9);
    let log = fs::read(tmp.path().join("m/authority/audit.log")).unwrap();
    let entries = picket_provision::audit::entries(&log).unwrap();
    let hash: [u8; 32] = Sha256::digest(&keyfill).into();
    assert_eq!(entries[8].output, hash);
}

#[test]
fn a_log_is_checked_against_the_roster_too() {
    let tmp = tempfile::tempdir().unwrap();
    let t = enrolled(&tmp);
    let check = format!("picket mission log {t}/m --check");
    let (log, roster) = (tmp.path().join("m/authority/audit.log"), tmp.path().join("m/roster"));
    let (good, newest) = (fs::read(&log).unwrap(), fs::read(&roster).unwrap());
    let elsewhere = tmp.path().join("elsewhere");
    fs::write(&elsewhere, &newest).unwrap();
    picket(&format!("{check} --roster {t}/elsewhere")).unwrap();
    picket(&format!("picket mission reissue {t}/m")).unwrap();
    let longer = fs::read(&log).unwrap();
    picket(&check).unwrap();
    // The roster of before is put back.
    let now = fs::read(&roster).unwrap();
    fs::write(&roster, &newest).unwrap();
    assert_eq!(picket(&check).unwrap_err().exit, Exit::Damaged);
    fs::write(&roster, &now).unwrap();
    // The log is cut off where an entry ends.
    fs::write(&log, &good).unwrap();
    let cut = picket(&check).unwrap_err();
    assert!(cut.message.contains("cut off"), "{cut}");
    // The authority's work goes on, and the break stays.
    picket(&format!("picket mission reissue {t}/m")).unwrap();
    assert_eq!(picket(&check).unwrap_err().exit, Exit::Damaged);
    fs::write(&log, &longer[..longer.len() - 1]).unwrap();
    assert_eq!(picket(&check).unwrap_err().exit, Exit::Damaged);
    // Another mission's roster.
    picket(&format!("picket mission new {t}/other --name other --unprotected")).unwrap();
    assert_eq!(picket(&format!("{check} --roster {t}/other/roster")).unwrap_err().exit, Exit::Damaged);
}

#[test]
fn a_mission_older_than_its_log_begins_one() {
    let tmp = tempfile::tempdir().unwrap();
    let t = enrolled(&tmp);
    for file in ["audit.log", "audit.head"] {
        fs::remove_file(tmp.path().join("m/authority").join(file)).unwrap();
    }
    picket(&format!("picket mission reissue {t}/m")).unwrap();
    assert_eq!(acts(&t)[0], ("begin".into(), "exercise".into()));
    picket(&format!("picket mission log {t}/m --check")).unwrap();
}
