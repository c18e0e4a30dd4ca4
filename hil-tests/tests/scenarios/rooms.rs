//! Rooms with the real programs: three members at two gateways, joined by a broker and a radio.

use std::time::Duration;

use hil_tests::{Member, Plan, Rig, wait};
use serde_json::Value;

use crate::revocation::{await_objects, revoke};
use crate::world::{FAST, half_duplex};

const SOON: Duration = Duration::from_secs(90);

/// A message in a member's mailbox, with `wanted` true of it.
fn await_message(member: &Member, text: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait::until(&format!("{} to read \"{text}\"", member.name()), SOON, || {
        let inbox = member.inbox().expect(0);
        inbox.lines.into_iter().find(|m| m["text"] == text && wanted(m))
    })
}

fn await_room(member: &Member, what: &str, wanted: impl Fn(&Value) -> bool) {
    wait::until(&format!("{}: {what}", member.name()), SOON, || {
        let rooms = member.room(&["list"]).expect(0);
        rooms.lines.iter().any(&wanted).then_some(())
    });
}

#[test]
fn three_members_talk_in_a_room_and_one_who_is_removed_hears_nothing_more() {
    let name = "three_members_talk_in_a_room";
    let mut rig = Rig::new(name, &["alpha", "bravo", "charlie"], &["gw1", "gw2"]);
    let air = half_duplex(FAST);
    let (rate, duplex) = (air.rate_bps, air.duplex);
    let radio = rig.radio(air, &["gw1", "gw2"]);
    let broker = rig.broker();
    let gw1 = rig.gateway(Plan::new("gw1").radio(&radio.path(0), rate, duplex).uplink(&broker));
    let gw2 = rig.gateway(Plan::new("gw2").radio(&radio.path(1), rate, duplex).uplink(&broker));
    gw1.await_uplink("up", Duration::from_secs(30));
    gw2.await_uplink("up", Duration::from_secs(30));
    let (alpha, bravo, charlie) =
        (rig.member("alpha", "gw1"), rig.member("bravo", "gw2"), rig.member("charlie", "gw2"));
    // Alpha's device stays on: it confirms by itself what it said.
    let _at_alpha = alpha.follow();

    alpha.room(&["create", "ops"]).expect(0);
    for member in [&bravo, &charlie] {
        alpha.room(&["invite", "ops", member.name()]).expect(0);
        await_room(member, "invited", |r| r["name"] == "ops" && r["joined"] == false);
        member.room(&["join", "ops"]).expect(0);
    }
    await_room(&alpha, "all joined", |r| {
        r["members"].as_array().is_some_and(|m| m.len() == 3 && m.iter().all(|m| m["joined"] == true))
    });
    for member in [&bravo, &charlie] {
        await_room(member, "three members", |r| r["members"].as_array().is_some_and(|m| m.len() == 3));
    }

    alpha.send_room("ops", &["convoy at the bridge"]).expect(0);
    alpha.send_room("ops", &["--order", "hold the bridge"]).expect(0);
    for member in [&bravo, &charlie] {
        let order = await_message(member, "hold the bridge", |_| true);
        assert_eq!(
            (&order["trust"], &order["room"], &order["from"]),
            (&"signed".into(), &"ops".into(), &"alpha".into())
        );
        await_message(member, "convoy at the bridge", |m| m["trust"] == "confirmed");
    }
    bravo.send_room("ops", &["--order", "roger"]).expect(0);
    await_message(&alpha, "roger", |m| m["trust"] == "signed");
    await_message(&charlie, "roger", |m| m["trust"] == "signed");

    alpha.room(&["remove", "ops", "charlie"]).expect(0);
    wait::until("charlie to be out", SOON, || charlie.room(&["list"]).expect(0).lines.is_empty().then_some(()));
    await_room(&bravo, "two members", |r| r["members"].as_array().is_some_and(|m| m.len() == 2));
    alpha.send_room("ops", &["--order", "without charlie"]).expect(0);
    await_message(&bravo, "without charlie", |m| m["trust"] == "signed");
    charlie.send_room("ops", &["--order", "i am still here"]).expect(2);
    assert!(charlie.inbox().expect(0).lines.iter().all(|m| m["text"] != "without charlie"));
}

#[test]
fn a_revoked_member_is_out_of_its_rooms_at_once_and_the_others_go_on() {
    let name = "a_revoked_member_is_out_of_its_rooms";
    let rig = Rig::new(name, &["alpha", "bravo", "mallory"], &["gw1", "gw2"]);
    let broker = rig.broker();
    let gw1 = rig.gateway(Plan::new("gw1").uplink(&broker));
    let gw2 = rig.gateway(Plan::new("gw2").key("link_timeout = \"10s\"").uplink(&broker));
    for gateway in [&gw1, &gw2] {
        gateway.await_uplink("up", wait::PROMPT);
    }
    let (alpha, bravo, mallory) =
        (rig.member("alpha", "gw1"), rig.member("bravo", "gw2"), rig.member("mallory", "gw2"));
    let _at_alpha = alpha.follow();
    alpha.room(&["create", "ops"]).expect(0);
    for member in [&bravo, &mallory] {
        alpha.room(&["invite", "ops", member.name()]).expect(0);
        await_room(member, "invited", |r| r["name"] == "ops" && r["joined"] == false);
        member.room(&["join", "ops"]).expect(0);
    }
    let members = |r: &Value, n: usize| r["members"].as_array().is_some_and(|m| m.len() == n);
    await_room(&bravo, "three members", |r| members(r, 3));
    mallory.send_room("ops", &["--order", "while i may"]).expect(0);
    for member in [&alpha, &bravo] {
        await_message(member, "while i may", |m| m["trust"] == "signed");
    }

    rig.note("mallory's device is captured; no new roster is handed out");
    revoke(&rig, "mallory", 1, &gw2);
    for gateway in [&gw1, &gw2] {
        await_objects(gateway, 1);
    }
    await_room(&alpha, "mallory is out", |r| members(r, 2) && r["lapsed"] == false);
    await_room(&bravo, "mallory is out", |r| members(r, 2) && r["lapsed"] == false);
    alpha.send_room("ops", &["--order", "without mallory"]).expect(0);
    await_message(&bravo, "without mallory", |m| m["trust"] == "signed");
    bravo.send_room("ops", &["--order", "roger"]).expect(0);
    await_message(&alpha, "roger", |m| m["trust"] == "signed");

    let refused = mallory.send_room("ops", &["--order", "--wait", "custody", "--timeout", "20s", "i am still here"]);
    assert_ne!(refused.end.code, 0, "{:?}", refused.lines);
    let texts =
        |member: &Member| -> Vec<Value> { member.inbox().lines.into_iter().map(|m| m["text"].clone()).collect() };
    assert!(!texts(&mallory).contains(&"without mallory".into()));
    for member in [&alpha, &bravo] {
        assert!(!texts(member).contains(&"i am still here".into()));
        assert!(texts(member).contains(&"while i may".into()), "what was shown stays");
    }
}
