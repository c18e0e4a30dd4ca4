//! Envelopes a second through the real daemon: in by one link, durable, out by MQTT QoS 1 to a real mosquitto.
//! `cargo bench -p picketd --bench throughput`; client, broker and gateways share the machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::disallowed_methods)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::broker::Broker;
use common::member::Member;
use common::{Bench, Daemon};
use std::time::Instant;

const COUNT: usize = 50_000;
const BYTES: usize = 200;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!("| {COUNT} envelopes of {BYTES} B, in by a Unix socket, durable, out by MQTT QoS 1 | per second |");
    println!("|---|---:|");
    println!("| (resident memory of an idle gateway with its uplink up, KiB) | {} |", idle_kib());
    println!("| custody acknowledged to the sender | {:.0} |", runtime.block_on(acknowledged()));
    println!("| PUBACK without a subscriber | {:.0} |", runtime.block_on(unsubscribed()));
    println!("| a second gateway takes custody and delivers | {:.0} |", runtime.block_on(delivered()));
}

fn start(bench: &Bench, gateway: &str, port: u16) -> Daemon {
    let daemon = bench.start(
        gateway,
        &format!(
            "[log]\nlevel = \"warn\"\n[[link]]\nname = \"attach\"\nkind = \"unix\"\npath = \"run/{gateway}.sock\"\n\
             [[uplink]]\nname = \"hq\"\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\n"
        ),
    );
    daemon.await_status("up", |s| s["uplinks"][0]["state"] == "up");
    daemon
}

async fn member(bench: &Bench, name: &str, gateway: &str) -> Member {
    let mut member = Member::attach(&bench.mission, name, &bench.path(&format!("run/{gateway}.sock")));
    member.run_until(|m| m.attached).await;
    member
}

fn load(bench: &Bench, from: &mut Member) {
    let to = bench.mission.device("bravo").0;
    for _ in 0..COUNT {
        from.send(to, BYTES);
    }
}

fn rate(begun: Instant) -> f64 {
    COUNT as f64 / begun.elapsed().as_secs_f64()
}

fn idle_kib() -> u64 {
    let bench = Bench::new();
    let broker = Broker::plain(bench.folder.path());
    let gateway = start(&bench, "gw1", broker.port);
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.child.id())).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Without an uplink: what link and store alone can do.
async fn acknowledged() -> f64 {
    let bench = Bench::new();
    let _gateway = bench.start("gw1", "[[link]]\nname = \"attach\"\nkind = \"unix\"\npath = \"run/gw1.sock\"\n");
    let mut alpha = member(&bench, "alpha", "gw1").await;
    load(&bench, &mut alpha);
    let begun = Instant::now();
    alpha.run_until(|m| m.accepted.len() == COUNT).await;
    rate(begun)
}

async fn unsubscribed() -> f64 {
    let bench = Bench::new();
    let broker = Broker::plain(bench.folder.path());
    let gateway = start(&bench, "gw1", broker.port);
    let mut alpha = member(&bench, "alpha", "gw1").await;
    load(&bench, &mut alpha);
    let begun = Instant::now();
    alpha.run_until(|m| m.accepted.len() == COUNT).await;
    gateway.await_status("every PUBACK", |s| s["counters"]["uplink_nobody_listening"].as_u64() >= Some(COUNT as u64));
    rate(begun)
}

async fn delivered() -> f64 {
    let bench = Bench::new();
    let broker = Broker::plain(bench.folder.path());
    let _gateways = [start(&bench, "gw1", broker.port), start(&bench, "gw2", broker.port)];
    let mut alpha = member(&bench, "alpha", "gw1").await;
    let mut bravo = member(&bench, "bravo", "gw2").await;
    load(&bench, &mut alpha);
    let begun = Instant::now();
    tokio::join!(alpha.run_until(|m| m.accepted.len() == COUNT), bravo.run_until(|m| m.arrived.len() >= COUNT));
    rate(begun)
}
