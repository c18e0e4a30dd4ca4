//! What changes around a gateway, and what is placed anew for it.

use super::{Branch, Custody, Relay, State, Wait};
use crate::listens::ListensOutcome;
use crate::routes::ClaimOutcome;
use crate::ways::Way;
use alloc::vec::Vec;
use picket_wire::Index;
use picket_wire::control::{Claim, Listens};
use picket_wire::time::Instant;

impl Relay {
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
            self.spread_for(now, claim.member);
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
        self.spread_for(now, member);
    }

    /// A station is revoked: it is no way to anywhere, it listens to nothing, and nothing is known of where it or those at
    /// it are.
    pub fn gone(&mut self, now: Instant, station: Index) {
        self.surroundings.gone(station);
        self.routes.gone(station);
        self.listeners.forget(station);
        self.leave(now, |way| match way {
            Way::Attached { member, .. } => member == station,
            Way::Neighbour { gateway, .. } => gateway == station,
            Way::Uplink(_) => false,
        });
        self.replace_all(now);
        self.spread_all(now);
    }

    /// Follows a verified word of listening: branches grow for it, and those it does not want any more end.
    pub fn follow_listens(&mut self, now: Instant, word: Listens) -> ListensOutcome {
        let outcome = self.listeners.follow(word);
        if let ListensOutcome::Newer { previous } = outcome {
            previous.into_iter().for_each(|before| self.spread_rooms(now, before.rooms.as_slice()));
            self.spread_rooms(now, word.rooms.as_slice());
        }
        outcome
    }

    /// Forgets a word that is older than D.
    pub fn forget_listens(&mut self, now: Instant, member: Index) {
        let Some(word) = self.listeners.get(member).copied() else { return };
        self.listeners.forget(member);
        self.spread_rooms(now, word.rooms.as_slice());
    }

    fn spread_for(&mut self, now: Instant, member: Index) {
        if let Some(word) = self.listeners.get(member).copied() {
            self.spread_rooms(now, word.rooms.as_slice());
        }
    }

    /// Parcels offered for `destination` on another way than its first one are offered anew; so are ready and held ones.
    fn replace_for(&mut self, now: Instant, destination: Index, moved: bool) {
        let keys: Vec<Branch> = self.held_for(destination).collect();
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
        let keys: Vec<Branch> = self.custody.iter().filter(|(_, c)| free(c)).map(|(k, _)| *k).collect();
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
        let keys: Vec<Branch> = self.custody.iter().filter(|(_, c)| affected(c)).map(|(k, _)| *k).collect();
        for key in keys {
            self.unplace(key);
            self.place(now, key);
        }
    }
}
