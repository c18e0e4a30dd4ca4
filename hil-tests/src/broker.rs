//! A real broker: mosquitto, on a port of its own, with persistence, TLS and client certificates.

use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::process::{Process, finish};
use crate::{Rig, skip, wait};

/// Below the range from which the kernel takes ports of outgoing connections, so that a port stays free over a restart.
const FIRST_PORT: u16 = 21_000;
const PORTS: u16 = 10_000;

/// A mosquitto that can be killed and started again on the same port, with what it had on disk.
#[derive(Debug)]
pub struct Broker {
    address: IpAddr,
    port: u16,
    config: PathBuf,
    log: PathBuf,
    tls: PathBuf,
    namespace: Option<String>,
    running: Option<Process>,
}

impl Broker {
    /// Starts one in the mission's folder; `place` is an address and a network namespace, loopback without.
    ///
    /// # Panics
    /// When mosquitto is missing or does not start.
    #[must_use]
    pub fn start(rig: &Rig, name: &str, place: Option<(IpAddr, &str)>) -> Self {
        let (address, namespace) = place.map_or((Ipv4Addr::LOCALHOST.into(), None), |(a, n)| (a, Some(n.to_owned())));
        let port = free_port();
        let folder = rig.path(name);
        std::fs::create_dir(&folder).expect("a folder for the broker");
        let config = folder.join("mosquitto.conf");
        std::fs::write(&config, configuration(&folder, &rig.mission("tls"), address, port)).expect("written");
        let tls = rig.mission("tls");
        let mut broker = Self { address, port, config, log: rig.log(name), tls, namespace, running: None };
        broker.restart();
        broker
    }

    /// For a gateway's configuration.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mqtts://{}:{}", self.address, self.port)
    }

    /// As a power cut does to it.
    pub fn kill9(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill9();
        }
    }

    /// Starts it again, on the same port and with the same folder.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.kill9();
        let mosquitto = skip::find("mosquitto").expect("mosquitto is missing: cargo xtask test installs it");
        let mut command = crate::netns::command(self.namespace.as_deref(), &mosquitto);
        command.arg("-c").arg(&self.config);
        let before = self.starts();
        let mut process = Process::start("mosquitto", command, &self.log);
        wait::until("the broker to serve", wait::PROMPT, || {
            assert!(process.is_running(), "the broker ended: {}", process.said());
            (self.starts() > before).then_some(())
        });
        self.running = Some(process);
    }

    /// Topics that clients subscribed to, as its log has them.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let mut topics: Vec<String> =
            log.lines().filter_map(|l| l.split_once("(QoS ")).filter_map(|(head, _)| topic(head)).collect();
        topics.sort();
        topics.dedup();
        topics
    }

    /// Publishes bytes as an outsider with a gateway's certificate would.
    ///
    /// # Panics
    /// When the broker does not take them.
    pub fn publish(&self, rig: &Rig, certificate: &str, topic: &str, payload: &Path) {
        let mut command = Command::new(skip::find("mosquitto_pub").expect("mosquitto-clients is missing"));
        command.args([
            "-V",
            "mqttv5",
            "-q",
            "1",
            "-h",
            &self.address.to_string(),
            "-p",
            &self.port.to_string(),
            "-t",
            topic,
        ]);
        command.arg("-f").arg(payload).arg("--cafile").arg(self.tls.join("ca.pem"));
        command.arg("--cert").arg(self.tls.join(format!("{certificate}.pem")));
        command.arg("--key").arg(self.tls.join(format!("{certificate}.key")));
        let done = finish("mosquitto_pub", command, &rig.log("mosquitto_pub"), wait::PROMPT);
        assert_eq!(done.code, 0, "mosquitto_pub: {}", done.err);
    }

    /// Does it refuse whoever has this certificate?
    ///
    /// # Panics
    /// When `mosquitto_pub` is missing.
    #[must_use]
    pub fn refuses(&self, rig: &Rig, certificate: &str) -> bool {
        let mut command = Command::new(skip::find("mosquitto_pub").expect("mosquitto-clients is missing"));
        command.args(["-V", "mqttv5", "-q", "1", "-t", "picket/nothing", "-n", "-h", &self.address.to_string()]);
        command.args(["-p", &self.port.to_string()]).arg("--cafile").arg(self.tls.join("ca.pem"));
        command.arg("--cert").arg(self.tls.join(format!("{certificate}.pem")));
        command.arg("--key").arg(self.tls.join(format!("{certificate}.key")));
        finish("mosquitto_pub", command, &rig.log("mosquitto_pub"), wait::PROMPT).code != 0
    }

    /// Can a client connect at all?
    #[must_use]
    pub fn answers(&self) -> bool {
        TcpStream::connect((self.address, self.port)).is_ok()
    }

    fn starts(&self) -> usize {
        std::fs::read_to_string(&self.log).unwrap_or_default().lines().filter(|l| l.ends_with(" running")).count()
    }
}

/// `1700000000: \tpicket/00ff… ` → the topic.
fn topic(head: &str) -> Option<String> {
    let topic = head.split('\t').nth(1)?.trim();
    (!topic.is_empty() && topic.contains('/')).then(|| topic.to_owned())
}

fn configuration(folder: &Path, tls: &Path, address: IpAddr, port: u16) -> String {
    let (folder, tls) = (folder.display(), tls.display());
    format!(
        "listener {port} {address}\nuser root\nallow_anonymous true\n\
         cafile {tls}/ca.pem\ncrlfile {tls}/crl.pem\ncertfile {tls}/server.pem\nkeyfile {tls}/server.key\nrequire_certificate true\n\
         persistence true\npersistence_location {folder}/\nautosave_interval 1\nautosave_on_changes true\n\
         log_dest stderr\nlog_type all\n"
    )
}

/// A port of loopback that is free now, and that no outgoing connection takes.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = u16::try_from(std::process::id() % u32::from(PORTS)).unwrap_or(0);
    wait::until("a free port", wait::PROMPT, || {
        let n = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(offset);
        let port = FIRST_PORT + n % PORTS;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(port)
    })
}
