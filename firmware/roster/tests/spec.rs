//! Every requirement of this crate's part of the spec names tests that exist.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

/// Parts of the spec, and where their tests are: revocation is carried by the whole firmware.
const PARTS: [(&str, &[&str], usize); 2] = [
    // What passes between authority and devices (30.12 on) is in a crate of its own, and in the tool.
    (
        "30-roster.md",
        &[
            "src",
            "tests",
            "../provision/src",
            "../provision/tests",
            "../../tools/picket/src",
            "../../tools/picket/tests",
        ],
        15,
    ),
    (
        "35-revocation.md",
        &[
            "src",
            "tests",
            "../wire/src",
            "../link",
            "../node/src",
            "../gateway/src",
            "../endpoint/tests",
            "../../hil-tests/tests",
        ],
        20,
    ),
];

#[test]
fn every_requirement_names_tests_that_exist() {
    for (part, folders, least) in PARTS {
        check(part, folders, least);
    }
}

fn check(part: &str, folders: &[&str], least: usize) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    for folder in folders {
        read(&root.join(folder), &mut code);
    }
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
    assert!(named > least, "{part}: {named}");
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
