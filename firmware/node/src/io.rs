//! The seam of a gateway: everything that can happen to it, and everything it can ask for.
//!
//! The host (the daemon, or a simulator) calls [`crate::Gateway::handle`] with one [`Input`] at a time, then drains
//! [`crate::Gateway::poll`] until `None`, then waits until [`crate::Gateway::next_wake`] or the next input.

use alloc::string::String;
use alloc::vec::Vec;
use picket_link::gate::airtime::Record;
use picket_link::{Emcon, Emission, Gate, Keyring};
use picket_store::Ticket;
use picket_wire::control::{Claim, Listens};
use picket_wire::time::{Duration, Wall};
use picket_wire::{Identity, Index, MissionId, Precedence};

/// A link instance: one radio, cable or accepted connection. Chosen by the host, never reused in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// An uplink: position in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UplinkId(pub u16);

/// A publish handed to the broker client, chosen by the node; given back in [`Input::Published`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishId(pub u64);

/// A message delivered by the broker, chosen by the host; given back in [`Output::Settle`] when it may be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub u64);

/// What the roster says a station is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StationKind {
    /// A person's device.
    Member,
    /// A gateway.
    Gateway,
}

/// What the node must know of the mission; implemented by the host over the roster and the gateway's keyfill.
pub trait Directory: Keyring {
    /// What `index` is; `None` when the roster does not list it or has revoked it.
    fn kind(&self, index: Index) -> Option<StationKind>;
    /// All members of the roster, ascending: attachment claims of each are followed on every uplink.
    fn members(&self) -> Vec<Index>;
    /// Whether the member's signature on the claim verifies.
    fn verify_claim(&self, claim: &Claim) -> bool;
    /// Whether the member's signature on its word of listening verifies.
    fn verify_listens(&self, listens: &Listens) -> bool;
    /// The mission, from which the names of the brokers' topics for signed objects follow; `None` where nobody carries any.
    fn mission(&self) -> Option<MissionId> {
        None
    }
    /// All who are revoked, ascending.
    fn revoked(&self) -> Vec<Index> {
        Vec::new()
    }
    /// Whether this index is revoked.
    fn is_revoked(&self, index: Index) -> bool {
        self.revoked().binary_search(&index).is_ok()
    }
}

/// Fixed properties of a gateway.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Longest delivery delay supported, D: lifetimes are clamped to it, attachments and dedup memory outlive it.
    pub max_delay: Duration,
    /// How long custody may stay unacknowledged on an uplink before the next way is tried.
    pub uplink_timeout: Duration,
    /// The same on a link, counted from when the parcel is first on air there.
    pub link_timeout: Duration,
    /// How long an acknowledgement may wait for the delivered token when the recipient is attached here.
    pub receipt_hold: Duration,
    /// Publishes without PUBACK per uplink.
    pub publish_window: u16,
    /// Parcels a second accepted from one uplink on average (burst: ten seconds' worth).
    pub uplink_rate: u32,
    /// Emission control in force from the first moment.
    pub emission: EmissionConfig,
}

/// What a gateway knows of its emissions before anything can be emitted (spec §57).
#[derive(Clone, Debug)]
pub struct EmissionConfig {
    /// The state in force.
    pub emcon: Emcon,
    /// Least precedence of parcels under MINIMIZE.
    pub minimize: Precedence,
    /// The bands' gates, with what was used before; their position is the number in [`Air::Band`].
    pub bands: Vec<Gate>,
    /// Uplinks whose network is itself a radio.
    pub emitting_uplinks: Vec<UplinkId>,
}

impl Default for EmissionConfig {
    fn default() -> Self {
        let (bands, emitting_uplinks) = (Vec::new(), Vec::new());
        Self { emcon: Emcon::Free, minimize: Precedence::Immediate, bands, emitting_uplinks }
    }
}

/// What becomes of bytes that leave by a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Air {
    /// Nothing is emitted: a socket on the board, a cable known to have no transmitter.
    Cable,
    /// They are emitted, in no band that has a budget.
    Open,
    /// They are emitted in this band.
    Band(u16),
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            max_delay: Duration::from_secs(72 * 3600),
            uplink_timeout: Duration::from_secs(15),
            link_timeout: Duration::from_secs(120),
            receipt_hold: Duration::from_millis(300),
            publish_window: 512,
            uplink_rate: 20_000,
            emission: EmissionConfig::default(),
        }
    }
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Nothing but time passed: [`crate::Gateway::next_wake`] came due.
    Tick,
    /// A link instance exists (down until [`Input::LinkUp`]).
    LinkAdded {
        /// Its handle.
        link: LinkId,
        /// Name in the configuration, shared by all connections of a listener.
        name: String,
        /// Kind in the configuration, for people.
        kind: &'static str,
        /// Its fixed properties.
        config: picket_link::Config,
        /// What becomes of bytes that leave by it.
        air: Air,
    },
    /// A link instance is gone for good (a connection closed). Serial ports that may come back only go down.
    LinkRemoved(LinkId),
    /// The medium works.
    LinkUp(LinkId),
    /// The medium is gone; why, for people.
    LinkDown(LinkId, String),
    /// Bytes from the medium.
    Received(LinkId, &'a [u8]),
    /// The bytes of the last [`Output::Transmit`] for this link are with the medium; it may get more. There is at
    /// most one transmission outstanding per link.
    Sent(LinkId),
    /// Everything written before the ticket was handed out is on stable storage.
    Synced(Ticket),
    /// The medium failed to sync: nothing that waits for it is acknowledged.
    SyncFailed,
    /// The broker accepted our connection. Subscriptions are made again by the node.
    UplinkUp(UplinkId),
    /// The broker is away; why, for people. Publishes outstanding count as never sent.
    UplinkDown(UplinkId, String),
    /// PUBACK. `matched` is false for reason code 0x10: nobody is subscribed.
    Published {
        /// Where.
        uplink: UplinkId,
        /// Which.
        publish: PublishId,
        /// Somebody is subscribed.
        matched: bool,
    },
    /// A message from the broker, unacknowledged until [`Output::Settle`].
    Arrived {
        /// From where.
        uplink: UplinkId,
        /// Its handle.
        delivery: DeliveryId,
        /// Payload.
        payload: &'a [u8],
    },
    /// Trusted wall time, or that there is none. Told at start and about once a minute.
    Wall(Option<Wall>),
    /// The directory has changed (a newer roster).
    RosterChanged,
    /// The host has verified this signed object, and it is durable and in force: answers [`Output::Object`], and at start
    /// for what was kept.
    Object(Vec<u8>),
    /// The roster that came with the keyfill, as an object: handed to whoever has an older one.
    Keep(Vec<u8>),
    /// Emission control: in force with this call, whatever else happens. Nothing that arrives can cause it; only the
    /// operator at the box does.
    Emcon(Emcon),
    /// Whether the record of the last [`Output::RecordAirtime`] is durable.
    AirtimeRecorded(bool),
    /// The host is about to stop: no new custody is taken, answers owed are sent.
    Drain,
}

/// What the node asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Put these bytes on the medium, then say [`Input::Sent`].
    Transmit(LinkId, Emission),
    /// Destroy what is on its way to the medium and not yet there: it counts as never sent.
    Recall(LinkId),
    /// Make this record of the bands' airtime durable, in the order of the bands, then say
    /// [`Input::AirtimeRecorded`]. There is at most one outstanding.
    RecordAirtime(Vec<Record>),
    /// Make everything written so far durable, then say [`Input::Synced`] with the ticket.
    Sync(Ticket),
    /// Publish at QoS 1.
    Publish {
        /// Where.
        uplink: UplinkId,
        /// Handle for [`Input::Published`].
        publish: PublishId,
        /// Masked topic (hex under the uplink's prefix).
        topic: [u8; 16],
        /// Payload.
        payload: Vec<u8>,
        /// Keep for later subscribers.
        retain: bool,
        /// Message expiry at the broker.
        expiry: Duration,
    },
    /// Subscribe at QoS 1.
    Subscribe(UplinkId, [u8; 16]),
    /// Unsubscribe.
    Unsubscribe(UplinkId, [u8; 16]),
    /// Acknowledge this delivery to the broker.
    Settle(UplinkId, DeliveryId),
    /// A signed object that is newer than the one in force: verify it, make it durable and put it in force, then say
    /// [`Input::Object`]; or drop it.
    Object(Vec<u8>),
    /// Something people may want in the log. Never secrets.
    Report(Report),
}

/// Events for the log and for tests, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A member attached here.
    Attached {
        /// The member.
        member: Index,
        /// Sequence of its claim.
        sequence: u32,
    },
    /// Another gateway was heard on a link for the first time since it came up.
    Neighbour {
        /// Where.
        link: LinkId,
        /// Who.
        gateway: Index,
    },
    /// A parcel is durable here and its custody acknowledged.
    Taken {
        /// Which.
        identity: Identity,
    },
    /// The next custodian (or the recipient) acknowledged: it is not ours any more.
    Passed {
        /// Which.
        identity: Identity,
        /// To whom.
        to: Index,
    },
    /// A parcel ended undelivered; a notice goes to its sender.
    Died {
        /// Which.
        identity: Identity,
        /// Why.
        reason: picket_wire::control::NoticeReason,
    },
    /// Recovery or a read found damage: this many records are lost, all others are kept.
    Damage {
        /// How many.
        records: u32,
    },
    /// The network key of this generation is in force.
    Rekeyed {
        /// Which.
        generation: u8,
    },
    /// The store refused a write or a sync: custody is refused until it works again.
    StoreTrouble,
}
