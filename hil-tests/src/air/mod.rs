//! Links alone, over the simulated channel, on a virtual clock: what they make of a channel, to the byte and to the
//! microsecond. The same seed gives the same run on every machine, however loaded.
//!
//! A [`World`] is a number of [`Station`]s, each one `picket_link::Link` with an outbox and a host that makes parcels
//! durable after a delay. [`figures`] are the measurements; `benches/link.rs` prints them and compares them with the
//! last ones.

pub mod figures;
pub mod station;
pub mod table;
pub mod theory;
pub mod world;

pub use picket_link::Framing;
pub use station::{Link, Parcel, Station};
pub use table::Table;
pub use world::World;
