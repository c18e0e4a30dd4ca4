#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration as StdDuration, Instant as StdInstant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;

fn line(config: Config) -> (tempfile::TempDir, Line) {
    let dir = tempfile::tempdir().unwrap();
    let line = Line::open(config, 1, dir.path(), &["a", "b"]).unwrap();
    (dir, line)
}

fn port(line: &Line, station: usize) -> File {
    OpenOptions::new().read(true).write(true).open(line.path(station)).unwrap()
}

/// Reads `n` bytes or panics after ten seconds.
fn read(file: &mut File, n: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let end = StdInstant::now() + StdDuration::from_secs(10);
    while out.len() < n {
        let left = end.saturating_duration_since(StdInstant::now());
        assert!(!left.is_zero(), "{} of {n} bytes came", out.len());
        let timeout = Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap() + 1, tv_nsec: 0 };
        let mut fds = [PollFd::new(file, PollFlags::IN)];
        poll(&mut fds, Some(&timeout)).unwrap();
        let mut buffer = [0; 4096];
        let got = file.read(&mut buffer).unwrap();
        out.extend_from_slice(&buffer[..got]);
    }
    out
}

#[test]
fn bytes_pass_unchanged_at_the_air_rate() {
    let (_dir, line) = line(Config::new(96_000));
    let (mut a, mut b) = (port(&line, 0), port(&line, 1));
    let all: Vec<u8> = (0..=255).cycle().take(6_000).collect();
    let start = StdInstant::now();
    let sent = all.clone();
    let writer = std::thread::spawn(move || a.write_all(&sent).map(|()| a));
    assert_eq!(read(&mut b, all.len()), all);
    assert!(start.elapsed() >= StdDuration::from_millis(495), "half a second of air: {:?}", start.elapsed());
    assert_eq!(line.counters(0).sent, 6_000);
    assert_eq!(line.on_air(), 6_000);
    drop(writer.join().unwrap().unwrap());
}

#[test]
fn an_outage_swallows_and_ends() {
    let (_dir, line) = line(Config::new(1_000_000));
    let (mut a, mut b) = (port(&line, 0), port(&line, 1));
    line.set_outage(true);
    a.write_all(b"lost").unwrap();
    while line.counters(1).lost < 4 {
        std::thread::yield_now();
    }
    line.set_outage(false);
    a.write_all(b"kept").unwrap();
    assert_eq!(read(&mut b, 4), b"kept");
}

#[test]
fn unplugging_hangs_up_and_replugging_serves_the_same_path() {
    let (_dir, line) = line(Config::new(1_000_000));
    let (mut a, mut b) = (port(&line, 0), port(&line, 1));
    line.unplug(1);
    assert!(!line.path(1).exists());
    assert!(matches!(b.read(&mut [0; 1]), Ok(0) | Err(_)), "the program is hung up");
    a.write_all(b"into the void").unwrap();
    while line.counters(0).sent < 13 {
        std::thread::yield_now();
    }
    line.replug(1).unwrap();
    let mut b = port(&line, 1);
    a.write_all(b"hello again").unwrap();
    assert_eq!(read(&mut b, 11), b"hello again");
    line.inject(1, b"#garbage#");
    assert_eq!(read(&mut b, 9), b"#garbage#");
}

#[test]
fn the_ports_vanish_with_the_line() {
    let (_dir, line) = line(Config::new(9_600));
    let path = line.path(0);
    assert!(rustix::termios::isatty(port(&line, 0).as_fd()));
    drop(line);
    assert!(std::fs::symlink_metadata(path).is_err());
}

#[test]
fn the_same_seed_hits_the_same_bits_in_virtual_and_in_real_time() {
    let config = Config::new(400_000).ber(1e-2);
    let all: Vec<u8> = (0..=255).cycle().take(3_000).collect();
    let mut channel = Channel::new(config.clone(), 77);
    channel.transmit(Instant::ZERO, 0, &all);
    let virtual_time = channel.poll(Instant::ZERO + Duration::from_secs(9)).remove(0).bytes;

    let dir = tempfile::tempdir().unwrap();
    let line = Line::open(config, 77, dir.path(), &["a", "b"]).unwrap();
    let (mut a, mut b) = (port(&line, 0), port(&line, 1));
    for piece in all.chunks(700) {
        a.write_all(piece).unwrap();
        std::thread::sleep(StdDuration::from_millis(3));
    }
    let real_time = read(&mut b, all.len());
    assert_ne!(real_time, all);
    assert_eq!(real_time, virtual_time);
}
