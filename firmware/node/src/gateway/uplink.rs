//! The broker side: masked topics, frames with the publisher's index in front, custody across the broker (spec §60… of
//! the design, §65.6 here). A PUBACK proves nothing but that the broker has the bytes.

use super::arrive::Deposit;
use super::custody::Creditor;
use super::fate::Via;
use super::objects::AtBroker;
use super::published::Publishes;
use super::{Count, Gateway};
use crate::io::{DeliveryId, Directory, Output, PublishId, StationKind, UplinkId};
use crate::limits::{RATE_BURST_S, RATE_RETRY, UPLINK_ANSWERS_MAX};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use picket_link::{Owed, ParcelKind};
use picket_relay::{Branch, Failure, Goal, ParcelKey, Way};
use picket_store::Medium;
use picket_wire::Index;
use picket_wire::control::{Claim, Control, Listens, RefuseReason, Token};
use picket_wire::frame::{Around, Body, FrameError, Head, Kind as FrameKind, Unmasked, ack_suffix};
use picket_wire::keys::TopicKind;
use picket_wire::limits::{CONTROL_MAX, FRAME_MAX, HOP_LEN, MAC_LEN};
use picket_wire::signed::AT_BROKER;
use picket_wire::time::{Duration, Instant};

/// One broker.
#[derive(Debug, Default)]
pub(super) struct Uplink {
    /// Why it is away; `None` while connected.
    pub down: Option<String>,
    /// Answers and claims published without PUBACK.
    answers: BTreeSet<PublishId>,
    /// Parcels published here and not acknowledged by a custodian.
    pub(super) published: Publishes,
    allowance: Allowance,
    pub(super) objects: AtBroker,
}

/// Token bucket in parcels, counted in millionths so that microseconds divide evenly.
#[derive(Clone, Copy, Debug, Default)]
struct Allowance {
    at: Option<Instant>,
    millionths: u64,
}

impl Allowance {
    fn take(&mut self, now: Instant, per_second: u32) -> bool {
        let full = u64::from(per_second) * RATE_BURST_S * 1_000_000;
        let gained = self.at.map_or(full, |at| now.since(at).as_micros().saturating_mul(u64::from(per_second)));
        self.at = Some(now);
        self.millionths = self.millionths.saturating_add(gained).min(full);
        let enough = self.millionths >= 1_000_000;
        if enough {
            self.millionths -= 1_000_000;
        }
        enough
    }
}

/// All brokers.
#[derive(Debug, Default)]
pub(super) struct Uplinks {
    pub by_id: BTreeMap<UplinkId, Uplink>,
    next: u64,
}

impl Uplinks {
    pub(super) fn up(&self) -> impl Iterator<Item = UplinkId> + '_ {
        self.by_id.iter().filter(|(_, u)| u.down.is_none()).map(|(id, _)| *id)
    }

    /// A parcel is no longer offered here; a late PUBACK is ignored. Its custody may still be acknowledged late, so it
    /// stays among the offered until it is finished or the uplink reconnects.
    pub(super) fn forget(&mut self, uplink: UplinkId, branch: Branch) {
        if let Some(uplink) = self.by_id.get_mut(&uplink) {
            uplink.published.forget(branch);
        }
    }

    /// No word of others about this parcel counts any more.
    pub(super) fn finished(&mut self, key: ParcelKey) {
        for uplink in self.by_id.values_mut() {
            uplink.published.remove_all(key);
        }
    }

    fn publish_id(&mut self) -> PublishId {
        self.next += 1;
        PublishId(self.next)
    }
}

impl<M: Medium> Gateway<M> {
    pub(super) fn uplink_up(&mut self, now: Instant, id: UplinkId, dir: &dyn Directory) {
        let uplink = self.uplinks.by_id.entry(id).or_default();
        uplink.down = None;
        self.subscribe(id, dir);
        self.subscribe_objects(now, id, dir);
        let here: Vec<Claim> = self.relay.routes().iter().filter(|c| c.gateway == self.me).copied().collect();
        for claim in here {
            self.uplink_claim(id, claim, dir);
            if let Some(word) = self.relay.listeners().get(claim.member).copied() {
                self.uplink_listens(id, word, dir);
            }
        }
        self.relay.uplink_up(now, id.0);
    }

    pub(super) fn uplink_down(&mut self, now: Instant, id: UplinkId, why: String) {
        let uplink = self.uplinks.by_id.entry(id).or_default();
        *uplink = Uplink { down: Some(why), allowance: uplink.allowance, ..Uplink::default() };
        self.custody.forget_creditors(|c| matches!(c, Creditor::Uplink { uplink, .. } if *uplink == id));
        self.relay.uplink_down(now, id.0);
    }

    pub(super) fn subscribe_all(&mut self, dir: &dyn Directory) {
        let ids: Vec<UplinkId> = self.uplinks.up().collect();
        for id in ids {
            self.subscribe(id, dir);
        }
    }

    /// What a gateway listens to: its own topic, every member's claim, and members attached here within D.
    fn subscribe(&mut self, id: UplinkId, dir: &dyn Directory) {
        let mut topics = alloc::vec![dir.net().topic_name(TopicKind::Gateway, self.me)];
        let of = |kind| dir.members().into_iter().map(move |m| dir.net().topic_name(kind, m));
        topics.extend(of(TopicKind::Claims).chain(of(TopicKind::Listens)));
        let here = self.relay.routes().iter().filter(|c| c.gateway == self.me);
        topics.extend(here.map(|c| dir.net().topic_name(TopicKind::Member, c.member)));
        self.out.extend(topics.into_iter().map(|topic| Output::Subscribe(id, topic)));
    }

    pub(super) fn subscribe_member(&mut self, member: Index, dir: &dyn Directory) {
        let topic = dir.net().topic_name(TopicKind::Member, member);
        self.out.extend(self.uplinks.up().map(|id| Output::Subscribe(id, topic)));
    }

    pub(super) fn unsubscribe_member(&mut self, member: Index, dir: &dyn Directory) {
        let topic = dir.net().topic_name(TopicKind::Member, member);
        self.out.extend(self.uplinks.up().map(|id| Output::Unsubscribe(id, topic)));
    }

    /// Publishes the next parcel; false when there is none or the window is full.
    pub(super) fn publish_next(&mut self, now: Instant, id: UplinkId, dir: &dyn Directory) -> bool {
        let way = Way::Uplink(id.0);
        let window = usize::from(self.config.publish_window);
        if self.uplinks.by_id.get(&id).is_none_or(|u| u.down.is_some() || u.published.unconfirmed() >= window) {
            return false;
        }
        let Some(turn) = self.relay.turn(now, way) else { return false };
        let branch = turn.branch;
        let key = branch.parcel;
        let Some(parcel) = self.outgoing(now, branch, way, dir) else { return true };
        self.relay.take_turn(way, turn, now + self.config.uplink_timeout);
        // Only that gateway can answer for a branch to it; for a member any may that knows where it is.
        let only = (self.relay.goal(branch) == Some(Goal::Gateway)).then_some(branch.to);
        let gateway = only.or_else(|| self.relay.routes().get(parcel.destination).map(|c| c.gateway));
        let topic = match gateway {
            Some(gateway) => dir.net().topic_name(TopicKind::Gateway, gateway),
            None => dir.net().topic_name(TopicKind::Member, parcel.destination),
        };
        let kind = match parcel.kind {
            ParcelKind::Envelope => FrameKind::Envelope,
            ParcelKind::Control => FrameKind::Control,
        };
        let expiry = self.custody.queue().entry(now, picket_store::Seq(key.0)).map_or(Duration::ZERO, |e| e.remaining);
        let Some(payload) = self.broadcast_payload(kind, &parcel.bytes, dir) else {
            self.counters.add(Count::UnparsableParcels);
            return true;
        };
        let publish = self.uplinks.publish_id();
        if let Some(uplink) = self.uplinks.by_id.get_mut(&id) {
            uplink.published.insert(branch, publish, &parcel, only);
        }
        self.out.push_back(Output::Publish { uplink: id, publish, topic, payload, retain: false, expiry });
        true
    }

    pub(super) fn published(&mut self, now: Instant, id: UplinkId, publish: PublishId, matched: bool) {
        let Some(uplink) = self.uplinks.by_id.get_mut(&id) else { return };
        uplink.answers.remove(&publish);
        let Some(key) = uplink.published.confirmed(publish) else { return };
        if !matched {
            self.counters.add(Count::UplinkNobodyListening);
            self.relay.failed(now, key, Way::Uplink(id.0), Failure::NobodyListening);
        }
    }

    pub(super) fn uplink_claim(&mut self, id: UplinkId, claim: Claim, dir: &dyn Directory) {
        self.uplink_word(id, Control::Claim(claim), dir.net().topic_name(TopicKind::Claims, claim.member), dir);
    }

    pub(super) fn uplink_listens(&mut self, id: UplinkId, word: Listens, dir: &dyn Directory) {
        self.uplink_word(id, Control::Listens(word), dir.net().topic_name(TopicKind::Listens, word.member), dir);
    }

    /// Publishes a member's word, kept for whoever subscribes later.
    fn uplink_word(&mut self, id: UplinkId, message: Control, topic: [u8; 16], dir: &dyn Directory) {
        let mut buffer = [0; CONTROL_MAX];
        let Ok(body) = message.encode(&mut buffer) else { return };
        if let Some(payload) = self.broadcast_payload(FrameKind::Control, body, dir) {
            self.publish_answer(id, topic, payload, true, self.config.max_delay);
        }
    }

    pub(super) fn uplink_acknowledge(
        &mut self,
        id: UplinkId,
        owed: &Owed,
        delivered: Option<Token>,
        dir: &dyn Directory,
    ) {
        let prefix = owed.identity.prefix().to_be_bytes();
        let message = match delivered {
            Some(token) => Control::AckDelivered { prefix, token },
            None => Control::Ack { prefix },
        };
        self.uplink_answer(id, owed, message, dir);
    }

    pub(super) fn uplink_refuse(
        &mut self,
        id: UplinkId,
        owed: &Owed,
        reason: RefuseReason,
        retry: Duration,
        dir: &dyn Directory,
    ) {
        let prefix = owed.identity.prefix().to_be_bytes();
        let retry_s = u16::try_from(retry.as_secs()).unwrap_or(u16::MAX);
        self.uplink_answer(id, owed, Control::Refuse { prefix, reason, retry_s }, dir);
    }

    fn uplink_answer(&mut self, id: UplinkId, owed: &Owed, message: Control, dir: &dyn Directory) {
        let Some(key) = dir.link_key(owed.from) else { return };
        let mut buffer = [0; CONTROL_MAX];
        let Ok(body) = message.encode(&mut buffer) else { return };
        let suffix = ack_suffix(&owed.identity, owed.hop_limit, owed.round);
        let head = Head { kind: FrameKind::Control, to: owed.from.low(), from: self.me.low() };
        let key = key.toward(self.me, owed.from);
        if let Some(payload) = self.payload(head, body, &key, &suffix, dir) {
            let topic = dir.net().topic_name(TopicKind::Gateway, owed.from);
            self.publish_answer(id, topic, payload, false, self.config.max_delay);
        }
    }

    pub(super) fn publish_answer(
        &mut self,
        id: UplinkId,
        topic: [u8; 16],
        payload: Vec<u8>,
        retain: bool,
        expiry: Duration,
    ) {
        let publish = self.uplinks.publish_id();
        let Some(uplink) = self.uplinks.by_id.get_mut(&id).filter(|u| u.down.is_none()) else { return };
        // Claims are as many as members at most, and nobody asks for them again.
        if !retain && uplink.answers.len() >= UPLINK_ANSWERS_MAX {
            return self.counters.add(Count::UplinkAnswersDropped);
        }
        uplink.answers.insert(publish);
        self.out.push_back(Output::Publish { uplink: id, publish, topic, payload, retain, expiry });
    }

    fn broadcast_payload(&self, kind: FrameKind, body: &[u8], dir: &dyn Directory) -> Option<Vec<u8>> {
        let head = Head { kind, to: Index::BROADCAST, from: self.me.low() };
        self.payload(head, body, &dir.net().mac, &[], dir)
    }

    /// Index of the publisher ‖ frame; the MAC covers both.
    fn payload(&self, head: Head, body: &[u8], key: &[u8; 32], suffix: &[u8], dir: &dyn Directory) -> Option<Vec<u8>> {
        let prefix = self.me.0.to_be_bytes();
        let mut payload = alloc::vec![0; 2 + HOP_LEN + body.len() + MAC_LEN];
        payload[..2].copy_from_slice(&prefix);
        let around = Around { prefix: &prefix, suffix };
        dir.mask().seal(&mut payload[2..], head, &[body], key, around).ok()?;
        Some(payload)
    }

    /// A message from the broker: verified, then handled; garbage is counted and acknowledged, or it comes for ever.
    pub(super) fn uplink_arrived(
        &mut self,
        now: Instant,
        id: UplinkId,
        delivery: DeliveryId,
        payload: &[u8],
        dir: &dyn Directory,
    ) {
        if let Err(why) = self.uplink_read(now, id, delivery, payload, dir) {
            self.counters.add(why);
            self.out.push_back(Output::Settle(id, delivery));
        }
    }

    fn uplink_read(
        &mut self,
        now: Instant,
        id: UplinkId,
        delivery: DeliveryId,
        payload: &[u8],
        dir: &dyn Directory,
    ) -> Result<(), Count> {
        let (prefix, frame) = payload.split_at_checked(2).ok_or(Count::UplinkGarbage)?;
        if prefix == AT_BROKER {
            self.object_published(now, id, frame)?;
            self.out.push_back(Output::Settle(id, delivery));
            return Ok(());
        }
        let publisher = Index(u16::from_be_bytes([prefix[0], prefix[1]]));
        if dir.is_revoked(publisher) {
            return Err(Count::RefusedRevoked);
        }
        if publisher == self.me {
            return Err(Count::UplinkOwnMessage);
        }
        if dir.kind(publisher) != Some(StationKind::Gateway) {
            return Err(Count::UplinkUnknownPublisher);
        }
        if frame.len() > FRAME_MAX {
            return Err(Count::UplinkGarbage);
        }
        let mut frame = frame.to_vec();
        let unmasked = dir.mask().unmask(&mut frame).map_err(|why| match why {
            FrameError::Version(_) | FrameError::Generation(_) | FrameError::Kind(_) => Count::UplinkOtherVersion,
            FrameError::Short | FrameError::Long => Count::UplinkGarbage,
        })?;
        if unmasked.from() != publisher.low() {
            return Err(Count::UplinkGarbage);
        }
        if unmasked.to() != Index::BROADCAST {
            return self.uplink_answered(now, id, delivery, publisher, unmasked, dir);
        }
        let around = Around { prefix, suffix: &[] };
        let authentic = unmasked.authenticate(&dir.net().mac, around).map_err(|_| Count::UplinkBadMac)?;
        let from = publisher;
        match authentic.body().map_err(|_| Count::UplinkGarbage)? {
            Body::Envelope(e) => {
                let (identity, header) = (e.identity(), *e.header());
                let owed = Owed { from, identity, hop_limit: header.hop_limit, round: header.round };
                self.uplink_deposit(now, id, delivery, ParcelKind::Envelope, owed, e.bytes(), dir);
            }
            Body::Control(Control::Claim(claim)) => {
                self.follow(now, claim, dir);
                self.out.push_back(Output::Settle(id, delivery));
            }
            Body::Control(Control::Listens(listens)) => {
                self.follow_listens(now, listens, None, dir);
                self.out.push_back(Output::Settle(id, delivery));
            }
            Body::Control(message) => {
                let identity = message.parcel_identity().ok_or(Count::UplinkGarbage)?;
                let owed = Owed { from, identity, hop_limit: message.hops(), round: 0 };
                let mut buffer = [0; CONTROL_MAX];
                let bytes = message.encode(&mut buffer).map_err(|_| Count::UplinkGarbage)?;
                self.uplink_deposit(now, id, delivery, ParcelKind::Control, owed, bytes, dir);
            }
            Body::Fragment(_) => return Err(Count::UplinkGarbage),
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "one deposit, spelled out once")]
    fn uplink_deposit(
        &mut self,
        now: Instant,
        uplink: UplinkId,
        delivery: DeliveryId,
        kind: ParcelKind,
        owed: Owed,
        bytes: &[u8],
        dir: &dyn Directory,
    ) {
        let rate = self.config.uplink_rate;
        let allowed = self.uplinks.by_id.entry(uplink).or_default().allowance.take(now, rate);
        if !allowed {
            self.counters.add(Count::RefusedRateLimited);
            self.uplink_refuse(uplink, &owed, RefuseReason::RateLimited, RATE_RETRY, dir);
            return self.out.push_back(Output::Settle(uplink, delivery));
        }
        let creditor = Creditor::Uplink { uplink, delivery, owed };
        let deposit = Deposit { kind, identity: owed.identity, bytes, creditor };
        self.deposit(now, &deposit, dir);
    }

    /// A pairwise frame from the broker: an answer to something we published.
    fn uplink_answered(
        &mut self,
        now: Instant,
        id: UplinkId,
        delivery: DeliveryId,
        from: Index,
        mut unmasked: Unmasked<'_>,
        dir: &dyn Directory,
    ) -> Result<(), Count> {
        if unmasked.to() != self.me.low() {
            return Err(Count::UplinkGarbage);
        }
        let key = dir.link_key(from).ok_or(Count::UplinkUnknownPublisher)?.toward(from, self.me);
        let message = Control::decode(unmasked.body()).map_err(|_| Count::UplinkGarbage)?;
        let prefix = match message {
            Control::Ack { prefix } | Control::AckDelivered { prefix, .. } | Control::Refuse { prefix, .. } => {
                u16::from_be_bytes(prefix)
            }
            Control::Hello(_)
            | Control::Attach(_)
            | Control::Attached { .. }
            | Control::Drained { .. }
            | Control::Claim(_)
            | Control::Listens(_)
            | Control::Receipt(_)
            | Control::Notice(_)
            | Control::SymbolReport { .. }
            | Control::Announce { .. }
            | Control::AckMany(_)
            | Control::Poll { .. } => return Err(Count::UplinkGarbage),
        };
        let uplink = self.uplinks.by_id.entry(id).or_default();
        let candidates = uplink.published.with_prefix(prefix).into_iter();
        let candidates = candidates.filter(|(_, offer)| offer.only.is_none_or(|gateway| gateway == from));
        let publisher = from.0.to_be_bytes();
        for (key_of, offer) in candidates {
            let suffix = ack_suffix(&offer.identity, offer.hop_limit, offer.round);
            match unmasked.authenticate(&key, Around { prefix: &publisher, suffix: &suffix }) {
                Ok(_) => {
                    self.uplink_answer_for(now, id, key_of, message, dir);
                    self.out.push_back(Output::Settle(id, delivery));
                    return Ok(());
                }
                Err(back) => unmasked = back,
            }
        }
        Err(Count::UplinkStaleAnswers)
    }

    fn uplink_answer_for(&mut self, now: Instant, id: UplinkId, key: Branch, message: Control, dir: &dyn Directory) {
        let finished = match message {
            Control::Ack { .. } => Some(None),
            Control::AckDelivered { token, .. } => Some(Some(token)),
            _ => None,
        };
        if let Some(delivered) = finished {
            self.accepted(now, key, Via::Uplink(id), delivered, dir);
        } else if let Control::Refuse { reason, retry_s, .. } = message {
            let retry = Duration::from_secs(u64::from(retry_s));
            self.offer_refused(now, key, Via::Uplink(id), reason, retry);
        }
        if let Some(uplink) = self.uplinks.by_id.get_mut(&id) {
            uplink.published.remove(key);
        }
    }
}
