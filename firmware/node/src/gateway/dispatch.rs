//! Putting out what may leave: offers on links, publishes on uplinks, transmissions.

use super::meta::{Kind, Meta};
use super::{Count, Gateway};
use crate::io::{Directory, LinkId, Output, UplinkId};
use crate::limits::{OFFERS_PER_CALL, STORE_RETRY};
use alloc::vec::Vec;
use picket_link::gate::Traffic;
use picket_link::{Offer, OfferId, ParcelKind};
use picket_relay::{Failure, ParcelKey, Turn, Way};
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
        for (key, way) in self.relay.take_abandoned() {
            match way {
                Way::Uplink(u) => self.uplinks.forget(UplinkId(u), key),
                Way::Attached { port, .. } | Way::Neighbour { port, .. } => {
                    if let Some(port) = self.ports.get_mut(&LinkId(port)) {
                        port.link.withdraw(OfferId(key.0));
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
        let precedence = |turn: &Turn| self.custody.queue().entry(now, Seq(turn.key.0)).map(|e| e.precedence);
        let allowed = |turn: &Turn| {
            let precedence = precedence(turn).unwrap_or(Precedence::Deferred);
            self.emission.allows(port.air, Traffic::Parcel(precedence))
        };
        let turn = self.relay.turn(now, way).filter(allowed).or_else(|| self.relay.top(way).filter(allowed));
        let Some(turn) = turn.filter(|turn| port.link.room_for(to, turn.urgency) > 0) else { return false };
        let key = turn.key;
        let Some(parcel) = self.outgoing(now, key, way, dir) else { return true };
        let patience = self.ports.get(&id).map_or(Duration::ZERO, |p| p.patience(parcel.bytes.len()));
        self.relay.take_turn(way, turn, now + self.config.link_timeout + patience);
        let offer = Offer {
            id: OfferId(key.0),
            to,
            kind: parcel.kind,
            precedence: parcel.precedence,
            identity: parcel.identity,
            bytes: parcel.bytes,
        };
        if let Some(port) = self.ports.get_mut(&id)
            && port.link.offer_as(now, offer, turn.urgency).is_err()
        {
            // There was room a moment ago: the way's time-out brings the parcel back.
            self.counters.add(Count::OffersTimedOut);
            return false;
        }
        true
    }

    /// The bytes of a parcel for its next hop. `None` when it does not go now: it has died, or waits for the store.
    pub(super) fn outgoing(&mut self, now: Instant, key: ParcelKey, way: Way, dir: &dyn Directory) -> Option<Outgoing> {
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
                self.relay.next(way, now);
                self.relay.failed(now, key, way, Failure::Refused(RefuseReason::Full, STORE_RETRY));
                return None;
            }
            Err(BodyError::Damaged | BodyError::Unknown) => {
                self.gone(key);
                self.report_death(now, kind, identity, meta.source, NoticeReason::Damaged, dir);
                return None;
            }
        };
        match kind {
            Kind::Message | Kind::Housekeeping => {
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
        Kind::Message | Kind::Housekeeping => (ParcelKind::Envelope, meta.our_round()),
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
