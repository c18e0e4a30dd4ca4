//! From a link's frame to the gate (spec §57.2): the one function that every frame passes before it is written.

use super::{Gate, Held, Leaving, Traffic};
use crate::Link;
use crate::api::{Framing, ParcelKind};
use picket_wire::control::Control;
use picket_wire::limits::{HOP_LEN, MAC_LEN};
use picket_wire::time::Instant;

/// What the gate must know of a link.
pub(crate) struct Way<'a> {
    framing: Framing,
    pace: &'a crate::pace::Pace,
    held: &'a mut Option<Held>,
}

impl<'a> Way<'a> {
    pub(crate) const fn new(framing: Framing, pace: &'a crate::pace::Pace, held: &'a mut Option<Held>) -> Self {
        Self { framing, pace, held }
    }

    /// Whether a frame with `body` bytes may be written now. If not, it stays where it waits.
    pub(crate) fn may_leave(&mut self, gate: &mut Gate, now: Instant, traffic: Traffic, body: usize) -> bool {
        let bytes = on_medium(self.framing, HOP_LEN + body + MAC_LEN);
        let outcome = gate.permit(now, Leaving { traffic, bytes, air: self.pace.air(bytes) });
        if let Err(held) = outcome {
            *self.held = Some(sooner(*self.held, held));
        }
        outcome.is_ok()
    }
}

impl Link {
    /// See [`Way::may_leave`].
    pub(crate) fn may_leave(&mut self, gate: &mut Gate, now: Instant, traffic: Traffic, body: usize) -> bool {
        Way::new(self.shape.framing, &self.pace, &mut self.held).may_leave(gate, now, traffic, body)
    }
}

/// Bytes that a frame takes on the medium at most: COBS opens a block for every 254 bytes, and one delimiter stands
/// before the first frame and one behind each.
const fn on_medium(framing: Framing, frame: usize) -> usize {
    match framing {
        Framing::Packet => frame,
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
        Control::Hello(_) | Control::Attach(_) | Control::Claim(_) => Traffic::Presence,
        Control::Attached { .. }
        | Control::Drained { .. }
        | Control::Ack { .. }
        | Control::AckDelivered { .. }
        | Control::Refuse { .. }
        | Control::Receipt(_)
        | Control::Notice(_)
        | Control::FragmentReport { .. }
        | Control::Poll { .. } => Traffic::Answer(picket_wire::Precedence::Routine),
    }
}

/// What a parcel is for: a claim tells only where somebody is.
pub(crate) fn of_offer(offer: &crate::Offer) -> Traffic {
    match offer.kind {
        ParcelKind::Control if matches!(Control::decode(&offer.bytes), Ok(Control::Claim(_))) => Traffic::Presence,
        ParcelKind::Control | ParcelKind::Envelope => Traffic::Parcel(offer.precedence),
    }
}
