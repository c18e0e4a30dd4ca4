//! Arguments of `room`.

use super::AttachArgs;
use crate::duration::Span;
use clap::{Args, Subcommand};

/// What to do with rooms.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A room is made by a member, on her device, without the authority. Its moderators say who is in it;
every change of that changes the room's keys. Messages: `picket send --room NAME`.

How sure it is who wrote a message in a room (`trust` in the mailbox):
  signed     its sender signed it: an order, or any message of a signed-only room
  confirmed  its sender's device confirmed it afterwards, with others (within a minute)
  member     some member of the room wrote it; who, is not known yet
  forged     ALARM: another member wrote it in this name

Examples:
  picket room create ops --home ./m/alpha
  picket room invite ops bravo --home ./m/alpha
  picket room join ops --home ./m/bravo
  picket send --room ops --order \"hold the bridge\" --home ./m/alpha")]
pub enum RoomCommand {
    /// Make a room; you are its first moderator.
    Create(RoomCreateArgs),
    /// List your rooms and invitations: members, rules, moderators, whose keys were compared, alarms.
    List(RoomListArgs),
    /// Seat a member and hand over the keys; the member decides whether to join.
    Invite(RoomMemberArgs),
    /// Take part in a room you are invited to.
    Join(RoomArgs),
    /// Take a member's seat and change the keys: nothing said from then on opens for it.
    Remove(RoomMemberArgs),
    /// Make a member a moderator, who invites, removes and promotes.
    Promote(RoomMemberArgs),
    /// Leave a room, or refuse an invitation; a moderator's device changes the keys.
    Leave(RoomArgs),
}

/// Arguments of `room create`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  picket room create ops --home ./m/alpha
  picket room create orders --signed-only --lifetime 6h --max-members 12 --home ./m/alpha
  picket room create board --retention archive --home ./m/alpha")]
pub struct RoomCreateArgs {
    /// Home and way.
    #[command(flatten)]
    pub attach: AttachArgs,
    /// Its name, 1 to 32 bytes.
    pub name: String,
    /// Every message is signed: 65 bytes more each, and nothing is ever unconfirmed.
    #[arg(long)]
    pub signed_only: bool,
    /// Greatest lifetime of its messages; without it the mission's longest.
    #[arg(long, value_name = "TIME")]
    pub lifetime: Option<Span>,
    /// Most members, at most 64.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub max_members: Option<u8>,
    /// The member that keeps what is said here: an ordinary member, shown as such to all.
    #[arg(long, value_name = "MEMBER")]
    pub retention: Option<String>,
}

/// Arguments of `room list`.
#[derive(Clone, Debug, Args)]
pub struct RoomListArgs {
    /// Home and way.
    #[command(flatten)]
    pub attach: AttachArgs,
}

/// A room.
#[derive(Clone, Debug, Args)]
pub struct RoomArgs {
    /// Home and way.
    #[command(flatten)]
    pub attach: AttachArgs,
    /// Name of the room, or its index as `picket room list` shows it.
    pub room: String,
}

/// A room and a member.
#[derive(Clone, Debug, Args)]
pub struct RoomMemberArgs {
    /// Home and way.
    #[command(flatten)]
    pub attach: AttachArgs,
    /// Name of the room, or its index as `picket room list` shows it.
    pub room: String,
    /// Name of the member.
    pub member: String,
}
