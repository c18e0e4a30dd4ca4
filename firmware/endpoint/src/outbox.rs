//! The outbox: composing, offering by precedence, and what becomes of a message (spec §70.5).

use crate::batch::Batch;
use crate::desk::Item;
use crate::endpoint::Endpoint;
use crate::error::{BodyError, CannotSeal, ComposeError};
use crate::io::{Event, Random};
use crate::keys;
use crate::limits::{
    CONTENT_MAX, FILE_NAME_MAX, FINISHED_MAX, HOP_LIMIT, OFFERED_MAX, OUTBOX_BYTES_MAX, OUTBOX_MAX, SEAL_AGAIN_MAX,
    TTL_MIN,
};
use crate::message::{Content, Draft, Outgoing, RefusedBecause, State, Step, Why};
use crate::records::{Kept, OutRecord, decode_content, encode, encode_content, ended};
use crate::sessions::{Letter, SealFail};
use crate::vault::{Vault, VaultError};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use picket_node::leaf::{OfferId, Parcel, ParcelKind, Standing};
use picket_roster::{Kind, Station};
use picket_seal::{Body, Route};
use picket_wire::control::{ReceiptKind, RefuseReason, Token};
use picket_wire::envelope::{Class, set_mutable};
use picket_wire::time::{Duration, Instant, Wall};
use picket_wire::{Index, Lifetime, MessageId, Precedence};

impl<V: Vault> Endpoint<V> {
    /// Seals a message and puts it in the outbox. It is durable when this returns; then drain [`Endpoint::poll`].
    ///
    /// # Errors
    /// [`ComposeError`]; nothing was changed. A message that cannot be sealed is never sent in clear.
    pub fn compose(&mut self, now: Instant, draft: Draft, random: &mut dyn Random) -> Result<MessageId, ComposeError> {
        self.turn(now, random);
        if self.home.revoked {
            return Err(ComposeError::Revoked);
        }
        let to = self.recipient(&draft.to)?;
        check_content(&draft.content)?;
        let lifetime = self.lifetime(draft.ttl)?;
        let (messages, bytes) = self.desk.outbox();
        if messages >= OUTBOX_MAX || bytes.saturating_add(content_len(&draft.content)) > OUTBOX_BYTES_MAX {
            return Err(ComposeError::OutboxFull);
        }
        let mut batch = Batch::default();
        let burn = draft.burn.map(|after| after.max(TTL_MIN)).map(Lifetime::within);
        let letter = letter(to, draft.precedence, lifetime, (None, burn), &draft.content, false);
        let sealed = self.home.seal(now, &letter, random, &mut batch).map_err(|e| match e {
            SealFail::Cannot(why) => ComposeError::CannotSeal(why),
            SealFail::TooLarge => ComposeError::TooLarge { bytes: content_len(&draft.content) },
            SealFail::Vault(e) => ComposeError::Vault(e),
        })?;
        let wall = self.home.clock.wall(now);
        let mut next = self.home.record.clone();
        let record = OutRecord {
            to,
            precedence: draft.precedence,
            position: next.take_position(),
            sealings: vec![sealed.sealing],
            steps: vec![Step { state: State::Queued, at: wall }],
            lifetime,
            deadline: self.home.clock.age(now).saturating_add(lifetime.duration().as_micros()),
            expires: wall.map(|w| Wall(w.0.saturating_add(lifetime.duration().as_millis()))),
            custodian: None,
            envelope: u32::try_from(sealed.envelope.len()).ok(),
            kept: Some(Kept::of(&draft.content)),
        };
        let id = record.sealings.first().map_or(MessageId([0; 8]), |s| s.identity.id());
        batch.put(keys::out(id), encode(&record)?);
        batch.put(keys::envelope(id), sealed.envelope);
        batch.put(keys::sent_body(id), encode_content(&draft.content)?);
        if let Some(burn) = burn {
            batch.put(keys::burn(id), [burn.0].to_vec());
        }
        let forgotten = self.forget_finished(&mut batch);
        let done = self.home.commit(now, next, batch);
        self.check(done);
        done?;
        if let Some(old) = forgotten {
            self.desk.set_out(old, None);
        }
        self.desk.set_out(id, Some(record));
        self.counters.composed += 1;
        self.tell(Event::State { id, state: State::Queued, at: wall });
        let _offered_later = self.offer_more(now);
        Ok(id)
    }

    /// All messages sent, oldest first, with their states and why they wait.
    ///
    /// # Errors
    /// When the vault does not answer.
    pub fn sent(&mut self, now: Instant) -> Result<Vec<Outgoing>, VaultError> {
        let mut ids: Vec<(u64, MessageId)> = self.desk.outs().map(|(id, r)| (r.position, id)).collect();
        ids.sort_unstable();
        let mut all = Vec::with_capacity(ids.len());
        for (_, id) in ids {
            if let Some(record) = self.desk.out(id).cloned() {
                all.push(self.describe_out(now, id, &record)?);
            }
        }
        Ok(all)
    }

    /// One message sent.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn outgoing(&mut self, now: Instant, id: MessageId) -> Result<Outgoing, BodyError> {
        let record = self.desk.out(id).cloned().ok_or(BodyError::NoSuchId(id))?;
        Ok(self.describe_out(now, id, &record)?)
    }

    fn describe_out(&mut self, now: Instant, id: MessageId, record: &OutRecord) -> Result<Outgoing, VaultError> {
        let shown = match &record.kept {
            None => None,
            Some(kept) => Some(kept.shown(|| self.kept_content(&keys::sent_body(id)))?),
        };
        Ok(Outgoing {
            id,
            to: record.to,
            to_name: self.name_of(record.to),
            precedence: record.precedence,
            shown,
            state: record.state(),
            steps: record.steps.clone(),
            expires: record.expires,
            why: self.why(now, id, record),
        })
    }

    pub(crate) fn kept_content(&mut self, key: &[u8]) -> Result<Content, VaultError> {
        decode_content(&self.home.get(key)?.ok_or(VaultError::Damaged)?)
    }

    fn why(&self, now: Instant, id: MessageId, record: &OutRecord) -> Why {
        match record.state() {
            State::Queued => self.why_queued(now, id, record),
            State::Custody => Why::InCustody {
                gateway: record.custodian.map_or_else(|| "a gateway".to_string(), |g| self.name_of(g)),
            },
            State::Delivered => Why::NotRead,
            State::Read | State::Expired | State::Refused(_) => Why::Done,
        }
    }

    fn why_queued(&self, now: Instant, id: MessageId, record: &OutRecord) -> Why {
        let gateway = match self.way.standing() {
            Standing::Down => return Why::NoWay,
            Standing::Searching | Standing::Attaching(_) => return Why::NoGateway,
            Standing::Attached(gateway) => self.name_of(gateway),
        };
        if let Some(not_now) = self.way.not_now(now, Item::Out(id)) {
            return Why::NotTaken { gateway, reason: not_now.reason, retry: not_now.until.since(now) };
        }
        if self.way.is_offered(Item::Out(id)) {
            return Why::Offered { gateway };
        }
        let first = |r: &OutRecord| (core::cmp::Reverse(r.precedence), r.position);
        let others = self.desk.outs().filter(|(_, r)| r.is_pending() && first(r) < first(record)).count();
        Why::Behind { others }
    }

    fn recipient(&self, name: &str) -> Result<Index, ComposeError> {
        let found: Option<Station<'_>> = self.home.roster.by_name(name);
        match found {
            None => Err(ComposeError::UnknownRecipient { name: name.to_string() }),
            Some(s) if s.kind == Kind::Gateway => Err(ComposeError::NotAMember { name: name.to_string() }),
            Some(s) if s.index == self.me() => Err(ComposeError::Yourself),
            Some(s) => Ok(s.index),
        }
    }

    /// The lifetime asked for, rounded down to what the wire can say.
    fn lifetime(&self, ttl: Option<Duration>) -> Result<Lifetime, ComposeError> {
        let max = self.home.roster.max_delay();
        let ttl = ttl.unwrap_or(max);
        if ttl > max {
            return Err(ComposeError::TtlTooLong { max });
        }
        if ttl < TTL_MIN {
            return Err(ComposeError::TtlTooShort);
        }
        Ok(Lifetime::within(ttl))
    }

    /// Where too many finished messages are remembered, the oldest goes.
    fn forget_finished(&self, batch: &mut Batch) -> Option<MessageId> {
        let (open, _) = self.desk.outbox();
        if self.desk.outs().count() < open + FINISHED_MAX {
            return None;
        }
        let done = self.desk.outs().filter(|(_, r)| !r.is_open() && r.kept.is_none());
        let oldest = done.min_by_key(|(_, r)| r.position).map(|(id, _)| id)?;
        batch.remove(keys::out(oldest));
        Some(oldest)
    }

    /// Offers what is most urgent, up to the limit; more urgent parcels take the place of less urgent ones.
    pub(crate) fn offer_more(&mut self, now: Instant) -> Result<(), VaultError> {
        self.way.forget_refusals(now);
        if self.attached().is_none() {
            return Ok(());
        }
        let mut wanted: Vec<(core::cmp::Reverse<Precedence>, u64, Item)> = Vec::new();
        let outs = self.desk.outs().filter(|(_, r)| r.is_pending());
        wanted.extend(outs.map(|(id, r)| (core::cmp::Reverse(r.precedence), r.position, Item::Out(id))));
        let oweds = self.desk.oweds();
        wanted.extend(oweds.map(|(at, r)| (core::cmp::Reverse(r.precedence), at, Item::Owed(at))));
        wanted.retain(|(_, _, item)| self.way.not_now(now, *item).is_none());
        wanted.sort_unstable();
        wanted.truncate(OFFERED_MAX);
        let stale: Vec<Item> =
            self.way.in_flight().map(|(_, i)| i).filter(|i| !wanted.iter().any(|(_, _, w)| w == i)).collect();
        for item in stale {
            self.way.withdraw(item);
        }
        for (_, _, item) in wanted {
            if !self.way.is_offered(item) && !self.offer(now, item)? {
                break;
            }
        }
        Ok(())
    }

    /// Offers one parcel; `false` when the link takes no more.
    fn offer(&mut self, now: Instant, item: Item) -> Result<bool, VaultError> {
        let id = self.way.next_offer_id();
        let Some(parcel) = self.parcel(now, id, item)? else { return Ok(true) };
        let Some(leaf) = &mut self.way.leaf else { return Ok(false) };
        if leaf.room_for(parcel.precedence) == 0 || leaf.offer(now, parcel).is_err() {
            return Ok(false);
        }
        self.way.offered(id, item);
        Ok(true)
    }

    fn parcel(&mut self, now: Instant, id: OfferId, item: Item) -> Result<Option<Parcel>, VaultError> {
        let age = self.home.clock.age(now);
        let left = |deadline: u64| Lifetime::within(Duration::from_micros(deadline.saturating_sub(age)));
        match item {
            Item::Out(message) => {
                let Some(record) = self.desk.out(message) else { return Ok(None) };
                let Some(identity) = record.sealings.last().map(|s| s.identity) else { return Ok(None) };
                let (precedence, lifetime) = (record.precedence, left(record.deadline));
                let mut bytes = self.home.get(&keys::envelope(message))?.ok_or(VaultError::Damaged)?;
                set_mutable(&mut bytes, HOP_LIMIT, 0, lifetime);
                Ok(Some(Parcel { id, kind: ParcelKind::Envelope, precedence, identity, bytes }))
            }
            Item::Owed(at) => {
                let Some(record) = self.desk.owed(at) else { return Ok(None) };
                let mut bytes = record.bytes.clone();
                let kind = if record.envelope { ParcelKind::Envelope } else { ParcelKind::Control };
                if record.envelope {
                    set_mutable(&mut bytes, HOP_LIMIT, 0, left(record.deadline));
                }
                let (precedence, identity) = (record.precedence, record.identity);
                Ok(Some(Parcel { id, kind, precedence, identity, bytes }))
            }
            Item::In(_) => Ok(None),
        }
    }

    /// The gateway took custody.
    pub(crate) fn accepted(
        &mut self,
        now: Instant,
        offer: OfferId,
        delivered: Option<Token>,
    ) -> Result<(), VaultError> {
        let (Some(item), Some(gateway)) = (self.way.answered(offer), self.way.gateway()) else { return Ok(()) };
        match item {
            Item::Owed(at) => self.drop_owed(now, at),
            Item::In(_) => Ok(()),
            Item::Out(id) => {
                let Some(mut record) = self.desk.out(id).cloned() else { return Ok(()) };
                record.custodian = Some(gateway);
                let wall = self.home.clock.wall(now);
                record.reach(State::Custody, wall);
                let wire = record.sealings.last().map(|s| s.identity.id());
                self.store_out(now, id, record, Batch::default())?;
                match (delivered, wire) {
                    (Some(token), Some(wire)) => self.receipt(now, wire, ReceiptKind::Delivered, token),
                    (Some(_), None) | (None, _) => Ok(()),
                }
            }
        }
    }

    /// The gateway refused, for now or for good.
    pub(crate) fn refused(
        &mut self,
        now: Instant,
        offer: OfferId,
        reason: RefuseReason,
        retry: Duration,
    ) -> Result<(), VaultError> {
        let Some(item) = self.way.answered(offer) else { return Ok(()) };
        let passes = match reason {
            RefuseReason::Full | RefuseReason::RateLimited | RefuseReason::PassedOn => true,
            RefuseReason::Expired | RefuseReason::HopLimit | RefuseReason::UnknownDestination => false,
        };
        if passes || retry > Duration::ZERO {
            self.way.refused(now, item, reason, retry);
            return Ok(());
        }
        match item {
            Item::Owed(at) => self.drop_owed(now, at),
            Item::In(_) => Ok(()),
            Item::Out(id) => {
                let state = ended(reason == RefuseReason::Expired, RefusedBecause::Gateway(reason));
                self.end_out(now, id, state)
            }
        }
    }

    pub(crate) fn drop_owed(&mut self, now: Instant, at: u64) -> Result<(), VaultError> {
        let mut batch = Batch::default();
        batch.remove(keys::owed(at));
        self.home.commit(now, self.home.record.clone(), batch)?;
        self.desk.set_owed(at, None);
        self.way.withdraw(Item::Owed(at));
        Ok(())
    }

    /// A message ended undelivered: its envelope goes, its content stays until its lifetime ends.
    pub(crate) fn end_out(&mut self, now: Instant, id: MessageId, state: State) -> Result<(), VaultError> {
        let Some(mut record) = self.desk.out(id).cloned() else { return Ok(()) };
        if !record.reach(state, self.home.clock.wall(now)) {
            return Ok(());
        }
        let mut batch = Batch::default();
        record.envelope = None;
        batch.remove(keys::envelope(id));
        if state == State::Expired {
            record.kept = None;
            batch.remove(keys::sent_body(id));
            batch.remove(keys::burn(id));
        }
        self.way.withdraw(Item::Out(id));
        self.store_out(now, id, record, batch)
    }

    /// Commits a changed record and tells the states it has reached.
    pub(crate) fn store_out(
        &mut self,
        now: Instant,
        id: MessageId,
        record: OutRecord,
        mut batch: Batch,
    ) -> Result<(), VaultError> {
        batch.put(keys::out(id), encode(&record)?);
        self.home.commit(now, self.home.record.clone(), batch)?;
        let before = self.desk.out(id).map_or(0, |r| r.steps.len());
        let reached: Vec<Step> = record.steps.get(before..).unwrap_or(&[]).to_vec();
        self.desk.set_out(id, Some(record));
        for step in reached {
            self.tell(Event::State { id, state: step.state, at: step.at });
        }
        Ok(())
    }

    /// The recipient could not open it: the same content, sealed again in a fresh session.
    pub(crate) fn seal_again(
        &mut self,
        now: Instant,
        id: MessageId,
        random: &mut dyn Random,
        mut batch: Batch,
    ) -> Result<(), VaultError> {
        let Some(mut record) = self.desk.out(id).cloned() else { return Ok(()) };
        if record.sealings.len() > SEAL_AGAIN_MAX {
            return self.end_out(now, id, State::Refused(RefusedBecause::CannotSealAgain));
        }
        let content = self.kept_content(&keys::sent_body(id))?;
        let left = record.deadline.saturating_sub(self.home.clock.age(now));
        let lifetime = Lifetime::within(Duration::from_micros(left)).min(record.lifetime);
        let burn = self.home.burn(id)?;
        let letter = letter(record.to, record.precedence, lifetime, (Some(id), burn), &content, true);
        let sealed = match self.home.seal(now, &letter, random, &mut batch) {
            Ok(sealed) => sealed,
            Err(SealFail::Vault(e)) => return Err(e),
            Err(SealFail::Cannot(CannotSeal::NoPsk | CannotSeal::NoPeerKeys | CannotSeal::NoOwnKeys))
            | Err(SealFail::Cannot(CannotSeal::Exhausted) | SealFail::TooLarge) => {
                return self.end_out(now, id, State::Refused(RefusedBecause::CannotSealAgain));
            }
        };
        record.sealings.push(sealed.sealing);
        record.custodian = None;
        record.envelope = u32::try_from(sealed.envelope.len()).ok();
        batch.put(keys::envelope(id), sealed.envelope);
        self.way.withdraw(Item::Out(id));
        self.counters.sealed_again += 1;
        self.store_out(now, id, record, batch)
    }
}

fn letter<'a>(
    to: Index,
    precedence: Precedence,
    lifetime: Lifetime,
    (original, burn): (Option<MessageId>, Option<Lifetime>),
    content: &'a Content,
    fresh: bool,
) -> Letter<'a> {
    let body = match content {
        Content::Text(text) => Body::Text(text),
        Content::File { name, bytes } => Body::File { name, bytes },
    };
    let route = Route { class: Class::Pairwise, precedence, hop_limit: HOP_LIMIT, lifetime };
    Letter { to, route, lifetime, original, burn, body, fresh, announce: false }
}

fn content_len(content: &Content) -> usize {
    match content {
        Content::Text(text) => text.len(),
        Content::File { bytes, .. } => bytes.len(),
    }
}

fn check_content(content: &Content) -> Result<(), ComposeError> {
    let bytes = content_len(content);
    if bytes > CONTENT_MAX {
        return Err(ComposeError::TooLarge { bytes });
    }
    match content {
        Content::Text(_) => Ok(()),
        Content::File { name, .. } => {
            let fits = (1..=FILE_NAME_MAX).contains(&name.len()) && name != "." && name != "..";
            let plain = !name.chars().any(|c| c.is_control() || c == '/' || c == '\\');
            if fits && plain { Ok(()) } else { Err(ComposeError::FileName) }
        }
    }
}
