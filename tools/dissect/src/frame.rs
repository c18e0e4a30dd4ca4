//! Hop frames, broker payloads and bare envelopes.

use crate::body;
use crate::report::{Report, Verdict};
use picket_wire::Index;
use picket_wire::control::{Control, offer_of};
use picket_wire::envelope::Envelope;
use picket_wire::frame::{Around, Authentic, Kind, Mask, Unmasked, ack_many_suffix, ack_suffix};
use picket_wire::keys::{LinkKey, NetKeys};
use picket_wire::limits::{FRAGMENT_HEADER_LEN, HEADER_LEN, HOP_LEN, MAC_LEN, WIRE_VERSION};
use serde_json::json;

/// What is known to whoever looks.
#[derive(Debug, Default)]
pub struct Keys {
    net: Option<(NetKeys, Mask)>,
    /// Key and whether it is a link key, for every key that may verify a frame to one neighbour.
    pairwise: Vec<[u8; 32]>,
    /// Suffixes of answers to the offers that are known.
    answers: Vec<[u8; 17]>,
}

impl Keys {
    /// Nothing: what an eavesdropper has.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// With the network key of `generation`.
    #[must_use]
    pub fn network(mut self, nk: &[u8; 32], generation: u8) -> Self {
        let keys = NetKeys::derive(nk, generation);
        let mask = Mask::new(&keys);
        self.net = Some((keys, mask));
        self
    }

    /// With a pairwise link key, for both directions.
    #[must_use]
    pub fn link(mut self, key: [u8; 32]) -> Self {
        let key = LinkKey(key);
        self.pairwise.extend([key.toward(Index(0), Index(1)), key.toward(Index(1), Index(0))]);
        self
    }

    /// With an envelope as it was offered: acknowledgements and refusals of it can be verified.
    #[must_use]
    pub fn offer(mut self, envelope: &Envelope<'_>) -> Self {
        let (hop_limit, round) = offer_of(envelope.bytes());
        self.answers.push(ack_suffix(&envelope.identity(), hop_limit, round));
        self
    }
}

/// Explains one whole frame.
#[must_use]
pub fn packet(bytes: &[u8], keys: &Keys) -> Report {
    let mut report = Report::new("frame", bytes.len());
    frame(&mut report, 0, bytes, &[], keys);
    report
}

/// Explains what is published at the broker: the publisher's index, then a frame.
#[must_use]
pub fn broker_payload(bytes: &[u8], keys: &Keys) -> Report {
    let Some((prefix, rest)) = bytes.split_at_checked(2) else {
        return Report::unreadable("broker payload", bytes, "shorter than the publisher's index");
    };
    let mut report = Report::new("broker payload", bytes.len());
    let publisher = u16::from_be_bytes([prefix[0], prefix[1]]);
    report.row(0, prefix, "publisher", publisher);
    report.field("publisher", json!(publisher));
    frame(&mut report, 2, rest, prefix, keys);
    report
}

/// Explains a bare envelope, as it is stored.
#[must_use]
pub fn envelope(bytes: &[u8]) -> Report {
    let mut report = Report::new("envelope", bytes.len());
    match Envelope::parse(bytes) {
        Ok(e) => {
            let fields = body::envelope(&mut report, 0, &e);
            report.field("body", fields);
        }
        Err(e) => {
            report.row(0, bytes, "bytes", "");
            report.problem = Some(e.to_string());
        }
    }
    report
}

fn frame(report: &mut Report, at: usize, bytes: &[u8], prefix: &[u8], keys: &Keys) {
    let Some(first) = bytes.first().copied() else {
        report.problem = Some("no bytes".into());
        return;
    };
    let (version, generation, kind) = (first >> 5, first >> 2 & 0b111, kind_word(first));
    report.row(at, &bytes[..1], "first byte", format!("version {version}, generation …{generation}, {kind}"));
    report.field("version", json!(version));
    report.field("generation", json!(generation));
    report.field("kind", json!(kind));
    if version != WIRE_VERSION {
        return report.problem = Some(format!("wire version {version}; this tool reads version {WIRE_VERSION}"));
    }
    let mut clear = bytes.to_vec();
    match &keys.net {
        None => eavesdropped(report, at, bytes),
        Some((net, mask)) => match mask.unmask(&mut clear) {
            Ok(unmasked) => authenticated(report, at, unmasked, prefix, net, keys),
            Err(e) => {
                eavesdropped(report, at, bytes);
                report.problem = Some(e.to_string());
            }
        },
    }
}

fn kind_word(first: u8) -> &'static str {
    match first & 0b11 {
        0 => "envelope",
        1 => "fragment",
        2 => "control",
        _ => "signed",
    }
}

/// What can be seen without any key.
fn eavesdropped(report: &mut Report, at: usize, bytes: &[u8]) {
    report.field("masked", json!(true));
    let header = match bytes[0] & 0b11 {
        0 => HEADER_LEN,
        1 => FRAGMENT_HEADER_LEN,
        2 => 1,
        _ => return report.problem = Some("signed objects are not part of this version".into()),
    };
    let Some((body, mac)) = bytes.split_at_checked(bytes.len().saturating_sub(MAC_LEN)) else { return };
    let Some((masked, rest)) = body.get(1..).and_then(|b| b.split_at_checked(HOP_LEN - 1 + header)) else {
        report.row(at + 1, &bytes[1..], "bytes", "");
        return report.problem = Some("frame is too short".into());
    };
    report.row(at + 1, masked, "masked", "to, from and header: needs the network key (--nk)");
    report.row(at + 1 + masked.len(), rest, "rest of the body", "");
    report.row(at + body.len(), mac, "hop MAC", Verdict::Unchecked.word());
    report.field("mac", json!({"hex": hex::encode(mac), "verdict": Verdict::Unchecked.word()}));
}

fn authenticated(report: &mut Report, at: usize, unmasked: Unmasked<'_>, prefix: &[u8], net: &NetKeys, keys: &Keys) {
    let (to, from, raw) = (unmasked.to(), unmasked.from(), unmasked.body());
    report.field("masked", json!(false));
    report.field("to", json!(to));
    report.field("from", json!(from));
    let everyone = to == Index::BROADCAST;
    report.row(at + 1, &[to], "to", if everyone { "everyone".to_owned() } else { format!("index …{to}") });
    report.row(at + 2, &[from], "from", format!("index …{from}"));
    let kind = unmasked.kind();
    let candidates: &[[u8; 32]] = if everyone { &[net.mac] } else { &keys.pairwise };
    let answer = is_answer(kind, raw);
    let suffixes = if answer { answer_suffixes(raw, &keys.answers) } else { vec![Vec::new()] };
    let checkable = !candidates.is_empty() && !suffixes.is_empty();
    let (verdict, found) = match verify(unmasked, prefix, candidates, &suffixes) {
        Ok(frame) if everyone => (Verdict::Broadcast, Some(frame)),
        Ok(frame) => (Verdict::Pairwise, Some(frame)),
        Err(_) if checkable => (Verdict::Wrong, None),
        Err(_) => (Verdict::Unchecked, None),
    };
    let body = match &found {
        Some(frame) => frame.body(),
        None => picket_wire::frame::decode_body(kind, raw),
    };
    match body {
        Ok(body) => {
            let fields = body::explain(report, at + HOP_LEN, raw, &body);
            report.field("body", fields);
        }
        Err(e) => {
            report.row(at + HOP_LEN, raw, "body", "not understood");
            report.problem = Some(e.to_string());
        }
    }
    mac_row(report, at + HOP_LEN + raw.len(), verdict, answer);
}

fn mac_row(report: &mut Report, at: usize, verdict: Verdict, answer: bool) {
    let note = match verdict {
        Verdict::Broadcast => "right: written by a holder of the network key",
        Verdict::Pairwise => "right: written by the neighbour",
        Verdict::Wrong => "wrong for every key given",
        Verdict::Unchecked if answer => {
            "unchecked: needs the link key and the envelope it answers (--link-key, --offer)"
        }
        Verdict::Unchecked => "unchecked: needs the link key (--link-key)",
    };
    report.row(at, &[], "hop MAC", note);
    report.field("mac", json!({"verdict": verdict.word()}));
    if verdict == Verdict::Wrong {
        report.problem = Some("the hop MAC is wrong: damaged, forged, or another pair's".into());
    }
}

fn verify<'a>(
    mut frame: Unmasked<'a>,
    prefix: &[u8],
    candidates: &[[u8; 32]],
    suffixes: &[Vec<u8>],
) -> Result<Authentic<'a>, Unmasked<'a>> {
    for key in candidates {
        for suffix in suffixes {
            match frame.authenticate(key, Around { prefix, suffix }) {
                Ok(authentic) => return Ok(authentic),
                Err(back) => frame = back,
            }
        }
    }
    Err(frame)
}

/// Spec §20.5: types 5, 6, 7 and 13.
fn is_answer(kind: Kind, raw: &[u8]) -> bool {
    kind == Kind::Control && matches!(raw.first(), Some(5..=7 | 13))
}

/// What the MAC of an answer may cover behind it.
fn answer_suffixes(raw: &[u8], offers: &[[u8; 17]]) -> Vec<Vec<u8>> {
    match Control::decode(raw) {
        Ok(Control::AckMany(named)) => combinations(named.as_slice(), offers),
        Ok(_) | Err(_) => offers.iter().map(|suffix| suffix.to_vec()).collect(),
    }
}

/// Combinations tried where several of the known offers begin with the same two bytes.
const COMBINATIONS_MAX: usize = 256;

/// Suffixes of an acknowledgement of several parcels: one of the known offers for each that is named.
fn combinations(named: &[[u8; 2]], offers: &[[u8; 17]]) -> Vec<Vec<u8>> {
    let mut choices: Vec<Vec<[u8; 17]>> = vec![Vec::new()];
    for prefix in named {
        let fitting: Vec<[u8; 17]> = offers.iter().filter(|offer| offer[..2] == *prefix).copied().collect();
        let longer = |choice: &Vec<[u8; 17]>| -> Vec<Vec<[u8; 17]>> {
            fitting.iter().map(|offer| choice.iter().chain([offer]).copied().collect()).collect()
        };
        choices = choices.iter().flat_map(longer).take(COMBINATIONS_MAX).collect();
    }
    choices.iter().map(|choice| ack_many_suffix(choice).to_vec()).collect()
}
