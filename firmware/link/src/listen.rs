//! From bytes of the medium to frames (spec §50.1, §50.2): what is no frame of anybody is told apart and counted, and a
//! frame behind noise is looked for.

use crate::Link;
use crate::api::Keyring;
use crate::framing::{Found, decode, later_starts};
use crate::limits::{SALVAGE_TRIALS, TALKER_FOR};
use alloc::vec::Vec;
use picket_codes::shield::Level;
use picket_wire::Index;
use picket_wire::frame::Kind;
use picket_wire::limits::WIRE_VERSION;
use picket_wire::signed::is_signed;
use picket_wire::time::Instant;

/// Why a run of bytes gave no frame for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drop {
    Noise,
    Version,
    Generation,
    Mac,
    NotForUs,
    StaleAnswer,
    Body,
}

impl Link {
    pub(crate) fn receive_bytes(&mut self, now: Instant, bytes: &[u8], keys: &dyn Keyring) {
        self.counters.rx_bytes += bytes.len() as u64;
        self.history.at(now).heard_air += self.pace.air(bytes.len());
        if bytes.iter().any(|&b| b != 0) {
            self.turn.bytes(now);
        }
        let mut rest = bytes;
        while let Some(found) = self.framer.next(&mut rest) {
            match found {
                Found::Run(run) => self.run(now, &run, keys),
                Found::Overlong(len) => self.counters.dropped_noise += len as u64,
                Found::Coded { mut frame, level, body, errors } => {
                    self.coded(now, &mut frame, (level, body, errors), keys)
                }
                Found::Broken { level, body } => {
                    self.counters.dropped_broken += 1;
                    self.history.at(now).bad_frames += 1;
                    self.broken(now, level, body);
                }
            }
        }
        self.turn.settle(self.framer.in_frame());
    }

    /// A frame that was decoded. One that nobody's key verifies is taken for a false find where the code proves little.
    fn coded(
        &mut self,
        now: Instant,
        frame: &mut [u8],
        (level, body, errors): (Level, usize, usize),
        keys: &dyn Keyring,
    ) {
        let proven = level.parity() >= PROVING_PARITY;
        if !proven && frame.first().is_some_and(|first| is_signed(*first)) {
            // Bytes that are no frame decode now and then at this strength; these have no MAC to tell.
            self.framer.reject();
            return self.broken(now, level, body);
        }
        let before = self.inbound.talker.take();
        let outcome = self.frame(now, frame, keys);
        // Broadcasts prove nobody: who talked before is still the likeliest to have sent what breaks next.
        let talker = self.inbound.talker.map(|(peer, _)| peer);
        self.inbound.talker = self.inbound.talker.or(before);
        match outcome {
            Ok(()) => self.repaired(now, talker, body, errors),
            Err(drop @ (Drop::StaleAnswer | Drop::Body)) => {
                self.repaired(now, talker, body, errors);
                self.count(drop, frame.len());
            }
            Err(drop @ (Drop::Noise | Drop::Version | Drop::Generation | Drop::Mac | Drop::NotForUs)) => {
                if proven || drop == Drop::NotForUs {
                    return self.count(drop, frame.len());
                }
                self.framer.reject();
                self.broken(now, level, body);
            }
        }
    }

    fn repaired(&mut self, now: Instant, talker: Option<Index>, body: usize, errors: usize) {
        self.counters.corrected += errors as u64;
        let slot = self.history.at(now);
        (slot.coded_bytes, slot.wrong_bytes) = (slot.coded_bytes + body as u64, slot.wrong_bytes + errors as u64);
        if let Some(peer) = talker.and_then(|talker| self.offers.peers.get_mut(&talker)) {
            peer.rate.heard(body, errors);
        }
    }

    fn broken(&mut self, now: Instant, level: Level, body: usize) {
        if let Some((talker, at)) = self.inbound.talker
            && now.since(at) < TALKER_FOR
            && let Some(peer) = self.offers.peers.get_mut(&talker)
        {
            peer.rate.broken(body, level);
            // Who sends it must learn at once that this is not enough.
            if !self.shape.half && peer.rate.has_news() {
                self.inbound.incoming.all_of(talker).into_iter().for_each(|key| self.queue_report(key));
            }
        }
    }

    /// A whole run is one frame, or noise with a frame at its end.
    fn run(&mut self, now: Instant, run: &[u8], keys: &dyn Keyring) {
        let mut frame = core::mem::take(&mut self.inbound.frame);
        if let Err(drop) = self.try_run(now, run, &mut frame, keys) {
            match self.salvage(now, run, drop, &mut frame, keys) {
                Some(noise) => self.counters.dropped_noise += noise as u64,
                None => {
                    self.history.at(now).bad_frames += u32::from(matches!(drop, Drop::Noise | Drop::Mac));
                    self.count(drop, run.len());
                }
            }
        }
        self.inbound.frame = frame;
    }

    fn try_run(&mut self, now: Instant, run: &[u8], frame: &mut Vec<u8>, keys: &dyn Keyring) -> Result<(), Drop> {
        if !decode(self.shape.framing, run, frame) {
            return Err(Drop::Noise);
        }
        self.frame(now, frame, keys)
    }

    /// Looks for a frame behind noise; returns how many bytes of noise there were.
    fn salvage(
        &mut self,
        now: Instant,
        run: &[u8],
        drop: Drop,
        frame: &mut Vec<u8>,
        keys: &dyn Keyring,
    ) -> Option<usize> {
        if self.shape.framing != crate::Framing::Cobs || matches!(drop, Drop::StaleAnswer | Drop::Body) {
            return None;
        }
        let ours = WIRE_VERSION << 5 | (keys.net().generation & 0b111) << 2;
        let starts = later_starts(run, |first| first & !0b11 == ours && first & 0b11 != Kind::Signed as u8);
        for at in from_both_ends(&starts).take(SALVAGE_TRIALS) {
            if self.try_run(now, &run[at..], frame, keys).is_ok() {
                return Some(at);
            }
        }
        None
    }

    fn count(&mut self, drop: Drop, len: usize) {
        let counters = &mut self.counters;
        match drop {
            Drop::Noise => counters.dropped_noise += len as u64,
            Drop::Version => counters.dropped_version += 1,
            Drop::Generation => counters.dropped_generation += 1,
            Drop::Mac => counters.dropped_mac += 1,
            Drop::NotForUs => counters.not_for_us += 1,
            Drop::StaleAnswer => counters.stale_answers += 1,
            Drop::Body => counters.dropped_body += 1,
        }
    }
}

/// Parity bytes a block from which on bytes that are no frame practically never decode (one in 720 a block).
pub(crate) const PROVING_PARITY: usize = 12;

/// A short frame behind much noise is among the last candidates, a long one behind little among the first.
fn from_both_ends(starts: &[usize]) -> impl Iterator<Item = usize> {
    let halves = starts.iter().zip(starts.iter().rev());
    halves.flat_map(|(first, last)| [*last, *first]).take(starts.len())
}
