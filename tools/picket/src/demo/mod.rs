//! The demo: two gateways, a radio and a broker on this machine, and a story told by doing it.
//!
//! Everything in it is real but the radio waves: the `picketd` and `picket` programs, a broker, a serial radio over
//! pseudo-terminals at 9600 bit/s half duplex, files that are synced, processes that are killed.

mod broker;
mod chat;
mod follower;
mod proxy;
mod stage;
mod story;

use crate::error::{Exit, Failure};
use crate::output::Output;
use stage::Stage;
use std::io::Write;
use std::time::Instant;

/// Runs the demo; with `once` it ends by itself.
///
/// # Errors
/// When any leg of the story does not go as told.
pub fn run(once: bool, out: &Output) -> Result<Exit, Failure> {
    if let Some(port) = broker::asked_for() {
        return broker::serve(port);
    }
    let mut telling = Telling::new(*out);
    telling.chapter("Setting the stage")?;
    let mut stage = Stage::set(&mut telling)?;
    story::tell(&mut stage, &mut telling)?;
    telling.line("\nEvery leg was verified: each message arrived exactly once, and every receipt returned.")?;
    if !once {
        chat::open(&mut stage, &mut telling)?;
    }
    Ok(Exit::Done)
}

/// Tells what happens, with the time since the beginning.
pub(crate) struct Telling {
    out: Output,
    start: Instant,
}

impl Telling {
    fn new(out: Output) -> Self {
        Self { out, start: Instant::now() }
    }

    /// A heading.
    pub(crate) fn chapter(&mut self, title: &str) -> Result<(), Failure> {
        self.event("chapter", title, &format!("\n== {title}"))
    }

    /// Something that happened, verified.
    pub(crate) fn leg(&mut self, what: &str) -> Result<(), Failure> {
        let at = self.start.elapsed().as_secs_f32();
        self.event("leg", what, &format!("  {at:6.1} s  {what}"))
    }

    /// Anything else.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.event("line", text.trim(), text)
    }

    fn event(&self, kind: &str, what: &str, text: &str) -> Result<(), Failure> {
        let at_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.out.object(&serde_json::json!({"event": kind, "at_ms": at_ms, "text": what}))?;
        self.out.say(text)?;
        std::io::stdout().flush().map_err(|e| Failure::internal(e.to_string()))
    }
}
