//! Epochs: which sessions begin, which seeds and keys go (spec §40.6).
//!
//! An epoch is activated by a trusted clock, by the authority's word or by own monotonic time; never by a received
//! frame. [`activate`] is a pure function from the state before to a list of [`Change`]s. The caller writes all of them
//! in one transaction: before it, nothing has happened; after it, the seeds are gone for good.

use crate::kem::SetupError;
use crate::limits::VISIT_MAX;
use crate::receive::ReceiveSession;
use crate::send::SendSession;
use crate::session::{Local, Peer};
use core::fmt;
use picket_roster::keys::derive_key_pair;
use picket_roster::{DeviceSecrets, EpochSeeds, Kind, PairingSecret, Psk, Roster};
use picket_wire::Index;

/// What an activation works from.
#[derive(Clone, Copy)]
pub struct Before<'a, B> {
    /// This device.
    pub local: Local<'a>,
    /// The roster in force.
    pub roster: &'a Roster<B>,
    /// Own seeds, erased ones left out.
    pub secrets: &'a DeviceSecrets,
    /// Own d.
    pub pairing: &'a PairingSecret,
    /// Epoch activated last; `None` before the first.
    pub activated: Option<u32>,
}

/// One change, to be written in the same transaction as all others of its activation.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "no heap here, and a change lives only until the sink has written it")]
pub enum Change {
    /// A send session of the new epoch begins.
    Send(SendSession),
    /// A receive session begins (of the new epoch, or of one that was skipped and may still bring messages).
    Receive(ReceiveSession),
    /// Seeds of this epoch, with what is erased left out.
    Seeds {
        /// The epoch.
        epoch: u32,
        /// What is left.
        seeds: EpochSeeds,
    },
    /// The pre-shared key with this peer, moved on.
    Psk {
        /// The peer.
        peer: Index,
        /// Its key now.
        psk: Psk,
    },
    /// Own d, moved on.
    Pairing(PairingSecret),
    /// Sessions of epochs before this one are over: erase them, with announced prekeys of the same age.
    Forget {
        /// The oldest epoch that stays.
        before: u32,
    },
    /// The epoch now in force.
    Activated {
        /// Its number.
        epoch: u32,
    },
}

/// What an activation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activated {
    /// Send sessions begun.
    pub send: u32,
    /// Receive sessions begun.
    pub receive: u32,
    /// Sessions that could not be set up: key missing, erased or not valid. In-band sessions may still work.
    pub refused: u32,
}

/// Why nothing was activated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivateError<E> {
    /// That epoch, or a later one, is in force already.
    NotAhead,
    /// Impossibly far ahead: check the clock.
    Far,
    /// The sink refused a change: abandon the transaction.
    Sink(E),
}

/// Why a session of the next epoch is not derived early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyError {
    /// Not exactly one ahead of the epoch in force.
    Epoch,
    /// No keys for it: own seed, peer's public half or pre-shared key.
    Missing,
    /// The keys are not usable.
    Setup(SetupError),
}

impl<E: fmt::Display> fmt::Display for ActivateError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAhead => f.write_str("that epoch is in force already"),
            Self::Far => f.write_str("that epoch is impossibly far ahead: check the clock"),
            Self::Sink(e) => write!(f, "{e}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for ActivateError<E> {}

impl fmt::Display for EarlyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Epoch => f.write_str("only the very next epoch may be derived early"),
            Self::Missing => f.write_str("no keys for that epoch"),
            Self::Setup(e) => write!(f, "{e}"),
        }
    }
}

impl core::error::Error for EarlyError {}

/// Activates epoch `to`, visiting every skipped one in order. `peers` are the listed peers with their pre-shared keys;
/// `have` says whether a receive session (sid 0) from a peer in an epoch exists already, so that one derived early is
/// not begun again. Changes go to `sink` in order, [`Change::Activated`] last.
///
/// # Errors
/// [`ActivateError`]; the caller abandons what the sink took.
pub fn activate<'p, B: AsRef<[u8]>, E>(
    before: &Before<'_, B>,
    to: u32,
    peers: impl Iterator<Item = (Index, &'p Psk)> + Clone,
    have: impl Fn(Index, u32) -> bool,
    mut sink: impl FnMut(Change) -> Result<(), E>,
) -> Result<Activated, ActivateError<E>> {
    let from = match before.activated {
        Some(last) if last >= to => return Err(ActivateError::NotAhead),
        Some(last) => last + 1,
        None => before.secrets.first_epoch().min(to),
    };
    if to - from > VISIT_MAX {
        return Err(ActivateError::Far);
    }
    let oldest = before.roster.oldest_live(to);
    let mut done = Activated::default();
    let mut emit = |change| sink(change).map_err(ActivateError::Sink);
    for epoch in from.max(oldest)..=to {
        let Some(seeds) = before.secrets.seeds(epoch) else { continue };
        let secret_r = seeds.r().and_then(|seed| derive_key_pair(seed).ok()).map(|(secret, _)| secret);
        for (peer, psk) in peers.clone() {
            let known = have(peer, epoch);
            begin(
                before,
                seeds,
                peer,
                psk,
                epoch,
                &Begin { receive: secret_r.as_deref().filter(|_| !known), send: epoch == to },
                &mut done,
                &mut emit,
            )?;
        }
    }
    erase(before, to, oldest, &mut emit)?;
    for (peer, psk) in peers {
        if psk.epoch() < oldest {
            let mut psk = psk.clone();
            psk.advance_to(oldest).map_err(|_| ActivateError::Far)?;
            emit(Change::Psk { peer, psk })?;
        }
    }
    if before.pairing.epoch() < oldest {
        let mut pairing = before.pairing.clone();
        pairing.advance_to(oldest).map_err(|_| ActivateError::Far)?;
        emit(Change::Pairing(pairing))?;
    }
    emit(Change::Forget { before: oldest })?;
    emit(Change::Activated { epoch: to })?;
    Ok(done)
}

/// Derives the pre-placed receive session of the very next epoch for one peer, whose clock runs ahead. Nothing is
/// activated or erased; store the session, and activation will not begin it again.
///
/// # Errors
/// [`EarlyError`].
pub fn early<B: AsRef<[u8]>>(
    before: &Before<'_, B>,
    epoch: u32,
    peer: Index,
    psk: &Psk,
) -> Result<ReceiveSession, EarlyError> {
    if before.activated.and_then(|e| e.checked_add(1)) != Some(epoch) {
        return Err(EarlyError::Epoch);
    }
    let seeds = before.secrets.seeds(epoch).ok_or(EarlyError::Missing)?;
    let station = before.roster.station(peer).ok_or(EarlyError::Missing)?;
    let keys = before.roster.epoch_keys(peer, epoch).ok_or(EarlyError::Missing)?;
    let psk = psk.at(epoch).map_err(|_| EarlyError::Missing)?;
    let seed = seeds.r().ok_or(EarlyError::Missing)?;
    let peer = Peer { index: peer, agreement: station.agreement };
    ReceiveSession::pre_placed(&before.local, &peer, epoch, seed, &keys.e, &psk).map_err(EarlyError::Setup)
}

struct Begin<'s> {
    /// Own private R, where a receive session begins.
    receive: Option<&'s [u8; 32]>,
    send: bool,
}

/// Begins the sessions of one peer in one epoch.
#[allow(clippy::too_many_arguments, reason = "one inner step of `activate`, split off for its length")]
fn begin<B: AsRef<[u8]>, E>(
    before: &Before<'_, B>,
    seeds: &EpochSeeds,
    peer: Index,
    psk: &Psk,
    epoch: u32,
    what: &Begin<'_>,
    done: &mut Activated,
    emit: &mut impl FnMut(Change) -> Result<(), ActivateError<E>>,
) -> Result<(), ActivateError<E>> {
    let station = before.roster.station(peer).filter(|s| s.kind == Kind::Member);
    let (Some(station), Some(keys), Ok(psk)) = (station, before.roster.epoch_keys(peer, epoch), psk.at(epoch)) else {
        done.refused += 1;
        return Ok(());
    };
    let peer = Peer { index: peer, agreement: station.agreement };
    if let Some(secret) = what.receive {
        match ReceiveSession::pre_placed_by(&before.local, &peer, epoch, secret, &keys.e, &psk) {
            Ok(session) => {
                done.receive += 1;
                emit(Change::Receive(session))?;
            }
            Err(_) => done.refused += 1,
        }
    }
    if let (true, Some(seed)) = (what.send, seeds.e()) {
        match SendSession::pre_placed(&before.local, &peer, epoch, seed, &keys.r, &psk) {
            Ok(session) => {
                done.send += 1;
                emit(Change::Send(session))?;
            }
            Err(_) => done.refused += 1,
        }
    }
    Ok(())
}

/// E and R of every epoch up to `to` go; P of every epoch before `oldest` goes too.
fn erase<B: AsRef<[u8]>, E>(
    before: &Before<'_, B>,
    to: u32,
    oldest: u32,
    emit: &mut impl FnMut(Change) -> Result<(), ActivateError<E>>,
) -> Result<(), ActivateError<E>> {
    let first = before.secrets.first_epoch();
    let last = first.saturating_add(u32::from(before.secrets.epochs()));
    for epoch in first..last.min(to.saturating_add(1)) {
        let Some(old) = before.secrets.seeds(epoch) else { continue };
        let mut seeds = old.clone();
        seeds.erase_er();
        if epoch < oldest {
            seeds.erase_p();
        }
        if seeds != *old {
            emit(Change::Seeds { epoch, seeds })?;
        }
    }
    Ok(())
}
