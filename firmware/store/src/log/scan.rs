//! Walks the records of one segment and finds its way again after damage (§60.5).

use super::Seq;
use super::format::{ALIGN, Parsed, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, kind, parse_record};

/// What the walk meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A record.
    Record {
        /// Where.
        offset: u32,
        /// Verified.
        header: RecordHeader,
        /// First part of the payload.
        head: &'a [u8],
        /// The rest.
        body: &'a [u8],
    },
    /// Bytes that should be records and are not.
    Hole(Hole<'a>),
}

/// Bytes that should be records and are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole<'a> {
    /// Where.
    pub offset: u32,
    /// How many.
    pub len: u32,
    /// Its record, if header and head are right, or look like one: kind, number, head, body.
    pub about: Option<(RecordHeader, &'a [u8], &'a [u8])>,
    /// Whether `about` was verified by the header's checksum.
    pub verified: bool,
}

/// The walk over one segment.
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    bytes: &'a [u8],
    serial: u32,
    end: Option<u32>,
    at: u32,
}

impl<'a> Scan<'a> {
    /// Over the whole `bytes` of the segment `serial`, whose records end at `end` if that is known.
    #[must_use]
    pub fn new(bytes: &'a [u8], serial: u32, end: Option<u32>) -> Self {
        Self { bytes, serial, end, at: SEGMENT_HEADER }
    }

    /// From this offset on.
    #[must_use]
    pub fn from(mut self, at: u32) -> Self {
        self.at = at;
        self
    }

    /// Where the walk stands: after the last thing it found.
    #[must_use]
    pub fn at(&self) -> u32 {
        self.at
    }

    fn rest(&self, at: u32) -> &'a [u8] {
        self.bytes.get(at as usize..).unwrap_or(&[])
    }

    /// The next place from `at` on where a header stands.
    fn resync(&self, mut at: u32) -> Option<u32> {
        let last = (self.bytes.len() as u32).checked_sub(RECORD_HEADER)?;
        while at <= last {
            if parse_record(self.rest(at), Some(self.serial)) != Parsed::Nothing {
                return Some(at);
            }
            at += ALIGN;
        }
        None
    }

    /// What the first bytes of a hole look like, though their checksum says otherwise.
    fn guess(&self, at: u32, len: u32) -> Option<(RecordHeader, &'a [u8], &'a [u8])> {
        let bytes = self.rest(at);
        let header = RecordHeader::peek(bytes).filter(|h| h.head <= h.len && h.size() <= len)?;
        let payload = bytes.get(RECORD_HEADER as usize..(RECORD_HEADER + header.len) as usize)?;
        let (head, body) = payload.split_at(header.head as usize);
        Some((header, head, body))
    }

    fn hole(&mut self, until: u32) -> Hole<'a> {
        let (offset, len) = (self.at, until - self.at);
        self.at = until;
        Hole { offset, len, about: self.guess(offset, len), verified: false }
    }

    /// What is left after the last record: a hole up to the known end, or a write that was under way.
    fn tail(&mut self) -> Option<Found<'a>> {
        let len = self.bytes.len() as u32;
        let until = self.end.unwrap_or(self.at); // even past a segment cut short: that is lost, too
        if until > self.at {
            return Some(Found::Hole(self.hole(until)));
        }
        let header = RecordHeader::peek(self.rest(self.at))?;
        if self.end.is_some() || self.serial != header.serial {
            return None;
        }
        let until = self.at.saturating_add(header.size()).min(len & !(ALIGN - 1));
        (until > self.at).then(|| Found::Hole(self.hole(until)))
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        if self.end.is_some_and(|end| self.at >= end) {
            return None;
        }
        match parse_record(self.rest(self.at), Some(self.serial)) {
            Parsed::Record(header, head, body) => {
                let offset = self.at;
                self.at += header.size();
                Some(Found::Record { offset, header, head, body })
            }
            Parsed::BadBody(header, head) => {
                let offset = self.at;
                self.at += header.size();
                let body = self.bytes.get((offset + RECORD_HEADER + header.head) as usize..).unwrap_or(&[]);
                let body = body.get(..(header.len - header.head) as usize).unwrap_or(&[]);
                let about = Some((header, head, body));
                Some(Found::Hole(Hole { offset, len: header.size(), about, verified: true }))
            }
            Parsed::Nothing => match self.resync(self.at + ALIGN) {
                Some(next) => Some(Found::Hole(self.hole(next))),
                None => self.tail(),
            },
        }
    }
}

/// Serials of all records that stand anywhere in `bytes`, whatever else does. Looks at every place: an old record that
/// was partly overwritten must not hide the newer ones inside it.
pub fn serials(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let places = (SEGMENT_HEADER as usize..bytes.len()).step_by(ALIGN as usize);
    places.filter_map(|at| match parse_record(bytes.get(at..)?, None) {
        Parsed::Nothing => None,
        Parsed::BadBody(header, _) | Parsed::Record(header, _, _) => Some(header.serial),
    })
}

impl Hole<'_> {
    /// Number of the lost record, if it is certain.
    #[must_use]
    pub fn seq(&self) -> Option<Seq> {
        self.about.filter(|_| self.verified).map(|(header, _, _)| header.seq)
    }

    /// Whether nothing of anybody's was in it.
    #[must_use]
    pub fn housekeeping(&self) -> bool {
        self.verified && self.about.is_some_and(|(h, _, _)| matches!(h.kind, kind::MARK | kind::FILLER | kind::STAMP))
    }
}
