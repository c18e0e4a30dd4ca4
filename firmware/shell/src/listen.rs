//! Serving many connections of one listener; shared by the TCP and Unix drivers.

use crate::backoff::Backoff;
use crate::limits;
use crate::port::{Reporter, What, Why};
use crate::stream;
use std::io;
use tokio::task::JoinSet;

/// What can be accepted from.
pub(crate) trait Acceptor: Send + Sync {
    /// A connection.
    type Stream: stream::Stream + Send + 'static;
    /// Waits for the next connection.
    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// Accepts for ever; each connection is served by a task of its own, at most
/// [`limits::CONNECTIONS_PER_LISTENER`] at once. Ends with the owner of the loop.
pub(crate) async fn serve(reporter: Reporter, source: u32, acceptor: impl Acceptor) {
    let mut connections = JoinSet::new();
    let mut backoff = Backoff::default();
    loop {
        let accepted = tokio::select! {
            accepted = acceptor.next() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok(stream) if connections.len() < limits::CONNECTIONS_PER_LISTENER => {
                backoff.reset();
                let reporter = reporter.clone();
                connections.spawn(async move {
                    // An orphaned connection ends like any other.
                    let _ = stream::serve(&reporter, source, stream, limits::READ_BYTES).await;
                });
            }
            Ok(stream) => {
                drop(stream);
                if reporter.report(source, 0, What::Failed(Why::TooMany)).await.is_err() {
                    return;
                }
            }
            Err(e) => {
                if reporter.report(source, 0, What::Failed(Why::from(&e))).await.is_err() {
                    return;
                }
                tokio::time::sleep(backoff.pause()).await;
            }
        }
    }
}
