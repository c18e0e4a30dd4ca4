//! Every requirement of this crate's part of the spec names tests that exist.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

const PART: &str = "30-roster.md";

#[test]
fn every_requirement_names_tests_that_exist() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    // What passes between authority and devices (30.12 on) is in a crate of its own, and in the tool.
    let tool = ["../../tools/picket/src", "../../tools/picket/tests"];
    for folder in ["src", "tests", "../provision/src", "../provision/tests"].into_iter().chain(tool) {
        read(&root.join(folder), &mut code);
    }
    let text = std::fs::read_to_string(root.join("../spec").join(PART)).unwrap();
    let mut named = 0;
    for line in text.lines().filter(|l| l.starts_with("- **")) {
        let proof = line.rsplit_once('(').map_or("", |(_, proof)| proof);
        for name in proof.split('`').skip(1).step_by(2) {
            assert!(code.contains(&format!("fn {name}(")), "{PART}: no test {name}");
            named += 1;
        }
        assert!(proof.contains('`') || proof.contains("same"), "{PART}: no test named: {line}");
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
