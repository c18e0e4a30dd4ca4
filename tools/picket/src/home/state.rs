//! The durable state of a home: a table whose names and values are encrypted.

use crate::error::Failure;
use crate::home::cipher::Cipher;
use picket_safe::heap;
use picket_shell::medium::FileMedium;
use picket_shell::random;
use picket_store::{BodyError, CommitError, Medium, MediumError, OpenError, Subject, Table, TableLimits, Work};
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
    /// Damage that opening found and went round.
    pub damage: Option<Damage>,
}

/// What opening found damaged. Everything else is intact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// In words.
    pub text: String,
    /// It cannot be told whose the lost records were: an older value may have come back, as from a backup.
    pub stale: bool,
}

/// Why the state cannot be opened.
#[derive(Debug)]
pub enum StateError {
    /// Another process holds it.
    Held,
    /// Anything else.
    Failed(Failure),
}

/// Present from the home's making on: without it what is left of the state is a ruin. Its value says how far it is.
const MADE: &[u8] = b"h/made";
const NEW: &[u8] = b"new";
const JOINED: &[u8] = b"joined";

impl State {
    /// Makes the state of a new home.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path, cipher: Arc<Cipher>) -> Result<(), Failure> {
        let medium = FileMedium::open(path).map_err(|e| Failure::internal(format!("{}: {e}", path.display())))?;
        match Self::with(path, medium, cipher) {
            Ok(mut opened) => opened.state.commit_now(&[(MADE, Some(NEW))]),
            Err(StateError::Failed(failure)) => Err(failure),
            Err(StateError::Held) => Err(Failure::internal("the state just made is in use")),
        }
    }

    /// Opens the state of an existing home.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn open(path: &Path, cipher: Arc<Cipher>) -> Result<Opened, StateError> {
        let ruin = || StateError::Failed(ruined(path));
        if !path.is_dir() {
            return Err(ruin());
        }
        let medium = FileMedium::open(path).map_err(|e| refused(path, OpenError::Medium(e)))?;
        if medium.list().is_ok_and(|segments| segments.is_empty()) {
            return Err(ruin());
        }
        let opened = Self::with(path, medium, cipher)?;
        if opened.state.names.contains_key(MADE) { Ok(opened) } else { Err(ruin()) }
    }

    /// Whether the home has joined its mission.
    ///
    /// # Errors
    /// Damaged, when it cannot be told.
    pub fn has_joined(&mut self) -> Result<bool, Failure> {
        Ok(self.get(MADE)?.is_some_and(|v| *v == JOINED))
    }

    /// The home has joined; `forget` goes in the same transaction, durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_joined(&mut self, forget: &[u8]) -> Result<(), Failure> {
        self.commit_now(&[(MADE, Some(JOINED)), (forget, None)])
    }

    fn with(path: &Path, medium: FileMedium, cipher: Arc<Cipher>) -> Result<Opened, StateError> {
        let salt: [u8; 4] = random::bytes().map_err(|e| StateError::Failed(Failure::internal(e.to_string())))?;
        let limits = TableLimits { salt: u32::from_be_bytes(salt), ..TableLimits::default() };
        let (table, recovery) = heap::outside(|| Table::open(medium, limits)).map_err(|e| refused(path, e))?;
        let mut state = Self { path: path.to_owned(), table, cipher, names: BTreeMap::new() };
        let foreign = heap::outside(|| state.index());
        let lost = recovery.damaged().count() as u64 + u64::from(recovery.more_losses) + foreign;
        let stale = recovery.more_losses > 0 || recovery.damaged().any(|loss| loss.subject == Subject::Unknown);
        let damage = (lost > 0).then(|| Damage {
            text: format!("{lost} records of {} are damaged and were left out; check the disk", path.display()),
            stale,
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

    /// Sets (`Some`) or removes (`None`) each name: all or nothing, and durable when this returns.
    ///
    /// # Errors
    /// Internal, when there is no room (nothing is changed) or the disk fails.
    pub fn commit_now(&mut self, changes: &[(&[u8], Option<&[u8]>)]) -> Result<(), Failure> {
        self.commit(changes)?;
        heap::outside(|| self.table.sync_now()).map_err(|e| self.disk(e))?;
        self.maintain()
    }

    fn commit(&mut self, changes: &[(&[u8], Option<&[u8]>)]) -> Result<(), Failure> {
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
        heap::outside(|| self.table.commit(&refs)).map_err(|e| self.refuse(e))?;
        heap::outside(|| {
            for ((name, value), (hidden_name, _)) in changes.iter().zip(&hidden) {
                match value {
                    Some(_) => drop(self.names.insert(name.to_vec(), hidden_name.clone())),
                    None => drop(self.names.remove(*name)),
                }
            }
        });
        Ok(())
    }

    /// Makes what was removed or replaced so far unreadable on the medium too: after keys were erased.
    ///
    /// # Errors
    /// Internal, when the disk fails.
    pub fn purge_now(&mut self) -> Result<(), Failure> {
        self.table.purge();
        heap::outside(|| self.table.purge_now()).map_err(|e| self.disk(e))
    }

    /// One bounded step of housekeeping.
    fn maintain(&mut self) -> Result<(), Failure> {
        match heap::outside(|| self.table.maintain()) {
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
