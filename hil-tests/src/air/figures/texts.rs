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

/// What a first message carries besides, where no key was pre-placed: a prekey's number and an encapsulated key.
const ENCAPSULATED: usize = 33;

/// One text and its answer.
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

/// How well two stations know each other when the text is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquaintance {
    /// Nothing was ever sent.
    None,
    /// One message each way.
    Met,
    /// Ten messages each way: a coded link has learnt that the channel is clean.
    Established,
}

/// Sends an envelope of `len` bytes, the delivered token merged with the acknowledgement.
///
/// # Panics
/// When it is not delivered on a clean channel.
#[must_use]
pub fn one(link: &Link, len: usize, acquaintance: Acquaintance) -> Text {
    let mut world = match acquaintance {
        Acquaintance::None => World::new(link, 2, 1),
        Acquaintance::Met | Acquaintance::Established => World::established(link, 2, 1),
    };
    world.stations[1].delivers = true;
    if acquaintance == Acquaintance::Established {
        for n in 0..18 {
            world.queue(Parcel { from: n % 2, to: 1 - n % 2, len, precedence: Precedence::Routine });
            world.rest(Duration::from_secs(30));
        }
    }
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
    use Acquaintance::{Established, Met, None};
    let mut table = Table::new(
        "Bytes on air per delivered text, acknowledgement and delivered receipt included",
        "text | envelope | its frames, cobs | everything, cobs | target | its frames, fec | everything, fec | target | LXMF",
    );
    let rows = [
        ("20 B, established", SHORT, Established, "54 and framing; ≤ 84", "≤ 96", "316–333"),
        ("100 B, established", 100 + SEAL, Established, "≤ 165", "–", "397–413"),
        ("1000 B, established", 1000 + SEAL, Established, "≤ 1120", "–", "1084, compressible"),
        ("20 B, second message", SHORT, Met, "–", "–", "–"),
        ("20 B, first contact, key pre-placed", SHORT, None, "≤ 84", "–", "740"),
        ("20 B, first contact, key sent along", SHORT + ENCAPSULATED, None, "≤ 125", "–", "1265"),
    ];
    for (text, len, acquaintance, cobs_target, fec_target, lxmf) in rows {
        let [cobs, fec] = [Link::cobs(9_600), Link::fec(9_600)].map(|link| one(&link, len, acquaintance));
        table.row(&format!(
            "{text} | {len} | {} | {} | {cobs_target} | {} | {} | {fec_target} | {lxmf}",
            cobs.there, cobs.both, fec.there, fec.both
        ));
    }
    table.note("Established: after ten messages each way on a clean channel, so that a coded link knows it for one.")
}

/// Time until the receipt at 1200 bit/s.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn latency() -> Table {
    let mut table = Table::new(
        "100-byte text at 1200 bit/s, from its first bit on air, seconds; LXMF 2.15 received, 2.79 proven",
        "link | received | proven | its bytes both ways need | proven ÷ need | target",
    );
    let links = [Link::cobs(1_200), Link::cobs(1_200).half(), Link::fec(1_200), Link::fec(1_200).half()];
    for link in links {
        let text = one(&link, 100 + SEAL, Acquaintance::Established);
        let need = text.both as f64 * 8.0 / 1_200.0;
        let ratio = text.proven / need;
        let name = format!("{}, {}", link.name(), link.duplex());
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
        "50 texts of 20 bytes and five precedences at once, 9600 bit/s, fec, 10 seeds; LXMF delivers 14–17, 1, –",
        "bit error rate | duplex | arrived, least | twice | after a less urgent one, most | seconds, mean | seconds, most | target",
    );
    for ber in [0.0, 1e-3, 2e-3, 1e-2] {
        for link in [Link::fec(9_600), Link::fec(9_600).half()] {
            let name = link.duplex();
            let runs: Vec<Fifty> = (1..=10).map(|seed| fifty(&link, ber, seed)).collect();
            let arrived = runs.iter().map(|r| r.arrived).min().unwrap_or(0);
            let twice: usize = runs.iter().map(|r| r.twice).sum();
            let overtaken = runs.iter().map(|r| r.overtaken).max().unwrap_or(0);
            let times: Vec<f64> = runs.iter().filter_map(|r| r.seconds).collect();
            let time = match times.len() {
                10 => format!("{:.1} | {:.1}", mean(&times), most(&times)),
                0 => "not all known in 600 | –".to_owned(),
                n => format!("{n} of 10 ended, from {:.1} | –", least(&times)),
            };
            table.row(&format!("{ber:e} | {name} | {arrived} | {twice} | {overtaken} | {time} | 50 once, in order"));
        }
    }
    table
}
