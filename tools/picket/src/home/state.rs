//! The durable state of a home: a table whose names and values are encrypted.

use crate::error::Failure;
use crate::home::cipher::Cipher;
use picket_shell::medium::{FileMedium, Syncer};
use picket_shell::random;
use picket_store::{BodyError, CommitError, Medium, MediumError, OpenError, Table, TableLimits, Ticket, Work};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// State of a home, held by this process until dropped.
pub struct State {
    path: PathBuf,
    table: Table<FileMedium>,
    cipher: Arc<Cipher>,
    /// Names as they are, and as the table knows them.
    names: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({}, {} names)", self.path.display(), self.names.len())
    }
}

/// An opened state.
#[derive(Debug)]
pub struct Opened {
    /// The state.
    pub state: State,
    /// Damage that opening found and went round, in words; the rest is intact.
    pub damage: Option<String>,
}

/// Why the state cannot be opened.
#[derive(Debug)]
pub enum StateError {
    /// Another process holds it.
    Held,
    /// Anything else.
    Failed(Failure),
}

impl State {
    /// Opens or makes the state in `path`.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn open(path: &Path, cipher: Arc<Cipher>) -> Result<Opened, StateError> {
        let medium = FileMedium::open(path).map_err(|e| refused(path, OpenError::Medium(e)))?;
        let fresh = medium.list().is_ok_and(|segments| segments.is_empty());
        let salt: [u8; 4] = random::bytes().map_err(|e| StateError::Failed(Failure::internal(e.to_string())))?;
        let limits = TableLimits { salt: u32::from_be_bytes(salt), ..TableLimits::default() };
        let (table, recovery) = Table::open(medium, limits).map_err(|e| refused(path, e))?;
        let mut state = Self { path: path.to_owned(), table, cipher, names: BTreeMap::new() };
        let foreign = state.index();
        if !fresh && state.names.is_empty() && (foreign > 0 || recovery.damaged().next().is_some()) {
            return Err(StateError::Failed(ruined(path)));
        }
        let lost = recovery.damaged().count() as u64 + u64::from(recovery.more_losses) + foreign;
        let damage = (lost > 0).then(|| {
            format!("{lost} records of {} are damaged and were left out; everything else is intact", path.display())
        });
        Ok(Opened { state, damage })
    }

    /// Reads a value.
    ///
    /// # Errors
    /// Damaged, when it is not what was written.
    pub fn get(&mut self, name: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let Some(hidden) = self.names.get(name) else { return Ok(None) };
        let value = match self.table.get(hidden) {
            Ok(Some(value)) => value,
            Ok(None) | Err(BodyError::Unknown) => return Ok(None),
            Err(e @ (BodyError::Damaged | BodyError::Medium(_))) => return Err(self.damaged(&e.to_string())),
        };
        match self.cipher.open_value(hidden, &value) {
            Ok(clear) => Ok(Some(clear)),
            Err(_) => Err(self.damaged("a value is not what was written")),
        }
    }

    /// All names that begin with `prefix`, in order.
    pub fn names(&self, prefix: &[u8]) -> impl Iterator<Item = &[u8]> {
        let from = prefix.to_vec();
        let prefix = prefix.to_vec();
        self.names.range(from..).map(|(name, _)| name.as_slice()).take_while(move |name| name.starts_with(&prefix))
    }

    /// Sets (`Some`) or removes (`None`) each name: all or nothing. Visible at once, durable once the ticket is.
    ///
    /// # Errors
    /// Internal, when there is no room or the disk fails; nothing is changed.
    pub fn commit(&mut self, changes: &[(&[u8], Option<&[u8]>)]) -> Result<Ticket, Failure> {
        let mut hidden = Vec::with_capacity(changes.len());
        for (name, value) in changes {
            let hidden_name = self.cipher.seal_name(name).map_err(|_| Failure::internal("a name is too long"))?;
            let value = match value {
                Some(value) => {
                    Some(self.cipher.seal_value(&hidden_name, value).map_err(|e| Failure::internal(e.to_string()))?)
                }
                None => None,
            };
            hidden.push((hidden_name, value));
        }
        let refs: Vec<(&[u8], Option<&[u8]>)> =
            hidden.iter().map(|(name, value)| (name.as_slice(), value.as_deref())).collect();
        let ticket = self.table.commit(&refs).map_err(|e| self.refuse(e))?;
        for ((name, value), (hidden_name, _)) in changes.iter().zip(hidden) {
            match value {
                Some(_) => drop(self.names.insert(name.to_vec(), hidden_name)),
                None => drop(self.names.remove(*name)),
            }
        }
        Ok(ticket)
    }

    /// Commits and makes durable, on this thread.
    ///
    /// # Errors
    /// As [`Self::commit`], and when the disk does not sync.
    pub fn commit_now(&mut self, changes: &[(&[u8], Option<&[u8]>)]) -> Result<(), Failure> {
        self.commit(changes)?;
        self.sync_now()
    }

    /// Makes everything committed durable, on this thread, then does a bounded piece of maintenance.
    ///
    /// # Errors
    /// Internal, when the disk does not sync.
    pub fn sync_now(&mut self) -> Result<(), Failure> {
        self.table.sync_now().map_err(|e| self.disk(e))?;
        self.maintain()
    }

    /// What has to be synced for the ticket to become durable, to be run on any thread.
    pub fn sync_wanted(&mut self) -> Option<(Ticket, Syncer)> {
        let ticket = self.table.sync_wanted()?;
        Some((ticket, self.table.medium_mut().syncer()))
    }

    /// The syncer of `ticket` ran.
    ///
    /// # Errors
    /// Internal, when it failed or maintenance does.
    pub fn synced(&mut self, ticket: Ticket, outcome: Result<(), MediumError>) -> Result<(), Failure> {
        match outcome {
            Ok(()) => {
                self.table.synced(ticket);
                self.maintain()
            }
            Err(e) => {
                self.table.sync_failed();
                Err(self.disk(e))
            }
        }
    }

    /// Whether the ticket is durable.
    #[must_use]
    pub fn is_durable(&self, ticket: Ticket) -> bool {
        self.table.is_durable(ticket)
    }

    /// Makes what was removed or replaced so far unreadable on the medium too: after keys were erased.
    ///
    /// # Errors
    /// Internal, when the disk fails.
    pub fn purge_now(&mut self) -> Result<(), Failure> {
        self.table.purge();
        self.table.purge_now().map_err(|e| self.disk(e))
    }

    /// One bounded step of housekeeping.
    fn maintain(&mut self) -> Result<(), Failure> {
        match self.table.maintain() {
            Ok(Work::Idle | Work::More | Work::AfterSync) | Err(MediumError::NoSpace) => Ok(()),
            Err(e) => Err(self.disk(e)),
        }
    }

    /// Learns all names; returns how many cannot be read with our key.
    fn index(&mut self) -> u64 {
        let mut foreign = 0;
        for (hidden, _) in self.table.scan(&[]) {
            match self.cipher.open_name(hidden) {
                Ok(name) => drop(self.names.insert(name, hidden.to_vec())),
                Err(_) => foreign += 1,
            }
        }
        foreign
    }

    fn damaged(&self, why: &str) -> Failure {
        Failure::damaged(
            format!("the state at {} is damaged: {why}", self.path.display()),
            "keep a copy of the home, then have the device enrolled again; check the disk",
        )
    }

    fn disk(&self, e: MediumError) -> Failure {
        Failure::internal(format!("the state at {} cannot be written: {e}", self.path.display()))
    }

    fn refuse(&self, e: CommitError) -> Failure {
        match e {
            CommitError::Full | CommitError::Medium(MediumError::NoSpace) => Failure::new(
                crate::error::Exit::Internal,
                format!("the state at {} is full; nothing was changed", self.path.display()),
                "free some space and try again",
            ),
            CommitError::TooLarge | CommitError::Medium(_) | CommitError::Failed => {
                Failure::internal(format!("the state at {} cannot be written: {e}", self.path.display()))
            }
        }
    }
}

fn refused(path: &Path, e: OpenError) -> StateError {
    match e {
        OpenError::Medium(MediumError::Locked) => StateError::Held,
        OpenError::Newer(_) => {
            StateError::Failed(Failure::usage(format!("{}: {e}", path.display()), "use the newer program"))
        }
        OpenError::WrongKind | OpenError::Limits => StateError::Failed(ruined(path)),
        OpenError::Medium(_) => StateError::Failed(Failure::internal(format!("{}: {e}", path.display()))),
    }
}

fn ruined(path: &Path) -> Failure {
    Failure::damaged(
        format!("the state at {} is damaged beyond reading; nothing was changed", path.display()),
        "restore the home from a copy, or have the device enrolled again; check the disk",
    )
}
