//! Processor time per frame and memory, by a real clock and the resident memory of many: a loaded machine makes them
//! worse.

use std::time::Instant as Clock;

use hil_tests::Rng;
use hil_tests::air::{Link, Parcel, Station};
use picket_wire::Precedence;
use picket_wire::time::{Duration, Instant};

/// Texts of one measurement, and large objects.
const TEXTS: u64 = 2_000;
const OBJECTS: u64 = 20;
/// Links and neighbours of each, for memory; all neighbours' low bytes differ.
const LINKS: usize = 40;
const NEIGHBOURS: usize = 200;
/// Transfers at once, for memory.
const TRANSFERS: usize = 100;
/// A pair that has not finished by then does not finish.
const PATIENCE: Instant = Instant(100_000_000_000);
/// Limits shown, with their names in the link.
const LIMITS: &str = include_str!("../../../firmware/link/src/limits.rs");
const SHOWN: [&str; 10] = [
    "PEERS_MAX",
    "PACED_PARCELS",
    "PACED_WINDOW_S",
    "INCOMING_PER_PEER",
    "INCOMING_MAX",
    "MEMORY_MAX",
    "ANSWERS_MAX",
    "REPORTS_MAX",
    "CONTROL_QUEUE_MAX",
    "HISTORY_SLOTS",
];

/// What is measured, and how.
type Figure = (&'static str, fn() -> Option<f64>);
const MEMORY: [Figure; 5] = [
    ("per neighbour that was heard and is silent, fixed", per_neighbour),
    ("per envelope of 60 kB that is being sent, its own bytes included", per_sending),
    ("per envelope of 60 kB that is being received, half of it there", per_receiving),
    ("at most beyond the envelope itself, while the first symbols of 60 kB are made", at_encoding),
    ("at most beyond what was received, while 60 kB are decoded of which one frame in twelve was lost", at_decoding),
];

/// Prints one figure of memory, for [`in_a_fresh_process`].
pub fn print_memory(which: &str) {
    let figure = which.parse::<usize>().ok().and_then(|n| MEMORY.get(n)).and_then(|(_, measure)| measure());
    if let Some(bytes) = figure {
        print!("{bytes:.0}");
    }
}

/// A figure of memory: what was freed before would be used again and not show.
fn in_a_fresh_process(n: usize) -> Option<String> {
    let this = std::env::current_exe().ok()?;
    let output = std::process::Command::new(this).args(["--memory", &n.to_string()]).output().ok()?;
    String::from_utf8(output.stdout).ok().filter(|figure| !figure.is_empty())
}

/// Prints everything.
pub fn print() {
    println!("## Processor and memory (real clock, this machine and its load; not kept)\n");
    println!("| framing | 20-byte text and its acknowledgement, µs per frame | 50 kB and its reports, µs per frame |");
    println!("|---|---:|---:|");
    let kinds = [
        ("cobs", Link::cobs(9_600), 0.0),
        ("fec, clean", Link::fec(9_600), 0.0),
        ("fec, bit error rate 1e-3", Link::fec(9_600), 1e-3),
        ("packets of 255 bytes", Link::packets(9_600, 255), 0.0),
    ];
    for (name, link, ber) in kinds {
        let [text, object] = [(47, TEXTS), (50_000, OBJECTS)].map(|(len, n)| per_frame(&link, ber, len, n));
        println!("| {name} | {text:.1} | {object:.1} |");
    }
    println!(
        "\nA frame is one that either side sent: coding, sending, decoding and receiving it, and all that follows.\n"
    );
    println!("| memory | bytes |\n|---|---:|");
    for (n, (what, _)) in MEMORY.iter().enumerate() {
        println!("| {what} | {} |", in_a_fresh_process(n).unwrap_or_else(|| "this system does not say".to_owned()));
    }
    println!("\n| limit | is | because |\n|---|---:|---|");
    SHOWN.iter().filter_map(|name| limit(name)).for_each(|row| println!("{row}"));
}

/// A row of a limit, from the place where it is.
fn limit(name: &str) -> Option<String> {
    let at = LIMITS.find(&format!("const {name}: "))?;
    let (before, after) = LIMITS.split_at(at);
    let value = after.split_once("= ")?.1.split_once(';')?.0;
    let mut why: Vec<&str> = before.lines().rev().skip(1).map_while(|l| l.strip_prefix("/// ")).collect();
    why.reverse();
    Some(format!("| {name} | {value} | {} |", why.join(" ")))
}

/// Two links back to back, without a channel between them; time passes as the air would take.
#[allow(clippy::cast_precision_loss)]
fn per_frame(link: &Link, ber: f64, len: usize, parcels: u64) -> f64 {
    let mut pair = [Station::new(0, 2, link), Station::new(1, 2, link)];
    for number in 0..parcels {
        pair[0].queue(number, &Parcel { from: 0, to: 1, len, precedence: Precedence::Routine });
    }
    let (mut now, mut rng, start) = (Instant::ZERO, Rng::new(1), Clock::now());
    while (pair[0].accepted.len() as u64) < parcels && now < PATIENCE {
        let [a, b] = &mut pair;
        pass(a, b, now, ber, &mut rng);
        pass(b, a, now, ber, &mut rng);
        let next = pair.iter().filter_map(Station::next_wake).min().unwrap_or(PATIENCE);
        now = next.max(now + Duration::from_millis(1));
    }
    let frames: u64 = pair.iter().map(|s| s.frames().0).sum();
    start.elapsed().as_secs_f64() * 1e6 / frames as f64
}

fn pass(from: &mut Station, to: &mut Station, now: Instant, ber: f64, rng: &mut Rng) {
    while let Some(mut bytes) = from.serve(now) {
        if ber > 0.0 {
            let hit = bytes.iter_mut().filter(|_| rng.chance(8.0 * ber)).collect::<Vec<_>>();
            hit.into_iter().for_each(|byte| *byte ^= 1 << rng.below(8));
        }
        to.hear(now, &bytes);
    }
}

/// What a link keeps of a neighbour.
fn per_neighbour() -> Option<f64> {
    let link = Link::fec(1_000_000);
    let mut hubs: Vec<Station> = (0..LINKS).map(|_| Station::new(0, NEIGHBOURS + 1, &link)).collect();
    let mut now = Instant::ZERO;
    let mut introduce = |hubs: &mut Vec<Station>, peer: usize| {
        let mut other = Station::new(peer, NEIGHBOURS + 1, &link);
        other.queue(peer as u64, &Parcel { from: peer, to: 0, len: 47, precedence: Precedence::Routine });
        while other.accepted.is_empty() && now < PATIENCE {
            now += Duration::from_millis(10);
            while let Some(bytes) = other.serve(now) {
                hubs.iter_mut().for_each(|hub| hub.hear(now, &bytes));
            }
            // All of them say the same; one answer is enough.
            for hub in hubs.iter_mut() {
                while let Some(bytes) = hub.serve(now) {
                    other.hear(now, &bytes);
                }
            }
        }
    };
    // The first one has each link allocate what it has once.
    introduce(&mut hubs, 1);
    let before = resident()?;
    (2..=NEIGHBOURS).for_each(|peer| introduce(&mut hubs, peer));
    let grown = resident()?.saturating_sub(before);
    drop(hubs);
    Some(average(grown, LINKS * (NEIGHBOURS - 1)))
}

/// What a link keeps of an envelope of which it has sent the first frames.
fn per_sending() -> Option<f64> {
    let link = Link::fec(9_600);
    let mut senders: Vec<Station> = (0..TRANSFERS).map(|_| Station::new(0, 2, &link)).collect();
    let before = resident()?;
    for sender in &mut senders {
        sender.queue(0, &PARCEL);
        let mut now = Instant::ZERO;
        while sender.frames().0 < 4 && now < PATIENCE {
            while sender.serve(now).is_some() {}
            now = sender.next_wake()?;
        }
    }
    let grown = resident()?.saturating_sub(before);
    drop(senders);
    Some(average(grown, TRANSFERS))
}

/// What a link keeps of an envelope of which half has come.
fn per_receiving() -> Option<f64> {
    let link = Link::fec(9_600);
    let mut sender = Station::new(0, 2, &link);
    sender.queue(0, &PARCEL);
    let mut receivers: Vec<Station> = (0..TRANSFERS).map(|_| Station::new(1, 2, &link)).collect();
    let (before, mut now, mut sent) = (resident()?, Instant::ZERO, 0);
    while sent < PARCEL.len / 2 && now < PATIENCE {
        while let Some(bytes) = sender.serve(now) {
            sent += bytes.len();
            receivers.iter_mut().for_each(|r| r.hear(now, &bytes));
        }
        for (n, receiver) in receivers.iter_mut().enumerate() {
            while let Some(bytes) = receiver.serve(now) {
                if n == 0 {
                    sender.hear(now, &bytes);
                }
            }
        }
        now += Duration::from_millis(5);
    }
    let grown = resident()?.saturating_sub(before);
    drop(receivers);
    Some(average(grown, TRANSFERS))
}

/// The most beyond what is kept, while an envelope of 60 kB begins to be sent.
fn at_encoding() -> Option<f64> {
    let mut sender = Station::new(0, 2, &Link::fec(9_600));
    sender.queue(0, &PARCEL);
    let before = forget_peak()?;
    let mut now = Instant::ZERO;
    while sender.frames().0 < 4 && now < PATIENCE {
        while sender.serve(now).is_some() {}
        now = sender.next_wake()?;
    }
    Some(average(peak()?.saturating_sub(before), 1))
}

/// The most beyond what is there at three quarters, until an envelope of 60 kB has arrived.
fn at_decoding() -> Option<f64> {
    let link = Link::fec(9_600);
    let (mut sender, mut receiver) = (Station::new(0, 2, &link), Station::new(1, 2, &link));
    sender.queue(0, &PARCEL);
    let (mut now, mut frames, mut sent, mut before) = (Instant::ZERO, 0, 0, None);
    while receiver.arrived.is_empty() && now < PATIENCE {
        while let Some(bytes) = sender.serve(now) {
            (frames, sent) = (frames + 1, sent + bytes.len());
            if frames % 12 != 0 {
                receiver.hear(now, &bytes);
            }
        }
        while let Some(bytes) = receiver.serve(now) {
            sender.hear(now, &bytes);
        }
        if before.is_none() && sent > PARCEL.len * 3 / 4 {
            before = Some(forget_peak()?);
        }
        now += Duration::from_millis(5);
    }
    Some(average(peak()?.saturating_sub(before?), 1))
}

const PARCEL: Parcel = Parcel { from: 0, to: 1, len: 60_000, precedence: Precedence::Routine };

#[allow(clippy::cast_precision_loss)]
fn average(bytes: u64, of: usize) -> f64 {
    bytes as f64 / of as f64
}

/// Forgets how much memory this process had at most; what it has now.
fn forget_peak() -> Option<u64> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    peak()
}

/// The most resident bytes since then.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}

/// Resident bytes of this process.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * 4_096)
}
