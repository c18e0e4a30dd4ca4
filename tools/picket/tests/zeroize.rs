//! Keys at rest and their end, with the real program: re-wrapping, zeroize with kill -9 at every moment, duress, dead
//! man; and a search through every byte that is left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use picket_safe::slots::{KeyFile, Opener, SlotsError};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn picket(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_picket"));
    command.args(args).stdin(Stdio::null()).env_remove("PICKET_PASSPHRASE_FILE").env_remove("PICKET_HOME");
    command
}

fn run(args: &[&str]) -> Output {
    picket(args).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A mission of two members; alpha's outbox holds a planted text.
struct Bench {
    tmp: tempfile::TempDir,
    dir: PathBuf,
    right: PathBuf,
    wrong: PathBuf,
}

const PLANTED: &str = "the ford below the mill at four";

impl Bench {
    fn new() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("m");
        let word = |name: &str, text: &str| {
            let path = tmp.path().join(name);
            std::fs::write(&path, format!("{text}\n")).unwrap();
            path
        };
        let (right, wrong) = (word("right", "correct horse"), word("wrong", "battery staple"));
        let line =
            ["mission", "quickstart", text(&dir), "--members", "alpha,bravo", "--gateways", "gw1", "--unprotected"];
        let made = run(&line);
        assert_eq!(code(&made), 0, "{}", stderr(&made));
        let bench = Self { tmp, dir, right, wrong };
        assert_eq!(code(&run(&["send", "--home", text(&bench.home()), "--to", "bravo", PLANTED])), 0);
        bench
    }

    fn home(&self) -> PathBuf {
        self.dir.join("alpha")
    }

    fn sent(&self, passphrase: Option<&Path>) -> Output {
        let home = self.home();
        let mut args = vec!["sent", "--json", "--home", text(&home)];
        args.extend(passphrase.iter().flat_map(|p| ["--passphrase-file", text(p)]));
        run(&args)
    }

    /// Protects the home by the right passphrase, quickly.
    fn protect(&self) {
        let home = self.home();
        let line = ["home", "protect", "--with", "passphrase", "--unlock-time", "50ms", "--home", text(&home)];
        let done = run(&[&line[..], &["--new-passphrase-file", text(&self.right)]].concat());
        assert_eq!(code(&done), 0, "{}", stderr(&done));
    }

    fn duress(&self, file: &Path) -> Output {
        let home = self.home();
        let line = ["home", "duress", "--home", text(&home), "--passphrase-file", text(&self.right)];
        run(&[&line[..], &["--duress-passphrase-file", text(file)]].concat())
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let (folders, files): (Vec<_>, Vec<_>) = entries.flatten().map(|e| e.path()).partition(|p| p.is_dir());
    files.into_iter().chain(folders.iter().flat_map(|f| self::files(f))).collect()
}

/// K-75.1-4: the state's bytes are the same before and after.
#[test]
fn a_home_is_wrapped_anew_without_touching_its_data() {
    let bench = Bench::new();
    let home = bench.home();
    let state = || files(&home.join("state")).into_iter().map(|f| std::fs::read(f).unwrap()).collect::<Vec<_>>();
    let status = || stdout(&run(&["home", "status", "--home", text(&home)]));
    assert!(status().contains("NOT protected"));
    let (old_key, before) = (std::fs::read(home.join("home.key")).unwrap(), state());
    bench.protect();
    assert_eq!(state(), before, "nothing was encrypted again");
    assert_ne!(std::fs::read(home.join("home.key")).unwrap(), old_key);
    assert!(status().contains("protected by a passphrase (Argon2id)"));
    assert_eq!(code(&bench.sent(None)), 7);
    assert_eq!(code(&bench.sent(Some(&bench.wrong))), 7);
    assert_eq!(stdout(&bench.sent(Some(&bench.right))).lines().count(), 1);
    // Back to a file needs the passphrase, and says what it means.
    let line = ["home", "protect", "--with", "file", "--home", text(&home)];
    assert_eq!(code(&run(&line)), 7);
    let done = run(&[&line[..], &["--passphrase-file", text(&bench.right)]].concat());
    assert!(code(&done) == 0 && stdout(&done).contains("NOT protected"), "{}", stderr(&done));
    assert_eq!(stdout(&bench.sent(None)).lines().count(), 1);
}

/// K-75.3-1 with the real program and the real file system: killed after 0, 1, 2 … steps of time, many times.
#[test]
fn killed_at_any_moment_a_home_is_whole_or_the_next_command_finishes_the_wipe() {
    let bench = Bench::new();
    let (home, model) = (bench.home(), bench.tmp.path().join("model"));
    let copy = |from: &Path, to: &Path| {
        let _ = std::fs::remove_dir_all(to);
        assert!(Command::new("cp").args(["-a", text(from), text(to)]).status().unwrap().success());
    };
    copy(&home, &model);
    let began = Instant::now();
    assert_eq!(code(&run(&["zeroize", "--yes", "--home", text(&home)])), 0);
    let uncut = began.elapsed();
    let (mut whole, mut resumed, mut done) = (0, 0, 0);
    for round in 0..60_u32 {
        copy(&model, &home);
        let mut child = picket(&["zeroize", "--yes", "--home", text(&home)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + uncut * round / 40;
        while Instant::now() < end && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(100));
        }
        let _ = child.kill();
        child.wait().unwrap();
        let key = std::fs::read(home.join("home.key"));
        let pending = key.as_ref().is_ok_and(|bytes| picket_safe::slots::is_marked(bytes));
        let sent = bench.sent(None);
        match (key.is_ok(), pending) {
            (true, false) => {
                whole += 1;
                assert_eq!(stdout(&sent).lines().count(), 1, "whole: {}", stderr(&sent));
            }
            (true, true) => resumed += 1,
            (false, _) => done += 1,
        }
        if pending || key.is_err() {
            assert_eq!(code(&sent), 2, "no home any more: {}", stderr(&sent));
            assert_eq!(files(&home), Vec::<PathBuf>::new());
        }
    }
    assert!(whole > 0 && done + resumed > 0, "both were seen: {whole} whole, {resumed} resumed, {done} done");
}

/// K-75.3-5: everything that is left, a recording of what went over the air (the outbox holds its envelopes), and every
/// passphrase: none of it opens anything, and nothing planted is found.
#[test]
fn what_is_left_opens_nothing() {
    let bench = Bench::new();
    bench.protect();
    let home = bench.home();
    let before: Vec<Vec<u8>> = files(&home).into_iter().map(|f| std::fs::read(f).unwrap()).collect();
    let key = KeyFile::decode(&std::fs::read(home.join("home.key")).unwrap()).unwrap();
    assert!(key.open(&Opener::Passphrase(b"correct horse")).is_ok(), "before, the passphrase opens it");
    let refused = run(&["zeroize", "--home", text(&home)]);
    assert_eq!(code(&refused), 2, "not without being asked");
    assert_eq!(stdout(&bench.sent(Some(&bench.right))).lines().count(), 1);
    let done = run(&["zeroize", "--yes", "--home", text(&home)]);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    assert!(home.is_dir() && files(&home).is_empty());
    assert_eq!(code(&bench.sent(Some(&bench.right))), 2);
    // The old ciphertext, had somebody kept it, still hides the text: its key is nowhere any more.
    assert!(before.iter().all(|bytes| !bytes.windows(PLANTED.len()).any(|w| w == PLANTED.as_bytes())));
    // A new home can be made in its place.
    let new = run(&["device", "new", "alpha", "--kind", "member", "--home", text(&home), "--unprotected"]);
    assert_eq!(code(&new), 0, "{}", stderr(&new));
}

/// K-75.4-1, K-75.4-2
#[test]
fn a_duress_passphrase_looks_wrong_and_leaves_a_home_that_stays_locked() {
    let bench = Bench::new();
    let home = bench.home();
    assert_eq!(code(&bench.duress(&bench.wrong)), 2, "a home without a passphrase has no second one");
    bench.protect();
    let length = std::fs::metadata(home.join("home.key")).unwrap().len();
    assert_eq!(code(&bench.duress(&bench.right)), 2, "the same passphrase twice");
    assert_eq!(code(&bench.duress(&bench.wrong)), 0);
    assert_eq!(std::fs::metadata(home.join("home.key")).unwrap().len(), length);
    assert_eq!(stdout(&bench.sent(Some(&bench.right))).lines().count(), 1);

    let other = bench.tmp.path().join("other");
    std::fs::write(&other, "neither\n").unwrap();
    let wrong = bench.sent(Some(&other));
    let state = files(&home.join("state"));
    let duress = bench.sent(Some(&bench.wrong));
    assert_eq!(
        (code(&duress), stdout(&duress), stderr(&duress)),
        (7, stdout(&wrong), stderr(&wrong)),
        "the same words"
    );
    let after = bench.sent(Some(&bench.right));
    assert_eq!((code(&after), stderr(&after)), (7, stderr(&wrong)), "the right one is wrong now");
    assert_eq!(files(&home.join("state")), state, "and all looks as before");
    let key = KeyFile::decode(&std::fs::read(home.join("home.key")).unwrap()).unwrap();
    for passphrase in [&b"correct horse"[..], b"battery staple", b"neither", b""] {
        assert_eq!(key.open(&Opener::Passphrase(passphrase)).unwrap_err(), SlotsError::Wrong);
    }
}

/// K-75.3-4
#[test]
fn a_process_that_holds_the_home_is_ended() {
    let bench = Bench::new();
    let home = bench.home();
    let mut holder = picket(&["inbox", "--follow", "--home", text(&home)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while std::os::unix::net::UnixStream::connect(home.join("agent.sock")).is_err() {
        assert!(Instant::now() < end, "the holder did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(code(&run(&["zeroize", "--yes", "--home", text(&home)])), 0);
    assert!(!holder.wait().unwrap().success());
    assert_eq!(files(&home), Vec::<PathBuf>::new());
}

/// K-75.5-4
#[test]
fn a_dead_mans_time_wipes_a_home_and_an_unlock_begins_it_anew() {
    let bench = Bench::new();
    let home = bench.home();
    let set = |time: &str| run(&["home", "dead-man", time, "--home", text(&home)]);
    assert_eq!(code(&set("5m")), 2, "too short");
    assert_eq!(code(&set("72h")), 0);
    let alive = home.join("alive");
    // As if it had been written long ago: 71 of 72 hours are spent.
    let spend = |hours: u64| {
        let line = picket_shell::keep::read(&alive).unwrap().unwrap();
        let line = String::from_utf8(line).unwrap();
        let mut words: Vec<String> = line.trim_end().split(' ').map(str::to_owned).collect();
        words[2] = (hours * 3_600_000).to_string();
        picket_shell::keep::write(&alive, format!("{}\n", words.join(" ")).as_bytes()).unwrap();
    };
    spend(71);
    let status = run(&["home", "status", "--home", text(&home)]);
    assert!(stderr(&status).contains("WIPED in"), "{}", stderr(&status));
    assert_eq!(code(&bench.sent(None)), 0, "an unlock");
    let status = run(&["home", "status", "--home", text(&home)]);
    assert!(stderr(&status).is_empty() && stdout(&status).contains("dead man"), "{}", stderr(&status));
    spend(72);
    let gone = bench.sent(None);
    assert!(code(&gone) == 7 && stderr(&gone).contains("has been wiped"), "{}", stderr(&gone));
    assert_eq!(files(&home), Vec::<PathBuf>::new());
}

/// K-75.6-3: whatever takes a passphrase takes the name of a file with it, never the words.
#[test]
fn no_argument_takes_a_secret_itself() {
    fn walk(command: &clap::Command, found: &mut usize) {
        for arg in command.get_arguments().filter(|a| a.get_action().takes_values()) {
            let name = arg.get_long().unwrap_or_default();
            if ["pass", "pin", "secret", "password"].iter().any(|word| name.contains(word)) {
                assert!(
                    name.ends_with("-file"),
                    "--{name} of {} would be seen in the list of processes",
                    command.get_name()
                );
                *found += 1;
            }
        }
        command.get_subcommands().for_each(|sub| walk(sub, found));
    }
    let mut found = 0;
    walk(&<picket::cli::Cli as clap::CommandFactory>::command(), &mut found);
    assert!(found > 3, "they were seen");
}
