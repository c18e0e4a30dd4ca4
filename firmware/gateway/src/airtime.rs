//! The record of airtime spent, across restarts (spec §57.6): without it a board that restarts in a loop would transmit
//! without end.

use crate::config::Band;
use picket_node::gate::Gate;
use picket_node::gate::airtime::{Airtime, Record, Used};
use picket_shell::keep;
use picket_wire::time::{Duration, Instant, Wall};
use serde_json::{Value, json};
use std::io;
use std::path::PathBuf;

/// Where the record is, and on which clock it counts.
#[derive(Debug)]
pub struct Ledger {
    file: PathBuf,
    boot: String,
    names: Vec<String>,
}

impl Ledger {
    /// The gates of the configured bands, with what was used before this start.
    #[must_use]
    pub fn load(file: PathBuf, boot: String, bands: &[Band], now: Instant, wall: Option<Wall>) -> (Self, Vec<Gate>) {
        let ledger = Self { file, boot, names: bands.iter().map(|b| b.name.clone()).collect() };
        let kept = keep::read(&ledger.file).map_err(|e| e.to_string());
        let kept = kept.and_then(|kept| match kept {
            Some(content) => serde_json::from_slice::<Value>(&content).map(Some).map_err(|e| e.to_string()),
            None => Ok(None),
        });
        let gates = bands.iter().map(|band| {
            let mut airtime = Airtime::new(band.duty, band.reserve);
            match &kept {
                Ok(None) => {}
                Ok(Some(kept)) => ledger.restore(&mut airtime, kept, &band.name, now, wall),
                Err(why) => {
                    tracing::error!(band = %band.name, why, "the record of airtime is lost: the last hour counts as used up");
                    airtime.assume_spent(now);
                }
            }
            Gate::radio().with_airtime(airtime).with_preamble(band.preamble)
        });
        let gates = gates.collect();
        (ledger, gates)
    }

    fn restore(&self, airtime: &mut Airtime, kept: &Value, band: &str, now: Instant, wall: Option<Wall>) {
        let record = &kept["bands"][band];
        if record.is_null() {
            return; // configured since
        }
        let Some(record) = decode(record) else {
            return airtime.assume_spent(now);
        };
        let at = Instant(kept["at_us"].as_u64().unwrap_or(0));
        let since = match (kept["boot"].as_str(), kept["wall_ms"].as_u64(), wall) {
            (Some(boot), ..) if boot == self.boot && !boot.is_empty() => Some(now.since(at)),
            (_, Some(before), Some(wall)) => Some(wall.since(Wall(before))),
            _ => None,
        };
        airtime.restore(now, &onto(&record, at, since, now));
    }

    /// Writes the record; durable when this returns.
    ///
    /// # Errors
    /// Those of the file system: nothing of what was asked may be spent.
    pub fn store(&self, records: &[Record], now: Instant, wall: Option<Wall>) -> io::Result<()> {
        if self.names.is_empty() {
            return Ok(()); // no band, no budget
        }
        let bands = self.names.iter().zip(records).map(|(name, record)| (name.clone(), encode(record)));
        let bands: serde_json::Map<String, Value> = bands.collect();
        let wall = wall.map(|wall| wall.0);
        let content = json!({ "boot": self.boot, "at_us": now.0, "wall_ms": wall, "bands": bands });
        keep::write(&self.file, content.to_string().as_bytes())
    }
}

fn encode(record: &Record) -> Value {
    let used: Vec<[u64; 2]> = record.used.iter().map(|used| [used.minute, used.micros]).collect();
    json!({ "used": used, "ahead_us": record.ahead.0 })
}

fn decode(value: &Value) -> Option<Record> {
    let used = value["used"]
        .as_array()?
        .iter()
        .map(|slot| Some(Used { minute: slot[0].as_u64()?, micros: slot[1].as_u64()? }));
    let ahead = Duration(value["ahead_us"].as_u64()?);
    Some(Record { used: used.collect::<Option<_>>()?, ahead, asked: Duration::ZERO })
}

/// The record with its minutes on this clock, `since` after it was written. Where nobody knows how long that was, all of
/// it happened just now; each minute counts from its end, so that nothing is forgotten too early.
fn onto(record: &Record, at: Instant, since: Option<Duration>, now: Instant) -> Record {
    const MINUTE: u64 = 60_000_000;
    let moved = |used: &Used| {
        let end = Instant(used.minute.saturating_add(1).saturating_mul(MINUTE));
        let age = since.map_or(Duration::ZERO, |since| at.since(end) + since);
        let end = now - age;
        Used { minute: end.0 / MINUTE, micros: used.micros }
    };
    Record { used: record.used.iter().map(moved).collect(), ..record.clone() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use picket_wire::Precedence;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn band() -> Vec<Band> {
        vec![Band { name: "uhf".into(), duty: 100, reserve: 0, preamble: Duration::ZERO }]
    }

    fn left(gates: &[Gate], now: Instant) -> Duration {
        gates[0].airtime().unwrap().left(now, Precedence::Routine)
    }

    /// E-57.6-5: the same boot, another boot with and without trusted time, a lost record.
    #[test]
    fn after_a_restart_what_was_used_still_counts_and_what_is_unknown_counts_as_just_now() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("airtime");
        let t0 = Instant(10 * 3_600_000_000);
        let used = Used { minute: t0.0 / 60_000_000 - 30, micros: 36_000_000 };
        let record = Record { used: vec![used], ahead: Duration::ZERO, asked: Duration::ZERO };
        let open = |boot: &str, now, wall| Ledger::load(file.clone(), boot.into(), &band(), now, wall);
        let (ledger, gates) = open("a", t0, None);
        assert_eq!(left(&gates, t0), Duration::from_secs(36), "never used");
        ledger.store(&[record], t0, Some(Wall(1_000_000_000))).unwrap();
        let soon = t0 + Duration::from_secs(25 * 60);
        assert_eq!(left(&open("a", soon, None).1, soon), Duration::ZERO);
        let later = t0 + Duration::from_secs(33 * 60);
        assert_eq!(left(&open("a", later, None).1, later), Duration::from_secs(36));
        let reboot = Instant(20_000_000);
        let half = Wall(1_000_000_000 + 33 * 60_000);
        let (_, gates) = open("b", reboot, Some(half));
        assert_eq!(left(&gates, reboot), Duration::ZERO, "a clock that is younger than the use: just now");
        let aged = Instant(3 * HOUR.0);
        assert_eq!(left(&open("b", aged, Some(half)).1, aged), Duration::from_secs(36), "wall time says how long ago");
        assert_eq!(left(&open("b", aged, None).1, aged), Duration::ZERO, "nobody knows: just now");
        let back = Some(Wall(5));
        assert_eq!(left(&open("b", aged, back).1, aged + Duration::from_secs(1_700)), Duration::ZERO, "went back");
        std::fs::write(&file, b"garbage").unwrap();
        assert_eq!(left(&open("a", later, None).1, later), Duration::ZERO);
    }
}
