//! Short texts: bytes, time, and what noise does to fifty of them.

use picket_wire::Precedence;
use picket_wire::time::{Duration, Instant};

use crate::air::theory::{least, mean, most};
use crate::air::{Link, Parcel, Table, World};

/// What sealing adds to a text in an established session: 10 bytes of header, 12 of tag, 5 of sealed fields. With it
/// 100- and 1000-byte texts cost here what the real programs put on air.
pub(super) const SEAL: usize = 27;
/// Envelope of a 20-byte text; its frame has 54 bytes, 56 on a byte pipe.
const SHORT: usize = 20 + SEAL;

/// One text and its answer on an established link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Text {
    /// Bytes that the sender put on air.
    pub there: u64,
    /// Bytes that both put on air.
    pub both: u64,
    /// From the first bit on air until it arrived, seconds.
    pub arrived: f64,
    /// The same until the sender had the delivered token, seconds.
    pub proven: f64,
}

/// Sends an envelope of `len` bytes, the delivered token merged with the acknowledgement.
///
/// # Panics
/// When it is not delivered on a clean channel.
#[must_use]
pub fn one(link: &Link, len: usize) -> Text {
    let mut world = World::established(link, 2, 1);
    world.stations[1].delivers = true;
    let (there, both) = (world.channel.counters(0).sent, world.on_air());
    let bursts = world.bursts[0].len();
    let number = world.queue(Parcel { from: 0, to: 1, len, precedence: Precedence::Routine });
    world.rest(Duration::from_secs(60));
    let start = world.bursts[0][bursts].start;
    let since = |at: Option<Instant>| seconds(at.expect("delivered").since(start));
    Text {
        there: world.channel.counters(0).sent - there,
        both: world.on_air() - both,
        arrived: since(world.arrived(number)),
        proven: since(world.stations[0].delivered.get(&number).copied()),
    }
}

#[allow(clippy::cast_precision_loss)]
fn seconds(d: Duration) -> f64 {
    d.as_micros() as f64 / 1e6
}

/// Bytes on air, everything both ways.
#[must_use]
pub fn bytes() -> Table {
    let mut table = Table::new(
        "Bytes on air per delivered text, established, acknowledgement and delivered receipt included",
        "text | envelope | its frames | everything, COBS | LXMF | target",
    );
    let rows = [
        ("20 B", SHORT, "316–333", "54, ≤ 84"),
        ("100 B", 100 + SEAL, "397–413", "≤ 165"),
        ("1000 B", 1000 + SEAL, "1084, compressible", "≤ 1120"),
    ];
    for (text, len, lxmf, target) in rows {
        let text_ = one(&Link::full(9_600), len);
        table.row(&format!("{text} | {len} | {} | {} | {lxmf} | {target}", text_.there, text_.both));
    }
    table
}

/// Time until the receipt at 1200 bit/s.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn latency() -> Table {
    let mut table = Table::new(
        "100-byte text at 1200 bit/s, from its first bit on air, seconds; LXMF 2.15 received, 2.79 proven",
        "duplex | received | proven | its bytes both ways need | proven ÷ need | target",
    );
    for (name, link) in [("full", Link::full(1_200)), ("half, 50 ms", Link::half(1_200))] {
        let text = one(&link, 100 + SEAL);
        let need = text.both as f64 * 8.0 / 1_200.0;
        let ratio = text.proven / need;
        table.row(&format!("{name} | {:.3} | {:.3} | {need:.3} | {ratio:.3} | ≤ 1.25", text.arrived, text.proven));
    }
    table
}

/// Fifty texts through noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fifty {
    /// How many arrived.
    pub arrived: usize,
    /// How many arrived more than once.
    pub twice: usize,
    /// How many arrived after a less urgent one.
    pub overtaken: usize,
    /// From the first until the sender knew of the last, seconds; `None`: not all.
    pub seconds: Option<f64>,
}

/// Fifty 20-byte texts of five precedences, offered together, least urgent first.
#[must_use]
pub fn fifty(link: &Link, ber: f64, seed: u64) -> Fifty {
    let mut world = World::established(link, 2, seed);
    world.channel.set_ber(world.now, ber);
    let (start, before) = (world.now, world.stations[1].arrived.len());
    for n in 0..50 {
        let precedence = Precedence::from_bits(n / 10).expect("five of them");
        world.queue(Parcel { from: 0, to: 1, len: SHORT, precedence });
    }
    let done = world.run(Duration::from_secs(600), World::is_done);
    let mut lowest = Precedence::Override;
    let mut overtaken = 0;
    let new = world.stations[1].arrived.get(before..).unwrap_or_default();
    for precedence in new.iter().filter_map(|(n, _)| world.parcels.get(usize::try_from(*n).ok()?)).map(|p| p.precedence)
    {
        overtaken += usize::from(precedence > lowest);
        lowest = lowest.min(precedence);
    }
    let seconds = done.then(|| seconds(world.now.since(start)));
    Fifty { arrived: new.len(), twice: world.twice(), overtaken, seconds }
}

/// Fifty texts at three bit error rates.
#[must_use]
pub fn noisy() -> Table {
    let mut table = Table::new(
        "50 texts of 20 bytes and five precedences at once, 9600 bit/s, 5 seeds; LXMF delivers 14–17, 1, –",
        "bit error rate | duplex | arrived, least | twice | after a less urgent one, most | seconds, mean | seconds, most | target",
    );
    for ber in [0.0, 1e-3, 2e-3, 1e-2] {
        for (name, link) in [("full", Link::full(9_600)), ("half, 50 ms", Link::half(9_600))] {
            let runs: Vec<Fifty> = (1..=5).map(|seed| fifty(&link, ber, seed)).collect();
            let arrived = runs.iter().map(|r| r.arrived).min().unwrap_or(0);
            let twice: usize = runs.iter().map(|r| r.twice).sum();
            let overtaken = runs.iter().map(|r| r.overtaken).max().unwrap_or(0);
            let times: Vec<f64> = runs.iter().filter_map(|r| r.seconds).collect();
            let time = match times.len() {
                5 => format!("{:.1} | {:.1}", mean(&times), most(&times)),
                0 => "not all known in 600 | –".to_owned(),
                n => format!("{n} of 5 ended, from {:.1} | –", least(&times)),
            };
            table.row(&format!("{ber:e} | {name} | {arrived} | {twice} | {overtaken} | {time} | 50 once, in order"));
        }
    }
    table
}
