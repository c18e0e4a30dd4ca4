//! One large envelope: what fraction of the channel it gets.

use picket_channel::Burst;
use picket_wire::Precedence;
use picket_wire::time::{Duration, Instant};

use crate::air::station::FRAGMENT_OVERHEAD;
use crate::air::theory::{capacity, capacity_of_bursts, least, mean};
use crate::air::{Framing, Link, Parcel, Table, World};

/// Air rate of these figures.
pub const RATE: u32 = 9_600;
/// The envelope.
const OBJECT: usize = 50_000;
/// A transfer that is not over after ten times its ideal time counts as none.
const GIVE_UP: Duration = Duration::from_secs(420);
/// Seeds of one row.
const SEEDS: u64 = 10;
/// Longest packet of the packet radio.
pub const MTU: u16 = 255;

/// Bit error rate, target in full duplex, LXMF 1.2.1 over Reticulum 1.5.7 with KISS framing.
const BER: [(f64, f64, &str); 8] = [
    (0.0, 0.97, "0.875"),
    (1e-5, 0.95, "0.862"),
    (1e-4, 0.93, "0.25"),
    (5e-4, 0.90, "none"),
    (1e-3, 0.88, "none"),
    (2e-3, 0.84, "none"),
    (5e-3, 0.75, "–"),
    (1e-2, 0.65, "–"),
];

/// Above it frames that are not coded bring nothing any more.
const COBS_UP_TO: f64 = 2e-4;

/// What half duplex with 50 ms turn-round may cost.
const HALF: f64 = 0.92;

/// One burst in two thousand bytes, of twenty bytes on average with every tenth bit wrong: 1e-3 of all bits.
const BURST: Burst = Burst { enter: 0.01 / 0.99 / 20.0, leave: 1.0 / 20.0, ber: 0.1 };
/// Share of the bytes that lie in such a burst.
const BURST_SHARE: f64 = 0.01;
/// Time without the channel, and from one such time to the next.
const OUTAGE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// What the channel does from the first byte of the measurement on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weather {
    /// Independent bit errors.
    Noise(f64),
    /// Packets that a receiver misses, independently of others.
    Loss(f64),
    /// Bursts of errors.
    Bursts,
    /// The channel is away for half a second every ten seconds.
    Outages,
}

impl Weather {
    /// Lets the weather come, and runs until every sender knows everything.
    pub fn run(self, world: &mut World, limit: Duration) -> bool {
        let now = world.now;
        match self {
            Self::Noise(ber) => world.channel.set_ber(now, ber),
            Self::Loss(loss) => world.channel.set_loss(now, loss),
            Self::Bursts => world.channel.set_burst(now, Some(BURST)),
            Self::Outages => return outages(world, limit),
        }
        world.run(limit, World::is_done)
    }
}

fn outages(world: &mut World, limit: Duration) -> bool {
    let end = world.now + limit;
    while world.now < end {
        if world.run(Duration(OUTAGE.1.0 - OUTAGE.0.0), World::is_done) {
            return true;
        }
        world.channel.set_outage(world.now, true);
        let done = world.run(OUTAGE.0, World::is_done);
        world.channel.set_outage(world.now, false);
        if done {
            return true;
        }
    }
    false
}

/// Fractions of the channel, one for each seed; 0 for a transfer that did not end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Goodput {
    /// By seed.
    pub fractions: Vec<f64>,
    /// Bytes on air, both ways, by seed.
    pub on_air: Vec<u64>,
    /// Parcels handed over twice.
    pub twice: usize,
}

impl Goodput {
    fn cells(&self) -> String {
        let twice = if self.twice > 0 { format!(" ({} twice!)", self.twice) } else { String::new() };
        if self.fractions.iter().all(|f| *f <= 0.0) {
            return format!("none{twice} | none");
        }
        format!("{:.3}{twice} | {:.3}", mean(&self.fractions), least(&self.fractions))
    }

    /// Seeds of transfers that did not end.
    #[must_use]
    pub fn unended(&self) -> Vec<u64> {
        (1..).zip(&self.fractions).filter(|(_, f)| **f <= 0.0).map(|(seed, _)| seed).collect()
    }

    /// Bytes on air of all seeds.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.on_air.iter().sum()
    }
}

/// The object over an established link, with this weather from its first byte on.
#[must_use]
pub fn measure(link: &Link, weather: Weather) -> Goodput {
    measure_for(link, weather, 1)
}

/// The same to the first `receivers` of that many stations and one, in one transmission.
#[must_use]
pub fn measure_for(link: &Link, weather: Weather, receivers: usize) -> Goodput {
    let to: Vec<usize> = (1..=receivers).collect();
    let mut all = Goodput::default();
    for seed in 1..=SEEDS {
        let mut world = World::established(link, 1 + receivers, seed);
        let (before, bursts) = (world.on_air(), world.bursts[0].len());
        let parcel = Parcel { from: 0, to: 1, len: OBJECT, precedence: Precedence::Routine };
        world.queue_for_all(parcel, &to);
        let done = weather.run(&mut world, GIVE_UP);
        let start = world.bursts[0].get(bursts).map_or(Instant::ZERO, |b| b.start);
        all.fractions.push(if done { fraction(world.now.since(start)) } else { 0.0 });
        all.on_air.push(world.on_air() - before);
        all.twice += world.twice();
    }
    all
}

#[allow(clippy::cast_precision_loss)]
fn fraction(taken: Duration) -> f64 {
    Duration::of_air(OBJECT, RATE).as_micros() as f64 / taken.as_micros().max(1) as f64
}

/// A byte pipe with bit errors: `link` over it with coded frames, and without where that brings anything.
#[must_use]
pub fn byte_pipe(link: &Link) -> Table {
    let half = link.half.is_some();
    let duplex = if half { "half duplex, 50 ms turn-round" } else { "full duplex" };
    let mut table = Table::new(
        &format!("50 kB over a {RATE} bit/s byte pipe, {duplex}, as a fraction of the channel, until the sender knows"),
        "bit error rate | fec, mean of 10 seeds | least | target | cobs, mean | least | capacity | LXMF, full duplex",
    );
    for (ber, target, lxmf) in BER {
        let fec = measure(&Link { framing: Framing::Fec, ..*link }, Weather::Noise(ber)).cells();
        let cobs = if ber < COBS_UP_TO {
            measure(&Link { framing: Framing::Cobs, ..*link }, Weather::Noise(ber)).cells()
        } else {
            "– | –".to_owned()
        };
        let (target, capacity) = (if half { target * HALF } else { target }, capacity(ber));
        table.row(&format!("{ber:e} | {fec} | ≥ {target:.2} | {cobs} | {capacity:.3} | {lxmf}"));
    }
    table.note(
        "Both links are established and have known nothing but a clean channel; the noise begins with the transfer.",
    )
}

/// A byte pipe whose errors are not spread evenly.
#[must_use]
pub fn bursts() -> Table {
    let mut table = Table::new(
        &format!("50 kB over a {RATE} bit/s byte pipe whose errors come together, fec, as a fraction of the channel"),
        "errors | duplex | mean of 10 seeds | least | capacity",
    );
    let rows = [
        ("1e-3 in bursts of 20 bytes, one bit in ten", Weather::Bursts, capacity_of_bursts(BURST_SHARE, BURST.ber)),
        ("away for 0.5 s every 10 s", Weather::Outages, 0.95),
    ];
    for (name, weather, capacity) in rows {
        for link in [Link::fec(RATE), Link::fec(RATE).half()] {
            let cells = measure(&link, weather).cells();
            table.row(&format!("{name} | {} | {cells} | {capacity:.3}", link.duplex()));
        }
    }
    table.note("Capacity: of a channel whose state both sides know; nobody does.")
}

/// A packet radio that loses packets.
#[must_use]
pub fn packet_radio() -> Table {
    let efficiency = f64::from(MTU - FRAGMENT_OVERHEAD as u16) / f64::from(MTU);
    let mut table = Table::new(
        &format!("50 kB over a {RATE} bit/s packet radio, {MTU}-byte packets, as a fraction of the channel"),
        "packets lost | full duplex, mean of 10 seeds | least | target | half, 50 ms turn-round | least | target | capacity",
    );
    let links = [Link::packets(RATE, MTU), Link::packets(RATE, MTU).half()];
    for percent in [0, 1, 5, 10, 30, 50] {
        let loss = f64::from(percent) / 100.0;
        let [full, half] = links.map(|link| measure(&link, Weather::Loss(loss)).cells());
        let (capacity, target) = (1.0 - loss, 0.95 * (1.0 - loss) * efficiency);
        table.row(&format!("{percent} % | {full} | ≥ {target:.3} | {half} | ≥ {:.3} | {capacity:.2}", target * HALF));
    }
    table
}

/// One envelope for four receivers.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn group_of_four() -> Table {
    let mut table = Table::new(
        &format!(
            "50 kB to four receivers in one transmission, {MTU}-byte packets lost independently: bytes on air, as a multiple of one receiver's"
        ),
        "packets lost | full duplex | half, 50 ms turn-round | target | four transmissions",
    );
    let links = [Link::packets(RATE, MTU), Link::packets(RATE, MTU).half()];
    for percent in [0, 10, 30] {
        let weather = Weather::Loss(f64::from(percent) / 100.0);
        let ratios = links.map(|link| {
            let [one, four] = [1, 4].map(|receivers| measure_for(&link, weather, receivers));
            let left = match four.unended().as_slice() {
                [] => String::new(),
                seeds => format!(" (not in {} s: seeds {seeds:?})", GIVE_UP.as_secs()),
            };
            format!("{:.3}{left}", four.bytes() as f64 / one.bytes() as f64)
        });
        table.row(&format!("{percent} % | {} | ≤ 1.3 | 4", ratios.join(" | ")));
    }
    table
}
