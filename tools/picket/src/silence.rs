//! Emission control of a member's device: the mark in its home, `H/emcon` (spec §57.7).
//!
//! It lies in the clear and needs no passphrase to be read: silence must not wait for one.

use picket_node::gate::Emcon;
use picket_shell::keep;
use std::io;
use std::path::Path;

/// Name of the mark in a home.
const MARK: &str = "emcon";

/// The state in force at a home. What cannot be read counts as silent; the second value says why.
#[must_use]
pub fn read(home: &Path) -> (Emcon, Option<String>) {
    let file = home.join(MARK);
    let damaged = |why: String| (Emcon::Silent, Some(format!("{}: {why}; silent until released", file.display())));
    match keep::read(&file) {
        Ok(None) => (Emcon::Free, None),
        Ok(Some(content)) => match core::str::from_utf8(&content).ok().and_then(|word| word.parse().ok()) {
            Some(state) => (state, None),
            None => damaged("no state in it".into()),
        },
        Err(e) => damaged(e.to_string()),
    }
}

/// Puts a state in force for everything that opens the home from now on.
///
/// # Errors
/// Those of the file system.
pub fn write(home: &Path, state: Emcon) -> io::Result<()> {
    keep::write(&home.join(MARK), state.name().as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_mark_comes_back_and_a_damaged_one_means_silent() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(read(home.path()), (Emcon::Free, None));
        for state in Emcon::ALL {
            write(home.path(), state).unwrap();
            assert_eq!(read(home.path()), (state, None));
        }
        std::fs::write(home.path().join(MARK), b"free").unwrap();
        let (state, why) = read(home.path());
        assert!(state == Emcon::Silent && why.is_some());
    }
}
