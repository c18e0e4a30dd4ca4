//! Envelopes, fragments and control messages as rows and fields.

use crate::report::Report;
use picket_wire::control::{
    Claim, Control, NEED_ALL, NEED_NOTHING, NEED_UNKNOWN, NoticeReason, ReceiptKind, RefuseReason,
};
use picket_wire::envelope::{Class, Envelope, FLAG_TURN, HOP_BYTE, LIFETIME_BYTE};
use picket_wire::frame::{Body, Fragment};
use picket_wire::limits::{FRAGMENT_HEADER_LEN, HEADER_LEN};
use serde_json::{Value, json};

const fn class(c: Class) -> &'static str {
    match c {
        Class::Pairwise => "pairwise",
        Class::Room => "room",
        Class::Housekeeping => "housekeeping",
    }
}

const fn receipt(k: ReceiptKind) -> &'static str {
    match k {
        ReceiptKind::Delivered => "delivered",
        ReceiptKind::Read => "read",
    }
}

const fn notice(r: NoticeReason) -> &'static str {
    match r {
        NoticeReason::Expired => "expired",
        NoticeReason::HopLimit => "hop_limit",
        NoticeReason::Damaged => "damaged",
        NoticeReason::UnknownDestination => "unknown_destination",
    }
}

const fn refusal(r: RefuseReason) -> &'static str {
    match r {
        RefuseReason::Full => "full",
        RefuseReason::PassedOn => "passed_on",
        RefuseReason::Expired => "expired",
        RefuseReason::HopLimit => "hop_limit",
        RefuseReason::UnknownDestination => "unknown_destination",
        RefuseReason::RateLimited => "rate_limited",
    }
}

/// Adds what `body`, found at `at`, says; returns its fields.
pub fn explain(report: &mut Report, at: usize, raw: &[u8], body: &Body<'_>) -> Value {
    match body {
        Body::Envelope(e) => envelope(report, at, e),
        Body::Fragment(f) => fragment(report, at, raw, f),
        Body::Control(c) => {
            let fields = control(c);
            report.row(at, &raw[..1], "message", fields["type"].as_str().unwrap_or_default());
            for (name, value) in fields.as_object().into_iter().flatten().filter(|(n, _)| *n != "type") {
                report.row(at, &[], name_of(name), plain(value));
            }
            if let Control::SymbolReport { need, .. } = c
                && let Some(meaning) = need_word(*need)
            {
                report.row(at, &[], "need means", meaning);
            }
            if let Some(identity) = c.parcel_identity() {
                report.row(at, &[], "identity", hex::encode(identity.0));
            }
            fields
        }
    }
}

/// What a report's word says that is no number of symbols (spec §20.6).
const fn need_word(need: u16) -> Option<&'static str> {
    match need {
        NEED_NOTHING => Some("everything has arrived, the answer follows"),
        NEED_ALL => Some("announced, nothing has come: all symbols"),
        NEED_UNKNOWN => Some("nothing is known of this parcel"),
        _ => None,
    }
}

/// Table names must live as long as the table.
fn name_of(name: &str) -> &'static str {
    const NAMES: [&str; 21] = [
        "index",
        "gateway",
        "answer",
        "member",
        "sequence",
        "signature",
        "held",
        "prefix",
        "token",
        "reason",
        "retry_s",
        "to",
        "hops",
        "id",
        "kind",
        "mac",
        "need",
        "next",
        "noise",
        "total",
        "prefixes",
    ];
    NAMES.into_iter().find(|n| *n == name).unwrap_or("field")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Rows and fields of an envelope that starts at `at`.
pub fn envelope(report: &mut Report, at: usize, e: &Envelope<'_>) -> Value {
    let (h, raw) = (e.header(), e.bytes());
    let turn = if h.flags & FLAG_TURN == 0 { "" } else { ", turn handed over" };
    report.row(at, &raw[..1], "class, precedence", format!("{}, {}", class(h.class), h.precedence));
    report.row(at + 1, &raw[1..3], "destination", h.destination.0);
    report.row(at + 3, &raw[3..5], "source", h.source.0);
    let hop = format!("{} more custodians, round {}{turn}", h.hop_limit, h.round);
    report.row(at + HOP_BYTE, &raw[HOP_BYTE..=HOP_BYTE], "hop limit, round", hop);
    let life = format!("{} s", h.lifetime.seconds());
    report.row(at + LIFETIME_BYTE, &raw[LIFETIME_BYTE..=LIFETIME_BYTE], "lifetime left", life);
    report.row(at + 7, &raw[7..8], "epoch, session", format!("…{:x}, …{:x}", h.epoch_low, h.session_low));
    report.row(at + 8, &raw[8..10], "counter", format!("…{}", h.counter_low));
    let lane = usize::from(h.lane.is_some());
    if let Some(slot) = h.lane {
        report.row(at + HEADER_LEN, &raw[HEADER_LEN..=HEADER_LEN], "lane slot", slot);
    }
    if let Some(enc) = &h.enc {
        let prekey = format!("id {}, parity {}", enc.prekey >> 1, enc.prekey & 1);
        report.row(at + HEADER_LEN + lane, &[enc.prekey], "prekey", prekey);
        report.row(at + HEADER_LEN + lane + 1, &enc.x, "enc, x-coordinate", "");
    }
    let (text, tag) = e.sealed().split_at(e.sealed().len() - picket_wire::limits::TAG_LEN);
    report.row(at + h.len(), text, "ciphertext", "sealed end to end");
    report.row(at + h.len() + text.len(), tag, "tag", "");
    let identity = e.identity();
    report.row(at, &[], "identity", format!("{} (id {})", hex::encode(identity.0), identity.id()));
    report.field("identity", json!(hex::encode(identity.0)));
    json!({
        "class": class(h.class), "precedence": h.precedence.name(), "destination": h.destination.0,
        "source": h.source.0, "hop_limit": h.hop_limit, "round": h.round, "flags": h.flags,
        "lifetime": h.lifetime.0, "lifetime_s": h.lifetime.seconds(), "epoch_low": h.epoch_low,
        "session_low": h.session_low, "counter_low": h.counter_low, "lane": h.lane,
        "prekey": h.enc.map(|e| e.prekey), "enc_x": h.enc.map(|e| hex::encode(e.x)),
        "sealed": hex::encode(e.sealed()),
    })
}

fn fragment(report: &mut Report, at: usize, raw: &[u8], f: &Fragment<'_>) -> Value {
    let h = f.head;
    let prefix = hex::encode(h.prefix.to_be_bytes());
    let turn = if h.turn { ", turn handed over or report asked for" } else { "" };
    let (first, k) = (usize::from(h.esi), h.source_symbols());
    let past = first + usize::from(f.symbols());
    let repair = if past <= k {
        "source"
    } else if first >= k {
        "repair"
    } else {
        "source and repair"
    };
    report.row(at, &raw[..2], "identity prefix", &prefix);
    report.row(at + 2, &raw[2..4], "symbol id", format!("{first}{turn}"));
    let offer = format!("{} more custodians, round {}; {} bytes in all", h.hop_limit, h.round, h.total);
    report.row(at + 4, &raw[4..7], "hop, round, total", offer);
    report.row(at + 7, &raw[7..8], "symbol", format!("{} bytes, {k} of them are the envelope", h.symbol));
    report.row(at + 8, &raw[8..9], "lifetime left", format!("{} s", h.lifetime.seconds()));
    report.row(at + FRAGMENT_HEADER_LEN, f.data, "symbols", format!("{first} to {}, {repair}", past.saturating_sub(1)));
    json!({
        "prefix": prefix, "turn": h.turn, "esi": h.esi, "hop_limit": h.hop_limit, "round": h.round, "total": h.total,
        "symbol": h.symbol, "lifetime": h.lifetime.0, "lifetime_s": h.lifetime.seconds(), "data": hex::encode(f.data),
    })
}

/// Fields of a control message, as the vectors write them.
fn control(c: &Control) -> Value {
    let prefix = |p: &[u8; 2]| hex::encode(p);
    match c {
        Control::Hello(h) => json!({"type": "hello", "index": h.index.0, "gateway": h.gateway, "answer": h.answer}),
        Control::Attach(c) => claim("attach", c),
        Control::Attached { sequence, held } => json!({"type": "attached", "sequence": sequence, "held": held}),
        Control::Drained { sequence } => json!({"type": "drained", "sequence": sequence}),
        Control::Claim(c) => claim("claim", c),
        Control::Ack { prefix: p } => json!({"type": "ack", "prefix": prefix(p)}),
        Control::AckDelivered { prefix: p, token } => {
            json!({"type": "ack_delivered", "prefix": prefix(p), "token": hex::encode(token)})
        }
        Control::Refuse { prefix: p, reason, retry_s } => {
            json!({"type": "refuse", "prefix": prefix(p), "reason": refusal(*reason), "retry_s": retry_s})
        }
        Control::Receipt(r) => json!({
            "type": "receipt", "to": r.to.0, "hops": r.hops, "id": r.id.to_string(), "kind": receipt(r.kind),
            "token": hex::encode(r.token),
        }),
        Control::Notice(n) => json!({
            "type": "notice", "to": n.to.0, "hops": n.hops, "id": n.id.to_string(), "reason": notice(n.reason),
            "gateway": n.gateway.0, "mac": hex::encode(n.mac),
        }),
        Control::SymbolReport { prefix: p, need, next, noise } => {
            json!({"type": "symbol_report", "prefix": prefix(p), "need": need, "next": next, "noise": noise})
        }
        Control::Poll { prefix: p } => json!({"type": "poll", "prefix": prefix(p)}),
        Control::Announce { id, total } => json!({"type": "announce", "id": id.to_string(), "total": total}),
        Control::AckMany(prefixes) => {
            let list: Vec<String> = prefixes.as_slice().iter().map(prefix).collect();
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
