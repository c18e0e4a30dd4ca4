//! Times of the leaf, each with its reason.

use picket_wire::time::Duration;

/// First pause between two hellos while no gateway answers; doubled each time.
pub const HELLO_FIRST: Duration = Duration::from_secs(1);

/// Longest pause between two hellos: a gateway that comes into reach says hello itself, this only covers a lost one.
pub const HELLO_MAX: Duration = Duration::from_secs(30);

/// Hellos of many members that lost the same gateway at once are spread over this time by their index.
pub const HELLO_SPREAD: Duration = Duration::from_millis(500);

/// How long the owner may take to make a claim before the search begins anew.
pub const CLAIM_WITHIN: Duration = Duration::from_secs(10);

/// How long a gateway may take to answer an attachment on a socket (it syncs its store first); on air the time of
/// [`ATTACH_AIR_BYTES`] is added.
pub const ATTACH_ANSWER: Duration = Duration::from_secs(2);

/// Bytes that may be on air before the answer to an attachment: a fragment burst in progress, the claim, the answer.
pub const ATTACH_AIR_BYTES: usize = 2_000;

/// Longest pause between two attachments of the same claim.
pub const ATTACH_MAX: Duration = Duration::from_secs(60);

/// Claims sent without an answer before another gateway is looked for.
pub const ATTACH_TRIES: u32 = 6;

/// A gateway that says hello again within this time does not make us attach again: it answers others.
pub const REATTACH_EVERY: Duration = Duration::from_secs(5);

/// Silence after which the gateway is asked whether it is there, where air costs nothing (sockets).
pub const SILENCE_SOCKET: Duration = Duration::from_secs(30);

/// The same on air, where a probe costs some 20 ms at 9600 bit/s.
pub const SILENCE_AIR: Duration = Duration::from_secs(300);

/// Pause between two such questions.
pub const PROBE_EVERY: Duration = Duration::from_secs(10);

/// Questions without an answer before the gateway counts as lost.
pub const PROBES: u32 = 3;

/// Furthest that a gateway's word may push our sequence: the rest of 32 bits stays out of a rogue gateway's reach.
pub const OUTRUN_MAX: u32 = 1 << 20;

/// Pause before the word of the rooms is offered again when the gateway, or our own link, had no room for it.
pub const LISTENS_RETRY: Duration = Duration::from_secs(5);
