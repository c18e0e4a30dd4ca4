//! Serial ports: radios with a byte pipe, cables, pseudo-terminals.
//!
//! The port is opened by path, taken exclusively, and opened again for ever when it goes away: a radio that is
//! unplugged and replugged works again within [`limits::RETRY_MAX`]. DTR and RTS are left alone unless configured,
//! because opening them resets many boards; a pseudo-terminal has neither, and that is not an error.

use crate::limits;
use crate::port::{Driver, Reporter};
use crate::stream;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use tokio_serial::{FlowControl, SerialPort, SerialStream};

/// How to open a serial port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The device; stable names are under `/dev/serial/by-id`.
    pub path: PathBuf,
    /// Bits per second on the wire to the radio, 8 data bits, no parity, 1 stop bit.
    pub baud: u32,
    /// RTS/CTS handshake.
    pub rts_cts: bool,
    /// Level to set DTR to after opening; `None` leaves it alone.
    pub dtr: Option<bool>,
    /// Level to set RTS to after opening; `None` leaves it alone.
    pub rts: Option<bool>,
}

impl Settings {
    /// 8N1 without handshake, modem lines left alone.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, baud: u32) -> Self {
        Self { path: path.into(), baud, rts_cts: false, dtr: None, rts: None }
    }
}

/// Starts the driver. It needs a running tokio runtime.
#[must_use]
pub fn start(reporter: Reporter, source: u32, settings: Settings) -> Driver {
    Driver::spawn(stream::keep_open(reporter, source, limits::SERIAL_READ_BYTES, move || {
        core::future::ready(open(&settings))
    }))
}

impl stream::Stream for SerialStream {
    fn device(&self) -> Option<OwnedFd> {
        // The crate lends its descriptor as a number only.
        #[allow(unsafe_code)]
        // SAFETY: the descriptor is open for as long as `self` lives, and is duplicated before this returns.
        let lent = unsafe { BorrowedFd::borrow_raw(self.as_raw_fd()) };
        lent.try_clone_to_owned().ok()
    }
}

fn open(settings: &Settings) -> io::Result<SerialStream> {
    let flow = if settings.rts_cts { FlowControl::Hardware } else { FlowControl::None };
    let path = settings.path.to_string_lossy();
    let builder = tokio_serial::new(path, settings.baud).flow_control(flow);
    let mut port = SerialStream::open(&builder).map_err(as_io)?;
    if let Some(level) = settings.dtr {
        tolerate_absence(port.write_data_terminal_ready(level))?;
    }
    if let Some(level) = settings.rts {
        tolerate_absence(port.write_request_to_send(level))?;
    }
    Ok(port)
}

/// Pseudo-terminals and some adapters have no modem lines (ENOTTY, EINVAL): not fatal.
fn tolerate_absence(outcome: tokio_serial::Result<()>) -> io::Result<()> {
    match outcome {
        Ok(()) => Ok(()),
        Err(e) => match as_io(e) {
            e if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => Err(e),
            _ => Ok(()),
        },
    }
}

fn as_io(e: tokio_serial::Error) -> io::Error {
    let kind = match e.kind {
        // What the crate answers when the port is locked; an absent one is `NotFound`.
        tokio_serial::ErrorKind::NoDevice => io::ErrorKind::ResourceBusy,
        tokio_serial::ErrorKind::InvalidInput => io::ErrorKind::InvalidInput,
        tokio_serial::ErrorKind::Unknown => io::ErrorKind::Other,
        tokio_serial::ErrorKind::Io(kind) => kind,
    };
    io::Error::new(kind, e.description)
}
