//! What the queue keeps in RAM.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use picket_wire::{Identity, Precedence};

use super::records::{MemoHead, PUT_FIXED, PutHead, Stamp, parse_note};
use crate::log::format::{RecordHeader, kind, record_size};
use crate::log::scan::Hole;
use crate::log::{Loc, Seq, Sink};
use crate::report::Subject;

/// A parcel in RAM.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub identity: Identity,
    pub deadline: u64,
    pub meta: Box<[u8]>,
    pub loc: Loc,
    /// Where its last note is.
    pub note: Option<Note>,
    pub kind: u8,
    pub precedence: Precedence,
    /// Length of the meta inside the record, which a note may have replaced since.
    pub written_meta: u8,
}

/// A note on the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub serial: u32,
    pub offset: u32,
}

/// A finished identity in RAM.
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    pub until: u64,
    pub loc: Loc,
    pub meta: Box<[u8]>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub parcels: BTreeMap<Seq, Held>,
    pub deadlines: BTreeSet<(u64, Seq)>,
    pub identities: BTreeSet<(Identity, Seq)>,
    pub memos: BTreeMap<Identity, Remembered>,
    /// In order of remembering; entries whose `until` is no longer the memo's are stale.
    pub memo_order: VecDeque<(u64, Identity)>,
    pub stamp: Option<(Stamp, Loc)>,
    /// An age that was certainly reached.
    pub least_age: u64,
}

impl Held {
    /// Bytes of its body.
    pub fn body_len(&self) -> u32 {
        self.loc.len.saturating_sub((PUT_FIXED + usize::from(self.written_meta)) as u32)
    }

    /// Bytes its last note takes; a note has the meta's length.
    pub fn note_size(&self) -> u64 {
        u64::from(record_size(8 + self.meta.len() as u32))
    }
}

impl Index {
    /// Adds a parcel, or another place of one that is known.
    pub fn insert(&mut self, seq: Seq, put: &PutHead<'_>, loc: Loc) {
        self.deadlines.insert((put.deadline, seq));
        self.identities.insert((put.identity, seq));
        let held = Held {
            identity: put.identity,
            deadline: put.deadline,
            meta: put.meta.into(),
            loc,
            note: None,
            kind: put.kind,
            precedence: put.precedence,
            written_meta: put.meta.len() as u8,
        };
        self.parcels.insert(seq, held);
    }

    /// Takes a parcel out.
    pub fn remove(&mut self, seq: Seq) -> Option<Held> {
        let held = self.parcels.remove(&seq)?;
        self.deadlines.remove(&(held.deadline, seq));
        self.identities.remove(&(held.identity, seq));
        Some(held)
    }

    /// Remembers an identity; returns the memo it replaces.
    pub fn remember(&mut self, memo: &MemoHead<'_>, loc: Loc) -> Option<Remembered> {
        self.memo_order.push_back((memo.until, memo.identity));
        self.memos.insert(memo.identity, Remembered { until: memo.until, loc, meta: memo.meta.into() })
    }

    /// Forgets the one remembered first, if its time is over or there are more than `max`; returns whether there was
    /// one, and the memo unless it was stale.
    pub fn forget_one(&mut self, age: u64, max: usize) -> Option<Option<Remembered>> {
        let (until, identity) = *self.memo_order.front()?;
        let stale = self.memos.get(&identity).is_none_or(|memo| memo.until != until);
        if !stale && until > age && self.memos.len() <= max {
            return None;
        }
        self.memo_order.pop_front();
        Some(if stale { None } else { self.memos.remove(&identity) })
    }
}

impl Sink for Index {
    fn record(&mut self, loc: Loc, header: &RecordHeader, head: &[u8], _body: &[u8]) {
        match header.kind {
            kind::PUT => {
                let Some(put) = PutHead::parse(head) else { return };
                self.least_age = self.least_age.max(put.born);
                self.remove(header.seq);
                self.insert(header.seq, &put, loc);
            }
            kind::NOTE => {
                let Some((seq, meta)) = parse_note(head) else { return };
                if let Some(held) = self.parcels.get_mut(&seq) {
                    held.meta = meta.into();
                    held.note = Some(Note { serial: loc.serial, offset: loc.offset });
                }
            }
            kind::MEMO => {
                let Some(memo) = MemoHead::parse(head) else { return };
                self.remove(memo.ended);
                if memo.until > 0 {
                    self.remember(&memo, loc);
                }
            }
            kind::STAMP => {
                let Some(stamp) = Stamp::parse(head) else { return };
                if self.stamp.is_none_or(|(last, _)| stamp.age >= last.age) {
                    self.stamp = Some((stamp, loc));
                }
            }
            _ => {} // kinds of a later revision of this format: nothing of ours
        }
    }

    fn hole(&mut self, _loc: Loc, hole: &Hole<'_>) -> Subject {
        if hole.housekeeping() {
            return Subject::Housekeeping;
        }
        let Some((header, head, _)) = hole.about else { return Subject::Unknown };
        let identity = match header.kind {
            kind::PUT => PutHead::parse(head).map(|put| put.identity),
            kind::MEMO => MemoHead::parse(head).map(|memo| memo.identity),
            kind::NOTE => parse_note(head).and_then(|(seq, _)| self.parcels.get(&seq)).map(|held| held.identity),
            _ => None,
        };
        identity.map_or(Subject::Unknown, Subject::Parcel)
    }
}

/// Parcels and memos whose place is in one segment.
pub(super) struct InSegment {
    pub parcels: Vec<Seq>,
    pub notes: Vec<Seq>,
    pub memos: Vec<Identity>,
}

impl Index {
    /// Everything that should have been found in a segment.
    pub fn in_segment(&self, serial: u32) -> InSegment {
        let parcels = self.parcels.iter().filter(|(_, held)| held.loc.serial == serial);
        let notes = self.parcels.iter().filter(|(_, held)| held.note.is_some_and(|n| n.serial == serial));
        let memos = self.memos.iter().filter(|(_, memo)| memo.loc.serial == serial);
        InSegment {
            parcels: parcels.map(|(seq, _)| *seq).collect(),
            notes: notes.map(|(seq, _)| *seq).collect(),
            memos: memos.map(|(identity, _)| *identity).collect(),
        }
    }
}
