//! Ways to a gateway, as `--via` gives them and a home remembers them.

use core::fmt;
use core::str::FromStr;
use picket_node::leaf::Framing;
use picket_shell::limits::SOCKET_PATH_BYTES;
use std::path::{Path, PathBuf};

/// One way to a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// `unix:PATH`: a gateway on this machine.
    Unix(PathBuf),
    /// `tcp:HOST:PORT`.
    Tcp(String),
    /// `serial:PORT?baud=N&air_bps=N&duplex=half&framing=fec`.
    Serial(Serial),
}

/// A serial port to a gateway, or to a radio that reaches one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serial {
    /// The device.
    pub port: PathBuf,
    /// Bits per second on the wire.
    pub baud: u32,
    /// Bits per second on air; the baud rate where nothing else is said.
    pub air_bps: Option<u32>,
    /// Only one side may transmit at a time.
    pub half_duplex: bool,
    /// How bytes become frames; what suits it where nothing else is said.
    pub framing: Option<Framing>,
}

/// Text that is not a way to a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAWay(String);

impl fmt::Display for NotAWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for NotAWay {}

const FORMS: &str = "a way is unix:PATH, tcp:HOST:PORT or serial:PORT?baud=N&air_bps=N&duplex=half&framing=fec";
const BAUD_DEFAULT: u32 = 57_600;

impl Via {
    /// With its path made absolute, so that it means the same from another folder.
    #[must_use]
    pub fn absolute(self) -> Self {
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        match self {
            Self::Unix(path) => Self::Unix(absolute(path)),
            Self::Tcp(host) => Self::Tcp(host),
            Self::Serial(serial) => Self::Serial(Serial { port: absolute(serial.port), ..serial }),
        }
    }
}

impl FromStr for Via {
    type Err = NotAWay;

    fn from_str(s: &str) -> Result<Self, NotAWay> {
        match s.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => unix(Path::new(path)),
            Some(("tcp", host)) => tcp(host),
            Some(("serial", rest)) => serial(rest),
            _ => Err(NotAWay(format!("\"{s}\": {FORMS}"))),
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(host) => write!(f, "tcp:{host}"),
            Self::Serial(s) => {
                write!(f, "serial:{}?baud={}", s.port.display(), s.baud)?;
                if let Some(air) = s.air_bps {
                    write!(f, "&air_bps={air}")?;
                }
                write!(f, "&duplex={}", if s.half_duplex { "half" } else { "full" })?;
                match s.framing {
                    None => Ok(()),
                    Some(Framing::Fec) => f.write_str("&framing=fec"),
                    Some(Framing::Cobs | Framing::Packet) => f.write_str("&framing=cobs"),
                }
            }
        }
    }
}

fn unix(path: &Path) -> Result<Via, NotAWay> {
    let bytes = std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).as_os_str().len();
    if bytes > SOCKET_PATH_BYTES {
        return Err(NotAWay(format!("the socket's path has {bytes} bytes, at most {SOCKET_PATH_BYTES} fit")));
    }
    Ok(Via::Unix(path.to_owned()))
}

fn tcp(host: &str) -> Result<Via, NotAWay> {
    let port = host.rsplit_once(':').filter(|(name, _)| !name.is_empty()).and_then(|(_, p)| p.parse::<u16>().ok());
    match port {
        Some(1..) => Ok(Via::Tcp(host.to_owned())),
        _ => Err(NotAWay(format!("\"{host}\" is not HOST:PORT"))),
    }
}

fn serial(rest: &str) -> Result<Via, NotAWay> {
    let (port, query) = rest.split_once('?').unwrap_or((rest, ""));
    if port.is_empty() {
        return Err(NotAWay(format!("no port named: {FORMS}")));
    }
    let mut serial = Serial { port: port.into(), baud: BAUD_DEFAULT, air_bps: None, half_duplex: false, framing: None };
    for option in query.split('&').filter(|o| !o.is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let number = || {
            value
                .parse()
                .ok()
                .filter(|n| *n > 0)
                .ok_or_else(|| NotAWay(format!("{key}=\"{value}\" is not a rate in bit/s")))
        };
        match (key, value) {
            ("baud", _) => serial.baud = number()?,
            ("air_bps", _) => serial.air_bps = Some(number()?),
            ("duplex", "half") => serial.half_duplex = true,
            ("duplex", "full") => serial.half_duplex = false,
            ("duplex", _) => return Err(NotAWay(format!("duplex=\"{value}\" is neither half nor full"))),
            ("framing", "cobs") => serial.framing = Some(Framing::Cobs),
            ("framing", "fec") => serial.framing = Some(Framing::Fec),
            ("framing", _) => return Err(NotAWay(format!("framing=\"{value}\" is neither cobs nor fec"))),
            _ => return Err(NotAWay(format!("\"{key}\" is unknown: options are baud, air_bps, duplex and framing"))),
        }
    }
    Ok(Via::Serial(serial))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_form_round_trips() {
        for text in [
            "unix:run/gw1.sock",
            "tcp:gw.example:7700",
            "tcp:[::1]:7700",
            "serial:/dev/ttyUSB0?baud=9600&duplex=full",
            "serial:/dev/ttyUSB0?baud=57600&air_bps=9600&duplex=half",
            "serial:/dev/ttyUSB0?baud=57600&duplex=full&framing=fec",
        ] {
            assert_eq!(text.parse::<Via>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, hint) in [
            ("gw1.sock", "unix:PATH"),
            ("tcp:7700", "HOST:PORT"),
            ("tcp:host:99999", "HOST:PORT"),
            ("serial:", "no port"),
            ("serial:/dev/x?bauds=1", "\"bauds\" is unknown"),
            ("serial:/dev/x?baud=fast", "not a rate"),
            ("serial:/dev/x?duplex=both", "neither half nor full"),
            ("serial:/dev/x?framing=kiss", "neither cobs nor fec"),
        ] {
            let said = text.parse::<Via>().unwrap_err().to_string();
            assert!(said.contains(hint), "{text}: {said}");
        }
        assert!(format!("unix:/{}", "x".repeat(107)).parse::<Via>().is_err());
    }
}
