//! Presence: greetings, attachments of members, and making them known.

use super::meta::{Fate, Incoming, Kind, Meta};
use super::tell::What;
use super::{Count, Gateway};
use crate::io::{Directory, LinkId, Output, Report, StationKind, UplinkId};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use picket_relay::{ClaimOutcome, Ingress, ParcelKey, State};
use picket_store::Medium;
use picket_wire::control::{Claim, Control, Hello};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Index, Precedence};

/// What is kept beside attachments.
#[derive(Debug, Default)]
pub(super) struct Attachments {
    /// Where each member's newest claim lies in the store.
    stored: BTreeMap<Index, ParcelKey>,
    /// Attachments whose held parcels are still being handed over.
    draining: BTreeMap<Index, Draining>,
}

#[derive(Clone, Copy, Debug)]
struct Draining {
    port: u32,
    sequence: u32,
    /// Newest parcel held when the member attached.
    last: ParcelKey,
}

impl Attachments {
    pub(super) fn stored(&mut self, member: Index, key: ParcelKey) -> Option<ParcelKey> {
        self.stored.insert(member, key)
    }

    /// The member is revoked.
    pub(super) fn forget(&mut self, member: Index) {
        self.draining.remove(&member);
    }

    pub(super) fn port_removed(&mut self, port: u32) {
        self.draining.retain(|_, d| d.port != port);
    }
}

impl<M: Medium> Gateway<M> {
    /// A neighbour's frame was authentic.
    pub(super) fn heard(&mut self, now: Instant, id: LinkId, who: Index, dir: &dyn Directory) {
        if let Some(port) = self.ports.get_mut(&id) {
            port.greeted();
        }
        if dir.kind(who) == Some(StationKind::Gateway) && self.relay.neighbour(now, id.0, who) {
            self.out.push_back(Output::Report(Report::Neighbour { link: id, gateway: who }));
            let here: Vec<Index> = self.claims_here().map(|c| c.member).collect();
            let listening: Vec<Index> = self.listening_of(&here).collect();
            self.telling.tell(id, who, here.into_iter().map(|m| (What::Claim, m)));
            self.telling.tell(id, who, listening.into_iter().map(|m| (What::Listens, m)));
            self.objects.somebody(now, self.me, id);
        }
        self.telling.heard(id, who);
    }

    fn claims_here(&self) -> impl Iterator<Item = Claim> + '_ {
        self.relay.routes().iter().filter(|c| c.gateway == self.me).copied()
    }

    /// Control messages that are not about parcels.
    pub(super) fn control(
        &mut self,
        now: Instant,
        id: LinkId,
        from: Option<Index>,
        message: Control,
        dir: &dyn Directory,
    ) {
        match message {
            Control::Hello(hello) => self.hello(now, id, hello, dir),
            Control::Attach(claim) => self.attach(now, id, from, claim, dir),
            Control::Claim(claim) => {
                self.follow(now, claim, dir);
            }
            Control::Attached { .. }
            | Control::Drained { .. }
            | Control::Ack { .. }
            | Control::AckDelivered { .. }
            | Control::Refuse { .. }
            | Control::Receipt(_)
            | Control::Notice(_)
            | Control::Listens(_)
            | Control::SymbolReport { .. }
            | Control::Announce { .. }
            | Control::AckMany(_)
            | Control::Poll { .. } => self.counters.add(Count::ControlUnexpected),
        }
    }

    fn hello(&mut self, now: Instant, id: LinkId, hello: Hello, dir: &dyn Directory) {
        if hello.index == self.me {
            return self.counters.add(Count::ControlUnexpected);
        }
        if hello.answer {
            self.greet_on(now, id, false);
        }
        if dir.kind(hello.index) == Some(StationKind::Gateway) {
            self.heard(now, id, hello.index, dir);
        }
    }

    fn greet_on(&mut self, now: Instant, id: LinkId, answer: bool) {
        let hello = Hello { index: self.me, gateway: true, answer };
        self.send(now, id, None, Control::Hello(hello));
    }

    /// Says hello where nobody was heard yet.
    pub(super) fn greet(&mut self, now: Instant) {
        let waiting = !self.relay.is_empty();
        let due: Vec<LinkId> =
            self.ports.iter_mut().filter_map(|(id, p)| p.hello_due(now, waiting).then_some(*id)).collect();
        for id in due {
            self.greet_on(now, id, true);
        }
    }

    fn attach(&mut self, now: Instant, id: LinkId, from: Option<Index>, claim: Claim, dir: &dyn Directory) {
        if from != Some(claim.member) || claim.gateway != self.me {
            return self.counters.add(Count::AttachRefused);
        }
        match self.follow(now, claim, dir) {
            Some(ClaimOutcome::Newer { .. } | ClaimOutcome::Same) => {}
            Some(ClaimOutcome::Older) => {
                self.counters.add(Count::AttachRefused);
                return self.outrun(now, id, claim);
            }
            Some(ClaimOutcome::Full) | None => return self.counters.add(Count::AttachRefused),
        }
        if let Some(port) = self.ports.get_mut(&id) {
            port.greeted();
        }
        self.relay.attach(now, claim.member, id.0);
        self.objects.somebody(now, self.me, id);
        self.out.push_back(Output::Report(Report::Attached { member: claim.member, sequence: claim.sequence }));
        let held: Vec<ParcelKey> = self.relay.held_for(claim.member).map(|b| b.parcel).collect();
        let count = u16::try_from(held.len()).unwrap_or(u16::MAX);
        self.send(now, id, Some(claim.member), Control::Attached { sequence: claim.sequence, held: count });
        self.drain(id, claim, &held);
    }

    /// What is held for the member at this moment is being handed over.
    fn drain(&mut self, id: LinkId, claim: Claim, held: &[ParcelKey]) {
        let last = held.last().copied().unwrap_or(ParcelKey(0));
        self.attachments.draining.insert(claim.member, Draining { port: id.0, sequence: claim.sequence, last });
    }

    /// The member attached here has told what it listens to: more may be held for it than there was when it attached.
    pub(super) fn drain_again(&mut self, member: Index) {
        let port = self.relay.surroundings().attached_port(member);
        if let (Some(port), Some(claim)) = (port, self.relay.routes().get(member).copied()) {
            let held: Vec<ParcelKey> = self.relay.held_for(member).map(|b| b.parcel).collect();
            self.drain(LinkId(port), claim, &held);
        }
    }

    /// The member's memory is older than ours: its home was restored or copied. It is told the sequence it has to pass
    /// (spec §70.2).
    fn outrun(&mut self, now: Instant, id: LinkId, claim: Claim) {
        let known = self.relay.routes().get(claim.member).map_or(0, |known| known.sequence);
        let sequence = known.max(claim.sequence.saturating_add(1));
        self.send(now, id, Some(claim.member), Control::Attached { sequence, held: 0 });
    }

    /// Follows a claim, whoever brought it: verified, remembered, and made known when it is about us.
    pub(super) fn follow(&mut self, now: Instant, claim: Claim, dir: &dyn Directory) -> Option<ClaimOutcome> {
        if let Some(known) = self.relay.routes().get(claim.member)
            && (known.sequence, known.gateway) == (claim.sequence, claim.gateway)
        {
            self.renew_claim(now, claim);
            return Some(ClaimOutcome::Same);
        }
        if dir.is_revoked(claim.member) || dir.is_revoked(claim.gateway) {
            self.counters.add(Count::RefusedRevoked);
            return None;
        }
        if dir.kind(claim.member) != Some(StationKind::Member) || dir.kind(claim.gateway) != Some(StationKind::Gateway)
        {
            self.counters.add(Count::ClaimsNotAMember);
            return None;
        }
        if !dir.verify_claim(&claim) {
            self.counters.add(Count::ClaimsForged);
            return None;
        }
        let outcome = self.relay.follow(now, claim);
        match outcome {
            ClaimOutcome::Newer { previous } => self.claim_is_newer(now, claim, previous, dir),
            ClaimOutcome::Older => {
                self.counters.add(Count::ClaimsOld);
                self.correct(claim.member, dir);
            }
            ClaimOutcome::Full => self.counters.add(Count::ClaimsFull),
            ClaimOutcome::Same => {}
        }
        Some(outcome)
    }

    fn claim_is_newer(&mut self, now: Instant, claim: Claim, previous: Option<Claim>, dir: &dyn Directory) {
        self.counters.add(Count::ClaimsAccepted);
        self.store_claim(now, claim);
        let was_here = previous.is_some_and(|p| p.gateway == self.me);
        if claim.gateway == self.me {
            self.publish_claim(claim, dir);
            self.tell_neighbours(What::Claim, claim.member);
            if !was_here {
                self.announce_listens(claim.member, dir);
                self.subscribe_member(claim.member, dir);
            }
        } else if was_here {
            self.attachments.draining.remove(&claim.member);
            self.unsubscribe_member(claim.member, dir);
        }
    }

    /// Somebody published an old claim of a member that is attached here: say ours again.
    fn correct(&mut self, member: Index, dir: &dyn Directory) {
        if let Some(claim) = self.relay.routes().get(member).copied().filter(|c| c.gateway == self.me) {
            self.publish_claim(claim, dir);
        }
    }

    /// Every gateway in earshot is to learn where the member is.
    pub(super) fn tell_neighbours(&mut self, what: What, member: Index) {
        for id in self.ports.keys() {
            for gateway in self.relay.surroundings().neighbours_on(id.0) {
                self.telling.tell(*id, gateway, [(what, member)]);
            }
        }
    }

    /// A neighbour told us an older claim than we know: it learns the newer one.
    pub(super) fn claim_by_link(&mut self, now: Instant, id: LinkId, from: Index, claim: Claim, dir: &dyn Directory) {
        if self.follow(now, claim, dir) == Some(ClaimOutcome::Older) {
            self.telling.tell(id, from, [(What::Claim, claim.member)]);
        }
    }

    fn publish_claim(&mut self, claim: Claim, dir: &dyn Directory) {
        let uplinks: Vec<UplinkId> = self.uplinks.up().collect();
        for uplink in uplinks {
            self.uplink_claim(uplink, claim, dir);
        }
    }

    /// Told again by where the member is attached: it still is, and is remembered for D again.
    fn renew_claim(&mut self, now: Instant, claim: Claim) {
        let stored = self.attachments.stored.get(&claim.member).copied();
        if stored.is_some_and(|key| self.is_half_over(now, key)) {
            self.store_claim(now, claim);
        }
    }

    /// Half of what is remembered for D is over.
    pub(super) fn is_half_over(&self, now: Instant, key: ParcelKey) -> bool {
        let entry = self.custody.queue().entry(now, picket_store::Seq(key.0));
        entry.is_some_and(|e| e.remaining.times(2) < self.config.max_delay)
    }

    /// Claims outlive a restart, for D: a member is waited for where it was last.
    fn store_claim(&mut self, now: Instant, claim: Claim) {
        let mut buffer = [0; picket_wire::limits::CONTROL_MAX];
        let message = Control::Claim(claim);
        let Ok(bytes) = message.encode(&mut buffer) else { return };
        let meta = Meta {
            destination: claim.member,
            source: claim.member,
            ingress: Ingress { from: self.me, uplink: None },
            hop_limit: 0,
            round: 0,
            raised: 0,
            fate: Fate::Open,
        };
        let incoming = Incoming::plain(Kind::Claim, Precedence::Routine, meta);
        let identity = claim_identity(&claim);
        match self.put(now, identity, &incoming, self.config.max_delay, bytes, None) {
            Ok(seq) => {
                if let Some(old) = self.attachments.stored(claim.member, ParcelKey(seq.0)) {
                    self.custody.finish(now, old, Fate::Died, Duration::ZERO);
                }
            }
            Err(_) => self.store_trouble(),
        }
    }

    pub(super) fn claim_expired(&mut self, now: Instant, key: ParcelKey, dir: &dyn Directory) {
        let member = self.custody.meta(now, key).map(|(_, _, meta)| meta.destination);
        self.custody.finish(now, key, Fate::Died, Duration::ZERO);
        if let Some(member) = member.filter(|m| self.attachments.stored.get(m) == Some(&key)) {
            self.attachments.stored.remove(&member);
            match self.relay.routes().get(member).copied() {
                // Still attached: remembered for D again, here and by all who were told.
                Some(claim) if self.relay.surroundings().attached_port(member).is_some() => {
                    self.store_claim(now, claim);
                    self.publish_claim(claim, dir);
                    self.tell_neighbours(What::Claim, member);
                }
                Some(_) | None => self.relay.forget_route(now, member),
            }
        }
    }

    /// Tells members that all that was held when they attached has been handed over.
    pub(super) fn say_drained(&mut self, now: Instant) {
        let done: Vec<(Index, Draining)> = self
            .attachments
            .draining
            .iter()
            .filter(|(member, d)| !self.is_handing_over(**member, d.last))
            .map(|(member, d)| (*member, *d))
            .collect();
        for (member, d) in done {
            self.attachments.draining.remove(&member);
            self.send(now, LinkId(d.port), Some(member), Control::Drained { sequence: d.sequence });
        }
    }

    fn is_handing_over(&self, member: Index, last: ParcelKey) -> bool {
        self.relay.held_for(member).take_while(|b| b.parcel <= last).any(|branch| match self.relay.state(branch) {
            Some(State::Ready(_) | State::Offered { .. }) => true,
            Some(State::Held(_)) | None => false,
        })
    }
}

/// Identity of a stored claim: its sequence, member and gateway; never on air.
fn claim_identity(claim: &Claim) -> Identity {
    let mut id = [0xC1; 16];
    id[0..2].copy_from_slice(&claim.member.0.to_be_bytes());
    id[2..4].copy_from_slice(&claim.gateway.0.to_be_bytes());
    id[4..8].copy_from_slice(&claim.sequence.to_be_bytes());
    Identity(id)
}
