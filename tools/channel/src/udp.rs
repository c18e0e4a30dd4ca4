//! The channel in real time between loopback UDP sockets: one datagram is one packet, as IP radios and packet radios
//! carry them.
//!
//! A station's program binds [`Ether::bind_address`] and sends to [`Ether::peer_address`], a socket of its own here; so
//! `kind = "udp"` links of real daemons talk through the model, with its air rate, loss and ranges.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use picket_wire::time::Instant;
use rustix::fd::OwnedFd;

use crate::live::{self, Live};
use crate::{Channel, Config, Counters};

/// Longest packet when the configuration names none: what an IPv4 datagram carries.
const DATAGRAM: usize = 65_507;

/// A running channel between UDP sockets. It stops when dropped.
#[derive(Debug)]
pub struct Ether {
    live: Live<Port>,
    addresses: Vec<(SocketAddr, SocketAddr)>,
}

impl Ether {
    /// Opens the sockets of `stations` stations on the loopback interface. A configuration without packets gets
    /// packets as long as a datagram can be.
    ///
    /// # Errors
    /// When no socket can be had.
    pub fn open(config: Config, seed: u64, stations: usize) -> io::Result<Self> {
        let mut config = if config.packets.is_some() { config } else { config.packets(DATAGRAM) };
        config.stations = stations;
        // The radio's buffer holds some of the longest packets, or nothing could follow without a pause.
        config.buffer = config.buffer.max(config.packets.map_or(0, |p| p.mtu.saturating_mul(2)));
        let (mut ports, mut addresses) = (Vec::new(), Vec::new());
        // All programs' addresses are held until all are known, so that none is given out twice.
        let held = (0..stations).map(|_| loopback()).collect::<io::Result<Vec<_>>>()?;
        for program in &held {
            let socket = loopback()?;
            socket.set_nonblocking(true)?;
            addresses.push((program.local_addr()?, socket.local_addr()?));
            socket.connect(program.local_addr()?)?;
            ports.push(Port { socket: Arc::new(socket.into()) });
        }
        drop(held);
        Ok(Self { live: Live::start(config, seed, ports)?, addresses })
    }

    /// What a station's program writes after `bind =`: free when the channel was opened, nobody else's since unless
    /// the system is short of ports.
    ///
    /// # Errors
    /// There is no such station.
    pub fn bind_address(&self, station: usize) -> io::Result<SocketAddr> {
        self.addresses.get(station).map(|a| a.0).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// What a station's program writes after `peer =`.
    ///
    /// # Errors
    /// There is no such station.
    pub fn peer_address(&self, station: usize) -> io::Result<SocketAddr> {
        self.addresses.get(station).map(|a| a.1).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Does anything to the running channel; the time it is given is the present.
    pub fn with<T>(&self, f: impl FnOnce(&mut Channel, Instant) -> T) -> T {
        self.live.change(|w, now| f(&mut w.channel, now))
    }

    /// While on, every packet on air is lost.
    pub fn set_outage(&self, on: bool) {
        self.with(|channel, now| channel.set_outage(now, on));
    }

    /// Changes the probability that a receiver misses a packet.
    pub fn set_loss(&self, loss: f64) {
        self.with(|channel, now| channel.set_loss(now, loss));
    }

    /// A station's counters.
    #[must_use]
    pub fn counters(&self, station: usize) -> Counters {
        self.live.look(|w| w.channel.counters(station))
    }

    /// Bytes that all stations together put on air so far.
    #[must_use]
    pub fn on_air(&self) -> u64 {
        self.live.look(|w| (0..w.ports.len()).map(|i| w.channel.counters(i).sent).sum())
    }
}

fn loopback() -> io::Result<UdpSocket> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
}

#[derive(Debug)]
struct Port {
    socket: Arc<OwnedFd>,
}

impl live::Port for Port {
    fn source(&self) -> Option<Arc<OwnedFd>> {
        Some(Arc::clone(&self.socket))
    }

    fn read(&mut self, _room: usize) -> Vec<u8> {
        // As long as any datagram: one that is longer than the radio takes must be seen to be, and counted.
        let mut bytes = vec![0; DATAGRAM];
        // A program that is not there yet shows as an error on the next read; what it sends comes later.
        let read = rustix::io::read(&self.socket, &mut bytes).or_else(|_| rustix::io::read(&self.socket, &mut bytes));
        bytes.truncate(read.unwrap_or(0));
        bytes
    }

    fn push(&mut self, bytes: &[u8]) {
        // A program that is not there, or reads too slowly, misses it, as it would miss a radio's packet.
        let _ = rustix::io::write(&self.socket, bytes);
    }

    fn flush(&mut self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
