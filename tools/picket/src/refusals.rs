//! The endpoint's refusals as failures of a command: exit code and next step.

use crate::error::{Exit, Failure};
use crate::vault;
use picket_endpoint::{BodyError, ComposeError, ImportError, MarkReadError, ObjectError, OpenError};

/// Opening a home.
#[must_use]
pub fn open(e: &OpenError) -> Failure {
    match e {
        OpenError::Missing => Failure::usage(e.to_string(), "`picket join --home H KEYFILL`"),
        OpenError::Newer(_) => Failure::usage(e.to_string(), "use the newer program"),
        OpenError::Damaged => vault::failure(picket_endpoint::VaultError::Damaged),
        OpenError::Vault(e) => vault::failure(*e),
    }
}

/// Composing a message.
#[must_use]
pub fn compose(e: &ComposeError) -> Failure {
    let next = match e {
        ComposeError::Vault(e) => return vault::failure(*e),
        ComposeError::CannotSeal(_) => {
            return Failure::new(Exit::Unsealed, e.to_string(), "nothing was sent; do what it says and send again");
        }
        ComposeError::OutboxFull => {
            return Failure::new(Exit::Dead, e.to_string(), "nothing was sent; see `picket sent`");
        }
        ComposeError::UnknownRecipient { .. } | ComposeError::NotAMember { .. } | ComposeError::Yourself => {
            "nothing was sent; correct --to"
        }
        ComposeError::TtlTooLong { .. } | ComposeError::TtlTooShort => "nothing was sent; correct --ttl",
        ComposeError::TooLarge { .. } => "nothing was sent; send it in parts",
        ComposeError::FileName => "nothing was sent; rename the file",
        ComposeError::Revoked => "nothing was sent; have the device enrolled anew, in a home of its own",
    };
    Failure::usage(e.to_string(), next)
}

/// Showing a message.
#[must_use]
pub fn body(e: BodyError) -> Failure {
    match e {
        BodyError::NoSuchId(_) => no_such_id(e.to_string()),
        BodyError::Vault(e) => vault::failure(e),
    }
}

/// Marking a message read.
#[must_use]
pub fn mark_read(e: MarkReadError) -> Failure {
    match e {
        MarkReadError::NoSuchId(_) => no_such_id(e.to_string()),
        MarkReadError::Vault(e) => vault::failure(e),
    }
}

/// Putting a roster in force.
#[must_use]
pub fn import(e: &ImportError) -> Failure {
    match e {
        ImportError::Roster(_) | ImportError::Upgrade(_) | ImportError::NotListed | ImportError::NotOurKeys => {
            Failure::usage(e.to_string(), "the roster in force stays; ask the authority for the right file")
        }
        ImportError::Vault(e) => vault::failure(*e),
    }
}

/// Putting a revocation in force.
#[must_use]
pub fn object(e: &ObjectError) -> Failure {
    match e {
        ObjectError::Vault(e) => vault::failure(*e),
        ObjectError::Unknown
        | ObjectError::Roster(_)
        | ObjectError::Older
        | ObjectError::Revoke(_)
        | ObjectError::Open(_)
        | ObjectError::NoPaths
        | ObjectError::Revoked => {
            Failure::usage(e.to_string(), "nothing else changed; ask the authority for the right file")
        }
    }
}

fn no_such_id(message: String) -> Failure {
    Failure::new(Exit::NoSuchId, message, "list them with `picket inbox` or `picket sent`")
}
