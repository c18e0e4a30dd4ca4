//! What every command that runs an endpoint shares.

use picket_shell::clock::Trust;

/// A person's device is trusted to know the time: its owner keeps it right.
pub const TRUST: Trust = Trust::Always;
