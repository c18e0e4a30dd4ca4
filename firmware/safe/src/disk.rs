//! What keys at rest ask of a file system: few operations, each of which a test can cut the power at.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path.
    pub path: PathBuf,
    /// Whether it is a folder; links are not followed.
    pub folder: bool,
}

/// The operations. Nothing but a sync makes a change durable (spec §60.1).
pub trait Disk {
    /// Reads a file of at most `max` bytes whole.
    ///
    /// # Errors
    /// Those of the file system; a longer file is `InvalidData`.
    fn read(&self, path: &Path, max: u64) -> io::Result<Vec<u8>>;
    /// The length of a file.
    ///
    /// # Errors
    /// Those of the file system.
    fn length(&self, path: &Path) -> io::Result<u64>;
    /// Makes a file (mode 0600) with this content; one that is there loses its own.
    ///
    /// # Errors
    /// Those of the file system.
    fn create(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Writes over part of a file, in place.
    ///
    /// # Errors
    /// Those of the file system.
    fn write_at(&mut self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes a file's content durable.
    ///
    /// # Errors
    /// Those of the file system.
    fn sync(&mut self, path: &Path) -> io::Result<()>;
    /// Puts the file `from` in the place of `to`, durably; then writes over the bytes that stood there.
    ///
    /// # Errors
    /// Those of the file system: one of the two stands there then.
    fn supersede(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// Those of the file system.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    ///
    /// # Errors
    /// Those of the file system.
    fn remove_folder(&mut self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// Those of the file system.
    fn sync_folder(&mut self, path: &Path) -> io::Result<()>;
    /// What is in a folder.
    ///
    /// # Errors
    /// Those of the file system.
    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>>;
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files;

impl Disk for Files {
    fn read(&self, path: &Path, max: u64) -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        if file.metadata()?.len() > max {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is too long"));
        }
        fs::read(path)
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        fs::metadata(path).map(|m| m.len())
    }

    fn create(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all_at(bytes, 0)
    }

    fn write_at(&mut self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.write_all_at(bytes, at)
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn supersede(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let old = match OpenOptions::new().write(true).open(to) {
            Ok(file) => Some(file),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        fs::rename(from, to)?;
        self.sync_folder(folder_of(to))?;
        let Some(old) = old else { return Ok(()) };
        let length = usize::try_from(old.metadata()?.len()).unwrap_or(usize::MAX);
        old.write_all_at(&vec![0; length.min(SMALL)], 0)?;
        old.sync_all()
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_folder(&mut self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            found.push(Entry { path: entry.path(), folder: entry.file_type()?.is_dir() });
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }
}

/// The folder a file is in.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Files that are superseded are key files, shorter than this.
const SMALL: usize = 64 * 1024;

/// Writes a small file whole or not at all, and durably. The bytes that stood there are written over.
///
/// # Errors
/// Those of the file system; the old content is there then, or the new one.
pub fn replace(disk: &mut dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = beside(path, ".new");
    disk.create(&fresh, bytes)?;
    disk.sync(&fresh)?;
    disk.supersede(&fresh, path)
}

/// A name beside another.
#[must_use]
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Writes over a file that holds something in clear, then removes it; a file that is not there is done already.
///
/// # Errors
/// Those of the file system.
pub fn scrub(disk: &mut dyn Disk, path: &Path) -> io::Result<()> {
    const PIECE: usize = 64 * 1024;
    let length = match disk.length(path) {
        Ok(length) => length,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let zeros = vec![0; PIECE];
    let mut at = 0;
    while at < length {
        let piece = usize::try_from(length - at).map_or(PIECE, |left| left.min(PIECE));
        disk.write_at(path, at, zeros.get(..piece).unwrap_or_default())?;
        at += piece as u64;
    }
    disk.sync(path)?;
    gone(disk.remove(path))?;
    disk.sync_folder(folder_of(path))
}

/// A thing that is gone already is as good as removed.
pub(crate) fn gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
