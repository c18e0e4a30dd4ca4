//! Arrivals: what a gateway hands over, and what it is answered (spec §70.4). Nothing is acknowledged before the commit
//! that makes it ours.

use crate::batch::Batch;
use crate::endpoint::Endpoint;
use crate::home::Home;
use crate::io::{Event, Random};
use crate::keys;
use crate::limits::{
    CANNOT_OPEN_EVERY, FAR_EVERY, FULL_RETRY, HOP_LIMIT, MAILBOX_BYTES_MAX, MAILBOX_MAX, NOT_YET_MAX, NOT_YET_RETRY,
    NOT_YET_TRIES,
};
use crate::message::Content;
use crate::records::{InRecord, Kept, OwedRecord, encode, encode_content};
use crate::sessions::{Letter, OpenFail, OpenedLetter, SealFail};
use crate::vault::{Vault, VaultError};
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use picket_node::leaf::{Arrival, ParcelKind};
use picket_roster::Kind;
use picket_seal::{Body, Far, Lane, Route};
use picket_wire::control::{Control, RefuseReason, Token};
use picket_wire::envelope::{Class, Envelope};
use picket_wire::time::{Duration, Instant, Wall};
use picket_wire::{Identity, Index, Lifetime, MessageId, Precedence};

/// What keeps an attacker from making us work or talk: in memory only, as losing it costs one more answer.
#[derive(Debug, Default)]
pub(crate) struct Restraint {
    /// When each peer was last asked to seal again.
    asked: BTreeMap<Index, Instant>,
    /// How often an envelope was refused because it could not be opened yet.
    not_yet: BTreeMap<Identity, u8>,
    /// Envelopes whose sender was asked.
    given_up: BTreeMap<Identity, ()>,
    far: Option<Instant>,
}

/// What an arrival is answered.
pub(crate) enum Answer {
    Taken(Option<Token>),
    Refused(RefuseReason, Duration),
}

impl<V: Vault> Endpoint<V> {
    /// A parcel arrived: it is answered, unless the vault failed.
    pub(crate) fn arrived(
        &mut self,
        now: Instant,
        arrival: Arrival,
        random: &mut dyn Random,
    ) -> Result<(), VaultError> {
        let owed = arrival.owed();
        let answer = match arrival.kind {
            ParcelKind::Envelope => self.envelope(now, &arrival.bytes, random),
            ParcelKind::Control => match Control::decode(&arrival.bytes) {
                Ok(control) => self.control_parcel(now, control).map(|()| Answer::Taken(None)),
                Err(_) => {
                    self.counters.refused_kind += 1;
                    Ok(Answer::Taken(None))
                }
            },
        };
        let answer = match answer {
            Err(VaultError::Full) => {
                self.counters.refused_full += 1;
                Answer::Refused(RefuseReason::Full, FULL_RETRY)
            }
            other => other?,
        };
        if let Some(leaf) = &mut self.way.leaf {
            match answer {
                Answer::Taken(token) => leaf.acknowledge(now, owed, token),
                Answer::Refused(reason, retry) => leaf.refuse(now, owed, reason, retry),
            }
        }
        Ok(())
    }

    pub(crate) fn envelope(
        &mut self,
        now: Instant,
        bytes: &[u8],
        random: &mut dyn Random,
    ) -> Result<Answer, VaultError> {
        let Ok(envelope) = Envelope::parse(bytes) else {
            self.counters.refused_kind += 1;
            return Ok(Answer::Taken(None));
        };
        let header = *envelope.header();
        if header.class == Class::Room && header.destination.is_room() {
            return self.room_envelope(now, &envelope, random);
        }
        if header.destination != self.me() || header.class == Class::Room {
            self.counters.not_for_us += 1;
            return Ok(Answer::Refused(RefuseReason::UnknownDestination, Duration::ZERO));
        }
        if self.home.roster.revoked().contains(header.source) {
            self.counters.refused_revoked += 1;
            return Ok(Answer::Taken(None));
        }
        if let Some(known) = self.known(&envelope) {
            self.counters.duplicates += 1;
            return Ok(Answer::Taken(known));
        }
        let (messages, kept) = self.desk.mailbox();
        let full = messages >= MAILBOX_MAX || kept.saturating_add(bytes.len()) > MAILBOX_BYTES_MAX;
        if full && header.class == Class::Pairwise {
            self.counters.refused_full += 1;
            return Ok(Answer::Refused(RefuseReason::Full, FULL_RETRY));
        }
        let mut batch = Batch::default();
        match self.open_restrained(now, &envelope, &mut batch) {
            Ok(opened) => self.opened(now, &envelope, &opened, batch, random),
            Err(OpenFail::Again) => {
                self.counters.duplicates += 1;
                Ok(Answer::Taken(None))
            }
            Err(OpenFail::NotYet) if self.wait_for_key(&envelope) => {
                Ok(Answer::Refused(RefuseReason::RateLimited, NOT_YET_RETRY))
            }
            Err(OpenFail::TooMany) => {
                self.counters.sessions_refused += 1;
                self.cannot_open(now, &envelope, random)
            }
            Err(OpenFail::NotYet | OpenFail::Cannot) => self.cannot_open(now, &envelope, random),
            Err(OpenFail::Vault(e)) => Err(e),
        }
    }

    /// The answer to an envelope that was taken before: its delivered token again, as the first may be lost.
    fn known(&self, envelope: &Envelope<'_>) -> Option<Option<Token>> {
        let identity = envelope.identity();
        let record = self.desk.in_of_wire(identity.id()).and_then(|id| self.desk.incoming(id));
        record.map(|r| (!r.late).then_some(r.delivered))
    }

    fn open_restrained(
        &mut self,
        now: Instant,
        envelope: &Envelope<'_>,
        batch: &mut Batch,
    ) -> Result<OpenedLetter, OpenFail> {
        let first = self.home.open_envelope(envelope, Far::Refuse, batch);
        match first {
            Err(OpenFail::NotYet) if self.may_go_far(now) => self.home.open_envelope(envelope, Far::Follow, batch),
            other => other,
        }
    }

    /// Whether a counter far ahead may be followed now; then not again for a while.
    pub(crate) fn may_go_far(&mut self, now: Instant) -> bool {
        let may = self.restraint.far.is_none_or(|at| now.since(at) >= FAR_EVERY);
        if may {
            self.restraint.far = Some(now);
        }
        may
    }

    /// Counts a refusal for now; `false` when there were enough of them.
    pub(crate) fn wait_for_key(&mut self, envelope: &Envelope<'_>) -> bool {
        self.tries(envelope) <= NOT_YET_TRIES
    }

    /// How often it has been refused for now, this time included.
    pub(crate) fn tries(&mut self, envelope: &Envelope<'_>) -> u8 {
        if self.restraint.not_yet.len() >= NOT_YET_MAX {
            self.restraint.not_yet.clear();
        }
        let tries = self.restraint.not_yet.entry(envelope.identity()).or_insert(0);
        *tries = tries.saturating_add(1);
        *tries
    }

    fn opened(
        &mut self,
        now: Instant,
        envelope: &Envelope<'_>,
        opened: &OpenedLetter,
        mut batch: Batch,
        random: &mut dyn Random,
    ) -> Result<Answer, VaultError> {
        let header = envelope.header();
        let Ok(content) = picket_seal::Content::decode(&opened.content) else {
            // Authentic, but of a later version: taken once, counted, never shown.
            self.counters.bad_content += 1;
            self.home.commit(now, self.home.record.clone(), batch)?;
            return Ok(Answer::Taken(None));
        };
        self.note_announced(now, header.source, &content, &mut batch)?;
        let said = match (header.class, content.body) {
            (Class::Pairwise, Body::Text(text)) => Content::Text(text.to_string()),
            (Class::Pairwise, Body::File { name, bytes }) => {
                Content::File { name: name.to_string(), bytes: bytes.to_vec() }
            }
            (Class::Housekeeping, Body::CannotOpen { id }) => {
                self.asked_again(now, header.source, id, batch, random)?;
                return Ok(Answer::Taken(None));
            }
            (Class::Housekeeping, Body::RoomState { state, keys }) => {
                return self.room_state(now, envelope, (state, keys), batch, random);
            }
            (Class::Housekeeping, Body::RoomWord { room, word }) => {
                return self.room_word(now, header.source, (room, word), batch, random);
            }
            (Class::Housekeeping, Body::Renewed) => {
                self.home.commit(now, self.home.record.clone(), batch)?;
                self.tell(Event::PeerRenewed { from: header.source });
                return Ok(Answer::Taken(None));
            }
            (
                Class::Pairwise,
                Body::CannotOpen { .. } | Body::Renewed | Body::RoomState { .. } | Body::RoomWord { .. },
            )
            | (Class::Pairwise | Class::Housekeeping, Body::Attest { .. })
            | (Class::Housekeeping, Body::Text(_) | Body::File { .. })
            | (Class::Room, _) => {
                self.counters.refused_kind += 1;
                self.home.commit(now, self.home.record.clone(), batch)?;
                return Ok(Answer::Taken(None));
            }
        };
        self.deliver(now, envelope, opened, &content, &said, batch)
    }

    /// What the message tells of its sender's keys.
    fn note_announced(
        &mut self,
        now: Instant,
        from: Index,
        content: &picket_seal::Content<'_>,
        batch: &mut Batch,
    ) -> Result<(), VaultError> {
        let (age, epoch) = (self.home.clock.age(now), self.home.record.epoch.unwrap_or(0));
        let mut record = self.home.announced(from)?;
        if matches!(content.body, Body::CannotOpen { .. }) {
            record.forget_theirs();
        }
        record.opened(age, epoch, content.prekey.as_ref(), content.body == Body::Renewed);
        if content.body == Body::Renewed {
            for lane in Lane::ALL {
                batch.remove(keys::send_lane(from, lane));
            }
            batch.remove(keys::send_placed(from));
        }
        Home::<V>::put_announced(batch, from, &record)
    }

    /// Message, session state and the delivered token in one transaction.
    fn deliver(
        &mut self,
        now: Instant,
        envelope: &Envelope<'_>,
        opened: &OpenedLetter,
        content: &picket_seal::Content<'_>,
        said: &Content,
        mut batch: Batch,
    ) -> Result<Answer, VaultError> {
        let (header, wire) = (envelope.header(), envelope.identity().id());
        let id = content.original.unwrap_or(wire);
        if let Some(earlier) = self.desk.incoming(id) {
            // Sealed again although the first sealing was opened, or an id that is another's: the first one stands.
            let token = (earlier.from == header.source && !earlier.late).then_some(opened.delivered);
            self.counters.duplicates += 1;
            self.home.commit(now, self.home.record.clone(), batch)?;
            return Ok(Answer::Taken(token));
        }
        let wall = self.home.clock.wall(now);
        let epoch_start = self.home.roster.start_of(opened.epoch);
        let sent = content.sent_s.map(|s| Wall(epoch_start.saturating_add(u64::from(s)).saturating_mul(1_000)));
        let left = remaining(content.lifetime, header.lifetime, sent, wall);
        let late = left == Duration::ZERO;
        let mut next = self.home.record.clone();
        let record = InRecord {
            from: header.source,
            precedence: header.precedence,
            position: next.take_position(),
            wire,
            delivered: opened.delivered,
            read: opened.read,
            sent,
            received: wall,
            expires: wall.map(|w| Wall(w.0.saturating_add(left.as_millis()))),
            deadline: self.home.clock.age(now).saturating_add(left.as_micros()),
            is_read: false,
            late,
            kept: (!late).then(|| Kept::of(said)),
        };
        batch.put(keys::incoming(id), encode(&record)?);
        if !late {
            batch.put(keys::body(id), encode_content(said)?);
            if let Some(burn) = content.burn {
                batch.put(keys::burn(id), [burn.0].to_vec());
            }
        }
        let forgotten = self.forget_received(&mut batch);
        self.home.commit(now, next, batch)?;
        if let Some(old) = forgotten {
            self.desk.set_in(old, None);
        }
        self.restraint.not_yet.remove(&envelope.identity());
        let (from, token) = (record.from, record.delivered);
        self.desk.set_in(id, Some(record));
        if late {
            self.counters.late += 1;
            self.tell(Event::ReceivedLate { id, from });
            return Ok(Answer::Taken(None));
        }
        self.counters.received += 1;
        self.tell(Event::Received { id });
        Ok(Answer::Taken(Some(token)))
    }

    /// A peer could not open an envelope of ours.
    fn asked_again(
        &mut self,
        now: Instant,
        peer: Index,
        wire: MessageId,
        batch: Batch,
        random: &mut dyn Random,
    ) -> Result<(), VaultError> {
        let id = self.desk.out_of_wire(wire);
        let record = id.and_then(|id| self.desk.out(id));
        // Only the last sealing counts: an earlier one has been sealed again already.
        let asked = record.is_some_and(|r| {
            r.to == peer
                && r.is_open()
                && r.kept.is_some()
                && r.sealings.last().is_some_and(|s| s.identity.id() == wire)
        });
        match id.filter(|_| asked) {
            Some(id) => self.seal_again(now, id, random, batch),
            None => self.home.commit(now, self.home.record.clone(), batch),
        }
    }

    /// Asks the sender, sealed and in-band, to seal it again. Rate-limited: until it may be asked, the gateway keeps it.
    fn cannot_open(
        &mut self,
        now: Instant,
        envelope: &Envelope<'_>,
        random: &mut dyn Random,
    ) -> Result<Answer, VaultError> {
        let (header, identity) = (envelope.header(), envelope.identity());
        let from = header.source;
        if self.restraint.given_up.contains_key(&identity) || header.class == Class::Housekeeping {
            // Housekeeping is never asked for again, or two endpoints would ask each other for ever.
            return Ok(Answer::Taken(None));
        }
        let is_member = self.home.roster.station(from).is_some_and(|s| s.kind == Kind::Member && s.index != self.me());
        let early = self.restraint.asked.get(&from).is_some_and(|at| now.since(*at) < CANNOT_OPEN_EVERY);
        if is_member && early {
            self.counters.cannot_open_limited += 1;
            return Ok(Answer::Refused(RefuseReason::RateLimited, CANNOT_OPEN_EVERY));
        }
        if is_member {
            self.restraint.asked.insert(from, now);
            self.ask_again(now, from, identity.id(), header.lifetime, random)?;
        }
        if self.restraint.given_up.len() >= NOT_YET_MAX {
            self.restraint.given_up.clear();
        }
        self.restraint.given_up.insert(identity, ());
        self.counters.cannot_open += 1;
        self.tell(Event::CannotOpen { id: identity.id(), from });
        Ok(Answer::Taken(None))
    }

    fn ask_again(
        &mut self,
        now: Instant,
        to: Index,
        id: MessageId,
        lifetime: Lifetime,
        random: &mut dyn Random,
    ) -> Result<(), VaultError> {
        self.owe_housekeeping(now, to, Body::CannotOpen { id }, lifetime, random).map(|_| ())
    }

    /// Housekeeping in a fresh in-band session, with a prekey of ours; whether it could be sealed.
    pub(crate) fn owe_housekeeping(
        &mut self,
        now: Instant,
        to: Index,
        body: Body<'_>,
        lifetime: Lifetime,
        random: &mut dyn Random,
    ) -> Result<bool, VaultError> {
        let precedence = Precedence::Priority;
        let route = Route { class: Class::Housekeeping, precedence, hop_limit: HOP_LIMIT, lifetime };
        let letter = Letter { to, route, lifetime, original: None, burn: None, body, fresh: true, announce: true };
        let mut batch = Batch::default();
        let sealed = match self.home.seal(now, &letter, random, &mut batch) {
            Ok(sealed) => sealed,
            Err(SealFail::Vault(e)) => return Err(e),
            // No key with this peer: it cannot be told.
            Err(SealFail::Cannot(_) | SealFail::TooLarge) => return Ok(false),
        };
        let mut next = self.home.record.clone();
        let at = next.take_position();
        let record = OwedRecord {
            envelope: true,
            precedence,
            identity: sealed.sealing.identity,
            deadline: self.home.clock.age(now).saturating_add(lifetime.duration().as_micros()),
            bytes: sealed.envelope,
        };
        batch.put(keys::owed(at), encode(&record)?);
        self.home.commit(now, next, batch)?;
        self.desk.set_owed(at, Some(record));
        Ok(true)
    }
}

/// What is left of a lifetime, counted from sending: by both clocks where both are known, else by what the custodians
/// counted down; never more than the sender gave.
pub(crate) fn remaining(original: Lifetime, on_arrival: Lifetime, sent: Option<Wall>, now: Option<Wall>) -> Duration {
    match (sent, now) {
        (Some(sent), Some(now)) => original.duration().saturating_sub(now.since(sent)),
        (None, _) | (_, None) => original.min(on_arrival).duration(),
    }
}
