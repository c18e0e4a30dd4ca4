//! Keys of a gateway at rest, and their end: imported and sealed, zeroized while it runs, by kill -9 at any moment, by a
//! switch, by a dead man's time; and that no secret is where it must not be.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use hil_tests::programs::program;
use hil_tests::{Gateway, Plan, Rig, memory, skip, wait};
use picket::home::Home;
use picket::passphrase::Source;

use crate::world::ByBroker;

/// What is secret in a keyfill: its network key (section 2 after generation), and the device's own keys (section 6).
fn secrets_of(keyfill: &[u8]) -> Vec<Vec<u8>> {
    let body = &keyfill[..keyfill.len() - 8];
    let mut at = 10;
    let mut found = Vec::new();
    while at < body.len() {
        let (kind, mut shift, mut len) = (body[at] >> 1, 0, 0_usize);
        at += 1;
        loop {
            let b = body[at];
            at += 1;
            len |= usize::from(b & 0x7F) << shift;
            shift += 7;
            if b & 0x80 == 0 {
                break;
            }
        }
        let section = &body[at..at + len];
        match kind {
            2 => found.push(section[1..33].to_vec()),
            6 => found.extend(section[10..74].chunks(32).map(<[u8]>::to_vec)),
            _ => {}
        }
        at += len;
    }
    assert!(found.len() >= 2, "network key and own keys");
    found
}

fn picketd(config: &Path, args: &[&str]) -> Output {
    Command::new(program("picketd")).arg("--config").arg(config).args(args).stdin(Stdio::null()).output().unwrap()
}

fn import(gateway: &Gateway, keyfill: &Path) {
    let done = picketd(gateway.config(), &["--import-keyfill", keyfill.to_str().unwrap()]);
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && out.contains("removed"), "{out}{err}");
    assert!(out.contains("NOT protected"), "a wrapping key in a file is said to be one");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let (folders, files): (Vec<_>, Vec<_>) = entries.flatten().map(|e| e.path()).partition(|p| p.is_dir());
    files.into_iter().filter(|p| p.is_file()).chain(folders.iter().flat_map(|f| self::files(f))).collect()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|w| w == wanted)
}

fn nowhere(secrets: &[Vec<u8>], places: &[PathBuf]) {
    for file in places.iter().flat_map(|p| files(p)) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        for secret in secrets {
            let hex: String = secret.iter().map(|b| format!("{b:02x}")).collect();
            assert!(
                !contains(&bytes, secret) && !contains(&bytes, hex.as_bytes()),
                "a secret is in {}",
                file.display()
            );
        }
    }
}

/// K-75.2-1, K-75.2-2, K-75.3-4, K-75.3-5
#[test]
fn an_imported_gateway_works_and_zeroized_while_it_runs_nothing_of_its_keys_is_left() {
    let mut world = ByBroker::new("an_imported_gateway_works_and_is_zeroized_while_it_runs");
    let keyfill = world.rig.mission("gw1.keyfill");
    let tls = world.rig.mission("tls/gw1.key");
    let mut secrets = secrets_of(&std::fs::read(&keyfill).unwrap());
    let pem = std::fs::read_to_string(&tls).unwrap();
    secrets.push(pem.lines().nth(1).unwrap().as_bytes().to_vec());
    assert_eq!(world.gw1.status()["keys"]["kept"], "clear", "before, and said");
    assert_eq!(world.gw1.stop(), 0);
    import(&world.gw1, &keyfill);
    assert!(!keyfill.exists() && !tls.exists(), "the clear files are gone");
    let (state, run) = (world.rig.mission("state/gw1"), world.rig.mission("run"));
    nowhere(&secrets, &[state.clone(), world.rig.path("log")]);

    world.gw1.start();
    assert_eq!(world.gw1.status()["keys"]["kept"], "file");
    world.gw1.await_uplink("up", wait::PROMPT);
    let (alpha, bravo) = (world.rig.member("alpha", "gw1"), world.rig.member("bravo", "gw2"));
    let mut at_bravo = bravo.follow();
    alpha.send_with("bravo", &["--wait", "delivered", "sealed and well"]).expect(0);
    at_bravo.text("sealed and well", wait::PROMPT);

    let pid = world.gw1.id();
    let asked = picketd(world.gw1.config(), &["--zeroize"]);
    assert_eq!(asked.status.code(), Some(2), "not without being asked");
    assert!(world.gw1.is_running());
    let done = picketd(world.gw1.config(), &["--zeroize", "--yes"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    wait::until("picketd to be gone", wait::PROMPT, || (!world.gw1.is_running()).then_some(()));
    assert!(pid > 0 && files(&state).is_empty(), "{:?}", files(&state));
    nowhere(&secrets, &[state, run, world.rig.path("log")]);
    let again = world.gw1.start_refused();
    assert_eq!(again.code, 2, "it has no keys: {}", again.err);
}

/// K-75.3-1 with the real program, where a keyfill and a TLS key lie in clear as well.
#[test]
fn picketd_killed_at_any_moment_of_a_zeroize_is_whole_or_finishes_it_at_the_next_start() {
    let rig = Rig::new("picketd_killed_at_any_moment_of_a_zeroize", &["alpha"], &["gw1"]);
    let gateway = Gateway::prepare(&rig, Plan::new("gw1"));
    let keyfill = rig.mission("gw1.keyfill");
    let secrets = secrets_of(&std::fs::read(&keyfill).unwrap());
    let state = rig.mission("state");
    let model = rig.path("model");
    let copy = |from: &Path, to: &Path| {
        let _ = std::fs::remove_dir_all(to);
        assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
    };
    for imported in [false, true] {
        if imported {
            import(&gateway, &keyfill);
        } else {
            std::fs::create_dir_all(state.join("gw1/store")).unwrap();
            std::fs::write(state.join("gw1/store/x"), b"x").unwrap();
        }
        copy(&state, &model);
        let clear = std::fs::read(&keyfill).ok();
        let began = Instant::now();
        assert!(picketd(gateway.config(), &["--zeroize", "--yes"]).status.success());
        let uncut = began.elapsed();
        let (mut whole, mut rest) = (0, 0);
        for round in 0..40_u32 {
            copy(&model, &state);
            if let Some(bytes) = &clear {
                std::fs::write(&keyfill, bytes).unwrap();
            }
            let mut child = Command::new(program("picketd"))
                .arg("--config")
                .arg(gateway.config())
                .args(["--zeroize", "--yes"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let end = Instant::now() + uncut * round / 26;
            while Instant::now() < end && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_micros(100));
            }
            let _ = child.kill();
            child.wait().unwrap();
            let code = gateway.check().code;
            if code == 0 {
                whole += 1;
                assert_eq!(std::fs::read(&keyfill).ok(), clear, "whole");
            } else {
                rest += 1;
                assert!([2, 9].contains(&code), "{code}");
                assert!(files(&state).is_empty() && !keyfill.exists());
                nowhere(&secrets, &[rig.mission("run"), rig.path("log")]);
            }
        }
        assert!(whole > 0 && rest > 0, "imported {imported}: {whole} whole, {rest} wiped");
        copy(&model, &state);
        if let Some(bytes) = &clear {
            std::fs::write(&keyfill, bytes).unwrap();
        }
    }
}

/// K-75.5-3, K-75.5-5
#[test]
fn a_closed_switch_and_a_dead_mans_time_end_a_gateway() {
    let rig = Rig::new("a_closed_switch_and_a_dead_mans_time_end_a_gateway", &["alpha"], &["gw1", "gw2"]);
    let switch = rig.path("switch");
    let more = format!("\n[zeroize]\nline = \"file:{}\"\n", switch.display());
    let mut gw1 = rig.gateway(Plan::new("gw1").more(&more));
    std::fs::write(&switch, "0").unwrap();
    std::thread::sleep(Duration::from_millis(400));
    assert!(gw1.is_running(), "an open switch does nothing");
    std::fs::write(&switch, "1").unwrap();
    wait::until("gw1 to end", wait::PROMPT, || (!gw1.is_running()).then_some(()));
    assert!(gw1.said().contains("zeroized: the switch is closed"), "{}", gw1.said());
    assert!(files(&rig.mission("state/gw1")).is_empty() && !rig.mission("gw1.keyfill").exists());

    let mut gw2 = rig.gateway(Plan::new("gw2").more("\n[zeroize]\ndead_man = \"72h\"\n"));
    let left = |gw: &Gateway| gw.status()["keys"]["dead_man_left_ms"].as_u64().unwrap() / 3_600_000;
    assert!(left(&gw2) >= 71);
    assert_eq!(gw2.stop(), 0);
    let alive = rig.mission("state/gw2/alive");
    spend(&alive, 71);
    gw2.start();
    assert!(gw2.said().contains("dead_man_near") && left(&gw2) == 0, "{}", gw2.said());
    let control = gw2.control().to_owned();
    let sign = Command::new(program("picket")).args(["gateway", "alive", "--control"]).arg(control).output().unwrap();
    assert!(sign.status.success(), "{}", String::from_utf8_lossy(&sign.stderr));
    assert!(left(&gw2) >= 71, "it began anew");
    assert_eq!(gw2.stop(), 0);
    spend(&alive, 72);
    let ended = gw2.start_refused();
    assert_eq!(ended.code, 9, "{}", ended.err);
    assert!(files(&rig.mission("state/gw2")).is_empty() && !rig.mission("gw2.keyfill").exists());
}

/// As if the count had been written long ago: so many hours are spent.
fn spend(alive: &Path, hours: u64) {
    let text = std::fs::read_to_string(alive).unwrap();
    let (_, line) = text.split_once('\n').unwrap();
    let mut words: Vec<String> = line.trim_end().split(' ').map(str::to_owned).collect();
    words[2] = (hours * 3_600_000).to_string();
    let line = format!("{}\n", words.join(" "));
    std::fs::write(alive, format!("{:08x}\n{line}", crc32fast::hash(line.as_bytes()))).unwrap();
}

/// K-75.6-1, K-75.6-2, K-75.6-3: no core file, locked pages, no secret in a command line, a log, a folder, a temporary
/// file; also after a crash.
#[test]
fn no_secret_is_in_a_log_a_command_line_a_temporary_file_or_a_core() {
    let mut world = ByBroker::new("no_secret_is_in_a_log_a_command_line_or_a_core");
    let keyfill = world.rig.mission("gw1.keyfill");
    let secrets = secrets_of(&std::fs::read(&keyfill).unwrap());
    let planted = "the planted text of the hygiene test";
    assert_eq!(world.gw1.stop(), 0);
    import(&world.gw1, &keyfill);
    world.gw1.start();
    world.gw1.await_uplink("up", wait::PROMPT);
    let (alpha, bravo) = (world.rig.member("alpha", "gw1"), world.rig.member("bravo", "gw2"));
    let mut at_bravo = bravo.follow();
    alpha.send_with("bravo", &["--wait", "delivered", planted]).expect(0);
    at_bravo.text(planted, wait::PROMPT);

    let holder = at_bravo.id();
    for (name, pid) in [("picketd", world.gw1.id()), ("picket", holder)] {
        let of = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let status = String::from_utf8(of("status")).unwrap();
        let limits = String::from_utf8(of("limits")).unwrap();
        let core: Vec<&str> = limits.lines().find(|l| l.starts_with("Max core")).unwrap().split_whitespace().collect();
        assert_eq!(core[4..6], ["0", "0"], "{name}: core files are forbidden");
        let all: String = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap().to_owned();
        let all: u64 = all.split_whitespace().nth(1).unwrap().parse().unwrap();
        let pages = String::from_utf8(of("smaps")).unwrap();
        let kib = |line: &str| line.strip_prefix("Locked:")?.split_whitespace().next()?.parse::<u64>().ok();
        let locked: u64 = pages.lines().filter_map(kib).sum();
        assert!(locked > 0 && locked < all / 2, "{name}: where keys may be, not all of it: {locked} of {all} KiB");
        for file in ["cmdline", "environ"] {
            let bytes = of(file);
            assert!(
                !secrets.iter().any(|s| contains(&bytes, s)) && !contains(&bytes, planted.as_bytes()),
                "{name} {file}"
            );
        }
        // A crash: SIGABRT dumps core where that is allowed.
        let killed = Command::new("kill").args(["-ABRT", &pid.to_string()]).status().unwrap();
        assert!(killed.success());
    }
    wait::until("picketd to be gone", wait::PROMPT, || (!world.gw1.is_running()).then_some(()));
    let everywhere = [world.rig.path("."), std::env::temp_dir().join("picket-hygiene")];
    let cores = everywhere.iter().flat_map(|p| files(p)).filter(|f| {
        let name = f.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name == "core" || name.starts_with("core.")
    });
    assert_eq!(cores.count(), 0, "no core file");
    // The authority's own folder has what it gave out; everywhere else nothing is in clear.
    let places = ["m/state", "m/run", "m/alpha", "m/bravo", "broker", "log"].map(|p| world.rig.path(p));
    let mut wanted = secrets;
    wanted.push(planted.as_bytes().to_vec());
    nowhere(&wanted, &places);
}

/// Keys of a member as its home has them: its own, the pairing secret, and what it shares with its first peer.
fn keys_of(home: &Path) -> Vec<(String, Vec<u8>)> {
    let mut state = Home::unlock(home, &Source { file: None }).unwrap().open_alone().unwrap().state;
    let mut value = |name: &str| state.get(name.as_bytes()).unwrap().unwrap().to_vec();
    let (secrets, pairing) = (value("e/d"), value("e/g"));
    let placed = value(&format!("e/p{}", "\0\u{2}"));
    let key = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
    vec![
        key("IS", &secrets[10..42]),
        key("IK", &secrets[42..74]),
        key("a seed of an epoch", &secrets[secrets.len() - 32..]),
        key("pairing secret", &pairing[pairing.len() - 32..]),
        key("pre-shared key", &placed[placed.len() - 32..]),
    ]
}

/// K-75.6-2, K-75.6-4: wherever a key lies in a running program, and wherever moving and growing has left a copy of it,
/// the page is locked and left out of core files.
#[test]
fn every_copy_of_a_key_in_memory_is_in_locked_pages() {
    const NAME: &str = "every_copy_of_a_key_in_memory_is_in_locked_pages";
    if !skip::is_root() {
        return skip::skip(NAME, "looking at another process's memory needs root");
    }
    let world = ByBroker::new(NAME);
    let gateways = secrets_of(&std::fs::read(world.rig.mission("gw1.keyfill")).unwrap());
    let names = ["network key", "gateway's IS", "gateway's IK"];
    let gateways: Vec<_> = names.map(str::to_owned).into_iter().zip(gateways).collect();
    let mut members = keys_of(&world.rig.mission("alpha"));
    members.push(gateways[0].clone());
    let (alpha, bravo) = (world.rig.member("alpha", "gw1"), world.rig.member("bravo", "gw2"));
    let (mut at_alpha, mut at_bravo) = (alpha.follow(), bravo.follow());
    alpha.send_with("bravo", &["--wait", "delivered", "one way"]).expect(0);
    at_bravo.text("one way", wait::PROMPT);
    bravo.send_with("alpha", &["--wait", "delivered", "and back"]).expect(0);
    at_alpha.text("and back", wait::PROMPT);

    for (pid, keys, least) in [(at_alpha.id(), &members, "IS"), (world.gw1.id(), &gateways, "gateway's IK")] {
        let found = memory::search(pid, keys);
        assert!(found.iter().any(|f| f.what == least), "the search finds what is there: {found:?}");
        let open: Vec<_> = found.iter().filter(|f| !f.kept).collect();
        assert!(open.is_empty(), "{open:#?}");
    }
}
