//! TCP: endpoints or gateways on the same network; each connection is a port.

use crate::backoff::Backoff;
use crate::limits;
use crate::listen;
use crate::port::{Driver, Reporter, What, Why};
use crate::stream;
use core::time::Duration;
use rustix::net::sockopt;
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};

/// Silence after which the kernel asks whether the far end is still there; three unanswered questions end the
/// connection. A half-open connection therefore lasts at most a minute.
const PROBE_AFTER: Duration = Duration::from_secs(30);
const PROBE_EVERY: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

/// Listens at an address for ever: where it cannot be bound (yet), that is reported and tried again.
#[must_use]
pub fn listen(reporter: Reporter, source: u32, address: SocketAddr) -> Driver {
    Driver::spawn(async move {
        let Some(listener) = bind(&reporter, source, address).await else { return };
        listen::serve(reporter, source, listener).await;
    })
}

/// Connects to `HOST:PORT`, again and again for ever; the name is looked up at each attempt.
#[must_use]
pub fn connect(reporter: Reporter, source: u32, peer: String) -> Driver {
    Driver::spawn(stream::keep_open(reporter, source, limits::READ_BYTES, move || {
        let peer = peer.clone();
        async move {
            let stream = tokio::time::timeout(limits::CONNECT_WAIT, TcpStream::connect(peer)).await??;
            prepare(&stream)?;
            Ok(stream)
        }
    }))
}

impl listen::Acceptor for TcpListener {
    type Stream = TcpStream;
    async fn next(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.accept().await?;
        prepare(&stream)?;
        Ok(stream)
    }
}

async fn bind(reporter: &Reporter, source: u32, address: SocketAddr) -> Option<TcpListener> {
    let mut backoff = Backoff::default();
    let mut reported = None;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return Some(listener),
            Err(e) => {
                let why = Why::from(&e);
                if reported.replace(why) != Some(why) {
                    reporter.report(source, 0, What::Failed(why)).await.ok()?;
                }
            }
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, PROBE_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, PROBE_EVERY)?;
    sockopt::set_tcp_keepcnt(stream, PROBES)?;
    Ok(())
}
