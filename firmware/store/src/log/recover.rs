//! Opening (§60.5): which segments are alive, what is in them, what is damaged.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use super::format::{
    ALIGN, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader, VERSION, be32, kind, migratable,
};
use super::retire::{Retiring, Stage};
use super::scan::{Found, Hole, Scan, serials};
use super::space::Space;
use super::tickets::Tickets;
use super::{Config, Loc, Log, Segment, Seq, Sink, Ticket, filler};
use crate::error::OpenError;
use crate::limits::MAX_LOSSES;
use crate::medium::{Medium, MediumError, SegmentId};
use crate::report::{Cause, Loss, Recovery, Subject};

/// How far from the known serials that of a segment without a header may be.
const NEAR: u32 = 64;

/// Numbers skipped after an unclean end.
const SKIP: u64 = 1 << 16;
/// Stands for a segment whose place is unknown.
const NOWHERE: SegmentId = SegmentId(0);

/// A segment of the medium as found.
struct Slot {
    id: SegmentId,
    len: u32,
    header: Option<SegmentHeader>,
    /// Not even a damaged header: never used, or erased.
    blank: bool,
}

/// A hole, to be judged when everything was read.
struct Suspect {
    serial: u32,
    loss: Loss,
}

/// What reading all living segments gave.
#[derive(Default)]
struct Read {
    suspects: Vec<Suspect>,
    /// Per segment: everything before this offset was durable when its last record was written.
    synced: BTreeMap<u32, u32>,
    recovery: Recovery,
    next_seq: u64,
}

impl<M: Medium> Log<M> {
    /// Opens or makes a log; `sink` is told everything in order of writing.
    pub fn open(medium: M, config: Config, sink: &mut impl Sink) -> Result<(Self, Recovery), OpenError> {
        let slots = survey(&medium, &config)?;
        let mut log = Self::empty(medium, config);
        let mut read = Read::default();
        let slots = log.number(slots, &mut read.suspects)?;
        log.find_floor()?;
        log.read_all(&mut read, sink)?;
        log.next_seq = log.next_seq.max(read.next_seq);
        log.place(slots)?;
        if !read.suspects.is_empty() {
            log.next_seq += SKIP; // what is torn may have had the next numbers
        }
        log.judge(&mut read)?;
        log.start()?;
        Ok((log, read.recovery))
    }

    fn empty(medium: M, config: Config) -> Self {
        Self {
            medium,
            config,
            segments: BTreeMap::new(),
            head: 0,
            next_serial: (config.salt & 0x7FFF_FFFF).max(1),
            next_seq: 1,
            floor: 0,
            purge_below: 0,
            space: Space { next_id: 1, ..Space::default() },
            tickets: Tickets::default(),
            retiring: VecDeque::new(),
            unwitnessed: 0,
        }
    }

    /// Fills the map of segments; returns the slots that are none.
    fn number(&mut self, slots: Vec<Slot>, suspects: &mut Vec<Suspect>) -> Result<Vec<Slot>, MediumError> {
        let mut others = Vec::new();
        let mut top = 0;
        for slot in slots {
            self.space.next_id = self.space.next_id.max(slot.id.0.saturating_add(1));
            self.space.total += u64::from(slot.len);
            let Some(header) = slot.header.filter(|h| !self.segments.contains_key(&h.serial)) else {
                others.push(slot);
                continue;
            };
            self.floor = self.floor.max(header.floor);
            self.next_seq = self.next_seq.max(header.next_seq.0);
            top = top.max(header.serial);
            self.adopt(&slot, header.serial, header.version);
        }
        let known = (top != 0).then_some(top);
        let mut rest = Vec::new();
        for slot in others {
            match self.guess_serial(&slot, known)? {
                Some(serial) => {
                    self.adopt(&slot, serial, VERSION);
                    suspects.push(headless(&slot, serial));
                }
                None => {
                    if !slot.blank {
                        suspects.push(headless(&slot, u32::MAX));
                    }
                    rest.push(slot);
                }
            }
        }
        self.head = self.segments.last_key_value().map_or(0, |(serial, _)| *serial);
        self.next_serial = self.next_serial.max(self.head.saturating_add(1));
        Ok(rest)
    }

    fn adopt(&mut self, slot: &Slot, serial: u32, version: u16) {
        let segment =
            Segment { id: slot.id, len: slot.len, used: SEGMENT_HEADER, live: 0, synced: 0, version, sealed: false };
        self.segments.insert(serial, segment);
    }

    /// The serial of a segment whose header is lost, from its records: the highest that is near those known, or where
    /// none is known the most frequent.
    fn guess_serial(&self, slot: &Slot, known: Option<u32>) -> Result<Option<u32>, MediumError> {
        let bytes = read_whole(&self.medium, slot)?;
        let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
        for serial in serials(&bytes) {
            *seen.entry(serial).or_default() += 1;
        }
        seen.retain(|serial, _| *serial >= self.floor && !self.segments.contains_key(serial));
        Ok(match known {
            Some(top) => {
                seen.range(top.saturating_sub(NEAR)..=top.saturating_add(NEAR)).next_back().map(|(serial, _)| *serial)
            }
            None => seen.iter().max_by_key(|(serial, count)| (**count, **serial)).map(|(serial, _)| *serial),
        })
    }

    /// The floor may have been raised since the newest header was written: its marks are in the newest segment that
    /// has a header, or in those after it that lost theirs.
    fn find_floor(&mut self) -> Result<(), MediumError> {
        let newest: Vec<(u32, Segment)> = self.segments.iter().rev().map(|(k, s)| (*k, *s)).collect();
        for (serial, segment) in newest {
            let bytes = self.load(&segment)?;
            for found in Scan::new(&bytes, serial, None) {
                if let Found::Record { header: RecordHeader { kind: kind::MARK, .. }, head, .. } = found {
                    self.floor = self.floor.max(be32(head, 0));
                }
            }
            if let Some(header) = SegmentHeader::parse(&bytes).filter(|header| header.serial == serial) {
                self.floor = self.floor.max(header.floor);
                break;
            }
        }
        self.floor = self.floor.min(self.head);
        Ok(())
    }

    /// Reads what is alive, oldest first.
    fn read_all(&mut self, read: &mut Read, sink: &mut impl Sink) -> Result<(), MediumError> {
        let alive: Vec<u32> = self.segments.range(self.floor..).map(|(serial, _)| *serial).collect();
        for (at, serial) in alive.iter().enumerate() {
            let Some(segment) = self.segments.get(serial).copied() else { continue };
            let next = alive.get(at + 1).map(|next| self.header(*next)).transpose()?.flatten();
            let end = next.filter(|h| h.before == *serial && h.version == VERSION).map(|h| h.before_end);
            self.missing_before(*serial, read)?;
            let bytes = self.load(&segment)?;
            read.recovery.bytes += bytes.len() as u64;
            if segment.version != VERSION {
                read.recovery.migrated_from = Some(segment.version);
                self.purge_below = self.purge_below.max(serial.saturating_add(1));
            }
            let used = read.segment(*serial, segment.id, Scan::new(&bytes, *serial, end), sink);
            if let Some(segment) = self.segments.get_mut(serial) {
                segment.used = used.min(segment.len);
            }
        }
        Ok(())
    }

    /// The header of a segment, if it still has one.
    fn header(&self, serial: u32) -> Result<Option<SegmentHeader>, MediumError> {
        let Some(segment) = self.segments.get(&serial) else { return Ok(None) };
        let mut bytes = [0; SEGMENT_HEADER as usize];
        self.medium.read(segment.id, 0, &mut bytes)?;
        Ok(SegmentHeader::parse(&bytes))
    }

    /// Whether the segment before this one should be there and is not: all of it is lost, its place unknown.
    fn missing_before(&self, serial: u32, read: &mut Read) -> Result<(), MediumError> {
        let Some(header) = self.header(serial)?.filter(|h| h.before >= self.floor.max(1)) else { return Ok(()) };
        if !self.segments.contains_key(&header.before) {
            let (cause, subject) = (Cause::Unfinished, Subject::Unknown);
            let loss = Loss { segment: NOWHERE, offset: 0, bytes: header.before_end, cause, seq: None, subject };
            read.suspects.push(Suspect { serial: header.before, loss });
        }
        Ok(())
    }

    /// Sorts out what is dead or unused, and sees to it that no serial is ever given twice.
    fn place(&mut self, rest: Vec<Slot>) -> Result<(), MediumError> {
        let dead: Vec<(u32, Segment)> = self.segments.range(..self.floor).map(|(k, s)| (*k, *s)).collect();
        for (serial, segment) in dead {
            let slot = Slot { id: segment.id, len: segment.len, header: None, blank: false };
            // The floor may stand in a header that recovery itself writes again: it is marked anew before anything dead
            // is destroyed.
            let (burnt, stage) = (self.burnt(&slot)?, Stage::Copied(Ticket(0)));
            self.retiring.push_back(Retiring { serial, stage, burnt });
        }
        for slot in rest {
            // A torn header must not be completed by the next one written over it.
            if self.burnt(&slot)? || slot.len != self.config.segment_bytes || !slot.blank {
                self.discard(&slot)?;
            } else {
                self.space.free.push_back((slot.id, slot.len));
            }
        }
        Ok(())
    }

    fn discard(&mut self, slot: &Slot) -> Result<(), MediumError> {
        self.tickets.wrote();
        self.space.total = self.space.total.saturating_sub(u64::from(slot.len));
        self.medium.remove(slot.id)
    }

    /// A segment begun before the crash may have lost its header and kept records, none of which was acknowledged: its
    /// serial must not be given again, and its place not be reused, lest they be taken for somebody's later.
    fn burnt(&mut self, slot: &Slot) -> Result<bool, MediumError> {
        let bytes = read_whole(&self.medium, slot)?;
        let near = self.floor..=self.head.saturating_add(NEAR);
        let top = serials(&bytes).filter(|serial| near.contains(serial)).max();
        self.next_serial = self.next_serial.max(top.map_or(0, |serial| serial.saturating_add(1)));
        Ok(top.is_some())
    }

    /// Tells damage from unfinished writes, and fills the latter so that they never look like damage later.
    fn judge(&mut self, read: &mut Read) -> Result<(), MediumError> {
        let last_synced = read.synced.iter().rev().find(|(_, synced)| **synced > 0).map_or(0, |(serial, _)| *serial);
        for Suspect { serial, mut loss } in core::mem::take(&mut read.suspects) {
            let witnessed = read.synced.get(&serial).is_some_and(|synced| loss.offset.max(SEGMENT_HEADER) < *synced);
            if serial < self.floor {
                continue; // it was dead: a torn header of its successor in the same place
            }
            if loss.offset == 0 {
                // A missing segment must not be looked for again: the one after it forgets it.
                let whose = self.segments.range(serial..).next().map_or(serial, |(serial, _)| *serial);
                self.give_header(whose)?;
            }
            if serial < last_synced || witnessed {
                loss.cause = Cause::Damaged;
            } else {
                self.fill(serial, &loss)?;
            }
            read.recovery.add(loss);
        }
        Ok(())
    }

    /// A segment that lost its header gets a new one, or it would look damaged for ever.
    fn give_header(&mut self, serial: u32) -> Result<(), MediumError> {
        let Some(segment) = self.segments.get(&serial) else { return Ok(()) };
        let (version, store, floor, next_seq) = (VERSION, self.config.store.byte(), self.floor, Seq(self.next_seq));
        let header =
            SegmentHeader { version, store, serial, len: segment.len, floor, before: 0, before_end: 0, next_seq };
        self.tickets.wrote();
        self.medium.write(segment.id, 0, &header.encode())
    }

    /// Overwrites a hole by a filler. Where the segment was cut short, the one after it must not remember more.
    fn fill(&mut self, serial: u32, loss: &Loss) -> Result<(), MediumError> {
        let seq = self.next_seq();
        let Some(segment) = self.segments.get(&serial).filter(|s| s.version == VERSION).copied() else { return Ok(()) };
        if loss.offset < SEGMENT_HEADER {
            return Ok(());
        }
        let bytes = loss.bytes.min(segment.len.saturating_sub(loss.offset));
        if bytes >= RECORD_HEADER {
            let mut out = Vec::new();
            filler(seq, serial, 0, bytes).encode(&[], &[], &mut out);
            self.tickets.wrote();
            self.medium.write(segment.id, loss.offset, &out)?;
        }
        let after = self.segments.range(serial.saturating_add(1)..).next().map(|(serial, _)| *serial);
        let short = bytes < loss.bytes || bytes < RECORD_HEADER;
        after.filter(|_| short).map_or(Ok(()), |after| self.give_header(after))
    }

    /// Makes the first segment of a new store and the reserve. A full medium is no reason not to open.
    fn start(&mut self) -> Result<(), MediumError> {
        if !self.segments.contains_key(&self.head) {
            self.begin(0, super::Urgency::Urgent).map_err(MediumError::from)?;
        }
        self.unwitnessed = 1;
        while !self.config.erase && self.step_dead()? {}
        self.prepare()
    }
}

impl Read {
    /// Reads one segment; returns where its records end.
    fn segment(&mut self, serial: u32, id: SegmentId, mut scan: Scan<'_>, sink: &mut impl Sink) -> u32 {
        let mut synced = 0;
        for found in scan.by_ref() {
            match found {
                Found::Record { offset, header, head, body } => {
                    self.recovery.records += 1;
                    self.next_seq = self.next_seq.max(header.seq.0.saturating_add(1));
                    synced = synced.max(header.synced);
                    sink.record(Loc { serial, offset, len: header.len }, &header, head, body);
                }
                Found::Hole(hole) => self.suspect(serial, id, &hole, sink),
            }
        }
        self.synced.insert(serial, synced);
        scan.at()
    }

    fn suspect(&mut self, serial: u32, id: SegmentId, hole: &Hole<'_>, sink: &mut impl Sink) {
        let len = hole.about.map_or(0, |(header, _, _)| header.len);
        let subject = sink.hole(Loc { serial, offset: hole.offset, len }, hole);
        let loss = Loss {
            segment: id,
            offset: hole.offset,
            bytes: hole.len,
            cause: Cause::Unfinished,
            seq: hole.seq(),
            subject,
        };
        self.suspects.push(Suspect { serial, loss });
    }
}

impl Recovery {
    fn add(&mut self, loss: Loss) {
        if self.losses.len() < MAX_LOSSES {
            self.losses.push(loss);
        } else {
            self.more_losses = self.more_losses.saturating_add(1);
        }
    }
}

/// Reads all headers and refuses what is not ours to touch. Changes nothing.
fn survey<M: Medium>(medium: &M, config: &Config) -> Result<Vec<Slot>, OpenError> {
    let mut slots = Vec::new();
    for id in medium.list()? {
        let whole = medium.len(id)?;
        let len = whole / ALIGN * ALIGN; // a power cut while it was made may have cut it short
        let mut bytes = [0; SEGMENT_HEADER as usize];
        if len >= SEGMENT_HEADER {
            medium.read(id, 0, &mut bytes)?;
        }
        let header = SegmentHeader::parse(&bytes);
        if let Some(header) = header {
            if header.version > VERSION {
                return Err(OpenError::Newer(header.version));
            }
            if header.store != config.store.byte() {
                return Err(OpenError::WrongKind);
            }
        }
        let header = header.filter(|h| (h.len == whole || h.len == len) && migratable(h.version, config.steps));
        slots.push(Slot { id, len, header, blank: bytes.iter().all(|b| *b == 0) });
    }
    slots.sort_by_key(|slot| slot.id);
    Ok(slots)
}

/// A segment whose header is lost.
fn headless(slot: &Slot, serial: u32) -> Suspect {
    let (cause, subject) = (Cause::Unfinished, Subject::Housekeeping);
    Suspect { serial, loss: Loss { segment: slot.id, offset: 0, bytes: SEGMENT_HEADER, cause, seq: None, subject } }
}

fn read_whole<M: Medium>(medium: &M, slot: &Slot) -> Result<Vec<u8>, MediumError> {
    let mut bytes = alloc::vec![0; slot.len as usize];
    medium.read(slot.id, 0, &mut bytes)?;
    Ok(bytes)
}
