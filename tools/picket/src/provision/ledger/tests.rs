#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::error::Exit;

fn authority() -> AuthorityKey {
    AuthorityKey::generate(&[1; 32]).unwrap()
}

fn deeds() -> Vec<Deed> {
    vec![Deed::of(Act::Enrol, "alpha", 1, b"request"), Deed::of(Act::Roster, "exercise", 2, b"roster two")]
}

fn outcomes() -> Vec<Outcome> {
    vec![
        Outcome::new("alpha.keyfill", b"keyfill", Access::Secret),
        Outcome::new("roster", b"roster two", Access::Public),
    ]
}

fn open(dir: &Path) -> (Ledger, bool) {
    Hold::of(dir).unwrap().0.ledger(&authority().public().unwrap()).unwrap()
}

/// A mission's folder with one act in its log.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    files::folder(&dir.path().join(FOLDER)).unwrap();
    let key = authority();
    let (mut ledger, new) = open(dir.path());
    assert!(new);
    let first = vec![Deed::of(Act::Create, "exercise", 0, b"")];
    ledger.record(&key, 7, &first, vec![Outcome::new("roster", b"roster one", Access::Public)]).unwrap();
    dir
}

/// The second act, kept and taken up to `steps` steps, then cut off.
fn cut_off(dir: &Path, steps: usize) {
    let key = authority();
    let (ledger, _) = open(dir);
    let mut chain = ledger.chain;
    let mut entries = Vec::new();
    for deed in deeds() {
        let entry =
            Entry { number: 0, time: None, act: deed.act, name: &deed.name, detail: deed.detail, output: deed.output };
        entries.extend(chain.append(&key, &entry).unwrap());
    }
    let what = deeds().iter().map(Deed::words).collect();
    let head = chain.head(&key).unwrap();
    let pending = Pending { format: FORMAT, what, before: ledger.length, entries, head, files: outcomes() };
    pending.keep(dir).unwrap();
    for step in pending.steps().into_iter().take(steps) {
        pending.take(dir, step).unwrap();
    }
    if steps == 0 {
        // Power failed while the log was written: half of an entry is there.
        let log = dir.join(FOLDER).join(LOG);
        let torn = [fs::read(&log).unwrap(), pending.entries[..70].to_vec()].concat();
        fs::write(log, torn).unwrap();
    }
}

#[test]
fn an_act_that_was_cut_off_anywhere_is_finished_and_named() {
    for steps in 0..4 {
        let dir = folder();
        cut_off(dir.path(), steps);
        let public = authority().public().unwrap();
        let (hold, finished) = Hold::of(dir.path()).unwrap();
        assert_eq!(finished.as_deref(), Some("enrol alpha, roster exercise"), "after {steps} steps");
        assert_eq!(hold.ledger(&public).unwrap().0.next(), 4);
        let (log, head) = read(dir.path()).unwrap();
        assert_eq!(audit::check(&log, &head, &public).unwrap().len(), 3, "after {steps} steps");
        assert_eq!(fs::read(dir.path().join("roster")).unwrap(), b"roster two");
        assert_eq!(fs::read(dir.path().join("alpha.keyfill")).unwrap(), b"keyfill");
        assert!(!dir.path().join(FOLDER).join(PENDING).exists());
        assert_eq!(Hold::of(dir.path()).unwrap().1, None, "once");
    }
}

#[test]
fn an_act_that_was_never_kept_never_was() {
    let dir = folder();
    // What write-then-rename leaves when power fails before the rename.
    fs::write(dir.path().join(FOLDER).join("pending.new-1"), b"half").unwrap();
    let (hold, finished) = Hold::of(dir.path()).unwrap();
    assert_eq!(finished, None);
    assert_eq!(hold.ledger(&authority().public().unwrap()).unwrap().0.next(), 2);
    assert_eq!(fs::read(dir.path().join("roster")).unwrap(), b"roster one");
}

#[test]
fn a_damaged_pending_act_is_named_and_changes_nothing() {
    let dir = folder();
    cut_off(dir.path(), 0);
    let path = dir.path().join(FOLDER).join(PENDING);
    let good = fs::read(&path).unwrap();
    for at in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, bad).unwrap();
        assert_eq!(Hold::of(dir.path()).map(|_| ()).unwrap_err().exit, Exit::Damaged);
        assert_eq!(fs::read(dir.path().join("roster")).unwrap(), b"roster one");
    }
}

#[test]
fn files_of_an_act_stay_below_the_missions_folder() {
    for path in ["../x", "/x", "", "a/../../x", "./x/.."] {
        assert!(!is_below(path), "{path}");
    }
    assert!(is_below("authority/authority.key"));
}

#[test]
fn one_command_at_a_time() {
    let dir = folder();
    let held = open(dir.path());
    assert_eq!(Hold::of(dir.path()).map(|_| ()).unwrap_err().exit, Exit::Usage);
    drop(held);
    assert!(Hold::of(dir.path()).is_ok());
}

#[test]
fn a_log_that_is_too_short_takes_no_more_acts() {
    let dir = folder();
    let key = authority();
    let log = dir.path().join(FOLDER).join(LOG);
    let (mut ledger, _) = open(dir.path());
    let bytes = fs::read(&log).unwrap();
    fs::write(&log, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(ledger.record(&key, 0, &deeds(), outcomes()).unwrap_err().exit, Exit::Damaged);
}
