//! Answers owed while nothing may be sent (spec §57.5): each is a record in the store, synced with what it answers, and
//! is given on release, most urgent first.

use super::meta::{Fate, Incoming, Kind, Meta};
use super::{Count, Gateway};
use crate::io::LinkId;
use crate::limits::{DEBTS_MAX, PAY_AHEAD};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;
use picket_link::{Answer, Due, Owed};
use picket_relay::{Ingress, ParcelKey};
use picket_store::{Medium, Seq};
use picket_wire::control::Control;
use picket_wire::limits::CONTROL_MAX;
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Index, Precedence};

/// Who waits for which answer; two of the same replace each other.
type Claim = (Index, Identity, u8, u8);

/// Where a debt stands in its link's queue.
type Rank = (Reverse<Precedence>, ParcelKey);

#[derive(Clone, Debug)]
struct Debt {
    due: Due,
    key: ParcelKey,
}

/// All of them, by the name of the link they are owed on: a connection that comes back is another instance.
#[derive(Debug, Default)]
pub(super) struct Debts {
    by_link: BTreeMap<String, BTreeMap<Rank, Debt>>,
    known: BTreeMap<Claim, (String, Rank)>,
}

const fn claim_of(owed: &Owed) -> Claim {
    (owed.from, owed.identity, owed.hop_limit, owed.round)
}

impl Debts {
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    fn holds(&self, due: &Due) -> bool {
        let place = self.known.get(&claim_of(&due.owed));
        place
            .and_then(|(link, rank)| self.by_link.get(link)?.get(rank))
            .is_some_and(|held| held.due.answer == due.answer)
    }

    fn insert(&mut self, link: &str, due: Due, key: ParcelKey) {
        let rank = (Reverse(due.precedence), key);
        self.known.insert(claim_of(&due.owed), (link.into(), rank));
        self.by_link.entry(link.into()).or_default().insert(rank, Debt { due, key });
    }

    fn remove(&mut self, owed: &Owed) -> Option<ParcelKey> {
        let (link, rank) = self.known.remove(&claim_of(owed))?;
        let debts = self.by_link.get_mut(&link)?;
        let debt = debts.remove(&rank)?;
        if debts.is_empty() {
            self.by_link.remove(&link);
        }
        Some(debt.key)
    }

    fn first(&self, link: &str) -> Option<Due> {
        self.by_link.get(link)?.first_key_value().map(|(_, debt)| debt.due)
    }

    /// The least urgent of all, the newest of those.
    fn least(&self) -> Option<Due> {
        let last = self.by_link.values().filter_map(|debts| debts.last_key_value());
        last.max_by_key(|(rank, _)| **rank).map(|(_, debt)| debt.due)
    }

    fn of_key(&self, key: ParcelKey) -> Option<Owed> {
        self.by_link.values().flat_map(BTreeMap::values).find(|debt| debt.key == key).map(|debt| debt.due.owed)
    }
}

impl<M: Medium> Gateway<M> {
    /// Where nothing may leave, answers are taken from the link machines and kept durably.
    pub(super) fn keep_answers(&mut self, now: Instant) {
        let closed = self.ports.values_mut().filter(|p| p.link.answers_waiting() > 0);
        let mut kept: Vec<(String, Due)> = Vec::new();
        for port in closed.filter(|p| self.emission.closed(p.air)) {
            kept.extend(port.link.surrender().into_iter().map(|due| (port.name.clone(), due)));
        }
        for (link, due) in kept {
            self.keep_answer(now, &link, due);
        }
    }

    fn keep_answer(&mut self, now: Instant, link: &str, due: Due) {
        if self.emission.debts.holds(&due) {
            return;
        }
        if let Some(old) = self.emission.debts.remove(&due.owed) {
            self.custody.finish(now, old, Fate::Died, Duration::ZERO);
        }
        if self.emission.debts.len() >= DEBTS_MAX {
            self.counters.add(Count::AnswersNotKept);
            match self.emission.debts.least().filter(|least| least.precedence < due.precedence) {
                Some(least) => self.forget_debt(now, &least.owed),
                None => return,
            }
        }
        match self.write_debt(now, link, &due) {
            Some(key) => self.emission.debts.insert(link, due, key),
            // The store is full or fails: it is answered when it is offered again.
            None => self.counters.add(Count::AnswersNotKept),
        }
    }

    fn write_debt(&mut self, now: Instant, link: &str, due: &Due) -> Option<ParcelKey> {
        let body = encode(link, due)?;
        let meta = Meta {
            destination: due.owed.from,
            source: due.owed.from,
            ingress: Ingress { from: due.owed.from, uplink: None },
            hop_limit: due.owed.hop_limit,
            round: due.owed.round,
            raised: 0,
            fate: Fate::Open,
        };
        let incoming = Incoming::plain(Kind::Debt, due.precedence, meta);
        let put = self.put(now, identity_of(&due.owed), &incoming, self.config.max_delay, &body, None);
        put.ok().map(|seq| ParcelKey(seq.0))
    }

    fn forget_debt(&mut self, now: Instant, owed: &Owed) {
        if let Some(key) = self.emission.debts.remove(owed) {
            self.custody.finish(now, key, Fate::Died, Duration::ZERO);
        }
    }

    /// After a restart.
    pub(super) fn recover_debt(&mut self, now: Instant, key: ParcelKey, precedence: Precedence) {
        let body = self.custody.queue_mut().body(Seq(key.0)).ok();
        match body.and_then(|body| decode(&body, precedence)) {
            Some((link, due)) => self.emission.debts.insert(&link, due, key),
            None => {
                self.counters.add(Count::UnparsableParcels);
                self.custody.finish(now, key, Fate::Died, Duration::ZERO);
            }
        }
    }

    /// Its parcel's lifetime is over for everyone.
    pub(super) fn debt_expired(&mut self, now: Instant, key: ParcelKey) {
        match self.emission.debts.of_key(key) {
            Some(owed) => self.forget_debt(now, &owed),
            None => drop(self.custody.finish(now, key, Fate::Died, Duration::ZERO)),
        }
        self.counters.add(Count::AnswersNotKept);
    }

    /// Gives kept answers to links that may send, a few at a time.
    pub(super) fn pay_debts(&mut self, now: Instant) {
        if self.emission.debts.len() == 0 {
            return;
        }
        let ids: Vec<LinkId> = self.ports.iter().filter(|(_, p)| p.usable).map(|(id, _)| *id).collect();
        for id in ids {
            while self.pay_next(now, id) {}
        }
    }

    fn pay_next(&mut self, now: Instant, id: LinkId) -> bool {
        let Some(port) = self.ports.get_mut(&id) else { return false };
        if port.link.answers_waiting() >= PAY_AHEAD {
            return false;
        }
        let Some(due) = self.emission.debts.first(&port.name) else { return false };
        port.link.pay(now, &due);
        self.counters.add(Count::AnswersPaidLate);
        self.forget_debt(now, &due.owed);
        true
    }
}

/// Apart from the parcel's own, and from that of the same debt to another neighbour.
fn identity_of(owed: &Owed) -> Identity {
    let mut id = owed.identity.0.map(|byte| byte ^ 0xD7);
    for (byte, from) in id.iter_mut().zip(owed.from.0.to_be_bytes()) {
        *byte ^= from;
    }
    id[2] ^= owed.hop_limit << 4 | owed.round;
    Identity(id)
}

/// Neighbour 2 ‖ identity 16 ‖ hop limit 1 ‖ round 1 ‖ length of the link's name 1 ‖ name ‖ the answer as on air.
fn encode(link: &str, due: &Due) -> Option<Vec<u8>> {
    let mut buffer = [0; CONTROL_MAX];
    let answer = due.answer.control(&due.owed.identity);
    let answer = answer.encode(&mut buffer).ok()?;
    let mut out = Vec::with_capacity(21 + link.len() + answer.len());
    out.extend_from_slice(&due.owed.from.0.to_be_bytes());
    out.extend_from_slice(&due.owed.identity.0);
    out.extend_from_slice(&[due.owed.hop_limit, due.owed.round, u8::try_from(link.len()).ok()?]);
    out.extend_from_slice(link.as_bytes());
    out.extend_from_slice(answer);
    Some(out)
}

fn decode(bytes: &[u8], precedence: Precedence) -> Option<(String, Due)> {
    let (from, rest) = bytes.split_first_chunk::<2>()?;
    let (identity, rest) = rest.split_first_chunk::<16>()?;
    let ([hop_limit, round, len], rest) = rest.split_first_chunk::<3>()?;
    let (link, answer) = rest.split_at_checked(usize::from(*len))?;
    let answer = match Control::decode(answer).ok()? {
        Control::Ack { .. } => Answer::Ack,
        Control::AckDelivered { token, .. } => Answer::Delivered(token),
        Control::Refuse { reason, retry_s, .. } => Answer::Refuse(reason, retry_s),
        _ => return None,
    };
    let (from, identity) = (Index(u16::from_be_bytes(*from)), Identity(*identity));
    let owed = Owed { from, identity, hop_limit: *hop_limit, round: *round };
    Some((core::str::from_utf8(link).ok()?.into(), Due { owed, answer, precedence }))
}
