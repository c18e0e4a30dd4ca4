//! What a link makes of a channel, in virtual time: exact, so that the tables are kept in `link.md` and every change of
//! a figure shows in a change of that file.
//!
//! `cargo xtask bench link` compares and fails when a line differs; `--bless` writes the file. Processor time and
//! memory follow, measured with a real clock and therefore not kept. With the names of some tables (`figures::ALL`) it
//! prints these alone; with `--cost` only what follows the tables, and with `--real` it sends one object in virtual and in real time.

#![allow(clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod cost;
mod real;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use hil_tests::air::figures::{self, Figure};

const HEAD: &str = "# What a link makes of a channel

Written by `cargo xtask bench link --bless`. Every line is compared.
";

const FOOT: &str = "
## What is virtual, and what exact

Everything above runs on a virtual clock: two or more links of the project, unchanged, over the simulated channel, and
a host that makes an envelope durable 5 ms after its arrival. Nothing depends on the machine or its load, so every
figure is exact for its seeds, and a line that differs is a change of the links or of the channel. Bytes are counted as
they leave the link, framing and parity included, 8 bits a byte on air. Not in it: a serial port's start and stop bits,
a radio's own preamble, timers of a host that come late. How far that is from real time: `cargo xtask bench link --real`.

Capacity is Shannon's, of the channel with these errors. LXMF is version 1.2.1 over Reticulum 1.5.7, measured over a
channel like this one in real time.
";

/// One table, and how long it took.
fn measured((name, figure): &Figure) -> String {
    let start = Instant::now();
    let table = figure().to_string();
    eprintln!("{name}: {:.1} s", start.elapsed().as_secs_f64());
    table
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let given = |name: &str| args.iter().any(|a| a == name);
    if let [memory, which, ..] = args.as_slice()
        && memory == "--memory"
    {
        cost::print_memory(which);
        return ExitCode::SUCCESS;
    }
    if given("--cost") {
        cost::print();
        return ExitCode::SUCCESS;
    }
    if given("--real") {
        real::print();
        return ExitCode::SUCCESS;
    }
    if args.iter().any(|a| figures::ALL.iter().any(|(name, _)| a == name)) {
        figures::ALL.iter().filter(|(name, _)| given(name)).for_each(|figure| println!("{}", measured(figure)));
        return ExitCode::SUCCESS;
    }
    let tables = figures::ALL.iter().map(measured);
    let now = tables.fold(HEAD.to_owned(), |text, table| format!("{text}\n{table}")) + FOOT;
    println!("{now}");
    cost::print();
    let kept = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/link.md"));
    if given("--bless") {
        std::fs::write(kept, now).expect("the snapshot can be written");
        return ExitCode::SUCCESS;
    }
    let before = std::fs::read_to_string(kept).unwrap_or_default();
    if before == now {
        return ExitCode::SUCCESS;
    }
    println!("\nNot what {} says:", kept.display());
    difference(&before, &now);
    println!("\nIf that is right: cargo xtask bench link --bless");
    ExitCode::FAILURE
}

/// Lines of one and not of the other: enough for tables.
fn difference(before: &str, now: &str) {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), now.lines().collect());
    old.iter().filter(|line| !new.contains(line)).for_each(|line| println!("- {line}"));
    new.iter().filter(|line| !old.contains(line)).for_each(|line| println!("+ {line}"));
}
