//! `picket room`.

use super::{Aim, await_reach, from_now, holder_ended};
use crate::agent::protocol::{Reply, Request, RoomRequest};
use crate::agent::session::{Gone, Session};
use crate::cli::{AttachArgs, RoomCommand};
use crate::error::{Exit, Failure};
use crate::limits;
use crate::output::{Output, table};
use crate::rows::RoomRow;
use tokio::time::Instant;

/// Does what is asked with a room; what other members have to know goes out where a gateway is in reach.
///
/// # Errors
/// As the exit codes say.
pub async fn room(command: RoomCommand, out: Output) -> Result<Exit, Failure> {
    let (attach, request, done) = asked(command);
    let (_home, mut session) = super::open(&attach, &out).await?;
    let outcome = run(&mut session, request, done, &out).await;
    session.close().await?;
    outcome
}

async fn run(session: &mut Session, request: RoomRequest, done: Option<String>, out: &Output) -> Result<Exit, Failure> {
    let began = Instant::now();
    if done.is_none() || matches!(request, RoomRequest::Join(_)) {
        // What waits for us may be an invitation.
        let end = from_now(limits::CUSTODY_TRY);
        await_reach(session, Aim::Drained, began, Some(end), |reply| note(reply, out)).await?;
    }
    session.ask(Request::Room(request)).await.map_err(|Gone| holder_ended())?;
    let mut rooms: Vec<RoomRow> = Vec::new();
    super::await_reply(session, out, |reply| match reply {
        Reply::Rooms { rooms: some, more } => {
            rooms.extend(some);
            (!more).then_some(())
        }
        _ => None,
    })
    .await?;
    match done {
        None => list(&rooms, out)?,
        Some(text) => {
            rooms.iter().try_for_each(|row| out.object(row))?;
            out.say(&text)?;
            let end = from_now(limits::CUSTODY_TRY);
            await_reach(session, Aim::Idle, began, Some(end), |reply| note(reply, out)).await?;
        }
    }
    Ok(Exit::Done)
}

fn note(reply: Reply, out: &Output) -> Result<(), Failure> {
    if let Reply::Note(text) = reply {
        out.warn(&text);
    }
    Ok(())
}

/// Home and way, what is asked of the holder, and what is said when it is done.
fn asked(command: RoomCommand) -> (AttachArgs, RoomRequest, Option<String>) {
    match command {
        RoomCommand::Create(a) => {
            let done = format!("Room {} is made. next: picket room invite {} MEMBER", a.name, a.name);
            let lifetime_ms = a.lifetime.map(|t| u64::try_from(t.0.as_millis()).unwrap_or(u64::MAX));
            let request = RoomRequest::Create {
                name: a.name,
                signed_only: a.signed_only,
                lifetime_ms,
                most: a.max_members,
                retention: a.retention,
            };
            (a.attach, request, Some(done))
        }
        RoomCommand::List(a) => (a.attach, RoomRequest::List, None),
        RoomCommand::Invite(a) => {
            let done = format!("{0} is invited to {1}. next, there: picket room join {1}", a.member, a.room);
            (a.attach, RoomRequest::Invite { room: a.room, member: a.member }, Some(done))
        }
        RoomCommand::Join(a) => {
            let done = format!("You take part in {0}. next: picket send --room {0} TEXT", a.room);
            (a.attach, RoomRequest::Join(a.room), Some(done))
        }
        RoomCommand::Remove(a) => {
            let done = format!("{} is out of {}; its keys are changed.", a.member, a.room);
            (a.attach, RoomRequest::Remove { room: a.room, member: a.member }, Some(done))
        }
        RoomCommand::Promote(a) => {
            let done = format!("{} is a moderator of {}.", a.member, a.room);
            (a.attach, RoomRequest::Promote { room: a.room, member: a.member }, Some(done))
        }
        RoomCommand::Leave(a) => {
            let done = format!("You are out of {}; its keys are gone from this device.", a.room);
            (a.attach, RoomRequest::Leave(a.room), Some(done))
        }
    }
}

fn list(rooms: &[RoomRow], out: &Output) -> Result<(), Failure> {
    rooms.iter().try_for_each(|row| out.object(row))?;
    if rooms.is_empty() {
        return out.say("You are in no room. next: picket room create NAME");
    }
    for room in rooms {
        out.say(&page(room))?;
    }
    Ok(())
}

fn page(room: &RoomRow) -> String {
    let standing = if room.joined { "joined" } else { "INVITED: `picket room join` or `picket room leave`" };
    let signed = if room.signed_only { ", signed only" } else { "" };
    let mut lines = vec![format!(
        "{} ({})  {standing}\n  at most {} members, messages live {} s at most{signed}",
        room.name, room.index, room.most, room.lifetime_s
    )];
    let cells: Vec<Vec<String>> = room
        .members
        .iter()
        .map(|m| {
            let role = if m.moderator { "moderator" } else { "member" };
            let retention = if m.retention { ", KEEPS WHAT IS SAID" } else { "" };
            let joined = match m.joined {
                Some(true) => "joined",
                Some(false) => "invited",
                None => "",
            };
            vec![m.name.clone(), format!("{role}{retention}"), joined.into(), m.key.clone()]
        })
        .collect();
    lines.push(table(&["MEMBER", "ROLE", "STATE", "KEY"], &cells));
    if room.lapsed {
        lines.push(match &room.keeper {
            Some(keeper) => format!("  WAITS for {keeper} to change its keys: nobody writes there until then"),
            None => "  NOBODY is left to change its keys: make a new room, `picket room create`".into(),
        });
    }
    lines.extend(room.alarms.iter().map(|a| format!("  ALARM {}: {}", a.at.as_deref().unwrap_or("-"), a.what)));
    lines.join("\n")
}
