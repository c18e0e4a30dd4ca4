//! Sealed keyfills (spec §30.12).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{authority, device, keyfill, mission, sealed};
use picket_provision::sealed::{Issue, request_hash, request_hash_of, seal};
use picket_provision::{Sealed, SealedError};
use picket_roster::{AuthorityKey, HeaderError, Keyfill};
use picket_wire::Index;

#[test]
fn a_sealed_keyfill_opens_with_its_devices_secrets_only() {
    let (roster, devices, _) = mission();
    for own in 1..=3u16 {
        let bytes = sealed(&roster, own, 7);
        let view = Sealed::verify(&bytes).unwrap();
        assert_eq!((view.own(), view.issue(), view.roster_version()), (Index(own), Issue(7), 1));
        assert_eq!(view.authority(), roster.authority());
        for (n, secrets) in (1..).zip(&devices) {
            let opened = view.open(secrets, None);
            if n == own {
                assert_eq!(*opened.unwrap(), keyfill(&roster, own));
            } else {
                assert_eq!(opened, Err(SealedError::OtherDevice));
            }
        }
        let again = device(0x77, 3);
        assert_eq!(view.open(&again, None), Err(SealedError::OtherDevice), "the same name, another request");
    }
}

#[test]
fn what_is_inside_shows_nowhere_outside() {
    let (roster, _, _) = mission();
    let (inside, outside) = (keyfill(&roster, 2), sealed(&roster, 2, 1));
    let (head, body) = outside.split_at(94 + "bravo".len());
    assert!(body.windows(8).all(|o| !inside.windows(8).any(|i| i == o)), "eight bytes of the keyfill are in its seal");
    let fill = Keyfill::open(&inside).unwrap();
    let d = fill.pairing().unwrap().to_bytes();
    for secret in [fill.network_key(), &*d] {
        assert!(!head.windows(8).any(|h| secret.windows(8).any(|s| s == h)));
    }
}

#[test]
fn no_changed_byte_of_a_sealed_keyfill_is_accepted() {
    let (roster, devices, _) = mission();
    let good = sealed(&roster, 1, 3);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        let refused = Sealed::verify(&bad).map(|s| s.open(&devices[0], None));
        assert!(refused.is_err(), "byte {at}");
        assert!(Sealed::verify(&good[..at]).is_err(), "cut at {at}");
    }
    assert!(Sealed::verify(&[&good[..], &[0]].concat()).is_err());
    let mut newer = good;
    newer[9] = 2;
    assert_eq!(Sealed::verify(&newer).map(|_| ()), Err(SealedError::Header(HeaderError::Newer { version: 2 })));
}

#[test]
fn a_keyfill_given_again_is_refused_and_so_is_another_authoritys() {
    let (roster, devices, _) = mission();
    let bytes = sealed(&roster, 1, 9);
    let view = Sealed::verify(&bytes).unwrap();
    let public = authority().public().unwrap();
    assert!(view.open(&devices[0], Some((&public, Issue(8)))).is_ok());
    for last in [9, 10] {
        let refused = view.open(&devices[0], Some((&public, Issue(last))));
        assert_eq!(refused, Err(SealedError::NotNewer { issue: Issue(9), last: Issue(last) }));
    }
    let other = AuthorityKey::generate(&[2; 32]).unwrap().public().unwrap();
    assert_eq!(view.open(&devices[0], Some((&other, Issue(1)))), Err(SealedError::OtherAuthority));
}

#[test]
fn outside_and_inside_must_be_one() {
    let (roster, devices, _) = mission();
    // Signed by the authority, sealed to alpha, and inside is bravo's.
    let bytes = seal(&authority(), &roster, Index(1), &keyfill(&roster, 2), Issue(1), &[3; 32]).unwrap();
    let view = Sealed::verify(&bytes).unwrap();
    assert_eq!(view.open(&devices[0], None), Err(SealedError::Contradiction));
    let mut damaged = keyfill(&roster, 1);
    damaged[60] ^= 1;
    let bytes = seal(&authority(), &roster, Index(1), &damaged, Issue(1), &[3; 32]).unwrap();
    assert!(matches!(Sealed::verify(&bytes).unwrap().open(&devices[0], None), Err(SealedError::Keyfill(_))));
    let other = AuthorityKey::generate(&[2; 32]).unwrap();
    let bytes = seal(&other, &roster, Index(1), &keyfill(&roster, 1), Issue(1), &[3; 32]).unwrap();
    assert_eq!(Sealed::verify(&bytes).map(|_| ()), Err(SealedError::Signature));
}

#[test]
fn the_hash_of_a_request_is_the_same_on_both_sides() {
    let (roster, _, requests) = mission();
    for (n, request) in (1..).zip(&requests) {
        assert_eq!(request_hash_of(&roster, Index(n)).unwrap(), request_hash(request));
    }
    assert_eq!(request_hash_of(&roster, Index(9)), Err(SealedError::Unknown));
    let fill = keyfill(&roster, 1);
    assert_eq!(Keyfill::open(&fill).unwrap().owner().unwrap().name, "alpha");
}
