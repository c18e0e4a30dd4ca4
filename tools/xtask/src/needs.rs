//! What the tests need beside Rust and a C compiler, and how to get it.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

/// A program, the package of the distribution that has it, and what it is for.
struct Need {
    program: &'static str,
    package: &'static str,
    purpose: &'static str,
}

const NEEDS: [Need; 5] = [
    Need { program: "mosquitto", package: "mosquitto", purpose: "the broker of the scenarios" },
    Need { program: "mosquitto_pub", package: "mosquitto-clients", purpose: "garbage on broker topics" },
    Need { program: "ip", package: "iproute2", purpose: "network namespaces" },
    Need { program: "tc", package: "iproute2", purpose: "rate-limited uplinks" },
    Need { program: "nft", package: "nftables", purpose: "lossy uplinks" },
];

/// Installs what is missing, when this process may; otherwise says how to, and goes on.
pub fn install_missing() {
    let missing: Vec<&Need> = NEEDS.iter().filter(|n| !present(n.program)).collect();
    if missing.is_empty() {
        return;
    }
    for need in &missing {
        eprintln!("missing: {} (package {}), for {}", need.program, need.package, need.purpose);
    }
    let mut packages: Vec<&str> = missing.iter().map(|n| n.package).collect();
    packages.dedup();
    let line = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if !is_root() || !present("apt-get") {
        eprintln!("install them with `sudo {line}`; until then the scenarios that need them fail, and say so");
        return;
    }
    if !apt(&["update"], &[]) || !apt(&["install", "-y", "--no-install-recommends"], &packages) {
        eprintln!("`{line}` failed; the scenarios that need them fail, and say so");
    }
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
