//! What the gateway knows of its mission: the keyfill it was given, and the newest roster it has accepted since.

use core::fmt;
use network::Network;
pub use network::RevocationError;
use picket_node::leaf::Keyring;
use picket_node::{Directory, StationKind};
use picket_roster::{
    AgreementSecret, Keyfill, KeyfillError, Kind, Revoke, Roster, RosterError, Upgrade, UpgradeError, upgrade,
    verify_claim, verify_listens,
};
use picket_safe::heap;
use picket_safe::locked::Locked;
use picket_wire::control::{Claim, Listens};
use picket_wire::frame::Mask;
use picket_wire::keys::{LinkKey, NetKeys};
use picket_wire::signed::ObjectKind;
use picket_wire::{Index, MissionId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

mod network;

/// File in the state folder that holds the newest accepted roster.
const ROSTER_FILE: &str = "roster";

/// Why a gateway's mission cannot be loaded.
#[derive(Debug)]
pub enum MissionError {
    /// The keyfill, or the file of secrets, cannot be read.
    Unreadable(PathBuf, io::Error),
    /// The keyfill is refused.
    Keyfill(PathBuf, KeyfillError),
    /// The keyfill belongs to a member.
    NotAGateway(PathBuf),
    /// The keyfill belongs to a gateway of another name.
    OtherName {
        /// The keyfill.
        file: PathBuf,
        /// Its owner's name.
        owner: String,
        /// The name in the configuration.
        configured: String,
    },
    /// The keyfill does not carry the gateway's own keys and no other file does.
    NoSecrets(PathBuf),
    /// The state folder cannot be read.
    State(PathBuf, io::Error),
    /// The kept roster is refused: damaged, or not of this mission.
    KeptRoster(PathBuf, RosterError),
    /// The kept roster and the keyfill's contradict each other.
    KeptConflict(PathBuf, UpgradeError),
    /// The kept revocation is damaged, or not of this mission.
    KeptNetwork(PathBuf),
    /// The roster in force does not list this gateway any more.
    Revoked,
    /// The system gives no memory of its own for keys.
    NoMemory(io::Error),
}

impl fmt::Display for MissionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(file, e) => write!(f, "{} cannot be read: {e}", file.display()),
            Self::State(file, e) => write!(f, "state: {} cannot be read: {e}", file.display()),
            Self::Keyfill(file, e) => write!(f, "{}: {e}", file.display()),
            Self::NotAGateway(file) => {
                write!(f, "{} is a member's keyfill: give this gateway its own", file.display())
            }
            Self::OtherName { file, owner, configured } => write!(
                f,
                "{} belongs to gateway `{owner}`, the configuration names `{configured}`: change one of them",
                file.display()
            ),
            Self::NoSecrets(file) => write!(
                f,
                "{} does not carry this gateway's own keys: name their file as `secrets` in [gateway]",
                file.display()
            ),
            Self::KeptRoster(file, e) => write!(
                f,
                "{}: {e}. Remove it to fall back to the keyfill's roster, then import the newest one again",
                file.display()
            ),
            Self::KeptConflict(file, e) => write!(f, "{} against the keyfill: {e}", file.display()),
            Self::KeptNetwork(file) => write!(
                f,
                "{} is damaged, or its keys are not this gateway's. Remove it: the newest revocation comes again from \
                 any neighbour or broker",
                file.display()
            ),
            Self::NoMemory(e) => write!(f, "no memory for keys: {e}"),
            Self::Revoked => f.write_str("the roster in force does not list this gateway: it has been revoked"),
        }
    }
}

impl core::error::Error for MissionError {}

/// Why an offered roster is not put in force.
#[derive(Debug)]
pub enum ImportError {
    /// Not a roster of this mission's authority.
    Roster(RosterError),
    /// Not newer, or contradictory.
    Upgrade(UpgradeError),
    /// It does not list this gateway.
    Revoked,
    /// It could not be kept durably.
    Io(io::Error),
}

impl ImportError {
    /// A stable word for machines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Roster(_) => "roster_invalid",
            Self::Upgrade(UpgradeError::Older { .. }) => "roster_older",
            Self::Upgrade(UpgradeError::Conflict { .. }) => "roster_conflict",
            Self::Upgrade(UpgradeError::Mission) => "roster_mission",
            Self::Upgrade(UpgradeError::Reused { .. }) => "roster_reused",
            Self::Upgrade(UpgradeError::Keys { .. }) => "roster_keys",
            Self::Upgrade(UpgradeError::Unrevoked) => "roster_unrevoked",
            Self::Revoked => "roster_revoked",
            Self::Io(_) => "state_unwritable",
        }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Roster(e) => e.fmt(f),
            Self::Upgrade(e) => e.fmt(f),
            Self::Revoked => f.write_str("roster: does not list this gateway; nothing changed"),
            Self::Io(e) => write!(f, "the roster cannot be kept in the state folder: {e}; nothing changed"),
        }
    }
}

impl core::error::Error for ImportError {}

/// What a mission is loaded from: the keyfill, and the gateway's own keys where they are apart.
pub struct Material {
    /// What the keyfill is called in errors.
    pub name: PathBuf,
    /// Its bytes.
    pub keyfill: Zeroizing<Vec<u8>>,
    /// The file that `device new` made.
    pub secrets: Option<Zeroizing<Vec<u8>>>,
}

impl Material {
    /// Reads the clear files.
    ///
    /// # Errors
    /// [`MissionError::Unreadable`].
    pub fn read(keyfill: &Path, secrets: Option<&Path>) -> Result<Self, MissionError> {
        let bytes = Zeroizing::new(read(keyfill)?);
        warn_if_open(keyfill);
        let secrets = secrets.map(read).transpose()?.map(Zeroizing::new);
        Ok(Self { name: keyfill.to_owned(), keyfill: bytes, secrets })
    }
}

/// The mission as this gateway sees it.
pub struct Mission {
    me: Index,
    agreement: Locked<AgreementSecret>,
    id: MissionId,
    network: Network,
    roster: Roster<Vec<u8>>,
    /// All indices of the roster but our own, by their low byte.
    by_low: BTreeMap<u8, Vec<Index>>,
    kept: PathBuf,
    /// The roster in force is the keyfill's.
    given: bool,
    /// Pairwise keys as they are first needed: an ECDH each.
    link_keys: RefCell<BTreeMap<Index, Option<LinkKey>>>,
}

impl fmt::Debug for Mission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mission(me {}, {:?})", self.me.0, self.roster)
    }
}

impl Mission {
    /// Loads the keyfill and, where there is one, the newer roster kept in `state`.
    ///
    /// # Errors
    /// [`MissionError`].
    pub fn load(name: &str, keyfill: &Path, secrets: Option<&Path>, state: &Path) -> Result<Self, MissionError> {
        Self::from(name, &Material::read(keyfill, secrets)?, state)
    }

    /// The same, from bytes that were read or opened already.
    ///
    /// # Errors
    /// [`MissionError`].
    pub fn from(name: &str, material: &Material, state: &Path) -> Result<Self, MissionError> {
        let file = || material.name.clone();
        let fill = Keyfill::open(&material.keyfill).map_err(|e| MissionError::Keyfill(file(), e))?;
        let owner = fill.owner().map_err(|e| MissionError::Keyfill(file(), e))?;
        if owner.kind != Kind::Gateway {
            return Err(MissionError::NotAGateway(file()));
        }
        if owner.name != name {
            let (owner, configured) = (owner.name.to_owned(), name.to_owned());
            return Err(MissionError::OtherName { file: file(), owner, configured });
        }
        let agreement = agreement(&fill, material)?;
        let kept = state.join(ROSTER_FILE);
        let mut roster = newest(&fill, &kept)?;
        let network = Network::load(&fill, state, &mut roster)?;
        let given = roster.version() == fill.roster().version();
        let mission = Self {
            me: fill.own(),
            agreement: Locked::new(agreement).map_err(MissionError::NoMemory)?,
            id: fill.mission(),
            network,
            given,
            by_low: by_low(&roster, fill.own()),
            roster,
            kept,
            link_keys: RefCell::default(),
        };
        if mission.lists_me(&mission.roster) { Ok(mission) } else { Err(MissionError::Revoked) }
    }

    /// Version of the roster in force.
    #[must_use]
    pub const fn roster_version(&self) -> u32 {
        self.roster.version()
    }

    /// The roster in force.
    #[must_use]
    pub const fn roster(&self) -> &Roster<Vec<u8>> {
        &self.roster
    }

    /// Name of a station for people; its number where the roster has none.
    #[must_use]
    pub fn name(&self, index: Index) -> String {
        self.roster.listed(index).map_or_else(|| format!("#{}", index.0), |s| s.name.to_owned())
    }

    /// A name for this gateway at a broker, as meaningless as a topic: hex of a keyed hash over index and uplink.
    #[must_use]
    pub fn client_id(&self, uplink: &str) -> String {
        let parts: &[&[u8]] = &[b"mq-client", &self.me.0.to_be_bytes(), uplink.as_bytes()];
        let tag = picket_wire::keys::hmac(&self.network.net.topic, parts);
        hex::encode(tag.get(..12).unwrap_or_default())
    }

    /// Puts a strictly newer roster in force, after it is durable in the state folder. Returns the version in force.
    ///
    /// # Errors
    /// [`ImportError`]; nothing changed then.
    pub fn import(&mut self, bytes: Vec<u8>) -> Result<u32, ImportError> {
        let mut offered = Roster::verify(bytes, self.roster.authority()).map_err(ImportError::Roster)?;
        match upgrade(&self.roster, &offered).map_err(ImportError::Upgrade)? {
            Upgrade::Same => return Ok(offered.version()),
            Upgrade::Newer => {}
        }
        if !self.lists_me(&offered) {
            return Err(ImportError::Revoked);
        }
        if let Some(object) = self.network.object() {
            let revoke = Revoke::kept(object).map_err(|_| ImportError::Upgrade(UpgradeError::Unrevoked))?;
            offered.revoke(&revoke).map_err(|_| ImportError::Upgrade(UpgradeError::Unrevoked))?;
        }
        keep(&self.kept, offered.bytes()).map_err(ImportError::Io)?;
        self.given = false;
        self.by_low = by_low(&offered, self.me);
        self.roster = offered;
        self.link_keys.get_mut().clear();
        Ok(self.roster.version())
    }

    /// Puts a revocation in force, durably.
    ///
    /// # Errors
    /// [`RevocationError`]; nothing changed then, unless this gateway is itself revoked.
    pub fn revoke(&mut self, object: &[u8]) -> Result<u8, RevocationError> {
        heap::within(|| self.network.revoke(self.me, object, &mut self.roster))?;
        self.by_low = by_low(&self.roster, self.me);
        self.link_keys.get_mut().clear();
        Ok(self.network.net.generation)
    }

    /// Names of the revoked, for people.
    #[must_use]
    pub fn revoked_names(&self) -> Vec<String> {
        self.roster.revoked().as_slice().iter().map(|index| self.name(*index)).collect()
    }

    /// Generation of the network key in force.
    #[must_use]
    pub fn generation(&self) -> u8 {
        self.network.net.generation
    }

    /// The change of the network key is over: frames of the generation before are not read any more.
    pub fn end_change(&mut self) {
        self.network.earlier = None;
    }

    /// The objects in force, to be passed on; the second says whether the keyfill brought it.
    #[must_use]
    pub fn objects(&self) -> Vec<(Vec<u8>, bool)> {
        let revoke = self.network.object().map(|object| (object.to_vec(), false));
        let roster = [&[ObjectKind::Roster as u8], self.roster.bytes()].concat();
        revoke.into_iter().chain([(roster, self.given)]).collect()
    }

    fn lists_me(&self, roster: &Roster<Vec<u8>>) -> bool {
        let Some(own) = roster.station(self.me) else { return false };
        own.kind == Kind::Gateway && self.agreement.public() == Ok(own.agreement)
    }

    fn make_link_key(&self, peer: Index, generation: u8) -> Option<LinkKey> {
        let station = self.roster.station(peer)?;
        picket_roster::link_key(&self.agreement, &station.agreement, self.id, generation).ok()
    }
}

impl Keyring for Mission {
    fn me(&self) -> Index {
        self.me
    }
    fn net(&self) -> &NetKeys {
        &self.network.net
    }
    fn mask(&self) -> &Mask {
        &self.network.mask
    }
    fn stations(&self, low: u8) -> Vec<Index> {
        self.by_low.get(&low).cloned().unwrap_or_default()
    }
    fn link_key(&self, peer: Index) -> Option<LinkKey> {
        let make = || heap::within(|| self.make_link_key(peer, self.generation()));
        heap::within(|| self.link_keys.borrow_mut().entry(peer).or_insert_with(make).clone())
    }
    fn earlier(&self) -> Option<(&NetKeys, &Mask)> {
        self.network.earlier.as_ref().map(|(net, mask)| (net, mask))
    }
    fn earlier_link_key(&self, peer: Index) -> Option<LinkKey> {
        let (net, _) = self.earlier()?;
        self.make_link_key(peer, net.generation)
    }
}

impl Directory for Mission {
    fn kind(&self, index: Index) -> Option<StationKind> {
        self.roster.station(index).map(|s| match s.kind {
            Kind::Member => StationKind::Member,
            Kind::Gateway => StationKind::Gateway,
        })
    }
    fn members(&self) -> Vec<Index> {
        self.roster.stations().filter(|s| s.kind == Kind::Member).map(|s| s.index).collect()
    }
    fn verify_claim(&self, claim: &Claim) -> bool {
        self.roster
            .station(claim.member)
            .is_some_and(|s| s.kind == Kind::Member && verify_claim(claim, self.id, &s.identity).is_ok())
    }
    fn verify_listens(&self, listens: &Listens) -> bool {
        self.roster
            .station(listens.member)
            .is_some_and(|s| s.kind == Kind::Member && verify_listens(listens, self.id, &s.identity).is_ok())
    }
    fn mission(&self) -> Option<MissionId> {
        Some(self.id)
    }
    fn revoked(&self) -> Vec<Index> {
        self.roster.revoked().as_slice().to_vec()
    }
    fn is_revoked(&self, index: Index) -> bool {
        self.roster.revoked().contains(index)
    }
}

fn by_low(roster: &Roster<Vec<u8>>, me: Index) -> BTreeMap<u8, Vec<Index>> {
    let mut out: BTreeMap<u8, Vec<Index>> = BTreeMap::new();
    for station in roster.stations().filter(|s| s.index != me) {
        out.entry(station.index.low()).or_default().push(station.index);
    }
    out
}

fn read(file: &Path) -> Result<Vec<u8>, MissionError> {
    fs::read(file).map_err(|e| MissionError::Unreadable(file.to_owned(), e))
}

/// Key material that others on this board can read is worth a word, not a refusal: the mission goes on.
fn warn_if_open(file: &Path) {
    let open = fs::metadata(file).is_ok_and(|m| m.permissions().mode() & 0o077 != 0);
    if open {
        tracing::warn!(file = %file.display(), "others can read this file of keys: chmod 600 it");
    }
}

/// The gateway's own key: from the keyfill, or from the file that `device new` made.
fn agreement(fill: &Keyfill<'_>, material: &Material) -> Result<AgreementSecret, MissionError> {
    let refused = |e| MissionError::Keyfill(material.name.clone(), e);
    if let Some(inside) = fill.secrets().map_err(refused)? {
        return Ok(inside.agreement().clone());
    }
    let bytes = material.secrets.as_ref().ok_or_else(|| MissionError::NoSecrets(material.name.clone()))?;
    let own = picket_roster::DeviceSecrets::decode(bytes).map_err(|e| refused(KeyfillError::Secrets(e)))?;
    fill.check_device(&own).map_err(refused)?;
    Ok(own.agreement().clone())
}

/// The newer of the keyfill's roster and the kept one.
fn newest(fill: &Keyfill<'_>, kept: &Path) -> Result<Roster<Vec<u8>>, MissionError> {
    let refused = |e| MissionError::KeptRoster(kept.to_owned(), e);
    let given = Roster::verify(fill.roster().bytes().to_vec(), fill.authority()).map_err(refused)?;
    let bytes = match fs::read(kept) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(given),
        Err(e) => return Err(MissionError::State(kept.to_owned(), e)),
    };
    let stored = Roster::verify(bytes, fill.authority()).map_err(refused)?;
    match upgrade(&given, &stored) {
        Ok(Upgrade::Newer | Upgrade::Same) => Ok(stored),
        // A keyfill made after the last import.
        Err(UpgradeError::Older { .. }) => Ok(given),
        Err(e) => Err(MissionError::KeptConflict(kept.to_owned(), e)),
    }
}

/// Writes a file so that a power cut leaves either the old or the new one.
fn keep(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let fresh = file.with_extension("new");
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    fs::rename(&fresh, file)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
