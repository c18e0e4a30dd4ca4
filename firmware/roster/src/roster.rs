//! The roster: a verified view over the bytes that the authority signed (spec §30.2 to §30.5).

use crate::keys::{PublicKey, mission_of};
use crate::revoked::Revoked;
use crate::station::{EPOCH_KEYS_LEN, EpochKeys, STATION_LEN, Station};
use core::fmt;
use core::ops::Range;
use layout::{Layout, split};
use picket_wire::time::{Duration, Wall};
use picket_wire::{Index, MissionId};

mod error;
mod layout;
mod revocation;
mod upgrade;
mod window;

pub use error::RosterError;
#[cfg(feature = "authority")]
pub(crate) use layout::delay_fits;
pub use layout::{Padding, check_roster_format};
pub use upgrade::{Upgrade, UpgradeError, upgrade};
#[cfg(feature = "authority")]
pub(crate) use window::Window;

pub(crate) const DOMAIN: &[u8] = b"PICKET-roster";
pub(crate) const SIGNATURE_LEN: usize = 64;

pub(crate) const MISSION: u32 = 1;
pub(crate) const TIMES: u32 = 2;
pub(crate) const POLICY: u32 = 3;
pub(crate) const STATIONS: u32 = 4;
pub(crate) const KEYS: u32 = 5;
pub(crate) const REVOKERS: u32 = 6;
pub(crate) const REVOKED: u32 = 7;
pub(crate) const WINDOWS: u32 = 8;

/// A verified roster. `B` holds the bytes as received: a slice, a vector, a memory map.
#[derive(Clone)]
pub struct Roster<B> {
    bytes: B,
    layout: Layout,
    /// Those of section 7, and of every REVOKE put in force since.
    revoked: Revoked,
}

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
        table.chunks_exact(STATION_LEN).filter_map(|record| self.read_station(record))
    }

    /// One record, with where its keys begin now.
    fn read_station<'r>(&self, record: &'r [u8]) -> Option<Station<'r>> {
        let station = Station::read(record).ok()?;
        match self.layout.windows.as_ref() {
            None => Some(station),
            Some(range) => Some(window::moved(station, self.slice(range)?)),
        }
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
                core::cmp::Ordering::Equal => return self.read_station(record),
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

    /// Public keys of a member for an epoch; `None` for gateways, and for epochs whose keys are not listed (yet, or any
    /// more).
    pub fn epoch_keys(&self, index: Index, epoch: u32) -> Option<EpochKeys> {
        self.keys_of(&self.station(index)?, epoch)
    }

    /// The same, of a station of this roster.
    fn keys_of(&self, station: &Station<'_>, epoch: u32) -> Option<EpochKeys> {
        let at = station.key_record(epoch)?;
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
