//! Which rooms members listen to: their words are verified, kept and made known as attachment claims are (spec §65.7).

use super::custody::Creditor;
use super::meta::{Fate, Incoming, Kind, Meta};
use super::tell::What;
use super::{Count, Gateway};
use crate::io::{Directory, LinkId, StationKind, UplinkId};
use crate::limits::{DRAIN_RETRY, OUTDATED_RETRY};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use picket_relay::{Ingress, ListensOutcome, ParcelKey};
use picket_store::{Medium, PutError, Seq};
use picket_wire::control::{Control, Listens, RefuseReason};
use picket_wire::limits::CONTROL_MAX;
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Index, Precedence};

/// Where each member's newest word lies in the store.
#[derive(Debug, Default)]
pub(super) struct Listening {
    stored: BTreeMap<Index, ParcelKey>,
}

impl<M: Medium> Gateway<M> {
    /// The rooms that a member listens to, as far as is known here.
    #[must_use]
    pub fn rooms_of(&self, member: Index) -> &[Index] {
        self.relay.listeners().get(member).map(|word| word.rooms.as_slice()).unwrap_or_default()
    }

    /// A word came by a link, from the member itself or from another gateway: answered when it is durable, or when it is
    /// nothing to keep.
    pub(super) fn listens_by_link(
        &mut self,
        now: Instant,
        id: LinkId,
        creditor: Creditor,
        word: Listens,
        dir: &dyn Directory,
    ) {
        let from = creditor.owed().from;
        match self.follow_listens(now, word, Some(creditor), dir) {
            Some(ListensOutcome::Newer { .. }) => {}
            // It may be the same that is being written.
            Some(ListensOutcome::Same) if self.custody.also_owed(&listens_identity(&word), creditor) => {}
            // Its memory is older than ours: it comes back until it has learnt that.
            Some(ListensOutcome::Older) if from == word.member => {
                if let Some(known) = self.relay.listeners().get(word.member).copied() {
                    self.send(now, id, Some(from), Control::Listens(known));
                }
                self.refuse(now, creditor, RefuseReason::Expired, OUTDATED_RETRY, dir);
            }
            Some(ListensOutcome::Older) => {
                self.telling.tell(id, from, [(What::Listens, word.member)]);
                self.listens_durable(now, Vec::from([creditor]), dir);
            }
            Some(ListensOutcome::Same | ListensOutcome::Full) | None => {
                self.listens_durable(now, Vec::from([creditor]), dir);
            }
        }
    }

    /// Answers whoever told us, and hands over what waits in the rooms of a member that is attached here.
    pub(super) fn listens_durable(&mut self, now: Instant, creditors: Vec<Creditor>, dir: &dyn Directory) {
        for creditor in creditors {
            self.acknowledge(now, creditor, None, dir);
            self.drain_again(creditor.owed().from);
        }
    }

    /// Follows a word, whoever brought it: verified, remembered, and made known when the member is attached here. A newer
    /// one is written down, and `creditor` answered when that is durable.
    pub(super) fn follow_listens(
        &mut self,
        now: Instant,
        word: Listens,
        creditor: Option<Creditor>,
        dir: &dyn Directory,
    ) -> Option<ListensOutcome> {
        if self.relay.listeners().weigh(&word) == ListensOutcome::Same {
            let stored = self.listening.stored.get(&word.member).copied();
            if stored.is_some_and(|key| self.is_half_over(now, key)) {
                self.store_listens(now, word, None, dir);
            }
            return Some(ListensOutcome::Same);
        }
        if dir.is_revoked(word.member) {
            self.counters.add(Count::RefusedRevoked);
            return None;
        }
        if dir.kind(word.member) != Some(StationKind::Member) {
            self.counters.add(Count::ListensNotAMember);
            return None;
        }
        if !dir.verify_listens(&word) {
            self.counters.add(Count::ListensForged);
            return None;
        }
        let outcome = self.relay.follow_listens(now, word);
        match outcome {
            ListensOutcome::Newer { .. } => {
                self.counters.add(Count::ListensAccepted);
                self.store_listens(now, word, creditor, dir);
                self.announce_listens(word.member, dir);
            }
            ListensOutcome::Same => {}
            ListensOutcome::Older => {
                self.counters.add(Count::ListensOld);
                self.publish_listens(word.member, dir);
            }
            ListensOutcome::Full => self.counters.add(Count::ListensFull),
        }
        Some(outcome)
    }

    /// Words outlive a restart, for D.
    fn store_listens(&mut self, now: Instant, word: Listens, creditor: Option<Creditor>, dir: &dyn Directory) {
        let mut buffer = [0; CONTROL_MAX];
        let message = Control::Listens(word);
        let Ok(bytes) = message.encode(&mut buffer) else { return };
        let meta = Meta {
            destination: word.member,
            source: word.member,
            ingress: Ingress { from: self.me, uplink: None },
            hop_limit: 0,
            round: 0,
            raised: 0,
            fate: Fate::Open,
        };
        let incoming = Incoming::plain(Kind::Listens, Precedence::Routine, meta);
        let put = self.put(now, listens_identity(&word), &incoming, self.config.max_delay, bytes, creditor);
        match put {
            Ok(seq) => {
                if let Some(old) = self.listening.stored.insert(word.member, ParcelKey(seq.0)) {
                    self.custody.finish(now, old, Fate::Died, Duration::ZERO);
                }
            }
            Err(why) => {
                let retry = match why {
                    PutError::Full { retry_after } => retry_after,
                    PutError::TooLarge | PutError::Medium(_) | PutError::Failed => DRAIN_RETRY,
                };
                self.store_trouble();
                if let Some(creditor) = creditor {
                    self.refuse(now, creditor, RefuseReason::Full, retry, dir);
                }
            }
        }
    }

    /// The member is revoked: its word is no longer kept, nor is it found again after a restart.
    pub(super) fn forget_listens(&mut self, now: Instant, member: Index) {
        if let Some(key) = self.listening.stored.remove(&member)
            && !self.custody.finish(now, key, Fate::Died, Duration::ZERO)
        {
            self.store_trouble();
        }
    }

    pub(super) fn recover_listens(&mut self, now: Instant, key: ParcelKey) {
        let body = self.custody.queue_mut().body(Seq(key.0));
        match body.ok().and_then(|b| Control::decode(&b).ok()) {
            Some(Control::Listens(word)) => {
                self.relay.follow_listens(now, word);
                if let Some(old) = self.listening.stored.insert(word.member, key) {
                    self.custody.finish(now, old, Fate::Died, Duration::ZERO);
                }
            }
            Some(_) | None => self.counters.add(Count::UnparsableParcels),
        }
    }

    /// Makes a member's word known everywhere, if that is for us to do: while the member is attached here.
    pub(super) fn announce_listens(&mut self, member: Index, dir: &dyn Directory) {
        if self.publish_listens(member, dir) {
            self.tell_neighbours(What::Listens, member);
        }
    }

    /// Publishes it at all brokers; false where another gateway does.
    fn publish_listens(&mut self, member: Index, dir: &dyn Directory) -> bool {
        let here = self.relay.routes().get(member).is_some_and(|c| c.gateway == self.me);
        let Some(word) = self.relay.listeners().get(member).copied().filter(|_| here) else { return false };
        let uplinks: Vec<UplinkId> = self.uplinks.up().collect();
        for uplink in uplinks {
            self.uplink_listens(uplink, word, dir);
        }
        true
    }

    /// Those of these members whose word is known.
    pub(super) fn listening_of(&self, members: &[Index]) -> impl Iterator<Item = Index> {
        members.iter().copied().filter(|m| self.relay.listeners().get(*m).is_some())
    }

    pub(super) fn listens_expired(&mut self, now: Instant, key: ParcelKey, dir: &dyn Directory) {
        let member = self.custody.meta(now, key).map(|(_, _, meta)| meta.destination);
        self.custody.finish(now, key, Fate::Died, Duration::ZERO);
        if let Some(member) = member.filter(|m| self.listening.stored.get(m) == Some(&key)) {
            self.listening.stored.remove(&member);
            let attached = self.relay.surroundings().attached_port(member).is_some();
            match self.relay.listeners().get(member).copied().filter(|_| attached) {
                Some(word) => {
                    self.store_listens(now, word, None, dir);
                    self.announce_listens(member, dir);
                }
                None => self.relay.forget_listens(now, member),
            }
        }
    }
}

/// Identity of a stored word.
fn listens_identity(word: &Listens) -> Identity {
    Control::Listens(*word).parcel_identity().unwrap_or(Identity([0xC2; 16]))
}
