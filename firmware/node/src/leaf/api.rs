//! What goes in and out of a [`super::Leaf`].

use alloc::vec::Vec;
use picket_link::{Arrival, Emission, OfferId, ParcelKind};
use picket_wire::control::{Listens, RefuseReason, Token};
use picket_wire::time::Duration;
use picket_wire::{Identity, Index, Precedence};

/// A parcel to be offered to the gateway we are attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Handle, given back in [`Outcome`].
    pub id: OfferId,
    /// What `bytes` are.
    pub kind: ParcelKind,
    /// Urgency.
    pub precedence: Precedence,
    /// Identity.
    pub identity: Identity,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What the leaf asks of its owner or tells it.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Put these bytes on the medium, then call [`crate::leaf::Leaf::sent`].
    Transmit(Emission),
    /// Sign a claim to be attached to this gateway, with a sequence higher than any before, durable before it is used;
    /// give it to [`crate::leaf::Leaf::claim`].
    WantClaim {
        /// The gateway.
        gateway: Index,
    },
    /// The gateway knows a higher sequence of ours than the claim had: the owner's memory is older than the network's.
    /// [`Outcome::WantClaim`] follows.
    Outrun {
        /// The sequence it knows.
        sequence: u32,
    },
    /// The gateway knows a word of ours about rooms that is not the one we told it, nor older: the owner verifies it,
    /// and gives [`crate::leaf::Leaf::listens`] one of a higher sequence.
    ListensKnown(Listens),
    /// Attached: parcels may be offered.
    Attached {
        /// The gateway.
        gateway: Index,
        /// Sequence of the claim.
        sequence: u32,
        /// Parcels it holds for us.
        held: u16,
    },
    /// A signed object that is newer than the one held: verify it, make it durable and put it in force, then call
    /// [`super::Leaf::object`]; or drop it.
    Object(Vec<u8>),
    /// All that was held when we attached has been handed over: everything before this was told as
    /// [`Outcome::Arrived`].
    Drained {
        /// The gateway.
        gateway: Index,
    },
    /// Not attached any more; all offers are withdrawn.
    Detached {
        /// From which gateway.
        gateway: Index,
        /// Why.
        because: Lost,
    },
    /// A parcel arrived from a gateway: answer with [`crate::leaf::Leaf::acknowledge`] or [`crate::leaf::Leaf::refuse`].
    Arrived(Arrival),
    /// The gateway took custody, or had already.
    Accepted {
        /// Which offer.
        offer: OfferId,
        /// The recipient's token, when it is attached to the same gateway.
        delivered: Option<Token>,
    },
    /// The gateway refused.
    Refused {
        /// Which offer.
        offer: OfferId,
        /// Why.
        reason: RefuseReason,
        /// When to offer again; zero = never in this form.
        retry: Duration,
    },
}

/// Why an attachment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The link went down.
    LinkDown,
    /// The gateway was not heard for too long.
    Silent,
}

/// Where the leaf stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The link is down.
    Down,
    /// The link is up; no gateway has been heard.
    Searching,
    /// A gateway was heard and has not answered our claim yet.
    Attaching(Index),
    /// Attached.
    Attached(Index),
}
