#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::home::Home;
use crate::passphrase::{Protection, Source};
use picket_roster::{AuthorityKey, DeviceRequest, DeviceSecrets, RosterDraft};

/// Members by name and seed, the index following their order; removed ones leave theirs unused.
struct Authority {
    key: AuthorityKey,
    draft: RosterDraft,
}

impl Authority {
    fn new() -> Self {
        let key = AuthorityKey::generate(&[1; 32]).unwrap();
        Self { key, draft: RosterDraft::new("m", 1_800_000_000).unwrap() }
    }

    fn enrol(&mut self, name: &str, seed: u8) -> Index {
        let secrets = DeviceSecrets::generate(&[seed; 32], 1).unwrap();
        let mut out = vec![0; picket_roster::limits::REQUEST_MAX];
        let request = secrets.request(name, Kind::Member, &mut out).unwrap();
        self.draft.enrol(&DeviceRequest::verify(request).unwrap(), 0).unwrap()
    }

    fn sign(&mut self) -> Roster<Vec<u8>> {
        let bytes = self.draft.sign(&self.key, 1_800_000_000).unwrap();
        Roster::verify(bytes, &self.key.public().unwrap()).unwrap()
    }
}

fn print_of(roster: &Roster<Vec<u8>>, index: Index) -> Fingerprint {
    Fingerprint::of(roster.mission(), &roster.station(index).unwrap())
}

/// A home's state, and how to open it again.
struct Bench {
    home: Home,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { home: Home::create(&dir.path().join("h"), &Protection::Unprotected).unwrap(), _dir: dir }
    }

    fn open(&self) -> (State, Trust) {
        let home = Home::unlock(self.home.path(), &Source::default()).unwrap();
        let mut state = home.open_alone().unwrap().state;
        let trust = Trust::load(&mut state).unwrap();
        (state, trust)
    }
}

#[test]
fn what_was_verified_is_verified_after_reopening_and_ends_with_other_keys() {
    let bench = Bench::new();
    let mut authority = Authority::new();
    let (_, bravo) = (authority.enrol("alpha", 1), authority.enrol("bravo", 2));
    let v1 = authority.sign();
    let (mut state, mut trust) = bench.open();
    assert_eq!(trust.standing(&v1, bravo), Standing::Unverified);
    trust.confirm(&mut state, bravo, print_of(&v1, bravo)).unwrap();
    drop(state);

    let (mut state, mut trust) = bench.open();
    assert_eq!(trust.standing(&v1, bravo), Standing::Verified);
    authority.draft.remove(bravo).unwrap();
    let again = authority.enrol("bravo", 3);
    let v2 = authority.sign();
    trust.foresee(&mut state, &v1, &v2).unwrap();
    drop(state);

    // The power failed between the two: the old roster is still in force, and stands as before.
    let (mut state, mut trust) = bench.open();
    assert_eq!(trust.standing(&v1, bravo), Standing::Verified);
    assert_eq!(trust.standing(&v2, again), Standing::Changed);
    let change = trust.change(&print_of(&v2, again), again).unwrap();
    assert_eq!((change.was_index, change.was_verified, change.was), (bravo, true, print_of(&v1, bravo)));
    trust.confirm(&mut state, again, print_of(&v2, again)).unwrap();
    authority.enrol("delta", 4);
    let v3 = authority.sign();
    trust.foresee(&mut state, &v2, &v3).unwrap();
    drop(state);
    let (_, trust) = bench.open();
    assert_eq!(trust.standing(&v3, again), Standing::Verified, "said once, looked at once");
}

#[test]
fn a_name_that_comes_back_with_other_keys_has_changed() {
    let bench = Bench::new();
    let mut authority = Authority::new();
    let (_, bravo) = (authority.enrol("alpha", 1), authority.enrol("bravo", 2));
    let v1 = authority.sign();
    authority.draft.remove(bravo).unwrap();
    let v2 = authority.sign();
    let again = authority.enrol("bravo", 3);
    let charlie = authority.enrol("charlie", 4);
    let v3 = authority.sign();
    let (mut state, mut trust) = bench.open();
    trust.foresee(&mut state, &v1, &v2).unwrap();
    trust.foresee(&mut state, &v2, &v3).unwrap();
    assert_eq!(trust.standing(&v3, again), Standing::Changed);
    assert!(!trust.change(&print_of(&v3, again), again).unwrap().was_verified);
    assert_eq!(trust.standing(&v3, charlie), Standing::Unverified);
}

#[test]
fn damaged_and_newer_records_are_named() {
    for (value, word) in [(&[1, 2, 3][..], "damaged"), (&[0; 33], "damaged"), (&[2; 33], "newer")] {
        let bench = Bench::new();
        let (mut state, _) = bench.open();
        state.commit_now(&[(&at(VERIFIED, Index(2)), Some(value))]).unwrap();
        let refused = Trust::load(&mut state).unwrap_err();
        assert!(refused.message.contains(word), "{refused:?}");
    }
}
