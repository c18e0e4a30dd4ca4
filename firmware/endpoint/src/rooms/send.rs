//! Writing to a room, and attesting what was written (spec §45.7, §45.8, §45.10).

use super::records::{Pending, Room};
use super::view::{RoomError, RoomMessage};
use crate::batch::Batch;
use crate::desk::Item;
use crate::endpoint::Endpoint;
use crate::error::ComposeError;
use crate::io::{Event, Random};
use crate::keys;
use crate::limits::{ATTEST_PAUSE, HOP_LIMIT, OUTBOX_BYTES_MAX, OUTBOX_MAX, ROOM_PENDING_MAX, TTL_MIN};
use crate::message::{Content, State, Step};
use crate::outbox::{check_content, content_len};
use crate::records::{Kept, OutRecord, OwedRecord, Sealing, encode, encode_content};
use crate::vault::{Vault, VaultError};
use alloc::vec;
use alloc::vec::Vec;
use picket_seal::limits::ATTEST_MAX;
use picket_seal::room::{Attest, Digest, Incarnation, RoomId, RoomSender};
use picket_seal::{Body, Route, SealError};
use picket_wire::envelope::Class;
use picket_wire::limits::ENVELOPE_MAX;
use picket_wire::time::{Instant, Wall};
use picket_wire::{Identity, Lifetime, MessageId, Precedence};

/// A message sealed for a room, nothing of it committed.
struct SealedToRoom {
    envelope: Vec<u8>,
    identity: Identity,
    after: RoomSender,
    pending: Pending,
}

impl<V: Vault> Endpoint<V> {
    /// Seals a message to a room and puts it in the outbox. It is durable when this returns; then drain
    /// [`Endpoint::poll`].
    ///
    /// # Errors
    /// [`RoomError`]; nothing was changed.
    pub fn compose_room(
        &mut self,
        now: Instant,
        message: &RoomMessage,
        random: &mut dyn Random,
    ) -> Result<MessageId, RoomError> {
        self.turn(now, random);
        let id = self.find_room(&message.room)?;
        let mut room = self.unlapsed(now, id, random)?;
        check_content(&message.content)?;
        let lifetime = self.room_lifetime(&room, message)?;
        let (messages, bytes) = self.desk.outbox();
        if messages >= OUTBOX_MAX || bytes.saturating_add(content_len(&message.content)) > OUTBOX_BYTES_MAX {
            return Err(ComposeError::OutboxFull.into());
        }
        let body = match &message.content {
            Content::Text(text) => Body::Text(text),
            Content::File { name, bytes } => Body::File { name, bytes },
        };
        let signed = message.order || room.state.policy.signed_only;
        let chain = self.room_sender(&room, random)?;
        let sealed = self.seal_to_room(now, chain, (message.precedence, lifetime, signed), body)?;
        if room.record.pending.len() >= ROOM_PENDING_MAX {
            room.record.pending.remove(0);
        }
        room.record.pending.push(sealed.pending);
        room.record.said = self.home.clock.age(now);
        let message_id = self.put_room_message(now, room, message, lifetime, sealed, random)?;
        self.attest_all(now, random)?;
        let _offered_later = self.offer_more(now);
        Ok(message_id)
    }

    fn room_lifetime(&self, room: &Room, message: &RoomMessage) -> Result<Lifetime, RoomError> {
        let max = room.state.policy.lifetime.duration().min(self.home.roster.max_delay());
        let ttl = message.ttl.unwrap_or(max);
        if ttl > max {
            return Err(RoomError::TtlTooLong { max });
        }
        if ttl < TTL_MIN {
            return Err(ComposeError::TtlTooShort.into());
        }
        Ok(Lifetime::within(ttl))
    }

    fn put_room_message(
        &mut self,
        now: Instant,
        room: Room,
        message: &RoomMessage,
        lifetime: Lifetime,
        sealed: SealedToRoom,
        random: &mut dyn Random,
    ) -> Result<MessageId, VaultError> {
        let wall = self.home.clock.wall(now);
        let mut next = self.home.record.clone();
        // Nobody answers a message to a room with a receipt: what would prove one is known to nobody.
        let (mut delivered, mut read) = ([0; 8], [0; 8]);
        random.fill(&mut delivered);
        random.fill(&mut read);
        let epoch = sealed.pending.epoch;
        let record = OutRecord {
            to: room.state.index,
            precedence: message.precedence,
            position: next.take_position(),
            sealings: vec![Sealing { identity: sealed.identity, delivered, read, epoch, sid: 0 }],
            steps: vec![Step { state: State::Queued, at: wall }],
            lifetime,
            deadline: self.home.clock.age(now).saturating_add(lifetime.duration().as_micros()),
            expires: wall.map(|w| Wall(w.0.saturating_add(lifetime.duration().as_millis()))),
            custodian: None,
            envelope: u32::try_from(sealed.envelope.len()).ok(),
            kept: Some(Kept::of(&message.content)),
        };
        let id = sealed.identity.id();
        let mut batch = Batch::default();
        batch.put(keys::out(id), encode(&record)?);
        batch.put(keys::envelope(id), sealed.envelope);
        batch.put(keys::sent_body(id), encode_content(&message.content)?);
        let forgotten = self.forget_finished(&mut batch);
        let room_id = room.state.id;
        self.put_room(now, room, batch, Vec::new(), Some(next))?;
        self.rooms.senders.insert(room_id, sealed.after);
        if let Some(old) = forgotten {
            self.desk.set_out(old, None);
        }
        self.desk.set_out(id, Some(record));
        self.counters.composed += 1;
        self.tell(Event::State { id, state: State::Queued, at: wall });
        Ok(id)
    }

    /// Seals on a copy of our chain: it is taken over only when the commit that holds the message succeeded.
    fn seal_to_room(
        &self,
        now: Instant,
        mut chain: RoomSender,
        (precedence, lifetime, signed): (Precedence, Lifetime, bool),
        body: Body<'_>,
    ) -> Result<SealedToRoom, RoomError> {
        let id = *chain.id();
        let route = Route { class: Class::Room, precedence, hop_limit: HOP_LIMIT, lifetime };
        let start = self.home.roster.start_of(id.epoch);
        let wall = self.home.clock.wall(now);
        let sent_s = wall.and_then(|w| u32::try_from(w.as_secs().checked_sub(start)?).ok()).filter(|s| *s < 0xFF_FFFF);
        let content = picket_seal::Content::new(lifetime, sent_s, body);
        let signer = signed.then(|| self.home.secrets.identity());
        let mut out = vec![0; ENVELOPE_MAX];
        let sealed = chain.seal(&route, &content, signer, self.home.roster.padding(), &mut out);
        let sealed = sealed.map_err(|e| match e {
            SealError::Content(_) | SealError::NoRoom => ComposeError::TooLarge { bytes: body_len(&body) }.into(),
            SealError::NotReserved | SealError::Exhausted | SealError::Header => RoomError::NoKeys,
        })?;
        let pending = Pending {
            generation: id.generation,
            epoch: id.epoch,
            incarnation: id.incarnation,
            counter: sealed.counter,
            digest: sealed.digest,
            signed,
        };
        Ok(SealedToRoom { envelope: sealed.envelope.to_vec(), identity: sealed.identity, after: chain, pending })
    }

    /// Our chain of the generation and epoch in force, or a new one.
    fn room_sender(&self, room: &Room, random: &mut dyn Random) -> Result<RoomSender, RoomError> {
        let epoch = self.home.record.epoch.ok_or(RoomError::NoKeys)?;
        let generation = room.state.generation;
        let ours = self.rooms.senders.get(&room.state.id);
        if let Some(chain) = ours.filter(|c| (c.id().generation, c.id().epoch) == (generation, epoch)) {
            return Ok(chain.clone());
        }
        let mut incarnation: Incarnation = [0; 8];
        random.fill(&mut incarnation);
        let secret = room.key(generation).ok_or(RoomError::NoKeys)?.secret();
        let id = room.chain(self.home.mission(), self.me(), (generation, epoch, incarnation));
        RoomSender::begin(&secret, id).map_err(|_| RoomError::NoKeys)
    }

    /// Attests whatever is due: sixteen messages of a chain, those of a chain that is over, or after a pause.
    pub(super) fn attest_all(&mut self, now: Instant, random: &mut dyn Random) -> Result<(), VaultError> {
        let ids: Vec<RoomId> = self.rooms.all.keys().copied().collect();
        for id in ids {
            while let Some(run) = self.due_run(now, id) {
                self.attest(now, id, &run, random)?;
            }
        }
        Ok(())
    }

    /// When the next attestation is due.
    pub(super) fn next_attest(&self) -> Option<Instant> {
        let waiting = self.rooms.all.values().filter(|r| r.record.joined && !r.record.pending.is_empty());
        let said = waiting.map(|r| r.record.said).min()?;
        Some(self.home.clock.instant_of(said.saturating_add(ATTEST_PAUSE.as_micros())))
    }

    /// The oldest messages that are to be attested now: of one chain, one counter after the other.
    fn due_run(&self, now: Instant, id: RoomId) -> Option<Vec<Pending>> {
        let room = self.rooms.all.get(&id).filter(|r| r.record.joined)?;
        let first = room.record.pending.first()?;
        let chain = |p: &Pending| (p.generation, p.epoch, p.incarnation);
        let follows = |(n, p): &(usize, &Pending)| {
            chain(p) == chain(first) && u32::try_from(*n).is_ok_and(|n| p.counter == first.counter.saturating_add(n))
        };
        let pending = room.record.pending.iter().enumerate().take_while(follows).take(ATTEST_MAX);
        let run: Vec<Pending> = pending.map(|(_, p)| *p).collect();
        let paused = self.home.clock.age(now) >= room.record.said.saturating_add(ATTEST_PAUSE.as_micros());
        let in_force = (room.state.generation, self.home.record.epoch) == (first.generation, Some(first.epoch));
        let ended = run.len() < room.record.pending.len();
        (run.len() >= ATTEST_MAX || ended || paused || !in_force).then_some(run)
    }

    fn attest(&mut self, now: Instant, id: RoomId, run: &[Pending], random: &mut dyn Random) -> Result<(), VaultError> {
        let (Some(mut room), Some(first)) = (self.rooms.all.get(&id).cloned(), run.first()) else { return Ok(()) };
        room.record.pending.drain(..run.len().min(room.record.pending.len()));
        if run.iter().all(|p| p.signed) {
            return self.put_room(now, room, Batch::default(), Vec::new(), None);
        }
        let digests: Vec<Digest> = run.iter().map(|p| p.digest).collect();
        let sealed = self.seal_attest(now, &room, first, &digests, random);
        let (mut batch, mut next, mut owes) = (Batch::default(), self.home.record.clone(), Vec::new());
        let after = match sealed {
            Ok(sealed) => {
                let (at, deadline) = (next.take_position(), room.state.policy.lifetime.duration().as_micros());
                let record = OwedRecord {
                    envelope: true,
                    precedence: Precedence::Routine,
                    identity: sealed.identity,
                    deadline: self.home.clock.age(now).saturating_add(deadline),
                    bytes: sealed.envelope,
                };
                batch.put(keys::owed(at), encode(&record)?);
                owes.push((at, record));
                self.counters.attested += run.len() as u64;
                Some(sealed.after)
            }
            // Without keys nothing can be said in this room: what was said stays unconfirmed.
            Err(RoomError::Vault(e)) => return Err(e),
            Err(_) => None,
        };
        self.put_room(now, room, batch, owes, Some(next))?;
        if let Some(after) = after {
            self.rooms.senders.insert(id, after);
        }
        Ok(())
    }

    fn seal_attest(
        &self,
        now: Instant,
        room: &Room,
        first: &Pending,
        digests: &[Digest],
        random: &mut dyn Random,
    ) -> Result<SealedToRoom, RoomError> {
        let chain = self.room_sender(room, random)?;
        let place = (first.generation, first.epoch, first.incarnation);
        let id = chain.id();
        let same = (id.generation, id.epoch, id.incarnation) == place;
        let attest = Attest { other: (!same).then_some(place), first: first.counter, digests };
        let mut bytes = [0; Attest::LEN_MAX];
        let bytes = attest.encode(chain.next_counter(), &mut bytes).map_err(|_| RoomError::NoKeys)?;
        let how = (Precedence::Routine, room.state.policy.lifetime, true);
        self.seal_to_room(now, chain, how, Body::Attest { bytes })
    }

    /// A gateway has a message to a room: it is done as far as we can know, and its envelope goes.
    pub(crate) fn room_handed_over(&mut self, record: &mut OutRecord, id: MessageId, batch: &mut Batch) {
        if record.to.is_room() && record.envelope.take().is_some() {
            batch.remove(keys::envelope(id));
            self.way.withdraw(Item::Out(id));
        }
    }
}

fn body_len(body: &Body<'_>) -> usize {
    match body {
        Body::Text(text) => text.len(),
        Body::File { bytes, .. } | Body::Attest { bytes } => bytes.len(),
        Body::CannotOpen { .. } | Body::Renewed | Body::RoomState { .. } | Body::RoomWord { .. } => 0,
    }
}
