//! Receipts and notices that arrive (spec §70.5).

use crate::batch::Batch;
use crate::endpoint::Endpoint;
use crate::keys;
use crate::message::{RefusedBecause, State};
use crate::records::ended;
use crate::vault::{Vault, VaultError};
use picket_node::leaf::Keyring;
use picket_wire::MessageId;
use picket_wire::control::{Control, Notice, NoticeReason, ReceiptKind, Token};
use picket_wire::keys::notice_mac;
use picket_wire::time::Instant;

impl<V: Vault> Endpoint<V> {
    /// A receipt or notice as a parcel.
    pub(crate) fn control_parcel(&mut self, now: Instant, control: Control) -> Result<(), VaultError> {
        match control {
            Control::Receipt(r) if r.to == self.me() => self.receipt(now, r.id, r.kind, r.token),
            Control::Notice(n) if n.to == self.me() => self.notice(now, &n),
            Control::Receipt(_) | Control::Notice(_) => {
                self.counters.not_for_us += 1;
                Ok(())
            }
            Control::Hello(_)
            | Control::Attach(_)
            | Control::Attached { .. }
            | Control::Drained { .. }
            | Control::Claim(_)
            | Control::Listens(_)
            | Control::Ack { .. }
            | Control::AckDelivered { .. }
            | Control::Refuse { .. }
            | Control::SymbolReport { .. }
            | Control::Announce { .. }
            | Control::AckMany(_)
            | Control::Poll { .. } => {
                self.counters.refused_kind += 1;
                Ok(())
            }
        }
    }

    /// A receipt for the envelope `wire`: its token proves itself, whoever brought it.
    pub(crate) fn receipt(
        &mut self,
        now: Instant,
        wire: MessageId,
        kind: ReceiptKind,
        token: Token,
    ) -> Result<(), VaultError> {
        let id = self.desk.out_of_wire(wire);
        let Some((id, mut record)) = id.and_then(|id| Some((id, self.desk.out(id)?.clone()))) else {
            self.counters.receipts_unknown += 1;
            return Ok(());
        };
        let sealing = record.sealings.iter().find(|s| s.identity.id() == wire).cloned();
        let Some(sealing) = sealing.filter(|s| s.token(kind) == token) else {
            self.counters.receipts_forged += 1;
            return Ok(());
        };
        let wall = self.home.clock.wall(now);
        // A read receipt may overtake the delivered one: what was read was delivered.
        let delivered = record.reach(State::Delivered, wall);
        let read = kind == ReceiptKind::Read && record.reach(State::Read, wall);
        if !delivered && !read {
            self.counters.receipts_again += 1;
            return Ok(());
        }
        self.counters.receipts += 1;
        let mut batch = Batch::default();
        self.home.acknowledge_session(record.to, &sealing, &mut batch)?;
        if let (true, Some(burn)) = (read, self.home.burn(id)?) {
            self.home.burn_by(now, burn, &mut record.deadline, &mut record.expires);
        }
        if record.envelope.take().is_some() {
            batch.remove(keys::envelope(id));
        }
        self.way.withdraw(crate::desk::Item::Out(id));
        self.store_out(now, id, record, batch)
    }

    fn notice(&mut self, now: Instant, notice: &Notice) -> Result<(), VaultError> {
        let Some(id) = self.desk.out_of_wire(notice.id) else {
            self.counters.receipts_unknown += 1;
            return Ok(());
        };
        let expected = self.hop.link_key(notice.gateway).map(|key| notice_mac(&key, notice.id, notice.reason));
        let verified = expected == Some(notice.mac);
        if verified {
            self.counters.notices += 1;
        } else {
            self.counters.notices_unverified += 1;
        }
        let record = self.desk.out(id);
        let current = record.and_then(|r| r.sealings.last()).is_some_and(|s| s.identity.id() == notice.id);
        let custody = record.is_some_and(|r| r.state() == State::Custody && r.custodian.is_some());
        // An earlier sealing, or nothing was handed over yet: no gateway can have given it up.
        if !current || !(verified || custody) {
            return Ok(());
        }
        let expired = notice.reason == NoticeReason::Expired && verified;
        let because = RefusedBecause::Notice { reason: notice.reason, gateway: notice.gateway, verified };
        self.end_out(now, id, ended(expired, because))
    }
}
