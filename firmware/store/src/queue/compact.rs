//! Writes what lives in the oldest segment again, in bounded steps.

use alloc::vec::Vec;

use picket_wire::Identity;

use super::Queue;
use super::index::{Held, Note};
use super::records::{MemoHead, PutHead, note_head};
use crate::limits::STEP_BYTES;
use crate::log::format::{RecordHeader, kind, record_size};
use crate::log::scan::Found;
use crate::log::{Loc, Seq, Urgency};
use crate::medium::{Medium, MediumError};

/// A record copied out of the victim.
struct Old {
    loc: Loc,
    header: RecordHeader,
    head: Vec<u8>,
    body: Vec<u8>,
}

impl<M: Medium> Queue<M> {
    /// One step; whether there was anything to do.
    pub(super) fn compact(&mut self) -> Result<bool, MediumError> {
        let picked = match self.victim.take() {
            Some(victim) => Some(victim),
            None => self.log.pick()?,
        };
        let Some(mut victim) = picked else { return Ok(false) };
        let mut moved = 0;
        while moved < STEP_BYTES {
            let serial = victim.serial;
            let Some(found) = victim.next_found() else {
                self.save_rest(serial)?;
                self.log.retire(&victim);
                return Ok(true);
            };
            let Found::Record { offset, header, head, body } = found else { continue };
            let loc = Loc { serial, offset, len: header.len };
            if !self.lives(loc, &header, head) {
                continue;
            }
            let old = Old { loc, header, head: head.to_vec(), body: body.to_vec() };
            moved += header.size();
            self.rewrite(&old)?; // on error the victim is dropped and later begun again: what moved stays moved
        }
        self.victim = Some(victim);
        Ok(true)
    }

    fn lives(&self, loc: Loc, header: &RecordHeader, head: &[u8]) -> bool {
        let here = Note { serial: loc.serial, offset: loc.offset };
        match header.kind {
            kind::PUT => self.index.parcels.get(&header.seq).is_some_and(|held| held.loc == loc),
            kind::NOTE => super::records::parse_note(head)
                .and_then(|(seq, _)| self.index.parcels.get(&seq))
                .is_some_and(|held| held.note == Some(here)),
            kind::MEMO => MemoHead::parse(head)
                .and_then(|memo| self.index.memos.get(&memo.identity))
                .is_some_and(|memo| memo.loc == loc),
            kind::STAMP => self.index.stamp.is_some_and(|(_, at)| at == loc),
            _ => false,
        }
    }

    fn rewrite(&mut self, old: &Old) -> Result<(), MediumError> {
        match old.header.kind {
            kind::PUT => self.rewrite_put(old),
            kind::NOTE => super::records::parse_note(&old.head).map_or(Ok(()), |(seq, _)| self.rewrite_note(seq)),
            kind::MEMO => {
                MemoHead::parse(&old.head).map_or(Ok(()), |memo| self.rewrite_memo(&memo.identity, memo.ended))
            }
            kind::STAMP => self.write_stamp_again(),
            _ => Ok(()),
        }
    }

    /// With the meta as last noted: the note is needed no more.
    fn rewrite_put(&mut self, old: &Old) -> Result<(), MediumError> {
        let seq = old.header.seq;
        let (Some(put), Some(held)) = (PutHead::parse(&old.head), self.index.parcels.get_mut(&seq)) else {
            return Ok(());
        };
        let head = PutHead { meta: &held.meta, ..put }.encode();
        let loc = self.log.append(kind::PUT, seq, &head, &old.body, Urgency::Urgent)?;
        self.log.release(old.loc.serial, u64::from(old.header.size()));
        self.log.hold(loc.serial, u64::from(record_size(loc.len)));
        if let Some(note) = held.note.take() {
            self.log.release(note.serial, held.note_size());
        }
        held.loc = loc;
        held.written_meta = held.meta.len() as u8;
        Ok(())
    }

    fn rewrite_note(&mut self, seq: Seq) -> Result<(), MediumError> {
        let number = self.log.next_seq();
        let Some(held) = self.index.parcels.get_mut(&seq) else { return Ok(()) };
        let loc = self.log.append(kind::NOTE, number, &note_head(seq, &held.meta), &[], Urgency::Urgent)?;
        let size = held.note_size();
        if let Some(note) = held.note.replace(Note { serial: loc.serial, offset: loc.offset }) {
            self.log.release(note.serial, size);
        }
        self.log.hold(loc.serial, size);
        Ok(())
    }

    /// It goes on naming what ended: after a power cut this may be all that is left of the memo, beside the parcel.
    fn rewrite_memo(&mut self, identity: &Identity, ended: Seq) -> Result<(), MediumError> {
        let seq = self.log.next_seq();
        let Some(memo) = self.index.memos.get_mut(identity) else { return Ok(()) };
        let head = MemoHead { identity: *identity, ended, until: memo.until, meta: &memo.meta }.encode();
        let loc = self.log.append(kind::MEMO, seq, &head, &[], Urgency::Urgent)?;
        self.log.release(memo.loc.serial, u64::from(record_size(memo.loc.len)));
        self.log.hold(loc.serial, u64::from(record_size(loc.len)));
        memo.loc = loc;
        Ok(())
    }

    /// What should have been in the segment and was not found is damaged: what RAM still knows is written again,
    /// bodies are lost.
    fn save_rest(&mut self, serial: u32) -> Result<(), MediumError> {
        if self.log.live_in(serial) == 0 {
            return Ok(());
        }
        let rest = self.index.in_segment(serial);
        for seq in rest.parcels {
            self.lose(seq);
        }
        for seq in rest.notes {
            self.rewrite_note(seq)?;
        }
        for identity in rest.memos {
            self.rewrite_memo(&identity, Seq(0))?;
        }
        Ok(())
    }

    /// Releases what a parcel took on the medium.
    pub(super) fn release(&mut self, held: &Held) {
        self.log.release(held.loc.serial, u64::from(record_size(held.loc.len)));
        if let Some(note) = held.note {
            self.log.release(note.serial, held.note_size());
        }
    }
}
