//! Every limit of this tool, with its reason.

use core::time::Duration;

/// Argon2id: memory in KiB, passes and lanes for new passphrases (RFC 9106 §4, the second recommended option: fits a
/// small board).
pub const ARGON2_NEW: (u32, u32, u32) = (65_536, 3, 4);

/// How long stretching the passphrase of an authority's key should take on the machine that makes it: a person waits
/// that long once in a while, a thief at every guess.
pub const STRETCH_FOR: Duration = Duration::from_secs(1);

/// Longest act of an authority kept while it is carried out: a roster and keyfills around it.
pub const PENDING_MAX: u64 = 1 << 30;

/// Entries of an audit log that are verified at every use of the authority: more would make people wait, and
/// `picket mission log --check` verifies all.
pub const AUDIT_CHECKED: usize = 1_000;

/// Most pixels of an image with QR codes: four times what a telephone's camera gives.
pub const IMAGE_PIXELS_MAX: u64 = 64 << 20;

/// Longest image file.
pub const IMAGE_MAX: u64 = 64 << 20;

/// Longest text of scanned parts: all parts of a file, some scanned many times.
pub const SCANNED_MAX: u64 = 16 << 20;

/// Most memory in KiB that a file may ask for: a damaged file must not make the machine swap.
pub const ARGON2_MEMORY_MAX: u32 = 1 << 20;

/// Most passes a file may ask for: a damaged file must not make a command hang.
pub const ARGON2_PASSES_MAX: u32 = 64;

/// Most lanes a file may ask for.
pub const ARGON2_LANES_MAX: u32 = 64;

/// Longest passphrase in bytes: anything longer is another file given by mistake.
pub const PASSPHRASE_MAX: u64 = 4096;

/// Longest small file read whole (keys, requests).
pub const SMALL_FILE_MAX: u64 = 1 << 20;

/// Longest keyfill or roster file: the roster crate's limit and room for the rest of a keyfill.
pub const KEYFILL_MAX: u64 = picket_roster::limits::ROSTER_MAX as u64 + (64 << 20);

/// How long `send` tries to have custody confirmed before it returns with the message queued.
pub const CUSTODY_TRY: Duration = Duration::from_secs(5);

/// How long `inbox` waits for an attachment before it prints what it has.
pub const ATTACH_TRY: Duration = Duration::from_secs(10);

/// How long a process waits for the holder of a home to answer, or for the home to become free.
pub const HOLDER_WAIT: Duration = Duration::from_secs(10);

/// Longest line between processes of one home: content of a message as base64-like text, and room around it.
pub const AGENT_LINE_MAX: usize = 512 << 10;

/// Processes that may hand their work to one holder at once.
pub const AGENT_CLIENTS_MAX: usize = 32;

/// How long an operator socket may take to answer.
pub const CONTROL_WAIT: Duration = Duration::from_secs(10);

/// Longest reply of an operator socket: a queue of 100 000 parcels at 250 bytes a row.
pub const CONTROL_REPLY_MAX: u64 = 64 << 20;

/// Requests waiting for the holder: commands send one or two.
pub const REQUESTS: usize = 64;

/// Replies waiting for a client that does not read: above it the client is dropped and comes again.
pub const REPLIES: usize = 1024;

/// How often trusted wall time is told to the endpoint.
pub const WALL_EVERY: Duration = Duration::from_secs(60);

/// Failures within this time after a command began may only be a gateway that is just starting.
pub const UNREACHABLE_GRACE: Duration = Duration::from_secs(1);

/// Longest time that a finished command stays to bring out acknowledgements it owes.
pub const LINGER_MAX: Duration = Duration::from_millis(1500);

/// What is due within this time is waited for before a finished command leaves.
pub const LINGER_SOON: Duration = Duration::from_millis(250);

/// Milliseconds that the clocks of two processes on one machine may differ: less than a command needs to start, so
/// that the same text sent by the next command is never taken for the one before.
pub const CLOCKS_DIFFER_MS: u64 = 50;
