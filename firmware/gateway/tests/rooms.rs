//! Real daemons carry envelopes for a room from a member at one to a listener at the other, over a broker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod common;

use common::broker::Broker;
use common::member::Member;
use common::{Bench, Daemon};
use picket_wire::Index;
use std::time::Duration;

const ROOM: Index = Index(0xC001);
const COUNT: usize = 20;

fn start(bench: &Bench, broker: &Broker, gateway: &str) -> Daemon {
    let daemon = bench.start(
        gateway,
        &format!(
            "[[link]]\nname = \"attach\"\nkind = \"unix\"\npath = \"run/{gateway}.sock\"\n\
             [[uplink]]\nname = \"hq\"\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
            broker.port
        ),
    );
    daemon.await_status("up", |s| s["uplinks"][0]["state"] == "up");
    daemon
}

/// How many of the envelopes for rooms in custody everybody has who is known.
fn done(daemon: &Daemon) -> usize {
    let queue = daemon.ask(&serde_json::json!("queue"));
    let all = queue["queue"].as_array().unwrap().iter();
    all.filter(|q| q["room"]["room"] == "c001" && q["room"]["pending"] == 0 && q["room"]["done"] == 1).count()
}

#[tokio::test]
async fn whoever_listens_gets_what_still_lives_once_also_after_a_kill() {
    let bench = Bench::new();
    let broker = Broker::plain(bench.folder.path());
    let mut one = start(&bench, &broker, "gw1");
    let two = start(&bench, &broker, "gw2");
    let member = |name, gateway| Member::attach(&bench.mission, name, &bench.path(&format!("run/{gateway}.sock")));
    let mut alpha = member("alpha", "gw1");
    alpha.run_until(|m| m.attached).await;
    for _ in 0..COUNT {
        alpha.send(ROOM, 200);
    }
    let sent = alpha.run_until(|m| m.accepted.len() == COUNT);
    tokio::time::timeout(Duration::from_secs(30), sent).await.expect("taken");
    // Nobody listens yet; it waits.
    let mut bravo = member("bravo", "gw2");
    bravo.listen(&[ROOM]);
    let got = bravo.run_until(|m| m.arrived.len() == COUNT);
    tokio::time::timeout(Duration::from_secs(30), got).await.expect("who comes later gets what still lives");
    // The last acknowledgements leave.
    let _ = tokio::time::timeout(Duration::from_millis(500), bravo.run_until(|_| false)).await;
    assert_eq!(done(&one), COUNT);
    assert_eq!(done(&two), COUNT);
    // kill -9: who has it is not asked again.
    one.child.kill().unwrap();
    one.child.wait().unwrap();
    drop(one);
    let one = start(&bench, &broker, "gw1");
    let _ = tokio::time::timeout(Duration::from_secs(2), bravo.run_until(|_| false)).await;
    assert_eq!(bravo.arrived.len(), COUNT, "once each");
    assert_eq!(done(&one), COUNT);
    let counters = &two.status()["counters"];
    assert!(counters["duplicates_acknowledged"].is_null(), "{counters}");
}
