//! A scenario's folder, seed and mission.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use picket_channel::pty::Line;
use picket_channel::{Config as Air, Rng};
use tempfile::TempDir;

use crate::process::finish;
use crate::programs::program;
use crate::{Broker, Gateway, Member, Plan, wait};

/// The seed when `PICKET_SEED` does not say otherwise: fixed, so that a red run is red again.
const SEED: u64 = 1;
/// Lines of each log that a failure shows.
const TAIL: usize = 25;

/// One scenario's world. Its folder vanishes with it, unless the scenario failed.
#[derive(Debug)]
pub struct Rig {
    name: String,
    seed: u64,
    rng: Rng,
    folder: Option<TempDir>,
    start: Instant,
}

/// A number that no other caller in this process gets.
#[must_use]
pub fn serial() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Rig {
    /// A world with the mission `quickstart` makes: these members and gateways.
    ///
    /// # Panics
    /// When the mission cannot be made.
    #[must_use]
    pub fn new(name: &str, members: &[&str], gateways: &[&str]) -> Self {
        let rig = Self::empty(name);
        rig.quickstart(&rig.path("m"), members, gateways, &[]);
        rig
    }

    /// The same with further arguments to `quickstart`.
    ///
    /// # Panics
    /// When the mission cannot be made.
    #[must_use]
    pub fn with(name: &str, members: &[&str], gateways: &[&str], more: &[&str]) -> Self {
        let rig = Self::empty(name);
        rig.quickstart(&rig.path("m"), members, gateways, more);
        rig
    }

    /// A world without a mission.
    ///
    /// # Panics
    /// When there is no room for a folder.
    #[must_use]
    pub fn empty(name: &str) -> Self {
        let seed = std::env::var("PICKET_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(SEED);
        let folder = tempfile::Builder::new().prefix("pk").tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("log")).expect("a folder for logs");
        // Every scenario draws its own sequence from the one seed.
        let own = name.bytes().fold(seed, |h, b| h.wrapping_mul(0x100_0000_01b3) ^ u64::from(b));
        Self { name: name.to_owned(), seed, rng: Rng::new(own), folder: Some(folder), start: Instant::now() }
    }

    fn quickstart(&self, dir: &Path, members: &[&str], gateways: &[&str], more: &[&str]) {
        let mut command = Command::new(program("picket"));
        command.args(["mission", "quickstart"]).arg(dir).args(["--members", &members.join(",")]);
        command.args(["--gateways", &gateways.join(","), "--unprotected"]).args(more);
        let done = finish("quickstart", command, &self.log("quickstart"), wait::PROMPT);
        assert_eq!(done.code, 0, "quickstart: {}", done.err);
    }

    /// A second mission of the same names, foreign to the first: its folder.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn foreign(&self, members: &[&str], gateways: &[&str]) -> PathBuf {
        let dir = self.path("foreign");
        self.quickstart(&dir, members, gateways, &[]);
        dir
    }

    /// The scenario's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A path in the scenario's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.as_ref().map(|f| f.path().join(name)).unwrap_or_default()
    }

    /// A path in the mission's folder.
    #[must_use]
    pub fn mission(&self, name: &str) -> PathBuf {
        self.path("m").join(name)
    }

    /// Where a program's standard error goes.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.path("log").join(format!("{name}.log"))
    }

    /// The scenario's own random sequence.
    pub const fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// A radio between two gateways, `…/radio/gw1` and so on.
    ///
    /// # Panics
    /// When the system has no pseudo-terminal left.
    #[must_use]
    pub fn radio(&mut self, air: Air, stations: &[&str]) -> Line {
        let seed = self.rng.next_u64();
        Line::open(air, seed, &self.path("radio"), stations).expect("pseudo-terminals")
    }

    /// The mission's broker, with TLS and client certificates.
    #[must_use]
    pub fn broker(&self) -> Broker {
        Broker::start(self, "broker", None)
    }

    /// Starts a gateway and waits until it serves.
    #[must_use]
    pub fn gateway(&self, plan: Plan) -> Gateway {
        let mut gateway = Gateway::prepare(self, plan);
        gateway.start();
        gateway
    }

    /// A member of the mission whose way is a gateway's attach socket.
    #[must_use]
    pub fn member(&self, name: &str, gateway: &str) -> Member {
        let via = format!("unix:{}", self.mission(&format!("run/{gateway}.sock")).display());
        Member::new(name, self.mission(name), via, self.log(name))
    }

    /// Says what happens, with the time since the scenario's start; shown when it fails.
    pub fn note(&self, what: &str) {
        eprintln!("[{:8.3}] {}: {what}", self.start.elapsed().as_secs_f64(), self.name);
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let Some(folder) = self.folder.take() else { return };
        let kept = folder.keep();
        let (name, seed) = (&self.name, self.seed);
        eprintln!("scenario {name} failed: seed {seed} (replay: cargo xtask test --seed {seed} {name})");
        eprintln!("everything is kept in {}", kept.display());
        let mut logs: Vec<_> = std::fs::read_dir(kept.join("log")).into_iter().flatten().flatten().collect();
        logs.sort_by_key(std::fs::DirEntry::path);
        for log in logs {
            let bytes = std::fs::read(log.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            eprintln!("--- {} (last {TAIL} of {} lines)", log.path().display(), lines.len());
            lines[lines.len().saturating_sub(TAIL)..].iter().for_each(|line| eprintln!("{line}"));
        }
    }
}
