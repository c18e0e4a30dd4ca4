//! A member's signed words to the gateways: where it is attached (spec §30.8) and which rooms it listens to.

use crate::keys::{BadKey, BadSignature, IdentitySecret, PublicKey};
use picket_wire::control::{Claim, Listens, Rooms, Signature};
use picket_wire::limits::LISTENS_ROOMS_MAX;
use picket_wire::{Index, MissionId};

const DOMAIN: &[u8] = b"PICKET-claim";
const LISTENS: &[u8] = b"PICKET-listens";

/// Signs the claim of `member` to be attached to `gateway` under `sequence`, which must grow with every attachment.
///
/// # Errors
/// Never for a well-formed secret.
pub fn sign_claim(
    secret: &IdentitySecret,
    mission: MissionId,
    member: Index,
    gateway: Index,
    sequence: u32,
) -> Result<Claim, BadKey> {
    let signature = secret.sign(DOMAIN, &message(mission, member, gateway, sequence))?;
    Ok(Claim { member, gateway, sequence, signature: Signature(signature) })
}

/// Verifies a claim with the public identity key that the roster holds for `claim.member`.
///
/// # Errors
/// [`BadSignature`]: the claim is nobody's word.
pub fn verify_claim(claim: &Claim, mission: MissionId, identity: &PublicKey) -> Result<(), BadSignature> {
    let message = message(mission, claim.member, claim.gateway, claim.sequence);
    identity.verify(DOMAIN, &message, &claim.signature.0)
}

fn message(mission: MissionId, member: Index, gateway: Index, sequence: u32) -> [u8; 16] {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&mission.0);
    out[8..10].copy_from_slice(&member.0.to_be_bytes());
    out[10..12].copy_from_slice(&gateway.0.to_be_bytes());
    out[12..].copy_from_slice(&sequence.to_be_bytes());
    out
}

/// Signs the word of `member` to listen to `rooms` under `sequence`, which must grow with every change.
///
/// # Errors
/// Never for a well-formed secret.
pub fn sign_listens(
    secret: &IdentitySecret,
    mission: MissionId,
    member: Index,
    sequence: u32,
    rooms: Rooms,
) -> Result<Listens, BadKey> {
    let mut buffer = [0; LISTENS_MESSAGE_MAX];
    let signature = secret.sign(LISTENS, listens_message(mission, member, sequence, &rooms, &mut buffer))?;
    Ok(Listens { member, sequence, rooms, signature: Signature(signature) })
}

/// Verifies a word of listening with the public identity key that the roster holds for `listens.member`.
///
/// # Errors
/// [`BadSignature`]: it is nobody's word.
pub fn verify_listens(listens: &Listens, mission: MissionId, identity: &PublicKey) -> Result<(), BadSignature> {
    let mut buffer = [0; LISTENS_MESSAGE_MAX];
    let message = listens_message(mission, listens.member, listens.sequence, &listens.rooms, &mut buffer);
    identity.verify(LISTENS, message, &listens.signature.0)
}

/// Mission 8, member 2, sequence 4, two bytes a room.
const LISTENS_MESSAGE_MAX: usize = 14 + 2 * LISTENS_ROOMS_MAX;

fn listens_message<'b>(
    mission: MissionId,
    member: Index,
    sequence: u32,
    rooms: &Rooms,
    out: &'b mut [u8; LISTENS_MESSAGE_MAX],
) -> &'b [u8] {
    out[..8].copy_from_slice(&mission.0);
    out[8..10].copy_from_slice(&member.0.to_be_bytes());
    out[10..14].copy_from_slice(&sequence.to_be_bytes());
    let (places, _) = out[14..].as_chunks_mut::<2>();
    for (place, room) in places.iter_mut().zip(rooms.as_slice()) {
        *place = room.0.to_be_bytes();
    }
    &out[..14 + 2 * rooms.as_slice().len()]
}
