#![allow(clippy::unwrap_used)]

use std::time::{Duration as StdDuration, Instant as StdInstant};

use super::*;

fn program(ether: &Ether, station: usize) -> UdpSocket {
    let socket = UdpSocket::bind(ether.bind_address(station).unwrap()).unwrap();
    socket.connect(ether.peer_address(station).unwrap()).unwrap();
    socket.set_read_timeout(Some(StdDuration::from_millis(500))).unwrap();
    socket
}

#[test]
fn datagrams_pass_whole_at_the_air_rate() {
    let ether = Ether::open(Config::new(80_000).packets(255), 1, 3).unwrap();
    let (a, b, c) = (program(&ether, 0), program(&ether, 1), program(&ether, 2));
    let start = StdInstant::now();
    for n in 0..20 {
        a.send(&[n; 100]).unwrap();
    }
    let mut buffer = [0; 300];
    for n in 0..20 {
        assert_eq!((b.recv(&mut buffer).unwrap(), buffer[0]), (100, n));
        assert_eq!((c.recv(&mut buffer).unwrap(), buffer[0]), (100, n));
    }
    assert!(start.elapsed() >= StdDuration::from_millis(199), "a fifth of a second of air: {:?}", start.elapsed());
    assert_eq!(ether.on_air(), 2_000);
}

#[test]
fn what_is_lost_on_air_is_lost_and_what_is_too_long_is_refused() {
    let ether = Ether::open(Config::new(10_000_000).packets(100), 1, 2).unwrap();
    let (a, b) = (program(&ether, 0), program(&ether, 1));
    a.send(&[1; 101]).unwrap();
    ether.set_loss(1.0);
    a.send(&[2; 100]).unwrap();
    while ether.counters(1).lost < 100 {
        std::thread::yield_now();
    }
    ether.set_loss(0.0);
    a.send(&[3; 100]).unwrap();
    let mut buffer = [0; 300];
    assert_eq!((b.recv(&mut buffer).unwrap(), buffer[0]), (100, 3));
    assert_eq!(ether.counters(0).overrun, 101);
}

#[test]
fn a_program_may_come_late() {
    let ether = Ether::open(Config::new(10_000_000), 1, 2).unwrap();
    let a = program(&ether, 0);
    a.send(b"nobody listens").unwrap();
    while ether.counters(1).heard < 14 {
        std::thread::yield_now();
    }
    let b = program(&ether, 1);
    b.send(b"here").unwrap();
    a.send(b"welcome").unwrap();
    let mut buffer = [0; 300];
    let n = a.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..n], b"here");
    let n = b.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..n], b"welcome");
}
