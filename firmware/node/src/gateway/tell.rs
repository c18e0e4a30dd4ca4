//! Telling neighbours on links where members are attached: each claim is offered to each gateway in earshot until it is
//! acknowledged, so that a lost frame never leaves a former gateway waiting for a member who has moved (spec §65.4).

use super::Gateway;
use crate::io::LinkId;
use crate::limits::{CLAIM_PRECEDENCE, TELL_TIMEOUT};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use picket_link::{Offer, OfferId, ParcelKind};
use picket_store::Medium;
use picket_wire::Index;
use picket_wire::control::Control;
use picket_wire::limits::CONTROL_MAX;
use picket_wire::time::Instant;

/// Who has not been told of which member.
#[derive(Debug, Default)]
pub(super) struct Telling(BTreeMap<Word, Stage>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Word {
    link: LinkId,
    gateway: Index,
    member: Index,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// To be offered when there is room.
    Ready,
    /// Offered until then.
    Offered(Instant),
    /// No answer: waits until the neighbour is heard.
    Silent,
}

/// Handles of claims: apart from those of parcels, which are store sequence numbers.
const CLAIM_OFFER: u64 = 1 << 63;

impl Word {
    const fn offer(self) -> OfferId {
        OfferId(CLAIM_OFFER | (self.gateway.0 as u64) << 16 | self.member.0 as u64)
    }
}

impl Telling {
    /// These members' claims are news for a neighbour; a claim still on its way to it is replaced.
    pub(super) fn tell(&mut self, link: LinkId, gateway: Index, members: impl IntoIterator<Item = Index>) {
        for member in members {
            self.0.insert(Word { link, gateway, member }, Stage::Ready);
        }
    }

    /// A neighbour was heard: what it did not answer is offered again.
    pub(super) fn heard(&mut self, link: LinkId, gateway: Index) {
        let of = |member: u16| Word { link, gateway, member: Index(member) };
        for (_, stage) in self.0.range_mut(of(0)..=of(u16::MAX)) {
            if *stage == Stage::Silent {
                *stage = Stage::Ready;
            }
        }
    }

    /// An offer was answered; false when it is not a claim's.
    pub(super) fn answered(&mut self, link: LinkId, offer: OfferId) -> bool {
        if offer.0 & CLAIM_OFFER == 0 {
            return false;
        }
        self.0.retain(|word, stage| word.link != link || word.offer() != offer || !matches!(stage, Stage::Offered(_)));
        true
    }

    /// A link instance is gone.
    pub(super) fn port_removed(&mut self, link: LinkId) {
        self.0.retain(|word, _| word.link != link);
    }

    /// When an offer is given up next.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let until = |stage: &Stage| match stage {
            Stage::Offered(until) => Some(*until),
            Stage::Ready | Stage::Silent => None,
        };
        self.0.values().filter_map(until).min()
    }

    fn with(&self, wanted: impl Fn(Stage) -> bool) -> Vec<Word> {
        self.0.iter().filter(|(_, stage)| wanted(**stage)).map(|(word, _)| *word).collect()
    }
}

impl<M: Medium> Gateway<M> {
    /// Offers claims where there is room, and gives up on those that were not answered in time.
    pub(super) fn offer_claims(&mut self, now: Instant) {
        if self.telling.0.is_empty() {
            return;
        }
        for word in self.telling.with(|stage| matches!(stage, Stage::Offered(until) if until <= now)) {
            if let Some(port) = self.ports.get_mut(&word.link) {
                port.link.withdraw(word.offer());
            }
            self.telling.0.insert(word, Stage::Silent);
        }
        for word in self.telling.with(|stage| stage == Stage::Ready) {
            self.offer_claim(now, word);
        }
    }

    fn offer_claim(&mut self, now: Instant, word: Word) {
        let Some(claim) = self.relay.routes().get(word.member).copied() else {
            self.telling.0.remove(&word);
            return;
        };
        let Some(port) = self.ports.get_mut(&word.link).filter(|p| p.is_up()) else { return };
        let message = Control::Claim(claim);
        let mut buffer = [0; CONTROL_MAX];
        let (Some(identity), Ok(bytes)) = (message.parcel_identity(), message.encode(&mut buffer)) else { return };
        let offer = Offer {
            id: word.offer(),
            to: word.gateway,
            kind: ParcelKind::Control,
            precedence: CLAIM_PRECEDENCE,
            identity,
            bytes: bytes.to_vec(),
        };
        port.link.withdraw(word.offer());
        if port.link.offer(now, offer).is_ok() {
            self.telling.0.insert(word, Stage::Offered(now + TELL_TIMEOUT));
        }
    }
}
