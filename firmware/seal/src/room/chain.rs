//! What names one sender's chain in a room, and what its tags cover (spec §45.3, §45.4).

use super::RoomId;
use super::attest::Digest;
use picket_roster::codec::{Reader, Writer};
use picket_roster::{DecodeError, NoRoom};
use picket_wire::envelope::{Class, Envelope};
use picket_wire::limits::WIRE_VERSION;
use picket_wire::{Index, MissionId};
use sha2::{Digest as _, Sha256};

/// Eight random bytes, drawn for each (room, generation, epoch) whenever a home is opened: no chain is ever begun twice.
pub type Incarnation = [u8; 8];

/// Bytes of an incarnation in front of a ciphertext.
pub(crate) const INCARNATION_LEN: usize = 8;

/// One sender's chain in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainId {
    /// The mission.
    pub mission: MissionId,
    /// The room.
    pub room: RoomId,
    /// The room's index: the destination on air.
    pub index: Index,
    /// Who seals.
    pub sender: Index,
    /// The generation of the room's keys.
    pub generation: u32,
    /// The epoch.
    pub epoch: u32,
    /// Tells it from the sender's other chains.
    pub incarnation: Incarnation,
}

/// Longest AAD: mission 8, version 1, first byte 1, destination 2, source 2, epoch 4, incarnation 8, counter 4, and the
/// incarnation again where it travels.
pub(crate) const ROOM_AAD_MAX: usize = 30 + INCARNATION_LEN;

impl ChainId {
    /// Bytes of [`Self::to_bytes`].
    pub(crate) const LEN: usize = 44;

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..8].copy_from_slice(&self.mission.0);
        out[8..24].copy_from_slice(&self.room.0);
        out[24..26].copy_from_slice(&self.index.0.to_be_bytes());
        out[26..28].copy_from_slice(&self.sender.0.to_be_bytes());
        out[28..32].copy_from_slice(&self.generation.to_be_bytes());
        out[32..36].copy_from_slice(&self.epoch.to_be_bytes());
        out[36..].copy_from_slice(&self.incarnation);
        out
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let id = Self {
            mission: MissionId(r.array()?),
            room: RoomId(r.array()?),
            index: Index(r.u16()?),
            sender: Index(r.u16()?),
            generation: r.u32()?,
            epoch: r.u32()?,
            incarnation: r.array()?,
        };
        if id.index.is_room() { Ok(id) } else { Err(DecodeError::Value) }
    }

    /// Info of SCK: "PICKET-room" ‖ mission ‖ room ‖ index ‖ sender ‖ generation ‖ epoch ‖ incarnation.
    pub(crate) fn info(&self) -> [u8; 11 + Self::LEN] {
        let mut out = [0; 11 + Self::LEN];
        out[..11].copy_from_slice(b"PICKET-room");
        out[11..].copy_from_slice(&self.to_bytes());
        out
    }

    /// The low four bits of byte 7: generation 3 · incarnation follows 1.
    pub(crate) const fn session_low(&self, carries: bool) -> u8 {
        (self.generation & 7) as u8 * 2 + carries as u8
    }

    /// The AAD of message `counter`.
    pub(crate) fn aad<'o>(
        &self,
        out: &'o mut [u8; ROOM_AAD_MAX],
        first_byte: u8,
        counter: u32,
        extension: &[u8],
    ) -> Result<&'o [u8], NoRoom> {
        let mut w = Writer::new(out);
        w.put(&self.mission.0)?;
        w.put(&[WIRE_VERSION, first_byte])?;
        w.put(&self.index.0.to_be_bytes())?;
        w.put(&self.sender.0.to_be_bytes())?;
        w.put(&self.epoch.to_be_bytes())?;
        w.put(&self.incarnation)?;
        w.put(&counter.to_be_bytes())?;
        w.put(extension)?;
        Ok(w.finish())
    }

    /// What an order's signature covers after its domain: mission ‖ room ‖ sender ‖ epoch ‖ incarnation ‖ counter ‖ first
    /// byte ‖ SHA-256(content).
    pub(crate) fn signed(&self, first_byte: u8, counter: u32, content: &[u8]) -> [u8; 75] {
        let mut out = [0; 75];
        out[..8].copy_from_slice(&self.mission.0);
        out[8..24].copy_from_slice(&self.room.0);
        out[24..26].copy_from_slice(&self.sender.0.to_be_bytes());
        out[26..30].copy_from_slice(&self.epoch.to_be_bytes());
        out[30..38].copy_from_slice(&self.incarnation);
        out[38..42].copy_from_slice(&counter.to_be_bytes());
        out[42] = first_byte;
        out[43..].copy_from_slice(&Sha256::digest(content));
        out
    }
}

/// The hash by which a message is attested: SHA-256("PICKET-attested" ‖ first byte ‖ content)[..8].
pub(crate) fn digest(first_byte: u8, content: &[u8]) -> Digest {
    let whole =
        Sha256::new().chain_update(b"PICKET-attested").chain_update([first_byte]).chain_update(content).finalize();
    let mut out = [0; 8];
    out.copy_from_slice(&whole[..8]);
    out
}

/// What a room's envelope shows besides its header: the incarnation where it travels, and ciphertext with tag. `None` when
/// the envelope is no room's, or cut short.
pub(crate) fn split<'a>(envelope: &Envelope<'a>) -> Option<(Option<Incarnation>, &'a [u8], &'a [u8])> {
    let h = envelope.header();
    if h.class != Class::Room || !h.destination.is_room() || h.enc.is_some() || h.lane.is_some() {
        return None;
    }
    if h.session_low & 1 == 0 {
        return Some((None, &[], envelope.sealed()));
    }
    let (extension, sealed) = envelope.sealed().split_at_checked(INCARNATION_LEN)?;
    Some((Some(*extension.first_chunk()?), extension, sealed))
}
