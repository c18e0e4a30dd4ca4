//! A neighbour that lies with the right keys: it costs bounded air and memory, and gets nothing believed (spec §50.5).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use common::{A, B, Keys, config, envelope, offer, pair_key};
use picket_link::{Duplex, Event, Gate, Keyring, Link};
use picket_wire::control::{Control, NEED_ALL, NEED_UNKNOWN};
use picket_wire::frame::{Around, FragmentHead, Head, Kind};
use picket_wire::keys::LinkKey;
use picket_wire::time::{Duration, Instant};
use picket_wire::{Lifetime, MessageId, Precedence};

/// Writes what it likes to A, under B's key.
struct Liar(Keys);

impl Liar {
    fn new() -> Self {
        Self(Keys::new(B, &[A, B]))
    }

    fn frame(&self, kind: Kind, body: &[&[u8]]) -> Vec<u8> {
        let key = LinkKey(pair_key(A, B)).toward(B, A);
        let mut frame = vec![0; 7 + body.iter().map(|p| p.len()).sum::<usize>()];
        let head = Head { kind, to: A.low(), from: B.low() };
        self.0.mask().seal(&mut frame, head, body, &key, Around::default()).unwrap();
        let mut out = vec![0];
        out.extend(cobs::encode_vec(&frame));
        out.push(0);
        out
    }

    fn says(&self, message: Control) -> Vec<u8> {
        self.frame(Kind::Control, &[message.encode(&mut [0; 160]).unwrap()])
    }
}

fn victim() -> (Link, Keys) {
    let mut link = Link::new(config(Some(9_600), Duplex::Full, 0));
    link.up(Instant::ZERO);
    (link, Keys::new(A, &[A, B]))
}

#[test]
fn whoever_asks_for_more_without_end_gets_no_more_than_a_limit() {
    for need in [1, 300, NEED_ALL, NEED_UNKNOWN] {
        let (mut link, keys) = victim();
        let liar = Liar::new();
        let parcel = offer(1, B, 10_000, Precedence::Routine);
        let prefix = parcel.identity.prefix().to_be_bytes();
        link.offer(Instant::ZERO, parcel).unwrap();
        let (mut now, mut sent) = (Instant::ZERO, 0);
        while now < Instant::ZERO + Duration::from_secs(4 * 3600) {
            now += Duration::from_secs(1);
            while let Some(bytes) = link.poll_transmit(now, &keys, &mut Gate::radio()) {
                sent += bytes.len();
                let report = Control::SymbolReport { prefix, need, next: now.0 as u16, noise: 255 };
                link.receive(now, &liar.says(report), &keys);
            }
        }
        println!("need {need}: {sent} bytes of air for an envelope of 10 000");
        // Twenty times the envelope, then once every two minutes, and a poll for each of its answers.
        assert!(sent < (20 + 4 * 30) * 10_000 * 3 / 2 + 4 * 3600 * 20, "{need}: {sent}");
    }
}

#[test]
fn a_replayed_answer_changes_nothing() {
    let (mut link, keys) = victim();
    let mut honest = Link::new(config(Some(9_600), Duplex::Full, 0));
    let honest_keys = Keys::new(B, &[A, B]);
    honest.up(Instant::ZERO);
    let first = offer(1, B, 60, Precedence::Routine);
    link.offer(Instant(1), first.clone()).unwrap();
    let bytes = link.poll_transmit(Instant(1), &keys, &mut Gate::radio()).unwrap();
    honest.receive(Instant(2), &bytes, &honest_keys);
    while let Some(event) = honest.poll_event() {
        if let Event::Arrived(arrival) = event {
            honest.acknowledge(Instant(3), arrival.owed(), None, Duration::ZERO);
        }
    }
    let answer = honest.poll_transmit(Instant(4), &honest_keys, &mut Gate::radio()).unwrap();
    link.receive(Instant(5), &answer, &keys);
    let accepted = std::iter::from_fn(|| link.poll_event()).filter(|e| matches!(e, Event::Accepted { .. })).count();
    assert_eq!(accepted, 1);
    // The same envelope offered in another round: the old answer is no answer to it.
    let mut again = first;
    again.bytes[5] ^= 0b0100;
    link.offer(Instant(6), again).unwrap();
    for n in 0..1_000 {
        link.receive(Instant(7 + n), &answer, &keys);
        while let Some(event) = link.poll_event() {
            assert!(!matches!(event, Event::Accepted { .. }), "a replay moved custody");
        }
    }
    let counters = link.counters();
    assert_eq!(counters.stale_answers + counters.dropped_mac, 1_000, "{counters:?}");
}

#[test]
fn a_flood_of_beginnings_is_forgotten_and_honest_traffic_goes_on() {
    let (mut link, keys) = victim();
    let liar = Liar::new();
    for n in 0..3_000u32 {
        let head = FragmentHead {
            prefix: n as u16,
            turn: false,
            esi: (n % 7) as u16 * 100,
            hop_limit: 3,
            round: 0,
            total: 65_000 - n,
            symbol: 200,
            lifetime: Lifetime(9),
        };
        link.receive(Instant(u64::from(n)), &liar.frame(Kind::Fragment, &[&head.bytes(), &[7; 400]]), &keys);
        let id = MessageId([n as u8; 8]);
        link.receive(Instant(u64::from(n)), &liar.says(Control::Announce { id, total: 60_000 }), &keys);
        link.receive(Instant(u64::from(n)), &liar.says(Control::Poll { prefix: [n as u8, 9] }), &keys);
    }
    let mut said = 0;
    let mut now = Instant(1_000_000);
    while let Some(bytes) = link.poll_transmit(now, &keys, &mut Gate::radio()) {
        said += bytes.len();
        now += Duration::from_secs(1);
    }
    assert!(said < 64 * 30, "{said} bytes of reports wait: as many as there is room for");
    let (_, bytes) = envelope(5, 80, Precedence::Routine);
    link.receive(now, &liar.frame(Kind::Envelope, &[&bytes]), &keys);
    assert!(std::iter::from_fn(|| link.poll_event()).any(|e| matches!(e, Event::Arrived(_))));
}

#[test]
fn symbols_that_give_something_else_are_counted_and_forgotten() {
    let (mut link, keys) = victim();
    let liar = Liar::new();
    let head = |esi| FragmentHead {
        prefix: 0xBEEF,
        turn: false,
        esi,
        hop_limit: 3,
        round: 0,
        total: 492,
        symbol: 100,
        lifetime: Lifetime(9),
    };
    for esi in 0..500 {
        link.receive(
            Instant(u64::from(esi)),
            &liar.frame(Kind::Fragment, &[&head(esi).bytes(), &[esi as u8; 100]]),
            &keys,
        );
    }
    assert!(!std::iter::from_fn(|| link.poll_event()).any(|e| matches!(e, Event::Arrived(_))));
    assert!(link.counters().dropped_fragment > 5, "{:?}", link.counters());
}
