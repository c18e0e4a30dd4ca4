//! Decisions about parcels: whether to take custody, which way to offer next, how long to wait, and why something
//! waits. Pure state, no bytes: the node feeds it facts and carries its decisions out.
//!
//! Normative text: `firmware/spec/55-relay.md`.
//!
//! - [`admit`] decides about one offered parcel (take, acknowledge again, refuse with a named reason).
//! - [`Routes`] remembers each member's newest attachment claim; the highest sequence wins.
//! - [`Relay`] keeps every parcel in custody in one of three places: *ready* for a way, *offered* on it with a
//!   deadline, or *held* with a reason.
#![cfg_attr(not(test), no_std)]
extern crate alloc;

mod admit;
pub mod limits;
mod listens;
mod routes;
mod schedule;
mod ways;

pub use admit::{Admission, Known, Offered, admit};
pub use listens::{Listeners, ListensOutcome};
pub use routes::{ClaimOutcome, Routes};
pub use schedule::{Branch, Failure, Goal, ParcelKey, Relay, RoomParcel, State, Turn, Wait};
pub use ways::{Ingress, Surroundings, UplinkNumber, Way};
