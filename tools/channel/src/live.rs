//! The channel in real time: one thread that moves bytes between ports and the model.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant as StdInstant;

use picket_wire::time::{Duration, Instant};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;

use crate::{Channel, Config};

/// When a port could not be served although something waits, it is tried again after this, at the least.
const RETRY: Duration = Duration::from_millis(2);

/// Where a station's program is connected.
pub(crate) trait Port: Send + 'static {
    /// What becomes readable when the program sends; `None` while it cannot.
    fn source(&self) -> Option<Arc<OwnedFd>>;
    /// What the program sent, at most `room` bytes: a piece of a stream or one packet; empty when there is nothing.
    fn read(&mut self, room: usize) -> Vec<u8>;
    /// Takes what the station heard.
    fn push(&mut self, bytes: &[u8]);
    /// Passes it on; true when some is left.
    fn flush(&mut self) -> bool;
}

/// A running channel; it stops when dropped.
#[derive(Debug)]
pub(crate) struct Live<P: Port> {
    shared: Arc<Shared<P>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared<P> {
    world: Mutex<World<P>>,
    /// Interrupts the thread's wait after a change from outside.
    bell: OwnedFd,
    start: StdInstant,
}

/// The model and its ports.
#[derive(Debug)]
pub(crate) struct World<P> {
    pub(crate) channel: Channel,
    pub(crate) ports: Vec<P>,
    /// Room that a transmitter must have before its port is read.
    least: usize,
    stop: bool,
}

impl<P: Port> Live<P> {
    pub(crate) fn start(config: Config, seed: u64, ports: Vec<P>) -> io::Result<Self> {
        // A packet is read whole or not at all; a buffer smaller than one could never take it.
        let least = config.packets.map_or(1, |p| p.mtu).min(config.buffer).max(1);
        let world = World { channel: Channel::new(config, seed), ports, least, stop: false };
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Arc::new(Shared { world: Mutex::new(world), bell, start: StdInstant::now() });
        let running = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("channel".into()).spawn(move || running.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Looks without disturbing.
    pub(crate) fn look<T>(&self, f: impl FnOnce(&World<P>) -> T) -> T {
        f(&self.shared.lock())
    }

    /// Changes something and has the thread look at everything again.
    pub(crate) fn change<T>(&self, f: impl FnOnce(&mut World<P>, Instant) -> T) -> T {
        let mut world = self.shared.lock();
        // The clock is read under the lock: the model's times must not go backwards.
        let result = f(&mut world, self.shared.now());
        drop(world);
        self.shared.ring();
        result
    }
}

impl<P: Port> Drop for Live<P> {
    fn drop(&mut self) {
        self.change(|w, _| w.stop = true);
        if let Some(thread) = self.thread.take() {
            // A channel thread that panicked has already said so.
            let _ = thread.join();
        }
    }
}

impl<P: Port> Shared<P> {
    fn now(&self) -> Instant {
        Instant(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn lock(&self) -> MutexGuard<'_, World<P>> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        // Full means that the bell already rings.
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }

    fn run(&self) {
        loop {
            let (sources, wake) = {
                let mut world = self.lock();
                if world.stop {
                    return;
                }
                let wake = world.turn(self.now());
                (world.readable(), wake)
            };
            self.wait(&sources, wake);
        }
    }

    /// Sleeps until a port has bytes to send, the channel has some to deliver, or the bell rings.
    fn wait(&self, sources: &[Arc<OwnedFd>], wake: Option<Instant>) {
        let timeout = wake.map(|at| timespec(at.since(self.now())));
        let mut fds: Vec<PollFd<'_>> = sources.iter().map(|fd| PollFd::new(&**fd, PollFlags::IN)).collect();
        fds.push(PollFd::new(&self.bell, PollFlags::IN));
        // Interrupted or not, the loop looks at everything again.
        let _ = poll(&mut fds, timeout.as_ref());
        let _ = rustix::io::read(&self.bell, &mut [0u8; 8]);
    }
}

impl<P: Port> World<P> {
    /// Moves what can be moved now; when to look again.
    fn turn(&mut self, now: Instant) -> Option<Instant> {
        for (station, port) in self.ports.iter_mut().enumerate() {
            loop {
                let room = self.channel.room(station);
                let bytes = if room < self.least { Vec::new() } else { port.read(room) };
                if bytes.is_empty() {
                    break;
                }
                self.channel.transmit(now, station, &bytes);
            }
        }
        for heard in self.channel.poll(now) {
            if let Some(port) = self.ports.get_mut(heard.to) {
                port.push(&heard.bytes);
            }
        }
        let backlog = self.ports.iter_mut().map(Port::flush).fold(false, |a, b| a | b);
        let retry = (backlog || self.is_full()).then_some(now + self.channel.config().grain.max(RETRY));
        [self.channel.next_wake(), retry].into_iter().flatten().min()
    }

    /// A port whose transmitter is full is not polled for reading.
    fn is_full(&self) -> bool {
        (0..self.ports.len()).any(|station| self.channel.room(station) < self.least)
    }

    fn readable(&self) -> Vec<Arc<OwnedFd>> {
        let with_room = self.ports.iter().enumerate().filter(|(i, _)| self.channel.room(*i) >= self.least);
        with_room.filter_map(|(_, p)| p.source()).collect()
    }
}

fn timespec(d: Duration) -> Timespec {
    let us = i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
    Timespec { tv_sec: us / 1_000_000, tv_nsec: (us % 1_000_000) * 1_000 }
}
