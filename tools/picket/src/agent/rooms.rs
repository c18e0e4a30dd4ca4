//! Rooms, as the holder of a home answers for them.

use super::load::dice;
use super::protocol::{Load, RoomRequest};
use crate::clockwork::rfc3339;
use crate::error::{Exit, Failure};
use crate::refusals;
use crate::rows::{RoomAlarmRow, RoomMemberRow, RoomRow};
use crate::trust::Trust;
use crate::vault::{self, HomeVault};
use picket_endpoint::{Endpoint, RoomDraft, RoomError, RoomEvent, RoomMessage};
use picket_wire::time::{Duration, Instant};
use picket_wire::{MessageId, Precedence};

/// What a `send --room` asks for.
pub struct ToRoom {
    /// The room.
    pub room: String,
    /// Signed at once.
    pub order: bool,
    /// Urgency.
    pub precedence: Precedence,
    /// Lifetime.
    pub ttl: Option<Duration>,
    /// Content.
    pub load: Load,
}

/// Seals a message to a room.
///
/// # Errors
/// As the exit codes say.
pub fn compose(endpoint: &mut Endpoint<HomeVault>, now: Instant, asked: ToRoom) -> Result<MessageId, Failure> {
    let ToRoom { room, order, precedence, ttl, load } = asked;
    let message = RoomMessage { room, order, precedence, ttl, content: load.try_into()? };
    endpoint.compose_room(now, &message, &mut dice).map_err(refusal)
}

/// Does what is asked with a room; the rooms that are to be shown then.
///
/// # Errors
/// As the exit codes say.
pub fn act(
    endpoint: &mut Endpoint<HomeVault>,
    trust: &Trust,
    now: Instant,
    request: RoomRequest,
) -> Result<Vec<RoomRow>, Failure> {
    let shown = match request {
        RoomRequest::List => return Ok(rows(endpoint, trust)),
        RoomRequest::Create { name, signed_only, lifetime_ms, most, retention } => {
            let lifetime = lifetime_ms.map(Duration::from_millis);
            let draft = RoomDraft { name: name.clone(), signed_only, lifetime, most, retention };
            endpoint.room_create(now, &draft, &mut dice).map(|()| name)
        }
        RoomRequest::Invite { room, member } => endpoint.room_invite(now, &room, &member, &mut dice).map(|()| room),
        RoomRequest::Remove { room, member } => endpoint.room_remove(now, &room, &member, &mut dice).map(|()| room),
        RoomRequest::Promote { room, member } => endpoint.room_promote(now, &room, &member, &mut dice).map(|()| room),
        RoomRequest::Join(room) => endpoint.room_join(now, &room, &mut dice).map(|()| room),
        RoomRequest::Leave(room) => endpoint.room_leave(now, &room, &mut dice).map(|()| room),
    };
    let shown = shown.map_err(refusal)?;
    Ok(rows(endpoint, trust).into_iter().filter(|r| r.name == shown || r.index == shown).collect())
}

fn rows(endpoint: &Endpoint<HomeVault>, trust: &Trust) -> Vec<RoomRow> {
    let rooms = endpoint.rooms().into_iter().map(|room| RoomRow {
        name: room.name,
        index: format!("{:04x}", room.index.0),
        joined: room.joined,
        version: room.version,
        signed_only: room.signed_only,
        lifetime_s: room.lifetime.as_secs(),
        most: room.most,
        lapsed: room.lapsed,
        keeper: room.keeper,
        members: room
            .members
            .into_iter()
            .map(|m| RoomMemberRow {
                key: match m.index == endpoint.me() {
                    true => "own".into(),
                    false if m.gone => "gone".into(),
                    false => trust.standing(endpoint.roster(), m.index).name().into(),
                },
                name: m.name,
                moderator: m.moderator,
                retention: m.retention,
                joined: m.joined,
            })
            .collect(),
        alarms: room
            .alarms
            .into_iter()
            .map(|a| RoomAlarmRow { at: rfc3339(a.at), what: alarm(&a.from, a.forged), from: a.from })
            .collect(),
    });
    rooms.collect()
}

fn alarm(from: &str, forged: bool) -> String {
    if forged {
        format!("another member wrote in the name of {from}")
    } else {
        format!("{from} signed two states of one version: that device is copied, or not in {from}'s hands")
    }
}

/// What people are told of an event in a room.
pub fn words(room: &str, event: &RoomEvent, name: impl Fn(picket_wire::Index) -> String) -> Option<String> {
    match event {
        RoomEvent::Invited { by } => Some(format!(
            "{} invites you to the room {room}: `picket room join {room}`, or `picket room leave {room}` to refuse",
            name(*by)
        )),
        RoomEvent::Changed { by } => Some(format!("{} changed the room {room}: see `picket room list`", name(*by))),
        RoomEvent::Removed { by } => Some(format!("{} removed you from the room {room}", name(*by))),
        RoomEvent::Lapsed { gone, keeper, heir } => {
            let gone: Vec<String> = gone.iter().map(|i| name(*i)).collect();
            Some(lapsed(room, &gone.join(", "), keeper.map(name), *heir))
        }
        RoomEvent::Joined { member } => Some(format!("{} takes part in the room {room}", name(*member))),
        RoomEvent::Alarm { from, forged } => Some(format!(
            "ALARM in the room {room}: {}; trust only signed messages there",
            alarm(&name(*from), *forged)
        )),
        RoomEvent::Settled { .. } => None,
    }
}

/// Members are of the mission no more, and have the room's keys.
fn lapsed(room: &str, gone: &str, keeper: Option<String>, heir: bool) -> String {
    let no_more = format!("{gone} is of the mission no more, and in the room {room} nothing of it is shown");
    match (keeper, heir) {
        (Some(keeper), false) => format!("{no_more}; {keeper} changes the keys, and until then nobody writes there"),
        (Some(keeper), true) => format!(
            "{no_more}; no moderator is left: {keeper} takes over, once it has joined and heard of it. next, if that takes \
             too long: picket room create, and invite the others"
        ),
        (None, _) => format!(
            "{no_more}; nobody is left to change the keys, so nobody writes there. next: picket room create, and invite the \
             others"
        ),
    }
}

fn refusal(e: RoomError) -> Failure {
    let next = match &e {
        RoomError::Compose(e) => return refusals::compose(e),
        RoomError::Vault(e) => return vault::failure(*e),
        RoomError::NoKeys => {
            return Failure::new(Exit::Unsealed, e.to_string(), "nothing was sent; attach to a gateway and try again");
        }
        RoomError::Lapsed { .. } => {
            return Failure::new(
                Exit::Unsealed,
                e.to_string(),
                "nothing was sent; `picket room list` shows how it stands",
            );
        }
        RoomError::Unknown { .. }
        | RoomError::Ambiguous { .. }
        | RoomError::Exists { .. }
        | RoomError::Name
        | RoomError::Member { .. }
        | RoomError::NotSeated { .. }
        | RoomError::Seated { .. }
        | RoomError::NotModerator
        | RoomError::NotJoined
        | RoomError::Full
        | RoomError::TooMany
        | RoomError::LastModerator
        | RoomError::TtlTooLong { .. } => "nothing was changed; `picket room list` shows how it stands",
    };
    Failure::usage(e.to_string(), next)
}
