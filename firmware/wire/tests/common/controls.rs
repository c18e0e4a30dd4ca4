//! The control messages of the vectors.

use super::filler;
use picket_wire::limits::ACK_MANY_MAX;
use serde_json::{Value, json};

/// Names and fields; each type of message at least once.
pub fn control_cases() -> Vec<(&'static str, Value)> {
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
        ("report", json!({"type": "symbol_report", "prefix": "c0de", "need": 3, "next": 130, "noise": 17})),
        (
            "report: all has arrived",
            json!({"type": "symbol_report", "prefix": "c0de", "need": 0, "next": 0, "noise": 0}),
        ),
        (
            "report: announced, and all is needed",
            json!({"type": "symbol_report", "prefix": "c0de", "need": 65_534, "next": 0, "noise": 0}),
        ),
        (
            "report: nothing is known",
            json!({"type": "symbol_report", "prefix": "c0de", "need": 65_535, "next": 0, "noise": 0}),
        ),
        (
            "report with the greatest numbers",
            json!({"type": "symbol_report", "prefix": "c0de", "need": 65_533, "next": 32_768, "noise": 255}),
        ),
        ("poll", json!({"type": "poll", "prefix": "c0de"})),
        ("announcement of the shortest envelope", json!({"type": "announce", "id": "0123456789abcdef", "total": 22})),
        (
            "announcement of the longest envelope",
            json!({"type": "announce", "id": "0123456789abcdef", "total": 65_536}),
        ),
    ];
    for (name, count) in [
        ("acknowledgement of several, of one", 1),
        ("acknowledgement of three", 3),
        ("acknowledgement of fifteen", ACK_MANY_MAX),
    ] {
        let prefixes: Vec<String> = (0..count).map(|n| format!("c0{n:02x}")).collect();
        list.push((name, json!({"type": "ack_many", "prefixes": prefixes})));
    }
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
    let all: Vec<u16> = (0xFFEF..=0xFFFE).collect();
    for (name, member, sequence, rooms) in [
        ("listens to nothing (any more)", 18, 2, Vec::new()),
        ("listens to three rooms", 18, 300, vec![0xC000, 0xC001, 0xD100]),
        ("listens with the greatest numbers", 49_150, u32::MAX, all),
    ] {
        let fields = json!({
            "type": "listens", "member": member, "sequence": sequence, "rooms": rooms, "signature": signature,
        });
        list.push((name, fields));
    }
    list
}
