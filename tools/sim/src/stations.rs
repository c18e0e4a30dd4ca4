//! The stations of the world: gateways that can be killed, and members' devices.

use crate::broker::UPLINK;
use crate::mission::{Device, GatewayDirectory};
use picket_channel::Rng;
use picket_endpoint::testing::RamVault;
use picket_endpoint::{Endpoint, Framing, LinkConfig, Random};
use picket_link::Duplex;
use picket_node::{Gateway, GatewayConfig, Input, LinkId, Output};
use picket_store::QueueLimits;
use picket_store::testing::{CrashMedium, Cut};
use picket_wire::time::{Duration, Instant, Wall};

/// Links from here on are members' connections; those before are radios.
pub const FIRST_CONNECTION: u32 = 16;

/// A gateway, running or not.
pub struct GatewayStation {
    pub dir: GatewayDirectory,
    pub medium: CrashMedium,
    pub running: Option<Gateway<CrashMedium>>,
    /// Counts starts, so that a sync of a former life is not taken for one of this.
    pub life: u32,
    /// The broker connection is cut.
    pub cut: bool,
    /// The revocation in force.
    pub object: Option<Vec<u8>>,
    next_link: u32,
}

impl GatewayStation {
    pub fn new(device: &Device) -> Result<Self, String> {
        let dir = GatewayDirectory::new(device)?;
        Ok(Self {
            dir,
            medium: CrashMedium::default(),
            running: None,
            life: 0,
            cut: false,
            object: None,
            next_link: FIRST_CONNECTION,
        })
    }

    /// Starts it; its radios are plugged in.
    pub fn start(&mut self, now: Instant, wall: Wall, radios: &[LinkId], radio: &LinkConfig) -> Result<(), String> {
        let limits = QueueLimits { segment_bytes: 128 * 1024, max_bytes: 8 << 20, ..QueueLimits::default() };
        let me = picket_link::Keyring::me(&self.dir);
        let config = GatewayConfig::default();
        let gateway = Gateway::open(config, me, self.medium.clone(), limits, now, Some(wall))
            .map_err(|e| format!("store does not open: {e}"))?;
        self.running = Some(gateway);
        self.life += 1;
        if let Some(object) = self.object.clone() {
            self.tell(now, Input::Object(object));
        }
        for link in radios {
            let (name, config) = (format!("radio{}", link.0), radio.clone());
            let added = Input::LinkAdded { link: *link, name, kind: "serial", config, air: picket_node::Air::Open };
            self.tell(now, added);
            self.tell(now, Input::LinkUp(*link));
        }
        Ok(())
    }

    /// A signed object came: verified, durable, in force.
    pub fn object(&mut self, now: Instant, object: Vec<u8>) {
        if self.dir.apply(&object) {
            self.object = Some(object.clone());
            self.tell(now, Input::Object(object));
        }
    }

    /// Kills it.
    pub fn kill(&mut self, cut: Cut, seed: u64) {
        self.running = None;
        self.medium.reboot(cut, seed);
    }

    pub fn tell(&mut self, now: Instant, input: Input<'_>) {
        if let Some(gateway) = &mut self.running {
            gateway.handle(now, input, &self.dir);
        }
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.running.as_mut()?.poll()
    }

    pub fn next_wake(&self) -> Option<Instant> {
        self.running.as_ref()?.next_wake()
    }

    /// A new stream connection from a member.
    pub fn connect(&mut self, now: Instant) -> LinkId {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        let name = String::from("attach");
        self.tell(now, Input::LinkAdded { link, name, kind: "unix", config: stream(), air: picket_node::Air::Cable });
        self.tell(now, Input::LinkUp(link));
        link
    }

    pub fn uplink_up(&mut self, now: Instant) {
        self.tell(now, Input::UplinkUp(UPLINK));
    }
}

/// A member's device.
pub struct MemberStation {
    pub endpoint: Option<Endpoint<RamVault>>,
    /// The gateway it attaches to, and the connection if there is one.
    pub gateway: usize,
    pub link: Option<LinkId>,
    pub random: SeededRandom,
    /// The power goes at a write that is to come.
    pub cut: bool,
    pub copy: Option<RamVault>,
}

impl MemberStation {
    pub fn new(device: &Device, now: Instant, wall: Wall, gateway: usize, seed: u64) -> Result<Self, String> {
        let vault = RamVault::default();
        let endpoint = Endpoint::create(vault, &device.secrets, &device.keyfill, now, Some(wall));
        let endpoint = endpoint.map_err(|e| format!("home is not made: {e}"))?;
        Ok(Self {
            endpoint: Some(endpoint),
            gateway,
            link: None,
            random: SeededRandom(Rng::new(seed)),
            cut: false,
            copy: None,
        })
    }

    /// Kills and starts it again.
    pub fn restart(&mut self, now: Instant, wall: Wall) -> Result<(), String> {
        let vault = self.endpoint.take().map(Endpoint::into_vault).ok_or("no home")?;
        self.open(vault.restarted(), now, wall)
    }

    /// Starts it over this home.
    pub fn open(&mut self, vault: RamVault, now: Instant, wall: Wall) -> Result<(), String> {
        self.cut = false;
        let endpoint = Endpoint::open(vault, now, Some(wall));
        self.endpoint = Some(endpoint.map_err(|e| format!("home does not open: {e}"))?);
        self.link = None;
        Ok(())
    }

    pub fn tell(&mut self, now: Instant, input: picket_endpoint::Input<'_>) {
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.handle(now, input, &mut self.random);
        }
    }
}

/// Randomness from the seed: never for real keys.
pub struct SeededRandom(pub Rng);

impl Random for SeededRandom {
    fn fill(&mut self, out: &mut [u8]) {
        let len = out.len();
        out.copy_from_slice(&self.0.bytes(len));
    }
}

/// A local stream, as a Unix socket is.
pub fn stream() -> LinkConfig {
    LinkConfig { framing: Framing::Cobs, mtu: None, air_bps: None, duplex: Duplex::Full, turn_round: Duration::ZERO }
}
