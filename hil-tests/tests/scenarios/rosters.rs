//! Rosters that spread over broker and radio from the one gateway that was given them: a newcomer, and keys of further epochs
//! that members asked for in a message.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hil_tests::process::{Finished, finish};
use hil_tests::programs::program;
use hil_tests::{Broker, Gateway, Line, Member, Plan, Rig, wait};
use serde_json::Value;

use crate::world::{FAST, half_duplex};

/// How long a roster may take over broker and radio.
const SPREAD: Duration = Duration::from_secs(90);

fn picket(rig: &Rig, args: &[&str]) -> Finished {
    let mut command = Command::new(program("picket"));
    command.arg("--json").args(args).current_dir(rig.path(""));
    finish("picket", command, &rig.log("picket"), wait::PROMPT)
}

fn must(rig: &Rig, args: &[&str]) -> Vec<Value> {
    let end = picket(rig, args);
    assert_eq!(end.code, 0, "{args:?}: {}", end.err);
    end.out.iter().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// gw1 has a radio and a broker, gw2 the broker, gw3 the radio.
struct World {
    rig: Rig,
    _radio: Line,
    _broker: Broker,
    gateways: [Gateway; 3],
}

impl World {
    fn new(mut rig: Rig) -> Self {
        let radio = rig.radio(half_duplex(FAST), &["gw1", "gw3"]);
        let broker = rig.broker();
        let half = hil_tests::Duplex::Half;
        let gw1 = rig.gateway(Plan::new("gw1").radio(&radio.path(0), FAST, half).uplink(&broker));
        let gw2 = rig.gateway(Plan::new("gw2").uplink(&broker));
        let gw3 = rig.gateway(Plan::new("gw3").radio(&radio.path(1), FAST, half));
        gw1.await_uplink("up", wait::PROMPT);
        gw2.await_uplink("up", wait::PROMPT);
        Self { rig, _radio: radio, _broker: broker, gateways: [gw1, gw2, gw3] }
    }

    /// Gives the mission's roster to gw1, and waits until all gateways have it. Its version.
    fn push(&self) -> u64 {
        let (roster, [gw1, others @ ..]) = (self.rig.mission("roster"), &self.gateways);
        let pushed = must(&self.rig, &["gateway", "push", text(&roster), "--control", text(gw1.control())]);
        let version = pushed[0]["roster_version"].as_u64().unwrap();
        for gateway in others {
            wait::until(&format!("{} to have roster {version}", gateway.name()), SPREAD, || {
                (gateway.status()["roster_version"] == version).then_some(())
            });
        }
        version
    }

    /// Waits until a member whose device is on has it, from its gateway.
    fn learns(&self, member: &Member, version: u64) {
        let _on = member.follow();
        wait::until(&format!("{} to have roster {version}", member.name()), SPREAD, || {
            let shown = must(&self.rig, &["verify", "--home", text(member.home())]);
            (shown[0]["roster_version"] == version).then_some(())
        });
    }
}

#[test]
fn a_newcomer_is_known_to_all_from_one_gateway() {
    let world = World::new(Rig::new("a_newcomer_is_known", &["alpha", "bravo"], &["gw1", "gw2", "gw3"]));
    let rig = &world.rig;
    let (alpha, bravo, charlie) =
        (rig.member("alpha", "gw2"), rig.member("bravo", "gw3"), rig.member("charlie", "gw1"));
    must(rig, &["device", "new", "charlie", "--kind", "member", "--home", "m/charlie", "--unprotected"]);
    must(rig, &["mission", "enrol", "m", "m/charlie/request"]);
    must(rig, &["join", "--home", "m/charlie", "m/charlie.keyfill"]);

    rig.note("gw1 is given the roster; the broker carries it to gw2, the radio to gw3, they to their members");
    let version = world.push();
    world.learns(&bravo, version);
    // Alpha's device is on for one command only.
    alpha.inbox().expect(0);
    let shown = must(rig, &["verify", "--home", "m/alpha"]);
    assert_eq!(shown[0]["roster_version"], version, "one command is enough where nobody else hears the link");
    let mut at_charlie = charlie.follow();
    for member in [&alpha, &bravo] {
        let hello = format!("welcome, from {}", member.name());
        member.send_with("charlie", &["--wait", "delivered", &hello]).expect(0);
        at_charlie.text(&hello, wait::PROMPT);
    }
    drop(at_charlie);
    let mut at_alpha = alpha.follow();
    charlie.send_with("alpha", &["--wait", "delivered", "thank you"]).expect(0);
    at_alpha.text("thank you", wait::PROMPT);
}

/// Seconds of an epoch, and how many members have keys for at first: time enough on a slow machine to ask for more.
const EPOCH: u64 = 60;
const FIRST: &str = "4";

fn epoch_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    since % 86_400 / EPOCH
}

/// The last epoch a member has keys for in the mission's roster.
fn last_epoch(rig: &Rig, name: &str) -> u64 {
    let shown = must(rig, &["mission", "show", "m"]);
    let row = shown.iter().find(|r| r["name"] == name).unwrap();
    row["listed_from"].as_u64().unwrap() + row["epochs"].as_u64().unwrap() - 1
}

#[test]
fn messages_go_on_in_epochs_that_members_asked_for_over_the_air() {
    // Epochs are counted from midnight: the first rosters would not follow each other across it.
    if epoch_now() + 20 > 86_400 / EPOCH {
        wait::until("midnight", Duration::from_secs(21 * EPOCH), || (epoch_now() < 100).then_some(()));
    }
    let name = "messages_go_on_in_epochs_that_members_asked_for_over_the_air";
    let times = ["--epoch-seconds", "60", "--max-delay", "120", "--epochs", FIRST];
    let world = World::new(Rig::with(name, &["alpha", "bravo", "hq"], &["gw1", "gw2", "gw3"], &times));
    let rig = &world.rig;
    let (alpha, bravo, hq) = (rig.member("alpha", "gw1"), rig.member("bravo", "gw3"), rig.member("hq", "gw1"));
    let first_end = last_epoch(rig, "alpha");

    rig.note("alpha and bravo ask hq in a message, hq brings its own request");
    for member in [&alpha, &bravo] {
        let asked = member.device(&["extend", "--epochs", "20", "--to", "hq"]).expect(0);
        assert!(asked.end.err.contains("this device's keys last"), "told early: {}", asked.end.err);
    }
    let mut files = Vec::new();
    wait::until("both requests to be in hq's mailbox", SPREAD, || {
        let inbox = hq.inbox().expect(0);
        let found: Vec<Value> = inbox.lines.into_iter().filter(|m| m["file"].is_object()).collect();
        if found.len() < 2 {
            return None;
        }
        for message in found {
            let file = rig.path(message["file"]["name"].as_str().unwrap());
            hq.read(message["id"].as_str().unwrap(), &["--output", text(&file)]).expect(0);
            files.push(file);
        }
        Some(())
    });
    hq.device(&["extend", "--epochs", "20"]).expect(0);
    files.push(hq.home().join("hq.extend"));
    let args: Vec<&str> = ["mission", "extend", "m"].into_iter().chain(files.iter().map(|f| text(f))).collect();
    must(rig, &args);
    assert!(last_epoch(rig, "alpha") >= first_end + 20);
    let version = world.push();
    for member in [&alpha, &bravo, &hq] {
        world.learns(member, version);
    }

    rig.note("the keys of the first roster run out");
    wait::until("an epoch that no first roster had", Duration::from_secs(7 * EPOCH), || {
        (epoch_now() > first_end).then_some(())
    });
    for (from, to) in [(&alpha, &bravo), (&bravo, &alpha)] {
        from.inbox().expect(0);
        to.inbox().expect(0);
        let sent = from.send_with(to.name(), &["--wait", "custody", "twenty bytes of text"]).expect(0);
        let bytes = wait::until("it to wait at a gateway", wait::PROMPT, || {
            let queued = world.gateways.iter().flat_map(Gateway::queue);
            queued.filter(|q| q["id"] == sent.id()).find_map(|q| q["bytes"].as_u64())
        });
        assert!(bytes < 70, "pre-placed: no key travels in its {bytes} bytes");
        wait::until("it to arrive", SPREAD, || {
            to.inbox().expect(0).lines.iter().any(|m| m["id"] == sent.id()).then_some(())
        });
    }

    rig.note("somebody else, with a copy of alpha's home, has keys listed that alpha did not make");
    let copied = Command::new("cp").arg("-a").args([alpha.home(), &rig.path("copy")]).status().unwrap();
    assert!(copied.success());
    must(rig, &["device", "extend", "--home", "copy", "--epochs", "25"]);
    must(rig, &["mission", "extend", "m", "copy/alpha.extend"]);
    world.push();
    let at_alpha = alpha.follow();
    wait::until("alpha to refuse it", SPREAD, || {
        let said = std::fs::read_to_string(rig.log("alpha")).unwrap();
        said.contains("a roster from a gateway is refused: ALARM").then_some(())
    });
    drop(at_alpha);
    let kept = must(rig, &["verify", "bravo", "--home", text(alpha.home())]);
    assert_eq!(kept[0]["roster_version"], version, "nothing changed");
}
