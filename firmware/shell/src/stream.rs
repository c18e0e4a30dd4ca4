//! Moving bytes over any byte stream; shared by the serial, TCP and Unix drivers.

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::limits;
use crate::port::{Batch, Orphaned, Outbox, Reporter, What, Why, Work};
use core::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A byte stream of the system.
pub(crate) trait Stream: AsyncRead + AsyncWrite {
    /// The device behind it, where the kernel's queue towards it can be emptied.
    fn device(&self) -> Option<OwnedFd> {
        None
    }
}

impl Stream for tokio::net::TcpStream {}
impl Stream for tokio::net::UnixStream {}

/// Serves one open stream until it ends: reports it up, moves bytes both ways, reports it down.
pub(crate) async fn serve<S>(reporter: &Reporter, source: u32, stream: S, read_bytes: usize) -> Result<(), Orphaned>
where
    S: Stream,
{
    let (port, outbox) = reporter.up(source, stream.device()).await?;
    let (reader, writer) = tokio::io::split(stream);
    // Two halves side by side: a far end that does not read must not stop us from reading it.
    let why = tokio::select! {
        end = read(reporter, source, port, reader, read_bytes) => end,
        end = write(reporter, source, port, writer, &outbox) => end,
    };
    outbox.close();
    reporter.report(source, port, What::Down(why?)).await
}

/// Opens a stream again and again for ever, serving it while it lasts.
pub(crate) async fn keep_open<S, F>(reporter: Reporter, source: u32, read_bytes: usize, open: impl Fn() -> F)
where
    S: Stream,
    F: Future<Output = io::Result<S>>,
{
    let mut backoff = Backoff::default();
    let mut reported = None;
    loop {
        let outcome = match open().await {
            Ok(stream) => {
                reported = None;
                let since = Clock::default().now();
                let outcome = serve(&reporter, source, stream, read_bytes).await;
                if Clock::default().now().since(since) > limits::RETRY_FORGET {
                    backoff.reset();
                }
                outcome
            }
            Err(e) => {
                let why = Why::from(&e);
                if reported.replace(why) == Some(why) {
                    Ok(())
                } else {
                    reporter.report(source, 0, What::Failed(why)).await
                }
            }
        };
        if outcome.is_err() {
            return;
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

async fn read(
    reporter: &Reporter,
    source: u32,
    port: u64,
    mut reader: impl AsyncRead + Unpin,
    read_bytes: usize,
) -> Result<Why, Orphaned> {
    let mut buffer = vec![0; read_bytes];
    loop {
        match reader.read(&mut buffer).await {
            // Also what a terminal answers, for ever, once its other side has hung up: never read again.
            Ok(0) => return Ok(Why::Closed),
            Ok(n) => {
                let bytes = buffer.get(..n).unwrap_or_default().to_vec();
                reporter.report(source, port, What::Bytes(bytes)).await?;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Ok(Why::from(&e)),
        }
    }
}

async fn write(
    reporter: &Reporter,
    source: u32,
    port: u64,
    mut writer: impl AsyncWrite + Unpin,
    outbox: &Arc<Outbox>,
) -> Result<Why, Orphaned> {
    let mut batch = Batch::default();
    loop {
        match outbox.next(&mut batch).await {
            Work::Write => {
                let before = outbox.recalls();
                tokio::select! {
                    biased;
                    // Silence came in the middle: not one byte more.
                    () = outbox.recalled(before) => outbox.flush(),
                    written = writer.write_all(&batch.bytes) => if let Err(e) = written {
                        return Ok(Why::from(&e));
                    },
                }
            }
            Work::Drained => reporter.report(source, port, What::Drained).await?,
            Work::Closed => return Ok(Why::Closed),
        }
    }
}
