//! Parcels offered to neighbours: what goes out next, what is on its way, what is overdue (spec §50.4–§50.6).

use crate::api::{Offer, OfferId, ParcelKind};
use crate::group::{Group, Membership};
use crate::limits::{FINISHED_OFFERS, PEERS_MAX, PROBE_GRACE, WHOLE_OVERHEAD};
use crate::outgoing::Transfer;
use crate::peer::{Peer, Rank};
use crate::pick::Pick;
use crate::shape::Shape;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::cmp::Reverse;
use picket_codes::shield::Level;
use picket_wire::control::{Control, NEED_UNKNOWN, offer_of};
use picket_wire::envelope::Envelope;
use picket_wire::frame::ack_suffix;
use picket_wire::time::Instant;
use picket_wire::{Identity, Index, Precedence};

/// One parcel on its way.
#[derive(Debug)]
pub(crate) struct Tx {
    /// What was offered.
    pub(crate) offer: Offer,
    /// What the MAC of its answer covers.
    pub(crate) suffix: [u8; 17],
    /// Its symbols, when it does not go whole.
    pub(crate) coded: Option<Transfer>,
    /// Its precedence, or a higher one for having waited.
    pub(crate) urgency: Precedence,
    order: u64,
    charge: usize,
    /// How often it (or its current pass) was sent.
    pub(crate) tries: u32,
    pub(crate) sent_end: Instant,
    /// Length and strength of its frame sent last.
    pub(crate) sent_as: (usize, Level),
    due: Option<Instant>,
    /// What was sent last is answered at once, in the turn that it hands over: nothing has to be made durable for it.
    pub(crate) quick: bool,
    /// The next transmission is a poll.
    pub(crate) ask: bool,
    pub(crate) asked: bool,
    /// The neighbour says that all of it has arrived.
    pub(crate) arrived: bool,
    /// It waits for others of its group, with nothing to send and no answer to come.
    pub(crate) parked: bool,
    /// Its group, when one transmission serves several neighbours.
    pub(crate) membership: Option<Membership>,
}

impl Tx {
    pub(crate) fn rank(&self) -> Rank {
        (Reverse(self.urgency), self.order, self.offer.id)
    }
}

/// An offer that ended lately; late answers to it are stale, not forged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished {
    pub(crate) to: Index,
    pub(crate) prefix: u16,
    pub(crate) suffix: [u8; 17],
    /// Whose envelope it was: a delivered token that comes too late still belongs to somebody.
    pub(crate) source: Option<(Identity, Index)>,
}

/// Until when answers are not overdue though their time is up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// End of our last burst: nobody could answer before it.
    pub(crate) burst_end: Instant,
    /// The other side is talking until then.
    pub(crate) busy_until: Instant,
}

/// All offers of a link.
#[derive(Debug)]
pub(crate) struct Offers {
    pub(crate) peers: BTreeMap<Index, Peer>,
    pub(crate) txs: BTreeMap<OfferId, Tx>,
    finished: VecDeque<Finished>,
    pub(crate) groups: BTreeMap<u64, Group>,
    pub(crate) groups_made: u64,
    pub(crate) shape: Shape,
    order: u64,
}

impl Offers {
    pub(crate) const fn new(shape: Shape) -> Self {
        Self {
            peers: BTreeMap::new(),
            txs: BTreeMap::new(),
            finished: VecDeque::new(),
            groups: BTreeMap::new(),
            groups_made: 0,
            shape,
            order: 0,
        }
    }

    pub(crate) fn get(&self, id: OfferId) -> Option<&Tx> {
        self.txs.get(&id)
    }

    pub(crate) fn tx_mut(&mut self, id: OfferId) -> Option<&mut Tx> {
        self.txs.get_mut(&id)
    }

    /// Whether the neighbour does not answer at the moment.
    pub(crate) fn is_silent(&self, peer: Index) -> bool {
        self.peers.get(&peer).is_some_and(|p| p.probing().is_some())
    }

    /// How many more parcels of `precedence` fit: lower ones do not count against it.
    pub(crate) fn room(&self, to: Index, precedence: Precedence) -> usize {
        let Some(peer) = self.peers.get(&to) else { return self.shape.parcels };
        let (parcels, bytes) = peer.load_from(precedence);
        if bytes >= self.shape.bytes { 0 } else { self.shape.parcels.saturating_sub(parcels) }
    }

    pub(crate) fn insert(&mut self, offer: Offer, urgency: Precedence) {
        self.remove(offer.id);
        self.peer_mut(offer.to);
        let Some(peer) = self.peers.get_mut(&offer.to) else { return };
        self.order += 1;
        // A large transfer leaves room for what may preempt it.
        let charge = offer.bytes.len().min(self.shape.bytes / 4);
        let tx = Tx {
            suffix: suffix_of(&offer),
            coded: coded(&offer, peer.whole_limit(&self.shape), &self.shape),
            urgency,
            order: self.order,
            charge,
            tries: 0,
            sent_end: Instant::ZERO,
            sent_as: (0, Level::ALL[0]),
            due: None,
            quick: false,
            ask: false,
            asked: false,
            arrived: false,
            parked: false,
            membership: None,
            offer,
        };
        let load = &mut peer.load[usize::from(tx.urgency.bits())];
        *load = (load.0 + 1, load.1 + charge);
        peer.prefixes.insert((tx.offer.identity.prefix(), tx.offer.id));
        peer.ready.insert(tx.rank());
        self.txs.insert(tx.offer.id, tx);
    }

    /// Everything of a neighbour goes.
    pub(crate) fn forget(&mut self, peer: Index) {
        let theirs: Vec<OfferId> = self.txs.iter().filter(|(_, tx)| tx.offer.to == peer).map(|(id, _)| *id).collect();
        for id in theirs {
            self.remove(id);
        }
        self.peers.remove(&peer);
    }

    pub(crate) fn remove(&mut self, id: OfferId) -> Option<Tx> {
        let tx = self.txs.remove(&id)?;
        if let Some(m) = tx.membership {
            self.forget_member(m.group, id);
        }
        if let Some(peer) = self.peers.get_mut(&tx.offer.to) {
            peer.skip_blind(id);
            peer.ready.remove(&tx.rank());
            if let Some(due) = tx.due {
                peer.flying.remove(&(due, id));
            }
            peer.prefixes.remove(&(tx.offer.identity.prefix(), id));
            let load = &mut peer.load[usize::from(tx.urgency.bits())];
            *load = (load.0.saturating_sub(1), load.1.saturating_sub(tx.charge));
        }
        if self.finished.len() >= FINISHED_OFFERS {
            self.finished.pop_front();
        }
        let prefix = tx.offer.identity.prefix();
        let envelope = Envelope::parse(&tx.offer.bytes).ok().filter(|_| tx.offer.kind == ParcelKind::Envelope);
        let source = envelope.map(|envelope| (tx.offer.identity, envelope.header().source));
        self.finished.push_back(Finished { to: tx.offer.to, prefix, suffix: tx.suffix, source });
        Some(tx)
    }

    /// The answer to `id` has come: measures how long it took and ends the offer.
    pub(crate) fn answered(&mut self, now: Instant, id: OfferId, burst_end: Instant) -> Option<Tx> {
        let tx = self.remove(id)?;
        if let Some(peer) = self.peers.get_mut(&tx.offer.to)
            && tx.tries == 1
            && !tx.asked
            && tx.coded.is_none()
        {
            peer.rtt.sample(now.since(tx.sent_end.max(burst_end.min(now))));
        }
        Some(tx)
    }

    /// Offers to `from` whose identity begins with `prefix`.
    pub(crate) fn with_prefix(&self, from: Index, prefix: u16) -> Vec<OfferId> {
        let Some(peer) = self.peers.get(&from) else { return Vec::new() };
        let range = (prefix, OfferId(0))..=(prefix, OfferId(u64::MAX));
        peer.prefixes.range(range).map(|(_, id)| *id).collect()
    }

    /// Offers of that prefix that ended lately.
    pub(crate) fn finished(&self, from: Index, prefix: u16) -> impl Iterator<Item = &Finished> {
        self.finished.iter().filter(move |f| f.to == from && f.prefix == prefix)
    }

    /// For each prefix the suffixes of what it may mean: open offers first, then those that ended lately.
    pub(crate) fn named(&self, from: Index, prefixes: &[[u8; 2]]) -> Vec<Vec<Named>> {
        let of = |prefix: &[u8; 2]| {
            let prefix = u16::from_be_bytes(*prefix);
            let open = self.with_prefix(from, prefix).into_iter();
            let open = open.filter_map(|id| self.get(id).map(|tx| (tx.suffix, Some(id))));
            open.chain(self.finished(from, prefix).map(|f| (f.suffix, None))).collect()
        };
        prefixes.iter().map(of).collect()
    }

    /// An authentic frame of `from`; true when the owner is to be told of it.
    pub(crate) fn hear(&mut self, now: Instant, from: Index) -> bool {
        let peer = self.peer_mut(from);
        let tell = peer.hear(now);
        if peer.break_silence() {
            let flying: Vec<OfferId> = peer.flying.iter().map(|(_, id)| *id).collect();
            for id in flying {
                // What was sent into the silence is lost, and must not come behind what is less urgent; only a probe that
                // has just left may be about to be answered.
                if self.txs.get(&id).is_some_and(|tx| tx.sent_end + PROBE_GRACE <= now) {
                    self.lose(id);
                }
            }
        }
        tell
    }

    /// The medium was gone: everything not answered goes out again.
    pub(crate) fn restart(&mut self) {
        let all: Vec<OfferId> = self.txs.iter().filter(|(_, tx)| tx.due.is_some()).map(|(id, _)| *id).collect();
        for peer in self.peers.values_mut() {
            peer.break_silence();
        }
        for id in all {
            self.lose(id);
        }
    }

    /// `pick` was given to the medium and has left at `end`; `asking` when the frame asks for an answer. Returns
    /// whether it was a retransmission.
    pub(crate) fn sent(&mut self, pick: Pick, sent: Sent, me: Index) -> bool {
        let Sent { end, asking, len, level } = sent;
        let id = pick.id();
        if matches!(pick, Pick::Announce(_)) {
            self.was_told(id);
        }
        let Some(tx) = self.txs.get_mut(&id) else { return false };
        let Some(peer) = self.peers.get_mut(&tx.offer.to) else { return false };
        let mut again = false;
        let mut stays_ready = false;
        match (pick, &mut tx.coded) {
            (Pick::Symbols(_, symbols), Some(coded)) => {
                again = coded.sent(symbols, asking);
                // Half duplex: the turn is the neighbour's, and its report is waited for.
                let handed_over = self.shape.half && asking;
                stays_ready = coded.due() > 0 && peer.probing().is_none() && !handed_over;
                tx.sent_as = (len, level);
            }
            (Pick::Poll(_), coded) => {
                if let Some(coded) = coded {
                    coded.polled();
                }
                (tx.ask, tx.asked) = (false, true);
            }
            (Pick::Announce(_), _) => {}
            (Pick::Whole(_) | Pick::Symbols(..), _) => {
                again = tx.tries > 0;
                tx.asked = false;
                tx.tries += 1;
                tx.sent_as = (len, level);
            }
        }
        tx.sent_end = end;
        let wait = peer.rtt.wait(&self.shape.bounds);
        let symbols = if let Pick::Symbols(_, symbols) = pick { symbols } else { 0 };
        if peer.probing().is_some() && !peer.sent_blind(id, symbols, end) {
            peer.probed(end, wait, me, tx.offer.to);
        }
        if let Some(due) = tx.due.take() {
            peer.flying.remove(&(due, id));
        }
        if !stays_ready {
            peer.ready.remove(&tx.rank());
            tx.quick = self.shape.half && !matches!(pick, Pick::Whole(_)) && peer.probing().is_none();
            let due = end
                + match tx.quick {
                    true => self.shape.reply,
                    false if tx.tries > 1 => wait.times(2),
                    false => wait,
                };
            tx.due = Some(due);
            peer.flying.insert((due, id));
        }
        self.sent_to_group(pick);
        again
    }

    /// The neighbour reports how much it needs of the parcel(s) with this prefix, and how noisy our frames arrive.
    pub(crate) fn report(&mut self, now: Instant, from: Index, report: &Report) {
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.rate.told(report.noise);
        }
        for id in self.with_prefix(from, report.prefix) {
            let Some(tx) = self.txs.get_mut(&id) else { continue };
            let half = self.shape.half;
            match &mut tx.coded {
                Some(coded) if coded.started() || tx.asked || tx.membership.is_some() => {
                    coded.grant(now);
                    let progress = coded.report(report.need, report.next, half);
                    tx.arrived = progress.all;
                    tx.asked = false;
                    let due = coded.due() > 0;
                    self.adapt(id, u32::from(progress.arrived), u32::from(progress.lost));
                    if report.need == NEED_UNKNOWN {
                        self.knows_nothing(id);
                        self.make_ready(id);
                    } else if self.confirmed(id) && due {
                        self.make_ready(id);
                    }
                }
                None if tx.asked => {
                    tx.asked = false;
                    tx.arrived = report.need != NEED_UNKNOWN;
                    if !tx.arrived {
                        self.make_ready(id);
                    }
                }
                Some(_) | None => {}
            }
        }
    }

    /// Takes an offer out of what waits for an answer, without anything to send now.
    pub(crate) fn park(&mut self, id: OfferId) {
        let Some(tx) = self.txs.get_mut(&id) else { return };
        tx.parked = true;
        if let (Some(due), Some(peer)) = (tx.due.take(), self.peers.get_mut(&tx.offer.to)) {
            peer.flying.remove(&(due, id));
        }
    }

    pub(crate) fn make_ready(&mut self, id: OfferId) {
        let Some(tx) = self.txs.get_mut(&id) else { return };
        tx.parked = false;
        let Some(peer) = self.peers.get_mut(&tx.offer.to) else { return };
        if let Some(due) = tx.due.take() {
            peer.flying.remove(&(due, id));
        }
        peer.ready.insert(tx.rank());
    }

    fn peer_mut(&mut self, index: Index) -> &mut Peer {
        if self.peers.len() >= PEERS_MAX && !self.peers.contains_key(&index) {
            let idle = self.peers.iter().filter(|(_, p)| p.is_idle()).min_by_key(|(_, p)| p.heard).map(|(i, _)| *i);
            if let Some(idle) = idle {
                self.peers.remove(&idle);
            }
        }
        let limit = self.shape.frame_max;
        self.peers.entry(index).or_insert_with(|| Peer::new(limit))
    }
}

/// What an answer may name: the suffix its MAC covers, and the offer if it is still open.
pub(crate) type Named = ([u8; 17], Option<OfferId>);

/// What is known of a frame that was handed to the medium.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// When it has left.
    pub(crate) end: Instant,
    /// It asks for an answer.
    pub(crate) asking: bool,
    /// Its length, framing excluded.
    pub(crate) len: usize,
    /// How strongly it was coded.
    pub(crate) level: Level,
}

/// A neighbour's report (spec §20.6).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    /// The first two bytes of the envelope's identity.
    pub(crate) prefix: u16,
    /// Symbols it still needs.
    pub(crate) need: u16,
    /// One more than the greatest symbol id it heard.
    pub(crate) next: u16,
    /// How noisy our frames arrive.
    pub(crate) noise: u8,
}

/// The symbols of an envelope too long for a frame of `frame_limit` bytes.
pub(crate) fn coded(offer: &Offer, frame_limit: usize, shape: &Shape) -> Option<Transfer> {
    let whole = offer.kind == ParcelKind::Control || offer.bytes.len() + WHOLE_OVERHEAD <= frame_limit;
    let limit = shape.frames_on_air(shape.frame_max);
    (!whole).then(|| Transfer::new(&offer.bytes, &offer.identity, shape.symbol, limit))
}

/// Spec §50.4: envelopes answer for the hop byte they were offered with, control messages for their `hops`.
fn suffix_of(offer: &Offer) -> [u8; 17] {
    let (hop_limit, round) = hop_and_round(offer.kind, &offer.bytes);
    ack_suffix(&offer.identity, hop_limit, round)
}

/// Hop limit (four bits) and custody round that an answer to this parcel covers.
pub(crate) fn hop_and_round(kind: ParcelKind, bytes: &[u8]) -> (u8, u8) {
    match kind {
        ParcelKind::Envelope => offer_of(bytes),
        ParcelKind::Control => match Control::decode(bytes) {
            Ok(message) => (message.hops() & 15, 0),
            Err(_) => (0, 0),
        },
    }
}
