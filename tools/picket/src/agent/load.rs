//! Contents on their way between processes, and the endpoint's randomness.

use super::protocol::Load;
use crate::error::Failure;
use picket_endpoint::Content;
use picket_shell::random;

impl From<Content> for Load {
    fn from(content: Content) -> Self {
        match content {
            Content::Text(text) => Self::Text(text),
            Content::File { name, bytes } => Self::File { name, hex: hex::encode(bytes) },
        }
    }
}

impl TryFrom<Load> for Content {
    type Error = Failure;

    fn try_from(load: Load) -> Result<Self, Failure> {
        Ok(match load {
            Load::Text(text) => Self::Text(text),
            Load::File { name, hex } => {
                let bytes = hex::decode(hex).map_err(|_| Failure::internal("a file's bytes are not hex"))?;
                Self::File { name, bytes }
            }
        })
    }
}

/// The endpoint's randomness. Going on without any would make keys that others can guess.
pub fn dice(out: &mut [u8]) {
    if random::fill(out).is_err() {
        std::process::abort();
    }
}
