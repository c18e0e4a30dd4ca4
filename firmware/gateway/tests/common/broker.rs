//! A real mosquitto on a free loopback port, with TLS made on the spot.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A certification authority.
pub struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "mission CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn write(&self, file: &Path) {
        fs::write(file, self.0.pem()).unwrap();
    }

    /// Writes `NAME.pem` and `NAME.key` for localhost; expired in 2021 if asked for.
    pub fn issue(&self, folder: &Path, name: &str, expired: bool) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        if expired {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// A running broker; killed when dropped.
pub struct Broker {
    child: Option<Child>,
    config: PathBuf,
    pub port: u16,
}

impl Broker {
    pub fn plain(folder: &Path) -> Self {
        Self::start(folder, "")
    }

    /// With `broker.pem`, `broker.key` and `ca.pem` of `folder`, asking for a client certificate.
    pub fn tls(folder: &Path) -> Self {
        let at = |name: &str| folder.join(name).display().to_string();
        let (ca, certificate, key) = (at("ca.pem"), at("broker.pem"), at("broker.key"));
        Self::start(folder, &format!("cafile {ca}\ncertfile {certificate}\nkeyfile {key}\nrequire_certificate true\n"))
    }

    fn start(folder: &Path, more: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let config = folder.join(format!("mosquitto-{port}.conf"));
        let persistence = folder.join(format!("mosquitto-{port}/"));
        fs::create_dir(&persistence).unwrap();
        let user = if rustix_is_root() { "user root\n" } else { "" };
        fs::write(
            &config,
            format!(
                "{user}listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {}/\n\
                 max_queued_messages 0\nmax_inflight_messages 0\nset_tcp_nodelay true\nlog_dest none\n{more}",
                persistence.display()
            ),
        )
        .unwrap();
        let mut broker = Self { child: None, config, port };
        broker.up();
        broker
    }

    pub fn up(&mut self) {
        let path = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"];
        let program = path.iter().find(|p| Path::new(p).exists());
        let program = program.expect("mosquitto is not installed: apt-get install mosquitto");
        let child = Command::new(program).arg("-c").arg(&self.config).stdin(Stdio::null()).spawn().unwrap();
        self.child = Some(child);
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < until, "mosquitto does not serve");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.down();
    }
}

fn rustix_is_root() -> bool {
    fs::read_to_string("/proc/self/status").unwrap().lines().any(|l| l.starts_with("Uid:\t0\t"))
}
