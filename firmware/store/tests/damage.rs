//! A flipped bit or a zeroed page anywhere: that record alone is reported lost, all others are kept.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use picket_store::testing::CrashMedium;
use picket_store::{BodyError, Parcel, Queue, Recovery, Subject, Table};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Identity, Precedence};

const NOW: Instant = Instant::ZERO;

fn parcel(n: u8, body: &[u8]) -> Parcel<'_> {
    Parcel {
        kind: n,
        identity: Identity([n; 16]),
        precedence: Precedence::Flash,
        lifetime: common::LONG,
        meta: b"meta",
        body,
    }
}

fn body(n: u8) -> Vec<u8> {
    (0..100 + 13 * u32::from(n)).map(|i| (i as u8) ^ n).collect()
}

/// Parcels over several segments, some finished, some noted; closed in good order.
fn filled() -> (CrashMedium, BTreeMap<Identity, Vec<u8>>) {
    let medium = CrashMedium::default();
    let (mut queue, _) = common::open_queue(&medium);
    let mut held = BTreeMap::new();
    for n in 1..60u8 {
        let (seq, _) = queue.put(NOW, &parcel(n, &body(n))).unwrap();
        if n % 10 == 1 {
            queue.note(seq, b"noted").unwrap();
        }
        if n % 3 == 0 {
            queue.finish(NOW, seq, Duration::from_secs(3600)).unwrap();
        } else {
            held.insert(Identity([n; 16]), body(n));
        }
        queue.sync_now().unwrap();
        queue.maintain(NOW, None).unwrap();
    }
    queue.close(NOW, None).unwrap();
    (medium, held)
}

/// What came back; bodies too.
fn survivors(queue: &mut Queue<CrashMedium>) -> BTreeMap<Identity, Vec<u8>> {
    let entries: Vec<_> = queue.entries(NOW).map(|e| (e.seq, e.identity)).collect();
    entries.into_iter().filter_map(|(seq, id)| Some((id, queue.body(seq).ok()?))).collect()
}

fn ours(recovery: &Recovery) -> usize {
    recovery.losses.iter().filter(|loss| loss.subject != Subject::Housekeeping).count()
}

#[test]
fn a_flipped_bit_anywhere_costs_at_most_one_record() {
    let (medium, held) = filled();
    let (mut flips, mut lost) = (0, BTreeSet::new());
    for (id, len) in medium.segments() {
        for byte in (0..len).step_by(7) {
            let hurt = medium.fork();
            hurt.flip(id, byte, byte as u8);
            let (mut queue, recovery) = common::open_queue(&hurt);
            let left = survivors(&mut queue);
            let missing: Vec<_> = held.keys().filter(|identity| !left.contains_key(*identity)).collect();
            assert!(missing.len() <= 1, "{id:?} {byte}: {missing:?}");
            for (identity, body) in &left {
                if let Some(expected) = held.get(identity) {
                    assert_eq!(body, expected, "{id:?} {byte}: delivered altered");
                } else {
                    // The record that said it was finished is the one that is hurt.
                    assert!(ours(&recovery) == 1, "{id:?} {byte}: {identity:?} came back unreported");
                }
            }
            if let Some(missing) = missing.first() {
                assert_eq!(recovery.damaged().count(), 1, "{id:?} {byte}: {:?}", recovery.losses);
                if recovery.losses[0].subject == Subject::Parcel(**missing) {
                    lost.insert(**missing);
                }
            }
            flips += 1;
        }
    }
    assert!(flips > 3000, "{flips}");
    assert_eq!(lost.len(), held.len(), "each was lost once, and named");
}

#[test]
fn a_zeroed_page_anywhere_costs_only_what_was_on_it() {
    let (medium, held) = filled();
    for (id, len) in medium.segments() {
        for page in 0..len / 4096 {
            let hurt = medium.fork();
            let before = hurt.bytes(id);
            hurt.zero_page(id, page);
            let changed = before != hurt.bytes(id);
            let (mut queue, recovery) = common::open_queue(&hurt);
            let left = survivors(&mut queue);
            let missing: Vec<_> = held.keys().filter(|identity| !left.contains_key(*identity)).collect();
            let on_page = |identity: &Identity| before.windows(16).any(|w| w == identity.0);
            assert!(missing.iter().all(|m| on_page(m)), "{id:?} {page}: others were lost");
            if changed && !missing.is_empty() {
                assert!(recovery.damaged().count() >= 1, "{id:?} {page}: unnoticed: {:?}", recovery.losses);
            }
        }
    }
}

#[test]
fn a_body_that_decays_while_running_is_typed_reported_and_gone() {
    let medium = CrashMedium::default();
    let (mut queue, _) = common::open_queue(&medium);
    let (seq, _) = queue.put(NOW, &parcel(1, &[0xAA; 300])).unwrap();
    let (other, _) = queue.put(NOW, &parcel(2, &[0xBB; 300])).unwrap();
    let (id, _) = medium.segments()[0];
    let at = medium.bytes(id).windows(8).position(|w| w == [0xAA; 8]).unwrap();
    medium.flip(id, at + 100, 3);
    assert_eq!(queue.body(seq), Err(BodyError::Damaged));
    assert_eq!(queue.body(seq), Err(BodyError::Unknown));
    let losses = queue.take_losses();
    assert_eq!(losses.len(), 1);
    assert_eq!(losses[0].subject, Subject::Parcel(Identity([1; 16])));
    assert_eq!(queue.body(other).unwrap(), [0xBB; 300]);
}

#[test]
fn a_record_forged_inside_a_body_is_not_found_when_its_surroundings_decay() {
    let donor = CrashMedium::default();
    let limits = picket_store::QueueLimits { salt: 99, ..common::small_queue() };
    let (mut queue, _) = Queue::open(donor.clone(), limits, NOW, None).unwrap();
    queue.put(NOW, &parcel(9, b"forged")).unwrap();
    let forged = donor.bytes(donor.segments()[0].0)[64..].to_vec();
    let medium = CrashMedium::default();
    let (mut queue, _) = common::open_queue(&medium);
    queue.put(NOW, &parcel(1, &forged[..1000])).unwrap();
    queue.close(NOW, None).unwrap();
    let (id, _) = medium.segments()[0];
    for byte in 64..300 {
        let hurt = medium.fork();
        hurt.flip(id, byte, 0);
        let (queue, _) = common::open_queue(&hurt);
        assert!(queue.entries(NOW).all(|e| e.identity != Identity([9; 16])), "byte {byte}");
    }
}

fn filled_table() -> (CrashMedium, BTreeMap<Vec<u8>, Vec<u8>>) {
    let medium = CrashMedium::default();
    let (mut table, _) = common::open_table(&medium);
    let mut held = BTreeMap::new();
    for n in 0..80u8 {
        let key = vec![b'k', n % 40];
        table.commit(&[(&key, Some(&body(n)))]).unwrap();
        held.insert(key, body(n));
        table.sync_now().unwrap();
        table.maintain().unwrap();
    }
    table.close().unwrap();
    (medium, held)
}

#[test]
fn a_flipped_bit_in_a_table_costs_one_key_or_is_reported() {
    let (medium, held) = filled_table();
    for (id, len) in medium.segments() {
        for byte in (0..len).step_by(11) {
            let hurt = medium.fork();
            hurt.flip(id, byte, byte as u8);
            let (mut table, recovery) = common::open_table(&hurt);
            let wrong = held.iter().filter(|(key, value)| table.get(key).unwrap().as_ref() != Some(value)).count();
            assert!(wrong <= 1, "{id:?} {byte}");
            assert!(wrong == 0 || recovery.damaged().count() == 1, "{id:?} {byte}: {:?}", recovery.losses);
            if recovery
                .losses
                .first()
                .is_some_and(|l| matches!(&l.subject, Subject::Keys(k) if !k.is_empty()) && l.seq.is_some())
            {
                let known = held.iter().filter(|(key, _)| !table.contains(key)).count();
                assert!(known == wrong, "{id:?} {byte}: an old value came back");
            }
        }
    }
}

#[test]
fn a_zeroed_page_in_a_table_costs_only_what_was_on_it() {
    let (medium, held) = filled_table();
    for (id, len) in medium.segments() {
        for page in 0..len / 4096 {
            let hurt = medium.fork();
            hurt.zero_page(id, page);
            let (mut table, recovery) = Table::open(hurt.clone(), common::small_table()).unwrap();
            let wrong = held.iter().filter(|(key, value)| table.get(key).unwrap().as_ref() != Some(value)).count();
            assert!(wrong <= 4096 / 100, "{id:?} {page}");
            assert!(wrong == 0 || recovery.damaged().count() >= 1, "{id:?} {page}: unnoticed");
        }
    }
}
