//! Unix sockets: where endpoints on the same board attach, and the operator socket.
//!
//! A listening socket appears under its name only when it already serves: it is bound under a temporary name in the
//! same folder, given its mode, and renamed. A stale socket is replaced; one that still answers is refused.

use crate::limits;
use crate::listen;
use crate::port::{Driver, Reporter};
use crate::stream;
use core::fmt;
use rustix::fs::{AtFlags, Mode, OFlags};
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

/// How to serve a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where; its folder is made, mode 0700, if need be.
    pub path: PathBuf,
    /// Permission bits of the socket; 0600 unless a group is to attach.
    pub mode: u32,
}

/// Why a Unix socket cannot be served.
#[derive(Debug)]
pub enum ListenError {
    /// The path has more bytes than a socket address holds.
    PathTooLong(PathBuf),
    /// Another process answers there.
    Live(PathBuf),
    /// Something that is no socket has that name.
    NotASocket(PathBuf),
    /// The folder or the socket cannot be made.
    Io(PathBuf, io::Error),
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PathTooLong(path) => write!(
                f,
                "socket path of {} bytes, at most {} fit: choose a shorter one than {}",
                path.as_os_str().len(),
                limits::SOCKET_PATH_BYTES,
                path.display()
            ),
            Self::Live(path) => write!(f, "{} is served by another process: stop that one first", path.display()),
            Self::NotASocket(path) => {
                write!(f, "{} exists and is no socket: remove it or choose another path", path.display())
            }
            Self::Io(path, e) => write!(f, "cannot serve {}: {e}", path.display()),
        }
    }
}

impl core::error::Error for ListenError {}

/// A bound socket. Its name is removed when it is dropped, unless somebody else has taken it meanwhile.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Listener {
    /// Binds and begins to listen.
    ///
    /// # Errors
    /// [`ListenError`], each with what to do.
    pub async fn bind(settings: &Settings) -> Result<Self, ListenError> {
        let path = settings.path.as_path();
        check_path(path)?;
        let failed = |e| ListenError::Io(path.to_owned(), e);
        let folder = parent(path);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        refuse_live(path).await?;
        let (listener, inode) = appear(path, folder, settings.mode).map_err(failed)?;
        Ok(Self { listener, path: path.to_owned(), inode })
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// Those of accept(2), most of them passing (too many open files).
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl listen::Acceptor for Listener {
    type Stream = UnixStream;
    async fn next(&self) -> io::Result<UnixStream> {
        self.accept().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|m| m.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path); // a name left behind is stale and replaced at the next start
        }
    }
}

/// Serves the socket: each connection is a port.
///
/// # Errors
/// [`ListenError`].
pub async fn listen(reporter: Reporter, source: u32, settings: &Settings) -> Result<Driver, ListenError> {
    let listener = Listener::bind(settings).await?;
    Ok(Driver::spawn(listen::serve(reporter, source, listener)))
}

/// Connects to a socket, again and again for ever.
#[must_use]
pub fn connect(reporter: Reporter, source: u32, path: PathBuf) -> Driver {
    Driver::spawn(stream::keep_open(reporter, source, limits::READ_BYTES, move || {
        let path = path.clone();
        async move { UnixStream::connect(path).await }
    }))
}

/// Whether the path fits a socket address.
///
/// # Errors
/// [`ListenError::PathTooLong`].
pub fn check_path(path: &Path) -> Result<(), ListenError> {
    if path.as_os_str().as_bytes().len() > limits::SOCKET_PATH_BYTES {
        return Err(ListenError::PathTooLong(path.to_owned()));
    }
    Ok(())
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

async fn refuse_live(path: &Path) -> Result<(), ListenError> {
    match std::fs::symlink_metadata(path) {
        Err(_) => return Ok(()),
        Ok(m) if !m.file_type().is_socket() => return Err(ListenError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match tokio::time::timeout(limits::CONNECT_WAIT, UnixStream::connect(path)).await {
        Ok(Err(e)) if matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => Ok(()),
        Ok(Err(e)) if e.kind() == io::ErrorKind::PermissionDenied => Err(ListenError::Io(path.to_owned(), e)),
        // It answered, or is too busy to: somebody is there.
        _ => Err(ListenError::Live(path.to_owned())),
    }
}

/// Binds under a temporary name and renames. The folder is addressed through its descriptor, so that the temporary
/// name never makes the address too long.
fn appear(path: &Path, folder: &Path, mode: u32) -> io::Result<(UnixListener, u64)> {
    let dir: OwnedFd = rustix::fs::open(folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let temporary = format!(".{}.{:08x}", std::process::id(), crate::random::jitter());
    let listener = UnixListener::bind(format!("/proc/self/fd/{}/{temporary}", dir.as_raw_fd()))?;
    let named = rustix::fs::chmodat(&dir, &*temporary, Mode::from_raw_mode(mode), AtFlags::empty())
        .and_then(|()| rustix::fs::renameat(&dir, &*temporary, &dir, name));
    if let Err(e) = named {
        let _ = rustix::fs::unlinkat(&dir, &*temporary, AtFlags::empty()); // the first error matters
        return Err(e.into());
    }
    let stat = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok((listener, stat.st_ino))
}
