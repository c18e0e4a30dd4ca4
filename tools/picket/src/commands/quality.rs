//! How good a link is, for people (spec §50.14).

use crate::duration::short;
use crate::output::table;
use picket_node::operator::{LinkStatus, Minute, NeighbourStatus, Quality};

/// Minutes over which the goodput is taken.
const RECENT: usize = 10;
/// An eighth to all of a minute.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A few lines about one link; `None` for one that measures nothing (a listener).
pub fn text(link: &LinkStatus) -> Option<String> {
    let q = &link.quality;
    if q.framing.is_empty() {
        return None;
    }
    let mut lines = vec![format!("\n{}  {} {}  {}", link.name, q.framing, q.duplex, summary(&q.minutes))];
    if q.minutes.iter().any(|m| m.sent_ms + m.heard_ms > 0) {
        lines.push(format!("  air   {}", bars(&q.minutes)));
    }
    if !q.neighbours.is_empty() {
        lines.push(neighbours(q));
    }
    let counters: Vec<String> = q.counters.iter().map(|(name, count)| format!("{name} {count}")).collect();
    if !counters.is_empty() {
        lines.push(format!("  {}", counters.join("  ")));
    }
    Some(lines.join("\n"))
}

fn summary(minutes: &[Minute]) -> String {
    let recent = minutes.get(..RECENT.min(minutes.len())).unwrap_or_default();
    let seconds = 60 * recent.len().max(1) as u64;
    let sum = |of: fn(&Minute) -> u64| recent.iter().map(of).sum::<u64>();
    let busy = sum(|m| m.sent_ms + m.heard_ms) * 100 / (seconds * 1_000);
    let share = |part: u64, all: u64| part.saturating_mul(100).checked_div(all).unwrap_or(0);
    let (sent, heard) = (sum(|m| u64::from(m.sent_frames)), sum(|m| u64::from(m.good_frames + m.bad_frames)));
    let mut text = format!(
        "in {} min: {busy} % busy, out {} bit/s, in {} bit/s, {} % repeated, {} % damaged",
        recent.len(),
        sum(|m| m.delivered_out) * 8 / seconds,
        sum(|m| m.delivered_in) * 8 / seconds,
        share(sum(|m| u64::from(m.repeated_frames)), sent),
        share(sum(|m| u64::from(m.bad_frames)), heard),
    );
    if let Some(rssi) = recent.iter().find_map(|m| m.rssi_dbm) {
        text.push_str(&format!(", {rssi} dBm"));
    }
    if let Some(snr) = recent.iter().find_map(|m| m.snr_tenth_db) {
        text.push_str(&format!(", SNR {}.{} dB", snr / 10, (snr % 10).abs()));
    }
    text
}

/// One column a minute, oldest first.
fn bars(minutes: &[Minute]) -> String {
    let height = |m: &Minute| ((m.sent_ms + m.heard_ms) * 8).div_ceil(60_000).min(8) as usize;
    minutes.iter().rev().map(|m| BARS.get(height(m)).copied().unwrap_or('█')).collect()
}

fn neighbours(q: &Quality) -> String {
    let row = |n: &NeighbourStatus| {
        let heard = n.heard_s.map_or_else(|| "never".into(), |s| format!("{} ago", short(s)));
        let dash = || "-".to_owned();
        let wrong = |ppm: Option<u32>| ppm.map_or_else(dash, |ppm| format!("{}.{:04} %", ppm / 10_000, ppm % 10_000));
        vec![
            format!("  {}", n.name),
            heard,
            if n.silent { "silent" } else { "answers" }.to_owned(),
            n.round_trip_ms.map_or_else(dash, |ms| format!("{ms} ms")),
            wrong(n.wrong_in_ppm),
            wrong(n.wrong_out_ppm),
        ]
    };
    let rows: Vec<Vec<String>> = q.neighbours.iter().map(row).collect();
    table(&["  NEIGHBOUR", "HEARD", "STATE", "ANSWER TIME", "WRONG BYTES IN", "WRONG BYTES OUT"], &rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_link_is_shown_with_its_hour_and_its_neighbours() {
        let busy =
            Minute { sent_ms: 30_000, heard_ms: 7_500, delivered_out: 6_000, sent_frames: 10, ..Minute::default() };
        let quality = Quality {
            framing: "fec".into(),
            duplex: "half".into(),
            minutes: vec![Minute::default(), busy.clone(), busy],
            neighbours: vec![NeighbourStatus {
                name: "gw2".into(),
                heard_s: Some(5),
                wrong_in_ppm: Some(7_812),
                round_trip_ms: Some(310),
                ..NeighbourStatus::default()
            }],
            ..Quality::default()
        };
        let text = text(&LinkStatus { quality, ..link() }).unwrap();
        for part in ["fec half", "41 % busy", "out 533 bit/s", "▅▅ ", "gw2", "310 ms", "0.7812 %", "5 s ago"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert_eq!(super::text(&link()), None, "a listener measures nothing");
    }

    fn link() -> LinkStatus {
        LinkStatus {
            name: "radio".into(),
            kind: "serial".into(),
            state: "up".into(),
            rx_bytes: 0,
            tx_bytes: 0,
            attached: Vec::new(),
            emits: true,
            silence: String::new(),
            band: None,
            quality: Quality::default(),
        }
    }
}
