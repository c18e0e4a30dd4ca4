//! Rooms as their members see them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use picket_wire::time::{Duration, Wall};
use picket_wire::{Index, MessageId, Precedence};

use crate::error::ComposeError;
use crate::listen::ListenError;
use crate::message::{Content, Trust};
use crate::vault::VaultError;

/// A room to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomDraft {
    /// Its name.
    pub name: String,
    /// Every message is signed.
    pub signed_only: bool,
    /// Greatest lifetime of a message; `None` is the mission's D.
    pub lifetime: Option<Duration>,
    /// Most members; `None` is as many as a room may have.
    pub most: Option<u8>,
    /// Name of the member that keeps what is said: it is invited, and shown as such to all.
    pub retention: Option<String>,
}

/// A message to a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomMessage {
    /// The room's name, or its index in hex.
    pub room: String,
    /// Signed at once: everybody knows who said it as soon as it comes.
    pub order: bool,
    /// Urgency.
    pub precedence: Precedence,
    /// Lifetime from now; `None` is the room's greatest.
    pub ttl: Option<Duration>,
    /// Text or file.
    pub content: Content,
}

/// A room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomView {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: Index,
    /// Whether we take part; otherwise we are invited.
    pub joined: bool,
    /// Version of its state.
    pub version: u32,
    /// Every message is signed.
    pub signed_only: bool,
    /// Greatest lifetime of a message.
    pub lifetime: Duration,
    /// Most members.
    pub most: u8,
    /// Its members, by index.
    pub members: Vec<RoomMember>,
    /// What must not happen and did, oldest first.
    pub alarms: Vec<RoomAlarm>,
    /// Somebody has its keys who is of the mission no more: nobody writes there until they are changed.
    pub lapsed: bool,
    /// Who is to change them then; `None`: nobody is left who could.
    pub keeper: Option<String>,
}

/// A member of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomMember {
    /// Who.
    pub index: Index,
    /// Its name.
    pub name: String,
    /// Invites, removes and promotes.
    pub moderator: bool,
    /// Keeps what is said.
    pub retention: bool,
    /// Of the mission no more, revoked or off the roster: nothing of it is shown.
    pub gone: bool,
    /// Whether it has joined, as far as a moderator was told; `None`: not ours to know.
    pub joined: Option<bool>,
}

/// Something that must not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomAlarm {
    /// In whose name.
    pub from: String,
    /// A member wrote in another's name; otherwise a moderator signed two states of one version.
    pub forged: bool,
    /// When, if wall time was known.
    pub at: Option<Wall>,
}

/// What happened in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// We are invited.
    Invited {
        /// By whom.
        by: Index,
    },
    /// Who is in it, or a rule, changed.
    Changed {
        /// Who changed it.
        by: Index,
    },
    /// We are in it no more.
    Removed {
        /// Who removed us.
        by: Index,
    },
    /// Members are of the mission no more, revoked or off the roster. Nothing of them is shown, and nobody writes to the
    /// room until its keys are changed.
    Lapsed {
        /// They.
        gone: Vec<Index>,
        /// Who changes the keys; `None`: nobody is left.
        keeper: Option<Index>,
        /// It is no moderator yet: no moderator is left, and it takes over.
        heir: bool,
    },
    /// A member takes part now.
    Joined {
        /// Who.
        member: Index,
    },
    /// It is known now who wrote a message.
    Settled {
        /// Which.
        id: MessageId,
        /// [`Trust::Confirmed`], [`Trust::Signed`], or [`Trust::Forged`]: an alarm.
        trust: Trust,
    },
    /// ALARM: a member wrote in another's name, or a moderator signed two states of one version. Kept in
    /// [`RoomView::alarms`].
    Alarm {
        /// In whose name.
        from: Index,
        /// The first.
        forged: bool,
    },
}

/// Why a room is not changed, or not written to. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomError {
    /// We are in no room of that name.
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// Several rooms have that name.
    Ambiguous {
        /// The name asked for.
        name: String,
    },
    /// There is a room of that name already.
    Exists {
        /// The name.
        name: String,
    },
    /// A name is 1 to 32 bytes, printable, without slashes.
    Name,
    /// Nobody of that name among the members of the mission.
    Member {
        /// The name asked for.
        name: String,
    },
    /// Not in the room.
    NotSeated {
        /// The name asked for.
        name: String,
    },
    /// In the room already.
    Seated {
        /// The name asked for.
        name: String,
    },
    /// Only its moderators may do that.
    NotModerator,
    /// We are invited and have not joined.
    NotJoined,
    /// The room is full.
    Full,
    /// We are in as many rooms as a gateway listens for.
    TooMany,
    /// We are its only moderator, and others are in it.
    LastModerator,
    /// Its keys are not here: a moderator is asked for them.
    NoKeys,
    /// Its keys are known to members who are of the mission no more, and are to be changed by another.
    Lapsed {
        /// They.
        gone: Vec<String>,
        /// Who changes them; it is asked to. `None`: nobody is left who could.
        keeper: Option<String>,
    },
    /// The lifetime is above the room's.
    TtlTooLong {
        /// The longest allowed.
        max: Duration,
    },
    /// As for any message.
    Compose(ComposeError),
    /// The vault did not take it.
    Vault(VaultError),
}

impl fmt::Display for RoomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name } => write!(f, "you are in no room named \"{name}\": `picket room list` shows yours"),
            Self::Ambiguous { name } => {
                write!(f, "several rooms are named \"{name}\": name it by its index, as `picket room list` shows it")
            }
            Self::Exists { name } => write!(f, "there is a room named \"{name}\" already: choose another name"),
            Self::Name => f.write_str("a room's name is 1 to 32 bytes, printable, without slashes"),
            Self::Member { name } => {
                write!(f, "the roster lists no other member named \"{name}\": check the name, or import a newer roster")
            }
            Self::NotSeated { name } => write!(f, "\"{name}\" is not in this room"),
            Self::Seated { name } => write!(f, "\"{name}\" is in this room already"),
            Self::NotModerator => {
                f.write_str("only a moderator of the room may do that: `picket room list` shows them")
            }
            Self::NotJoined => f.write_str("you are invited and have not joined: `picket room join` first"),
            Self::Full => f.write_str("the room has as many members as it may have: remove one first"),
            Self::TooMany => f.write_str("you are in as many rooms as a device may be: leave one first"),
            Self::LastModerator => {
                f.write_str("you are the only moderator of this room: promote another one first, or remove all others")
            }
            Self::NoKeys => {
                f.write_str("the room's keys are not here yet; a moderator is asked for them: try again later")
            }
            Self::Lapsed { gone, keeper: Some(keeper) } => write!(
                f,
                "the keys of this room are known to {}, of the mission no more; {keeper} changes them and is asked to: try \
                 again soon, or make a new room: `picket room create`",
                gone.join(", ")
            ),
            Self::Lapsed { gone, keeper: None } => write!(
                f,
                "the keys of this room are known to {}, of the mission no more, and nobody is left to change them: make a \
                 new room: `picket room create`",
                gone.join(", ")
            ),
            Self::TtlTooLong { max } => write!(f, "messages of this room live {} s at most", max.as_secs()),
            Self::Compose(e) => e.fmt(f),
            Self::Vault(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for RoomError {}

impl From<VaultError> for RoomError {
    fn from(e: VaultError) -> Self {
        Self::Vault(e)
    }
}

impl From<ComposeError> for RoomError {
    fn from(e: ComposeError) -> Self {
        Self::Compose(e)
    }
}

impl From<ListenError> for RoomError {
    fn from(e: ListenError) -> Self {
        match e {
            ListenError::Vault(e) => Self::Vault(e),
            ListenError::Rooms(_) | ListenError::Exhausted => Self::TooMany,
        }
    }
}
