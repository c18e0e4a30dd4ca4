//! Who waits for which sync.

use super::Ticket;

/// Counts changes of the medium and knows up to which of them a power cut is survived.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tickets {
    written: u64,
    durable: u64,
    demanded: u64,
    asked: Option<Asked>,
    failed: bool,
}

/// A sync under way: its ticket, and the end of the head segment when it was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub ticket: Ticket,
    pub serial: u32,
    pub end: u32,
}

impl Tickets {
    /// Something was written; nobody need wait for it.
    pub fn wrote(&mut self) -> Ticket {
        self.written += 1;
        Ticket(self.written)
    }

    /// Somebody waits for all that was written so far.
    pub fn demand(&mut self) -> Ticket {
        self.demanded = self.written;
        Ticket(self.written)
    }

    /// Hands out the next ticket, if somebody waits and no sync is under way.
    pub fn ask(&mut self, serial: u32, end: u32) -> Option<Ticket> {
        if self.failed || self.asked.is_some() || self.demanded <= self.durable {
            return None;
        }
        let ticket = Ticket(self.written);
        self.asked = Some(Asked { ticket, serial, end });
        Some(ticket)
    }

    /// The sync for `ticket` is done; tells where the head ended when it was asked for.
    pub fn synced(&mut self, ticket: Ticket) -> Option<Asked> {
        if self.failed || ticket.0 > self.written {
            return None;
        }
        self.durable = self.durable.max(ticket.0);
        self.asked.take_if(|asked| asked.ticket <= ticket)
    }

    /// A sync failed.
    pub fn fail(&mut self) {
        self.failed = true;
        self.asked = None;
    }

    pub fn failed(&self) -> bool {
        self.failed
    }

    pub fn is_durable(&self, ticket: Ticket) -> bool {
        ticket.0 <= self.durable
    }

    /// Whether all that was written is durable.
    pub fn settled(&self) -> bool {
        self.written <= self.durable
    }
}
