//! Forward error correction as plain functions: what a noisy byte pipe takes away is put back, and what cannot be put
//! back is told. `no_std`, no clock, no randomness, no keys: whether bytes are genuine is for others to say.
//!
//! Normative text: `firmware/spec/52-codes.md`.
//!
//! From the inside out: [`rs`] (Reed–Solomon blocks) and [`golay`] (short words) are what [`shield`] builds frames of
//! that survive flipped bits; [`plan`] says how much parity a channel needs; [`fountain`] makes a long object whole
//! from any symbols of it that arrived.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod fountain;
pub mod golay;
pub mod limits;
pub mod plan;
pub mod rs;
pub mod shield;

mod gf;
