//! Keys at rest and their end (spec §75).
//!
//! A device (a member's home, a gateway's state folder) has one wrapping key, which wraps one data key, under which
//! everything else lies. This crate holds what both programs need for that:
//!
//! - [`slots`]: the key file: who may unwrap the data key, and that a wipe has begun.
//! - [`wipe`]: zeroize as a machine that is finished by the next start, wherever the power failed.
//! - [`disk`]: the few operations of a file system that the two need, so that tests can cut the power at each.
//! - [`sealed`]: small files under the data key.
//! - [`deadman`]: how long nobody has given a sign of life.
//! - [`mod@line`]: a switch outside that asks for a wipe.
//! - [`tpm`]: the half of a wrapping key that a TPM holds.
//! - [`stop`]: ends the process that holds a device at this moment.
//! - [`locked`], [`heap`], [`stack`] and [`harden`]: memory that is neither swapped nor dumped.
//!
//! No clock and no randomness of its own: both are arguments.

mod cost;
pub mod deadman;
pub mod disk;
pub mod harden;
pub mod heap;
pub mod limits;
pub mod line;
pub mod locked;
pub mod sealed;
pub mod slots;
pub mod stack;
pub mod stop;
pub mod tpm;
pub mod wipe;

/// Draws random bytes: the shell's source.
pub type Draw = fn(&mut [u8]) -> std::io::Result<()>;
