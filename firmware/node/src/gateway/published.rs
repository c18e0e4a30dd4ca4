//! Parcels published at one broker, found by handle, by key and by identity prefix without searching.

use super::dispatch::Outgoing;
use crate::io::PublishId;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use picket_relay::{Branch, ParcelKey};
use picket_wire::{Identity, Index};

/// One publish that no custodian has acknowledged yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Published {
    pub identity: Identity,
    pub hop_limit: u8,
    pub round: u8,
    /// The only gateway whose answer counts; `None`: any.
    pub only: Option<Index>,
    publish: PublishId,
}

/// All of them. A parcel is in here from its publish until it is finished, answered, or the broker is away.
#[derive(Debug, Default)]
pub(super) struct Publishes {
    /// Without PUBACK.
    waiting: BTreeMap<PublishId, Branch>,
    offered: BTreeMap<Branch, Published>,
    by_prefix: BTreeSet<(u16, Branch)>,
}

impl Publishes {
    /// How many wait for a PUBACK.
    pub(super) fn unconfirmed(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn insert(&mut self, key: Branch, publish: PublishId, parcel: &Outgoing, only: Option<Index>) {
        self.remove(key);
        let Outgoing { identity, hop_limit, round, .. } = *parcel;
        self.waiting.insert(publish, key);
        self.by_prefix.insert((identity.prefix(), key));
        self.offered.insert(key, Published { identity, hop_limit, round, only, publish });
    }

    /// A PUBACK; which parcel it is for, unless that is not offered here any more.
    pub(super) fn confirmed(&mut self, publish: PublishId) -> Option<Branch> {
        self.waiting.remove(&publish)
    }

    /// The offer was taken back: a late PUBACK is ignored, a late acknowledgement is not.
    pub(super) fn forget(&mut self, key: Branch) {
        if let Some(published) = self.offered.get(&key) {
            self.waiting.remove(&published.publish);
        }
    }

    /// An answer was taken, or none is wanted any more.
    pub(super) fn remove(&mut self, key: Branch) {
        if let Some(published) = self.offered.remove(&key) {
            self.waiting.remove(&published.publish);
            self.by_prefix.remove(&(published.identity.prefix(), key));
        }
    }

    /// No answer about any branch of a parcel is wanted any more.
    pub(super) fn remove_all(&mut self, parcel: ParcelKey) {
        let all = Branch { parcel, to: Index(0) }..=Branch { parcel, to: Index(u16::MAX) };
        let branches: Vec<Branch> = self.offered.range(all).map(|(branch, _)| *branch).collect();
        branches.into_iter().for_each(|branch| self.remove(branch));
    }

    /// Those an answer with this prefix may be for.
    pub(super) fn with_prefix(&self, prefix: u16) -> Vec<(Branch, Published)> {
        let end = |parcel, to| (prefix, Branch { parcel: ParcelKey(parcel), to: Index(to) });
        let range = end(0, 0)..=end(u64::MAX, u16::MAX);
        let found = self.by_prefix.range(range).filter_map(|(_, key)| Some((*key, *self.offered.get(key)?)));
        found.collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.offered.len(), self.by_prefix.len());
        self.offered.len()
    }
}
