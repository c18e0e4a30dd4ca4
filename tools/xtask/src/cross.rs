//! Building for boards from this machine, and running that here: the distribution's compiler, its cross linkers, and
//! an emulator of one process.

use std::path::PathBuf;
use std::process::Command;

use crate::needs::{self, Set};
use crate::{cargo, distribution};

/// A kind of board.
pub struct Board {
    /// As rustc names it.
    pub triple: &'static str,
    linker: &'static str,
    /// Where the linker's packages keep the board's libraries.
    libraries: &'static str,
    emulator: &'static str,
    cpu: &'static str,
}

/// Raspberry Pi 3 and later, most boards of today.
pub const AARCH64: Board = Board {
    triple: "aarch64-unknown-linux-gnu",
    linker: "aarch64-linux-gnu-gcc",
    libraries: "/usr/aarch64-linux-gnu",
    emulator: "qemu-aarch64-static",
    cpu: "cortex-a53",
};

/// 32 bits: Cortex-A7 and the like.
pub const ARMV7: Board = Board {
    triple: "armv7-unknown-linux-gnueabihf",
    linker: "arm-linux-gnueabihf-gcc",
    libraries: "/usr/arm-linux-gnueabihf",
    emulator: "qemu-arm-static",
    cpu: "cortex-a7",
};

/// Portable code instead of instructions for cryptography: what a processor without them runs.
pub const PORTABLE: &str = "--cfg aes_backend=\"soft\" --cfg polyval_backend=\"soft\" --cfg sha2_backend=\"soft\" --cfg sha2_256_backend=\"soft\"";

impl Board {
    /// The board that `triple` names.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(triple: &str) -> Result<&'static Self, String> {
        let all = [&AARCH64, &ARMV7];
        let names = all.map(|board| board.triple).join(", ");
        all.into_iter().find(|board| board.triple == triple).ok_or_else(|| format!("no board {triple}: {names}"))
    }

    /// Cargo for this board. `name` is that of a folder of its own for what is built with these `flags`.
    ///
    /// # Errors
    /// When the distribution has no compiler.
    pub fn cargo(&self, name: &str, flags: &str, args: &[&str]) -> Result<Command, String> {
        needs::install_missing(Set::Boards);
        let mut command = distribution::cargo_with(name, "std,panic_abort", args)?;
        let variable = self.triple.to_uppercase().replace('-', "_");
        command
            .args(["--target", self.triple])
            .env(format!("CARGO_TARGET_{variable}_LINKER"), self.linker)
            .env(format!("CARGO_TARGET_{variable}_RUSTFLAGS"), flags);
        Ok(command)
    }

    /// A library of the board, as the cross linker's package has it.
    pub fn library(&self, name: &str) -> PathBuf {
        PathBuf::from(self.libraries).join("lib").join(name)
    }

    /// Runs a program of this board here.
    pub fn emulated(&self) -> Command {
        let mut command = Command::new(self.emulator);
        command.args(["-cpu", self.cpu, "-L", self.libraries]);
        command
    }

    /// Where [`Self::cargo`] puts what it builds with `profile`.
    ///
    /// # Errors
    /// When `cargo metadata` fails.
    pub fn built(&self, name: &str, profile: &str) -> Result<PathBuf, String> {
        Ok(distribution::target(name)?.join(self.triple).join(profile))
    }
}

/// Runs a program of this machine in the same kind of emulator.
pub fn emulated_here() -> Command {
    let mut command = Command::new("qemu-x86_64-static");
    command.args(["-cpu", "max"]);
    command
}

/// Builds a bench without running it.
///
/// # Errors
/// When it does not build.
pub fn bench_program(build: &mut Command, package: &str, bench: &str) -> Result<PathBuf, String> {
    let built = cargo::test_programs(build.args(["--no-run", "-p", package, "--bench", bench]))?;
    built.into_iter().next().map(|program| program.path).ok_or_else(|| format!("cargo built no bench {bench}"))
}
