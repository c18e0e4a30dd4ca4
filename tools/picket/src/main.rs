//! `picket`: see the library.

#![allow(clippy::print_stderr, reason = "a warning before there is a command")]

use picket_safe::{harden, heap, stack};
use std::process::ExitCode;

#[global_allocator]
static HEAP: heap::SecretHeap = heap::SecretHeap;

fn main() -> ExitCode {
    // Before any secret is read. A system that does not allow it has no core files to forbid either.
    if let Err(warning) = harden::process() {
        eprintln!("picket: {warning}");
    }
    // Every command but a few works with keys: all of them run where keys may be.
    let done =
        heap::prepare().and_then(|()| stack::on_locked(|| heap::within(|| picket::run::run(std::env::args_os()))));
    match done {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(e) => {
            eprintln!("picket: no memory to work in: {e}; free some and try again");
            ExitCode::from(picket::Exit::Internal as u8)
        }
    }
}
