//! Who belongs to a mission and with which keys: the roster signed by the authority, the keys a device makes for
//! itself, the keyfill it receives before the mission, and the claims by which a member says where it is attached.
//! `no_std`, no heap (feature `authority` excepted), no clock, no randomness of its own.
//!
//! Normative text: `firmware/spec/30-roster.md`; revocation: `firmware/spec/35-revocation.md`.
//!
//! A [`Roster`] is a view over bytes: ten thousand members need no heap. [`Roster::verify`] is the only constructor, so
//! whoever holds a `Roster` holds a verified one. Likewise a [`Keyfill`] has passed every check that needs no keys of
//! the device.
//!
//! ```
//! use picket_roster::{AuthorityKey, DeviceRequest, DeviceSecrets, Keyfill, Kind, Roster, RosterDraft, limits};
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! // On the device: keys of its own, and a request with their public halves.
//! let secrets = DeviceSecrets::generate(&[7; 32], 3)?; // 32 bytes of real randomness
//! let mut buffer = vec![0; limits::REQUEST_MAX];
//! let request = secrets.request("alpha", Kind::Member, &mut buffer)?;
//!
//! // At the authority: enrol, sign, make the keyfill.
//! let authority = AuthorityKey::generate(&[9; 32])?;
//! let mut draft = RosterDraft::new("exercise", 1_798_761_600)?;
//! let index = draft.enrol(&DeviceRequest::verify(request)?, 0)?;
//! let roster = draft.sign(&authority, 1_798_761_600)?;
//! let roster = Roster::verify(roster, &authority.public()?)?;
//! let file = authority.keyfill(&roster, index, 0, None)?;
//!
//! // On the device again.
//! let keyfill = Keyfill::open(&file)?;
//! keyfill.check_device(&secrets)?;
//! assert_eq!(keyfill.owner()?.name, "alpha");
//! # Ok(())
//! # }
//! ```
#![cfg_attr(not(test), no_std)]

#[cfg(feature = "authority")]
extern crate alloc;

#[cfg(feature = "authority")]
pub mod authority;
mod claim;
pub mod codec;
pub mod device;
mod extension;
pub mod file;
mod keyfill;
pub mod keys;
pub mod limits;
mod path;
mod psk;
mod revoke;
mod revoked;
#[cfg(feature = "authority")]
pub mod revoking;
mod roster;
#[cfg(feature = "authority")]
mod signer;
mod station;
pub mod tree;
mod verify;

#[cfg(feature = "authority")]
pub use authority::{AuthorityKey, DraftError, ExtendError, Extended, RosterDraft};
pub use claim::{sign_claim, sign_listens, verify_claim, verify_listens};
pub use codec::{DecodeError, NoRoom};
pub use device::{DeviceRequest, DeviceSecrets, EpochSeeds};
pub use extension::{Extension, ExtensionError, ExtensionRequest};
pub use file::HeaderError;
pub use keyfill::{Keyfill, KeyfillError};
pub use keys::{AgreementSecret, BadKey, IdentitySecret, PublicKey, link_key};
pub use path::{NodeKey, NotOurs, PathKeys, SEED_LEN, Seed, WRAP_LEN};
pub use psk::{PairingSecret, Psk, PskError};
pub use revoke::{OpenError, Revoke, RevokeError, read_revoke};
pub use revoked::{Full, Revoked};
#[cfg(feature = "authority")]
pub use revoking::{Draft as RevokeDraft, RevokerSecret};
pub use roster::{Padding, Roster, RosterError, Upgrade, UpgradeError, check_roster_format, upgrade};
#[cfg(feature = "authority")]
pub use signer::{Roots, Signer, SignerError, sign_as};
pub use station::{EpochKeys, Kind, Station};
pub use verify::{Digits, Fingerprint, SAFETY_WORDS, Safety};
