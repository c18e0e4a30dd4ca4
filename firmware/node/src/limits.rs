//! Limits of the node, each with its reason.

use picket_wire::time::Duration;

/// Answers owed for one parcel that is being written: ways by which the same parcel can arrive within one sync.
pub const OWED_MAX: usize = 8;

/// First pause before a link on which nobody was heard is greeted again.
pub const HELLO_FIRST: Duration = Duration::from_secs(4);

/// Longest such pause on an idle link: 15 bytes in five minutes.
pub const HELLO_MAX: Duration = Duration::from_secs(300);

/// Longest such pause while something waits: what is held must notice a neighbour that came up silently.
pub const HELLO_BUSY: Duration = Duration::from_secs(30);

/// How long a claim is offered to a neighbour that does not answer; then it waits until the neighbour is heard again.
pub const TELL_TIMEOUT: Duration = Duration::from_secs(60);

/// Precedence of claims between neighbours: what waits for the member may be urgent.
pub const CLAIM_PRECEDENCE: picket_wire::Precedence = picket_wire::Precedence::Immediate;

/// How long custody may be refused when the program is about to stop.
pub const DRAIN_RETRY: Duration = Duration::from_secs(5);

/// Pause before the store is asked again for what it could not read or write down: nobody has to hurry then.
pub const STORE_RETRY: Duration = Duration::from_secs(30);

/// Pause that a rate-limited uplink publisher is asked for.
pub const RATE_RETRY: Duration = Duration::from_secs(2);

/// Seconds of traffic that an uplink may bring at once.
pub const RATE_BURST_S: u64 = 10;

/// Answers published at a broker without PUBACK before further ones are dropped (and given when asked again).
pub const UPLINK_ANSWERS_MAX: usize = 4096;

/// Parcels offered per link and call: keeps one call short when a long queue meets a fast link.
pub const OFFERS_PER_CALL: usize = 1024;

/// Precedence of receipts and notices: people wait for them, and they are small.
pub const RECEIPT_PRECEDENCE: picket_wire::Precedence = picket_wire::Precedence::Priority;

/// Hop limit of receipts and notices.
pub const RECEIPT_HOPS: u8 = picket_wire::limits::HOP_LIMIT_MAX;

/// Answers kept while nothing may be sent, each with its record in the store: what a link machine remembers of one
/// busy link. Beyond it the least urgent is given when its parcel is offered again.
pub const DEBTS_MAX: usize = 4096;

/// Kept answers given to a link at once: so many are lost at most if the power fails before they are on air (their
/// parcels are offered again then), and an answer that becomes due meanwhile waits for so many at most.
pub const PAY_AHEAD: usize = 8;

/// Times a new signed object is sent by itself on each link: a silent station cannot say that it missed the first.
pub const OBJECT_PUSHES: u8 = 3;

/// Least pause before the same object, or the list of what we have, is said again on a link: whoever forges requests gets
/// a 250-byte revocation every ten seconds, a fiftieth of a 9600 bit/s channel.
pub const OBJECT_AGAIN: Duration = Duration::from_secs(10);

/// Pause between two parts of an object, and while its frames wait for air.
pub const OBJECT_WAIT: Duration = Duration::from_secs(1);

/// Stations that would say the same at once are spread over this time.
pub const OBJECT_JITTER_MS: u64 = 1_500;

/// How long a device that has nothing else to do waits for a newer object that its gateway says it has: a roster of 64 KiB
/// over a slow cable, a revocation at 1200 bit/s.
pub const OBJECT_PATIENCE: Duration = Duration::from_secs(8);

/// Signatures verified within [`OBJECT_CHECKS_PER`]: 5 ms each on a small board.
pub const OBJECT_CHECKS: u32 = 8;

/// See [`OBJECT_CHECKS`].
pub const OBJECT_CHECKS_PER: Duration = Duration::from_secs(10);

/// Pause after a broker is up before our objects are published there: the retained ones come first.
pub const OBJECT_PUBLISH: Duration = Duration::from_secs(3);
/// When a member whose word of listening is older than the one known comes back, if what it was told then was lost.
pub const OUTDATED_RETRY: Duration = Duration::from_secs(10);

/// Stations named when it is said why a parcel for a room waits: a line that a person still reads.
pub const WHY_BRANCHES: usize = 5;
