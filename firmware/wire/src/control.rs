//! Control messages between neighbours, in postcard (spec §20). Decoding is strict: what does not encode back to the
//! same bytes is refused.

use crate::envelope::HOP_BYTE;
use crate::limits::{ACK_MANY_MAX, CONTROL_MAX, ENVELOPE_MAX, ENVELOPE_MIN, HOP_LIMIT_MAX};
pub use crate::listens::{Listens, Rooms, RoomsError};
use crate::{Identity, Index, MessageId};
use core::fmt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// 64 bytes with serde: an ECDSA P-256 signature, r ‖ s.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let (a, b) = self.0.split_at(32);
        let mut halves = [[0u8; 32]; 2];
        halves[0].copy_from_slice(a);
        halves[1].copy_from_slice(b);
        halves.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let halves = <[[u8; 32]; 2]>::deserialize(d)?;
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&halves[0]);
        bytes[32..].copy_from_slice(&halves[1]);
        Ok(Self(bytes))
    }
}

/// A member's signed word that it is attached to `gateway` (spec §20.3, §30): the highest sequence wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The member.
    pub member: Index,
    /// The gateway it attached to.
    pub gateway: Index,
    /// Persistent and strictly growing per member; the route's sequence number.
    pub sequence: u32,
    /// ECDSA P-256 by the member's identity key IS; made and verified by the roster crate.
    pub signature: Signature,
}

/// "I am here", broadcast when a link comes up or a neighbour is sought; `answer` asks for one back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Full roster index of the speaker.
    pub index: Index,
    /// Whether the speaker is a gateway.
    pub gateway: bool,
    /// Whoever hears this answers with a hello of its own.
    pub answer: bool,
}

/// What a receipt confirms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ReceiptKind {
    /// The recipient's endpoint opened it and has it durably.
    Delivered,
    /// The recipient read it.
    Read,
}

/// Token receipt: HMAC(message key, kind)[..8], unforgeable without the message key (protocol: receipts).
pub type Token = [u8; 8];

/// A receipt on its way back to the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The member that sent the message.
    pub to: Index,
    /// Custodians that may still take this receipt.
    pub hops: u8,
    /// The message.
    pub id: MessageId,
    /// What happened to it.
    pub kind: ReceiptKind,
    /// The proof.
    pub token: Token,
}

/// Why a message died, in a non-delivery notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NoticeReason {
    /// Its lifetime ended at a custodian.
    Expired,
    /// Its hop limit was used up.
    HopLimit,
    /// A custodian's stored copy was damaged.
    Damaged,
    /// The destination is not in the roster (any more).
    UnknownDestination,
}

/// A gateway's word that a message will not be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The member that sent the message.
    pub to: Index,
    /// Custodians that may still take this notice.
    pub hops: u8,
    /// The message.
    pub id: MessageId,
    /// Why.
    pub reason: NoticeReason,
    /// The gateway that says so.
    pub gateway: Index,
    /// First 8 bytes of HMAC(LK(gateway, sender), "PICKET-notice" ‖ id ‖ reason); shown as unverified when wrong.
    pub mac: [u8; 8],
}

/// Why custody was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RefuseReason {
    /// No room: try again later.
    Full,
    /// This custodian passed the parcel on already; offer it with the next custody round.
    PassedOn,
    /// The remaining lifetime is over.
    Expired,
    /// The hop limit is used up.
    HopLimit,
    /// The destination is not in the receiver's roster.
    UnknownDestination,
    /// Too much in too short a time.
    RateLimited,
}

/// A control message. The variant is its type byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Control {
    /// 0: presence.
    Hello(Hello),
    /// 1: a member attaches to the gateway named in its claim.
    Attach(Claim),
    /// 2: the gateway's answer: attached under this sequence.
    Attached {
        /// Sequence of the claim.
        sequence: u32,
        /// Parcels held for the member at this moment.
        held: u16,
    },
    /// 3: all that was held when the attachment of this sequence was made has been handed over.
    Drained {
        /// Sequence of the claim.
        sequence: u32,
    },
    /// 4: an attachment made known to other gateways.
    Claim(Claim),
    /// 5: custody taken. Its MAC covers [`crate::frame::ack_suffix`].
    Ack {
        /// First two bytes of the identity.
        prefix: [u8; 2],
    },
    /// 6: custody taken and delivered to the recipient. Its MAC covers [`crate::frame::ack_suffix`].
    AckDelivered {
        /// First two bytes of the identity.
        prefix: [u8; 2],
        /// The delivered token.
        token: Token,
    },
    /// 7: custody refused. Its MAC covers [`crate::frame::ack_suffix`].
    Refuse {
        /// First two bytes of the identity.
        prefix: [u8; 2],
        /// Why.
        reason: RefuseReason,
        /// When to try again, seconds; 0 = never in this form.
        retry_s: u16,
    },
    /// 8: a receipt: a parcel of its own, acknowledged like an envelope.
    Receipt(Receipt),
    /// 9: a non-delivery notice: a parcel of its own, acknowledged like an envelope.
    Notice(Notice),
    /// 10: how many more symbols of an envelope are needed.
    SymbolReport {
        /// First two bytes of the envelope's identity.
        prefix: [u8; 2],
        /// Symbols needed; [`NEED_NOTHING`], [`NEED_ALL`] and [`NEED_UNKNOWN`] are words of their own.
        need: u16,
        /// One more than the greatest symbol id of the fragment heard last: what was sent before it and did not help is
        /// lost.
        next: u16,
        /// How noisy the frames of whoever gets this report arrive (spec §52.5).
        noise: u8,
    },
    /// 11: the sender asks for the report or acknowledgement owed for this parcel, and listens.
    Poll {
        /// First two bytes of the identity.
        prefix: [u8; 2],
    },
    /// 12: symbols of this envelope will be broadcast; the receiver is one of those they are meant for.
    Announce {
        /// First eight bytes of the envelope's identity.
        id: MessageId,
        /// Length of the envelope in bytes.
        total: u32,
    },
    /// 13: custody of several parcels taken, at least one. Its MAC covers [`crate::frame::ack_many_suffix`].
    AckMany(Prefixes),
    /// 14: the rooms a member listens to; acknowledged like an envelope.
    Listens(Listens),
}

/// `need` of a report: everything has arrived and is being made durable; the answer follows.
pub const NEED_NOTHING: u16 = 0;

/// `need` of a report: all of it; what was announced is known and no symbol has come.
pub const NEED_ALL: u16 = u16::MAX - 1;

/// `need` of a report: nothing is known of this parcel.
pub const NEED_UNKNOWN: u16 = u16::MAX;

/// The first two bytes of several identities, at most [`ACK_MANY_MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefixes {
    len: usize,
    list: [[u8; 2]; ACK_MANY_MAX],
}

impl Prefixes {
    /// Adds one; false when it is full.
    pub fn push(&mut self, prefix: [u8; 2]) -> bool {
        let Some(place) = self.list.get_mut(self.len) else { return false };
        *place = prefix;
        self.len += 1;
        true
    }

    /// Those named, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[[u8; 2]] {
        self.list.get(..self.len).unwrap_or_default()
    }
}

impl Serialize for Prefixes {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.as_slice())
    }
}

impl<'de> Deserialize<'de> for Prefixes {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_seq(PrefixesVisitor)
    }
}

struct PrefixesVisitor;

impl<'de> serde::de::Visitor<'de> for PrefixesVisitor {
    type Value = Prefixes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {ACK_MANY_MAX} prefixes")
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Prefixes, A::Error> {
        let mut all = Prefixes::default();
        while let Some(prefix) = seq.next_element()? {
            if !all.push(prefix) {
                return Err(serde::de::Error::custom("too many"));
            }
        }
        Ok(all)
    }
}

/// Why bytes are not a control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlError {
    /// Unknown type, cut short, trailing bytes or not minimal.
    Malformed,
    /// Does not fit [`CONTROL_MAX`] or the buffer.
    Long,
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a control message of this version",
            Self::Long => "control message too long",
        })
    }
}

impl core::error::Error for ControlError {}

impl Control {
    /// Encodes into `out`; returns the bytes used.
    ///
    /// # Errors
    /// [`ControlError::Long`] when `out` is too small ([`CONTROL_MAX`] is always enough).
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8], ControlError> {
        postcard::to_slice(self, out).map(|s| &*s).map_err(|_| ControlError::Long)
    }

    /// Decodes exactly one message.
    ///
    /// # Errors
    /// [`ControlError::Malformed`] unless `bytes` are the one encoding of a message whose hop limit fits four bits,
    /// whose announced length is one of an envelope, and whose acknowledgement names a parcel.
    pub fn decode(bytes: &[u8]) -> Result<Self, ControlError> {
        let control: Self = postcard::from_bytes(bytes).map_err(|_| ControlError::Malformed)?;
        let mut again = [0; CONTROL_MAX];
        match control.encode(&mut again) {
            Ok(same) if same == bytes && control.is_sane() => Ok(control),
            Ok(_) | Err(_) => Err(ControlError::Malformed),
        }
    }

    /// What the types of the fields do not say (spec §20.2).
    fn is_sane(&self) -> bool {
        match self {
            Self::Announce { total, .. } => (ENVELOPE_MIN..=ENVELOPE_MAX).contains(&(*total as usize)),
            Self::AckMany(prefixes) => !prefixes.as_slice().is_empty(),
            Self::Receipt(_)
            | Self::Notice(_)
            | Self::Hello(_)
            | Self::Attach(_)
            | Self::Attached { .. }
            | Self::Drained { .. }
            | Self::Claim(_)
            | Self::Listens(_)
            | Self::Ack { .. }
            | Self::AckDelivered { .. }
            | Self::Refuse { .. }
            | Self::SymbolReport { .. }
            | Self::Poll { .. } => self.hops() <= HOP_LIMIT_MAX,
        }
    }

    /// Custodians that may still take this parcel; 0 for messages that are not parcels.
    #[must_use]
    pub const fn hops(&self) -> u8 {
        match self {
            Self::Receipt(r) => r.hops,
            Self::Notice(n) => n.hops,
            Self::Hello(_)
            | Self::Attach(_)
            | Self::Attached { .. }
            | Self::Drained { .. }
            | Self::Claim(_)
            | Self::Listens(_)
            | Self::Ack { .. }
            | Self::AckDelivered { .. }
            | Self::Refuse { .. }
            | Self::SymbolReport { .. }
            | Self::Poll { .. }
            | Self::Announce { .. }
            | Self::AckMany(_) => 0,
        }
    }

    /// Identity of a receipt, notice, claim or listens as a parcel: SHA-256("PICKET-parcel" ‖ encoding with hops 0)[..16].
    /// `None` for messages that are not parcels.
    #[must_use]
    pub fn parcel_identity(&self) -> Option<Identity> {
        let still = match *self {
            Self::Receipt(r) => Self::Receipt(Receipt { hops: 0, ..r }),
            Self::Notice(n) => Self::Notice(Notice { hops: 0, ..n }),
            Self::Claim(claim) => Self::Claim(claim),
            Self::Listens(listens) => Self::Listens(listens),
            Self::Hello(_)
            | Self::Attach(_)
            | Self::Attached { .. }
            | Self::Drained { .. }
            | Self::Ack { .. }
            | Self::AckDelivered { .. }
            | Self::Refuse { .. }
            | Self::SymbolReport { .. }
            | Self::Poll { .. }
            | Self::Announce { .. }
            | Self::AckMany(_) => return None,
        };
        let mut buf = [0; CONTROL_MAX];
        let bytes = still.encode(&mut buf).ok()?;
        let digest = Sha256::new().chain_update(b"PICKET-parcel").chain_update(bytes).finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Some(Identity(id))
    }
}

/// Hop limit and custody round in an envelope's bytes, as acknowledgements cover them; those of a receipt or notice
/// are [`Control::hops`] and 0.
#[must_use]
pub fn offer_of(envelope: &[u8]) -> (u8, u8) {
    let byte = envelope.get(HOP_BYTE).copied().unwrap_or(0);
    (byte >> 4, byte >> 2 & 0b11)
}
