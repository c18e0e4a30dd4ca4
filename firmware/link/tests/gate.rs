//! A link behind a gate: what is held back stays queued, receiving goes on, and nothing is lost by it (spec §57).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use picket_link::gate::Airtime;
use picket_link::{Duplex, Emcon, Event, Gate, Link};
use picket_wire::control::{Control, Hello};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Index, Precedence};

const A: Index = Index(0x0101);
const B: Index = Index(0x0202);

struct Pair {
    keys: [Keys; 2],
    links: [Link; 2],
    gates: [Gate; 2],
    now: Instant,
}

impl Pair {
    fn new(air_bps: Option<u32>) -> Self {
        let links = [(); 2].map(|()| {
            let mut link = Link::new(config(air_bps, Duplex::Full, 0));
            link.up(Instant::ZERO);
            link
        });
        Self {
            keys: [A, B].map(|me| Keys::new(me, &[A, B])),
            links,
            gates: [Gate::radio(), Gate::radio()],
            now: Instant(1_000_000),
        }
    }

    fn set(&mut self, i: usize, state: Emcon) {
        self.gates[i].set(state);
    }

    /// What `i` sends now reaches the other one; how many transmissions.
    fn send(&mut self, i: usize) -> usize {
        let mut count = 0;
        while let Some(bytes) = self.links[i].poll_transmit(self.now, &self.keys[i], &mut self.gates[i]) {
            self.links[1 - i].receive(self.now, &bytes, &self.keys[1 - i]);
            self.now += Duration::from_millis(200);
            count += 1;
        }
        count
    }

    fn events(&mut self, i: usize) -> Vec<Event> {
        std::iter::from_fn(|| self.links[i].poll_event()).collect()
    }
}

/// E-57.2-1, E-57.5-3: an hour of silence with traffic coming in; then the answers, most urgent first.
#[test]
fn in_silence_nothing_is_sent_receiving_goes_on_and_answers_owed_are_paid_by_precedence() {
    for state in [Emcon::Silent, Emcon::ReceiveOnly] {
        let mut pair = Pair::new(Some(9_600));
        pair.set(1, state);
        let order = [Precedence::Routine, Precedence::Flash, Precedence::Deferred, Precedence::Immediate];
        for (n, precedence) in (1..).zip(order) {
            pair.links[0].offer(pair.now, offer(n, B, 40, precedence)).unwrap();
        }
        pair.send(0);
        let mut arrived = Vec::new();
        for minute in 0..60 {
            for event in pair.events(1) {
                if let Event::Arrived(arrival) = event {
                    pair.links[1].acknowledge(pair.now, arrival.owed(), None, Duration::ZERO);
                    arrived.push(arrival);
                }
            }
            pair.links[1].offer(pair.now, offer(100 + minute, A, 40, Precedence::Override)).unwrap();
            assert_eq!(pair.send(1), 0, "{state}");
            assert!(pair.links[1].next_wake().is_none_or(|at| at > pair.now), "and does not spin");
            pair.now += Duration::from_secs(60);
            pair.send(0);
        }
        assert_eq!(arrived.len(), 4);
        pair.set(1, Emcon::Free);
        pair.events(0);
        pair.send(1);
        let accepted = pair.events(0).into_iter().filter_map(|e| match e {
            Event::Accepted { offer, .. } => Some(offer.0),
            _ => None,
        });
        assert_eq!(accepted.collect::<Vec<_>>(), [2, 4, 1, 3], "flash, immediate, routine, deferred");
    }
}

#[test]
fn under_minimize_routine_waits_while_immediate_and_answers_go_and_greetings_do_not() {
    let mut pair = Pair::new(Some(9_600));
    pair.set(0, Emcon::Minimize);
    pair.links[0].send(pair.now, None, Control::Hello(Hello { index: A, gateway: true, answer: true })).unwrap();
    pair.links[0].offer(pair.now, offer(1, B, 40, Precedence::Routine)).unwrap();
    pair.links[0].offer(pair.now, offer(2, B, 40, Precedence::Immediate)).unwrap();
    assert!(pair.send(0) > 0);
    let ids: Vec<_> = pair.events(1).into_iter().filter(|e| matches!(e, Event::Arrived(_))).collect();
    assert_eq!(ids.len(), 1);
    let Event::Arrived(arrival) = &ids[0] else { panic!() };
    assert_eq!(arrival.precedence(), Precedence::Immediate);
    pair.links[1].acknowledge(pair.now, arrival.owed(), None, Duration::ZERO);
    pair.set(1, Emcon::Minimize);
    assert_eq!(pair.send(1), 1, "the acknowledgement");
    pair.set(0, Emcon::Free);
    assert!(pair.send(0) > 0);
    let events = pair.events(1);
    assert!(events.iter().any(|e| matches!(e, Event::Control { message: Control::Hello(_), .. })));
    assert!(events.iter().any(|e| matches!(e, Event::Arrived(_))));
}

/// E-57.6-3: a link at 1 % duty with ten times the traffic; the wake-ups lead to each chance and nothing spins.
#[test]
fn with_its_airtime_used_up_a_link_sleeps_until_there_is_more_and_flash_does_not_wait() {
    let mut pair = Pair::new(Some(2_400));
    pair.gates[0] = Gate::radio().with_airtime(Airtime::new(100, 2_000));
    let (mut on_air, mut polls, mut next) = (Vec::<(u64, usize)>::new(), 0, 1);
    let end = pair.now + Duration::from_secs(6 * 3_600);
    while pair.now < end {
        while pair.links[0].room(B) > 0 {
            pair.links[0].offer(pair.now, offer(next, B, 120, Precedence::Routine)).unwrap();
            next += 1;
        }
        polls += 1;
        if let Some(bytes) = pair.links[0].poll_transmit(pair.now, &pair.keys[0], &mut pair.gates[0]) {
            on_air.push((pair.now.0, bytes.len()));
            pair.links[1].receive(pair.now, &bytes, &pair.keys[1]);
        }
        let airtime = pair.gates[0].airtime_mut().unwrap();
        if airtime.wants_block() {
            let asked = airtime.record(pair.now).asked;
            airtime.granted(asked);
            continue;
        }
        for event in pair.events(1) {
            if let Event::Arrived(arrival) = event {
                pair.links[1].acknowledge(pair.now, arrival.owed(), None, Duration::ZERO);
            }
        }
        if let Some(bytes) = pair.links[1].poll_transmit(pair.now, &pair.keys[1], &mut pair.gates[1]) {
            pair.links[0].receive(pair.now, &bytes, &pair.keys[0]);
        }
        pair.events(0);
        let wakes = pair.links.iter().filter_map(Link::next_wake);
        pair.now = wakes.min().unwrap_or(end).max(pair.now + Duration(1));
    }
    let hour = |to: u64| {
        let bytes: usize = on_air.iter().filter(|(at, _)| *at <= to && to - at < 3_600_000_000).map(|(_, n)| n).sum();
        Duration::of_air(bytes, 2_400)
    };
    let most = on_air.iter().map(|(at, _)| hour(*at)).max().unwrap();
    assert!(most <= Duration::from_millis(28_800), "80 % of 36 s: {most:?}");
    assert!(most >= Duration::from_secs(27), "and used: {most:?}");
    assert!(polls < on_air.len() * 20 + 20_000, "{polls} polls for {} transmissions", on_air.len());
    pair.links[0].withdraw(picket_link::OfferId(next - 1));
    pair.links[0].offer(pair.now, offer(next, B, 120, Precedence::Flash)).unwrap();
    let flash = pair.links[0].poll_transmit(pair.now, &pair.keys[0], &mut pair.gates[0]);
    assert!(flash.is_some() || pair.gates[0].airtime().unwrap().wants_block(), "out of the reserve");
}
