//! Stations of a roster and their pre-placed keys (spec §30.4).

use crate::codec::{DecodeError, Reader, checked_name};
use crate::keys::PublicKey;
use crate::limits::NAME_MAX;
use picket_wire::Index;

/// Bytes of a station record: index 2, kind 1, name length 1, name 32, IS 33, IK 33, first epoch 4, epochs 2, where
/// its keys begin 4.
pub(crate) const STATION_LEN: usize = 80 + NAME_MAX;

/// Bytes of one epoch's public keys: E, R, P.
pub(crate) const EPOCH_KEYS_LEN: usize = 99;

/// What a station is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A person's device: holds end-to-end keys.
    Member,
    /// A board that relays: holds none.
    Gateway,
}

/// One station of the roster, borrowed from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Station<'a> {
    /// Its index: its address, never reused.
    pub index: Index,
    /// What it is.
    pub kind: Kind,
    /// Its name, unique in the mission.
    pub name: &'a str,
    /// Public identity key IS (ECDSA).
    pub identity: PublicKey,
    /// Public agreement key IK (ECDH).
    pub agreement: PublicKey,
    /// The epoch it was enrolled in: where its pre-shared keys with earlier stations begin, for ever.
    pub first_epoch: u32,
    /// Epoch of the first keys that are listed: the first epoch, until keys that are over leave the roster (§30.16).
    pub listed_from: u32,
    /// Number of epochs whose keys are listed; 0 for gateways.
    pub epochs: u16,
    /// How often the station replaced keys that were listed already.
    pub replaced: u16,
    /// Where its epoch keys begin in the key section, in records.
    pub(crate) keys_at: u32,
}

/// Public halves of one member for one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochKeys {
    /// E: what the member sends its pre-placed sessions from.
    pub e: PublicKey,
    /// R: what pre-placed sessions to the member go to.
    pub r: PublicKey,
    /// P: prekey, what in-band sessions to the member go to.
    pub p: PublicKey,
}

impl Kind {
    pub(crate) const fn from_byte(byte: u8) -> Result<Self, DecodeError> {
        match byte {
            0 => Ok(Self::Member),
            1 => Ok(Self::Gateway),
            _ => Err(DecodeError::Value),
        }
    }

    /// Its byte in files.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Member => 0,
            Self::Gateway => 1,
        }
    }
}

impl<'a> Station<'a> {
    /// Reads one record; its bytes were checked when the roster was verified or are checked now.
    pub(crate) fn read(record: &'a [u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(record);
        let index = Index(r.u16()?);
        let kind = Kind::from_byte(r.u8()?)?;
        let len = usize::from(r.u8()?);
        let field = r.take(NAME_MAX)?;
        let (name, padding) = field.split_at_checked(len).ok_or(DecodeError::Value)?;
        if padding.iter().any(|b| *b != 0) {
            return Err(DecodeError::Value);
        }
        let (name, identity, agreement) = (checked_name(name)?, public(&mut r)?, public(&mut r)?);
        let (first_epoch, epochs, keys_at) = (r.u32()?, r.u16()?, r.u32()?);
        let station = Self {
            index,
            kind,
            name,
            identity,
            agreement,
            first_epoch,
            listed_from: first_epoch,
            epochs,
            replaced: 0,
            keys_at,
        };
        r.end()?;
        let gateway_with_keys = station.kind == Kind::Gateway && station.epochs != 0;
        let overflow = station.first_epoch.checked_add(u32::from(station.epochs)).is_none();
        if gateway_with_keys || overflow { Err(DecodeError::Value) } else { Ok(station) }
    }

    /// The epoch after the last one whose keys are listed.
    #[must_use]
    pub const fn listed_end(&self) -> u32 {
        self.listed_from.saturating_add(self.epochs as u32)
    }

    /// Position of `epoch`'s keys in the key section, if the station has any for it.
    pub(crate) fn key_record(&self, epoch: u32) -> Option<usize> {
        let k = epoch.checked_sub(self.listed_from)?;
        if k >= u32::from(self.epochs) {
            return None;
        }
        usize::try_from(self.keys_at.checked_add(k)?).ok()
    }
}

impl EpochKeys {
    /// Reads 99 bytes: E ‖ R ‖ P.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let keys = Self { e: public(&mut r)?, r: public(&mut r)?, p: public(&mut r)? };
        r.end()?;
        Ok(keys)
    }

    /// The 99 bytes of the roster: E ‖ R ‖ P.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; EPOCH_KEYS_LEN] {
        let mut out = [0; EPOCH_KEYS_LEN];
        out[..33].copy_from_slice(&self.e.0);
        out[33..66].copy_from_slice(&self.r.0);
        out[66..].copy_from_slice(&self.p.0);
        out
    }
}

/// Whether an index may be given to a station: not 0, below the rooms, low byte not the broadcast address.
pub(crate) const fn usable(index: Index) -> bool {
    index.0 != 0 && index.0 < Index::ROOM_FIRST.0 && index.low() != Index::BROADCAST
}

pub(crate) fn public(r: &mut Reader<'_>) -> Result<PublicKey, DecodeError> {
    let key = PublicKey(r.array()?);
    if key.plausible() { Ok(key) } else { Err(DecodeError::Value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_index_is_a_station_and_a_room() {
        assert!((0..=u16::MAX).all(|n| !(usable(Index(n)) && Index(n).is_room())));
        assert!(usable(Index(0xBFFE)) && !usable(Index(0xC000)));
        assert!(Index(0xC000).is_room() && !Index(0xBFFE).is_room() && !Index(0xC0FF).is_room());
    }
}
