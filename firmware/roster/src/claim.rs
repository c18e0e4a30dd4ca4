//! Attachment claims: a member's signed word where it is attached (spec §30.8).

use crate::keys::{BadKey, BadSignature, IdentitySecret, PublicKey};
use picket_wire::control::{Claim, Signature};
use picket_wire::{Index, MissionId};

const DOMAIN: &[u8] = b"PICKET-claim";

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
