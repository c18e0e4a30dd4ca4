//! A seeded world on a virtual clock: the firmware's own machines (gateways, members' endpoints), a simulated radio
//! channel, a broker, and a plan of what goes wrong. The same seed gives the same run, to the byte.
//!
//! What a run promises is checked while it runs and at its end ([`Outcome::verdict`]): nothing is shown twice, nothing
//! that was not sent is shown, nothing acknowledged is lost, states only move forward, and after all faults have ended
//! everything arrives.

mod broker;
mod mission;
mod outcome;
mod plan;
mod room_plan;
mod rooms;
mod stations;
mod world;

pub use outcome::{Outcome, Sent, Verdict};
pub use plan::{Fault, Plan, Topology};
pub use rooms::RoomAct;
pub use world::World;
