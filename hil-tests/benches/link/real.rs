//! The same object over the same channel in virtual and in real time: two links, each in a thread of its own, over the
//! pseudo-terminals of [`picket_channel::pty`]. What differs is what a host adds: timers and threads that come late.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant as Clock;

use hil_tests::Line;
use hil_tests::air::{Link, Parcel, Station, World};
use picket_wire::Precedence;
use picket_wire::time::{Duration, Instant};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const RATE: u32 = 9_600;
const BER: f64 = 1e-3;
const SEED: u64 = 1;
const PARCEL: Parcel = Parcel { from: 0, to: 1, len: 10_000, precedence: Precedence::Routine };
/// Four times what the object needs.
const GIVE_UP: Duration = Duration::from_secs(35);
/// Longest wait for bytes: how soon a thread sees that the other has finished.
const LOOK_UP: Duration = Duration::from_millis(50);

/// From the offer until the sender knows, and bytes on air both ways.
struct Run {
    seconds: Option<f64>,
    on_air: u64,
}

/// Prints both side by side; full and half duplex run at once.
pub fn print() {
    println!("## {} B at {RATE} bit/s and a bit error rate of {BER:e}, first contact, seed {SEED}\n", PARCEL.len);
    println!("| link | virtual, s | real, s | real ÷ virtual | virtual, B on air | real, B on air |");
    println!("|---|---:|---:|---:|---:|---:|");
    let links = [Link::fec(RATE), Link::fec(RATE).half()];
    let real = std::thread::scope(|scope| {
        links.map(|link| scope.spawn(move || in_real_time(&link))).map(|run| run.join().expect("it runs"))
    });
    for (link, real) in links.iter().zip(real) {
        let virtual_time = in_virtual_time(link);
        let show = |s: Option<f64>| s.map_or_else(|| "not in time".to_owned(), |s| format!("{s:.3}"));
        let ratio = real.seconds.zip(virtual_time.seconds).map(|(r, v)| r / v);
        println!(
            "| {}, {} | {} | {} | {} | {} | {} |",
            link.name(),
            link.duplex(),
            show(virtual_time.seconds),
            show(real.seconds),
            show(ratio),
            virtual_time.on_air,
            real.on_air
        );
    }
    println!("\nThe bytes of a stream are hit in the same places; what is sent when depends on the host's timers.");
}

fn in_virtual_time(link: &Link) -> Run {
    let mut world = World::new(link, 2, SEED);
    world.channel.set_ber(world.now, BER);
    let number = world.queue(PARCEL);
    world.run(GIVE_UP, World::is_done);
    Run { seconds: world.accepted(number).map(seconds), on_air: world.on_air() }
}

fn in_real_time(link: &Link) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let line = Line::open(link.air(2).ber(BER), SEED, folder.path(), &["a", "b"]).expect("pseudo-terminals");
    let over = AtomicBool::new(false);
    let (start, [mut a, mut b]) = (Clock::now(), [0, 1].map(|n| Station::new(n, 2, link)));
    a.queue(0, &PARCEL);
    std::thread::scope(|scope| {
        scope.spawn(|| live(&mut b, &line.path(1), start, &over));
        live(&mut a, &line.path(0), start, &over);
        over.store(true, Ordering::Relaxed);
    });
    Run { seconds: a.accepted.get(&0).copied().map(seconds), on_air: line.on_air() }
}

#[allow(clippy::cast_precision_loss)]
fn seconds(at: Instant) -> f64 {
    at.0 as f64 / 1e6
}

/// Serves a station until what it offered was taken, the other says that it is over, or the time is up.
fn live(station: &mut Station, path: &Path, start: Clock, over: &AtomicBool) {
    let mut port = OpenOptions::new().read(true).write(true).open(path).expect("the port opens");
    loop {
        let now = Instant(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
        while let Some(bytes) = station.serve(now) {
            port.write_all(&bytes).expect("the port takes bytes");
        }
        if !station.accepted.is_empty() || over.load(Ordering::Relaxed) || now > Instant::ZERO + GIVE_UP {
            return;
        }
        let wait = station.next_wake().map_or(LOOK_UP, |at| at.since(now).min(LOOK_UP));
        if let Some(bytes) = read(&mut port, wait) {
            let now = Instant(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
            station.hear(now, &bytes);
        }
    }
}

/// Bytes that come within `wait`.
fn read(port: &mut File, wait: Duration) -> Option<Vec<u8>> {
    let nanoseconds = i64::try_from(wait.as_micros() * 1_000).unwrap_or(i64::MAX);
    let timeout = Timespec { tv_sec: 0, tv_nsec: nanoseconds.min(999_999_999) };
    let ready = poll(&mut [PollFd::new(port, PollFlags::IN)], Some(&timeout)).unwrap_or(0) > 0;
    let mut buffer = vec![0; 4_096];
    let got = if ready { port.read(&mut buffer).expect("the port gives bytes") } else { 0 };
    buffer.truncate(got);
    (got > 0).then_some(buffer)
}
