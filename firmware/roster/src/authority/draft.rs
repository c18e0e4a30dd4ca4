//! A roster in the making: enrol, remove, sign.

use super::{AuthorityKey, DraftError, section};
use crate::codec::checked_name;
use crate::device::DeviceRequest;
use crate::file;
use crate::keys::PublicKey;
use crate::limits;
use crate::revoked::Revoked;
use crate::roster::{self, Padding, Roster, Window};
use crate::station::{EPOCH_KEYS_LEN, EpochKeys, Kind, STATION_LEN, usable};
use alloc::string::String;
use alloc::vec::Vec;
use picket_wire::Index;

/// A roster in the making: start with [`RosterDraft::new`] or from the one in force, enrol, sign.
#[derive(Clone, Debug)]
pub struct RosterDraft {
    /// Mission name, 1 to 32 bytes.
    pub mission_name: String,
    /// Start of epoch 0, Unix seconds.
    pub epoch_start: u64,
    /// Length of an epoch, seconds.
    pub epoch_seconds: u32,
    /// Longest delivery delay D, seconds.
    pub max_delay_s: u32,
    /// Padding policy.
    pub padding: Padding,
    version: u32,
    next_index: u32,
    pub(super) stations: Vec<DraftStation>,
    pub(crate) generation: u8,
    pub(crate) revoked: Revoked,
    pub(crate) revokers: Option<(u8, Vec<PublicKey>)>,
}

#[derive(Clone, Debug)]
pub(super) struct DraftStation {
    pub(super) index: Index,
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) identity: PublicKey,
    pub(super) agreement: PublicKey,
    pub(super) first_epoch: u32,
    pub(super) listed_from: u32,
    pub(super) replaced: u16,
    pub(super) keys: Vec<EpochKeys>,
}

impl RosterDraft {
    /// An empty mission with default epoch length and D.
    ///
    /// # Errors
    /// [`DraftError::Name`].
    pub fn new(mission_name: &str, epoch_start: u64) -> Result<Self, DraftError> {
        checked_name(mission_name.as_bytes()).map_err(|_| DraftError::Name)?;
        Ok(Self {
            mission_name: mission_name.into(),
            epoch_start,
            epoch_seconds: limits::EPOCH_SECONDS_DEFAULT,
            max_delay_s: limits::MAX_DELAY_DEFAULT,
            padding: Padding::Off,
            version: 0,
            next_index: 1,
            stations: Vec::new(),
            generation: 0,
            revoked: Revoked::default(),
            revokers: None,
        })
    }

    /// Continues from the roster in force.
    #[must_use]
    pub fn from_roster(roster: &Roster<impl AsRef<[u8]>>) -> Self {
        let stations = roster.stations().map(|s| DraftStation {
            index: s.index,
            kind: s.kind,
            name: s.name.into(),
            identity: s.identity,
            agreement: s.agreement,
            first_epoch: s.first_epoch,
            listed_from: s.listed_from,
            replaced: s.replaced,
            keys: (s.listed_from..s.listed_end()).filter_map(|epoch| roster.epoch_keys(s.index, epoch)).collect(),
        });
        Self {
            mission_name: roster.mission_name().into(),
            epoch_start: roster.epoch_start(),
            epoch_seconds: roster.epoch_seconds(),
            max_delay_s: u32::try_from(roster.max_delay().as_secs()).unwrap_or(u32::MAX),
            padding: roster.padding(),
            version: roster.version(),
            next_index: roster.next_index(),
            stations: stations.collect(),
            generation: roster.generation(),
            revoked: roster.revoked().clone(),
            revokers: roster.revokers().map(|(k, keys)| (k, keys.collect())),
        }
    }

    /// Enrols a verified request; its keys begin at `first_epoch` (the current one). Returns the index given.
    ///
    /// # Errors
    /// [`DraftError`].
    pub fn enrol(&mut self, request: &DeviceRequest<'_>, first_epoch: u32) -> Result<Index, DraftError> {
        checked_name(request.name.as_bytes()).map_err(|_| DraftError::Name)?;
        if self.stations.iter().any(|s| s.name == request.name) {
            return Err(DraftError::NameTaken);
        }
        if self.stations.iter().any(|s| s.identity == request.identity) {
            return Err(DraftError::KeyTaken);
        }
        if (request.kind == Kind::Member) != (request.epochs() > 0) {
            return Err(DraftError::NoKeys);
        }
        let index = (self.next_index..=u32::from(u16::MAX))
            .filter_map(|n| u16::try_from(n).ok().map(Index))
            .find(|index| usable(*index))
            .ok_or(DraftError::Full)?;
        self.next_index = u32::from(index.0) + 1;
        self.stations.push(DraftStation {
            index,
            kind: request.kind,
            name: request.name.into(),
            identity: request.identity,
            agreement: request.agreement,
            first_epoch,
            listed_from: first_epoch,
            replaced: 0,
            keys: request.epoch_keys().collect(),
        });
        Ok(index)
    }

    /// The station of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Index> {
        self.stations.iter().find(|s| s.name == name).map(|s| s.index)
    }

    /// The identity key of a member, which signs its requests.
    #[must_use]
    pub fn identity_of(&self, member: Index) -> Option<PublicKey> {
        self.stations.iter().find(|s| s.index == member && s.kind == Kind::Member).map(|s| s.identity)
    }

    /// Name of a station.
    #[must_use]
    pub fn name_of(&self, index: Index) -> Option<&str> {
        self.stations.iter().find(|s| s.index == index).map(|s| s.name.as_str())
    }

    /// Removes a station; its index stays used.
    ///
    /// # Errors
    /// [`DraftError::Unknown`].
    pub fn remove(&mut self, index: Index) -> Result<(), DraftError> {
        let at = self.stations.iter().position(|s| s.index == index).ok_or(DraftError::Unknown)?;
        self.stations.remove(at);
        Ok(())
    }

    pub(crate) const fn next_index(&self) -> u32 {
        self.next_index
    }

    pub(crate) fn lists(&self, index: Index) -> bool {
        self.stations.iter().any(|s| s.index == index)
    }

    /// Version the next signature will carry.
    #[must_use]
    pub const fn next_version(&self) -> u32 {
        self.version.saturating_add(1)
    }

    /// Signs the draft as the next version; `issued` is the authority's clock in Unix seconds. Returns the roster file.
    ///
    /// # Errors
    /// [`DraftError`].
    pub fn sign(&mut self, authority: &AuthorityKey, issued: u64) -> Result<Vec<u8>, DraftError> {
        let version = self.version.checked_add(1).ok_or(DraftError::Version)?;
        checked_name(self.mission_name.as_bytes()).map_err(|_| DraftError::Name)?;
        let epoch_fits = (limits::EPOCH_SECONDS_MIN..=limits::EPOCH_SECONDS_MAX).contains(&self.epoch_seconds);
        if !epoch_fits || !roster::delay_fits(self.max_delay_s, self.epoch_seconds) {
            return Err(DraftError::Times);
        }
        let mut out = Vec::new();
        out.extend_from_slice(&file::ROSTER.header());
        out.extend_from_slice(&version.to_be_bytes());
        let public = authority.public()?;
        let name_len = u8::try_from(self.mission_name.len()).map_err(|_| DraftError::Name)?;
        section(&mut out, roster::MISSION, &[&public.0, &[name_len], self.mission_name.as_bytes()])?;
        section(
            &mut out,
            roster::TIMES,
            &[
                &issued.to_be_bytes(),
                &self.epoch_start.to_be_bytes(),
                &self.epoch_seconds.to_be_bytes(),
                &self.max_delay_s.to_be_bytes(),
            ],
        )?;
        section(&mut out, roster::POLICY, &[&[self.padding.byte()]])?;
        let (stations, keys) = self.tables()?;
        section(&mut out, roster::STATIONS, &[&self.next_index.to_be_bytes(), &stations])?;
        section(&mut out, roster::KEYS, &[&keys])?;
        self.revocation_sections(&mut out)?;
        self.window_section(&mut out)?;
        let signature = authority.sign(roster::DOMAIN, &out)?;
        out.extend_from_slice(&signature);
        Roster::verify(out.as_slice(), &public).map_err(DraftError::Roster)?;
        self.version = version;
        Ok(out)
    }

    /// Sections 6 and 7, where there is something to say.
    fn revocation_sections(&self, out: &mut Vec<u8>) -> Result<(), DraftError> {
        if let Some((k, keys)) = &self.revokers {
            let keys: Vec<u8> = keys.iter().flat_map(|key| key.0).collect();
            section(out, roster::REVOKERS, &[&[*k], &keys])?;
        }
        if self.generation > 0 {
            let revoked: Vec<u8> = self.revoked.as_slice().iter().flat_map(|i| i.0.to_be_bytes()).collect();
            section(out, roster::REVOKED, &[&[self.generation], &revoked])?;
        }
        Ok(())
    }

    /// Section 8, of the stations whose listed keys do not begin where they were enrolled.
    fn window_section(&self, out: &mut Vec<u8>) -> Result<(), DraftError> {
        let moved = self.stations.iter().filter(|s| s.listed_from != s.first_epoch || s.replaced > 0);
        let window = |s: &DraftStation| Window { index: s.index, from: s.listed_from, replaced: s.replaced };
        let windows: Vec<u8> = moved.flat_map(|s| window(s).to_bytes()).collect();
        if windows.is_empty() { Ok(()) } else { section(out, roster::WINDOWS, &[&windows]) }
    }

    /// The station table and the key table.
    fn tables(&self) -> Result<(Vec<u8>, Vec<u8>), DraftError> {
        let mut stations = Vec::with_capacity(self.stations.len() * STATION_LEN);
        let mut keys = Vec::new();
        for s in &self.stations {
            let keys_at = u32::try_from(keys.len() / EPOCH_KEYS_LEN).map_err(|_| DraftError::TooLong)?;
            let count = u16::try_from(s.keys.len()).map_err(|_| DraftError::TooLong)?;
            let mut name = [0u8; limits::NAME_MAX];
            name.get_mut(..s.name.len()).ok_or(DraftError::Name)?.copy_from_slice(s.name.as_bytes());
            stations.extend_from_slice(&s.index.0.to_be_bytes());
            stations.push(s.kind.byte());
            stations.push(u8::try_from(s.name.len()).map_err(|_| DraftError::Name)?);
            stations.extend_from_slice(&name);
            stations.extend_from_slice(&s.identity.0);
            stations.extend_from_slice(&s.agreement.0);
            stations.extend_from_slice(&s.first_epoch.to_be_bytes());
            stations.extend_from_slice(&count.to_be_bytes());
            stations.extend_from_slice(&keys_at.to_be_bytes());
            for k in &s.keys {
                keys.extend_from_slice(&k.to_bytes());
            }
        }
        Ok((stations, keys))
    }
}
