//! One transmission for several neighbours (spec §50.12): each is told first, in a frame of its own; the symbols go to
//! everyone; then each is asked in turn what it lacks, so that no two answer at once. Custody stays a matter between
//! two: every member is an offer with an answer of its own.

use crate::api::{Offer, OfferId};
use crate::limits::{ANNOUNCEMENTS_EACH, AWAITED_PROBES};
use crate::offers::{Offers, Tx, coded};
use crate::peer::Peer;
use crate::pick::Pick;
use alloc::vec::Vec;
use picket_codes::fountain::Encoder;

/// Offers of the same envelope that one encoder serves.
#[derive(Debug)]
pub(crate) struct Group {
    encoder: Encoder,
    members: Vec<OfferId>,
}

/// A member's place in its group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Membership {
    /// Which group.
    pub(crate) group: u64,
    /// The neighbour is to be told (again) that symbols will come.
    pub(crate) tell: bool,
    told: u8,
    /// It said that it knows.
    pub(crate) knows: bool,
}

impl Offers {
    /// Offers one envelope to several neighbours at once. Short ones go to each in a frame of its own, which costs less
    /// than telling them first.
    pub(crate) fn insert_group(&mut self, offers: Vec<Offer>) {
        let members: Vec<OfferId> = offers.iter().map(|o| o.id).collect();
        offers.into_iter().for_each(|offer| {
            let urgency = offer.precedence;
            self.insert(offer, urgency);
        });
        if members.len() < 2 || members.iter().any(|id| self.get(*id).is_none_or(|tx| tx.coded.is_none())) {
            return;
        }
        self.groups_made += 1;
        let group = self.groups_made;
        let mut encoder = None;
        for id in &members {
            let Some(tx) = self.tx_mut(*id) else { continue };
            tx.membership = Some(Membership { group, tell: true, told: 0, knows: false });
            encoder = tx.coded.as_mut().and_then(|c| c.join_group()).or(encoder);
        }
        if let Some(encoder) = encoder {
            self.groups.insert(group, Group { encoder, members });
        }
    }

    /// Whether symbols wait for this neighbour: it has not said that it knows, and was not yet given up as silent.
    fn awaited(&self, tx: &Tx) -> bool {
        let probes = self.peers.get(&tx.offer.to).and_then(Peer::probing);
        tx.membership.is_some_and(|m| !m.knows) && probes.is_none_or(|n| n < AWAITED_PROBES)
    }

    /// A member of the group of `tx` that was not told yet and is listening.
    pub(crate) fn untold(&self, tx: &Tx) -> Option<OfferId> {
        let group = self.groups.get(&tx.membership?.group)?;
        group.members.iter().copied().find(|id| {
            self.get(*id).is_some_and(|m| m.membership.is_some_and(|m| m.tell) && !self.is_silent(m.offer.to))
        })
    }

    /// The neighbour of `id` was told. When it is one that does not answer, the others need not wait for it any more.
    pub(crate) fn was_told(&mut self, id: OfferId) {
        let Some(m) = self.tx_mut(id).and_then(|tx| tx.membership.as_mut()) else { return };
        (m.tell, m.told) = (false, m.told.saturating_add(1));
        let group = m.group;
        let given_up = self.get(id).and_then(|tx| self.peers.get(&tx.offer.to)).and_then(Peer::probing);
        if given_up == Some(AWAITED_PROBES) && self.may_start(group) {
            self.wake_group(group);
        }
    }

    /// The neighbour of `id` has answered. Symbols go out when every member that is listening has; true for offers that
    /// stand alone.
    pub(crate) fn confirmed(&mut self, id: OfferId) -> bool {
        let Some(m) = self.tx_mut(id).and_then(|tx| tx.membership.as_mut()) else { return true };
        let news = !m.knows;
        m.knows = true;
        let group = m.group;
        let may_start = self.may_start(group);
        if may_start && news {
            self.wake_group(group);
        }
        may_start
    }

    /// Whether the neighbour of `id` knows what will come, and others of its group do not yet.
    pub(crate) fn waits_for_others(&self, id: OfferId) -> bool {
        let membership = self.get(id).and_then(|tx| tx.membership);
        membership.is_some_and(|m| m.knows && !self.may_start(m.group))
    }

    fn members(&self, group: u64) -> impl Iterator<Item = &Tx> {
        let members = self.groups.get(&group).map(|g| g.members.as_slice()).unwrap_or_default();
        members.iter().filter_map(|member| self.get(*member))
    }

    fn may_start(&self, group: u64) -> bool {
        !self.members(group).any(|tx| self.awaited(tx))
    }

    fn wake_group(&mut self, group: u64) {
        let members: Vec<OfferId> = self.members(group).map(|tx| tx.offer.id).collect();
        members.into_iter().for_each(|member| self.make_ready(member));
    }

    /// Whether the neighbour of `id` has yet to say that it knows; it is told again then.
    pub(crate) fn tell_again(&mut self, id: OfferId) -> bool {
        match self.tx_mut(id).and_then(|tx| tx.membership.as_mut()) {
            Some(m) if !m.knows => {
                m.tell = true;
                true
            }
            Some(_) | None => false,
        }
    }

    /// The neighbour of `id` knows nothing of the envelope: it is told again, and served alone if that does not help
    /// (an insider may have spoilt the symbols that all can write).
    pub(crate) fn knows_nothing(&mut self, id: OfferId) {
        let Some(tx) = self.tx_mut(id) else { return };
        let Some(m) = &mut tx.membership else { return };
        if m.told < ANNOUNCEMENTS_EACH {
            (m.tell, m.knows) = (true, false);
            return;
        }
        self.leave(id);
        let shape = self.shape;
        let limit = self.get(id).and_then(|tx| self.peers.get(&tx.offer.to)).map_or(0, |p| p.whole_limit(&shape));
        if let Some(tx) = self.tx_mut(id) {
            // By now it may fit a frame.
            tx.coded = coded(&tx.offer, limit, &shape);
        }
    }

    /// Takes `id` out of its group.
    pub(crate) fn leave(&mut self, id: OfferId) {
        let Some(m) = self.tx_mut(id).and_then(|tx| tx.membership.take()) else { return };
        self.forget_member(m.group, id);
    }

    /// Forgets a member; the last one takes the group with it.
    pub(crate) fn forget_member(&mut self, group: u64, id: OfferId) {
        let Some(g) = self.groups.get_mut(&group) else { return };
        g.members.retain(|member| *member != id);
        if g.members.is_empty() {
            self.groups.remove(&group);
        } else if self.may_start(group) {
            // Those that waited for the one that is gone.
            let parked: Vec<OfferId> = self.members(group).filter(|tx| tx.parked).map(|tx| tx.offer.id).collect();
            parked.into_iter().for_each(|member| self.make_ready(member));
        }
    }

    /// Writes the body of a frame of symbols; the group's encoder where there is one.
    pub(crate) fn write(&mut self, id: OfferId, symbols: u16, turn: bool, out: &mut Vec<u8>) {
        let group = self.get(id).and_then(|tx| tx.membership).map(|m| m.group);
        match group.and_then(|g| self.groups.remove(&g).map(|group| (g, group))) {
            Some((number, mut group)) => {
                if let Some(coded) = self.get(id).and_then(|tx| tx.coded.as_ref()) {
                    coded.write_from(&mut group.encoder, symbols, turn, out);
                }
                self.groups.insert(number, group);
            }
            None => {
                if let Some(coded) = self.tx_mut(id).and_then(|tx| tx.coded.as_mut()) {
                    coded.write(symbols, turn, out);
                }
            }
        }
    }

    /// Symbols went to everyone: the other members were served too; when all should have enough, all are asked.
    pub(crate) fn sent_to_group(&mut self, pick: Pick) {
        let Pick::Symbols(id, symbols) = pick else { return };
        let Some(group) = self.get(id).and_then(|tx| tx.membership).map(|m| m.group) else { return };
        let members: Vec<OfferId> = self.members(group).map(|tx| tx.offer.id).collect();
        for member in members.iter().filter(|member| **member != id) {
            if let Some(coded) = self.tx_mut(*member).and_then(|tx| tx.coded.as_mut()) {
                coded.sent(symbols, false);
            }
        }
        let lacking = |tx: &Tx| !self.is_silent(tx.offer.to) && tx.coded.as_ref().is_some_and(|c| c.due() > 0);
        if self.members(group).any(lacking) {
            return;
        }
        for member in members {
            if let Some(tx) = self.tx_mut(member) {
                tx.ask = true;
            }
            self.make_ready(member);
        }
    }

    /// Other members of the group of `id`.
    pub(crate) fn fellows(&self, id: OfferId) -> impl Iterator<Item = &Tx> {
        let group = self.get(id).and_then(|tx| tx.membership).map(|m| m.group);
        group.into_iter().flat_map(|group| self.members(group)).filter(move |tx| tx.offer.id != id)
    }
}
