//! The uplink against a real mosquitto: TLS with its own CA, and what the operator reads when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Bench;
use common::broker::{Broker, Ca};

fn uplink(port: u16, host: &str, ca: &str, identity: Option<&str>) -> String {
    let mut out =
        format!("[[uplink]]\nname = \"hq\"\nkind = \"mqtt\"\nurl = \"mqtts://{host}:{port}\"\nca = \"{ca}\"\n");
    if let Some(name) = identity {
        out += &format!("cert = \"{name}.pem\"\nkey = \"{name}.key\"\n");
    }
    out
}

#[test]
fn connects_over_tls_with_the_mission_s_ca_and_a_client_certificate() {
    let bench = Bench::new();
    let ca = Ca::new();
    ca.write(&bench.path("ca.pem"));
    ca.issue(bench.folder.path(), "broker", false);
    ca.issue(bench.folder.path(), "gw1", false);
    let mut broker = Broker::tls(bench.folder.path());
    let mut daemon = bench.start("gw1", &uplink(broker.port, "localhost", "ca.pem", Some("gw1")));
    let up = |s: &serde_json::Value| s["uplinks"][0]["state"] == "up";
    daemon.await_status("up", up);
    broker.down();
    daemon.await_status("down", |s| !up(s));
    broker.up();
    daemon.await_status("up again", up);
    assert_eq!(daemon.terminate().code(), Some(0));
}

#[test]
fn every_kind_of_tls_trouble_is_named() {
    let bench = Bench::new();
    let (ca, other) = (Ca::new(), Ca::new());
    ca.write(&bench.path("ca.pem"));
    other.write(&bench.path("other.pem"));
    ca.issue(bench.folder.path(), "broker", false);
    ca.issue(bench.folder.path(), "gw1", false);
    ca.issue(bench.folder.path(), "expired", true);
    other.issue(bench.folder.path(), "stranger", false);
    let broker = Broker::tls(bench.folder.path());
    for (host, ca, identity, expected) in [
        ("127.0.0.1", "other.pem", Some("gw1"), "not signed by the CA in ca"),
        ("127.0.0.1", "ca.pem", Some("expired"), "our certificate has expired"),
        ("127.0.0.1", "ca.pem", Some("stranger"), "does not know the CA of our certificate"),
        ("127.0.0.1", "ca.pem", None, "asks for a certificate"),
    ] {
        let daemon = bench.start("gw1", &uplink(broker.port, host, ca, identity));
        daemon.await_status(expected, |s| s["uplinks"][0]["state"].as_str().unwrap().contains(expected));
    }
    let plain = format!("[[uplink]]\nname = \"hq\"\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n", broker.port);
    let daemon = bench.start("gw1", &plain);
    daemon
        .await_status("TLS expected", |s| s["uplinks"][0]["state"].as_str().unwrap().contains("closed by the broker"));
    drop((daemon, broker));

    ca.issue(bench.folder.path(), "broker", true);
    let broker = Broker::tls(bench.folder.path());
    let daemon = bench.start("gw1", &uplink(broker.port, "localhost", "ca.pem", Some("gw1")));
    let expired = "the broker's certificate has expired";
    daemon.await_status(expired, |s| s["uplinks"][0]["state"].as_str().unwrap().contains(expired));
    drop((daemon, broker));

    let broker = Broker::plain(bench.folder.path());
    let daemon = bench.start("gw1", &uplink(broker.port, "localhost", "ca.pem", Some("gw1")));
    daemon.await_status("no TLS", |s| {
        let state = s["uplinks"][0]["state"].as_str().unwrap();
        state.contains("does it expect TLS") || state.contains("does not speak TLS")
    });
}

#[test]
fn tls_material_that_cannot_be_used_is_refused_at_start() {
    let bench = Bench::new();
    std::fs::write(bench.path("ca.pem"), "nothing here").unwrap();
    let config = bench.configure("gw1", &uplink(8883, "localhost", "ca.pem", None));
    let output = common::picketd().arg("check").arg(config).output().unwrap();
    let why = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(why.contains("uplink hq") && why.contains("ca.pem has no certificate in it"), "{why}");
}
