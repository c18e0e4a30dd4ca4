//! Every requirement of this crate's part of the spec names tests that exist.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

const PARTS: [&str; 2] = ["40-seal.md", "45-rooms.md"];

#[test]
fn every_requirement_names_tests_that_exist() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    // Some requirements bind whoever keeps the sessions: the endpoint.
    for folder in ["src", "tests", "../endpoint/src", "../endpoint/tests"] {
        read(&root.join(folder), &mut code);
    }
    for part in PARTS {
        every_requirement_of(part, &root, &code);
    }
}

fn every_requirement_of(part: &str, root: &Path, code: &str) {
    let text = std::fs::read_to_string(root.join("../spec").join(part)).unwrap();
    let mut named = 0;
    for line in text.lines().filter(|l| l.starts_with("- **")) {
        let proof = line.rsplit_once('(').map_or("", |(_, proof)| proof);
        for name in proof.split('`').skip(1).step_by(2) {
            assert!(code.contains(&format!("fn {name}(")), "{part}: no test {name}");
            named += 1;
        }
        assert!(proof.contains('`') || proof.contains("same"), "{part}: no test named: {line}");
    }
    assert!(named > 15);
}

fn read(folder: &Path, code: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, code);
        } else if path.extension().is_some_and(|e| e == "rs") {
            code.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}
