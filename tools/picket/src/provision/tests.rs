#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::cli::{Cli, Command, DeviceCommand, MissionCommand};
use crate::error::Exit;
use crate::output::Output;
use clap::Parser;
use picket_roster::{Keyfill, Kind};
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
    assert!(Keyfill::open(&alpha).unwrap().secrets().unwrap().is_none(), "a device's keys never leave it");
    let bravo = fs::read(tmp.path().join("m/bravo.keyfill")).unwrap();
    assert_eq!(Keyfill::open(&bravo).unwrap().roster().version(), 3);
    assert_eq!(Keyfill::open(&bravo).unwrap().psks().count(), 1);

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
