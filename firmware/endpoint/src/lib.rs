//! What a person's device runs: end-to-end seal, outbox and mailbox around a `picket_node` leaf, as a sans-IO machine.
//!
//! Normative text: `firmware/spec/70-endpoint.md`.
//!
//! **The seam.** The host (the tool, a simulator) owns the clock, the randomness, the [`Vault`] and the bytes of one
//! way to a gateway. It calls [`Endpoint::handle`] with one [`Input`] at a time, then drains [`Endpoint::poll`] until
//! `None`, then waits until [`Endpoint::next_wake`] or the next input. Commands ([`Endpoint::compose`],
//! [`Endpoint::mark_read`] …) are durable when they return; after each one drain `poll` as well.
//!
//! **Time.** `now` is monotonic. Trusted wall time is told with [`Input::Wall`] (and at [`Endpoint::open`]); without it
//! every timestamp is honestly `None` and lifetimes count down in the device's own time only.
//!
//! **Durability.** Every change of state is one [`Vault::commit`]. Nothing is acknowledged to a gateway, and nothing is
//! told to the owner, before the commit that makes it so. When a commit fails for good the endpoint stops
//! ([`Endpoint::failed`]) and must be opened again.
#![cfg_attr(not(test), no_std)]
extern crate alloc;

mod batch;
mod clock;
mod desk;
mod endpoint;
mod epochs;
pub mod error;
mod expiry;
mod extend;
mod home;
mod hop;
pub mod io;
mod keys;
mod lanes;
pub mod limits;
mod listen;
mod mailbox;
pub mod message;
#[cfg(test)]
#[path = "../tests/common/mission.rs"]
#[allow(dead_code, missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
mod mission;
mod outbox;
mod prekeys;
mod receipts;
mod receive;
mod records;
mod refill;
mod revocation;
mod rooms;
mod sessions;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod vault;
mod way;

pub use endpoint::Endpoint;
pub use error::{BodyError, CannotSeal, ComposeError, CreateError, ImportError, MarkReadError, OpenError};
pub use extend::{ExtendError, Extending};
pub use io::{Counters, Detached, Event, Input, Output, Random};
pub use listen::ListenError;
pub use message::{
    Body, Content, Draft, Incoming, IncomingState, Outgoing, RefusedBecause, Shown, State, Step, Trust, Why,
};
pub use picket_node::leaf::{Duplex, Framing, LinkConfig, LinkCounters, Standing};
pub use picket_roster::Upgrade;
pub use refill::{RefillError, Refilled};
pub use revocation::ObjectError;
pub use rooms::{RoomAlarm, RoomDraft, RoomError, RoomEvent, RoomMember, RoomMessage, RoomView};
pub use vault::{Change, Vault, VaultError};
