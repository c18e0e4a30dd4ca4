//! A room in the world: what its members do, what they are shown, and what must hold of it.

use crate::outcome::Outcome;
use crate::stations::MemberStation;
use picket_endpoint::testing::Place;
use picket_endpoint::{Content, RoomDraft, RoomError, RoomMessage, RoomView, Shown, Trust};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Index, MessageId, Precedence};
use std::collections::{BTreeMap, BTreeSet};

/// Name of the only room.
const ROOM: &str = "ops";
/// An invitation that has not come is looked for again after this.
pub const JOIN_AGAIN: Duration = Duration::from_secs(5);

/// Something done in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomAct {
    /// A member makes it.
    Create(usize),
    /// A moderator invites a member.
    Invite(usize, usize),
    /// A member joins, as soon as it is invited.
    Join(usize),
    /// A moderator removes a member.
    Remove(usize, usize),
    /// A moderator promotes a member.
    Promote(usize, usize),
    /// A member leaves.
    Leave(usize),
    /// A member says something; signed at once or not.
    Say(usize, bool, Precedence),
    /// The authority revokes a member, and hands that to a gateway.
    Revoke(usize, usize),
}

/// Something said.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    from: usize,
    at: Instant,
    order: bool,
    /// Who was in the room as its sender knew it.
    seats: BTreeSet<Index>,
    /// Its sender was told that it is durable.
    sure: bool,
}

/// What is known of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stay {
    /// Since when it takes part without a break.
    since: Option<Instant>,
    /// When its home was last put back to a copy.
    restored: Option<Instant>,
    /// What its home has been told to its owner.
    shown: BTreeSet<String>,
    /// The same in the copy.
    copied: BTreeSet<String>,
    revoked: bool,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct RoomBook {
    said: BTreeMap<String, Said>,
    stays: BTreeMap<usize, Stay>,
    indices: Vec<Index>,
    places: BTreeMap<Place, [u8; 8]>,
    /// What could not be done, and did not matter.
    pub refused: usize,
}

impl RoomBook {
    pub fn new(indices: Vec<Index>) -> Self {
        Self { indices, ..Self::default() }
    }

    fn stay(&mut self, n: usize) -> &mut Stay {
        self.stays.entry(n).or_default()
    }

    /// Does it; true when it is to be tried again later.
    ///
    /// # Errors
    /// In words: what must not be.
    pub fn act(&mut self, now: Instant, act: RoomAct, members: &mut [MemberStation]) -> bool {
        let by = match act {
            RoomAct::Create(n) | RoomAct::Join(n) | RoomAct::Leave(n) | RoomAct::Say(n, ..) => n,
            RoomAct::Invite(n, _) | RoomAct::Remove(n, _) | RoomAct::Promote(n, _) => n,
            RoomAct::Revoke(..) => return false,
        };
        let MemberStation { endpoint: Some(endpoint), random, .. } = &mut members[by] else { return false };
        let name = |n: usize| format!("m{n}");
        let done = match act {
            RoomAct::Create(_) => {
                let draft =
                    RoomDraft { name: ROOM.into(), signed_only: false, lifetime: None, most: None, retention: None };
                endpoint.room_create(now, &draft, random)
            }
            RoomAct::Invite(_, whom) => endpoint.room_invite(now, ROOM, &name(whom), random),
            RoomAct::Remove(_, whom) => endpoint.room_remove(now, ROOM, &name(whom), random),
            RoomAct::Promote(_, whom) => endpoint.room_promote(now, ROOM, &name(whom), random),
            RoomAct::Leave(_) => endpoint.room_leave(now, ROOM, random),
            RoomAct::Join(_) if endpoint.rooms().is_empty() => return !self.stay(by).revoked,
            RoomAct::Join(_) => endpoint.room_join(now, ROOM, random),
            RoomAct::Say(_, order, precedence) => {
                let text = format!("{}: m{by} says", self.said.len());
                let content = Content::Text(text.clone());
                let message = RoomMessage { room: ROOM.into(), order, precedence, ttl: None, content };
                let composed = endpoint.compose_room(now, &message, random).map(|_| ());
                let seats = endpoint.rooms().first().map(seats).unwrap_or_default();
                if matches!(composed, Ok(()) | Err(RoomError::Vault(_))) {
                    let sure = composed.is_ok();
                    self.said.insert(text, Said { from: by, at: now, order, seats, sure });
                }
                composed
            }
            RoomAct::Revoke(..) => Ok(()),
        };
        self.refused += usize::from(done.is_err());
        self.look(now, by, members);
        false
    }

    /// Follows who takes part.
    pub fn look(&mut self, now: Instant, n: usize, members: &[MemberStation]) {
        let Some(endpoint) = members[n].endpoint.as_ref() else { return };
        let joined = !endpoint.revoked() && endpoint.rooms().first().is_some_and(|r| r.joined);
        let stay = self.stay(n);
        stay.since = if joined { stay.since.or(Some(now)) } else { None };
    }

    pub fn revoked(&mut self, n: usize) {
        self.stay(n).revoked = true;
    }

    /// A member's home is copied.
    pub fn copied(&mut self, n: usize) {
        let stay = self.stay(n);
        stay.copied = stay.shown.clone();
    }

    /// It is put back.
    pub fn restored(&mut self, now: Instant, n: usize) {
        let stay = self.stay(n);
        stay.shown = stay.copied.clone();
        stay.restored = Some(now);
    }

    /// Whether this message of ours is the room's.
    pub fn is_ours(&self, now: Instant, member: &mut MemberStation, id: MessageId) -> bool {
        let to = member.endpoint.as_mut().and_then(|e| e.outgoing(now, id).ok());
        to.is_some_and(|o| o.to.is_room())
    }

    /// A member is told of a message of the room: what is wrong with that, if anything. `None`: it is none of the room's.
    pub fn shown(
        &mut self,
        now: Instant,
        n: usize,
        id: MessageId,
        members: &mut [MemberStation],
    ) -> Option<Vec<String>> {
        let endpoint = members[n].endpoint.as_mut()?;
        let incoming = endpoint.incoming(now, id).ok().filter(|m| m.room.is_some())?;
        let Ok(picket_endpoint::Body { content: Content::Text(text), .. }) = endpoint.body(now, id) else {
            return Some(vec![format!("m{n} is shown {id} of the room, and there is nothing to show")]);
        };
        let mut wrong = Vec::new();
        let Some(said) = self.said.get(&text).cloned() else {
            return Some(vec![format!("m{n} is shown {text:?} in the room, which nobody said")]);
        };
        if incoming.from != self.indices[said.from] || incoming.trust == Trust::Forged {
            wrong.push(format!("m{n} is shown {text:?} as by #{}, {:?}", incoming.from.0, incoming.trust));
        }
        if said.order && incoming.trust != Trust::Signed {
            wrong.push(format!("the order {text:?} is {:?} at m{n}", incoming.trust));
        }
        if !said.seats.contains(&self.indices[n]) {
            wrong.push(format!("m{n} is shown {text:?}, said when it was not in the room"));
        }
        let knows = endpoint.roster().revoked().contains(self.indices[said.from]);
        if knows {
            wrong.push(format!("m{n} is shown {text:?} of m{}, whom it knows to be revoked", said.from));
        }
        if !self.stay(n).shown.insert(text.clone()) {
            wrong.push(format!("m{n} is shown {text:?} twice"));
        }
        Some(wrong)
    }

    /// A device was started again: what reached its mailbox with the write that was cut was told to nobody.
    pub fn caught_up(&mut self, now: Instant, n: usize, members: &mut [MemberStation]) -> Vec<String> {
        let inbox = members[n].endpoint.as_mut().and_then(|e| e.inbox(now).ok()).unwrap_or_default();
        let told = &self.stay(n).shown;
        let text = |m: &picket_endpoint::Incoming| match &m.shown {
            Shown::Text(text) => Some(text.clone()),
            Shown::File { .. } => None,
        };
        let untold = inbox.iter().filter(|m| m.room.is_some() && text(m).is_some_and(|t| !told.contains(&t)));
        let untold: Vec<MessageId> = untold.map(|m| m.id).collect();
        untold.into_iter().filter_map(|id| self.shown(now, n, id, members)).flatten().collect()
    }

    /// No two contents under one key and nonce, whoever has seen them.
    pub fn collect(&mut self, members: &[MemberStation]) -> Vec<String> {
        let mut twice = Vec::new();
        for member in members {
            for (place, digest) in member.endpoint.iter().flat_map(|e| e.room_places()) {
                if *self.places.entry(place).or_insert(digest) != digest {
                    twice.push(format!("one key and nonce sealed two messages: {place:?}"));
                }
            }
        }
        twice
    }

    /// Who is in the room at the end, as the first of those who takes part knows it: the others must know the same.
    fn finals(&self, members: &[MemberStation]) -> Result<BTreeSet<Index>, String> {
        let views = members.iter().enumerate().filter_map(|(n, m)| {
            let endpoint = m.endpoint.as_ref().filter(|e| !e.revoked())?;
            let unaware = self.stays.get(&n).is_some_and(|s| s.revoked);
            Some((n, endpoint.rooms().into_iter().find(|r| r.joined && !unaware)?))
        });
        let mut views = views.collect::<Vec<_>>().into_iter();
        let Some((first, room)) = views.next() else { return Ok(BTreeSet::new()) };
        let inside = |n: usize| seats(&room).contains(&self.indices[n]);
        for (n, other) in views.filter(|(n, _)| inside(*n)) {
            if other.lapsed || (other.version, &seats(&other)) != (room.version, &seats(&room)) {
                let (a, b) =
                    (format!("{} {:?}", room.version, seats(&room)), format!("{} {:?}", other.version, seats(&other)));
                return Err(format!("m{first} and m{n} know different rooms: {a}; {b}, lapsed {}", other.lapsed));
            }
        }
        Ok(seats(&room))
    }

    /// What is missing: whoever stays, and whose sender stays, gets everything.
    pub fn missing(&self, members: &[MemberStation]) -> Vec<String> {
        let finals = match self.finals(members) {
            Ok(finals) => finals,
            Err(why) => return vec![why],
        };
        let mut missing = Vec::new();
        for (text, said) in self.said.iter().filter(|(_, s)| s.sure && self.stayed(s.from, s.at, &finals)) {
            let readers = (0..self.indices.len()).filter(|n| *n != said.from && said.seats.contains(&self.indices[*n]));
            for n in readers.filter(|n| self.stayed(*n, said.at, &finals)) {
                if !self.stays[&n].shown.contains(text) {
                    missing.push(format!("m{n} was never shown {text:?}, said at {} s", said.at.0 / 1_000_000));
                }
            }
        }
        missing
    }

    fn stayed(&self, n: usize, at: Instant, finals: &BTreeSet<Index>) -> bool {
        let Some(stay) = self.stays.get(&n) else { return false };
        let since = stay.since.is_some_and(|since| since <= at);
        since && stay.restored.is_none_or(|r| r < at) && !stay.revoked && finals.contains(&self.indices[n])
    }

    /// Into the result.
    pub fn close(&mut self, members: &[MemberStation], outcome: &mut Outcome) {
        outcome.faults.extend(self.collect(members));
        outcome.faults.extend(self.missing(members));
        outcome.said = self.said.len();
        outcome.heard = self.stays.values().map(|s| s.shown.len()).sum();
    }
}

fn seats(room: &RoomView) -> BTreeSet<Index> {
    room.members.iter().map(|m| m.index).collect()
}
