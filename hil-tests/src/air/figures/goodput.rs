//! One large envelope: what fraction of the channel it gets.
//!
//! A gap: the same to several receivers at once. The link has no interface for groups yet; when it has, the cost in
//! bytes on air of four receivers with 10 % loss each, relative to one, belongs here as `group_of_four`.

use picket_wire::Precedence;
use picket_wire::time::{Duration, Instant};

use crate::air::station::FRAGMENT_OVERHEAD;
use crate::air::theory::{capacity, least, mean};
use crate::air::{Link, Parcel, Table, World};

/// Air rate of these figures.
pub const RATE: u32 = 9_600;
/// The envelope.
const OBJECT: usize = 50_000;
/// A transfer that is not over after ten times its ideal time counts as none.
const GIVE_UP: Duration = Duration::from_secs(420);
/// Seeds of one row.
const SEEDS: u64 = 5;
/// Longest packet of the packet radio.
const MTU: u16 = 255;

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

/// What half duplex with 50 ms turn-round may cost.
const HALF: f64 = 0.92;

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
}

/// The object over an established link, with these faults from its first byte on.
#[must_use]
pub fn measure(link: &Link, faults: impl Fn(&mut World)) -> Goodput {
    let mut all = Goodput::default();
    for seed in 1..=SEEDS {
        let mut world = World::established(link, 2, seed);
        faults(&mut world);
        let (before, bursts) = (world.on_air(), world.bursts[0].len());
        let number = world.queue(Parcel { from: 0, to: 1, len: OBJECT, precedence: Precedence::Routine });
        world.run(GIVE_UP, World::is_done);
        let start = world.bursts[0].get(bursts).map_or(Instant::ZERO, |b| b.start);
        all.fractions.push(world.accepted(number).map_or(0.0, |end| fraction(end.since(start))));
        all.on_air.push(world.on_air() - before);
        all.twice += world.twice();
    }
    all
}

#[allow(clippy::cast_precision_loss)]
fn fraction(taken: Duration) -> f64 {
    Duration::of_air(OBJECT, RATE).as_micros() as f64 / taken.as_micros().max(1) as f64
}

/// A byte pipe with bit errors.
#[must_use]
pub fn byte_pipe(link: &Link) -> Table {
    let half = link.half.is_some();
    let duplex = if half { "half duplex, 50 ms turn-round" } else { "full duplex" };
    let mut table = Table::new(
        &format!("50 kB over a {RATE} bit/s byte pipe, {duplex}, as a fraction of the channel, until the sender knows"),
        "bit error rate | mean of 5 seeds | least | capacity | LXMF, full duplex | target",
    );
    for (ber, target, lxmf) in BER {
        let goodput = measure(link, |world| world.channel.set_ber(world.now, ber));
        let target = if half { target * HALF } else { target };
        let (cells, capacity) = (goodput.cells(), capacity(ber));
        table.row(&format!("{ber:e} | {cells} | {capacity:.3} | {lxmf} | ≥ {target:.2}"));
    }
    table
}

/// A packet radio that loses packets.
#[must_use]
pub fn packet_radio() -> Table {
    let efficiency = f64::from(MTU - FRAGMENT_OVERHEAD as u16) / f64::from(MTU);
    let mut table = Table::new(
        &format!("50 kB over a {RATE} bit/s packet radio, {MTU}-byte packets, as a fraction of the channel"),
        "packets lost | full duplex, mean of 5 seeds | least | half, 50 ms turn-round | least | target, full duplex",
    );
    let full = Link::packets(RATE, MTU);
    let half = Link { mtu: full.mtu, ..Link::half(RATE) };
    for percent in [0, 1, 5, 10, 30, 50] {
        let loss = f64::from(percent) / 100.0;
        let [full, half] = [full, half].map(|link| measure(&link, |world| world.channel.set_loss(world.now, loss)));
        let target = 0.95 * (1.0 - loss) * efficiency;
        table.row(&format!("{percent} % | {} | {} | ≥ {target:.3}", full.cells(), half.cells()));
    }
    table
}
