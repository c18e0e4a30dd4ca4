//! Counting what test programs say.

use std::collections::BTreeSet;

/// What all programs together reported.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    passed: u64,
    failed: u64,
    skipped: u64,
    /// Programs and tests to name at the end.
    failures: Vec<String>,
    /// Named skips, each with its reason.
    skips: BTreeSet<String>,
}

impl Summary {
    /// Takes the line of a program's output into account; true when it is that program's result.
    pub fn line(&mut self, program: &str, line: &str) -> bool {
        if let Some(name) = line.strip_prefix("test ").and_then(|l| l.strip_suffix(" ... FAILED")) {
            self.failures.push(format!("{program}: {name}"));
        }
        let Some(result) = line.strip_prefix("test result: ") else { return false };
        self.passed += count(result, " passed");
        self.failed += count(result, " failed");
        self.skipped += count(result, " ignored");
        true
    }

    /// A step that is not a test program, or a program that ended without a result, failed.
    pub fn broke(&mut self, what: &str, why: &str) {
        self.failed += 1;
        self.failures.push(format!("{what}: {why}"));
    }

    /// A step that is not a test program ended.
    pub fn step(&mut self, what: &str, ended: Result<(), String>) {
        match ended {
            Ok(()) => self.passed += 1,
            Err(why) => self.broke(what, &why),
        }
    }

    /// A test that reported success because it could not run: `name: reason`.
    pub fn skip(&mut self, named: &str) {
        if self.skips.insert(named.to_owned()) {
            self.skipped += 1;
            self.passed = self.passed.saturating_sub(1);
        }
    }

    /// Tests and steps that failed so far.
    pub const fn failed(&self) -> u64 {
        self.failed
    }

    /// Did everything that ran pass?
    pub const fn is_good(&self) -> bool {
        self.failed == 0
    }

    /// Prints what failed and was skipped, then the counts, on a line of their own and last.
    pub fn print(&self) {
        println!();
        self.skips.iter().for_each(|s| println!("skipped: {s}"));
        self.failures.iter().for_each(|f| println!("failed: {f}"));
        println!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped);
    }
}

/// The number before `word`.
fn count(result: &str, word: &str) -> u64 {
    let before = result.split(word).next().filter(|b| b.len() < result.len());
    before.and_then(|b| b.rsplit(' ').next()).and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_add_up() {
        let mut s = Summary::default();
        assert!(
            s.line("a", "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0s")
        );
        assert!(s.line("b", "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out"));
        assert!(!s.line("b", "test x::y ... FAILED"));
        assert!(!s.line("b", "running 3 tests"));
        assert_eq!((s.passed, s.failed, s.skipped), (13, 2, 3));
        assert_eq!(s.failures, ["b: x::y"]);
        assert!(!s.is_good());
    }

    #[test]
    fn a_named_skip_is_not_a_pass() {
        let mut s = Summary::default();
        s.line("a", "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        s.skip("full disk: not root");
        s.skip("full disk: not root");
        assert_eq!((s.passed, s.skipped), (1, 1));
        assert!(s.is_good());
    }

    #[test]
    fn a_program_that_dies_is_a_failure() {
        let mut s = Summary::default();
        s.step("b", Ok(()));
        assert_eq!((s.passed, s.is_good()), (1, true));
        s.step("a", Err("killed".into()));
        assert_eq!(s.failures, ["a: killed"]);
        assert!(!s.is_good());
    }
}
