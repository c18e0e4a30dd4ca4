//! Signed objects of a station: which it holds, and when it hands them to whom (spec §35.6).
//!
//! A station that holds none says nothing of them. One that does says which it has where somebody new is heard, hands over
//! what somebody else has an older version of, and passes on what is new to it three times. All of it waits a drawn while,
//! is dropped when another did it meanwhile, and has a limit.

use crate::io::LinkId;
use crate::limits::{
    OBJECT_AGAIN, OBJECT_CHECKS, OBJECT_CHECKS_PER, OBJECT_JITTER_MS, OBJECT_PATIENCE, OBJECT_PUSHES, OBJECT_WAIT,
};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use picket_wire::Index;
use picket_wire::signed::{Have, ObjectKind, object_id, object_version};
use picket_wire::time::{Duration, Instant};

/// What is held, and what is to be said on which link.
#[derive(Debug, Default)]
pub struct Objects {
    held: BTreeMap<ObjectKind, Held>,
    duties: BTreeMap<LinkId, Duties>,
    /// Newer versions that others say they have, and until when it is worth waiting for them.
    awaited: BTreeMap<ObjectKind, (u32, Instant)>,
    /// Verifications asked for in the present window.
    checks: u32,
    window: Instant,
    draws: u32,
}

#[derive(Debug)]
struct Held {
    version: u32,
    object: Vec<u8>,
    /// It is said unasked that we have it.
    announced: bool,
}

/// What is to be said on one link.
#[derive(Debug, Default)]
struct Duties {
    /// Only one other station hears it: there is nobody to speak at the same time as.
    alone: bool,
    push: BTreeMap<ObjectKind, Push>,
    have: Option<Instant>,
    said: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Push {
    due: Option<Instant>,
    last: Option<Instant>,
    /// How often it is still repeated for those who may not speak.
    again: u8,
    /// Some frames of this round are left.
    going_on: bool,
}

/// Something to be put on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    /// What we have.
    Have,
    /// The object of this kind; then tell [`Objects::pushed`].
    Push(ObjectKind),
}

/// What to do with an object that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// Newer than what is held: the host is to verify it.
    Verify,
    /// Held already, or older.
    Known,
    /// Too many are to be verified; it will be heard again.
    Limited,
    /// No object.
    Garbage,
}

impl Objects {
    /// The versions held.
    #[must_use]
    pub fn have(&self) -> Have {
        let mut have = Have::default();
        for (kind, held) in &self.held {
            have.set(*kind, held.version);
        }
        have
    }

    /// An object held.
    #[must_use]
    pub fn get(&self, kind: ObjectKind) -> Option<&[u8]> {
        self.held.get(&kind).map(|h| h.object.as_slice())
    }

    /// Kinds held.
    pub fn kinds(&self) -> impl Iterator<Item = ObjectKind> {
        self.held.keys().copied()
    }

    /// Holds what everybody has from the beginning, the keyfill's roster: it is handed to whoever lacks it, and not spoken of.
    pub fn keep(&mut self, object: Vec<u8>) {
        self.insert(object, false);
    }

    /// The kind, if the object is newer than what was held.
    fn insert(&mut self, object: Vec<u8>, announced: bool) -> Option<ObjectKind> {
        let (kind, version) = object_version(&object)?;
        if self.held.get(&kind).is_some_and(|h| h.version >= version) {
            return None;
        }
        self.held.insert(kind, Held { version, object, announced });
        Some(kind)
    }

    /// The host has verified this object, and it is durable and in force: it is passed on. False when a newer one, or this
    /// one, is held. A roster is handed to those who say that theirs is older: it may be long. A revocation is sent three
    /// times unasked.
    pub fn hold(&mut self, now: Instant, me: Index, object: Vec<u8>) -> bool {
        let Some(kind) = self.insert(object, true) else { return false };
        let ids: Vec<LinkId> = self.duties.keys().copied().collect();
        for id in ids {
            if kind == ObjectKind::Roster {
                self.say_have(now, me, id);
                continue;
            }
            let due = now + self.jitter(me, id);
            if let Some(duties) = self.duties.get_mut(&id) {
                duties.push.insert(kind, Push { due: Some(due), again: OBJECT_PUSHES - 1, ..Push::default() });
            }
        }
        true
    }

    /// A link works. `alone` where nobody but the other end hears it.
    pub fn link_up(&mut self, id: LinkId, alone: bool) {
        self.duties.insert(id, Duties { alone, ..Duties::default() });
    }

    /// Whether somebody said that it has something newer, which has not come yet and may still be on its way.
    #[must_use]
    pub fn awaits(&self, now: Instant) -> bool {
        let have = self.have();
        self.awaited.iter().any(|(kind, (version, until))| *version > have.version(*kind) && now < *until)
    }

    /// A link does not work.
    pub fn link_down(&mut self, id: LinkId) {
        self.duties.remove(&id);
    }

    /// Somebody is there who was not, or attached: it learns what we have.
    pub fn somebody(&mut self, now: Instant, me: Index, id: LinkId) {
        if self.held.values().any(|h| h.announced) {
            self.say_have(now, me, id);
        }
    }

    /// Somebody says what it has.
    pub fn heard_have(&mut self, now: Instant, me: Index, id: LinkId, theirs: &Have) {
        let ours = self.have();
        for kind in ObjectKind::ALL {
            let (theirs, ours) = (theirs.version(kind), ours.version(kind));
            if theirs < ours {
                self.push(now, me, id, kind);
            }
            // Said again it is not waited for anew: whoever promises and gives nothing holds nobody up.
            if theirs > ours && self.awaited.get(&kind).is_none_or(|(version, _)| *version < theirs) {
                self.awaited.insert(kind, (theirs, now + OBJECT_PATIENCE));
            }
        }
        if ObjectKind::ALL.into_iter().any(|kind| theirs.version(kind) > ours.version(kind)) {
            self.say_have(now, me, id);
        }
    }

    /// A frame of another generation of the network key was heard: its sender missed a revocation, or we did.
    pub fn other_generation(&mut self, now: Instant, me: Index, id: LinkId, theirs: u8, ours: u8) {
        let ahead = theirs.wrapping_sub(ours) & 0b111;
        if (1..=3).contains(&ahead) || !self.held.contains_key(&ObjectKind::Revoke) {
            self.say_have(now, me, id);
        } else {
            self.push(now, me, id, ObjectKind::Revoke);
        }
    }

    /// An object was heard on a link, or came from a broker.
    pub fn candidate(&mut self, now: Instant, id: Option<LinkId>, object: &[u8]) -> Candidate {
        let Some((kind, version)) = object_version(object) else { return Candidate::Garbage };
        // Here it is; whether it is taken is the host's to say.
        if let Some((wanted, until)) = self.awaited.get_mut(&kind).filter(|(wanted, _)| *wanted <= version) {
            (*wanted, *until) = (version, now);
        }
        if let Some(held) = self.held.get(&kind).filter(|h| h.version >= version) {
            let same = held.version == version && object_id(&held.object) == object_id(object);
            if let Some(push) = id.and_then(|id| self.duties.get_mut(&id)?.push.get_mut(&kind)).filter(|_| same) {
                // Another one has just said it.
                push.last = Some(now);
                push.due = push.due.filter(|_| push.going_on).or_else(|| repeat(now, push));
            }
            return Candidate::Known;
        }
        if now.since(self.window) >= OBJECT_CHECKS_PER {
            (self.window, self.checks) = (now, 0);
        }
        self.checks += 1;
        if self.checks > OBJECT_CHECKS { Candidate::Limited } else { Candidate::Verify }
    }

    /// What is to be said now, one thing for each link.
    pub fn due(&mut self, now: Instant) -> Vec<(LinkId, Say)> {
        for (_, until) in self.awaited.values_mut().filter(|(_, until)| *until <= now) {
            *until = Instant::ZERO;
        }
        let mut say = Vec::new();
        for (id, duties) in &mut self.duties {
            if duties.have.is_some_and(|at| at <= now) {
                (duties.have, duties.said) = (None, Some(now));
                say.push((*id, Say::Have));
            } else if let Some((kind, _)) = duties.push.iter().find(|(_, p)| p.due.is_some_and(|at| at <= now)) {
                say.push((*id, Say::Push(*kind)));
            }
        }
        say
    }

    /// An object was given to its link; `more` when some of its frames are left.
    pub fn pushed(&mut self, now: Instant, id: LinkId, kind: ObjectKind, more: bool) {
        let Some(push) = self.duties.get_mut(&id).and_then(|d| d.push.get_mut(&kind)) else { return };
        push.going_on = more;
        push.last = Some(now);
        push.due = if more { Some(now + OBJECT_WAIT) } else { repeat(now, push) };
    }

    /// It could not be given to its link now: the gate holds back what waits there.
    pub fn postponed(&mut self, now: Instant, id: LinkId, kind: ObjectKind) {
        if let Some(push) = self.duties.get_mut(&id).and_then(|d| d.push.get_mut(&kind)) {
            push.due = Some(now + OBJECT_AGAIN);
        }
    }

    /// When something is due.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let duties = self.duties.values();
        let said = duties.flat_map(|d| d.push.values().filter_map(|p| p.due).chain(d.have));
        let have = self.have();
        let awaited = self.awaited.iter().filter(|(kind, (version, _))| *version > have.version(**kind));
        let over = awaited.map(|(_, (_, until))| *until).filter(|until| *until > Instant::ZERO);
        said.chain(over).min()
    }

    fn push(&mut self, now: Instant, me: Index, id: LinkId, kind: ObjectKind) {
        let jitter = self.jitter(me, id);
        let Some(duties) = self.duties.get_mut(&id) else { return };
        let push = duties.push.entry(kind).or_default();
        let earliest = push.last.map_or(now, |last| last + OBJECT_AGAIN).max(now) + jitter;
        push.due = Some(push.due.map_or(earliest, |due| due.min(earliest)));
    }

    fn say_have(&mut self, now: Instant, me: Index, id: LinkId) {
        let jitter = self.jitter(me, id);
        let Some(duties) = self.duties.get_mut(&id) else { return };
        let earliest = duties.said.map_or(now, |said| said + OBJECT_AGAIN).max(now) + jitter;
        duties.have = Some(duties.have.map_or(earliest, |at| at.min(earliest)));
    }

    /// Stations that would say the same at once differ by this.
    fn jitter(&mut self, me: Index, id: LinkId) -> Duration {
        if self.duties.get(&id).is_some_and(|d| d.alone) {
            return Duration::ZERO;
        }
        self.draws = self.draws.wrapping_add(1);
        let mixed = (u64::from(me.0) << 32 | u64::from(self.draws)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Duration::from_millis((mixed >> 40) % OBJECT_JITTER_MS)
    }
}

/// When a push is repeated by itself: ever later, for those who may not say that they missed it.
fn repeat(now: Instant, push: &mut Push) -> Option<Instant> {
    push.again = push.again.checked_sub(1)?;
    let rounds = u64::from(OBJECT_PUSHES - push.again);
    Some(now + OBJECT_AGAIN.times(rounds.saturating_mul(rounds).saturating_mul(rounds)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    const ME: Index = Index(5);
    const LINK: LinkId = LinkId(1);

    fn revoke(generation: u8) -> Vec<u8> {
        alloc::vec![1, generation, 0, 0]
    }

    fn at(s: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(s)
    }

    fn said(objects: &mut Objects, until: Instant) -> Vec<Say> {
        let mut all = Vec::new();
        while let Some(now) = objects.next_wake().filter(|now| *now <= until) {
            for (id, say) in objects.due(now) {
                if let Say::Push(kind) = say {
                    objects.pushed(now, id, kind, false);
                }
                all.push(say);
            }
        }
        all
    }

    #[test]
    fn who_holds_nothing_says_nothing_until_others_have_something() {
        let mut objects = Objects::default();
        objects.link_up(LINK, false);
        objects.somebody(at(1), ME, LINK);
        assert_eq!(objects.next_wake(), None);
        let mut theirs = Have::default();
        theirs.set(ObjectKind::Revoke, 1);
        objects.heard_have(at(1), ME, LINK, &theirs);
        assert_eq!(said(&mut objects, at(60)), [Say::Have]);
    }

    #[test]
    fn what_is_new_is_passed_on_three_times_and_only_newer_replaces_it() {
        let mut objects = Objects::default();
        objects.link_up(LINK, false);
        assert!(objects.hold(at(1), ME, revoke(2)));
        assert!(!objects.hold(at(1), ME, revoke(2)) && !objects.hold(at(1), ME, revoke(1)));
        assert_eq!(said(&mut objects, at(3_600)), [Say::Push(ObjectKind::Revoke); OBJECT_PUSHES as usize]);
        assert_eq!(objects.candidate(at(9), Some(LINK), &revoke(2)), Candidate::Known);
        assert_eq!(objects.candidate(at(9), Some(LINK), &revoke(3)), Candidate::Verify);
        assert_eq!(objects.candidate(at(9), Some(LINK), &[9]), Candidate::Garbage);
    }

    #[test]
    fn whoever_is_behind_is_handed_it_and_no_more_often_than_a_limit() {
        let mut objects = Objects::default();
        objects.link_up(LINK, false);
        objects.hold(at(1), ME, revoke(2));
        said(&mut objects, at(3_600));
        for s in 0..30 {
            objects.heard_have(at(4_000 + s), ME, LINK, &Have::default());
            objects.other_generation(at(4_000 + s), ME, LINK, 1, 2);
            said(&mut objects, at(4_000 + s));
        }
        let after = said(&mut objects, at(5_000));
        assert!(after.len() <= 1, "{after:?}");
        objects.other_generation(at(6_000), ME, LINK, 3, 2);
        assert_eq!(said(&mut objects, at(6_060)), [Say::Have], "they are ahead");
    }

    #[test]
    fn what_another_said_meanwhile_is_not_said_again() {
        let mut objects = Objects::default();
        objects.link_up(LINK, false);
        objects.hold(at(1), ME, revoke(2));
        said(&mut objects, at(3_600));
        objects.heard_have(at(4_000), ME, LINK, &Have::default());
        assert_eq!(objects.candidate(at(4_000), Some(LINK), &revoke(2)), Candidate::Known);
        assert_eq!(said(&mut objects, at(5_000)), []);
    }

    #[test]
    fn verifying_has_a_limit() {
        let mut objects = Objects::default();
        let asked = (0..100).filter(|n| objects.candidate(at(100), None, &revoke(n + 1)) == Candidate::Verify).count();
        assert_eq!(asked, OBJECT_CHECKS as usize);
        assert_eq!(objects.candidate(at(200), None, &revoke(1)), Candidate::Verify);
    }

    #[test]
    fn with_one_other_station_nothing_waits_a_drawn_while() {
        let mut objects = Objects::default();
        objects.link_up(LINK, true);
        objects.hold(at(1), ME, revoke(2));
        assert_eq!(objects.next_wake(), Some(at(1)));
        said(&mut objects, at(3_600));
        objects.heard_have(at(4_000), ME, LINK, &Have::default());
        assert_eq!(said(&mut objects, at(4_000)), [Say::Push(ObjectKind::Revoke)]);
    }

    #[test]
    fn what_others_say_they_have_is_waited_for_once_and_not_for_ever() {
        let mut objects = Objects::default();
        objects.link_up(LINK, true);
        let theirs = |version| {
            let mut have = Have::default();
            have.set(ObjectKind::Revoke, version);
            have
        };
        assert!(!objects.awaits(at(1)));
        objects.heard_have(at(1), ME, LINK, &theirs(3));
        assert!(objects.awaits(at(2)) && !objects.awaits(at(1) + OBJECT_PATIENCE));
        objects.heard_have(at(60), ME, LINK, &theirs(3));
        assert!(!objects.awaits(at(60)), "promised before, and not given");
        objects.heard_have(at(60), ME, LINK, &theirs(4));
        assert!(objects.awaits(at(61)));
        assert_eq!(objects.candidate(at(61), Some(LINK), &revoke(4)), Candidate::Verify);
        assert!(!objects.awaits(at(61)), "it came, and was perhaps refused");
    }
}
