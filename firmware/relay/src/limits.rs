//! Limits of the relay, each with its reason.

use picket_wire::time::Duration;

/// A parcel that waits for so long is aged: longer than any burst of urgent traffic should last.
pub const AGED_AFTER: Duration = Duration::from_secs(15 * 60);

/// One offer in so many is an aged parcel's, however much of higher precedence waits, up to immediate: what is urgent
/// keeps seven eighths of the way.
pub const AGED_EVERY: u8 = 8;

/// First pause before ways that all failed are tried again towards a known attachment: longer than any single outage
/// that retransmission bridges by itself.
pub const RETRY_FIRST: Duration = Duration::from_secs(30);

/// Longest such pause: an operator who repairs something sees it work within a coffee.
pub const RETRY_MAX: Duration = Duration::from_secs(600);

/// Times in a row that `passed on` is answered by raising the custody round: there are only four rounds.
pub const ROUNDS_MAX: u8 = 3;

/// Ways remembered as tried per parcel: more neighbours and uplinks than one gateway has.
pub const TRIED_MAX: usize = 32;

/// Neighbours remembered per port: stations in earshot of one radio.
pub const NEIGHBOURS_MAX: usize = 64;

/// Members whose claim is remembered: a mission of the largest size foreseen.
pub const ROUTES_MAX: usize = 10_000;
