//! The real daemon on a pseudo-terminal: in silence not one byte comes out, whatever goes in and however it ends; on
//! release what is owed comes out, most urgent first (spec §57).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod common;

use common::member::Known;
use common::{Bench, Daemon, picketd};
use picket_node::gate::Gate;
use picket_node::testing::link::{Config, Duplex, Event, Framing, Link, Offer, OfferId, ParcelKind};
use picket_shell::clock::Clock;
use picket_wire::envelope::{Class, Envelope, Header};
use picket_wire::{Index, Lifetime, Precedence};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SERIAL: &str = "[[link]]\nname = \"hf\"\nkind = \"serial\"\nport = \"radio\"\nbaud = 115200\nduplex = \"full\"\n\
                      [[link]]\nname = \"attach\"\nkind = \"unix\"\npath = \"run/gw1.sock\"\n";

/// The far end of the daemon's radio: a member's link machine behind the master of a pseudo-terminal.
struct Far {
    link: Link,
    known: Known,
    to: Index,
    master: File,
    /// Everything that came out of the daemon.
    heard: Arc<Mutex<Vec<u8>>>,
    used: usize,
    next: u64,
    accepted: Vec<OfferId>,
}

impl Far {
    fn new(bench: &Bench) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        std::os::unix::fs::symlink(&slave, bench.path("radio")).unwrap();
        // Held open, so that reading the master never fails while no daemon runs; raw, so that nothing is echoed then.
        let held = File::options().read(true).write(true).open(&slave).unwrap();
        let mut raw = rustix::termios::tcgetattr(&held).unwrap();
        raw.make_raw();
        rustix::termios::tcsetattr(&held, rustix::termios::OptionalActions::Now, &raw).unwrap();
        std::mem::forget(held);
        let master = File::from(master);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, kept) = (master.try_clone().unwrap(), Arc::clone(&heard));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n) = reader.read(&mut buffer) {
                kept.lock().unwrap().extend_from_slice(&buffer[..n]);
            }
        });
        let config = Config {
            framing: Framing::Cobs,
            mtu: None,
            // Unpaced: it sends everything at once, and not only what is most urgent until that is answered.
            air_bps: None,
            duplex: Duplex::Full,
            turn_round: picket_wire::time::Duration::ZERO,
        };
        let mut link = Link::new(config);
        link.up(Clock::default().now());
        let (known, to) = (Known::new(&bench.mission, "alpha"), bench.mission.device("gw1").0);
        Self { link, known, to, master, heard, used: 0, next: 1, accepted: Vec::new() }
    }

    fn offer(&mut self, bench: &Bench, precedence: Precedence) -> OfferId {
        let header = Header {
            class: Class::Pairwise,
            precedence,
            destination: bench.mission.device("bravo").0,
            source: bench.mission.device("alpha").0,
            hop_limit: 8,
            round: 0,
            flags: 0,
            lifetime: Lifetime::floor(3600),
            epoch_low: 0,
            session_low: 0,
            counter_low: self.next as u16,
            lane: None,
            enc: None,
        };
        let mut bytes = vec![0; 60];
        header.write(&mut bytes).unwrap();
        let identity = Envelope::parse(&bytes).unwrap().identity();
        let id = OfferId(self.next);
        self.next += 1;
        let offer = Offer { id, to: self.to, kind: ParcelKind::Envelope, precedence, identity, bytes };
        self.link.offer(Clock::default().now(), offer).unwrap();
        id
    }

    /// Serves the far end for so long, throwing garbage in between.
    fn serve(&mut self, span: Duration, garbage: bool) {
        let until = std::time::Instant::now() + span;
        let mut n = 0u8;
        while std::time::Instant::now() < until {
            let now = Clock::default().now();
            let fresh = self.heard.lock().unwrap()[self.used..].to_vec();
            self.used += fresh.len();
            self.link.receive(now, &fresh, &self.known);
            while let Some(event) = self.link.poll_event() {
                if let Event::Accepted { offer, .. } = event {
                    self.accepted.push(offer);
                }
            }
            while let Some(bytes) = self.link.poll_transmit(now, &self.known, &mut Gate::radio()) {
                self.master.write_all(&bytes).unwrap();
            }
            n = n.wrapping_add(1);
            if garbage && n.is_multiple_of(5) {
                let noise: Vec<u8> = (0..n).map(|b| b.wrapping_mul(37) ^ n).collect();
                self.master.write_all(&noise).unwrap();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Until the gateway's greeting has been read; it is written at once and as a whole.
    fn await_greeting(&mut self) {
        let until = std::time::Instant::now() + Duration::from_secs(20);
        while self.heard() == 0 {
            assert!(std::time::Instant::now() < until, "it does not greet");
            self.serve(Duration::from_millis(20), false);
        }
    }

    fn heard(&self) -> usize {
        self.heard.lock().unwrap().len()
    }
}

fn silent(bench: &Bench) -> Daemon {
    start(bench, &["--emcon", "silent"])
}

fn start(bench: &Bench, arguments: &[&str]) -> Daemon {
    let config = bench.configure("gw1", SERIAL);
    let child = picketd().arg("--config").arg(config).args(arguments).spawn().unwrap();
    let daemon = Daemon { child, control: bench.path("run/gw1.ctl") };
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while std::os::unix::net::UnixStream::connect(&daemon.control).is_err() {
        assert!(std::time::Instant::now() < until, "picketd does not serve");
        std::thread::sleep(Duration::from_millis(5));
    }
    daemon
}

fn emcon(daemon: &Daemon, state: Value) -> Value {
    daemon.ask(&json!({ "emcon": state }))["emcon"].take()
}

fn signal(daemon: &mut Daemon, name: &str) {
    let pid = daemon.child.id().to_string();
    assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    daemon.child.wait().unwrap();
}

/// E-57.2-1, E-57.5-1, E-57.5-2, E-57.7-1: hammered, hung up on, killed, restored from a backup; then released.
#[test]
fn not_one_byte_leaves_in_silence_and_what_is_owed_is_paid_most_urgent_first_on_release() {
    let bench = Bench::new();
    let mut far = Far::new(&bench);
    let mut daemon = silent(&bench);
    daemon.await_status("the port is open", |_| daemon.ask(&json!("links"))["links"][0]["state"] == "up");
    let order =
        [Precedence::Routine, Precedence::Flash, Precedence::Deferred, Precedence::Override, Precedence::Priority];
    let offered: Vec<OfferId> = order.iter().map(|p| far.offer(&bench, *p)).collect();
    far.serve(Duration::from_millis(800), true);
    daemon.await_status("all taken and owed", |s| s["queued"] == 5 && s["emcon"]["owed"] == 5);
    // Not HUP: whoever starts tests under nohup has it ignored here too.
    for end in ["-ABRT", "-KILL", "-TERM"] {
        signal(&mut daemon, end);
        far.serve(Duration::from_millis(50), true);
        if end == "-KILL" {
            // A state folder from before the silence is put back.
            std::fs::remove_file(bench.path("state/gw1/emcon")).unwrap();
        }
        daemon = start(&bench, &["--emcon", "free"]);
        let status = daemon.status();
        assert_eq!(status["emcon"]["state"], "silent", "after {end}, and the flag does not release: {status:#}");
        far.serve(Duration::from_millis(500), true);
        daemon.await_status("still owed", |s| s["emcon"]["owed"] == 5);
        assert_eq!(far.heard(), 0, "after {end}");
    }
    let reply = emcon(&daemon, json!("free"));
    assert_eq!((&reply["state"], &reply["durable"]), (&json!("free"), &json!(true)));
    far.serve(Duration::from_secs(2), false);
    let by_precedence: Vec<OfferId> = [3, 1, 4, 0, 2].iter().map(|n| offered[*n]).collect();
    assert_eq!(far.accepted, by_precedence, "override, flash, priority, routine, deferred");
    daemon.await_status("nothing is owed any more", |s| s["emcon"]["owed"] == 0);
}

/// E-57.4-1, E-57.4-3
#[test]
fn ordered_in_the_middle_of_traffic_silence_is_reached_and_each_link_says_what_is_known_of_it() {
    let bench = Bench::new();
    let mut far = Far::new(&bench);
    let daemon = start(&bench, &[]);
    far.serve(Duration::from_millis(300), false);
    assert!(far.heard() > 0, "it greets");
    for state in ["receive-only", "silent"] {
        emcon(&daemon, json!("free"));
        for _ in 0..20 {
            far.offer(&bench, Precedence::Routine);
        }
        far.serve(Duration::from_millis(100), false);
        let reply = emcon(&daemon, json!(state));
        assert_eq!(
            reply["links"],
            json!([
                { "name": "hf", "silence": "not-known" }, { "name": "attach", "silence": "proven" }
            ])
        );
        assert!(reply["warnings"][0].as_str().unwrap().contains("hf"), "{reply}");
        daemon.await_status("reached", |s| s["emcon"]["reached"] == true);
        let before = far.heard();
        far.serve(Duration::from_millis(700), true);
        assert_eq!(far.heard(), before, "{state}");
    }
    let refused = daemon.ask(&json!({ "emcon": "loud" }));
    assert_eq!(refused["error"]["code"], "bad_request");
    assert_eq!(emcon(&daemon, Value::Null)["state"], "silent");
}

/// E-57.7-2
#[test]
fn a_damaged_mark_starts_silent_and_says_so() {
    let bench = Bench::new();
    let mut far = Far::new(&bench);
    std::fs::create_dir_all(bench.path("state/gw1")).unwrap();
    std::fs::write(bench.path("state/gw1/emcon"), b"00000000\n{}").unwrap();
    let daemon = start(&bench, &["--emcon", "free"]);
    let status = daemon.status();
    assert_eq!(status["emcon"]["state"], "silent");
    assert!(status["emcon"]["warnings"][0].as_str().unwrap().contains("damaged"), "{status:#}");
    far.serve(Duration::from_millis(500), true);
    assert_eq!(far.heard(), 0);
    emcon(&daemon, json!("free"));
    far.serve(Duration::from_millis(500), false);
    assert!(far.heard() > 0);
}

/// E-57.4-2
#[test]
fn silence_is_in_force_although_it_cannot_be_written_down() {
    let bench = Bench::new();
    let mut far = Far::new(&bench);
    let daemon = start(&bench, &[]);
    // What it said before the order must not be taken for something said after it.
    far.await_greeting();
    // A folder of that name cannot be replaced by a file, not even by root.
    std::fs::create_dir_all(bench.path("state/gw1/emcon/in-the-way")).unwrap();
    let reply = emcon(&daemon, json!("silent"));
    assert_eq!((&reply["state"], &reply["durable"]), (&json!("silent"), &json!(false)));
    daemon.await_status("reached", |s| s["emcon"]["reached"] == true);
    let before = far.heard();
    far.serve(Duration::from_millis(400), true);
    assert_eq!(far.heard(), before);
}

/// E-57.3-1: the broker's side of it.
#[test]
fn in_silence_no_broker_is_connected_and_on_release_it_is_again() {
    let bench = Bench::new();
    let broker = common::broker::Broker::plain(bench.folder.path());
    let uplink = |more: &str| {
        format!(
            "{SERIAL}[[uplink]]\nname = \"hq\"\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n{more}",
            broker.port
        )
    };
    let _far = Far::new(&bench);
    let daemon = bench.start("gw1", &uplink(""));
    let state = |s: &Value| s["uplinks"][0]["state"].as_str().unwrap().to_owned();
    daemon.await_status("up", |s| state(s) == "up");
    for (order, expected) in [
        ("receive-only", "up"),
        ("silent", "down: emission control"),
        ("minimize", "up"),
        ("silent", "down: emission control"),
        ("free", "up"),
    ] {
        emcon(&daemon, json!(order));
        daemon.await_status(order, |s| state(s) == expected);
    }
    drop(daemon);
    let daemon = bench.start("gw1", &uplink("emits = true\n"));
    daemon.await_status("up", |s| state(s) == "up");
    emcon(&daemon, json!("receive-only"));
    daemon.await_status("its way is a radio", |s| state(s) == "down: emission control");
}

/// E-57.6-5: a daemon that is killed again and again does not get more airtime for it.
#[test]
fn kill_9_gives_no_airtime_back() {
    let bench = Bench::new();
    let mut far = Far::new(&bench);
    let config = format!("[[band]]\nname = \"uhf\"\nduty = \"0.01%\"\nreserve = \"0%\"\n{SERIAL}")
        .replace("name = \"hf\"", "name = \"hf\"\nband = \"uhf\"\nair_bps = 2400");
    let mut used = Vec::new();
    for _ in 0..12 {
        let daemon = bench.start("gw1", &config);
        far.serve(Duration::from_millis(150), false);
        let links = daemon.ask(&json!("links"));
        used.push(links["links"][0]["band"]["used_ms"].as_u64().unwrap());
        drop(daemon); // SIGKILL
    }
    assert!(used.is_sorted() && used[11] >= 250, "{used:?}");
    // 0.01 % of an hour are 360 ms: 108 bytes at 2400 bit/s.
    assert!((15..=108).contains(&far.heard()), "{} bytes on air; used {used:?}", far.heard());
}
