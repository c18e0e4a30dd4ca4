#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use std::fs;

fn new_home(dir: &Path) -> Home {
    Home::create(&dir.join("h"), &Protection::Unprotected).unwrap()
}

fn failure(opened: Result<Opened, StateError>) -> Failure {
    match opened {
        Err(StateError::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_committed_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let home = new_home(dir.path());
    let mut state = home.open().unwrap().state;
    state.commit_now(&[(b"a/1", Some(b"one")), (b"a/2", Some(b"two")), (b"b/1", Some(b"three"))]).unwrap();
    state.commit_now(&[(b"a/1", None), (b"a/2", Some(b"other"))]).unwrap();
    drop(state);
    let mut state = Home::unlock(home.path(), &Source::default()).unwrap().open().unwrap().state;
    assert_eq!(state.names(b"a/").collect::<Vec<_>>(), [b"a/2"]);
    assert_eq!(*state.get(b"a/2").unwrap().unwrap(), b"other");
    assert_eq!(state.get(b"a/1").unwrap(), None);
    assert!(!state.has_joined().unwrap());
}

#[test]
fn one_process_holds_the_state_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let home = new_home(dir.path());
    let held = home.open().unwrap();
    assert!(matches!(home.open(), Err(StateError::Held)));
    assert_eq!(home.open_alone().unwrap_err().exit, Exit::Usage);
    drop(held);
    assert!(home.open().is_ok());
}

#[test]
fn nothing_readable_lies_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let home = new_home(dir.path());
    let mut state = home.open().unwrap().state;
    state.commit_now(&[(b"outbox/bravo", Some(b"convoy at the bridge"))]).unwrap();
    for entry in fs::read_dir(home.path().join(STATE)).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        for secret in [b"convoy".as_slice(), b"outbox", b"bravo"] {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret));
        }
    }
}

#[test]
fn a_lost_state_is_damage_not_a_new_home() {
    let dir = tempfile::tempdir().unwrap();
    let home = new_home(dir.path());
    for entry in fs::read_dir(home.path().join(STATE)).unwrap() {
        let path = entry.unwrap().path();
        let len = fs::metadata(&path).unwrap().len() as usize;
        fs::write(&path, vec![0xA5; len]).unwrap();
    }
    assert_eq!(failure(home.open()).exit, Exit::Damaged);
    fs::remove_dir_all(home.path().join(STATE)).unwrap();
    assert_eq!(failure(home.open()).exit, Exit::Damaged);
}

#[test]
fn a_state_under_another_key_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let home = new_home(dir.path());
    let other = Home::create(&dir.path().join("other"), &Protection::Unprotected).unwrap();
    fs::copy(other.path().join(KEY), home.path().join(KEY)).unwrap();
    let mixed = Home::unlock(home.path(), &Source::default()).unwrap();
    assert_eq!(failure(mixed.open()).exit, Exit::Damaged);
}

#[test]
fn a_damaged_value_is_said_and_the_rest_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let home = new_home(dir.path());
    let mut state = home.open().unwrap().state;
    let long = vec![7; 5_000];
    state.commit_now(&[(b"first", Some(&long))]).unwrap();
    state.commit_now(&[(b"second", Some(b"kept"))]).unwrap();
    drop(state);
    // The longest run of bytes that are not zero is the value of "first".
    for entry in fs::read_dir(home.path().join(STATE)).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        if bytes.iter().filter(|b| **b != 0).count() > 4_000 {
            bytes[2_000] ^= 0xFF;
            fs::write(&path, bytes).unwrap();
        }
    }
    let opened = home.open().unwrap();
    assert!(opened.damage.is_some());
    let mut state = opened.state;
    assert_eq!(state.get(b"first").unwrap(), None);
    assert_eq!(*state.get(b"second").unwrap().unwrap(), b"kept");
}

#[test]
fn a_home_is_never_made_over_something() {
    let dir = tempfile::tempdir().unwrap();
    let home = new_home(dir.path());
    assert_eq!(Home::create(home.path(), &Protection::Unprotected).err().unwrap().exit, Exit::Usage);
    assert_eq!(Home::unlock(dir.path(), &Source::default()).err().unwrap().exit, Exit::Usage);
}
