//! Names in the vault (spec §70.9). One letter, then indices and ids in fixed width, so that scans are in order.

use alloc::vec::Vec;
use picket_seal::room::{ChainId, RoomId};
use picket_seal::{Lane, Slot};
use picket_wire::{Index, MessageId};

/// The home record.
pub(crate) const HOME: &[u8] = b"h";
/// The device's secrets.
pub(crate) const SECRETS: &[u8] = b"d";
/// Keys for further epochs that no roster lists yet.
pub(crate) const EXTENSION: &[u8] = b"x";
/// The pairing secret, from which keys with later joiners come.
pub(crate) const PAIRING: &[u8] = b"g";
/// Rooms listened to.
pub(crate) const LISTENS: &[u8] = b"l";
/// Rooms.
pub(crate) const ROOM: &[u8] = b"m";
/// Chains of other members in rooms.
pub(crate) const ROOM_CHAIN: &[u8] = b"M";
/// What is known of messages received in rooms.
pub(crate) const NOTE: &[u8] = b"n";
/// Messages sent.
pub(crate) const OUT: &[u8] = b"o";
/// Messages received.
pub(crate) const IN: &[u8] = b"i";
/// Parcels owed: receipts, housekeeping.
pub(crate) const OWED: &[u8] = b"w";
/// Receive sessions.
pub(crate) const RECEIVE: &[u8] = b"r";
/// Chains of slots that receive.
pub(crate) const RECEIVE_SLOT: &[u8] = b"s";
/// Send sessions in use.
pub(crate) const SEND: &[u8] = b"t";
/// Path keys of the revocation tree.
pub(crate) const PATHS: &[u8] = b"Np";
/// The newest revocation in force.
pub(crate) const REVOKE: &[u8] = b"No";
/// Pre-placed send sessions and the slots entered from them.
pub(crate) const SEND_PLACED: &[u8] = b"u";
/// Pre-shared keys.
pub(crate) const PSK: &[u8] = b"p";

/// What was announced between each peer and us.
pub(crate) const ANNOUNCED: &[u8] = b"a";
/// Our own announced prekeys.
pub(crate) const PREKEY: &[u8] = b"k";
/// Our age when the device was last not to be trusted.
pub(crate) const SUSPECT: &[u8] = b"q";

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

/// How long a message lives once it is read, for one that burns: sent or received.
pub(crate) fn burn(id: MessageId) -> Vec<u8> {
    named(b'f', &[&id.0])
}

pub(crate) fn owed(position: u64) -> Vec<u8> {
    named(b'w', &[&position.to_be_bytes()])
}

pub(crate) fn announced(peer: Index) -> Vec<u8> {
    named(b'a', &[&peer.0.to_be_bytes()])
}

/// The `number`-th prekey that we announced.
pub(crate) fn prekey(number: u32) -> Vec<u8> {
    named(b'k', &[&number.to_be_bytes()])
}

pub(crate) fn prekey_number(key: &[u8]) -> Option<u32> {
    key.get(1..5)?.first_chunk::<4>().map(|b| u32::from_be_bytes(*b))
}

/// The peer in a name that begins with one.
pub(crate) fn peer_of(key: &[u8]) -> Option<Index> {
    key.get(1..3)?.first_chunk::<2>().map(|b| Index(u16::from_be_bytes(*b)))
}

pub(crate) fn psk(peer: Index) -> Vec<u8> {
    named(b'p', &[&peer.0.to_be_bytes()])
}

pub(crate) fn send(peer: Index) -> Vec<u8> {
    named(b't', &[&peer.0.to_be_bytes()])
}

/// The pre-placed session toward a peer, from which its slots come.
pub(crate) fn send_placed(peer: Index) -> Vec<u8> {
    named(b'u', &[&peer.0.to_be_bytes(), &[0]])
}

/// The slot in use toward a peer.
pub(crate) fn send_lane(peer: Index, lane: Lane) -> Vec<u8> {
    named(b'u', &[&peer.0.to_be_bytes(), &[lane as u8]])
}

/// The chain of one slot from a peer.
pub(crate) fn receive_slot(peer: Index, epoch: u32, slot: Slot) -> Vec<u8> {
    named(b's', &[&peer.0.to_be_bytes(), &epoch.to_be_bytes(), &[slot.byte()]])
}

/// The slot in a chain's name.
pub(crate) fn slot_of(key: &[u8]) -> Option<Slot> {
    Slot::from_byte(*key.get(7)?)
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

/// The session id in a receive session's name.
pub(crate) fn receive_sid_of(key: &[u8]) -> Option<u16> {
    key.get(7..9)?.first_chunk::<2>().map(|b| u16::from_be_bytes(*b))
}

/// The epoch in a receive session's or a slot's name.
pub(crate) fn receive_epoch(key: &[u8]) -> Option<u32> {
    key.get(3..7)?.first_chunk::<4>().map(|b| u32::from_be_bytes(*b))
}

pub(crate) fn room(id: RoomId) -> Vec<u8> {
    named(b'm', &[&id.0])
}

pub(crate) fn note(id: MessageId) -> Vec<u8> {
    named(b'n', &[&id.0])
}

/// All chains in a room.
pub(crate) fn room_chains(index: Index) -> Vec<u8> {
    named(b'M', &[&index.0.to_be_bytes()])
}

/// All chains of a sender in a room and epoch.
pub(crate) fn room_sender(index: Index, epoch: u32, sender: Index) -> Vec<u8> {
    named(b'M', &[&index.0.to_be_bytes(), &epoch.to_be_bytes(), &sender.0.to_be_bytes()])
}

/// One of them: incarnations differ.
pub(crate) fn room_chain(id: &ChainId) -> Vec<u8> {
    let mut key = room_sender(id.index, id.epoch, id.sender);
    key.extend_from_slice(&id.generation.to_be_bytes());
    key.extend_from_slice(&id.incarnation);
    key
}

/// The epoch in a chain's name.
pub(crate) fn room_chain_epoch(key: &[u8]) -> Option<u32> {
    key.get(3..7)?.first_chunk::<4>().map(|b| u32::from_be_bytes(*b))
}

pub(crate) fn roster_piece(slot: u8, piece: u16) -> Vec<u8> {
    named(b'R', &[&[slot], &piece.to_be_bytes()])
}
