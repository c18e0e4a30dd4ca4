//! Every limit of the endpoint, with its reason.

use picket_wire::limits::{ENVELOPE_MAX, EXTENSION_MAX, HEADER_LEN, TAG_LEN};
use picket_wire::time::Duration;

/// Longest key given to the vault: a short name, an index and a message id.
pub const VAULT_KEY_MAX: usize = 32;

/// Longest transaction given to the vault: one envelope, its content and two session states, or one piece of a roster.
pub const VAULT_COMMIT_MAX: usize = 1 << 20;

/// A roster is kept in pieces of this many bytes, so that no value of the vault is large.
pub const ROSTER_PIECE: usize = 256 * 1024;

/// Content in front of text or file: kind and flags 1, original lifetime 1, sent time 3 (spec §70.3).
pub const CONTENT_OVERHEAD: usize = 5;

/// Longest text in bytes, and longest file counted with its name and one length byte: what fits one envelope.
/// Padding may need up to 63 bytes more, which are kept free.
pub const CONTENT_MAX: usize = ENVELOPE_MAX - HEADER_LEN - EXTENSION_MAX - TAG_LEN - CONTENT_OVERHEAD - 63;

/// Longest file name in bytes: what file systems take.
pub const FILE_NAME_MAX: usize = 255;

/// Most messages in the outbox that are not done: each may be a 64 KiB envelope on the medium.
pub const OUTBOX_MAX: usize = 1_000;

/// Most bytes of envelopes in the outbox.
pub const OUTBOX_BYTES_MAX: usize = 16 << 20;

/// Most messages in the mailbox that are not expired; above it a gateway is told to keep the rest.
pub const MAILBOX_MAX: usize = 10_000;

/// Most bytes of content in the mailbox.
pub const MAILBOX_BYTES_MAX: usize = 32 << 20;

/// What a full mailbox asks the gateway to wait.
pub const FULL_RETRY: Duration = Duration::from_secs(60);

/// Finished messages (states without content) kept for `picket sent` and for dedup; the oldest go first.
pub const FINISHED_MAX: usize = 5_000;

/// Parcels offered to the gateway at once: the rest waits in the outbox, most urgent first.
pub const OFFERED_MAX: usize = 16;

/// Events waiting for the host. Hosts drain after every input, and one input makes few.
pub const EVENTS_MAX: usize = 4_096;

/// Shortest lifetime that can be asked for.
pub const TTL_MIN: Duration = Duration::from_secs(1);

/// CANNOT-OPEN answers: at most one a peer in this time.
pub const CANNOT_OPEN_EVERY: Duration = Duration::from_secs(30);

/// One epoch may be entered without trusted wall time after this much of the device's own time.
pub const EPOCH_OWN_TIME: Duration = Duration::from_secs(24 * 3600);

/// Wait after a refusal that names no time.
pub const RETRY_DEFAULT: Duration = Duration::from_secs(30);
