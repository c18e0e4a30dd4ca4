//! What the table keeps in RAM.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::records::{Place, ops};
use crate::log::format::{RecordHeader, kind};
use crate::log::scan::Hole;
use crate::log::{Loc, Sink};
use crate::report::Subject;

/// A value on the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub loc: Loc,
    pub place: Place,
}

/// The map, and while opening what may have to be corrected at the end.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub keys: BTreeMap<Vec<u8>, Value>,
    /// Transactions whose directory is right and whose values are not all.
    suspects: Vec<Suspect>,
    /// Keys removed after the first suspect, and where.
    removed: BTreeMap<Vec<u8>, Loc>,
}

#[derive(Debug)]
struct Suspect {
    loc: Loc,
    changes: Vec<(Vec<u8>, Option<Value>)>,
}

impl Value {
    /// What a key counts as alive: at least what it takes when written alone.
    pub fn size(&self, key: &[u8]) -> u64 {
        48 + key.len() as u64 + u64::from(self.place.len)
    }
}

impl Index {
    /// Corrects the map by the transactions that were durable and are damaged: their intact values count, keys whose
    /// newest value is lost are gone rather than old. `damaged` tells by segment and offset; unfinished ones count for
    /// nothing.
    pub fn settle(&mut self, damaged: impl Fn(Loc) -> bool) {
        for Suspect { loc, changes } in core::mem::take(&mut self.suspects) {
            if !damaged(loc) {
                continue;
            }
            for (key, value) in changes {
                let newer = self.keys.get(&key).is_some_and(|v| v.loc > loc)
                    || self.removed.get(&key).is_some_and(|l| *l > loc);
                match value {
                    _ if newer => {}
                    Some(value) => drop(self.keys.insert(key, value)),
                    None => drop(self.keys.remove(&key)),
                }
            }
        }
        self.removed.clear();
    }
}

impl Sink for Index {
    fn record(&mut self, loc: Loc, header: &RecordHeader, head: &[u8], _body: &[u8]) {
        if header.kind != kind::COMMIT {
            return;
        }
        for op in ops(head) {
            match op.value {
                Some(place) => drop(self.keys.insert(op.key.to_vec(), Value { loc, place })),
                None => {
                    self.keys.remove(op.key);
                    if !self.suspects.is_empty() {
                        self.removed.insert(op.key.to_vec(), loc);
                    }
                }
            }
        }
    }

    fn hole(&mut self, loc: Loc, hole: &Hole<'_>) -> Subject {
        if hole.housekeeping() {
            return Subject::Housekeeping;
        }
        let Some((header, head, body)) = hole.about.filter(|(h, _, _)| h.kind == kind::COMMIT) else {
            return Subject::Unknown;
        };
        let mut lost = Vec::new();
        let mut changes = Vec::new();
        for op in ops(head) {
            let intact = op.value.filter(|place| place.intact(head, body));
            if op.value.is_some() && intact.is_none() {
                lost.push(op.key.to_vec());
            }
            changes.push((op.key.to_vec(), intact.map(|place| Value { loc, place })));
        }
        if hole.verified {
            self.suspects.push(Suspect { loc: Loc { len: header.len, ..loc }, changes });
        }
        Subject::Keys(lost)
    }
}
