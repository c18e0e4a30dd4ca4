//! Power is cut at every write and at every sync, and what was not synced is dropped, reordered and torn.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use common::QueueLife;
use picket_store::log::format::SegmentHeader;
use picket_store::testing::{CrashMedium, Cut, Dice};
use picket_store::{Queue, Recovery};
use picket_wire::time::Instant;

const STEPS: u64 = 260;
const SEEDS: u64 = 2;

/// Lives once until the crash, or to the end; the number of steps of the medium.
fn live(seed: u64, crash_at: Option<u64>) -> (CrashMedium, Option<QueueLife>, u64) {
    let medium = CrashMedium::default();
    if let Some(step) = crash_at {
        medium.crash_at(step);
    }
    let mut life = QueueLife::new(&medium, seed);
    if let Some(life) = &mut life {
        let _ = life.live(STEPS);
    }
    let steps = medium.steps();
    (medium, life, steps)
}

fn no_damage(recovery: &Recovery, what: &str) {
    assert_eq!(recovery.damaged().count(), 0, "{what}: an unfinished write is no damage: {:?}", recovery.losses);
}

#[test]
fn a_power_cut_at_every_step_loses_nothing_acknowledged_and_brings_nothing_back() {
    let lives: Vec<u64> = (1..=SEEDS).map(|seed| live(seed, None).2).collect();
    let mut gone = 0;
    for seed in 1..=SEEDS {
        let (medium, _, steps) = live(seed, None);
        assert!(steps > 150);
        gone += floor(&medium);
    }
    assert!(gone > 5, "lives worth cutting");
    for step in 1..=lives.into_iter().max().unwrap_or(0) {
        for (n, cut) in Cut::ALL.into_iter().chain([Cut::Torn]).enumerate() {
            cut_once(1 + (step + n as u64) % SEEDS, step, cut, step * 31 + n as u64);
        }
    }
}

/// How many segments compaction let go.
fn floor(medium: &CrashMedium) -> u32 {
    let headers = medium.segments().into_iter().filter_map(|(id, _)| SegmentHeader::parse(&medium.bytes(id)));
    headers.map(|header| header.floor).max().unwrap_or(0).saturating_sub(common::small_queue().salt)
}

fn cut_once(seed: u64, step: u64, cut: Cut, cut_seed: u64) {
    let what = format!("seed {seed} step {step} {cut:?} {cut_seed}");
    let (medium, life, _) = live(seed, Some(step));
    medium.reboot(cut, cut_seed);
    let (queue, recovery) = common::open_queue(&medium);
    no_damage(&recovery, &what);
    let Some(mut life) = life else { return };
    life.check(queue);
    // Life goes on, and is cut again somewhere, so that recovery's own writes are cut, too.
    medium.crash_at(1 + cut_seed % 60);
    let _ = life.live(30);
    medium.reboot(cut, cut_seed + 1);
    let (queue, recovery) = common::open_queue(&medium);
    no_damage(&recovery, &what);
    life.check(queue);
    life.live(10).expect("no cut is planned");
    life.sync().expect("no cut is planned");
    drop(std::mem::replace(
        &mut life.queue,
        Queue::open(CrashMedium::default(), common::small_queue(), Instant::ZERO, None).unwrap().0,
    ));
    medium.reboot(Cut::Dropped, 0);
    let (queue, recovery) = common::open_queue(&medium);
    no_damage(&recovery, &what);
    life.check(queue);
}

#[test]
fn a_power_cut_while_recovering_is_survived() {
    for step in 1..40 {
        let (medium, life, _) = live(7, Some(90));
        let mut life = life.expect("alive");
        medium.reboot(Cut::Torn, step);
        medium.crash_at(step);
        let opened = Queue::open(medium.clone(), common::small_queue(), Instant::ZERO, None);
        if let Ok((queue, _)) = opened {
            life.queue = queue;
            let _ = life.queue.maintain(Instant::ZERO, None);
        }
        medium.reboot(Cut::Torn, step + 1);
        let (queue, recovery) = common::open_queue(&medium);
        no_damage(&recovery, &format!("step {step}"));
        life.check(queue);
    }
}

#[test]
fn many_power_cuts_in_a_row_are_survived() {
    for seed in 0..250 {
        let mut dice = Dice::new(seed);
        let medium = CrashMedium::default();
        let mut life = QueueLife::new(&medium, seed).expect("nothing is cut yet");
        for round in 0..8 {
            medium.crash_at(1 + dice.below(90));
            let _ = life.live(70);
            let cut = if dice.one_in(3) { Cut::Reordered } else { Cut::Torn };
            medium.reboot(cut, dice.below(u64::MAX));
            let (queue, recovery) = common::open_queue(&medium);
            no_damage(&recovery, &format!("seed {seed} round {round}"));
            life.check(queue);
        }
    }
}
