//! A member's home folder: keys, sessions and mailbox, all under one master key.
//!
//! ```text
//! H/home.key      master key, wrapped under the passphrase (see `passphrase`)
//! H/state/        durable table, names and values encrypted (see `home::cipher`); its lock says who holds the home
//! H/agent.sock    while somebody holds the home: how others hand over their work
//! H/request       what the authority needs to enrol this device
//! ```

mod cipher;
mod state;

use crate::error::{Exit, Failure};
use crate::files::{self, Access};
use crate::passphrase::{self, Protection, Source};
use picket_shell::random;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

pub use cipher::{Cipher, Forged};
pub use state::{Damage, Opened, State, StateError};

/// Where a home is, and the ciphers its passphrase opened.
pub struct Home {
    path: PathBuf,
    cipher: std::sync::Arc<Cipher>,
}

impl Home {
    /// Makes a home in a new or empty folder.
    ///
    /// # Errors
    /// Usage, when the folder is not empty.
    pub fn create(path: &Path, protection: &Protection) -> Result<Self, Failure> {
        files::empty_folder(path)?;
        let mut master = Zeroizing::new([0; 32]);
        random::fill(master.as_mut()).map_err(|e| Failure::internal(e.to_string()))?;
        let wrapped = passphrase::wrap(passphrase::HOME, protection, master.as_ref())?;
        files::write(&path.join(KEY), &wrapped, Access::Secret)?;
        let home = Self::with(path, &master);
        State::create(&path.join(STATE), home.cipher_handle())?;
        Ok(home)
    }

    /// Opens the key of an existing home, asking for its passphrase if it has one.
    ///
    /// # Errors
    /// [`Exit::Locked`], [`Exit::Damaged`]; usage when there is no home.
    pub fn unlock(path: &Path, source: &Source) -> Result<Self, Failure> {
        let key = path.join(KEY);
        if !key.exists() {
            return Err(no_home(path));
        }
        let master = passphrase::unwrap_file(passphrase::HOME, &key, source)?;
        let master: &[u8; 32] = master
            .as_slice()
            .try_into()
            .map_err(|_| Failure::damaged(format!("{} is damaged", key.display()), "restore it from a copy"))?;
        Ok(Self::with(path, master))
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
        State::open(&self.path.join(STATE), std::sync::Arc::clone(&self.cipher))
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

    fn with(path: &Path, master: &[u8; 32]) -> Self {
        Self { path: path.to_owned(), cipher: std::sync::Arc::new(Cipher::new(master)) }
    }
}

/// Name of the wrapped master key.
pub const KEY: &str = "home.key";
/// Name of the state's folder.
pub const STATE: &str = "state";
/// Name of the socket at which the holder serves others.
pub const SOCKET: &str = "agent.sock";
/// Name of the request to be enrolled.
pub const REQUEST: &str = "request";

fn no_home(path: &Path) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("{} is not a member's home", path.display()),
        "make one: `picket mission quickstart DIR …` for a bench, or `picket device new NAME --kind member --home H`",
    )
}

#[cfg(test)]
mod tests;
