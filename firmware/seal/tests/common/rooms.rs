//! A room of the two members, with fixed secrets.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::common::{mission, roster};
use picket_roster::{IdentitySecret, Keyfill, Padding, PublicKey};
use picket_seal::room::{ChainId, Incarnation, RoomId, RoomReceiver, RoomSecret, RoomSender};
use picket_seal::{Body, Content, Route};
use picket_wire::envelope::Class;
use picket_wire::{Index, Lifetime, Precedence};

pub const ROOM: RoomId = RoomId(*b"the bridge party");
pub const INDEX: Index = Index(0xC123);
pub const ALPHA: Index = Index(1);
pub const EPOCH: u32 = 7;
pub const GENERATION: u32 = 3;

pub fn secret() -> RoomSecret {
    RoomSecret::new(5, [0x5E; 32])
}

pub fn chain(incarnation: Incarnation) -> ChainId {
    ChainId {
        mission: roster().mission(),
        room: ROOM,
        index: INDEX,
        sender: ALPHA,
        generation: GENERATION,
        epoch: EPOCH,
        incarnation,
    }
}

/// A member's signing key, 0 alpha, 1 bravo.
pub fn signer(at: usize) -> IdentitySecret {
    let fill = Keyfill::open(&mission().keyfills[at]).unwrap();
    let secret = *fill.secrets().unwrap().unwrap().identity().to_bytes();
    IdentitySecret::from_bytes(&secret).unwrap()
}

pub fn identity(at: usize) -> PublicKey {
    signer(at).public().unwrap()
}

pub fn sender(incarnation: Incarnation) -> RoomSender {
    RoomSender::begin(&secret(), chain(incarnation)).unwrap()
}

pub fn receiver(incarnation: Incarnation) -> RoomReceiver {
    RoomReceiver::begin(&secret(), chain(incarnation)).unwrap()
}

pub fn route() -> Route {
    Route { class: Class::Room, precedence: Precedence::Routine, hop_limit: 8, lifetime: Lifetime::floor(86_400) }
}

pub struct Said {
    pub envelope: Vec<u8>,
    pub counter: u32,
    pub digest: [u8; 8],
}

pub fn say(sender: &mut RoomSender, body: Body<'_>, signed: Option<&IdentitySecret>) -> Said {
    let mut out = vec![0; 4_096];
    let content = Content::new(Lifetime::floor(86_400), Some(60), body);
    let sealed = sender.seal(&route(), &content, signed, Padding::Off, &mut out).unwrap();
    Said { envelope: sealed.envelope.to_vec(), counter: sealed.counter, digest: sealed.digest }
}
