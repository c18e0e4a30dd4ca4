//! Every limit of provisioning, with its reason.

/// Bytes in one QR part that this software writes: with its heading it fills a code of version 18, level M, which a
/// telephone reads from a screen and a terminal of 100 columns shows.
pub const PART_BYTES: usize = 480;

/// Most bytes in a part that is read: nothing longer fits a QR code (version 40, level L, holds 4 296 characters).
pub const PART_BYTES_MAX: usize = 2_640;

/// Most parts of one file: nobody scans a thousand codes; longer files travel as files.
pub const PARTS_MAX: u16 = 999;

/// Longest text that is looked at as a part: heading and the most bytes, in base 32.
pub const PART_TEXT_MAX: usize = 48 + PART_BYTES_MAX * 8 / 5;

/// Longest file that travels in parts.
pub const PARTED_MAX: usize = PART_BYTES * PARTS_MAX as usize;

/// Longest sealed keyfill: a keyfill around the largest roster, with pre-shared keys for all its members.
pub const SEALED_MAX: usize = picket_roster::limits::ROSTER_MAX + (64 << 20);

/// Longest audit log that is read: a quarter of a million acts; a mission enrols each of its 65 000 stations once or
/// twice.
pub const AUDIT_MAX: usize = 64 << 20;
