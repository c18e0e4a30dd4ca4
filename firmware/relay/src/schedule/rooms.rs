//! Parcels for rooms: who is to have them, who has them, and the branches in between (spec §55.6).

use super::{Branch, Goal, ParcelKey, Relay};
use crate::ways::Ingress;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use picket_wire::time::Instant;
use picket_wire::{Index, Precedence};

/// What is known of a parcel for a room when it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomParcel {
    /// The room.
    pub room: Index,
    /// Who sent it: not a listener of its own words.
    pub source: Index,
    /// Whence it came.
    pub ingress: Ingress,
    /// It came from a member: we see to all gateways. One that came from a gateway is for listeners here only.
    pub origin: bool,
    /// Its hop limit lets other gateways take it.
    pub may_go_on: bool,
    /// Urgency.
    pub precedence: Precedence,
    /// Somebody took it.
    pub taken: bool,
    /// Stations that have it, or do not want it.
    pub done: BTreeSet<Index>,
    /// Listeners that were ours to serve and moved away before they were.
    pub moved: BTreeSet<Index>,
    /// Since when it is here (or since the last restart).
    pub since: Instant,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    parcels: BTreeMap<ParcelKey, RoomParcel>,
    by_room: BTreeMap<Index, BTreeSet<ParcelKey>>,
    /// Everybody known has them: the first to go when room is needed, the least urgent and oldest of all first.
    idle: BTreeSet<(Precedence, ParcelKey)>,
}

impl Rooms {
    pub(super) fn remove(&mut self, parcel: ParcelKey) {
        let Some(gone) = self.parcels.remove(&parcel) else { return };
        self.idle.remove(&(gone.precedence, parcel));
        if let Some(parcels) = self.by_room.get_mut(&gone.room) {
            parcels.remove(&parcel);
            if parcels.is_empty() {
                self.by_room.remove(&gone.room);
            }
        }
    }
}

impl Relay {
    /// Takes a durable parcel for a room into custody.
    pub fn take_room(&mut self, now: Instant, key: ParcelKey, parcel: RoomParcel) {
        self.rooms.by_room.entry(parcel.room).or_default().insert(key);
        self.rooms.parcels.insert(key, parcel);
        self.spread(now, key);
    }

    /// A parcel for a room.
    #[must_use]
    pub fn room_parcel(&self, key: ParcelKey) -> Option<&RoomParcel> {
        self.rooms.parcels.get(&key)
    }

    /// Parcels in custody; those for rooms whether or not anybody still waits for them.
    #[must_use]
    pub fn parcels(&self) -> usize {
        self.rooms.parcels.len() + self.custody.values().filter(|c| c.goal == Goal::Member).count()
    }

    /// A station has its copy (`taken`), or does not want it: its branch ends, and no other ever grows to it. False when
    /// that was known.
    pub fn done(&mut self, now: Instant, branch: Branch, taken: bool) -> bool {
        let Some(parcel) = self.rooms.parcels.get_mut(&branch.parcel) else { return false };
        let news = parcel.done.insert(branch.to);
        parcel.taken |= taken;
        parcel.moved.remove(&branch.to);
        if news {
            self.spread(now, branch.parcel);
        }
        news
    }

    /// The parcel for a room that can be missed most: everybody who is known to want it has it.
    #[must_use]
    pub fn idle_room_parcel(&self) -> Option<ParcelKey> {
        self.rooms.idle.first().map(|(_, key)| *key)
    }

    /// Whether somebody other than `source` who listens to `room` is attached here.
    #[must_use]
    pub fn serves(&self, room: Index, source: Index) -> bool {
        self.listeners.of(room).any(|m| m != source && self.surroundings.attached_port(m).is_some())
    }

    /// What is in custody for these rooms gets the branches it should have now.
    pub(super) fn spread_rooms(&mut self, now: Instant, rooms: &[Index]) {
        let of = |room: &Index| self.rooms.by_room.get(room).into_iter().flatten().copied();
        let keys: Vec<ParcelKey> = rooms.iter().flat_map(of).collect();
        keys.into_iter().for_each(|key| self.spread(now, key));
    }

    /// The same for all rooms.
    pub(super) fn spread_all(&mut self, now: Instant) {
        let keys: Vec<ParcelKey> = self.rooms.parcels.keys().copied().collect();
        keys.into_iter().for_each(|key| self.spread(now, key));
    }

    fn spread(&mut self, now: Instant, key: ParcelKey) {
        self.note_moved(key);
        let wanted = self.wanted(key);
        let grown: Vec<Branch> = self.branches(key).collect();
        for branch in grown.iter().filter(|b| !wanted.contains_key(&b.to)) {
            self.remove(*branch);
        }
        let Some(RoomParcel { ingress, precedence, .. }) = self.rooms.parcels.get(&key).cloned() else { return };
        for (to, goal) in &wanted {
            let branch = Branch { parcel: key, to: *to };
            if !self.custody.contains_key(&branch) {
                self.insert(now, branch, *goal, ingress, precedence);
            }
        }
        let served = self.rooms.parcels.get(&key).is_some_and(|p| !p.done.is_empty());
        if wanted.is_empty() && served {
            self.rooms.idle.insert((precedence, key));
        } else {
            self.rooms.idle.remove(&(precedence, key));
        }
    }

    /// Listeners that we were to serve and whose newest claim is another gateway's: ours to pass on to there.
    fn note_moved(&mut self, key: ParcelKey) {
        let elsewhere = |m: Index| self.routes.get(m).is_some_and(|c| Some(c.gateway) != self.surroundings.me());
        let served = self.custody.range(Branch::all(key)).filter(|(_, c)| c.goal == Goal::Listener);
        let moved: Vec<Index> = served.map(|(branch, _)| branch.to).filter(|m| elsewhere(*m)).collect();
        if let Some(parcel) = self.rooms.parcels.get_mut(&key) {
            parcel.moved.extend(moved);
        }
    }

    /// Who is to have a parcel and has it not, as far as we have to see to it.
    fn wanted(&self, key: ParcelKey) -> BTreeMap<Index, Goal> {
        let mut wanted = BTreeMap::new();
        let Some(parcel) = self.rooms.parcels.get(&key) else { return wanted };
        let open = |m: &Index| *m != parcel.source && !parcel.done.contains(m);
        for member in self.listeners.of(parcel.room).filter(open) {
            let Some(gateway) = self.routes.get(member).map(|c| c.gateway) else { continue };
            if Some(gateway) == self.surroundings.me() {
                wanted.insert(member, Goal::Listener);
            } else if parcel.may_go_on
                && (parcel.origin || parcel.moved.contains(&member))
                && gateway != parcel.ingress.from
                && !parcel.done.contains(&gateway)
            {
                wanted.insert(gateway, Goal::Gateway);
            }
        }
        wanted
    }
}
