//! A mission provisioned with the real program: by files, by codes, with its key under a passphrase and in a token.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;

use bench::{Bench, parts, stderr};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
#[test]
fn requests_and_keyfills_travel_as_codes() {
    let bench = Bench::new();
    bench.must("mission new m --name exercise --unprotected");
    let shown = bench.must("--json device new alpha --kind member --home alpha --unprotected --epochs 14 --qr");
    let texts: Vec<String> = shown
        .lines()
        .filter_map(|l| serde_json::from_str::<Value>(l).unwrap()["text"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(texts, parts(&bench, "alpha/request"));
    assert!(texts.len() > 2, "a request with fourteen epochs is longer than a code: {}", texts.len());

    // One is missing, then one of another device is among them.
    let partly: Vec<String> = texts.iter().skip(1).rev().cloned().collect();
    let missing = bench.scan("mission enrol m --qr", &partly);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("these are missing: 1"), "{}", stderr(&missing));
    bench.must("device new bravo --kind member --home bravo --unprotected --epochs 14");
    let mixed: Vec<String> = partly.iter().cloned().chain(parts(&bench, "bravo/request").into_iter().take(1)).collect();
    let mixed = bench.scan("mission enrol m --qr", &mixed);
    assert_eq!(mixed.status.code(), Some(2));
    assert!(stderr(&mixed).contains("another file"), "{}", stderr(&mixed));

    let all: Vec<String> = partly.iter().chain(&partly[..2]).chain(&texts[..1]).cloned().collect();
    let enrolled = bench.scan("mission enrol m --qr", &all);
    assert!(enrolled.status.success(), "{}", stderr(&enrolled));
    assert!(stderr(&enrolled).contains("missing: 1"), "progress is shown: {}", stderr(&enrolled));

    // The keyfill goes back as images.
    bench.must("qr m/alpha.keyfill --image fill");
    let images: Vec<String> = std::fs::read_dir(bench.tmp.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.starts_with("fill-"))
        .collect();
    let line = format!("join --home alpha --qr {}", images.join(" "));
    let short = format!("join --home alpha --qr {}", images[1..].join(" "));
    bench.refused(&short, 2);
    bench.must(&line);
    assert!(bench.refused(&line, 2).contains("given again"));
    // A gateway, by text from a file.
    bench.must("device new gw1 --kind gateway --home gw1 --unprotected");
    bench.write("scanned.txt", &parts(&bench, "gw1/request").join("\n"));
    bench.must("mission enrol m --qr scanned.txt");
    bench.must("gateway provision --home gw1 m/gw1.keyfill");
    assert!(bench.tmp.path().join("gw1/gw1.keyfill").exists());
    bench.must("mission log m --check");
}

#[test]
fn a_key_in_clear_is_loud_until_it_is_protected() {
    let bench = Bench::new();
    bench.write("pw", "correct horse\n");
    bench.write("wrong", "battery staple\n");
    let made = bench.run("mission new m --name exercise --unprotected");
    assert!(stderr(&made).contains("THE AUTHORITY'S KEY IS NOT PROTECTED"), "{}", stderr(&made));
    assert!(stderr(&bench.run("mission reissue m")).contains("IS NOT PROTECTED"));
    bench.must("mission protect m --new-passphrase-file pw");
    let file = std::fs::read(bench.tmp.path().join("m/authority/authority.key")).unwrap();
    assert_eq!((&file[..8], file[10]), (&b"PKAUTHKY"[..], 1));
    let quiet = bench.run("mission reissue m --passphrase-file pw");
    assert!(quiet.status.success() && !stderr(&quiet).contains("PROTECTED"), "{}", stderr(&quiet));
    bench.refused("mission reissue m --passphrase-file wrong", 7);
    bench.refused("mission reissue m", 7);
    bench.must("mission log m --check");
    assert!(bench.must("mission show m").contains("passphrase"), "no key is needed to look");
}

#[test]
fn no_secret_is_taken_from_a_command_line() {
    fn flags(command: &mut clap::Command, found: &mut Vec<(String, bool)>) {
        command.build();
        for arg in command.get_arguments() {
            let file = arg.get_value_names().is_some_and(|n| n.iter().all(|n| n.as_str() == "FILE"));
            found.push((arg.get_id().to_string(), file));
        }
        command.get_subcommands_mut().for_each(|sub| flags(sub, found));
    }
    use clap::CommandFactory;
    let mut found = Vec::new();
    flags(&mut picket::cli::Cli::command(), &mut found);
    let secret = |name: &str| {
        ["pass", "pin", "secret", "password", "key"].iter().any(|w| name.split('_').any(|p| p.starts_with(w)))
    };
    let named: Vec<_> = found.iter().filter(|(name, _)| secret(name) && name != "keyfill").collect();
    assert!(named.len() > 5, "{named:?}");
    assert!(named.iter().all(|(_, file)| *file), "each names a file: {named:?}");
}

/// Where distributions put the module of softhsm2.
const SOFTHSM: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
];

fn softhsm() -> &'static Path {
    let found = SOFTHSM.iter().map(Path::new).find(|p| p.exists());
    found.expect("softhsm2 is missing: apt-get install softhsm2, or `cargo xtask test`")
}

fn token(bench: &mut Bench) {
    let tokens = bench.tmp.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let conf =
        bench.write("softhsm2.conf", &format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display()));
    bench.write("pin", "4711\n");
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "hq", "--pin", "4711", "--so-pin", "0815"])
        .env("SOFTHSM2_CONF", &conf)
        .output()
        .expect("softhsm2-util is missing: apt-get install softhsm2, or `cargo xtask test`");
    assert!(made.status.success(), "{}", stderr(&made));
    bench.softhsm = Some(conf.into());
}

#[test]
fn an_authority_in_a_token_enrols_and_signs() {
    let mut bench = Bench::new();
    token(&mut bench);
    bench.write("bad", "0000\n");
    let module = softhsm().display();
    let with = format!("--pkcs11 {module} --pin-file pin");
    bench.must(&format!("mission new m --name exercise --token hq {with}"));
    bench.must("device new alpha --kind member --home alpha --unprotected --epochs 2");
    bench.must(&format!("mission enrol m alpha/request {with}"));
    bench.must("join --home alpha m/alpha.keyfill");
    bench.must("mission log m --check");
    assert!(bench.must("mission show m").contains("token"));
    bench.refused(&format!("mission reissue m --pkcs11 {module} --pin-file bad"), 7);
    assert!(
        bench.refused("mission reissue m --pin-file pin", 2).contains("--pkcs11"),
        "a module is never taken from the folder"
    );
    bench.refused("mission reissue m --pkcs11 /nonexistent.so --pin-file pin", 2);
    bench.refused(&format!("mission protect m {with} --new-passphrase-file pin"), 2);
    // The key file is of no use without its token, nor damaged.
    let path = bench.tmp.path().join("m/authority/authority.key");
    let good = std::fs::read(&path).unwrap();
    assert!(good.starts_with(b"PKAUTHTK"));
    for at in (10..good.len()).step_by(9) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, bad).unwrap();
        bench.refused(&format!("mission reissue m {with}"), 8);
    }
    std::fs::write(&path, &good).unwrap();
    bench.must(&format!("mission reissue m alpha {with}"));
}

#[test]
fn a_key_moves_from_a_file_into_a_token() {
    let mut bench = Bench::new();
    token(&mut bench);
    bench.write("pw", "correct horse\n");
    let module = softhsm().display();
    let with = format!("--pkcs11 {module} --pin-file pin");
    bench.must("mission new m --name exercise --passphrase-file pw");
    bench.must("device new alpha --kind member --home alpha --unprotected --epochs 2");
    bench.must("mission enrol m alpha/request --passphrase-file pw");
    bench.must(&format!("mission protect m --passphrase-file pw --token hq {with}"));
    assert!(std::fs::read(bench.tmp.path().join("m/authority/authority.key")).unwrap().starts_with(b"PKAUTHTK"));
    bench.refused("mission reissue m --passphrase-file pw", 2);
    // The same authority goes on: the same keys of pairs, the same mission.
    bench.must(&format!("mission reissue m alpha {with}"));
    bench.must("join --home alpha m/alpha.keyfill");
    bench.must("mission log m --check");
    assert!(bench.must("mission log m").contains("key_moved"));
}
