//! The stage: a mission, a broker behind a cable that can be pulled, a radio, two gateways, two members.

use super::Telling;
use super::broker;
use super::follower::Follower;
use super::proxy::Proxy;
use crate::error::Failure;
use picket_channel::Config;
use picket_channel::pty::Line;
use picket_wire::time::Duration as Air;
use serde_json::Value;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Bits a second on air.
pub(super) const AIR_BPS: u32 = 9600;
/// Its bit error rate: nothing for coded frames, the end for any other.
const BIT_ERRORS: f64 = 1e-3;
/// How long a change of state is waited for.
const PATIENCE: Duration = Duration::from_secs(40);

/// Everything that runs. Dropping it ends all processes and removes the folder.
pub(super) struct Stage {
    folder: PathBuf,
    pub(super) radio: Line,
    pub(super) uplink: Proxy,
    pub(super) alpha: Follower,
    pub(super) bravo: Follower,
    gateways: [Option<Child>; 2],
    broker: Child,
}

/// The two gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gw {
    One = 0,
    Two = 1,
}

impl Gw {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::One => "gw1",
            Self::Two => "gw2",
        }
    }
}

impl Stage {
    pub(super) fn set(telling: &mut Telling) -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("picket-demo-{}", std::process::id()));
        let seed = u64::from(std::process::id());
        let config = Config::new(AIR_BPS).half(Air::from_millis(20)).ber(BIT_ERRORS);
        let radio = Line::open(config, seed, &folder.join("radio"), &["gw1", "gw2"]).map_err(trouble("the radio"))?;
        let broker_port = free_port()?;
        let target = SocketAddr::from(([127, 0, 0, 1], broker_port));
        let broker = broker::start(broker_port)?;
        wait("the broker to listen", || TcpStream::connect(target).is_ok())?;
        let uplink = Proxy::start(target).map_err(trouble("the uplink"))?;
        telling.leg(&format!(
            "a broker on {target}, a half-duplex radio of {AIR_BPS} bit/s over two serial ports, one bit in a thousand wrong"
        ))?;
        let mission = folder.join("mission");
        provision(&mission, &uplink, &radio)?;
        telling.leg("a mission: members alpha and bravo, gateways gw1 and gw2, keys made on each device")?;
        let gateways = [start_gateway(&mission, Gw::One)?, start_gateway(&mission, Gw::Two)?];
        let (alpha, bravo) = (follow(&mission, "alpha", Gw::One)?, follow(&mission, "bravo", Gw::Two)?);
        let mut stage = Self { folder, radio, uplink, alpha, bravo, gateways: gateways.map(Some), broker };
        for gw in [Gw::One, Gw::Two] {
            stage.wait_uplink(gw, true)?;
        }
        stage.wait_attached(Gw::One, "alpha")?;
        stage.wait_attached(Gw::Two, "bravo")?;
        stage.wait_for_quiet_air();
        telling.leg("both gateways serve and have reached the broker; alpha is attached to gw1, bravo to gw2")?;
        Ok(stage)
    }

    fn mission(&self) -> PathBuf {
        self.folder.join("mission")
    }

    /// Runs `picket` and returns its JSON lines.
    pub(super) fn picket(&self, args: &[&str]) -> Result<Vec<Value>, Failure> {
        let output = picket(args)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Failure::internal(format!("`picket {}` ended with {}: {said}", args.join(" "), output.status)));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect())
    }

    /// `send` from a member's home; returns the message's id.
    pub(super) fn send(&self, from: &str, to: &str, more: &[&str], text: &str) -> Result<String, Failure> {
        let home = self.mission().join(from);
        let home = home.to_string_lossy();
        let args = [&["send", "--json", "--home", &home, "--to", to][..], more, &[text]].concat();
        let states = self.picket(&args)?;
        let id = states.first().and_then(|s| s["id"].as_str());
        id.map(str::to_owned).ok_or_else(|| Failure::internal("send told no id"))
    }

    /// The state that `sent` shows of a message.
    pub(super) fn state(&self, from: &str, id: &str) -> Result<String, Failure> {
        let home = self.mission().join(from);
        let sent = self.picket(&["sent", "--json", "--home", &home.to_string_lossy()])?;
        let row = sent.iter().find(|m| m["id"] == id);
        Ok(row.and_then(|m| m["state"].as_str()).unwrap_or("unknown").to_owned())
    }

    /// Waits until a message's sender sees `state`.
    pub(super) fn wait_state(&self, from: &str, id: &str, state: &str) -> Result<(), Failure> {
        wait(&format!("{id} to be {state}"), || self.state(from, id).is_ok_and(|s| s == state))
    }

    /// `read` as the member.
    pub(super) fn read(&self, who: &str, id: &str) -> Result<(), Failure> {
        let home = self.mission().join(who);
        self.picket(&["read", "--json", "--home", &home.to_string_lossy(), id]).map(|_| ())
    }

    /// One object of `picket gateway …`.
    pub(super) fn gateway(&self, gw: Gw, what: &str) -> Result<Vec<Value>, Failure> {
        let control = self.mission().join(format!("run/{}.ctl", gw.name()));
        self.picket(&["gateway", what, "--json", "--control", &control.to_string_lossy()])
    }

    /// Waits until a gateway says its uplink is up, or is not.
    pub(super) fn wait_uplink(&mut self, gw: Gw, up: bool) -> Result<(), Failure> {
        wait(&format!("{} to see its uplink {}", gw.name(), if up { "up" } else { "down" }), || {
            let status = self.gateway(gw, "status").ok();
            let state = status.as_ref().and_then(|s| s.first()?["uplinks"][0]["state"].as_str().map(str::to_owned));
            state.is_some_and(|s| (s == "up") == up)
        })
    }

    /// Waits until a gateway lists a member as attached.
    fn wait_attached(&self, gw: Gw, member: &str) -> Result<(), Failure> {
        let listed = |link: &Value| link["attached"].as_array().is_some_and(|a| a.iter().any(|m| m == member));
        wait(&format!("{member} to attach"), || self.gateway(gw, "links").is_ok_and(|links| links.iter().any(listed)))
    }

    /// Waits until the gateways have told each other who is where and the radio is quiet: nothing on air for a second.
    fn wait_for_quiet_air(&self) {
        let mut before = None;
        while before != Some(self.radio.on_air()) {
            before = Some(self.radio.on_air());
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// How many parcels a gateway holds.
    pub(super) fn queued(&self, gw: Gw) -> Result<usize, Failure> {
        Ok(self.gateway(gw, "queue")?.len())
    }

    /// Kills a gateway with SIGKILL.
    pub(super) fn kill(&mut self, gw: Gw) -> Result<(), Failure> {
        if let Some(mut child) = self.gateways[gw as usize].take() {
            child.kill().and_then(|()| child.wait()).map_err(trouble("killing a gateway"))?;
        }
        Ok(())
    }

    /// Starts it again.
    pub(super) fn start(&mut self, gw: Gw) -> Result<(), Failure> {
        self.gateways[gw as usize] = Some(start_gateway(&self.mission(), gw)?);
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for child in self.gateways.iter_mut().flatten().chain([&mut self.broker]) {
            let _ = child.kill(); // gone already is as good
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Waits for something that is asked for over a program's own interface.
pub(super) fn wait(what: &str, mut done: impl FnMut() -> bool) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        if Instant::now() > deadline {
            return Err(Failure::internal(format!("waited {} s in vain for {what}", PATIENCE.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn provision(mission: &Path, uplink: &Proxy, radio: &Line) -> Result<(), Failure> {
    let radio_of = |n: usize, name: &str| format!("{name}={}:115200/{AIR_BPS}", radio.path(n).display());
    let args = [
        "mission".to_owned(),
        "quickstart".to_owned(),
        mission.to_string_lossy().into_owned(),
        "--members=alpha,bravo".to_owned(),
        "--gateways=gw1,gw2".to_owned(),
        "--unprotected".to_owned(),
        format!("--broker=mqtt://{}", uplink.address),
        format!("--radio={},{}", radio_of(0, "gw1"), radio_of(1, "gw2")),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let output = picket(&args)?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::internal(format!("quickstart failed: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

fn start_gateway(mission: &Path, gw: Gw) -> Result<Child, Failure> {
    let program = std::env::current_exe().map_err(|e| Failure::internal(e.to_string()))?.with_file_name("picketd");
    let log = std::fs::OpenOptions::new().create(true).append(true).open(mission.join(format!("{}.log", gw.name())));
    let child = Command::new(&program)
        .arg("--config")
        .arg(mission.join(format!("{}.toml", gw.name())))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.map_err(trouble("a gateway's log"))?)
        .spawn()
        .map_err(|e| Failure::internal(format!("{}: {e}; `cargo demo` builds it", program.display())))?;
    let socket = mission.join(format!("run/{}.ctl", gw.name()));
    wait("a gateway to serve", || std::os::unix::net::UnixStream::connect(&socket).is_ok())?;
    Ok(child)
}

fn follow(mission: &Path, member: &str, gw: Gw) -> Result<Follower, Failure> {
    let via = format!("unix:{}", mission.join(format!("run/{}.sock", gw.name())).display());
    Follower::start(&mission.join(member), &via)
}

fn picket(args: &[&str]) -> Result<Output, Failure> {
    let program = std::env::current_exe().map_err(|e| Failure::internal(e.to_string()))?;
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    output.map_err(|e| Failure::internal(format!("picket: {e}")))
}

fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(trouble("a free port"))?;
    listener.local_addr().map(|a| a.port()).map_err(trouble("a free port"))
}

fn trouble(what: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |e| Failure::internal(format!("{what}: {e}"))
}
