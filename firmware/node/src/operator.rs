//! Types of the operator socket: what `picket gateway status|queue|links` shows. Keys may be added, never changed.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A request: one JSON object a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Answered by one line: [`Reply::Status`].
    Status,
    /// Answered by one line: [`Reply::Links`].
    Links,
    /// Answered by one line: [`Reply::Queue`].
    Queue,
    /// A roster file's bytes as hex; answered by [`Reply::Roster`] or [`Reply::Error`].
    Roster(String),
}

/// A reply: one JSON object a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Status),
    /// To [`Request::Links`].
    Links(Vec<LinkStatus>),
    /// To [`Request::Queue`].
    Queue(Vec<Queued>),
    /// The roster version now in force.
    Roster {
        /// Version.
        version: u32,
    },
    /// The request was refused.
    Error {
        /// Stable word.
        code: String,
        /// What is wrong.
        message: String,
        /// What to do.
        next: String,
    },
}

/// The gateway as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of this object, 1.
    pub v: u32,
    /// Gateway name.
    pub name: String,
    /// Program version.
    pub version: String,
    /// Seconds since start.
    pub uptime_s: u64,
    /// Version of the roster in force.
    pub roster_version: u32,
    /// Parcels in custody.
    pub queued: u64,
    /// Bytes of the store in use.
    pub stored_bytes: u64,
    /// Uplinks.
    pub uplinks: Vec<UplinkStatus>,
    /// Counters by name.
    pub counters: BTreeMap<String, u64>,
}

/// One uplink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkStatus {
    /// Name in the configuration.
    pub name: String,
    /// `up`, or `down: why`.
    pub state: String,
}

/// One link, or one connection of a listening link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStatus {
    /// Name in the configuration.
    pub name: String,
    /// Kind in the configuration.
    pub kind: String,
    /// `up`, or `down: why`, or `listening`.
    pub state: String,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes transmitted.
    pub tx_bytes: u64,
    /// Names of the members attached and gateways heard.
    pub attached: Vec<String>,
}

/// One parcel in custody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// 16 hex digits; the message's id for receipts and notices too.
    pub id: String,
    /// Precedence name.
    pub precedence: String,
    /// Seconds in custody here.
    pub age_s: u64,
    /// Seconds of lifetime left.
    pub lifetime_s: u64,
    /// Bytes.
    pub bytes: u64,
    /// `held` or `offered`.
    pub state: String,
    /// Why it waits, in words.
    pub why: String,
}
