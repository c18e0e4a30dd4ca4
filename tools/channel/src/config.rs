//! What a channel is like before anything goes wrong, and how wrong it goes.

use picket_wire::time::Duration;

/// May two stations transmit at once?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplex {
    /// Transmissions that overlap at a receiver spoil each other there, and a station that transmits hears nothing.
    Half,
    /// Every station transmits without disturbing the others.
    Full,
}

/// Burst noise after Gilbert (1960) and Elliott (1963): a two-state chain stepped once a byte, at each receiver.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burst {
    /// Probability, at each byte of the good state, of entering the bad one.
    pub enter: f64,
    /// Probability, at each byte of the bad state, of leaving it; bursts last 1 / `leave` bytes on average.
    pub leave: f64,
    /// Bit error rate in the bad state (0.5 leaves nothing of a byte).
    pub ber: f64,
}

/// A packet radio: one [`crate::Channel::transmit`] is one packet, delivered whole or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packets {
    /// Longest packet in bytes; a longer one is refused and counted as overrun.
    pub mtu: usize,
    /// Air time before the first byte of each packet: preamble, synchronisation word and the radio's own header.
    pub preamble: Duration,
}

/// A channel's properties. [`Config::new`] is a clean, full-duplex one between two stations.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Air rate in bits per second, 8 bits a byte; 0 counts as 1.
    pub rate_bps: u32,
    /// Whether transmissions disturb each other.
    pub duplex: Duplex,
    /// Stations on the channel, all in range of each other until [`crate::Channel::set_range`] says otherwise; fewer
    /// than 2 counts as 2.
    pub stations: usize,
    /// From the end of a byte on air to its arrival.
    pub latency: Duration,
    /// Most that is added to the latency, drawn evenly for each burst or packet; a sender's order is kept.
    pub jitter: Duration,
    /// From the first byte offered to an idle transmitter until it is on air (key-up).
    pub turn_round: Duration,
    /// Independent bit errors at each receiver. A packet with any bit error is dropped there, as by a radio's CRC.
    pub ber: f64,
    /// Burst errors at each receiver.
    pub burst: Option<Burst>,
    /// The radio sends packets; otherwise it is a byte pipe.
    pub packets: Option<Packets>,
    /// Probability that a receiver misses a packet, independently of the others. Byte pipes lose nothing this way.
    pub loss: f64,
    /// Half duplex: how many decibels a transmission must be above the sum of all others at a receiver to be heard
    /// there as if it were alone. `None`: an overlap spoils all.
    pub capture_db: Option<f64>,
    /// Arrivals are handed over at multiples of this, as a serial adapter batches them; zero: byte by byte.
    pub grain: Duration,
    /// Bytes a transmitter buffers before it asserts flow control (see [`crate::Channel::room`]).
    pub buffer: usize,
}

impl Config {
    /// A clean full-duplex channel between two stations.
    #[must_use]
    pub const fn new(rate_bps: u32) -> Self {
        Self {
            rate_bps,
            duplex: Duplex::Full,
            stations: 2,
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            turn_round: Duration::ZERO,
            ber: 0.0,
            burst: None,
            packets: None,
            loss: 0.0,
            capture_db: None,
            grain: Duration::ZERO,
            buffer: 4096,
        }
    }

    /// The same channel in half duplex with this turn-round time.
    #[must_use]
    pub const fn half(mut self, turn_round: Duration) -> Self {
        self.duplex = Duplex::Half;
        self.turn_round = turn_round;
        self
    }

    /// The same channel with this delay.
    #[must_use]
    pub const fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// The same channel with this bit error rate.
    #[must_use]
    pub const fn ber(mut self, ber: f64) -> Self {
        self.ber = ber;
        self
    }

    /// The same channel with burst noise.
    #[must_use]
    pub const fn burst(mut self, burst: Burst) -> Self {
        self.burst = Some(burst);
        self
    }

    /// The same channel with this many stations.
    #[must_use]
    pub const fn stations(mut self, stations: usize) -> Self {
        self.stations = stations;
        self
    }

    /// The same channel with arrivals batched to this grain.
    #[must_use]
    pub const fn grain(mut self, grain: Duration) -> Self {
        self.grain = grain;
        self
    }

    /// The same channel with this jitter.
    #[must_use]
    pub const fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// The same channel between packet radios without a preamble.
    #[must_use]
    pub const fn packets(mut self, mtu: usize) -> Self {
        self.packets = Some(Packets { mtu, preamble: Duration::ZERO });
        self
    }

    /// The same channel between packet radios with this preamble; no effect on a byte pipe.
    #[must_use]
    pub const fn preamble(mut self, preamble: Duration) -> Self {
        if let Some(packets) = self.packets {
            self.packets = Some(Packets { preamble, ..packets });
        }
        self
    }

    /// The same channel with this probability of losing a packet.
    #[must_use]
    pub const fn loss(mut self, loss: f64) -> Self {
        self.loss = loss;
        self
    }

    /// The same channel with capture.
    #[must_use]
    pub const fn capture(mut self, db: f64) -> Self {
        self.capture_db = Some(db);
        self
    }
}
