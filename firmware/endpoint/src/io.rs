//! What goes in and out of an [`crate::Endpoint`].

use crate::message::State;
use alloc::vec::Vec;
use picket_node::leaf::LinkConfig;
use picket_wire::time::Wall;
use picket_wire::{Index, MessageId};

/// The host's source of randomness, which must be fit for keys.
pub trait Random {
    /// Fills `out`.
    fn fill(&mut self, out: &mut [u8]);
}

impl<F: FnMut(&mut [u8])> Random for F {
    fn fill(&mut self, out: &mut [u8]) {
        self(out);
    }
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Nothing but time passed: [`crate::Endpoint::next_wake`] came due.
    Tick,
    /// There is a way to a gateway with these properties: down until [`Input::LinkUp`]. Replaces a former way.
    Via(LinkConfig),
    /// The medium works (a stream is connected, a port is open).
    LinkUp,
    /// The medium is gone. The host may bring it up again.
    LinkDown,
    /// Bytes from the medium: cut anywhere on streams, one packet on packet media.
    Received(&'a [u8]),
    /// Emission control on the present way and all that follow, in force with this call (spec §57). Nothing that arrives
    /// can cause it. The host calls back what its driver holds.
    Emcon(picket_node::gate::Emcon),
    /// The bytes of the last [`Output::Transmit`] are with the medium; it may get more. At most one transmission is
    /// outstanding. Also said when they could not be written and [`Input::LinkDown`] follows.
    Sent,
    /// Trusted wall time, or that there is none. Told about once a minute.
    Wall(Option<Wall>),
}

/// What the endpoint asks for or tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Put these bytes on the medium, then say [`Input::Sent`].
    Transmit(Vec<u8>),
    /// Something the owner may want to know; durable already.
    Event(Event),
}

/// What the owner may want to know, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message sent has reached a state.
    State {
        /// Which.
        id: MessageId,
        /// The state.
        state: State,
        /// When, if wall time is known.
        at: Option<Wall>,
    },
    /// A message is in the mailbox: see [`crate::Endpoint::incoming`].
    Received {
        /// Which.
        id: MessageId,
    },
    /// A message arrived after its lifetime had ended: it is not shown.
    ReceivedLate {
        /// Which.
        id: MessageId,
        /// Its sender.
        from: Index,
    },
    /// An envelope for us could not be opened; its sender is asked (sealed, rate-limited) to seal it again.
    CannotOpen {
        /// Which.
        id: MessageId,
        /// Its claimed sender.
        from: Index,
    },
    /// Attached to a gateway.
    Attached {
        /// Which.
        gateway: Index,
        /// Parcels it held for us at that moment.
        held: u16,
    },
    /// All that the gateway held when we attached has been handed over and is in the mailbox.
    Drained {
        /// Which gateway.
        gateway: Index,
    },
    /// Not attached any more.
    Detached {
        /// From which gateway.
        gateway: Index,
        /// Why.
        because: Detached,
    },
    /// This home is older than the network remembers it: restored from a backup, or copied. From now on it makes fresh
    /// keys instead of using those that may have been used already.
    HomeRolledBack,
    /// A revocation is in force: the network key is of this generation, and nothing is taken from or sent to the revoked.
    Rekeyed {
        /// Generation.
        generation: u8,
        /// Who is revoked that was not before.
        revoked: Vec<Index>,
    },
    /// A newer roster of this mission was heard, verified: [`crate::Endpoint::import_roster`] puts it in force.
    RosterHeard {
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// This device is revoked: it takes part in nothing any more.
    Revoked,
    /// A peer's device may have been in other hands and has fresh keys now: nothing is sent to its old ones any more.
    PeerRenewed {
        /// Which peer.
        from: Index,
    },
    /// The vault failed: nothing more is done until the home is opened again.
    Failed,
}

/// Why an attachment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detached {
    /// The link went down.
    LinkDown,
    /// The gateway has not been heard for too long.
    Silent,
}

/// Counters with names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages composed.
    pub composed: u64,
    /// Messages received and shown.
    pub received: u64,
    /// Envelopes that arrived again.
    pub duplicates: u64,
    /// Messages whose lifetime had ended on arrival.
    pub late: u64,
    /// Envelopes for somebody else, refused.
    pub not_for_us: u64,
    /// Envelopes that could not be opened.
    pub cannot_open: u64,
    /// Envelopes that begin a session for which there is no room.
    pub sessions_refused: u64,
    /// Opened, but the content is not of this version.
    pub bad_content: u64,
    /// CANNOT-OPEN answers not sent because of the rate limit.
    pub cannot_open_limited: u64,
    /// Messages sealed again because the recipient could not open them.
    pub sealed_again: u64,
    /// Receipts whose token verified.
    pub receipts: u64,
    /// Receipts heard again.
    pub receipts_again: u64,
    /// Receipts whose token is wrong.
    pub receipts_forged: u64,
    /// Receipts and notices for messages that are not ours (any more).
    pub receipts_unknown: u64,
    /// Non-delivery notices whose MAC verified.
    pub notices: u64,
    /// Non-delivery notices whose MAC is wrong.
    pub notices_unverified: u64,
    /// Arrivals refused because mailbox or vault is full.
    pub refused_full: u64,
    /// Parcels of a kind or class this version does not take.
    pub refused_kind: u64,
    /// Envelopes of the revoked, dropped unopened.
    pub refused_revoked: u64,
    /// Signed objects that were refused.
    pub objects_refused: u64,
}
