//! What a room is: who is in it and by which rules, signed by a moderator (spec §45.2, §45.5).

use super::RoomId;
use crate::limits::{ROOM_MEMBERS_MAX, ROOM_STATE_MAX};
use core::cmp::Reverse;
use core::fmt;
use heapless::Vec;
use picket_roster::codec::{Reader, Writer};
use picket_roster::keys::BadSignature;
use picket_roster::{DecodeError, IdentitySecret, PublicKey};
use picket_wire::{Index, Lifetime, MissionId};
use sha2::{Digest as _, Sha256};

const FORMAT: u8 = 1;
const DOMAIN: &[u8] = b"PICKET-room";
const SIGNED_ONLY: u8 = 1;

/// First eight bytes of SHA-256 over a signed state.
pub type StateHash = [u8; 8];

/// What a member may do in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Reads and writes.
    Member = 0,
    /// Also invites, removes and promotes.
    Moderator = 1,
}

/// One member of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Who.
    pub index: Index,
    /// As what.
    pub role: Role,
}

/// Rules of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Most members, 1 to [`ROOM_MEMBERS_MAX`].
    pub most: u8,
    /// Every message is signed.
    pub signed_only: bool,
    /// Greatest lifetime of a message.
    pub lifetime: Lifetime,
    /// The member that keeps what is said: an ordinary, visible member.
    pub retention: Option<Index>,
}

/// A room, as a moderator signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomState {
    /// The room.
    pub id: RoomId,
    /// Its index: the destination of its envelopes.
    pub index: Index,
    /// Grows with every change.
    pub version: u32,
    /// Hash of the state this one follows; zeros in the first.
    pub parent: StateHash,
    /// Generation of the room's keys.
    pub generation: u32,
    /// Its rules.
    pub policy: Policy,
    /// Its members, ascending by index.
    pub seats: Vec<Seat, ROOM_MEMBERS_MAX>,
    /// The moderator who signed it.
    pub signer: Index,
    name: heapless::String<32>,
}

/// Why a state is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomStateError {
    /// Bytes that do not follow the format.
    Format(DecodeError),
    /// Written by newer software.
    Newer {
        /// Its format version.
        version: u8,
    },
    /// Its signer is no moderator in it, or nobody of the roster.
    Signer,
    /// The signature does not verify.
    Signature,
}

impl fmt::Display for RoomStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(e) => write!(f, "state of a room: {e}"),
            Self::Newer { version } => write!(f, "state of a room of format {version}: update the software"),
            Self::Signer => f.write_str("state of a room: its signer is no moderator of it"),
            Self::Signature => f.write_str("state of a room: the signature does not verify"),
        }
    }
}

impl core::error::Error for RoomStateError {}

impl From<DecodeError> for RoomStateError {
    fn from(e: DecodeError) -> Self {
        Self::Format(e)
    }
}

impl From<BadSignature> for RoomStateError {
    fn from(_: BadSignature) -> Self {
        Self::Signature
    }
}

impl RoomState {
    /// A new room with one member, its moderator. `None` for a name of more than 32 bytes or none, or an index that is no
    /// room's.
    #[must_use]
    pub fn new(id: RoomId, index: Index, name: &str, policy: Policy, founder: Index) -> Option<Self> {
        let mut seats = Vec::new();
        seats.push(Seat { index: founder, role: Role::Moderator }).ok()?;
        let state = Self {
            id,
            index,
            version: 1,
            parent: [0; 8],
            generation: 1,
            policy,
            seats,
            signer: founder,
            name: heapless::String::try_from(name).ok()?,
        };
        state.check().ok()?;
        Some(state)
    }

    /// The room's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A member's role; `None` for others.
    #[must_use]
    pub fn role(&self, index: Index) -> Option<Role> {
        self.seats.iter().find(|s| s.index == index).map(|s| s.role)
    }

    /// Whether `index` is a moderator.
    #[must_use]
    pub fn moderates(&self, index: Index) -> bool {
        self.role(index) == Some(Role::Moderator)
    }

    /// The moderators, ascending.
    pub fn moderators(&self) -> impl Iterator<Item = Index> + '_ {
        self.seats.iter().filter(|s| s.role == Role::Moderator).map(|s| s.index)
    }

    /// Seats a member, or changes its role. `false` when there is no room for it.
    pub fn seat(&mut self, index: Index, role: Role) -> bool {
        if let Some(seat) = self.seats.iter_mut().find(|s| s.index == index) {
            seat.role = role;
            return true;
        }
        if self.seats.len() >= usize::from(self.policy.most) {
            return false;
        }
        let at = self.seats.iter().position(|s| s.index > index).unwrap_or(self.seats.len());
        self.seats.insert(at, Seat { index, role }).is_ok()
    }

    /// Takes a member's seat away; whether it had one.
    pub fn unseat(&mut self, index: Index) -> bool {
        let before = self.seats.len();
        self.seats.retain(|s| s.index != index);
        self.seats.len() < before
    }

    /// Signs it in the name of `self.signer`; [`ROOM_STATE_MAX`] bytes are always enough.
    ///
    /// # Errors
    /// When it is not a state that [`Self::verify`] would take.
    pub fn sign<'o>(
        &self,
        mission: MissionId,
        secret: &IdentitySecret,
        out: &'o mut [u8],
    ) -> Result<&'o [u8], RoomStateError> {
        self.check()?;
        let mut buffer = [0; 8 + ROOM_STATE_MAX];
        let mut w = Writer::new(&mut buffer);
        let too_long = |_| RoomStateError::Format(DecodeError::TooLong);
        w.put(&mission.0).map_err(too_long)?;
        self.write(&mut w).map_err(too_long)?;
        let signature = secret.sign(DOMAIN, w.written()).map_err(|_| RoomStateError::Signature)?;
        w.put(&signature).map_err(too_long)?;
        let bytes = w.finish().get(8..).unwrap_or_default();
        Self::read(bytes)?;
        let out = out.get_mut(..bytes.len()).ok_or(RoomStateError::Format(DecodeError::TooLong))?;
        out.copy_from_slice(bytes);
        Ok(out)
    }

    /// Reads a signed state; `identity` is the public identity key that the roster holds for a member.
    ///
    /// # Errors
    /// [`RoomStateError`].
    pub fn verify(
        bytes: &[u8],
        mission: MissionId,
        identity: impl FnOnce(Index) -> Option<PublicKey>,
    ) -> Result<Self, RoomStateError> {
        let state = Self::read(bytes)?;
        let (message, signature) = bytes.split_last_chunk::<64>().ok_or(DecodeError::Truncated)?;
        let mut buffer = [0; 8 + ROOM_STATE_MAX];
        let len = 8 + message.len();
        let covered = buffer.get_mut(..len).ok_or(DecodeError::TooLong)?;
        let (front, back) = covered.split_at_mut(8);
        front.copy_from_slice(&mission.0);
        back.copy_from_slice(message);
        identity(state.signer).ok_or(RoomStateError::Signer)?.verify(DOMAIN, covered, signature)?;
        Ok(state)
    }

    /// Reads a signed state that was verified before it was stored.
    ///
    /// # Errors
    /// [`RoomStateError`].
    pub fn from_stored(bytes: &[u8]) -> Result<Self, RoomStateError> {
        Self::read(bytes)
    }

    /// Hash of a signed state.
    #[must_use]
    pub fn hash(bytes: &[u8]) -> StateHash {
        let mut out = [0; 8];
        out.copy_from_slice(&Sha256::digest(bytes)[..8]);
        out
    }

    /// Which of two states stands: the higher version; of the same version the one with fewer members, then the one of the
    /// moderator with the lower index (spec §45.5). Greater stands.
    #[must_use]
    pub fn rank(&self) -> (u32, Reverse<usize>, Reverse<Index>) {
        (self.version, Reverse(self.seats.len()), Reverse(self.signer))
    }

    fn write(&self, w: &mut Writer<'_>) -> Result<(), picket_roster::NoRoom> {
        w.put(&[FORMAT])?;
        w.put(&self.id.0)?;
        w.put(&self.index.0.to_be_bytes())?;
        w.put(&self.version.to_be_bytes())?;
        w.put(&self.parent)?;
        w.put(&self.generation.to_be_bytes())?;
        w.put(&[self.policy.most, u8::from(self.policy.signed_only), self.policy.lifetime.0])?;
        w.put(&self.policy.retention.map_or(0, |i| i.0).to_be_bytes())?;
        w.put(&[u8::try_from(self.name.len()).unwrap_or(0)])?;
        w.put(self.name.as_bytes())?;
        w.put(&[u8::try_from(self.seats.len()).unwrap_or(0)])?;
        for seat in &self.seats {
            w.put(&seat.index.0.to_be_bytes())?;
            w.put(&[seat.role as u8])?;
        }
        w.put(&self.signer.0.to_be_bytes())
    }

    fn read(bytes: &[u8]) -> Result<Self, RoomStateError> {
        let mut r = Reader::new(bytes);
        match r.u8()? {
            FORMAT => (),
            0 => return Err(DecodeError::Value.into()),
            version => return Err(RoomStateError::Newer { version }),
        }
        let (id, index, version) = (RoomId(r.array()?), Index(r.u16()?), r.u32()?);
        let (parent, generation, most, flags) = (r.array()?, r.u32()?, r.u8()?, r.u8()?);
        let (lifetime, retention) = (Lifetime(r.u8()?), r.u16()?);
        if flags & !SIGNED_ONLY != 0 {
            return Err(DecodeError::Value.into());
        }
        let retention = (retention != 0).then_some(Index(retention));
        let policy = Policy { most, signed_only: flags & SIGNED_ONLY != 0, lifetime, retention };
        let name = heapless::String::try_from(r.name()?).map_err(|_| DecodeError::TooLong)?;
        let mut seats = Vec::new();
        for _ in 0..r.u8()? {
            let (index, role) = (Index(r.u16()?), r.u8()?);
            let role = match role {
                0 => Role::Member,
                1 => Role::Moderator,
                _ => return Err(DecodeError::Value.into()),
            };
            seats.push(Seat { index, role }).map_err(|_| DecodeError::TooLong)?;
        }
        let signer = Index(r.u16()?);
        let _signature: [u8; 64] = r.array()?;
        r.end()?;
        let state = Self { id, index, version, parent, generation, policy, seats, signer, name };
        state.check()?;
        Ok(state)
    }

    /// What a state must be, whoever signs it.
    fn check(&self) -> Result<(), RoomStateError> {
        let ascending = self.seats.iter().zip(self.seats.iter().skip(1)).all(|(a, b)| a.index < b.index);
        if !ascending || self.seats.iter().any(|s| s.index.0 == 0 || s.index >= Index::ROOM_FIRST) {
            return Err(DecodeError::Indices.into());
        }
        let most = usize::from(self.policy.most);
        let fits = (1..=ROOM_MEMBERS_MAX).contains(&most) && self.seats.len() <= most;
        if !fits || !self.index.is_room() || self.version == 0 || self.generation == 0 || self.name.is_empty() {
            return Err(DecodeError::Value.into());
        }
        // A moderator who leaves tells the others, and signs nothing.
        match self.role(self.signer) {
            Some(Role::Moderator) => Ok(()),
            Some(Role::Member) | None => Err(RoomStateError::Signer),
        }
    }
}
