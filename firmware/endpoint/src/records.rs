//! What the vault holds about messages (spec §70.9), in postcard.

use crate::clock::Age;
use crate::message::{Content, RefusedBecause, Shown, State, Step, optional_wall};
use crate::vault::VaultError;
use alloc::string::String;
use alloc::vec::Vec;
use picket_wire::control::{ReceiptKind, Token};
use picket_wire::time::Wall;
use picket_wire::{Identity, Index, Lifetime, MessageId, Precedence};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One sealing of a message: sealed again, it has another identity and other tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sealing {
    pub(crate) identity: Identity,
    pub(crate) delivered: Token,
    pub(crate) read: Token,
    pub(crate) epoch: u32,
    pub(crate) sid: u16,
}

/// A message sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OutRecord {
    pub(crate) to: Index,
    pub(crate) precedence: Precedence,
    pub(crate) position: u64,
    /// Oldest first; the last one is in the outbox.
    pub(crate) sealings: Vec<Sealing>,
    pub(crate) steps: Vec<Step>,
    pub(crate) lifetime: Lifetime,
    pub(crate) deadline: Age,
    #[serde(with = "optional_wall")]
    pub(crate) expires: Option<Wall>,
    /// Who took custody of the last sealing; `None`: it is to be offered.
    pub(crate) custodian: Option<Index>,
    /// Bytes of the sealed envelope while it is kept.
    pub(crate) envelope: Option<u32>,
    /// Content as it is listed while it is kept.
    pub(crate) kept: Option<Kept>,
}

/// A message received.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InRecord {
    pub(crate) from: Index,
    pub(crate) precedence: Precedence,
    pub(crate) position: u64,
    /// Id of the envelope it came in: what receipts name.
    pub(crate) wire: MessageId,
    pub(crate) delivered: Token,
    pub(crate) read: Token,
    #[serde(with = "optional_wall")]
    pub(crate) sent: Option<Wall>,
    #[serde(with = "optional_wall")]
    pub(crate) received: Option<Wall>,
    #[serde(with = "optional_wall")]
    pub(crate) expires: Option<Wall>,
    pub(crate) deadline: Age,
    pub(crate) is_read: bool,
    /// It came after its lifetime had ended: never shown, never receipted.
    pub(crate) late: bool,
    /// Content as it is listed, until the lifetime ends.
    pub(crate) kept: Option<Kept>,
}

/// What is known of kept content without reading it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Kept {
    /// Text of so many bytes.
    Text { bytes: u32 },
    /// A file.
    File { name: String, bytes: u32, sha256: [u8; 32] },
}

/// A parcel owed to the network: a receipt or housekeeping.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OwedRecord {
    pub(crate) envelope: bool,
    pub(crate) precedence: Precedence,
    pub(crate) identity: Identity,
    pub(crate) deadline: Age,
    pub(crate) bytes: Vec<u8>,
}

/// Content as it is stored.
#[derive(Serialize, Deserialize)]
enum StoredContent {
    Text(String),
    File { name: String, bytes: Vec<u8> },
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, VaultError> {
    postcard::to_allocvec(value).map_err(|_| VaultError::Failed)
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, VaultError> {
    postcard::from_bytes(bytes).map_err(|_| VaultError::Damaged)
}

pub(crate) fn encode_content(content: &Content) -> Result<Vec<u8>, VaultError> {
    encode(&match content {
        Content::Text(text) => StoredContent::Text(text.clone()),
        Content::File { name, bytes } => StoredContent::File { name: name.clone(), bytes: bytes.clone() },
    })
}

pub(crate) fn decode_content(bytes: &[u8]) -> Result<Content, VaultError> {
    Ok(match decode(bytes)? {
        StoredContent::Text(text) => Content::Text(text),
        StoredContent::File { name, bytes } => Content::File { name, bytes },
    })
}

impl Kept {
    pub(crate) fn of(content: &Content) -> Self {
        let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        match content {
            Content::Text(text) => Self::Text { bytes: length(text.len()) },
            Content::File { name, bytes } => {
                Self::File { name: name.clone(), bytes: length(bytes.len()), sha256: Sha256::digest(bytes).into() }
            }
        }
    }

    pub(crate) const fn bytes(&self) -> usize {
        match self {
            Self::Text { bytes } | Self::File { bytes, .. } => *bytes as usize,
        }
    }

    /// As it is listed; `text` reads the text.
    pub(crate) fn shown(&self, text: impl FnOnce() -> Result<Content, VaultError>) -> Result<Shown, VaultError> {
        match self {
            Self::File { name, bytes, sha256 } => {
                Ok(Shown::File { name: name.clone(), bytes: u64::from(*bytes), sha256: *sha256 })
            }
            Self::Text { .. } => match text()? {
                Content::Text(text) => Ok(Shown::Text(text)),
                Content::File { .. } => Err(VaultError::Damaged),
            },
        }
    }
}

impl Sealing {
    pub(crate) const fn token(&self, kind: ReceiptKind) -> Token {
        match kind {
            ReceiptKind::Delivered => self.delivered,
            ReceiptKind::Read => self.read,
        }
    }
}

impl OutRecord {
    pub(crate) fn state(&self) -> State {
        self.steps.last().map_or(State::Queued, |s| s.state)
    }

    /// Moves to a state of a higher rank; says whether it did.
    pub(crate) fn reach(&mut self, state: State, at: Option<Wall>) -> bool {
        let forward = state.rank() > self.state().rank();
        if forward {
            self.steps.push(Step { state, at });
        }
        forward
    }

    /// To be offered to a gateway.
    pub(crate) fn is_pending(&self) -> bool {
        self.custodian.is_none() && self.envelope.is_some()
    }

    /// Whether it may still be delivered by our doing.
    pub(crate) fn is_open(&self) -> bool {
        match self.state() {
            State::Queued => true,
            // Nobody answers a message to a room: with a gateway it is done.
            State::Custody => !self.to.is_room(),
            State::Delivered | State::Read | State::Expired | State::Refused(_) => false,
        }
    }
}

/// State for a notice or refusal that says the lifetime is over, or that something else ended it.
pub(crate) const fn ended(expired: bool, because: RefusedBecause) -> State {
    if expired { State::Expired } else { State::Refused(because) }
}
