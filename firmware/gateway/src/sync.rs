//! Syncing the store on a thread of its own: the only slow thing the daemon does, kept apart from everything that
//! might hold up a shared pool (a name server that does not answer).

use picket_shell::medium::Syncer;
use picket_store::{MediumError, Ticket};
use std::io;
use std::sync::mpsc as thread;
use tokio::sync::mpsc;

/// What became of a sync.
pub type Outcome = (Ticket, Result<(), MediumError>);

/// The thread, and the one sync that may be under way. It ends when this is dropped.
#[derive(Debug)]
pub struct SyncThread {
    jobs: thread::SyncSender<(Ticket, Syncer)>,
    outcomes: mpsc::Receiver<Outcome>,
    wanted: Option<Ticket>,
    running: bool,
}

impl SyncThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start() -> io::Result<Self> {
        let (jobs, work) = thread::sync_channel::<(Ticket, Syncer)>(1);
        let (done, outcomes) = mpsc::channel(1);
        let body = move || {
            while let Ok((ticket, job)) = work.recv() {
                if done.blocking_send((ticket, job.run())).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("sync".to_owned()).stack_size(128 * 1024).spawn(body)?;
        Ok(Self { jobs, outcomes, wanted: None, running: false })
    }

    /// A sync is wanted that makes everything before this ticket durable.
    pub const fn want(&mut self, ticket: Ticket) {
        self.wanted = Some(ticket);
    }

    /// Starts the sync that is wanted, if none is running; `job` takes up everything written so far.
    pub fn run_next(&mut self, job: impl FnOnce() -> Syncer) {
        if self.running {
            return;
        }
        let Some(ticket) = self.wanted.take() else { return };
        self.running = true;
        if let Err(e) = self.jobs.send((ticket, job())) {
            // The thread is gone: [`Self::finished`] says so.
            drop(e);
        }
    }

    /// Whether one is running.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.running
    }

    /// Waits for the running one; for ever where there is none. Safe to drop half-way.
    pub async fn finished(&mut self) -> Outcome {
        if !self.running {
            return core::future::pending().await;
        }
        match self.outcomes.recv().await {
            Some(outcome) => {
                self.running = false;
                outcome
            }
            None => {
                self.running = false;
                (Ticket::default(), Err(MediumError::Io(0)))
            }
        }
    }
}
