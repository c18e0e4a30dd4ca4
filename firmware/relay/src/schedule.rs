//! Every parcel in custody, and where it stands: ready for a way, offered on it, or held (spec §55.4).
//!
//! ```text
//!          ways exist                 next()                 answer
//! held ───────────────▶ ready(way) ───────────▶ offered(way) ───────▶ gone
//!   ▲                     │ way is gone            │ refused, deadline, nobody listens, way is gone
//!   └─────────────────────┴────────────────────────┘ (the way is tried; the next one, or held)
//! ```

use crate::limits::{AGED_AFTER, AGED_EVERY, RETRY_FIRST, RETRY_MAX, ROUNDS_MAX, TRIED_MAX};
use crate::listens::{Listeners, ListensOutcome};
use crate::routes::{ClaimOutcome, Routes};
use crate::ways::{Ingress, Surroundings, Way};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;
use picket_wire::control::{Claim, Listens, RefuseReason};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Index, Precedence};

/// Handle of a parcel: the store's sequence number, so that older parcels of a precedence go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParcelKey(pub u64);

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
    destination: Index,
    ingress: Ingress,
    precedence: Precedence,
    state: State,
    tried: Vec<Way>,
    failures: u8,
    rounds: u8,
    since: Instant,
}

type Rank = (Reverse<Precedence>, ParcelKey);

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Relay {
    surroundings: Surroundings,
    routes: Routes,
    listeners: Listeners,
    custody: BTreeMap<ParcelKey, Custody>,
    ready: BTreeMap<Way, BTreeSet<Rank>>,
    by_destination: BTreeMap<Index, BTreeSet<ParcelKey>>,
    timers: BTreeSet<(Instant, ParcelKey)>,
    abandoned: Vec<(ParcelKey, Way)>,
    /// Offers on a way since an aged parcel had its turn.
    since_aged: BTreeMap<Way, u8>,
}

/// Whose turn it is on a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The parcel.
    pub key: ParcelKey,
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
    /// Follows a verified word of listening.
    pub fn follow_listens(&mut self, word: Listens) -> ListensOutcome {
        self.listeners.follow(word)
    }
    /// Forgets a word that is older than D.
    pub fn forget_listens(&mut self, member: Index) {
        self.listeners.forget(member);
    }
    /// Parcels in custody.
    #[must_use]
    pub fn len(&self) -> usize {
        self.custody.len()
    }
    /// No parcel is in custody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.custody.is_empty()
    }
    /// Where a parcel stands.
    #[must_use]
    pub fn state(&self, key: ParcelKey) -> Option<State> {
        self.custody.get(&key).map(|c| c.state)
    }
    /// Since when a parcel is in custody (or since the last restart).
    #[must_use]
    pub fn since(&self, key: ParcelKey) -> Option<Instant> {
        self.custody.get(&key).map(|c| c.since)
    }
    /// Parcels in custody for a destination, oldest first.
    pub fn held_for(&self, destination: Index) -> impl Iterator<Item = ParcelKey> {
        self.by_destination.get(&destination).into_iter().flatten().copied()
    }

    /// Takes a durable parcel into custody.
    pub fn take(&mut self, now: Instant, key: ParcelKey, destination: Index, ingress: Ingress, precedence: Precedence) {
        let custody = Custody {
            destination,
            ingress,
            precedence,
            state: State::Held(Wait::NoWay),
            tried: Vec::new(),
            failures: 0,
            rounds: 0,
            since: now,
        };
        self.custody.insert(key, custody);
        self.by_destination.entry(destination).or_default().insert(key);
        self.place(now, key);
    }

    /// Offers that are no longer wanted since the last call: withdraw them, before anything is offered again.
    pub fn take_abandoned(&mut self) -> Vec<(ParcelKey, Way)> {
        core::mem::take(&mut self.abandoned)
    }

    /// Drops a parcel (passed on, delivered, or dead).
    pub fn drop(&mut self, key: ParcelKey) {
        self.unplace(key);
        let Some(custody) = self.custody.remove(&key) else { return };
        if let Some(set) = self.by_destination.get_mut(&custody.destination) {
            set.remove(&key);
            if set.is_empty() {
                self.by_destination.remove(&custody.destination);
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
        Some(aged.map_or(top, |key| Turn { key, ..top }))
    }

    /// The most urgent parcel that is ready for `way`.
    #[must_use]
    pub fn top(&self, way: Way) -> Option<Turn> {
        self.ready.get(&way)?.first().map(|(Reverse(urgency), key)| Turn { key: *key, urgency: *urgency })
    }

    /// The oldest aged parcel of less than `urgency`.
    fn aged(&self, now: Instant, way: Way, urgency: Precedence) -> Option<ParcelKey> {
        let ready = self.ready.get(&way)?;
        let lower = Precedence::ALL.into_iter().filter(|p| *p < urgency && urgency <= Precedence::Immediate);
        // Keys grow with time: the first of each precedence is its oldest.
        let oldest = lower.filter_map(|p| {
            let from = (Reverse(p), ParcelKey(0));
            ready.range(from..).next().filter(|(Reverse(of), _)| *of == p).map(|(_, key)| *key)
        });
        let aged = |key: &ParcelKey| self.since(*key).is_some_and(|at| now.since(at) >= AGED_AFTER);
        oldest.filter(aged).min()
    }

    /// Offers `turn` on `way` until `deadline`.
    pub fn take_turn(&mut self, way: Way, turn: Turn, deadline: Instant) {
        let own = self.custody.get(&turn.key).map(|c| c.precedence);
        let count = self.since_aged.entry(way).or_default();
        *count = if own == Some(turn.urgency) { count.saturating_add(1) } else { 0 };
        self.unplace(turn.key);
        self.set_state(turn.key, State::Offered { way, deadline });
    }

    /// The most urgent parcel ready for `way`, without taking it.
    #[must_use]
    pub fn peek(&self, way: Way) -> Option<ParcelKey> {
        self.top(way).map(|turn| turn.key)
    }

    /// The most urgent parcel ready for `way`, now offered there until `deadline`.
    pub fn next(&mut self, way: Way, deadline: Instant) -> Option<ParcelKey> {
        let turn = self.top(way)?;
        self.take_turn(way, turn, deadline);
        Some(turn.key)
    }

    /// The offer of `key` on `way` failed. Ignored when it is not offered there (any more). Returns whether the custody
    /// round must be raised before the next offer.
    pub fn failed(&mut self, now: Instant, key: ParcelKey, way: Way, why: Failure) -> bool {
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
    pub fn take_back(&mut self, now: Instant, key: ParcelKey, gateway: Index) {
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

    /// A port works.
    pub fn port_up(&mut self, now: Instant, port: u32) {
        self.surroundings.port_up(port);
        // A connection just accepted: nobody is known there, so nothing has a new way.
        let known = self.surroundings.attached_on(port).next().is_some();
        if known || self.surroundings.neighbours_on(port).next().is_some() {
            self.replace_all(now);
        }
    }

    /// A port does not work: offers there are placed elsewhere or held.
    pub fn port_down(&mut self, now: Instant, port: u32) {
        self.surroundings.port_down(port);
        self.leave(now, |way| way.port() == Some(port));
    }

    /// A port is gone for good.
    pub fn port_removed(&mut self, now: Instant, port: u32) {
        self.surroundings.port_removed(port);
        self.leave(now, |way| way.port() == Some(port));
    }

    /// A gateway was heard on a port; true when it is new there.
    pub fn neighbour(&mut self, now: Instant, port: u32, gateway: Index) -> bool {
        let new = self.surroundings.neighbour(port, gateway);
        if new {
            self.replace_all(now);
        }
        new
    }

    /// A broker is connected: what waits elsewhere may prefer it.
    pub fn uplink_up(&mut self, now: Instant, uplink: u16) {
        self.surroundings.uplink_up(uplink);
        for custody in self.custody.values_mut() {
            custody.tried.retain(|w| *w != Way::Uplink(uplink));
        }
        self.replace_all(now);
    }

    /// A broker is away: what was offered there goes another way at once.
    pub fn uplink_down(&mut self, now: Instant, uplink: u16) {
        self.surroundings.uplink_down(uplink);
        self.leave(now, |way| way == Way::Uplink(uplink));
    }

    /// Follows a verified claim. When it is newer, what waits for the member is offered anew, by its new way; when the
    /// member has moved, so is what is offered at a broker, where the way is the same and the addressee is not.
    pub fn follow(&mut self, now: Instant, claim: Claim) -> ClaimOutcome {
        let outcome = self.routes.follow(claim);
        if let ClaimOutcome::Newer { previous } = outcome {
            if Some(claim.gateway) != self.surroundings.me() {
                self.surroundings.detach(claim.member);
            }
            let moved = previous.is_none_or(|p| p.gateway != claim.gateway);
            self.replace_for(now, claim.member, moved);
        }
        outcome
    }

    /// A member is attached on a port of ours (its claim was followed already).
    pub fn attach(&mut self, now: Instant, member: Index, port: u32) {
        self.surroundings.attach(member, port);
        self.replace_for(now, member, false);
    }

    /// Forgets a claim that is older than D.
    pub fn forget_route(&mut self, now: Instant, member: Index) {
        self.routes.forget(member);
        self.replace_for(now, member, true);
    }

    /// A station is revoked: it is no way to anywhere, and nothing is known of where it or those at it are.
    pub fn gone(&mut self, now: Instant, station: Index) {
        self.surroundings.gone(station);
        self.routes.gone(station);
        self.leave(now, |way| match way {
            Way::Attached { member, .. } => member == station,
            Way::Neighbour { gateway, .. } => gateway == station,
            Way::Uplink(_) => false,
        });
        self.replace_all(now);
    }

    /// Parcels offered for `destination` on another way than its first one are offered anew; so are ready and held ones.
    fn replace_for(&mut self, now: Instant, destination: Index, moved: bool) {
        let keys: Vec<ParcelKey> = self.held_for(destination).collect();
        for key in keys {
            let best = self.ways_of(key).first().copied();
            let stays = |way: Way| Some(way) == best && !(moved && matches!(way, Way::Uplink(_)));
            if matches!(self.state(key), Some(State::Offered { way, .. }) if stays(way)) {
                continue;
            }
            self.unplace(key);
            if let Some(custody) = self.custody.get_mut(&key) {
                custody.tried.clear();
                custody.failures = 0;
            }
            self.place(now, key);
        }
    }

    /// Places everything that is not offered anew.
    fn replace_all(&mut self, now: Instant) {
        let free = |c: &Custody| match c.state {
            State::Offered { .. } | State::Held(Wait::Refused(..)) => false,
            State::Ready(_) | State::Held(_) => true,
        };
        let keys: Vec<ParcelKey> = self.custody.iter().filter(|(_, c)| free(c)).map(|(k, _)| *k).collect();
        for key in keys {
            self.unplace(key);
            self.place(now, key);
        }
    }

    /// Places everything that is ready for or offered on a way that is gone.
    fn leave(&mut self, now: Instant, gone: impl Fn(Way) -> bool) {
        let affected = |c: &Custody| match c.state {
            State::Ready(way) | State::Offered { way, .. } => gone(way),
            State::Held(_) => false,
        };
        let keys: Vec<ParcelKey> = self.custody.iter().filter(|(_, c)| affected(c)).map(|(k, _)| *k).collect();
        for key in keys {
            self.unplace(key);
            self.place(now, key);
        }
    }

    fn ways_of(&self, key: ParcelKey) -> Vec<Way> {
        self.custody
            .get(&key)
            .map(|c| self.surroundings.ways(c.destination, c.ingress, &self.routes))
            .unwrap_or_default()
    }

    /// Puts a parcel that stands nowhere into its place.
    fn place(&mut self, now: Instant, key: ParcelKey) {
        let ways = self.ways_of(key);
        let Some(custody) = self.custody.get_mut(&key) else { return };
        let known = self.routes.get(custody.destination);
        let here = known.is_some_and(|c| Some(c.gateway) == self.surroundings.me());
        let state = match ways.iter().find(|way| !custody.tried.contains(way)) {
            Some(way) => State::Ready(*way),
            None if here && ways.is_empty() => State::Held(Wait::Away),
            None if known.is_none() && !ways.is_empty() => State::Held(Wait::NoAttachment),
            None if ways.is_empty() => State::Held(Wait::NoWay),
            None => {
                let pause = Duration(RETRY_FIRST.0 << custody.failures.min(8)).min(RETRY_MAX);
                custody.failures = custody.failures.saturating_add(1);
                State::Held(Wait::Retry(now + pause))
            }
        };
        self.set_state(key, state);
    }

    fn set_state(&mut self, key: ParcelKey, state: State) {
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
    fn unplace(&mut self, key: ParcelKey) {
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
mod tests;
