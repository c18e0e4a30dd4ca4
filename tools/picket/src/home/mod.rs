//! A member's home folder: keys, sessions and mailbox, all under one data key.
//!
//! ```text
//! H/home.key      the data key, wrapped: TPM, passphrase or file (spec §75.1); also says that a wipe has begun
//! H/alive         when its owner was last here, where a dead man's time is set (see `home::alive`)
//! H/state/        durable table, names and values encrypted (see `home::cipher`); its lock says who holds the home
//! H/agent.sock    while somebody holds the home: how others hand over their work
//! H/request       what the authority needs to enrol this device
//! ```

pub mod alive;
mod cipher;
pub mod key;
mod rollback;
mod state;
pub mod wiping;

use crate::error::{Exit, Failure};
use crate::files;
use crate::passphrase::{Protection, Source};
use std::path::{Path, PathBuf};

pub use cipher::{Cipher, Forged};
pub use state::{Damage, Opened, State, StateError};

/// Where a home is, and the ciphers its passphrase opened.
pub struct Home {
    path: PathBuf,
    cipher: std::sync::Arc<Cipher>,
    /// Indices in the TPM, where the key is under one.
    nv: Option<(u32, u32)>,
}

impl Home {
    /// Makes a home in a new or empty folder.
    ///
    /// # Errors
    /// Usage, when the folder is not empty.
    pub fn create(path: &Path, protection: &Protection) -> Result<Self, Failure> {
        wiping::resume(path)?;
        files::empty_folder(path)?;
        let data = key::create(path, protection)?;
        let home = Self::with(path, &data, None)?;
        State::create(&path.join(STATE), home.cipher_handle())?;
        Ok(home)
    }

    /// Opens the key of an existing home, asking for its passphrase if it has one. A wipe that has begun is finished
    /// first; a duress passphrase, or a dead man's time that is over, wipes the home.
    ///
    /// # Errors
    /// [`Exit::Locked`], [`Exit::Damaged`]; usage when there is no home.
    pub fn unlock(path: &Path, source: &Source) -> Result<Self, Failure> {
        wiping::resume(path)?;
        if !path.join(KEY).exists() {
            return Err(no_home(path));
        }
        alive::check(path)?;
        let (data, nv) = key::unlock(path, source)?;
        alive::note(path)?;
        Self::with(path, &data, nv)
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its ciphers.
    #[must_use]
    pub fn cipher(&self) -> &Cipher {
        &self.cipher
    }

    /// Its ciphers, shared.
    #[must_use]
    pub fn cipher_handle(&self) -> std::sync::Arc<Cipher> {
        std::sync::Arc::clone(&self.cipher)
    }

    /// Takes hold of the home's state.
    ///
    /// # Errors
    /// [`StateError::Held`] when another process has it; otherwise a failure.
    pub fn open(&self) -> Result<Opened, StateError> {
        let mut opened = State::open(&self.path.join(STATE), std::sync::Arc::clone(&self.cipher))?;
        if let Some(nv) = self.nv {
            rollback::check(&mut opened, nv).map_err(StateError::Failed)?;
        }
        Ok(opened)
    }

    /// Takes hold of the state where nobody else can be expected to have it.
    ///
    /// # Errors
    /// Usage, when another process has it.
    pub fn open_alone(&self) -> Result<Opened, Failure> {
        self.open().map_err(|e| match e {
            StateError::Held => Failure::usage(
                format!("the home at {} is in use by another process", self.path.display()),
                "stop that one first (an `inbox --follow`, for example)",
            ),
            StateError::Failed(failure) => failure,
        })
    }

    fn with(path: &Path, data: &[u8; 32], nv: Option<(u32, u32)>) -> Result<Self, Failure> {
        let cipher = Cipher::new(data).map_err(|e| Failure::internal(format!("no memory for keys: {e}")))?;
        Ok(Self { path: path.to_owned(), cipher: std::sync::Arc::new(cipher), nv })
    }
}

/// Name of the key file.
pub const KEY: &str = "home.key";
/// Name of the state's folder.
pub const STATE: &str = "state";
/// Name of the socket at which the holder serves others.
pub const SOCKET: &str = "agent.sock";
/// Name of the request to be enrolled.
pub const REQUEST: &str = "request";

pub(crate) fn no_home(path: &Path) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("{} is not a member's home", path.display()),
        "make one: `picket mission quickstart DIR …` for a bench, or `picket device new NAME --kind member --home H`",
    )
}

#[cfg(test)]
mod tests;
