//! The figures of the README that the real programs show from outside: bytes on air, goodput, resident memory.
//!
//! `cargo xtask bench [air] [goodput] [memory]` builds the programs as released and prints these as tables. They are
//! measured, not asserted: a loaded machine makes them worse, and a table says so where a test would only fail.

#![allow(clippy::expect_used, clippy::print_stdout, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use hil_tests::{Air, Duplex, Follow, Gateway, Line, Member, Plan, Rig, wait};
use picket_wire::time::Duration as Air2;

/// The radio of all figures here.
const RATE: u32 = 9_600;
/// A link is quiet when nothing was on air for this long.
const QUIET: Duration = Duration::from_secs(4);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let all: [(&str, fn()); 3] = [("air", air), ("goodput", goodput), ("memory", memory)];
    for (name, table) in all {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            table();
        }
    }
}

/// Bytes on air per delivered text, everything both ways.
fn air() {
    println!("\nBytes on air per delivered text, established, custody acknowledgement and delivered receipt included");
    println!("| framing | text | sealed frame and its framing | everything, both ways | target |");
    println!("|---|---:|---:|---:|---:|");
    for (framing, targets) in [("cobs", ["≤ 56, ≤ 84", "≤ 165", "≤ 1120"]), ("fec", ["≤ 96", "–", "–"])] {
        let mut world = World::new("air", half(), framing);
        let (alpha, mut at_bravo) = (world.alpha.clone(), world.bravo.follow());
        let _at_alpha = alpha.follow();
        deliver(&alpha, &mut at_bravo, "the first message opens the conversation");
        for (length, target) in [20, 100, 1000].into_iter().zip(targets) {
            let runs: Vec<(u64, u64)> = (0..5).map(|n| world.one(&alpha, &mut at_bravo, length, n)).collect();
            let there = runs.iter().map(|r| r.0).min().unwrap_or(0);
            let both = median(runs.iter().map(|r| r.1).collect());
            println!("| {framing} | {length} B | {there} | {both} | {target} |");
        }
        let before = world.radio.on_air();
        std::thread::sleep(Duration::from_secs(60));
        println!("| {framing} | none, 60 s | | {} | 0 |", world.radio.on_air() - before);
    }
}

/// Goodput of 50 kB, until the sender knows. The same in virtual time, and exact: `benches/link.md`.
fn goodput() {
    println!("\nGoodput of 50 kB over a {RATE} bit/s channel, from the first byte on air until the sender knows");
    println!("| framing | duplex | bit error rate | seconds | bytes on air | fraction of the channel | target |");
    println!("|---|---|---:|---:|---:|---:|---:|");
    let rows = [
        ("cobs", "full", Air::new(RATE), "≥ 0.97"),
        ("fec", "full", Air::new(RATE), "≥ 0.97"),
        ("fec", "half, 50 ms turn-round", half(), "≥ 0.89"),
        ("fec", "full", Air::new(RATE).ber(1e-3), "≥ 0.88"),
        ("fec", "half, 50 ms turn-round", half().ber(1e-3), "≥ 0.81"),
    ];
    for (framing, name, air, target) in rows {
        let ber = air.ber;
        let (seconds, bytes) = object(air, framing);
        let ideal = 50_000.0 * 8.0 / f64::from(RATE);
        println!("| {framing} | {name} | {ber:e} | {seconds:.2} | {bytes} | {:.3} | {target} |", ideal / seconds);
    }
}

/// Seconds and bytes on air that one object takes.
fn object(air: Air, framing: &str) -> (f64, u64) {
    let mut world = World::new("goodput", air, framing);
    let mut at_bravo = world.bravo.follow();
    let _at_alpha = world.alpha.follow();
    deliver(&world.alpha, &mut at_bravo, "first");
    world.quiet();
    let file = world.rig.path("object.bin");
    std::fs::write(&file, world.rig.rng().bytes(50_000)).unwrap();
    let before = world.radio.on_air();
    let (sender, path) = (world.alpha.clone(), file.display().to_string());
    let sending = std::thread::spawn(move || {
        sender.send_with("bravo", &["--wait", "delivered", "--timeout", "200s", "--file", &path]).expect(0);
        Instant::now()
    });
    wait::until("the first byte on air", wait::PROMPT, || (world.radio.on_air() > before).then_some(()));
    let start = Instant::now();
    let end = sending.join().expect("delivered");
    (end.duration_since(start).as_secs_f64(), world.radio.on_air() - before)
}

/// Resident memory of an idle gateway.
fn memory() {
    let rig = Rig::new("memory", &["alpha", "bravo"], &["gw1", "gw2"]);
    let broker = rig.broker();
    let gateway = rig.gateway(Plan::new("gw1").uplink(&broker));
    gateway.await_uplink("up", wait::PROMPT);
    let resident = |id: u32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).map(str::to_owned);
        line.and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    };
    println!("\nResident memory of picketd");
    println!("| | MiB | target |");
    println!("|---|---:|---:|");
    println!("| idle, MQTT with TLS connected | {:.1} | ≤ 10 |", resident(gateway.id()));
}

fn half() -> Air {
    Air::new(RATE).half(Air2::from_millis(50))
}

/// Two gateways, nothing but a radio between them, a member at each.
struct World {
    rig: Rig,
    radio: Line,
    alpha: Member,
    bravo: Member,
    _gateways: [Gateway; 2],
}

impl World {
    fn new(name: &str, air: Air, framing: &str) -> Self {
        let mut rig = Rig::new(name, &["alpha", "bravo"], &["gw1", "gw2"]);
        let duplex = if air.duplex == Duplex::Half { Duplex::Half } else { Duplex::Full };
        let radio = rig.radio(air, &["gw1", "gw2"]);
        let start =
            |n: usize, name: &str| rig.gateway(Plan::new(name).radio(&radio.path(n), RATE, duplex).framing(framing));
        let gateways = [start(0, "gw1"), start(1, "gw2")];
        let (alpha, bravo) = (rig.member("alpha", "gw1"), rig.member("bravo", "gw2"));
        Self { rig, radio, alpha, bravo, _gateways: gateways }
    }

    /// One text of `length` bytes that does not compress: (bytes from the sender's side, bytes of both sides).
    fn one(&mut self, alpha: &Member, at_bravo: &mut Follow, length: usize, n: usize) -> (u64, u64) {
        self.quiet();
        let text: String = (0..length).map(|_| char::from(b'a' + self.rig.rng().byte() % 26)).collect();
        let text = format!("{n}{}", &text[1..]);
        let (there, both) = (self.radio.counters(0).sent, self.radio.on_air());
        deliver(alpha, at_bravo, &text);
        let first = self.radio.counters(0).sent - there;
        self.quiet();
        (first, self.radio.on_air() - both)
    }

    /// Waits until nothing has been on air for a while.
    fn quiet(&self) {
        let (mut last, mut since) = (self.radio.on_air(), Instant::now());
        wait::until("silence", Duration::from_secs(120), || {
            let now = self.radio.on_air();
            if now != last {
                (last, since) = (now, Instant::now());
            }
            (since.elapsed() >= QUIET).then_some(())
        });
    }
}

fn deliver(alpha: &Member, at_bravo: &mut Follow, text: &str) {
    alpha.send("bravo", text).expect(0);
    at_bravo.text(text, Duration::from_secs(60));
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}
