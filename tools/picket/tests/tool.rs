//! The program as people and scripts use it, without a gateway: exit codes, errors, one home and several processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
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

/// A mission of two members and one gateway that does not run.
struct Bench {
    _tmp: tempfile::TempDir,
    dir: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("m");
        let made = run(&[
            "mission",
            "quickstart",
            text(&dir),
            "--members",
            "alpha,bravo",
            "--gateways",
            "gw1",
            "--unprotected",
        ]);
        assert_eq!(code(&made), 0, "{}", stderr(&made));
        Self { _tmp: tmp, dir }
    }

    fn home(&self, name: &str) -> String {
        text(&self.dir.join(name)).to_owned()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A following inbox, killed when dropped.
struct Follow {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Follow {
    fn start(home: &str) -> Self {
        let mut child = picket(&["inbox", "--home", home, "--follow", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let follow = Self { child, lines };
        let socket = Path::new(home).join("agent.sock");
        until("the socket", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
        follow
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until(what: &str, mut true_: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !true_() {
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn sent_ids(home: &str) -> Vec<String> {
    let sent = run(&["sent", "--home", home, "--json"]);
    assert_eq!(code(&sent), 0, "{}", stderr(&sent));
    stdout(&sent)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn without_a_gateway_a_message_is_queued_and_the_inbox_says_so() {
    let bench = Bench::new();
    let alpha = bench.home("alpha");
    let sent = run(&["send", "--home", &alpha, "--to", "bravo", "--json", "hello"]);
    assert_eq!(code(&sent), 0, "{}", stderr(&sent));
    let row: serde_json::Value = serde_json::from_str(&stdout(&sent)).unwrap();
    assert_eq!(row["state"], "queued");
    let id = row["id"].as_str().unwrap();
    assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
    assert!(stderr(&sent).contains("queued"));

    let inbox = run(&["inbox", "--home", &alpha, "--json"]);
    assert_eq!(code(&inbox), 6);
    let error: serde_json::Value = serde_json::from_str(stderr(&inbox).lines().last().unwrap()).unwrap();
    for key in ["code", "message", "next"] {
        assert!(error["error"][key].is_string(), "{key}");
    }
    let waited = run(&["send", "--home", &alpha, "--to", "bravo", "--wait", "custody", "--timeout", "300ms", "again"]);
    assert_eq!(code(&waited), 3, "{}", stderr(&waited));
    assert_eq!(sent_ids(&alpha).len(), 2);
}

#[test]
fn what_cannot_be_sent_is_refused_with_its_code() {
    let bench = Bench::new();
    let alpha = bench.home("alpha");
    let refused = |args: &[&str]| {
        let output = run(&[&["send", "--home", &alpha], args].concat());
        assert!(stdout(&output).is_empty());
        code(&output)
    };
    assert_eq!(refused(&["--to", "nobody", "x"]), 2);
    assert_eq!(refused(&["--to", "gw1", "x"]), 2);
    assert_eq!(refused(&["--to", "bravo", "--ttl", "73h", "x"]), 2);
    assert_eq!(refused(&["--to", "bravo", "--precedence", "urgent", "x"]), 2);
    assert_eq!(refused(&["--to", "bravo", "--via", "carrier-pigeon", "x"]), 2);
    assert_eq!(refused(&["--to", "bravo"]), 2);
    assert_eq!(refused(&["--to", "bravo", "--file", "/nonexistent"]), 2);
    assert!(sent_ids(&alpha).is_empty());
    assert_eq!(code(&run(&["read", "--home", &alpha, "0123456789abcdef"])), 9);
    assert_eq!(code(&run(&["read", "--home", &alpha, "not-an-id"])), 2);
    assert_eq!(code(&run(&["gateway", "status", "--control", "/nonexistent"])), 6);
    assert_eq!(code(&run(&["sent", "--home", "/nonexistent"])), 2);
}

#[test]
fn standard_input_up_to_the_limit_is_taken_and_more_is_refused() {
    let bench = Bench::new();
    let alpha = bench.home("alpha");
    let feed = |bytes: &[u8]| {
        let mut child = picket(&["send", "--home", &alpha, "--to", "bravo", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The tool stops reading once it knows that it is too much.
        let _ = child.stdin.take().unwrap().write_all(bytes);
        child.wait().unwrap().code().unwrap()
    };
    let most = picket_endpoint::limits::CONTENT_MAX;
    assert_eq!(feed(&vec![b'x'; most]), 0);
    assert_eq!(feed(&vec![b'x'; most + 1]), 2);
    assert_eq!(feed(&[0xFF, 0xFE]), 2);
    assert_eq!(sent_ids(&alpha).len(), 1);
}

#[test]
fn others_hand_their_work_to_the_holder_and_take_over_when_it_dies() {
    let bench = Bench::new();
    let alpha = bench.home("alpha");
    let mut holder = Follow::start(&alpha);
    let handed = run(&["send", "--home", &alpha, "--to", "bravo", "one"]);
    assert_eq!(code(&handed), 0, "{}", stderr(&handed));
    assert_eq!(sent_ids(&alpha).len(), 1);
    holder.kill();
    let alone = run(&["send", "--home", &alpha, "--to", "bravo", "two"]);
    assert_eq!(code(&alone), 0, "{}", stderr(&alone));
    assert_eq!(sent_ids(&alpha).len(), 2);
}

#[test]
fn a_waiting_command_survives_the_death_of_its_holder() {
    let bench = Bench::new();
    let alpha = bench.home("alpha");
    let mut holder = Follow::start(&alpha);
    let mut waiting =
        picket(&["send", "--home", &alpha, "--to", "bravo", "--wait", "custody", "--timeout", "3s", "--json", "x"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    let mut first = String::new();
    BufReader::new(waiting.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("queued"));
    holder.kill();
    assert_eq!(waiting.wait().unwrap().code(), Some(3), "kept, and waited for to the end");
    assert_eq!(sent_ids(&alpha).len(), 1, "never sealed twice");
}

#[test]
fn many_commands_at_once_share_one_home() {
    let bench = Bench::new();
    let alpha = bench.home("alpha");
    let mut children: Vec<Child> = (0..6)
        .map(|n| {
            picket(&["send", "--home", &alpha, "--to", "bravo", &format!("message {n}")])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in &mut children {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    assert_eq!(sent_ids(&alpha).len(), 6);
}

#[test]
fn killed_at_any_moment_a_home_opens_again_with_all_it_confirmed() {
    let bench = Bench::new();
    let alpha = bench.home("alpha");
    let mut confirmed = Vec::new();
    for round in 0..8u64 {
        let mut child = picket(&["send", "--home", &alpha, "--to", "bravo", "--json", &format!("round {round}")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(round * 9));
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        confirmed.extend(
            stdout(&output).lines().map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned()
            }),
        );
    }
    let kept = sent_ids(&alpha);
    assert!(confirmed.iter().all(|id| kept.contains(id)), "{confirmed:?} not all in {kept:?}");
}

#[test]
fn a_home_is_opened_with_its_passphrase_only() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("m");
    let (right, wrong) = (tmp.path().join("right"), tmp.path().join("wrong"));
    std::fs::write(&right, "open sesame\n").unwrap();
    std::fs::write(&wrong, "open barley\n").unwrap();
    let quickstart = ["mission", "quickstart", text(&dir), "--members", "alpha,bravo", "--gateways", "gw1"];
    assert_eq!(code(&run(&quickstart)), 2, "no passphrase, no terminal");
    assert!(!dir.exists());
    let made = run(&[&quickstart[..], &["--passphrase-file", text(&right)]].concat());
    assert_eq!(code(&made), 0, "{}", stderr(&made));
    let alpha = dir.join("alpha");
    let sent = |more: &[&str]| run(&[&["sent", "--home", text(&alpha)], more].concat());
    assert_eq!(code(&sent(&[])), 7);
    assert_eq!(code(&sent(&["--passphrase-file", text(&wrong)])), 7);
    assert_eq!(code(&sent(&["--passphrase-file", text(&right)])), 0);
    let by_environment =
        picket(&["sent", "--home", text(&alpha)]).env("PICKET_PASSPHRASE_FILE", &right).output().unwrap();
    assert_eq!(code(&by_environment), 0);
}

#[test]
fn another_holder_must_know_the_key() {
    let bench = Bench::new();
    let alpha = bench.home("alpha");
    let mut holder = Follow::start(&alpha);
    let mut stream = std::os::unix::net::UnixStream::connect(Path::new(&alpha).join("agent.sock")).unwrap();
    stream.write_all(b"{\"proof\":\"00\"}\n\"sent\"\n").unwrap();
    let lines: Vec<String> = BufReader::new(stream).lines().map_while(Result::ok).collect();
    assert_eq!(lines.len(), 1, "the challenge and nothing else: {lines:?}");
    holder.kill();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut holder.lines, &mut rest).unwrap();
    assert!(rest.is_empty());
}

#[test]
fn a_damaged_home_says_so_and_goes_on_or_stops_with_its_code() {
    let bench = Bench::new();
    let alpha = bench.home("alpha");
    for n in 0..4 {
        assert_eq!(code(&run(&["send", "--home", &alpha, "--to", "bravo", &format!("message {n}")])), 0);
    }
    let segments: Vec<PathBuf> = std::fs::read_dir(Path::new(&alpha).join("state"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "seg"))
        .collect();
    let pristine: Vec<Vec<u8>> = segments.iter().map(|p| std::fs::read(p).unwrap()).collect();
    for (segment, bytes) in segments.iter().zip(&pristine) {
        let used = bytes.iter().rposition(|b| *b != 0).unwrap_or(0);
        for part in 1..4 {
            let mut bad = bytes.clone();
            bad[used * part / 4] ^= 0x40;
            for (path, good) in segments.iter().zip(&pristine) {
                std::fs::write(path, if path == segment { &bad } else { good }).unwrap();
            }
            let sent = run(&["sent", "--home", &alpha]);
            match code(&sent) {
                0 | 8 => {}
                other => panic!("exit {other} after damage in {}: {}", segment.display(), stderr(&sent)),
            }
            // Files that the repair made are not part of the next round.
            for entry in std::fs::read_dir(Path::new(&alpha).join("state")).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|e| e == "seg") && !segments.contains(&path) {
                    std::fs::remove_file(path).unwrap();
                }
            }
        }
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]);
        assert_eq!(code(&output), 0);
        assert!(stdout(&output).contains("quickstart"), "{shell}");
    }
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let mut child = picket(&["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

/// E-57.2-1 for a member's device: a home that was silenced transmits nothing over its radio, whoever opens it; the
/// process that holds it follows at once.
#[test]
fn a_silenced_home_puts_not_one_byte_on_its_radio_and_its_holder_follows_at_once() {
    use std::io::Read;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let bench = Bench::new();
    let home = bench.home("alpha");
    let master = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).unwrap();
    rustix::pty::grantpt(&master).unwrap();
    rustix::pty::unlockpt(&master).unwrap();
    let radio = rustix::pty::ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    // Held open, so that reading the master never fails while nobody has the port.
    let _held = std::fs::File::options().read(true).write(true).open(&radio).unwrap();
    let heard = std::sync::Arc::new(AtomicUsize::new(0));
    let (mut master, counted) = (std::fs::File::from(master), std::sync::Arc::clone(&heard));
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n) = master.read(&mut buffer) {
            counted.fetch_add(n, Ordering::SeqCst);
        }
    });
    let heard = || heard.load(Ordering::SeqCst);
    let emcon = |arguments: &[&str]| run(&[&["emcon"], arguments, &["--home", &home]].concat());
    assert_eq!(code(&emcon(&["silent"])), 0);
    let via = format!("serial:{radio}?baud=115200");
    let sent = run(&[
        "send",
        "--home",
        &home,
        "--via",
        &via,
        "--to",
        "bravo",
        "--wait",
        "custody",
        "--timeout",
        "1s",
        "quiet",
    ]);
    assert!(matches!(code(&sent), 0 | 3 | 6), "{}", stderr(&sent));
    let follow = Follow::start(&home);
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(heard(), 0, "silent from the first moment");
    let unconfirmed = emcon(&["free"]);
    assert_eq!(code(&unconfirmed), 2, "{}", stderr(&unconfirmed));
    assert_eq!(heard(), 0);
    let released = emcon(&["free", "--yes"]);
    assert_eq!(code(&released), 0, "{}", stderr(&released));
    until("a greeting", || heard() > 0);
    let silenced = emcon(&["receive-only"]);
    assert_eq!(code(&silenced), 0, "{}", stderr(&silenced));
    let before = heard();
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(heard(), before);
    drop(follow);
    assert!(stdout(&emcon(&[])).contains("receive-only"));
    std::fs::write(Path::new(&home).join("emcon"), b"free").unwrap();
    assert!(stdout(&emcon(&[])).contains("silent"), "a damaged mark means silent");
}
