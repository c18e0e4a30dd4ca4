//! `picket room` and `picket send --room` on one device; between devices: `hil-tests`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use serde_json::Value;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        let members = ["--members", "alpha,bravo,archive", "--gateways", "gw1", "--unprotected"];
        let made = picket(&[&["mission", "quickstart", &bench.path("m")], &members[..]].concat());
        assert!(made.status.success(), "{made:?}");
        bench
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Exit code and JSON lines of a command of alpha's.
    fn alpha(&self, args: &[&str]) -> (i32, Vec<Value>, String) {
        let output = picket(&[args, &["--json", "--home", &self.path("m/alpha")]].concat());
        let out = String::from_utf8(output.stdout.clone()).unwrap();
        let lines = out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        (output.status.code().unwrap(), lines, String::from_utf8(output.stderr).unwrap())
    }
}

fn picket(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_picket"));
    command.args(args).stdin(Stdio::null()).env_remove("PICKET_PASSPHRASE_FILE").env_remove("PICKET_HOME");
    command.output().unwrap()
}

#[test]
fn a_room_is_made_listed_written_to_and_left() {
    let bench = Bench::new();
    assert_eq!(bench.alpha(&["room", "list"]).1, Vec::<Value>::new());
    let rules = ["--signed-only", "--lifetime", "6h", "--max-members", "3", "--retention", "archive"];
    let (code, made, err) = bench.alpha(&[&["room", "create", "ops"], &rules[..]].concat());
    assert_eq!(code, 0, "{err}");
    assert_eq!((&made[0]["name"], &made[0]["signed_only"]), (&"ops".into(), &true.into()));
    assert_eq!(bench.alpha(&["room", "invite", "ops", "bravo"]).0, 0);
    let (_, rooms, _) = bench.alpha(&["room", "list"]);
    let room = &rooms[0];
    assert_eq!((&room["most"], room["lifetime_s"].as_u64().map(|s| s / 1_000)), (&3.into(), Some(21)));
    let member = |n: usize| &room["members"][n];
    assert_eq!(
        (&member(0)["name"], &member(0)["moderator"], &member(0)["key"]),
        (&"alpha".into(), &true.into(), &"own".into())
    );
    assert_eq!(
        (&member(1)["name"], &member(1)["joined"], &member(1)["key"]),
        (&"bravo".into(), &false.into(), &"unverified".into())
    );
    assert_eq!((&member(2)["name"], &member(2)["retention"]), (&"archive".into(), &true.into()));

    let (code, sent, err) = bench.alpha(&["send", "--room", "ops", "hold the bridge"]);
    assert_eq!((code, &sent[0]["state"]), (0, &"queued".into()), "{err}");
    let (_, sent, _) = bench.alpha(&["sent"]);
    assert_eq!((&sent[0]["to"], &sent[0]["text"]), (&"ops".into(), &"hold the bridge".into()));

    assert_eq!(bench.alpha(&["room", "leave", "ops"]).0, 2, "its only moderator");
    for member in ["bravo", "archive"] {
        assert_eq!(bench.alpha(&["room", "remove", "ops", member]).0, 0);
    }
    assert_eq!(bench.alpha(&["room", "leave", "ops"]).0, 0);
    assert_eq!(bench.alpha(&["room", "list"]).1, Vec::<Value>::new());
}

#[test]
fn what_cannot_be_is_refused_with_the_next_step() {
    let bench = Bench::new();
    assert_eq!(bench.alpha(&["room", "create", "ops"]).0, 0);
    for (args, says) in [
        (&["room", "create", "ops"][..], "already"),
        (&["room", "create", "a/b"], "printable"),
        (&["room", "invite", "ops", "nobody"], "nobody"),
        (&["room", "invite", "none", "bravo"], "picket room list"),
        (&["room", "remove", "ops", "bravo"], "not in this room"),
        (&["room", "create", "x", "--lifetime", "400d"], "lifetime"),
        (&["send", "--room", "none", "x"], "picket room list"),
        (&["send", "--room", "ops", "--wait", "read", "x"], "no receipts"),
        (&["send", "--order", "--to", "bravo", "x"], "--to"),
        (&["send", "x"], "--to"),
    ] {
        let (code, _, err) = bench.alpha(args);
        assert_eq!(code, 2, "{args:?}: {err}");
        assert!(err.contains(says), "{args:?}: {err}");
    }
}

/// Runs a command of alpha's again and again from the same home, each time killed a little later, until it
/// ends by itself. `seen` says afterwards whether it had taken effect, and checks the rest; both must be seen.
fn killed_at_any_moment(bench: &Bench, args: &[&str], seen: impl Fn() -> bool) {
    let (home, model) = (bench.path("m/alpha"), bench.path("model"));
    let copy = |from: &str, to: &str| {
        let _ = std::fs::remove_dir_all(to);
        assert!(Command::new("cp").args(["-a", from, to]).status().unwrap().success());
    };
    copy(&home, &model);
    let began = Instant::now();
    assert_eq!(bench.alpha(args).0, 0);
    let uncut = began.elapsed();
    let (mut before, mut after) = (0, 0);
    // Ever later, until it ends by itself: however fast the machine is, and becomes.
    for round in 0.. {
        copy(&model, &home);
        let mut command = Command::new(env!("CARGO_BIN_EXE_picket"));
        command.args(args).args(["--home", &home]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // Closer together at first: most of a command's time it waits for a gateway.
        let end = Instant::now() + uncut * (round * round) / 49;
        while Instant::now() < end && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(100));
        }
        let ended = child.try_wait().unwrap().is_some();
        let _ = child.kill(); // it may have ended meanwhile
        child.wait().unwrap();
        if seen() {
            after += 1
        } else {
            before += 1
        }
        if ended {
            break;
        }
    }
    assert!(before > 0 && after > 0, "both were seen: {before} before, {after} after");
}

#[test]
fn killed_at_any_moment_a_room_is_as_before_or_as_after_a_change() {
    let bench = Bench::new();
    assert_eq!(bench.alpha(&["room", "create", "ops"]).0, 0);
    assert_eq!(bench.alpha(&["send", "--room", "ops", "first"]).0, 0);
    killed_at_any_moment(&bench, &["room", "invite", "ops", "bravo"], || {
        let names = |rooms: &[Value]| -> Vec<String> {
            assert_eq!(rooms.len(), 1, "the room is there, once");
            let members = rooms[0]["members"].as_array().unwrap();
            members.iter().map(|m| m["name"].as_str().unwrap().to_owned()).collect()
        };
        let (code, rooms, err) = bench.alpha(&["room", "list"]);
        assert_eq!(code, 0, "{err}");
        let invited = names(&rooms).contains(&"bravo".to_owned());
        // Whatever it was, the same command leads to the same end, and the room goes on.
        if !invited {
            assert_eq!(bench.alpha(&["room", "invite", "ops", "bravo"]).0, 0);
        }
        assert_eq!(names(&bench.alpha(&["room", "list"]).1), ["alpha", "bravo"]);
        assert_eq!(bench.alpha(&["send", "--room", "ops", "second"]).0, 0);
        let (code, sent, err) = bench.alpha(&["sent"]);
        assert_eq!((code, sent.len()), (0, 2), "nothing is lost, nothing twice: {err}");
        invited
    });
}

#[test]
fn killed_at_any_moment_of_an_import_the_roster_before_or_the_new_one_is_in_force() {
    let bench = Bench::new();
    let made = ["device", "new", "delta", "--kind", "member", "--home", &bench.path("delta"), "--unprotected"];
    assert!(picket(&made).status.success());
    let enrolled = picket(&["mission", "enrol", &bench.path("m"), &bench.path("delta/request")]);
    assert!(enrolled.status.success(), "{enrolled:?}");
    let roster = bench.path("m/roster");
    killed_at_any_moment(&bench, &["roster", "import", &roster], || {
        let (code, rows, err) = bench.alpha(&["verify"]);
        assert_eq!(code, 0, "{err}");
        let new = rows.iter().any(|r| r["name"] == "delta" || r["member"] == "delta");
        let (code, again, err) = bench.alpha(&["roster", "import", &roster]);
        assert_eq!((code, &again[0]["changed"]), (0, &(!new).into()), "{err}");
        new
    });
}
