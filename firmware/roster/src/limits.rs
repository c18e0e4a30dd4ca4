//! Every limit of rosters and keyfills, with its reason.

/// Most epochs that a device has keys for at once: two months of days. 96 bytes of seeds an epoch must fit a small
/// device's memory; in a longer mission the device makes further ones meanwhile (§30.16).
pub const EPOCHS_MAX: usize = 64;

/// Epochs made when nothing else is asked for, at 24 h each.
pub const EPOCHS_DEFAULT: u16 = 60;

/// Most stations in a roster: 16-bit indices without those whose low byte is the broadcast address, and without 0.
pub const STATIONS_MAX: usize = 65_279;

/// Longest station or mission name in bytes: it is printed in tables.
pub const NAME_MAX: usize = picket_wire::limits::NAME_MAX;

/// Default length of an epoch in seconds (24 h).
pub const EPOCH_SECONDS_DEFAULT: u32 = 86_400;

/// Shortest epoch a roster may ask for: a minute, for tests on a bench.
pub const EPOCH_SECONDS_MIN: u32 = 60;

/// Longest epoch a roster may ask for: a week, so that forward secrecy is not lost by a slip of the pen.
pub const EPOCH_SECONDS_MAX: u32 = 604_800;

/// Default longest delivery delay D in seconds (72 h).
pub const MAX_DELAY_DEFAULT: u32 = 259_200;

/// Longest D: keys are kept until their epoch's end + D, so D bounds what a captured device gives away.
pub const MAX_DELAY_MAX: u32 = 2_592_000;

/// Longest roster in bytes: 10 000 members with 60 epochs are 60 MB; anything longer is not a roster.
pub const ROSTER_MAX: usize = 256 << 20;

/// Longest request in bytes: header, name, [`EPOCHS_MAX`] epochs of three keys, signature.
pub const REQUEST_MAX: usize = 128 + NAME_MAX + EPOCHS_MAX * 99 + 64;

/// Longest request for further epochs: header, mission, index, epochs, [`EPOCHS_MAX`] epochs of three keys, signature.
pub const EXTENSION_MAX: usize = 26 + EPOCHS_MAX * 99 + 64;

/// Longest encoding of a device's secrets.
pub const SECRETS_MAX: usize = 74 + EPOCHS_MAX * 101;

/// Most epochs a secret is ratcheted forward at once; more means a wrong clock.
pub const RATCHET_MAX: u32 = 4_096;

/// Most epochs that D may span: an envelope carries four bits of its epoch, and one value must mean one live epoch
/// (the current one, the next, and those whose end + D has not passed).
pub const LIVE_EPOCHS_MAX: u32 = 14;

/// Most stations that can be revoked in one mission: 512 bytes in every roster in memory, and a REVOKE of all of them
/// scattered over ten thousand stations is still below [`OBJECT_MAX`]. A mission that lost more begins anew.
pub const REVOKED_MAX: usize = 256;

/// Last generation of the network key: it is one byte.
pub const GENERATION_MAX: u8 = 255;

/// Most revokers: a signature is 65 bytes, and more people than that do not meet in an hour.
pub const REVOKERS_MAX: usize = 16;

/// Longest signed object.
pub const OBJECT_MAX: usize = picket_wire::limits::OBJECT_MAX;
