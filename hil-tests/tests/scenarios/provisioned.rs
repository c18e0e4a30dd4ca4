//! A whole mission as it is made in earnest: every device its own keys, requests and keyfills by file and by codes, a
//! gateway that is provisioned on its board, and a message at the end.

use std::process::Command;

use hil_tests::process::{Process, finish};
use hil_tests::programs::program;
use hil_tests::{Member, Rig, wait};
use serde_json::Value;

fn picket(rig: &Rig, args: &[&str]) -> String {
    let mut command = Command::new(program("picket"));
    command.args(args).current_dir(rig.path(""));
    let end = finish("picket", command, &rig.log("picket"), wait::PROMPT);
    assert_eq!(end.code, 0, "{args:?}: {}", end.err);
    end.out.join("\n")
}

/// Shows a file's codes, and keeps their text as a scanner would, the last one first.
fn scanned(rig: &Rig, file: &str, to: &str) {
    let shown = picket(rig, &["--json", "qr", file]);
    let texts: Vec<Value> = shown.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let lines: Vec<&str> = texts.iter().rev().map(|v| v["text"].as_str().unwrap()).collect();
    assert!(lines.len() > 1, "{file} is longer than a code");
    std::fs::write(rig.path(to), lines.join("\n")).unwrap();
}

/// Copies a gateway's configuration and certificates from the authority to its board.
fn carry(rig: &Rig, name: &str, files: &[&str]) {
    std::fs::create_dir_all(rig.path(&format!("{name}/tls"))).unwrap();
    for file in files {
        std::fs::copy(rig.mission(file), rig.path(&format!("{name}/{file}"))).unwrap();
    }
}

#[test]
fn a_mission_by_files_and_by_codes_delivers() {
    let rig = Rig::empty("a_mission_by_files_and_by_codes_delivers");
    std::fs::write(rig.path("pw"), "correct horse battery staple\n").unwrap();
    let authority = |args: &[&str]| picket(&rig, &[args, &["--passphrase-file", "pw"]].concat());
    authority(&["mission", "new", "m", "--name", "exercise"]);

    // alpha and the gateway by files, bravo by codes both ways.
    for (name, kind) in [("alpha", "member"), ("bravo", "member"), ("gw1", "gateway")] {
        picket(&rig, &["device", "new", name, "--kind", kind, "--home", name, "--epochs", "14", "--unprotected"]);
    }
    authority(&["mission", "enrol", "m", "alpha/request", "gw1/request"]);
    scanned(&rig, "bravo/request", "request.txt");
    let enrolled = authority(&["--json", "mission", "enrol", "m", "--qr", "request.txt"]);
    let enrolled: Value = serde_json::from_str(enrolled.lines().next().unwrap()).unwrap();
    let digits = enrolled["authority"].as_str().unwrap();
    scanned(&rig, "m/bravo.keyfill", "keyfill.txt");
    picket(&rig, &["join", "--home", "bravo", "--qr", "keyfill.txt", "--authority", digits]);
    authority(&["mission", "reissue", "m", "alpha", "gw1"]);
    picket(&rig, &["join", "--home", "alpha", "m/alpha.keyfill", "--authority", digits]);
    picket(&rig, &["gateway", "provision", "--home", "gw1", "m/gw1.keyfill", "--authority", digits]);
    carry(&rig, "gw1", &["gw1.toml", "tls/ca.pem", "tls/gw1.pem", "tls/gw1.key"]);
    picket(&rig, &["roster", "import", "--home", "bravo", "m/roster"]);
    picket(&rig, &["mission", "log", "m", "--check"]);

    // Sealed on the board: the file in clear is gone then, and the gateway starts without it.
    let mut seal = Command::new(program("picketd"));
    seal.arg("--config").arg(rig.path("gw1/gw1.toml")).arg("--import-keyfill").arg(rig.path("gw1/gw1.keyfill"));
    let sealed = finish("picketd", seal, &rig.log("gw1"), wait::PROMPT);
    assert_eq!(sealed.code, 0, "{}", sealed.err);
    assert!(!rig.path("gw1/gw1.keyfill").exists());

    let mut command = Command::new(program("picketd"));
    command.arg("--config").arg(rig.path("gw1/gw1.toml"));
    let _gateway = Process::start("gw1", command, &rig.log("gw1"));
    let socket = rig.path("gw1/run/gw1.sock");
    wait::until("the gateway's socket", wait::PROMPT, || socket.exists().then_some(()));
    let member = |name: &str| Member::new(name, rig.path(name), format!("unix:{}", socket.display()), rig.log(name));
    let (alpha, bravo) = (member("alpha"), member("bravo"));
    let id = alpha.send_with("bravo", &["--wait", "custody", "good morning"]).expect(0).id();
    assert_eq!(bravo.inbox().expect(0).lines[0]["id"], id);
    assert_eq!(bravo.read(&id, &[]).expect(0).lines[0]["text"], "good morning");
    let id = bravo.send_with("alpha", &["--wait", "custody", "and to you"]).expect(0).id();
    assert_eq!(alpha.inbox().expect(0).lines[0]["id"], id);
}
