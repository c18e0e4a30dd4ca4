//! Link instances of a gateway.

use crate::io::{Air, LinkId};
use crate::limits::{HELLO_BUSY, HELLO_FIRST, HELLO_MAX};
use alloc::collections::BTreeMap;
use alloc::string::String;
use picket_link::Link;
use picket_wire::time::{Duration, Instant};

/// One link instance and what the node keeps beside it.
#[derive(Debug)]
pub struct Port {
    /// Name in the configuration.
    pub name: String,
    /// Kind in the configuration.
    pub kind: &'static str,
    /// The machine.
    pub link: Link,
    /// `None` while it works, or why it does not.
    pub down: Option<String>,
    /// The medium has not taken the last transmission yet.
    pub busy: bool,
    /// The air is the bottleneck: answers wait a moment to be merged.
    pub paced: bool,
    /// What becomes of bytes that leave by it.
    pub air: Air,
    /// The relay may use it: it works, and emission control lets parcels leave.
    pub usable: bool,
    /// Nobody but the other end hears it.
    pub alone: bool,
    /// Air rate in bit/s, 0 where the medium paces itself.
    air_bps: u32,
    greeting: Greeting,
}

/// When to say hello again on a link on which nobody answers.
#[derive(Clone, Copy, Debug)]
struct Greeting {
    at: Instant,
    pause: Duration,
}

impl Port {
    /// A port that is down.
    pub fn new(name: String, kind: &'static str, config: picket_link::Config, air: Air) -> Self {
        let (paced, alone) = (config.air_bps.is_some(), config.is_alone());
        let air_bps = config.air_bps.unwrap_or(0);
        Self {
            name,
            kind,
            link: Link::new(config),
            down: Some(String::from("not open yet")),
            busy: false,
            paced,
            air,
            usable: false,
            alone,
            air_bps,
            greeting: Greeting { at: Instant::FAR, pause: HELLO_FIRST },
        }
    }

    /// Time that a parcel of this length needs here, twice over: once for itself, once for what goes wrong or first.
    pub const fn patience(&self, bytes: usize) -> Duration {
        Duration::of_air(bytes, self.air_bps).times(2)
    }

    /// Whether it works.
    pub const fn is_up(&self) -> bool {
        self.down.is_none()
    }

    /// It works: greet now.
    pub fn opened(&mut self, now: Instant) {
        self.down = None;
        self.busy = false;
        self.greeting = Greeting { at: now, pause: HELLO_FIRST };
        self.link.up(now);
    }

    /// It does not work.
    pub fn closed(&mut self, now: Instant, why: String) {
        self.down = Some(why);
        self.busy = false;
        self.greeting.at = Instant::FAR;
        self.link.down(now);
    }

    /// Presence may be shown (again): greet now; or not: greet nobody until then.
    pub const fn show(&mut self, now: Instant, may: bool) {
        let at = if may && self.is_up() { now } else { Instant::FAR };
        self.greeting = Greeting { at, pause: HELLO_FIRST };
    }

    /// Somebody answered: no more greetings until it was down.
    pub const fn greeted(&mut self) {
        self.greeting.at = Instant::FAR;
    }

    /// Whether a hello is due; the next one is later, sooner while something waits.
    pub fn hello_due(&mut self, now: Instant, waiting: bool) -> bool {
        let due = self.is_up() && self.greeting.at <= now;
        if due {
            let limit = if waiting { HELLO_BUSY } else { HELLO_MAX };
            self.greeting.at = now + self.greeting.pause.min(limit);
            self.greeting.pause = self.greeting.pause.times(4).min(HELLO_MAX);
        }
        due
    }

    /// When something is to be done here.
    pub fn next_wake(&self) -> Option<Instant> {
        if !self.is_up() {
            return None;
        }
        let link = if self.busy { None } else { self.link.next_wake() };
        [link, Some(self.greeting.at).filter(|at| *at != Instant::FAR)].into_iter().flatten().min()
    }
}

/// All of them.
pub type Ports = BTreeMap<LinkId, Port>;
