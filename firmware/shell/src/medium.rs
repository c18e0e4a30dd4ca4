//! Segments as files in one folder: pre-zeroed, `fdatasync`ed, under a lock that a second process cannot take.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use picket_store::{Medium, MediumError, SegmentId};

/// Files held open at once: two stores stay far below the usual limit of 1024 descriptors.
const MAX_OPEN: usize = 64;
/// Zeros are written in pieces of this size.
const ZEROS: usize = 64 * 1024;

/// A folder of segment files, `00000001.seg` and so on, and a file `lock` that is locked as long as this value lives.
///
/// ```
/// use picket_shell::medium::FileMedium;
/// use picket_store::{Medium, SegmentId};
///
/// let folder = tempfile::tempdir()?;
/// let mut medium = FileMedium::open(folder.path())?;
/// medium.create(SegmentId(1), 4096)?;
/// medium.write(SegmentId(1), 8, b"kept")?;
/// let syncer = medium.syncer();
/// std::thread::spawn(move || syncer.run()).join().expect("the thread ended")?; // or tokio's spawn_blocking
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileMedium {
    folder: PathBuf,
    open: Mutex<BTreeMap<SegmentId, Arc<File>>>,
    dirty: BTreeMap<SegmentId, Arc<File>>,
    folder_dirty: bool,
    _lock: File,
}

impl FileMedium {
    /// Opens the folder, making it (mode 0700) if need be, locks it, and makes durable what it holds.
    ///
    /// # Errors
    /// [`MediumError::Locked`] when another process holds it; [`MediumError::Io`] when the folder cannot be used.
    pub fn open(folder: &Path) -> Result<Self, MediumError> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| refused(&e))?;
        let lock = lock(&folder.join("lock"))?;
        let mut medium = Self {
            folder: folder.to_owned(),
            open: Mutex::new(BTreeMap::new()),
            dirty: BTreeMap::new(),
            folder_dirty: true,
            _lock: lock,
        };
        medium.settle()?;
        Ok(medium)
    }

    /// A killed process leaves writes in the page cache that a power cut would still lose: what a store reads when it
    /// opens must be durable (§60.1). Quick where nothing is dirty.
    fn settle(&mut self) -> Result<(), MediumError> {
        for id in self.list()? {
            let file = File::open(self.path(id)).map_err(|e| refused(&e))?;
            file.sync_data().map_err(|e| refused(&e))?;
        }
        self.sync()
    }

    /// Takes everything written so far and not yet synced into a job for another thread. Ask the store for its ticket
    /// first, then take the job, run it, then tell the store.
    pub fn syncer(&mut self) -> Syncer {
        let folder = core::mem::take(&mut self.folder_dirty).then(|| self.folder.clone());
        Syncer { files: core::mem::take(&mut self.dirty).into_values().collect(), folder }
    }

    fn path(&self, id: SegmentId) -> PathBuf {
        self.folder.join(format!("{:08x}.seg", id.0))
    }

    fn cache(&self) -> MutexGuard<'_, BTreeMap<SegmentId, Arc<File>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, id: SegmentId) -> Result<Arc<File>, MediumError> {
        let mut open = self.cache();
        if let Some(file) = open.get(&id) {
            return Ok(Arc::clone(file));
        }
        if open.len() >= MAX_OPEN {
            open.pop_first();
        }
        let file = OpenOptions::new().read(true).write(true).open(self.path(id)).map_err(|e| refused(&e))?;
        let file = Arc::new(file);
        open.insert(id, Arc::clone(&file));
        Ok(file)
    }
}

/// A sync to be run on any thread.
#[derive(Debug)]
#[must_use = "nothing is durable until it has run"]
pub struct Syncer {
    files: Vec<Arc<File>>,
    folder: Option<PathBuf>,
}

impl Syncer {
    /// Blocks until everything that was taken is on the device.
    ///
    /// # Errors
    /// Any error means that what is on the device is unknown: tell the store `sync_failed`.
    pub fn run(self) -> Result<(), MediumError> {
        for file in &self.files {
            file.sync_data().map_err(|e| refused(&e))?;
        }
        match self.folder {
            Some(folder) => File::open(folder).and_then(|f| f.sync_all()).map_err(|e| refused(&e)),
            None => Ok(()),
        }
    }
}

impl Medium for FileMedium {
    fn list(&self) -> Result<Vec<SegmentId>, MediumError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(|e| refused(&e))? {
            let name = entry.map_err(|e| refused(&e))?.file_name();
            let id = name.to_str().and_then(|n| n.strip_suffix(".seg")).filter(|n| n.len() == 8);
            if let Some(id) = id.and_then(|n| u32::from_str_radix(n, 16).ok()) {
                found.push(SegmentId(id));
            }
        }
        Ok(found)
    }

    fn create(&mut self, id: SegmentId, len: u32) -> Result<(), MediumError> {
        let path = self.path(id);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path).map_err(|e| refused(&e))?;
        if let Err(error) = zero(&file, len) {
            drop(file);
            let _ = fs::remove_file(&path); // the error that matters is the first one
            return Err(error);
        }
        let file = Arc::new(file);
        self.cache().insert(id, Arc::clone(&file));
        self.dirty.insert(id, file);
        self.folder_dirty = true;
        Ok(())
    }

    fn len(&self, id: SegmentId) -> Result<u32, MediumError> {
        let metadata = self.file(id)?.metadata().map_err(|e| refused(&e))?;
        u32::try_from(metadata.len()).map_err(|_| MediumError::Bounds)
    }

    fn read(&self, id: SegmentId, offset: u32, buf: &mut [u8]) -> Result<(), MediumError> {
        self.file(id)?.read_exact_at(buf, u64::from(offset)).map_err(|e| refused(&e))
    }

    fn write(&mut self, id: SegmentId, offset: u32, bytes: &[u8]) -> Result<(), MediumError> {
        let file = self.file(id)?;
        if u64::from(offset) + bytes.len() as u64 > file.metadata().map_err(|e| refused(&e))?.len() {
            return Err(MediumError::Bounds);
        }
        file.write_all_at(bytes, u64::from(offset)).map_err(|e| refused(&e))?;
        self.dirty.insert(id, file);
        Ok(())
    }

    fn remove(&mut self, id: SegmentId) -> Result<(), MediumError> {
        self.cache().remove(&id);
        self.dirty.remove(&id);
        self.folder_dirty = true;
        fs::remove_file(self.path(id)).map_err(|e| refused(&e))
    }

    fn sync(&mut self) -> Result<(), MediumError> {
        self.syncer().run()
    }
}

fn zero(file: &File, len: u32) -> Result<(), MediumError> {
    let zeros = [0; ZEROS];
    let mut at = 0;
    while at < len as usize {
        let piece = ZEROS.min(len as usize - at);
        file.write_all_at(&zeros[..piece], at as u64).map_err(|e| refused(&e))?;
        at += piece;
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, MediumError> {
    let mut options = OpenOptions::new();
    let file =
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(|e| refused(&e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(MediumError::Locked),
        Err(TryLockError::Error(error)) => Err(refused(&error)),
    }
}

fn refused(error: &io::Error) -> MediumError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => MediumError::NoSpace,
        io::ErrorKind::NotFound => MediumError::Missing,
        io::ErrorKind::AlreadyExists => MediumError::Exists,
        io::ErrorKind::UnexpectedEof => MediumError::Bounds,
        _ => MediumError::Io(error.raw_os_error().unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use picket_store::{Parcel, Queue, QueueLimits, Table, TableLimits};
    use picket_wire::time::{Duration, Instant};
    use picket_wire::{Identity, Precedence};

    use super::*;

    fn parcel(body: &[u8]) -> Parcel<'_> {
        let (identity, precedence, lifetime) = (Identity([1; 16]), Precedence::Routine, Duration::from_secs(3600));
        Parcel { kind: 1, identity, precedence, lifetime, meta: b"m", body }
    }

    #[test]
    fn a_queue_in_files_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let now = Instant::ZERO;
        let (mut queue, _) =
            Queue::open(FileMedium::open(folder.path()).unwrap(), QueueLimits::default(), now, None).unwrap();
        let (seq, ticket) = queue.put(now, &parcel(&[7; 5000])).unwrap();
        assert_eq!(queue.sync_wanted(), Some(ticket));
        let syncer = queue.medium_mut().syncer();
        std::thread::spawn(move || syncer.run()).join().unwrap().unwrap();
        queue.synced(ticket);
        assert!(queue.is_durable(ticket));
        drop(queue);
        let medium = FileMedium::open(folder.path()).unwrap();
        let (mut queue, recovery) = Queue::open(medium, QueueLimits::default(), now, None).unwrap();
        assert_eq!(recovery.losses, vec![]);
        assert_eq!(queue.body(seq).unwrap(), [7; 5000]);
    }

    #[test]
    fn a_table_in_files_comes_back_and_purges() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Table::open(FileMedium::open(folder.path()).unwrap(), TableLimits::default()).unwrap();
        let (mut table, _) = open();
        for n in 0..200u8 {
            table.commit(&[(&[n], Some(&[n; 9000])), (b"last", Some(&[n]))]).unwrap();
        }
        table.commit(&[(&[5], None)]).unwrap();
        table.purge_now().unwrap();
        table.close().unwrap();
        let (mut table, recovery) = open();
        assert_eq!(recovery.losses, vec![]);
        assert_eq!(table.get(&[5]).unwrap(), None);
        assert_eq!(table.get(&[6]).unwrap().unwrap(), [6; 9000]);
        assert_eq!(table.get(b"last").unwrap().unwrap(), [199]);
    }

    #[test]
    fn a_folder_is_locked_while_open() {
        let folder = tempfile::tempdir().unwrap();
        let held = FileMedium::open(folder.path()).unwrap();
        assert_eq!(FileMedium::open(folder.path()).err(), Some(MediumError::Locked));
        drop(held);
        FileMedium::open(folder.path()).unwrap();
    }

    #[test]
    fn segments_are_bounded_and_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut medium = FileMedium::open(folder.path()).unwrap();
        medium.create(SegmentId(3), 4096).unwrap();
        assert_eq!(medium.create(SegmentId(3), 4096), Err(MediumError::Exists));
        assert_eq!(medium.len(SegmentId(3)), Ok(4096));
        assert_eq!(medium.read(SegmentId(3), 4000, &mut [0; 100]), Err(MediumError::Bounds));
        assert_eq!(medium.write(SegmentId(3), 4000, &[1; 100]), Err(MediumError::Bounds));
        assert_eq!(medium.len(SegmentId(3)), Ok(4096), "a write never extends a segment");
        assert_eq!(medium.read(SegmentId(9), 0, &mut [0; 1]), Err(MediumError::Missing));
        medium.remove(SegmentId(3)).unwrap();
        assert_eq!(medium.list(), Ok(vec![]));
    }
}
