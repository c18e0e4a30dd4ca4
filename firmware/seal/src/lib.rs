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
//!
//! ```
//! use picket_roster::{AgreementSecret, Padding, keys::derive_key_pair};
//! use picket_seal::{Body, Content, Far, Local, Peer, ReceiveSession, Route, SendSession};
//! use picket_wire::{Index, Lifetime, MissionId, Precedence, envelope::{Class, Envelope}};
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! // Identity keys of both, the epoch keys they placed in the roster, and the pair's pre-shared key.
//! let (alpha_ik, alpha) = derive_key_pair(&[1; 32])?;
//! let (bravo_ik, bravo) = derive_key_pair(&[2; 32])?;
//! let (alpha_ik, bravo_ik) = (AgreementSecret::from_bytes(&alpha_ik)?, AgreementSecret::from_bytes(&bravo_ik)?);
//! let (seed_e, seed_r, psk) = ([3; 32], [4; 32], [5; 32]);
//! let (public_e, public_r) = (derive_key_pair(&seed_e)?.1, derive_key_pair(&seed_r)?.1);
//! let mission = MissionId([6; 8]);
//!
//! let local = Local { mission, index: Index(1), agreement: &alpha_ik };
//! let peer = Peer { index: Index(2), agreement: bravo };
//! let fresh = SendSession::pre_placed(&local, &peer, 0, &seed_e, &public_r, &psk)?;
//! let mut send = fresh.reserve().persisted(); // after its bytes are durable
//!
//! let lifetime = Lifetime::floor(86_400);
//! let route = Route { class: Class::Pairwise, precedence: Precedence::Routine, hop_limit: 5, lifetime };
//! let mut out = [0; 256];
//! let content = Content::new(lifetime, None, Body::Text("hold the bridge"));
//! let sealed = send.seal(&route, &content, Padding::Off, &mut out)?;
//!
//! let local = Local { mission, index: Index(2), agreement: &bravo_ik };
//! let peer = Peer { index: Index(1), agreement: alpha };
//! let mut receive = ReceiveSession::pre_placed(&local, &peer, 0, &seed_r, &public_e, &psk)?;
//! let mut plain = [0; 256];
//! let opened = receive.open(&Envelope::parse(sealed.envelope)?, Far::Refuse, &mut plain)?;
//! assert_eq!(Content::decode(opened.content)?, content);
//! assert_eq!(opened.tokens, sealed.tokens);
//! # Ok(())
//! # }
//! ```
#![cfg_attr(not(test), no_std)]

mod aad;
mod chain;
pub mod content;
pub mod epoch;
mod kem;
pub mod lanes;
pub mod limits;
pub mod prekey;
mod receive;
mod send;
mod session;

pub use chain::Tokens;
pub use content::{Body, Content, ContentError};
pub use epoch::{Activated, Change, activate};
pub use kem::SetupError;
pub use lanes::{Lane, Slot};
pub use prekey::Prekey;
pub use receive::{Far, OpenError, Opened, ReceiveSession};
pub use send::{Reservation, Route, SealError, Sealed, SendSession, StoredSend};
pub use session::{Local, Peer, SessionId, StateError, expand_epoch};
