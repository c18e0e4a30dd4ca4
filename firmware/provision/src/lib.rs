//! What passes between a mission's authority and its devices before the mission, and what the authority writes down of
//! it: keyfills sealed to one device ([`sealed`]), files as numbered parts for QR codes ([`parts`]), and the log of the
//! authority's acts ([`audit`]). `no_std` with a heap; no clock, no files, no randomness of its own.
//!
//! Normative text: `firmware/spec/30-roster.md`, §30.12 to §30.15. The gateway does not link this crate: it holds HPKE.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod audit;
pub mod limits;
pub mod parts;
pub mod sealed;

pub use audit::{Act, Broken, Chain, Entry, Why};
pub use parts::{Collector, PartError, split};
pub use sealed::{Issue, Sealed, SealedError, request_hash};
