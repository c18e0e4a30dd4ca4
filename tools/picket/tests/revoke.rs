//! `picket mission revoke` and what goes with it: one authority, and two of three revokers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use picket_roster::{PublicKey, Revoke, RevokeError, Roster, file};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_picket"));
    command.args(args).stdin(Stdio::null()).env_remove("PICKET_PASSPHRASE_FILE").env_remove("PICKET_HOME");
    command.output().unwrap()
}

fn code(args: &[&str]) -> i32 {
    run(args).status.code().unwrap()
}

fn done(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A mission of two members and two gateways.
fn mission() -> (tempfile::TempDir, PathBuf) {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("m");
    let members = ["--members", "alpha,bravo", "--gateways", "gw1,gw2", "--unprotected"];
    done(&[&["mission", "quickstart", text(&dir)], members.as_slice()].concat());
    (tmp, dir)
}

fn object(path: &Path) -> Vec<u8> {
    file::OBJECT.open(&std::fs::read(path).unwrap()).unwrap().to_vec()
}

fn roster(dir: &Path) -> Roster<Vec<u8>> {
    let public = std::fs::read(dir.join("authority/public")).unwrap();
    Roster::verify(std::fs::read(dir.join("roster")).unwrap(), &PublicKey(public.try_into().unwrap())).unwrap()
}

#[test]
fn one_authority_revokes_and_a_member_takes_the_file() {
    let (_tmp, dir) = mission();
    assert_eq!(code(&["mission", "revoke", text(&dir), "nobody"]), 2);
    let said = done(&["mission", "revoke", text(&dir), "bravo", "gw2"]);
    assert!(said.contains("generation 1") && said.contains("crl.pem"), "{said}");
    let made = dir.join("revoke-1.pkobj");
    let signed = roster(&dir);
    assert_eq!(signed.generation(), 1);
    assert!(signed.by_name("bravo").is_none() && signed.by_name("gw2").is_none() && signed.by_name("alpha").is_some());
    assert_eq!(Revoke::verify(object(&made), &signed).unwrap().revoked().as_slice().len(), 2);
    let crl = std::fs::read_to_string(dir.join("tls/crl.pem")).unwrap();
    assert!(crl.contains("BEGIN X509 CRL"));
    let home = dir.join("alpha");
    assert!(done(&["roster", "import", "--home", text(&home), text(&made)]).contains("generation 1 is in force"));
    assert!(done(&["roster", "import", "--home", text(&home), text(&made)]).contains("already"));
    let bravo = dir.join("bravo");
    assert_eq!(code(&["roster", "import", "--home", text(&bravo), text(&made)]), 2);
    let send = ["send", "--home", text(&bravo), "--via", "unix:/nowhere", "--to", "alpha", "hello"];
    let refused = run(&send);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("revoked"), "{refused:?}");
    assert_eq!(code(&["mission", "revoke", text(&dir), "bravo"]), 2, "nobody of that name any more");
}

#[test]
fn two_of_three_revokers_sign_what_the_authority_proposes() {
    let (tmp, dir) = mission();
    let keys: Vec<PathBuf> = ["anna", "bert", "carl"].iter().map(|n| tmp.path().join(n)).collect();
    for key in &keys {
        done(&["mission", "revoker", text(key), "--unprotected"]);
    }
    let public: Vec<String> = keys.iter().map(|key| format!("{}.pub", text(key))).collect();
    let public: Vec<&str> = public.iter().map(String::as_str).collect();
    assert_eq!(code(&[&["mission", "revokers", text(&dir), "--k", "4"], public.as_slice()].concat()), 2);
    done(&[&["mission", "revokers", text(&dir), "--k", "2"], public.as_slice()].concat());
    let before = std::fs::read(dir.join("roster")).unwrap();
    assert_eq!(code(&["mission", "revoke", text(&dir), "bravo"]), 2, "the authority alone does not");
    assert_eq!(std::fs::read(dir.join("roster")).unwrap(), before);
    let proposal = tmp.path().join("proposal");
    done(&["mission", "revoke", text(&dir), "bravo", "--propose", text(&proposal)]);
    let state = |dir: &Path| Revoke::verify(object(&proposal), &roster(dir)).map(|_| ());
    assert_eq!(state(&dir), Err(RevokeError::Incomplete { have: 0, need: 2 }));
    // A revoker's machine has the roster and the authority's public key, no more.
    let elsewhere = tmp.path().join("elsewhere");
    std::fs::create_dir_all(elsewhere.join("authority")).unwrap();
    for name in ["roster", "authority/public"] {
        std::fs::copy(dir.join(name), elsewhere.join(name)).unwrap();
    }
    done(&["mission", "cosign", text(&elsewhere), text(&proposal), "--key", text(&keys[2])]);
    assert_eq!(code(&["mission", "cosign", text(&elsewhere), text(&proposal), "--key", text(&keys[2])]), 2, "twice");
    assert_eq!(state(&dir), Err(RevokeError::Incomplete { have: 1, need: 2 }));
    let said = done(&["mission", "cosign", text(&elsewhere), text(&proposal), "--key", text(&keys[0])]);
    assert!(said.contains("complete"), "{said}");
    assert_eq!(state(&dir), Ok(()));
    let home = dir.join("alpha");
    assert_eq!(
        code(&["roster", "import", "--home", text(&home), text(&proposal)]),
        2,
        "this home does not know the revokers yet"
    );
    done(&["roster", "import", "--home", text(&home), text(&dir.join("roster"))]);
    assert!(done(&["roster", "import", "--home", text(&home), text(&proposal)]).contains("generation 1"));
}
