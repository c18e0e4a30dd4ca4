//! The holder's socket, `H/agent.sock`: other processes of the same user hand over their work.

use super::clients::ClientId;
use super::desk::Command;
use super::protocol::{Challenge, Proof, Reply, Request, VERSION};
use crate::error::Failure;
use crate::home::{Cipher, SOCKET};
use crate::limits;
use picket_shell::random;
use picket_shell::unix::{Listener, Settings};
use serde::de::DeserializeOwned;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc};

/// The folder of the socket, held open so that its path stays short whatever the home's is (a socket address holds 107
/// bytes).
pub struct Folder {
    file: File,
}

impl Folder {
    /// Opens the home's folder.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(home: &Path) -> Result<Self, Failure> {
        let file = File::open(home).map_err(|e| crate::files::io_failure("cannot open", home, &e))?;
        Ok(Self { file })
    }

    /// A short path of the socket, good while this value lives.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", self.file.as_raw_fd()))
    }
}

/// Serves the socket until dropped or the desk is gone.
pub async fn serve(folder: Folder, cipher: Arc<Cipher>, commands: mpsc::WeakSender<Command>) -> Result<(), Failure> {
    let settings = Settings { path: folder.socket(), mode: 0o600 };
    let listener = Listener::bind(&settings).await.map_err(|e| Failure::internal(e.to_string()))?;
    let seats = Arc::new(Semaphore::new(limits::AGENT_CLIENTS_MAX));
    let mut next = 1;
    loop {
        let Ok(stream) = listener.accept().await else {
            tokio::time::sleep(limits::UNREACHABLE_GRACE).await;
            continue;
        };
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else { continue };
        let (cipher, commands) = (Arc::clone(&cipher), commands.clone());
        let id = ClientId(next);
        next += 1;
        tokio::spawn(async move {
            let _seat = seat;
            // A client that breaks off or does not know the key is no failure of ours.
            let _ = connection(stream, &cipher, &commands, id).await;
            if let Some(commands) = commands.upgrade() {
                let _ = commands.send(Command::Leave(id)).await;
            }
        });
    }
}

async fn connection(
    stream: UnixStream,
    cipher: &Cipher,
    commands: &mpsc::WeakSender<Command>,
    id: ClientId,
) -> Option<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let challenge: [u8; 32] = random::bytes().ok()?;
    let hello = Challenge { v: VERSION, pid: std::process::id(), challenge: hex::encode(challenge) };
    write_line(&mut writer, &hello).await?;
    let proof: Proof = tokio::time::timeout(limits::HOLDER_WAIT, read_line(&mut reader)).await.ok()??;
    let same: bool = {
        let (theirs, ours) = (hex::decode(proof.proof).ok()?, cipher.proof(&challenge));
        // Equal in constant time: a comparison of two MACs of what either side sent.
        theirs.len() == ours.len() && theirs.iter().zip(ours).fold(0, |acc, (a, b)| acc | (a ^ b)) == 0
    };
    if !same {
        return None;
    }
    let (replies, mut outbox) = mpsc::channel::<Reply>(limits::REPLIES);
    commands.upgrade()?.send(Command::Join(id, replies)).await.ok()?;
    let requests = async {
        while let Some(request) = read_line::<Request>(&mut reader).await {
            commands.upgrade()?.send(Command::Ask(id, request)).await.ok()?;
        }
        None::<()>
    };
    let answers = async {
        while let Some(reply) = outbox.recv().await {
            for part in reply.split() {
                write_line(&mut writer, &part).await?;
            }
        }
        None::<()>
    };
    tokio::select! { _ = requests => {}, _ = answers => {} }
    Some(())
}

/// Reads one JSON line. `None` at the end, or for a line that is too long or not what was expected.
pub async fn read_line<T: DeserializeOwned>(reader: &mut (impl AsyncBufRead + Unpin)) -> Option<T> {
    let mut line = Vec::new();
    let n = (&mut *reader).take(limits::AGENT_LINE_MAX as u64).read_until(b'\n', &mut line).await.ok()?;
    if n == 0 || line.pop() != Some(b'\n') {
        return None;
    }
    serde_json::from_slice(&line).ok()
}

/// Writes one JSON line. `None` when the other side is gone.
pub async fn write_line(writer: &mut (impl AsyncWrite + Unpin), value: &impl serde::Serialize) -> Option<()> {
    let mut line = serde_json::to_vec(value).ok()?;
    line.push(b'\n');
    writer.write_all(&line).await.ok()
}
