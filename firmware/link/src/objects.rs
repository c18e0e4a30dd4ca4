//! Signed objects on the medium (spec §35.5): to everyone in earshot, without keys. What arrives is put together in a
//! bounded buffer and handed to the owner, who alone can verify it.

use crate::Link;
use crate::api::{Event, Framing};
use crate::gate::{Gate, Traffic};
use crate::limits::{OBJECT_FRAMES, OBJECT_PARTIALS, OBJECTS_QUEUE_MAX};
use crate::listen::{Drop, PROVING_PARITY};
use crate::rate::{fitting, level_for_all};
use crate::shape::Shape;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use picket_codes::fountain::{Decoder, Encoder, Taken};
use picket_codes::shield::Level;
use picket_wire::Precedence;
use picket_wire::signed::{HAVE_MAX, Have, SYMBOLS_LEN, Signed, SymbolsHead, WHOLE_LEN, object_id, object_version};
use picket_wire::time::{Duration, Instant};

/// Objects coming in and going out.
#[derive(Default)]
pub(crate) struct Objects {
    partial: VecDeque<Partial>,
    /// What was put together last: its other symbols are still on their way.
    finished: Option<SymbolsHead>,
    /// The object being sent in symbols, so that the next round goes on where the last one ended.
    outgoing: Option<Outgoing>,
    /// Frames that wait for air.
    queue: VecDeque<(Vec<u8>, Traffic)>,
}

struct Partial {
    head: SymbolsHead,
    decoder: Decoder,
}

struct Outgoing {
    head: SymbolsHead,
    encoder: Encoder,
    next: u16,
    /// First id that is not of this round.
    end: u16,
}

/// Sizes only.
impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("queue", &self.queue.len()).finish_non_exhaustive()
    }
}

/// Same object, whatever the symbols.
fn same(a: &SymbolsHead, b: &SymbolsHead) -> bool {
    SymbolsHead { esi: 0, ..*a } == SymbolsHead { esi: 0, ..*b }
}

/// A revocation is as urgent as things get without being an order; everything else is not urgent.
const fn urgency(first: Option<&u8>) -> Precedence {
    match first {
        Some(&kind) if kind == picket_wire::signed::ObjectKind::Revoke as u8 => Precedence::Immediate,
        Some(_) | None => Precedence::Routine,
    }
}

/// Longest frame that goes to everybody.
fn frame_max(shape: &Shape) -> usize {
    match shape.framing {
        Framing::Fec => fitting(shape.coded_max, strength(shape.frame_max)).min(shape.frame_max),
        Framing::Cobs | Framing::Packet => shape.frame_max,
    }
}

/// Strength of a coded frame: as of others for everyone, and so strong that what decodes was one. There is no MAC to tell.
fn strength(len: usize) -> Level {
    let level = level_for_all(len);
    let proving = Level::ALL.into_iter().find(|l| l.parity() >= PROVING_PARITY);
    proving.filter(|p| p.parity() > level.parity()).unwrap_or(level)
}

impl Objects {
    pub(crate) fn waits(&self) -> bool {
        !self.queue.is_empty()
    }

    /// How urgent the next frame is.
    pub(crate) fn precedence(&self) -> Option<Precedence> {
        self.queue.front().map(|(_, traffic)| traffic.precedence())
    }

    /// What is only worth saying at once goes.
    pub(crate) fn hush(&mut self) {
        self.queue.clear();
    }

    /// Takes symbols; gives the object when it is whole.
    fn take(&mut self, head: SymbolsHead, symbols: &[u8]) -> Option<Vec<u8>> {
        if self.finished.as_ref().is_some_and(|f| same(f, &head)) {
            return None;
        }
        let at = match self.partial.iter().position(|p| same(&p.head, &head)) {
            Some(at) => at,
            None => {
                let decoder = Decoder::new(head.total as usize, head.symbol)?;
                if self.partial.len() >= OBJECT_PARTIALS {
                    self.partial.pop_front();
                }
                self.partial.push_back(Partial { head, decoder });
                self.partial.len() - 1
            }
        };
        let partial = self.partial.get_mut(at)?;
        for (esi, symbol) in (head.esi..).zip(symbols.chunks_exact(usize::from(head.symbol))) {
            match partial.decoder.take(esi, symbol) {
                Taken::Stored | Taken::Duplicate => {}
                Taken::Wrong => {
                    self.partial.remove(at);
                    return None;
                }
                Taken::Complete(object) => {
                    self.partial.remove(at);
                    let right =
                        object_id(&object) == head.id && object_version(&object) == Some((head.kind, head.version));
                    if right {
                        self.finished = Some(head);
                    }
                    return right.then_some(object);
                }
            }
        }
        None
    }

    /// Queues the next frames of an object; true when more of this round are left.
    fn push(&mut self, shape: &Shape, object: &[u8]) -> bool {
        let room = frame_max(shape);
        let traffic = Traffic::Parcel(urgency(object.first()));
        if object.len() + WHOLE_LEN <= room {
            self.enqueue(&Signed::Whole(object), object.len() + WHOLE_LEN, traffic);
            return false;
        }
        let Some((kind, version)) = object_version(object) else { return false };
        let symbol = usize::from(shape.symbol).min(room.saturating_sub(SYMBOLS_LEN)).max(1);
        // At most 255: so is the shape's.
        let symbol = symbol as u8;
        let total = u32::try_from(object.len()).unwrap_or(u32::MAX);
        let head = SymbolsHead { kind, version, id: object_id(object), total, symbol, esi: 0 };
        let mut outgoing = match self.outgoing.take().filter(|o| same(&o.head, &head)) {
            Some(outgoing) => outgoing,
            None => Outgoing { head, encoder: Encoder::new(object, symbol), next: 0, end: 0 },
        };
        let more = self.push_symbols(&mut outgoing, room, traffic);
        self.outgoing = Some(outgoing);
        more
    }

    fn push_symbols(&mut self, outgoing: &mut Outgoing, room: usize, traffic: Traffic) -> bool {
        let (k, symbol) = (outgoing.encoder.k(), usize::from(outgoing.head.symbol));
        if outgoing.next >= outgoing.end {
            // A round: what there is, and an eighth more, of which any k do.
            let round = k + (k / 8).max(2);
            let wraps = usize::from(outgoing.next) + usize::from(round) > usize::from(picket_wire::frame::ESI_MAX);
            outgoing.next = if wraps { 0 } else { outgoing.next };
            outgoing.end = outgoing.next + round;
        }
        for _ in 0..OBJECT_FRAMES {
            let fit = ((room - SYMBOLS_LEN) / symbol).max(1).min(usize::from(outgoing.end - outgoing.next));
            let mut data = Vec::with_capacity(fit * symbol);
            let head = SymbolsHead { esi: outgoing.next, ..outgoing.head };
            for _ in 0..fit {
                outgoing.encoder.symbol(outgoing.next, &mut data);
                outgoing.next += 1;
            }
            self.enqueue(&Signed::Symbols(head, &data), SYMBOLS_LEN + data.len(), traffic);
            if outgoing.next >= outgoing.end {
                return false;
            }
        }
        true
    }

    fn enqueue(&mut self, signed: &Signed<'_>, len: usize, traffic: Traffic) {
        let mut frame = alloc::vec![0; len];
        if signed.write(&mut frame).is_some() && self.queue.len() < OBJECTS_QUEUE_MAX {
            self.queue.push_back((frame, traffic));
        }
    }
}

impl Link {
    /// Sends the next frames of a signed object to everyone in earshot. True when more of them are left in this round:
    /// call again once [`Link::objects_wait`] is false.
    pub fn push_object(&mut self, now: Instant, object: &[u8]) -> bool {
        (self.now, self.held) = (now, None);
        let shape = self.shape;
        self.objects.push(&shape, object)
    }

    /// Says to everyone in earshot which objects we have.
    pub fn say_have(&mut self, now: Instant, have: &Have) {
        (self.now, self.held) = (now, None);
        let mut buffer = [0; HAVE_MAX];
        let len = Signed::Have(*have).write(&mut buffer).unwrap_or(0);
        if len > 0 && self.objects.queue.len() < OBJECTS_QUEUE_MAX {
            self.objects.queue.push_back((buffer.get(..len).unwrap_or(&[]).to_vec(), Traffic::Presence));
        }
    }

    /// Whether frames of objects wait for air.
    #[must_use]
    pub fn objects_wait(&self) -> bool {
        self.objects.waits()
    }

    /// A frame of kind 3. Nobody is proven by it.
    pub(crate) fn signed(&mut self, now: Instant, frame: &[u8]) -> Result<(), Drop> {
        let signed = Signed::parse(frame).map_err(|_| Drop::Body)?;
        self.counters.rx_frames += 1;
        self.turn.overheard(now, Duration::ZERO);
        match signed {
            Signed::Have(have) => self.events.push_back(Event::Have(have)),
            Signed::Whole(object) => self.events.push_back(Event::Object(object.to_vec())),
            Signed::Symbols(head, symbols) => {
                if let Some(object) = self.objects.take(head, symbols) {
                    self.events.push_back(Event::Object(object));
                }
            }
        }
        Ok(())
    }

    /// Writes the next frame of an object. False when there is none that may leave.
    pub(crate) fn put_signed(&mut self, now: Instant, gate: &mut Gate, out: &mut Vec<u8>) -> bool {
        let Some((frame, traffic)) = self.objects.queue.front() else { return false };
        let (len, traffic) = (frame.len(), *traffic);
        let level = if self.shape.framing == Framing::Fec { strength(len) } else { Level::ALL[0] };
        // The gate counts hop bytes and MAC, which these frames do not have: it is asked for a little more.
        if !self.may_leave(gate, now, traffic, len, level) {
            return false;
        }
        let Some((frame, _)) = self.objects.queue.pop_front() else { return false };
        let before = out.len();
        self.framer.put(out, &frame, level);
        self.counters.tx_frames += 1;
        self.history.at(now).sent_frames += 1;
        let end = self.pace.sent(now, out.len() - before);
        let air = self.pace.air(out.len() - before);
        self.turn.sent(now, end, air, None, false);
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::api::{Config, Duplex};

    fn shape(mtu: u16) -> Shape {
        let (framing, turn_round) = (Framing::Packet, Duration::ZERO);
        Shape::of(&Config { framing, mtu: Some(mtu), air_bps: None, duplex: Duplex::Full, turn_round })
    }

    fn object(len: usize) -> Vec<u8> {
        (0..len).map(|i| if i < 2 { 1 } else { (i * 7) as u8 }).collect()
    }

    /// All frames of so many rounds.
    fn rounds(sender: &mut Objects, shape: &Shape, object: &[u8], rounds: usize) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        for _ in 0..rounds {
            while {
                let more = sender.push(shape, object);
                frames.extend(sender.queue.drain(..).map(|(frame, _)| frame));
                more
            } {}
        }
        frames
    }

    fn receive(receiver: &mut Objects, frame: &[u8]) -> Option<Vec<u8>> {
        match Signed::parse(frame).unwrap() {
            Signed::Whole(object) => Some(object.to_vec()),
            Signed::Symbols(head, symbols) => receiver.take(head, symbols),
            Signed::Have(_) => None,
        }
    }

    #[test]
    fn an_object_arrives_whole_or_in_symbols_with_losses() {
        for (len, mtu, lose) in [(246, 300, 1), (246, 64, 5), (5_000, 200, 4), (20_000, 255, 3)] {
            let (object, shape) = (object(len), shape(mtu));
            let frames = rounds(&mut Objects::default(), &shape, &object, 3);
            assert!(frames.iter().all(|f| f.len() <= usize::from(mtu)));
            let mut receiver = Objects::default();
            let kept = frames.iter().enumerate().filter(|(n, _)| lose == 1 || n % lose != 0);
            let arrived: Vec<_> = kept.filter_map(|(_, f)| receive(&mut receiver, f)).collect();
            assert!(arrived.first() == Some(&object), "{len} over {mtu}");
            assert!(len < 300 && mtu >= 300 || arrived.len() == 1, "told once");
        }
    }

    #[test]
    fn false_symbols_spoil_a_transfer_and_the_next_one_works() {
        let (object, shape) = (object(2_000), shape(200));
        let frames = rounds(&mut Objects::default(), &shape, &object, 2);
        let mut receiver = Objects::default();
        let mut first = frames[0].clone();
        first[30] ^= 1;
        let half = frames.len() / 2;
        let spoilt = core::iter::once(&first).chain(&frames[1..half]).find_map(|f| receive(&mut receiver, f));
        assert_eq!(spoilt, None);
        assert!(frames.iter().find_map(|f| receive(&mut receiver, f)).as_ref() == Some(&object));
    }

    #[test]
    fn no_more_than_a_limit_is_kept_of_what_nobody_has_verified() {
        let mut receiver = Objects::default();
        for n in 0..50u8 {
            let head = SymbolsHead {
                kind: picket_wire::signed::ObjectKind::Roster,
                version: u32::from(n) + 1,
                id: [n; 4],
                total: 60_000,
                symbol: 100,
                esi: 0,
            };
            assert_eq!(receiver.take(head, &[n; 100]), None);
        }
        assert_eq!(receiver.partial.len(), OBJECT_PARTIALS);
    }
}
