//! What the authority did and what came of it, as one: an act is in the audit log, and its files are written, or neither
//! (spec §30.15). Before anything else an act is kept whole in `authority/pending`; whoever opens the mission next
//! finishes it from there, without any key.

use crate::error::{Exit, Failure};
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
    dir: PathBuf,
    chain: Chain,
    length: u64,
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

impl Ledger {
    /// Begins the log of a new mission. Nothing is written before the first act.
    ///
    /// # Errors
    /// When the folder cannot be locked.
    pub fn begin(dir: &Path, authority: &PublicKey) -> Result<Self, Failure> {
        let lock = hold(dir)?;
        let length = audit::LOG_HEADER_LEN as u64;
        Ok(Self { dir: dir.to_owned(), chain: Chain::begin(authority), length, _lock: lock })
    }

    /// Opens the log: finishes an act that was cut off (returned in words), then reads the log's head. None where the
    /// mission is older than its log.
    ///
    /// # Errors
    /// Usage when another process is at work, [`Exit::Damaged`] for a damaged head or pending act.
    pub fn open(dir: &Path, authority: &PublicKey) -> Result<(Option<Self>, Option<String>), Failure> {
        let lock = hold(dir)?;
        let finished = recover(dir)?;
        let folder = dir.join(FOLDER);
        if !folder.join(HEAD).exists() && !folder.join(LOG).exists() {
            return Ok((None, finished));
        }
        let head = files::read(&folder.join(HEAD), limits::SMALL_FILE_MAX)?;
        let chain = Chain::from_head(&head, authority).map_err(|e| broken(&folder, &e))?;
        let length = fs::metadata(folder.join(LOG)).map_or(0, |m| m.len());
        Ok((Some(Self { dir: dir.to_owned(), chain, length, _lock: lock }), finished))
    }

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
        pending.keep(&self.dir)?;
        for step in pending.steps() {
            pending.take(&self.dir, step)?;
        }
        self.chain = chain;
        self.length = length;
        Ok(())
    }
}

/// Log and head of a mission, as they lie there.
///
/// # Errors
/// Usage, when there are none.
pub fn read(dir: &Path) -> Result<(Zeroizing<Vec<u8>>, Zeroizing<Vec<u8>>), Failure> {
    let max = picket_provision::limits::AUDIT_MAX as u64;
    let folder = dir.join(FOLDER);
    Ok((files::read(&folder.join(LOG), max)?, files::read(&folder.join(HEAD), limits::SMALL_FILE_MAX)?))
}

/// Finishes what was cut off, where the mission's folder can be had alone.
///
/// # Errors
/// As [`Ledger::open`].
pub fn finish(dir: &Path) -> Result<Option<String>, Failure> {
    let _lock = hold(dir)?;
    recover(dir)
}

fn hold(dir: &Path) -> Result<File, Failure> {
    let path = dir.join(FOLDER).join(LOCK);
    let refused = |e: std::io::Error| files::io_failure("cannot open", &path, &e);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(refused)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        Failure::usage(format!("another command is at work on the mission at {}", dir.display()), "wait until it ends")
    })?;
    Ok(file)
}

fn recover(dir: &Path) -> Result<Option<String>, Failure> {
    let Some(pending) = Pending::kept(dir)? else { return Ok(None) };
    for step in pending.steps() {
        pending.take(dir, step)?;
    }
    Ok(Some(pending.what.join(", ")))
}

fn broken(folder: &Path, e: &picket_provision::Broken) -> Failure {
    Failure::damaged(
        format!("{}: {e}", folder.join(HEAD).display()),
        "restore the folder `authority` from a copy, and see `picket mission log --check`",
    )
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
            return Err(std::io::Error::other("the log is shorter than its head says: entries were cut off"));
        }
        log.set_len(before)?;
        log.seek(SeekFrom::Start(before))?;
        log.write_all(bytes)?;
        log.sync_all()
    })();
    written.map_err(|e| Failure::new(Exit::Damaged, format!("cannot append to {}: {e}", path.display()), "restore it from a copy, and see `picket mission log --check`"))
}

fn is_below(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|c| matches!(c, Component::Normal(_)))
}

#[cfg(test)]
mod tests;
