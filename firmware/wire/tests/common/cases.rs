//! The table from which `firmware/spec/vectors/wire-*.json` were written once (see `vectors.rs`).

use crate::common::controls::control_cases;
use crate::common::fields::{self, bytes, control_from, envelope_bytes, fragment_bytes};
use crate::common::{ALPHA, GATEWAY, GENERATION, LK, NK, filler, mask, net, up_key};
use picket_wire::control::Control;
use picket_wire::envelope::Envelope;
use picket_wire::frame::{Around, FragmentHead, Head, Kind, ack_many_suffix, ack_suffix};
use picket_wire::keys::{LinkKey, TopicKind};
use picket_wire::limits::{ACK_MANY_MAX, CONTROL_MAX, WIRE_VERSION};
use picket_wire::{Identity, Index, Lifetime};
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
            topic("claims", TopicKind::Claims, 259), topic("listens", TopicKind::Listens, 18),
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

/// Envelopes as offered: what the acknowledgements and refusals among the frames answer.
fn offers() -> Vec<Vec<u8>> {
    let offer = |n| envelope_bytes(&with(text(), json!({"round": 2, "counter_low": 0x0105 + n})));
    (0..ACK_MANY_MAX).map(offer).collect()
}

fn identity_of(envelope: &[u8]) -> Identity {
    Envelope::parse(envelope).expect("envelope").identity()
}

/// `count` source symbols of the object of an envelope, from `esi` on; the last is padded with zeros.
fn source_symbols(envelope: &[u8], symbol: u8, esi: usize, count: usize) -> Vec<u8> {
    let mut object = envelope.to_vec();
    (object[5], object[6]) = (0, 0);
    object.extend(&identity_of(envelope).0[..8]);
    let symbol = usize::from(symbol);
    object.resize(object.len().next_multiple_of(symbol), 0);
    object[esi * symbol..(esi + count) * symbol].to_vec()
}

fn fragment_cases(envelope: &[u8]) -> Vec<(&'static str, bool, Value)> {
    let prefix = hex::encode(&identity_of(envelope).0[..2]);
    let piece = |esi: usize, count, turn: bool| {
        json!({
            "prefix": prefix, "turn": turn, "esi": esi, "hop_limit": 7, "round": 0, "total": envelope.len(),
            "symbol": 48, "lifetime": 0xC3, "lifetime_s": Lifetime(0xC3).seconds(),
            "data": hex::encode(source_symbols(envelope, 48, esi, count)),
        })
    };
    vec![
        ("first two symbols of four", false, piece(0, 2, false)),
        ("last source symbol, padded, turn handed over", false, piece(3, 1, true)),
        (
            "the same offered again in round 3",
            false,
            with(
                piece(3, 1, true),
                json!({"hop_limit": 6, "round": 3, "lifetime": 0xC1, "lifetime_s": Lifetime(0xC1).seconds()}),
            ),
        ),
        ("symbols for everyone", true, piece(0, 3, false)),
        (
            "symbol of one byte",
            false,
            json!({
                "prefix": "0000", "turn": false, "esi": 0, "hop_limit": 0, "round": 0, "total": 22, "symbol": 1,
                "lifetime": 0, "lifetime_s": 0, "data": "04",
            }),
        ),
        (
            "every field of a fragment at its greatest",
            false,
            json!({
                "prefix": "ffff", "turn": true, "esi": 32_767, "hop_limit": 15, "round": 3, "total": 65_536,
                "symbol": 255, "lifetime": 255, "lifetime_s": 507_904, "data": hex::encode(filler(8, 255)),
            }),
        ),
    ]
}

/// A control message in a frame of its own; answers answer the first of [`offers`], or several.
fn control_case(name: &'static str, mut fields: Value) -> Case {
    let word = fields["type"].as_str().expect("type").to_owned();
    let answered: Vec<Identity> = offers().iter().map(|offer| identity_of(offer)).collect();
    let prefix = |identity: &Identity| hex::encode(&identity.0[..2]);
    let suffix = match word.as_str() {
        "ack" | "ack_delivered" | "refuse" => {
            fields["prefix"] = json!(prefix(&answered[0]));
            ack_suffix(&answered[0], 7, 2).to_vec()
        }
        "ack_many" => {
            // Not in the order of the offers.
            let count = fields["prefixes"].as_array().expect("prefixes").len();
            let named: Vec<&Identity> = answered[..count].iter().rev().collect();
            fields["prefixes"] = named.iter().map(|identity| prefix(identity)).collect();
            let suffixes: Vec<[u8; 17]> = named.iter().map(|identity| ack_suffix(identity, 7, 2)).collect();
            ack_many_suffix(&suffixes).to_vec()
        }
        _ => Vec::new(),
    };
    let body = encode(&control_from(&fields));
    Case { broadcast: word == "hello" || word == "claim", suffix, ..unicast(name, Kind::Control, body, fields) }
}

fn frame_cases() -> Vec<Case> {
    let envelope = envelope_bytes(&text());
    let long = header("pairwise", "priority", None, Some(0x15), &filler(9, 120));
    let long_bytes = envelope_bytes(&long);
    let mut list = vec![
        unicast("envelope", Kind::Envelope, envelope.clone(), text()),
        unicast("envelope with extension", Kind::Envelope, long_bytes.clone(), long),
    ];
    for (name, broadcast, fields) in fragment_cases(&long_bytes) {
        list.push(Case { broadcast, ..unicast(name, Kind::Fragment, fragment_bytes(&fields), fields) });
    }
    list.extend(control_cases().into_iter().map(|(name, fields)| control_case(name, fields)));
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
        "link_key": hex::encode(LK), "from_index": ALPHA.0, "to_index": GATEWAY.0,
        "offers": offers().iter().map(hex::encode).collect::<Vec<_>>(), "frames": list,
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
        frame("version 1", change(0, good[0] & 0x1F | 1 << 5), "version"),
        frame("version 3", change(0, good[0] & 0x1F | 3 << 5), "version"),
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
    let head = FragmentHead {
        prefix: 0xC0DE,
        turn: false,
        esi: 0,
        hop_limit: 7,
        round: 0,
        total: 1000,
        symbol: 10,
        lifetime: Lifetime(0xC3),
    };
    let fragment = |head: FragmentHead, len: usize| [&head.bytes()[..], &filler(1, len)].concat();
    let of_total = |total| fragment(FragmentHead { total, symbol: 40, ..head }, 40);
    let from_id = |esi, symbols: usize| fragment(FragmentHead { esi, ..head }, 10 * symbols);
    let of_symbol = |symbol, len| fragment(FragmentHead { symbol, total: 65_536, ..head }, len);
    let mut spare = fragment(head, 10);
    spare[4] |= 2;
    let (envelope, control, refused) = (Kind::Envelope, Kind::Control, "body_fragment");
    let cases = [
        ("envelope of class 7", envelope, [&[0xE4][..], &[0; 30]].concat(), "body_envelope"),
        ("envelope without tag", envelope, vec![4; 21], "body_envelope"),
        ("fragment without data", Kind::Fragment, fragment(head, 0), "short"),
        ("fragment with less than a symbol", Kind::Fragment, fragment(head, 9), refused),
        ("fragment with a symbol and a half", Kind::Fragment, fragment(head, 15), refused),
        ("fragment whose symbols have no bytes", Kind::Fragment, of_symbol(0, 10), refused),
        ("fragment with its spare bit set", Kind::Fragment, spare, refused),
        ("fragment past the last symbol id", Kind::Fragment, from_id(0x7FFF, 2), refused),
        ("fragment of an envelope of no bytes", Kind::Fragment, of_total(0), refused),
        ("fragment of an envelope of 21 bytes", Kind::Fragment, of_total(21), refused),
        ("fragment of more than 64 KiB", Kind::Fragment, of_total(65_537), refused),
        ("fragment of the greatest total that can be written", Kind::Fragment, of_total(0x1_FFFF), refused),
        ("fragment of one of 4097 symbols", Kind::Fragment, of_symbol(16, 16), refused),
        ("control of an unknown type", control, vec![14, 0, 0], "body_control"),
        ("control with a trailing byte", control, vec![11, 0xC0, 0xDE, 0], "body_control"),
        ("acknowledgement of no parcel", control, vec![13, 0], "body_control"),
        ("control of the next type", control, vec![15, 0, 0], "body_control"),
    ];
    let sealed = cases.into_iter().map(|(name, kind, body, error)| {
        let mut out = vec![0; body.len() + 64];
        let head = Head { kind, to: GATEWAY.low(), from: ALPHA.low() };
        let hex = match mask().seal(&mut out, head, &[&body], &up_key(), Around::default()) {
            Ok(n) => hex::encode(&out[..n]),
            // Too short to be sealed at all: the header bytes with zeros.
            Err(_) => hex::encode([&[WIRE_VERSION << 5 | 3 << 2 | kind as u8, 0, 0][..], &body, &[0; 4]].concat()),
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

/// A word of listening of member 18 whatever `rooms` are; room indices take three bytes each.
fn listens(rooms: &[u16]) -> String {
    let room = |r: &u16| [*r as u8 | 0x80, (*r >> 7) as u8 | 0x80, (*r >> 14) as u8];
    let list: Vec<u8> = rooms.iter().flat_map(room).collect();
    hex::encode([&[14, 18, 1, rooms.len() as u8][..], &list, &filler(0x33, 64)].concat())
}

fn control_errors() -> Value {
    let receipt_of_16_hops = format!("0812100123456789abcdef00{}", hex::encode([0; 8]));
    let seventeen: Vec<u16> = (0xC001..=0xC011).collect();
    let acknowledgement_of_sixteen = format!("0d10{}", "c0de".repeat(16));
    json!([
        {"name": "nothing", "hex": ""},
        {"name": "type 14", "hex": "0e"},
        {"name": "type 5 in two bytes", "hex": "8500c0de"},
        {"name": "hello cut", "hex": "001200"},
        {"name": "hello with a byte too many", "hex": "0012000100"},
        {"name": "hello, gateway = 2", "hex": "00120200"},
        {"name": "hello, index 18 in two bytes", "hex": "0092000001"},
        {"name": "hello, index 65536", "hex": "008080040001"},
        {"name": "refusal for an unknown reason", "hex": "07c0de0600"},
        {"name": "receipt that may take 16 hops", "hex": receipt_of_16_hops},
        {"name": "report, need over 16 bits", "hex": "0ac0deffff070000"},
        {"name": "report, next 0 in two bytes", "hex": "0ac0de03800000"},
        {"name": "report without noise", "hex": "0ac0de0300"},
        {"name": "announcement of 21 bytes", "hex": "0c0123456789abcdef15"},
        {"name": "announcement of 65537 bytes", "hex": "0c0123456789abcdef818004"},
        {"name": "acknowledgement of no parcel", "hex": "0d00"},
        {"name": "acknowledgement of sixteen", "hex": acknowledgement_of_sixteen},
        {"name": "acknowledgement of two, cut", "hex": "0d02c0de"},
        {"name": "acknowledgement of one, count in two bytes", "hex": "0d8100c0de"},
        {"name": "attached, sequence over 32 bits", "hex": "02ffffffff1f00"},
        {"name": "type 15", "hex": "0f"},
        {"name": "listens to a station", "hex": listens(&[0xBFFE])},
        {"name": "listens to an index whose low byte is that of all", "hex": listens(&[0xC1FF])},
        {"name": "listens to a room twice", "hex": listens(&[0xC001, 0xC001])},
        {"name": "listens, rooms not ascending", "hex": listens(&[0xC002, 0xC001])},
        {"name": "listens to seventeen rooms", "hex": listens(&seventeen)},
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
        Body::Fragment(f) => fields::fragment(f),
        Body::Control(c) => fields::control(c),
    }
}
