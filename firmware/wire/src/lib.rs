//! Every byte that crosses a link or the broker: envelopes, hop frames with their header mask and hop MAC, control
//! messages, and the small types the whole firmware speaks in. `no_std`, no heap, no clock, no randomness.
//!
//! Normative text: `firmware/spec/10-wire.md` and `firmware/spec/20-control.md`.
//!
//! The way of a received frame, each step a type of its own: bytes → [`frame::Unmasked`] (well formed) →
//! [`frame::Authentic`] (hop MAC verified). Nothing but [`frame::Unmasked::authenticate`] makes the latter.
#![cfg_attr(not(test), no_std)]

pub mod control;
pub mod envelope;
pub mod frame;
pub mod ids;
pub mod keys;
pub mod lifetime;
pub mod limits;
mod listens;
pub mod precedence;
pub mod signed;
pub mod time;

pub use ids::{Identity, Index, MessageId, MissionId};
pub use lifetime::Lifetime;
pub use precedence::Precedence;
