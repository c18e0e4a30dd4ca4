//! What two people compare, from the roster in force (spec §30.11).

use crate::error::Failure;
use crate::rows::{ChangedRow, FingerprintRow, VerifyRow};
use crate::trust::Trust;
use crate::vault::HomeVault;
use bip39::Language;
use picket_endpoint::Endpoint;
use picket_roster::{Digits, Fingerprint, Kind, Safety, Station};
use picket_wire::Index;

/// Everything about one member, or about all others.
///
/// # Errors
/// Usage, for a name that is no other member's.
pub fn rows(endpoint: &Endpoint<HomeVault>, trust: &Trust, member: Option<&str>) -> Result<Vec<VerifyRow>, Failure> {
    let row = |station: &Station<'_>| row(endpoint, trust, station);
    match member {
        Some(name) => Ok(vec![row(&other(endpoint, name)?)?]),
        None => {
            let others = |s: &Station<'_>| s.kind == Kind::Member && s.index != endpoint.me();
            endpoint.roster().stations().filter(others).map(|s| row(&s)).collect()
        }
    }
}

/// Index and fingerprint of a member whose keys are still those that were compared.
///
/// # Errors
/// Usage, when they are not, or for a name that is no other member's.
pub fn confirmed(endpoint: &Endpoint<HomeVault>, member: &str, sha256: &str) -> Result<(Index, Fingerprint), Failure> {
    let station = other(endpoint, member)?;
    let print = Fingerprint::of(endpoint.roster().mission(), &station);
    if hex::encode(print.0) == sha256 {
        return Ok((station.index, print));
    }
    Err(Failure::usage(
        format!("the keys of {member} changed while they were compared; nothing was confirmed"),
        format!("compare again: picket verify {member}"),
    ))
}

fn other<'e>(endpoint: &'e Endpoint<HomeVault>, name: &str) -> Result<Station<'e>, Failure> {
    let next = "`picket verify --home H` lists the members";
    let station = endpoint
        .roster()
        .by_name(name)
        .ok_or_else(|| Failure::usage(format!("the roster lists nobody of the name {name}"), next))?;
    match station.kind {
        Kind::Member if station.index != endpoint.me() => Ok(station),
        Kind::Member => Err(Failure::usage(format!("{name} is this home's own member"), next)),
        Kind::Gateway => Err(Failure::usage(format!("{name} is a gateway: it reads no messages"), next)),
    }
}

fn row(endpoint: &Endpoint<HomeVault>, trust: &Trust, station: &Station<'_>) -> Result<VerifyRow, Failure> {
    let roster = endpoint.roster();
    let own = roster.station(endpoint.me()).ok_or_else(|| Failure::internal("the roster does not list this device"))?;
    let (theirs, ours) = (Fingerprint::of(roster.mission(), station), Fingerprint::of(roster.mission(), &own));
    let safety = Safety::new(roster.mission(), (station.index, &theirs), (own.index, &ours));
    let list = Language::English.word_list();
    let words = safety.words().into_iter().filter_map(|w| list.get(usize::from(w)));
    let changed = trust.change(&theirs, station.index).map(|c| ChangedRow {
        index: c.was_index.0,
        fingerprint: c.was.to_string(),
        was_verified: c.was_verified,
    });
    Ok(VerifyRow {
        member: station.name.into(),
        index: station.index.0,
        key: trust.standing(roster, station.index).name().into(),
        fingerprint: theirs.to_string(),
        sha256: hex::encode(theirs.0),
        own: FingerprintRow { member: own.name.into(), fingerprint: ours.to_string() },
        words: words.map(|w| (*w).to_owned()).collect(),
        qr: format!("PICKET1/{}", hex::encode_upper(safety.0)),
        changed,
        roster_version: roster.version(),
        roster: Digits(roster.hash()).to_string(),
    })
}
