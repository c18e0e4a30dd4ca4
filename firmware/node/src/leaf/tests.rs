//! The leaf against a link in the hands of the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::testing::TestDirectory;
use alloc::vec;
use alloc::vec::Vec;
use picket_wire::control::{Listens, Rooms};

const MEMBER: Index = Index(1);
const POST: Index = Index(9);
const CONFIG: LinkConfig =
    LinkConfig { framing: Framing::Cobs, mtu: None, air_bps: None, duplex: Duplex::Full, turn_round: Duration::ZERO };
const S: Duration = Duration::from_secs(1);

struct Pair {
    now: Instant,
    leaf: Leaf,
    post: Link,
    ours: TestDirectory,
    theirs: TestDirectory,
    said: Vec<Outcome>,
    heard: Vec<Event>,
    connected: bool,
}

impl Pair {
    fn new() -> Self {
        let directory = |me| TestDirectory::new(me, &[MEMBER], &[POST]);
        let mut pair = Self {
            now: Instant(1_000_000),
            leaf: Leaf::new(CONFIG),
            post: Link::new(CONFIG),
            ours: directory(MEMBER),
            theirs: directory(POST),
            said: vec![],
            heard: vec![],
            connected: true,
        };
        pair.post.up(pair.now);
        pair.leaf.up(pair.now);
        pair
    }

    /// Everything that happens within `span`.
    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.step();
            self.now += Duration::from_millis(100);
        }
        self.step();
    }

    fn step(&mut self) {
        while let Some(outcome) = self.leaf.poll(self.now, &self.ours) {
            match outcome {
                Outcome::Transmit(bytes) => {
                    self.leaf.sent();
                    if self.connected {
                        self.post.receive(self.now, &bytes, &self.theirs);
                    }
                }
                said => self.said.push(said),
            }
        }
        while let Some(event) = self.post.poll_event() {
            self.heard.push(event);
        }
        while let Some(bytes) = self.post.poll_transmit(self.now, &self.theirs, &mut picket_link::Gate::radio()) {
            if self.connected {
                self.leaf.receive(self.now, &bytes, &self.ours);
            }
        }
    }

    fn hello(&mut self, answer: bool) {
        let hello = Hello { index: POST, gateway: true, answer };
        self.post.send(self.now, None, Control::Hello(hello)).unwrap();
        self.run(Duration::from_millis(300));
    }

    fn answer(&mut self, sequence: u32, held: u16) {
        self.post.send(self.now, Some(MEMBER), Control::Attached { sequence, held }).unwrap();
        self.run(Duration::from_millis(300));
    }

    fn attach(&mut self, held: u16) {
        self.hello(false);
        assert!(self.said.contains(&Outcome::WantClaim { gateway: POST }));
        self.leaf.claim(self.now, TestDirectory::claim(MEMBER, POST, 5));
        self.run(Duration::from_millis(300));
        self.answer(5, held);
        assert_eq!(self.leaf.standing(), Standing::Attached(POST));
    }

    fn attachments(&self) -> usize {
        self.heard.iter().filter(|e| matches!(e, Event::Control { message: Control::Attach(_), .. })).count()
    }
}

fn parcel(n: u64) -> Parcel {
    let receipt = picket_wire::control::Receipt {
        to: Index(2),
        hops: 3,
        id: picket_wire::MessageId([n as u8; 8]),
        kind: picket_wire::control::ReceiptKind::Read,
        token: [1; 8],
    };
    let control = Control::Receipt(receipt);
    let mut buffer = [0; picket_wire::limits::CONTROL_MAX];
    Parcel {
        id: OfferId(n),
        kind: ParcelKind::Control,
        precedence: Precedence::Routine,
        identity: control.parcel_identity().unwrap(),
        bytes: control.encode(&mut buffer).unwrap().to_vec(),
    }
}

#[test]
fn it_asks_who_is_there_with_back_off_until_somebody_answers() {
    let mut pair = Pair::new();
    pair.run(S.times(70));
    let hellos = pair.heard.iter().filter(|e| matches!(e, Event::Control { message: Control::Hello(_), .. })).count();
    assert!((6..=8).contains(&hellos), "{hellos}");
    assert_eq!(pair.leaf.standing(), Standing::Searching);
}

#[test]
fn a_claim_is_repeated_until_answered_and_only_by_its_sequence() {
    let mut pair = Pair::new();
    pair.hello(false);
    pair.leaf.claim(pair.now, TestDirectory::claim(MEMBER, POST, 5));
    pair.run(S.times(8));
    assert!(pair.attachments() >= 2);
    pair.answer(4, 0);
    assert_eq!(pair.leaf.standing(), Standing::Attaching(POST), "an older answer");
    pair.answer(5, 3);
    assert_eq!(pair.said.last(), Some(&Outcome::Attached { gateway: POST, sequence: 5, held: 3 }));
}

#[test]
fn a_gateway_that_holds_nothing_is_drained_at_once_and_otherwise_when_it_says_so() {
    let mut pair = Pair::new();
    pair.attach(0);
    assert_eq!(pair.said.last(), Some(&Outcome::Drained { gateway: POST }));
    let mut pair = Pair::new();
    pair.attach(2);
    assert!(!pair.said.contains(&Outcome::Drained { gateway: POST }));
    pair.post.send(pair.now, Some(MEMBER), Control::Drained { sequence: 5 }).unwrap();
    pair.run(S);
    assert_eq!(pair.said.last(), Some(&Outcome::Drained { gateway: POST }));
}

#[test]
fn a_lost_word_that_all_was_handed_over_is_asked_for_again() {
    let mut pair = Pair::new();
    pair.attach(2);
    let before = pair.attachments();
    pair.run(S.times(10));
    assert!(pair.attachments() > before, "the same claim again");
    pair.answer(5, 0);
    assert_eq!(pair.said.last(), Some(&Outcome::Drained { gateway: POST }));
}

#[test]
fn a_silent_gateway_is_asked_and_then_lost_and_offers_are_withdrawn() {
    let mut pair = Pair::new();
    pair.attach(0);
    pair.leaf.offer(pair.now, parcel(1)).unwrap();
    pair.connected = false;
    pair.run(S.times(80));
    assert!(pair.said.contains(&Outcome::Detached { gateway: POST, because: Lost::Silent }));
    assert_eq!(pair.leaf.standing(), Standing::Searching);
    assert!(pair.leaf.offer(pair.now, parcel(1)).is_err(), "nobody to offer to");
}

#[test]
fn a_gateway_that_comes_up_again_gets_the_same_claim() {
    let mut pair = Pair::new();
    pair.attach(0);
    let before = pair.attachments();
    pair.run(S.times(6));
    pair.hello(false);
    assert_eq!(pair.attachments(), before, "an answer to others means nothing");
    pair.hello(true);
    assert_eq!(pair.attachments(), before + 1);
    pair.answer(5, 0);
    assert_eq!(pair.leaf.standing(), Standing::Attached(POST));
}

#[test]
fn a_home_that_was_outrun_is_told_and_asked_for_a_new_claim() {
    let mut pair = Pair::new();
    pair.hello(false);
    pair.leaf.claim(pair.now, TestDirectory::claim(MEMBER, POST, 5));
    pair.run(S);
    pair.answer(5 + limits::OUTRUN_MAX + 1, 0);
    assert_eq!(pair.leaf.standing(), Standing::Attaching(POST), "too far to be believed");
    pair.said.clear();
    pair.answer(9, 0);
    assert_eq!(pair.said, [Outcome::Outrun { sequence: 9 }, Outcome::WantClaim { gateway: POST }]);
    pair.run(S.times(11));
    assert!(matches!(pair.leaf.standing(), Standing::Searching), "an owner that makes no claim is asked again later");
}

/// E-57.2-1 for a member's device.
#[test]
fn in_silence_it_sends_nothing_keeps_its_attachment_and_on_release_goes_on() {
    for state in [Emcon::Silent, Emcon::ReceiveOnly] {
        let mut pair = Pair::new();
        pair.attach(0);
        pair.leaf.offer(pair.now, parcel(1)).unwrap();
        pair.leaf.set_emcon(state);
        for minute in 0..600 {
            pair.now += S.times(60);
            if minute == 3 {
                let gateway_asks = Control::Hello(Hello { index: POST, gateway: true, answer: true });
                pair.post.send(pair.now, None, gateway_asks).unwrap();
            }
            while let Some(outcome) = pair.leaf.poll(pair.now, &pair.ours) {
                assert!(!matches!(outcome, Outcome::Transmit(_)), "{state}");
            }
            assert!(pair.leaf.next_wake().is_none_or(|at| at > pair.now), "and it sleeps");
            while let Some(bytes) = pair.post.poll_transmit(pair.now, &pair.theirs, &mut Gate::radio()) {
                pair.leaf.receive(pair.now, &bytes, &pair.ours);
            }
        }
        assert!(!pair.said.contains(&Outcome::Detached { gateway: POST, because: Lost::Silent }));
        pair.leaf.set_emcon(Emcon::Free);
        pair.run(S.times(2));
        assert!(pair.heard.iter().any(|e| matches!(e, Event::Arrived(_))), "what was offered is sent");
    }
}

/// A device that starts in silence looks for nobody, however long.
#[test]
fn a_leaf_that_starts_silent_never_sends_whatever_it_hears() {
    let mut pair = Pair::new();
    pair.leaf.set_emcon(Emcon::Silent);
    pair.leaf.down(pair.now);
    pair.leaf.up(pair.now);
    for n in 0..200u64 {
        pair.now += S;
        pair.leaf.receive(pair.now, &[n as u8; 30], &pair.ours);
        while let Some(outcome) = pair.leaf.poll(pair.now, &pair.ours) {
            assert!(!matches!(outcome, Outcome::Transmit(_)));
        }
    }
    pair.leaf.set_emcon(Emcon::Free);
    pair.run(S);
    assert!(pair.heard.iter().any(|e| matches!(e, Event::Control { message: Control::Hello(_), .. })));
}

fn word(sequence: u32, rooms: &[u16]) -> Listens {
    let list: Vec<Index> = rooms.iter().copied().map(Index).collect();
    TestDirectory::listens(MEMBER, sequence, Rooms::new(&list).unwrap())
}

impl Pair {
    /// Words of listening that the gateway was offered, in order.
    fn words(&self) -> Vec<(Listens, Owed)> {
        let words = self.heard.iter().filter_map(|e| match e {
            Event::Arrived(arrival) => match Control::decode(&arrival.bytes) {
                Ok(Control::Listens(word)) => Some((word, arrival.owed())),
                Ok(_) | Err(_) => None,
            },
            _ => None,
        });
        words.collect()
    }

    fn drained(&self) -> bool {
        self.said.contains(&Outcome::Drained { gateway: POST })
    }

    fn say_drained(&mut self) {
        self.post.send(self.now, Some(MEMBER), Control::Drained { sequence: 5 }).unwrap();
        self.run(Duration::from_millis(300));
    }
}

// E-70.2-8
#[test]
fn the_word_of_the_rooms_is_told_after_each_attachment_until_it_is_acknowledged() {
    let mut pair = Pair::new();
    pair.leaf.listens(word(1, &[0xC001]));
    pair.run(S);
    assert!(pair.words().is_empty(), "nobody to tell");
    pair.attach(0);
    let told = pair.words();
    assert_eq!(told[0].0, word(1, &[0xC001]));
    assert!(!pair.drained(), "what waits in rooms has not been handed over");
    pair.post.acknowledge(pair.now, told[0].1, None, Duration::ZERO);
    pair.run(S);
    assert!(!pair.drained(), "the word of before says nothing of rooms");
    pair.say_drained();
    assert!(pair.drained());
    let before = pair.words().len();
    pair.leaf.listens(word(1, &[0xC001]));
    pair.run(S.times(10));
    assert_eq!(pair.words().len(), before, "the same word again is not told again");
    pair.connected = false;
    pair.leaf.listens(word(2, &[]));
    pair.run(S);
    pair.connected = true;
    pair.run(S.times(10));
    assert_eq!(pair.words()[before].0, word(2, &[]), "a change is told at once, until it is heard");
    let owed = pair.words()[before].1;
    pair.post.acknowledge(pair.now, owed, None, Duration::ZERO);
    pair.run(S);
    let told = pair.post.counters().duplicates;
    pair.leaf.down(pair.now);
    pair.leaf.up(pair.now);
    pair.attach(0);
    pair.run(S);
    assert_eq!(pair.post.counters().duplicates, told + 1, "whoever comes next is told; here it remembers");
}

#[test]
fn a_refused_word_is_told_later_and_nothing_is_told_where_presence_may_not_show() {
    let mut pair = Pair::new();
    pair.attach(0);
    pair.leaf.set_emcon(Emcon::Minimize);
    pair.leaf.listens(word(1, &[0xC001]));
    pair.run(S.times(10));
    assert!(pair.words().is_empty());
    pair.leaf.set_emcon(Emcon::Free);
    pair.run(S);
    let owed = pair.words()[0].1;
    pair.post.refuse(pair.now, owed, RefuseReason::Full, S.times(20));
    pair.run(S.times(18));
    assert_eq!(pair.words().len(), 1);
    pair.run(S.times(4));
    assert_eq!(pair.words().len(), 2);
}

#[test]
fn a_later_word_of_ours_that_the_gateway_knows_is_told_to_the_owner_and_no_parcel() {
    let mut pair = Pair::new();
    pair.attach(0);
    for (from, n) in [(MEMBER, 1), (Index(2), 1)] {
        let word = Listens { member: from, ..word(9, &[0xC005]) };
        pair.post.send(pair.now, Some(MEMBER), Control::Listens(word)).unwrap();
        pair.run(S);
        let known = pair.said.iter().filter(|o| matches!(o, Outcome::ListensKnown(_))).count();
        assert_eq!(known, n);
    }
    assert!(!pair.said.iter().any(|o| matches!(o, Outcome::Arrived(_))));
}
