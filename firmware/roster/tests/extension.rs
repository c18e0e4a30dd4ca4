//! Requests for further epochs, and the rosters that list them (spec §30.16).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{START, authority, device, enrol, mission, verified};
use picket_roster::limits::{EPOCHS_MAX, EXTENSION_MAX};
use picket_roster::{
    DecodeError, ExtendError, Extension, ExtensionError, ExtensionRequest, IdentitySecret, Kind, Roster, RosterDraft,
    RosterError, Upgrade, UpgradeError, upgrade,
};
use picket_wire::{Index, MissionId};
use proptest::prelude::*;

const ALPHA: Index = Index(1);

/// Alpha's keys for `count` epochs from `first` on, of randomness `seed` `seed` …
fn extension(seed: u8, first: u32, count: u16) -> Extension {
    Extension::new(&[seed; 32], first, count).unwrap()
}

fn signed(keys: &Extension, identity: &IdentitySecret, mission: MissionId, own: Index) -> Vec<u8> {
    let mut out = vec![0; EXTENSION_MAX];
    let used = keys.request(identity, mission, own, &mut out).unwrap().len();
    out.truncate(used);
    out
}

/// Alpha's request.
fn request(keys: &Extension) -> Vec<u8> {
    signed(keys, device(0x0A, 3).identity(), authority().mission().unwrap(), ALPHA)
}

fn extend(draft: &mut RosterDraft, keys: &Extension, current: u32, replace: bool) -> Result<(), ExtendError> {
    let bytes = request(keys);
    let mission = authority().mission().unwrap();
    let read = ExtensionRequest::verify(&bytes, mission, |index| draft.identity_of(index)).unwrap();
    draft.extend(&read, current, replace).map(|_| ())
}

fn sign(draft: &mut RosterDraft) -> Vec<u8> {
    draft.sign(&authority(), START).unwrap()
}

#[test]
fn a_request_for_epochs_is_its_members_own() {
    let (draft, _, devices) = mission();
    let keys = extension(7, 3, 5);
    let bytes = request(&keys);
    let mission = authority().mission().unwrap();
    let verify = |bytes: &[u8]| {
        ExtensionRequest::verify(bytes, mission, |index| draft.identity_of(index)).map(|r| (r.own, r.epochs()))
    };
    assert_eq!(verify(&bytes), Ok((ALPHA, 3..8)));
    assert_eq!(request(&keys), bytes, "the same keys are the same request");
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        assert!(verify(&altered).is_err(), "byte {at}");
    }
    for end in 0..bytes.len() {
        assert!(verify(&bytes[..end]).is_err(), "{end} bytes");
    }
    assert_eq!(verify(&[bytes.as_slice(), &[0]].concat()), Err(ExtensionError::Format(DecodeError::Trailing)));
    let other = MissionId([9; 8]);
    assert_eq!(verify(&signed(&keys, devices[0].identity(), other, ALPHA)), Err(ExtensionError::Mission));
    let bravos = signed(&keys, devices[1].identity(), mission, ALPHA);
    assert_eq!(verify(&bravos), Err(ExtensionError::Signature));
    // A gateway has no epochs, and 9 is nobody.
    for index in [Index(3), Index(9)] {
        let bytes = signed(&keys, devices[2].identity(), mission, index);
        assert_eq!(verify(&bytes), Err(ExtensionError::Unknown { index }));
    }
}

#[test]
fn a_key_that_is_no_point_is_refused() {
    let (draft, _, devices) = mission();
    let mission = authority().mission().unwrap();
    let mut bytes = request(&extension(7, 3, 1));
    let body = bytes.len() - 64;
    // No x-coordinate is that large; the signature holds.
    bytes[26 + 33..26 + 66].copy_from_slice(&[[2].as_slice(), &[0xFF; 32]].concat());
    let signature = devices[0].identity().sign(b"PICKET-extend", &bytes[..body]).unwrap();
    bytes[body..].copy_from_slice(&signature);
    let read = ExtensionRequest::verify(&bytes, mission, |index| draft.identity_of(index));
    assert_eq!(read.map(|_| ()), Err(ExtensionError::Key));
}

#[test]
fn pending_keys_come_back_from_what_is_kept() {
    let keys = extension(7, 3, 5);
    let again = Extension::from_bytes(keys.to_bytes().as_ref()).unwrap();
    for epoch in keys.epochs() {
        assert_eq!(again.public(epoch), keys.public(epoch));
        assert_eq!(again.seeds(epoch).unwrap().public().ok(), keys.public(epoch));
    }
    assert!(keys.public(2).is_none() && keys.public(8).is_none());
    assert_ne!(keys.public(3), extension(8, 3, 5).public(3));
    assert_ne!(keys.public(3), keys.public(4));
    for (first, count) in [(0, 0), (0, EPOCHS_MAX as u16 + 1), (u32::MAX, 1)] {
        assert!(Extension::new(&[1; 32], first, count).is_err());
    }
    assert!(Extension::from_bytes(&keys.to_bytes()[..37]).is_err());
}

#[test]
fn the_window_of_listed_keys_moves_and_the_first_epoch_stays() {
    let (mut draft, first, _) = mission();
    let before = verified(&first);
    extend(&mut draft, &extension(7, 3, 60), 0, false).unwrap();
    let second = sign(&mut draft);
    let after = verified(&second);
    assert_eq!(upgrade(&before, &after), Ok(Upgrade::Newer));
    let alpha = after.station(ALPHA).unwrap();
    assert_eq!((alpha.first_epoch, alpha.listed_from, alpha.listed_end(), alpha.replaced), (0, 0, 63, 0));
    // Nothing is over yet, and one more than 64 is refused by name, with how many fit.
    assert_eq!(extend(&mut draft, &extension(8, 63, 2), 0, false), Err(ExtendError::TooMany { most: 1 }));
    // In epoch 40 those before 37 are over: D is three epochs.
    extend(&mut draft, &extension(8, 63, 38), 40, false).unwrap();
    let third = sign(&mut draft);
    let moved = verified(&third);
    assert_eq!(upgrade(&after, &moved), Ok(Upgrade::Newer));
    assert_eq!(upgrade(&before, &moved), Ok(Upgrade::Newer), "who missed the second one");
    let alpha = moved.station(ALPHA).unwrap();
    assert_eq!((alpha.first_epoch, alpha.listed_from, alpha.listed_end()), (0, 37, 101));
    assert!(moved.epoch_keys(ALPHA, 36).is_none() && moved.epoch_keys(ALPHA, 101).is_none());
    for epoch in 37..63 {
        assert_eq!(moved.epoch_keys(ALPHA, epoch), extension(7, 3, 60).public(epoch));
    }
    assert_eq!(moved.epoch_keys(ALPHA, 100), extension(8, 63, 38).public(100));
    // Bravo's stay as they were.
    assert_eq!(moved.epoch_keys(Index(2), 1), before.epoch_keys(Index(2), 1));
    assert!(third.len() < second.len() + 64 * 99, "what is over leaves the roster");
}

#[test]
fn epochs_follow_without_a_gap_unless_all_are_over() {
    let (mut draft, ..) = mission();
    assert_eq!(extend(&mut draft, &extension(7, 4, 5), 1, false), Err(ExtendError::Gap { next: 3 }));
    assert_eq!(extend(&mut draft, &extension(7, 3, 5), 8, false), Err(ExtendError::Over));
    // In epoch 5, epoch 2 is still alive.
    assert_eq!(extend(&mut draft, &extension(7, 5, 5), 5, false), Err(ExtendError::Gap { next: 3 }));
    // In epoch 40 nothing of it is.
    assert_eq!(extend(&mut draft, &extension(7, 42, 5), 40, false), Err(ExtendError::Gap { next: 40 }));
    extend(&mut draft, &extension(7, 40, 5), 40, false).unwrap();
    let bytes = sign(&mut draft);
    let alpha = verified(&bytes).station(ALPHA).map(|s| (s.first_epoch, s.listed_from, s.epochs));
    assert_eq!(alpha, Some((0, 40, 5)));
    assert_eq!(extend(&mut draft, &extension(7, 40, 5), 40, false), Err(ExtendError::Nothing { end: 45 }));
}

#[test]
fn listed_keys_are_replaced_only_on_the_authoritys_word_and_that_is_seen() {
    let (mut draft, ..) = mission();
    extend(&mut draft, &extension(7, 3, 5), 0, false).unwrap();
    let first = sign(&mut draft);
    let lost = extension(9, 3, 9);
    assert_eq!(extend(&mut draft, &lost, 1, false), Err(ExtendError::OtherKeys { epoch: 3 }));
    extend(&mut draft, &lost, 1, true).unwrap();
    let second = sign(&mut draft);
    let (before, after) = (verified(&first), verified(&second));
    let alpha = after.station(ALPHA).unwrap();
    assert_eq!((alpha.listed_from, alpha.listed_end(), alpha.replaced), (0, 12, 1));
    assert_eq!(after.epoch_keys(ALPHA, 2), before.epoch_keys(ALPHA, 2));
    assert_eq!(after.epoch_keys(ALPHA, 5), lost.public(5));
    assert_eq!(upgrade(&before, &after), Ok(Upgrade::Newer));
}

/// A roster that an authority would never sign after another: the draft of `other` with a higher version.
fn later(mut other: RosterDraft, versions: u32) -> Vec<u8> {
    (1..versions).for_each(|_| drop(sign(&mut other)));
    sign(&mut other)
}

#[test]
fn keys_that_change_or_go_too_early_are_an_alarm() {
    let draft = |with: &[(u8, u32, u16, u32)]| {
        let (mut draft, ..) = mission();
        with.iter().for_each(|(seed, first, count, now)| {
            extend(&mut draft, &extension(*seed, *first, *count), *now, false).unwrap();
        });
        draft
    };
    let current = later(draft(&[(7, 3, 5, 0), (8, 8, 20, 20)]), 1);
    let current = verified(&current);
    let alarm = Err(UpgradeError::Keys { index: ALPHA });
    let offered = |with| later(draft(with), 5);
    // The same again is fine; other keys for an epoch listed are not, nor fewer, nor a window that went back.
    let same = offered(&[(7, 3, 5, 0), (8, 8, 20, 20)]);
    assert_eq!(upgrade(&current, &verified(&same)), Ok(Upgrade::Newer));
    for with in [
        [(7, 3, 5, 0), (6, 8, 20, 20)].as_slice(),
        &[(7, 3, 5, 0), (8, 8, 19, 20)],
        &[(7, 3, 5, 0), (8, 8, 20, 7)],
        &[(7, 3, 5, 0)],
    ] {
        assert_eq!(upgrade(&current, &verified(&offered(with))), alarm, "{with:?}");
    }
    // Another epoch of enrolment would make other pre-shared keys.
    let mut other = RosterDraft::new("exercise", START).unwrap();
    enrol(&mut other, 0x0A, "alpha", Kind::Member, 2);
    enrol(&mut other, 0x0B, "bravo", Kind::Member, 0);
    enrol(&mut other, 0x0C, "gw1", Kind::Gateway, 0);
    let (_, first, _) = mission();
    assert_eq!(upgrade(&verified(&first), &verified(&later(other, 3))), alarm);
}

#[test]
fn what_the_section_says_must_be_so() {
    let (mut draft, ..) = mission();
    extend(&mut draft, &extension(7, 3, 5), 0, false).unwrap();
    extend(&mut draft, &extension(8, 8, 20), 20, false).unwrap();
    let good = sign(&mut draft);
    let key = authority();
    let at = good.len() - 64 - 8;
    assert_eq!(good[at - 2..at], [8 << 1 | 1, 8], "the last section");
    let altered = |record: &[u8]| {
        let mut bytes = good[..at].to_vec();
        bytes[at - 1] = u8::try_from(record.len()).unwrap();
        bytes.extend_from_slice(record);
        let signature = key.sign(b"PICKET-roster", &bytes).unwrap();
        bytes.extend_from_slice(&signature);
        Roster::verify(bytes, &key.public().unwrap()).map(|_| ()).map_err(|e| match e {
            RosterError::Format(e) => e,
            other => panic!("{other}"),
        })
    };
    assert_eq!(altered(&[0, 1, 0, 0, 0, 17, 0, 0]), Ok(()));
    assert_eq!(altered(&[0, 2, 0, 0, 0, 17, 0, 0]), Ok(()), "bravo's may move as well");
    assert_eq!(altered(&[0, 1, 0, 0, 0, 17, 0, 0, 0, 2, 0, 0, 0, 17, 0, 0]), Ok(()));
    assert_eq!(altered(&[0, 1, 0, 0, 0, 0, 0, 1]), Ok(()), "only replaced");
    for (record, why) in [
        (&[0, 1, 0, 0, 0, 0, 0, 0][..], DecodeError::Value),
        (&[0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0], DecodeError::Value),
        (&[0, 3, 0, 0, 0, 17, 0, 0], DecodeError::Indices),
        (&[0, 9, 0, 0, 0, 17, 0, 0], DecodeError::Indices),
        (&[0, 2, 0, 0, 0, 17, 0, 0, 0, 1, 0, 0, 0, 17, 0, 0], DecodeError::Indices),
        (&[0, 1, 0, 0, 0, 17, 0, 0, 0, 1, 0, 0, 0, 17, 0, 0], DecodeError::Indices),
        (&[], DecodeError::Truncated),
        (&[0, 1, 0, 0, 0, 17, 0], DecodeError::Truncated),
    ] {
        assert_eq!(altered(record), Err(why), "{record:?}");
    }
}

#[test]
fn pre_shared_keys_count_from_the_enrolment_wherever_the_window_is() {
    let (mut draft, first, _) = mission();
    let before = verified(&first);
    extend(&mut draft, &extension(7, 3, 5), 0, false).unwrap();
    extend(&mut draft, &extension(8, 8, 20), 20, false).unwrap();
    let second = sign(&mut draft);
    let after = verified(&second);
    let key = authority();
    for (roster, own, peer) in [(&before, 2, 1), (&after, 2, 1), (&after, 1, 2)] {
        let file = key.keyfill(roster, Index(own), 0, None).unwrap();
        let fill = picket_roster::Keyfill::open(&file).unwrap();
        let psk = fill.psk(&roster.station(Index(peer)).unwrap()).unwrap();
        assert_eq!(psk.epoch(), 0);
        let expected = key.pairing(Index(1), 0).psk(Index(1), Index(2), 0).unwrap();
        assert_eq!(*psk.at(20).unwrap(), *expected.at(20).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever is asked whenever: at most 64 epochs are listed, what devices hold follows from what they held, and the
    /// epoch of now and those alive are never lost.
    #[test]
    fn a_window_never_grows_beyond_its_limit_nor_goes_back(
        steps in prop::collection::vec((0u32..40, -3i64..70, 1u16..=64, any::<bool>()), 1..8),
    ) {
        let (mut draft, mut bytes, _) = mission();
        let mut now = 0;
        for (n, (later, offset, count, replace)) in (1..).zip(steps) {
            now += later;
            let before = bytes.clone();
            let old = verified(&before);
            let listed = old.station(ALPHA).map(|s| s.listed_from..s.listed_end()).unwrap();
            let first = u32::try_from(i64::from(listed.end) + offset - 3).unwrap_or(0);
            let keys = extension(n, first, count);
            let done = extend(&mut draft, &keys, now, replace);
            bytes = sign(&mut draft);
            let new = verified(&bytes);
            prop_assert_eq!(upgrade(&old, &new), Ok(Upgrade::Newer));
            let alpha = new.station(ALPHA).unwrap();
            let is = alpha.listed_from..alpha.listed_end();
            prop_assert!(is.len() <= EPOCHS_MAX && alpha.first_epoch == 0);
            if done.is_err() {
                prop_assert_eq!(&is, &listed);
                continue;
            }
            prop_assert!(is.end > now);
            for epoch in draft.oldest_live(now).max(listed.start)..listed.end.min(is.end) {
                let keeps = new.epoch_keys(ALPHA, epoch);
                prop_assert!(keeps == old.epoch_keys(ALPHA, epoch) || (replace && keeps == keys.public(epoch)));
            }
        }
    }
}
