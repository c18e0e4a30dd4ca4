//! A member goes from one gateway to another; the messages follow.

use hil_tests::{Plan, Rig, wait};

use crate::world::{ByBroker, FAST, by_both, texts};

#[test]
fn a_member_moves_from_gw1_to_gw2() {
    let mut world = ByBroker::new("a_member_moves_from_gw1_to_gw2");
    let all = texts("message", 9, world.rig.rng());
    let alpha = world.rig.member("alpha", "gw1");
    let (bravo_1, bravo_2) = (world.rig.member("bravo", "gw1"), world.rig.member("bravo", "gw2"));
    let _at_alpha = alpha.follow();

    let mut at_bravo = bravo_1.follow();
    alpha.send("bravo", &all[0]).expect(0);
    at_bravo.text(&all[0], wait::PROMPT);
    at_bravo.kill9();
    // Sent while bravo is on the way: gw1 holds them.
    for text in &all[1..4] {
        let sent = alpha.send("bravo", text).expect(0);
        assert_eq!(sent.states().last(), Some(&"custody"));
    }
    let mut at_bravo = bravo_2.follow();
    at_bravo.texts_all(&all[..4], wait::PROMPT);
    for text in &all[4..6] {
        alpha.send_with("bravo", &["--wait", "delivered", text]).expect(0);
    }
    at_bravo.texts_all(&all[..6], wait::PROMPT);
    at_bravo.kill9();
    // And back again.
    for text in &all[6..8] {
        alpha.send("bravo", text).expect(0);
    }
    let mut at_bravo = bravo_1.follow();
    alpha.send_with("bravo", &["--wait", "delivered", &all[8]]).expect(0);
    at_bravo.texts_all(&all, wait::PROMPT);
    crate::outages::exactly(&mut at_bravo, &all);
}

#[test]
fn a_member_moves_within_reach_of_the_radio_only() {
    let mut rig = Rig::new("a_member_moves_within_reach_of_the_radio_only", &["alpha", "bravo"], &["gw1", "gw2"]);
    let all = texts("message", 4, rig.rng());
    let radio = rig.radio(crate::world::half_duplex(FAST), &["gw1", "gw2"]);
    let _gw1 = rig.gateway(Plan::new("gw1").radio(&radio.path(0), FAST, hil_tests::Duplex::Half));
    let _gw2 = rig.gateway(Plan::new("gw2").radio(&radio.path(1), FAST, hil_tests::Duplex::Half));
    let alpha = rig.member("alpha", "gw1");
    let _at_alpha = alpha.follow();
    for (text, gateway) in all.iter().zip(["gw1", "gw2", "gw1", "gw2"]) {
        let sent = alpha.send("bravo", text).expect(0);
        assert_eq!(sent.states().last(), Some(&"custody"));
        let mut at_bravo = rig.member("bravo", gateway).follow();
        at_bravo.text(text, wait::PROMPT * 2);
        at_bravo.kill9();
    }
}

#[test]
fn a_home_serves_one_way_at_a_time() {
    let (world, _radio) = by_both("a_home_serves_one_way_at_a_time", FAST, hil_tests::Duplex::Full);
    let here = world.rig.member("alpha", "gw1");
    let mut holder = here.follow();
    here.send_with("bravo", &["--wait", "custody", "by the holder"]).expect(0);
    let elsewhere = world.rig.member("alpha", "gw2");
    let refused = elsewhere.send("bravo", "by another way");
    assert_ne!(refused.end.code, 0);
    let said = refused.error()["message"].as_str().unwrap_or_default().to_owned();
    assert!(said.contains("gw1.sock") && said.contains(&holder.id().to_string()), "it names the holder: {said}");
    holder.kill9();
    elsewhere.send_with("bravo", &["--wait", "custody", "after the holder died"]).expect(0);
}
