//! What the project's commands need beside Rust and a C compiler, and how to get it.

use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

/// A program or a module of Python, the package of the distribution that has it, and what it is for.
struct Need {
    what: What,
    package: &'static str,
    purpose: &'static str,
}

#[derive(Clone, Copy)]
enum What {
    Program(&'static str),
    Module(&'static str),
    /// As pkg-config knows it.
    Library(&'static str),
    File(&'static str),
}

/// What a command needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// The test command.
    Tests,
    /// Its long proofs.
    Proofs,
    /// Building for boards, and running that here.
    Boards,
}

const TESTS: [Need; 10] = [
    Need { what: What::Program("mosquitto"), package: "mosquitto", purpose: "the broker of the scenarios" },
    Need { what: What::Program("mosquitto_pub"), package: "mosquitto-clients", purpose: "garbage on broker topics" },
    Need { what: What::Program("ip"), package: "iproute2", purpose: "network namespaces" },
    Need { what: What::Program("tc"), package: "iproute2", purpose: "rate-limited uplinks" },
    Need { what: What::Program("nft"), package: "nftables", purpose: "lossy uplinks" },
    Need { what: What::Program("swtpm"), package: "swtpm", purpose: "keys under a TPM" },
    Need { what: What::Program("pkg-config"), package: "pkg-config", purpose: "finding tpm2-tss" },
    Need { what: What::Library("tss2-esys"), package: "libtss2-dev", purpose: "keys under a TPM" },
    Need {
        what: What::Module("cryptography"),
        package: "python3-cryptography",
        purpose: "the second implementation of sealing",
    },
    Need { what: What::Program("softhsm2-util"), package: "softhsm2", purpose: "an authority's key in a token" },
];

const PROOFS: [Need; 1] =
    [Need { what: What::Program("valgrind"), package: "valgrind", purpose: "seeing what depends on secrets" }];

const BOARDS: [Need; 6] = [
    Need { what: What::Program("qemu-system-aarch64"), package: "qemu-system-arm", purpose: "emulating a whole board" },
    Need {
        what: What::Program("qemu-aarch64-static"),
        package: "qemu-user-static",
        purpose: "running a board's programs",
    },
    Need {
        what: What::Program("aarch64-linux-gnu-gcc"),
        package: "gcc-aarch64-linux-gnu",
        purpose: "linking for aarch64",
    },
    Need {
        what: What::File("/usr/aarch64-linux-gnu/lib/libc.a"),
        package: "libc6-dev-arm64-cross",
        purpose: "the same",
    },
    Need {
        what: What::Program("arm-linux-gnueabihf-gcc"),
        package: "gcc-arm-linux-gnueabihf",
        purpose: "linking for armv7",
    },
    Need {
        what: What::File("/usr/arm-linux-gnueabihf/lib/libc.a"),
        package: "libc6-dev-armhf-cross",
        purpose: "the same",
    },
];

/// Installs what is missing, when this process may; otherwise says how to, and goes on.
pub fn install_missing(set: Set) {
    let needs: &[Need] = match set {
        Set::Tests => &TESTS,
        Set::Proofs => &PROOFS,
        Set::Boards => &BOARDS,
    };
    let missing: Vec<&Need> = needs.iter().filter(|n| !n.what.is_there()).collect();
    if missing.is_empty() {
        return;
    }
    for need in &missing {
        eprintln!("missing: {} (package {}), for {}", need.what.name(), need.package, need.purpose);
    }
    let mut packages: Vec<&str> = missing.iter().map(|n| n.package).collect();
    packages.dedup();
    let line = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if !is_root() || !present("apt-get") {
        eprintln!("install them with `sudo {line}`; until then what needs them fails, and says so");
        return;
    }
    if !apt(&["update"], &[]) || !apt(&["install", "-y", "--no-install-recommends"], &packages) {
        eprintln!("`{line}` failed; what needs them fails, and says so");
    }
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            Self::Program(name) | Self::Module(name) | Self::Library(name) | Self::File(name) => name,
        }
    }

    fn is_there(self) -> bool {
        match self {
            Self::Program(name) => present(name),
            Self::Library(name) => has_library(name),
            Self::File(path) => std::path::Path::new(path).is_file(),
            // Whichever Python comes first, or the distribution's, as the test does.
            Self::Module(name) => ["python3", "/usr/bin/python3"].into_iter().any(|python| imports(python, name)),
        }
    }
}

/// Whether the library can be built against.
pub fn has_library(name: &str) -> bool {
    let asked = Command::new("pkg-config").args(["--exists", name]).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn imports(python: &str, module: &str) -> bool {
    let mut command = Command::new(python);
    let tried = command.args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

fn apt(verb: &[&str], packages: &[&str]) -> bool {
    let mut command = Command::new("apt-get");
    command.arg("-qq").args(verb).args(packages).env("DEBIAN_FRONTEND", "noninteractive");
    super::cargo::run(&mut command).is_ok()
}

/// In PATH, or where daemons and administrators' programs live.
fn present(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.into_iter().any(|folder| folder.join(program).is_file())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}
