//! The rig: real programs, simulated radios over pseudo-terminals, a real broker, and faults by seed.
//!
//! A scenario makes a [`Rig`], puts gateways, members, radios and a broker on it, does something unkind, and says what
//! must hold. Everything a scenario draws comes from its seed; a failed one prints the seed and keeps its folder.
//!
//! [`air`] is the other half: links alone, in virtual time, for the figures that must be exact.
//!
//! The programs under test are found in the folder `PICKET_BIN_DIR`, or beside the test itself (`cargo build` first;
//! `cargo xtask test` does all of it).

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a rig that cannot do what it was told fails its scenario there and then"
)]

pub mod air;
pub mod broker;
pub mod certs;
pub mod gateway;
pub mod member;
pub mod memory;
pub mod netns;
pub mod process;
pub mod programs;
pub mod rig;
pub mod skip;
pub mod wait;

pub use broker::Broker;
pub use gateway::{Gateway, Plan};
pub use member::{Follow, Member, Outcome};
pub use picket_channel::pty::Line;
pub use picket_channel::udp::Ether;
pub use picket_channel::{Burst, Config as Air, Duplex, Rng};
pub use rig::Rig;
