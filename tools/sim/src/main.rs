//! `picket-sim`: runs drawn plans and prints what came of them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

use clap::Parser;
use picket_sim::{Plan, Verdict, World};
use std::process::ExitCode;

/// Runs a seeded world on a virtual clock: two gateways, two members (more with `--rooms`), a radio, a broker, and ten
/// minutes of trouble.
///
/// The same seed gives the same run. Exit code 0: every promise was kept; 1: one was broken (the seed is printed).
#[derive(Parser)]
#[command(name = "picket-sim", version)]
struct Args {
    /// Seed of the first run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many runs, with ascending seeds.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// Coded frames over a radio that is noisy all the time.
    #[arg(long)]
    noisy: bool,
    /// Worlds with a room: three gateways, three to five members, changes of who is in it.
    #[arg(long, conflicts_with = "noisy")]
    rooms: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut broken = 0;
    for seed in args.seed..args.seed.saturating_add(args.runs) {
        let plan = match (args.noisy, args.rooms) {
            (true, _) => Plan::drawn_noisy(seed),
            (false, true) => Plan::drawn_room(seed),
            (false, false) => Plan::drawn(seed),
        };
        match World::new(plan).and_then(World::run) {
            Ok(outcome) => {
                println!("seed {seed}\n{outcome}");
                broken += u64::from(outcome.verdict() != Verdict::Kept);
            }
            Err(why) => {
                eprintln!("seed {seed}: {why}");
                broken += 1;
            }
        }
    }
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
