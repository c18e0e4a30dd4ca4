//! One pseudo-terminal behind a stable path.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// What a receiver keeps for a program that does not read: more than the terminal's own 4 KiB, far less than memory.
const BACKLOG: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Port {
    path: PathBuf,
    open: Option<Open>,
    /// Heard, not yet taken by the terminal.
    backlog: VecDeque<u8>,
}

#[derive(Debug)]
struct Open {
    master: Arc<OwnedFd>,
    /// Held so that the master stays readable while no program has the port open.
    _slave: OwnedFd,
}

impl Port {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let mut port = Self { path, open: None, backlog: VecDeque::new() };
        port.plug()?;
        Ok(port)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn plug(&mut self) -> io::Result<()> {
        if self.open.is_some() {
            return Ok(());
        }
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        let name = ptsname(&master, Vec::new())?;
        let slave = rustix::fs::open(&*name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let mut modes = tcgetattr(&slave)?;
        modes.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &modes)?;
        self.link_to(Path::new(OsStr::from_bytes(name.to_bytes())))?;
        self.open = Some(Open { master: Arc::new(master), _slave: slave });
        Ok(())
    }

    /// Hangs up: both descriptors close, the path vanishes, what was heard is lost.
    pub(super) fn unplug(&mut self) {
        self.open = None;
        self.backlog.clear();
        // Gone already is as good.
        let _ = std::fs::remove_file(&self.path);
    }

    /// Replaces the link in one step, so that no program finds it half made.
    fn link_to(&self, target: &Path) -> io::Result<()> {
        let mut fresh = self.path.clone().into_os_string();
        fresh.push(".new");
        let _ = std::fs::remove_file(&fresh);
        std::os::unix::fs::symlink(target, &fresh)?;
        std::fs::rename(&fresh, &self.path)
    }
}

impl crate::live::Port for Port {
    fn source(&self) -> Option<Arc<OwnedFd>> {
        self.open.as_ref().map(|o| Arc::clone(&o.master))
    }

    fn read(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; most];
        let read = self.open.as_ref().map(|o| rustix::io::read(&o.master, &mut bytes));
        bytes.truncate(read.and_then(Result::ok).unwrap_or(0));
        bytes
    }

    /// Queues what the receiver heard; beyond the backlog it is lost, as in a UART that nobody reads.
    fn push(&mut self, bytes: &[u8]) {
        if self.open.is_some() {
            let room = BACKLOG - self.backlog.len();
            self.backlog.extend(bytes.iter().take(room));
        }
    }

    fn flush(&mut self) -> bool {
        let Some(open) = &self.open else { return false };
        while !self.backlog.is_empty() {
            let (head, _) = self.backlog.as_slices();
            match rustix::io::write(&open.master, head) {
                Ok(n) if n > 0 => drop(self.backlog.drain(..n)),
                Ok(_) | Err(_) => return true,
            }
        }
        false
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.unplug();
    }
}
