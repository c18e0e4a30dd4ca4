//! Bytes of segments and records (§60.2, §60.3). Big-endian throughout.

use alloc::vec::Vec;

use super::Seq;

/// First bytes of every segment (§60.2.1).
pub const MAGIC: [u8; 8] = *b"PICKETSG";
/// The format version written (§60.2.2).
pub const VERSION: u16 = 1;
/// Bytes of a segment's header; its layout up to the checksum is the same in every version (§60.2.2).
pub const SEGMENT_HEADER: u32 = 64;
/// Bytes of a record's header (§60.3.1).
pub const RECORD_HEADER: u32 = 32;
/// Records begin at multiples of this, so that a scan can find them again (§60.3.2).
pub const ALIGN: u32 = 8;
/// Largest payload the 24-bit length can say.
pub const MAX_PAYLOAD: usize = 0x00FF_FFFF;

const RECORD_MAGIC: u8 = 0xB7;

/// What a store holds (§60.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// Parcels.
    Queue,
    /// Keys and values.
    Table,
}

impl StoreKind {
    /// The byte in the segment's header.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Queue => 1,
            Self::Table => 2,
        }
    }
}

/// Kinds of record (§60.3.3).
pub mod kind {
    /// The log's own: the floor, and a witness that all before it was durable (§60.4).
    pub const MARK: u8 = 1;
    /// Skips bytes; its body has no checksum.
    pub const FILLER: u8 = 2;
    /// Queue: a parcel (§60.6.1).
    pub const PUT: u8 = 16;
    /// Queue: new meta of a parcel (§60.6.2).
    pub const NOTE: u8 = 17;
    /// Queue: a parcel ended, an identity is remembered (§60.6.3).
    pub const MEMO: u8 = 18;
    /// Queue: age of the store (§60.7).
    pub const STAMP: u8 = 19;
    /// Table: a transaction (§60.8).
    pub const COMMIT: u8 = 32;
}

/// The header of a segment (§60.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Format version.
    pub version: u16,
    /// What the store holds: [`StoreKind::byte`].
    pub store: u8,
    /// Number of this segment, one more than that of the one before.
    pub serial: u32,
    /// Length of the segment in bytes.
    pub len: u32,
    /// Segments with a lower serial are dead (§60.4).
    pub floor: u32,
    /// Serial of the segment before, 0 for none.
    pub before: u32,
    /// Where the records of the segment before end.
    pub before_end: u32,
    /// Lowest number a new record may have.
    pub next_seq: Seq,
}

impl SegmentHeader {
    /// To bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; SEGMENT_HEADER as usize] {
        let mut out = [0; SEGMENT_HEADER as usize];
        out[0..8].copy_from_slice(&MAGIC);
        out[8..10].copy_from_slice(&self.version.to_be_bytes());
        out[10] = self.store;
        out[12..16].copy_from_slice(&self.serial.to_be_bytes());
        out[16..20].copy_from_slice(&self.len.to_be_bytes());
        out[20..24].copy_from_slice(&self.floor.to_be_bytes());
        out[24..28].copy_from_slice(&self.before.to_be_bytes());
        out[28..32].copy_from_slice(&self.before_end.to_be_bytes());
        out[32..40].copy_from_slice(&self.next_seq.0.to_be_bytes());
        let sum = crc32fast::hash(&out[..60]);
        out[60..64].copy_from_slice(&sum.to_be_bytes());
        out
    }

    /// From bytes; `None` unless magic and checksum are right. The version is the caller's to judge.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..SEGMENT_HEADER as usize)?;
        if bytes[..8] != MAGIC || crc32fast::hash(&bytes[..60]) != be32(bytes, 60) {
            return None;
        }
        Some(Self {
            version: u16::from_be_bytes([bytes[8], bytes[9]]),
            store: bytes[10],
            serial: be32(bytes, 12),
            len: be32(bytes, 16),
            floor: be32(bytes, 20),
            before: be32(bytes, 24),
            before_end: be32(bytes, 28),
            next_seq: Seq(be64(bytes, 32)),
        })
    }
}

/// The header of a record (§60.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// One of [`kind`].
    pub kind: u8,
    /// First bytes of the payload, which the header's checksum covers too.
    pub head: u32,
    /// Bytes of payload.
    pub len: u32,
    /// Number of the record.
    pub seq: Seq,
    /// Serial of the segment it was written into.
    pub serial: u32,
    /// Everything before this offset of the segment was durable when this was written.
    pub synced: u32,
    /// Checksum of the payload after its head.
    pub body_sum: u32,
}

impl RecordHeader {
    /// Bytes the record takes, header and padding included.
    #[must_use]
    pub const fn size(&self) -> u32 {
        record_size(self.len)
    }

    /// Appends the whole record, padded, to `out`.
    pub fn encode(&self, head: &[u8], body: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[RECORD_MAGIC, self.kind]);
        out.extend_from_slice(&self.head.to_be_bytes()[1..]);
        out.extend_from_slice(&self.len.to_be_bytes()[1..]);
        out.extend_from_slice(&self.seq.0.to_be_bytes());
        out.extend_from_slice(&self.serial.to_be_bytes());
        out.extend_from_slice(&self.synced.to_be_bytes());
        out.extend_from_slice(&self.body_sum.to_be_bytes());
        let mut sum = crc32fast::Hasher::new();
        sum.update(&out[start..]);
        sum.update(head);
        out.extend_from_slice(&sum.finalize().to_be_bytes());
        out.extend_from_slice(head);
        out.extend_from_slice(body);
        let used = out.len() - start;
        out.resize(start + used.next_multiple_of(ALIGN as usize), 0);
    }

    /// What stands at the beginning of `bytes`, if magic and serial fit: not verified.
    #[must_use]
    pub fn peek(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..RECORD_HEADER as usize)?;
        (bytes[0] == RECORD_MAGIC).then(|| Self {
            kind: bytes[1],
            head: u32::from_be_bytes([0, bytes[2], bytes[3], bytes[4]]),
            len: u32::from_be_bytes([0, bytes[5], bytes[6], bytes[7]]),
            seq: Seq(be64(bytes, 8)),
            serial: be32(bytes, 16),
            synced: be32(bytes, 20),
            body_sum: be32(bytes, 24),
        })
    }
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// No record.
    Nothing,
    /// A record whose header and head are right and whose body is not.
    BadBody(RecordHeader, &'a [u8]),
    /// A record: header, head, body.
    Record(RecordHeader, &'a [u8], &'a [u8]),
}

/// Reads the record at the beginning of `bytes`; `serial` is the segment's, or `None` for any.
#[must_use]
pub fn parse_record(bytes: &[u8], serial: Option<u32>) -> Parsed<'_> {
    let Some(header) = RecordHeader::peek(bytes) else { return Parsed::Nothing };
    if serial.is_some_and(|serial| serial != header.serial) || header.head > header.len {
        return Parsed::Nothing;
    }
    let start = RECORD_HEADER as usize;
    let (Some(payload), Some(fixed)) = (bytes.get(start..start + header.len as usize), bytes.get(..28)) else {
        return Parsed::Nothing;
    };
    let (head, body) = payload.split_at(header.head as usize);
    let mut sum = crc32fast::Hasher::new();
    sum.update(fixed);
    sum.update(head);
    if sum.finalize() != be32(bytes, 28) {
        return Parsed::Nothing;
    }
    if header.kind != kind::FILLER && crc32fast::hash(body) != header.body_sum {
        return Parsed::BadBody(header, head);
    }
    Parsed::Record(header, head, body)
}

/// Bytes that a record with this payload takes.
#[must_use]
pub const fn record_size(len: u32) -> u32 {
    (RECORD_HEADER + len).next_multiple_of(ALIGN)
}

/// Four bytes at `at`, 0 where they are missing.
#[must_use]
pub fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes)
}

/// Eight bytes at `at`, 0 where they are missing.
#[must_use]
pub fn be64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_be_bytes)
}

/// Turns the bytes of a whole segment of one version into those of the next.
pub type Step = fn(&[u8]) -> Vec<u8>;

/// How segments of older versions become those of this one: `MIGRATIONS[v - 1]` leads from version `v` to `v + 1`.
/// Never change an entry once released. Version 1 is the first.
pub const MIGRATIONS: &[Step] = &[];

/// Whether `steps` lead from `version` to this one.
#[must_use]
pub fn migratable(version: u16, steps: &[Step]) -> bool {
    let missing = usize::from(VERSION.saturating_sub(version));
    version <= VERSION && missing <= steps.len()
}

/// Applies the last steps to a segment of an older `version`.
#[must_use]
pub fn migrate(bytes: Vec<u8>, version: u16, steps: &[Step]) -> Vec<u8> {
    let missing = usize::from(VERSION.saturating_sub(version));
    let from = steps.len().saturating_sub(missing);
    steps.iter().skip(from).fold(bytes, |bytes, step| step(&bytes))
}
