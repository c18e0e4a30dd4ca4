//! Which rooms the gateways are asked to send us: the list, its sequence and our signed word (spec §70.2, §30.8).
//! Nothing here says who belongs to a room or can read what is said there.

use crate::batch::Batch;
use crate::endpoint::Endpoint;
use crate::keys;
use crate::records::{decode, encode};
use crate::vault::{Vault, VaultError};
use alloc::vec::Vec;
use core::fmt;
use picket_roster::{sign_listens, verify_listens};
use picket_wire::Index;
use picket_wire::control::{Listens, Rooms, RoomsError};
use picket_wire::time::Instant;
use serde::{Deserialize, Serialize};

/// The list as the vault holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// Of the last word signed; 0: none was.
    sequence: u32,
    rooms: Vec<Index>,
}

/// Why a list of rooms was not taken. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenError {
    /// It is no list of rooms that gateways take.
    Rooms(RoomsError),
    /// The list was changed more often than a sequence can count.
    Exhausted,
    /// The vault did not take it.
    Vault(VaultError),
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rooms(why) => write!(f, "{why}; leave a room before you join another"),
            Self::Exhausted => f.write_str("this device has changed its rooms 4 billion times; enrol it again"),
            Self::Vault(why) => write!(f, "{why}"),
        }
    }
}

impl core::error::Error for ListenError {}

impl From<VaultError> for ListenError {
    fn from(why: VaultError) -> Self {
        Self::Vault(why)
    }
}

impl<V: Vault> Endpoint<V> {
    /// The rooms we listen to from now on, in any order; none ends it. Durable when this returns; the gateway is told as
    /// soon as there is one. The same list again changes nothing and costs nothing.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn listen(&mut self, now: Instant, rooms: &[Index]) -> Result<(), ListenError> {
        let mut rooms = rooms.to_vec();
        rooms.sort_unstable();
        rooms.dedup();
        Rooms::new(&rooms).map_err(ListenError::Rooms)?;
        let before = self.listens_record()?;
        if before.rooms == rooms {
            return Ok(());
        }
        let sequence = before.sequence.checked_add(1).ok_or(ListenError::Exhausted)?;
        self.put_listens(now, &Record { sequence, rooms })?;
        Ok(self.give_listens()?)
    }

    /// The rooms we listen to, ascending.
    ///
    /// # Errors
    /// The vault's.
    pub fn listening(&mut self) -> Result<Vec<Index>, VaultError> {
        Ok(self.listens_record()?.rooms)
    }

    /// Gives our word to the leaf of the present way, which tells the gateway.
    pub(crate) fn give_listens(&mut self) -> Result<(), VaultError> {
        let record = self.listens_record()?;
        if record.sequence == 0 {
            return Ok(());
        }
        let rooms = Rooms::new(&record.rooms).map_err(|_| VaultError::Damaged)?;
        let (mission, me) = (self.home.mission(), self.me());
        if let Ok(word) = sign_listens(self.home.secrets.identity(), mission, me, record.sequence, rooms) {
            self.with_leaf(|leaf, _| leaf.listens(word));
        }
        Ok(())
    }

    /// The network holds a word of ours that this home does not remember: it was restored, or copied. Ours goes above it.
    /// Its signature says that it is ours, so that no gateway can use up the sequence.
    pub(crate) fn listens_known(&mut self, now: Instant, known: &Listens) -> Result<(), VaultError> {
        let ours = self.listens_record()?;
        let same = known.sequence == ours.sequence && known.rooms.as_slice() == ours.rooms;
        let me = self.me();
        let signed = self
            .home
            .roster
            .station(me)
            .is_some_and(|s| known.member == me && verify_listens(known, self.home.mission(), &s.identity).is_ok());
        let above = known.sequence.checked_add(1).filter(|_| signed && !same && known.sequence >= ours.sequence);
        if let Some(sequence) = above {
            self.put_listens(now, &Record { sequence, ..ours })?;
            self.give_listens()?;
        }
        Ok(())
    }

    fn listens_record(&mut self) -> Result<Record, VaultError> {
        self.home.get(keys::LISTENS)?.map_or_else(|| Ok(Record::default()), |bytes| decode(&bytes))
    }

    fn put_listens(&mut self, now: Instant, record: &Record) -> Result<(), VaultError> {
        let mut batch = Batch::default();
        batch.put(keys::LISTENS.to_vec(), encode(record)?);
        self.home.commit(now, self.home.record.clone(), batch)
    }
}
