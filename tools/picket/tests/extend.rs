//! Keys of further epochs with the real program: asked for by file and by codes, listed, taken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;

use bench::{Bench, parts, stderr};
use serde_json::Value;

/// alpha has keys for three days, hq for sixty.
fn mission() -> Bench {
    let bench = Bench::new();
    bench.must("mission new m --name exercise --unprotected");
    for (name, epochs) in [("alpha", "3"), ("hq", "60")] {
        bench.must(&format!("device new {name} --kind member --home {name} --unprotected --epochs {epochs}"));
    }
    bench.must("mission enrol m alpha/request hq/request");
    bench.must("join --home alpha m/alpha.keyfill");
    bench.must("join --home hq m/hq.keyfill");
    bench
}

fn first(text: &str) -> Value {
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

fn window(bench: &Bench, name: &str) -> (u64, u64, u64) {
    let shown = bench.must("--json mission show m");
    let rows: Vec<Value> = shown.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let row = rows.iter().find(|r| r["name"] == name).unwrap();
    (row["listed_from"].as_u64().unwrap(), row["epochs"].as_u64().unwrap(), row["replaced"].as_u64().unwrap())
}

#[test]
fn a_request_made_twice_is_listed_once() {
    let bench = mission();
    let made = first(&bench.must("--json device extend --home alpha"));
    assert_eq!((made["first_epoch"].as_u64(), made["last_epoch"].as_u64()), (Some(3), Some(59)));
    let bytes = std::fs::read(bench.path("alpha/alpha.extend")).unwrap();
    let again = first(&bench.must("--json device extend --home alpha"));
    assert_eq!((&again["again"], &made["again"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(std::fs::read(bench.path("alpha/alpha.extend")).unwrap(), bytes);
    assert!(bench.refused("device extend --home alpha --epochs 64", 2).contains("wait to be listed"));

    // Codes, with the same file beside them.
    std::fs::write(bench.path("codes.txt"), parts(&bench, "alpha/alpha.extend").join("\n")).unwrap();
    let listed = first(&bench.must("--json mission extend m --qr codes.txt"));
    assert_eq!((&listed["extended"], listed["last_epoch"].as_u64()), (&Value::from("alpha"), Some(59)));
    assert_eq!(window(&bench, "alpha"), (0, 60, 0));
    let version = listed["roster_version"].as_u64();
    assert!(bench.must("mission extend m alpha/alpha.extend").contains("listed already"));
    bench.must("mission log m --check");
    assert!(bench.must("mission log m").contains("extend"), "it is in the log");
    for home in ["alpha", "hq"] {
        let taken = first(&bench.must(&format!("--json roster import --home {home} m/roster")));
        assert_eq!(taken["roster_version"].as_u64(), version);
    }
    assert!(bench.refused("device extend --home alpha", 2).contains("up to epoch 59"));
    assert!(bench.refused("device extend --home alpha --epochs 5", 2).contains("4 more fit"));
    // Several devices at once.
    bench.must("device extend --home alpha --epochs 2");
    bench.must("device extend --home hq --epochs 4");
    bench.must("mission extend m alpha/alpha.extend hq/hq.extend");
    assert_eq!((window(&bench, "alpha").1, window(&bench, "hq").1), (62, 64));
}

#[test]
fn whoever_has_few_keys_is_told_with_every_command() {
    let bench = mission();
    let told = |home: &str| stderr(&bench.run(&format!("inbox --home {home}")));
    assert!(told("alpha").contains("this device's keys last 2 days more: make further ones with"), "{}", told("alpha"));
    assert!(!told("hq").contains("keys last"), "{}", told("hq"));
    bench.must("device extend --home alpha");
    assert!(told("alpha").contains("wait for a roster that lists them"), "{}", told("alpha"));
    bench.must("mission extend m alpha/alpha.extend");
    bench.must("roster import --home alpha m/roster");
    assert!(!told("alpha").contains("keys last"), "{}", told("alpha"));
}

#[test]
fn what_is_no_request_of_this_mission_is_refused_by_name() {
    let bench = mission();
    bench.must("device extend --home alpha");
    let before = std::fs::read(bench.path("m/roster")).unwrap();
    let mut bytes = std::fs::read(bench.path("alpha/alpha.extend")).unwrap();
    bytes[100] ^= 1;
    std::fs::write(bench.path("damaged"), &bytes).unwrap();
    assert!(bench.refused("mission extend m damaged", 2).contains("not signed by the device"));
    assert!(bench.refused("mission extend m alpha/request", 2).contains("not a file of this kind"));
    bench.must("mission new other --name other --unprotected");
    assert!(bench.refused("mission extend other alpha/alpha.extend", 2).contains("another mission"));
    bench.must("mission revoke m alpha");
    assert!(bench.refused("mission extend m alpha/alpha.extend", 2).contains("revoked"));
    assert_ne!(std::fs::read(bench.path("m/roster")).unwrap(), before, "of the revocation only");
}

#[test]
fn a_home_restored_from_a_copy_comes_back_with_its_owners_word() {
    let bench = mission();
    let copy = |from: &str, to: &str| {
        let done = std::process::Command::new("cp").args(["-a", &bench.path(from), &bench.path(to)]).status();
        assert!(done.unwrap().success());
    };
    copy("alpha", "backup");
    bench.must("device extend --home alpha");
    bench.must("mission extend m alpha/alpha.extend");
    std::fs::remove_dir_all(bench.path("alpha")).unwrap();
    copy("backup", "alpha");
    let alarm = stderr(&bench.run("roster import --home alpha m/roster"));
    assert!(alarm.contains("ALARM") && alarm.contains("--replace"), "{alarm}");
    bench.must("device extend --home alpha");
    let refused = bench.refused("mission extend m alpha/alpha.extend", 2);
    assert!(refused.contains("other keys of this device are listed") && refused.contains("by voice"), "{refused}");
    bench.must("mission extend m alpha/alpha.extend --replace");
    assert_eq!(window(&bench, "alpha"), (0, 60, 1));
    bench.must("roster import --home alpha m/roster");
    bench.must("roster import --home hq m/roster");
    bench.must("mission log m --check");
}

/// A home that was away until its keys were over is given a keyfill of today.
#[test]
fn a_home_that_has_joined_takes_a_newer_keyfill() {
    let bench = mission();
    assert!(bench.refused("join --home alpha m/alpha.keyfill", 2).contains("given again"));
    bench.must("device new late --kind member --home late --unprotected --epochs 3");
    bench.must("mission enrol m late/request");
    bench.must("device extend --home hq --epochs 2");
    bench.must("mission extend m hq/hq.extend");
    bench.must("mission reissue m alpha hq");
    for name in ["alpha", "hq"] {
        let done = first(&bench.must(&format!("--json join --home {name} m/{name}.keyfill")));
        assert_eq!((&done["refilled"], &done["changed"]), (&Value::from(name), &Value::Bool(true)));
        bench.must(&format!("send --home {name} --to late welcome"));
        assert!(bench.refused(&format!("join --home {name} m/{name}.keyfill"), 2).contains("given again"));
    }
    assert!(
        bench.refused("device extend --home hq --epochs 3", 2).contains("2 more fit"),
        "its further keys are in force"
    );
    bench.must("mission reissue m hq");
    assert!(bench.refused("join --home alpha m/hq.keyfill", 2).contains("is for hq"));
    bench.must("join --home late m/late.keyfill");
}
