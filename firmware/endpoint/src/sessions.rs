//! Which session seals and which opens, and what of it is stored in the transaction of the message (spec §70.4).

use crate::batch::Batch;
use crate::error::CannotSeal;
use crate::home::Home;
use crate::io::Random;
use crate::keys;
use crate::lanes::Entered;
use crate::limits::SAME_ID_MAX;
use crate::prekeys::Announced;
use crate::records::Sealing;
use crate::vault::{Vault, VaultError};
use alloc::vec;
use alloc::vec::Vec;
use picket_roster::Kind;
use picket_seal::epoch::{Before, early};
use picket_seal::limits::{RECEIVE_STATE_MAX, SEND_STATE_MAX, SESSION_MAX};
use picket_seal::prekey::{Which, epoch_of, which};
use picket_seal::{
    Body, Content, Far, Local, OpenError, Peer, Prekey, ReceiveSession, Route, SealError, SendSession, Slot,
    expand_epoch,
};
use picket_wire::envelope::{Envelope, Header};
use picket_wire::limits::ENVELOPE_MAX;
use picket_wire::time::Instant;
use picket_wire::{Index, Lifetime, MessageId};
use zeroize::Zeroizing;

/// What is to be sealed.
pub(crate) struct Letter<'a> {
    pub(crate) to: Index,
    pub(crate) route: Route,
    pub(crate) lifetime: Lifetime,
    pub(crate) original: Option<MessageId>,
    pub(crate) burn: Option<Lifetime>,
    pub(crate) body: Body<'a>,
    /// Not in the session in use: a fresh in-band one.
    pub(crate) fresh: bool,
    /// A prekey of ours is announced in it, whether one is due or not.
    pub(crate) announce: bool,
}

/// A sealed letter; the session's new state is in the batch.
pub(crate) struct SealedLetter {
    pub(crate) envelope: Vec<u8>,
    pub(crate) sealing: Sealing,
}

/// Why a letter was not sealed.
#[derive(Debug)]
pub(crate) enum SealFail {
    Cannot(CannotSeal),
    TooLarge,
    Vault(VaultError),
}

/// An opened envelope; the session's new state is in the batch.
pub(crate) struct OpenedLetter {
    pub(crate) content: Zeroizing<Vec<u8>>,
    pub(crate) delivered: [u8; 8],
    pub(crate) read: [u8; 8],
    pub(crate) epoch: u32,
}

/// A chain that may open an envelope.
struct Candidate {
    /// Its name in the vault.
    key: Vec<u8>,
    /// When it was first seen.
    seen: u64,
    session: ReceiveSession,
    /// What it was taken out of, if it is not stored yet.
    entered: Option<Entered>,
}

/// Why an envelope was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenFail {
    /// Opened before.
    Again,
    /// A later try may work: the message that brings its session's key has not come yet, or its counter is far ahead.
    NotYet,
    /// It will never open.
    Cannot,
    /// It begins a session, and there are too many with its id already: its sender has to use another id.
    TooMany,
    Vault(VaultError),
}

impl From<VaultError> for SealFail {
    fn from(e: VaultError) -> Self {
        Self::Vault(e)
    }
}

impl From<VaultError> for OpenFail {
    fn from(e: VaultError) -> Self {
        Self::Vault(e)
    }
}

impl<V: Vault> Home<V> {
    /// Seals a letter. Every call uses a key that no other call uses: the caller commits `batch` before anything leaves.
    pub(crate) fn seal(
        &mut self,
        now: Instant,
        letter: &Letter<'_>,
        random: &mut dyn Random,
        batch: &mut Batch,
    ) -> Result<SealedLetter, SealFail> {
        let mut record = self.announced_with(batch, letter.to)?;
        let prekey = self.announce(now, &mut record, letter.announce, random, batch)?;
        let in_lane = match letter.fresh {
            true => None,
            false => self.lane_session(now, letter.to, letter.lifetime, batch)?,
        };
        let mut session = match in_lane {
            Some(session) => session,
            None => self.send_session(letter, &mut record, random)?,
        };
        if session.reserved_left() == 0 {
            session = session.reserve().persisted();
        }
        let wall = self.clock.wall(now);
        let id = *session.id();
        let start = self.roster.start_of(id.epoch);
        let sent_s = wall.and_then(|w| u32::try_from(w.as_secs().checked_sub(start)?).ok()).filter(|s| *s < 0xFF_FFFF);
        let (original, burn) = (letter.original, letter.burn);
        let content = Content { original, burn, prekey, ..Content::new(letter.lifetime, sent_s, letter.body) };
        let mut buffer = vec![0; ENVELOPE_MAX];
        let sealed =
            session.seal(&letter.route, &content, self.roster.padding(), &mut buffer).map_err(|e| match e {
                SealError::Content(_) | SealError::NoRoom => SealFail::TooLarge,
                SealError::NotReserved | SealError::Exhausted | SealError::Header => {
                    SealFail::Cannot(CannotSeal::Exhausted)
                }
            })?;
        let sealing = Sealing {
            identity: sealed.identity,
            delivered: sealed.tokens.delivered,
            read: sealed.tokens.read,
            epoch: id.epoch,
            sid: id.sid,
        };
        let envelope = sealed.envelope.to_vec();
        put_send(batch, &session)?;
        Self::put_announced(batch, letter.to, &record)?;
        Ok(SealedLetter { envelope, sealing })
    }

    /// The session in use toward a peer, or a fresh in-band one where there is none for this epoch.
    fn send_session(
        &mut self,
        letter: &Letter<'_>,
        record: &mut Announced,
        random: &mut dyn Random,
    ) -> Result<SendSession, SealFail> {
        let epoch = self.record.epoch.ok_or(SealFail::Cannot(CannotSeal::NoOwnKeys))?;
        let stored = self.stored_send(letter.to)?;
        let last_sid = stored.as_ref().map_or(0, |s| s.id().sid);
        let usable = |s: &SendSession| s.id().epoch == epoch && s.next_counter() < u32::MAX;
        if let Some(session) = stored.filter(|s| !letter.fresh && !record.turns() && usable(s)) {
            return Ok(session);
        }
        let station = self.roster.station(letter.to).filter(|s| s.kind == Kind::Member);
        let peer = station.map(|s| Peer { index: s.index, agreement: s.agreement });
        let peer = peer.ok_or(SealFail::Cannot(CannotSeal::NoPeerKeys))?;
        let listed = || self.roster.epoch_keys(letter.to, epoch).map(|keys| Prekey::of_epoch(epoch, keys.p));
        let prekey = record.prekey(epoch).or_else(listed).ok_or(SealFail::Cannot(CannotSeal::NoPeerKeys))?;
        let psk = self.psk(letter.to)?.ok_or(SealFail::Cannot(CannotSeal::NoPsk))?;
        let psk = psk.at(epoch).map_err(|_| SealFail::Cannot(CannotSeal::NoPsk))?;
        let mut drawn = Zeroizing::new([0; 34]);
        random.fill(drawn.as_mut());
        let (seed, extra) = drawn.split_first_chunk::<32>().unwrap_or((&[0; 32], &[]));
        let hop = extra.first().map_or(0, |b| u16::from(*b) % (SESSION_MAX - 1));
        let sid = (last_sid + hop) % SESSION_MAX + 1;
        let local = Local { mission: self.mission(), index: self.me(), agreement: self.secrets.agreement() };
        record.turned();
        SendSession::in_band(&local, &peer, epoch, sid, seed, &prekey, &psk)
            .map_err(|_| SealFail::Cannot(CannotSeal::NoPeerKeys))
    }

    fn stored_send(&mut self, peer: Index) -> Result<Option<SendSession>, VaultError> {
        self.stored_send_as(&keys::send(peer))
    }

    pub(crate) fn stored_send_as(&mut self, key: &[u8]) -> Result<Option<SendSession>, VaultError> {
        let Some(bytes) = self.get(key)?.map(Zeroizing::new) else { return Ok(None) };
        // Exact: every message is committed together with the state after it, before it leaves.
        SendSession::decode(&bytes).map(|s| Some(s.resume_exact())).map_err(|_| VaultError::Damaged)
    }

    /// The peer has opened a message of this session: its key need not travel any more.
    pub(crate) fn acknowledge_session(
        &mut self,
        peer: Index,
        sealing: &Sealing,
        batch: &mut Batch,
    ) -> Result<(), VaultError> {
        if sealing.sid == 0 {
            return Ok(());
        }
        if let Some(mut session) = self.stored_send(peer)?
            && (session.id().epoch, session.id().sid) == (sealing.epoch, sealing.sid)
        {
            session.acknowledge();
            put_send(batch, &session)?;
        }
        Ok(())
    }

    /// Opens an envelope addressed to us. At most two keys are tried.
    pub(crate) fn open_envelope(
        &mut self,
        envelope: &Envelope<'_>,
        far: Far,
        batch: &mut Batch,
    ) -> Result<OpenedLetter, OpenFail> {
        let header = envelope.header();
        let current = self.record.epoch.ok_or(OpenFail::Cannot)?;
        let epoch = expand_epoch(header.epoch_low, current).ok_or(OpenFail::Cannot)?;
        let candidates = match header.lane {
            None => self.candidates(header, epoch, current)?,
            Some(byte) => self.slot_candidates(header, byte, epoch, current)?,
        };
        let mut worst = if candidates.is_empty() && header.session_low != 0 && header.enc.is_none() {
            OpenFail::NotYet
        } else {
            OpenFail::Cannot
        };
        let mut content = Zeroizing::new(vec![0; envelope.sealed().len()]);
        for Candidate { key, seen, mut session, entered } in candidates {
            match session.open(envelope, far, &mut content) {
                Ok(opened) => {
                    let (len, tokens) = (opened.content.len(), opened.tokens);
                    content.truncate(len);
                    self.put_receive(batch, key, seen, &session)?;
                    if let Some(entered) = entered {
                        put_entered(batch, &entered)?;
                    }
                    return Ok(OpenedLetter { content, delivered: tokens.delivered, read: tokens.read, epoch });
                }
                Err(OpenError::Replayed) => worst = OpenFail::Again,
                Err(OpenError::FarJump { .. }) => worst = OpenFail::NotYet,
                Err(
                    OpenError::OtherSession
                    | OpenError::TooOld
                    | OpenError::NotAuthentic
                    | OpenError::NoRoom
                    | OpenError::Exhausted,
                ) => {}
            }
        }
        Err(worst)
    }

    /// The chain of a slot that may open it: the one that is kept, or the one that the pre-placed session leads to.
    fn slot_candidates(
        &mut self,
        header: &Header,
        byte: u8,
        epoch: u32,
        current: u32,
    ) -> Result<Vec<Candidate>, OpenFail> {
        let Some(slot) = Slot::from_byte(byte).filter(|_| header.session_low == 0) else { return Ok(Vec::new()) };
        let key = keys::receive_slot(header.source, epoch, slot);
        if let Some(bytes) = self.get(&key)?.map(Zeroizing::new) {
            let (seen, session) = read_receive(&bytes)?;
            return Ok(vec![Candidate { key, seen, session, entered: None }]);
        }
        let base_key = keys::receive(header.source, epoch, 0, None);
        let base = match self.get(&base_key)?.map(Zeroizing::new) {
            Some(bytes) => Some(read_receive(&bytes)?),
            None => self.new_receive(header, epoch, current)?.map(|session| (self.record.position, session)),
        };
        let entered = base.and_then(|(seen, base)| Self::enter_slot(base_key, seen, base, slot));
        let candidate = |(session, entered): (_, Entered)| Candidate {
            key,
            seen: entered.base_seen,
            session,
            entered: Some(entered),
        };
        Ok(entered.map(candidate).into_iter().collect())
    }

    /// Sessions that may open it, most likely first.
    fn candidates(&mut self, header: &Header, epoch: u32, current: u32) -> Result<Vec<Candidate>, OpenFail> {
        let (peer, sid) = (header.source, u16::from(header.session_low));
        let prefix = match &header.enc {
            Some(enc) => keys::receive(peer, epoch, sid, Some(&enc.x)),
            None => keys::receive_sid(peer, epoch, sid),
        };
        let mut found = Vec::new();
        for key in self.scan(&prefix)? {
            let bytes = Zeroizing::new(self.get(&key)?.ok_or(VaultError::Damaged)?);
            let (seen, session) = read_receive(&bytes)?;
            found.push(Candidate { key, seen, session, entered: None });
        }
        found.sort_by_key(|c| core::cmp::Reverse(c.seen));
        found.truncate(picket_seal::limits::CANDIDATES_MAX);
        if found.is_empty()
            && let Some(session) = self.new_receive(header, epoch, current)?
        {
            let key = keys::receive(peer, epoch, sid, header.enc.as_ref().map(|e| &e.x));
            found.push(Candidate { key, seen: self.record.position, session, entered: None });
        }
        Ok(found)
    }

    /// A session that begins with this envelope: in-band by its encapsulated key, or the next epoch's pre-placed one.
    fn new_receive(&mut self, header: &Header, epoch: u32, current: u32) -> Result<Option<ReceiveSession>, OpenFail> {
        let (peer, sid) = (header.source, u16::from(header.session_low));
        let Some(psk) = self.psk(peer)? else { return Ok(None) };
        match &header.enc {
            None if sid == 0 && epoch == current.saturating_add(1) => {
                let pairing = self.pairing()?;
                let local = Local { mission: self.mission(), index: self.me(), agreement: self.secrets.agreement() };
                let before = Before {
                    local,
                    roster: &self.roster,
                    secrets: &self.secrets,
                    pairing: &pairing,
                    activated: Some(current),
                };
                Ok(early(&before, epoch, peer, &psk).ok())
            }
            None => Ok(None),
            Some(enc) => {
                let Some(station) = self.roster.station(peer).filter(|s| s.kind == Kind::Member) else {
                    return Ok(None);
                };
                let peer = Peer { index: station.index, agreement: station.agreement };
                let seed = match which(enc.prekey) {
                    Which::Epoch(low) => {
                        let seeds = epoch_of(low, current).and_then(|e| self.secrets.seeds(e));
                        seeds.and_then(|s| s.p()).map(|seed| Zeroizing::new(*seed))
                    }
                    Which::Announced(id) => self.announced_seed(id)?,
                };
                let (Some(seed), Ok(psk)) = (seed, psk.at(epoch)) else { return Ok(None) };
                let local = Local { mission: self.mission(), index: self.me(), agreement: self.secrets.agreement() };
                Ok(ReceiveSession::in_band(&local, &peer, epoch, sid, enc, &seed, &psk).ok())
            }
        }
    }

    /// Stores a receive session. One is never dropped for another before its epoch is over: a replay of its first message
    /// would begin it again (S-40.4-6).
    fn put_receive(
        &mut self,
        batch: &mut Batch,
        key: Vec<u8>,
        seen: u64,
        session: &ReceiveSession,
    ) -> Result<(), OpenFail> {
        let id = *session.id();
        if session.slot().is_some() {
            batch.put(key, receive_bytes(seen, session)?);
            return Ok(());
        }
        let siblings = self.scan(&keys::receive_sid(id.from, id.epoch, id.sid))?;
        if siblings.len() >= SAME_ID_MAX && !siblings.contains(&key) {
            return Err(OpenFail::TooMany);
        }
        batch.put(key, receive_bytes(seen, session)?);
        Ok(())
    }
}

/// Stores a session where the next message of its lane looks for it.
pub(crate) fn put_send(batch: &mut Batch, session: &SendSession) -> Result<(), VaultError> {
    let to = session.id().to;
    let key = session.slot().map_or_else(|| keys::send(to), |slot| keys::send_lane(to, slot.lane()));
    put_send_as(batch, key, session)
}

pub(crate) fn put_send_as(batch: &mut Batch, key: Vec<u8>, session: &SendSession) -> Result<(), VaultError> {
    let mut buffer = Zeroizing::new([0; SEND_STATE_MAX]);
    let bytes = session.encode(buffer.as_mut()).map_err(|_| VaultError::Failed)?;
    batch.put(key, bytes.to_vec());
    Ok(())
}

fn put_entered(batch: &mut Batch, entered: &Entered) -> Result<(), VaultError> {
    batch.put(entered.base_key.clone(), receive_bytes(entered.base_seen, &entered.base)?);
    for session in &entered.passed {
        let id = session.id();
        if let Some(slot) = session.slot() {
            batch.put(keys::receive_slot(id.from, id.epoch, slot), receive_bytes(entered.base_seen, session)?);
        }
    }
    Ok(())
}

pub(crate) fn read_receive(bytes: &[u8]) -> Result<(u64, ReceiveSession), VaultError> {
    let (seen, state) = bytes.split_first_chunk::<8>().ok_or(VaultError::Damaged)?;
    let session = ReceiveSession::decode(state).map_err(|_| VaultError::Damaged)?;
    Ok((u64::from_be_bytes(*seen), session))
}

/// First seen ‖ state.
pub(crate) fn receive_bytes(seen: u64, session: &ReceiveSession) -> Result<Vec<u8>, VaultError> {
    let mut buffer = Zeroizing::new(vec![0; RECEIVE_STATE_MAX]);
    let state = session.encode(&mut buffer).map_err(|_| VaultError::Failed)?;
    let mut out = seen.to_be_bytes().to_vec();
    out.extend_from_slice(state);
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::limits::HOP_LIMIT;
    use crate::mission::Mission;
    use crate::testing::RamVault;
    use picket_wire::Precedence;
    use picket_wire::envelope::Class;
    use picket_wire::time::Wall;

    const START_S: u64 = 1_800_000_000;

    fn home(mission: &Mission, at: usize) -> Home<RamVault> {
        let (secrets, fill) = mission.home(at);
        let (now, wall) = (Instant(1), Some(Wall(START_S * 1_000)));
        let mut home = Home::create(RamVault::default(), &secrets, &fill, now, wall).unwrap();
        home.advance_epoch(now).unwrap();
        home
    }

    /// The n-th fresh in-band session of this home; they take turns between two ids.
    fn first_of_session(home: &mut Home<RamVault>, to: Index, n: u8) -> Vec<u8> {
        let lifetime = Lifetime::floor(3_600);
        let route = Route { class: Class::Pairwise, precedence: Precedence::Routine, hop_limit: HOP_LIMIT, lifetime };
        let letter = Letter {
            to,
            route,
            lifetime,
            original: None,
            burn: None,
            body: Body::Text("x"),
            fresh: true,
            announce: false,
        };
        let mut batch = Batch::default();
        let mut random = |out: &mut [u8]| {
            out.fill(n);
            out[32] = 6 + n % 2;
        };
        let sealed = home.seal(Instant(1), &letter, &mut random, &mut batch).unwrap();
        home.commit(Instant(1), home.record.clone(), batch).unwrap();
        sealed.envelope
    }

    fn open(home: &mut Home<RamVault>, bytes: &[u8]) -> Result<(), OpenFail> {
        let mut batch = Batch::default();
        home.open_envelope(&Envelope::parse(bytes).unwrap(), Far::Refuse, &mut batch)?;
        home.commit(Instant(1), home.record.clone(), batch).map_err(OpenFail::Vault)
    }

    #[test]
    fn no_session_is_dropped_for_another_and_none_begins_twice() {
        let mission = Mission::new(&["alpha", "bravo"], &[], START_S);
        let (mut alpha, mut bravo) = (home(&mission, 0), home(&mission, 1));
        let many = SAME_ID_MAX as u8 * 2;
        let firsts: Vec<Vec<u8>> = (0..many).map(|n| first_of_session(&mut alpha, mission.indices[1], n)).collect();
        for first in &firsts {
            assert_eq!(open(&mut bravo, first), Ok(()));
        }
        let one_more = first_of_session(&mut alpha, mission.indices[1], many);
        assert_eq!(open(&mut bravo, &one_more), Err(OpenFail::TooMany));
        for first in &firsts {
            assert_eq!(open(&mut bravo, first), Err(OpenFail::Again), "a replay");
        }
    }
}
