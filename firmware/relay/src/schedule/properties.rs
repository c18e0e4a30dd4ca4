//! Whatever happens around a gateway, every parcel in custody stands in exactly one place, and nothing is forgotten.

use super::*;
use picket_wire::control::{Claim, Signature};
use proptest::prelude::*;

const ME: Index = Index(100);

#[derive(Clone, Copy, Debug)]
enum Act {
    Take(u16, u8),
    Drop(u64),
    Next(usize),
    Fail(u64, u8),
    PortUp(u32),
    PortDown(u32),
    PortRemoved(u32),
    Heard(u32, u16),
    UplinkUp,
    UplinkDown,
    Claim(u16, u16, u32),
    Attach(u16, u32),
    Forget(u16),
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let (member, port, gateway) = (1u16..4, 0u32..3, 100u16..104);
    prop_oneof![
        4 => (member.clone(), 0u8..6).prop_map(|(m, p)| Act::Take(m, p)),
        1 => (0u64..40).prop_map(Act::Drop),
        4 => (0usize..8).prop_map(Act::Next),
        3 => (0u64..40, 0u8..5).prop_map(|(k, f)| Act::Fail(k, f)),
        1 => port.clone().prop_map(Act::PortUp),
        1 => port.clone().prop_map(Act::PortDown),
        1 => port.clone().prop_map(Act::PortRemoved),
        2 => (port.clone(), gateway.clone()).prop_map(|(p, g)| Act::Heard(p, g)),
        1 => Just(Act::UplinkUp),
        1 => Just(Act::UplinkDown),
        2 => (member.clone(), gateway, 0u32..9).prop_map(|(m, g, s)| Act::Claim(m, g, s)),
        2 => (member.clone(), port).prop_map(|(m, p)| Act::Attach(m, p)),
        1 => member.prop_map(Act::Forget),
        2 => (0u64..200).prop_map(Act::Wait),
    ]
}

fn failure(which: u8) -> Failure {
    match which {
        0 => Failure::NobodyListening,
        1 => Failure::TimedOut,
        2 => Failure::Refused(RefuseReason::Full, Duration::from_secs(7)),
        3 => Failure::Refused(RefuseReason::PassedOn, Duration::ZERO),
        _ => Failure::Refused(RefuseReason::UnknownDestination, Duration::ZERO),
    }
}

struct World {
    relay: Relay,
    now: Instant,
    next: u64,
    expected: BTreeSet<ParcelKey>,
}

impl World {
    fn act(&mut self, act: Act) {
        let now = self.now;
        let r = &mut self.relay;
        match act {
            Act::Take(member, precedence) => {
                let key = ParcelKey(self.next);
                self.next += 1;
                let ingress = Ingress { from: Index(1), uplink: None };
                let precedence = Precedence::from_bits(precedence).expect("below six");
                r.take(now, key, Index(member), ingress, precedence);
                self.expected.insert(key);
            }
            Act::Drop(key) => {
                r.drop(ParcelKey(key));
                self.expected.remove(&ParcelKey(key));
            }
            Act::Next(n) => {
                if let Some(way) = r.ready_ways().get(n) {
                    r.next(*way, now + Duration::from_secs(15));
                }
            }
            Act::Fail(key, why) => {
                let branches: Vec<Branch> = r.branches(ParcelKey(key)).collect();
                for branch in branches {
                    if let Some(State::Offered { way, .. }) = r.state(branch) {
                        r.failed(now, branch, way, failure(why));
                    }
                }
            }
            Act::PortUp(port) => r.port_up(now, port),
            Act::PortDown(port) => r.port_down(now, port),
            Act::PortRemoved(port) => r.port_removed(now, port),
            Act::Heard(port, gateway) => {
                r.neighbour(now, port, Index(gateway));
            }
            Act::UplinkUp => r.uplink_up(now, 0),
            Act::UplinkDown => r.uplink_down(now, 0),
            Act::Claim(member, gateway, sequence) => {
                let (member, gateway) = (Index(member), Index(gateway));
                r.follow(now, Claim { member, gateway, sequence, signature: Signature([0; 64]) });
            }
            Act::Attach(member, port) => r.attach(now, Index(member), port),
            Act::Forget(member) => r.forget_route(now, Index(member)),
            Act::Wait(seconds) => {
                self.now += Duration::from_secs(seconds);
                r.due(self.now);
            }
        }
    }

    fn check(&self) {
        let r = &self.relay;
        assert!(
            r.custody.keys().map(|b| &b.parcel).eq(self.expected.iter()),
            "custody is what was taken and not dropped"
        );
        let ready: usize = r.ready.values().map(BTreeSet::len).sum();
        let timed = r.timers.len();
        let still = r
            .custody
            .values()
            .filter(|c| matches!(c.state, State::Held(Wait::NoAttachment | Wait::Away | Wait::NoWay)));
        assert_eq!(ready + timed + still.count(), r.len(), "each parcel in one place");
        for (key, custody) in &r.custody {
            let rank = (Reverse(custody.precedence), *key);
            match custody.state {
                State::Ready(way) => {
                    assert!(r.ready[&way].contains(&rank));
                    assert!(r.ways_of(*key).contains(&way), "ready only for a way that works");
                }
                State::Offered { deadline, .. } => assert!(r.timers.contains(&(deadline, *key))),
                State::Held(Wait::Retry(at) | Wait::Refused(_, at)) => assert!(r.timers.contains(&(at, *key))),
                State::Held(Wait::NoAttachment | Wait::Away | Wait::NoWay) => {}
            }
            assert!(r.by_destination[&key.to].contains(key));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_parcel_stands_in_exactly_one_place(acts in proptest::collection::vec(act(), 1..120)) {
        let mut world = World { relay: Relay::new(ME), now: Instant(1), next: 0, expected: BTreeSet::new() };
        for act in acts {
            world.act(act);
            world.check();
        }
    }
}
