//! The segmented log under both stores: appends records, knows which segments are alive, and lets the oldest one go
//! once what lives in it was written again (§60.4).

pub mod format;
mod recover;
mod retire;
pub mod scan;
mod space;
mod tickets;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::error::{ChangeError, CommitError};
use crate::medium::{Medium, MediumError, SegmentId};
use crate::report::{Subject, Usage};
use format::{
    Parsed, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader, Step, StoreKind, VERSION, kind, parse_record,
    record_size,
};
use retire::Retiring;
pub use retire::Victim;
use scan::Hole;
use space::Space;
use tickets::Tickets;

/// Number of a record, unique within a store for ever, in order of writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// A promise to be redeemed by `synced`: stands for everything written before it was handed out. Ordered: a later
/// ticket covers an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loc {
    /// Segment.
    pub serial: u32,
    /// Offset in it.
    pub offset: u32,
    /// Bytes of payload.
    pub len: u32,
}

/// How a log is set up.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// What it holds.
    pub store: StoreKind,
    /// Size of an ordinary segment.
    pub segment_bytes: u32,
    /// Bytes of medium for ordinary records.
    pub max_bytes: u64,
    /// Overwrite dead segments with zeros before they are reused or removed.
    pub erase: bool,
    /// Numbers the first segment of a new store.
    pub salt: u32,
    /// How to read older versions.
    pub steps: &'static [Step],
}

/// Who keeps the index: told of every record and hole while opening, in order of writing.
pub trait Sink {
    /// A valid record.
    fn record(&mut self, loc: Loc, header: &RecordHeader, head: &[u8], body: &[u8]);
    /// Bytes that are none; says whose they were.
    fn hole(&mut self, loc: Loc, hole: &Hole<'_>) -> Subject;
}

/// How much an append wants to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// New things: only within the limits.
    Ordinary,
    /// Ends of things, notes and maintenance: may use the reserve and exceed the limit in bytes, as they make room.
    Urgent,
}

/// Why a record was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// No room.
    Full,
    /// The medium refused.
    Medium(MediumError),
    /// A sync failed earlier.
    Failed,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    id: SegmentId,
    len: u32,
    used: u32,
    live: u64,
    synced: u32,
    version: u16,
    /// Nothing more is appended: a write failed here.
    sealed: bool,
}

/// The log.
#[derive(Debug)]
pub struct Log<M> {
    medium: M,
    config: Config,
    segments: BTreeMap<u32, Segment>,
    head: u32,
    next_serial: u32,
    next_seq: u64,
    floor: u32,
    purge_below: u32,
    space: Space,
    tickets: Tickets,
    retiring: VecDeque<Retiring>,
    unwitnessed: u32,
}

impl<M: Medium> Log<M> {
    /// A fresh number.
    pub fn next_seq(&mut self) -> Seq {
        let seq = Seq(self.next_seq);
        self.next_seq += 1;
        seq
    }

    /// Appends a record. Nobody waits for it until [`Log::demand`].
    pub fn append(
        &mut self,
        kind: u8,
        seq: Seq,
        head: &[u8],
        body: &[u8],
        urgency: Urgency,
    ) -> Result<Loc, AppendError> {
        if self.tickets.failed() {
            return Err(AppendError::Failed);
        }
        let len = (head.len() + body.len()) as u32;
        let size = record_size(len);
        if self.segments.get(&self.head).is_none_or(|s| s.sealed || s.len - s.used < size) {
            self.begin(size, urgency)?;
        }
        let serial = self.head;
        let Some(segment) = self.segments.get_mut(&serial) else { return Err(AppendError::Full) };
        let body_sum = if kind == kind::FILLER { 0 } else { crc32fast::hash(body) };
        let header = RecordHeader { kind, head: head.len() as u32, len, seq, serial, synced: segment.synced, body_sum };
        let offset = segment.used;
        let id = segment.id;
        let mut bytes = Vec::with_capacity(size as usize);
        header.encode(head, body, &mut bytes);
        let written = self.medium.write(id, offset, &bytes);
        self.tickets.wrote();
        if let Err(error) = written {
            segment.sealed = true; // whatever is there now is past the end: go on in another segment
            return Err(AppendError::Medium(error));
        }
        segment.used += size;
        self.space.written += u64::from(size);
        self.unwitnessed += 1;
        Ok(Loc { serial, offset, len })
    }

    /// Somebody waits for everything appended so far.
    pub fn demand(&mut self) -> Ticket {
        self.tickets.demand()
    }

    /// Counts `bytes` of a segment as alive.
    pub fn hold(&mut self, serial: u32, bytes: u64) {
        if let Some(segment) = self.segments.get_mut(&serial) {
            segment.live += bytes;
            self.space.live += bytes;
        }
    }

    /// Counts them as garbage.
    pub fn release(&mut self, serial: u32, bytes: u64) {
        if let Some(segment) = self.segments.get_mut(&serial) {
            let bytes = bytes.min(segment.live);
            segment.live -= bytes;
            self.space.live -= bytes;
        }
    }

    /// Bytes `at..at + buf.len()` of the payload of a record, unverified.
    pub fn read_payload(&self, loc: Loc, at: u32, buf: &mut [u8]) -> Result<(), MediumError> {
        let segment = self.segments.get(&loc.serial).ok_or(MediumError::Missing)?;
        let offset = loc.offset + RECORD_HEADER + at;
        if segment.version == VERSION {
            return self.medium.read(segment.id, offset, buf);
        }
        let bytes = self.load(segment)?;
        let part = bytes.get(offset as usize..offset as usize + buf.len()).ok_or(MediumError::Bounds)?;
        buf.copy_from_slice(part);
        Ok(())
    }

    /// A whole record, verified again: its header and payload; `None` when it is damaged.
    pub fn read_record(&self, loc: Loc) -> Result<Option<(RecordHeader, Vec<u8>)>, MediumError> {
        let segment = self.segments.get(&loc.serial).ok_or(MediumError::Missing)?;
        let mut bytes = alloc::vec![0; record_size(loc.len) as usize];
        if segment.version == VERSION {
            self.medium.read(segment.id, loc.offset, &mut bytes)?;
        } else {
            let whole = self.load(segment)?;
            let start = loc.offset as usize;
            let end = start + bytes.len();
            bytes.copy_from_slice(whole.get(start..end).ok_or(MediumError::Bounds)?);
        }
        let Parsed::Record(header, _, _) = parse_record(&bytes, Some(loc.serial)) else { return Ok(None) };
        if header.len != loc.len {
            return Ok(None);
        }
        bytes.drain(..RECORD_HEADER as usize);
        bytes.truncate(loc.len as usize);
        Ok(Some((header, bytes)))
    }

    /// The segment of the medium that holds this serial.
    pub fn segment_id(&self, serial: u32) -> SegmentId {
        self.segments.get(&serial).map_or(SegmentId(0), |s| s.id)
    }

    /// Writes a mark on a page of its own, if anything was appended since the last one and all of it is durable: from
    /// then on damage at the end of the log is told apart from an unfinished write.
    pub fn witness(&mut self) -> Result<(), AppendError> {
        if self.unwitnessed == 0 || !self.tickets.settled() {
            return Ok(());
        }
        self.align()?;
        self.mark()?;
        self.unwitnessed = 0;
        Ok(())
    }

    /// Records appended since the last mark on a page of its own.
    pub fn unwitnessed(&self) -> u32 {
        self.unwitnessed
    }

    fn mark(&mut self) -> Result<(), AppendError> {
        let seq = self.next_seq();
        self.append(kind::MARK, seq, &self.floor.to_be_bytes(), &[], Urgency::Urgent).map(|_| ())
    }

    /// Goes on at the next page of 4096 bytes, or in the next segment, whose header is witness enough.
    fn align(&mut self) -> Result<(), AppendError> {
        let Some(segment) = self.segments.get(&self.head) else { return Ok(()) };
        let next = segment.used.next_multiple_of(4096);
        let gap = next - segment.used;
        if next >= segment.len || segment.len - next < RECORD_HEADER {
            return self.begin(0, Urgency::Urgent);
        }
        if gap < RECORD_HEADER {
            return Ok(());
        }
        let seq = self.next_seq();
        // Only the header of the filler is written: what it skips stays as it is.
        let Some(segment) = self.segments.get_mut(&self.head) else { return Ok(()) };
        let header = filler(seq, self.head, segment.synced, gap);
        let mut bytes = Vec::new();
        header.encode(&[], &[], &mut bytes);
        self.tickets.wrote();
        self.medium.write(segment.id, segment.used, &bytes).map_err(AppendError::Medium)?;
        segment.used = next;
        self.space.written += u64::from(RECORD_HEADER);
        Ok(())
    }

    /// Begins a segment that takes a record of `size` bytes.
    fn begin(&mut self, size: u32, urgency: Urgency) -> Result<(), AppendError> {
        let settled = self.tickets.settled();
        let need = SEGMENT_HEADER + size;
        let len =
            if need <= self.config.segment_bytes { self.config.segment_bytes } else { need.next_multiple_of(4096) };
        let id = self.slot(len, urgency)?;
        let serial = self.next_serial;
        let (before, before_end) = self.segments.get(&self.head).map_or((0, 0), |s| (self.head, s.used));
        let header = SegmentHeader {
            version: VERSION,
            store: self.config.store.byte(),
            serial,
            len,
            floor: self.floor,
            before,
            before_end,
            next_seq: Seq(self.next_seq),
        };
        self.tickets.wrote();
        if let Err(error) = self.medium.write(id, 0, &header.encode()) {
            self.space.free.push_back((id, len));
            return Err(AppendError::Medium(error));
        }
        self.space.written += u64::from(SEGMENT_HEADER);
        self.next_serial += 1;
        self.head = serial;
        // Saying that its header is durable, which is not yet so, says that all segments before it are.
        let synced = if settled { SEGMENT_HEADER } else { 0 };
        let segment = Segment { id, len, used: SEGMENT_HEADER, live: 0, synced, version: VERSION, sealed: false };
        self.segments.insert(serial, segment);
        Ok(())
    }

    /// Asks for a sync.
    pub fn sync_wanted(&mut self) -> Option<Ticket> {
        let end = self.segments.get(&self.head).map_or(0, |s| s.used);
        self.tickets.ask(self.head, end)
    }

    /// A sync is done.
    pub fn synced(&mut self, ticket: Ticket) {
        let Some(asked) = self.tickets.synced(ticket) else { return };
        if let Some(segment) = self.segments.get_mut(&asked.serial) {
            segment.synced = asked.end;
        }
    }

    /// A sync failed.
    pub fn sync_failed(&mut self) {
        self.tickets.fail();
    }

    /// Syncs here and now, whether or not somebody waits.
    pub fn sync_now(&mut self) -> Result<(), MediumError> {
        if self.tickets.failed() {
            return Err(MediumError::Io(0));
        }
        self.tickets.demand();
        let Some(ticket) = self.sync_wanted() else {
            // One is under way elsewhere, or nothing was written: this one covers both.
            let result = self.medium.sync();
            return result.inspect_err(|_| self.tickets.fail());
        };
        match self.medium.sync() {
            Ok(()) => {
                self.synced(ticket);
                Ok(())
            }
            Err(error) => {
                self.tickets.fail();
                Err(error)
            }
        }
    }

    /// Whether a ticket is redeemed.
    pub fn is_durable(&self, ticket: Ticket) -> bool {
        self.tickets.is_durable(ticket)
    }

    /// How full the medium is.
    pub fn usage(&self) -> Usage {
        Usage {
            items: 0,
            memos: 0,
            live_bytes: self.space.live,
            capacity: self.capacity(),
            medium_bytes: self.space.total,
            written_bytes: self.space.written,
        }
    }

    /// Bytes that live records may take: the rest is head, reserve, a victim's copy, and the garbage that makes
    /// compaction worth its while.
    pub fn capacity(&self) -> u64 {
        self.config.max_bytes.saturating_sub(3 * u64::from(self.config.segment_bytes)) / 4 * 3
    }

    /// The medium.
    pub fn medium_mut(&mut self) -> &mut M {
        &mut self.medium
    }

    /// Gives the medium back.
    pub fn into_medium(self) -> M {
        self.medium
    }
}

/// The header of a filler that skips `bytes`, its own header included.
fn filler(seq: Seq, serial: u32, synced: u32, bytes: u32) -> RecordHeader {
    RecordHeader { kind: kind::FILLER, head: 0, len: bytes - RECORD_HEADER, seq, serial, synced, body_sum: 0 }
}

impl From<AppendError> for ChangeError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Full => Self::Medium(MediumError::NoSpace),
            AppendError::Medium(error) => Self::Medium(error),
            AppendError::Failed => Self::Failed,
        }
    }
}

impl From<AppendError> for CommitError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Full => Self::Full,
            AppendError::Medium(error) => Self::Medium(error),
            AppendError::Failed => Self::Failed,
        }
    }
}

impl From<MediumError> for AppendError {
    fn from(error: MediumError) -> Self {
        Self::Medium(error)
    }
}

impl From<AppendError> for MediumError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Full => Self::NoSpace,
            AppendError::Medium(error) => error,
            AppendError::Failed => Self::Io(0),
        }
    }
}
