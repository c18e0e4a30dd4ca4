//! Envelope headers, fragments and control messages as the JSON objects of `firmware/spec/vectors/wire-*.json`,
//! in both directions.

use picket_wire::control::{
    Claim, Control, Hello, Listens, Notice, NoticeReason, Prefixes, Receipt, ReceiptKind, RefuseReason, Rooms,
    Signature,
};
use picket_wire::envelope::{Class, Encapsulated, Header};
use picket_wire::frame::{Fragment, FragmentHead};
use picket_wire::{Index, Lifetime, MessageId, Precedence};
use serde_json::{Value, json};

const CLASSES: [(&str, Class); 3] =
    [("pairwise", Class::Pairwise), ("room", Class::Room), ("housekeeping", Class::Housekeeping)];
const RECEIPTS: [(&str, ReceiptKind); 2] = [("delivered", ReceiptKind::Delivered), ("read", ReceiptKind::Read)];
const NOTICES: [(&str, NoticeReason); 4] = [
    ("expired", NoticeReason::Expired),
    ("hop_limit", NoticeReason::HopLimit),
    ("damaged", NoticeReason::Damaged),
    ("unknown_destination", NoticeReason::UnknownDestination),
];
const REFUSALS: [(&str, RefuseReason); 6] = [
    ("full", RefuseReason::Full),
    ("passed_on", RefuseReason::PassedOn),
    ("expired", RefuseReason::Expired),
    ("hop_limit", RefuseReason::HopLimit),
    ("unknown_destination", RefuseReason::UnknownDestination),
    ("rate_limited", RefuseReason::RateLimited),
];

fn word<T: PartialEq + Copy>(table: &[(&'static str, T)], value: T) -> &'static str {
    table.iter().find(|(_, v)| *v == value).expect("every variant has a word").0
}

fn named<T: Copy>(table: &[(&'static str, T)], field: &Value) -> T {
    table.iter().find(|(w, _)| Some(*w) == field.as_str()).unwrap_or_else(|| panic!("no such word: {field}")).1
}

/// An unsigned number that fits `T`.
pub fn number<T: TryFrom<u64>>(field: &Value) -> T {
    T::try_from(field.as_u64().unwrap_or_else(|| panic!("not a number: {field}"))).ok().expect("in range")
}

/// Bytes from a hex string.
pub fn bytes(field: &Value) -> Vec<u8> {
    hex::decode(field.as_str().unwrap_or_else(|| panic!("not hex: {field}"))).expect("hex")
}

/// Exactly `N` bytes from a hex string.
pub fn array<const N: usize>(field: &Value) -> [u8; N] {
    bytes(field).try_into().expect("length")
}

fn index(field: &Value) -> Index {
    Index(number(field))
}

fn flag(field: &Value) -> bool {
    field.as_bool().expect("true or false")
}

/// Fields of a header; `sealed` is what follows it.
pub fn envelope(h: &Header, sealed: &[u8]) -> Value {
    json!({
        "class": word(&CLASSES, h.class),
        "precedence": h.precedence.name(),
        "destination": h.destination.0,
        "source": h.source.0,
        "hop_limit": h.hop_limit,
        "round": h.round,
        "flags": h.flags,
        "lifetime": h.lifetime.0,
        "lifetime_s": h.lifetime.seconds(),
        "epoch_low": h.epoch_low,
        "session_low": h.session_low,
        "counter_low": h.counter_low,
        "lane": h.lane,
        "prekey": h.enc.map(|e| e.prekey),
        "enc_x": h.enc.map(|e| hex::encode(e.x)),
        "sealed": hex::encode(sealed),
    })
}

/// The envelope that [`envelope`] describes.
pub fn envelope_bytes(v: &Value) -> Vec<u8> {
    let enc = (!v["prekey"].is_null()).then(|| Encapsulated { prekey: number(&v["prekey"]), x: array(&v["enc_x"]) });
    let header = Header {
        class: named(&CLASSES, &v["class"]),
        precedence: v["precedence"].as_str().and_then(|w| w.parse::<Precedence>().ok()).expect("precedence"),
        destination: index(&v["destination"]),
        source: index(&v["source"]),
        hop_limit: number(&v["hop_limit"]),
        round: number(&v["round"]),
        flags: number(&v["flags"]),
        lifetime: Lifetime(number(&v["lifetime"])),
        epoch_low: number(&v["epoch_low"]),
        session_low: number(&v["session_low"]),
        counter_low: number(&v["counter_low"]),
        lane: (!v["lane"].is_null()).then(|| number(&v["lane"])),
        enc,
    };
    let mut out = vec![0; header.len()];
    header.write(&mut out).expect("in range");
    out.extend(bytes(&v["sealed"]));
    out
}

/// Fields of a control message.
pub fn control(c: &Control) -> Value {
    match c {
        Control::Hello(h) => json!({"type": "hello", "index": h.index.0, "gateway": h.gateway, "answer": h.answer}),
        Control::Attach(c) => claim("attach", c),
        Control::Attached { sequence, held } => json!({"type": "attached", "sequence": sequence, "held": held}),
        Control::Drained { sequence } => json!({"type": "drained", "sequence": sequence}),
        Control::Claim(c) => claim("claim", c),
        Control::Ack { prefix } => json!({"type": "ack", "prefix": hex::encode(prefix)}),
        Control::AckDelivered { prefix, token } => {
            json!({"type": "ack_delivered", "prefix": hex::encode(prefix), "token": hex::encode(token)})
        }
        Control::Refuse { prefix, reason, retry_s } => json!({
            "type": "refuse", "prefix": hex::encode(prefix), "reason": word(&REFUSALS, *reason), "retry_s": retry_s,
        }),
        Control::Receipt(r) => json!({
            "type": "receipt", "to": r.to.0, "hops": r.hops, "id": r.id.to_string(),
            "kind": word(&RECEIPTS, r.kind), "token": hex::encode(r.token),
        }),
        Control::Notice(n) => json!({
            "type": "notice", "to": n.to.0, "hops": n.hops, "id": n.id.to_string(),
            "reason": word(&NOTICES, n.reason), "gateway": n.gateway.0, "mac": hex::encode(n.mac),
        }),
        Control::SymbolReport { prefix, need, next, noise } => json!({
            "type": "symbol_report", "prefix": hex::encode(prefix), "need": need, "next": next, "noise": noise,
        }),
        Control::Poll { prefix } => json!({"type": "poll", "prefix": hex::encode(prefix)}),
        Control::Announce { id, total } => json!({"type": "announce", "id": id.to_string(), "total": total}),
        Control::AckMany(prefixes) => {
            let list: Vec<String> = prefixes.as_slice().iter().map(hex::encode).collect();
            json!({"type": "ack_many", "prefixes": list})
        }
        Control::Listens(l) => {
            let rooms: Vec<u16> = l.rooms.as_slice().iter().map(|room| room.0).collect();
            json!({
                "type": "listens", "member": l.member.0, "sequence": l.sequence, "rooms": rooms,
                "signature": hex::encode(l.signature.0),
            })
        }
    }
}

fn claim(kind: &str, c: &Claim) -> Value {
    json!({
        "type": kind, "member": c.member.0, "gateway": c.gateway.0, "sequence": c.sequence,
        "signature": hex::encode(c.signature.0),
    })
}

fn prefixes(v: &Value) -> Prefixes {
    let mut all = Prefixes::default();
    assert!(v.as_array().expect("prefixes").iter().all(|prefix| all.push(array(prefix))), "too many prefixes");
    all
}

fn rooms(v: &Value) -> Rooms {
    let list: Vec<Index> = v.as_array().expect("rooms").iter().map(index).collect();
    Rooms::new(&list).expect("ascending rooms")
}

/// The message that [`control`] describes.
pub fn control_from(v: &Value) -> Control {
    let read_claim = || Claim {
        member: index(&v["member"]),
        gateway: index(&v["gateway"]),
        sequence: number(&v["sequence"]),
        signature: Signature(array(&v["signature"])),
    };
    let id = || MessageId(array(&v["id"]));
    let prefix = || array(&v["prefix"]);
    match v["type"].as_str().expect("type") {
        "hello" => Control::Hello(Hello {
            index: index(&v["index"]),
            gateway: flag(&v["gateway"]),
            answer: flag(&v["answer"]),
        }),
        "attach" => Control::Attach(read_claim()),
        "attached" => Control::Attached { sequence: number(&v["sequence"]), held: number(&v["held"]) },
        "drained" => Control::Drained { sequence: number(&v["sequence"]) },
        "claim" => Control::Claim(read_claim()),
        "ack" => Control::Ack { prefix: prefix() },
        "ack_delivered" => Control::AckDelivered { prefix: prefix(), token: array(&v["token"]) },
        "refuse" => {
            Control::Refuse { prefix: prefix(), reason: named(&REFUSALS, &v["reason"]), retry_s: number(&v["retry_s"]) }
        }
        "receipt" => Control::Receipt(Receipt {
            to: index(&v["to"]),
            hops: number(&v["hops"]),
            id: id(),
            kind: named(&RECEIPTS, &v["kind"]),
            token: array(&v["token"]),
        }),
        "notice" => Control::Notice(Notice {
            to: index(&v["to"]),
            hops: number(&v["hops"]),
            id: id(),
            reason: named(&NOTICES, &v["reason"]),
            gateway: index(&v["gateway"]),
            mac: array(&v["mac"]),
        }),
        "symbol_report" => Control::SymbolReport {
            prefix: prefix(),
            need: number(&v["need"]),
            next: number(&v["next"]),
            noise: number(&v["noise"]),
        },
        "poll" => Control::Poll { prefix: prefix() },
        "announce" => Control::Announce { id: id(), total: number(&v["total"]) },
        "ack_many" => Control::AckMany(prefixes(&v["prefixes"])),
        "listens" => Control::Listens(Listens {
            member: index(&v["member"]),
            sequence: number(&v["sequence"]),
            rooms: rooms(&v["rooms"]),
            signature: Signature(array(&v["signature"])),
        }),
        other => panic!("unknown control message in the vectors: {other}"),
    }
}

/// Fields of a fragment.
pub fn fragment(f: &Fragment<'_>) -> Value {
    let h = f.head;
    json!({
        "prefix": hex::encode(h.prefix.to_be_bytes()), "turn": h.turn, "esi": h.esi, "hop_limit": h.hop_limit,
        "round": h.round, "total": h.total, "symbol": h.symbol, "lifetime": h.lifetime.0,
        "lifetime_s": h.lifetime.seconds(), "data": hex::encode(f.data),
    })
}

/// The fragment that [`fragment`] describes.
pub fn fragment_bytes(v: &Value) -> Vec<u8> {
    let head = FragmentHead {
        prefix: u16::from_be_bytes(array(&v["prefix"])),
        turn: flag(&v["turn"]),
        esi: number(&v["esi"]),
        hop_limit: number(&v["hop_limit"]),
        round: number(&v["round"]),
        total: number(&v["total"]),
        symbol: number(&v["symbol"]),
        lifetime: Lifetime(number(&v["lifetime"])),
    };
    [&head.bytes()[..], &bytes(&v["data"])].concat()
}
