//! Every limit of this crate, with its reason.

use core::time::Duration;

/// Argon2id memory in KiB for new passphrases, where the device has four times that to spare (RFC 9106 §4, the second
/// recommended option, fits a small board).
pub const ARGON2_MEMORY: u32 = 65_536;
/// Least memory in KiB that a new passphrase is stretched with, whatever the board: below it, guessing gets cheap.
pub const ARGON2_MEMORY_MIN: u32 = 8_192;
/// Most memory in KiB that a file may ask for: a damaged file must not make the machine swap.
pub const ARGON2_MEMORY_MAX: u32 = 1 << 20;
/// Most passes a file may ask for: a damaged file must not make a command hang.
pub const ARGON2_PASSES_MAX: u32 = 64;
/// Most lanes a file may ask for.
pub const ARGON2_LANES_MAX: u32 = 64;

/// How long an unlock takes unless the owner says otherwise: long for whoever guesses, bearable at each command.
pub const UNLOCK_TIME: Duration = Duration::from_secs(1);

/// Longest file that is sealed whole: a keyfill for the largest roster.
pub const SEALED_MAX: u64 = 128 << 20;

/// Rounds of emptying a folder: a process that was just ended may have left a file in between.
pub const EMPTY_ROUNDS: usize = 4;

/// Folders inside folders: ours are two deep; deeper ones are not ours to follow for ever.
pub const DEPTH_MAX: usize = 8;

/// How long the process that holds a device may take to be gone once it was killed.
pub const STOP_WAIT: Duration = Duration::from_secs(10);

/// Longest time a board may be off and have it counted from its wall clock: beyond, the clock is wrong.
pub const OFF_MAX_MS: u64 = 400 * 86_400_000;

/// The warning before a dead man's wipe begins this part of the limit before it (one tenth) …
pub const WARNING_PART: u64 = 10;
/// … but never earlier than this before it.
pub const WARNING_MAX_MS: u64 = 86_400_000;

/// Readings of a line that must agree before it counts: contacts bounce, and a wipe cannot be taken back.
pub const LINE_READINGS: u8 = 3;

/// The heap for secrets. A member's sessions, rooms and records of messages are some hundred KiB; with the stack it
/// stays below the 8 MiB that systems let a process lock.
pub const HEAP: usize = 3 << 20;
/// Larger allocations are content and rosters. The largest with keys in it is the state of the task that holds a home.
pub const HEAP_ALLOCATION_MAX: usize = 128 << 10;
/// A program's stack: what its main thread would have.
pub const STACK: usize = 8 << 20;
/// As much of it is locked, from where the program begins: more than an unoptimised build goes down, several times what
/// a release build does.
pub const STACK_LOCKED: usize = 4 << 20;
