//! Small durable files: replaced as a whole, checked when read.
//!
//! A file holds a CRC-32 as eight hex digits, a line feed, and the content. It is written under another name, synced,
//! renamed, and the folder is synced: after a power cut there is the old content or the new one. Anything else is
//! damage, and is said to be.

use core::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Longest content: records of a few hundred bands; anything longer is no file of ours.
pub const KEEP_MAX: u64 = 1 << 20;

/// Why a kept file cannot be used.
#[derive(Debug)]
pub enum KeepError {
    /// It cannot be read.
    Io(io::Error),
    /// It is not what was written.
    Damaged,
}

impl fmt::Display for KeepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(e) => e.fmt(f),
            Self::Damaged => f.write_str("damaged: not what was written"),
        }
    }
}

impl core::error::Error for KeepError {}

/// Replaces the content of `path`; durable when this returns.
///
/// # Errors
/// Those of the file system; the old content is there then, or the new one.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(format!("{:08x}\n", crc32fast::hash(content)).as_bytes())?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

/// The content of `path`; `None` where there is no such file.
///
/// # Errors
/// [`KeepError`].
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, KeepError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(KeepError::Io(e)),
    };
    let mut bytes = Vec::new();
    file.take(KEEP_MAX + 10).read_to_end(&mut bytes).map_err(KeepError::Io)?;
    let (head, content) = bytes.split_at_checked(9).ok_or(KeepError::Damaged)?;
    let written = core::str::from_utf8(head).ok().and_then(|h| h.strip_suffix('\n'));
    let written = written.and_then(|h| u32::from_str_radix(h, 16).ok()).ok_or(KeepError::Damaged)?;
    if written != crc32fast::hash(content) {
        return Err(KeepError::Damaged);
    }
    Ok(Some(content.to_vec()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_is_written_is_read_and_any_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/file");
        assert!(read(&path).unwrap().is_none());
        for content in [&b"first"[..], b"", b"a longer one"] {
            write(&path, content).unwrap();
            assert_eq!(read(&path).unwrap().unwrap(), content);
        }
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 4;
            std::fs::write(&path, &bad).unwrap();
            assert!(matches!(read(&path), Err(KeepError::Damaged)), "byte {at}");
            std::fs::write(&path, &good[..at]).unwrap();
            assert!(matches!(read(&path), Err(KeepError::Damaged)), "cut at {at}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(read(&path), Err(KeepError::Io(_))));
    }
}
