//! Parcels between the store and the relay: written, made durable, answered, finished.

use super::meta::{Fate, Incoming, Kind, META_LEN, Meta, RoomNotes};
use crate::io::{DeliveryId, UplinkId};
use crate::limits::OWED_MAX;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use picket_link::Owed;
use picket_relay::{Known, ParcelKey};
use picket_store::{ChangeError, Medium, Parcel, PutError, Queue, Seq, Ticket};
use picket_wire::Identity;
use picket_wire::time::{Duration, Instant};

/// Whom an answer is owed, and by which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creditor {
    /// A neighbour on a link.
    Port {
        /// Link instance.
        port: u32,
        /// What the answer must name.
        owed: Owed,
    },
    /// A gateway that published at a broker.
    Uplink {
        /// Which.
        uplink: UplinkId,
        /// The broker's delivery, acknowledged when durable.
        delivery: DeliveryId,
        /// What the answer must name.
        owed: Owed,
    },
}

#[derive(Debug)]
struct Writing {
    seq: Seq,
    ticket: Ticket,
}

/// A parcel that has become durable: the only thing that may be acknowledged.
#[derive(Debug)]
pub struct Durable {
    /// Its number.
    pub seq: Seq,
    /// Who waits for an answer.
    pub creditors: Vec<Creditor>,
}

/// The durable queue and what is owed for what is in it.
#[derive(Debug)]
pub struct Custody<M> {
    queue: Queue<M>,
    writing: BTreeMap<Identity, Writing>,
    by_ticket: BTreeSet<(Ticket, Identity)>,
    owed: BTreeMap<Seq, Vec<Creditor>>,
    holds: BTreeSet<(Instant, Seq)>,
}

impl<M: Medium> Custody<M> {
    /// Around an opened queue.
    pub fn new(queue: Queue<M>) -> Self {
        Self {
            queue,
            writing: BTreeMap::new(),
            by_ticket: BTreeSet::new(),
            owed: BTreeMap::new(),
            holds: BTreeSet::new(),
        }
    }

    /// The queue.
    pub const fn queue(&self) -> &Queue<M> {
        &self.queue
    }
    /// The queue, to be changed.
    pub const fn queue_mut(&mut self) -> &mut Queue<M> {
        &mut self.queue
    }
    /// Gives the queue back, for an orderly end.
    pub fn into_queue(self) -> Queue<M> {
        self.queue
    }

    /// What we know of an identity.
    pub fn known(&self, now: Instant, identity: &Identity) -> Known {
        if self.writing.contains_key(identity) {
            return Known::Writing;
        }
        if self.queue.find(identity).next().is_some() {
            return Known::Held;
        }
        match self.queue.remembered(now, identity) {
            Some(memo) => Meta::decode(memo.meta).map_or(Known::Died, |meta| meta.known()),
            None => Known::Fresh,
        }
    }

    /// Writes a parcel; its creditor is answered when it is durable.
    ///
    /// # Errors
    /// As [`Queue::put`].
    pub fn put(
        &mut self,
        now: Instant,
        identity: Identity,
        incoming: &Incoming,
        lifetime: Duration,
        body: &[u8],
        creditor: Option<Creditor>,
    ) -> Result<Seq, PutError> {
        let parcel = Parcel {
            kind: incoming.kind as u8,
            identity,
            precedence: incoming.precedence,
            lifetime,
            meta: &incoming.notes(),
            body,
        };
        let (seq, ticket) = self.queue.put(now, &parcel)?;
        self.writing.insert(identity, Writing { seq, ticket });
        self.by_ticket.insert((ticket, identity));
        if let Some(creditor) = creditor {
            self.owed.insert(seq, alloc::vec![creditor]);
        }
        Ok(seq)
    }

    /// One more waits for a parcel that is being written. False when too many do: it will ask again.
    pub fn also_owed(&mut self, identity: &Identity, creditor: Creditor) -> bool {
        let Some(writing) = self.writing.get(identity) else { return false };
        let creditors = self.owed.entry(writing.seq).or_default();
        let room = creditors.len() < OWED_MAX;
        if room {
            creditors.push(creditor);
        }
        room
    }

    /// The medium is durable up to `ticket`: what became so.
    pub fn synced(&mut self, ticket: Ticket) -> Vec<Durable> {
        self.queue.synced(ticket);
        let mut durable = Vec::new();
        while let Some((t, identity)) = self.by_ticket.first().copied() {
            if !self.queue.is_durable(t) {
                break;
            }
            self.by_ticket.pop_first();
            if let Some(writing) = self.writing.get(&identity).filter(|w| w.ticket == t) {
                let seq = writing.seq;
                self.writing.remove(&identity);
                let creditors = self.owed.remove(&seq).unwrap_or_default();
                durable.push(Durable { seq, creditors });
            }
        }
        durable
    }

    /// Keeps an answer back until `until`, for the delivered token to be merged.
    pub fn hold(&mut self, seq: Seq, creditor: Creditor, until: Instant) {
        self.owed.entry(seq).or_default().push(creditor);
        self.holds.insert((until, seq));
    }

    /// Answers whose time is up.
    pub fn holds_due(&mut self, now: Instant) -> Vec<Creditor> {
        let mut due = Vec::new();
        while let Some((_, seq)) = self.holds.first().copied().filter(|(at, _)| *at <= now) {
            self.holds.pop_first();
            due.extend(self.owed.remove(&seq).unwrap_or_default());
        }
        due
    }

    /// Answers kept back for `seq`: its fate is known.
    pub fn held_answers(&mut self, seq: Seq) -> Vec<Creditor> {
        // Few are kept back at a time, and most parcels are not among them.
        let Some(answers) = self.owed.remove(&seq) else { return Vec::new() };
        self.holds.retain(|(_, s)| *s != seq);
        answers
    }

    /// Forgets answers owed on a way that is gone.
    pub fn forget_creditors(&mut self, gone: impl Fn(&Creditor) -> bool) {
        for creditors in self.owed.values_mut() {
            creditors.retain(|c| !gone(c));
        }
    }

    /// When [`Custody::holds_due`] is to be called.
    pub fn next_hold(&self) -> Option<Instant> {
        self.holds.first().map(|(at, _)| *at)
    }

    /// The note beside a parcel.
    pub fn meta(&self, now: Instant, key: ParcelKey) -> Option<(Kind, Identity, Meta)> {
        let entry = self.queue.entry(now, Seq(key.0))?;
        Some((Kind::from_byte(entry.kind)?, entry.identity, Meta::decode(entry.meta)?))
    }

    /// Notes something else of a parcel; what is noted of a room stays.
    ///
    /// # Errors
    /// As [`Queue::note`].
    pub fn note(&mut self, now: Instant, key: ParcelKey, meta: &Meta) -> Result<Ticket, ChangeError> {
        let seq = Seq(key.0);
        let mut notes = meta.encode().to_vec();
        let entry = self.queue.entry(now, seq);
        notes.extend_from_slice(entry.and_then(|e| e.meta.get(META_LEN..)).unwrap_or_default());
        self.queue.note(seq, &notes)
    }

    /// Notes who has an envelope for a room. Not waited for: lost, it costs a repetition, which the station recognises.
    ///
    /// # Errors
    /// As [`Queue::note`].
    pub fn note_room(&mut self, now: Instant, key: ParcelKey, room: &RoomNotes) -> Result<Ticket, ChangeError> {
        let (_, _, meta) = self.meta(now, key).ok_or(ChangeError::Unknown)?;
        self.queue.note(Seq(key.0), &[&meta.encode()[..], &room.encode()].concat())
    }

    /// What was noted of an envelope for a room that is in custody.
    pub fn room_notes(&self, now: Instant, key: ParcelKey) -> RoomNotes {
        self.queue.entry(now, Seq(key.0)).map_or_else(RoomNotes::default, |e| RoomNotes::decode(e.meta))
    }

    /// What is remembered of an envelope for a room that was.
    pub fn room_memory(&self, now: Instant, identity: &Identity) -> RoomNotes {
        self.queue.remembered(now, identity).map_or_else(RoomNotes::default, |memo| RoomNotes::decode(memo.meta))
    }

    /// Ends a parcel, remembering what became of it for as long as anybody may offer it again. True when it was there.
    pub fn finish(&mut self, now: Instant, key: ParcelKey, fate: Fate, remember: Duration) -> bool {
        let seq = Seq(key.0);
        if let Some((_, _, meta)) = self.meta(now, key) {
            // A note that cannot be written costs only a repeated delivery, which the recipient recognises.
            let _ = self.note(now, key, &Meta { fate, ..meta });
        }
        self.queue.finish(now, seq, remember).is_ok()
    }
}
