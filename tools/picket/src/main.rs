//! `picket`: see the library.

#![allow(clippy::print_stderr, reason = "a warning before there is a command")]

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before any secret is read. A system that does not allow it has no core files to forbid either.
    if let Err(warning) = picket_safe::harden::process() {
        eprintln!("picket: {warning}");
    }
    ExitCode::from(picket::run::run(std::env::args_os()) as u8)
}
