//! Power is cut at every write and every sync of a table's life: transactions stay whole, acknowledged ones stay.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeMap;

use picket_store::testing::{CrashMedium, Cut, Dice};
use picket_store::{CommitError, Table, Ticket, Work};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A table and every state it went through since the last one that is known to be durable.
struct Life {
    table: Table<CrashMedium>,
    dice: Dice,
    states: Vec<(Map, Ticket)>,
    syncing: Option<(Ticket, usize)>,
}

struct Off;

impl Life {
    fn new(medium: &CrashMedium, seed: u64) -> Option<Self> {
        let (table, _) = Table::open(medium.clone(), common::small_table()).ok()?;
        Some(Self { table, dice: Dice::new(seed), states: vec![(Map::new(), Ticket(0))], syncing: None })
    }

    fn live(&mut self, medium: &CrashMedium, steps: u64) -> Result<(), Off> {
        for _ in 0..steps {
            match self.dice.below(10) {
                0..=5 => self.commit()?,
                6 => {
                    self.table.sync_now().map_err(|_| Off)?;
                    self.learn();
                }
                7 => self.sync_elsewhere(medium)?,
                8 if self.dice.one_in(4) => self.table.purge(),
                _ => {
                    for _ in 0..6 {
                        if self.table.maintain().map_err(|_| Off)? != Work::More {
                            break;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn sync_elsewhere(&mut self, medium: &CrashMedium) -> Result<(), Off> {
        if let Some((ticket, begun)) = self.syncing.take() {
            if !self.table.is_durable(ticket) {
                medium.end_sync(begun).map_err(|_| Off)?;
                self.table.synced(ticket);
                self.learn();
            }
        } else if let Some(ticket) = self.table.sync_wanted() {
            self.syncing = Some((ticket, medium.begin_sync()));
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Off> {
        let count = 1 + self.dice.below(4);
        let mut next = self.states.last().expect("one").0.clone();
        let mut changes = Vec::new();
        for _ in 0..count {
            let key = vec![b'k', self.dice.below(24) as u8];
            let big = if self.dice.one_in(10) { 6000 } else { 250 };
            let len = self.dice.below(big) as usize;
            let value = (!self.dice.one_in(4)).then(|| vec![self.dice.below(256) as u8; len]);
            match &value {
                Some(value) => drop(next.insert(key.clone(), value.clone())),
                None => drop(next.remove(&key)),
            }
            changes.push((key, value));
        }
        let changes: Vec<_> = changes.iter().map(|(k, v)| (k.as_slice(), v.as_deref())).collect();
        match self.table.commit(&changes) {
            Ok(ticket) => self.states.push((next, ticket)),
            Err(CommitError::Full) => {}
            Err(_) => {
                self.states.push((next, Ticket(u64::MAX)));
                return Err(Off);
            }
        }
        Ok(())
    }

    fn learn(&mut self) {
        let table = &self.table;
        let durable = self.states.iter().rposition(|(_, ticket)| table.is_durable(*ticket)).unwrap_or(0);
        self.states.drain(..durable);
    }

    /// The table is what it was after some transaction, not before the last durable one. Unsynced transactions may be
    /// there in any choice, but each whole.
    fn check(&mut self, mut table: Table<CrashMedium>, cut: Cut, what: &str) {
        let keys: Vec<Vec<u8>> = table.scan(b"").map(|(key, _)| key.to_vec()).collect();
        let found: Map = keys.iter().map(|k| (k.clone(), table.get(k).expect("intact").expect("there"))).collect();
        let whole = self.states.iter().any(|(state, _)| *state == found);
        if matches!(cut, Cut::Dropped | Cut::Kept | Cut::Prefix) {
            assert!(whole, "{what}: no state that ever was");
        }
        if self.states.len() == 1 {
            assert!(whole, "{what}: durable, and not there");
        }
        self.states = vec![(found, Ticket(0))];
        self.table = table;
        self.syncing = None;
    }
}

fn live(seed: u64, crash_at: Option<u64>) -> (CrashMedium, Option<Life>) {
    let medium = CrashMedium::default();
    if let Some(step) = crash_at {
        medium.crash_at(step);
    }
    let mut life = Life::new(&medium, seed);
    if let Some(life) = &mut life {
        let _ = life.live(&medium, 130);
    }
    (medium, life)
}

#[test]
fn a_power_cut_at_every_step_keeps_transactions_whole_and_acknowledged_ones() {
    let steps = (0..3).map(|seed| live(seed, None).0.steps()).max().expect("lives");
    assert!(steps > 150);
    for step in 1..=steps {
        for (n, cut) in Cut::ALL.into_iter().enumerate() {
            let what = format!("step {step} {cut:?}");
            let (medium, life) = live((step + n as u64) % 3, Some(step));
            medium.reboot(cut, step * 7 + n as u64);
            let (table, recovery) = common::open_table(&medium);
            assert_eq!(recovery.damaged().count(), 0, "{what}: {:?}", recovery.losses);
            let Some(mut life) = life else { continue };
            life.check(table, cut, &what);
            medium.crash_at(1 + step % 50);
            let _ = life.live(&medium, 25);
            medium.reboot(cut, step);
            let (table, recovery) = common::open_table(&medium);
            assert_eq!(recovery.damaged().count(), 0, "{what}, again: {:?}", recovery.losses);
            life.check(table, cut, &what);
        }
    }
}

/// Pairs of keys are always changed together: after any cut they agree.
#[test]
fn a_transaction_is_there_as_a_whole_or_not_at_all() {
    for step in 1..140 {
        for cut in Cut::ALL {
            let medium = CrashMedium::default();
            medium.crash_at(step);
            if let Ok((mut table, _)) = Table::open(medium.clone(), common::small_table()) {
                for n in 0..60u8 {
                    let value = vec![n; 180];
                    let (a, b) = ([b'a', n % 5], [b'b', n % 5]);
                    let committed = table.commit(&[(&a, Some(&value)), (&b, Some(&value))]);
                    let synced = if n % 4 == 0 { table.sync_now() } else { table.maintain().map(|_| ()) };
                    if committed.is_err() || synced.is_err() {
                        break;
                    }
                }
            }
            medium.reboot(cut, step);
            let (mut table, _) = common::open_table(&medium);
            for n in 0..5 {
                assert_eq!(table.get(&[b'a', n]), table.get(&[b'b', n]), "step {step} {cut:?}");
            }
        }
    }
}

#[test]
fn purged_bytes_are_gone_from_the_medium() {
    let medium = CrashMedium::default();
    let (mut table, _) = common::open_table(&medium);
    table.commit(&[(b"secret", Some(b"correct horse battery")), (b"kept", Some(b"a kept value"))]).unwrap();
    table.sync_now().unwrap();
    table.commit(&[(b"secret", None)]).unwrap();
    let holds = |needle: &[u8]| {
        let segments = medium.segments();
        segments.iter().any(|(id, _)| medium.bytes(*id).windows(needle.len()).any(|w| w == needle))
    };
    assert!(holds(b"battery"), "removed is not yet erased");
    table.purge_now().unwrap();
    assert!(!holds(b"battery") && !holds(b"secret"), "erased");
    assert!(holds(b"a kept value"));
    medium.reboot(Cut::Dropped, 0);
    assert!(!holds(b"battery"), "durably so");
    let (mut table, _) = common::open_table(&medium);
    assert_eq!(table.get(b"kept").unwrap().unwrap(), b"a kept value");
}

#[test]
fn many_power_cuts_in_a_row_are_survived() {
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let medium = CrashMedium::default();
        let mut life = Life::new(&medium, seed).expect("nothing is cut yet");
        for round in 0..8 {
            medium.crash_at(1 + dice.below(80));
            let _ = life.live(&medium, 50);
            let cut = if dice.one_in(3) { Cut::Dropped } else { Cut::Torn };
            medium.reboot(cut, dice.below(u64::MAX));
            let what = format!("seed {seed} round {round}");
            let (table, recovery) = common::open_table(&medium);
            assert_eq!(recovery.damaged().count(), 0, "{what}: {:?}", recovery.losses);
            life.check(table, cut, &what);
        }
    }
}
