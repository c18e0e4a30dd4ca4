//! The channel in real time, each station a pseudo-terminal that a real program opens as a serial port.
//!
//! A pseudo-terminal has no speed of its own; the thread behind a [`Line`] paces every byte at the channel's air rate.
//! A held slave descriptor keeps the port readable while no program has it open, and `unplug` lets go of it, which
//! hangs the program up as a pulled USB adapter does.
//!
//! A terminal does not keep packets apart: a line is a byte pipe whatever the configuration says. Packet radios run in
//! virtual time, and in real time over [`crate::udp`].

use std::io;
use std::path::{Path, PathBuf};

use picket_wire::time::{Duration, Instant};

use crate::live::{Live, World};
use crate::{Burst, Channel, Config, Counters};

mod port;

use port::Port;

/// Arrivals are batched to this when the configuration asks for nothing: a serial adapter does the same, and a wake
/// per byte would cost a core on a fast channel.
const GRAIN: Duration = Duration::from_millis(2);

/// A running channel over pseudo-terminals. It stops, and its ports vanish, when dropped.
#[derive(Debug)]
pub struct Line(Live<Port>);

impl Line {
    /// Opens one port per station, as symbolic links `folder/name` that stay the same over unplug and replug.
    ///
    /// # Errors
    /// When the system has no pseudo-terminal left, or `folder` cannot be written.
    pub fn open(mut config: Config, seed: u64, folder: &Path, names: &[&str]) -> io::Result<Self> {
        config.stations = names.len();
        config.packets = None;
        if config.grain == Duration::ZERO {
            config.grain = GRAIN;
        }
        std::fs::create_dir_all(folder)?;
        let ports = names.iter().map(|n| Port::open(folder.join(n))).collect::<io::Result<Vec<_>>>()?;
        Ok(Self(Live::start(config, seed, ports)?))
    }

    /// What to write after `port =` for a station.
    #[must_use]
    pub fn path(&self, station: usize) -> PathBuf {
        self.0.look(|w| w.ports.get(station).map(|p| p.path().to_owned()).unwrap_or_default())
    }

    /// Does anything to the running channel; the time it is given is the present.
    pub fn with<T>(&self, f: impl FnOnce(&mut Channel, Instant) -> T) -> T {
        self.0.change(|w, now| f(&mut w.channel, now))
    }

    /// While on, every byte on air is lost.
    pub fn set_outage(&self, on: bool) {
        self.with(|channel, now| channel.set_outage(now, on));
    }

    /// Makes a station deaf, or well again.
    pub fn set_deaf(&self, station: usize, deaf: bool) {
        self.with(|channel, now| channel.set_deaf(now, station, deaf));
    }

    /// Changes the independent bit error rate.
    pub fn set_ber(&self, ber: f64) {
        self.with(|channel, now| channel.set_ber(now, ber));
    }

    /// Changes the burst noise.
    pub fn set_burst(&self, burst: Option<Burst>) {
        self.with(|channel, now| channel.set_burst(now, burst));
    }

    /// Lets a station's program read bytes that nobody sent.
    pub fn inject(&self, station: usize, bytes: &[u8]) {
        self.with(|channel, now| channel.inject(now, station, bytes));
    }

    /// Pulls a station's cable: its program is hung up and the port's path vanishes; what was being sent is cut off.
    pub fn unplug(&self, station: usize) {
        self.0.change(|w, now| {
            w.channel.abort(now, station);
            if let Some(port) = w.ports.get_mut(station) {
                port.unplug();
            }
        });
    }

    /// Puts the cable back: a new terminal behind the old path.
    ///
    /// # Errors
    /// As [`Line::open`].
    pub fn replug(&self, station: usize) -> io::Result<()> {
        self.0.change(|w: &mut World<Port>, _| w.ports.get_mut(station).map_or(Ok(()), Port::plug))
    }

    /// A station's counters.
    #[must_use]
    pub fn counters(&self, station: usize) -> Counters {
        self.0.look(|w| w.channel.counters(station))
    }

    /// Bytes that all stations together put on air so far.
    #[must_use]
    pub fn on_air(&self) -> u64 {
        self.0.look(|w| (0..w.ports.len()).map(|i| w.channel.counters(i).sent).sum())
    }
}

#[cfg(test)]
mod tests;
