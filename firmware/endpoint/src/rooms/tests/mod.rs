//! Rooms between devices whose envelopes a test carries: lost, twice, late, in any order, with reboots.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod chaos;
mod lapsed;
mod story;

use super::view::{RoomDraft, RoomError, RoomEvent, RoomMessage};
use crate::endpoint::Endpoint;
use crate::io::{Event, Input, Output};
use crate::keys;
use crate::message::{Content, Shown, Trust};
use crate::mission::Mission;
use crate::receive::Answer;
use crate::testing::{Crash, RamVault};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use picket_roster::Kind;
use picket_wire::envelope::Envelope;
use picket_wire::time::{Duration, Instant, Wall};
use picket_wire::{Identity, MessageId, Precedence};

const START_S: u64 = 1_800_000_000;
const NAMES: [&str; 4] = ["alpha", "bravo", "charlie", "delta"];
const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const D: usize = 3;

struct Net {
    mission: Mission,
    devices: Vec<Endpoint<RamVault>>,
    now: Instant,
    seed: u64,
    seen: BTreeSet<Identity>,
    /// For whom, and the bytes.
    air: Vec<(usize, Vec<u8>)>,
    events: Vec<(usize, RoomEvent)>,
}

fn random(seed: &mut u64) -> impl FnMut(&mut [u8]) + '_ {
    |out| {
        out.fill_with(|| {
            *seed ^= *seed << 13;
            *seed ^= *seed >> 7;
            *seed ^= *seed << 17;
            (seed.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u8
        });
    }
}

impl Net {
    fn new(seed: u64) -> Self {
        let mission = Mission::new(&NAMES, &[], START_S);
        let now = Instant(1);
        let devices = (0..NAMES.len()).map(|at| {
            let (secrets, fill) = mission.home(at);
            Endpoint::create(RamVault::default(), &secrets, &fill, now, wall(now)).unwrap()
        });
        let devices = devices.collect();
        Self { mission, devices, now, seed: seed * 2 + 1, seen: BTreeSet::new(), air: vec![], events: vec![] }
    }

    fn with<T>(
        &mut self,
        at: usize,
        act: impl FnOnce(&mut Endpoint<RamVault>, Instant, &mut dyn crate::Random) -> T,
    ) -> T {
        let mut seed = self.seed;
        let done = act(&mut self.devices[at], self.now, &mut random(&mut seed));
        self.seed = seed;
        self.hear(at);
        done
    }

    /// What a device tells and what it would hand to a gateway.
    fn hear(&mut self, at: usize) {
        while let Some(output) = self.devices[at].poll(self.now) {
            if let Output::Event(Event::Room { event, .. }) = output {
                self.events.push((at, event));
            }
        }
        let device = &mut self.devices[at];
        let outs: Vec<MessageId> = device.desk.outs().filter(|(_, r)| r.envelope.is_some()).map(|(id, _)| id).collect();
        let mut all: Vec<Vec<u8>> = device.desk.oweds().map(|(_, o)| o.bytes.clone()).collect();
        all.extend(outs.into_iter().filter_map(|id| device.home.get(&keys::envelope(id)).ok().flatten()));
        for bytes in all {
            let envelope = Envelope::parse(&bytes).unwrap();
            let header = *envelope.header();
            if !self.seen.insert(envelope.identity()) {
                continue;
            }
            for to in 0..self.devices.len() {
                let index = self.mission.indices[to];
                if header.source != index && (header.destination.is_room() || header.destination == index) {
                    self.air.push((to, bytes.clone()));
                }
            }
        }
    }

    /// Hands one over; whether it was answered for good.
    fn hand(&mut self, to: usize, bytes: &[u8]) -> bool {
        let answer = self.with(to, |e, now, random| e.envelope(now, bytes, random));
        matches!(answer, Ok(Answer::Taken(_)))
    }

    /// Everything arrives, what is refused for now again.
    fn settle(&mut self) {
        for _ in 0..6 {
            for (to, bytes) in core::mem::take(&mut self.air) {
                if !self.hand(to, &bytes) {
                    self.air.push((to, bytes));
                }
            }
        }
        self.air.clear();
    }

    fn pass(&mut self, span: Duration) {
        self.now += span;
        for at in 0..self.devices.len() {
            let wall = wall(self.now);
            self.with(at, |e, now, random| e.handle(now, Input::Wall(wall), random));
        }
    }

    fn reopen(&mut self, at: usize, vault: RamVault) {
        self.devices[at] = Endpoint::open(vault, self.now, wall(self.now)).unwrap();
        self.with(at, |e, now, random| e.handle(now, Input::Tick, random));
    }

    fn create(&mut self, at: usize, signed_only: bool) {
        let draft = RoomDraft { name: "ops".into(), signed_only, lifetime: None, most: None, retention: None };
        self.with(at, |e, now, random| e.room_create(now, &draft, random)).unwrap();
    }

    fn invite(&mut self, by: usize, whom: usize) {
        self.with(by, |e, now, random| e.room_invite(now, "ops", NAMES[whom], random)).unwrap();
    }

    fn join(&mut self, at: usize) {
        self.with(at, |e, now, random| e.room_join(now, "ops", random)).unwrap();
    }

    fn say(&mut self, at: usize, text: &str, order: bool) -> Result<MessageId, RoomError> {
        let content = Content::Text(text.to_string());
        let message = RoomMessage { room: "ops".into(), order, precedence: Precedence::Routine, ttl: None, content };
        self.with(at, |e, now, random| e.compose_room(now, &message, random))
    }

    /// A room of these, all joined; the first made it.
    fn room(&mut self, members: &[usize]) {
        self.create(members[0], false);
        for member in &members[1..] {
            self.invite(members[0], *member);
            self.settle();
            self.join(*member);
            self.settle();
        }
    }

    fn texts(&mut self, at: usize) -> Vec<(String, Trust)> {
        let now = self.now;
        let all = self.devices[at].inbox(now).unwrap();
        all.into_iter()
            .map(|m| match m.shown {
                Shown::Text(text) => (text, m.trust),
                Shown::File { .. } => panic!(),
            })
            .collect()
    }

    /// Whom the mission loses: the revocation, signed.
    fn revocation(&mut self, gone: &[usize]) -> Vec<u8> {
        self.mission.revoke(gone, START_S + 1)
    }

    /// A device hears of it.
    fn revoke(&mut self, at: usize, object: &[u8]) {
        let done = self.with(at, |e, now, random| {
            let done = e.import_revocation(now, object.to_vec());
            e.handle(now, Input::Tick, random);
            done
        });
        done.unwrap();
    }

    fn secret(&self, at: usize) -> picket_seal::room::RoomSecret {
        self.devices[at].rooms.all.values().next().unwrap().record.keys.last().unwrap().secret()
    }

    fn generation(&self, at: usize) -> u32 {
        self.devices[at].rooms.all.values().next().unwrap().state.generation
    }

    fn members(&self, at: usize) -> Vec<String> {
        self.devices[at].rooms().into_iter().flat_map(|r| r.members).map(|m| m.name).collect()
    }
}

fn wall(now: Instant) -> Option<Wall> {
    Some(Wall(START_S * 1_000 + now.0 / 1_000))
}

fn said(text: &str, trust: Trust) -> (String, Trust) {
    (text.to_string(), trust)
}
