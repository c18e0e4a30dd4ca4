//! How long the codes take on this machine: `cargo run --release -p picket-codes --example speed`.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use picket_codes::fountain::{Decoder, Encoder, Taken};
use picket_codes::plan::best_level;
use picket_codes::shield::{Found, Hunter, Level, put};
use std::time::{Duration, Instant};

fn main() {
    println!("Frames of 1 200 bytes");
    println!("| bit errors | parity a block | encode µs | find and decode clean µs | with errors µs |");
    for ber in [0.0, 1e-4, 1e-3, 1e-2, 2e-2] {
        frames(ber);
    }
    println!("\nHunter");
    println!("| bytes | MB/s |");
    hunter("noise", &noise(4 << 20));
    hunter("zeros", &vec![0; 4 << 20]);
    hunter("headers of the longest frames", &headers(1 << 20));
    println!("\nFountain");
    println!("| object | symbol | K | first repair symbol ms | next µs | decode half repaired ms | all source ms |");
    for (len, symbol) in [(1_000, 49), (50_000, 240), (65_536, 240), (65_536, 49), (70_000, 18)] {
        fountain(len, symbol);
    }
}

/// The least of several times, because everything else on the machine only adds.
fn least<T>(times: usize, mut what: impl FnMut() -> T) -> Duration {
    let once = |_| {
        let start = Instant::now();
        std::hint::black_box(what());
        start.elapsed()
    };
    (0..times).map(once).min().unwrap_or_default()
}

fn frames(ber: f64) {
    let q = 1.0 - (1.0 - ber).powi(8);
    let level = best_level(1200, q as f32);
    let frame = noise(1200);
    let mut air = Vec::new();
    let encode = least(200, || {
        air.clear();
        put(&mut air, &frame, level)
    });
    let clean = least(200, || found(&air));
    // As many wrong bytes as expected, evenly spread.
    let wrong = (q * air.len() as f64) as usize;
    let mut bad = air.clone();
    (0..wrong).for_each(|n| bad[9 + n * (air.len() - 9) / wrong] ^= 0x10);
    let repaired = least(200, || found(&bad));
    println!("| {ber:e} | {} | {} | {} | {} |", level.parity(), us(encode), us(clean), us(repaired));
}

fn found(air: &[u8]) -> usize {
    let mut hunter = Hunter::new();
    hunter.push(air);
    core::iter::from_fn(|| hunter.next()).filter(|f| matches!(f, Found::Frame { .. })).count()
}

fn hunter(name: &str, bytes: &[u8]) {
    let time = least(3, || {
        let mut hunter = Hunter::new();
        for piece in bytes.chunks(256) {
            hunter.push(piece);
            while let Some(found) = hunter.next() {
                if matches!(found, Found::Frame { .. }) {
                    hunter.reject();
                }
            }
        }
    });
    println!("| {name} | {:.2} |", bytes.len() as f64 / 1e6 / time.as_secs_f64());
}

/// The most work for the least air: a header every nine bytes, each with the most parity.
fn headers(len: usize) -> Vec<u8> {
    let mut air = Vec::new();
    put(&mut air, &[0; 600], Level::MAX);
    air.truncate(9);
    air.into_iter().cycle().take(len).collect()
}

fn fountain(len: usize, symbol: u8) {
    let object = noise(len);
    let mut encoder = Encoder::new(&object, symbol);
    let k = encoder.k();
    let mut out = Vec::new();
    let start = Instant::now();
    encoder.symbol(k, &mut out);
    let first = start.elapsed();
    let next = least(100, || encoder.symbol(k + 9, &mut out));
    // Every second source symbol is lost; as many repair symbols and two more come instead.
    let mixed = (0..k).step_by(2).chain(k..k + k / 2 + 2);
    let half = decode(&mut encoder, &object, symbol, mixed.collect());
    let source = decode(&mut encoder, &object, symbol, (0..k).collect());
    println!("| {len} | {symbol} | {k} | {} | {} | {} | {} |", ms(first), us(next), ms(half), ms(source));
}

fn decode(encoder: &mut Encoder, object: &[u8], symbol: u8, esis: Vec<u16>) -> Duration {
    let symbols: Vec<(u16, Vec<u8>)> = esis
        .into_iter()
        .map(|esi| {
            let mut out = Vec::new();
            encoder.symbol(esi, &mut out);
            (esi, out)
        })
        .collect();
    least(3, || {
        let mut decoder = Decoder::new(object.len(), symbol);
        symbols.iter().any(|(esi, data)| {
            matches!(decoder.as_mut().map(|d| d.take(*esi, data)), Some(Taken::Complete(whole)) if whole == object)
        })
    })
}

fn noise(len: usize) -> Vec<u8> {
    let mut x = 1u64;
    let mut next = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (x >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn us(t: Duration) -> String {
    format!("{:.1}", t.as_secs_f64() * 1e6)
}

fn ms(t: Duration) -> String {
    format!("{:.2}", t.as_secs_f64() * 1e3)
}
