//! The drivers over real pseudo-terminals and sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use picket_shell::port::{Event, Port, What, Why, channel};
use picket_shell::{limits, serial, tcp, udp, unix};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc::Receiver;

async fn next(events: &mut Receiver<Event>) -> What {
    let event = tokio::time::timeout(Duration::from_secs(10), events.recv()).await;
    event.expect("an event in time").expect("a driver").what
}

async fn up(events: &mut Receiver<Event>) -> Port {
    loop {
        match next(events).await {
            What::Up(port) => return port,
            What::Failed(_) => {}
            other => panic!("{other:?} instead of Up"),
        }
    }
}

async fn bytes(events: &mut Receiver<Event>, len: usize) -> Vec<u8> {
    let mut got = Vec::new();
    while got.len() < len {
        match next(events).await {
            What::Bytes(b) => got.extend(b),
            other => panic!("{other:?} instead of bytes"),
        }
    }
    got
}

/// A pseudo-terminal whose slave is reachable under a stable name, like a serial adapter by its id.
fn plug(name: &Path) -> File {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = ptsname(&master, Vec::new()).unwrap();
    let _ = std::fs::remove_file(name);
    symlink(slave.to_str().unwrap(), name).unwrap();
    File::from(master)
}

#[tokio::test]
async fn serial_survives_unplugging_and_replugging() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("radio");
    let (reporter, mut events) = channel();
    let _driver = serial::start(reporter, 0, serial::Settings::new(&name, 57_600));
    assert!(matches!(next(&mut events).await, What::Failed(Why::NotFound)), "nothing plugged in yet");
    for round in 0..3u8 {
        let mut master = plug(&name);
        let port = up(&mut events).await;
        port.write(&[round; 100]).unwrap();
        port.notify_drained();
        assert!(matches!(next(&mut events).await, What::Drained));
        let mut got = [0; 100];
        master.read_exact(&mut got).unwrap();
        assert_eq!(got, [round; 100]);
        master.write_all(b"\x00\x03\x04\x11\x13\r\n\xff").unwrap();
        assert_eq!(bytes(&mut events, 8).await, b"\x00\x03\x04\x11\x13\r\n\xff", "raw, nothing translated");
        drop(master);
        assert!(matches!(next(&mut events).await, What::Down(Why::Closed)));
        assert!(port.write(b"late").is_err());
    }
}

#[tokio::test]
async fn a_serial_port_is_held_exclusively_and_modem_lines_may_be_absent() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("radio");
    let _master = plug(&name);
    let (reporter, mut events) = channel();
    let settings = serial::Settings { dtr: Some(false), rts: Some(true), ..serial::Settings::new(&name, 9600) };
    let _first = serial::start(reporter, 0, settings.clone());
    let _port = up(&mut events).await;
    let (reporter, mut events) = channel();
    let _second = serial::start(reporter, 0, settings);
    assert!(matches!(next(&mut events).await, What::Failed(Why::Busy)));
}

#[tokio::test]
async fn unix_sockets_have_their_mode_replace_stale_ones_and_refuse_live_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run/gw.sock");
    let settings = unix::Settings { path: path.clone(), mode: 0o660 };
    std::fs::create_dir(folder.path().join("run")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap()); // stale: nobody listens any more
    let (reporter, mut events) = channel();
    let driver = unix::listen(reporter.clone(), 1, &settings).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary name is left");

    let first = UnixStream::connect(&path).await.unwrap();
    let port = up(&mut events).await;
    let (mut reader, mut writer) = first.into_split();
    writer.write_all(b"hello").await.unwrap();
    assert_eq!(bytes(&mut events, 5).await, b"hello");
    port.write(b"hi").unwrap();
    let mut got = [0; 2];
    reader.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"hi");
    drop((reader, writer));
    assert!(matches!(next(&mut events).await, What::Down(Why::Closed)));
    assert!(matches!(unix::listen(reporter, 1, &settings).await, Err(unix::ListenError::Live(_))));
    drop(driver);
    tokio::task::yield_now().await;
    while path.exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn unix_folders_are_private_and_long_paths_or_other_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (reporter, _events) = channel();
    let path = folder.path().join("made/gw.sock");
    let _driver = unix::listen(reporter.clone(), 0, &unix::Settings { path, mode: 0o600 }).await.unwrap();
    let made = std::fs::metadata(folder.path().join("made")).unwrap();
    assert_eq!(made.permissions().mode() & 0o777, 0o700);

    let fill = limits::SOCKET_PATH_BYTES - folder.path().as_os_str().len() - 1;
    let fits = unix::Settings { path: folder.path().join("x".repeat(fill)), mode: 0o600 };
    let _fits = unix::listen(reporter.clone(), 0, &fits).await.unwrap();
    UnixStream::connect(&fits.path).await.unwrap();
    let long = unix::Settings { path: folder.path().join("x".repeat(fill + 1)), mode: 0o600 };
    let refused = unix::listen(reporter.clone(), 0, &long).await.unwrap_err();
    assert!(matches!(refused, unix::ListenError::PathTooLong(_)), "{refused}");
    let file = folder.path().join("file");
    std::fs::write(&file, b"kept").unwrap();
    let refused = unix::listen(reporter, 0, &unix::Settings { path: file.clone(), mode: 0o600 }).await.unwrap_err();
    assert!(matches!(refused, unix::ListenError::NotASocket(_)));
    assert_eq!(std::fs::read(file).unwrap(), b"kept");
}

#[tokio::test]
async fn a_stream_carries_megabytes_both_ways_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let (server, mut at_server) = channel();
    let _listening = unix::listen(server, 0, &unix::Settings { path: path.clone(), mode: 0o600 }).await.unwrap();
    let (client, mut at_client) = channel();
    let _connecting = unix::connect(client, 0, path);
    let (a, b) = (up(&mut at_server).await, up(&mut at_client).await);
    let frame: Vec<u8> = (0..=255u8).cycle().take(200_000).collect();
    for port in [&a, &b] {
        for _ in 0..5 {
            port.write(&frame).unwrap();
        }
    }
    let (left, right) = tokio::join!(bytes(&mut at_server, 1_000_000), bytes(&mut at_client, 1_000_000));
    assert!(left == frame.repeat(5) && right == frame.repeat(5));
}

#[tokio::test]
async fn tcp_connects_again_when_its_server_comes_back() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let (client, mut at_client) = channel();
    let _connecting = tcp::connect(client, 0, address.to_string());
    assert!(matches!(next(&mut at_client).await, What::Failed(Why::Refused)));
    for _ in 0..2 {
        let (server, mut at_server) = channel();
        let listening = tcp::listen(server, 0, address);
        let (theirs, ours) = (up(&mut at_server).await, up(&mut at_client).await);
        ours.write(b"ping").unwrap();
        assert_eq!(bytes(&mut at_server, 4).await, b"ping");
        theirs.write(b"pong").unwrap();
        assert_eq!(bytes(&mut at_client, 4).await, b"pong");
        drop(listening);
        assert!(matches!(next(&mut at_client).await, What::Down(Why::Closed)));
    }
}

#[tokio::test]
async fn a_tcp_port_in_use_is_reported_and_tried_again() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (reporter, mut events) = channel();
    let _driver = tcp::listen(reporter, 0, address);
    assert!(matches!(next(&mut events).await, What::Failed(Why::Busy)));
    drop(taken);
    loop {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    up(&mut events).await;
}

#[tokio::test]
async fn udp_keeps_one_frame_one_datagram_and_survives_an_absent_peer() {
    let [a, b] = [(); 2].map(|()| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    });
    let (left, mut at_left) = channel();
    let _left = udp::start(left, 0, udp::Settings { bind: a, peer: b.to_string() });
    let port = up(&mut at_left).await;
    port.write(b"nobody is there").unwrap(); // answered by ICMP port unreachable
    port.notify_drained();
    assert!(matches!(next(&mut at_left).await, What::Drained));
    let (right, mut at_right) = channel();
    let _right = udp::start(right, 0, udp::Settings { bind: b, peer: a.to_string() });
    let theirs = up(&mut at_right).await;
    port.write(b"one").unwrap();
    port.write(b"three").unwrap();
    for expected in [&b"one"[..], b"three"] {
        let What::Bytes(datagram) = next(&mut at_right).await else { panic!("a datagram") };
        assert_eq!(datagram, expected);
    }
    theirs.write(b"back").unwrap();
    assert_eq!(bytes(&mut at_left, 4).await, b"back");
}
