//! Where bytes live: numbered segments of fixed size. The store writes, the host syncs.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

/// Names one segment of a medium (a file, a flash region). Chosen by the store, reused after removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u32);

/// Why a medium refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediumError {
    /// No room left on the device.
    NoSpace,
    /// No such segment.
    Missing,
    /// Offset and length do not lie within the segment.
    Bounds,
    /// Another process has this store open.
    Locked,
    /// The segment exists already.
    Exists,
    /// The device failed; the operating system's error number, 0 when unknown.
    Io(i32),
}

/// Numbered segments of bytes. All calls work on the page cache and return quickly, except [`Medium::sync`].
///
/// What is written becomes durable by `sync` and by nothing else; until then a power cut may keep any part of it, in
/// any order, torn at any byte. A write never changes bytes outside its range.
pub trait Medium {
    /// All segments, in any order.
    fn list(&self) -> Result<Vec<SegmentId>, MediumError>;
    /// Makes a segment of `len` zero bytes, physically written, so that later writes need no new blocks. On error
    /// nothing is left behind.
    fn create(&mut self, id: SegmentId, len: u32) -> Result<(), MediumError>;
    /// Length of a segment in bytes. After a crash in `create` it may be shorter than asked for.
    fn len(&self, id: SegmentId) -> Result<u32, MediumError>;
    /// Fills `buf` from `offset`.
    fn read(&self, id: SegmentId, offset: u32, buf: &mut [u8]) -> Result<(), MediumError>;
    /// Overwrites at `offset`; never extends the segment.
    fn write(&mut self, id: SegmentId, offset: u32, bytes: &[u8]) -> Result<(), MediumError>;
    /// Removes a segment. Until the next sync it may come back after a power cut.
    fn remove(&mut self, id: SegmentId) -> Result<(), MediumError>;
    /// The slow call: when it returns, everything done before it survives a power cut.
    fn sync(&mut self) -> Result<(), MediumError>;
}

impl fmt::Display for MediumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSpace => f.write_str("no room left on the device: free some space"),
            Self::Missing => f.write_str("a segment of the store is missing"),
            Self::Bounds => f.write_str("a segment of the store is shorter than it should be"),
            Self::Locked => f.write_str("the store is open in another process: stop that one first"),
            Self::Exists => f.write_str("a segment of the store exists already"),
            Self::Io(code) => write!(f, "the device failed (system error {code})"),
        }
    }
}

impl core::error::Error for MediumError {}

/// A medium in memory: for tests, simulations and devices that keep nothing.
#[derive(Clone, Debug, Default)]
pub struct RamMedium {
    segments: BTreeMap<SegmentId, Vec<u8>>,
    space: Option<u64>,
}

impl RamMedium {
    /// A medium that answers [`MediumError::NoSpace`] beyond `bytes`.
    #[must_use]
    pub fn with_space(bytes: u64) -> Self {
        Self { segments: BTreeMap::new(), space: Some(bytes) }
    }

    /// The bytes of one segment, for damaging them in tests.
    pub fn segment_mut(&mut self, id: SegmentId) -> Option<&mut Vec<u8>> {
        self.segments.get_mut(&id)
    }

    fn held(&self) -> u64 {
        self.segments.values().map(|s| s.len() as u64).sum()
    }
}

impl Medium for RamMedium {
    fn list(&self) -> Result<Vec<SegmentId>, MediumError> {
        Ok(self.segments.keys().copied().collect())
    }

    fn create(&mut self, id: SegmentId, len: u32) -> Result<(), MediumError> {
        if self.segments.contains_key(&id) {
            return Err(MediumError::Exists);
        }
        if self.space.is_some_and(|space| self.held() + u64::from(len) > space) {
            return Err(MediumError::NoSpace);
        }
        self.segments.insert(id, alloc::vec![0; len as usize]);
        Ok(())
    }

    fn len(&self, id: SegmentId) -> Result<u32, MediumError> {
        let segment = self.segments.get(&id).ok_or(MediumError::Missing)?;
        u32::try_from(segment.len()).map_err(|_| MediumError::Bounds)
    }

    fn read(&self, id: SegmentId, offset: u32, buf: &mut [u8]) -> Result<(), MediumError> {
        let segment = self.segments.get(&id).ok_or(MediumError::Missing)?;
        let range = span(offset, buf.len())?;
        buf.copy_from_slice(segment.get(range).ok_or(MediumError::Bounds)?);
        Ok(())
    }

    fn write(&mut self, id: SegmentId, offset: u32, bytes: &[u8]) -> Result<(), MediumError> {
        let segment = self.segments.get_mut(&id).ok_or(MediumError::Missing)?;
        let range = span(offset, bytes.len())?;
        segment.get_mut(range).ok_or(MediumError::Bounds)?.copy_from_slice(bytes);
        Ok(())
    }

    fn remove(&mut self, id: SegmentId) -> Result<(), MediumError> {
        self.segments.remove(&id).map(|_| ()).ok_or(MediumError::Missing)
    }

    fn sync(&mut self) -> Result<(), MediumError> {
        Ok(())
    }
}

fn span(offset: u32, len: usize) -> Result<core::ops::Range<usize>, MediumError> {
    let start = offset as usize;
    let end = start.checked_add(len).ok_or(MediumError::Bounds)?;
    Ok(start..end)
}
