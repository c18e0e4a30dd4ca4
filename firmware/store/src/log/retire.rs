//! How the oldest segment goes (§60.4): what lives in it is written again; once that is durable a mark raises the
//! floor; once *that* is durable the segment is dead, is erased if the store must forget, and is reused or removed.

use alloc::vec::Vec;

use super::format::{ALIGN, SEGMENT_HEADER, VERSION, migrate};
use super::scan::{Found, Scan};
use super::{AppendError, Log, Segment, Ticket};
use crate::limits::STEP_BYTES;
use crate::medium::{Medium, MediumError};
use crate::report::Work;

/// Segments between alive and free at once: more would only wait for the same sync.
const MAX_RETIRING: usize = 4;

/// A segment on its way out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retiring {
    pub serial: u32,
    pub stage: Stage,
    /// Holds records of a serial that was never acknowledged: not to be reused as it is.
    pub burnt: bool,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// What lives in it was written again; wait for this.
    Copied(Ticket),
    /// The floor is above it; wait for this.
    Floored(Ticket),
    /// Dead; zeros reach this far.
    Erasing(u32),
    /// All zeros; wait for this.
    Erased(Ticket),
}

/// The segment being emptied, read into memory, and how far its records were looked at.
#[derive(Debug)]
pub struct Victim {
    /// Its serial.
    pub serial: u32,
    bytes: Vec<u8>,
    end: u32,
    at: u32,
}

impl Victim {
    /// The next record or hole.
    pub fn next_found(&mut self) -> Option<Found<'_>> {
        let mut scan = Scan::new(&self.bytes, self.serial, Some(self.end)).from(self.at);
        let found = scan.next();
        self.at = scan.at();
        found
    }
}

impl<M: Medium> Log<M> {
    /// The oldest segment, if it is worth emptying.
    pub fn pick(&self) -> Result<Option<Victim>, MediumError> {
        let after = self.retiring.back().map_or(0, |r| r.serial + 1);
        let oldest = self.segments.range(after..self.head).next();
        let Some((&serial, segment)) = oldest.filter(|(serial, segment)| self.worth(**serial, segment)) else {
            return Ok(None);
        };
        if self.retiring.len() >= MAX_RETIRING || self.tickets.failed() {
            return Ok(None);
        }
        let bytes = self.load(segment)?;
        Ok(Some(Victim { serial, bytes, end: segment.used, at: SEGMENT_HEADER }))
    }

    fn worth(&self, serial: u32, oldest: &Segment) -> bool {
        let segment = u64::from(self.config.segment_bytes);
        let dying =
            self.retiring.iter().filter_map(|r| self.segments.get(&r.serial)).map(|s| u64::from(s.len)).sum::<u64>();
        let free = self.space.free.iter().map(|(_, len)| u64::from(*len)).sum::<u64>();
        let log = self.space.total.saturating_sub(dying + free);
        let garbage = log.saturating_sub(self.space.live);
        let roomy = self.space.total.saturating_sub(dying + free) + 3 * segment <= self.config.max_bytes;
        oldest.live == 0
            || serial < self.purge_below
            || log > 2 * self.space.live + 4 * segment
            || (!roomy && garbage > 2 * segment)
    }

    /// Nothing lives in the victim any more: starts its way out.
    pub fn retire(&mut self, victim: &Victim) {
        let ticket = self.tickets.demand();
        self.retiring.push_back(Retiring { serial: victim.serial, stage: Stage::Copied(ticket), burnt: false });
    }

    /// Bytes said to live in a segment, for finding what was lost in it.
    pub fn live_in(&self, serial: u32) -> u64 {
        self.segments.get(&serial).map_or(0, |s| s.live)
    }

    /// Everything written before now is to be written again and erased.
    pub fn purge(&mut self) -> Result<(), AppendError> {
        if self.segments.get(&self.head).is_some_and(|s| s.used > SEGMENT_HEADER) {
            self.begin(0, super::Urgency::Urgent)?;
        }
        self.purge_below = self.head;
        Ok(())
    }

    /// One bounded step of letting dead segments go and preparing new ones.
    pub fn maintain(&mut self) -> Result<Work, MediumError> {
        if self.tickets.failed() {
            return Ok(Work::Idle);
        }
        if self.step_dead()? {
            return Ok(Work::More);
        }
        self.prepare()?;
        Ok(if self.retiring.is_empty() { Work::Idle } else { Work::AfterSync })
    }

    /// Moves the segments that are leaving one stage on; whether anything moved.
    pub(super) fn step_dead(&mut self) -> Result<bool, MediumError> {
        if self.raise_floor()? {
            return Ok(true);
        }
        let Some(front) = self.retiring.front().copied() else { return Ok(false) };
        let Some(segment) = self.segments.get(&front.serial).copied() else {
            self.retiring.pop_front();
            return Ok(true);
        };
        match front.stage {
            Stage::Copied(_) => Ok(false),
            Stage::Floored(ticket) | Stage::Erased(ticket) if !self.tickets.is_durable(ticket) => Ok(false),
            Stage::Floored(_) if self.config.erase => {
                self.restage(Stage::Erasing(0));
                Ok(true)
            }
            Stage::Erasing(from) => {
                let len = STEP_BYTES.min(segment.len - from);
                self.tickets.wrote();
                self.medium.write(segment.id, from, &alloc::vec![0; len as usize])?;
                self.space.written += u64::from(len);
                let to = from + len;
                let done = to >= segment.len;
                let stage = if done { Stage::Erased(self.tickets.demand()) } else { Stage::Erasing(to) };
                self.restage(stage);
                Ok(true)
            }
            Stage::Floored(_) | Stage::Erased(_) => {
                self.retiring.pop_front();
                self.segments.remove(&front.serial);
                self.space.live = self.space.live.saturating_sub(segment.live);
                self.free(segment.id, segment.len, front.burnt && !self.config.erase)?;
                Ok(true)
            }
        }
    }

    fn restage(&mut self, stage: Stage) {
        if let Some(front) = self.retiring.front_mut() {
            front.stage = stage;
        }
    }

    /// Raises the floor above every segment whose copy is durable.
    fn raise_floor(&mut self) -> Result<bool, MediumError> {
        let copied = |r: &&Retiring| matches!(r.stage, Stage::Copied(ticket) if self.tickets.is_durable(ticket));
        let Some(top) = self.retiring.iter().rfind(copied).map(|r| r.serial) else { return Ok(false) };
        self.floor = self.floor.max(top + 1);
        self.mark().map_err(MediumError::from)?;
        let ticket = self.tickets.demand();
        for retiring in &mut self.retiring {
            if retiring.serial <= top && matches!(retiring.stage, Stage::Copied(_)) {
                retiring.stage = Stage::Floored(ticket);
            }
        }
        Ok(true)
    }

    /// The whole of a segment, as this version writes it.
    pub(super) fn load(&self, segment: &Segment) -> Result<Vec<u8>, MediumError> {
        let mut bytes = alloc::vec![0; (self.medium.len(segment.id)? / ALIGN * ALIGN) as usize];
        self.medium.read(segment.id, 0, &mut bytes)?;
        if segment.version == VERSION { Ok(bytes) } else { Ok(migrate(bytes, segment.version, self.config.steps)) }
    }
}
