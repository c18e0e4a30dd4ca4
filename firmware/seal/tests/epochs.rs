//! What an activation begins, keeps and erases (spec §40.6).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Device, EPOCHS, Not, Storing, apply, roster};
use picket_roster::PskError;
use picket_seal::epoch::{ActivateError, Before, EarlyError, early};
use picket_seal::{Activated, Change, activate, expand_epoch, prekey};
use picket_wire::Index;

const BRAVO: Index = Index(2);
const ALPHA: Index = Index(1);

fn two() -> (Device, Device) {
    let mut pair = (Device::new(0, Storing::Every), Device::new(1, Storing::Every));
    pair.0.activate(0);
    pair.1.activate(0);
    pair
}

fn present(d: &Device, epoch: u32) -> (bool, bool, bool) {
    let s = d.disk.secrets.seeds(epoch).unwrap();
    (s.e().is_some(), s.r().is_some(), s.p().is_some())
}

#[test]
fn activation_erases_e_and_r_and_keeps_p_until_the_end_and_d() {
    let (mut alpha, _) = two();
    assert_eq!(present(&alpha, 0), (false, false, true));
    assert_eq!(present(&alpha, 1), (true, true, true), "the future is untouched");
    alpha.activate(3);
    // Skipped epochs lose theirs as well; their messages may still come.
    for epoch in 0..=3 {
        assert_eq!(present(&alpha, epoch), (false, false, true));
        assert!(alpha.disk.receive.contains_key(&(BRAVO, epoch, 0, Vec::new())));
        assert_eq!(alpha.disk.send.contains_key(&(BRAVO, epoch, 0)), epoch == 0 || epoch == 3);
    }
    alpha.activate(4);
    assert_eq!(present(&alpha, 0), (false, false, false));
    assert!(!alpha.disk.receive.contains_key(&(BRAVO, 0, 0, Vec::new())));
    assert_eq!(alpha.disk.psks[&BRAVO].at(0).map(|_| ()), Err(PskError::Erased));
    assert!(alpha.disk.psks[&BRAVO].at(1).is_ok());
    assert_eq!(alpha.disk.pairing.epoch(), 1);
}

#[test]
fn epochs_that_are_over_are_visited_only_to_erase() {
    let (mut alpha, _) = two();
    let done = alpha.activate(9);
    // Live: 6, 7, 8, 9; one peer.
    assert_eq!(done, Activated { send: 1, receive: 4, refused: 0 });
    for epoch in 0..6 {
        assert_eq!(present(&alpha, epoch), (false, false, false));
    }
}

#[test]
fn an_epoch_is_activated_once_and_never_backwards() {
    let (alpha, _) = two();
    let roster = roster();
    let before = Before {
        local: alpha.local(&alpha.disk.secrets),
        roster: &roster,
        secrets: &alpha.disk.secrets,
        pairing: &alpha.disk.pairing,
        activated: Some(5),
    };
    let peers = alpha.disk.psks.iter().map(|(i, p)| (*i, p));
    let mut changes = 0;
    let mut count = |_| {
        changes += 1;
        Ok::<(), &str>(())
    };
    for to in [0, 4, 5] {
        assert_eq!(activate(&before, to, peers.clone(), |_, _| false, &mut count), Err(ActivateError::NotAhead));
    }
    assert_eq!(activate(&before, u32::MAX, peers.clone(), |_, _| false, &mut count), Err(ActivateError::Far));
    assert_eq!(changes, 0);
    let stop = activate(&before, 6, peers, |_, _| false, |_| Err("disk full"));
    assert_eq!(stop, Err(ActivateError::Sink("disk full")));
}

#[test]
fn an_abandoned_activation_has_changed_nothing_and_can_be_repeated() {
    let (mut alpha, mut bravo) = two();
    let disk = alpha.disk.clone();
    alpha.activate(1);
    let once = alpha.disk.receive.clone();
    // The transaction did not reach the medium: the device starts from the old state.
    alpha.disk = disk;
    alpha.reboot();
    alpha.activate(1);
    assert_eq!(alpha.disk.receive, once);
    bravo.activate(1);
    let bytes = alpha.seal(BRAVO, "again");
    assert_eq!(bravo.take(&bytes, false), Ok("again".into()));
}

#[test]
fn a_sender_one_epoch_ahead_is_understood_without_moving() {
    let (mut alpha, mut bravo) = two();
    alpha.activate(1);
    let first = alpha.seal(BRAVO, "from tomorrow");
    assert_eq!(bravo.take(&first, false), Ok("from tomorrow".into()));
    assert_eq!(bravo.epoch(), 0, "no received frame advances an epoch");
    assert_eq!(present(&bravo, 1), (true, true, true));
    // Its own activation does not begin that session again: what was opened stays opened.
    bravo.activate(1);
    assert!(matches!(bravo.take(&first, false), Err(Not::Open(_))));
    let second = alpha.seal(BRAVO, "and again");
    assert_eq!(bravo.take(&second, false), Ok("and again".into()));
}

#[test]
fn a_sender_behind_is_understood_until_the_end_and_d() {
    let (mut alpha, mut bravo) = two();
    let late: Vec<_> = (0..3).map(|i| alpha.seal(BRAVO, &format!("late {i}"))).collect();
    bravo.activate(3);
    assert_eq!(bravo.take(&late[0], false), Ok("late 0".into()));
    bravo.activate(4);
    assert_eq!(bravo.take(&late[1], false), Err(Not::Session));
}

#[test]
fn only_the_very_next_epoch_comes_early() {
    let (alpha, _) = two();
    let roster = roster();
    let before = Before {
        local: alpha.local(&alpha.disk.secrets),
        roster: &roster,
        secrets: &alpha.disk.secrets,
        pairing: &alpha.disk.pairing,
        activated: Some(0),
    };
    let psk = &alpha.disk.psks[&BRAVO];
    assert!(early(&before, 1, BRAVO, psk).is_ok());
    for epoch in [0, 2, 20] {
        assert_eq!(early(&before, epoch, BRAVO, psk).map(|_| ()), Err(EarlyError::Epoch));
    }
    assert_eq!(early(&before, 1, Index(9), psk).map(|_| ()), Err(EarlyError::Missing));
}

#[test]
fn after_its_last_epoch_a_device_refuses_by_name() {
    let mut alpha = Device::new(0, Storing::Every);
    let done = alpha.activate(u32::from(EPOCHS) + 2);
    assert_eq!((done.send, done.refused), (0, 0));
    assert!(alpha.disk.send.is_empty());
}

#[test]
fn a_peer_without_a_usable_key_does_not_stop_the_others() {
    let alpha = Device::new(0, Storing::Every);
    let roster = roster();
    let before = Before {
        local: alpha.local(&alpha.disk.secrets),
        roster: &roster,
        secrets: &alpha.disk.secrets,
        pairing: &alpha.disk.pairing,
        activated: None,
    };
    let psk = &alpha.disk.psks[&BRAVO];
    let late = picket_roster::Psk::new(7, [1; 32]);
    let peers = [(BRAVO, psk), (Index(77), psk), (BRAVO, &late)];
    let mut disk = alpha.disk.clone();
    let done = activate(
        &before,
        0,
        peers.into_iter(),
        |_, _| false,
        |c: Change| {
            apply(&mut disk, c);
            Ok::<(), std::convert::Infallible>(())
        },
    );
    assert_eq!(done, Ok(Activated { send: 1, receive: 1, refused: 2 }));
}

#[test]
fn four_bits_of_epoch_mean_the_newest_that_is_at_most_one_ahead() {
    assert_eq!(expand_epoch(6, 5), Some(6));
    assert_eq!(expand_epoch(5, 5), Some(5));
    assert_eq!(expand_epoch(7, 5), None, "two ahead, or before the mission");
    assert_eq!(expand_epoch(7, 20), Some(7));
    assert_eq!(expand_epoch(0, 31), Some(32));
    assert_eq!(expand_epoch(1, 31), Some(17));
    for current in 0..100u32 {
        for epoch in current.saturating_sub(14)..=current + 1 {
            assert_eq!(expand_epoch((epoch & 15) as u8, current), Some(epoch));
            assert_eq!(prekey::epoch_of((epoch & 63) as u8, current), Some(epoch));
        }
    }
}

#[test]
fn both_directions_work_with_different_keys() {
    let (mut alpha, mut bravo) = two();
    let there = alpha.seal(BRAVO, "same words");
    let back = bravo.seal(ALPHA, "same words");
    assert_ne!(there[10..], back[10..]);
    assert_eq!(bravo.take(&there, false), Ok("same words".into()));
    assert_eq!(alpha.take(&back, false), Ok("same words".into()));
    assert_eq!(alpha.take(&there, false), Err(Not::Session), "its own message back");
}
