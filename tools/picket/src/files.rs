//! Files: written whole or not at all, secrets readable by their owner only.

use crate::error::{Exit, Failure};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its owner only: keys.
    Secret,
    /// Everybody whom the umask lets: rosters, certificates.
    Public,
}

/// Writes a file whole or not at all, and durably; an existing one is replaced.
///
/// # Errors
/// [`Failure`] naming the file.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> Result<(), Failure> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let temporary = folder.join(name);
    let mode = match access {
        Access::Secret => 0o600,
        Access::Public => 0o644,
    };
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()
    })();
    written.map_err(|e: io::Error| {
        let _ = fs::remove_file(&temporary); // the error that matters is the first one
        io_failure("cannot write", path, &e)
    })
}

/// Makes a folder that only its owner may enter, with those above it.
///
/// # Errors
/// [`Failure`] naming the folder.
pub fn folder(path: &Path) -> Result<(), Failure> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| io_failure("cannot make folder", path, &e))
}

/// Makes a folder that must be new or empty.
///
/// # Errors
/// Usage, when something is in it.
pub fn empty_folder(path: &Path) -> Result<(), Failure> {
    folder(path)?;
    let mut entries = fs::read_dir(path).map_err(|e| io_failure("cannot read folder", path, &e))?;
    if entries.next().is_some() {
        return Err(Failure::usage(
            format!("{} is not empty; nothing was written", path.display()),
            "choose a new folder",
        ));
    }
    Ok(())
}

/// Reads a whole file of at most `max` bytes; the memory is erased when dropped.
///
/// # Errors
/// Usage, when it cannot be read or is longer.
pub fn read(path: &Path, max: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let refused = |e: io::Error| io_failure("cannot read", path, &e);
    let file = File::open(path).map_err(refused)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(refused)?;
    if bytes.len() as u64 > max {
        return Err(Failure::usage(
            format!("{} is longer than {max} bytes", path.display()),
            "check that this is the right file",
        ));
    }
    Ok(bytes)
}

/// A failure of the file system, in words. Missing and forbidden files are usage, the rest is the system's fault.
#[must_use]
pub fn io_failure(what: &str, path: &Path, e: &io::Error) -> Failure {
    let (exit, next) = match e.kind() {
        io::ErrorKind::NotFound => (Exit::Usage, "check the path"),
        io::ErrorKind::PermissionDenied => (Exit::Usage, "check who owns it and its permissions"),
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => (Exit::Usage, "check the path"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (Exit::Internal, "free some space and try again"),
        _ => (Exit::Internal, "check the disk and try again"),
    };
    Failure::new(exit, format!("{what} {}: {e}", path.display()), next)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn secrets_are_for_their_owner_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write(&path, b"one", Access::Secret).unwrap();
        write(&path, b"two", Access::Secret).unwrap();
        assert_eq!(*read(&path, 10).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(read(&path, 2).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn a_folder_with_something_in_it_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        empty_folder(&dir.path().join("new/inner")).unwrap();
        assert_eq!(empty_folder(dir.path()).unwrap_err().exit, Exit::Usage);
    }
}
