//! What becomes of a parcel in custody: passed on, delivered, refused by whoever it was offered to, dead; and who is told.

use super::meta::{Fate, Incoming, Kind, Meta};
use super::{Count, Gateway};
use crate::io::{Directory, LinkId, Output, Report, UplinkId};
use crate::limits::{RECEIPT_HOPS, RECEIPT_PRECEDENCE, STORE_RETRY};
use picket_relay::{Branch, Failure, Ingress, Known, ParcelKey, State, Way};
use picket_store::{Medium, Seq};
use picket_wire::control::{Control, Notice, NoticeReason, Receipt, ReceiptKind, RefuseReason, Token};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Index};

/// By what an answer to an offer of ours came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    Link(LinkId),
    Uplink(UplinkId),
}

impl Via {
    pub(super) fn carries(self, way: Way) -> bool {
        match (self, way) {
            (Self::Link(id), Way::Attached { port, .. } | Way::Neighbour { port, .. }) => id.0 == port,
            (Self::Uplink(id), Way::Uplink(uplink)) => id.0 == uplink,
            (Self::Link(_), Way::Uplink(_)) | (Self::Uplink(_), Way::Attached { .. } | Way::Neighbour { .. }) => false,
        }
    }
}

impl<M: Medium> Gateway<M> {
    /// The next custodian, or the recipient, has it.
    pub(super) fn accepted(
        &mut self,
        now: Instant,
        branch: Branch,
        via: Via,
        delivered: Option<Token>,
        dir: &dyn Directory,
    ) {
        let key = branch.parcel;
        let Some((kind, identity, meta)) = self.custody.meta(now, key) else { return };
        if kind == Kind::Room {
            return self.branch_taken(now, branch, identity);
        }
        // A broker's late answer is no word of the recipient's, although the parcel is offered to it by now.
        let recipient = matches!(self.relay.state(branch),
            Some(State::Offered { way: way @ Way::Attached { .. }, .. }) if via.carries(way));
        let fate = if recipient || delivered.is_some() { Fate::Delivered(delivered) } else { Fate::PassedOn };
        self.gone(key);
        if !self.custody.finish(now, key, fate, self.config.max_delay) {
            self.store_trouble();
        }
        self.counters.add(if recipient { Count::ParcelsDelivered } else { Count::ParcelsPassed });
        self.out.push_back(Output::Report(Report::Passed { identity, to: meta.destination }));
        let waiting = self.custody.held_answers(Seq(key.0));
        let merged = delivered.is_some() && !waiting.is_empty();
        for creditor in waiting {
            self.acknowledge(now, creditor, delivered, dir);
        }
        match delivered {
            Some(_) if merged => self.counters.add(Count::ReceiptsMerged),
            Some(token) if kind == Kind::Message => self.make_receipt(now, identity, meta.source, token),
            Some(_) | None => {}
        }
    }

    pub(super) fn make_receipt(&mut self, now: Instant, identity: Identity, to: Index, token: Token) {
        let receipt = Receipt { to, hops: RECEIPT_HOPS, id: identity.id(), kind: ReceiptKind::Delivered, token };
        self.counters.add(Count::ReceiptsMade);
        self.put_own(now, Control::Receipt(receipt), to);
    }

    /// Stores a parcel of our own making; nobody is owed an answer for it.
    fn put_own(&mut self, now: Instant, message: Control, to: Index) {
        let mut buffer = [0; picket_wire::limits::CONTROL_MAX];
        let (Ok(bytes), Some(identity)) = (message.encode(&mut buffer), message.parcel_identity()) else { return };
        if self.custody.known(now, &identity) != Known::Fresh {
            return;
        }
        let meta = Meta {
            destination: to,
            source: to,
            ingress: Ingress { from: self.me, uplink: None },
            hop_limit: RECEIPT_HOPS,
            round: 0,
            raised: 0,
            fate: Fate::Open,
        };
        let incoming = Incoming::plain(Kind::Control, RECEIPT_PRECEDENCE, meta);
        let lifetime = self.config.max_delay;
        if self.put(now, identity, &incoming, lifetime, bytes, None).is_err() {
            self.counters.add(Count::NoticesDropped);
        }
    }

    /// A parcel is not in our custody any more.
    pub(super) fn gone(&mut self, key: ParcelKey) {
        self.relay.drop(key);
        self.uplinks.finished(key);
    }

    /// The other side of an offer said no.
    pub(super) fn offer_refused(
        &mut self,
        now: Instant,
        branch: Branch,
        via: Via,
        reason: RefuseReason,
        retry: Duration,
    ) {
        let key = branch.parcel;
        let Some(State::Offered { way: offered, .. }) = self.relay.state(branch) else { return };
        if !via.carries(offered) {
            return;
        }
        self.counters.add(Count::OffersRefused);
        let Some((kind, _, meta)) = self.custody.meta(now, key) else { return };
        if kind == Kind::Room {
            return self.branch_refused(now, branch, offered, reason, retry);
        }
        let why = match reason {
            // It has no rounds to raise: this way is tried.
            RefuseReason::PassedOn if kind == Kind::Control => Failure::NobodyListening,
            reason => Failure::Refused(reason, retry),
        };
        if self.relay.failed(now, branch, offered, why) {
            self.raise(now, key, &meta);
        }
    }

    pub(super) fn raise(&mut self, now: Instant, key: ParcelKey, meta: &Meta) {
        let meta = Meta { raised: (meta.raised + 1) & 3, ..*meta };
        if self.custody.note(now, key, &meta).is_err() {
            self.store_trouble();
        }
    }

    /// When a lifetime ends next; later while the store cannot write such ends down.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.custody.queue().next_deadline().map(|at| at.max(self.host.expire_after))
    }

    /// Lifetimes that ended.
    pub(super) fn expire(&mut self, now: Instant, dir: &dyn Directory) {
        if self.next_expiry().is_none_or(|at| at > now) {
            return;
        }
        let over: alloc::vec::Vec<ParcelKey> = self.custody.queue().expired(now).map(|seq| ParcelKey(seq.0)).collect();
        for key in over {
            match self.custody.meta(now, key) {
                Some((Kind::Claim, ..)) => self.claim_expired(now, key, dir),
                Some((Kind::Listens, ..)) => self.listens_expired(now, key, dir),
                Some((Kind::Debt, ..)) => self.debt_expired(now, key),
                Some(_) | None => self.died(now, key, NoticeReason::Expired, dir),
            }
        }
    }

    /// A parcel ends undelivered: its sender is told, unless it was itself a receipt or housekeeping.
    pub(super) fn died(&mut self, now: Instant, key: ParcelKey, reason: NoticeReason, dir: &dyn Directory) {
        let known = self.custody.meta(now, key);
        let unheard = self.is_unheard(key);
        self.gone(key);
        if !self.custody.finish(now, key, Fate::Died, self.config.max_delay) {
            self.host.expire_after = now + STORE_RETRY;
            return self.store_trouble();
        }
        if let Some((kind, identity, meta)) = known {
            if kind == Kind::Room && !unheard {
                return self.counters.add(Count::RoomParcelsEnded);
            }
            self.report_death(now, kind, identity, meta.source, reason, dir);
        }
    }

    pub(super) fn report_death(
        &mut self,
        now: Instant,
        kind: Kind,
        identity: Identity,
        source: Index,
        reason: NoticeReason,
        dir: &dyn Directory,
    ) {
        self.counters.add(match reason {
            NoticeReason::Expired => Count::ParcelsExpired,
            NoticeReason::HopLimit | NoticeReason::UnknownDestination => Count::ParcelsHopLimit,
            NoticeReason::Damaged => Count::ParcelsDamaged,
        });
        self.out.push_back(Output::Report(Report::Died { identity, reason }));
        if !matches!(kind, Kind::Message | Kind::Room) {
            return;
        }
        let Some(key) = dir.link_key(source) else { return self.counters.add(Count::NoticesDropped) };
        let notice = Notice {
            to: source,
            hops: RECEIPT_HOPS,
            id: identity.id(),
            reason,
            gateway: self.me,
            mac: picket_wire::keys::notice_mac(&key, identity.id(), reason),
        };
        self.counters.add(Count::NoticesMade);
        self.put_own(now, Control::Notice(notice), source);
    }
}
