//! The endpoint's vault over a home's state. Names of the endpoint begin with `e/`, those of this tool with `h/`.

use crate::error::{Exit, Failure};
use crate::home::State;
use crate::via::Via;
use picket_endpoint::{Change, Vault, VaultError};
use picket_roster::DeviceSecrets;
use zeroize::Zeroize;

const ENDPOINT: &[u8] = b"e/";
const WAYS: &[u8] = b"h/ways";

/// A home's state as the endpoint sees it. Every commit is on stable storage when it returns.
#[derive(Debug)]
pub struct HomeVault {
    state: State,
    /// The last failure of the state, for people: the endpoint's own error is a word only.
    failure: Option<Failure>,
}

impl HomeVault {
    /// Over an opened state.
    #[must_use]
    pub const fn new(state: State) -> Self {
        Self { state, failure: None }
    }

    /// Gives the state back.
    #[must_use]
    pub fn into_state(self) -> State {
        self.state
    }

    /// The state, for what this tool itself keeps in it.
    pub const fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// The last failure of the state, once.
    pub const fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// Writes what lives anew, so that damage found at opening is not found again.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn renew(&mut self) -> Result<(), Failure> {
        self.state.purge_now()
    }

    fn note(&mut self, failure: Failure) -> VaultError {
        let error = match failure.exit {
            Exit::Damaged => VaultError::Damaged,
            _ if failure.message.ends_with("is full; nothing was changed") => VaultError::Full,
            _ => VaultError::Failed,
        };
        self.failure = Some(failure);
        error
    }
}

impl Vault for HomeVault {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        match self.state.get(&named(key)) {
            Ok(value) => Ok(value.map(|mut v| core::mem::take(&mut *v))),
            Err(failure) => Err(self.note(failure)),
        }
    }

    fn scan(&mut self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, VaultError> {
        let found =
            self.state.names(&named(prefix)).filter_map(|n| n.get(ENDPOINT.len()..)).map(<[u8]>::to_vec).collect();
        Ok(found)
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), VaultError> {
        let names: Vec<Vec<u8>> = changes.iter().map(|(key, _)| named(key)).collect();
        let refs: Vec<(&[u8], Option<&[u8]>)> =
            names.iter().zip(changes).map(|(name, (_, value))| (name.as_slice(), value.as_deref())).collect();
        self.state.commit_now(&refs).map_err(|failure| self.note(failure))
    }

    fn purge(&mut self) {
        if let Err(failure) = self.state.purge_now() {
            self.note(failure);
        }
    }
}

/// The secrets of a device that has joined.
///
/// # Errors
/// Damaged, when they cannot be read.
pub fn device_secrets(state: &mut State) -> Result<Option<DeviceSecrets>, Failure> {
    let Some(stored) = state.get(&named(picket_endpoint::vault::SECRETS))? else { return Ok(None) };
    DeviceSecrets::decode(&stored).map(Some).map_err(|_| failure(VaultError::Damaged))
}

/// The ways a home used last.
///
/// # Errors
/// Damaged, when they cannot be read.
pub fn remembered_ways(state: &mut State) -> Result<Vec<Via>, Failure> {
    let Some(mut bytes) = state.get(WAYS)? else { return Ok(Vec::new()) };
    let ways = String::from_utf8_lossy(&bytes).lines().filter_map(|line| line.parse().ok()).collect();
    bytes.zeroize();
    Ok(ways)
}

/// Remembers the ways of a home; durable when this returns.
///
/// # Errors
/// When the state cannot be written.
pub fn remember_ways(state: &mut State, ways: &[Via]) -> Result<(), Failure> {
    let lines: Vec<String> = ways.iter().map(ToString::to_string).collect();
    state.commit_now(&[(WAYS, Some(lines.join("\n").as_bytes()))])
}

/// A failure of the vault in words.
#[must_use]
pub fn failure(e: VaultError) -> Failure {
    match e {
        VaultError::Damaged => Failure::damaged(
            e.to_string(),
            "keep a copy of the home, then have the device enrolled again; check the disk",
        ),
        VaultError::Full => Failure::new(Exit::Internal, e.to_string(), "free some space and try again"),
        VaultError::Failed => Failure::new(Exit::Internal, e.to_string(), "check the disk and try again"),
    }
}

fn named(key: &[u8]) -> Vec<u8> {
    [ENDPOINT, key].concat()
}
