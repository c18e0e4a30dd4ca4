//! The one choke point under everything that leaves a station (spec §57): nothing becomes an [`Emission`] but what a
//! [`Gate`] permitted, and drivers take nothing else.
//!
//! ```text
//! a frame about to be written → emission control: may this kind of thing leave at all?
//!                             → airtime: is there room in the band's hour for it?      → bytes → Emission
//! ```
//! Links that share a band share its gate; whoever owns the links owns the gates.

pub mod airtime;
mod emcon;
pub(crate) mod leave;
#[cfg(test)]
mod tests;

pub use airtime::Airtime;
pub use emcon::{Emcon, UnknownEmcon};
pub use leave::of_control;

use airtime::Spent;
use alloc::vec::Vec;
use picket_wire::Precedence;
use picket_wire::time::{Duration, Instant};

/// Bytes that a gate let through. There is no other way to make one.
#[derive(Debug, PartialEq, Eq)]
pub struct Emission {
    bytes: Vec<u8>,
}

impl Emission {
    /// The bytes, for the medium.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl core::ops::Deref for Emission {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What a frame is for: the gate treats them differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// A parcel, part of one, or the question what became of it.
    Parcel(Precedence),
    /// The answer to a parcel, of the parcel's precedence; and what else is said because somebody asked.
    Answer(Precedence),
    /// What says only that we are here, and who is with us: greetings, claims.
    Presence,
}

impl Traffic {
    /// Whose airtime it uses.
    #[must_use]
    pub const fn precedence(self) -> Precedence {
        match self {
            Self::Parcel(p) | Self::Answer(p) => p,
            Self::Presence => Precedence::Routine,
        }
    }
}

/// A frame about to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// What it is for.
    pub traffic: Traffic,
    /// Bytes on the medium at most, framing included.
    pub bytes: usize,
    /// Their time on air.
    pub air: Duration,
}

/// Why a frame may not leave now; each has its counter ([`Refusals`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBy {
    /// Silence: nothing leaves.
    Silent,
    /// Receive-only: nothing leaves.
    ReceiveOnly,
    /// MINIMIZE: not urgent enough, or mere presence.
    Minimize,
    /// The band's airtime of this hour, or the part of it for this precedence, is used up.
    Airtime,
    /// The frame is longer on air than this precedence may use in an hour.
    TooLong,
    /// The airtime it needs is not recorded yet: it may go as soon as it is.
    NotRecorded,
}

impl HeldBy {
    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::ReceiveOnly => "receive-only",
            Self::Minimize => "minimize",
            Self::Airtime => "airtime",
            Self::TooLong => "too-long",
            Self::NotRecorded => "not-recorded",
        }
    }
}

/// A frame is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Why.
    pub why: HeldBy,
    /// When it may be tried again by itself; `None`: when the gate changes.
    pub until: Option<Instant>,
}

/// How often frames were held back, by reason. A frame that waits is counted each time it is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// [`HeldBy::Silent`].
    pub silent: u64,
    /// [`HeldBy::ReceiveOnly`].
    pub receive_only: u64,
    /// [`HeldBy::Minimize`].
    pub minimize: u64,
    /// [`HeldBy::Airtime`].
    pub airtime: u64,
    /// [`HeldBy::TooLong`].
    pub too_long: u64,
    /// [`HeldBy::NotRecorded`].
    pub not_recorded: u64,
    /// Bytes that no permission covered, destroyed at the last moment: a bug of ours, never seen.
    pub unpermitted: u64,
}

impl Refusals {
    fn add(&mut self, why: HeldBy) {
        let counter = match why {
            HeldBy::Silent => &mut self.silent,
            HeldBy::ReceiveOnly => &mut self.receive_only,
            HeldBy::Minimize => &mut self.minimize,
            HeldBy::Airtime => &mut self.airtime,
            HeldBy::TooLong => &mut self.too_long,
            HeldBy::NotRecorded => &mut self.not_recorded,
        };
        *counter += 1;
    }
}

/// What links of one band, or all that have none, pass on their way out.
#[derive(Clone, Debug)]
pub struct Gate {
    emits: bool,
    emcon: Emcon,
    /// Least precedence of parcels under MINIMIZE.
    urgent: Precedence,
    airtime: Option<Airtime>,
    /// Time that each frame needs on air before its first bit.
    preamble: Duration,
    /// Bytes permitted and not yet made an emission.
    permitted: usize,
    refusals: Refusals,
}

impl Gate {
    /// For links that emit. Free at first.
    #[must_use]
    pub fn radio() -> Self {
        Self {
            emits: true,
            emcon: Emcon::Free,
            urgent: Precedence::Immediate,
            airtime: None,
            preamble: Duration::ZERO,
            permitted: 0,
            refusals: Refusals::default(),
        }
    }

    /// For what is no emission (a socket on the board): no state of ours closes it.
    #[must_use]
    pub fn cable() -> Self {
        Self { emits: false, ..Self::radio() }
    }

    /// With a budget.
    #[must_use]
    pub fn with_airtime(mut self, airtime: Airtime) -> Self {
        self.airtime = Some(airtime);
        self
    }

    /// With so much time on air before each frame's first bit.
    #[must_use]
    pub const fn with_preamble(mut self, preamble: Duration) -> Self {
        self.preamble = preamble;
        self
    }

    /// With another least precedence under MINIMIZE than immediate.
    #[must_use]
    pub const fn with_urgent(mut self, urgent: Precedence) -> Self {
        self.urgent = urgent;
        self
    }

    /// Puts a state in force. It never fails.
    pub const fn set(&mut self, emcon: Emcon) {
        self.emcon = emcon;
    }

    /// The state in force; always free where nothing is emitted.
    #[must_use]
    pub const fn emcon(&self) -> Emcon {
        if self.emits { self.emcon } else { Emcon::Free }
    }

    /// Whether links that pass here emit.
    #[must_use]
    pub const fn emits(&self) -> bool {
        self.emits
    }

    /// Whether nothing whatever may leave.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.emcon().forbids_all()
    }

    /// The budget, if there is one.
    #[must_use]
    pub const fn airtime(&self) -> Option<&Airtime> {
        self.airtime.as_ref()
    }

    /// The budget, to be recorded and restored.
    pub const fn airtime_mut(&mut self) -> Option<&mut Airtime> {
        self.airtime.as_mut()
    }

    /// How often something was held back.
    #[must_use]
    pub const fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// What emission control says of such traffic, airtime aside.
    #[must_use]
    pub fn forbids(&self, traffic: Traffic) -> Option<HeldBy> {
        match self.emcon() {
            Emcon::Silent => Some(HeldBy::Silent),
            Emcon::ReceiveOnly => Some(HeldBy::ReceiveOnly),
            Emcon::Minimize => match traffic {
                Traffic::Parcel(precedence) => (precedence < self.urgent).then_some(HeldBy::Minimize),
                Traffic::Presence => Some(HeldBy::Minimize),
                Traffic::Answer(_) => None,
            },
            Emcon::Free => None,
        }
    }

    /// Permits a frame and charges its time on air, or holds it back.
    ///
    /// # Errors
    /// [`Held`], counted; nothing is charged then.
    pub fn permit(&mut self, now: Instant, frame: Leaving) -> Result<(), Held> {
        self.check(now, frame).inspect_err(|held| self.refusals.add(held.why))?;
        self.permitted = self.permitted.saturating_add(frame.bytes);
        Ok(())
    }

    fn check(&mut self, now: Instant, frame: Leaving) -> Result<(), Held> {
        if let Some(why) = self.forbids(frame.traffic) {
            return Err(Held { why, until: None });
        }
        let Some(airtime) = &mut self.airtime else { return Ok(()) };
        airtime.spend(now, frame.traffic.precedence(), frame.air + self.preamble).map_err(|spent| match spent {
            Spent::Budget(Instant::FAR) => Held { why: HeldBy::TooLong, until: None },
            Spent::Budget(at) => Held { why: HeldBy::Airtime, until: Some(at) },
            Spent::NotRecorded => Held { why: HeldBy::NotRecorded, until: None },
        })
    }

    /// Makes written frames an emission. Whatever exceeds what was permitted since the last call is destroyed as a
    /// whole: bytes that took another way than through [`Gate::permit`] do not leave.
    pub fn emit(&mut self, bytes: Vec<u8>) -> Option<Emission> {
        let permitted = core::mem::take(&mut self.permitted);
        if bytes.is_empty() {
            return None;
        }
        if bytes.len() > permitted || self.is_closed() {
            self.refusals.unpermitted += 1;
            return None;
        }
        Some(Emission { bytes })
    }
}
