//! A simulated radio channel shared by several stations, with an air rate, a duplex, a delay, ranges and faults. It is a
//! byte pipe (serial radios) or carries packets (packet radios).
//!
//! One model serves three uses:
//!
//! - [`Channel`] is sans-IO: time is passed in, so a simulator runs it on a virtual clock and a seed replays exactly;
//! - [`pty::Line`] runs the same model in real time over pseudo-terminals, so that real programs open it as a serial
//!   port. A terminal does not keep packets apart, so a line is always a byte pipe;
//! - [`udp::Ether`] runs it in real time between loopback UDP sockets, one datagram a packet.
//!
//! What a sender's bytes become at a receiver is drawn from a sequence that belongs to the seed and to that pair of
//! stations. It does not depend on when anything is sent or polled: the same bytes on the same seed are hit in the same
//! places, in virtual and in real time.
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

mod air;
mod channel;
mod config;
mod ear;
mod live;
mod noise;
pub mod pty;
mod rng;
mod span;
pub mod udp;

pub use channel::{Channel, Counters, Delivery};
pub use config::{Burst, Config, Duplex, Packets};
pub use rng::Rng;
