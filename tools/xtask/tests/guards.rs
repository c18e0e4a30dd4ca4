//! Plants violations below the firmware's `clippy.toml` to see its guards fire.

#![allow(clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

const PLANTED: &str = r"
pub fn clock() -> std::time::Instant { std::time::Instant::now() }
pub fn wall() -> std::time::SystemTime { std::time::SystemTime::now() }
pub fn unbounded() -> std::sync::mpsc::Receiver<u8> { std::sync::mpsc::channel().1 }
pub fn method(m: &std::collections::HashMap<u8, u8>) -> usize { m.keys().count() }
pub fn order(m: &std::collections::HashMap<u8, u8>) { for (k, v) in m { let _ = (k, v); } }
";

const MANIFEST: &str = "[package]\nname = \"planted\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n";

#[test]
fn planted_violations_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("Cargo.toml"), MANIFEST).expect("written");
    std::fs::write(folder.path().join("lib.rs"), PLANTED).expect("written");
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../firmware");
    let out = Command::new(env!("CARGO"))
        .args(["clippy", "--offline", "--quiet", "--", "--deny", "warnings", "--deny", "clippy::iter_over_hash_type"])
        .current_dir(folder.path())
        .env("CLIPPY_CONF_DIR", rules)
        .env("CARGO_TARGET_DIR", folder.path().join("target"))
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success(), "clippy let it pass: {said}");
    for banned in ["std::time::Instant::now", "std::time::SystemTime::now", "std::sync::mpsc::channel", "HashMap::keys"]
    {
        assert!(said.contains(&format!("`{banned}`")) || said.contains(&format!("{banned}`")), "{banned}: {said}");
    }
    assert!(said.contains("iteration over unordered hash-based type"), "{said}");
}
