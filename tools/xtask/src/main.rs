//! The project's own commands: `cargo xtask` prints them.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to a person")]

mod arm;
mod bare_metal;
mod cargo;
mod commands;
mod constant_time;
mod cross;
mod dist;
mod distribution;
mod instructions;
mod machine;
mod needs;
mod prove;
mod suite;
mod summary;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Build, try and check Picket. All commands share the dev profile, dependencies optimised, unless they say otherwise.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// Run everything: unit, property, vector, document and dependency tests, then the scenarios with the real programs
    Test(suite::Options),
    /// Check format, clippy and documentation, with warnings as errors
    Lint,
    /// Build `picketd` and `picket`, then tell the story of a message (arguments go to `picket demo`)
    Demo {
        /// For instance --once
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measure the figures of the README (release profile) and print them as tables
    Bench {
        /// Names of the tables wanted (`link --bless` keeps the exact ones); none: all but `arm`, which builds for boards
        /// and counts instructions in emulation (Debian, a quarter of an hour at first)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Check the protocol's vectors both ways: bytes to fields, fields to bytes
    Vectors,
    /// Ask Verifpal about the symbolic model and compare with what is expected (installs it first: some minutes)
    Prove,
    /// Run what handles secrets under valgrind, with the secrets marked: no branch, no address may depend on them
    ConstantTime,
    /// Build the small binaries that go on a board
    Dist {
        /// Of this kind, and try them in emulation: aarch64-unknown-linux-gnu, armv7-unknown-linux-gnueabihf (Debian, some
        /// minutes). None: this machine's
        #[arg(long)]
        target: Option<String>,
    },
    /// Run `picketd` on an emulated board with a GPIO line, and close the switch on it (Debian, some minutes)
    Board,
    /// Build the core crates for a microcontroller: proves that they need no operating system (Debian, some minutes)
    BareMetal,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        None => Cli::command().print_help().map_err(|e| e.to_string()),
        Some(Task::Test(options)) => suite::run(&options),
        Some(Task::Lint) => commands::lint(),
        Some(Task::Demo { args }) => commands::demo(&args),
        Some(Task::Bench { args }) => commands::bench(&args),
        Some(Task::Vectors) => commands::vectors(),
        Some(Task::Prove) => prove::run(),
        Some(Task::ConstantTime) => constant_time::run(),
        Some(Task::Dist { target }) => dist::run(target.as_deref()),
        Some(Task::Board) => machine::run(),
        Some(Task::BareMetal) => bare_metal::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
