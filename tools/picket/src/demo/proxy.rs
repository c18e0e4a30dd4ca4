//! A loopback TCP proxy in front of the broker: the uplink's cable, which the story can pull.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A running proxy.
pub(super) struct Proxy {
    /// Where to connect.
    pub(super) address: SocketAddr,
    cut: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// Listens on a free port and passes everything to `target`.
    pub(super) fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let proxy = Self { address: listener.local_addr()?, cut: Arc::default(), open: Arc::default() };
        let (cut, open) = (Arc::clone(&proxy.cut), Arc::clone(&proxy.open));
        thread::Builder::new().name("uplink".into()).spawn(move || {
            for client in listener.incoming().flatten() {
                if !cut.load(Ordering::SeqCst) {
                    // A broker that is not there closes the client's connection, as a dead cable's far end would.
                    let _ = join(client, target, &open);
                }
            }
        })?;
        Ok(proxy)
    }

    /// Pulls the cable: open connections break, new ones are closed at once. Or plugs it in again.
    pub(super) fn set_cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
        if cut {
            for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
                let _ = stream.shutdown(Shutdown::Both); // gone already is as good
            }
        }
    }
}

fn join(client: TcpStream, target: SocketAddr, open: &Mutex<Vec<TcpStream>>) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    let mut streams = open.lock().unwrap_or_else(PoisonError::into_inner);
    streams.push(client.try_clone()?);
    streams.push(server.try_clone()?);
    pump(client.try_clone()?, server.try_clone()?)?;
    pump(server, client)
}

fn pump(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    thread::Builder::new().name("uplink-pump".into()).spawn(move || {
        let _ = io::copy(&mut from, &mut to); // ends when either side goes
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    })?;
    Ok(())
}
