//! Words of listening: which member listens to which rooms (spec §55.6).

use crate::limits::ROUTES_MAX;
use alloc::collections::{BTreeMap, BTreeSet};
use picket_wire::Index;
use picket_wire::control::Listens;

/// The newest verified word of each member, and who listens to each room.
#[derive(Clone, Debug, Default)]
pub struct Listeners {
    words: BTreeMap<Index, Listens>,
    by_room: BTreeMap<Index, BTreeSet<Index>>,
}

/// What a verified word changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListensOutcome {
    /// It is in force now; what it replaces.
    Newer {
        /// The word before.
        previous: Option<Listens>,
    },
    /// Known already.
    Same,
    /// Not newer than another one that we know: whoever sent it should learn ours.
    Older,
    /// No room for another member.
    Full,
}

impl Listeners {
    /// What following this word would change. The highest sequence wins, the first of two with the same one stays.
    #[must_use]
    pub fn weigh(&self, word: &Listens) -> ListensOutcome {
        match self.words.get(&word.member).copied() {
            // The signature of the same words may differ; it says the same.
            Some(known) if (known.sequence, known.rooms) == (word.sequence, word.rooms) => ListensOutcome::Same,
            Some(known) if known.sequence >= word.sequence => ListensOutcome::Older,
            None if self.words.len() >= ROUTES_MAX => ListensOutcome::Full,
            previous => ListensOutcome::Newer { previous },
        }
    }

    /// Follows a word whose signature was verified.
    pub fn follow(&mut self, word: Listens) -> ListensOutcome {
        let outcome = self.weigh(&word);
        if let ListensOutcome::Newer { .. } = outcome {
            self.forget(word.member);
            for room in word.rooms.as_slice() {
                self.by_room.entry(*room).or_default().insert(word.member);
            }
            self.words.insert(word.member, word);
        }
        outcome
    }

    /// Forgets a word (older than D).
    pub fn forget(&mut self, member: Index) {
        let Some(word) = self.words.remove(&member) else { return };
        for room in word.rooms.as_slice() {
            if let Some(members) = self.by_room.get_mut(room) {
                members.remove(&member);
                if members.is_empty() {
                    self.by_room.remove(room);
                }
            }
        }
    }

    /// The member's newest word.
    #[must_use]
    pub fn get(&self, member: Index) -> Option<&Listens> {
        self.words.get(&member)
    }

    /// Who listens to a room, ascending.
    pub fn of(&self, room: Index) -> impl Iterator<Item = Index> {
        self.by_room.get(&room).into_iter().flatten().copied()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use picket_wire::control::{Rooms, Signature};

    fn word(sequence: u32, rooms: &[u16]) -> Listens {
        let list: Vec<Index> = rooms.iter().copied().map(Index).collect();
        let rooms = Rooms::new(&list).unwrap();
        Listens { member: Index(1), sequence, rooms, signature: Signature([0; 64]) }
    }

    #[test]
    fn the_newest_word_of_a_member_counts_and_no_other() {
        let mut all = Listeners::default();
        let of = |all: &Listeners, room| all.of(Index(room)).collect::<Vec<_>>();
        let first = word(5, &[0xC001, 0xC002]);
        assert_eq!(all.follow(first), ListensOutcome::Newer { previous: None });
        assert_eq!(all.follow(Listens { signature: Signature([1; 64]), ..first }), ListensOutcome::Same);
        assert_eq!(all.follow(word(4, &[])), ListensOutcome::Older);
        assert_eq!(all.follow(word(5, &[0xC001])), ListensOutcome::Older, "the first of two equal ones stays");
        assert_eq!(of(&all, 0xC002), [Index(1)]);
        assert_eq!(all.follow(word(6, &[0xC001])), ListensOutcome::Newer { previous: Some(first) });
        assert_eq!((of(&all, 0xC001), of(&all, 0xC002)), (Vec::from([Index(1)]), Vec::new()));
        all.follow(word(7, &[]));
        assert_eq!(of(&all, 0xC001), []);
        assert_eq!(all.get(Index(1)).map(|w| w.sequence), Some(7), "that nothing is listened to is remembered too");
        all.forget(Index(1));
        assert_eq!(all.get(Index(1)), None);
    }
}
