//! A command's session with the holder of the home: with a desk of its own when the home is free, otherwise with the
//! process that holds it.

use super::clients::ClientId;
use super::desk::{Command, Desk};
use super::protocol::{Challenge, Proof, Reach, Reply, Request, VERSION, failed};
use super::server::{self, Folder};
use crate::error::{Exit, Failure};
use crate::home::{Home, Opened, SOCKET, StateError};
use crate::limits;
use crate::output::Output;
use crate::vault;
use crate::via::Via;
use picket_shell::clock::Clock;
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A session. Replies come in the order of the requests, news in between.
pub struct Session {
    side: Side,
    replies: mpsc::Receiver<Reply>,
    /// How far the attachment is, as last heard.
    pub reach: Reach,
}

enum Side {
    Desk {
        commands: mpsc::Sender<Command>,
        desk: JoinHandle<Result<(), Failure>>,
        server: JoinHandle<Result<(), Failure>>,
    },
    Agent {
        writer: OwnedWriteHalf,
        reader: JoinHandle<()>,
    },
}

/// The client of the process's own desk.
const OWN: ClientId = ClientId(0);

/// Pause between two attempts to get hold of a home that changes hands.
const AGAIN: Duration = Duration::from_millis(50);

impl Session {
    /// Gets hold of the home or reaches its holder, and agrees on the ways to be used: those given, or else the
    /// remembered ones.
    ///
    /// # Errors
    /// [`Exit::Damaged`], usage when other ways are in use, internal when the holder does not answer.
    pub async fn open(home: &Home, via: &[Via], out: &Output) -> Result<Self, Failure> {
        let end = Instant::now() + limits::HOLDER_WAIT;
        let via: Vec<Via> = via.iter().cloned().map(Via::absolute).collect();
        loop {
            match home.open() {
                Ok(opened) => return Self::with_desk(home, opened, &via, out).await,
                Err(StateError::Failed(failure)) => return Err(failure),
                Err(StateError::Held) => {}
            }
            if let Some(session) = Self::with_agent(home, &via).await? {
                return Ok(session);
            }
            if Instant::now() > end {
                return Err(Failure::new(
                    Exit::Internal,
                    format!("the home at {} is held by a process that does not answer", home.path().display()),
                    "stop that process and try again",
                ));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Asks.
    ///
    /// # Errors
    /// `None`-like: internal, when the holder is gone; [`Session::next`] says so as well.
    pub async fn ask(&mut self, request: Request) -> Result<(), Gone> {
        match &mut self.side {
            Side::Desk { commands, .. } => commands.send(Command::Ask(OWN, request)).await.map_err(|_| Gone),
            Side::Agent { writer, .. } => server::write_line(writer, &request).await.ok_or(Gone),
        }
    }

    /// The next reply. Keeps [`Session::reach`].
    ///
    /// # Errors
    /// [`Gone`], when the holder is: open another session.
    pub async fn next(&mut self) -> Result<Reply, Gone> {
        let reply = self.replies.recv().await.ok_or(Gone)?;
        if let Reply::Reach(reach) = &reply {
            self.reach = reach.clone();
        }
        Ok(reply)
    }

    /// Whether this process holds the home.
    #[must_use]
    pub const fn holds(&self) -> bool {
        matches!(self.side, Side::Desk { .. })
    }

    /// Ends the session; the own desk brings out what is owed first.
    ///
    /// # Errors
    /// When the own desk failed.
    pub async fn close(self) -> Result<(), Failure> {
        match self.side {
            Side::Desk { commands, desk, server } => {
                server.abort();
                drop(commands);
                desk.await.unwrap_or_else(|_| Err(Failure::internal("the holder of the home ended early")))
            }
            Side::Agent { reader, .. } => {
                reader.abort();
                Ok(())
            }
        }
    }

    async fn with_desk(home: &Home, opened: Opened, via: &[Via], out: &Output) -> Result<Self, Failure> {
        let mut state = opened.state;
        if let Some(damage) = &opened.damage {
            out.warn(&damage.text);
        }
        let ways = if via.is_empty() { vault::remembered_ways(&mut state)? } else { via.to_vec() };
        if !via.is_empty() && vault::remembered_ways(&mut state)? != via {
            vault::remember_ways(&mut state, via)?;
        }
        let (emcon, trouble) = crate::silence::read(home.path());
        if let Some(why) = trouble {
            out.warn(&why);
        }
        let desk = Desk::open(state, opened.damage.as_ref(), Clock::new(crate::runtime::TRUST), emcon)?;
        // Not before: only what a whole home takes shows whether the locked memory is enough.
        if let Some(warning) = picket_safe::locked::warning() {
            out.warn(warning);
        }
        let (commands, inbox) = mpsc::channel(limits::REQUESTS);
        let (sender, replies) = mpsc::channel(limits::REPLIES);
        let folder = Folder::open(home.path())?;
        let server = tokio::spawn(server::serve(folder, home.cipher_handle(), commands.downgrade()));
        let desk = tokio::task::spawn_local(desk.run(inbox));
        let mut session = Self { side: Side::Desk { commands, desk, server }, replies, reach: Reach::Trying };
        if let Side::Desk { commands, .. } = &session.side {
            let _ = commands.send(Command::Join(OWN, sender)).await; // a desk that is gone is noticed below
        }
        session.agree(&ways).await?;
        Ok(session)
    }

    /// Whether somebody seems to hold this home.
    #[must_use]
    pub fn is_held(home: &std::path::Path) -> bool {
        std::os::unix::net::UnixStream::connect(home.join(SOCKET)).is_ok()
    }

    /// A session with whoever holds the home; `None` when nobody does.
    ///
    /// # Errors
    /// When the holder is another version of this program.
    pub async fn with_holder(home: &Home) -> Result<Option<Self>, Failure> {
        Self::with_agent(home, &[]).await
    }

    /// `None` when nobody answers at the socket (yet, or any more).
    async fn with_agent(home: &Home, via: &[Via]) -> Result<Option<Self>, Failure> {
        let folder = Folder::open(home.path())?;
        let Ok(stream) = UnixStream::connect(folder.socket()).await else { return Ok(None) };
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let hello = tokio::time::timeout(limits::HOLDER_WAIT, server::read_line::<Challenge>(&mut reader)).await;
        let Ok(Some(hello)) = hello else { return Ok(None) };
        if hello.v != VERSION {
            return Err(Failure::usage(
                format!("process {} holds this home and is another version of this program", hello.pid),
                "stop it first",
            ));
        }
        let Ok(challenge) = hex::decode(&hello.challenge) else { return Ok(None) };
        let proof = Proof { proof: hex::encode(home.cipher().proof(&challenge)) };
        if server::write_line(&mut writer, &proof).await.is_none() {
            return Ok(None);
        }
        let (sender, replies) = mpsc::channel(limits::REPLIES);
        let reader = tokio::spawn(async move {
            while let Some(reply) = server::read_line::<Reply>(&mut reader).await {
                if sender.send(reply).await.is_err() {
                    return;
                }
            }
        });
        let mut session = Self { side: Side::Agent { writer, reader }, replies, reach: Reach::Trying };
        match tokio::time::timeout(limits::HOLDER_WAIT, session.agree(via)).await {
            Ok(Ok(())) => Ok(Some(session)),
            Ok(Err(failure)) if failure != gone() => Err(failure),
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }

    async fn agree(&mut self, ways: &[Via]) -> Result<(), Failure> {
        let ways = ways.iter().map(ToString::to_string).collect();
        self.ask(Request::Ways(ways)).await.map_err(|Gone| gone())?;
        let mut ready = false;
        loop {
            match self.next().await.map_err(|Gone| gone())? {
                Reply::Ready => ready = true,
                Reply::Failed { exit, message, next } => return Err(failed(exit, message, next)),
                Reply::Reach(_) if ready => return Ok(()),
                _ => {}
            }
        }
    }
}

/// The holder of the home is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

fn gone() -> Failure {
    Failure::internal(format!("the process that holds the home ended while we spoke at {SOCKET}"))
}
