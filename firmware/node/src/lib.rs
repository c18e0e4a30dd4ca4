//! The node: links, relay and store composed into one sans-IO machine. [`Gateway`] is what `picketd` runs; [`leaf`] is
//! what a member's device runs on its way to a gateway; [`operator`] has the types of the operator socket.
//!
//! Neither reads a clock, opens a file or draws a random number: time, bytes and the medium come in as arguments, and
//! everything that should happen comes out as a value.
#![cfg_attr(not(test), no_std)]
extern crate alloc;

mod gateway;
mod io;
pub mod leaf;
pub mod limits;
pub mod objects;
pub mod operator;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use gateway::{BandUse, Count, Counters, Gateway, Silence};
pub use picket_link::gate;

pub use io::{
    Air, DeliveryId, Directory, EmissionConfig, GatewayConfig, Input, LinkId, Output, PublishId, Report, StationKind,
    UplinkId,
};
