//! Envelopes for rooms among several gateways: whatever moves and whatever is lost, each listener gets each of them, no
//! station that acknowledged is served again by the same gateway, and it comes to an end.

use super::*;
use picket_wire::control::{Claim, Listens, Rooms as RoomList, Signature};
use proptest::prelude::*;

const ROOM: Index = Index(0xC001);
const GATEWAYS: u16 = 4;
const MEMBERS: u16 = 5;
/// The radio on which all gateways hear each other.
const RADIO: u32 = 1;
const SIGNATURE: Signature = Signature([0; 64]);

fn gateway(n: u16) -> Index {
    Index(100 + n)
}

#[derive(Clone, Copy, Debug)]
enum Act {
    /// A member attaches there.
    Move(u16, u16),
    /// A member listens, or no longer.
    Listen(u16, bool),
    /// A member sends, at its gateway.
    Send(u16),
    /// A gateway offers what is next on one of its ways; the acknowledgement may be lost.
    Step(u16, usize, bool),
    /// A gateway hears of the oldest of what it was not told yet.
    Tell(u16),
    /// A gateway forgets all but what it noted.
    Restart(u16),
}

fn act() -> impl Strategy<Value = Act> {
    let (m, g) = (0..MEMBERS, 0..GATEWAYS);
    prop_oneof![
        2 => (m.clone(), g.clone()).prop_map(|(m, g)| Act::Move(m, g)),
        1 => (m.clone(), any::<bool>()).prop_map(|(m, on)| Act::Listen(m, on)),
        2 => m.prop_map(Act::Send),
        12 => (g.clone(), 0usize..6, any::<bool>()).prop_map(|(g, n, lost)| Act::Step(g, n, lost)),
        4 => g.clone().prop_map(Act::Tell),
        1 => g.prop_map(Act::Restart),
    ]
}

#[derive(Clone, Copy)]
enum News {
    Claim(Claim),
    Listens(Listens),
}

struct World {
    relays: Vec<Relay>,
    /// What each gateway has not heard yet.
    news: Vec<Vec<News>>,
    at: Vec<u16>,
    listens: Vec<bool>,
    sequence: u32,
    sent: Vec<u16>,
    /// Copies that reached a member: parcel, member.
    got: BTreeSet<(u64, u16)>,
    /// Acknowledgements that came back: gateway, parcel, station.
    acknowledged: BTreeSet<(u16, u64, Index)>,
    between: usize,
    moves: usize,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            relays: (0..GATEWAYS).map(|n| Relay::new(gateway(n))).collect(),
            news: (0..GATEWAYS).map(|_| Vec::new()).collect(),
            at: (0..MEMBERS).map(|m| m % GATEWAYS).collect(),
            listens: (0..MEMBERS).map(|_| false).collect(),
            sequence: 0,
            sent: Vec::new(),
            got: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
            between: 0,
            moves: 0,
        };
        for n in 0..GATEWAYS {
            world.surround(n);
        }
        for m in 0..MEMBERS {
            world.attach(m, m % GATEWAYS);
            world.listen(m, true);
        }
        world
    }

    fn surround(&mut self, n: u16) {
        let relay = &mut self.relays[usize::from(n)];
        relay.port_up(NOW, RADIO);
        for m in 0..MEMBERS {
            relay.port_up(NOW, 10 + u32::from(m));
        }
        for other in (0..GATEWAYS).filter(|o| *o != n) {
            relay.neighbour(NOW, RADIO, gateway(other));
        }
    }

    fn tell_all(&mut self, first: u16, news: News) {
        for n in 0..GATEWAYS {
            self.news[usize::from(n)].push(news);
        }
        // The gateway it happens at knows it at once, and all of before.
        while self.tell(first) {}
    }

    fn tell(&mut self, n: u16) -> bool {
        let n = usize::from(n);
        if self.news[n].is_empty() {
            return false;
        }
        match self.news[n].remove(0) {
            News::Claim(claim) => drop(self.relays[n].follow(NOW, claim)),
            News::Listens(word) => drop(self.relays[n].follow_listens(NOW, word)),
        }
        true
    }

    fn attach(&mut self, m: u16, n: u16) {
        self.sequence += 1;
        self.at[usize::from(m)] = n;
        let (member, sequence) = (Index(m + 1), self.sequence);
        self.tell_all(n, News::Claim(Claim { member, gateway: gateway(n), sequence, signature: SIGNATURE }));
        self.relays[usize::from(n)].attach(NOW, member, 10 + u32::from(m));
    }

    fn listen(&mut self, m: u16, on: bool) {
        self.sequence += 1;
        self.listens[usize::from(m)] = on;
        let rooms = RoomList::new(if on { &[ROOM] } else { &[] }).unwrap();
        let (member, sequence) = (Index(m + 1), self.sequence);
        let at = self.at[usize::from(m)];
        self.tell_all(at, News::Listens(Listens { member, sequence, rooms, signature: SIGNATURE }));
    }

    fn take(&mut self, n: u16, parcel: u64, from: Index) {
        let source = Index(self.sent[parcel as usize] + 1);
        let room = RoomParcel {
            room: ROOM,
            source,
            ingress: Ingress { from, uplink: None },
            origin: from == source,
            may_go_on: true,
            precedence: Precedence::Routine,
            taken: false,
            done: BTreeSet::new(),
            moved: BTreeSet::new(),
            since: NOW,
        };
        self.relays[usize::from(n)].take_room(NOW, ParcelKey(parcel), room);
    }

    fn send(&mut self, m: u16) {
        let parcel = self.sent.len() as u64;
        self.sent.push(m);
        self.take(self.at[usize::from(m)], parcel, Index(m + 1));
    }

    /// One offer; false when there was none.
    fn step(&mut self, n: u16, which: usize, lost: bool) -> bool {
        let me = usize::from(n);
        let ways = self.relays[me].ready_ways();
        let Some(way) = ways.get(which % ways.len().max(1)).copied() else { return false };
        let branch = self.relays[me].next(way, NOW + Duration::from_secs(60)).unwrap();
        let parcel = branch.parcel.0;
        let served = (n, parcel, branch.to);
        assert!(!self.acknowledged.contains(&served), "{served:?} had acknowledged it");
        match way {
            Way::Attached { member, .. } => {
                assert_eq!(member, branch.to);
                assert_ne!(member.0 - 1, self.sent[parcel as usize], "nobody gets what he said himself");
                // Who is attached elsewhere does not hear this gateway any more.
                if self.at[usize::from(member.0 - 1)] == n {
                    self.got.insert((parcel, member.0 - 1));
                } else {
                    self.relays[me].failed(NOW, branch, way, Failure::TimedOut);
                    return true;
                }
            }
            Way::Neighbour { gateway: g, .. } => {
                self.between += 1;
                let other = g.0 - 100;
                if self.relays[usize::from(other)].room_parcel(branch.parcel).is_none() {
                    self.take(other, parcel, gateway(n));
                } else if self.relays[usize::from(other)].room_parcel(branch.parcel).unwrap().ingress.from != gateway(n)
                {
                    self.relays[usize::from(other)].done(NOW, Branch { to: gateway(n), ..branch }, true);
                    self.acknowledged.insert((other, parcel, gateway(n)));
                }
            }
            Way::Uplink(_) => panic!("there is none"),
        }
        if lost {
            self.relays[me].failed(NOW, branch, way, Failure::TimedOut);
        } else {
            self.relays[me].done(NOW, branch, true);
            self.acknowledged.insert(served);
        }
        true
    }

    /// Everything but what is durable is forgotten and learnt again.
    fn restart(&mut self, n: u16) {
        let me = usize::from(n);
        let old = core::mem::replace(&mut self.relays[me], Relay::new(gateway(n)));
        for (key, parcel) in &old.rooms_of_tests() {
            self.relays[me].take_room(NOW, *key, parcel.clone());
        }
        for claim in old.routes().iter() {
            self.relays[me].follow(NOW, *claim);
        }
        for m in 0..MEMBERS {
            if let Some(word) = old.listeners().get(Index(m + 1)) {
                self.relays[me].follow_listens(NOW, *word);
            }
        }
        self.surround(n);
        for m in (0..MEMBERS).filter(|m| self.at[usize::from(*m)] == n) {
            self.relays[me].attach(NOW, Index(m + 1), 10 + u32::from(m));
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Move(m, n) => {
                self.moves += 1;
                self.attach(m, n);
            }
            Act::Listen(m, on) => self.listen(m, on),
            Act::Send(m) => self.send(m),
            Act::Step(n, which, lost) => drop(self.step(n, which, lost)),
            Act::Tell(n) => drop(self.tell(n)),
            Act::Restart(n) => self.restart(n),
        }
    }

    /// All news arrive, nothing is lost any more.
    fn settle(&mut self) {
        for round in 0..10_000 {
            let told = (0..GATEWAYS).filter(|n| self.tell(*n)).count();
            let offered = (0..GATEWAYS).filter(|n| self.step(*n, round, false)).count();
            let later = NOW + Duration::from_secs(3_600 * (round as u64 + 1));
            if told + offered == 0 && !self.relays.iter_mut().any(|r| r.due(later) > 0 || !r.ready.is_empty()) {
                return;
            }
        }
        panic!("it does not end");
    }
}

const NOW: Instant = Instant(1_000_000);

impl Relay {
    /// As a store would hold them.
    fn rooms_of_tests(&self) -> Vec<(ParcelKey, RoomParcel)> {
        (0..64).map(ParcelKey).filter_map(|key| Some((key, self.room_parcel(key)?.clone()))).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    // L-55.6-1 to -3
    #[test]
    fn every_listener_gets_everything_and_it_ends(acts in proptest::collection::vec(act(), 1..100)) {
        let mut world = World::new();
        for act in acts {
            world.act(act);
        }
        world.settle();
        for (parcel, source) in world.sent.clone().into_iter().enumerate() {
            for m in (0..MEMBERS).filter(|m| *m != source && world.listens[usize::from(*m)]) {
                prop_assert!(world.got.contains(&(parcel as u64, m)), "{m} did not get {parcel}");
            }
        }
        let open: Vec<usize> = world.relays.iter().map(Relay::len).collect();
        prop_assert!(open.iter().all(|n| *n == 0), "branches are left: {open:?}");
    }

    // L-55.6-2: without losses each gateway gets it from the origin, once, and passes it to no other.
    #[test]
    fn without_moves_each_gateway_gets_it_once(senders in proptest::collection::vec(0..MEMBERS, 1..8)) {
        let mut world = World::new();
        while (0..GATEWAYS).any(|n| world.tell(n)) {}
        let all = senders.len();
        senders.into_iter().for_each(|m| world.send(m));
        world.settle();
        prop_assert_eq!(world.between, all * usize::from(GATEWAYS - 1));
        prop_assert_eq!(world.got.len(), all * usize::from(MEMBERS - 1));
    }
}

#[test]
fn what_everybody_has_goes_first_when_room_is_needed() {
    let mut world = World::new();
    world.send(0);
    let relay = &mut world.relays[0];
    assert_eq!(relay.idle_room_parcel(), None, "somebody waits for it");
    let branches: Vec<Branch> = relay.branches(ParcelKey(0)).collect();
    assert_eq!(branches.len(), 4, "a member here and three gateways: {branches:?}");
    for branch in branches {
        relay.done(NOW, branch, true);
    }
    assert_eq!(relay.idle_room_parcel(), Some(ParcelKey(0)));
    relay.drop(ParcelKey(0));
    assert_eq!((relay.idle_room_parcel(), relay.parcels()), (None, 0));
}

// L-55.6-2: a listener moves to the gateway from which we have it.
#[test]
fn nothing_goes_back_to_the_gateway_it_came_from() {
    let mut world = World::new();
    world.sent.push(1);
    // Members 0 and 4 are here; member 1, who sent it, is at gateway 1.
    world.take(0, 0, gateway(1));
    let to = |world: &World| world.relays[0].branches(ParcelKey(0)).map(|b| b.to).collect::<Vec<_>>();
    assert_eq!(to(&world), [Index(1), Index(5)]);
    world.attach(0, 1);
    while world.tell(0) {}
    assert_eq!(to(&world), [Index(5)], "gateway 1 has it");
    world.attach(4, 2);
    while world.tell(0) {}
    assert_eq!(to(&world), [gateway(2)], "that one may not");
}
