//! The way to a gateway: the leaf, and which parcels are on offer over it.

use crate::desk::Item;
use crate::limits::RETRY_DEFAULT;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use picket_node::gate::Emcon;
use picket_node::leaf::{Leaf, LinkConfig, OfferId, Outcome, Standing};
use picket_wire::Index;
use picket_wire::control::RefuseReason;
use picket_wire::time::{Duration, Instant};

/// A refusal that passes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotNow {
    pub(crate) until: Instant,
    pub(crate) reason: RefuseReason,
}

#[derive(Debug, Default)]
pub(crate) struct Way {
    pub(crate) leaf: Option<Leaf>,
    /// What the leaf said while nobody could act on it.
    pub(crate) said: VecDeque<Outcome>,
    /// Emission control on this way and the next ones.
    emcon: Emcon,
    /// Bytes for the medium.
    pub(crate) transmit: Option<Vec<u8>>,
    offers: u64,
    flight: BTreeMap<OfferId, Item>,
    not_now: BTreeMap<Item, NotNow>,
}

impl Way {
    pub(crate) fn replace(&mut self, config: LinkConfig) {
        let mut leaf = Leaf::new(config);
        leaf.set_emcon(self.emcon);
        *self = Self { leaf: Some(leaf), offers: self.offers, emcon: self.emcon, ..Self::default() };
    }

    /// An object in force, to be handed to gateways that lack it.
    pub(crate) fn object(&mut self, now: Instant, me: Index, object: Vec<u8>) {
        if let Some(leaf) = &mut self.leaf {
            leaf.object(now, me, object);
        }
    }

    /// The roster in force, likewise, but not spoken of.
    pub(crate) fn keep(&mut self, object: Vec<u8>) {
        if let Some(leaf) = &mut self.leaf {
            leaf.keep(object);
        }
    }

    /// A state comes into force; what waits for the medium does not outlive a silence.
    pub(crate) fn set_emcon(&mut self, emcon: Emcon) {
        self.emcon = emcon;
        if emcon.forbids_all() {
            self.transmit = None;
        }
        if let Some(leaf) = &mut self.leaf {
            leaf.set_emcon(emcon);
        }
    }

    pub(crate) fn awaits_object(&self, now: Instant) -> bool {
        self.leaf.as_ref().is_some_and(|leaf| leaf.awaits_object(now))
    }

    pub(crate) fn standing(&self) -> Standing {
        self.leaf.as_ref().map_or(Standing::Down, Leaf::standing)
    }

    /// The gateway we are attached to, also while that is being renewed.
    pub(crate) fn gateway(&self) -> Option<Index> {
        match self.standing() {
            Standing::Attached(gateway) | Standing::Attaching(gateway) => Some(gateway),
            Standing::Down | Standing::Searching => None,
        }
    }

    pub(crate) fn next_offer_id(&mut self) -> OfferId {
        self.offers += 1;
        OfferId(self.offers)
    }

    pub(crate) fn offered(&mut self, offer: OfferId, item: Item) {
        self.flight.insert(offer, item);
        self.not_now.remove(&item);
    }

    /// An offer is answered.
    pub(crate) fn answered(&mut self, offer: OfferId) -> Option<Item> {
        self.flight.remove(&offer)
    }

    pub(crate) fn is_offered(&self, item: Item) -> bool {
        self.flight.values().any(|i| *i == item)
    }

    pub(crate) fn in_flight(&self) -> impl Iterator<Item = (OfferId, Item)> {
        self.flight.iter().map(|(offer, item)| (*offer, *item))
    }

    pub(crate) fn withdraw(&mut self, item: Item) {
        let offers: Vec<OfferId> = self.flight.iter().filter(|(_, i)| **i == item).map(|(o, _)| *o).collect();
        for offer in offers {
            self.flight.remove(&offer);
            if let Some(leaf) = &mut self.leaf {
                leaf.withdraw(offer);
            }
        }
        self.not_now.remove(&item);
    }

    pub(crate) fn refused(&mut self, now: Instant, item: Item, reason: RefuseReason, retry: Duration) {
        let retry = if retry == Duration::ZERO { RETRY_DEFAULT } else { retry };
        self.not_now.insert(item, NotNow { until: now + retry, reason });
    }

    pub(crate) fn not_now(&self, now: Instant, item: Item) -> Option<NotNow> {
        self.not_now.get(&item).copied().filter(|n| now < n.until)
    }

    /// Attached anew, or not at all: nothing is on offer, and what another gateway refused counts no more.
    pub(crate) fn reset_offers(&mut self) {
        self.flight.clear();
        self.not_now.clear();
    }

    /// Refusals whose time is over.
    pub(crate) fn forget_refusals(&mut self, now: Instant) {
        self.not_now.retain(|_, n| now < n.until);
    }

    pub(crate) fn next_wake(&self) -> Option<Instant> {
        if !self.said.is_empty() || self.transmit.is_some() {
            return Some(Instant::ZERO);
        }
        let retry = self.not_now.values().map(|n| n.until).min();
        let leaf = self.leaf.as_ref().and_then(Leaf::next_wake);
        match (retry, leaf) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}
