//! The distribution's compiler. The toolchain in use knows this machine only; the distribution's comes with the source of
//! its library, which is built for whatever target is wanted. Compiler and source are unpacked into the target folder
//! and touch nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::{self, cargo};

/// Compiler, its driver, its LLVM, and the library's source.
const PACKAGES: [&str; 3] = ["rustc-web", "libstd-rust-web-dev", "rust-web-src"];

/// Cargo with that compiler, building `library` (the parts of the standard library wanted) along. What it builds goes
/// below [`folder`], into `target` and then a folder of that `name`.
///
/// # Errors
/// When the distribution has no such compiler.
pub fn cargo_with(name: &str, library: &str, args: &[&str]) -> Result<Command, String> {
    let mut command = cargo();
    command
        .args(args)
        .arg(format!("-Zbuild-std={library}"))
        .env("RUSTC", compiler()?)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", target(name)?);
    Ok(command)
}

/// Where [`cargo_with`] puts what it builds.
///
/// # Errors
/// When `cargo metadata` fails.
pub fn target(name: &str) -> Result<PathBuf, String> {
    Ok(folder()?.join("target").join(name))
}

fn folder() -> Result<PathBuf, String> {
    Ok(cargo::target_dir()?.join("distribution"))
}

/// The compiler, unpacked if need be.
fn compiler() -> Result<PathBuf, String> {
    let folder = folder()?;
    let compiler = folder.join("rustc");
    if !compiler.is_file() {
        unpack(&folder)?;
        wrap(&folder, &compiler)?;
    }
    Ok(compiler)
}

/// Downloads and unpacks the packages and those of their dependencies that are libraries of the compiler.
fn unpack(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut wanted: Vec<String> = PACKAGES.iter().map(|p| (*p).to_owned()).collect();
    wanted.extend(dependencies(&["libstd-rust-web-dev"], "libstd-rust-web-")?);
    let driver = wanted.last().cloned().unwrap_or_default();
    wanted.extend(dependencies(&[&driver], "libllvm")?);
    cargo::run(Command::new("apt-get").arg("download").args(&wanted).current_dir(folder))?;
    for package in files(folder, "deb")? {
        cargo::run(Command::new("dpkg").arg("-x").arg(&package).arg(folder.join("root")))?;
        // Unpacked: not needed any more, and large.
        fs::remove_file(&package).map_err(|e| format!("{}: {e}", package.display()))?;
    }
    Ok(())
}

/// Dependencies of `packages` whose name begins with `prefix`.
fn dependencies(packages: &[&str], prefix: &str) -> Result<Vec<String>, String> {
    let output = Command::new("apt-cache").arg("depends").args(packages).output();
    let output = output.map_err(|e| format!("apt-cache: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let found: Vec<String> = names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect();
    if found.is_empty() {
        return Err(format!("no package {prefix}… among the dependencies of {packages:?}: is `apt-get update` due?"));
    }
    Ok(found)
}

fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|e| e == ending)).collect())
}

/// A script that runs the unpacked compiler with its own libraries.
fn wrap(folder: &Path, compiler: &Path) -> Result<(), String> {
    let root = folder.join("root/usr");
    let libraries = root.join("lib/x86_64-linux-gnu");
    let script = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH='{}' exec '{}' \"$@\"\n",
        libraries.display(),
        root.join("bin/rustc").display()
    );
    fs::write(compiler, script).map_err(|e| format!("{}: {e}", compiler.display()))?;
    fs::set_permissions(compiler, fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())
}
