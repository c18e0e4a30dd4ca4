//! Every parcel in custody, and where it stands: ready for a way, offered on it, or held (spec §55.5). A parcel for a
//! member is one branch; one for a room has a branch for each listener and gateway that is to have it (§55.6).
//!
//! ```text
//!          ways exist                 next()                 answer
//! held ───────────────▶ ready(way) ───────────▶ offered(way) ───────▶ gone
//!   ▲                     │ way is gone            │ refused, deadline, nobody listens, way is gone
//!   └─────────────────────┴────────────────────────┘ (the way is tried; the next one, or held)
//! ```

mod around;
mod rooms;

pub use rooms::RoomParcel;

use crate::limits::{AGED_AFTER, AGED_EVERY, RETRY_FIRST, RETRY_MAX, ROUNDS_MAX, TRIED_MAX};
use crate::listens::Listeners;
use crate::routes::Routes;
use crate::ways::{Ingress, Surroundings, Way};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ops::RangeInclusive;
use picket_wire::control::RefuseReason;
use picket_wire::time::{Duration, Instant};
use picket_wire::{Index, Precedence};
use rooms::Rooms;

/// Handle of a parcel: the store's sequence number, so that older parcels of a precedence go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParcelKey(pub u64);

/// What stands in one place: a parcel, and whom that copy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Branch {
    /// The parcel.
    pub parcel: ParcelKey,
    /// Its destination; for one to a room a listener attached here, or the gateway of others.
    pub to: Index,
}

impl Branch {
    /// All branches of a parcel there can be.
    const fn all(parcel: ParcelKey) -> RangeInclusive<Self> {
        Self { parcel, to: Index(0) }..=Self { parcel, to: Index(u16::MAX) }
    }
}

/// What a branch is to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The member that the parcel is for, wherever it is.
    Member,
    /// A listener attached here.
    Listener,
    /// A gateway at which listeners are attached.
    Gateway,
}

/// Why a parcel waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// No attachment of the destination is known, and everybody in reach was asked.
    NoAttachment,
    /// It was attached here and is away.
    Away,
    /// The way to its gateway is down.
    NoWay,
    /// Every way was tried in vain; tried again at this time.
    Retry(Instant),
    /// The next custodian is full or limits us; tried again at this time.
    Refused(RefuseReason, Instant),
}

/// Where a parcel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waiting for its turn on a way.
    Ready(Way),
    /// On its way; the way is given up at the deadline.
    Offered {
        /// Which.
        way: Way,
        /// Until when.
        deadline: Instant,
    },
    /// Held.
    Held(Wait),
}

/// Why an offer did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody is subscribed at the broker.
    NobodyListening,
    /// No custody within the way's time-out.
    TimedOut,
    /// Refused with a reason, and when to come back (zero: not in this form).
    Refused(RefuseReason, Duration),
}

#[derive(Debug)]
struct Custody {
    goal: Goal,
    ingress: Ingress,
    precedence: Precedence,
    state: State,
    tried: Vec<Way>,
    failures: u8,
    rounds: u8,
    since: Instant,
}

type Rank = (Reverse<Precedence>, Branch);

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Relay {
    surroundings: Surroundings,
    routes: Routes,
    listeners: Listeners,
    custody: BTreeMap<Branch, Custody>,
    rooms: Rooms,
    ready: BTreeMap<Way, BTreeSet<Rank>>,
    by_destination: BTreeMap<Index, BTreeSet<Branch>>,
    timers: BTreeSet<(Instant, Branch)>,
    abandoned: Vec<(Branch, Way)>,
    /// Offers on a way since an aged parcel had its turn.
    since_aged: BTreeMap<Way, u8>,
}

/// Whose turn it is on a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What.
    pub branch: Branch,
    /// How urgent it is among others: its precedence, or that of the one it goes before because it has aged.
    pub urgency: Precedence,
}

impl Relay {
    /// A relay for the gateway `me`.
    #[must_use]
    pub fn new(me: Index) -> Self {
        Self { surroundings: Surroundings::new(me), ..Self::default() }
    }

    /// What is around us.
    #[must_use]
    pub const fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }
    /// Known attachments.
    #[must_use]
    pub const fn routes(&self) -> &Routes {
        &self.routes
    }
    /// Who listens to which rooms.
    #[must_use]
    pub const fn listeners(&self) -> &Listeners {
        &self.listeners
    }
    /// Branches that are not done.
    #[must_use]
    pub fn len(&self) -> usize {
        self.custody.len()
    }
    /// Nothing waits for a way or an answer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.custody.is_empty()
    }
    /// Where a branch stands.
    #[must_use]
    pub fn state(&self, branch: Branch) -> Option<State> {
        self.custody.get(&branch).map(|c| c.state)
    }
    /// Since when a branch is in custody (or since the last restart).
    #[must_use]
    pub fn since(&self, branch: Branch) -> Option<Instant> {
        self.custody.get(&branch).map(|c| c.since)
    }
    /// What a branch is to reach.
    #[must_use]
    pub fn goal(&self, branch: Branch) -> Option<Goal> {
        self.custody.get(&branch).map(|c| c.goal)
    }
    /// Branches for somebody, oldest first.
    pub fn held_for(&self, to: Index) -> impl Iterator<Item = Branch> {
        self.by_destination.get(&to).into_iter().flatten().copied()
    }
    /// Branches of a parcel that are not done.
    pub fn branches(&self, parcel: ParcelKey) -> impl Iterator<Item = Branch> {
        self.custody.range(Branch::all(parcel)).map(|(branch, _)| *branch)
    }

    /// Takes a durable parcel for a member into custody.
    pub fn take(&mut self, now: Instant, key: ParcelKey, destination: Index, ingress: Ingress, precedence: Precedence) {
        self.insert(now, Branch { parcel: key, to: destination }, Goal::Member, ingress, precedence);
    }

    fn insert(&mut self, now: Instant, branch: Branch, goal: Goal, ingress: Ingress, precedence: Precedence) {
        let state = State::Held(Wait::NoWay);
        let (tried, failures, rounds) = (Vec::new(), 0, 0);
        let custody = Custody { goal, ingress, precedence, state, tried, failures, rounds, since: now };
        self.custody.insert(branch, custody);
        self.by_destination.entry(branch.to).or_default().insert(branch);
        self.place(now, branch);
    }

    /// Offers that are no longer wanted since the last call: withdraw them, before anything is offered again.
    pub fn take_abandoned(&mut self) -> Vec<(Branch, Way)> {
        core::mem::take(&mut self.abandoned)
    }

    /// Drops a parcel with all its branches (passed on, delivered, or dead).
    pub fn drop(&mut self, parcel: ParcelKey) {
        let branches: Vec<Branch> = self.branches(parcel).collect();
        branches.into_iter().for_each(|branch| self.remove(branch));
        self.rooms.remove(parcel);
    }

    fn remove(&mut self, branch: Branch) {
        self.unplace(branch);
        self.custody.remove(&branch);
        if let Some(set) = self.by_destination.get_mut(&branch.to) {
            set.remove(&branch);
            if set.is_empty() {
                self.by_destination.remove(&branch.to);
            }
        }
    }

    /// Ways on which something is ready, best first.
    pub fn ready_ways(&self) -> Vec<Way> {
        self.ready.keys().copied().collect()
    }

    /// Whose turn it is on `way`, without taking it: the most urgent parcel that is ready; one time in
    /// [`AGED_EVERY`] the oldest of those that have waited for [`AGED_AFTER`], unless flash or override waits.
    #[must_use]
    pub fn turn(&self, now: Instant, way: Way) -> Option<Turn> {
        let top = self.top(way)?;
        let due = self.since_aged.get(&way).is_some_and(|n| *n >= AGED_EVERY - 1);
        let aged = if due { self.aged(now, way, top.urgency) } else { None };
        Some(aged.map_or(top, |branch| Turn { branch, ..top }))
    }

    /// The most urgent parcel that is ready for `way`.
    #[must_use]
    pub fn top(&self, way: Way) -> Option<Turn> {
        self.ready.get(&way)?.first().map(|(Reverse(urgency), branch)| Turn { branch: *branch, urgency: *urgency })
    }

    /// The oldest aged parcel of less than `urgency`.
    fn aged(&self, now: Instant, way: Way, urgency: Precedence) -> Option<Branch> {
        let ready = self.ready.get(&way)?;
        let lower = Precedence::ALL.into_iter().filter(|p| *p < urgency && urgency <= Precedence::Immediate);
        // Keys grow with time: the first of each precedence is its oldest.
        let oldest = lower.filter_map(|p| {
            let from = (Reverse(p), Branch { parcel: ParcelKey(0), to: Index(0) });
            ready.range(from..).next().filter(|(Reverse(of), _)| *of == p).map(|(_, key)| *key)
        });
        let aged = |key: &Branch| self.since(*key).is_some_and(|at| now.since(at) >= AGED_AFTER);
        oldest.filter(aged).min()
    }

    /// Offers `turn` on `way` until `deadline`.
    pub fn take_turn(&mut self, way: Way, turn: Turn, deadline: Instant) {
        let own = self.custody.get(&turn.branch).map(|c| c.precedence);
        let count = self.since_aged.entry(way).or_default();
        *count = if own == Some(turn.urgency) { count.saturating_add(1) } else { 0 };
        self.unplace(turn.branch);
        self.set_state(turn.branch, State::Offered { way, deadline });
    }

    /// The most urgent parcel ready for `way`, without taking it.
    #[must_use]
    pub fn peek(&self, way: Way) -> Option<Branch> {
        self.top(way).map(|turn| turn.branch)
    }

    /// The most urgent parcel ready for `way`, now offered there until `deadline`.
    pub fn next(&mut self, way: Way, deadline: Instant) -> Option<Branch> {
        let turn = self.top(way)?;
        self.take_turn(way, turn, deadline);
        Some(turn.branch)
    }

    /// The offer of `key` on `way` failed. Ignored when it is not offered there (any more). Returns whether the custody
    /// round must be raised before the next offer.
    pub fn failed(&mut self, now: Instant, key: Branch, way: Way, why: Failure) -> bool {
        let Some(custody) = self.custody.get_mut(&key) else { return false };
        if !matches!(custody.state, State::Offered { way: w, .. } if w == way) {
            return false;
        }
        let raise = matches!(why, Failure::Refused(RefuseReason::PassedOn, _)) && custody.rounds < ROUNDS_MAX;
        let later = match why {
            Failure::Refused(reason @ (RefuseReason::Full | RefuseReason::RateLimited), retry) => {
                Some((reason, now + retry.max(Duration::from_secs(1))))
            }
            Failure::Refused(..) | Failure::NobodyListening | Failure::TimedOut => None,
        };
        if raise {
            custody.rounds += 1;
        } else if later.is_none() && custody.tried.len() < TRIED_MAX {
            custody.tried.push(way);
        }
        self.unplace(key);
        match later {
            Some((reason, at)) => self.set_state(key, State::Held(Wait::Refused(reason, at))),
            None => self.place(now, key),
        }
        raise
    }

    /// `gateway` offers this parcel itself, and we hold it: our own offer of it is taken back, to be made again in another
    /// round. That neighbour does not know better than we do; it is not asked again until something new is known.
    pub fn take_back(&mut self, now: Instant, key: Branch, gateway: Index) {
        let here = |way: &Way| matches!(way, Way::Neighbour { gateway: g, .. } if *g == gateway);
        let asked: Vec<Way> = self.ways_of(key).into_iter().filter(here).collect();
        let Some(custody) = self.custody.get_mut(&key) else { return };
        custody.tried.extend(asked);
        custody.tried.truncate(TRIED_MAX);
        if matches!(custody.state, State::Ready(_) | State::Offered { .. }) {
            self.unplace(key);
            self.place(now, key);
        }
    }

    /// Places anew what came due: offers past their deadline (abandoned), pauses that ended. Says how many offers.
    pub fn due(&mut self, now: Instant) -> usize {
        let mut timed_out = 0;
        while let Some((_, key)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            match self.state(key) {
                Some(State::Offered { way, .. }) => {
                    timed_out += 1;
                    self.failed(now, key, way, Failure::TimedOut);
                }
                Some(State::Held(wait)) => {
                    self.unplace(key);
                    if let (Some(custody), Wait::Retry(_)) = (self.custody.get_mut(&key), wait) {
                        custody.tried.clear();
                    }
                    self.place(now, key);
                }
                Some(State::Ready(_)) | None => {
                    self.timers.pop_first();
                }
            }
        }
        timed_out
    }

    /// When [`Relay::due`] is to be called next.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    fn ways_of(&self, key: Branch) -> Vec<Way> {
        self.custody
            .get(&key)
            .map(|c| self.surroundings.ways_to(c.goal, key.to, c.ingress, &self.routes))
            .unwrap_or_default()
    }

    /// Puts a parcel that stands nowhere into its place.
    fn place(&mut self, now: Instant, key: Branch) {
        let ways = self.ways_of(key);
        let Some(custody) = self.custody.get_mut(&key) else { return };
        let claim = self.routes.get(key.to);
        let (known, here) = match custody.goal {
            Goal::Member => (claim.is_some(), claim.is_some_and(|c| Some(c.gateway) == self.surroundings.me())),
            Goal::Listener => (true, self.surroundings.attached_port(key.to).is_none()),
            Goal::Gateway => (true, false),
        };
        let state = match ways.iter().find(|way| !custody.tried.contains(way)) {
            Some(way) => State::Ready(*way),
            None if here && ways.is_empty() => State::Held(Wait::Away),
            None if !known && !ways.is_empty() => State::Held(Wait::NoAttachment),
            None if ways.is_empty() => State::Held(Wait::NoWay),
            None => {
                let pause = Duration(RETRY_FIRST.0 << custody.failures.min(8)).min(RETRY_MAX);
                custody.failures = custody.failures.saturating_add(1);
                State::Held(Wait::Retry(now + pause))
            }
        };
        self.set_state(key, state);
    }

    fn set_state(&mut self, key: Branch, state: State) {
        let Some(custody) = self.custody.get_mut(&key) else { return };
        custody.state = state;
        match state {
            State::Ready(way) => {
                self.ready.entry(way).or_default().insert((Reverse(custody.precedence), key));
            }
            State::Offered { deadline: at, .. } | State::Held(Wait::Retry(at) | Wait::Refused(_, at)) => {
                self.timers.insert((at, key));
            }
            State::Held(Wait::NoAttachment | Wait::Away | Wait::NoWay) => {}
        }
    }

    /// Takes a parcel out of the set or timer its state put it into.
    fn unplace(&mut self, key: Branch) {
        let Some(custody) = self.custody.get(&key) else { return };
        match custody.state {
            State::Ready(way) => {
                if let Some(set) = self.ready.get_mut(&way) {
                    set.remove(&(Reverse(custody.precedence), key));
                    if set.is_empty() {
                        self.ready.remove(&way);
                    }
                }
            }
            State::Offered { way, deadline } => {
                self.timers.remove(&(deadline, key));
                self.abandoned.push((key, way));
            }
            State::Held(Wait::Retry(at) | Wait::Refused(_, at)) => {
                self.timers.remove(&(at, key));
            }
            State::Held(Wait::NoAttachment | Wait::Away | Wait::NoWay) => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod properties;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod room_properties;
#[cfg(test)]
mod tests;
