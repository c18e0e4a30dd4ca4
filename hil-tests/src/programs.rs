//! Where the programs under test are.

use std::path::PathBuf;

/// `picketd` or `picket`.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("PICKET_BIN_DIR").map_or_else(beside_the_test, PathBuf::from);
    let path = folder.join(name);
    assert!(path.is_file(), "{} is missing: `cargo build --workspace --bins`, or `cargo xtask test`", path.display());
    path
}

/// Tests are in `target/PROFILE/deps`, programs in `target/PROFILE`.
fn beside_the_test() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    test.ancestors().nth(2).expect("a test is in a folder of its profile").to_owned()
}
