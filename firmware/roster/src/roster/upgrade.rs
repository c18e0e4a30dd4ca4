//! Which roster is in force (spec §30.5).

use super::Roster;
use crate::station::Station;
use core::fmt;
use picket_wire::Index;

/// What an accepted roster is, compared with the one in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// Strictly newer: put it in force.
    Newer,
    /// The very same: nothing to do.
    Same,
}

/// Why a roster is not put in force (spec §30.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeError {
    /// Its version is lower than the one in force.
    Older {
        /// Version in force.
        current: u32,
        /// Version offered.
        offered: u32,
    },
    /// ALARM: same version, other content. The authority signed two, or its key is in other hands.
    Conflict {
        /// The version both carry.
        version: u32,
    },
    /// Another mission's.
    Mission,
    /// ALARM: an index now names another station, or the list of given indices shrank.
    Reused {
        /// The index.
        index: Index,
    },
    /// ALARM: it lists other keys for an epoch than the one in force does, or fewer of what is still to come.
    Keys {
        /// Whose.
        index: Index,
    },
    /// ALARM: it does not know of a revocation that the roster in force knows of.
    Unrevoked,
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Older { current, offered } => {
                write!(f, "roster version {offered} is lower than {current}, which is in force; nothing changed")
            }
            Self::Conflict { version } => write!(
                f,
                "ALARM: two different rosters carry version {version}; nothing changed, tell the authority at once"
            ),
            Self::Mission => f.write_str("this roster belongs to another mission; nothing changed"),
            Self::Reused { index } => write!(
                f,
                "ALARM: index {} names another station than before; nothing changed, tell the authority at once",
                index.0
            ),
            Self::Keys { index } => write!(
                f,
                "ALARM: the epoch keys of index {} are others than before; nothing changed, tell the authority at once",
                index.0
            ),
            Self::Unrevoked => f.write_str(
                "ALARM: this roster knows nothing of a revocation that is in force; nothing changed, tell the authority \
                 at once",
            ),
        }
    }
}

impl core::error::Error for UpgradeError {}

/// Decides whether `offered` may replace `current`. Both are verified; this is about versions (spec §30.5).
///
/// # Errors
/// [`UpgradeError`], two of which are alarms.
pub fn upgrade<A: AsRef<[u8]>, B: AsRef<[u8]>>(
    current: &Roster<A>,
    offered: &Roster<B>,
) -> Result<Upgrade, UpgradeError> {
    if current.authority() != offered.authority() {
        return Err(UpgradeError::Mission);
    }
    let (have, new) = (current.version(), offered.version());
    if new < have {
        return Err(UpgradeError::Older { current: have, offered: new });
    }
    if new == have {
        let same = current.hash() == offered.hash();
        return if same { Ok(Upgrade::Same) } else { Err(UpgradeError::Conflict { version: have }) };
    }
    if offered.next_index() < current.next_index() {
        let index = Index(u16::try_from(offered.next_index()).unwrap_or(u16::MAX));
        return Err(UpgradeError::Reused { index });
    }
    let forgets =
        offered.generation() < current.generation() || !offered.layout.revoked.includes(&current.layout.revoked);
    if forgets {
        return Err(UpgradeError::Unrevoked);
    }
    for station in offered.all_listed() {
        let old = current.listed(station.index);
        let changed = old.is_some_and(|o| o.identity != station.identity || o.kind != station.kind);
        let revived = old.is_none() && u32::from(station.index.0) < current.next_index();
        if changed || revived {
            return Err(UpgradeError::Reused { index: station.index });
        }
        if old.is_some_and(|old| !keys_follow(current, &old, offered, &station)) {
            return Err(UpgradeError::Keys { index: station.index });
        }
    }
    Ok(Upgrade::Newer)
}

/// Whether the keys of a station follow from those before (spec R-30.5-4): what both list is the same unless the station
/// replaced it, and neither end of what is listed goes back.
fn keys_follow<A: AsRef<[u8]>, B: AsRef<[u8]>>(
    current: &Roster<A>,
    old: &Station<'_>,
    offered: &Roster<B>,
    new: &Station<'_>,
) -> bool {
    if new.first_epoch != old.first_epoch || new.listed_from < old.listed_from || new.replaced < old.replaced {
        return false;
    }
    let both = new.listed_from..old.listed_end();
    let same = |epoch| current.keys_of(old, epoch) == offered.keys_of(new, epoch);
    new.replaced > old.replaced || (new.listed_end() >= old.listed_end() && both.into_iter().all(same))
}
