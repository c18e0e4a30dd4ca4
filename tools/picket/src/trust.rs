//! Whose keys were compared, and whose changed (spec §30.11). Kept in the home beside the endpoint's own state.
//!
//! ```text
//! h/trust/v INDEX   01 ‖ fingerprint 32                                     verified: it was compared and confirmed
//! h/trust/c INDEX   01 ‖ now 32 ‖ was 32 ‖ was index 2 ‖ was verified 1     changed: true as long as *now* is in force
//! h/trust/g NAME    01 ‖ fingerprint 32 ‖ index 2                           gone from the roster; the name may come back
//! ```
//!
//! What a roster changes is written before it is put in force, and says itself for which keys it holds: whenever the
//! power fails, the warning is there with the keys that it is about.

use crate::error::Failure;
use crate::home::State;
use picket_roster::{Fingerprint, Kind, Roster, Station};
use picket_wire::Index;
use std::collections::BTreeMap;

const VERIFIED: &[u8] = b"h/trust/v";
const CHANGED: &[u8] = b"h/trust/c";
const GONE: &[u8] = b"h/trust/g";
const FORMAT: u8 = 1;

/// What is known of a peer's keys beside the authority's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody compared them.
    Unverified,
    /// They were compared, and are the same.
    Verified,
    /// They are not those that this home knew before.
    Changed,
}

/// A change of keys that nobody has looked at yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    now: Fingerprint,
    /// Before.
    pub was: Fingerprint,
    /// Of which index.
    pub was_index: Index,
    /// Whether those had been verified.
    pub was_verified: bool,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Trust {
    verified: BTreeMap<Index, Fingerprint>,
    changed: BTreeMap<Index, Change>,
    gone: BTreeMap<String, (Fingerprint, Index)>,
}

/// Names and values to be committed, `None` to be removed.
type Writes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

impl Standing {
    /// The word of the interface.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Verified => "verified",
            Self::Changed => "changed",
        }
    }
}

impl Trust {
    /// Reads it.
    ///
    /// # Errors
    /// Damaged, when a record is not what was written.
    pub fn load(state: &mut State) -> Result<Self, Failure> {
        let mut trust = Self::default();
        for (name, value) in records(state, VERIFIED)? {
            let (index, fields) = (index(&name)?, fields::<32>(&value)?);
            trust.verified.insert(index, Fingerprint(fields));
        }
        for (name, value) in records(state, CHANGED)? {
            trust.changed.insert(index(&name)?, Change::read(&fields(&value)?));
        }
        for (name, value) in records(state, GONE)? {
            let name = String::from_utf8(name).map_err(|_| damaged())?;
            let fields = fields::<34>(&value)?;
            let (print, index) = fields.split_at(32);
            trust.gone.insert(name, (print_of(print), Index(u16::from_be_bytes([index[0], index[1]]))));
        }
        Ok(trust)
    }

    /// What is known of a peer of this roster.
    pub fn standing(&self, roster: &Roster<impl AsRef<[u8]>>, index: Index) -> Standing {
        let Some(station) = roster.station(index) else { return Standing::Unverified };
        let print = Fingerprint::of(roster.mission(), &station);
        match (self.change(&print, index), self.verified.get(&index)) {
            (Some(_), _) => Standing::Changed,
            (None, Some(compared)) if *compared == print => Standing::Verified,
            (None, Some(_) | None) => Standing::Unverified,
        }
    }

    /// The change that nobody has looked at yet, if there is one.
    #[must_use]
    pub fn change(&self, print: &Fingerprint, index: Index) -> Option<&Change> {
        self.changed.get(&index).filter(|c| c.now == *print)
    }

    /// Keeps that the peer's keys were compared; durable when this returns.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub fn confirm(&mut self, state: &mut State, index: Index, print: Fingerprint) -> Result<(), Failure> {
        let value = [&[FORMAT][..], &print.0].concat();
        state.commit_now(&[(&at(VERIFIED, index), Some(&value)), (&at(CHANGED, index), None)])?;
        self.verified.insert(index, print);
        self.changed.remove(&index);
        Ok(())
    }

    /// Writes down what will have changed once `new` is in force: before it is.
    ///
    /// # Errors
    /// When the state cannot be written; the roster must not be put in force then.
    pub fn foresee<A: AsRef<[u8]>, B: AsRef<[u8]>>(
        &mut self,
        state: &mut State,
        old: &Roster<A>,
        new: &Roster<B>,
    ) -> Result<(), Failure> {
        let mut writes = Writes::new();
        let before: BTreeMap<&str, Station<'_>> = members(old).map(|s| (s.name, s)).collect();
        for station in members(new) {
            let now = Fingerprint::of(new.mission(), &station);
            let same_index = old.station(station.index).map(|s| (Fingerprint::of(old.mission(), &s), s.index));
            let same_name = before.get(station.name).map(|s| (Fingerprint::of(old.mission(), s), s.index));
            let came_back = || self.gone.get(station.name).copied();
            let known = same_index.or(same_name).or_else(came_back);
            if let Some((was, was_index)) = known.filter(|(was, _)| *was != now) {
                let was_verified = self.verified.get(&was_index) == Some(&was);
                let change = Change { now, was, was_index, was_verified };
                writes.push((at(CHANGED, station.index), Some(change.bytes())));
            }
        }
        let after: BTreeMap<&str, Index> = members(new).map(|s| (s.name, s.index)).collect();
        for (name, station) in before.iter().filter(|(name, _)| !after.contains_key(**name)) {
            let print = Fingerprint::of(old.mission(), station);
            let value = [&[FORMAT][..], &print.0, &station.index.0.to_be_bytes()].concat();
            writes.push(([GONE, name.as_bytes()].concat(), Some(value)));
        }
        let refs: Vec<(&[u8], Option<&[u8]>)> = writes.iter().map(|(n, v)| (n.as_slice(), v.as_deref())).collect();
        if !refs.is_empty() {
            state.commit_now(&refs)?;
            *self = Self::load(state)?;
        }
        Ok(())
    }
}

impl Change {
    fn bytes(&self) -> Vec<u8> {
        let tail = [&self.was_index.0.to_be_bytes()[..], &[u8::from(self.was_verified)]].concat();
        [&[FORMAT][..], &self.now.0, &self.was.0, &tail].concat()
    }

    fn read(fields: &[u8; 67]) -> Self {
        let (now, rest) = fields.split_at(32);
        let (was, tail) = rest.split_at(32);
        let was_index = Index(u16::from_be_bytes([tail[0], tail[1]]));
        Self { now: print_of(now), was: print_of(was), was_index, was_verified: tail[2] == 1 }
    }
}

fn members<B: AsRef<[u8]>>(roster: &Roster<B>) -> impl Iterator<Item = Station<'_>> {
    roster.stations().filter(|s| s.kind == Kind::Member)
}

fn at(prefix: &[u8], index: Index) -> Vec<u8> {
    [prefix, &index.0.to_be_bytes()].concat()
}

fn print_of(bytes: &[u8]) -> Fingerprint {
    let mut print = [0; 32];
    print.copy_from_slice(bytes);
    Fingerprint(print)
}

/// What follows the prefix in a name, and the value.
type Record = (Vec<u8>, Vec<u8>);

fn records(state: &mut State, prefix: &[u8]) -> Result<Vec<Record>, Failure> {
    let names: Vec<Vec<u8>> = state.names(prefix).map(<[u8]>::to_vec).collect();
    let mut found = Vec::new();
    for name in names {
        let value = state.get(&name)?.ok_or_else(damaged)?;
        found.push((name.get(prefix.len()..).unwrap_or_default().to_vec(), value.to_vec()));
    }
    Ok(found)
}

fn index(name: &[u8]) -> Result<Index, Failure> {
    let bytes: [u8; 2] = name.try_into().map_err(|_| damaged())?;
    Ok(Index(u16::from_be_bytes(bytes)))
}

fn fields<const N: usize>(value: &[u8]) -> Result<[u8; N], Failure> {
    match value.split_first() {
        Some((&FORMAT, rest)) => rest.try_into().map_err(|_| damaged()),
        Some((version, _)) if *version > FORMAT => {
            Err(Failure::usage("what this home verified was written by a newer program", "use the newer program"))
        }
        Some(_) | None => Err(damaged()),
    }
}

fn damaged() -> Failure {
    Failure::damaged(
        "what this home verified is damaged",
        "keep a copy of the home, then have the device enrolled again",
    )
}

#[cfg(test)]
mod tests;
