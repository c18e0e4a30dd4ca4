//! The roster: a verified view over the bytes that the authority signed (spec §30.2 to §30.5).

use crate::codec::{DecodeError, Reader, Sections, skip_unknown};
use crate::file::{self, HEADER_LEN, HeaderError};
use crate::keys::{PublicKey, mission_of};
use crate::limits;
use crate::revoked::Revoked;
use crate::station::{EPOCH_KEYS_LEN, EpochKeys, STATION_LEN, Station, usable};
use core::fmt;
use core::ops::Range;
use picket_wire::time::{Duration, Wall};
use picket_wire::{Index, MissionId};
use revocation::{check_revokers, read_revoked};
use sha2::{Digest, Sha256};

mod revocation;

pub(crate) const DOMAIN: &[u8] = b"PICKET-roster";
pub(crate) const SIGNATURE_LEN: usize = 64;

pub(crate) const MISSION: u32 = 1;
pub(crate) const TIMES: u32 = 2;
pub(crate) const POLICY: u32 = 3;
pub(crate) const STATIONS: u32 = 4;
pub(crate) const KEYS: u32 = 5;
pub(crate) const REVOKERS: u32 = 6;
pub(crate) const REVOKED: u32 = 7;

/// A verified roster. `B` holds the bytes as received: a slice, a vector, a memory map.
#[derive(Clone)]
pub struct Roster<B> {
    bytes: B,
    layout: Layout,
    /// Those of section 7, and of every REVOKE put in force since.
    revoked: Revoked,
}

/// What was found in the bytes: values copied, tables as ranges.
#[derive(Clone, Debug)]
struct Layout {
    version: u32,
    hash: [u8; 32],
    authority: PublicKey,
    name: Range<usize>,
    issued_s: u64,
    epoch_start_s: u64,
    epoch_s: u32,
    max_delay_s: u32,
    padding: Padding,
    next_index: u32,
    stations: Range<usize>,
    keys: Range<usize>,
    /// How many revokers must sign, and their public keys.
    revokers: Option<(u8, Range<usize>)>,
    /// Generation of the network key when the roster was signed.
    generation: u8,
    revoked: Revoked,
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

/// Why bytes are not a roster to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RosterError {
    /// Another kind of file, or a newer format.
    Header(HeaderError),
    /// The bytes do not follow the format.
    Format(DecodeError),
    /// The authority's signature does not verify: not our mission's, or altered.
    Signature,
    /// Signed by the right key, but it names another authority inside.
    Authority,
}

/// What an accepted roster is, compared with the one in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// Strictly newer: put it in force.
    Newer,
    /// The very same: nothing to do.
    Same,
}

/// Why a roster is not put in force (spec §30.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeError {
    /// Its version is lower than the one in force.
    Older {
        /// Version in force.
        current: u32,
        /// Version offered.
        offered: u32,
    },
    /// ALARM: same version, other content. The authority signed two, or its key is in other hands.
    Conflict {
        /// The version both carry.
        version: u32,
    },
    /// Another mission's.
    Mission,
    /// ALARM: an index now names another station, or the list of given indices shrank.
    Reused {
        /// The index.
        index: Index,
    },
    /// ALARM: it does not know of a revocation that the roster in force knows of.
    Unrevoked,
}

impl fmt::Display for RosterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(e) => write!(f, "roster: {e}"),
            Self::Format(e) => write!(f, "roster: {e}"),
            Self::Signature => {
                f.write_str("roster: the authority's signature does not verify; get it from the authority again")
            }
            Self::Authority => f.write_str("roster: names another authority than the one that signed it"),
        }
    }
}

impl core::error::Error for RosterError {}

impl From<DecodeError> for RosterError {
    fn from(e: DecodeError) -> Self {
        Self::Format(e)
    }
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Older { current, offered } => {
                write!(f, "roster version {offered} is lower than {current}, which is in force; nothing changed")
            }
            Self::Conflict { version } => write!(
                f,
                "ALARM: two different rosters carry version {version}; nothing changed, tell the authority at once"
            ),
            Self::Mission => f.write_str("this roster belongs to another mission; nothing changed"),
            Self::Reused { index } => write!(
                f,
                "ALARM: index {} names another station than before; nothing changed, tell the authority at once",
                index.0
            ),
            Self::Unrevoked => f.write_str(
                "ALARM: this roster knows nothing of a revocation that is in force; nothing changed, tell the authority \
                 at once",
            ),
        }
    }
}

impl core::error::Error for UpgradeError {}

impl<B: AsRef<[u8]>> fmt::Debug for Roster<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roster")
            .field("version", &self.layout.version)
            .field("mission", &self.mission_name())
            .field("stations", &self.len())
            .finish()
    }
}

impl<B: AsRef<[u8]>> Roster<B> {
    /// Verifies `bytes` against the authority's public key; the only way to a `Roster`.
    ///
    /// # Errors
    /// [`RosterError`]; the signature is checked before anything inside is believed.
    pub fn verify(bytes: B, authority: &PublicKey) -> Result<Self, RosterError> {
        let (signed, signature) = split(bytes.as_ref())?;
        authority.verify(DOMAIN, signed, &signature).map_err(|_| RosterError::Signature)?;
        let layout = Layout::read(signed)?;
        if layout.authority != *authority {
            return Err(RosterError::Authority);
        }
        let revoked = layout.revoked.clone();
        Ok(Self { bytes, layout, revoked })
    }

    /// The bytes as received, signature included: what is passed on and stored.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// Gives the bytes back.
    pub fn into_inner(self) -> B {
        self.bytes
    }

    /// Version: only strictly higher ones replace a roster.
    pub const fn version(&self) -> u32 {
        self.layout.version
    }

    /// SHA-256 over the signed bytes.
    pub const fn hash(&self) -> &[u8; 32] {
        &self.layout.hash
    }

    /// The authority's public key AK.
    pub const fn authority(&self) -> &PublicKey {
        &self.layout.authority
    }

    /// The mission's identifier.
    pub fn mission(&self) -> MissionId {
        mission_of(&self.layout.authority)
    }

    /// The mission's name.
    pub fn mission_name(&self) -> &str {
        self.slice(&self.layout.name).and_then(|b| core::str::from_utf8(b).ok()).unwrap_or("")
    }

    /// When it was signed, by the authority's clock.
    pub const fn issued(&self) -> Wall {
        Wall(self.layout.issued_s.saturating_mul(1_000))
    }

    /// Start of epoch 0, Unix seconds.
    pub const fn epoch_start(&self) -> u64 {
        self.layout.epoch_start_s
    }

    /// Length of an epoch in seconds.
    pub const fn epoch_seconds(&self) -> u32 {
        self.layout.epoch_s
    }

    /// Longest delivery delay D: keys of an epoch are kept until its end + D.
    pub const fn max_delay(&self) -> Duration {
        Duration::from_secs(self.layout.max_delay_s as u64)
    }

    /// Padding policy of the mission.
    pub const fn padding(&self) -> Padding {
        self.layout.padding
    }

    /// The epoch of a trusted wall time; 0 before the mission begins.
    pub fn epoch_at(&self, now: Wall) -> u32 {
        let since = now.as_secs().saturating_sub(self.layout.epoch_start_s);
        u32::try_from(since / u64::from(self.layout.epoch_s)).unwrap_or(u32::MAX)
    }

    /// Start of `epoch`, Unix seconds.
    pub fn start_of(&self, epoch: u32) -> u64 {
        let since = u64::from(epoch).saturating_mul(u64::from(self.layout.epoch_s));
        self.layout.epoch_start_s.saturating_add(since)
    }

    /// Oldest epoch whose end + D has not passed when `epoch` has just begun: everything before it is erased.
    pub fn oldest_live(&self, epoch: u32) -> u32 {
        // End of e is the start of e + 1; alive while (e + 1)·len + D > epoch·len.
        let kept = self.layout.max_delay_s.div_ceil(self.layout.epoch_s);
        epoch.saturating_sub(kept)
    }

    /// Number of stations listed, revoked or not.
    pub fn len(&self) -> usize {
        self.layout.stations.len() / STATION_LEN
    }

    /// Whether there is no station at all.
    pub fn is_empty(&self) -> bool {
        self.layout.stations.is_empty()
    }

    /// All stations that are not revoked, indices ascending.
    pub fn stations(&self) -> impl Iterator<Item = Station<'_>> {
        self.all_listed().filter(|s| !self.revoked.contains(s.index))
    }

    fn all_listed(&self) -> impl Iterator<Item = Station<'_>> {
        let table = self.slice(&self.layout.stations).unwrap_or(&[]);
        table.chunks_exact(STATION_LEN).filter_map(|record| Station::read(record).ok())
    }

    /// The station of an index; `None` for one that is revoked.
    pub fn station(&self, index: Index) -> Option<Station<'_>> {
        if self.revoked.contains(index) { None } else { self.listed(index) }
    }

    /// The station of an index, revoked or not: for telling people whose it was, and for nothing else (binary search).
    pub fn listed(&self, index: Index) -> Option<Station<'_>> {
        let table = self.slice(&self.layout.stations)?;
        let (mut low, mut high) = (0, table.len() / STATION_LEN);
        while low < high {
            let mid = low + (high - low) / 2;
            let record = table.get(mid * STATION_LEN..(mid + 1) * STATION_LEN)?;
            let here = u16::from_be_bytes([record[0], record[1]]);
            match here.cmp(&index.0) {
                core::cmp::Ordering::Equal => return Station::read(record).ok(),
                core::cmp::Ordering::Less => low = mid + 1,
                core::cmp::Ordering::Greater => high = mid,
            }
        }
        None
    }

    /// The station of a name (linear).
    pub fn by_name(&self, name: &str) -> Option<Station<'_>> {
        self.stations().find(|s| s.name == name)
    }

    /// Public keys of a member for an epoch; `None` for gateways and epochs it made no keys for.
    pub fn epoch_keys(&self, index: Index, epoch: u32) -> Option<EpochKeys> {
        let at = self.station(index)?.key_record(epoch)?;
        let table = self.slice(&self.layout.keys)?;
        let record = table.get(at.checked_mul(EPOCH_KEYS_LEN)?..)?.get(..EPOCH_KEYS_LEN)?;
        EpochKeys::read(record).ok()
    }

    /// One more than the highest index ever given in this mission.
    pub const fn next_index(&self) -> u32 {
        self.layout.next_index
    }

    fn slice(&self, range: &Range<usize>) -> Option<&[u8]> {
        self.bytes.as_ref().get(range.clone())
    }
}

/// Decides whether `offered` may replace `current`. Both are verified; this is about versions (spec §30.5).
///
/// # Errors
/// [`UpgradeError`], two of which are alarms.
pub fn upgrade<A: AsRef<[u8]>, B: AsRef<[u8]>>(
    current: &Roster<A>,
    offered: &Roster<B>,
) -> Result<Upgrade, UpgradeError> {
    if current.authority() != offered.authority() {
        return Err(UpgradeError::Mission);
    }
    let (have, new) = (current.version(), offered.version());
    if new < have {
        return Err(UpgradeError::Older { current: have, offered: new });
    }
    if new == have {
        let same = current.hash() == offered.hash();
        return if same { Ok(Upgrade::Same) } else { Err(UpgradeError::Conflict { version: have }) };
    }
    if offered.next_index() < current.next_index() {
        let index = Index(u16::try_from(offered.next_index()).unwrap_or(u16::MAX));
        return Err(UpgradeError::Reused { index });
    }
    let forgets =
        offered.generation() < current.generation() || !offered.layout.revoked.includes(&current.layout.revoked);
    if forgets {
        return Err(UpgradeError::Unrevoked);
    }
    for station in offered.all_listed() {
        let old = current.listed(station.index);
        let changed = old.is_some_and(|o| o.identity != station.identity || o.kind != station.kind);
        let revived = old.is_none() && u32::from(station.index.0) < current.next_index();
        if changed || revived {
            return Err(UpgradeError::Reused { index: station.index });
        }
    }
    Ok(Upgrade::Newer)
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
fn split(bytes: &[u8]) -> Result<(&[u8], [u8; SIGNATURE_LEN]), RosterError> {
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
    fn read(signed: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(signed.get(HEADER_LEN..).ok_or(DecodeError::Truncated)?);
        let version = r.u32()?;
        let mut sections = Sections::new(r.rest());
        let [mut mission, mut times, mut policy, mut stations, mut keys, mut revokers, mut revoked] = [None; 7];
        while let Some(section) = sections.next()? {
            match section.kind {
                MISSION => mission = Some(section.body),
                TIMES => times = Some(section.body),
                POLICY => policy = Some(section.body),
                STATIONS => stations = Some(section.body),
                KEYS => keys = Some(section.body),
                REVOKERS => revokers = Some(section.body),
                REVOKED => revoked = Some(section.body),
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
