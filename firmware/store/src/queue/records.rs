//! Heads of the queue's records (§60.6, §60.7).

use alloc::vec::Vec;

use picket_wire::time::Wall;
use picket_wire::{Identity, Precedence};

use crate::log::Seq;
use crate::log::format::be64;

/// Bytes of a parcel's head before its meta.
pub(super) const PUT_FIXED: usize = 36;
const NOTE_FIXED: usize = 8;
const MEMO_FIXED: usize = 32;
const NO_WALL: u64 = u64::MAX;

/// Head of a parcel (§60.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PutHead<'a> {
    pub identity: Identity,
    pub kind: u8,
    pub precedence: Precedence,
    /// Age of the store when it was put, in microseconds.
    pub born: u64,
    /// Age at which its lifetime ends.
    pub deadline: u64,
    pub meta: &'a [u8],
}

impl<'a> PutHead<'a> {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PUT_FIXED + self.meta.len());
        out.extend_from_slice(&self.identity.0);
        out.extend_from_slice(&[self.kind, self.precedence.bits(), 0, 0]);
        out.extend_from_slice(&self.born.to_be_bytes());
        out.extend_from_slice(&self.deadline.to_be_bytes());
        out.extend_from_slice(self.meta);
        out
    }

    pub fn parse(head: &'a [u8]) -> Option<Self> {
        let (fixed, meta) = head.split_at_checked(PUT_FIXED)?;
        Some(Self {
            identity: identity(fixed)?,
            kind: fixed[16],
            precedence: Precedence::from_bits(fixed[17]).unwrap_or(Precedence::Routine),
            born: be64(fixed, 20),
            deadline: be64(fixed, 28),
            meta,
        })
    }
}

/// Head of a note (§60.6.2).
pub(super) fn note_head(seq: Seq, meta: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(NOTE_FIXED + meta.len());
    out.extend_from_slice(&seq.0.to_be_bytes());
    out.extend_from_slice(meta);
    out
}

/// Parcel and meta of a note.
pub(super) fn parse_note(head: &[u8]) -> Option<(Seq, &[u8])> {
    let (fixed, meta) = head.split_at_checked(NOTE_FIXED)?;
    Some((Seq(be64(fixed, 0)), meta))
}

/// Head of a memo (§60.6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemoHead<'a> {
    pub identity: Identity,
    /// The parcel that ended, 0 for none.
    pub ended: Seq,
    /// Age until which the identity is remembered.
    pub until: u64,
    pub meta: &'a [u8],
}

impl<'a> MemoHead<'a> {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(MEMO_FIXED + self.meta.len());
        out.extend_from_slice(&self.identity.0);
        out.extend_from_slice(&self.ended.0.to_be_bytes());
        out.extend_from_slice(&self.until.to_be_bytes());
        out.extend_from_slice(self.meta);
        out
    }

    pub fn parse(head: &'a [u8]) -> Option<Self> {
        let (fixed, meta) = head.split_at_checked(MEMO_FIXED)?;
        Some(Self { identity: identity(fixed)?, ended: Seq(be64(fixed, 16)), until: be64(fixed, 24), meta })
    }
}

/// Head of a stamp (§60.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Age of the store, in microseconds.
    pub age: u64,
    /// Age it may reach before the next stamp.
    pub ceiling: u64,
    /// Trusted wall time at that age.
    pub wall: Option<Wall>,
}

impl Stamp {
    pub fn encode(&self) -> [u8; 24] {
        let mut out = [0; 24];
        out[..8].copy_from_slice(&self.age.to_be_bytes());
        out[8..16].copy_from_slice(&self.ceiling.to_be_bytes());
        out[16..].copy_from_slice(&self.wall.map_or(NO_WALL, |wall| wall.0).to_be_bytes());
        out
    }

    pub fn parse(head: &[u8]) -> Option<Self> {
        let head = head.get(..24)?;
        let wall = be64(head, 16);
        Some(Self { age: be64(head, 0), ceiling: be64(head, 8), wall: (wall != NO_WALL).then_some(Wall(wall)) })
    }
}

fn identity(bytes: &[u8]) -> Option<Identity> {
    bytes.get(..16).and_then(|b| b.try_into().ok()).map(Identity)
}
