//! The mailbox as its owner sees it, and read receipts.

use crate::batch::Batch;
use crate::endpoint::Endpoint;
use crate::error::{BodyError, MarkReadError};
use crate::keys;
use crate::limits::{FINISHED_MAX, RECEIPT_HOPS};
use crate::message::{Body, Incoming, IncomingState, Trust};
use crate::records::{InRecord, OwedRecord, encode};
use crate::vault::{Vault, VaultError};
use alloc::vec::Vec;
use picket_wire::control::{Control, Receipt, ReceiptKind};
use picket_wire::limits::CONTROL_MAX;
use picket_wire::time::Instant;
use picket_wire::{Lifetime, MessageId};

impl<V: Vault> Endpoint<V> {
    /// The mailbox: messages whose lifetime is not over, oldest first: by when they were sent (by arrival where the sender
    /// did not know), then in the order of their arrival.
    ///
    /// # Errors
    /// When the vault does not answer.
    pub fn inbox(&mut self, now: Instant) -> Result<Vec<Incoming>, VaultError> {
        self.expire(now)?;
        let kept = self.desk.incomings().filter(|(_, r)| r.kept.is_some());
        let mut ids: Vec<_> = kept.map(|(id, r)| (r.sent.or(r.received), r.position, id)).collect();
        ids.sort_unstable();
        let mut all = Vec::with_capacity(ids.len());
        for (_, _, id) in ids {
            if let Some(incoming) = self.describe_in(id)? {
                all.push(incoming);
            }
        }
        Ok(all)
    }

    /// One message of the mailbox.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn incoming(&mut self, now: Instant, id: MessageId) -> Result<Incoming, BodyError> {
        self.expire(now)?;
        self.describe_in(id)?.ok_or(BodyError::NoSuchId(id))
    }

    /// Text or file of one message of the mailbox (or of one we sent, as long as its content is kept). Does not mark it
    /// read.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn body(&mut self, now: Instant, id: MessageId) -> Result<Body, BodyError> {
        self.expire(now)?;
        let received = self.desk.incoming(id).filter(|r| r.kept.is_some()).map(|r| r.from);
        if let Some(from) = received {
            return Ok(Body { from, content: self.kept_content(&keys::body(id))? });
        }
        if self.desk.out(id).is_some_and(|r| r.kept.is_some()) {
            return Ok(Body { from: self.me(), content: self.kept_content(&keys::sent_body(id))? });
        }
        Err(BodyError::NoSuchId(id))
    }

    /// Marks a message of the mailbox read and queues its read receipt, once, durably. Again: nothing happens.
    /// Then drain [`Endpoint::poll`].
    ///
    /// # Errors
    /// [`MarkReadError`]; nothing was changed.
    pub fn mark_read(&mut self, now: Instant, id: MessageId) -> Result<(), MarkReadError> {
        self.expire(now)?;
        let record = self.desk.incoming(id).filter(|r| r.kept.is_some());
        let mut record = record.cloned().ok_or(MarkReadError::NoSuchId(id))?;
        if record.is_read {
            return Ok(());
        }
        record.is_read = true;
        if let Some(burn) = self.home.burn(id)? {
            self.home.burn_by(now, burn, &mut record.deadline, &mut record.expires);
        }
        let mut batch = Batch::default();
        let mut next = self.home.record.clone();
        let at = next.take_position();
        let receipt = self.read_receipt(now, &record)?;
        batch.put(keys::incoming(id), encode(&record)?);
        batch.put(keys::owed(at), encode(&receipt)?);
        let done = self.home.commit(now, next, batch);
        self.check(done);
        done?;
        self.desk.set_in(id, Some(record));
        self.desk.set_owed(at, Some(receipt));
        let _offered_later = self.offer_more(now);
        Ok(())
    }

    fn read_receipt(&self, now: Instant, record: &InRecord) -> Result<OwedRecord, VaultError> {
        let receipt = Control::Receipt(Receipt {
            to: record.from,
            hops: RECEIPT_HOPS,
            id: record.wire,
            kind: ReceiptKind::Read,
            token: record.read,
        });
        let mut buffer = [0; CONTROL_MAX];
        let bytes = receipt.encode(&mut buffer).map_err(|_| VaultError::Failed)?.to_vec();
        let identity = receipt.parcel_identity().ok_or(VaultError::Failed)?;
        let deadline = self.home.clock.age(now).saturating_add(self.home.roster.max_delay().as_micros());
        Ok(OwedRecord { envelope: false, precedence: record.precedence, identity, deadline, bytes })
    }

    fn describe_in(&mut self, id: MessageId) -> Result<Option<Incoming>, VaultError> {
        let Some(record) = self.desk.incoming(id).cloned() else { return Ok(None) };
        let Some(kept) = &record.kept else { return Ok(None) };
        let shown = kept.shown(|| self.kept_content(&keys::body(id)))?;
        Ok(Some(Incoming {
            id,
            from: record.from,
            from_name: self.name_of(record.from),
            to_name: self.name_of(self.me()),
            precedence: record.precedence,
            shown,
            sent: record.sent,
            received: record.received,
            expires: record.expires,
            trust: Trust::Authentic,
            burn: self.home.burn(id)?.map(Lifetime::duration),
            state: if record.is_read { IncomingState::Read } else { IncomingState::New },
            position: record.position,
        }))
    }

    /// Where too many ended messages are remembered, the oldest goes; its session still refuses a replay.
    pub(crate) fn forget_received(&self, batch: &mut Batch) -> Option<MessageId> {
        let (kept, _) = self.desk.mailbox();
        if self.desk.incomings().count() < kept + FINISHED_MAX {
            return None;
        }
        let gone = self.desk.incomings().filter(|(_, r)| r.kept.is_none());
        let oldest = gone.min_by_key(|(_, r)| r.position).map(|(id, _)| id)?;
        batch.remove(keys::incoming(oldest));
        Some(oldest)
    }
}
