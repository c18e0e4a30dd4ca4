//! The world outside the core: the only crate of the firmware that opens ports, reads clocks and draws randomness.
//!
//! Everything here is a thin asynchronous shell around values that decide (`picket_node`, `picket_endpoint`). A driver
//! knows how to open one kind of port, to keep it open for ever, and to move bytes; it never looks into them.
//!
//! - [`clock`]: monotonic time that counts suspend, and wall time only where it can be trusted.
//! - [`random`]: the one source of randomness.
//! - [`serial`], [`udp`], [`tcp`], [`unix`]: one driver each. They report [`port::Event`]s on a bounded channel and hand
//!   out a [`port::Port`] for each connection, through which frames are written.
//! - [`keep`]: small files that are replaced as a whole.
//! - [`medium`]: numbered files of the durable store.

pub mod backoff;
pub mod clock;
pub mod keep;
pub mod limits;
mod listen;
pub mod medium;
pub mod port;
pub mod random;
pub mod serial;
pub mod stream;
pub mod tcp;
pub mod udp;
pub mod unix;
