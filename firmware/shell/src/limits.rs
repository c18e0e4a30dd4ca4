//! Every limit of this crate, with its reason.

use core::time::Duration;

/// Bytes that may wait in one port's outbox. The link machine keeps far less under way; this only bounds a
/// connection whose far end has stopped reading.
pub const OUTBOX_BYTES: usize = 1 << 20;

/// Bytes taken from a socket at once: large enough that a busy stream costs few system calls, small enough that
/// many idle connections stay cheap.
pub const READ_BYTES: usize = 32 << 10;

/// Bytes taken from a serial port at once: about 40 ms at 921 600 baud.
pub const SERIAL_READ_BYTES: usize = 4 << 10;

/// Largest datagram read: the largest a UDP socket can carry.
pub const DATAGRAM_BYTES: usize = 65_535;

/// Connections one listener serves at once. A gateway's attach socket serves people at one post, not a data centre;
/// further connections are closed at once.
pub const CONNECTIONS_PER_LISTENER: usize = 64;

/// Events waiting for the owner of the loop. When it is full the drivers wait, and with them the far end.
pub const EVENTS: usize = 256;

/// First pause before a port is opened again.
pub const RETRY_MIN: Duration = Duration::from_millis(50);

/// Longest pause before a port is opened again: a replugged radio works within this time.
pub const RETRY_MAX: Duration = Duration::from_secs(2);

/// A connection that lived this long ends a series of failures.
pub const RETRY_FORGET: picket_wire::time::Duration = picket_wire::time::Duration::from_secs(5);

/// Time given to one attempt to connect.
pub const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// Longest path of a Unix socket: `sun_path` holds 108 bytes with its terminator (unix(7)).
pub const SOCKET_PATH_BYTES: usize = 107;
