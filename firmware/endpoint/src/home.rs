//! The home: everything durable but messages, and the one way to change any of it: [`Home::commit`].

use crate::batch::Batch;
use crate::clock::{Age, Clock};
use crate::error::{CreateError, OpenError};
use crate::extend::OwnKeys;
use crate::keys;
use crate::limits::ROSTER_PIECE;
use crate::message::optional_wall;
use crate::records::{decode, encode};
use crate::revocation;
use crate::vault::{Vault, VaultError};
use alloc::vec::Vec;
use core::fmt;
use picket_roster::{DeviceSecrets, Keyfill, Kind, PairingSecret, Psk, PublicKey, Roster, RosterError};
use picket_wire::keys::NetKeys;
use picket_wire::time::{Instant, Wall};
use picket_wire::{Index, Lifetime, MissionId};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const MAGIC: &[u8; 8] = b"PKHOME\0\0";
const VERSION: u16 = 1;

/// The home record. It is part of every transaction.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Record {
    pub(crate) own: u16,
    authority: Vec<u8>,
    pub(crate) generation: u8,
    pub(crate) network_key: [u8; 32],
    roster_slot: u8,
    roster_pieces: u16,
    /// Epoch in force.
    pub(crate) epoch: Option<u32>,
    /// Age at which it was entered.
    pub(crate) epoch_age: Age,
    /// Sequence of the last attachment claim.
    pub(crate) sequence: u32,
    /// Next position in outbox, mailbox and among owed parcels.
    pub(crate) position: u64,
    /// The network remembers a later state of this home: pre-placed sessions are never sent from again.
    pub(crate) rolled_back: bool,
    age: Age,
    #[zeroize(skip)]
    #[serde(with = "optional_wall")]
    anchor_wall: Option<Wall>,
    anchor_age: Age,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record(own {}, epoch {:?}, sequence {})", self.own, self.epoch, self.sequence)
    }
}

/// An open home.
#[derive(Debug)]
pub(crate) struct Home<V> {
    pub(crate) vault: V,
    pub(crate) record: Record,
    pub(crate) secrets: DeviceSecrets,
    pub(crate) roster: Roster<Vec<u8>>,
    pub(crate) clock: Clock,
    pub(crate) failed: bool,
    /// We are revoked ourselves.
    pub(crate) revoked: bool,
}

impl<V: Vault> Home<V> {
    /// Writes everything of a new home but the home record, which makes it one.
    pub(crate) fn create(
        mut vault: V,
        secrets: &DeviceSecrets,
        keyfill: &[u8],
        now: Instant,
        wall: Option<Wall>,
    ) -> Result<Self, CreateError> {
        let fill = Keyfill::open(keyfill).map_err(CreateError::Keyfill)?;
        fill.check_device(secrets).map_err(CreateError::Keyfill)?;
        let (Some(pairing), Ok(owner)) = (fill.pairing(), fill.owner()) else { return Err(CreateError::NotAMember) };
        if owner.kind != Kind::Member {
            return Err(CreateError::NotAMember);
        }
        if vault.get(keys::HOME)?.is_some() {
            return Err(CreateError::Exists);
        }
        let mut secrets = secrets.clone();
        secrets.set_first_epoch(owner.first_epoch);
        let roster_pieces = write_roster(&mut vault, 0, fill.roster().bytes())?;
        write_psks(&mut vault, &fill)?;
        let record = Record {
            own: fill.own().0,
            authority: fill.authority().0.to_vec(),
            generation: fill.generation(),
            network_key: *fill.network_key(),
            roster_slot: 0,
            roster_pieces,
            epoch: None,
            epoch_age: 0,
            sequence: 0,
            position: 1,
            rolled_back: false,
            age: 0,
            anchor_wall: None,
            anchor_age: 0,
        };
        let roster = Roster::verify(fill.roster().bytes().to_vec(), fill.authority())
            .map_err(|e| CreateError::Keyfill(picket_roster::KeyfillError::Roster(e)))?;
        let clock = Clock::open(now, 0, None, wall);
        let mut batch = Batch::default();
        batch.put(keys::SECRETS.to_vec(), secrets_bytes(&secrets)?);
        batch.put(keys::PAIRING.to_vec(), key_bytes(pairing.epoch(), &pairing.to_bytes()));
        if let Some(paths) = fill.paths() {
            batch.put(keys::PATHS.to_vec(), paths.to_bytes().to_vec());
        }
        let mut home = Self { vault, record: record.clone(), secrets, roster, clock, failed: false, revoked: false };
        home.commit(now, record, batch)?;
        Ok(home)
    }

    pub(crate) fn open(mut vault: V, now: Instant, wall: Option<Wall>) -> Result<Self, OpenError> {
        let bytes = Zeroizing::new(vault.get(keys::HOME)?.ok_or(OpenError::Missing)?);
        let record = read_record(&bytes)?;
        let authority = record.authority().ok_or(OpenError::Damaged)?;
        let roster = read_roster(&mut vault, record.roster_slot, record.roster_pieces)?;
        let mut roster = Roster::verify(roster, &authority).map_err(|e| match e {
            RosterError::Header(picket_roster::HeaderError::Newer { version }) => OpenError::Newer(version),
            RosterError::Header(_) | RosterError::Format(_) | RosterError::Signature | RosterError::Authority => {
                OpenError::Damaged
            }
        })?;
        let bytes = Zeroizing::new(vault.get(keys::SECRETS)?.ok_or(OpenError::Damaged)?);
        let secrets = DeviceSecrets::decode(&bytes).map_err(|_| OpenError::Damaged)?;
        let anchor = record.anchor_wall.map(|w| (w, record.anchor_age));
        let clock = Clock::open(now, record.age, anchor, wall);
        let revoked = revocation::restore(&mut vault, Index(record.own), &mut roster)?;
        Ok(Self { vault, record, secrets, roster, clock, failed: false, revoked })
    }

    /// One transaction: `batch` and the home record as it will be then. Nothing in memory changes before it is durable.
    pub(crate) fn commit(&mut self, now: Instant, mut next: Record, mut batch: Batch) -> Result<(), VaultError> {
        if self.failed {
            return Err(VaultError::Failed);
        }
        let (age, anchor) = self.clock.stamp(now);
        next.age = age;
        next.anchor_wall = anchor.map(|(w, _)| w);
        next.anchor_age = anchor.map_or(0, |(_, a)| a);
        batch.put(keys::HOME.to_vec(), write_record(&next)?);
        match self.vault.commit(batch.changes()) {
            Ok(()) => {
                self.record = next;
                Ok(())
            }
            Err(VaultError::Full) => Err(VaultError::Full),
            Err(e @ (VaultError::Damaged | VaultError::Failed)) => {
                self.failed = true;
                Err(e)
            }
        }
    }

    pub(crate) fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        if self.failed { Err(VaultError::Failed) } else { self.vault.get(key) }
    }

    pub(crate) fn scan(&mut self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, VaultError> {
        if self.failed { Err(VaultError::Failed) } else { self.vault.scan(prefix) }
    }

    pub(crate) const fn me(&self) -> Index {
        Index(self.record.own)
    }

    pub(crate) fn mission(&self) -> MissionId {
        self.roster.mission()
    }

    /// The longest lifetime of the mission.
    pub(crate) fn longest(&self) -> Lifetime {
        Lifetime::within(self.roster.max_delay())
    }

    pub(crate) fn net_keys(&self) -> NetKeys {
        NetKeys::derive(&self.record.network_key, self.record.generation)
    }

    pub(crate) fn psk(&mut self, peer: Index) -> Result<Option<Psk>, VaultError> {
        let Some(bytes) = self.get(&keys::psk(peer))?.map(Zeroizing::new) else { return Ok(None) };
        let (epoch, key) = read_key(&bytes)?;
        Ok(Some(Psk::new(epoch, *key)))
    }

    pub(crate) fn pairing(&mut self) -> Result<PairingSecret, VaultError> {
        let bytes = Zeroizing::new(self.get(keys::PAIRING)?.ok_or(VaultError::Damaged)?);
        let (epoch, key) = read_key(&bytes)?;
        Ok(PairingSecret::new(epoch, *key))
    }

    /// Puts a verified, newer roster in force, with the keys that follow from it; `own` is what becomes of ours.
    pub(crate) fn replace_roster(
        &mut self,
        now: Instant,
        mut roster: Roster<Vec<u8>>,
        own: OwnKeys,
    ) -> Result<(), VaultError> {
        let me = self.me();
        revocation::restore(&mut self.vault, me, &mut roster).map_err(|_| VaultError::Damaged)?;
        let slot = self.record.roster_slot ^ 1;
        let pieces = write_roster(&mut self.vault, slot, roster.bytes())?;
        let mut batch = Batch::default();
        for piece in 0..self.record.roster_pieces {
            batch.remove(keys::roster_piece(self.record.roster_slot, piece));
        }
        self.joiners(&roster, &mut batch)?;
        self.leavers(&roster, &mut batch)?;
        let mut next = self.record.clone();
        (next.roster_slot, next.roster_pieces) = (slot, pieces);
        if let Some(secrets) = &own.secrets {
            batch.put(keys::SECRETS.to_vec(), secrets_bytes(secrets)?);
        }
        if own.all_listed {
            batch.remove(keys::EXTENSION.to_vec());
        }
        self.commit(now, next, batch)?;
        self.roster = roster;
        if let Some(secrets) = own.secrets {
            self.secrets = secrets;
            self.vault.purge();
        }
        match own.first {
            Some(first) => self.begin_late(now, first),
            None => Ok(()),
        }
    }

    /// Keys with members enrolled after us follow from our pairing secret.
    fn joiners(&mut self, roster: &Roster<Vec<u8>>, batch: &mut Batch) -> Result<(), VaultError> {
        let me = self.me();
        let pairing = self.pairing()?;
        for station in roster.stations().filter(|s| s.kind == Kind::Member && s.index > me) {
            if self.get(&keys::psk(station.index))?.is_some() {
                continue;
            }
            if let Ok(psk) = pairing.psk(me, station.index, station.first_epoch) {
                batch.put(keys::psk(station.index), key_bytes(psk.epoch(), &psk.to_bytes()));
            }
        }
        Ok(())
    }

    /// Keys and sessions with members no longer listed go.
    pub(crate) fn leavers(&mut self, roster: &Roster<Vec<u8>>, batch: &mut Batch) -> Result<(), VaultError> {
        for letter in [keys::PSK, keys::ANNOUNCED, keys::SEND, keys::SEND_PLACED, keys::RECEIVE, keys::RECEIVE_SLOT] {
            for key in self.scan(letter)? {
                if keys::peer_of(&key).is_some_and(|p| roster.station(p).is_none()) {
                    batch.remove(key);
                }
            }
        }
        Ok(())
    }
}

impl Record {
    pub(crate) fn authority(&self) -> Option<PublicKey> {
        self.authority.first_chunk::<33>().map(|b| PublicKey(*b))
    }

    /// A fresh position.
    pub(crate) const fn take_position(&mut self) -> u64 {
        let position = self.position;
        self.position += 1;
        position
    }
}

/// Epoch ‖ key, as pre-shared keys and the pairing secret are stored.
pub(crate) fn key_bytes(epoch: u32, key: &[u8; 32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(36);
    out.extend_from_slice(&epoch.to_be_bytes());
    out.extend_from_slice(key);
    out
}

fn read_key(bytes: &[u8]) -> Result<(u32, Zeroizing<[u8; 32]>), VaultError> {
    let (epoch, rest) = bytes.split_first_chunk::<4>().ok_or(VaultError::Damaged)?;
    let key = <[u8; 32]>::try_from(rest).map_err(|_| VaultError::Damaged)?;
    Ok((u32::from_be_bytes(*epoch), Zeroizing::new(key)))
}

pub(crate) fn secrets_bytes(secrets: &DeviceSecrets) -> Result<Vec<u8>, VaultError> {
    let mut buffer = Zeroizing::new([0; picket_roster::limits::SECRETS_MAX]);
    secrets.encode(buffer.as_mut()).map(<[u8]>::to_vec).map_err(|_| VaultError::Failed)
}

fn write_record(record: &Record) -> Result<Vec<u8>, VaultError> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&Zeroizing::new(encode(record)?));
    Ok(out)
}

fn read_record(bytes: &[u8]) -> Result<Record, OpenError> {
    let rest = bytes.strip_prefix(MAGIC.as_slice()).ok_or(OpenError::Damaged)?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or(OpenError::Damaged)?;
    match u16::from_be_bytes(*version) {
        VERSION => decode(rest).map_err(|_| OpenError::Damaged),
        0 => Err(OpenError::Damaged),
        newer => Err(OpenError::Newer(newer)),
    }
}

fn write_roster<V: Vault>(vault: &mut V, slot: u8, bytes: &[u8]) -> Result<u16, VaultError> {
    let mut pieces = 0;
    for piece in bytes.chunks(ROSTER_PIECE) {
        vault.commit(&[(keys::roster_piece(slot, pieces), Some(piece.to_vec()))])?;
        pieces += 1;
    }
    Ok(pieces)
}

fn read_roster<V: Vault>(vault: &mut V, slot: u8, pieces: u16) -> Result<Vec<u8>, OpenError> {
    let mut bytes = Vec::new();
    for piece in 0..pieces {
        bytes.extend_from_slice(&vault.get(&keys::roster_piece(slot, piece))?.ok_or(OpenError::Damaged)?);
    }
    Ok(bytes)
}

/// Pre-shared keys with every other member, a bounded number in each commit.
fn write_psks<V: Vault>(vault: &mut V, fill: &Keyfill<'_>) -> Result<(), VaultError> {
    let mut batch = Batch::default();
    for station in fill.roster().stations() {
        let Ok(psk) = fill.psk(&station) else { continue };
        batch.put(keys::psk(station.index), key_bytes(psk.epoch(), &psk.to_bytes()));
        if batch.bytes() > ROSTER_PIECE {
            vault.commit(core::mem::take(&mut batch).changes())?;
        }
    }
    vault.commit(batch.changes())
}
