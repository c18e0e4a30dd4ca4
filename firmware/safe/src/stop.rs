//! Ends the process that holds a device at this moment, without asking it: a wipe must not wait for one that hangs.
//! The kernel says who serves a socket; the process is killed, and is known to be gone (spec §75.3).

use crate::limits::STOP_WAIT;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Kills whoever serves `socket`. `false` where nobody does.
///
/// # Errors
/// When it may not be killed, or is not gone in time.
pub fn holder(socket: &Path) -> io::Result<bool> {
    let Some(pid) = serving(socket)? else { return Ok(false) };
    if pid == rustix::process::getpid() {
        return Ok(false);
    }
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(rustix::io::Errno::SRCH) => return Ok(false),
        Err(e) => return Err(e.into()),
    };
    match pidfd_send_signal(&process, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(e) => return Err(e.into()),
    }
    let limit = Timespec { tv_sec: i64::try_from(STOP_WAIT.as_secs()).unwrap_or(i64::MAX), tv_nsec: 0 };
    let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit))?;
    if ended > 0 { Ok(true) } else { Err(io::ErrorKind::TimedOut.into()) }
}

fn serving(socket: &Path) -> io::Result<Option<Pid>> {
    // By way of its folder, held open: a socket's address holds 107 bytes only.
    let folder = match File::open(crate::disk::folder_of(socket)) {
        Ok(folder) => folder,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let name = socket.file_name().unwrap_or_default();
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    match UnixStream::connect(short) {
        Ok(stream) => Ok(Some(socket_peercred(&stream)?.pid)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    /// K-75.3-4
    #[test]
    fn whoever_serves_the_socket_is_killed_and_nobody_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        assert!(!holder(&socket).unwrap(), "nobody");
        let python = format!(
            "import socket,time\ns=socket.socket(socket.AF_UNIX)\ns.bind({:?})\ns.listen(4)\nprint('ready',flush=True)\ntime.sleep(60)",
            socket.to_str().unwrap()
        );
        let mut child = std::process::Command::new("python3")
            .args(["-c", &python])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
        assert!(holder(&socket).unwrap());
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(!holder(&socket).unwrap(), "a socket nobody serves any more");
    }
}
