//! Deadlines: what has reached its own goes, its content first of all (spec §70.5, §70.7).

use crate::batch::Batch;
use crate::clock::Age;
use crate::desk::Item;
use crate::endpoint::Endpoint;
use crate::home::Home;
use crate::io::Event;
use crate::keys;
use crate::limits::EXPIRE_AT_ONCE;
use crate::message::State;
use crate::records::{InRecord, OutRecord, encode};
use crate::vault::{Vault, VaultError};
use alloc::vec::Vec;
use picket_wire::time::{Instant, Wall};
use picket_wire::{Lifetime, MessageId};

impl<V: Vault> Home<V> {
    /// How long a message lives once it is read; `None`: as long as any other.
    pub(crate) fn burn(&mut self, id: MessageId) -> Result<Option<Lifetime>, VaultError> {
        Ok(self.get(&keys::burn(id))?.and_then(|bytes| bytes.first().copied()).map(Lifetime))
    }

    /// It was read now: it ends after `burn`, unless it does before.
    pub(crate) fn burn_by(&self, now: Instant, burn: Lifetime, deadline: &mut Age, expires: &mut Option<Wall>) {
        let after = burn.duration();
        *deadline = (*deadline).min(self.clock.age(now).saturating_add(after.as_micros()));
        let by_wall = self.clock.wall(now).map(|w| Wall(w.0.saturating_add(after.as_millis())));
        *expires = match (*expires, by_wall) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (known, None) | (None, known) => known,
        };
    }
}

impl<V: Vault> Endpoint<V> {
    /// Lets go what has reached its deadline, some in each transaction.
    pub(crate) fn expire(&mut self, now: Instant) -> Result<(), VaultError> {
        let age = self.home.clock.age(now);
        loop {
            let due: Vec<Item> = self.desk.due(age, EXPIRE_AT_ONCE).collect();
            if due.is_empty() {
                return Ok(());
            }
            self.expire_these(now, &due)?;
        }
    }

    fn expire_these(&mut self, now: Instant, due: &[Item]) -> Result<(), VaultError> {
        let wall = self.home.clock.wall(now);
        let mut batch = Batch::default();
        let mut outs: Vec<(MessageId, OutRecord)> = Vec::new();
        let mut ins: Vec<(MessageId, InRecord)> = Vec::new();
        for item in due {
            match *item {
                Item::Owed(at) => batch.remove(keys::owed(at)),
                Item::In(id) => {
                    let Some(mut record) = self.desk.incoming(id).cloned() else { continue };
                    record.kept = None;
                    batch.put(keys::incoming(id), encode(&record)?);
                    batch.remove(keys::body(id));
                    batch.remove(keys::burn(id));
                    ins.push((id, record));
                }
                Item::Out(id) => {
                    let Some(mut record) = self.desk.out(id).cloned() else { continue };
                    if record.is_open() {
                        record.reach(State::Expired, wall);
                    }
                    (record.kept, record.envelope) = (None, None);
                    batch.put(keys::out(id), encode(&record)?);
                    batch.remove(keys::envelope(id));
                    batch.remove(keys::sent_body(id));
                    batch.remove(keys::burn(id));
                    outs.push((id, record));
                }
            }
        }
        self.home.commit(now, self.home.record.clone(), batch)?;
        self.content_gone |= !(ins.is_empty() && outs.is_empty());
        for item in due {
            self.way.withdraw(*item);
            if let Item::Owed(at) = item {
                self.desk.set_owed(*at, None);
            }
        }
        for (id, record) in ins {
            self.desk.set_in(id, Some(record));
        }
        for (id, record) in outs {
            let was_open = self.desk.out(id).is_some_and(OutRecord::is_open);
            let state = record.state();
            self.desk.set_out(id, Some(record));
            if was_open {
                self.tell(Event::State { id, state, at: wall });
            }
        }
        Ok(())
    }
}
