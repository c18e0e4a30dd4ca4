//! Two real daemons carry envelopes from a member at one to a member at the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod common;

use common::broker::Broker;
use common::member::Member;
use common::{Bench, Daemon};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

fn attach(gateway: &str) -> String {
    format!("[[link]]\nname = \"attach\"\nkind = \"unix\"\npath = \"run/{gateway}.sock\"\n")
}

fn members(bench: &Bench) -> (Member, Member) {
    let member = |name, gateway| Member::attach(&bench.mission, name, &bench.path(&format!("run/{gateway}.sock")));
    (member("alpha", "gw1"), member("bravo", "gw2"))
}

/// Sends `count` envelopes of `bytes` from alpha to bravo and waits until all have arrived, once each.
async fn carry(bench: &Bench, count: usize, bytes: usize) {
    let (mut alpha, mut bravo) = members(bench);
    let to = bench.mission.device("bravo").0;
    tokio::join!(alpha.run_until(|m| m.attached), bravo.run_until(|m| m.attached));
    for _ in 0..count {
        alpha.send(to, bytes);
    }
    let both = async {
        tokio::join!(alpha.run_until(|m| m.accepted.len() == count), bravo.run_until(|m| m.arrived.len() == count));
    };
    tokio::time::timeout(Duration::from_secs(60), both).await.expect("all arrive in time");
    // The last acknowledgements leave.
    let _ = tokio::time::timeout(Duration::from_millis(300), bravo.run_until(|_| false)).await;
    let mut bodies: Vec<_> = bravo.arrived.iter().map(|b| b[10..].to_vec()).collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), count, "once each");
}

fn both(bench: &Bench, more: [&str; 2]) -> [Daemon; 2] {
    let start = |gateway: &str, more: &str| bench.start(gateway, &format!("{}{more}", attach(gateway)));
    [start("gw1", more[0]), start("gw2", more[1])]
}

#[tokio::test]
async fn over_a_broker() {
    let bench = Bench::new();
    let broker = Broker::plain(bench.folder.path());
    let uplink = format!("[[uplink]]\nname = \"hq\"\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n", broker.port);
    let daemons = both(&bench, [&uplink, &uplink]);
    for daemon in &daemons {
        daemon.await_status("up", |s| s["uplinks"][0]["state"] == "up");
    }
    carry(&bench, 50, 200).await;
    for mut daemon in daemons {
        daemon.await_status("nothing is left in custody", |s| s["queued"] == 0);
        assert_eq!(daemon.terminate().code(), Some(0));
    }
}

#[tokio::test]
async fn over_a_broker_that_goes_away_in_the_middle() {
    let bench = Bench::new();
    let mut broker = Broker::plain(bench.folder.path());
    let uplink = format!("[[uplink]]\nname = \"hq\"\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n", broker.port);
    let daemons = both(&bench, [&uplink, &uplink]);
    for daemon in &daemons {
        daemon.await_status("up", |s| s["uplinks"][0]["state"] == "up");
    }
    let outage = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        broker.down();
        tokio::time::sleep(Duration::from_secs(1)).await;
        broker.up();
    };
    tokio::join!(carry(&bench, 2000, 200), outage);
    for daemon in &daemons {
        daemon.await_status("nothing is left in custody", |s| s["queued"] == 0);
    }
}

#[tokio::test]
async fn garbage_on_a_topic_is_counted_and_does_not_return() {
    use rumqttc::v5::Event;
    use rumqttc::v5::mqttbytes::{QoS, v5::Packet};
    let bench = Bench::new();
    let broker = Broker::plain(bench.folder.path());
    let uplink = format!("[[uplink]]\nname = \"hq\"\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n", broker.port);
    let start = || {
        let daemon = bench.start("gw1", &uplink);
        daemon.await_status("up", |s| s["uplinks"][0]["state"] == "up");
        daemon
    };
    let mut daemon = start();
    let net = picket_wire::keys::NetKeys::derive(&bench.mission.authority.network_key(0), 0);
    let topic = net.topic_name(picket_wire::keys::TopicKind::Gateway, bench.mission.device("gw1").0);
    let topic = format!("picket/{}", hex::encode(topic));
    let options = rumqttc::v5::MqttOptions::new("stranger", "127.0.0.1", broker.port);
    let (client, mut machine) = rumqttc::v5::AsyncClient::new(options, 64);
    for n in 0..20u8 {
        let garbage: Vec<u8> = (0..n * 9).map(|b| b.wrapping_mul(37) ^ n).collect();
        client.publish(&topic, QoS::AtLeastOnce, false, garbage).await.unwrap();
    }
    let mut acknowledged = 0;
    while acknowledged < 20 {
        let event = machine.poll().await.unwrap();
        acknowledged += usize::from(matches!(event, Event::Incoming(Packet::PubAck(_))));
    }
    let dropped = |s: &serde_json::Value| -> u64 {
        let counters = s["counters"].as_object().unwrap();
        counters.iter().filter(|(k, _)| k.starts_with("uplink_")).filter_map(|(_, v)| v.as_u64()).sum()
    };
    daemon.await_status("all counted", |s| dropped(s) == 20);
    daemon.terminate();
    let daemon = start();
    let after = daemon.status();
    assert_eq!(dropped(&after), 0, "acknowledged: the broker does not deliver it again: {after}");
}

#[tokio::test]
async fn over_a_serial_cable() {
    let bench = Bench::new();
    let [left, right] = cable(&bench);
    let serial = |name: &str| {
        format!("[[link]]\nname = \"hf\"\nkind = \"serial\"\nport = \"{name}\"\nbaud = 115200\nduplex = \"full\"\n")
    };
    let _daemons = both(&bench, [&serial(&left), &serial(&right)]);
    carry(&bench, 10, 200).await;
}

#[tokio::test]
async fn over_udp() {
    let bench = Bench::new();
    let [a, b] = [(); 2].map(|()| std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let udp = |bind, peer| format!("[[link]]\nname = \"ip\"\nkind = \"udp\"\nbind = \"{bind}\"\npeer = \"{peer}\"\n");
    let _daemons = both(&bench, [&udp(a, b), &udp(b, a)]);
    carry(&bench, 50, 200).await;
    carry(&bench, 3, 20_000).await;
}

#[tokio::test]
async fn over_tcp() {
    let bench = Bench::new();
    let at = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let tcp = |how: &str| format!("[[link]]\nname = \"lan\"\nkind = \"tcp\"\n{how} = \"{at}\"\n");
    let _daemons = both(&bench, [&tcp("listen"), &tcp("connect")]);
    carry(&bench, 50, 200).await;
}

/// Two pseudo-terminals joined by two threads; returns the names of their ports.
fn cable(bench: &Bench) -> [String; 2] {
    let ends = ["left", "right"].map(|name| {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        std::os::unix::fs::symlink(&slave, bench.path(name)).unwrap();
        // Held open, so that reading the other side never fails while a daemon is away.
        let held = File::options().read(true).write(true).open(&slave).unwrap();
        std::mem::forget(held);
        File::from(master)
    });
    for (from, to) in [(0, 1), (1, 0)] {
        let (mut from, mut to) = (ends[from].try_clone().unwrap(), ends[to].try_clone().unwrap());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n) = from.read(&mut buffer) {
                if n == 0 || to.write_all(&buffer[..n]).is_err() {
                    return;
                }
            }
        });
    }
    ["left", "right"].map(str::to_owned)
}
