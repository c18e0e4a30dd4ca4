//! Envelopes for rooms: taken once, handed to many, kept until their time is over (spec §65.8).

use super::custody::Creditor;
use super::meta::{Fate, Incoming, Meta, RoomNotes};
use super::{Count, Gateway};
use crate::io::{Directory, Output, Report, StationKind};
use picket_relay::{Branch, Failure, ParcelKey, RoomParcel, Way};
use picket_store::{Medium, PutError, Seq};
use picket_wire::control::RefuseReason;
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Index, Precedence};

impl<M: Medium> Gateway<M> {
    /// What is to be noted of an envelope that arrives: whence it comes, and what is remembered if it was here before.
    pub(super) fn notes_of_arrival(
        &self,
        now: Instant,
        identity: &Identity,
        from: Index,
        dir: &dyn Directory,
    ) -> RoomNotes {
        let before = self.custody.room_memory(now, identity);
        RoomNotes { origin: before.origin || dir.kind(from) == Some(StationKind::Member), ..before }
    }

    /// Durable: it gets a branch for everybody who is to have it by our doing.
    pub(super) fn take_room(&mut self, now: Instant, key: ParcelKey, meta: &Meta, precedence: Precedence) {
        let notes = self.custody.room_notes(now, key);
        let parcel = RoomParcel {
            room: meta.destination,
            source: meta.source,
            ingress: meta.ingress,
            origin: notes.origin,
            may_go_on: meta.our_hop_limit().is_some(),
            precedence,
            taken: notes.taken,
            done: notes.done.into_iter().collect(),
            moved: notes.moved.into_iter().collect(),
            since: now,
        };
        self.relay.take_room(now, key, parcel);
    }

    /// A station has its copy.
    pub(super) fn branch_taken(&mut self, now: Instant, branch: Branch, identity: Identity) {
        if self.relay.done(now, branch, true) {
            self.counters.add(Count::RoomBranchesDone);
            self.out.push_back(Output::Report(Report::Passed { identity, to: branch.to }));
            self.note_room(now, branch.parcel);
        }
    }

    /// A station said no: not now, or that it does not want it. Whoever does not want it is not asked again.
    pub(super) fn branch_refused(
        &mut self,
        now: Instant,
        branch: Branch,
        way: Way,
        reason: RefuseReason,
        retry: Duration,
    ) {
        let for_good = match reason {
            RefuseReason::Full | RefuseReason::RateLimited | RefuseReason::PassedOn => false,
            RefuseReason::Expired | RefuseReason::HopLimit | RefuseReason::UnknownDestination => {
                retry == Duration::ZERO
            }
        };
        if for_good {
            if self.relay.done(now, branch, false) {
                self.counters.add(Count::RoomBranchesDeclined);
                self.note_room(now, branch.parcel);
            }
            return;
        }
        let why = match reason {
            // There are no rounds to raise here: this way is tried.
            RefuseReason::PassedOn => Failure::NobodyListening,
            // Later, in this form: whatever the reason, it is a pause.
            RefuseReason::Expired | RefuseReason::HopLimit | RefuseReason::UnknownDestination => {
                Failure::Refused(RefuseReason::Full, retry)
            }
            RefuseReason::Full | RefuseReason::RateLimited => Failure::Refused(reason, retry),
        };
        self.relay.failed(now, branch, way, why);
    }

    fn note_room(&mut self, now: Instant, key: ParcelKey) {
        let Some(parcel) = self.relay.room_parcel(key) else { return };
        let notes = RoomNotes {
            origin: parcel.origin,
            taken: parcel.taken,
            done: parcel.done.iter().copied().collect(),
            moved: parcel.moved.iter().copied().collect(),
        };
        if self.custody.note_room(now, key, &notes).is_err() {
            self.store_trouble();
        }
    }

    /// Nobody at all took it, and its sender knows of no custodian but us: it is ours to say so.
    pub(super) fn is_unheard(&self, key: ParcelKey) -> bool {
        self.relay.room_parcel(key).is_some_and(|parcel| parcel.origin && !parcel.taken)
    }

    /// Writes a parcel; where there is no room for it, envelopes for rooms go that everybody known has.
    ///
    /// # Errors
    /// As the store's.
    pub(super) fn put(
        &mut self,
        now: Instant,
        identity: Identity,
        incoming: &Incoming,
        lifetime: Duration,
        body: &[u8],
        creditor: Option<Creditor>,
    ) -> Result<Seq, PutError> {
        loop {
            match self.custody.put(now, identity, incoming, lifetime, body, creditor) {
                Err(PutError::Full { .. }) if self.shed_one(now) => {}
                done => return done,
            }
        }
    }

    fn shed_one(&mut self, now: Instant) -> bool {
        let Some(key) = self.relay.idle_room_parcel() else { return false };
        self.gone(key);
        self.counters.add(Count::RoomParcelsShed);
        self.custody.finish(now, key, Fate::Shed, self.config.max_delay)
    }
}
