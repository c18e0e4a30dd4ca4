//! Wrong certificates, keys, rosters and configurations: each a clear error, nothing lost.

use std::process::Command;

use hil_tests::process::finish;
use hil_tests::programs::program;
use hil_tests::skip::{has, is_root, skip};
use hil_tests::{Gateway, Plan, Rig, certs, wait};

#[test]
fn a_wrong_ca_is_named_and_nothing_is_lost() {
    uplink_trouble("a_wrong_ca_is_named_and_nothing_is_lost", |rig| certs::foreign(&rig.path("wrong"), "gw1"));
}

#[test]
fn an_expired_certificate_is_named_and_nothing_is_lost() {
    uplink_trouble("an_expired_certificate_is_named_and_nothing_is_lost", |rig| {
        certs::expired(&rig.mission("tls"), &rig.path("old"), "gw1")
    });
}

/// gw1 cannot reach the broker for a reason that is its own; what it was given stays, and goes once that is repaired.
fn uplink_trouble(name: &str, wrong: impl Fn(&Rig) -> std::path::PathBuf) {
    let rig = Rig::new(name, &["alpha", "bravo"], &["gw1", "gw2"]);
    let broker = rig.broker();
    let gw2 = rig.gateway(Plan::new("gw2").uplink(&broker));
    let folder = wrong(&rig);
    let mut gw1 = rig.gateway(Plan::new("gw1").tls(&folder, "gw1").uplink(&broker));
    gw2.await_uplink("up", wait::PROMPT);

    let alpha = rig.member("alpha", "gw1");
    alpha.send_with("bravo", &["--wait", "custody", "held meanwhile"]).expect(0);
    let state = wait::until("gw1 to say why", wait::PROMPT, || {
        let status = gw1.status();
        let state = status["uplinks"][0]["state"].as_str()?.to_owned();
        state.to_lowercase().contains("certificate").then_some(state)
    });
    rig.note(&format!("the operator reads: {state}"));
    assert!(gw1.is_running(), "trouble with a broker ends no gateway");
    assert_eq!(gw1.stop(), 0);

    let _gw1 = rig.gateway(Plan::new("gw1").uplink(&broker));
    let mut at_bravo = rig.member("bravo", "gw2").follow();
    at_bravo.text("held meanwhile", wait::PROMPT * 2);
}

#[test]
fn an_unknown_key_is_refused_and_nothing_is_lost() {
    let rig = Rig::new("an_unknown_key_is_refused_and_nothing_is_lost", &["alpha", "bravo"], &["gw1"]);
    let foreign = rig.foreign(&["alpha", "bravo"], &["gw1"]);
    let gw1 = rig.gateway(Plan::new("gw1"));
    // A stranger with the same name, under another authority.
    let via = format!("unix:{}", rig.mission("run/gw1.sock").display());
    let stranger = hil_tests::Member::new("stranger", foreign.join("alpha"), via, rig.log("stranger"));
    let sent = stranger.send_with("bravo", &["--wait", "custody", "--timeout", "5s", "let me in"]).expect(3);
    assert!(!sent.states().contains(&"custody"));
    let counters = gw1.status()["counters"].clone();
    assert!(gw1.queue().is_empty(), "a stranger's message is not taken");
    rig.note(&format!("counted: {counters}"));
    assert!(counters.as_object().is_some_and(|c| !c.is_empty()), "the refusal has a name");
    rig.member("alpha", "gw1").send_with("bravo", &["--wait", "custody", "I belong here"]).expect(0);
    let inbox = rig.member("bravo", "gw1").inbox().expect(0);
    assert_eq!(inbox.lines.len(), 1);
    // The stranger's own message is still in its outbox.
    assert_eq!(stranger.sent().lines.first().map(|l| l["state"].clone()), Some("queued".into()));
}

#[test]
fn a_foreign_keyfill_does_not_start_a_gateway() {
    let rig = Rig::new("a_foreign_keyfill_does_not_start_a_gateway", &["alpha", "bravo"], &["gw1"]);
    let mut gw1 = Gateway::prepare(&rig, Plan::new("gw1"));
    let keyfill = rig.mission("gw1.keyfill");
    let good = std::fs::read(&keyfill).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    std::fs::write(&keyfill, &bad).unwrap();
    let refused = gw1.start_refused();
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("gw1.keyfill"), "it names the file: {}", refused.err);
    std::fs::write(&keyfill, &good).unwrap();
    gw1.start();
}

#[test]
fn a_roster_of_lower_version_is_refused() {
    let rig = Rig::new("a_roster_of_lower_version_is_refused", &["alpha", "bravo"], &["gw1"]);
    let gw1 = rig.gateway(Plan::new("gw1"));
    let version = gw1.status()["roster_version"].as_u64().unwrap();
    let old = rig.path("old-roster");
    std::fs::copy(rig.mission("roster"), &old).unwrap();
    // A third member is enrolled: the roster grows.
    let (home, picket) = (rig.path("charlie"), program("picket"));
    let run = |args: &[&str]| {
        let mut command = Command::new(&picket);
        command.args(args);
        let done = finish("picket", command, &rig.log("enrol"), wait::PROMPT);
        assert_eq!(done.code, 0, "{args:?}: {}", done.err);
    };
    let (home, mission) = (home.display().to_string(), rig.path("m").display().to_string());
    run(&["device", "new", "charlie", "--kind", "member", "--home", &home, "--unprotected"]);
    let request = find_request(&rig);
    run(&["mission", "enrol", &mission, &request]);

    let offer = |file: &std::path::Path| {
        let mut command = Command::new(&picket);
        command.args(["gateway", "roster", "--json"]).arg(file).arg("--control").arg(gw1.control());
        finish("gateway roster", command, &rig.log("roster"), wait::PROMPT)
    };
    let newer = offer(&rig.mission("roster"));
    assert_eq!(newer.code, 0, "{}", newer.err);
    assert!(gw1.status()["roster_version"].as_u64().unwrap() > version);
    let refused = offer(&old);
    assert_ne!(refused.code, 0, "an older roster was taken");
    assert!(refused.err.contains("\"error\""), "{}", refused.err);
    assert!(gw1.status()["roster_version"].as_u64().unwrap() > version, "the newer one stays in force");
    let member = |file: &str| {
        let mut command = Command::new(&picket);
        command.args(["roster", "import", "--json", "--home"]).arg(rig.mission("alpha")).arg(file);
        finish("roster import", command, &rig.log("roster"), wait::PROMPT)
    };
    assert_eq!(member(&rig.mission("roster").display().to_string()).code, 0);
    assert_ne!(member(&old.display().to_string()).code, 0, "an older roster was taken");
    rig.member("alpha", "gw1").send_with("bravo", &["--wait", "custody", "still works"]).expect(0);
}

/// The request that `device new` wrote, beside or in the home.
fn find_request(rig: &Rig) -> String {
    let folders = [rig.path("charlie"), rig.path("")];
    let files = folders.iter().filter_map(|f| std::fs::read_dir(f).ok()).flatten().flatten().map(|e| e.path());
    let mut requests = files.filter(|p| p.is_file() && p.to_string_lossy().contains("request"));
    requests.next().expect("a request was written").display().to_string()
}

#[test]
fn a_second_gateway_on_the_same_state_is_refused() {
    let rig = Rig::new("a_second_gateway_on_the_same_state_is_refused", &["alpha", "bravo"], &["gw1"]);
    let mut gw1 = rig.gateway(Plan::new("gw1"));
    rig.member("alpha", "gw1").send_with("bravo", &["--wait", "custody", "kept"]).expect(0);
    let refused = gw1.start_refused();
    assert!([2, 8].contains(&refused.code), "{}: {}", refused.code, refused.err);
    assert!(refused.err.len() > 20, "it says why: {}", refused.err);
    assert!(gw1.is_running());
    assert_eq!(gw1.queue().len(), 1, "the first one goes on serving");
}

#[test]
fn a_gateway_runs_unprivileged() {
    const NAME: &str = "a_gateway_runs_unprivileged";
    let rig = Rig::new(NAME, &["alpha", "bravo"], &["gw1"]);
    if !is_root() || !has("setpriv") {
        return skip(
            NAME,
            "another user can be taken on by root with setpriv only; run as a user, every scenario is this one",
        );
    }
    let owned = Command::new("chown").args(["-R", "65534:65534"]).arg(rig.path("")).status().unwrap();
    assert!(owned.success());
    let gw1 = rig.gateway(Plan::new("gw1").user(65_534));
    rig.member("alpha", "gw1").send_with("bravo", &["--wait", "custody", "kept"]).expect(0);
    assert_eq!(gw1.queue().len(), 1);
}

#[test]
fn a_typo_in_the_configuration_is_named() {
    let rig = Rig::new("a_typo_in_the_configuration_is_named", &["alpha", "bravo"], &["gw1"]);
    let mut gw1 = Gateway::prepare(&rig, Plan::new("gw1"));
    let good = std::fs::read_to_string(gw1.config()).unwrap();
    assert_eq!(gw1.check().code, 0);
    for (right, wrong, hint) in [
        ("max_bytes", "max_byte", "max_bytes"),
        ("kind = \"unix\"", "kind = \"unics\"", "unix"),
        ("keyfill = ", "keyfil = ", "keyfill"),
        ("version = 1", "version = 2", "version"),
        ("[store]", "[stroe]", "store"),
        ("\"64MiB\"", "\"64 apples\"", "max_bytes"),
    ] {
        std::fs::write(gw1.config(), good.replacen(right, wrong, 1)).unwrap();
        for refused in [gw1.check(), gw1.start_refused()] {
            assert_eq!(refused.code, 2, "{wrong}: {}", refused.err);
            let said = refused.err.clone() + &refused.out.join("\n");
            assert!(said.contains(hint), "{wrong}: the message names {hint}: {said}");
            assert!(!said.contains("panicked"), "{said}");
        }
    }
    std::fs::write(gw1.config(), good).unwrap();
    gw1.start();
    rig.member("alpha", "gw1").send_with("bravo", &["--wait", "custody", "now it works"]).expect(0);
    assert_eq!(gw1.stop(), 0);
}
