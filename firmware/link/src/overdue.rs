//! Answers that do not come (spec §50.6, §50.13): lost, when the neighbour was heard since; otherwise it is silent.

use crate::api::{Framing, OfferId};
use crate::limits::{SHRUNK_MIN, TRANSFER_GRACE, WHOLE_OVERHEAD};
use crate::offers::{Offers, Patience, Tx, coded};
use crate::outgoing::Transfer;
use crate::peer::Peer;
use alloc::vec::Vec;
use picket_wire::Index;
use picket_wire::time::Instant;

impl Offers {
    /// Finds answers overdue: lost, when the neighbour was heard since; otherwise it is silent.
    pub(crate) fn expire(&mut self, now: Instant, patience: Patience) {
        let waiting: Vec<Index> = self.peers.iter().filter(|(_, p)| !p.flying.is_empty()).map(|(i, _)| *i).collect();
        for index in waiting {
            while let Some(id) = self.overdue(index, now, patience) {
                let Some(peer) = self.peers.get_mut(&index) else { break };
                let tx = self.txs.get(&id);
                let sent_end = tx.map_or(Instant::ZERO, |tx| tx.sent_end);
                // In a transfer on a lossy channel several questions in a row may be lost, and it goes on meanwhile.
                let patient = tx.is_some_and(|tx| tx.coded.is_some()) && peer.unanswered < TRANSFER_GRACE;
                if peer.heard.is_some_and(|heard| heard >= sent_end || patient) {
                    peer.unanswered += 1;
                    self.lose(id);
                } else {
                    peer.fall_silent(now);
                }
            }
        }
        self.begin_blind(now);
    }

    /// Begins what is due of passes to neighbours that may not speak.
    fn begin_blind(&mut self, now: Instant) {
        let due: Vec<Index> = self.peers.iter().filter(|(_, p)| p.blind_due(now)).map(|(i, _)| *i).collect();
        for index in due {
            let Some(peer) = self.peers.get(&index) else { continue };
            let mut all: Vec<&Tx> = peer.prefixes.iter().filter_map(|(_, id)| self.txs.get(id)).collect();
            all.sort_by_key(|tx| tx.rank());
            let pass = all.iter().map(|tx| (tx.offer.id, tx.coded.as_ref().map_or(0, Transfer::blind_pass))).collect();
            if let Some(peer) = self.peers.get_mut(&index) {
                peer.begin_blind(now, pass);
            }
        }
    }

    fn overdue(&self, index: Index, now: Instant, patience: Patience) -> Option<OfferId> {
        let peer = self.peers.get(&index)?;
        let (_, id) = peer.flying.first()?;
        (self.overdue_at(peer, patience)? <= now).then_some(*id)
    }

    fn overdue_at(&self, peer: &Peer, patience: Patience) -> Option<Instant> {
        if peer.probing().is_some() {
            return None;
        }
        let (due, id) = peer.flying.first()?;
        let quick = self.txs.get(id).is_some_and(|tx| tx.quick);
        let turn = patience.burst_end + peer.rtt.wait(&self.shape.bounds);
        Some((*due).max(if self.shape.half && !quick { turn } else { *due }).max(patience.busy_until))
    }

    /// When [`Offers::expire`] has something to do.
    pub(crate) fn expire_at(&self, patience: Patience) -> Option<Instant> {
        self.peers.values().filter_map(|p| self.overdue_at(p, patience)).min()
    }

    /// When the next probe of a silent neighbour is due.
    pub(crate) fn probe_at(&self) -> Option<Instant> {
        self.peers.values().filter(|p| !p.is_idle()).filter_map(Peer::probe_at).min()
    }

    /// The answer to `id` is overdue though the neighbour is there: what goes out again is a question where that is
    /// cheaper, the parcel (or its next missing piece) otherwise.
    pub(crate) fn lose(&mut self, id: OfferId) {
        if self.tell_again(id) {
            return self.make_ready(id);
        }
        if self.waits_for_others(id) {
            return self.park(id);
        }
        let Some(tx) = self.txs.get_mut(&id) else { return };
        let asked = core::mem::take(&mut tx.asked);
        match &mut tx.coded {
            Some(coded) => {
                // Symbols of a group go to everyone: they wait for the word of the one that was asked.
                tx.ask = !asked || tx.arrived || tx.membership.is_some();
                if !tx.ask {
                    coded.nudge();
                }
            }
            None => tx.ask = tx.arrived || self.shape.ask_first && !asked,
        }
        if asked {
            tx.arrived = false;
        }
        let whole = tx.coded.is_none();
        if self.shape.framing == Framing::Fec
            && !asked
            && let Some(peer) = self.peers.get_mut(&tx.offer.to)
        {
            peer.rate.lost(tx.sent_as.0, tx.sent_as.1);
        }
        if self.shape.noisy && whole && tx.tries >= 2 && tx.offer.bytes.len() > 2 * SHRUNK_MIN {
            self.adapt(id, 0, 1);
        }
        self.make_ready(id);
    }

    /// Where frames are not coded: follows the losses with their length.
    pub(crate) fn adapt(&mut self, id: OfferId, arrived: u32, lost: u32) {
        let Some(tx) = self.txs.get_mut(&id) else { return };
        let Some(peer) = self.peers.get_mut(&tx.offer.to) else { return };
        if !self.shape.noisy {
            return;
        }
        let used = if tx.coded.is_some() { tx.sent_as.0 } else { tx.offer.bytes.len() + WHOLE_OVERHEAD };
        if lost > 0 && lost * 2 >= arrived {
            peer.frame_limit = peer.frame_limit.min((used / 2).max(SHRUNK_MIN));
            if tx.coded.is_none() {
                tx.coded = coded(&tx.offer, peer.frame_limit, &self.shape);
            }
        } else if lost == 0 && arrived >= 4 {
            peer.frame_limit = (peer.frame_limit + peer.frame_limit / 4).min(self.shape.frame_max);
        }
    }
}
