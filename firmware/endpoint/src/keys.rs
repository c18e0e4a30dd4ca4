//! Names in the vault (spec §70.9). One letter, then indices and ids in fixed width, so that scans are in order.

use alloc::vec::Vec;
use picket_wire::{Index, MessageId};

/// The home record.
pub(crate) const HOME: &[u8] = b"h";
/// The device's secrets.
pub(crate) const SECRETS: &[u8] = b"d";
/// The pairing secret, from which keys with later joiners come.
pub(crate) const PAIRING: &[u8] = b"g";
/// Rooms listened to.
pub(crate) const LISTENS: &[u8] = b"l";
/// Messages sent.
pub(crate) const OUT: &[u8] = b"o";
/// Messages received.
pub(crate) const IN: &[u8] = b"i";
/// Parcels owed: receipts, housekeeping.
pub(crate) const OWED: &[u8] = b"w";
/// Receive sessions.
pub(crate) const RECEIVE: &[u8] = b"r";
/// Send sessions.
pub(crate) const SEND: &[u8] = b"t";
/// Path keys of the revocation tree.
pub(crate) const PATHS: &[u8] = b"Np";
/// The newest revocation in force.
pub(crate) const REVOKE: &[u8] = b"No";
/// Pre-shared keys.
pub(crate) const PSK: &[u8] = b"p";

fn named(letter: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|p| p.len()).sum::<usize>());
    key.push(letter);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

pub(crate) fn out(id: MessageId) -> Vec<u8> {
    named(b'o', &[&id.0])
}

pub(crate) fn envelope(id: MessageId) -> Vec<u8> {
    named(b'e', &[&id.0])
}

pub(crate) fn sent_body(id: MessageId) -> Vec<u8> {
    named(b'c', &[&id.0])
}

pub(crate) fn incoming(id: MessageId) -> Vec<u8> {
    named(b'i', &[&id.0])
}

pub(crate) fn body(id: MessageId) -> Vec<u8> {
    named(b'b', &[&id.0])
}

pub(crate) fn owed(position: u64) -> Vec<u8> {
    named(b'w', &[&position.to_be_bytes()])
}

pub(crate) fn psk(peer: Index) -> Vec<u8> {
    named(b'p', &[&peer.0.to_be_bytes()])
}

pub(crate) fn send(peer: Index) -> Vec<u8> {
    named(b't', &[&peer.0.to_be_bytes()])
}

/// All receive sessions of a peer, epoch and session id.
pub(crate) fn receive_sid(peer: Index, epoch: u32, sid: u16) -> Vec<u8> {
    named(b'r', &[&peer.0.to_be_bytes(), &epoch.to_be_bytes(), &sid.to_be_bytes()])
}

/// One receive session: in-band ones are told apart by the first eight bytes of their encapsulated key.
pub(crate) fn receive(peer: Index, epoch: u32, sid: u16, enc: Option<&[u8; 32]>) -> Vec<u8> {
    let mut key = receive_sid(peer, epoch, sid);
    key.extend_from_slice(enc.map_or(&[0; 8], |x| x.first_chunk::<8>().unwrap_or(&[0; 8])));
    key
}

/// The epoch in a receive session's name.
pub(crate) fn receive_epoch(key: &[u8]) -> Option<u32> {
    key.get(3..7)?.first_chunk::<4>().map(|b| u32::from_be_bytes(*b))
}

pub(crate) fn roster_piece(slot: u8, piece: u16) -> Vec<u8> {
    named(b'R', &[&[slot], &piece.to_be_bytes()])
}
