//! The small commands.

use std::path::Path;
use std::process::Command;

use crate::cargo::{self, cargo};
use crate::needs;

/// Format, clippy, documentation.
///
/// # Errors
/// The first check that fails; all are run.
pub fn lint() -> Result<(), String> {
    let results = [
        cargo::run(cargo().args(["fmt", "--all", "--", "--check"])),
        // Hash order is banned with clippy's own lint, because a list of methods cannot name `for x in &map`.
        cargo::run(cargo().args(["clippy", "--workspace", "--all-targets", "--quiet", "--"]).args([
            "--deny",
            "warnings",
            "--deny",
            "clippy::iter_over_hash_type",
        ])),
        cargo::run(cargo().args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings")),
    ];
    results.into_iter().collect()
}

/// Builds the programs with the demonstration in, and runs it.
///
/// # Errors
/// When something does not build, or the demonstration could not verify its story.
pub fn demo(args: &[String]) -> Result<(), String> {
    cargo::run(cargo().args(["build", "-p", "picketd", "-p", "picket", "--features", "picket/demo"]))?;
    let picket = cargo::target_dir()?.join("debug/picket");
    cargo::run(Command::new(picket).arg("demo").args(args))
}

/// Prints the tables. `link` runs in virtual time and `arm` counts instructions: neither needs programs as released, as
/// the others do. `arm` builds for boards, which takes minutes: it is run by its name only.
///
/// # Errors
/// When something does not build, a measurement could not be taken, or an exact figure is not the one kept.
pub fn bench(args: &[String]) -> Result<(), String> {
    let names: Vec<&str> = args.iter().map(String::as_str).filter(|a| !a.starts_with('-')).collect();
    if names.contains(&"arm") {
        crate::arm::bench(args)?;
    }
    if names.is_empty() || names.contains(&"link") {
        table("hil-tests", "link", args, None)?;
    }
    if !names.is_empty() && names.iter().all(|name| ["arm", "link"].contains(name)) {
        return Ok(());
    }
    needs::install_missing(needs::Set::Tests);
    cargo::run(cargo().args(["build", "--release", "-p", "picketd", "-p", "picket"]))?;
    let folder = cargo::target_dir()?.join("release");
    table("hil-tests", "figures", args, Some(&folder))?;
    table("picketd", "throughput", args, Some(&folder))
}

fn table(package: &str, name: &str, args: &[String], programs: Option<&Path>) -> Result<(), String> {
    let mut bench = cargo();
    bench.args(["bench", "--quiet", "-p", package, "--bench", name, "--"]).args(args);
    if let Some(folder) = programs {
        bench.env("PICKET_BIN_DIR", folder);
    }
    cargo::run(&mut bench)
}

/// Every crate that has bytes of its own checks its vectors in `tests/vectors.rs`.
///
/// # Errors
/// When a vector does not hold.
pub fn vectors() -> Result<(), String> {
    let owners = ["picket-wire", "picket-roster", "picket-seal", "picket-codes", "picket-link", "picket-store"];
    let packages = owners.iter().flat_map(|p| ["-p", p]);
    cargo::run(cargo().arg("test").args(packages).args(["--test", "vectors"]))
}
