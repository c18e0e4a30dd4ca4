//! The scenarios: the real programs, a real broker, simulated radios, and faults by seed.
//!
//! One program, so that scenarios which mostly wait can share the machine: `cargo xtask test --scenarios [NAME]`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::print_stderr)]

mod crashes;
mod ephemeral;
mod hostile;
mod kinds;
mod messages;
mod misfits;
mod moves;
mod namespaces;
mod outages;
mod privacy;
mod provisioned;
mod revocation;
mod rooms;
mod rosters;
mod stores;
mod verified;
mod world;
mod zeroize;
