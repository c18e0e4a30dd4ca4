//! What holds for every file of the project.

#![allow(clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest source file, in lines: beyond it a second machine hides in the first.
const LONGEST: usize = 600;

#[test]
fn source_files_stay_short() {
    let long: Vec<_> =
        sources().into_iter().filter(|(_, text)| text.lines().count() > LONGEST).map(|(p, _)| p).collect();
    assert!(long.is_empty(), "over {LONGEST} lines: {long:?}");
}

#[test]
fn nothing_is_left_to_do_later() {
    // Put together here, so that this file does not find itself.
    let words = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!(")];
    let found: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| words.iter().any(|w| text.contains(w)))
        .map(|(path, _)| path)
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn no_file_names_the_machine_it_was_written_on() {
    let words = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let found: Vec<String> = texts()
        .into_iter()
        .flat_map(|(path, text)| {
            let hits = text.lines().enumerate().filter(|(_, line)| words.iter().any(|w| names_a_path(line, w)));
            hits.map(|(n, line)| format!("{}:{}: {line}", path.display(), n + 1)).collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// `word` where a path begins, not inside a longer one or an address.
fn names_a_path(line: &str, word: &str) -> bool {
    let at_a_start = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "-_./}$)".contains(c));
    line.match_indices(word).any(|(at, _)| at_a_start(at))
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    for (path, text) in texts().into_iter().filter(|(p, _)| p.ends_with("Cargo.toml")) {
        let inherits = text.contains("[lints]\nworkspace = true");
        assert!(inherits || text.contains("[workspace]"), "{} does not inherit the lints", path.display());
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    texts().into_iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "rs")).collect()
}

/// Every text file that git tracks, or would.
fn texts() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let out = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root)
        .output()
        .expect("git is there, as the clone is");
    let names = String::from_utf8(out.stdout).expect("names are UTF-8");
    let paths = names.split('\0').filter(|n| !n.is_empty()).map(PathBuf::from);
    let all: Vec<_> = paths.filter_map(|p| Some((p.clone(), std::fs::read_to_string(root.join(&p)).ok()?))).collect();
    assert!(all.len() > 50, "the walk sees the project: {}", all.len());
    all
}
