//! Recovery after somebody else had the device's keys (spec §70.10): fresh prekeys, announced inside sealed messages.
//!
//! What a device made before the mission may have been copied. A prekey it makes later is not in that copy: sessions to
//! it, and from fresh randomness, are out of the copy's reach. Each peer has a record of what was announced both ways.

use crate::batch::Batch;
use crate::clock::Age;
use crate::home::Home;
use crate::io::Random;
use crate::keys;
use crate::limits::{ANNOUNCE_AFTER, ANNOUNCE_AGE, PREKEY_AGE, PREKEY_EPOCHS, PREKEYS_MAX};
use crate::records::{decode, encode};
use crate::vault::{Vault, VaultError};
use alloc::vec::Vec;
use picket_roster::PublicKey;
use picket_roster::keys::derive_key_pair;
use picket_seal::Prekey;
use picket_seal::prekey::ANNOUNCED;
use picket_wire::Index;
use picket_wire::time::Instant;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What was announced between a peer and us.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Announced {
    /// The peer's newest prekey: its id, its point, and our epoch when it came.
    theirs: Option<(u8, Vec<u8>, u32)>,
    /// The next message to the peer begins a session to it.
    turn: bool,
    /// The peer's device was in other hands: its pre-placed keys are not sent to any more.
    lost: bool,
    /// Number of our prekey that the peer was told last, and our age then.
    told: Option<(u32, Age)>,
    /// Our age at the first message in either direction.
    since: Age,
    /// Messages sealed to the peer since it was told.
    sealed: u32,
    /// Something of the peer's was opened since it was told: what one says into the void is not worth its bytes.
    heard: bool,
}

/// A prekey of ours.
struct Own {
    made: Age,
    seed: Zeroizing<[u8; 32]>,
}

impl Own {
    fn read(bytes: &[u8]) -> Result<Self, VaultError> {
        let (made, seed) = bytes.split_first_chunk::<8>().ok_or(VaultError::Damaged)?;
        let seed = <[u8; 32]>::try_from(seed).map_err(|_| VaultError::Damaged)?;
        Ok(Self { made: u64::from_be_bytes(*made), seed: Zeroizing::new(seed) })
    }
}

impl Announced {
    /// A prekey of the peer's that is fresh enough to be used.
    pub(crate) fn prekey(&self, epoch: u32) -> Option<Prekey> {
        let (id, point, came) = self.theirs.as_ref()?;
        let fresh = epoch.saturating_sub(*came) <= PREKEY_EPOCHS;
        let key = PublicKey(<[u8; 33]>::try_from(point.as_slice()).ok()?);
        fresh.then_some(Prekey { id: *id, key })
    }

    /// Whether the session in use is left for one to the peer's new prekey.
    pub(crate) const fn turns(&self) -> bool {
        self.turn
    }

    /// Whether the pre-placed session of an epoch is sent from.
    pub(crate) fn uses_placed(&self, epoch: u32) -> bool {
        !self.lost && self.prekey(epoch).is_none()
    }

    /// Whether the slots of pre-placed sessions are sent from.
    pub(crate) const fn uses_lanes(&self) -> bool {
        !self.lost
    }

    /// A session to the prekey was begun.
    pub(crate) const fn turned(&mut self) {
        self.turn = false;
    }

    /// A message of the peer's was opened.
    pub(crate) fn opened(&mut self, age: Age, epoch: u32, prekey: Option<&Prekey>, lost: bool) {
        self.begin(age);
        self.heard = true;
        self.lost |= lost;
        let Some(prekey) = prekey.filter(|p| p.key.check().is_ok()) else { return };
        let known = self.theirs.as_ref().is_some_and(|(id, point, _)| *id == prekey.id && point[..] == prekey.key.0);
        self.theirs = Some((prekey.id, prekey.key.0.to_vec(), epoch));
        self.turn |= !known;
    }

    /// The peer could not open what went to its prekey: the roster's is used again.
    pub(crate) fn forget_theirs(&mut self) {
        self.theirs = None;
    }

    /// Whether the next message to the peer announces a prekey. `suspect`: our age when we last lost state, or were told
    /// that somebody else had the device.
    fn due(&self, age: Age, suspect: Option<Age>) -> bool {
        let lost = suspect.is_some_and(|at| self.told.is_none_or(|(_, told)| told < at));
        let from = self.told.map_or(self.since, |(_, told)| told);
        let old = age.saturating_sub(from) >= ANNOUNCE_AGE.as_micros() || self.sealed >= ANNOUNCE_AFTER;
        lost || self.heard && old
    }

    /// A message is sealed to the peer; `told`: it announces this prekey of ours.
    fn sealed(&mut self, age: Age, told: Option<u32>) {
        self.begin(age);
        self.sealed = self.sealed.saturating_add(1);
        if let Some(number) = told {
            self.told = Some((number, age));
            (self.sealed, self.heard) = (0, false);
        }
    }

    fn begin(&mut self, age: Age) {
        if self.since == 0 {
            self.since = age.max(1);
        }
    }
}

impl<V: Vault> Home<V> {
    pub(crate) fn announced(&mut self, peer: Index) -> Result<Announced, VaultError> {
        self.get(&keys::announced(peer))?.map_or_else(|| Ok(Announced::default()), |bytes| decode(&bytes))
    }

    /// The same, as it will be with the transaction in the making.
    pub(crate) fn announced_with(&mut self, batch: &Batch, peer: Index) -> Result<Announced, VaultError> {
        match batch.get(&keys::announced(peer)) {
            Some(bytes) => decode(bytes),
            None => self.announced(peer),
        }
    }

    pub(crate) fn put_announced(batch: &mut Batch, peer: Index, record: &Announced) -> Result<(), VaultError> {
        batch.put(keys::announced(peer), encode(record)?);
        Ok(())
    }

    /// What a message sealed now to `peer` announces, if it does; `record` is changed accordingly. `always`: it does.
    pub(crate) fn announce(
        &mut self,
        now: Instant,
        record: &mut Announced,
        always: bool,
        random: &mut dyn Random,
        batch: &mut Batch,
    ) -> Result<Option<Prekey>, VaultError> {
        let age = self.clock.age(now);
        let suspect = self.suspect()?;
        if !always && !record.due(age, suspect) {
            record.sealed(age, None);
            return Ok(None);
        }
        let (number, prekey) = self.own_prekey(age, suspect, random, batch)?;
        record.sealed(age, Some(number));
        Ok(Some(prekey))
    }

    /// Our newest prekey, or a new one where that is old, or older than the moment from which on it is not trusted.
    fn own_prekey(
        &mut self,
        age: Age,
        suspect: Option<Age>,
        random: &mut dyn Random,
        batch: &mut Batch,
    ) -> Result<(u32, Prekey), VaultError> {
        let names = self.scan(keys::PREKEY)?;
        let newest = names.last().and_then(|name| keys::prekey_number(name));
        if let Some(number) = newest
            && let Some(Own { made, seed }) = self.stored_prekey(number)?
            && age.saturating_sub(made) < PREKEY_AGE.as_micros()
            && suspect.is_none_or(|at| made >= at)
        {
            return Ok((number, public_of(number, &seed)?));
        }
        let number = newest.map_or(0, |n| n.saturating_add(1));
        // A room's change seals to many in one transaction: the first of them made it.
        if let Some(made) = batch.get(&keys::prekey(number)) {
            return Ok((number, public_of(number, &Own::read(made)?.seed)?));
        }
        let mut seed = Zeroizing::new([0; 32]);
        random.fill(seed.as_mut());
        let mut value = age.to_be_bytes().to_vec();
        value.extend_from_slice(seed.as_ref());
        batch.put(keys::prekey(number), value);
        // Who still seals to the oldest is asked to seal again.
        for old in names.iter().take((names.len() + 1).saturating_sub(PREKEYS_MAX)) {
            batch.remove(old.clone());
        }
        Ok((number, public_of(number, &seed)?))
    }

    /// The seed of the announced prekey with this id.
    pub(crate) fn announced_seed(&mut self, id: u8) -> Result<Option<Zeroizing<[u8; 32]>>, VaultError> {
        let numbers: Vec<u32> = self.scan(keys::PREKEY)?.iter().filter_map(|name| keys::prekey_number(name)).collect();
        let found = numbers.into_iter().rev().find(|n| Prekey::announced(*n, PublicKey([0; 33])).id == id);
        match found.filter(|_| id >= ANNOUNCED) {
            Some(number) => Ok(self.stored_prekey(number)?.map(|own| own.seed)),
            None => Ok(None),
        }
    }

    fn stored_prekey(&mut self, number: u32) -> Result<Option<Own>, VaultError> {
        let Some(bytes) = self.get(&keys::prekey(number))?.map(Zeroizing::new) else { return Ok(None) };
        Own::read(&bytes).map(Some)
    }

    /// Our age when state was lost, or the device was in other hands, for the last time.
    fn suspect(&mut self) -> Result<Option<Age>, VaultError> {
        let bytes = self.get(keys::SUSPECT)?;
        Ok(bytes.and_then(|b| b.first_chunk::<8>().map(|b| u64::from_be_bytes(*b))))
    }

    /// From now on nothing made before is trusted.
    pub(crate) fn put_suspect(&self, now: Instant, batch: &mut Batch) {
        batch.put(keys::SUSPECT.to_vec(), self.clock.age(now).max(1).to_be_bytes().to_vec());
    }

    /// Peers with whom there was a message in either direction.
    pub(crate) fn correspondents(&mut self) -> Result<Vec<Index>, VaultError> {
        Ok(self.scan(keys::ANNOUNCED)?.iter().filter_map(|name| keys::peer_of(name)).collect())
    }
}

fn public_of(number: u32, seed: &[u8; 32]) -> Result<Prekey, VaultError> {
    let (_, key) = derive_key_pair(seed).map_err(|_| VaultError::Damaged)?;
    Ok(Prekey::announced(number, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000_000;

    #[test]
    fn a_prekey_is_announced_at_most_once_in_seven_days_or_200_messages_and_after_lost_state_at_once() {
        let mut record = Announced::default();
        record.sealed(5, None);
        assert!(!record.due(8 * DAY, None), "nothing was heard");
        record.opened(5, 0, None, false);
        assert!(!record.due(7 * DAY, None) && record.due(7 * DAY + 5, None));
        assert!(record.due(6, Some(6)), "after lost state at once");
        for _ in 0..200 {
            record.sealed(6, None);
        }
        assert!(record.due(6, None));
        record.sealed(6, Some(0));
        assert!(!record.due(20 * DAY, None) && !record.due(7, Some(6)));
        record.opened(7, 0, None, false);
        assert!(!record.due(6 * DAY, None) && record.due(7 * DAY + 6, None));
        assert!(record.due(8, Some(7)));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod captor {
    use super::*;
    use crate::limits::HOP_LIMIT;
    use crate::mission::Mission;
    use crate::sessions::{Letter, OpenFail};
    use crate::testing::RamVault;
    use picket_seal::{Body, Far, Route};
    use picket_wire::Precedence;
    use picket_wire::envelope::{Class, Envelope};
    use picket_wire::time::Wall;

    const START_S: u64 = 1_800_000_000;
    const NOW: Instant = Instant(1);

    fn home(mission: &Mission, at: usize) -> Home<RamVault> {
        let (secrets, fill) = mission.home(at);
        let mut home = Home::create(RamVault::default(), &secrets, &fill, NOW, Some(Wall(START_S * 1_000))).unwrap();
        home.advance_epoch(NOW).unwrap();
        home
    }

    fn seal(home: &mut Home<RamVault>, to: Index, announce: bool, entropy: u8) -> Vec<u8> {
        let lifetime = home.longest();
        let route = Route { class: Class::Pairwise, precedence: Precedence::Routine, hop_limit: HOP_LIMIT, lifetime };
        let body = Body::Text("x");
        let letter = Letter { to, route, lifetime, original: None, burn: None, body, fresh: false, announce };
        let mut batch = Batch::default();
        let mut n = entropy;
        let mut random = |out: &mut [u8]| {
            n = n.wrapping_add(1);
            out.fill(n);
        };
        let sealed = home.seal(NOW, &letter, &mut random, &mut batch).unwrap();
        home.commit(NOW, home.record.clone(), batch).unwrap();
        sealed.envelope
    }

    fn open(home: &mut Home<RamVault>, bytes: &[u8]) -> Result<(), OpenFail> {
        let envelope = Envelope::parse(bytes).unwrap();
        let mut batch = Batch::default();
        let opened = home.open_envelope(&envelope, Far::Refuse, &mut batch)?;
        let content = picket_seal::Content::decode(&opened.content).unwrap();
        let from = envelope.header().source;
        let mut record = home.announced(from)?;
        record.opened(1, home.record.epoch.unwrap_or(0), content.prekey.as_ref(), false);
        Home::<RamVault>::put_announced(&mut batch, from, &record)?;
        home.commit(NOW, home.record.clone(), batch).map_err(OpenFail::Vault)
    }

    fn epoch(home: &mut Home<RamVault>, n: u64) {
        let wall = Wall((START_S + n * 86_400) * 1_000);
        home.clock.set_wall(NOW, Some(wall));
        home.advance_epoch(NOW).unwrap();
        assert_eq!(home.record.epoch, Some(u32::try_from(n).unwrap()));
    }

    /// Whoever copied alpha's device, everything in it, and records the air: reads what comes until alpha has announced
    /// a prekey and bravo has taken it up; nothing after, in no later epoch either.
    #[test]
    fn a_copy_of_the_device_opens_nothing_that_is_sealed_to_a_later_prekey() {
        let mission = Mission::new(&["alpha", "bravo"], &[], START_S);
        let (mut alpha, mut bravo) = (home(&mission, 0), home(&mission, 1));
        let mut captor = Home::open(alpha.vault.clone(), NOW, Some(Wall(START_S * 1_000))).unwrap();
        let before = seal(&mut bravo, Index(1), false, 10);
        assert_eq!((open(&mut alpha, &before).is_ok(), open(&mut captor, &before).is_ok()), (true, true));

        let announcing = seal(&mut alpha, Index(2), true, 20);
        open(&mut bravo, &announcing).unwrap();
        let turned = seal(&mut bravo, Index(1), false, 30);
        let enc = Envelope::parse(&turned).unwrap().header().enc.unwrap();
        assert!(enc.prekey >> 1 >= ANNOUNCED, "a session to what was announced");
        open(&mut alpha, &turned).unwrap();
        assert_eq!(open(&mut captor, &turned), Err(OpenFail::Cannot));

        for n in 1..4 {
            for home in [&mut alpha, &mut bravo, &mut captor] {
                epoch(home, n);
            }
            let later = seal(&mut bravo, Index(1), false, 40 + u8::try_from(n).unwrap());
            open(&mut alpha, &later).unwrap();
            assert_eq!(open(&mut captor, &later), Err(OpenFail::Cannot), "epoch {n}");
        }
    }
}
