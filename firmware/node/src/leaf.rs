//! What a member's device runs on its way to ONE gateway over one link (spec §70.2).

pub use picket_link::Counters as LinkCounters;
pub use picket_link::{Config as LinkConfig, Duplex, Framing};
