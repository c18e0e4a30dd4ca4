//! What a link measured of itself, in the words of the operator socket.

use super::Counters;
use super::ports::Port;
use crate::operator::{Minute, NeighbourStatus, Quality};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use picket_link::{Duplex, Framing, Neighbour, Slot};
use picket_wire::Index;
use picket_wire::time::Instant;

/// Of one port.
pub(super) fn of(now: Instant, port: &mut Port, name_of: &dyn Fn(Index) -> String) -> Quality {
    let framing = match port.link.framing() {
        Framing::Cobs => "cobs",
        Framing::Fec => "fec",
        Framing::Packet => "packet",
    };
    let duplex = match port.link.duplex() {
        Duplex::Half => "half",
        Duplex::Full => "full",
    };
    let mut counters = BTreeMap::new();
    Counters::merge_link(&mut counters, port.link.counters());
    counters.retain(|_, count| *count > 0);
    Quality {
        framing: framing.to_string(),
        duplex: duplex.to_string(),
        minutes: port.link.history(now).iter().map(minute).collect(),
        neighbours: port.link.neighbours().map(|n| neighbour(now, &n, name_of)).collect(),
        counters,
    }
}

fn minute(slot: &Slot) -> Minute {
    let wrong = slot.wrong_bytes.saturating_mul(1_000_000).checked_div(slot.coded_bytes).unwrap_or(0);
    Minute {
        sent_ms: slot.sent_air.as_millis(),
        heard_ms: slot.heard_air.as_millis(),
        delivered_out: slot.delivered_out,
        delivered_in: slot.delivered_in,
        sent_frames: slot.sent_frames,
        repeated_frames: slot.repeated_frames,
        good_frames: slot.good_frames,
        bad_frames: slot.bad_frames,
        wrong_ppm: u32::try_from(wrong).unwrap_or(u32::MAX),
        rssi_dbm: slot.signal.map(|s| s.rssi_dbm),
        snr_tenth_db: slot.signal.map(|s| (i32::from(s.snr_quarter_db) * 10 / 4) as i16),
    }
}

fn neighbour(now: Instant, n: &Neighbour, name_of: &dyn Fn(Index) -> String) -> NeighbourStatus {
    let ppm = |q: f32| (q * 1e6) as u32;
    NeighbourStatus {
        name: name_of(n.index),
        heard_s: n.heard.map(|at| now.since(at).as_secs()),
        silent: n.silent,
        round_trip_ms: n.round_trip.map(|d| d.as_millis()),
        wrong_in_ppm: n.noise_in.map(ppm),
        wrong_out_ppm: n.noise_out.map(ppm),
    }
}
