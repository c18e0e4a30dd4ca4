//! Network namespaces joined by slow, lossy cables.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;

use crate::skip;

/// A command, in a namespace or where we are.
#[must_use]
pub fn command(namespace: Option<&str>, program: &Path) -> Command {
    let Some(namespace) = namespace else { return Command::new(program) };
    let mut command = Command::new(skip::find("ip").unwrap_or_else(|| "ip".into()));
    command.args(["netns", "exec", namespace]).arg(program);
    command
}

/// A hub with a broker's address, and spokes cabled to it. All of it vanishes when dropped.
#[derive(Debug)]
pub struct Star {
    hub: String,
    spokes: Vec<String>,
}

/// How bad the cables are.
#[derive(Clone, Copy, Debug)]
pub struct Cable {
    /// Kilobits per second, each way.
    pub kbit: u32,
    /// Packets lost, in percent, each way.
    pub loss: u32,
}

impl Star {
    /// Why namespaces cannot be made here, if they cannot.
    #[must_use]
    pub fn obstacle() -> Option<&'static str> {
        if !skip::is_root() {
            return Some("network namespaces need root");
        }
        if !["ip", "tc", "nft"].iter().all(|p| skip::has(p)) {
            return Some("iproute2 or nftables is missing");
        }
        let name = format!("pkt{}", std::process::id());
        let made = quietly(&["ip", "netns", "add", &name]);
        quietly(&["ip", "netns", "del", &name]);
        if made { None } else { Some("network namespaces are not permitted here") }
    }

    /// Lays it out.
    ///
    /// # Panics
    /// When a step fails.
    #[must_use]
    pub fn new(spokes: usize, cable: Cable) -> Self {
        let tag = format!("pk{}x{}", std::process::id(), crate::rig::serial());
        let star = Self { hub: format!("{tag}h"), spokes: (0..spokes).map(|n| format!("{tag}s{n}")).collect() };
        must(&["ip", "netns", "add", &star.hub]);
        must(&["ip", "-n", &star.hub, "link", "set", "lo", "up"]);
        must(&["ip", "-n", &star.hub, "addr", "add", &format!("{}/32", Self::address()), "dev", "lo"]);
        for (n, spoke) in star.spokes.iter().enumerate() {
            lay(&star.hub, spoke, n, cable);
        }
        star
    }

    /// The hub's namespace.
    #[must_use]
    pub fn hub(&self) -> &str {
        &self.hub
    }

    /// The hub's address, as every spoke reaches it.
    #[must_use]
    pub const fn address() -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 78, 0, 1))
    }

    /// A spoke's namespace.
    #[must_use]
    pub fn spoke(&self, n: usize) -> &str {
        &self.spokes[n]
    }
}

impl Drop for Star {
    fn drop(&mut self) {
        for name in self.spokes.iter().chain([&self.hub]) {
            quietly(&["ip", "netns", "del", name]);
        }
    }
}

fn lay(hub: &str, spoke: &str, n: usize, cable: Cable) {
    let (far, near) = (format!("h{n}"), "up0");
    must(&["ip", "netns", "add", spoke]);
    must(&["ip", "link", "add", &far, "netns", hub, "type", "veth", "peer", "name", near, "netns", spoke]);
    for (namespace, device, host) in [(hub, far.as_str(), 1), (spoke, near, 2)] {
        must(&["ip", "-n", namespace, "addr", "add", &format!("10.77.{n}.{host}/24"), "dev", device]);
        must(&["ip", "-n", namespace, "link", "set", device, "up"]);
        must(&["ip", "-n", namespace, "link", "set", "lo", "up"]);
        limit(namespace, device, cable);
    }
    must(&["ip", "-n", spoke, "route", "add", "default", "via", &format!("10.77.{n}.1")]);
}

fn limit(namespace: &str, device: &str, cable: Cable) {
    let rate = format!("{}kbit", cable.kbit);
    must(&[
        "ip", "netns", "exec", namespace, "tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", &rate, "burst",
        "3000", "latency", "400ms",
    ]);
    // nft takes the end of a line for the end of a statement.
    let rules = format!(
        "table netdev loss {{\nchain in {{\ntype filter hook ingress device \"{device}\" priority 0\n\
         numgen random mod 100 < {} drop\n}}\n}}",
        cable.loss
    );
    must(&["ip", "netns", "exec", namespace, "nft", &rules]);
}

fn must(args: &[&str]) {
    let out = run(args);
    let said = out.as_ref().map(|o| String::from_utf8_lossy(&o.stderr).into_owned());
    assert!(out.as_ref().is_ok_and(|o| o.status.success()), "{args:?}: {said:?}");
}

fn quietly(args: &[&str]) -> bool {
    run(args).is_ok_and(|o| o.status.success())
}

fn run(args: &[&str]) -> std::io::Result<std::process::Output> {
    let program = skip::find(args[0]).unwrap_or_else(|| args[0].into());
    Command::new(program).args(&args[1..]).output()
}
