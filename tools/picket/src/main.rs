//! `picket`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(picket::run::run(std::env::args_os()) as u8)
}
