//! Answers to our offers (spec §20.5): which offer one is of follows from the key and the suffix that verify it.

use crate::Link;
use crate::api::{Event, Keyring};
use crate::limits::CHOICES_MAX;
use crate::listen::Drop;
use crate::offers::Named;
use crate::receive::try_key;
use alloc::vec::Vec;
use picket_wire::Index;
use picket_wire::control::{Control, Prefixes};
use picket_wire::frame::{Authentic, Body, Kind, Unmasked, ack_many_suffix};
use picket_wire::time::{Duration, Instant};

impl Link {
    /// An answer's MAC covers what it answers, so each offer of that prefix is tried.
    pub(crate) fn answer(
        &mut self,
        now: Instant,
        frame: Unmasked<'_>,
        prefix: u16,
        keys: &dyn Keyring,
    ) -> Result<(), Drop> {
        let mut frame = frame;
        let mut known = false;
        for peer in keys.stations(frame.from()) {
            for id in self.offers.with_prefix(peer, prefix) {
                let Some(suffix) = self.offers.get(id).map(|tx| tx.suffix) else { continue };
                known = true;
                match try_key(&mut self.hop_keys, frame, peer, &suffix, keys) {
                    Ok(authentic) => return self.accept(now, peer, id, &authentic),
                    Err(back) => frame = back,
                }
            }
            let ended: Vec<_> = self.offers.finished(peer, prefix).map(|f| (f.suffix, f.source)).collect();
            for (suffix, source) in ended {
                match try_key(&mut self.hop_keys, frame, peer, &suffix, keys) {
                    Ok(authentic) => {
                        if let (Some((identity, source)), Ok(Body::Control(Control::AckDelivered { token, .. }))) =
                            (source, authentic.body())
                        {
                            self.events.push_back(Event::DeliveredLate { identity, source, token });
                        }
                        self.authentic(now, peer);
                        self.turn.heard(false);
                        return Err(Drop::StaleAnswer);
                    }
                    Err(back) => frame = back,
                }
            }
        }
        Err(if known { Drop::Mac } else { Drop::StaleAnswer })
    }

    /// The MAC of an acknowledgement of several parcels covers all of them; where two offers share a prefix, each is
    /// tried.
    pub(crate) fn answer_many(
        &mut self,
        now: Instant,
        frame: Unmasked<'_>,
        prefixes: &Prefixes,
        keys: &dyn Keyring,
    ) -> Result<(), Drop> {
        let mut frame = frame;
        let mut known = false;
        for peer in keys.stations(frame.from()) {
            let named = self.offers.named(peer, prefixes.as_slice());
            if named.iter().any(Vec::is_empty) {
                continue;
            }
            known = true;
            for choice in choices(&named) {
                let suffix = ack_many_suffix(choice.iter().map(|(suffix, _)| suffix));
                match try_key(&mut self.hop_keys, frame, peer, &suffix, keys) {
                    Ok(_) => {
                        self.authentic(now, peer);
                        self.turn.heard(false);
                        choice.iter().for_each(|(_, id)| self.accepted(now, *id));
                        return Ok(());
                    }
                    Err(back) => frame = back,
                }
            }
        }
        Err(if known { Drop::Mac } else { Drop::StaleAnswer })
    }

    /// One of several acknowledged parcels; `None` for one that had ended before.
    fn accepted(&mut self, now: Instant, id: Option<crate::OfferId>) {
        let Some(id) = id else {
            self.counters.stale_answers += 1;
            return;
        };
        if let Some(tx) = self.offers.answered(now, id, self.turn.burst_end()) {
            self.history.at(now).delivered_out += tx.offer.bytes.len() as u64;
            self.events.push_back(Event::Accepted { offer: id, delivered: None });
        }
    }

    fn accept(&mut self, now: Instant, peer: Index, id: crate::OfferId, frame: &Authentic<'_>) -> Result<(), Drop> {
        self.authentic(now, peer);
        self.turn.heard(false);
        let event = match frame.body() {
            Ok(Body::Control(Control::Ack { .. })) => Event::Accepted { offer: id, delivered: None },
            Ok(Body::Control(Control::AckDelivered { token, .. })) => {
                Event::Accepted { offer: id, delivered: Some(token) }
            }
            Ok(Body::Control(Control::Refuse { reason, retry_s, .. })) => {
                Event::Refused { offer: id, reason, retry: Duration::from_secs(u64::from(retry_s)) }
            }
            Ok(_) | Err(_) => return Err(Drop::Body),
        };
        let tx = self.offers.answered(now, id, self.turn.burst_end());
        if let (Some(tx), Event::Accepted { .. }) = (tx, &event) {
            self.history.at(now).delivered_out += tx.offer.bytes.len() as u64;
        }
        self.events.push_back(event);
        Ok(())
    }
}

/// What an answer names; nothing is believed of it yet.
pub(crate) enum Answered {
    One(u16),
    Many(Prefixes),
}

/// The parcels that an answer names; `None` for other frames.
pub(crate) fn answered(frame: &Unmasked<'_>) -> Option<Answered> {
    if frame.kind() != Kind::Control {
        return None;
    }
    match *frame.body() {
        // Spec §20.5: types 5, 6 and 7.
        [5..=7, a, b, ..] => Some(Answered::One(u16::from_be_bytes([a, b]))),
        [13, ..] => match Control::decode(frame.body()) {
            Ok(Control::AckMany(prefixes)) => Some(Answered::Many(prefixes)),
            Ok(_) | Err(_) => None,
        },
        _ => None,
    }
}

/// Every way to choose one offer for each name, at most [`CHOICES_MAX`] of them.
fn choices(named: &[Vec<Named>]) -> impl Iterator<Item = Vec<Named>> {
    let all = named.iter().fold(1usize, |n, of| n.saturating_mul(of.len()));
    (0..all.min(CHOICES_MAX)).map(|number| {
        let mut rest = number;
        let choose = |of: &Vec<Named>| {
            let at = rest % of.len().max(1);
            rest /= of.len().max(1);
            of.get(at).copied()
        };
        named.iter().filter_map(choose).collect()
    })
}
