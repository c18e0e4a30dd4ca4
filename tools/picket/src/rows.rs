//! Rows of output: the JSON objects of `inbox`, `read`, `send` and `sent`. Keys may be added, never changed.

use crate::clockwork::rfc3339;
use crate::trust::Standing;
use picket_endpoint::{Incoming, Outgoing, Shown, State, Step};
use serde::{Deserialize, Serialize};

/// One message of the mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxRow {
    /// 16 lowercase hex digits.
    pub id: String,
    /// Sender.
    pub from: String,
    /// Recipient.
    pub to: String,
    /// Precedence.
    pub precedence: String,
    /// `text`, or `file {name, bytes, sha256}`.
    #[serde(flatten)]
    pub content: ContentRow,
    /// When it was sent, by the sender's clock; null when unknown.
    pub sent: Option<String>,
    /// When it arrived here; null when unknown.
    pub received: Option<String>,
    /// When its lifetime ends; null when unknown.
    pub expires: Option<String>,
    /// Burn-on-read: how many seconds it lives once it is read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub burn_s: Option<u64>,
    /// Name of the room it was said in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub room: Option<String>,
    /// How sure it is who wrote it: `authentic`; in a room `signed`, `confirmed`, `member` or `forged`.
    pub trust: String,
    /// Whether the sender's keys were compared: `unverified`, `verified` or `changed`.
    pub key: String,
    /// `new` or `read`.
    pub state: String,
}

/// Text, or a file by name, size and digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentRow {
    /// The text.
    Text(String),
    /// The file.
    File {
        /// Its name.
        name: String,
        /// Its size.
        bytes: u64,
        /// SHA-256 as hex.
        sha256: String,
    },
}

/// One state reached by a message sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateRow {
    /// 16 lowercase hex digits.
    pub id: String,
    /// The state.
    pub state: String,
    /// When it was reached; null when unknown.
    pub at: Option<String>,
    /// Why, for `refused` and `expired`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Whether the recipient's keys were compared; in answers of `send` only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
}

/// One message sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentRow {
    /// 16 lowercase hex digits.
    pub id: String,
    /// Recipient.
    pub to: String,
    /// Precedence.
    pub precedence: String,
    /// What it carries, as long as it is kept.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentRow>,
    /// When it was sent; null when unknown.
    pub sent: Option<String>,
    /// When its lifetime ends; null when unknown.
    pub expires: Option<String>,
    /// State now.
    pub state: String,
    /// Why it waits, or why it ended.
    pub why: String,
    /// Whether the recipient's keys were compared: `unverified`, `verified` or `changed`.
    pub key: String,
    /// Every state reached.
    pub steps: Vec<StateRow>,
}

/// A room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomRow {
    /// Its name.
    pub name: String,
    /// Its index, four hex digits.
    pub index: String,
    /// Whether we take part; otherwise we are invited.
    pub joined: bool,
    /// Version of its state.
    pub version: u32,
    /// Every message is signed.
    pub signed_only: bool,
    /// Greatest lifetime of a message.
    pub lifetime_s: u64,
    /// Most members.
    pub most: u8,
    /// Somebody has its keys who is of the mission no more: nobody writes there until they are changed.
    pub lapsed: bool,
    /// Who changes them then; null when nobody is left who could.
    pub keeper: Option<String>,
    /// Its members, by index.
    pub members: Vec<RoomMemberRow>,
    /// What must not happen and did, oldest first.
    pub alarms: Vec<RoomAlarmRow>,
}

/// A member of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomMemberRow {
    /// Its name.
    pub name: String,
    /// Invites, removes and promotes.
    pub moderator: bool,
    /// Keeps what is said.
    pub retention: bool,
    /// Whether it joined; null where only a moderator knows.
    pub joined: Option<bool>,
    /// Whether its keys were compared: `unverified`, `verified`, `changed`, or `own`; `gone` of one who
    /// is of the mission no more.
    pub key: String,
}

/// An alarm in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomAlarmRow {
    /// When; null when unknown.
    pub at: Option<String>,
    /// In whose name.
    pub from: String,
    /// In words.
    pub what: String,
}

/// What two people compare (spec §30.11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyRow {
    /// The member.
    pub member: String,
    /// Its index.
    pub index: u16,
    /// `unverified`, `verified` or `changed`.
    pub key: String,
    /// Its fingerprint, eight groups of five digits.
    pub fingerprint: String,
    /// The same as hex.
    pub sha256: String,
    /// Our own.
    pub own: FingerprintRow,
    /// The pair's words, the same on both sides.
    pub words: Vec<String>,
    /// The pair's QR code, the same on both sides.
    pub qr: String,
    /// The keys before, as long as nobody has compared those that came after.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub changed: Option<ChangedRow>,
    /// Version of the roster in force.
    pub roster_version: u32,
    /// Its hash, eight groups of five digits.
    pub roster: String,
}

/// Whose fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FingerprintRow {
    /// The member.
    pub member: String,
    /// Eight groups of five digits.
    pub fingerprint: String,
}

/// Keys that a member had before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedRow {
    /// Under which index.
    pub index: u16,
    /// Eight groups of five digits.
    pub fingerprint: String,
    /// Whether they had been verified.
    pub was_verified: bool,
}

impl From<Shown> for ContentRow {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Text(text) => Self::Text(text),
            Shown::File { name, bytes, sha256 } => Self::File { name, bytes, sha256: hex::encode(sha256) },
        }
    }
}

impl InboxRow {
    /// A message, and what is known of its sender's keys.
    #[must_use]
    pub fn new(m: Incoming, key: Standing) -> Self {
        Self {
            id: m.id.to_string(),
            from: m.from_name,
            room: m.room.map(|_| m.to_name.clone()),
            to: m.to_name,
            precedence: m.precedence.name().into(),
            content: m.shown.into(),
            sent: rfc3339(m.sent),
            received: rfc3339(m.received),
            expires: rfc3339(m.expires),
            burn_s: m.burn.map(|b| b.as_secs()),
            trust: m.trust.name().into(),
            key: key.name().into(),
            state: m.state.name().into(),
        }
    }
}

impl StateRow {
    /// Of one step of a message.
    #[must_use]
    pub fn new(id: &str, step: &Step) -> Self {
        let reason = match step.state {
            State::Refused(because) => Some(because.to_string()),
            State::Expired => Some("its lifetime ended before it was delivered".into()),
            State::Queued | State::Custody | State::Delivered | State::Read => None,
        };
        Self { id: id.into(), state: step.state.name().into(), at: rfc3339(step.at), reason, key: None }
    }
}

impl SentRow {
    /// A message, and what is known of its recipient's keys.
    #[must_use]
    pub fn new(m: Outgoing, key: Standing) -> Self {
        let id = m.id.to_string();
        let steps: Vec<StateRow> = m.steps.iter().map(|step| StateRow::new(&id, step)).collect();
        let reason = steps.last().and_then(|s| s.reason.clone());
        Self {
            to: m.to_name,
            precedence: m.precedence.name().into(),
            content: m.shown.map(ContentRow::from),
            sent: steps.first().and_then(|s| s.at.clone()),
            expires: rfc3339(m.expires),
            state: m.state.name().into(),
            why: reason.unwrap_or_else(|| m.why.to_string()),
            key: key.name().into(),
            steps,
            id,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn row(content: ContentRow) -> InboxRow {
        InboxRow {
            id: "9c1185a5c5e9fc54".into(),
            from: "alpha".into(),
            to: "bravo".into(),
            precedence: "routine".into(),
            content,
            sent: None,
            received: Some("2026-11-23T19:50:09Z".into()),
            expires: None,
            burn_s: None,
            room: None,
            trust: "authentic".into(),
            key: "verified".into(),
            state: "new".into(),
        }
    }

    #[test]
    fn the_keys_of_the_inbox_are_the_contract() {
        let text = serde_json::to_string(&row(ContentRow::Text("hi".into()))).unwrap();
        assert_eq!(
            text,
            r#"{"id":"9c1185a5c5e9fc54","from":"alpha","to":"bravo","precedence":"routine","text":"hi","sent":null,"received":"2026-11-23T19:50:09Z","expires":null,"trust":"authentic","key":"verified","state":"new"}"#
        );
        let file = row(ContentRow::File { name: "a.jpg".into(), bytes: 3, sha256: "00".into() });
        let text = serde_json::to_string(&file).unwrap();
        assert!(text.contains(r#""file":{"name":"a.jpg","bytes":3,"sha256":"00"}"#), "{text}");
        assert_eq!(serde_json::from_str::<InboxRow>(&text).unwrap(), file);
    }
}
