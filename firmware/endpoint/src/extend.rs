//! Keys of further epochs: made here, pending until a roster lists them, then in force (spec §70.11).

use crate::batch::Batch;
use crate::endpoint::Endpoint;
use crate::home::Home;
use crate::io::Random;
use crate::keys;
use crate::limits::{CLOCKS_DIFFER_EPOCHS, EPOCHS_FEW};
use crate::vault::{Vault, VaultError};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use picket_roster::limits::{EPOCHS_DEFAULT, EPOCHS_MAX, EXTENSION_MAX, LIVE_EPOCHS_MAX};
use picket_roster::{DeviceSecrets, Extension, Roster, Station};
use picket_wire::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Keys for further epochs, and the request that has them listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extending {
    /// The request's bytes, public.
    pub request: Vec<u8>,
    /// The epochs.
    pub epochs: Range<u32>,
    /// They were made before, and no roster lists them yet: it is the same request again.
    pub again: bool,
}

/// Why no keys for further epochs are made. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtendError {
    /// This device is revoked.
    Revoked,
    /// Others were made already, and wait to be listed.
    Pending {
        /// Their epochs.
        epochs: Range<u32>,
    },
    /// There are keys for as long as there is reason to.
    Enough {
        /// The epoch after the last one.
        end: u32,
    },
    /// More than a device may have keys for at once.
    TooMany {
        /// How many fit now.
        most: u32,
    },
    /// The vault did not take it.
    Vault(VaultError),
}

impl fmt::Display for ExtendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revoked => f.write_str("this device is revoked: it takes part in this mission no more"),
            Self::Pending { epochs } => write!(
                f,
                "keys for {} epochs ({} to {}) were made already and wait to be listed",
                epochs.len(),
                epochs.start,
                epochs.end.saturating_sub(1)
            ),
            Self::Enough { end } => {
                write!(f, "this device has keys up to epoch {} already: nothing to do yet", end.saturating_sub(1))
            }
            Self::TooMany { most } => {
                write!(f, "a device has keys for at most {EPOCHS_MAX} epochs at once: {most} more fit now")
            }
            Self::Vault(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for ExtendError {}

impl From<VaultError> for ExtendError {
    fn from(e: VaultError) -> Self {
        Self::Vault(e)
    }
}

/// What becomes of our own keys under a newer roster.
pub(crate) struct OwnKeys {
    /// The secrets that belong to it, where they are not the same as before.
    pub(crate) secrets: Option<DeviceSecrets>,
    /// The first epoch whose keys were pending until now.
    pub(crate) first: Option<u32>,
    /// Everything that was pending is listed.
    pub(crate) all_listed: bool,
}

impl<V: Vault> Home<V> {
    /// Keys that no roster lists yet.
    fn pending(&mut self) -> Result<Option<Extension>, VaultError> {
        let Some(bytes) = self.get(keys::EXTENSION)?.map(Zeroizing::new) else { return Ok(None) };
        Extension::from_bytes(&bytes).map(Some).map_err(|_| VaultError::Damaged)
    }

    /// What becomes of our own keys under a verified, newer roster. `None`: it lists for us what is neither in the one in
    /// force, which was compared with our secrets, nor pending here. Whoever put that there would read what is sent to us
    /// (spec E-70.8-3).
    pub(crate) fn own_keys_in(&mut self, offered: &Roster<Vec<u8>>) -> Result<Option<OwnKeys>, VaultError> {
        let me = self.me();
        let pending = self.pending()?;
        let (Some(old), Some(new)) = (self.roster.station(me), offered.station(me)) else { return Ok(None) };
        if old.identity != new.identity || old.agreement != new.agreement {
            return Ok(None);
        }
        let mut first = None;
        for epoch in new.listed_from..new.listed_end() {
            let listed = offered.epoch_keys(me, epoch);
            let known = self.roster.epoch_keys(me, epoch);
            if known.is_some() && known == listed && first.is_none() {
                continue;
            }
            if listed.is_none() || pending.as_ref().and_then(|p| p.public(epoch)) != listed {
                return Ok(None);
            }
            first = first.or(Some(epoch));
        }
        let window = new.listed_from..new.listed_end();
        let secrets = match first.is_some() || new.listed_from != old.listed_from {
            false => None,
            true => Some(self.secrets.with_epochs(window, |epoch| match first {
                Some(first) if epoch >= first => pending.as_ref().and_then(|p| p.seeds(epoch)),
                Some(_) | None => self.secrets.seeds(epoch).cloned(),
            })),
        };
        let secrets = secrets.transpose().map_err(|_| VaultError::Damaged)?;
        let all_listed = first.is_some() && pending.is_some_and(|p| p.epochs().end <= new.listed_end());
        Ok(Some(OwnKeys { secrets, first, all_listed }))
    }

    /// The present epoch, as well as it is known.
    fn epoch_now(&self, now: Instant) -> u32 {
        let by_clock = self.clock.wall(now).map(|wall| self.roster.epoch_at(wall));
        self.record.epoch.max(by_clock).unwrap_or(0)
    }
}

impl<V: Vault> Endpoint<V> {
    /// Makes keys for `count` epochs to come (as many as are usual, when it does not say), and the request that has them
    /// listed; the private halves are durable here when this returns. While such a request waits it is given again: a
    /// roster may come that lists its keys, and they must not be gone then.
    ///
    /// # Errors
    /// [`ExtendError`].
    pub fn extend(
        &mut self,
        now: Instant,
        count: Option<u16>,
        random: &mut dyn Random,
    ) -> Result<Extending, ExtendError> {
        if self.home.revoked {
            return Err(ExtendError::Revoked);
        }
        let station = self.home.roster.station(self.me()).ok_or(ExtendError::Revoked)?;
        let (listed, current) = (station.listed_from..station.listed_end(), self.home.epoch_now(now));
        let oldest = self.home.roster.oldest_live(current);
        // No authority lists keys whose epochs are over.
        let pending = self.home.pending()?.filter(|p| p.epochs().end > current.max(listed.end));
        if let Some(pending) = pending {
            let epochs = pending.epochs();
            let asked = count.map(|n| current.max(listed.end).saturating_add(n.into()));
            if asked.is_some_and(|end| end > epochs.end) {
                return Err(ExtendError::Pending { epochs });
            }
            return Ok(Extending { request: self.request_for(&pending)?, epochs, again: true });
        }
        let epochs = further(&listed, current, oldest, count)?;
        let mut secret = Zeroizing::new([0; 32]);
        random.fill(secret.as_mut());
        let count = u16::try_from(epochs.len()).unwrap_or(u16::MAX);
        let made = Extension::new(&secret, epochs.start, count)
            .map_err(|_| ExtendError::TooMany { most: u32::try_from(EPOCHS_MAX).unwrap_or(0) })?;
        let request = self.request_for(&made)?;
        let mut batch = Batch::default();
        batch.put(keys::EXTENSION.to_vec(), made.to_bytes().to_vec());
        self.home.commit(now, self.home.record.clone(), batch)?;
        Ok(Extending { request, epochs, again: false })
    }

    fn request_for(&self, keys: &Extension) -> Result<Vec<u8>, VaultError> {
        let mut buffer = alloc::vec![0; EXTENSION_MAX];
        let (identity, mission) = (self.home.secrets.identity(), self.home.mission());
        keys.request(identity, mission, self.me(), &mut buffer).map(<[u8]>::to_vec).map_err(|_| VaultError::Damaged)
    }

    /// Epochs for which this device has keys in the roster, and of those made further ones that none lists yet.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn own_epochs(&mut self) -> Result<(Range<u32>, Option<Range<u32>>), VaultError> {
        let listed = self.home.roster.station(self.home.me()).map(|s| s.listed_from..s.listed_end());
        let listed = listed.unwrap_or(0..0);
        let pending = self.home.pending()?.map(|p| p.epochs()).filter(|p| p.end > listed.end);
        Ok((listed, pending))
    }

    /// How long this device's own keys last, when they are few: then `extend` is due, and its owner should know.
    pub fn few_keys(&self, now: Instant) -> Option<Duration> {
        let end = self.home.roster.station(self.me()).as_ref().map(Station::listed_end)?;
        let left = end.saturating_sub(self.home.epoch_now(now));
        if self.home.revoked || left >= EPOCHS_FEW {
            return None;
        }
        let by_epochs = u64::from(left).saturating_mul(u64::from(self.home.roster.epoch_seconds()));
        let by_clock = self.home.clock.wall(now).map(|w| self.home.roster.start_of(end).saturating_sub(w.as_secs()));
        Some(Duration::from_secs(by_clock.unwrap_or(by_epochs)))
    }
}

/// The epochs to make keys for: those that follow what is listed, or from now on where all of that is long over; `count` of
/// them are still to come, or have just begun.
fn further(listed: &Range<u32>, current: u32, oldest: u32, count: Option<u16>) -> Result<Range<u32>, ExtendError> {
    let long_over = listed.end.saturating_add(LIVE_EPOCHS_MAX + CLOCKS_DIFFER_EPOCHS) < current;
    let start = if long_over { current } else { listed.end };
    let kept = if long_over { start } else { listed.start.max(oldest).min(start) };
    let to_come = start.max(current);
    let room = |most: u32| kept.saturating_add(most).saturating_sub(to_come);
    let most = room(u32::try_from(EPOCHS_MAX).unwrap_or(0));
    let wanted = count.map_or_else(|| room(EPOCHS_DEFAULT.into()), u32::from);
    match wanted {
        0 => Err(ExtendError::Enough { end: listed.end }),
        n if n > most => Err(ExtendError::TooMany { most }),
        n => Ok(start..to_come.saturating_add(n)),
    }
}
