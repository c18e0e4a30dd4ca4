//! What came of a run.

use picket_endpoint::State;
use picket_wire::time::{Duration, Instant};
use picket_wire::{MessageId, Precedence};
use std::collections::BTreeMap;
use std::fmt;

/// One message, as the world saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Who wrote it.
    pub from: usize,
    /// To whom.
    pub to: usize,
    /// How urgent.
    pub precedence: Precedence,
    /// The text.
    pub text: String,
    /// When.
    pub at: Instant,
    /// Every state its sender was told, in order.
    pub states: Vec<State>,
    /// When the recipient was told of it; more than one is a fault.
    pub shown: Vec<Instant>,
}

/// A run's result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Messages by id.
    pub sent: BTreeMap<MessageId, Sent>,
    /// What was said in the room.
    pub said: usize,
    /// How often somebody was shown something of that.
    pub heard: usize,
    /// What must never happen, in words.
    pub faults: Vec<String>,
    /// Bytes on air.
    pub on_air: u64,
    /// What the gateways still held at the end, and why.
    pub left: Vec<String>,
    /// When the last message was shown, or the run was given up.
    pub ended: Instant,
}

/// Whether a run kept its promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of them.
    Kept,
    /// Not these.
    Broken(Vec<String>),
}

impl Outcome {
    /// Checks the promises.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let mut broken = self.faults.clone();
        for (id, sent) in &self.sent {
            match sent.shown.len() {
                0 => broken.push(format!("{id} from {} was never shown (states {:?})", sent.from, sent.states)),
                1 => {}
                n => broken.push(format!("{id} was shown {n} times")),
            }
            if !matches!(sent.states.last(), Some(State::Delivered | State::Read)) {
                broken.push(format!("the sender of {id} was last told {:?}", sent.states.last()));
            }
            if sent.states.windows(2).any(|w| rank(w[0]) >= rank(w[1])) {
                broken.push(format!("states of {id} went back: {:?}", sent.states));
            }
        }
        if broken.is_empty() { Verdict::Kept } else { Verdict::Broken(broken) }
    }

    /// Longest time from writing to showing.
    #[must_use]
    pub fn slowest(&self) -> Duration {
        let waits = self.sent.values().filter_map(|s| s.shown.first().map(|at| at.since(s.at)));
        waits.max().unwrap_or(Duration::ZERO)
    }
}

const fn rank(state: State) -> u8 {
    match state {
        State::Queued => 0,
        State::Custody => 1,
        State::Delivered => 2,
        State::Read => 3,
        State::Expired | State::Refused(_) => 4,
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.sent.values().filter(|s| !s.shown.is_empty()).count();
        writeln!(f, "messages   {} sent, {shown} shown", self.sent.len())?;
        writeln!(f, "room       {} said, {} times shown", self.said, self.heard)?;
        writeln!(f, "slowest    {} s", self.slowest().as_secs())?;
        writeln!(f, "on air     {} B", self.on_air)?;
        writeln!(f, "ended at   {} s", self.ended.since(Instant::ZERO).as_secs())?;
        match self.verdict() {
            Verdict::Kept => writeln!(f, "verdict    every promise kept"),
            Verdict::Broken(why) => {
                writeln!(f, "verdict    BROKEN")?;
                why.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
                self.left.iter().try_for_each(|line| writeln!(f, "  held: {line}"))
            }
        }
    }
}
