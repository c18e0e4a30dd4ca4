//! Rooms between devices whose envelopes a test carries: lost, twice, late, in any order, with reboots.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

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

#[test]
fn a_room_is_made_joined_and_read_with_its_three_states_of_trust() {
    let mut net = Net::new(1);
    net.create(A, false);
    net.invite(A, B);
    net.settle();
    let invited = net.devices[B].rooms().remove(0);
    assert!(!invited.joined && invited.name == "ops" && invited.members[0].moderator);
    assert_eq!(net.say(B, "early", false), Err(RoomError::NotJoined));
    net.join(B);
    net.settle();
    assert_eq!(net.devices[A].rooms()[0].members[1].joined, Some(true));
    assert_eq!(net.devices[B].listening().unwrap(), [invited.index]);
    net.say(A, "routine", false).unwrap();
    net.say(A, "order", true).unwrap();
    net.settle();
    assert_eq!(net.texts(B), [said("routine", Trust::Member), said("order", Trust::Signed)]);
    net.pass(Duration::from_secs(61));
    net.settle();
    assert_eq!(net.texts(B), [said("routine", Trust::Confirmed), said("order", Trust::Signed)]);
    let incoming = net.devices[B].inbox(net.now).unwrap().remove(0);
    assert_eq!((incoming.to_name.as_str(), incoming.room), ("ops", Some(invited.index)));
}

#[test]
fn sixteen_messages_are_attested_at_once_and_an_attestation_survives_a_reboot() {
    let mut net = Net::new(2);
    net.room(&[A, B]);
    for n in 0..16 {
        net.say(A, &format!("{n}"), false).unwrap();
    }
    net.settle();
    assert!(net.texts(B).iter().all(|(_, trust)| *trust == Trust::Confirmed));
    net.say(A, "last words", false).unwrap();
    let vault = net.devices[A].vault_mut().clone();
    net.reopen(A, vault);
    net.say(A, "again", false).unwrap();
    net.settle();
    let last: Vec<_> = net.texts(B).split_off(16);
    assert_eq!(last, [said("last words", Trust::Confirmed), said("again", Trust::Member)]);
}

#[test]
fn a_removed_member_opens_nothing_after_and_is_not_believed() {
    let mut net = Net::new(3);
    net.room(&[A, B, C]);
    let captured = net.devices[C].vault_mut().clone();
    net.with(A, |e, now, random| e.room_remove(now, "ops", "charlie", random)).unwrap();
    // Charlie has not heard of it yet, and writes.
    net.say(C, "as if nothing were", false).unwrap();
    net.say(C, "order", true).unwrap();
    net.settle();
    assert_eq!(net.texts(A), []);
    assert!(net.events.iter().any(|(at, e)| *at == C && matches!(e, RoomEvent::Removed { .. })));
    assert_eq!(net.devices[C].rooms(), []);
    assert!(!net.devices[C].vault_mut().map().keys().any(|k| k[0] == b'm' || k[0] == b'M'), "keys are gone");
    net.say(A, "without charlie", true).unwrap();
    let heard = net.air.clone();
    net.settle();
    assert_eq!(net.texts(B), [said("without charlie", Trust::Signed)]);
    assert_eq!(net.texts(C), []);
    // Nor with everything the device had before, and all that was on air.
    net.reopen(C, captured);
    for (_, bytes) in &heard {
        net.hand(C, bytes);
    }
    assert_eq!(net.texts(C), []);
    assert!(!net.devices[C].rooms().is_empty());
}

#[test]
fn under_keys_that_a_removed_member_has_only_what_is_proven_is_shown() {
    let mut net = Net::new(4);
    net.room(&[A, B, C]);
    net.say(B, "before", false).unwrap();
    let late = core::mem::take(&mut net.air);
    net.with(A, |e, now, random| e.room_remove(now, "ops", "charlie", random)).unwrap();
    net.settle();
    for (to, bytes) in late {
        net.hand(to, &bytes);
    }
    assert_eq!(net.texts(A), [], "charlie could have written it");
    net.pass(Duration::from_secs(61));
    net.settle();
    assert_eq!(net.texts(A), [said("before", Trust::Confirmed)]);
}

#[test]
fn whoever_leaves_or_refuses_is_out_and_the_keys_change() {
    let mut net = Net::new(5);
    net.room(&[A, B]);
    net.invite(A, C);
    net.settle();
    for at in [B, C] {
        net.with(at, |e, now, random| e.room_leave(now, "ops", random)).unwrap();
        net.settle();
        assert_eq!(net.devices[at].rooms(), []);
    }
    assert_eq!(net.members(A), ["alpha"]);
    let generation = net.devices[A].rooms.all.values().next().unwrap().state.generation;
    assert_eq!(generation, 5, "a change of keys each");
    net.with(A, |e, now, random| e.room_leave(now, "ops", random)).unwrap();
    assert_eq!(net.devices[A].listening().unwrap(), []);
}

#[test]
fn the_last_moderator_promotes_another_before_leaving() {
    let mut net = Net::new(6);
    net.room(&[A, B, C]);
    let left = net.with(A, |e, now, random| e.room_leave(now, "ops", random));
    assert_eq!(left, Err(RoomError::LastModerator));
    let not = net.with(B, |e, now, random| e.room_invite(now, "ops", "delta", random));
    assert_eq!(not, Err(RoomError::NotModerator));
    net.with(A, |e, now, random| e.room_promote(now, "ops", "bravo", random)).unwrap();
    net.settle();
    net.with(A, |e, now, random| e.room_leave(now, "ops", random)).unwrap();
    net.settle();
    assert_eq!(net.members(C), ["bravo", "charlie"]);
    net.say(B, "still here", true).unwrap();
    net.settle();
    assert_eq!(net.texts(C), [said("still here", Trust::Signed)]);
}

#[test]
fn moderators_who_act_at_once_end_with_the_same_room_and_removals_stand() {
    for order in 0..4u64 {
        let mut net = Net::new(7 + order);
        net.room(&[A, B, C]);
        net.with(A, |e, now, random| e.room_promote(now, "ops", "bravo", random)).unwrap();
        net.settle();
        net.with(A, |e, now, random| e.room_invite(now, "ops", "delta", random)).unwrap();
        net.with(B, |e, now, random| e.room_remove(now, "ops", "charlie", random)).unwrap();
        if order % 2 == 1 {
            net.air.reverse();
        }
        if order / 2 == 1 {
            let half = net.air.len() / 2;
            net.air.rotate_left(half);
        }
        net.settle();
        net.settle();
        let members = net.members(A);
        assert_eq!(members, net.members(B));
        assert_eq!(members, ["alpha", "bravo", "delta"], "order {order}");
        net.join(D);
        net.settle();
        net.say(A, "one room", true).unwrap();
        net.settle();
        assert_eq!((net.texts(B), net.texts(D)), (vec![said("one room", Trust::Signed)], net.texts(B)));
        assert_eq!(net.texts(C), []);
    }
}

#[test]
fn who_is_in_the_roster_no_more_is_in_no_room() {
    let mut net = Net::new(11);
    net.room(&[A, B, C]);
    let mut draft = picket_roster::RosterDraft::new("test", START_S).unwrap();
    core::mem::swap(&mut draft, &mut net.mission.draft);
    draft.remove(net.mission.indices[C]).unwrap();
    let roster = draft.sign(&net.mission.authority, START_S + 1).unwrap();
    for at in [A, B] {
        let bytes = roster.clone();
        net.with(at, |e, now, _| e.import_roster(now, bytes)).unwrap();
    }
    net.say(C, "i am gone", true).unwrap();
    net.pass(Duration::from_secs(1));
    net.settle();
    assert_eq!((net.texts(A), net.texts(B)), (vec![], vec![]));
    assert_eq!((net.members(A), net.members(B)), (net.members(B), vec!["alpha".into(), "bravo".into()]));
    let generation = net.devices[B].rooms.all.values().next().unwrap().state.generation;
    assert_eq!(generation, 4, "fresh keys came with it");
}

#[test]
fn in_a_signed_only_room_everything_is_signed() {
    let mut net = Net::new(12);
    net.create(A, true);
    net.invite(A, B);
    net.settle();
    net.join(B);
    net.settle();
    net.say(B, "roger", false).unwrap();
    net.settle();
    assert_eq!(net.texts(A), [said("roger", Trust::Signed)]);
}

#[test]
fn keys_of_epochs_that_are_over_are_gone_and_the_room_goes_on() {
    let mut net = Net::new(13);
    net.room(&[A, B]);
    let secret = |net: &Net| net.devices[B].rooms.all.values().next().unwrap().record.keys.last().unwrap().secret();
    let before = secret(&net);
    net.say(A, "today", false).unwrap();
    let recorded = core::mem::take(&mut net.air);
    for day in 0..5 {
        net.pass(Duration::from_secs(86_400));
        net.say(A, &format!("day {day}"), true).unwrap();
        net.settle();
    }
    let bytes = before.to_bytes();
    let vault = net.devices[B].vault_mut();
    let holds = |v: &Vec<u8>| v.windows(32).any(|w| w == bytes.as_slice());
    assert!(!vault.map().values().any(holds), "the secret of that day");
    let count = net.texts(B).len();
    for (to, bytes) in recorded {
        net.hand(to, &bytes);
    }
    assert_eq!(net.texts(B).len(), count, "nothing is left that opens it");
    assert!(net.texts(B).contains(&said("day 4", Trust::Signed)));
}

#[test]
fn a_member_who_missed_the_keys_asks_for_them() {
    let mut net = Net::new(14);
    net.room(&[A, B, C]);
    net.with(A, |e, now, random| e.room_remove(now, "ops", "charlie", random)).unwrap();
    net.air.clear();
    net.say(A, "under new keys", true).unwrap();
    net.settle();
    assert_eq!(net.texts(B), [said("under new keys", Trust::Signed)]);
}

#[test]
fn two_states_of_one_version_by_one_moderator_raise_an_alarm() {
    let mut net = Net::new(15);
    net.room(&[A, B]);
    let copy = net.devices[A].vault_mut().clone();
    net.invite(A, C);
    net.settle();
    net.reopen(A, copy);
    // So that what follows is not taken for the state that the copy sent before.
    let (to, content) = ("bravo".into(), Content::Text("x".into()));
    let draft = crate::message::Draft { to, precedence: Precedence::Routine, ttl: None, burn: None, content };
    net.with(A, |e, now, random| e.compose(now, draft, random)).unwrap();
    net.invite(A, D);
    net.settle();
    let room = net.devices[B].rooms().remove(0);
    assert_eq!((room.alarms.len(), room.alarms[0].forged, net.members(B).len()), (1, false, 3));
}

/// Loss, duplication, reordering, delay across epochs, power cuts at every commit, restored copies.
#[test]
fn rooms_between_devices_hold_under_everything() {
    for seed in 0..12 {
        chaos(seed);
    }
}

fn chaos(seed: u64) {
    let mut net = Net::new(100 + seed);
    net.room(&[A, B, C]);
    let mut copies: Vec<RamVault> = net.devices.iter_mut().map(|e| e.vault_mut().clone()).collect();
    let mut written: BTreeMap<String, usize> = BTreeMap::new();
    let mut draw = seed * 7_919 + 3;
    let mut next = |n: u64| {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draw >> 33) % n
    };
    for step in 0..120 {
        let at = next(3) as usize;
        match next(12) {
            0..=3 => {
                let text = format!("{step} from {at}");
                if net.say(at, &text, next(4) == 0).is_ok() {
                    written.insert(text, at);
                }
            }
            4..=7 if !net.air.is_empty() => {
                let which = next(net.air.len() as u64) as usize;
                let (to, bytes) = net.air[which].clone();
                let taken = net.hand(to, &bytes);
                match next(4) {
                    0 => {
                        net.hand(to, &bytes);
                    }
                    1 if taken => drop(net.air.swap_remove(which)),
                    _ => {}
                }
            }
            8 => {
                let commits = net.devices[at].vault_mut().commits();
                let crash = Crash { at: commits + next(3), done: next(2) == 0 };
                net.devices[at].vault_mut().crash_at(Some(crash));
                let text = format!("{step} from {at}");
                let _ = net.say(at, &text, false);
                written.insert(text, at);
                let vault = net.devices[at].vault_mut().clone().restarted();
                net.reopen(at, vault);
            }
            9 => net.pass(Duration::from_secs(1 + next(40_000))),
            10 if next(3) == 0 => {
                // A restored backup: what it forgot may come again, what it writes must not reuse a key.
                net.reopen(at, copies[at].clone());
            }
            11 => copies[at] = net.devices[at].vault_mut().clone(),
            _ => {}
        }
        check(&mut net, &written);
    }
    net.settle();
    check(&mut net, &written);
    assert!(net.events.iter().all(|(_, e)| !matches!(e, RoomEvent::Alarm { forged: true, .. })));
}

fn check(net: &mut Net, written: &BTreeMap<String, usize>) {
    let mut places = BTreeMap::new();
    for at in 0..3 {
        let texts = net.texts(at);
        let unique: BTreeSet<&String> = texts.iter().map(|(t, _)| t).collect();
        assert_eq!(unique.len(), texts.len(), "nothing is accepted twice");
        for (text, trust) in &texts {
            assert!(written.contains_key(text), "nothing is accepted that was not written");
            assert_ne!(*trust, Trust::Forged);
        }
        for note in net.devices[at].rooms.notes.values() {
            let place = (note.sender, note.generation, note.epoch, note.incarnation, note.counter);
            let digest = *places.entry(place).or_insert(note.digest);
            assert_eq!(digest, note.digest, "no key and nonce sealed two messages");
        }
    }
}

#[test]
fn kinds_of_stations_that_read_no_rooms_are_not_invited() {
    let mut net = Net::new(16);
    net.create(A, false);
    let invited = net.with(A, |e, now, random| e.room_invite(now, "ops", "nobody", random));
    assert_eq!(invited, Err(RoomError::Member { name: "nobody".into() }));
    assert!(net.devices[A].roster().stations().all(|s| s.kind == Kind::Member));
}
