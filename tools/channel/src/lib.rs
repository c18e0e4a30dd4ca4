//! A simulated radio channel: a byte pipe shared by several stations, with an air rate, a duplex, a delay and faults.
//!
//! One model serves two uses:
//!
//! - [`Channel`] is sans-IO: time is passed in, so a simulator runs it on a virtual clock and a seed replays exactly;
//! - [`pty::Line`] runs the same model in real time over pseudo-terminals, so that real programs open it as a serial port.
//!
//! ```
//! use picket_channel::{Channel, Config};
//! use picket_wire::time::{Duration, Instant};
//!
//! let mut channel = Channel::new(Config::new(9600), 7);
//! channel.transmit(Instant::ZERO, 0, b"hello");
//! let later = Instant::ZERO + Duration::from_secs(1);
//! let heard = channel.poll(later);
//! assert_eq!(heard.len(), 1);
//! assert_eq!((heard[0].to, heard[0].bytes.as_slice()), (1, b"hello".as_slice()));
//! ```

mod channel;
mod config;
mod noise;
pub mod pty;
mod rng;

pub use channel::{Channel, Counters, Delivery};
pub use config::{Burst, Config, Duplex};
pub use rng::Rng;
