//! Every limit of sessions and content, with its reason.

use picket_wire::limits::{ENVELOPE_MAX, EXTENSION_MAX, HEADER_LEN, TAG_LEN};

/// Longest content in bytes, so that the envelope stays within 64 KiB whatever its extension.
pub const CONTENT_MAX: usize = ENVELOPE_MAX - HEADER_LEN - EXTENSION_MAX - TAG_LEN;

/// Longest text or file bytes in one envelope: [`CONTENT_MAX`] less every optional field of the content (head 5,
/// original id 8, prekey 34, burn 1, file name 129, room for padding to a step of 64).
pub const BODY_MAX: usize = CONTENT_MAX - 5 - 8 - 34 - 1 - 129 - 64;

/// Longest file name in bytes.
pub const FILE_NAME_MAX: usize = 128;

/// Counters reserved at once: one durable write for 32 messages; a crash wastes at most 32 of four thousand million.
pub const RESERVE_BLOCK: u32 = 32;

/// Keys of skipped messages kept per session, newest kept: 32 reserved counters lost at each of three reboots and a
/// burst in flight; 36 bytes each.
pub const SKIPPED_MAX: usize = 128;

/// Furthest jump of a counter that is followed: what the low 16 bits on air can say.
pub const JUMP_MAX: u32 = 65_535;

/// Furthest jump that is followed without permission: about 3 ms of hashing on a small board. Beyond it the caller
/// allows one at a time ([`crate::Far`]).
pub const JUMP_FREE: u32 = 1_024;

/// Most keys tried for one frame (GCM does not commit to its key).
pub const CANDIDATES_MAX: usize = 2;

/// `enc` travels in messages below this counter …
pub const ENC_FIRST: u32 = 3;

/// … and then in every message whose counter is a multiple of this, until acknowledged.
pub const ENC_EVERY: u32 = 8;

/// Highest session id: four bits on air; 0 is the pre-placed session.
pub const SESSION_MAX: u16 = 15;

/// Bytes of a stored send session, at most: 93 and the lanes' roots.
pub const SEND_STATE_MAX: usize = 93 + crate::lanes::Lanes::LEN;

/// Bytes of a stored receive session, at most.
pub const RECEIVE_STATE_MAX: usize = SEND_STATE_MAX + SKIPPED_MAX * 36;

/// Most epochs visited in one activation; more means a wrong clock.
pub const VISIT_MAX: u32 = 4_096;
