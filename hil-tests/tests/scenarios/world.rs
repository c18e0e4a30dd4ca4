//! Worlds that several scenarios start from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hil_tests::{Air, Broker, Duplex, Gateway, Line, Plan, Rig, Rng};

/// The radio of the main job: 9600 bit/s, half duplex, 20 ms to turn round.
pub const SLOW: u32 = 9_600;
/// A radio that does not make a crash test wait.
pub const FAST: u32 = 250_000;

pub fn half_duplex(rate: u32) -> Air {
    Air::new(rate).half(picket_time(20)).latency(picket_time(2)).ber(BIT_ERRORS)
}

/// Every radio of the scenarios gets one bit in a thousand wrong: coded frames carry it, nothing else would.
const BIT_ERRORS: f64 = 1e-3;

const fn picket_time(ms: u64) -> picket_wire::time::Duration {
    picket_wire::time::Duration::from_millis(ms)
}

/// Two gateways with nothing but a radio between them.
pub struct ByRadio {
    pub rig: Rig,
    pub radio: Line,
    pub gw1: Gateway,
    pub gw2: Gateway,
}

impl ByRadio {
    pub fn new(name: &str, air: Air) -> Self {
        let mut rig = Rig::new(name, &["alpha", "bravo"], &["gw1", "gw2"]);
        let (rate, duplex) = (air.rate_bps, air.duplex);
        let radio = rig.radio(air, &["gw1", "gw2"]);
        let gw1 = rig.gateway(Plan::new("gw1").radio(&radio.path(0), rate, duplex));
        let gw2 = rig.gateway(Plan::new("gw2").radio(&radio.path(1), rate, duplex));
        Self { rig, radio, gw1, gw2 }
    }
}

/// Two gateways with nothing but a broker between them.
pub struct ByBroker {
    pub rig: Rig,
    pub broker: Broker,
    pub gw1: Gateway,
    pub gw2: Gateway,
}

impl ByBroker {
    pub fn new(name: &str) -> Self {
        let rig = Rig::new(name, &["alpha", "bravo"], &["gw1", "gw2"]);
        let broker = rig.broker();
        let gw1 = rig.gateway(Plan::new("gw1").uplink(&broker));
        let gw2 = rig.gateway(Plan::new("gw2").uplink(&broker));
        gw1.await_uplink("up", Duration::from_secs(30));
        gw2.await_uplink("up", Duration::from_secs(30));
        Self { rig, broker, gw1, gw2 }
    }
}

/// The next way is tried soon: a scenario does not wait two minutes for it.
const SOON: &str = "link_timeout = \"10s\"";

/// Two gateways with both.
pub fn by_both(name: &str, rate: u32, duplex: Duplex) -> (ByBroker, Line) {
    let mut rig = Rig::new(name, &["alpha", "bravo"], &["gw1", "gw2"]);
    let mut air = half_duplex(rate);
    air.duplex = duplex;
    let radio = rig.radio(air, &["gw1", "gw2"]);
    let broker = rig.broker();
    let gw1 = rig.gateway(Plan::new("gw1").key(SOON).radio(&radio.path(0), rate, duplex).uplink(&broker));
    let gw2 = rig.gateway(Plan::new("gw2").key(SOON).radio(&radio.path(1), rate, duplex).uplink(&broker));
    (ByBroker { rig, broker, gw1, gw2 }, radio)
}

/// A file that does not compress.
pub fn file(rig: &mut Rig, name: &str, bytes: usize) -> PathBuf {
    let path = rig.path(name);
    std::fs::write(&path, rig.rng().bytes(bytes)).unwrap();
    path
}

pub fn same(a: &Path, b: &Path) -> bool {
    std::fs::read(a).unwrap() == std::fs::read(b).unwrap()
}

/// `text 0`, `text 1` …, of the length that people write.
pub fn texts(prefix: &str, n: usize, rng: &mut Rng) -> Vec<String> {
    (0..n).map(|i| format!("{prefix} {i}: {:08x}", rng.next_u64() >> 32)).collect()
}
