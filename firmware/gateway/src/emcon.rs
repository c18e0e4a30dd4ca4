//! The mark of emission control: what state is in force, across restarts (spec §57.7).
//!
//! It stands in two files, in the state folder and outside it, each replaced as a whole and checked when read. The
//! stricter of them applies, and what cannot be read counts as silence: a restored backup, a half-written file or a
//! broken disk may keep a gateway quiet that should speak, never the reverse.

use picket_node::gate::Emcon;
use picket_shell::keep;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The state in force, and whether it is written down.
#[derive(Debug)]
pub struct Mark {
    files: [PathBuf; 2],
    generation: u64,
    state: Emcon,
    /// Why the state in force would not survive a restart; empty when it would.
    trouble: Option<String>,
    /// Why a copy could not be used at start.
    found: Vec<String>,
}

impl Mark {
    /// Reads both copies. Without any, nothing was ever ordered.
    #[must_use]
    pub fn load(files: [PathBuf; 2]) -> Self {
        let mut mark = Self { files, generation: 0, state: Emcon::Free, trouble: None, found: Vec::new() };
        for file in &mark.files {
            match read(file) {
                Ok(None) => {}
                Ok(Some((generation, state))) => {
                    mark.generation = mark.generation.max(generation);
                    mark.state = mark.state.max(state);
                }
                Err(why) => {
                    mark.state = Emcon::Silent;
                    mark.found.push(format!("{}: {why}; silent until released", file.display()));
                }
            }
        }
        mark
    }

    /// The state in force.
    #[must_use]
    pub const fn state(&self) -> Emcon {
        self.state
    }

    /// Puts a state in force; it is, whether or not it can be written down.
    pub fn set(&mut self, state: Emcon) {
        self.state = state;
        self.generation += 1;
        let content = json!({ "generation": self.generation, "state": state.name() }).to_string();
        let failed = self
            .files
            .iter()
            .filter_map(|file| keep::write(file, content.as_bytes()).err().map(|e| format!("{}: {e}", file.display())));
        let failed: Vec<String> = failed.collect();
        self.trouble = (!failed.is_empty()).then(|| failed.join("; "));
        if self.trouble.is_none() {
            self.found.clear();
        }
    }

    /// Whether the state in force survives a restart.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        self.trouble.is_none()
    }

    /// What the operator must know of the files.
    pub fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        let trouble = self
            .trouble
            .iter()
            .map(|why| format!("{} is in force but NOT written down, a restart may forget it: {why}", self.state));
        trouble.chain(self.found.iter().cloned())
    }
}

fn read(file: &Path) -> Result<Option<(u64, Emcon)>, String> {
    let Some(content) = keep::read(file).map_err(|e| e.to_string())? else { return Ok(None) };
    let value: Value = serde_json::from_slice(&content).map_err(|e| e.to_string())?;
    let state = value["state"].as_str().and_then(|s| s.parse().ok()).ok_or("no state in it")?;
    let generation = value["generation"].as_u64().ok_or("no generation in it")?;
    Ok(Some((generation, state)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn files(folder: &Path) -> [PathBuf; 2] {
        [folder.join("state/emcon"), folder.join("run/gw1.emcon")]
    }

    /// E-57.7-1
    #[test]
    fn a_state_survives_and_the_stricter_copy_applies_whichever_is_restored() {
        let folder = tempfile::tempdir().unwrap();
        let load = || Mark::load(files(folder.path()));
        assert_eq!(load().state(), Emcon::Free, "never ordered");
        let mut mark = load();
        mark.set(Emcon::Silent);
        assert!(mark.is_durable() && load().state() == Emcon::Silent);
        let silent = files(folder.path()).map(|file| std::fs::read(file).unwrap());
        mark.set(Emcon::Free);
        assert_eq!(load().state(), Emcon::Free, "released here");
        let free = files(folder.path()).map(|file| std::fs::read(file).unwrap());
        for n in [0, 1] {
            for (m, file) in files(folder.path()).iter().enumerate() {
                std::fs::write(file, if n == m { &silent[m] } else { &free[m] }).unwrap();
            }
            assert_eq!(load().state(), Emcon::Silent, "copy {n} is silent");
            std::fs::remove_file(&files(folder.path())[1 - n]).unwrap();
            assert_eq!(load().state(), Emcon::Silent, "the other one is gone");
        }
    }

    /// E-57.7-2
    #[test]
    fn a_damaged_or_unreadable_mark_means_silent_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let mut mark = Mark::load(files(folder.path()));
        mark.set(Emcon::Free);
        let good = std::fs::read(&files(folder.path())[0]).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&files(folder.path())[0], bad).unwrap();
            let mark = Mark::load(files(folder.path()));
            assert_eq!((mark.state(), mark.warnings().count()), (Emcon::Silent, 1), "byte {at}");
        }
    }

    /// E-57.4-2
    #[test]
    fn silence_applies_although_it_cannot_be_written_down_and_says_that() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("state"), b"no folder").unwrap();
        let mut mark = Mark::load(files(folder.path()));
        mark.set(Emcon::Silent);
        assert_eq!(mark.state(), Emcon::Silent);
        assert!(!mark.is_durable());
        assert!(mark.warnings().next().unwrap().contains("NOT written down"));
    }
}
