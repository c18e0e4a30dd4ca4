//! Messages as their owner sees them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use picket_wire::control::{NoticeReason, RefuseReason};
use picket_wire::time::{Duration, Wall};
use picket_wire::{Index, MessageId, Precedence};
use serde::{Deserialize, Serialize};

/// What a message carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text.
    Text(String),
    /// A file.
    File {
        /// Its name without folders.
        name: String,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Name of the recipient in the roster.
    pub to: String,
    /// Urgency.
    pub precedence: Precedence,
    /// Lifetime from now; `None` is the mission's D, which is also the longest.
    pub ttl: Option<Duration>,
    /// Burn-on-read: once read it lives this long at most, on both ends.
    pub burn: Option<Duration>,
    /// Text or file.
    pub content: Content,
}

/// State of a message at its sender. It only moves forward: queued → custody → delivered → read, or it ends as expired
/// or refused. A receipt that comes after a message expired here still counts: the recipient has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Durable in the outbox.
    Queued,
    /// The first gateway has it durably.
    Custody,
    /// The recipient's endpoint opened it and its mailbox is durable.
    Delivered,
    /// The recipient read it.
    Read,
    /// Its lifetime ended before a receipt came.
    Expired,
    /// It will not be delivered.
    Refused(RefusedBecause),
}

/// Why a message was refused for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusedBecause {
    /// Our gateway will never take it.
    Gateway(RefuseReason),
    /// A gateway on the way gave it up.
    Notice {
        /// Why.
        reason: NoticeReason,
        /// Which gateway says so.
        gateway: Index,
        /// Its MAC verified; otherwise anyone on the way may have said so.
        verified: bool,
    },
    /// The recipient could not open it, and it could not be sealed again.
    CannotSealAgain,
    /// The recipient is revoked.
    Revoked,
}

/// One state reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The state.
    pub state: State,
    /// When, if wall time was known.
    #[serde(with = "optional_wall")]
    pub at: Option<Wall>,
}

/// `Option<Wall>` as optional milliseconds.
pub(crate) mod optional_wall {
    use picket_wire::time::Wall;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    // The signature that serde's `with` asks for.
    #[allow(clippy::trivially_copy_pass_by_ref, clippy::ref_option)]
    pub(crate) fn serialize<S: Serializer>(wall: &Option<Wall>, s: S) -> Result<S::Ok, S::Error> {
        wall.map(|w| w.0).serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Wall>, D::Error> {
        Ok(Option::<u64>::deserialize(d)?.map(Wall))
    }
}

/// Why a message is where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Queued: there is no way to a gateway (none configured, or the link is down).
    NoWay,
    /// Queued: the link works but no gateway has answered yet.
    NoGateway,
    /// Queued: others are offered first.
    Behind {
        /// Messages offered before it.
        others: usize,
    },
    /// Queued: offered, no custody yet.
    Offered {
        /// Name of the gateway.
        gateway: String,
    },
    /// Queued: the gateway did not take it, offered again later.
    NotTaken {
        /// Name of the gateway.
        gateway: String,
        /// Why.
        reason: RefuseReason,
        /// Time until it is offered again.
        retry: Duration,
    },
    /// Custody: the recipient has not been heard from.
    InCustody {
        /// Name of the gateway.
        gateway: String,
    },
    /// Delivered: not read yet.
    NotRead,
    /// Read, expired or refused: nothing more will happen.
    Done,
}

/// A message sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its id, the same everywhere.
    pub id: MessageId,
    /// Index of the recipient.
    pub to: Index,
    /// Name of the recipient.
    pub to_name: String,
    /// Urgency.
    pub precedence: Precedence,
    /// What it carries, as long as it is not expired.
    pub shown: Option<Shown>,
    /// State now.
    pub state: State,
    /// Every state reached, in order, beginning with `Queued`.
    pub steps: Vec<Step>,
    /// When its lifetime ends, if wall time is known.
    pub expires: Option<Wall>,
    /// Why it waits.
    pub why: Why,
}

/// Content as it is listed: the text, or name, size and digest of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shown {
    /// The text.
    Text(String),
    /// A file.
    File {
        /// Its name.
        name: String,
        /// Its size in bytes.
        bytes: u64,
        /// SHA-256 over its bytes.
        sha256: [u8; 32],
    },
}

/// How sure it is who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trust {
    /// Sealed with the sender's own keys, as the roster lists them.
    Authentic,
}

/// State of a message at its recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IncomingState {
    /// Not read.
    New,
    /// Read.
    Read,
}

/// A message in the mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Its id, the same everywhere.
    pub id: MessageId,
    /// Index of the sender.
    pub from: Index,
    /// Name of the sender.
    pub from_name: String,
    /// Our own name.
    pub to_name: String,
    /// Urgency.
    pub precedence: Precedence,
    /// What it carries.
    pub shown: Shown,
    /// When it was sent, by the sender's clock, if that was known.
    pub sent: Option<Wall>,
    /// When it arrived here, if wall time was known.
    pub received: Option<Wall>,
    /// When its lifetime ends, if wall time is known.
    pub expires: Option<Wall>,
    /// How sure it is who wrote it.
    pub trust: Trust,
    /// Burn-on-read: how long it lives once it is read.
    pub burn: Option<Duration>,
    /// Read or not.
    pub state: IncomingState,
    /// Position in the mailbox: strictly growing with arrival, so that `inbox --follow` can go on where it was.
    pub position: u64,
}

/// The body of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Sender.
    pub from: Index,
    /// The content.
    pub content: Content,
}

impl State {
    /// The word of the interface.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Custody => "custody",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Expired => "expired",
            Self::Refused(_) => "refused",
        }
    }

    /// Nothing more can happen to it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Read | Self::Expired | Self::Refused(_))
    }

    /// How far along: a state may only be replaced by one of a higher rank (spec §70.5).
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::Custody => 1,
            Self::Expired | Self::Refused(_) => 2,
            Self::Delivered => 3,
            Self::Read => 4,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for RefusedBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(reason) => f.write_str(refusal(*reason)),
            Self::Notice { reason, verified, .. } => {
                f.write_str(match reason {
                    NoticeReason::Expired => "its lifetime ended on the way",
                    NoticeReason::HopLimit => "it passed through too many gateways",
                    NoticeReason::Damaged => "a gateway's copy of it was damaged",
                    NoticeReason::UnknownDestination => "a gateway does not know the recipient",
                })?;
                f.write_str(if *verified { "" } else { " (unverified: the notice's MAC is wrong)" })
            }
            Self::CannotSealAgain => f.write_str("the recipient could not open it and it could not be sealed again"),
            Self::Revoked => f.write_str("the recipient is revoked"),
        }
    }
}

/// A custodian's refusal in words.
#[must_use]
pub const fn refusal(reason: RefuseReason) -> &'static str {
    match reason {
        RefuseReason::Full => "gateway full",
        RefuseReason::PassedOn => "the gateway passed it on already",
        RefuseReason::Expired => "its lifetime is over",
        RefuseReason::HopLimit => "it passed through too many gateways",
        RefuseReason::UnknownDestination => "the gateway's roster does not list the recipient",
        RefuseReason::RateLimited => "too much in too short a time",
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWay => f.write_str("no gateway in reach: the link is down"),
            Self::NoGateway => f.write_str("no gateway in reach: none has answered yet"),
            Self::Behind { others } => write!(f, "waits behind {others} others"),
            Self::Offered { gateway } => write!(f, "offered to {gateway}, no custody yet"),
            Self::NotTaken { gateway, reason, retry } => {
                write!(f, "offered to {gateway}, no custody yet: {}, retry in {} s", refusal(*reason), retry.as_secs())
            }
            Self::InCustody { gateway } => write!(f, "in custody of {gateway}, recipient not heard from"),
            Self::NotRead => f.write_str("delivered, not read yet"),
            Self::Done => f.write_str("done"),
        }
    }
}

impl Trust {
    /// The word of the interface.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authentic => "authentic",
        }
    }
}

impl IncomingState {
    /// The word of the interface.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Read => "read",
        }
    }
}
