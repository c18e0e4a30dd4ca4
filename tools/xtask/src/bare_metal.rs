//! `cargo xtask bare-metal`: the core crates for a machine without an operating system, which proves that they need
//! none.

use crate::{cargo, distribution};

/// A microcontroller with a floating point unit.
const TARGET: &str = "thumbv7em-none-eabihf";
/// What must not need an operating system.
const CRATES: [&str; 8] = [
    "picket-wire",
    "picket-codes",
    "picket-link",
    "picket-relay",
    "picket-store",
    "picket-node",
    "picket-roster",
    "picket-seal",
];

/// Builds them.
///
/// # Errors
/// When the distribution has no such compiler, or a crate needs an operating system.
pub fn run() -> Result<(), String> {
    let mut build = distribution::cargo_with("bare-metal", "core,alloc", &["build", "--target", TARGET])?;
    build.args(CRATES.iter().flat_map(|name| ["-p", name]));
    cargo::run(&mut build)?;
    println!("{} crates build for {TARGET}: {}", CRATES.len(), CRATES.join(" "));
    Ok(())
}
