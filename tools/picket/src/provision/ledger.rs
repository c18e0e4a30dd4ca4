//! What the authority did and what came of it, as one: an act is in the audit log, and its files are written, or neither
//! (spec §30.15). Before anything else an act is kept whole in `authority/pending`; whoever opens the mission next
//! finishes it from there, without any key.

use crate::error::Failure;
use crate::files::{self, Access};
use crate::limits;
use picket_provision::{Act, Chain, Entry, audit};
use picket_roster::{AuthorityKey, PublicKey};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// Name of the authority's folder.
pub const FOLDER: &str = "authority";
const LOG: &str = "audit.log";
const HEAD: &str = "audit.head";
const PENDING: &str = "pending";
const LOCK: &str = "lock";
const SUM: usize = 8;
const FORMAT: u8 = 1;

/// The audit log of a mission, held by this process alone.
pub struct Ledger {
    chain: Chain,
    length: u64,
    hold: Hold,
}

/// A mission's folder, held by this process alone.
pub struct Hold {
    dir: PathBuf,
    _lock: File,
}

/// An act, to be written down.
#[derive(Clone, Debug)]
pub struct Deed {
    /// What.
    pub act: Act,
    /// Whom it is about.
    pub name: String,
    /// See [`Act`].
    pub detail: u32,
    /// Hash of what came out.
    pub output: [u8; 32],
}

/// A file that comes of an act.
#[derive(Serialize, Deserialize)]
pub struct Outcome {
    /// Below the mission's folder.
    path: String,
    secret: bool,
    bytes: Vec<u8>,
}

/// An act that is on its way, as it is kept.
#[derive(Serialize, Deserialize)]
struct Pending {
    format: u8,
    /// What people call it.
    what: Vec<String>,
    /// Length of the log before it.
    before: u64,
    entries: Vec<u8>,
    head: Vec<u8>,
    files: Vec<Outcome>,
}

/// The steps after an act is kept, in order. Each can be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Log,
    Head,
    File(usize),
    Forget,
}

impl Drop for Outcome {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl Outcome {
    /// A file below the mission's folder.
    pub fn new(path: impl Into<String>, bytes: &[u8], access: Access) -> Self {
        Self { path: path.into(), secret: access == Access::Secret, bytes: bytes.to_vec() }
    }
}

impl Deed {
    /// An act with SHA-256 of what came out.
    pub fn of(act: Act, name: &str, detail: u32, output: &[u8]) -> Self {
        Self { act, name: name.into(), detail, output: Sha256::digest(output).into() }
    }

    fn words(&self) -> String {
        format!("{} {}", self.act.word(), self.name)
    }
}

impl Hold {
    /// Takes hold of a mission's folder, and finishes an act that was cut off: returned in words.
    ///
    /// # Errors
    /// Usage when another command is at work, damaged, for a damaged pending act.
    pub fn of(dir: &Path) -> Result<(Self, Option<String>), Failure> {
        let path = dir.join(FOLDER).join(LOCK);
        let refused = |e: std::io::Error| files::io_failure("cannot open", &path, &e);
        let open = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = open.map_err(refused)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            Failure::usage(
                format!("another command is at work on the mission at {}", dir.display()),
                "wait until it ends, then try again",
            )
        })?;
        let finished = recover(dir)?;
        Ok((Self { dir: dir.to_owned(), _lock: lock }, finished))
    }

    /// Opens the log, and says whether it is a new one: the mission is new, or older than its log.
    ///
    /// # Errors
    /// damaged, for a damaged head.
    pub fn ledger(self, authority: &PublicKey) -> Result<(Ledger, bool), Failure> {
        let folder = self.dir.join(FOLDER);
        let (log, head) = (folder.join(LOG), folder.join(HEAD));
        if !head.exists() && !log.exists() {
            let ledger = Ledger { chain: Chain::begin(authority), length: 0, hold: self };
            return Ok((ledger, true));
        }
        let bytes = files::read(&head, limits::SMALL_FILE_MAX)?;
        let chain = Chain::from_head(&bytes, authority).map_err(|e| {
            Failure::damaged(
                format!("{}: {e}", head.display()),
                "restore the folder `authority` from a copy, and see `picket mission log --check`",
            )
        })?;
        let length = fs::metadata(log).map_or(0, |m| m.len());
        Ok((Ledger { chain, length, hold: self }, false))
    }
}

impl Ledger {
    /// Number of the next act.
    pub const fn next(&self) -> u32 {
        self.chain.count() + 1
    }

    /// Writes acts down, and the files that come of them: all or nothing, whatever happens in between.
    ///
    /// # Errors
    /// When the key does not sign or the disk fails.
    pub fn record(
        &mut self,
        authority: &AuthorityKey,
        time: u64,
        deeds: &[Deed],
        files: Vec<Outcome>,
    ) -> Result<(), Failure> {
        let refused = |e: picket_roster::SignerError| Failure::internal(e.to_string());
        let mut chain = self.chain;
        let mut entries = Vec::new();
        for deed in deeds {
            let entry = Entry {
                number: 0,
                time: Some(time).filter(|t| *t > 0),
                act: deed.act,
                name: &deed.name,
                detail: deed.detail,
                output: deed.output,
            };
            entries.extend(chain.append(authority, &entry).map_err(refused)?);
        }
        let head = chain.head(authority).map_err(refused)?;
        let log = self.hold.dir.join(FOLDER).join(LOG);
        if fs::metadata(&log).map_or(0, |m| m.len()) < self.length {
            return Err(cut_off(&log));
        }
        if chain.count() == u32::try_from(deeds.len()).unwrap_or(u32::MAX) {
            let public = authority.public().map_err(|e| Failure::internal(e.to_string()))?;
            entries.splice(0..0, audit::log_header(&public));
            self.length = 0;
        }
        let pending = Pending {
            format: FORMAT,
            what: deeds.iter().map(Deed::words).collect(),
            before: self.length,
            entries,
            head,
            files,
        };
        let length = self.length + pending.entries.len() as u64;
        pending.keep(&self.hold.dir)?;
        for step in pending.steps() {
            pending.take(&self.hold.dir, step)?;
        }
        self.chain = chain;
        self.length = length;
        Ok(())
    }
}

/// What is read from a file.
type Bytes = Zeroizing<Vec<u8>>;

/// Log and head of a mission, as they lie there.
///
/// # Errors
/// Usage, when there are none.
pub fn read(dir: &Path) -> Result<(Bytes, Bytes), Failure> {
    let max = picket_provision::limits::AUDIT_MAX as u64;
    let folder = dir.join(FOLDER);
    Ok((files::read(&folder.join(LOG), max)?, files::read(&folder.join(HEAD), limits::SMALL_FILE_MAX)?))
}

fn recover(dir: &Path) -> Result<Option<String>, Failure> {
    let Some(pending) = Pending::kept(dir)? else { return Ok(None) };
    for step in pending.steps() {
        pending.take(dir, step)?;
    }
    Ok(Some(pending.what.join(", ")))
}

impl Pending {
    fn steps(&self) -> Vec<Step> {
        let files = (0..self.files.len()).map(Step::File);
        [Step::Log, Step::Head].into_iter().chain(files).chain([Step::Forget]).collect()
    }

    fn keep(&self, dir: &Path) -> Result<(), Failure> {
        let mut bytes = Zeroizing::new(postcard::to_allocvec(self).map_err(|e| Failure::internal(e.to_string()))?);
        let sum = Sha256::digest(bytes.as_slice());
        bytes.extend_from_slice(&sum[..SUM]);
        files::write(&dir.join(FOLDER).join(PENDING), &bytes, Access::Secret)
    }

    fn kept(dir: &Path) -> Result<Option<Self>, Failure> {
        let path = dir.join(FOLDER).join(PENDING);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = files::read(&path, limits::PENDING_MAX)?;
        let read = bytes.split_last_chunk::<SUM>().filter(|(body, sum)| Sha256::digest(body)[..SUM] == **sum);
        let pending = read.and_then(|(body, _)| postcard::from_bytes::<Self>(body).ok());
        let sound = pending.filter(|p| p.format == FORMAT && p.files.iter().all(|f| is_below(&f.path)));
        sound.map(Some).ok_or_else(|| {
            Failure::damaged(
                format!("{} is damaged: an act of the authority was cut off and cannot be finished", path.display()),
                "restore the mission's folder from a copy; or remove this file, and do the act again",
            )
        })
    }

    fn take(&self, dir: &Path, step: Step) -> Result<(), Failure> {
        let folder = dir.join(FOLDER);
        match step {
            Step::Log => append(&folder.join(LOG), self.before, &self.entries),
            Step::Head => files::write(&folder.join(HEAD), &self.head, Access::Secret),
            Step::File(n) => {
                let Some(file) = self.files.get(n) else { return Ok(()) };
                let access = if file.secret { Access::Secret } else { Access::Public };
                files::write(&dir.join(&file.path), &file.bytes, access)
            }
            Step::Forget => {
                let path = folder.join(PENDING);
                let gone = fs::remove_file(&path).and_then(|()| File::open(&folder)?.sync_all());
                gone.map_err(|e| files::io_failure("cannot remove", &path, &e))
            }
        }
    }
}

/// Puts `bytes` at `before`, whatever a cut-off attempt has left there.
fn append(path: &Path, before: u64, bytes: &[u8]) -> Result<(), Failure> {
    let written = (|| {
        let mut log = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        if log.metadata()?.len() < before {
            return Err(std::io::Error::other("it is shorter than it was: entries were cut off"));
        }
        log.set_len(before)?;
        log.seek(SeekFrom::Start(before))?;
        log.write_all(bytes)?;
        log.sync_all()
    })();
    written.map_err(|e| files::io_failure("cannot append to", path, &e))
}

fn cut_off(log: &Path) -> Failure {
    Failure::damaged(
        format!("{} is shorter than a moment ago: entries were cut off", log.display()),
        "restore it from a copy, and see `picket mission log --check`",
    )
}

fn is_below(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|c| matches!(c, Component::Normal(_)))
}

#[cfg(test)]
mod tests;
