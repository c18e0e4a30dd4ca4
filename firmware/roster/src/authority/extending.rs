//! Keys of further epochs come into the roster, and keys of epochs that are over leave it (spec §30.16).

use super::draft::{DraftStation, RosterDraft};
use crate::extension::ExtensionRequest;
use crate::limits::EPOCHS_MAX;
use crate::station::EpochKeys;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use picket_wire::Index;

/// What an extension did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extended {
    /// Whose.
    pub index: Index,
    /// Epochs whose keys are listed now.
    pub listed: Range<u32>,
    /// Keys that were listed already were replaced.
    pub replaced: bool,
}

/// Why keys of further epochs are not listed. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtendError {
    /// No such member is listed.
    Unknown {
        /// Its index.
        index: Index,
    },
    /// All of them are listed already, the very same.
    Nothing {
        /// The epoch after the last one listed.
        end: u32,
    },
    /// All its epochs are over.
    Over,
    /// Epochs would be left out.
    Gap {
        /// The epoch that must follow.
        next: u32,
    },
    /// More than a device may have keys for at once.
    TooMany {
        /// How many fit now.
        most: u16,
    },
    /// Other keys are listed for one of the epochs already.
    OtherKeys {
        /// The first such epoch.
        epoch: u32,
    },
    /// Its keys were replaced as often as can be counted.
    Worn,
}

impl fmt::Display for ExtendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { index } => write!(f, "no member of index {} is listed", index.0),
            Self::Nothing { end } => {
                write!(f, "these very keys are listed already, up to epoch {}", end.saturating_sub(1))
            }
            Self::Over => f.write_str("all epochs in this request are over: have the device make a new one"),
            Self::Gap { next } => write!(f, "epoch {next} must be in it, and is not: have the device make a new one"),
            Self::TooMany { most } => {
                write!(f, "only {most} epochs more fit now: have the device ask for as many, or later")
            }
            Self::OtherKeys { epoch } => write!(f, "other keys of this device are listed for epoch {epoch} already"),
            Self::Worn => f.write_str("its keys were replaced too often: enrol the device anew"),
        }
    }
}

impl core::error::Error for ExtendError {}

impl RosterDraft {
    /// The oldest epoch whose end + D has not passed in `epoch`.
    #[must_use]
    pub fn oldest_live(&self, epoch: u32) -> u32 {
        epoch.saturating_sub(self.max_delay_s.div_ceil(self.epoch_seconds.max(1)))
    }

    /// Lists the keys of a verified request, and drops the device's keys of epochs that are over; `current` is the epoch of
    /// now. Keys that are listed already are replaced only where `replace` says so: the device has lost them.
    ///
    /// # Errors
    /// [`ExtendError`]; nothing changed then.
    pub fn extend(
        &mut self,
        request: &ExtensionRequest<'_>,
        current: u32,
        replace: bool,
    ) -> Result<Extended, ExtendError> {
        let oldest = self.oldest_live(current);
        let index = request.own;
        let station = self.stations.iter_mut().find(|s| s.index == index).ok_or(ExtendError::Unknown { index })?;
        let next = station.with(request, current, oldest, replace)?;
        let replaced = next.replaced != station.replaced;
        (station.listed_from, station.replaced, station.keys) = (next.from, next.replaced, next.keys);
        Ok(Extended { index, listed: station.listed(), replaced })
    }
}

/// What a station will list.
struct Next {
    from: u32,
    replaced: u16,
    keys: Vec<EpochKeys>,
}

impl DraftStation {
    fn listed(&self) -> Range<u32> {
        let count = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        self.listed_from..self.listed_from.saturating_add(count)
    }

    fn keys_of(&self, epoch: u32) -> Option<EpochKeys> {
        self.keys.get(usize::try_from(epoch.checked_sub(self.listed_from)?).ok()?).copied()
    }

    fn with(
        &self,
        request: &ExtensionRequest<'_>,
        current: u32,
        oldest: u32,
        replace: bool,
    ) -> Result<Next, ExtendError> {
        let (listed, asked) = (self.listed(), request.epochs());
        if asked.end <= current {
            return Err(ExtendError::Over);
        }
        // What is kept: epochs that are not over. Where nothing is, the request begins anew, about now.
        let kept = listed.start.max(oldest)..listed.end;
        let next = if kept.is_empty() { current.max(listed.end) } else { listed.end };
        let begins = if kept.is_empty() { next.saturating_add(1) } else { next };
        if asked.start > begins {
            return Err(ExtendError::Gap { next });
        }
        // Never before what is listed now: what has left the roster does not come back.
        let low = oldest.max(self.listed_from);
        let counts = || request.epoch_keys().filter(|(epoch, _)| *epoch >= low);
        let differs = counts().find(|(epoch, keys)| self.keys_of(*epoch).is_some_and(|k| k != *keys));
        let lacks = counts().any(|(epoch, _)| self.keys_of(epoch).is_none());
        let replaced = match differs {
            None if !lacks => return Err(ExtendError::Nothing { end: listed.end }),
            None => self.replaced,
            Some((epoch, _)) if !replace => return Err(ExtendError::OtherKeys { epoch }),
            Some(_) => self.replaced.checked_add(1).ok_or(ExtendError::Worn)?,
        };
        let first = asked.start.max(low);
        let before = kept.start..if differs.is_some() { first.min(kept.end) } else { kept.end };
        let from = if before.is_empty() { first } else { before.start };
        let mut keys: Vec<EpochKeys> = before.clone().filter_map(|epoch| self.keys_of(epoch)).collect();
        let after = if before.is_empty() { first } else { before.end };
        keys.extend(counts().filter(|(epoch, _)| *epoch >= after).map(|(_, keys)| keys));
        if keys.len() > EPOCHS_MAX {
            let room = EPOCHS_MAX.saturating_sub(before.len());
            return Err(ExtendError::TooMany { most: u16::try_from(room).unwrap_or(0) });
        }
        Ok(Next { from, replaced, keys })
    }
}
