//! A remaining lifetime never grows, whatever clocks say; time switched off counts where it is known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use picket_store::testing::{CrashMedium, Cut, Dice};
use picket_store::{Parcel, Queue, Seq, Work};
use picket_wire::time::{Duration, Instant, Wall};
use picket_wire::{Identity, Precedence};

const HOUR: Duration = Duration::from_secs(3600);

fn parcel(lifetime: Duration) -> Parcel<'static> {
    let (identity, precedence) = (Identity([1; 16]), Precedence::Routine);
    Parcel { kind: 0, identity, precedence, lifetime, meta: &[], body: b"body" }
}

fn remaining(queue: &Queue<CrashMedium>, now: Instant, seq: Seq) -> Duration {
    queue.entry(now, seq).unwrap().remaining
}

/// One parcel, put at instant 0, closed or cut after ten minutes; reopened at an unrelated instant.
fn reopened(closed: bool, before: Option<Wall>, after: Option<Wall>) -> Duration {
    let medium = CrashMedium::default();
    let (mut queue, _) = Queue::open(medium.clone(), common::small_queue(), Instant::ZERO, before).unwrap();
    let (seq, _) = queue.put(Instant::ZERO, &parcel(HOUR)).unwrap();
    queue.sync_now().unwrap();
    let at = Instant::ZERO + Duration::from_secs(600);
    if closed {
        queue.close(at, before.map(|w| Wall(w.0 + 600_000))).unwrap();
    }
    medium.reboot(Cut::Dropped, 0);
    let now = Instant(77);
    let (queue, _) = Queue::open(medium, common::small_queue(), now, after).unwrap();
    remaining(&queue, now, seq)
}

#[test]
fn time_switched_off_counts_only_if_wall_time_is_known_on_both_sides() {
    let (before, after) = (Some(Wall(1_000_000)), Some(Wall(1_000_000 + 1_800_000)));
    let minutes = |m: u64| Duration::from_secs(60 * m);
    assert_eq!(reopened(true, before, after), minutes(30), "known on both sides: half an hour passed in all");
    assert_eq!(reopened(true, None, after), minutes(50), "unknown before: ten minutes of running count");
    assert_eq!(reopened(true, before, None), minutes(50), "unknown after");
    assert_eq!(reopened(true, before, Some(Wall(5))), minutes(50), "a wall clock that went back counts nothing");
    assert_eq!(reopened(true, before, Some(Wall(u64::MAX / 2))), Duration::ZERO, "a trusted jump forward ends it");
    assert_eq!(reopened(false, before, after), minutes(30), "after a power cut, too");
    let ahead = common::small_queue().stamp_ahead;
    assert_eq!(reopened(false, None, None), HOUR.saturating_sub(ahead), "unknown: as much as might have passed");
}

#[test]
fn a_remaining_lifetime_never_grows() {
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let medium = CrashMedium::default();
        let mut now = Instant(dice.below(1 << 40));
        let wall = |dice: &mut Dice| (!dice.one_in(3)).then(|| Wall(dice.below(1 << 42)));
        let w = wall(&mut dice);
        let (mut queue, _) = Queue::open(medium.clone(), common::small_queue(), now, w).unwrap();
        let (seq, _) = queue.put(now, &parcel(Duration::from_secs(500))).unwrap();
        queue.sync_now().unwrap();
        let mut least = remaining(&queue, now, seq);
        for _ in 0..60 {
            if dice.one_in(4) {
                now = restart(&mut queue, &medium, &mut dice, now);
            } else if dice.one_in(10) {
                now = Instant(now.0.saturating_sub(dice.below(50_000_000))); // a clock that misbehaves
            } else {
                now += Duration::from_millis(dice.below(8_000));
                let w = wall(&mut dice);
                while queue.maintain(now, w).unwrap() == Work::More {}
                if let Some(ticket) = queue.sync_wanted() {
                    queue.medium_mut().sync_for_test();
                    queue.synced(ticket);
                }
            }
            let left = remaining(&queue, now, seq);
            assert!(left <= least, "seed {seed}: {least:?} grew to {left:?}");
            least = left;
        }
    }
}

trait SyncForTest {
    fn sync_for_test(&mut self);
}

impl SyncForTest for CrashMedium {
    fn sync_for_test(&mut self) {
        picket_store::Medium::sync(self).unwrap();
    }
}

fn restart(queue: &mut Queue<CrashMedium>, medium: &CrashMedium, dice: &mut Dice, now: Instant) -> Instant {
    let wall = (!dice.one_in(3)).then(|| Wall(dice.below(1 << 42)));
    let fresh = Queue::open(CrashMedium::default(), common::small_queue(), now, None).unwrap().0;
    let old = std::mem::replace(queue, fresh);
    if dice.one_in(2) {
        old.close(now, wall).unwrap();
    }
    medium.reboot(Cut::Torn, dice.below(1000));
    let now = Instant(dice.below(1 << 40));
    let wall = (!dice.one_in(3)).then(|| Wall(dice.below(1 << 42)));
    *queue = Queue::open(medium.clone(), common::small_queue(), now, wall).unwrap().0;
    now
}

#[test]
fn expired_parcels_are_yielded_earliest_first_and_deadlines_told() {
    let (mut queue, _) = common::open_queue(&CrashMedium::default());
    let at = |s| Instant::ZERO + Duration::from_secs(s);
    let (late, _) = queue.put(at(0), &parcel(Duration::from_secs(20))).unwrap();
    let (soon, _) = queue.put(at(5), &parcel(Duration::from_secs(10))).unwrap();
    assert_eq!(queue.next_deadline(), Some(at(15)));
    assert_eq!(queue.expired(at(14)).count(), 0);
    assert_eq!(queue.expired(at(30)).collect::<Vec<_>>(), [soon, late]);
    queue.finish(at(30), soon, Duration::from_secs(5)).unwrap();
    assert_eq!(queue.expired(at(30)).collect::<Vec<_>>(), [late]);
    assert!(queue.remembered(at(34), &Identity([1; 16])).is_some());
    assert!(queue.remembered(at(36), &Identity([1; 16])).is_none());
}
