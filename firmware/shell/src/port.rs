//! What every driver offers to the owner of the loop: events on one bounded channel, and a [`Port`] per connection.

use crate::limits;
use core::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc};

/// Something a driver reports.
#[derive(Debug)]
pub struct Event {
    /// Which driver: the number it was started with.
    pub source: u32,
    /// Which connection of that driver; 0 where no connection is meant.
    pub port: u64,
    /// What happened.
    pub what: What,
}

/// What happened to a connection.
#[derive(Debug)]
pub enum What {
    /// It is open; write through this.
    Up(Port),
    /// Bytes arrived: on a stream cut anywhere, on a packet transport exactly one packet.
    Bytes(Vec<u8>),
    /// Everything written has been handed to the kernel ([`Port::notify_drained`]).
    Drained,
    /// It is gone. A driver that opens ports by itself tries again.
    Down(Why),
    /// An attempt to open failed (reported when the reason changes).
    Failed(Why),
}

/// Why a port is not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The far end closed, or the device was unplugged.
    Closed,
    /// There is no such device, file or host.
    NotFound,
    /// This user may not open it.
    Denied,
    /// Another process holds it.
    Busy,
    /// Nobody listens there.
    Refused,
    /// It did not answer in time.
    TimedOut,
    /// The listener already serves as many connections as it may.
    TooMany,
    /// Any other failure, by its number (errno(3)); 0 where there is none.
    Io(i32),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by the far end, or unplugged"),
            Self::NotFound => f.write_str("no such device, file or host"),
            Self::Denied => f.write_str("permission denied: give this user access to it (serial: group dialout)"),
            Self::Busy => f.write_str("held by another process"),
            Self::Refused => f.write_str("nobody listens there"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::TooMany => f.write_str("too many connections"),
            Self::Io(0) => f.write_str("input/output error"),
            Self::Io(n) => write!(f, "{}", io::Error::from_raw_os_error(*n)),
        }
    }
}

impl From<&io::Error> for Why {
    fn from(e: &io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::PermissionDenied => Self::Denied,
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::ResourceBusy | io::ErrorKind::AddrInUse => Self::Busy,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted => Self::Closed,
            _ => match e.raw_os_error() {
                // EIO of a terminal whose other side is gone; ENXIO, ENODEV of a device that was unplugged.
                Some(libc::EIO | libc::ENXIO | libc::ENODEV) => Self::Closed,
                other => Self::Io(other.unwrap_or(0)),
            },
        }
    }
}

/// A write was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The outbox is full ([`limits::OUTBOX_BYTES`]): the far end does not read.
    Full,
    /// The connection is gone.
    Closed,
    /// Emission control silenced this port ([`Port::silence`]).
    Silenced,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "outbox full: the far end does not read",
            Self::Closed => "connection closed",
            Self::Silenced => "silenced by emission control",
        })
    }
}

impl core::error::Error for WriteError {}

/// One connection's way out. Dropping all clones closes the connection of a listener.
#[derive(Clone, Debug)]
pub struct Port {
    id: u64,
    outbox: Arc<Outbox>,
}

impl Port {
    /// The number that events of this connection carry.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Puts one frame into the outbox. On a stream frames are joined into few writes; on a packet transport each
    /// frame is one packet.
    ///
    /// # Errors
    /// [`WriteError`]; nothing was taken then.
    pub fn write(&self, frame: &[u8]) -> Result<(), WriteError> {
        let mut state = self.outbox.lock();
        if state.closed {
            return Err(WriteError::Closed);
        }
        if state.silenced {
            return Err(WriteError::Silenced);
        }
        if state.batch.bytes.len() + state.writing + frame.len() > limits::OUTBOX_BYTES {
            return Err(WriteError::Full);
        }
        let was_empty = state.batch.bytes.is_empty();
        state.batch.push(frame);
        drop(state);
        if was_empty {
            self.outbox.wake.notify_one();
        }
        Ok(())
    }

    /// Bytes not yet handed to the kernel.
    #[must_use]
    pub fn queued(&self) -> usize {
        let state = self.outbox.lock();
        state.batch.bytes.len() + state.writing
    }

    /// Asks for one [`What::Drained`] when everything written so far has been handed to the kernel.
    pub fn notify_drained(&self) {
        self.outbox.lock().tell = true;
        self.outbox.wake.notify_one();
    }

    /// Destroys everything that was written and has not left yet, in the outbox, in the driver and in the kernel's queue
    /// of a serial port, and takes nothing more until [`Self::release`]. What the device itself holds cannot be called
    /// back.
    pub fn silence(&self) {
        let mut state = self.outbox.lock();
        state.silenced = true;
        state.recalls += 1;
        state.batch.clear();
        state.writing = 0;
        drop(state);
        self.outbox.flush();
        self.outbox.recalled.notify_one();
        self.outbox.wake.notify_one();
    }

    /// Takes bytes again.
    pub fn release(&self) {
        self.outbox.lock().silenced = false;
    }

    /// Closes the connection. A driver that opens ports by itself opens it again.
    pub fn close(&self) {
        self.outbox.close();
    }
}

/// Frames on their way out, joined.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// All frames, one after another.
    pub bytes: Vec<u8>,
    /// Where each frame ends in `bytes`.
    ends: Vec<usize>,
}

impl Batch {
    fn push(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// The frames one by one.
    pub(crate) fn frames(&self) -> impl Iterator<Item = &[u8]> {
        let starts = core::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| self.bytes.get(start..end).unwrap_or_default())
    }
}

#[derive(Debug, Default)]
struct OutboxState {
    batch: Batch,
    /// Bytes taken by the driver and not yet written.
    writing: usize,
    tell: bool,
    closed: bool,
    silenced: bool,
    /// How often everything was called back.
    recalls: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<OutboxState>,
    wake: Notify,
    /// What is being written is to be given up.
    recalled: Notify,
    /// The device whose kernel queue can be emptied.
    device: Option<OwnedFd>,
}

/// What the driver's writer should do next.
pub(crate) enum Work {
    Write,
    Drained,
    Closed,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, OutboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Empties the kernel's queue towards the device, where there is one.
    pub(crate) fn flush(&self) {
        if let Some(device) = &self.device {
            // A device that is gone has nothing to send either.
            let _ = rustix::termios::tcflush(device, rustix::termios::QueueSelector::OFlush);
        }
    }

    /// How often everything was called back so far.
    pub(crate) fn recalls(&self) -> u64 {
        self.lock().recalls
    }

    /// Waits until what is being written since `before` is to be given up.
    pub(crate) async fn recalled(&self, before: u64) {
        while self.recalls() == before {
            self.recalled.notified().await;
        }
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }

    /// Waits for work. `Write`: the waiting frames are now in `batch` (its old storage is reused). Whatever was taken
    /// before counts as written.
    pub(crate) async fn next(&self, batch: &mut Batch) -> Work {
        loop {
            {
                let mut state = self.lock();
                state.writing = 0;
                batch.clear();
                if !state.batch.bytes.is_empty() {
                    core::mem::swap(&mut state.batch, batch);
                    state.writing = batch.bytes.len();
                    return Work::Write;
                }
                if core::mem::take(&mut state.tell) {
                    return Work::Drained;
                }
                if state.closed {
                    return Work::Closed;
                }
            }
            self.wake.notified().await;
        }
    }
}

/// How a driver reaches the owner of the loop. Cloned into every driver.
#[derive(Clone, Debug)]
pub struct Reporter {
    events: mpsc::Sender<Event>,
    next_port: Arc<AtomicU64>,
}

/// A channel for the events of all drivers, bounded by [`limits::EVENTS`].
#[must_use]
pub fn channel() -> (Reporter, mpsc::Receiver<Event>) {
    let (events, receiver) = mpsc::channel(limits::EVENTS);
    (Reporter { events, next_port: Arc::new(AtomicU64::new(1)) }, receiver)
}

/// The owner of the loop is gone: the driver ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Orphaned;

impl Reporter {
    /// Reports a new connection and returns its number and outbox.
    pub(crate) async fn up(&self, source: u32, device: Option<OwnedFd>) -> Result<(u64, Arc<Outbox>), Orphaned> {
        let id = self.next_port.fetch_add(1, Ordering::Relaxed);
        let outbox = Arc::new(Outbox { device, ..Outbox::default() });
        let port = Port { id, outbox: Arc::clone(&outbox) };
        self.report(source, id, What::Up(port)).await?;
        Ok((id, outbox))
    }

    pub(crate) async fn report(&self, source: u32, port: u64, what: What) -> Result<(), Orphaned> {
        self.events.send(Event { source, port, what }).await.map_err(|_| Orphaned)
    }
}

/// A running driver; dropping it stops the driver and closes its ports.
#[derive(Debug)]
pub struct Driver {
    task: tokio::task::JoinHandle<()>,
}

impl Driver {
    pub(crate) fn spawn(run: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { task: tokio::spawn(run) }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests;
