//! Arguments of messages.

use super::AttachArgs;
use crate::duration::Span;
use clap::{Args, ValueEnum};
use picket_wire::{MessageId, Precedence};
use std::path::PathBuf;

/// Arguments of `send`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The message is sealed and durable in the outbox when this returns; custody by a gateway is tried
for up to 5 s. With no gateway in reach the message stays queued (exit 0), and any later command
that attaches delivers it.

Messages of a short lifetime (up to an epoch, a day) are sealed under keys that are erased soon after
it on every device, whether they arrived or not: up to 1 h within 10 minutes of that hour, and so on.

Examples:
  picket send --home ./m/alpha --to bravo \"convoy at the bridge\"
  picket send --home ./m/alpha --to bravo --precedence flash --ttl 30m --wait delivered \"halt\"
  picket send --home ./m/alpha --to bravo --ttl 1h --burn 30s \"the code is 4711\"
  picket send --home ./m/alpha --room ops --order \"hold the bridge\"
  date | picket send --home ./m/alpha --to bravo -
  picket send --home ./m/alpha --to bravo --file ./photo.jpg")]
pub struct SendArgs {
    /// Home and way.
    #[command(flatten)]
    pub attach: AttachArgs,
    /// Name of the recipient.
    #[arg(long, value_name = "NAME", required_unless_present = "room")]
    pub to: Option<String>,
    /// Name of a room instead: all its members read it, and send no receipts.
    #[arg(long, value_name = "ROOM", conflicts_with_all = ["to", "burn"])]
    pub room: Option<String>,
    /// Sign it at once, 65 bytes more: everybody in the room knows who said it as soon as it comes.
    #[arg(long, requires = "room", conflicts_with = "to")]
    pub order: bool,
    /// Urgency: override, flash, immediate, priority, routine or deferred.
    #[arg(long, value_name = "PRECEDENCE", default_value = "routine")]
    pub precedence: Precedence,
    /// Lifetime, for example 90s, 30m, 24h, 3d; without it the mission's longest, which is also the most.
    #[arg(long, value_name = "TIME")]
    pub ttl: Option<Span>,
    /// Burn on reading: once read it lives this long at most, on both ends.
    #[arg(long, value_name = "TIME")]
    pub burn: Option<Span>,
    /// Send this file instead of a text; it is sealed whole, up to 64 KiB.
    #[arg(long, value_name = "F", conflicts_with = "text")]
    pub file: Option<PathBuf>,
    /// Wait until the message has come this far: exit 3 at --timeout (the message is kept), 4 when it expired or was
    /// refused.
    #[arg(long, value_name = "STATE")]
    pub wait: Option<Milestone>,
    /// How long to wait.
    #[arg(long, value_name = "TIME", default_value = "60s", requires = "wait")]
    pub timeout: Span,
    /// The text; - reads it from standard input.
    #[arg(required_unless_present = "file", allow_hyphen_values = false)]
    pub text: Option<String>,
}

impl SendArgs {
    /// Whom it is for: a member, or a room.
    #[must_use]
    pub fn recipient(&self) -> &str {
        self.room.as_deref().or(self.to.as_deref()).unwrap_or_default()
    }
}

/// How far a message is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Milestone {
    /// The first gateway has it durably.
    Custody,
    /// The recipient's device has it durably.
    Delivered,
    /// The recipient read it.
    Read,
}

/// Arguments of `inbox`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Attaches, takes everything the gateway holds, prints the mailbox oldest first and exits; with no
gateway in reach it prints what it has and exits with 6. Nothing is marked read: that is what
`picket read ID` is for.

Examples:
  picket inbox --home ./m/bravo --via unix:./m/run/gw2.sock
  picket inbox --home ./m/bravo --follow --json")]
pub struct InboxArgs {
    /// Home and way.
    #[command(flatten)]
    pub attach: AttachArgs,
    /// Stay, and print messages as they come; attaches again by itself.
    #[arg(long)]
    pub follow: bool,
}

/// Arguments of `read`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  picket read --home ./m/bravo 9c1185a5c5e9fc54
  picket read --home ./m/bravo 9c1185a5c5e9fc54 --output ./photo.jpg")]
pub struct ReadArgs {
    /// Home and way.
    #[command(flatten)]
    pub attach: AttachArgs,
    /// Id of the message, as `picket inbox` prints it.
    pub id: MessageId,
    /// Write the content here; needed for files on a terminal. In a folder a file keeps its name; - is standard output.
    #[arg(long, short, value_name = "PATH")]
    pub output: Option<PathBuf>,
}

/// Arguments of `sent`.
#[derive(Clone, Debug, Args)]
pub struct SentArgs {
    /// Home and way.
    #[command(flatten)]
    pub attach: AttachArgs,
}

/// Arguments of `recover`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
For a device that was lost and found, or whose home was copied. From now on nothing is sent from,
and nobody you wrote with sends to, a key that was there before: whoever copied it cannot read on.
Prekeys are also renewed without this, once in seven days or 200 messages between two who write to
each other. It does not stop a copy that is used to write in your name: only the authority can,
by revoking the device.

Example:
  picket recover --home ./m/alpha")]
pub struct RecoverArgs {
    /// Home and way.
    #[command(flatten)]
    pub attach: AttachArgs,
}
