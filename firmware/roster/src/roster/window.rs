//! Section 8: of extended stations, where the keys listed now begin (spec §30.16).

use crate::codec::{DecodeError, Reader};
use crate::station::{Kind, STATION_LEN, Station};
use picket_wire::Index;

/// Bytes of a record: index 2, epoch of the first keys listed 4, how often keys were replaced 2.
const LEN: usize = 8;

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) index: Index,
    pub(crate) from: u32,
    pub(crate) replaced: u16,
}

impl Window {
    fn read(record: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(record);
        Ok(Self { index: Index(r.u16()?), from: r.u32()?, replaced: r.u16()? })
    }

    #[cfg(feature = "authority")]
    pub(crate) fn to_bytes(self) -> [u8; LEN] {
        let mut out = [0; LEN];
        out[..2].copy_from_slice(&self.index.0.to_be_bytes());
        out[2..6].copy_from_slice(&self.from.to_be_bytes());
        out[6..].copy_from_slice(&self.replaced.to_be_bytes());
        out
    }
}

/// Every record names a listed member, in ascending order, and says something that the station's own record does not.
pub(super) fn check_windows(body: &[u8], table: &[u8]) -> Result<(), DecodeError> {
    if body.is_empty() || !body.len().is_multiple_of(LEN) {
        return Err(DecodeError::Truncated);
    }
    let mut stations = table.chunks_exact(STATION_LEN);
    let mut last = 0;
    for record in body.chunks_exact(LEN) {
        let window = Window::read(record)?;
        if window.index.0 <= last {
            return Err(DecodeError::Indices);
        }
        last = window.index.0;
        // Both tables ascend: one walk finds all.
        let found = stations.find_map(|s| Station::read(s).ok().filter(|s| s.index >= window.index));
        let station =
            found.filter(|s| s.index == window.index && s.kind == Kind::Member).ok_or(DecodeError::Indices)?;
        let says_something = window.from > station.first_epoch || window.replaced > 0;
        let overflow = window.from.checked_add(u32::from(station.epochs)).is_none();
        if window.from < station.first_epoch || !says_something || overflow {
            return Err(DecodeError::Value);
        }
    }
    Ok(())
}

/// A station with what its record here says, if it has one (binary search; the section was checked).
pub(super) fn moved<'s>(mut station: Station<'s>, body: &[u8]) -> Station<'s> {
    let records = body.as_chunks::<LEN>().0;
    let at = records.binary_search_by_key(&station.index.0, |r| u16::from_be_bytes([r[0], r[1]]));
    if let Some(window) = at.ok().and_then(|at| records.get(at)).and_then(|r| Window::read(r).ok()) {
        station.listed_from = window.from;
        station.replaced = window.replaced;
    }
    station
}
