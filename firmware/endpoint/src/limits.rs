//! Every limit of the endpoint, with its reason.

use picket_wire::time::Duration;

/// Longest key given to the vault: a short name, an index and a message id.
pub const VAULT_KEY_MAX: usize = 32;

/// Longest transaction given to the vault: one envelope, its content and two session states, or one piece of a roster.
pub const VAULT_COMMIT_MAX: usize = 1 << 20;

/// A roster is kept in pieces of this many bytes, so that no value of the vault is large.
pub const ROSTER_PIECE: usize = 256 * 1024;

/// Longest text, and longest file (without its name), in bytes: what fits one envelope whatever else travels in it.
pub const CONTENT_MAX: usize = picket_seal::limits::BODY_MAX;

/// Longest file name in bytes: what the seal takes.
pub const FILE_NAME_MAX: usize = picket_seal::limits::FILE_NAME_MAX;

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

/// Own keys for fewer epochs than this are told of: at a day each there is a week for a request to reach the authority and
/// for its roster to come back.
pub const EPOCHS_FEW: u32 = 7;

/// Epochs by which clocks of device and authority may differ, when all of a device's keys are over and its request begins
/// anew instead of following them.
pub const CLOCKS_DIFFER_EPOCHS: u32 = 2;

/// Events waiting for the host. Hosts drain after every input, and one input makes few.
pub const EVENTS_MAX: usize = 4_096;

/// Shortest lifetime that can be asked for.
pub const TTL_MIN: Duration = Duration::from_secs(1);

/// In-band receive sessions of one peer and epoch with the same id: ids come round after 15 sessions, and only lost state
/// or unopened messages begin one. Above it the peer is asked for one with another id; none is ever dropped for it.
pub const SAME_ID_MAX: usize = 8;

/// CANNOT-OPEN answers: at most one a peer in this time.
pub const CANNOT_OPEN_EVERY: Duration = Duration::from_secs(30);

/// A prekey is announced to a peer again after this much of the home's age …
pub const ANNOUNCE_AGE: Duration = Duration::from_secs(7 * 86_400);

/// … or after so many messages, whichever comes first: 34 bytes each time.
pub const ANNOUNCE_AFTER: u32 = 200;

/// A prekey younger than this is announced to further peers as well; an older one is followed by another.
pub const PREKEY_AGE: Duration = Duration::from_secs(86_400);

/// Own announced prekeys kept: a week of new ones each day, and one in use. Ids on air go round after 64.
pub const PREKEYS_MAX: usize = 8;

/// Epochs for which a peer's announced prekey is used: twice the seven days after which it announces another.
pub const PREKEY_EPOCHS: u32 = 14;

/// One epoch may be entered without trusted wall time after this much of the device's own time.
pub const EPOCH_OWN_TIME: Duration = Duration::from_secs(24 * 3600);

/// Slots that are over are looked for at their boundaries, but no more often than this, however short an epoch is: the
/// sessions of every peer are read and rewritten.
pub const LANES_EVERY: Duration = Duration::from_secs(10);

/// Wait after a refusal that names no time.
pub const RETRY_DEFAULT: Duration = Duration::from_secs(30);

/// How often the home's age is written down where there is no wall time: so much may count twice too little.
pub const STAMP_EVERY: Duration = Duration::from_secs(60);

/// Things that end in one transaction.
pub const EXPIRE_AT_ONCE: usize = 64;

/// Times that a message is sealed again before its sender gives up.
pub const SEAL_AGAIN_MAX: usize = 3;

/// Envelopes that could not be opened yet and were refused for now, remembered in memory.
pub const NOT_YET_MAX: usize = 256;

/// Times that such an envelope is refused for now before its sender is asked to seal it again.
pub const NOT_YET_TRIES: u8 = 3;

/// What such a refusal asks the gateway to wait.
pub const NOT_YET_RETRY: Duration = Duration::from_secs(3);

/// A counter far ahead is followed at most once in this time: it costs up to 65 535 hashes.
pub const FAR_EVERY: Duration = Duration::from_secs(10);

/// Custodians a message may pass: two gateways are the rule, each further radio hop is one more; a bound on loops.
pub const HOP_LIMIT: u8 = 8;

/// Custodians a receipt may pass.
pub const RECEIPT_HOPS: u8 = HOP_LIMIT;

/// Rooms a device is in or invited to: as many as a gateway listens for.
pub const ROOMS_MAX: usize = 16;

/// Generations of a room's keys kept: changes of who is in it while a message is on its way.
pub const ROOM_KEYS_MAX: usize = 8;

/// Chains of one sender in a room and epoch: one for each time its home was opened. 130 bytes each at least.
pub const ROOM_CHAINS_MAX: usize = 256;

/// Alarms kept of a room, the newest.
pub const ROOM_ALARMS_MAX: usize = 16;

/// Messages of ours in a room that wait for an attestation: it comes after sixteen, unless their chain broke off.
pub const ROOM_PENDING_MAX: usize = 64;

/// Fewer than sixteen messages are attested after such a pause.
pub const ATTEST_PAUSE: Duration = Duration::from_secs(60);

/// A moderator is asked for a room's keys at most once in this time.
pub const ROOM_ASK_EVERY: Duration = Duration::from_secs(60);

/// Times that a message to a room is refused for now, twice as long each time: what it lacks comes from a moderator who may
/// be behind a way that is cut for hours. What never opens costs its way to us so many transmissions.
pub const ROOM_TRIES: u8 = 14;

/// The longest such pause.
pub const ROOM_RETRY_MAX: Duration = Duration::from_secs(1_800);

/// After a member was revoked its room's moderators act in turn, by index, this long after each other: the first may be
/// away. Whoever may not act asks as often.
pub const ROOM_TURN: Duration = Duration::from_secs(600);

/// When a vault did not take what follows from a roster, it is tried again.
pub const ROOM_FOLLOW_RETRY: Duration = Duration::from_secs(10);

/// What a message under keys we lack is asked to wait.
pub const ROOM_KEY_RETRY: Duration = Duration::from_secs(60);
