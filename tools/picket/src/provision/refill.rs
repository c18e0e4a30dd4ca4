//! `picket join` on a home that has joined: a newer keyfill (spec §70.12).

use super::device::keyfill_failure;
use crate::error::Failure;
use crate::home::State;
use crate::output::Output;
use crate::refusals;
use crate::trust::Trust;
use crate::vault::{self, HomeVault};
use picket_endpoint::{Endpoint, RefillError, Upgrade};
use picket_roster::Keyfill;
use picket_shell::clock::Clock;
use serde_json::json;

/// Takes a newer keyfill into a home; gives its state back.
///
/// # Errors
/// Usage for another device's or an older one.
pub fn refill(mut state: State, bytes: &[u8], name: &str, out: &Output) -> Result<State, Failure> {
    let mut trust = Trust::load(&mut state)?;
    let clock = Clock::new(crate::runtime::TRUST);
    let opened = Endpoint::open(HomeVault::new(state), clock.now(), clock.wall());
    let mut endpoint = opened.map_err(|e| refusals::open(&e))?;
    let (fill, old) = (Keyfill::open(bytes).map_err(|e| keyfill_failure(&e))?, endpoint.roster().clone());
    if picket_roster::upgrade(&old, fill.roster()) == Ok(Upgrade::Newer) {
        trust.foresee(endpoint.vault_mut().state_mut(), &old, fill.roster())?;
    }
    let done = endpoint.refill(clock.now(), bytes).map_err(|e| refused(&e))?;
    let version = endpoint.roster().version();
    out.object(&json!({"refilled": name, "roster_version": version, "changed": done.roster == Upgrade::Newer,
                       "peers": done.peers, "generation": done.generation}))?;
    let peers = match done.peers {
        0 => String::new(),
        1 => "; a pre-shared key with one member more is here".into(),
        n => format!("; pre-shared keys with {n} members more are here"),
    };
    let generation = done.generation.map(|g| format!("; the network key is of generation {g}")).unwrap_or_default();
    out.say(&format!("{name} had joined already: roster version {version} is in force{peers}{generation}."))?;
    Ok(endpoint.into_vault().into_state())
}

fn refused(e: &RefillError) -> Failure {
    match e {
        RefillError::Keyfill(e) => keyfill_failure(e),
        RefillError::Roster(e) => refusals::import(e),
        RefillError::Revoked => {
            Failure::usage(e.to_string(), "have the device enrolled anew, in a home of its own; nothing was changed")
        }
        RefillError::Vault(e) => vault::failure(*e),
    }
}
