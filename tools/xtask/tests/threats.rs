//! The threat model claims nothing without a test that exists or a residual risk that is named.

#![allow(clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::PathBuf;

const PAGE: &str = "firmware/spec/05-threats.md";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    std::fs::read_to_string(root().join(PAGE)).expect(PAGE)
}

/// The cells of every table row of the page, headings left out.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let rows = page.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| never ") && !l.starts_with("| | "));
    rows.map(|l| l.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// Every `path`, with the names after it up to the next one.
fn proofs(cell: &str) -> Vec<(&str, Vec<&str>)> {
    let mut parts = cell.split('`').skip(1);
    let mut found = Vec::new();
    while let (Some(path), Some(after)) = (parts.next(), parts.next()) {
        let words = after.split(|c: char| !c.is_alphanumeric() && c != '_');
        found.push((path, words.filter(|w| w.contains('_') && w.len() > 8).collect()));
    }
    found
}

fn residual(text: &str) -> BTreeSet<String> {
    let bold = text.split("**").skip(1).step_by(2).filter(|w| w.starts_with('R'));
    bold.filter(|w| w[1..].chars().all(|c| c.is_ascii_digit())).map(str::to_owned).collect()
}

#[test]
fn every_line_names_a_test_that_exists_or_a_residual_risk() {
    let page = page();
    let (claims, risks) = page.split_once("## 05.3").expect("residual risks");
    let mut named = 0;
    for row in rows(claims) {
        let [claim, shown] = row.as_slice() else { panic!("two cells: {row:?}") };
        let proofs: Vec<_> = proofs(shown).into_iter().filter(|(path, _)| path.contains('/')).collect();
        assert!(!proofs.is_empty() || !residual(shown).is_empty(), "nothing shows: {claim}");
        for (path, names) in proofs {
            let text = std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
            for name in &names {
                assert!(text.contains(&format!("fn {name}(")), "{path} has no test {name}");
            }
            let is_test = std::path::Path::new(path).extension().is_some_and(|e| e == "rs");
            assert!(!is_test || !names.is_empty(), "{path}: which test? {claim}");
            named += names.len();
        }
    }
    assert!(named > 40, "the page was read: {named}");
    let listed: BTreeSet<String> = rows(risks).iter().map(|r| r[0].to_owned()).collect();
    let unlisted: Vec<_> = residual(claims).into_iter().filter(|r| !listed.contains(r)).collect();
    assert!(unlisted.is_empty(), "named above and not listed: {unlisted:?}");
}

#[test]
fn what_the_model_is_asked_is_what_the_page_says() {
    for row in rows(&page()) {
        for (path, _) in row.iter().flat_map(|cell| proofs(cell)).filter(|(path, _)| path.contains("model/")) {
            assert!(root().join(path).is_file(), "{path} is missing");
        }
    }
}
