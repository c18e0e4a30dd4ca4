//! UDP: IP radios and point-to-point networks; one datagram carries one hop frame.

use crate::backoff::Backoff;
use crate::limits;
use crate::port::{Batch, Driver, Orphaned, Outbox, Reporter, What, Why, Work};
use std::io;
use std::net::SocketAddr;
use tokio::net::UdpSocket;

/// How to use UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Own address.
    pub bind: SocketAddr,
    /// The neighbour, `HOST:PORT`; datagrams from elsewhere are not received.
    pub peer: String,
}

/// Starts the driver. The port is up while the socket is open; the peer may come and go.
#[must_use]
pub fn start(reporter: Reporter, source: u32, settings: Settings) -> Driver {
    Driver::spawn(async move {
        let mut backoff = Backoff::default();
        let mut reported = None;
        loop {
            let outcome = match open(&settings).await {
                Ok(socket) => {
                    reported = None;
                    serve(&reporter, source, &socket).await
                }
                Err(e) => {
                    let why = Why::from(&e);
                    if reported.replace(why) == Some(why) {
                        Ok(())
                    } else {
                        reporter.report(source, 0, What::Failed(why)).await
                    }
                }
            };
            if outcome.is_err() {
                return;
            }
            tokio::time::sleep(backoff.pause()).await;
        }
    })
}

async fn open(settings: &Settings) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(settings.bind).await?;
    tokio::time::timeout(limits::CONNECT_WAIT, socket.connect(&settings.peer)).await??;
    Ok(socket)
}

async fn serve(reporter: &Reporter, source: u32, socket: &UdpSocket) -> Result<(), Orphaned> {
    let (port, outbox) = reporter.up(source, None).await?;
    let why = tokio::select! {
        end = receive(reporter, source, port, socket) => end,
        end = send(reporter, source, port, socket, &outbox) => end,
    };
    outbox.close();
    reporter.report(source, port, What::Down(why?)).await
}

async fn receive(reporter: &Reporter, source: u32, port: u64, socket: &UdpSocket) -> Result<Why, Orphaned> {
    let mut buffer = vec![0; limits::DATAGRAM_BYTES];
    loop {
        match socket.recv(&mut buffer).await {
            Ok(n) => {
                let bytes = buffer.get(..n).unwrap_or_default().to_vec();
                reporter.report(source, port, What::Bytes(bytes)).await?;
            }
            Err(e) if passing(&e) => {}
            Err(e) => return Ok(Why::from(&e)),
        }
    }
}

async fn send(
    reporter: &Reporter,
    source: u32,
    port: u64,
    socket: &UdpSocket,
    outbox: &Outbox,
) -> Result<Why, Orphaned> {
    let mut batch = Batch::default();
    loop {
        match outbox.next(&mut batch).await {
            Work::Write => {
                for frame in batch.frames() {
                    match socket.send(frame).await {
                        Ok(_) => {}
                        Err(e) if passing(&e) => {}
                        Err(e) => return Ok(Why::from(&e)),
                    }
                }
            }
            Work::Drained => reporter.report(source, port, What::Drained).await?,
            Work::Closed => return Ok(Why::Closed),
        }
    }
}

/// A datagram lost is what UDP may do: the peer's port is closed just now (ICMP), its network is away, the datagram is
/// larger than the path takes, the firewall or a full queue refused it. The link machine repeats what matters.
fn passing(e: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(
        e.kind(),
        K::ConnectionRefused
            | K::HostUnreachable
            | K::NetworkUnreachable
            | K::NetworkDown
            | K::Interrupted
            | K::PermissionDenied
    ) || matches!(e.raw_os_error(), Some(libc::EMSGSIZE | libc::ENOBUFS))
}
