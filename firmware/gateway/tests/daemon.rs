//! The real daemon: start, stop, exit codes, the operator socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Bench, Daemon, picketd};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

fn refused(arguments: &[&str]) -> (i32, String) {
    let Output { status, stderr, .. } = picketd().args(arguments).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn serves_until_sigterm_and_leaves_no_sockets() {
    let bench = Bench::new();
    let attach = "[[link]]\nname = \"attach\"\nkind = \"unix\"\npath = \"run/gw1.sock\"\nmode = \"0660\"\n";
    let mut daemon = bench.start("gw1", attach);
    let mode = |name: &str| fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode("run"), mode("run/gw1.ctl"), mode("run/gw1.sock"), mode("state/gw1")),
        (0o700, 0o600, 0o660, 0o700)
    );
    let status = daemon.status();
    assert_eq!((&status["v"], &status["name"]), (&json!(1), &json!("gw1")));
    assert_eq!((&status["roster_version"], &status["queued"], &status["uplinks"]), (&json!(1), &json!(0), &json!([])));
    let links = daemon.ask(&json!("links"))["links"].take();
    assert_eq!((&links[0]["name"], &links[0]["state"]), (&json!("attach"), &json!("listening")));
    assert_eq!(daemon.ask(&json!("queue")), json!({"queue": []}));
    assert_eq!(daemon.ask(&json!({"nonsense": 1}))["error"]["code"], "bad_request");
    assert_eq!(daemon.terminate().code(), Some(0));
    assert!(!bench.path("run/gw1.ctl").exists() && !bench.path("run/gw1.sock").exists());
    // And again, over sockets and state of a killed one.
    let mut killed = bench.start("gw1", attach);
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    assert!(bench.path("run/gw1.sock").exists());
    assert_eq!(bench.start("gw1", attach).terminate().code(), Some(0));
}

#[test]
fn a_second_daemon_on_the_same_state_is_refused() {
    let bench = Bench::new();
    let _first = bench.start("gw1", "");
    let config = bench.path("gw1.toml");
    let (code, why) = refused(&["--config", config.to_str().unwrap()]);
    assert_eq!(code, 8, "{why}");
    assert!(why.contains("another process"), "{why}");
}

#[test]
fn bad_configurations_exit_2_and_say_why() {
    let bench = Bench::new();
    let typo = bench.configure("gw1", "[store]\nmax_byte = 5\n");
    for arguments in [vec!["--config", typo.to_str().unwrap()], vec!["check", typo.to_str().unwrap()]] {
        let (code, why) = refused(&arguments);
        assert_eq!(code, 2);
        assert!(why.contains("gw1.toml:8: unknown key `max_byte` in [store]; did you mean `max_bytes`?"), "{why}");
    }
    let (code, why) = refused(&["--config", "/nonexistent.toml"]);
    assert!(code == 2 && why.contains("cannot be read"), "{why}");
    let (code, why) = refused(&[]);
    assert!(code == 2 && why.contains("--config FILE"), "{why}");
    let good = bench.configure("gw1", "");
    fs::remove_file(bench.path("gw1.keyfill")).unwrap();
    let (code, why) = refused(&["check", good.to_str().unwrap()]);
    assert!(code == 2 && why.contains("gw1.keyfill cannot be read"), "{why}");
}

#[test]
fn an_unusable_store_exits_8() {
    let bench = Bench::new();
    let config = bench.configure("gw1", "");
    fs::create_dir(bench.path("state")).unwrap();
    fs::write(bench.path("state/gw1"), b"a file where a folder should be").unwrap();
    let (code, why) = refused(&["--config", config.to_str().unwrap()]);
    assert!(code == 8, "{code}: {why}");
}

#[test]
fn rosters_are_imported_only_forward() {
    let mut bench = Bench::new();
    let first = bench.mission.roster.clone();
    let second = bench.mission.newer();
    let mut daemon = bench.start("gw1", "");
    let import = |daemon: &Daemon, bytes: &[u8]| daemon.ask(&json!({"roster": hex::encode(bytes)}));
    assert_eq!(import(&daemon, &second), json!({"roster": {"version": 2}}));
    assert_eq!(import(&daemon, &first)["error"]["code"], "roster_older");
    assert_eq!(daemon.status()["roster_version"], 2);
    daemon.terminate();
    assert_eq!(bench.start("gw1", "").status()["roster_version"], 2);
}

#[test]
fn check_config_and_help_answer_on_stdout() {
    let bench = Bench::new();
    let good = bench.configure("gw1", "");
    for arguments in [vec!["check", good.to_str().unwrap()], vec!["config"], vec!["--help"], vec!["--version"]] {
        let output = picketd().args(&arguments).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn an_absent_serial_port_and_a_silent_broker_are_states_not_ends() {
    let bench = Bench::new();
    let daemon = bench.start(
        "gw1",
        "[[link]]\nname = \"hf\"\nkind = \"serial\"\nport = \"absent\"\n\
         [[uplink]]\nname = \"hq\"\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:9\"\n",
    );
    let status = daemon.await_status("the refusal", |s| s["uplinks"][0]["state"].as_str().unwrap().contains("refused"));
    assert_eq!(status["uplinks"][0]["state"], "down: connection refused: nobody listens there");
    let links = daemon.ask(&json!("links"))["links"].take();
    assert_eq!(links[0]["state"], "down: no such device, file or host");
}
