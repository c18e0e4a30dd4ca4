//! A switch outside the program that asks for a wipe: a GPIO line, or a file that says so (spec §75.5).

use crate::limits::LINE_READINGS;
use core::fmt;
use core::str::FromStr;
use std::io;
use std::path::PathBuf;

/// Where the switch is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a GPIO character device, active low if so said.
    Gpio {
        /// The device, `/dev/gpiochip0`.
        chip: PathBuf,
        /// Number of the line on it.
        line: u32,
        /// Closed is low: a switch to ground with a pull-up.
        active_low: bool,
    },
    /// A file whose first byte is `1` while the switch is closed (sysfs, an expander's driver, a script).
    File(PathBuf),
}

/// What a place looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPlace;

impl fmt::Display for NotAPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not gpio:/dev/gpiochipN:LINE, gpio-low:/dev/gpiochipN:LINE or file:PATH")
    }
}

impl core::error::Error for NotAPlace {}

impl FromStr for Place {
    type Err = NotAPlace;
    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let (kind, rest) = text.split_once(':').ok_or(NotAPlace)?;
        match kind {
            "file" if !rest.is_empty() => Ok(Self::File(rest.into())),
            "gpio" | "gpio-low" => {
                let (chip, line) = rest.rsplit_once(':').filter(|(chip, _)| !chip.is_empty()).ok_or(NotAPlace)?;
                let line = line.parse().map_err(|_| NotAPlace)?;
                Ok(Self::Gpio { chip: chip.into(), line, active_low: kind == "gpio-low" })
            }
            _ => Err(NotAPlace),
        }
    }
}

/// Something that can be read: closed or open.
pub trait Line: Send {
    /// Whether the switch is closed now.
    ///
    /// # Errors
    /// When it cannot be read.
    fn is_closed(&mut self) -> io::Result<bool>;
}

impl Place {
    /// Opens the line.
    ///
    /// # Errors
    /// When there is none, or it is taken. A file may appear later: it is open until then.
    pub fn open(&self) -> io::Result<Box<dyn Line>> {
        match self {
            Self::File(path) => Ok(Box::new(FileLine(path.clone()))),
            Self::Gpio { chip, line, active_low } => {
                let mut request = gpiocdev::Request::builder();
                request.on_chip(chip).with_consumer("picketd zeroize").with_line(*line).as_input();
                if *active_low {
                    request.as_active_low();
                }
                let request = request.request().map_err(io::Error::other)?;
                Ok(Box::new(GpioLine { request, line: *line }))
            }
        }
    }
}

struct FileLine(PathBuf);

impl Line for FileLine {
    fn is_closed(&mut self) -> io::Result<bool> {
        match std::fs::read(&self.0) {
            Ok(bytes) => Ok(bytes.first() == Some(&b'1')),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }
}

struct GpioLine {
    request: gpiocdev::Request,
    line: u32,
}

impl Line for GpioLine {
    fn is_closed(&mut self) -> io::Result<bool> {
        self.request.value(self.line).map(|v| v == gpiocdev::line::Value::Active).map_err(io::Error::other)
    }
}

/// Counts readings: a switch counts once it was closed several times in a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steady(u8);

impl Steady {
    /// Takes one reading; `true` once it counts. A line that cannot be read is open: trouble with a wire must not
    /// destroy a device.
    pub fn take(&mut self, reading: &io::Result<bool>) -> bool {
        self.0 = if matches!(reading, Ok(true)) { self.0.saturating_add(1) } else { 0 };
        self.0 >= LINE_READINGS
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn places_are_read() {
        let gpio = |low| Place::Gpio { chip: "/dev/gpiochip0".into(), line: 17, active_low: low };
        assert_eq!("gpio:/dev/gpiochip0:17".parse(), Ok(gpio(false)));
        assert_eq!("gpio-low:/dev/gpiochip0:17".parse(), Ok(gpio(true)));
        assert_eq!("file:/run/x".parse(), Ok(Place::File("/run/x".into())));
        for bad in ["", "gpio:", "gpio:/dev/gpiochip0", "gpio::17", "gpio:/dev/gpiochip0:x", "file:", "wire:1"] {
            assert_eq!(bad.parse::<Place>(), Err(NotAPlace), "{bad}");
        }
    }

    /// K-75.5-3
    #[test]
    fn a_bouncing_or_unreadable_line_is_open_and_a_steady_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("line");
        let mut line = Place::File(path.clone()).open().unwrap();
        let mut steady = Steady::default();
        assert!(!steady.take(&line.is_closed()), "no file yet");
        std::fs::write(&path, "1\n").unwrap();
        assert!(!steady.take(&line.is_closed()) && !steady.take(&line.is_closed()));
        std::fs::write(&path, "0\n").unwrap();
        assert!(!steady.take(&line.is_closed()), "it bounced");
        std::fs::write(&path, "1\n").unwrap();
        assert!(!steady.take(&line.is_closed()) && !steady.take(&line.is_closed()) && steady.take(&line.is_closed()));
        assert!(!steady.take(&Err(io::ErrorKind::Other.into())));
        let missing = Place::Gpio { chip: "/dev/no-such-chip".into(), line: 0, active_low: false };
        assert!(missing.open().is_err());
    }
}
