//! What goes in and out of a [`crate::Link`].

use alloc::vec::Vec;
use picket_wire::control::{Control, RefuseReason, Token};
use picket_wire::envelope::Envelope;
use picket_wire::frame::Mask;
use picket_wire::keys::{LinkKey, NetKeys};
use picket_wire::signed::Have;
use picket_wire::time::Duration;
use picket_wire::{Identity, Index, Precedence};

/// Keys of the hop, held by whoever owns the link; the link asks for them and keeps none.
pub trait Keyring {
    /// Our own index.
    fn me(&self) -> Index;
    /// Keys of the network-key generation in force.
    fn net(&self) -> &NetKeys;
    /// The header mask of that generation.
    fn mask(&self) -> &Mask;
    /// Roster stations whose index ends in `low` and differs from ours, in ascending order: candidates for an
    /// authentic sender.
    fn stations(&self, low: u8) -> Vec<Index>;
    /// Pairwise key with `peer`; `None` when the roster does not list it (or has revoked it).
    fn link_key(&self, peer: Index) -> Option<LinkKey>;
    /// Keys and mask of the generation before, while the change to the present one goes on (spec §35.7).
    fn earlier(&self) -> Option<(&NetKeys, &Mask)> {
        None
    }
    /// Pairwise key with `peer` in that generation; `None` as for [`Keyring::link_key`].
    fn earlier_link_key(&self, _peer: Index) -> Option<LinkKey> {
        None
    }
}

/// How bytes become frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// COBS with a zero delimiter: streams and serial ports.
    Cobs,
    /// One packet is one frame: datagrams and packet radios.
    Packet,
    /// Sync word and Reed–Solomon, as strong as the noise asks for: byte pipes that flip or lose bits (spec §52.3).
    Fec,
}

impl Framing {
    /// What suits a serial port nothing else is said of: a radio (half duplex, or slower on air than on the wire) flips
    /// bits, a cable does not.
    #[must_use]
    pub fn for_serial(duplex: Duplex, baud: u32, air_bps: Option<u32>) -> Self {
        let radio = duplex == Duplex::Half || air_bps.is_some_and(|air| air < baud);
        if radio { Self::Fec } else { Self::Cobs }
    }
}

/// Whether both sides may transmit at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplex {
    /// One at a time: turns are handed over.
    Half,
    /// Both at once.
    Full,
}

/// Fixed properties of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Framing.
    pub framing: Framing,
    /// Longest frame in bytes the medium takes (packet radios, datagrams); `None` on byte pipes, where a frame is at
    /// most max(255 B, 1 s of air).
    pub mtu: Option<u16>,
    /// Air rate in bit/s for pacing; `None` for a medium that paces itself (sockets).
    pub air_bps: Option<u32>,
    /// Duplex.
    pub duplex: Duplex,
    /// Time from the end of our transmission until the other side can be heard, and the reverse.
    pub turn_round: Duration,
}

impl Config {
    /// A stream to one other station (a socket, a cable): nobody else hears it, and nobody else speaks there.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.air_bps.is_none() && self.mtu.is_none() && self.duplex == Duplex::Full
    }
}

/// Handle of a parcel offered over a link, chosen by the owner (a store sequence number).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfferId(pub u64);

/// What kind of frame carries a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParcelKind {
    /// `bytes` are an envelope.
    Envelope,
    /// `bytes` are an encoded [`Control::Receipt`], [`Control::Notice`], [`Control::Claim`] or [`Control::Listens`].
    Control,
}

/// A parcel offered to a neighbour for custody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Handle, given back in events.
    pub id: OfferId,
    /// The neighbour.
    pub to: Index,
    /// What `bytes` are.
    pub kind: ParcelKind,
    /// Urgency: decides between offers, frame by frame.
    pub precedence: Precedence,
    /// Identity of the parcel.
    pub identity: Identity,
    /// The bytes as they go over this hop (hop limit, round and lifetime already set).
    pub bytes: Vec<u8>,
}

/// A parcel that arrived authentically from a neighbour. Whoever handles it owes `from` an answer:
/// [`crate::Link::acknowledge`] once it is durable, or [`crate::Link::refuse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The neighbour whose MAC verified.
    pub from: Index,
    /// What `bytes` are.
    pub kind: ParcelKind,
    /// Identity, computed from the bytes.
    pub identity: Identity,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Arrival {
    /// What is owed for it: hop limit and custody round as offered (for control messages: their hops, round 0).
    #[must_use]
    pub fn owed(&self) -> Owed {
        let (hop_limit, round) = crate::offers::hop_and_round(self.kind, &self.bytes);
        Owed { from: self.from, identity: self.identity, hop_limit, round }
    }

    /// How urgent it says it is: control messages (receipts, notices, claims) do not say, and count as routine.
    #[must_use]
    pub fn precedence(&self) -> Precedence {
        match self.kind {
            ParcelKind::Envelope => Envelope::parse(&self.bytes).map_or(Precedence::Routine, |e| e.header().precedence),
            ParcelKind::Control => Precedence::Routine,
        }
    }
}

/// What an answer refers to: filled from an [`Arrival`], kept by its handler until the answer is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The neighbour that offered.
    pub from: Index,
    /// The parcel.
    pub identity: Identity,
    /// Hop limit in the offer.
    pub hop_limit: u8,
    /// Custody round in the offer.
    pub round: u8,
}

/// An answer owed and decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// For what.
    pub owed: Owed,
    /// What it says.
    pub answer: crate::Answer,
    /// The parcel's precedence.
    pub precedence: Precedence,
}

/// What a link reports to its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An authentic frame from this neighbour was heard (reported for the first one, then at most once a second).
    Heard(Index),
    /// A parcel arrived.
    Arrived(Arrival),
    /// The neighbour took custody; with the delivered token when it was the recipient or merged the receipt.
    Accepted {
        /// Which offer.
        offer: OfferId,
        /// The delivered token.
        delivered: Option<Token>,
    },
    /// A parcel whose offer had ended was delivered: its answer came too late to move custody, but its token is the
    /// sender's receipt. May be said more than once.
    DeliveredLate {
        /// The parcel.
        identity: Identity,
        /// Its sender.
        source: Index,
        /// The delivered token.
        token: Token,
    },
    /// The neighbour refused custody.
    Refused {
        /// Which offer.
        offer: OfferId,
        /// Why.
        reason: RefuseReason,
        /// When to try again, zero = never in this form.
        retry: Duration,
    },
    /// A signed object. Nothing of it is verified.
    Object(Vec<u8>),
    /// Somebody says which signed objects it has. Nobody is proven to have said so.
    Have(Have),
    /// A frame of a network-key generation with these low three bits, which is not held.
    Generation(u8),
    /// Any other control message, authentic.
    Control {
        /// Its sender; for a broadcast: the station named in it if it names one, which its MAC does not prove.
        from: Option<Index>,
        /// The message.
        message: Control,
    },
}

/// Counters with names: every dropped byte or frame has one (spec §50).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes transmitted, framing included.
    pub tx_bytes: u64,
    /// Authentic frames received.
    pub rx_frames: u64,
    /// Frames transmitted.
    pub tx_frames: u64,
    /// Frames transmitted again.
    pub retransmitted: u64,
    /// Bytes that were no frame: noise, cut frames, overlong runs.
    pub dropped_noise: u64,
    /// Frames of another wire version.
    pub dropped_version: u64,
    /// Frames of a network-key generation that is not held.
    pub dropped_generation: u64,
    /// Frames whose MAC no known neighbour's key verified.
    pub dropped_mac: u64,
    /// Frames for another station.
    pub not_for_us: u64,
    /// Authentic frames whose body was not understood.
    pub dropped_body: u64,
    /// Answers that fit no offer of ours (late, duplicate, replayed).
    pub stale_answers: u64,
    /// Frames of symbols that contradicted earlier ones, or gave something else than they named.
    pub dropped_fragment: u64,
    /// Frames of symbols or parcels heard again.
    pub duplicates: u64,
    /// Coded frames beyond repair.
    pub dropped_broken: u64,
    /// Bytes of coded frames that were wrong and corrected.
    pub corrected: u64,
}
