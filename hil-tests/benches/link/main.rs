//! What a link makes of a channel, in virtual time: exact, so that the tables are kept in `link.md` and every change of
//! a figure shows in a change of that file.
//!
//! `cargo xtask bench link` compares and fails when a line differs; `--bless` writes the file. Processor time and
//! memory follow, measured with a real clock and therefore not kept.

#![allow(clippy::expect_used, clippy::print_stdout)]

mod cost;

use std::path::Path;
use std::process::ExitCode;

use hil_tests::air::figures;

const HEAD: &str = "# What a link makes of a channel

Written by `cargo xtask bench link --bless`; exact, because time is virtual. Every line is compared.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let kept = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/link.md"));
    let now = figures::all().iter().fold(HEAD.to_owned(), |text, table| format!("{text}\n{table}"));
    println!("{now}");
    cost::print();
    if args.iter().any(|a| a == "--bless") {
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
