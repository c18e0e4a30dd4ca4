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
    /// Emission control: a state to put in force, or none to look; answered by [`Reply::Emcon`] or [`Reply::Error`].
    Emcon(Option<String>),
    /// A sign of life from the operator: the dead man's time begins anew. Answered by [`Reply::Status`].
    Alive,
    /// A roster file's bytes as hex; answered by [`Reply::Roster`] or [`Reply::Error`].
    Roster(String),
    /// A signed object's bytes as hex (a revocation); answered by [`Reply::Object`] or [`Reply::Error`].
    Object(String),
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
    /// To [`Request::Emcon`].
    Emcon(EmconStatus),
    /// The roster version now in force.
    Roster {
        /// Version.
        version: u32,
    },
    /// The generation of the network key now in force.
    Object {
        /// Generation.
        generation: u8,
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
    /// Emission control.
    #[serde(default)]
    pub emcon: EmconStatus,
    /// How the gateway's keys are kept.
    #[serde(default)]
    pub keys: KeysStatus,
    /// Counters by name.
    pub counters: BTreeMap<String, u64>,
}

/// How a gateway's keys are kept, and what may end them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysStatus {
    /// `clear` (a keyfill as it came), `file` or `tpm`.
    pub kept: String,
    /// Milliseconds until the gateway wipes itself unless its operator gives a sign of life.
    #[serde(default)]
    pub dead_man_left_ms: Option<u64>,
    /// What the operator must know, in words.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Emission control: what is in force, and what is known of the radios themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmconStatus {
    /// `free`, `minimize`, `receive-only` or `silent`.
    pub state: String,
    /// Whether it is reached: what was handed to modems before has left the air.
    pub reached: bool,
    /// Milliseconds until then.
    pub stopping_ms: u64,
    /// Whether it is written down and survives a restart.
    pub durable: bool,
    /// Answers owed, kept until release.
    pub owed: u64,
    /// What is known of each link's own silence.
    pub links: Vec<LinkSilence>,
    /// What the operator must know, in words.
    pub warnings: Vec<String>,
}

/// What is known of the silence of what is behind a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSilence {
    /// Name in the configuration.
    pub name: String,
    /// `proven`, `read-back` or `not-known`.
    pub silence: String,
}

/// How the silence of what is behind a link is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// There is no transmitter.
    Proven,
    /// A setting of the radio that keeps it silent was set and read back.
    ReadBack,
    /// Nobody knows what the radio sends by itself.
    NotKnown,
}

impl Certainty {
    /// The word in replies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::ReadBack => "read-back",
            Self::NotKnown => "not-known",
        }
    }
}

/// The airtime of a link's band.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BandStatus {
    /// Name in the configuration.
    pub name: String,
    /// Airtime an hour, milliseconds.
    pub limit_ms: u64,
    /// Used in the last hour.
    pub used_ms: u64,
    /// What routine traffic may still use.
    pub left_ms: u64,
    /// What flash and override may still use.
    pub left_urgent_ms: u64,
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
    /// Whether what leaves here is an emission.
    #[serde(default)]
    pub emits: bool,
    /// What is known of the silence of what is behind it: `proven`, `read-back` or `not-known`.
    #[serde(default)]
    pub silence: String,
    /// Its band's airtime, which links of the same band share.
    #[serde(default)]
    pub band: Option<BandStatus>,
    /// What was measured on it.
    #[serde(default)]
    pub quality: Quality,
}

/// What a link measured of itself (spec §50.14).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quality {
    /// `cobs`, `fec` or `packet`.
    pub framing: String,
    /// `half` or `full`.
    pub duplex: String,
    /// What happened in each of the last minutes, the current one first.
    pub minutes: Vec<Minute>,
    /// Its neighbours.
    pub neighbours: Vec<NeighbourStatus>,
    /// Counters by name, those above zero: also why what was received was dropped.
    pub counters: BTreeMap<String, u64>,
}

/// One minute of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minute {
    /// Air time of what was sent, milliseconds; 0 where no air rate is known.
    pub sent_ms: u64,
    /// Air time of what was heard, milliseconds.
    pub heard_ms: u64,
    /// Bytes of messages whose custody a neighbour took.
    pub delivered_out: u64,
    /// Bytes of messages that arrived.
    pub delivered_in: u64,
    /// Frames sent.
    pub sent_frames: u32,
    /// Of these, repeated or repairing.
    pub repeated_frames: u32,
    /// Authentic frames heard.
    pub good_frames: u32,
    /// Damaged beyond use.
    pub bad_frames: u32,
    /// Bytes corrected per million heard in good frames (framing `fec`).
    pub wrong_ppm: u32,
    /// Received strength, dBm, where the radio says it.
    pub rssi_dbm: Option<i16>,
    /// Signal to noise ratio, tenths of a dB, where the radio says it.
    pub snr_tenth_db: Option<i16>,
}

/// One neighbour on a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighbourStatus {
    /// Name in the roster.
    pub name: String,
    /// Seconds since it was heard; `None`: never.
    pub heard_s: Option<u64>,
    /// It does not answer at the moment.
    pub silent: bool,
    /// Smoothed time until its answer, milliseconds.
    pub round_trip_ms: Option<u64>,
    /// Wrong bytes per million of its frames here (framing `fec`).
    pub wrong_in_ppm: Option<u32>,
    /// Wrong bytes per million of our frames there, by its word.
    pub wrong_out_ppm: Option<u32>,
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
    /// How far a parcel for a room has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomProgress>,
}

/// How far a parcel for a room has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomProgress {
    /// The room's index, four hex digits.
    pub room: String,
    /// Listeners here and other gateways that have it, or do not want it.
    pub done: u64,
    /// Those that are to have it.
    pub pending: u64,
}
