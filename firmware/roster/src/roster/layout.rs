//! The bytes of a roster: header, sections, tables (spec §30.2, §30.4).

use super::revocation::{check_revokers, read_revoked};
use super::window::check_windows;
use super::{KEYS, MISSION, POLICY, REVOKED, REVOKERS, RosterError, SIGNATURE_LEN, STATIONS, TIMES, WINDOWS};
use crate::codec::{DecodeError, Reader, Sections, skip_unknown};
use crate::file::{self, HEADER_LEN};
use crate::keys::PublicKey;
use crate::limits;
use crate::revoked::Revoked;
use crate::station::{EPOCH_KEYS_LEN, EpochKeys, STATION_LEN, Station, usable};
use core::ops::Range;
use picket_wire::Index;
use sha2::{Digest, Sha256};

/// What was found in the bytes: values copied, tables as ranges.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) version: u32,
    pub(super) hash: [u8; 32],
    pub(super) authority: PublicKey,
    pub(super) name: Range<usize>,
    pub(super) issued_s: u64,
    pub(super) epoch_start_s: u64,
    pub(super) epoch_s: u32,
    pub(super) max_delay_s: u32,
    pub(super) padding: Padding,
    pub(super) next_index: u32,
    pub(super) stations: Range<usize>,
    pub(super) keys: Range<usize>,
    /// How many revokers must sign, and their public keys.
    pub(super) revokers: Option<(u8, Range<usize>)>,
    /// Generation of the network key when the roster was signed.
    pub(super) generation: u8,
    pub(super) revoked: Revoked,
    /// Where the keys of extended stations begin (§30.16).
    pub(super) windows: Option<Range<usize>>,
}

/// How content is padded before it is sealed (spec §40.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Padding {
    /// Not at all: fewest bytes on air, length shows.
    #[default]
    Off,
    /// Up to the next multiple of 8 bytes.
    Steps8,
    /// Up to the next multiple of 16 bytes.
    Steps16,
    /// Up to 32, 64, 128 or 192 bytes, above that multiples of 64.
    Buckets,
}

impl Padding {
    pub(crate) const fn from_byte(byte: u8) -> Result<Self, DecodeError> {
        match byte {
            0 => Ok(Self::Off),
            1 => Ok(Self::Steps8),
            2 => Ok(Self::Steps16),
            3 => Ok(Self::Buckets),
            _ => Err(DecodeError::Value),
        }
    }

    #[cfg(feature = "authority")]
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::Steps8 => 1,
            Self::Steps16 => 2,
            Self::Buckets => 3,
        }
    }
}

/// The signed part and the signature.
pub(super) fn split(bytes: &[u8]) -> Result<(&[u8], [u8; SIGNATURE_LEN]), RosterError> {
    file::ROSTER.open(bytes).map_err(RosterError::Header)?;
    if bytes.len() > limits::ROSTER_MAX {
        return Err(DecodeError::TooLong.into());
    }
    let (signed, signature) = bytes.split_last_chunk::<SIGNATURE_LEN>().ok_or(DecodeError::Truncated)?;
    if signed.len() < HEADER_LEN { Err(DecodeError::Truncated.into()) } else { Ok((signed, *signature)) }
}

/// Decodes the format of a roster without checking its signature: for fuzzing and for tools that explain bytes.
/// Nothing read this way is to be trusted.
///
/// # Errors
/// [`RosterError`] of header or format.
pub fn check_roster_format(bytes: &[u8]) -> Result<(), RosterError> {
    let (signed, _) = split(bytes)?;
    Layout::read(signed).map(|_| ()).map_err(RosterError::Format)
}

impl Layout {
    /// Reads header, version and sections; checks both tables to the last record.
    pub(super) fn read(signed: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(signed.get(HEADER_LEN..).ok_or(DecodeError::Truncated)?);
        let version = r.u32()?;
        let mut sections = Sections::new(r.rest());
        let [mut mission, mut times, mut policy, mut stations, mut keys, mut revokers, mut revoked] = [None; 7];
        let mut windows = None;
        while let Some(section) = sections.next()? {
            match section.kind {
                MISSION => mission = Some(section.body),
                TIMES => times = Some(section.body),
                POLICY => policy = Some(section.body),
                STATIONS => stations = Some(section.body),
                KEYS => keys = Some(section.body),
                REVOKERS => revokers = Some(section.body),
                REVOKED => revoked = Some(section.body),
                WINDOWS => windows = Some(section.body),
                _ => skip_unknown(&section)?,
            }
        }
        let missing = DecodeError::Sections;
        let mut m = Reader::new(mission.ok_or(missing)?);
        let authority = crate::station::public(&mut m)?;
        let name = range_in(signed, m.name()?.as_bytes());
        m.end()?;
        let [issued_s, epoch_start_s, epoch_s, max_delay_s] = read_times(times.ok_or(missing)?)?;
        let mut p = Reader::new(policy.ok_or(missing)?);
        let padding = Padding::from_byte(p.u8()?)?;
        p.end()?;
        let keys = keys.ok_or(missing)?;
        let (next_index, table) = check_stations(stations.ok_or(missing)?, keys)?;
        let revokers = revokers.map(check_revokers).transpose()?;
        let (generation, revoked) = revoked.map(|body| read_revoked(body, next_index)).transpose()?.unwrap_or_default();
        if table.chunks_exact(STATION_LEN).any(|s| revoked.contains(Index(u16::from_be_bytes([s[0], s[1]])))) {
            return Err(DecodeError::Indices);
        }
        if let Some(windows) = windows {
            check_windows(windows, table)?;
        }
        Ok(Self {
            version,
            hash: Sha256::digest(signed).into(),
            authority,
            name,
            issued_s,
            epoch_start_s,
            epoch_s: u32::try_from(epoch_s).map_err(|_| DecodeError::Value)?,
            max_delay_s: u32::try_from(max_delay_s).map_err(|_| DecodeError::Value)?,
            padding,
            next_index,
            stations: range_in(signed, table),
            keys: range_in(signed, keys),
            revokers: revokers.map(|(k, list)| (k, range_in(signed, list))),
            generation,
            revoked,
            windows: windows.map(|list| range_in(signed, list)),
        })
    }
}

/// Whether D is within its limits, also counted in epochs.
pub(crate) const fn delay_fits(delay_s: u32, epoch_s: u32) -> bool {
    delay_s != 0 && delay_s <= limits::MAX_DELAY_MAX && delay_s.div_ceil(epoch_s) <= limits::LIVE_EPOCHS_MAX
}

/// Issued, epoch start, epoch length, D: each within its limits.
fn read_times(body: &[u8]) -> Result<[u64; 4], DecodeError> {
    let mut r = Reader::new(body);
    let (issued, start, epoch, delay) = (r.u64()?, r.u64()?, r.u32()?, r.u32()?);
    r.end()?;
    let epoch_fits = (limits::EPOCH_SECONDS_MIN..=limits::EPOCH_SECONDS_MAX).contains(&epoch);
    if !epoch_fits || !delay_fits(delay, epoch) {
        return Err(DecodeError::Value);
    }
    Ok([issued, start, u64::from(epoch), u64::from(delay)])
}

/// Checks every record of both tables; returns the next index and the station table.
fn check_stations<'a>(body: &'a [u8], keys: &[u8]) -> Result<(u32, &'a [u8]), DecodeError> {
    let mut r = Reader::new(body);
    let next_index = r.u32()?;
    let table = r.rest();
    if !table.len().is_multiple_of(STATION_LEN) || !keys.len().is_multiple_of(EPOCH_KEYS_LEN) {
        return Err(DecodeError::Truncated);
    }
    if table.len() / STATION_LEN > limits::STATIONS_MAX || next_index > 0x1_0000 {
        return Err(DecodeError::TooLong);
    }
    let (mut last, mut used) = (0u16, 0u32);
    for record in table.chunks_exact(STATION_LEN) {
        let station = Station::read(record)?;
        let fresh = station.index.0 > last && u32::from(station.index.0) < next_index;
        if !fresh || !usable(station.index) {
            return Err(DecodeError::Indices);
        }
        if station.keys_at != used || usize::from(station.epochs) > limits::EPOCHS_MAX {
            return Err(DecodeError::Value);
        }
        last = station.index.0;
        used = used.checked_add(u32::from(station.epochs)).ok_or(DecodeError::TooLong)?;
    }
    for record in keys.chunks_exact(EPOCH_KEYS_LEN) {
        EpochKeys::read(record)?;
    }
    let all = usize::try_from(used).map_err(|_| DecodeError::TooLong)?;
    if keys.len() / EPOCH_KEYS_LEN == all { Ok((next_index, table)) } else { Err(DecodeError::Value) }
}

/// Where `part`, a subslice of `whole`, lies in it.
fn range_in(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start.saturating_add(part.len())
}
