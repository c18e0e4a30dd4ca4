//! The table from which `firmware/spec/vectors/wire-*.json` were written once (see `vectors.rs`).

use crate::common::fields::{self, bytes, control_from, envelope_bytes};
use crate::common::{ALPHA, GATEWAY, GENERATION, LK, NK, filler, mask, net, up_key};
use picket_wire::control::Control;
use picket_wire::envelope::Envelope;
use picket_wire::frame::{Around, Fragment, Head, Kind, ack_suffix};
use picket_wire::keys::{LinkKey, TopicKind};
use picket_wire::limits::CONTROL_MAX;
use picket_wire::{Index, Lifetime};
use serde_json::{Value, json};

/// File name and content of every vector file.
pub fn files() -> [(&'static str, Value); 5] {
    [
        ("wire-keys.json", keys()),
        ("wire-envelopes.json", envelopes()),
        ("wire-control.json", controls()),
        ("wire-frames.json", frames()),
        ("wire-errors.json", errors()),
    ]
}

fn keys() -> Value {
    let net = net();
    let topic = |kind: &str, k: TopicKind, d: u16| json!({"kind": kind, "destination": d, "name": hex::encode(net.topic_name(k, Index(d)))});
    let toward = |from: u16, to: u16| json!({"from": from, "to": to, "key": hex::encode(LinkKey(LK).toward(Index(from), Index(to)))});
    let floors = [15, 16, 33, 59, 60, 3_600, 86_400, 259_200, 507_903, 507_904, u32::MAX]
        .map(|s| json!({"seconds": s, "code": Lifetime::floor(s).0}));
    let codes = [0u8, 1, 15, 16, 17, 31, 32, 47, 48, 0x80, 0xC3, 0xFE, 0xFF]
        .map(|c| json!({"code": c, "seconds": Lifetime(c).seconds()}));
    json!({
        "spec": "10.6, 10.7, 10.8",
        "nk": hex::encode(NK), "generation": GENERATION,
        "mac": hex::encode(net.mac), "mask": hex::encode(net.mask), "topic": hex::encode(net.topic),
        "topics": [
            topic("member", TopicKind::Member, 18), topic("gateway", TopicKind::Gateway, 259),
            topic("claims", TopicKind::Claims, 259),
        ],
        "link_key": hex::encode(LK),
        "toward": [toward(18, 259), toward(259, 18), toward(0x0105, 0x0205), toward(0x0205, 0x0105)],
        "lifetimes": codes,
        "lifetime_floors": floors,
    })
}

fn header(class: &str, precedence: &str, lane: Option<u8>, prekey: Option<u8>, sealed: &[u8]) -> Value {
    json!({
        "class": class, "precedence": precedence, "destination": 0x0204, "source": 0x0012, "hop_limit": 7,
        "round": 0, "flags": 0, "lifetime": 0xC3, "lifetime_s": Lifetime(0xC3).seconds(), "epoch_low": 9,
        "session_low": if prekey.is_some() { 1 } else { 0 }, "counter_low": 0x0105, "lane": lane, "prekey": prekey,
        "enc_x": prekey.map(|_| hex::encode(filler(0x40, 32))), "sealed": hex::encode(sealed),
    })
}

fn with(mut v: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().expect("object") {
        v[key] = value.clone();
    }
    v
}

fn text() -> Value {
    header("pairwise", "routine", None, None, &filler(0x90, 37))
}

fn envelopes() -> Value {
    let list = [
        ("text of 20 bytes in a pre-placed session", text()),
        (
            "the same at the next custodian",
            with(text(), json!({"hop_limit": 6, "lifetime": 0xC1, "lifetime_s": Lifetime(0xC1).seconds()})),
        ),
        ("the same offered again in round 3, turn handed over", with(text(), json!({"round": 3, "flags": 1}))),
        ("in-band session with its enc", header("pairwise", "flash", None, Some(0x15), &filler(1, 40))),
        ("lane slot", header("room", "immediate", Some(143), None, &filler(2, 40))),
        ("lane slot and enc", header("room", "priority", Some(168), Some(0xFE), &filler(3, 40))),
        ("housekeeping", header("housekeeping", "deferred", None, None, &filler(4, 20))),
        ("nothing sealed but the tag", header("pairwise", "override", None, None, &filler(5, 12))),
        (
            "every field at its greatest",
            with(
                header("housekeeping", "override", Some(255), Some(255), &filler(6, 12)),
                json!({
                    "destination": 65535, "source": 65535, "hop_limit": 15, "round": 3, "flags": 3, "lifetime": 255,
                    "lifetime_s": 507_904, "epoch_low": 15, "session_low": 15, "counter_low": 65535,
                }),
            ),
        ),
    ];
    let list = list.map(|(name, v)| {
        let raw = envelope_bytes(&v);
        let identity = Envelope::parse(&raw).expect(name).identity();
        json!({
            "name": name, "hex": hex::encode(&raw), "fields": v, "identity": hex::encode(identity.0),
            "id": identity.id().to_string(),
        })
    });
    json!({"spec": "10.4, 10.5", "envelopes": list})
}

fn control_cases() -> Vec<(&'static str, Value)> {
    let signature = hex::encode(filler(0x33, 64));
    let token = hex::encode(filler(0x70, 8));
    let mut list = vec![
        ("hello of a member", json!({"type": "hello", "index": 18, "gateway": false, "answer": true})),
        ("hello of a gateway", json!({"type": "hello", "index": 0x4103, "gateway": true, "answer": false})),
        ("attach", json!({"type": "attach", "member": 18, "gateway": 259, "sequence": 300, "signature": signature})),
        ("attached", json!({"type": "attached", "sequence": 300, "held": 128})),
        ("drained", json!({"type": "drained", "sequence": 0})),
        (
            "claim with the greatest numbers",
            json!({"type": "claim", "member": 65534, "gateway": 65533, "sequence": u32::MAX, "signature": signature}),
        ),
        ("acknowledgement", json!({"type": "ack", "prefix": "c0de"})),
        ("acknowledgement with delivered token", json!({"type": "ack_delivered", "prefix": "c0de", "token": token})),
        (
            "report: nothing yet",
            json!({"type": "fragment_report", "prefix": "c0de", "base": 0, "have": "0000000000000000"}),
        ),
        (
            "report: two gaps",
            json!({"type": "fragment_report", "prefix": "c0de", "base": 130, "have": "000000000000001a"}),
        ),
        (
            "report: last bit",
            json!({"type": "fragment_report", "prefix": "c0de", "base": 32767, "have": "8000000000000000"}),
        ),
        ("poll", json!({"type": "poll", "prefix": "c0de"})),
    ];
    for (reason, retry) in [
        ("full", 30),
        ("passed_on", 0),
        ("expired", 0),
        ("hop_limit", 0),
        ("unknown_destination", 0),
        ("rate_limited", 65535),
    ] {
        list.push(("refusal", json!({"type": "refuse", "prefix": "c0de", "reason": reason, "retry_s": retry})));
    }
    for (kind, hops) in [("delivered", 7), ("read", 15)] {
        list.push((
            "receipt",
            json!({
                "type": "receipt", "to": 18, "hops": hops, "id": "0123456789abcdef", "kind": kind, "token": token,
            }),
        ));
    }
    for reason in ["expired", "hop_limit", "damaged", "unknown_destination"] {
        list.push((
            "notice",
            json!({
                "type": "notice", "to": 18, "hops": 7, "id": "0123456789abcdef", "reason": reason, "gateway": 259,
                "mac": token,
            }),
        ));
    }
    list
}

fn encode(c: &Control) -> Vec<u8> {
    c.encode(&mut [0; CONTROL_MAX]).expect("fits").to_vec()
}

fn controls() -> Value {
    let list: Vec<Value> = control_cases()
        .into_iter()
        .map(|(name, v)| {
            let message = control_from(&v);
            let parcel = message.parcel_identity().map(|i| hex::encode(i.0));
            json!({"name": name, "hex": hex::encode(encode(&message)), "fields": v, "parcel_identity": parcel})
        })
        .collect();
    json!({"spec": "20", "controls": list})
}

/// One frame to be sealed for the vectors.
struct Case {
    name: &'static str,
    kind: Kind,
    broadcast: bool,
    prefix: Vec<u8>,
    suffix: Vec<u8>,
    body: Vec<u8>,
    fields: Value,
}

fn unicast(name: &'static str, kind: Kind, body: Vec<u8>, fields: Value) -> Case {
    Case { name, kind, broadcast: false, prefix: Vec::new(), suffix: Vec::new(), body, fields }
}

fn seal(case: &Case) -> Vec<u8> {
    let (to, key) = if case.broadcast { (Index::BROADCAST, net().mac) } else { (GATEWAY.low(), up_key()) };
    let head = Head { kind: case.kind, to, from: ALPHA.low() };
    let mut out = vec![0; case.body.len() + 64];
    let around = Around { prefix: &case.prefix, suffix: &case.suffix };
    let n = mask().seal(&mut out, head, &[&case.body], &key, around).expect(case.name);
    out.truncate(n);
    out
}

fn unmasked(frame: &[u8]) -> Vec<u8> {
    let mut clear = frame.to_vec();
    mask().unmask(&mut clear).expect("own frame");
    clear
}

fn frame_cases() -> Vec<Case> {
    let envelope = envelope_bytes(&text());
    let identity = Envelope::parse(&envelope).expect("envelope").identity();
    let piece = |index, turn, total: u32, data: &[u8]| {
        let mut body = Fragment::header(identity.prefix(), index, turn, total).to_vec();
        body.extend(data);
        let fields = json!({
            "prefix": hex::encode(identity.prefix().to_be_bytes()), "index": index, "turn": turn, "total": total,
            "data": hex::encode(data),
        });
        (body, fields)
    };
    let long = header("pairwise", "priority", None, Some(0x15), &filler(9, 120));
    let mut list = vec![
        unicast("envelope", Kind::Envelope, envelope.clone(), text()),
        unicast("envelope with extension", Kind::Envelope, envelope_bytes(&long), long),
    ];
    for (name, index, turn, total, len) in
        [("first fragment", 0, false, 65_536, 60), ("fragment of one byte", 32_767, true, 65_536, 1)]
    {
        let (body, fields) = piece(index, turn, total, &filler(8, len));
        list.push(unicast(name, Kind::Fragment, body, fields));
    }
    for (name, fields) in control_cases() {
        let body = encode(&control_from(&fields));
        let mut case = unicast(name, Kind::Control, body, fields);
        let word = case.fields["type"].as_str().expect("type");
        case.broadcast = word == "hello" || word == "claim";
        if ["ack", "ack_delivered", "refuse"].contains(&word) {
            case.suffix = ack_suffix(&identity, 7, 2).to_vec();
            case.body[1..3].copy_from_slice(&identity.0[..2]);
            case.fields["prefix"] = json!(hex::encode(&identity.0[..2]));
        }
        list.push(case);
    }
    list.push(Case {
        broadcast: true,
        prefix: GATEWAY.0.to_be_bytes().to_vec(),
        ..unicast("envelope in a broker payload", Kind::Envelope, envelope, text())
    });
    list
}

fn frames() -> Value {
    let list: Vec<Value> = frame_cases()
        .iter()
        .map(|case| {
            let frame = seal(case);
            let kind = match case.kind {
                Kind::Envelope => "envelope",
                Kind::Fragment => "fragment",
                Kind::Control => "control",
                Kind::Signed => "signed",
            };
            json!({
                "name": case.name, "hex": hex::encode(&frame), "kind": kind, "unmasked": hex::encode(unmasked(&frame)),
                "key": if case.broadcast { "broadcast" } else { "pairwise" },
                "to": if case.broadcast { Index::BROADCAST } else { GATEWAY.low() }, "from": ALPHA.low(),
                "prefix": hex::encode(&case.prefix), "suffix": hex::encode(&case.suffix), "fields": case.fields,
            })
        })
        .collect();
    json!({
        "spec": "10.2, 10.3, 10.6, 20.5, 20.6", "nk": hex::encode(NK), "generation": GENERATION,
        "link_key": hex::encode(LK), "from_index": ALPHA.0, "to_index": GATEWAY.0, "frames": list,
    })
}

fn errors() -> Value {
    let good = seal(&frame_cases()[0]);
    let ack = seal(&unicast("ack", Kind::Control, vec![5, 0xC0, 0xDE], Value::Null));
    let change = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        hex::encode(bytes)
    };
    let frame = |name: &str, hex: String, error: &str| json!({"name": name, "hex": hex, "error": error});
    let frames = vec![
        frame("nothing", String::new(), "short"),
        frame("version 0", change(0, good[0] & 0x1F), "version"),
        frame("version 2", change(0, good[0] & 0x1F | 2 << 5), "version"),
        frame("version 7", "ff".into(), "version"),
        frame("next generation", change(0, good[0] + 4), "generation"),
        frame("signed object", change(0, good[0] | 3), "kind"),
        frame("envelope of 17 bytes", hex::encode(&good[..17]), "short"),
        frame("acknowledgement cut by two", hex::encode(&ack[..ack.len() - 2]), "short"),
        frame("acknowledgement cut by one", hex::encode(&ack[..ack.len() - 1]), "mac"),
        frame("control of 168 bytes", hex::encode([&ack[..1], &[0; 167]].concat()), "long"),
        frame("last bit of the MAC", change(good.len() - 1, good[good.len() - 1] ^ 1), "mac"),
        frame("masked byte", change(4, good[4] ^ 0x80), "mac"),
        frame("kind changed", change(0, good[0] | 1), "mac"),
    ];
    let all_frames = [frames, body_errors()].concat();
    json!({
        "spec": "10, 20", "nk": hex::encode(NK), "generation": GENERATION, "link_key": hex::encode(LK),
        "from_index": ALPHA.0, "to_index": GATEWAY.0,
        "frames": all_frames, "envelopes": envelope_errors(), "controls": control_errors(),
    })
}

/// Frames whose MAC is right and whose body is not.
fn body_errors() -> Vec<Value> {
    let fragment = |index: u16, total: u32, len: usize| {
        [&Fragment::header(0xC0DE, index, false, total)[..], &filler(1, len)].concat()
    };
    let cases = [
        ("envelope of class 7", Kind::Envelope, [&[0xE4][..], &[0; 30]].concat(), "body_envelope"),
        ("envelope without tag", Kind::Envelope, vec![4; 21], "body_envelope"),
        ("fragment without data", Kind::Fragment, fragment(0, 1000, 0), "short"),
        ("fragment longer than the whole", Kind::Fragment, fragment(0, 30, 31), "body_fragment"),
        ("fragment past the end", Kind::Fragment, fragment(30, 30, 1), "body_fragment"),
        ("fragment of nothing", Kind::Fragment, fragment(0, 0, 5), "body_fragment"),
        ("fragment of more than 64 KiB", Kind::Fragment, fragment(0, 65_537, 5), "body_fragment"),
        ("control of an unknown type", Kind::Control, vec![12, 0, 0], "body_control"),
        ("control with a trailing byte", Kind::Control, vec![11, 0xC0, 0xDE, 0], "body_control"),
    ];
    let sealed = cases.into_iter().map(|(name, kind, body, error)| {
        let mut out = vec![0; body.len() + 64];
        let head = Head { kind, to: GATEWAY.low(), from: ALPHA.low() };
        let hex = match mask().seal(&mut out, head, &[&body], &up_key(), Around::default()) {
            Ok(n) => hex::encode(&out[..n]),
            // Too short to be sealed at all: the header bytes with zeros.
            Err(_) => hex::encode([&[1 << 5 | 3 << 2 | kind as u8, 0, 0][..], &body, &[0; 4]].concat()),
        };
        json!({"name": name, "hex": hex, "error": error})
    });
    sealed.collect()
}

fn envelope_errors() -> Value {
    let good = envelope_bytes(&text());
    let first = |byte: u8, len: usize| {
        let mut raw = good[..len].to_vec();
        raw[0] = byte;
        hex::encode(raw)
    };
    json!([
        {"name": "nothing", "hex": "", "error": "short"},
        {"name": "21 bytes", "hex": first(4, 21), "error": "short"},
        {"name": "lane slot but 22 bytes", "hex": first(5, 22), "error": "short"},
        {"name": "enc flag but 54 bytes", "hex": hex::encode([&[6][..], &[0; 53]].concat()), "error": "short"},
        {"name": "lane slot and enc flags but 55 bytes", "hex": hex::encode([&[7][..], &[0; 54]].concat()), "error": "short"},
        {"name": "class 3", "hex": first(3 << 5 | 4, 47), "error": "class"},
        {"name": "class 7", "hex": first(7 << 5 | 4, 47), "error": "class"},
        {"name": "precedence 6", "hex": first(6 << 2, 47), "error": "precedence"},
        {"name": "precedence 7", "hex": first(7 << 2, 47), "error": "precedence"},
    ])
}

fn control_errors() -> Value {
    let receipt_of_16_hops = format!("0812100123456789abcdef00{}", hex::encode([0; 8]));
    json!([
        {"name": "nothing", "hex": ""},
        {"name": "type 12", "hex": "0c"},
        {"name": "type 5 in two bytes", "hex": "8500c0de"},
        {"name": "hello cut", "hex": "001200"},
        {"name": "hello with a byte too many", "hex": "0012000100"},
        {"name": "hello, gateway = 2", "hex": "00120200"},
        {"name": "hello, index 18 in two bytes", "hex": "0092000001"},
        {"name": "hello, index 65536", "hex": "008080040001"},
        {"name": "refusal for an unknown reason", "hex": "07c0de0600"},
        {"name": "receipt that may take 16 hops", "hex": receipt_of_16_hops},
        {"name": "report, 65 bits", "hex": "0ac0de00ffffffffffffffffff02"},
        {"name": "attached, sequence over 32 bits", "hex": "02ffffffff1f00"},
    ])
}

/// The hex of one field.
pub fn hex_of(v: &Value) -> Vec<u8> {
    bytes(&v["hex"])
}

/// Fields of a decoded body, as the vectors write them.
pub fn body_fields(body: &picket_wire::frame::Body<'_>) -> Value {
    use picket_wire::frame::Body;
    match body {
        Body::Envelope(e) => fields::envelope(e.header(), e.sealed()),
        Body::Fragment(f) => json!({
            "prefix": hex::encode(f.prefix.to_be_bytes()), "index": f.index, "turn": f.turn, "total": f.total,
            "data": hex::encode(f.data),
        }),
        Body::Control(c) => fields::control(c),
    }
}
