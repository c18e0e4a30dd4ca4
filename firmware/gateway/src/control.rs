//! The operator socket: one JSON request a line, one JSON reply a line.

use picket_node::operator::{Reply, Request};
use picket_shell::unix::{ListenError, Listener, Settings};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Longest request: a roster of the largest size as hex, and the words around it.
const REQUEST_BYTES: u64 = 2 * picket_roster::limits::ROSTER_MAX as u64 + 1024;
/// Operators at once.
const CONNECTIONS: usize = 16;
/// An operator who asks nothing for this long is let go.
const IDLE: Duration = Duration::from_secs(60);

/// A request and where its answer goes.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Reply>,
}

/// The bound socket; requests arrive on the receiver.
///
/// # Errors
/// [`ListenError`].
pub async fn serve(settings: &Settings) -> Result<(tokio::task::JoinHandle<()>, mpsc::Receiver<Asked>), ListenError> {
    let listener = Listener::bind(settings).await?;
    let (asked, requests) = mpsc::channel(CONNECTIONS);
    Ok((tokio::spawn(accept(listener, asked)), requests))
}

async fn accept(listener: Listener, asked: mpsc::Sender<Asked>) {
    let mut operators = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(stream) if operators.len() < CONNECTIONS => {
                    let asked = asked.clone();
                    operators.spawn(async move { drop(converse(stream, asked).await) });
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            Some(_) = operators.join_next() => {}
        }
    }
}

async fn converse(stream: UnixStream, asked: mpsc::Sender<Asked>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut reader).take(REQUEST_BYTES);
        let read = tokio::time::timeout(IDLE, limited.read_until(b'\n', &mut line)).await??;
        if read == 0 {
            return Ok(());
        }
        let reply = match serde_json::from_slice(&line) {
            Ok(request) => ask(request, &asked).await?,
            Err(e) => error("bad_request", &format!("not a request: {e}"), "send one JSON request a line"),
        };
        let mut out = serde_json::to_vec(&reply)?;
        out.push(b'\n');
        writer.write_all(&out).await?;
    }
}

async fn ask(request: Request, asked: &mpsc::Sender<Asked>) -> io::Result<Reply> {
    let (answer, answered) = oneshot::channel();
    let gone = io::ErrorKind::BrokenPipe;
    asked.send(Asked { request, answer }).await.map_err(|_| gone)?;
    answered.await.map_err(|_| gone.into())
}

/// An answer that refuses.
#[must_use]
pub fn error(code: &str, message: &str, next: &str) -> Reply {
    Reply::Error { code: code.to_owned(), message: message.to_owned(), next: next.to_owned() }
}
