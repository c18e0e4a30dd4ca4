//! The measurements. Each function returns numbers; `table` beside it makes rows of them, with the target in the last
//! column. Targets and the peers' figures: the project's targets, measured on a channel like this one.

pub mod goodput;
pub mod shared;
pub mod texts;
pub mod urgency;

use super::Table;

/// All tables, in the order of the snapshot.
#[must_use]
pub fn all() -> Vec<Table> {
    vec![
        goodput::byte_pipe(&super::Link::full(goodput::RATE)),
        goodput::byte_pipe(&super::Link::half(goodput::RATE)),
        goodput::packet_radio(),
        texts::bytes(),
        texts::latency(),
        texts::noisy(),
        urgency::outage(),
        urgency::flash(),
        shared::idle(),
        shared::four(),
    ]
}
