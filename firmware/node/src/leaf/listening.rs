//! Telling the gateway which rooms we listen to (spec §70.2): the owner's signed word is offered like a parcel after each
//! attachment and after each change, until the gateway has it durably.

use super::stage::Stage;
use super::{Leaf, limits};
use crate::io::{Directory, StationKind};
use crate::leaf::Outcome;
use crate::limits::CLAIM_PRECEDENCE;
use picket_link::{Arrival, Offer, OfferId, ParcelKind};
use picket_wire::control::{Control, Listens};
use picket_wire::time::{Duration, Instant};

/// Handle of the word: apart from those of the owner, which count from the other end.
pub(super) const OFFER: OfferId = OfferId(u64::MAX);

/// The owner's word and how far it is.
#[derive(Debug, Default)]
pub(super) struct Listening {
    /// None where nothing was ever listened to: then nothing is said.
    word: Option<Listens>,
    told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// To be offered, not before this time.
    After(Instant),
    /// On its way.
    Offered,
    /// The gateway has it.
    Yes,
}

impl Default for Told {
    fn default() -> Self {
        Self::After(Instant::ZERO)
    }
}

impl Listening {
    pub(super) const fn taken(&mut self) {
        self.told = Told::Yes;
    }

    pub(super) fn refused(&mut self, now: Instant, retry: Duration) {
        self.told = Told::After(now + retry.max(limits::LISTENS_RETRY));
    }

    /// Whether the gateway knows all there is to know.
    pub(super) const fn is_told(&self) -> bool {
        self.word.is_none() || matches!(self.told, Told::Yes)
    }
}

impl Leaf {
    /// The rooms that the owner listens to from now on, by its signed word, durable. Told to the gateway now or as soon
    /// as there is one; the same word again changes nothing.
    pub fn listens(&mut self, word: Listens) {
        if self.listening.word != Some(word) {
            self.untell_rooms();
            self.listening.word = Some(word);
        }
    }

    /// The gateway to be told, while attached.
    fn to_tell(&self) -> Option<(picket_wire::Index, Listens, Instant)> {
        let state = (&self.stage, self.listening.word, self.listening.told);
        let (Stage::Attached(a), Some(word), Told::After(at)) = state else { return None };
        Some((a.claim.gateway, word, at))
    }

    /// When the word is to be offered (again).
    pub(super) fn telling_due(&self) -> Option<Instant> {
        self.to_tell().map(|(_, _, at)| at)
    }

    /// Offers the word if it is due.
    pub(super) fn tell_rooms(&mut self, now: Instant) {
        let Some((to, word, at)) = self.to_tell() else { return };
        if now < at || !self.may_show() {
            return;
        }
        let message = Control::Listens(word);
        let mut buffer = [0; picket_wire::limits::CONTROL_MAX];
        let (Some(identity), Ok(bytes)) = (message.parcel_identity(), message.encode(&mut buffer)) else { return };
        let (kind, precedence, bytes) = (ParcelKind::Control, CLAIM_PRECEDENCE, bytes.to_vec());
        let offer = Offer { id: OFFER, to, kind, precedence, identity, bytes };
        self.listening.told = match self.link.offer(now, offer) {
            Ok(()) => Told::Offered,
            Err(_) => Told::After(now + limits::LISTENS_RETRY),
        };
    }

    /// Whatever gateway comes next does not know.
    pub(super) fn untell_rooms(&mut self) {
        self.link.withdraw(OFFER);
        self.listening.told = Told::default();
    }

    /// A gateway's copy of our word is not for the mailbox; gives other arrivals back.
    pub(super) fn our_own_word(
        &mut self,
        now: Instant,
        arrival: Arrival,
        directory: &dyn Directory,
    ) -> Option<Arrival> {
        let message = Control::decode(&arrival.bytes).ok().filter(|_| arrival.kind == ParcelKind::Control);
        let Some(Control::Listens(word)) = message else { return Some(arrival) };
        self.link.acknowledge(now, arrival.owed(), None, Duration::ZERO);
        if directory.kind(arrival.from) == Some(StationKind::Gateway) && word.member == directory.me() {
            self.outcomes.push_back(Outcome::ListensKnown(word));
        }
        None
    }
}
