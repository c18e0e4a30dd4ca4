//! Telling neighbours on links where members are attached and what they listen to: each word is offered to each gateway in earshot until it is
//! acknowledged, so that a lost frame never leaves a former gateway waiting for a member who has moved (spec §65.4).

use super::Gateway;
use crate::io::LinkId;
use crate::limits::{CLAIM_PRECEDENCE, TELL_TIMEOUT};
use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::Bound;
use picket_link::{Offer, OfferId, ParcelKind};
use picket_store::Medium;
use picket_wire::Index;
use picket_wire::control::Control;
use picket_wire::limits::CONTROL_MAX;
use picket_wire::time::Instant;

/// Who has not been told of which member: each word stands in exactly one place, so that nothing is searched for.
#[derive(Debug, Default)]
pub(super) struct Telling {
    /// To be offered when there is room.
    ready: BTreeSet<Word>,
    /// Offered until then.
    offered: BTreeMap<Word, Instant>,
    deadlines: BTreeSet<(Instant, Word)>,
    /// No answer: waits until the neighbour is heard.
    silent: BTreeSet<Word>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Word {
    link: LinkId,
    gateway: Index,
    what: What,
    member: Index,
}

/// What is told of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// Where it is attached.
    Claim,
    /// What it listens to.
    Listens,
}

/// Handles of claims: apart from those of parcels, which are store sequence numbers.
const CLAIM_OFFER: u64 = 1 << 63;

/// Among these, handles of words of listening.
const LISTENS_OFFER: u64 = 1 << 32;

impl Word {
    const fn offer(self) -> OfferId {
        let what = match self.what {
            What::Claim => 0,
            What::Listens => LISTENS_OFFER,
        };
        OfferId(CLAIM_OFFER | what | (self.gateway.0 as u64) << 16 | self.member.0 as u64)
    }

    const fn of(link: LinkId, offer: OfferId) -> Self {
        let what = if offer.0 & LISTENS_OFFER != 0 { What::Listens } else { What::Claim };
        Self { link, gateway: Index((offer.0 >> 16) as u16), what, member: Index(offer.0 as u16) }
    }

    /// The last word there can be for the same neighbour.
    const fn last(self) -> Self {
        Self { what: What::Listens, member: Index(u16::MAX), ..self }
    }
}

impl Telling {
    /// These members' words are news for a neighbour; one still on its way to it is replaced.
    pub(super) fn tell(&mut self, link: LinkId, gateway: Index, words: impl IntoIterator<Item = (What, Index)>) {
        for (what, member) in words {
            let word = Word { link, gateway, what, member };
            self.take(word);
            self.ready.insert(word);
        }
    }

    /// This station is revoked: it is told nothing, and nobody is told of it.
    pub(super) fn forget(&mut self, link: LinkId, station: Index) {
        let words = self.ready.iter().chain(self.offered.keys()).chain(&self.silent);
        let about = |w: &&Word| w.link == link && (w.gateway == station || w.member == station);
        let gone: alloc::vec::Vec<Word> = words.filter(about).copied().collect();
        gone.into_iter().for_each(|word| self.take(word));
    }

    /// A neighbour was heard: what it did not answer is offered again.
    pub(super) fn heard(&mut self, link: LinkId, gateway: Index) {
        let first = Word { link, gateway, what: What::Claim, member: Index(0) };
        while let Some(word) = self.silent.range(first..=first.last()).next().copied() {
            self.silent.remove(&word);
            self.ready.insert(word);
        }
    }

    /// An offer was answered; false when it is not a claim's.
    pub(super) fn answered(&mut self, link: LinkId, offer: OfferId) -> bool {
        let word = Word::of(link, offer);
        let ours = offer.0 & CLAIM_OFFER != 0;
        // An answer to what is to be told anew is no answer.
        if ours && self.offered.contains_key(&word) {
            self.take(word);
        }
        ours
    }

    /// A link instance is gone.
    pub(super) fn port_removed(&mut self, link: LinkId) {
        self.ready.retain(|word| word.link != link);
        self.offered.retain(|word, _| word.link != link);
        self.deadlines.retain(|(_, word)| word.link != link);
        self.silent.retain(|word| word.link != link);
    }

    /// Nothing may be told there now: what is on its way is taken back and waits until the neighbour is heard.
    pub(super) fn hush(&mut self, link: LinkId) -> alloc::vec::Vec<OfferId> {
        let offered = self.offered.keys().filter(|word| word.link == link).copied();
        let offered: alloc::vec::Vec<Word> = offered.collect();
        for word in &offered {
            self.take(*word);
            self.silent.insert(*word);
        }
        offered.into_iter().map(Word::offer).collect()
    }

    /// When an offer is given up next.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    /// Takes a word out of wherever it is.
    fn take(&mut self, word: Word) {
        self.ready.remove(&word);
        self.silent.remove(&word);
        if let Some(until) = self.offered.remove(&word) {
            self.deadlines.remove(&(until, word));
        }
    }

    fn given_up(&mut self, now: Instant) -> Option<Word> {
        let (_, word) = self.deadlines.first().copied().filter(|(until, _)| *until <= now)?;
        self.take(word);
        self.silent.insert(word);
        Some(word)
    }
}

/// Whether a claim was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// It was, or there is nothing to tell any more.
    Yes,
    /// The link takes no more for this neighbour now.
    NoRoom,
}

impl<M: Medium> Gateway<M> {
    /// Offers claims where there is room, and gives up on those that were not answered in time.
    pub(super) fn offer_claims(&mut self, now: Instant) {
        while let Some(word) = self.telling.given_up(now) {
            if let Some(port) = self.ports.get_mut(&word.link) {
                port.link.withdraw(word.offer());
            }
        }
        let mut next = self.telling.ready.first().copied();
        while let Some(word) = next {
            let after = match self.offer_claim(now, word) {
                Told::Yes => word,
                Told::NoRoom => word.last(),
            };
            next = self.telling.ready.range((Bound::Excluded(after), Bound::Unbounded)).next().copied();
        }
    }

    fn offer_claim(&mut self, now: Instant, word: Word) -> Told {
        let message = match word.what {
            What::Claim => self.relay.routes().get(word.member).copied().map(Control::Claim),
            What::Listens => self.relay.listeners().get(word.member).copied().map(Control::Listens),
        };
        let Some(message) = message else {
            self.telling.take(word);
            return Told::Yes;
        };
        let allowed = |p: &&mut super::Port| self.emission.allows(p.air, picket_link::gate::Traffic::Presence);
        let port = self.ports.get_mut(&word.link).filter(|p| p.is_up()).filter(allowed);
        let Some(port) = port else { return Told::NoRoom };
        let mut buffer = [0; CONTROL_MAX];
        let (Some(identity), Ok(bytes)) = (message.parcel_identity(), message.encode(&mut buffer)) else {
            self.telling.take(word);
            return Told::Yes;
        };
        let offer = Offer {
            id: word.offer(),
            to: word.gateway,
            kind: ParcelKind::Control,
            precedence: CLAIM_PRECEDENCE,
            identity,
            bytes: bytes.to_vec(),
        };
        port.link.withdraw(word.offer());
        if port.link.offer(now, offer).is_err() {
            return Told::NoRoom;
        }
        let until = now + TELL_TIMEOUT;
        self.telling.take(word);
        self.telling.offered.insert(word, until);
        self.telling.deadlines.insert((until, word));
        Told::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stands_in_one_place_and_news_outlive_the_answer_to_old_ones() {
        let (link, gateway, member) = (LinkId(3), Index(0xFFF0), Index(0x1234));
        let word = Word { link, gateway, what: What::Claim, member };
        for word in [word, Word { what: What::Listens, ..word }] {
            assert_eq!(Word::of(link, word.offer()), word);
        }
        let mut telling = Telling::default();
        telling.tell(link, gateway, [(What::Claim, member)]);
        telling.take(word);
        telling.offered.insert(word, Instant(9));
        telling.deadlines.insert((Instant(9), word));
        telling.tell(link, gateway, [(What::Claim, member)]);
        assert_eq!((telling.next_wake(), telling.ready.len()), (None, 1));
        assert!(telling.answered(link, word.offer()));
        assert_eq!(telling.ready.len(), 1, "the newer claim is still to be told");
        assert!(!telling.answered(link, OfferId(5)));
        telling.take(word);
        telling.offered.insert(word, Instant(9));
        telling.deadlines.insert((Instant(9), word));
        assert_eq!(telling.given_up(Instant(9)), Some(word));
        telling.heard(link, Index(1));
        assert_eq!(telling.ready.len(), 0);
        telling.heard(link, gateway);
        assert_eq!((telling.ready.len(), telling.silent.len()), (1, 0));
        telling.port_removed(link);
        assert_eq!(telling.ready.len(), 0);
    }
}
