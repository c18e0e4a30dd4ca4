//! The index of messages in memory: rebuilt from the vault when the home is opened, changed only after a commit.

use crate::clock::Age;
use crate::home::Home;
use crate::keys;
use crate::records::{InRecord, OutRecord, OwedRecord, decode};
use crate::vault::{Vault, VaultError};
use alloc::collections::{BTreeMap, BTreeSet};
use picket_wire::MessageId;

/// Something with a deadline, and something that may be offered to a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Item {
    /// A message sent.
    Out(MessageId),
    /// A message received.
    In(MessageId),
    /// A receipt or housekeeping.
    Owed(u64),
}

/// All messages of a home, without their contents.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    out: BTreeMap<MessageId, OutRecord>,
    incoming: BTreeMap<MessageId, InRecord>,
    owed: BTreeMap<u64, OwedRecord>,
    /// Ids of envelopes to ids of messages; they differ where a message was sealed again.
    out_by_wire: BTreeMap<MessageId, MessageId>,
    in_by_wire: BTreeMap<MessageId, MessageId>,
    deadlines: BTreeSet<(Age, Item)>,
    /// Messages in the mailbox with content, and bytes of it.
    mailbox: (usize, usize),
    /// Messages in the outbox that are open, and bytes of their envelopes.
    outbox: (usize, usize),
}

impl Desk {
    pub(crate) fn load<V: Vault>(home: &mut Home<V>) -> Result<Self, VaultError> {
        let mut desk = Self::default();
        for key in home.scan(keys::OUT)? {
            let value = home.get(&key)?.ok_or(VaultError::Damaged)?;
            desk.set_out(id_of(&key)?, Some(decode(&value)?));
        }
        for key in home.scan(keys::IN)? {
            let value = home.get(&key)?.ok_or(VaultError::Damaged)?;
            desk.set_in(id_of(&key)?, Some(decode(&value)?));
        }
        for key in home.scan(keys::OWED)? {
            let value = home.get(&key)?.ok_or(VaultError::Damaged)?;
            desk.set_owed(u64::from_be_bytes(id_of(&key)?.0), Some(decode(&value)?));
        }
        Ok(desk)
    }

    pub(crate) fn out(&self, id: MessageId) -> Option<&OutRecord> {
        self.out.get(&id)
    }

    pub(crate) fn incoming(&self, id: MessageId) -> Option<&InRecord> {
        self.incoming.get(&id)
    }

    pub(crate) fn owed(&self, position: u64) -> Option<&OwedRecord> {
        self.owed.get(&position)
    }

    pub(crate) fn outs(&self) -> impl Iterator<Item = (MessageId, &OutRecord)> {
        self.out.iter().map(|(id, r)| (*id, r))
    }

    pub(crate) fn incomings(&self) -> impl Iterator<Item = (MessageId, &InRecord)> {
        self.incoming.iter().map(|(id, r)| (*id, r))
    }

    pub(crate) fn oweds(&self) -> impl Iterator<Item = (u64, &OwedRecord)> {
        self.owed.iter().map(|(position, r)| (*position, r))
    }

    /// The message sent in the envelope of this id.
    pub(crate) fn out_of_wire(&self, wire: MessageId) -> Option<MessageId> {
        self.out_by_wire.get(&wire).copied()
    }

    /// The message received in the envelope of this id.
    pub(crate) fn in_of_wire(&self, wire: MessageId) -> Option<MessageId> {
        self.in_by_wire.get(&wire).copied()
    }

    /// Messages in the mailbox, and bytes of their contents.
    pub(crate) const fn mailbox(&self) -> (usize, usize) {
        self.mailbox
    }

    /// Open messages in the outbox, and bytes of their envelopes.
    pub(crate) const fn outbox(&self) -> (usize, usize) {
        self.outbox
    }

    pub(crate) fn first_deadline(&self) -> Option<(Age, Item)> {
        self.deadlines.first().copied()
    }

    pub(crate) fn due(&self, age: Age, most: usize) -> impl Iterator<Item = Item> {
        self.deadlines.iter().take_while(move |(at, _)| *at <= age).take(most).map(|(_, item)| *item)
    }

    pub(crate) fn set_out(&mut self, id: MessageId, record: Option<OutRecord>) {
        if let Some(old) = self.out.remove(&id) {
            self.deadlines.remove(&(old.deadline, Item::Out(id)));
            let (n, bytes) = weight(&old);
            self.outbox = (self.outbox.0.saturating_sub(n), self.outbox.1.saturating_sub(bytes));
            for sealing in &old.sealings {
                self.out_by_wire.remove(&sealing.identity.id());
            }
        }
        if let Some(new) = record {
            if new.kept.is_some() || new.envelope.is_some() || new.is_open() {
                self.deadlines.insert((new.deadline, Item::Out(id)));
            }
            let (n, bytes) = weight(&new);
            self.outbox = (self.outbox.0 + n, self.outbox.1 + bytes);
            for sealing in &new.sealings {
                self.out_by_wire.insert(sealing.identity.id(), id);
            }
            self.out.insert(id, new);
        }
    }

    pub(crate) fn set_in(&mut self, id: MessageId, record: Option<InRecord>) {
        if let Some(old) = self.incoming.remove(&id) {
            self.deadlines.remove(&(old.deadline, Item::In(id)));
            self.in_by_wire.remove(&old.wire);
            if let Some(kept) = &old.kept {
                self.mailbox = (self.mailbox.0.saturating_sub(1), self.mailbox.1.saturating_sub(kept.bytes()));
            }
        }
        if let Some(new) = record {
            if let Some(kept) = &new.kept {
                self.deadlines.insert((new.deadline, Item::In(id)));
                self.mailbox = (self.mailbox.0 + 1, self.mailbox.1 + kept.bytes());
            }
            self.in_by_wire.insert(new.wire, id);
            self.incoming.insert(id, new);
        }
    }

    pub(crate) fn set_owed(&mut self, position: u64, record: Option<OwedRecord>) {
        if let Some(old) = self.owed.remove(&position) {
            self.deadlines.remove(&(old.deadline, Item::Owed(position)));
        }
        if let Some(new) = record {
            self.deadlines.insert((new.deadline, Item::Owed(position)));
            self.owed.insert(position, new);
        }
    }
}

fn weight(record: &OutRecord) -> (usize, usize) {
    let bytes = record.envelope.map_or(0, |n| n as usize);
    (usize::from(record.is_open()), bytes)
}

fn id_of(key: &[u8]) -> Result<MessageId, VaultError> {
    key.get(1..).and_then(|b| <[u8; 8]>::try_from(b).ok()).map(MessageId).ok_or(VaultError::Damaged)
}
