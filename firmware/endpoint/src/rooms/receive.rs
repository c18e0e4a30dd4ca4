//! A message to a room arrives (spec §45.4, §45.7, §45.8, §45.10).

use super::records::{Note, Room};
use super::view::RoomEvent;
use crate::batch::Batch;
use crate::endpoint::Endpoint;
use crate::io::{Event, Random};
use crate::keys;
use crate::limits::{
    FULL_RETRY, MAILBOX_BYTES_MAX, MAILBOX_MAX, NOT_YET_RETRY, ROOM_CHAINS_MAX, ROOM_KEY_RETRY, ROOM_RETRY_MAX,
    ROOM_TRIES,
};
use crate::message::{Content, Trust};
use crate::receive::{Answer, remaining};
use crate::records::{InRecord, Kept, encode, encode_content};
use crate::rooms::manage::Owes;
use crate::vault::{Vault, VaultError};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use picket_seal::limits::{CANDIDATES_MAX, ROOM_CHAIN_STATE_MAX};
use picket_seal::room::{Attest, ChainId, Digest, RoomId, RoomOpenError, RoomReceiver, RoomSecret, Settled, Verdict};
use picket_seal::{Body, Far, OpenError, expand_epoch};
use picket_wire::MessageId;
use picket_wire::control::RefuseReason;
use picket_wire::envelope::Envelope;
use picket_wire::time::{Duration, Instant, Wall};
use zeroize::Zeroizing;

/// An opened message, with its chain as it is to be stored.
struct Opened {
    key: Vec<u8>,
    seen: u64,
    chain: RoomReceiver,
    content: Zeroizing<Vec<u8>>,
    counter: u32,
    digest: Digest,
    settled: Settled,
    known: bool,
    contradicted: Vec<Digest>,
}

/// Why it was not opened.
enum Closed {
    /// Opened before.
    Again,
    /// A later try may work.
    NotYet,
    /// Nothing of ours opens it.
    Cannot,
    /// Another member forged it.
    Forged,
    Vault(VaultError),
}

impl From<VaultError> for Closed {
    fn from(e: VaultError) -> Self {
        Self::Vault(e)
    }
}

impl<V: Vault> Endpoint<V> {
    /// An envelope for a room.
    pub(crate) fn room_envelope(
        &mut self,
        now: Instant,
        envelope: &Envelope<'_>,
        random: &mut dyn Random,
    ) -> Result<Answer, VaultError> {
        let header = *envelope.header();
        let Some(room) = self.rooms.joined(header.destination).cloned() else {
            self.counters.not_for_us += 1;
            return Ok(Answer::Refused(RefuseReason::UnknownDestination, Duration::ZERO));
        };
        let known = self.desk.in_of_wire(envelope.identity().id()).is_some() || header.source == self.me();
        if known {
            self.counters.duplicates += 1;
            return Ok(Answer::Taken(None));
        }
        if room.state.role(header.source).is_none() || !self.stands(header.source) {
            // Perhaps invited by a state that has not come yet.
            return Ok(self.room_wait(envelope, NOT_YET_RETRY));
        }
        let (messages, bytes) = self.desk.mailbox();
        if messages >= MAILBOX_MAX || bytes.saturating_add(envelope.bytes().len()) > MAILBOX_BYTES_MAX {
            self.counters.refused_full += 1;
            return Ok(Answer::Refused(RefuseReason::Full, FULL_RETRY));
        }
        let opened = match self.room_open(&room, envelope, Far::Refuse) {
            Err(Closed::NotYet) if self.may_go_far(now) => self.room_open(&room, envelope, Far::Follow),
            other => other,
        };
        match opened {
            Ok(opened) => self.room_opened(now, room, envelope, opened),
            Err(Closed::Again) => {
                self.counters.duplicates += 1;
                Ok(Answer::Taken(None))
            }
            Err(Closed::NotYet) => Ok(self.room_wait(envelope, NOT_YET_RETRY)),
            Err(Closed::Forged) => {
                let mut room = room;
                self.raise(now, &mut room, header.source, true);
                self.put_room(now, room, Batch::default(), Owes::new(), None)?;
                Ok(Answer::Taken(None))
            }
            Err(Closed::Cannot) => {
                self.room_ask(now, room.state.id, random)?;
                Ok(self.room_wait(envelope, ROOM_KEY_RETRY))
            }
            Err(Closed::Vault(e)) => Err(e),
        }
    }

    /// The gateway keeps it a while, twice as long each time: what it lacks comes from another member, who may be out of
    /// reach. Then it is dropped and counted.
    fn room_wait(&mut self, envelope: &Envelope<'_>, first: Duration) -> Answer {
        let tries = self.tries(envelope);
        if tries <= ROOM_TRIES {
            let retry = first.times(1 << (tries - 1)).min(ROOM_RETRY_MAX);
            return Answer::Refused(RefuseReason::RateLimited, retry);
        }
        self.counters.rooms_refused += 1;
        Answer::Taken(None)
    }

    fn room_open(&mut self, room: &Room, envelope: &Envelope<'_>, far: Far) -> Result<Opened, Closed> {
        let header = envelope.header();
        let (incarnation, low) = RoomReceiver::hints(envelope).ok_or(Closed::Cannot)?;
        let current = self.home.record.epoch.ok_or(Closed::Cannot)?;
        let epoch = expand_epoch(header.epoch_low, current).ok_or(Closed::Cannot)?;
        let identity = self.home.roster.station(header.source).map(|s| s.identity).ok_or(Closed::Cannot)?;
        let fits = |generation: u32| generation & 7 == u32::from(low);
        let keys = room.record.keys.iter().rev().filter(|k| fits(k.generation));
        let keys: Vec<(u32, RoomSecret)> = keys.map(|k| (k.generation, k.secret())).take(CANDIDATES_MAX).collect();
        let mut chains = self.room_chains(envelope, epoch, incarnation)?;
        chains.retain(|(_, _, chain)| keys.iter().any(|(generation, _)| *generation == chain.id().generation));
        if let Some(incarnation) = incarnation.filter(|_| chains.is_empty()) {
            for (generation, secret) in &keys {
                let id = room.chain(self.home.mission(), header.source, (*generation, epoch, incarnation));
                if let Ok(chain) = RoomReceiver::begin(secret, id) {
                    chains.push((keys::room_chain(&id), self.home.record.position, chain));
                }
            }
        }
        let mut worst = if incarnation.is_none() && !keys.is_empty() { Closed::NotYet } else { Closed::Cannot };
        for (key, seen, mut chain) in chains {
            let mut content = Zeroizing::new(vec![0; envelope.sealed().len()]);
            match chain.open(envelope, &identity, far, &mut content) {
                Ok(opened) => {
                    let (counter, digest, settled, known) =
                        (opened.counter, opened.digest, opened.settled, opened.known);
                    let (len, contradicted) = (opened.content.len(), opened.contradicted.to_vec());
                    content.truncate(len);
                    return Ok(Opened { key, seen, chain, content, counter, digest, settled, known, contradicted });
                }
                Err(RoomOpenError::Open(OpenError::Replayed | OpenError::TooOld)) => worst = Closed::Again,
                Err(RoomOpenError::Open(OpenError::FarJump { .. })) => worst = Closed::NotYet,
                Err(RoomOpenError::Forged | RoomOpenError::Contradicted | RoomOpenError::Crowded) => {
                    return Err(Closed::Forged);
                }
                Err(RoomOpenError::Open(
                    OpenError::OtherSession | OpenError::NotAuthentic | OpenError::NoRoom | OpenError::Exhausted,
                )) => {}
            }
        }
        Err(worst)
    }

    /// Stored chains that may open it, those begun last first.
    fn room_chains(
        &mut self,
        envelope: &Envelope<'_>,
        epoch: u32,
        incarnation: Option<[u8; 8]>,
    ) -> Result<Vec<(Vec<u8>, u64, RoomReceiver)>, VaultError> {
        let header = envelope.header();
        let mut found = Vec::new();
        for key in self.home.scan(&keys::room_sender(header.destination, epoch, header.source))? {
            let bytes = Zeroizing::new(self.home.get(&key)?.ok_or(VaultError::Damaged)?);
            let (seen, state) = bytes.split_first_chunk::<8>().ok_or(VaultError::Damaged)?;
            let chain = RoomReceiver::decode(state).map_err(|_| VaultError::Damaged)?;
            if chain.claims(envelope) && incarnation.is_none_or(|i| i == chain.id().incarnation) {
                found.push((key, u64::from_be_bytes(*seen), chain));
            }
        }
        found.sort_by_key(|(_, seen, _)| core::cmp::Reverse(*seen));
        found.truncate(CANDIDATES_MAX);
        Ok(found)
    }

    fn room_opened(
        &mut self,
        now: Instant,
        mut room: Room,
        envelope: &Envelope<'_>,
        opened: Opened,
    ) -> Result<Answer, VaultError> {
        let id = *opened.chain.id();
        let mut batch = Batch::default();
        let siblings = self.home.scan(&keys::room_sender(id.index, id.epoch, id.sender))?;
        if siblings.len() >= ROOM_CHAINS_MAX && !siblings.contains(&opened.key) {
            self.counters.rooms_refused += 1;
            return Ok(Answer::Taken(None));
        }
        let Ok(content) = picket_seal::Content::decode(&opened.content) else {
            self.counters.bad_content += 1;
            put_chain(&mut batch, &opened.key, opened.seen, &opened.chain)?;
            self.put_room(now, room, batch, Owes::new(), None)?;
            return Ok(Answer::Taken(None));
        };
        let signed = opened.settled == Settled::Signed;
        let mut settled = Vec::new();
        for digest in &opened.contradicted {
            settled.extend(self.room_settle(&id, opened.counter, *digest, Trust::Forged));
        }
        let said = match content.body {
            Body::Attest { bytes } if signed => return self.attested(now, room, &opened, bytes, settled),
            Body::Text(text) => Content::Text(text.to_string()),
            Body::File { name, bytes } => Content::File { name: name.to_string(), bytes: bytes.to_vec() },
            Body::Attest { .. }
            | Body::CannotOpen { .. }
            | Body::Renewed
            | Body::RoomState { .. }
            | Body::RoomWord { .. } => {
                self.counters.refused_kind += 1;
                return Ok(Answer::Taken(None));
            }
        };
        if room.state.policy.signed_only && !signed {
            self.counters.rooms_refused += 1;
            return Ok(Answer::Taken(None));
        }
        put_chain(&mut batch, &opened.key, opened.seen, &opened.chain)?;
        if opened.known {
            settled.extend(self.room_settle(&id, opened.counter, opened.digest, Trust::Signed));
            self.settle_all(now, &mut room, settled, batch)?;
            return Ok(Answer::Taken(None));
        }
        self.settle_all(now, &mut room, settled, Batch::default())?;
        self.room_deliver(now, &room, envelope, &opened, &content, &said, batch)
    }

    #[allow(clippy::too_many_arguments, reason = "one inner step of `room_opened`, split off for its length")]
    fn room_deliver(
        &mut self,
        now: Instant,
        room: &Room,
        envelope: &Envelope<'_>,
        opened: &Opened,
        content: &picket_seal::Content<'_>,
        said: &Content,
        mut batch: Batch,
    ) -> Result<Answer, VaultError> {
        let (header, id) = (envelope.header(), envelope.identity().id());
        let chain = *opened.chain.id();
        let exposed = self.is_exposed(room, chain.generation);
        let trust = match opened.settled {
            Settled::Signed => Trust::Signed,
            Settled::Confirmed => Trust::Confirmed,
            Settled::Member => Trust::Member,
        };
        let note = Note::new(&chain, opened.counter, opened.digest, trust, exposed && trust == Trust::Member);
        let wall = self.home.clock.wall(now);
        let start = self.home.roster.start_of(chain.epoch);
        let sent = content.sent_s.map(|s| Wall(start.saturating_add(u64::from(s)).saturating_mul(1_000)));
        let given = content.lifetime.min(room.state.policy.lifetime);
        let left = remaining(given, header.lifetime, sent, wall);
        let late = left == Duration::ZERO;
        let mut next = self.home.record.clone();
        let record = InRecord {
            from: header.source,
            precedence: header.precedence,
            position: next.take_position(),
            wire: id,
            delivered: [0; 8],
            read: [0; 8],
            sent,
            received: wall,
            expires: wall.map(|w| Wall(w.0.saturating_add(left.as_millis()))),
            deadline: self.home.clock.age(now).saturating_add(left.as_micros()),
            is_read: false,
            late,
            kept: (!late).then(|| Kept::of(said)),
        };
        batch.put(keys::incoming(id), encode(&record)?);
        batch.put(keys::note(id), encode(&note)?);
        if !late {
            batch.put(keys::body(id), encode_content(said)?);
        }
        self.home.commit(now, next, batch)?;
        let from = record.from;
        self.desk.set_in(id, Some(record));
        self.rooms.notes.insert(id, note);
        if late {
            self.counters.late += 1;
            self.tell(Event::ReceivedLate { id, from });
        } else if !note.held {
            self.counters.received += 1;
            self.tell(Event::Received { id });
        }
        Ok(Answer::Taken(None))
    }

    /// An attestation, in a message whose signature verified.
    fn attested(
        &mut self,
        now: Instant,
        mut room: Room,
        opened: &Opened,
        bytes: &[u8],
        mut settled: Vec<(MessageId, Note)>,
    ) -> Result<Answer, VaultError> {
        let mut batch = Batch::default();
        let Ok(attest) = Attest::decode(opened.counter, bytes) else {
            self.counters.bad_content += 1;
            put_chain(&mut batch, &opened.key, opened.seen, &opened.chain)?;
            self.put_room(now, room, batch, Owes::new(), None)?;
            return Ok(Answer::Taken(None));
        };
        let mut carrier = opened.chain.clone();
        let mut verdicts = Vec::new();
        let mut said = |counter, digest, verdict| verdicts.push((counter, digest, verdict));
        let id = match attest.other {
            None => {
                carrier.attest(&attest, &mut said);
                *carrier.id()
            }
            Some(place) => {
                let id = room.chain(self.home.mission(), carrier.id().sender, place);
                if let Some((seen, mut other)) = self.room_chain(&room, &id)? {
                    other.attest(&attest, &mut said);
                    put_chain(&mut batch, &keys::room_chain(&id), seen, &other)?;
                }
                id
            }
        };
        put_chain(&mut batch, &opened.key, opened.seen, &carrier)?;
        for (counter, digest, verdict) in verdicts {
            let trust = match verdict {
                Verdict::Confirmed => Trust::Confirmed,
                Verdict::Contradicted => Trust::Forged,
            };
            settled.extend(self.room_settle(&id, counter, digest, trust));
        }
        self.settle_all(now, &mut room, settled, batch)?;
        Ok(Answer::Taken(None))
    }

    /// A chain named by an attestation: stored, or begun by it.
    fn room_chain(&mut self, room: &Room, id: &ChainId) -> Result<Option<(u64, RoomReceiver)>, VaultError> {
        if let Some(bytes) = self.home.get(&keys::room_chain(id))?.map(Zeroizing::new) {
            let (seen, state) = bytes.split_first_chunk::<8>().ok_or(VaultError::Damaged)?;
            let chain = RoomReceiver::decode(state).map_err(|_| VaultError::Damaged)?;
            return Ok((chain.id() == id).then_some((u64::from_be_bytes(*seen), chain)));
        }
        let siblings = self.home.scan(&keys::room_sender(id.index, id.epoch, id.sender))?.len();
        // Where moderators acted at once there may be several keys of a generation: which is its, its first message tells.
        let key = room.only_key(id.generation).filter(|_| siblings < ROOM_CHAINS_MAX);
        let chain = key.and_then(|k| RoomReceiver::begin(&k.secret(), *id).ok());
        Ok(chain.map(|chain| (self.home.record.position, chain)))
    }

    /// The message held for a counter, with what is known of it now.
    fn room_settle(&self, id: &ChainId, counter: u32, digest: Digest, trust: Trust) -> Option<(MessageId, Note)> {
        let mut notes = self.rooms.notes.iter();
        let held = notes.find(|(_, n)| n.is_of(id) && n.counter == counter && n.digest == digest);
        held.map(|(message, note)| (*message, Note { trust, held: false, ..*note }))
    }

    /// Commits what became known of messages, and tells it; what is forged raises an alarm.
    fn settle_all(
        &mut self,
        now: Instant,
        room: &mut Room,
        settled: Vec<(MessageId, Note)>,
        mut batch: Batch,
    ) -> Result<(), VaultError> {
        for (id, note) in &settled {
            batch.put(keys::note(*id), encode(note)?);
            if note.trust == Trust::Forged {
                self.raise(now, room, note.sender, true);
            }
        }
        self.put_room(now, room.clone(), batch, Owes::new(), None)?;
        for (id, note) in settled {
            let was_held = self.rooms.notes.insert(id, note).is_some_and(|n| n.held);
            if was_held && note.trust != Trust::Forged {
                self.counters.received += 1;
                self.tell(Event::Received { id });
            }
            self.tell_room(room, RoomEvent::Settled { id, trust: note.trust });
        }
        Ok(())
    }

    /// The room of a message, for those who list it.
    pub(crate) fn room_of(&self, id: MessageId) -> Option<(RoomId, picket_wire::Index, Trust, bool)> {
        self.rooms.note(id).map(|n| (n.room(), n.index, n.trust, n.held))
    }
}

fn put_chain(batch: &mut Batch, key: &[u8], seen: u64, chain: &RoomReceiver) -> Result<(), VaultError> {
    let mut buffer = Zeroizing::new(vec![0; ROOM_CHAIN_STATE_MAX]);
    let state = chain.encode(&mut buffer).map_err(|_| VaultError::Failed)?;
    let mut out = seen.to_be_bytes().to_vec();
    out.extend_from_slice(state);
    batch.put(key.to_vec(), out);
    Ok(())
}
