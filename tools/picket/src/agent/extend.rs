//! Keys of further epochs, as the holder of a home makes them and tells of their end.

use super::load::dice;
use super::protocol::Reply;
use crate::error::{Exit, Failure};
use crate::vault::{self, HomeVault};
use picket_endpoint::{Endpoint, ExtendError};
use picket_wire::time::Instant;

/// Makes keys and the request for them, or gives the one that waits.
///
/// # Errors
/// As the exit codes say.
pub fn make(endpoint: &mut Endpoint<HomeVault>, now: Instant, epochs: Option<u16>) -> Result<Reply, Failure> {
    let made = endpoint.extend(now, epochs, &mut dice).map_err(refused)?;
    let name = endpoint.name_of(endpoint.me());
    let count = u32::try_from(made.epochs.len()).unwrap_or(u32::MAX);
    Ok(Reply::Extension {
        name,
        hex: hex::encode(made.request),
        first: made.epochs.start,
        epochs: count,
        again: made.again,
    })
}

/// What its owner is told while there are few keys left; once for each epoch.
#[derive(Default)]
pub struct Few {
    told: Option<u32>,
}

impl Few {
    /// Whether it is to be told to everybody now.
    pub fn words(&mut self, endpoint: &mut Endpoint<HomeVault>, now: Instant) -> Option<String> {
        let epoch = endpoint.epoch();
        if self.told == epoch {
            return None;
        }
        self.told = epoch;
        words(endpoint, now)
    }
}

/// The warning that this device's keys end soon.
pub fn words(endpoint: &mut Endpoint<HomeVault>, now: Instant) -> Option<String> {
    let left = endpoint.few_keys(now)?.as_secs();
    let (_, pending) = endpoint.own_epochs().ok()?;
    let end = match left {
        0 => "THIS DEVICE'S KEYS ARE OVER: nobody can begin a conversation with it".to_owned(),
        s if s < 2 * 3_600 => format!("this device's keys last {} min more", s.div_ceil(60)),
        s if s < 2 * 86_400 => format!("this device's keys last {} h more", s / 3_600),
        s => format!("this device's keys last {} days more", s / 86_400),
    };
    Some(match pending {
        Some(_) => format!(
            "{end}; further ones were made and wait for a roster that lists them: ask the authority, or give the request again \
             with `picket device extend`"
        ),
        None => {
            format!("{end}: make further ones with `picket device extend --to NAME`, NAME being who runs the authority")
        }
    })
}

fn refused(e: ExtendError) -> Failure {
    let next = match &e {
        ExtendError::Vault(e) => return vault::failure(*e),
        ExtendError::Revoked => "have the device enrolled anew, in a home of its own",
        ExtendError::Pending { .. } => {
            "leave --epochs away to have the same request again; further ones once a roster lists it"
        }
        ExtendError::Enough { .. } => "again when there are fewer; --epochs N makes up to 64 in all",
        ExtendError::TooMany { .. } => "ask for fewer now, and for others later; nothing was changed",
    };
    Failure::new(Exit::Usage, e.to_string(), next)
}
