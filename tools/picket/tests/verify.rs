//! `picket verify` as two people use it, and what a newer roster with other keys does to it (spec §30.11).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use picket::passphrase::{self, Source};
use picket_roster::{IdentitySecret, PublicKey, Roster};
use picket_wire::Index;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_picket"));
    command.args(args).stdin(Stdio::null()).env_remove("PICKET_PASSPHRASE_FILE").env_remove("PICKET_HOME");
    command.output().unwrap()
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

/// Three members, and the authority's own key to sign what no honest authority would.
struct Bench {
    _tmp: tempfile::TempDir,
    dir: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("m");
        let members = ["--members", "alpha,bravo,charlie", "--gateways", "gw1", "--unprotected"];
        let made = run(&[&["mission", "quickstart", dir.to_str().unwrap()], &members[..]].concat());
        assert_eq!(code(&made), 0, "{}", stderr(&made));
        Self { _tmp: tmp, dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }

    fn verify(&self, home: &str, more: &[&str]) -> Output {
        run(&[&["verify", "--home", &self.path(home)], more].concat())
    }

    /// One row of `verify`.
    fn row(&self, home: &str, more: &[&str]) -> Value {
        let output = self.verify(home, &[more, &["--json"]].concat());
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        serde_json::from_str(stdout(&output).lines().last().unwrap()).unwrap()
    }

    fn roster(&self, file: &str) -> Roster<Vec<u8>> {
        Roster::verify(std::fs::read(self.dir.join(file)).unwrap(), &self.authority().0).unwrap()
    }

    fn authority(&self) -> (PublicKey, IdentitySecret) {
        let path = self.dir.join("authority/authority.key");
        let bytes = passphrase::unwrap_file(passphrase::AUTHORITY, &path, &Source::default()).unwrap();
        let secret = IdentitySecret::from_bytes(&bytes[10..42].try_into().unwrap()).unwrap();
        (secret.public().unwrap(), secret)
    }

    /// A newer roster in which a member has another agreement key, signed by the authority.
    fn other_keys_for(&self, member: u16, from: &str, to: &str) -> String {
        let old = self.roster(from);
        let key = old.station(Index(member)).unwrap().agreement.0;
        let mut signed = old.bytes()[..old.bytes().len() - 64].to_vec();
        let at = signed.windows(33).position(|w| w == key).unwrap();
        signed[at] ^= 1; // the same x, the other y: a point as well
        signed[13] += 1; // the version
        let signature = self.authority().1.sign(b"PICKET-roster", &signed).unwrap();
        std::fs::write(self.dir.join(to), [signed, signature.to_vec()].concat()).unwrap();
        self.path(to)
    }

    fn import(&self, home: &str, roster: &str) -> Output {
        let output = run(&["roster", "import", "--home", &self.path(home), roster]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        output
    }

    fn send(&self, to: &str) -> Output {
        let output = run(&["send", "--home", &self.path("alpha"), "--to", to, "--json", "x"]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        output
    }
}

#[test]
fn both_sides_see_the_same_words_and_code_and_their_own_fingerprints() {
    let bench = Bench::new();
    let (a, b) = (bench.row("alpha", &["bravo"]), bench.row("bravo", &["alpha"]));
    for key in ["words", "qr", "roster", "roster_version"] {
        assert_eq!(a[key], b[key], "{key}");
    }
    assert_eq!(a["words"].as_array().unwrap().len(), 12);
    assert_eq!((&a["fingerprint"], &b["fingerprint"]), (&b["own"]["fingerprint"], &a["own"]["fingerprint"]));
    assert_ne!(a["words"], bench.row("alpha", &["charlie"])["words"]);
    assert_eq!(a["key"], "unverified");

    let all = stdout(&bench.verify("alpha", &[]));
    for word in ["MEMBER", "bravo", "charlie", "unverified"] {
        assert!(all.contains(word), "{all}");
    }
    assert!(!all.contains("alpha") && !all.contains("gw1"), "{all}");
}

#[test]
fn confirmed_is_durable_and_shown_where_messages_are_sent() {
    let bench = Bench::new();
    assert_eq!(state_of(&bench.send("bravo"))["key"], "unverified");
    let words: Vec<String> = serde_json::from_value(bench.row("bravo", &["alpha"])["words"].clone()).unwrap();
    let (heard, mut wrong) = (words.join(" ").to_uppercase(), words);
    wrong.swap(0, 1);
    let refused = bench.verify("alpha", &["bravo", "--against", &wrong.join(" "), "--confirm"]);
    assert_eq!(code(&refused), 4);
    assert!(stderr(&refused).contains("NOT THE SAME"));
    assert_eq!(bench.row("alpha", &["bravo"])["key"], "unverified", "nothing was confirmed");

    let done = bench.verify("alpha", &["bravo", "--against", &heard, "--confirm"]);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    assert!(stdout(&done).contains("bravo is verified"));
    assert_eq!(bench.row("alpha", &["bravo"])["key"], "verified");
    assert_eq!(bench.row("alpha", &["charlie"])["key"], "unverified");
    assert_eq!(state_of(&bench.send("bravo"))["key"], "verified");
    let sent = run(&["sent", "--home", &bench.path("alpha"), "--json"]);
    assert!(stdout(&sent).lines().all(|l| l.contains(r#""key":"verified""#)), "{}", stdout(&sent));
    let told = run(&["send", "--home", &bench.path("alpha"), "--to", "bravo", "x"]);
    assert!(stdout(&told).contains("queued to bravo (verified)"), "{}", stdout(&told));
}

fn state_of(sent: &Output) -> Value {
    serde_json::from_str(stdout(sent).lines().next().unwrap()).unwrap()
}

#[test]
fn fingerprints_and_codes_may_be_compared_as_well() {
    let bench = Bench::new();
    let of_bravo = bench.row("bravo", &["alpha"]);
    let (digits, qr) = (of_bravo["own"]["fingerprint"].as_str().unwrap(), of_bravo["qr"].as_str().unwrap());
    for same in [digits, &digits.replace(' ', "-"), qr, &qr.to_lowercase()] {
        assert_eq!(code(&bench.verify("alpha", &["bravo", "--against", same])), 0, "{same}");
        assert_eq!(code(&bench.verify("alpha", &["charlie", "--against", same])), 4, "{same}");
    }
    assert_eq!(bench.row("alpha", &["bravo"])["key"], "unverified", "comparing alone confirms nothing");
}

#[test]
fn a_changed_key_is_loud_until_it_is_verified_again() {
    let bench = Bench::new();
    let before = bench.row("alpha", &["bravo", "--confirm"]);
    assert_eq!(before["key"], "verified");
    assert!(stderr(&bench.send("bravo")).find("CHANGED").is_none());

    let roster = bench.other_keys_for(2, "roster", "roster2");
    let imported = bench.import("alpha", &roster);
    assert!(stderr(&imported).contains("THE KEYS OF bravo CHANGED"), "{}", stderr(&imported));
    let row = bench.row("alpha", &["bravo"]);
    assert_eq!((&row["key"], &row["changed"]["was_verified"]), (&"changed".into(), &true.into()));
    assert_eq!(row["changed"]["fingerprint"], before["fingerprint"]);
    assert_ne!(row["words"], before["words"]);
    for _ in 0..2 {
        let sent = bench.send("bravo");
        assert!(stderr(&sent).contains("THE KEYS OF bravo CHANGED"), "at every use: {}", stderr(&sent));
        assert_eq!(state_of(&sent)["key"], "changed");
    }
    assert!(!stderr(&bench.send("charlie")).contains("CHANGED"));

    // What was compared before does not fit the new keys.
    let words: Vec<String> = serde_json::from_value(before["words"].clone()).unwrap();
    assert_eq!(code(&bench.verify("alpha", &["bravo", "--against", &words.join(" "), "--confirm"])), 4);
    assert_eq!(bench.row("alpha", &["bravo", "--confirm"])["key"], "verified");
    assert!(!stderr(&bench.send("bravo")).contains("CHANGED"));
    assert_eq!(bench.row("alpha", &["bravo"]).get("changed"), None);
}

#[test]
fn a_name_with_another_index_and_other_keys_is_as_loud() {
    let bench = Bench::new();
    assert_eq!(bench.row("alpha", &["bravo", "--confirm"])["key"], "verified");
    // The authority's files as after removing bravo and enrolling a device that calls itself so.
    let (home, mission) = (bench.path("new-bravo"), bench.path(""));
    let roster = bench.path("roster");
    let bytes = std::fs::read(&roster).unwrap();
    std::fs::write(&roster, without(&bench, "bravo")).unwrap();
    let device = run(&["device", "new", "bravo", "--kind", "member", "--home", &home, "--unprotected"]);
    assert_eq!(code(&device), 0, "{}", stderr(&device));
    let enrolled = run(&["mission", "enrol", &mission, Path::new(&home).join("request").to_str().unwrap()]);
    assert_eq!(code(&enrolled), 0, "{}", stderr(&enrolled));
    assert_ne!(std::fs::read(&roster).unwrap(), bytes);
    assert!(stderr(&bench.import("alpha", &roster)).contains("THE KEYS OF bravo CHANGED"));
    let row = bench.row("alpha", &["bravo"]);
    assert_eq!((&row["key"], &row["changed"]["index"]), (&"changed".into(), &2.into()));
    assert_eq!(row["index"], 5);
}

/// A signed roster of the next version without this member.
fn without(bench: &Bench, name: &str) -> Vec<u8> {
    let roster = bench.roster("roster");
    let path = bench.dir.join("authority/authority.key");
    let bytes = passphrase::unwrap_file(passphrase::AUTHORITY, &path, &Source::default()).unwrap();
    let authority = picket_roster::AuthorityKey::from_bytes(&bytes).unwrap();
    let mut draft = picket_roster::RosterDraft::from_roster(&roster);
    draft.remove(roster.by_name(name).unwrap().index).unwrap();
    draft.sign(&authority, roster.issued().as_secs()).unwrap()
}

#[test]
fn the_code_on_paper_holds_what_both_see() {
    let bench = Bench::new();
    let (png, svg) = (bench.path("code.png"), bench.path("code.svg"));
    let row = bench.row("alpha", &["bravo", "--image", &png]);
    assert_eq!(code(&bench.verify("alpha", &["bravo", "--image", &svg])), 0);
    assert_eq!(code(&bench.verify("alpha", &["bravo", "--image", &bench.path("code.bmp")])), 2);
    assert!(std::fs::read_to_string(&svg).unwrap().starts_with("<?xml"));
    assert_eq!(Value::from(scanned(Path::new(&png))), row["qr"]);
    let page = stdout(&bench.verify("alpha", &["bravo"]));
    assert!(page.contains('\u{2588}') && page.contains(row["words"][0].as_str().unwrap()), "{page}");
}

/// What a camera makes of an image.
fn scanned(png: &Path) -> String {
    let file = std::io::BufReader::new(std::fs::File::open(png).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let (width, height) = (info.width as usize, info.height as usize);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1
}

#[test]
fn whom_nobody_can_verify_is_usage() {
    let bench = Bench::new();
    for name in ["nobody", "gw1", "alpha"] {
        let output = bench.verify("alpha", &[name]);
        assert_eq!(code(&output), 2, "{name}");
        assert!(stderr(&output).contains("next:"), "{}", stderr(&output));
    }
    assert_eq!(code(&bench.verify("alpha", &["--confirm"])), 2, "whom?");
}
