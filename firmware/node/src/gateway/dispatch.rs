//! Putting out what may leave: offers on links, publishes on uplinks, transmissions.

use super::meta::{Kind, Meta};
use super::{Count, Gateway};
use crate::io::{Directory, LinkId, Output, UplinkId};
use crate::limits::{OFFERS_PER_CALL, STORE_RETRY};
use alloc::vec::Vec;
use picket_link::gate::Traffic;
use picket_link::{Offer, OfferId, ParcelKind};
use picket_relay::{Branch, Failure, ParcelKey, State, Turn, Way};
use picket_store::{BodyError, Medium, Seq};
use picket_wire::control::{Control, Notice, NoticeReason, Receipt, RefuseReason};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Index, Lifetime, Precedence, envelope};

/// A parcel as it goes over the next hop.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub kind: ParcelKind,
    pub identity: Identity,
    pub precedence: Precedence,
    pub destination: Index,
    pub hop_limit: u8,
    pub round: u8,
    pub bytes: Vec<u8>,
}

impl Outgoing {
    fn offer(&self, branch: Branch, to: Index) -> Offer {
        let Self { kind, precedence, identity, .. } = *self;
        Offer { id: offer_id(branch), to, kind, precedence, identity, bytes: self.bytes.clone() }
    }
}

/// Handle of a branch on a link: whom it is for, and the store's number, which counts single writes and stays below 2⁴⁷.
pub(super) const fn offer_id(branch: Branch) -> OfferId {
    OfferId(branch.parcel.0 << 16 | branch.to.0 as u64)
}

/// Of which branch such a handle is.
pub(super) const fn branch_of(offer: OfferId) -> Branch {
    Branch { parcel: ParcelKey(offer.0 >> 16), to: Index(offer.0 as u16) }
}

impl<M: Medium> Gateway<M> {
    /// Offers what is ready on every way that has room, most urgent first.
    pub(super) fn dispatch(&mut self, now: Instant, dir: &dyn Directory) {
        self.withdraw_abandoned();
        for way in self.relay.ready_ways() {
            for _ in 0..OFFERS_PER_CALL {
                let more = match way {
                    Way::Uplink(u) => self.publish_next(now, UplinkId(u), dir),
                    Way::Attached { port, member } => self.offer_next(now, way, LinkId(port), member, dir),
                    Way::Neighbour { port, gateway } => self.offer_next(now, way, LinkId(port), gateway, dir),
                };
                if !more {
                    break;
                }
            }
        }
        self.withdraw_abandoned();
    }

    fn withdraw_abandoned(&mut self) {
        for (branch, way) in self.relay.take_abandoned() {
            match way {
                Way::Uplink(u) => self.uplinks.forget(UplinkId(u), branch),
                Way::Attached { port, .. } | Way::Neighbour { port, .. } => {
                    if let Some(port) = self.ports.get_mut(&LinkId(port)) {
                        port.link.withdraw(offer_id(branch));
                    }
                }
            }
        }
    }

    /// Offers the next parcel on a link; false when there is none or no room.
    fn offer_next(&mut self, now: Instant, way: Way, id: LinkId, to: Index, dir: &dyn Directory) -> bool {
        let Some(port) = self.ports.get(&id).filter(|p| p.usable) else { return false };
        // Under MINIMIZE a parcel waits where it is: offered, it would only run out of time. What has aged is no more
        // urgent for that.
        let precedence = |turn: &Turn| self.custody.queue().entry(now, Seq(turn.branch.parcel.0)).map(|e| e.precedence);
        let allowed = |turn: &Turn| {
            let precedence = precedence(turn).unwrap_or(Precedence::Deferred);
            self.emission.allows(port.air, Traffic::Parcel(precedence))
        };
        let turn = self.relay.turn(now, way).filter(allowed).or_else(|| self.relay.top(way).filter(allowed));
        let Some(turn) = turn.filter(|turn| port.link.room_for(to, turn.urgency) > 0) else { return false };
        let Some(parcel) = self.outgoing(now, turn.branch, way, dir) else { return true };
        let patience = self.ports.get(&id).map_or(Duration::ZERO, |p| p.patience(parcel.bytes.len()));
        let deadline = now + self.config.link_timeout + patience;
        self.relay.take_turn(way, turn, deadline);
        let fellows = self.fellows(id, turn.branch, &parcel);
        let Some(port) = self.ports.get_mut(&id) else { return false };
        let refused = if fellows.is_empty() {
            port.link.offer_as(now, parcel.offer(turn.branch, to), turn.urgency).is_err()
        } else {
            let mut offers = alloc::vec![parcel.offer(turn.branch, to)];
            for (way, to, branch) in fellows {
                self.relay.take_turn(way, Turn { branch, urgency: parcel.precedence }, deadline);
                offers.push(parcel.offer(branch, to));
            }
            self.counters.add(Count::RoomTransmissionsShared);
            port.link.offer_to_all(now, offers).is_err()
        };
        if refused {
            // There was room a moment ago: the way's time-out brings the parcel back.
            self.counters.add(Count::OffersTimedOut);
            return false;
        }
        true
    }

    /// Other branches of the same envelope that are ready for the same link, where it has room for them: one transmission
    /// may serve them all.
    fn fellows(&self, id: LinkId, first: Branch, parcel: &Outgoing) -> Vec<(Way, Index, Branch)> {
        let Some(port) = self.ports.get(&id).filter(|_| parcel.kind == ParcelKind::Envelope) else { return Vec::new() };
        let others = self.relay.branches(first.parcel).filter(|branch| *branch != first);
        let ready = others.filter_map(|branch| match self.relay.state(branch)? {
            State::Ready(way @ Way::Attached { port, member }) if port == id.0 => Some((way, member, branch)),
            State::Ready(way @ Way::Neighbour { port, gateway }) if port == id.0 => Some((way, gateway, branch)),
            State::Ready(_) | State::Offered { .. } | State::Held(_) => None,
        });
        ready.filter(|(_, to, _)| port.link.room_for(*to, parcel.precedence) > 0).collect()
    }

    /// The bytes of a parcel for its next hop. `None` when it does not go now: it has died, or waits for the store.
    pub(super) fn outgoing(&mut self, now: Instant, branch: Branch, way: Way, dir: &dyn Directory) -> Option<Outgoing> {
        let key = branch.parcel;
        let Some((kind, identity, meta)) = self.custody.meta(now, key) else {
            self.gone(key);
            return None;
        };
        let remaining = self.custody.queue().entry(now, Seq(key.0)).map(|e| (e.remaining, e.precedence));
        let (remaining, precedence) = remaining?;
        let Some(hop_limit) = meta.our_hop_limit().or(matches!(way, Way::Attached { .. }).then_some(0)) else {
            self.died(now, key, NoticeReason::HopLimit, dir);
            return None;
        };
        let mut bytes = match self.custody.queue_mut().body(Seq(key.0)) {
            Ok(bytes) => bytes,
            // It is still ours: read again later.
            Err(BodyError::Medium(_)) => {
                self.store_trouble();
                self.relay.take_turn(way, Turn { branch, urgency: precedence }, now);
                self.relay.failed(now, branch, way, Failure::Refused(RefuseReason::Full, STORE_RETRY));
                return None;
            }
            Err(BodyError::Damaged | BodyError::Unknown) => {
                let told = kind != Kind::Room || self.is_unheard(key);
                self.gone(key);
                if told {
                    self.report_death(now, kind, identity, meta.source, NoticeReason::Damaged, dir);
                }
                return None;
            }
        };
        match kind {
            Kind::Message | Kind::Housekeeping | Kind::Room => {
                envelope::set_mutable(&mut bytes, hop_limit, meta.our_round(), Lifetime::within(remaining));
            }
            Kind::Control | Kind::Claim | Kind::Listens | Kind::Debt => match with_hops(&bytes, hop_limit) {
                Some(set) => bytes = set,
                None => {
                    self.died(now, key, NoticeReason::Damaged, dir);
                    return None;
                }
            },
        }
        Some(assemble(kind, identity, precedence, &meta, hop_limit, bytes))
    }

    /// Lets every link that may transmit do so, one transmission outstanding per link.
    pub(super) fn transmit(&mut self, now: Instant, dir: &dyn Directory) {
        for (id, port) in &mut self.ports {
            if port.is_up()
                && !port.busy
                && let Some(bytes) = port.link.poll_transmit(now, dir, self.emission.gate(port.air))
            {
                port.busy = true;
                self.out.push_back(Output::Transmit(*id, bytes));
            }
        }
    }
}

fn assemble(
    kind: Kind,
    identity: Identity,
    precedence: Precedence,
    meta: &Meta,
    hop_limit: u8,
    bytes: Vec<u8>,
) -> Outgoing {
    let (kind, round) = match kind {
        Kind::Message | Kind::Housekeeping | Kind::Room => (ParcelKind::Envelope, meta.our_round()),
        Kind::Control | Kind::Claim | Kind::Listens | Kind::Debt => (ParcelKind::Control, 0),
    };
    Outgoing { kind, identity, precedence, destination: meta.destination, hop_limit, round, bytes }
}

/// A receipt or notice with its hop limit set.
fn with_hops(bytes: &[u8], hops: u8) -> Option<Vec<u8>> {
    let message = match Control::decode(bytes).ok()? {
        Control::Receipt(r) => Control::Receipt(Receipt { hops, ..r }),
        Control::Notice(n) => Control::Notice(Notice { hops, ..n }),
        other @ (Control::Hello(_)
        | Control::Attach(_)
        | Control::Attached { .. }
        | Control::Drained { .. }
        | Control::Claim(_)
        | Control::Listens(_)
        | Control::Ack { .. }
        | Control::AckDelivered { .. }
        | Control::Refuse { .. }
        | Control::SymbolReport { .. }
        | Control::Announce { .. }
        | Control::AckMany(_)
        | Control::Poll { .. }) => other,
    };
    let mut buffer = [0; picket_wire::limits::CONTROL_MAX];
    message.encode(&mut buffer).ok().map(<[u8]>::to_vec)
}
