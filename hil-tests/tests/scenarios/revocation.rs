//! A member or a gateway is captured: revoked over radio and broker, from one gateway that was given the revocation.

use std::process::Command;
use std::time::Duration;

use hil_tests::process::{Finished, finish};
use hil_tests::programs::program;
use hil_tests::{Gateway, Plan, Rig, wait};

use crate::world::{FAST, half_duplex};

fn picket(rig: &Rig, args: &[&str]) -> Finished {
    let mut command = Command::new(program("picket"));
    command.args(args).arg("--json");
    finish("picket", command, &rig.log("picket"), wait::PROMPT)
}

/// Revokes `name` and hands the revocation to one gateway. Its length.
pub fn revoke(rig: &Rig, name: &str, generation: u8, to: &Gateway) -> u64 {
    let mission = rig.path("m");
    let done = picket(rig, &["mission", "revoke", mission.to_str().unwrap(), name]);
    assert_eq!(done.code, 0, "{}", done.err);
    let object = rig.mission(&format!("revoke-{generation}.pkobj"));
    let pushed =
        picket(rig, &["gateway", "push", object.to_str().unwrap(), "--control", to.control().to_str().unwrap()]);
    assert_eq!(pushed.code, 0, "{}", pushed.err);
    std::fs::metadata(&object).unwrap().len() - 10
}

/// Waits until so many objects are in force there.
pub fn await_objects(gateway: &Gateway, n: u64) {
    wait::until(&format!("{} to have the revocation", gateway.name()), Duration::from_secs(60), || {
        (gateway.counter("objects_accepted") >= n).then_some(())
    });
}

#[test]
fn a_revoked_member_is_refused_everywhere_and_the_others_go_on() {
    let name = "a_revoked_member_is_refused_everywhere_and_the_others_go_on";
    let mut rig = Rig::new(name, &["alpha", "bravo", "charlie", "mallory"], &["gw1", "gw2", "gw3"]);
    let radio = rig.radio(half_duplex(FAST), &["gw1", "gw3"]);
    let broker = rig.broker();
    let soon = "link_timeout = \"10s\"";
    let gw1 = Plan::new("gw1").key(soon).radio(&radio.path(0), FAST, hil_tests::Duplex::Half).uplink(&broker);
    let gw1 = rig.gateway(gw1);
    let mut gw2 = rig.gateway(Plan::new("gw2").key(soon).uplink(&broker));
    let gw3 = rig.gateway(Plan::new("gw3").key(soon).radio(&radio.path(1), FAST, hil_tests::Duplex::Half));
    gw1.await_uplink("up", wait::PROMPT);
    gw2.await_uplink("up", wait::PROMPT);
    let (alpha, bravo) = (rig.member("alpha", "gw1"), rig.member("bravo", "gw3"));
    let mallory = rig.member("mallory", "gw2");
    let charlie = rig.member("charlie", "gw2");
    let at_charlie = charlie.follow();
    alpha.send_with("charlie", &["--wait", "delivered", "see you"]).expect(0);
    drop(at_charlie);
    let mut at_alpha = alpha.follow();
    let mut at_bravo = bravo.follow();
    mallory.send_with("alpha", &["--wait", "delivered", "before"]).expect(0);
    at_alpha.text("before", wait::PROMPT);
    alpha.send_with("bravo", &["--wait", "delivered", "one"]).expect(0);

    rig.note("mallory's device is captured");
    let bytes = revoke(&rig, "mallory", 1, &gw1);
    assert!(bytes <= 250, "{bytes}");
    // gw2 hears it from the broker, gw3 by radio.
    for gateway in [&gw1, &gw2, &gw3] {
        await_objects(gateway, 1);
    }
    for n in 0..3 {
        let text = format!("after {n}");
        alpha.send_with("bravo", &["--wait", "delivered", &text]).expect(0);
        at_bravo.text(&text, wait::PROMPT);
    }
    bravo.send_with("alpha", &["--wait", "delivered", "and back"]).expect(0);
    let refused = mallory.send_with("alpha", &["--wait", "custody", "let me in", "--timeout", "20s"]);
    assert_ne!(refused.end.code, 0, "{:?}", refused.lines);

    rig.note("charlie was away all the time, and gw2 loses its power");
    let sent = alpha.send("charlie", "for your return").expect(0);
    assert_eq!(sent.states().last(), Some(&"custody"));
    gw2.kill9();
    gw2.start();
    gw2.await_uplink("up", wait::PROMPT);
    let mut at_charlie = charlie.follow();
    at_charlie.text("for your return", wait::PROMPT * 2);
    // To a neighbour of gw2: gateways do not carry for each other over several hops.
    charlie.send_with("alpha", &["--wait", "delivered", "I am back"]).expect(0);
    at_alpha.text("I am back", wait::PROMPT);
    let unexpected: Vec<&str> = at_alpha.texts().into_iter().filter(|t| *t == "let me in").collect();
    assert!(unexpected.is_empty());
}

#[test]
fn a_revoked_gateway_stops_and_leaves_the_broker() {
    let name = "a_revoked_gateway_stops_and_leaves_the_broker";
    let rig = Rig::new(name, &["alpha", "bravo"], &["gw1", "gw2", "gw3"]);
    let mut broker = rig.broker();
    let gw1 = rig.gateway(Plan::new("gw1").uplink(&broker));
    let mut gw2 = rig.gateway(Plan::new("gw2").uplink(&broker));
    let gw3 = rig.gateway(Plan::new("gw3").uplink(&broker));
    for gateway in [&gw1, &gw2, &gw3] {
        gateway.await_uplink("up", wait::PROMPT);
    }
    assert!(!broker.refuses(&rig, "gw2"));
    revoke(&rig, "gw2", 1, &gw1);
    await_objects(&gw3, 1);
    wait::until("gw2 to stop", wait::PROMPT, || (!gw2.is_running()).then_some(()));
    let again = gw2.start_refused();
    assert_eq!(again.code, 2, "{}", again.err);
    broker.restart();
    assert!(broker.refuses(&rig, "gw2") && !broker.refuses(&rig, "gw1"), "by the list of revoked certificates");
    gw1.await_uplink("up", wait::PROMPT * 2);
    gw3.await_uplink("up", wait::PROMPT * 2);
    let (alpha, bravo) = (rig.member("alpha", "gw1"), rig.member("bravo", "gw3"));
    let mut at_bravo = bravo.follow();
    alpha.send_with("bravo", &["--wait", "delivered", "still here"]).expect(0);
    at_bravo.text("still here", wait::PROMPT);
}
