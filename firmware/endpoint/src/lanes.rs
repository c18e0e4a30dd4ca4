//! Lanes (spec §40.10): which slot a message is sealed in, which chain opens one, and when the keys of a slot go.

use crate::batch::Batch;
use crate::home::Home;
use crate::keys;
use crate::limits::{LANES_EVERY, VAULT_COMMIT_MAX};
use crate::sessions::{put_send_as, read_receive, receive_bytes};
use crate::vault::{Vault, VaultError};
use alloc::vec::Vec;
use picket_seal::{Lane, ReceiveSession, SendSession, Slot};
use picket_wire::time::{Duration, Instant, Wall};
use picket_wire::{Index, Lifetime};
use zeroize::Zeroizing;

/// Chains that opening an envelope takes out of the session they come from; stored only if it opens.
pub(crate) struct Entered {
    pub(crate) base_key: Vec<u8>,
    pub(crate) base_seen: u64,
    pub(crate) base: ReceiveSession,
    /// Slots before the one wanted: their messages may still come.
    pub(crate) passed: Vec<ReceiveSession>,
}

impl<V: Vault> Home<V> {
    /// The chain for a message of this lifetime, now: of a slot of the pre-placed session; `None`: the session in use.
    /// What of it changes the session it comes from is in the batch.
    pub(crate) fn lane_session(
        &mut self,
        now: Instant,
        to: Index,
        lifetime: Lifetime,
        batch: &mut Batch,
    ) -> Result<Option<SendSession>, VaultError> {
        let (Some(epoch), false) = (self.record.epoch, self.record.rolled_back) else { return Ok(None) };
        if !self.announced(to)?.uses_lanes() {
            return Ok(None);
        }
        let length = self.roster.epoch_seconds();
        let max_delay = u32::try_from(self.roster.max_delay().as_secs()).unwrap_or(u32::MAX);
        let Some(lane) = Lane::for_lifetime(lifetime.duration().as_secs(), length, max_delay) else { return Ok(None) };
        let wanted = Slot::at(lane, self.offset(now, epoch), length);
        let Some(mut base) = self.lane_base(to, epoch)? else { return Ok(None) };
        let stored = self.stored_send_as(&keys::send_lane(to, lane))?;
        // A later slot than wanted: the clock was set back, and no chain leads back.
        let usable = |s: &SendSession| s.id() == base.id() && s.slot() >= Some(wanted) && s.next_counter() < u32::MAX;
        if let Some(session) = stored.filter(usable) {
            return Ok(Some(session));
        }
        let Some(session) = base.enter(wanted) else { return Ok(None) };
        put_send_as(batch, keys::send_placed(to), &base)?;
        Ok(Some(session))
    }

    /// What leads to the slots of the epoch in force.
    fn lane_base(&mut self, to: Index, epoch: u32) -> Result<Option<SendSession>, VaultError> {
        let stored = self.stored_send_as(&keys::send_placed(to))?;
        Ok(stored.filter(|s| s.id().epoch == epoch))
    }

    /// Seconds since an epoch began: by wall time, else by the home's own.
    pub(crate) fn offset(&self, now: Instant, epoch: u32) -> u64 {
        let start = self.roster.start_of(epoch);
        if let Some(wall) = self.clock.wall(now) {
            return wall.as_secs().saturating_sub(start);
        }
        let current = self.record.epoch.unwrap_or(0);
        let in_current = Duration::from_micros(self.clock.age(now).saturating_sub(self.record.epoch_age)).as_secs();
        let passed = u64::from(current.saturating_sub(epoch)) * u64::from(self.roster.epoch_seconds());
        if epoch > current { 0 } else { in_current.saturating_add(passed) }
    }

    /// The chain of `slot` out of the session it comes from; `None`: that does not lead there (any more).
    pub(crate) fn enter_slot(
        base_key: Vec<u8>,
        base_seen: u64,
        mut base: ReceiveSession,
        slot: Slot,
    ) -> Option<(ReceiveSession, Entered)> {
        let mut passed = Vec::new();
        while base.leads_to(slot) {
            passed.push(base.enter(slot.lane())?);
        }
        let session = passed.pop()?;
        Some((session, Entered { base_key, base_seen, base, passed }))
    }

    /// Erases what leads to slots that are over: roots in sessions, and the slots' own chains. Says whether any was.
    pub(crate) fn erase_slots(&mut self, now: Instant) -> Result<bool, VaultError> {
        let mut batch = Batch::default();
        let mut erased = false;
        for key in self.scan(keys::RECEIVE)? {
            let Some(epoch) = keys::receive_epoch(&key).filter(|_| keys::receive_sid_of(&key) == Some(0)) else {
                continue;
            };
            let bytes = Zeroizing::new(self.get(&key)?.ok_or(VaultError::Damaged)?);
            let (seen, mut session) = read_receive(&bytes)?;
            if self.erase_over(now, epoch, &mut session) {
                batch.put(key, receive_bytes(seen, &session)?);
                erased = true;
            }
            if batch.bytes() > VAULT_COMMIT_MAX / 2 {
                self.commit(now, self.record.clone(), core::mem::take(&mut batch))?;
            }
        }
        for key in self.scan(keys::RECEIVE_SLOT)? {
            let (Some(epoch), Some(slot)) = (keys::receive_epoch(&key), keys::slot_of(&key)) else { continue };
            if self.offset(now, epoch) >= slot.over_s(self.roster.epoch_seconds()) {
                batch.remove(key);
                erased = true;
            }
        }
        if erased {
            self.commit(now, self.record.clone(), batch)?;
        }
        Ok(erased)
    }

    fn erase_over(&self, now: Instant, epoch: u32, session: &mut ReceiveSession) -> bool {
        let (offset, length) = (self.offset(now, epoch), self.roster.epoch_seconds());
        let mut changed = false;
        for lane in Lane::ALL {
            changed |= match Slot::oldest_live(lane, offset, length) {
                Some(slot) => session.erase_slots_before(slot),
                None => session.erase_lane(lane),
            };
        }
        changed
    }

    /// When a slot may be over next: at the next boundary of the shortest slots, but not all too often.
    pub(crate) fn next_slot_end(&self, now: Instant) -> Option<Instant> {
        let epoch = self.record.epoch?;
        let length = self.roster.epoch_seconds();
        let offset = self.offset(now, epoch);
        let slot = Duration::from_secs(u64::from(length / u32::from(Lane::Minutes.slots())));
        let number = Slot::at(Lane::Minutes, offset, length).number();
        let boundary = Slot::from_byte(number.saturating_add(1)).map(|next| next.begins_s(length));
        let wait = match boundary.filter(|b| *b > offset) {
            Some(at) if slot > LANES_EVERY => {
                let start = Wall(self.roster.start_of(epoch).saturating_add(at).saturating_mul(1_000));
                return Some(self.clock.instant_of_wall(start).unwrap_or(now + Duration::from_secs(at - offset)));
            }
            Some(_) | None => LANES_EVERY,
        };
        Some(now + wait)
    }
}
