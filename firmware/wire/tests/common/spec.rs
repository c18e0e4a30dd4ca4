//! The hop frame a second time, written from `firmware/spec/10-wire.md` and from nothing of this crate.
#![allow(dead_code)]

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit as _};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// §10.6: the pairwise key from full index `from` to full index `to`.
pub fn link_key(lk: &[u8; 32], from: u16, to: u16) -> [u8; 32] {
    let mut message = b"PICKET-hop".to_vec();
    message.push(if from < to { 0 } else { 1 });
    hmac(lk, &message).try_into().unwrap()
}

/// §10.3: AES-128 of the zero-padded sample under the mask key of §10.7.
pub fn mask_block(nk: &[u8; 32], generation: u8, sample: &[u8]) -> Vec<u8> {
    let mut key = [0; 16];
    Hkdf::<Sha256>::new(Some(&[generation]), nk).expand(b"PICKET-net-mask", &mut key).unwrap();
    let mut block = [0; 16];
    block[..sample.len()].copy_from_slice(sample);
    let mut block = block.into();
    Aes128::new(&key.into()).encrypt_block(&mut block);
    block.to_vec()
}

/// §10.2, §10.3, §10.6: one frame.
#[allow(clippy::too_many_arguments)]
pub fn frame(
    nk: &[u8; 32],
    generation: u8,
    key: &[u8; 32],
    kind: u8,
    to: u8,
    from: u8,
    body: &[u8],
    prefix: &[u8],
    suffix: &[u8],
) -> Vec<u8> {
    let mut frame = vec![0b010_00000 + ((generation % 8) << 2) + kind, to, from];
    frame.extend(body);
    let mut covered = vec![prefix.len() as u8, suffix.len() as u8];
    covered.extend(prefix);
    covered.extend(&frame);
    covered.extend(suffix);
    frame.extend(&hmac(key, &covered)[..4]);

    let header = [10, 9, 1][usize::from(kind)];
    let (head, rest) = frame.split_at_mut(3 + header);
    let sample = &rest[rest.len().saturating_sub(16)..];
    for (byte, mask) in head[1..].iter_mut().zip(mask_block(nk, generation, sample)) {
        *byte ^= mask;
    }
    frame
}

/// §20.5: what is covered unsent when several parcels are acknowledged.
pub fn ack_many_suffix(offers: &[([u8; 16], u8, u8)]) -> Vec<u8> {
    let mut all = Vec::new();
    for (identity, hop_limit, round) in offers {
        all.extend(identity);
        all.push(hop_limit * 16 + round * 4);
    }
    Sha256::digest(all).to_vec()
}

/// §20.6: the header of a fragment.
#[allow(clippy::too_many_arguments)]
pub fn fragment_header(
    prefix: u16,
    turn: bool,
    esi: u16,
    hop_limit: u8,
    round: u8,
    total: u32,
    symbol: u8,
    lifetime: u8,
) -> Vec<u8> {
    let mut header = prefix.to_be_bytes().to_vec();
    header.extend((u16::from(turn) * 0x8000 + esi).to_be_bytes());
    header.push(hop_limit * 16 + round * 4 + (total / 0x1_0000) as u8);
    header.extend(((total % 0x1_0000) as u16).to_be_bytes());
    header.extend([symbol, lifetime]);
    header
}
