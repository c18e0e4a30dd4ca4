//! Who is served by the holder of a home, and what each wants to hear.

use super::protocol::{Reach, Reply};
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// Names one client: a connection, or the command of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// One client.
#[derive(Debug)]
struct Client {
    replies: mpsc::Sender<Reply>,
    /// Messages it follows, and how many of their states it has heard.
    watched: BTreeMap<String, usize>,
    /// It wants new messages.
    inbox: bool,
}

/// All clients.
#[derive(Debug, Default)]
pub struct Clients {
    all: BTreeMap<ClientId, Client>,
}

impl Clients {
    /// A new client.
    pub fn add(&mut self, id: ClientId, replies: mpsc::Sender<Reply>) {
        self.all.insert(id, Client { replies, watched: BTreeMap::new(), inbox: false });
    }

    /// It is gone.
    pub fn remove(&mut self, id: ClientId) {
        self.all.remove(&id);
    }

    /// It wants new messages from now on.
    pub fn want_inbox(&mut self, id: ClientId) {
        if let Some(client) = self.all.get_mut(&id) {
            client.inbox = true;
        }
    }

    /// It wants the states of a message from now on.
    pub fn watch(&mut self, id: ClientId, message: String) {
        if let Some(client) = self.all.get_mut(&id) {
            client.watched.entry(message).or_insert(0);
        }
    }

    /// Answers one client. One that does not read is dropped; it will come again.
    pub fn answer(&mut self, id: ClientId, reply: Reply) {
        if self.all.get(&id).is_some_and(|c| c.replies.try_send(reply).is_err()) {
            self.all.remove(&id);
        }
    }

    /// Tells everybody.
    pub fn tell_all(&mut self, reply: &Reply) {
        self.all.retain(|_, c| c.replies.try_send(reply.clone()).is_ok());
    }

    /// Tells those who want new messages.
    pub fn tell_inboxes(&mut self, reply: &Reply) {
        self.all.retain(|_, c| !c.inbox || c.replies.try_send(reply.clone()).is_ok());
    }

    /// Whether anybody wants new messages.
    #[must_use]
    pub fn any_inbox(&self) -> bool {
        self.all.values().any(|c| c.inbox)
    }

    /// Whether anybody follows this message.
    #[must_use]
    pub fn any_watching(&self, message: &str) -> bool {
        self.all.values().any(|c| c.watched.contains_key(message))
    }

    /// Tells those who follow `message` the states they have not heard.
    pub fn tell_states(&mut self, message: &str, steps: &[crate::rows::StateRow]) {
        self.all.retain(|_, client| {
            let Some(heard) = client.watched.get_mut(message) else { return true };
            let news = steps.get(*heard..).unwrap_or_default();
            *heard = steps.len();
            news.iter().all(|step| client.replies.try_send(Reply::State(step.clone())).is_ok())
        });
    }

    /// Tells everybody how far the attachment is.
    pub fn tell_reach(&mut self, reach: &Reach) {
        self.tell_all(&Reply::Reach(reach.clone()));
    }
}
