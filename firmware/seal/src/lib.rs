//! End to end: what turns content into an envelope that only its recipient can open. Endpoints only; a gateway does not
//! link this crate. `no_std`, no heap, no clock, no randomness of its own.
//!
//! Normative text: `firmware/spec/40-seal.md`.
//!
//! - [`SendSession`] seals, [`ReceiveSession`] opens; one of each per direction, peer and epoch. Both are plain state
//!   that the caller stores; a state changes only after a tag has verified.
//! - [`epoch::activate`] derives the sessions of an epoch and says what to erase, as one list of changes for one
//!   transaction.
//! - [`Content`] is what lies inside the seal.
#![cfg_attr(not(test), no_std)]

mod aad;
mod chain;
pub mod content;
pub mod epoch;
mod kem;
pub mod limits;
pub mod prekey;
mod receive;
mod send;
mod session;

pub use chain::Tokens;
pub use content::{Body, Content, ContentError};
pub use epoch::{Activated, Change, activate};
pub use kem::SetupError;
pub use prekey::Prekey;
pub use receive::{Far, OpenError, Opened, ReceiveSession};
pub use send::{Reservation, Route, SealError, Sealed, SendSession, StoredSend};
pub use session::{Local, Peer, SessionId, StateError, expand_epoch};
