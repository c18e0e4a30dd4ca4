//! The channel in real time, each station a pseudo-terminal that a real program opens as a serial port.
//!
//! A pseudo-terminal has no speed of its own; the thread behind a [`Line`] paces every byte at the channel's air rate.
//! A held slave descriptor keeps the port readable while no program has it open, and `unplug` lets go of it, which
//! hangs the program up as a pulled USB adapter does.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant as StdInstant;

use picket_wire::time::{Duration, Instant};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;

use crate::{Burst, Channel, Config, Counters};

mod port;

use port::Port;

/// Arrivals are batched to this when the configuration asks for nothing: a serial adapter does the same, and a wake
/// per byte would cost a core on a fast channel.
const GRAIN: Duration = Duration::from_millis(2);

/// A running channel over pseudo-terminals. It stops, and its ports vanish, when dropped.
#[derive(Debug)]
pub struct Line {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    /// Interrupts the thread's wait after a change from outside.
    bell: OwnedFd,
    start: StdInstant,
}

#[derive(Debug)]
struct World {
    channel: Channel,
    ports: Vec<Port>,
    stop: bool,
}

impl Line {
    /// Opens one port per station, as symbolic links `folder/name` that stay the same over unplug and replug.
    ///
    /// # Errors
    /// When the system has no pseudo-terminal left, or `folder` cannot be written.
    pub fn open(mut config: Config, seed: u64, folder: &Path, names: &[&str]) -> io::Result<Self> {
        config.stations = names.len();
        if config.grain == Duration::ZERO {
            config.grain = GRAIN;
        }
        std::fs::create_dir_all(folder)?;
        let ports = names.iter().map(|n| Port::open(folder.join(n))).collect::<io::Result<Vec<_>>>()?;
        let world = World { channel: Channel::new(config, seed), ports, stop: false };
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Arc::new(Shared { world: Mutex::new(world), bell, start: StdInstant::now() });
        let running = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("channel".into()).spawn(move || running.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What to write after `port =` for a station.
    #[must_use]
    pub fn path(&self, station: usize) -> PathBuf {
        self.shared.lock().ports.get(station).map(|p| p.path().to_owned()).unwrap_or_default()
    }

    /// While on, every byte on air is lost.
    pub fn set_outage(&self, on: bool) {
        self.change(|w, now| w.channel.set_outage(now, on));
    }

    /// Makes a station deaf, or well again.
    pub fn set_deaf(&self, station: usize, deaf: bool) {
        self.change(|w, now| w.channel.set_deaf(now, station, deaf));
    }

    /// Changes the independent bit error rate.
    pub fn set_ber(&self, ber: f64) {
        self.change(|w, now| w.channel.set_ber(now, ber));
    }

    /// Changes the burst noise.
    pub fn set_burst(&self, burst: Option<Burst>) {
        self.change(|w, now| w.channel.set_burst(now, burst));
    }

    /// Lets a station's program read bytes that nobody sent.
    pub fn inject(&self, station: usize, bytes: &[u8]) {
        self.change(|w, now| w.channel.inject(now, station, bytes));
    }

    /// Pulls a station's cable: its program is hung up and the port's path vanishes; what was being sent is cut off.
    pub fn unplug(&self, station: usize) {
        self.change(|w, now| {
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
        self.change(|w, _| w.ports.get_mut(station).map_or(Ok(()), Port::plug))
    }

    /// A station's counters.
    #[must_use]
    pub fn counters(&self, station: usize) -> Counters {
        self.shared.lock().channel.counters(station)
    }

    /// Bytes that all stations together put on air so far.
    #[must_use]
    pub fn on_air(&self) -> u64 {
        let world = self.shared.lock();
        (0..world.ports.len()).map(|i| world.channel.counters(i).sent).sum()
    }

    fn change<T>(&self, f: impl FnOnce(&mut World, Instant) -> T) -> T {
        let result = f(&mut self.shared.lock(), self.shared.now());
        self.shared.ring();
        result
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.change(|w, _| w.stop = true);
        if let Some(thread) = self.thread.take() {
            // A channel thread that panicked has already said so.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn now(&self) -> Instant {
        Instant(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        // Full means that the bell already rings.
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }

    fn run(&self) {
        loop {
            let (masters, wake) = {
                let mut world = self.lock();
                if world.stop {
                    return;
                }
                let wake = world.turn(self.now());
                (world.readable(), wake)
            };
            self.wait(&masters, wake);
        }
    }

    /// Sleeps until a port has bytes to send, the channel has some to deliver, or the bell rings.
    fn wait(&self, masters: &[Arc<OwnedFd>], wake: Option<Instant>) {
        let timeout = wake.map(|at| timespec(at.since(self.now())));
        let mut fds: Vec<PollFd<'_>> = masters.iter().map(|fd| PollFd::new(&**fd, PollFlags::IN)).collect();
        fds.push(PollFd::new(&self.bell, PollFlags::IN));
        // Interrupted or not, the loop looks at everything again.
        let _ = poll(&mut fds, timeout.as_ref());
        let _ = rustix::io::read(&self.bell, &mut [0u8; 8]);
    }
}

impl World {
    /// Moves what can be moved now; when to look again.
    fn turn(&mut self, now: Instant) -> Option<Instant> {
        for (station, port) in self.ports.iter_mut().enumerate() {
            let bytes = port.read(self.channel.room(station));
            if !bytes.is_empty() {
                self.channel.transmit(now, station, &bytes);
            }
        }
        for heard in self.channel.poll(now) {
            if let Some(port) = self.ports.get_mut(heard.to) {
                port.push(&heard.bytes);
            }
        }
        let backlog = self.ports.iter_mut().map(Port::flush).fold(false, |a, b| a | b);
        let retry = backlog.then_some(now + self.channel.config().grain);
        [self.channel.next_wake(), retry].into_iter().flatten().min().or_else(|| self.full_wake(now))
    }

    /// A port whose transmitter is full is not polled for reading: look again within a grain.
    fn full_wake(&self, now: Instant) -> Option<Instant> {
        let full = (0..self.ports.len()).any(|i| self.channel.room(i) == 0);
        full.then_some(now + self.channel.config().grain)
    }

    fn readable(&self) -> Vec<Arc<OwnedFd>> {
        let with_room = self.ports.iter().enumerate().filter(|(i, _)| self.channel.room(*i) > 0);
        with_room.filter_map(|(_, p)| p.master()).collect()
    }
}

fn timespec(d: Duration) -> Timespec {
    let us = i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
    Timespec { tv_sec: us / 1_000_000, tv_nsec: (us % 1_000_000) * 1_000 }
}

#[cfg(test)]
mod tests;
