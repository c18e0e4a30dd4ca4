//! From a link's frame to the gate (spec §57.2): the one function that every frame passes before it is written.

use super::{Gate, Held, Leaving, Traffic};
use crate::Link;
use crate::api::{Framing, ParcelKind};
use picket_codes::shield::{self, Level};
use picket_wire::control::Control;
use picket_wire::limits::{HOP_LEN, MAC_LEN};
use picket_wire::time::Instant;

impl Link {
    /// Whether a frame with `body` bytes, coded at `level`, may be written now. If not, it stays where it waits.
    pub(crate) fn may_leave(
        &mut self,
        gate: &mut Gate,
        now: Instant,
        traffic: Traffic,
        body: usize,
        level: Level,
    ) -> bool {
        let bytes = on_medium(self.shape.framing, HOP_LEN + body + MAC_LEN, level);
        let outcome = gate.permit(now, Leaving { traffic, bytes, air: self.pace.air(bytes) });
        if let Err(held) = outcome {
            self.held = Some(sooner(self.held, held));
        }
        outcome.is_ok()
    }
}

/// Bytes that a frame takes on the medium at most: COBS opens a block for every 254 bytes, and one delimiter stands
/// before the first frame and one behind each.
fn on_medium(framing: Framing, frame: usize, level: Level) -> usize {
    match framing {
        Framing::Packet => frame,
        Framing::Fec => shield::coded_len(frame, level),
        Framing::Cobs => frame + frame / 254 + 3,
    }
}

/// Whichever may be tried first.
fn sooner(before: Option<Held>, held: Held) -> Held {
    let when = |held: &Held| held.until.unwrap_or(Instant::FAR);
    before.filter(|before| when(before) <= when(&held)).unwrap_or(held)
}

/// What a control message that is no parcel is for.
#[must_use]
pub const fn of_control(message: &Control) -> Traffic {
    match message {
        Control::Hello(_) | Control::Attach(_) | Control::Claim(_) | Control::Listens(_) => Traffic::Presence,
        Control::Attached { .. }
        | Control::Drained { .. }
        | Control::Ack { .. }
        | Control::AckDelivered { .. }
        | Control::Refuse { .. }
        | Control::Receipt(_)
        | Control::Notice(_)
        | Control::SymbolReport { .. }
        | Control::Poll { .. }
        | Control::Announce { .. }
        | Control::AckMany(_) => Traffic::Answer(picket_wire::Precedence::Routine),
    }
}

/// What a parcel is for: a claim tells only where somebody is, a listens to what it listens there.
pub(crate) fn of_offer(offer: &crate::Offer) -> Traffic {
    let presence = |message| matches!(message, Control::Claim(_) | Control::Listens(_));
    match offer.kind {
        ParcelKind::Control if Control::decode(&offer.bytes).is_ok_and(presence) => Traffic::Presence,
        ParcelKind::Control | ParcelKind::Envelope => Traffic::Parcel(offer.precedence),
    }
}
