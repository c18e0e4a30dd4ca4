//! Lanes (spec §40.10): a slot's messages open until it is over and never after, whatever was lost, doubled, reordered or
//! rebooted; and what the receiver still holds then opens none of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/search.rs"]
mod search;

use common::{Device, Storing, encode_receive, encode_send, route, text};
use picket_roster::Padding;
use picket_seal::{Far, Lane, OpenError, ReceiveSession, SendSession, Slot};
use picket_wire::Index;
use picket_wire::envelope::Envelope;
use proptest::prelude::*;
use search::opens_with_anything_in;
use std::collections::{BTreeMap, BTreeSet};

const LENGTH: u32 = 86_400;

fn pair() -> (SendSession, ReceiveSession) {
    let mut alpha = Device::new(0, Storing::Every);
    let mut bravo = Device::new(1, Storing::Every);
    alpha.activate(0);
    bravo.activate(0);
    let send = SendSession::decode(&alpha.disk.send[&(Index(2), 0, 0)]).unwrap().resume_exact();
    (send, ReceiveSession::decode(&bravo.disk.receive[&(Index(1), 0, 0, Vec::new())]).unwrap())
}

/// Two ends that keep their states as bytes, as a disk does.
struct World {
    now: u64,
    send_base: Vec<u8>,
    send: BTreeMap<Lane, Vec<u8>>,
    receive_base: Vec<u8>,
    receive: BTreeMap<Slot, Vec<u8>>,
    air: Vec<(Slot, Vec<u8>)>,
    opened: BTreeSet<Vec<u8>>,
    used: BTreeSet<(Slot, u32)>,
}

impl World {
    fn new() -> Self {
        let (send, receive) = pair();
        Self {
            now: 0,
            send_base: encode_send(&send),
            send: BTreeMap::new(),
            receive_base: encode_receive(&receive),
            receive: BTreeMap::new(),
            air: Vec::new(),
            opened: BTreeSet::new(),
            used: BTreeSet::new(),
        }
    }

    fn seal(&mut self, lane: Lane) {
        let slot = Slot::at(lane, self.now, LENGTH);
        let stored = self.send.get(&lane).map(|b| SendSession::decode(b).unwrap().resume_exact());
        let mut session = match stored.filter(|s| s.slot() == Some(slot)) {
            Some(session) => session,
            None => {
                let mut base = SendSession::decode(&self.send_base).unwrap().resume_exact();
                let fresh = base.enter(slot).unwrap();
                self.send_base = encode_send(&base);
                fresh
            }
        };
        if session.reserved_left() == 0 {
            session = session.reserve().persisted();
        }
        let mut out = [0; 256];
        let sealed = session.seal(&route(), &text("words"), Padding::Off, &mut out).unwrap();
        assert!(self.used.insert((slot, sealed.counter)), "a key and nonce used twice");
        let bytes = sealed.envelope.to_vec();
        assert_eq!(Envelope::parse(&bytes).unwrap().header().lane, Some(slot.byte()));
        self.send.insert(lane, encode_send(&session));
        self.air.push((slot, bytes));
    }

    /// As an endpoint does: the slot's own session, or those from the base up to it.
    fn open(&mut self, bytes: &[u8]) -> Result<(), OpenError> {
        let envelope = Envelope::parse(bytes).unwrap();
        let slot = Slot::from_byte(envelope.header().lane.unwrap()).unwrap();
        let mut out = [0; 256];
        if let Some(stored) = self.receive.get_mut(&slot) {
            let mut session = ReceiveSession::decode(stored).unwrap();
            session.open(&envelope, Far::Refuse, &mut out)?;
            *stored = encode_receive(&session);
            return Ok(());
        }
        let mut base = ReceiveSession::decode(&self.receive_base).unwrap();
        if !base.leads_to(slot) {
            return Err(OpenError::TooOld);
        }
        let mut entered = Vec::new();
        while base.leads_to(slot) {
            entered.push(base.enter(slot.lane()).unwrap());
        }
        entered.last_mut().unwrap().open(&envelope, Far::Refuse, &mut out)?;
        self.receive_base = encode_receive(&base);
        self.receive.extend(entered.iter().map(|s| (s.slot().unwrap(), encode_receive(s))));
        Ok(())
    }

    fn pass(&mut self, seconds: u64) {
        self.now += seconds;
        let mut base = ReceiveSession::decode(&self.receive_base).unwrap();
        for lane in Lane::ALL {
            match Slot::oldest_live(lane, self.now, LENGTH) {
                Some(slot) => base.erase_slots_before(slot),
                None => base.erase_lane(lane),
            };
        }
        self.receive_base = encode_receive(&base);
        self.receive.retain(|slot, _| self.now < slot.over_s(LENGTH));
    }

    fn check(&self) {
        let live =
            |lane: Lane| self.receive.keys().filter(|s| s.lane() == lane).count() <= usize::from(lane.slots()).min(14);
        assert!(Lane::ALL.into_iter().all(live), "memory is bounded");
    }
}

#[test]
fn after_a_slot_is_over_nothing_that_is_left_opens_its_messages() {
    for lane in [Lane::Minutes, Lane::Epoch] {
        let mut world = World::new();
        world.pass(700);
        for _ in 0..3 {
            world.seal(lane);
        }
        let sent: Vec<Vec<u8>> = world.air.iter().map(|(_, bytes)| bytes.clone()).collect();
        world.open(&sent[1]).unwrap();
        let begun = encode_receive(&pair().1);
        let opens_with = |held: &[u8], bytes: &[u8]| opens_with_anything_in(held, bytes, &begun);
        let held = |w: &World| [w.receive_base.clone(), w.receive.values().flatten().copied().collect()].concat();
        assert!(opens_with(&held(&world), &sent[0]), "the search finds what is there");
        assert!(opens_with(&held(&world), &sent[2]), "the search finds what is there");
        assert!(!opens_with(&held(&world), &sent[1]), "an opened message's key is gone at once");
        let over = world.air[0].0.over_s(LENGTH);
        world.pass(over - world.now);
        for bytes in &sent {
            assert!(world.open(bytes).is_err());
            assert!(!opens_with(&held(&world), bytes), "{lane:?}");
        }
        let sender = [world.send_base.clone(), world.send.values().flatten().copied().collect()].concat();
        assert!(!opens_with(&sender, &sent[0]), "the sender's state opens none of them either");
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Seal(Lane),
    Deliver(usize),
    Lose(usize),
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let lane = prop_oneof![Just(Lane::Minutes), Just(Lane::Hours), Just(Lane::Epoch)];
    prop_oneof![
        4 => lane.prop_map(Op::Seal),
        4 => any::<usize>().prop_map(Op::Deliver),
        1 => any::<usize>().prop_map(Op::Lose),
        2 => (1u64..5_000).prop_map(Op::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A message opens exactly if it was not opened before and its slot is not over; every state is read back from bytes
    /// each time, as after a reboot.
    #[test]
    fn slots_hold_under_everything(ops in prop::collection::vec(op(), 1..80)) {
        let mut world = World::new();
        for op in ops {
            match op {
                Op::Seal(lane) => world.seal(lane),
                Op::Pass(seconds) => world.pass(seconds),
                Op::Lose(at) if !world.air.is_empty() => drop(world.air.swap_remove(at % world.air.len())),
                Op::Deliver(at) if !world.air.is_empty() => {
                    let (slot, bytes) = world.air[at % world.air.len()].clone();
                    let expected = world.now < slot.over_s(LENGTH) && !world.opened.contains(&bytes);
                    let opened = world.open(&bytes);
                    prop_assert_eq!(opened.is_ok(), expected, "{:?} {:?}", slot, opened);
                    if expected {
                        world.opened.insert(bytes);
                    }
                }
                Op::Lose(_) | Op::Deliver(_) => {}
            }
            world.check();
        }
    }
}
