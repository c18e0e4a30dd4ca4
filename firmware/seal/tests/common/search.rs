//! An attacker with a recorded envelope and every byte that a device still holds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use picket_seal::{Far, ReceiveSession, Slot};
use picket_wire::envelope::Envelope;

/// Whether any 32 bytes of what is held, taken for a message key, a chain key or a lane's root, open the envelope.
/// `begun`: the stored state of its pre-placed session before any message, for the session's name.
pub fn opens_with_anything_in(held: &[u8], bytes: &[u8], begun: &[u8]) -> bool {
    let slot = Slot::from_byte(Envelope::parse(bytes).unwrap().header().lane.unwrap()).unwrap();
    held.windows(32).any(|window| as_chain(window, slot.byte(), bytes, begun) || as_root(window, slot, bytes, begun))
}

/// The window as the slot's chain key, or as a message key of it, at any counter up to 3.
fn as_chain(window: &[u8], slot: u8, bytes: &[u8], begun: &[u8]) -> bool {
    (0..4u32).any(|next| {
        let state = [&state_head(begun, next, 4)[..], window, &[slot]].concat();
        ReceiveSession::decode(&state).is_ok_and(|mut s| try_open(&mut s, bytes))
    }) || (0..4u32).any(|counter| {
        let state = [&state_head(begun, 4, 4)[..], &[0; 32], &[slot], &counter.to_be_bytes(), window].concat();
        ReceiveSession::decode(&state).is_ok_and(|mut s| try_open(&mut s, bytes))
    })
}

fn as_root(window: &[u8], slot: Slot, bytes: &[u8], begun: &[u8]) -> bool {
    (0..=slot.number()).any(|next| {
        let root = [&[next], window].concat();
        let state = [&state_head(begun, 0, 8)[..], &[0; 32], &root, &root, &root].concat();
        ReceiveSession::decode(&state).is_ok_and(|mut base| {
            core::iter::from_fn(|| base.leads_to(slot).then(|| base.enter(slot.lane()))?)
                .any(|mut s| try_open(&mut s, bytes))
        })
    })
}

fn state_head(begun: &[u8], next: u32, flags: u8) -> Vec<u8> {
    [&[2, flags], &begun[2..20], &next.to_be_bytes(), &[0; 4]].concat()
}

fn try_open(session: &mut ReceiveSession, bytes: &[u8]) -> bool {
    session.open(&Envelope::parse(bytes).unwrap(), Far::Refuse, &mut [0; 256]).is_ok()
}
