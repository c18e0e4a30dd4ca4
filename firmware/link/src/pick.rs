//! What goes out next, and how strongly coded (spec §50.3, §50.11).

use crate::api::OfferId;
use crate::limits::{DATA_PROBE_MAX, DATA_PROBES, FRAGMENT_OVERHEAD};
use crate::offers::{Offers, Tx};
use crate::peer::{Peer, Rank};
use picket_codes::shield::Level;
use picket_wire::time::Instant;
use picket_wire::{Index, Precedence};

/// What to send next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    /// The parcel in one frame.
    Whole(OfferId),
    /// So many symbols of it.
    Symbols(OfferId, u16),
    /// "What do you owe me for this?"
    Poll(OfferId),
    /// "Symbols of this will go to everyone, and are meant for you."
    Announce(OfferId),
}

impl Pick {
    pub(crate) const fn id(self) -> OfferId {
        match self {
            Self::Whole(id) | Self::Symbols(id, _) | Self::Poll(id) | Self::Announce(id) => id,
        }
    }
}

impl Offers {
    /// Whether anything may be sent at once (probes not counted).
    pub(crate) fn is_ready(&self) -> bool {
        self.peers.values().any(|p| p.probing().is_none() && self.first_ready(p).is_some())
    }

    /// What goes out next: the most urgent over all neighbours, among equals what is for the one `spoken_to` in this
    /// turn, because it answers at its end; a silent one gets a probe when it is due.
    pub(crate) fn pick(&self, now: Instant, spoken_to: Option<Index>) -> Option<Pick> {
        let best = self.peers.values().filter_map(|p| self.candidate(p, now)).min()?;
        let same = spoken_to.and_then(|to| self.candidate(self.peers.get(&to)?, now));
        let best = same.filter(|same| same.0 == best.0).unwrap_or(best);
        let tx = self.txs.get(&best.2)?;
        let probe = self.peers.get(&tx.offer.to).and_then(Peer::probing);
        if let Some((id, left)) = self.peers.get(&tx.offer.to).and_then(Peer::blind) {
            return Some(match &tx.coded {
                Some(coded) => Pick::Symbols(id, left.min(self.fitting_symbols(tx.offer.to, coded.symbol()))),
                None => Pick::Whole(id),
            });
        }
        Some(match (&tx.coded, probe) {
            (Some(_), Some(_)) if tx.membership.is_some_and(|m| !m.knows) => Pick::Announce(best.2),
            _ if tx.ask => Pick::Poll(best.2),
            (Some(_), None) if self.untold(tx).is_some() => Pick::Announce(self.untold(tx).unwrap_or(best.2)),
            (None, None) => Pick::Whole(best.2),
            (None, Some(n)) if n < DATA_PROBES && !tx.arrived && tx.offer.bytes.len() <= DATA_PROBE_MAX => {
                Pick::Whole(best.2)
            }
            (Some(coded), None) => match coded.due() {
                0 => Pick::Poll(best.2),
                due => Pick::Symbols(best.2, due.min(self.fitting_symbols(tx.offer.to, coded.symbol()))),
            },
            (_, Some(_)) => Pick::Poll(best.2),
        })
    }

    /// Whether `id` is being sent without hope of an answer.
    pub(crate) fn is_blind(&self, id: OfferId) -> bool {
        let peer = self.get(id).and_then(|tx| self.peers.get(&tx.offer.to));
        peer.and_then(Peer::blind).is_some_and(|(of, _)| of == id)
    }

    /// The first offer to this neighbour that may go now. On a radio a parcel does not go out while a more urgent one is
    /// unanswered there: that one may have been lost, and would arrive behind it. Transfers take so long that it makes
    /// no difference to them.
    fn first_ready(&self, peer: &Peer) -> Option<Rank> {
        let barrier = if self.shape.in_order { self.unanswered_urgency(peer) } else { None };
        let goes = |rank: &&Rank| {
            let behind = barrier.is_some_and(|barrier| rank.0.0 < barrier);
            !behind || self.txs.get(&rank.2).is_some_and(|tx| tx.coded.is_some() || tx.ask)
        };
        peer.ready.iter().find(goes).copied()
    }

    /// The highest urgency among parcels whose answer is waited for.
    fn unanswered_urgency(&self, peer: &Peer) -> Option<Precedence> {
        let waiting = peer.flying.iter().filter_map(|(_, id)| self.txs.get(id));
        waiting.filter(|tx| tx.coded.is_none() && !tx.arrived).map(|tx| tx.urgency).max()
    }

    fn candidate(&self, peer: &Peer, now: Instant) -> Option<Rank> {
        let first = self.first_ready(peer);
        match peer.probe_at() {
            None => first,
            Some(at) if at > now => None,
            Some(_) => match peer.blind() {
                Some((id, _)) => self.txs.get(&id).map(Tx::rank),
                None => first.or_else(|| self.txs.get(&peer.flying.first()?.1).map(Tx::rank)),
            },
        }
    }

    /// Symbols of `symbol` bytes in the next frame to this neighbour.
    fn fitting_symbols(&self, to: Index, symbol: u8) -> u16 {
        let Some(peer) = self.peers.get(&to) else { return 1 };
        let symbols = peer.whole_limit(&self.shape).saturating_sub(FRAGMENT_OVERHEAD) / usize::from(symbol).max(1);
        u16::try_from(symbols).unwrap_or(u16::MAX).max(1)
    }

    /// How strongly a frame of `len` bytes to `to` is coded that goes alone.
    pub(crate) fn level(&self, to: Index, len: usize) -> Level {
        match self.peers.get(&to) {
            Some(peer) => peer.rate.level_alone(len, self.shape.coded_max),
            None => crate::rate::level_for_all(len),
        }
    }

    /// The same for symbols of `id`: for a group, as its worst member needs it.
    pub(crate) fn level_of_symbols(&self, id: OfferId, len: usize) -> Level {
        let members = self.get(id).into_iter().chain(self.fellows(id));
        let levels = members.filter_map(|tx| self.peers.get(&tx.offer.to)).map(|peer| {
            let (level, fits) = peer.rate.level_long(self.shape.symbol, self.shape.coded_max);
            // A frame cut for a better channel than this one.
            if len <= fits { level } else { peer.rate.level_alone(len, self.shape.coded_max) }
        });
        levels.max_by_key(|level| level.parity()).unwrap_or(Level::ALL[0])
    }

    /// Whether anything else could follow at once after `pick`; where stations take turns, for the same neighbour, who
    /// answers before anything goes to another.
    pub(crate) fn more_after(&self, pick: Pick) -> bool {
        if let Pick::Symbols(id, symbols) = pick
            && self.txs.get(&id).and_then(|tx| tx.coded.as_ref()).is_some_and(|coded| coded.due() > symbols)
        {
            return true;
        }
        // What is less urgent than this parcel waits for its answer.
        let picked = self.txs.get(&pick.id());
        let alone = picked.filter(|tx| self.shape.in_order && tx.coded.is_none()).map(|tx| (tx.offer.to, tx.urgency));
        let waits = |rank: &Rank| {
            let tx = self.txs.get(&rank.2);
            tx.is_none_or(|tx| {
                alone.is_some_and(|(to, urgency)| tx.offer.to == to && tx.coded.is_none() && tx.urgency < urgency)
            })
        };
        let to = picked.filter(|_| self.shape.half).map(|tx| tx.offer.to);
        let here = |index: &Index| to.is_none_or(|to| *index == to);
        let open = self.peers.iter().filter(|(index, p)| p.probing().is_none() && here(index)).map(|(_, p)| p);
        open.filter_map(|p| p.ready.iter().find(|rank| rank.2 != pick.id())).any(|rank| !waits(rank))
    }
}
