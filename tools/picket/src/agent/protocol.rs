//! What a command and the holder of a home say to each other: in one process over a channel, between processes as JSON
//! lines at `H/agent.sock`.
//!
//! The holder begins with [`Challenge`], the other answers with [`Proof`] that it knows the home's key; then requests
//! one way and replies the other. Both sides are of the same user; the protocol is not a stable contract.

use crate::error::{Exit, Failure};
use crate::rows::{InboxRow, RoomRow, SentRow, StateRow, VerifyRow};
use serde::{Deserialize, Serialize};

/// First line, from the holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// Version of this protocol.
    pub v: u32,
    /// The holder's process.
    pub pid: u32,
    /// Random hex.
    pub challenge: String,
}

/// Second line: HMAC of the challenge under the home's key, as hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Hex.
    pub proof: String,
}

/// Version of this protocol.
pub const VERSION: u32 = 5;

/// What a message carries, on its way between processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// Text.
    Text(String),
    /// A file.
    File {
        /// Its name without folders.
        name: String,
        /// Its bytes as hex.
        hex: String,
    },
}

/// What is asked of the holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Use these ways. Refused when others are in use. Answered by [`Reply::Ready`].
    Ways(Vec<String>),
    /// Seal and send. Answered by the states reached, from now on.
    Send {
        /// Name of the recipient, or of the room.
        to: String,
        /// To a room: whether signed at once.
        room: Option<bool>,
        /// Precedence by name.
        precedence: String,
        /// Lifetime in milliseconds; the mission's longest when absent.
        ttl_ms: Option<u64>,
        /// Lifetime once it is read, in milliseconds; as any other when absent.
        burn_ms: Option<u64>,
        /// Content.
        load: Load,
    },
    /// Answered by the states reached so far and from now on.
    Watch(String),
    /// Answered by the mailbox, then by new messages as they come.
    Inbox,
    /// Answered by [`Reply::Body`].
    Body(String),
    /// Answered by [`Reply::Marked`].
    MarkRead(String),
    /// Answered by [`Reply::Sent`].
    Sent,
    /// Emission control, already written down in the home: follow it at once. Answered by [`Reply::Emcon`].
    Emcon(String),
    /// Something with rooms. Answered by [`Reply::Rooms`].
    Room(RoomRequest),
    /// The device was in other hands: fresh keys, and the members we know are told. Answered by [`Reply::Renewed`].
    Renew,
    /// Make keys for further epochs, so many if it says. Answered by [`Reply::Extension`].
    Extend(Option<u16>),
    /// Put the roster or revocation in this file in force. Answered by [`Reply::Roster`] or [`Reply::Rekeyed`].
    Roster(String),
    /// What is to be compared with this member, or with all. Answered by [`Reply::Verify`].
    Verify(Option<String>),
    /// The keys with this digest were compared with this member. Answered by [`Reply::Verify`].
    Confirm {
        /// Its name.
        member: String,
        /// Its fingerprint as hex.
        sha256: String,
    },
}

/// What is asked with rooms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomRequest {
    /// All rooms.
    List,
    /// Make one.
    Create {
        /// Its name.
        name: String,
        /// Every message is signed.
        signed_only: bool,
        /// Greatest lifetime in milliseconds; the mission's longest when absent.
        lifetime_ms: Option<u64>,
        /// Most members.
        most: Option<u8>,
        /// Who keeps what is said.
        retention: Option<String>,
    },
    /// Seat a member.
    Invite {
        /// The room.
        room: String,
        /// The member.
        member: String,
    },
    /// Take its seat.
    Remove {
        /// The room.
        room: String,
        /// The member.
        member: String,
    },
    /// Make it a moderator.
    Promote {
        /// The room.
        room: String,
        /// The member.
        member: String,
    },
    /// Take part.
    Join(String),
    /// Leave, or refuse.
    Leave(String),
}

/// How far the holder's attachment is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Nothing known yet.
    Trying,
    /// No gateway; why.
    Unreachable(String),
    /// Attached to this gateway.
    Attached(String),
    /// And everything it held for us is in the mailbox.
    Drained(String),
    /// And nothing waits to go out any more.
    Idle(String),
}

/// What the holder answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Requests may come.
    Ready,
    /// How far the attachment is: sent first, and at every change.
    Reach(Reach),
    /// A message sent reached a state.
    State(StateRow),
    /// The mailbox, or a part of it.
    Mailbox {
        /// Messages, oldest first.
        messages: Vec<InboxRow>,
        /// Further parts follow.
        more: bool,
    },
    /// A new message.
    Message(Box<InboxRow>),
    /// One message with its content.
    Body {
        /// As listed.
        message: Box<InboxRow>,
        /// Its content.
        load: Load,
    },
    /// It counts as read.
    Marked,
    /// Messages sent, or a part of them.
    Sent {
        /// Messages, oldest first.
        messages: Vec<SentRow>,
        /// Further parts follow.
        more: bool,
    },
    /// Rooms, or a part of them.
    Rooms {
        /// By id.
        rooms: Vec<RoomRow>,
        /// Further parts follow.
        more: bool,
    },
    /// So many members are told.
    Renewed(usize),
    /// A request to have keys of further epochs listed.
    Extension {
        /// Our own name.
        name: String,
        /// The request's bytes as hex.
        hex: String,
        /// The first epoch.
        first: u32,
        /// How many.
        epochs: u32,
        /// It was made before.
        again: bool,
    },
    /// The roster in force.
    Roster {
        /// Its version.
        version: u32,
        /// It was in force already.
        same: bool,
    },
    /// The network key in force, after a revocation.
    Rekeyed {
        /// Its generation.
        generation: u8,
        /// It was in force already.
        same: bool,
    },
    /// The state of emission control in force.
    Emcon(String),
    /// What is to be compared, member by member, or a part of it.
    Verify {
        /// By index.
        members: Vec<VerifyRow>,
        /// Further parts follow.
        more: bool,
    },
    /// Something the owner should know.
    Note(String),
    /// The last request was refused.
    Failed {
        /// Exit code.
        exit: u8,
        /// What is wrong.
        message: String,
        /// What to do.
        next: String,
    },
}

impl From<Failure> for Reply {
    fn from(f: Failure) -> Self {
        Self::Failed { exit: f.exit as u8, message: f.message, next: f.next }
    }
}

impl Reply {
    /// A reply too long for one line as several.
    pub fn split(self) -> impl Iterator<Item = Self> {
        let parts: Vec<Self> = match self {
            Self::Mailbox { messages, more } => {
                let last = messages.len();
                parts(messages, |m, n| Self::Mailbox { messages: m, more: more || n < last })
            }
            Self::Sent { messages, more } => {
                let last = messages.len();
                parts(messages, |m, n| Self::Sent { messages: m, more: more || n < last })
            }
            Self::Verify { members, more } => {
                let last = members.len();
                parts(members, |m, n| Self::Verify { members: m, more: more || n < last })
            }
            Self::Rooms { rooms, more } => {
                let last = rooms.len();
                parts(rooms, |r, n| Self::Rooms { rooms: r, more: more || n < last })
            }
            other => vec![other],
        };
        parts.into_iter()
    }
}

/// One part for each row, numbered from 1; one empty part for none.
fn parts<T>(rows: Vec<T>, part: impl Fn(Vec<T>, usize) -> Reply) -> Vec<Reply> {
    if rows.is_empty() {
        return vec![part(rows, 0)];
    }
    rows.into_iter().enumerate().map(|(n, row)| part(vec![row], n + 1)).collect()
}

/// A refusal as the failure it was.
#[must_use]
pub fn failed(exit: u8, message: String, next: String) -> Failure {
    Failure { exit: Exit::from_code(exit), message, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_listing_is_cut_into_lines_and_the_last_says_so() {
        assert_eq!(Reply::Sent { messages: vec![], more: false }.split().count(), 1);
        assert_eq!(Reply::Marked.split().collect::<Vec<_>>(), [Reply::Marked]);
    }
}
