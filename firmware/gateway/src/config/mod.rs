//! The configuration: TOML, every key checked, every refusal with its line and what to do.

pub mod error;
pub mod reference;
pub mod schema;
pub mod table;
pub mod zeroize;

pub use error::{ConfigError, Problem};
pub use zeroize::Zeroize;

use picket_node::Air;
use picket_node::leaf::{Duplex, Framing};
use picket_shell::clock::Trust;
use picket_shell::{limits, serial, udp, unix};
use picket_wire::Precedence;
use picket_wire::time::Duration;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use table::{Located, Values};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A checked configuration; all paths resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[gateway]`.
    pub gateway: Gateway,
    /// `[store] max_bytes`.
    pub store_bytes: u64,
    /// `[zeroize]`.
    pub zeroize: Zeroize,
    /// `[log]`.
    pub log: Log,
    /// `[[band]]`, in order.
    pub bands: Vec<Band>,
    /// `[[link]]`, in order.
    pub links: Vec<Link>,
    /// `[[uplink]]`, in order.
    pub uplinks: Vec<Uplink>,
}

/// `[gateway]`.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Name, as the roster has it.
    pub name: String,
    /// Keyfill.
    pub keyfill: PathBuf,
    /// The gateway's own keys, where the keyfill does not carry them.
    pub secrets: Option<PathBuf>,
    /// Folder of everything durable.
    pub state: PathBuf,
    /// Operator socket.
    pub control: unix::Settings,
    /// When the wall clock is believed.
    pub clock: Trust,
    /// Longest time SIGTERM waits.
    pub drain: Duration,
    /// Custody unacknowledged on an uplink for this long: next way.
    pub uplink_timeout: Duration,
    /// The same on a link.
    pub link_timeout: Duration,
    /// Publishes under way at each broker.
    pub publish_window: u16,
    /// Envelopes a second accepted from each broker.
    pub uplink_rate: u32,
    /// Least precedence by radio under MINIMIZE.
    pub minimize: Precedence,
    /// Second copy of the emission-control mark.
    pub emcon_mark: PathBuf,
}

/// One `[[band]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// Name.
    pub name: String,
    /// Airtime in any hour, parts of ten thousand.
    pub duty: u32,
    /// Share of it for flash and override, parts of ten thousand.
    pub reserve: u32,
    /// Time on air around each frame.
    pub preamble: Duration,
}

/// `[log]`.
#[derive(Clone, Debug)]
pub struct Log {
    /// Least level.
    pub level: String,
    /// One JSON object a line.
    pub json: bool,
}

/// One `[[link]]`.
#[derive(Clone, Debug)]
pub struct Link {
    /// Name.
    pub name: String,
    /// What opens it.
    pub medium: Medium,
    /// What the link machine must know.
    pub machine: picket_node::leaf::LinkConfig,
    /// What becomes of its bytes.
    pub air: Air,
    /// Name of its band.
    pub band: Option<String>,
}

/// What opens a link.
#[derive(Clone, Debug)]
pub enum Medium {
    /// A serial port.
    Serial(serial::Settings),
    /// UDP.
    Udp(udp::Settings),
    /// Serves TCP connections.
    TcpListen(SocketAddr),
    /// Connects to `HOST:PORT`.
    TcpConnect(String),
    /// Serves a Unix socket.
    Unix(unix::Settings),
}

impl Medium {
    /// Kind as written.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Serial(_) => "serial",
            Self::Udp(_) => "udp",
            Self::TcpListen(_) | Self::TcpConnect(_) => "tcp",
            Self::Unix(_) => "unix",
        }
    }

    /// Whether each connection is a link of its own.
    #[must_use]
    pub const fn listens(&self) -> bool {
        match self {
            Self::TcpListen(_) | Self::Unix(_) => true,
            Self::Serial(_) | Self::Udp(_) | Self::TcpConnect(_) => false,
        }
    }
}

/// One `[[uplink]]`.
#[derive(Clone, Debug)]
pub struct Uplink {
    /// Name.
    pub name: String,
    /// Broker's host name or address.
    pub host: String,
    /// Broker's port.
    pub port: u16,
    /// TLS material; `None` for `mqtt://`.
    pub tls: Option<Tls>,
    /// First levels of every topic.
    pub prefix: String,
    /// Keep-alive interval.
    pub keep_alive: Duration,
    /// Session expiry at the broker.
    pub session: Duration,
    /// The way to it is itself a radio.
    pub emits: bool,
}

/// Where an uplink's TLS material is.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The mission's CA.
    pub ca: PathBuf,
    /// Certificate chain and private key, if the broker asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Reads and checks a configuration file.
///
/// # Errors
/// [`ConfigError`].
pub fn load(file: &Path) -> Result<Config, ConfigError> {
    let refuse = |line, problem| ConfigError { file: file.to_owned(), line, problem };
    let text = std::fs::read_to_string(file).map_err(|e| refuse(0, Problem::Unreadable(e)))?;
    let absolute = std::path::absolute(file).map_err(|e| refuse(0, Problem::Unreadable(e)))?;
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    parse(&text, folder).map_err(|(at, problem)| refuse(line_of(&text, at), problem))
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1
}

/// Checks the text of a configuration whose relative paths begin at `folder`.
///
/// # Errors
/// The problem and the byte where it is.
pub fn parse(text: &str, folder: &Path) -> Result<Config, Located> {
    let root = DeTable::parse(text).map_err(|e| {
        let at = e.span().map_or(0, |s| s.start);
        (at, Problem::Syntax(e.message().to_owned()))
    })?;
    let mut parts = split(&root)?;
    let reader = Reader { folder };
    Values::read(&parts.root, &[&schema::ROOT])?;
    let gateway = reader.gateway(&Values::read(&parts.gateway, &[&schema::GATEWAY])?)?;
    let store = Values::read(&parts.store, &[&schema::STORE])?;
    let log = Values::read(&parts.log, &[&schema::LOG])?;
    let bands = parts.bands.drain(..).map(|t| band(&t)).collect::<Result<Vec<_>, _>>()?;
    unique(bands.iter().map(|(at, b)| (*at, &b.name)))?;
    let bands: Vec<Band> = bands.into_iter().map(|(_, b)| b).collect();
    let links = parts.links.drain(..).map(|t| reader.link(&t, &bands)).collect::<Result<Vec<_>, _>>()?;
    let uplinks = parts.uplinks.drain(..).map(|t| reader.uplink(&t)).collect::<Result<Vec<_>, _>>()?;
    unique(links.iter().map(|(at, l)| (*at, &l.name)))?;
    unique(uplinks.iter().map(|(at, u)| (*at, &u.name)))?;
    Ok(Config {
        gateway,
        store_bytes: store.number("max_bytes"),
        zeroize: Zeroize::from(&Values::read(&parts.zeroize, &[&schema::ZEROIZE])?),
        log: Log { level: log.text("level"), json: log.text("format") == "json" },
        bands,
        links: links.into_iter().map(|(_, l)| l).collect(),
        uplinks: uplinks.into_iter().map(|(_, u)| u).collect(),
    })
}

/// The tables of a file; absent ones empty.
struct Parts<'i> {
    root: Spanned<DeTable<'i>>,
    gateway: Spanned<DeTable<'i>>,
    store: Spanned<DeTable<'i>>,
    zeroize: Spanned<DeTable<'i>>,
    log: Spanned<DeTable<'i>>,
    bands: Vec<Spanned<DeTable<'i>>>,
    links: Vec<Spanned<DeTable<'i>>>,
    uplinks: Vec<Spanned<DeTable<'i>>>,
}

fn split<'i>(root: &Spanned<DeTable<'i>>) -> Result<Parts<'i>, Located> {
    let empty = || Spanned::new(0..0, DeTable::new());
    let (bands, links, uplinks) = (Vec::new(), Vec::new(), Vec::new());
    let (root_table, gateway, store, zeroize, log) = (empty(), empty(), empty(), empty(), empty());
    let mut parts = Parts { root: root_table, gateway, store, zeroize, log, bands, links, uplinks };
    for (name, value) in root.get_ref() {
        match name.get_ref().as_ref() {
            "gateway" => parts.gateway = one(value, schema::GATEWAY.header)?,
            "store" => parts.store = one(value, schema::STORE.header)?,
            "zeroize" => parts.zeroize = one(value, schema::ZEROIZE.header)?,
            "log" => parts.log = one(value, schema::LOG.header)?,
            "band" => parts.bands = many(value, schema::BAND.header)?,
            "link" => parts.links = many(value, schema::LINK.header)?,
            "uplink" => parts.uplinks = many(value, schema::UPLINK.header)?,
            "version" => {
                parts.root.get_mut().insert(name.clone(), value.clone());
            }
            other => {
                let known = ["version", "gateway", "store", "zeroize", "log", "band", "link", "uplink"].into_iter();
                let nearest = table::nearest(other, known);
                return Err((name.span().start, Problem::UnknownKey { table: "", key: other.to_owned(), nearest }));
            }
        }
    }
    Ok(parts)
}

fn one<'i>(value: &Spanned<DeValue<'i>>, header: &'static str) -> Result<Spanned<DeTable<'i>>, Located> {
    let at = value.span();
    let table = value.get_ref().as_table().ok_or((at.start, Problem::NotATable { header }))?;
    Ok(Spanned::new(at, table.clone()))
}

fn many<'i>(value: &Spanned<DeValue<'i>>, header: &'static str) -> Result<Vec<Spanned<DeTable<'i>>>, Located> {
    let array = value.get_ref().as_array().ok_or((value.span().start, Problem::NotATable { header }))?;
    array.iter().map(|v| one(v, header)).collect()
}

fn unique<'a>(names: impl Iterator<Item = (usize, &'a String)>) -> Result<(), Located> {
    let mut seen = std::collections::BTreeSet::new();
    for (at, name) in names {
        if !seen.insert(name) {
            return Err((at, Problem::Duplicate(name.clone())));
        }
    }
    Ok(())
}

/// Builds typed parts from checked values.
struct Reader<'f> {
    folder: &'f Path,
}

impl Reader<'_> {
    fn path(&self, values: &Values, key: &str) -> PathBuf {
        self.folder.join(values.text(key))
    }

    fn socket(&self, values: &Values, key: &'static str) -> Result<unix::Settings, Located> {
        let path = self.path(values, key);
        let bytes = path.as_os_str().as_bytes().len();
        if bytes > limits::SOCKET_PATH_BYTES {
            return Err((values.at(key), Problem::SocketPath { key, bytes }));
        }
        Ok(unix::Settings { path, mode: values.number("mode") })
    }

    fn gateway(&self, values: &Values) -> Result<Gateway, Located> {
        Ok(Gateway {
            name: values.text("name"),
            keyfill: self.path(values, "keyfill"),
            secrets: values.maybe_text("secrets").map(|s| self.folder.join(s)),
            state: self.path(values, "state"),
            control: self.socket(values, "control")?,
            clock: values.text("clock").parse().unwrap_or_default(),
            drain: values.span("drain"),
            uplink_timeout: values.span("uplink_timeout"),
            link_timeout: values.span("link_timeout"),
            publish_window: values.number("publish_window"),
            uplink_rate: values.number("uplink_rate"),
            minimize: values.text("minimize").parse().unwrap_or(Precedence::Immediate),
            emcon_mark: match values.maybe_text("emcon_mark") {
                Some(mark) => self.folder.join(mark),
                None => self.path(values, "control").with_extension("emcon"),
            },
        })
    }

    fn link(&self, table: &Spanned<DeTable<'_>>, bands: &[Band]) -> Result<(usize, Link), Located> {
        let kind = table.get_ref().get("kind").and_then(|v| v.get_ref().as_str());
        let own = kind.and_then(schema::of_kind);
        // Without a known kind the common keys are checked first: the refusal then names `kind`.
        let sections: Vec<&'static schema::Section> = core::iter::once(&schema::LINK).chain(own).collect();
        if own.is_none() {
            Values::read(&only_kind(table), &sections)?;
        }
        let values = Values::read(table, &sections)?;
        let medium = self.medium(kind.unwrap_or_default(), &values)?;
        let machine = machine(&medium, &values)?;
        let air = air(&medium, &machine, &values, bands)?;
        let (name, band) = (values.text("name"), values.maybe_text("band"));
        Ok((values.at("name"), Link { name, medium, machine, air, band }))
    }

    fn medium(&self, kind: &str, values: &Values) -> Result<Medium, Located> {
        match kind {
            "serial" => Ok(Medium::Serial(serial::Settings {
                path: self.path(values, "port"),
                baud: values.number("baud"),
                rts_cts: values.text("flow") == "rtscts",
                dtr: values.flag("dtr"),
                rts: values.flag("rts"),
            })),
            "udp" => {
                let bind = values.address("bind").ok_or((values.at, Problem::Needs("udp", "bind")))?;
                Ok(Medium::Udp(udp::Settings { bind, peer: values.text("peer") }))
            }
            "tcp" => match (values.address("listen"), values.maybe_text("connect")) {
                (Some(address), None) => Ok(Medium::TcpListen(address)),
                (None, Some(peer)) => Ok(Medium::TcpConnect(peer)),
                _ => Err((values.at, Problem::ExactlyOne("listen", "connect"))),
            },
            _ => Ok(Medium::Unix(self.socket(values, "path")?)),
        }
    }

    fn uplink(&self, table: &Spanned<DeTable<'_>>) -> Result<(usize, Uplink), Located> {
        let values = Values::read(table, &[&schema::UPLINK])?;
        let written = values.text("url");
        let (tls, host, port) = table::url(&written).unwrap_or_default();
        let uplink = Uplink {
            name: values.text("name"),
            host: host.to_owned(),
            port,
            tls: if tls { Some(self.tls(&values)?) } else { None },
            prefix: values.text("prefix"),
            keep_alive: values.span("keep_alive"),
            session: values.span("session"),
            emits: values.flag("emits").unwrap_or(false),
        };
        Ok((values.at("name"), uplink))
    }

    fn tls(&self, values: &Values) -> Result<Tls, Located> {
        if values.maybe_text("ca").is_none() {
            return Err((values.at("url"), Problem::Needs("mqtts://", "ca")));
        }
        let identity = match (values.maybe_text("cert"), values.maybe_text("key")) {
            (Some(_), Some(_)) => Some((self.path(values, "cert"), self.path(values, "key"))),
            (None, None) => None,
            (Some(_), None) => return Err((values.at("cert"), Problem::Needs("cert", "key"))),
            (None, Some(_)) => return Err((values.at("key"), Problem::Needs("key", "cert"))),
        };
        Ok(Tls { ca: self.path(values, "ca"), identity })
    }
}

/// A copy of the table with nothing but `kind`, so that a wrong or missing kind is what gets refused.
fn only_kind<'i>(table: &Spanned<DeTable<'i>>) -> Spanned<DeTable<'i>> {
    let mut copy = DeTable::new();
    for (name, value) in table.get_ref() {
        if matches!(name.get_ref().as_ref(), "name" | "kind") {
            copy.insert(name.clone(), value.clone());
        }
    }
    Spanned::new(table.span(), copy)
}

fn machine(medium: &Medium, values: &Values) -> Result<picket_node::leaf::LinkConfig, Located> {
    let (mtu, baud) = match medium {
        Medium::Serial(s) => (None, Some(s.baud)),
        Medium::Udp(_) => (Some(values.number("mtu")), None),
        Medium::TcpListen(_) | Medium::TcpConnect(_) | Medium::Unix(_) => (None, None),
    };
    let duplex = match values.maybe_text("duplex").as_deref() {
        Some("half") => Duplex::Half,
        Some(_) => Duplex::Full,
        None if baud.is_some() => Duplex::Half,
        None => Duplex::Full,
    };
    let turn_round = match duplex {
        Duplex::Half => values.maybe_span("turn_round").unwrap_or(DEFAULT_TURN_ROUND),
        Duplex::Full => Duration::ZERO,
    };
    let air_bps = values.maybe_number("air_bps").and_then(|n| u32::try_from(n).ok());
    let framing = framing(medium, values, duplex, air_bps)?;
    // A radio that listens before it talks needs no turns of ours: to us it is a medium on which both may talk.
    let duplex = if values.text("access") == "radio" { Duplex::Full } else { duplex };
    Ok(picket_node::leaf::LinkConfig { framing, mtu, air_bps: air_bps.or(baud), duplex, turn_round })
}

/// The framing asked for, if this kind of link can have it, or the one that suits it.
fn framing(medium: &Medium, values: &Values, duplex: Duplex, air_bps: Option<u32>) -> Result<Framing, Located> {
    let fits: &[Framing] = match medium {
        Medium::Serial(_) => &[Framing::Cobs, Framing::Fec],
        Medium::Udp(_) => &[Framing::Packet],
        Medium::TcpListen(_) | Medium::TcpConnect(_) | Medium::Unix(_) => &[Framing::Cobs],
    };
    let asked = match values.text("framing").as_str() {
        "cobs" => Framing::Cobs,
        "fec" => Framing::Fec,
        "packet" => Framing::Packet,
        _ => match medium {
            Medium::Serial(s) => Framing::for_serial(duplex, s.baud, air_bps),
            Medium::Udp(_) => Framing::Packet,
            Medium::TcpListen(_) | Medium::TcpConnect(_) | Medium::Unix(_) => Framing::Cobs,
        },
    };
    if fits.contains(&asked) {
        return Ok(asked);
    }
    Err((values.at("framing"), Problem::Framing { kind: medium.kind() }))
}

fn band(table: &Spanned<DeTable<'_>>) -> Result<(usize, Band), Located> {
    let values = Values::read(table, &[&schema::BAND])?;
    let (duty, reserve) = (values.number("duty"), values.number("reserve"));
    let band = Band { name: values.text("name"), duty, reserve, preamble: values.span("preamble") };
    Ok((values.at("name"), band))
}

/// What becomes of a link's bytes: an emission unless it is said, or plain, that there is no transmitter.
fn air(
    medium: &Medium,
    machine: &picket_node::leaf::LinkConfig,
    values: &Values,
    bands: &[Band],
) -> Result<Air, Located> {
    let emits = values.flag("emits").unwrap_or(!matches!(medium, Medium::Unix(_)));
    match values.maybe_text("band") {
        None if emits => Ok(Air::Open),
        None => Ok(Air::Cable),
        Some(_) if !emits => {
            Err((values.at("band"), Problem::Excludes("band", "`emits = false`", "a cable uses no airtime")))
        }
        // Without an air rate no time on air is known, and nothing could be charged.
        Some(_) if machine.air_bps.is_none() => Err((values.at("band"), Problem::Needs("band", "air_bps"))),
        Some(name) => {
            let number = bands.iter().position(|band| band.name == name).and_then(|n| u16::try_from(n).ok());
            number.map(Air::Band).ok_or_else(|| (values.at("band"), Problem::UnknownBand(name)))
        }
    }
}

/// What most half-duplex modems need to switch over.
const DEFAULT_TURN_ROUND: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests;
