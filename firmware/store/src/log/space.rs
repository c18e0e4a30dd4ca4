//! Which segments of the medium are free, and who may have one.

use alloc::collections::VecDeque;

use super::{AppendError, Log, Urgency};
use crate::medium::{Medium, MediumError, SegmentId};

/// Free segments kept for reuse, as reuse writes no zeros; one of them is the reserve.
pub(super) const KEEP_FREE: usize = 8;
/// Free segments that only urgent records may take.
pub(super) const RESERVE: usize = 1;

/// The medium's segments as far as they are not in the log, and what was counted.
#[derive(Debug, Default)]
pub(super) struct Space {
    /// Free segments, those that died first in front: what is destroyed is always the oldest.
    pub free: VecDeque<(SegmentId, u32)>,
    pub next_id: u32,
    pub total: u64,
    pub live: u64,
    pub written: u64,
}

impl<M: Medium> Log<M> {
    /// A segment of the medium for a new segment of the log.
    pub(super) fn slot(&mut self, len: u32, urgency: Urgency) -> Result<SegmentId, AppendError> {
        let ordinary = len == self.config.segment_bytes;
        let within = self.space.total + u64::from(len) <= self.config.max_bytes;
        match urgency {
            Urgency::Ordinary if ordinary && self.space.free.len() > RESERVE => self.reuse(),
            Urgency::Ordinary if !within => Err(AppendError::Full),
            Urgency::Ordinary => self.create(len).map_err(full),
            Urgency::Urgent if ordinary && self.space.free.len() > RESERVE => self.reuse(),
            Urgency::Urgent if ordinary && !within && !self.space.free.is_empty() => self.reuse(),
            Urgency::Urgent => match self.create(len) {
                Ok(id) => Ok(id),
                Err(MediumError::NoSpace) if ordinary => self.rescue(),
                Err(error) => Err(full(error)),
            },
        }
    }

    /// The last resort of an urgent record: the reserve, or what dead segments give after a sync here and now.
    fn rescue(&mut self) -> Result<SegmentId, AppendError> {
        if self.space.free.is_empty() {
            self.sync_now().map_err(AppendError::Medium)?;
            while self.space.free.is_empty() && self.step_dead()? {}
        }
        self.reuse()
    }

    fn reuse(&mut self) -> Result<SegmentId, AppendError> {
        self.space.free.pop_front().map(|(id, _)| id).ok_or(AppendError::Full)
    }

    fn create(&mut self, len: u32) -> Result<SegmentId, MediumError> {
        let id = SegmentId(self.space.next_id);
        self.tickets.wrote();
        self.medium.create(id, len)?;
        self.space.next_id += 1;
        self.space.total += u64::from(len);
        self.space.written += u64::from(len);
        Ok(id)
    }

    /// Makes the reserve, and one more when the head is half full, so that no append has to wait for zeros.
    pub(super) fn prepare(&mut self) -> Result<(), MediumError> {
        let len = self.config.segment_bytes;
        let half = self.segments.get(&self.head).is_none_or(|s| s.used > s.len / 2);
        let want = RESERVE + usize::from(half);
        if self.space.free.len() >= want || self.space.total + u64::from(len) > self.config.max_bytes {
            return Ok(());
        }
        match self.create(len) {
            Ok(id) => self.space.free.push_back((id, len)),
            Err(MediumError::NoSpace) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// A segment is dead, durably so: keeps it for reuse or removes it, always if it is burnt.
    pub(super) fn free(&mut self, id: SegmentId, len: u32, burnt: bool) -> Result<(), MediumError> {
        self.space.free.push_back((id, len));
        let last = self.space.free.len() - 1;
        let odd = (burnt || len != self.config.segment_bytes).then_some(last);
        let extra = (self.space.free.len() > KEEP_FREE).then_some(0);
        let Some((id, len)) = odd.or(extra).and_then(|at| self.space.free.remove(at)) else { return Ok(()) };
        self.tickets.wrote();
        self.medium.remove(id)?;
        self.space.total = self.space.total.saturating_sub(u64::from(len));
        Ok(())
    }
}

fn full(error: MediumError) -> AppendError {
    match error {
        MediumError::NoSpace => AppendError::Full,
        MediumError::Missing | MediumError::Bounds | MediumError::Locked | MediumError::Exists | MediumError::Io(_) => {
            AppendError::Medium(error)
        }
    }
}
