//! Whole exchanges, byte for byte (spec §50.10). A file that exists is never written again; a new one is made by
//! `cargo test -p picket-link --test vectors -- --ignored`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use common::{A, B, Keys, config, envelope};
use picket_link::{Config, Duplex, Event, Framing, Gate, Link, Offer, OfferId, ParcelKind};
use picket_wire::control::{Control, Hello, Receipt, ReceiptKind, RefuseReason};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Index, MessageId, Precedence};
use serde_json::{Value, json};
use std::path::PathBuf;

const FILES: [&str; 5] =
    ["link-stream.json", "link-fragments.json", "link-coded.json", "link-group.json", "link-damaged.json"];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors").join(name)
}

fn make(name: &str) -> Value {
    match name {
        "link-stream.json" => stream(),
        "link-fragments.json" => fragments(),
        "link-coded.json" => coded(),
        "link-group.json" => group(),
        _ => damaged(),
    }
}

#[test]
fn exchanges_are_as_the_vectors_say() {
    for name in FILES {
        let text = std::fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let written: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(make(name), written, "{name}");
    }
}

#[test]
#[ignore = "writes vectors that do not exist yet"]
fn write() {
    for name in FILES.into_iter().filter(|name| !path(name).exists()) {
        std::fs::write(path(name), serde_json::to_string_pretty(&make(name)).unwrap() + "\n").unwrap();
    }
}

/// Two links that take what the other transmits; the steps are recorded.
struct Exchange {
    keys: [Keys; 2],
    links: [Link; 2],
    now: Instant,
    steps: Vec<Value>,
}

impl Exchange {
    fn new(config: &Config) -> Self {
        let mut links = [Link::new(config.clone()), Link::new(config.clone())];
        links.iter_mut().for_each(|l| l.up(Instant::ZERO));
        let all = [A, B, common::C];
        Self { keys: [Keys::new(A, &all), Keys::new(B, &all)], links, now: Instant(1_000_000), steps: Vec::new() }
    }

    fn offer(&mut self, offer: Offer) {
        let kind = format!("{:?}", offer.kind).to_lowercase();
        self.steps.push(json!({"a": "offer", "id": offer.id.0, "kind": kind, "bytes": hex::encode(&offer.bytes),
            "precedence": offer.precedence.name(), "identity": hex::encode(offer.identity.0)}));
        self.links[0].offer(self.now, offer).unwrap();
    }

    /// Lets station `i` transmit all it has; `lost` bytes reach nobody.
    fn transmit(&mut self, i: usize, lost: bool) {
        self.now += Duration::from_secs(5);
        let who = ["a", "b"][i];
        while let Some(bytes) = self.links[i].poll_transmit(self.now, &self.keys[i], &mut Gate::radio()) {
            let step = json!({who: if lost { "transmits, lost" } else { "transmits" }, "bytes": hex::encode(&*bytes)});
            self.steps.push(step);
            if !lost {
                self.links[1 - i].receive(self.now, &bytes, &self.keys[1 - i]);
            }
            self.now += Duration::from_secs(2);
        }
    }

    /// Takes the events of station `i`; arrivals are answered by `answer`.
    fn events(&mut self, i: usize, answer: impl Fn(&mut Link, Instant, picket_link::Owed)) {
        let who = ["a", "b"][i];
        while let Some(event) = self.links[i].poll_event() {
            let step = match event {
                Event::Arrived(a) => {
                    answer(&mut self.links[i], self.now, a.owed());
                    json!({who: "arrived", "from": a.from.0, "identity": hex::encode(a.identity.0), "bytes": hex::encode(a.bytes)})
                }
                Event::Accepted { offer, delivered } => {
                    json!({who: "accepted", "id": offer.0, "delivered": delivered.map(hex::encode)})
                }
                Event::Refused { offer, reason, retry } => {
                    json!({who: "refused", "id": offer.0, "reason": format!("{reason:?}"), "retry_s": retry.as_secs()})
                }
                Event::Control { from, message } => {
                    json!({who: "control", "from": from.map(|f| f.0), "message": format!("{message:?}")})
                }
                Event::DeliveredLate { identity, source, token } => {
                    json!({who: "delivered late", "identity": hex::encode(identity.0), "source": source.0, "token": hex::encode(token)})
                }
                Event::Heard(from) => json!({who: "heard", "from": from.0}),
                Event::Object(object) => json!({who: "object", "hex": hex::encode(object)}),
                Event::Have(have) => json!({who: "have", "versions": format!("{have:?}")}),
                Event::Generation(bits) => json!({who: "generation", "bits": bits}),
            };
            self.steps.push(step);
        }
    }

    fn finish(self, about: &str) -> Value {
        json!({"about": about, "network_key": hex::encode([7; 32]), "generation": 1, "a": A.0, "b": B.0,
            "link_key": hex::encode(common::pair_key(A, B)), "steps": self.steps})
    }
}

fn parcel(id: u64, len: usize, precedence: Precedence) -> Offer {
    let (identity, bytes) = envelope(id, len, precedence);
    Offer { id: OfferId(id), to: B, kind: ParcelKind::Envelope, precedence, identity, bytes }
}

fn receipt(id: u64) -> Offer {
    let message = Control::Receipt(Receipt {
        to: Index(9),
        hops: 4,
        id: MessageId([1, 2, 3, 4, 5, 6, 7, 8]),
        kind: ReceiptKind::Delivered,
        token: [8; 8],
    });
    let mut buf = [0; 160];
    let bytes = message.encode(&mut buf).unwrap().to_vec();
    let identity = message.parcel_identity().unwrap();
    Offer { id: OfferId(id), to: B, kind: ParcelKind::Control, precedence: Precedence::Routine, identity, bytes }
}

fn stream() -> Value {
    let mut x = Exchange::new(&config(None, Duplex::Full, 0));
    let hello = Control::Hello(Hello { index: A, gateway: true, answer: true });
    x.links[0].send(x.now, None, hello).unwrap();
    x.transmit(0, false);
    x.events(1, |_, _, _| {});
    x.offer(parcel(1, 47, Precedence::Routine));
    x.offer(parcel(2, 60, Precedence::Flash));
    x.offer(receipt(3));
    x.transmit(0, false);
    x.events(1, |link, now, owed| {
        link.acknowledge(now, owed, (owed.hop_limit == 4).then_some([9; 8]), Duration::ZERO);
    });
    x.transmit(1, false);
    x.events(0, |_, _, _| {});
    x.offer(parcel(4, 300, Precedence::Immediate));
    x.transmit(0, false);
    x.events(1, |link, now, owed| link.refuse(now, owed, RefuseReason::Full, Duration::from_secs(90)));
    x.transmit(1, false);
    x.events(0, |_, _, _| {});
    x.finish("unpaced COBS stream: hello, two envelopes by precedence, a receipt, acknowledgements, a refusal")
}

fn fragments() -> Value {
    let packets = Config { framing: Framing::Packet, mtu: Some(100), ..config(None, Duplex::Full, 0) };
    let mut x = Exchange::new(&packets);
    x.offer(parcel(1, 200, Precedence::Routine));
    x.transmit(0, true);
    x.transmit(0, false);
    x.transmit(1, false);
    x.transmit(0, false);
    x.events(1, |link, now, owed| {
        link.acknowledge(now, owed, None, Duration::ZERO);
    });
    x.transmit(1, false);
    x.events(0, |_, _, _| {});
    x.finish("packets of 100 bytes: an envelope of 200 in fragments, all lost; a poll, a report, all again")
}

fn coded() -> Value {
    let mut x = Exchange::new(&Config { framing: Framing::Fec, ..config(Some(9_600), Duplex::Full, 0) });
    x.offer(parcel(1, 47, Precedence::Routine));
    x.offer(parcel(2, 1_500, Precedence::Routine));
    x.transmit(0, false);
    x.events(1, |link, now, owed| {
        link.acknowledge(now, owed, None, Duration::ZERO);
    });
    x.transmit(1, false);
    x.transmit(0, false);
    x.events(1, |link, now, owed| {
        link.acknowledge(now, owed, Some([7; 8]), Duration::ZERO);
    });
    x.transmit(1, false);
    x.events(0, |_, _, _| {});
    x.finish(
        "a clean pipe with framing fec: a text, a transfer whose first frame is short and strong, its report, the rest",
    )
}

fn group() -> Value {
    let packets = Config { framing: Framing::Packet, mtu: Some(120), ..config(None, Duplex::Full, 0) };
    let mut x = Exchange::new(&packets);
    let both = vec![
        Offer { id: OfferId(1), ..parcel(1, 200, Precedence::Routine) },
        Offer { id: OfferId(2), to: common::C, ..parcel(1, 200, Precedence::Routine) },
    ];
    x.steps.push(
        json!({"a": "offers to all", "ids": [1, 2], "to": [B.0, common::C.0], "bytes": hex::encode(&both[0].bytes),
        "identity": hex::encode(both[0].identity.0)}),
    );
    x.links[0].offer_to_all(x.now, both).unwrap();
    for _ in 0..4 {
        x.transmit(0, false);
        x.transmit(1, false);
    }
    x.events(1, |link, now, owed| {
        link.acknowledge(now, owed, None, Duration::ZERO);
    });
    x.transmit(1, false);
    x.events(0, |_, _, _| {});
    x.finish("packets of 120 bytes: one envelope for B and for a station that never answers; announcements, symbols for everyone, a poll")
}

fn damaged() -> Value {
    let keys = [Keys::new(A, &[A, B]), Keys::new(B, &[A, B])];
    let mut sender = Link::new(config(None, Duplex::Full, 0));
    sender.up(Instant::ZERO);
    let frames: Vec<Vec<u8>> = (1..3)
        .map(|n| {
            sender.offer(Instant(n), parcel(n, 40, Precedence::Routine)).unwrap();
            sender.poll_transmit(Instant(n), &keys[0], &mut Gate::radio()).unwrap().into_bytes()
        })
        .collect();
    let mut flipped = frames[0].clone();
    flipped[20] ^= 4;
    let mut other_version = vec![0x04, 0x44, 9, 9, 0];
    other_version.extend(&frames[1]);
    let cases = [
        ("clean", frames.concat()),
        ("first cut after 30 bytes", [&frames[0][..30], &frames[1]].concat()),
        ("noise before the second", [&frames[0][..], b"\x05\x24noise", &frames[1]].concat()),
        ("a flipped bit", [flipped, frames[1].clone()].concat()),
        ("empty runs", [&[0, 0, 0], &frames[0][..], &[0, 0]].concat()),
        ("another version", other_version),
        ("twice", [&frames[0][..], &frames[0]].concat()),
    ];
    let list = cases.map(|(name, bytes)| {
        let mut link = Link::new(config(None, Duplex::Full, 0));
        link.up(Instant::ZERO);
        link.receive(Instant::ZERO, &bytes, &keys[1]);
        let arrived: Vec<String> = std::iter::from_fn(|| link.poll_event())
            .filter_map(|e| if let Event::Arrived(a) = e { Some(hex::encode(a.identity.0)) } else { None })
            .collect();
        let c = link.counters();
        json!({"name": name, "bytes": hex::encode(bytes), "arrived": arrived, "noise_bytes": c.dropped_noise,
            "version": c.dropped_version, "mac": c.dropped_mac, "not_for_us": c.not_for_us, "duplicates": c.duplicates})
    });
    json!({"about": "bytes that B hears from A on a COBS stream (keys of link-stream.json)", "cases": list})
}
