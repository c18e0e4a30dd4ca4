//! The measurements. Each function returns numbers; `table` beside it makes rows of them, with the target in the last
//! column. Targets and the peers' figures: the project's targets, measured on a channel like this one.

pub mod goodput;
pub mod shared;
pub mod silent;
pub mod texts;
pub mod urgency;

use super::{Link, Table};

/// A table and its name on the command line.
pub type Figure = (&'static str, fn() -> Table);

/// All tables, in the order of the snapshot.
pub const ALL: [Figure; 13] = [
    ("full", || goodput::byte_pipe(&Link::fec(goodput::RATE))),
    ("half", || goodput::byte_pipe(&Link::fec(goodput::RATE).half())),
    ("bursts", goodput::bursts),
    ("packets", goodput::packet_radio),
    ("group", goodput::group_of_four),
    ("silent", silent::receiver),
    ("bytes", texts::bytes),
    ("latency", texts::latency),
    ("noisy", texts::noisy),
    ("outage", urgency::outage),
    ("flash", urgency::flash),
    ("idle", shared::idle),
    ("several", shared::several),
];
