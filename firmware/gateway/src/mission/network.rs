//! The network key in force at a gateway, and what it follows revocations with.

use super::MissionError;
use picket_roster::file::OBJECT;
use picket_roster::{Keyfill, OpenError, PathKeys, Revoke, RevokeError, Roster, Seed};
use picket_safe::locked::Locked;
use picket_wire::Index;
use picket_wire::frame::Mask;
use picket_wire::keys::NetKeys;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// File in the state folder that holds the newest revocation.
const FILE: &str = "revocation";

/// Why a revocation is not put in force.
#[derive(Debug)]
pub enum RevocationError {
    /// It is not a revocation to be trusted.
    Revoke(RevokeError),
    /// The one in force is as new or newer.
    Older,
    /// Its seed cannot be had.
    Open(OpenError),
    /// The keyfill has no path keys.
    NoPaths,
    /// This gateway is revoked by it.
    Revoked,
    /// More are revoked than a mission can have.
    Full,
    /// It could not be kept durably.
    Io(io::Error),
}

impl RevocationError {
    /// A stable word for machines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Revoke(RevokeError::Incomplete { .. }) => "revocation_incomplete",
            Self::Revoke(_) => "revocation_invalid",
            Self::Older => "revocation_older",
            Self::Open(_) | Self::NoPaths => "revocation_keys",
            Self::Revoked => "revoked",
            Self::Full => "revocation_full",
            Self::Io(_) => "state_unwritable",
        }
    }
}

impl core::fmt::Display for RevocationError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Revoke(e) => e.fmt(f),
            Self::Older => f.write_str("a revocation as new as this one is in force"),
            Self::Open(e) => e.fmt(f),
            Self::NoPaths => f.write_str(
                "this gateway's keyfill was made before there were revocations over the air: give it a new one",
            ),
            Self::Revoked => f.write_str("this gateway is revoked"),
            Self::Full => f.write_str("more stations are revoked than a mission can have"),
            Self::Io(e) => write!(f, "the revocation cannot be kept in the state folder: {e}; nothing changed"),
        }
    }
}

impl core::error::Error for RevocationError {}

/// Keys of the generation in force, and of the one before while the change goes on. On the medium is only the revocation,
/// which is public: what follows from it comes from the keyfill's path keys at each start, so that all secrets stay where
/// the keyfill is kept.
pub(super) struct Network {
    pub(super) net: Locked<NetKeys>,
    pub(super) mask: Mask,
    /// Only in memory: a restart ends the change.
    pub(super) earlier: Option<(NetKeys, Mask)>,
    paths: Option<PathKeys>,
    /// The newest revocation.
    object: Option<Vec<u8>>,
    file: PathBuf,
}

impl Network {
    /// The keyfill's keys, or those that follow from the kept revocation where that is newer; it is put in force in `roster`.
    pub(super) fn load(fill: &Keyfill<'_>, state: &Path, roster: &mut Roster<Vec<u8>>) -> Result<Self, MissionError> {
        let file = state.join(FILE);
        let mut network = Self::over(fill, file.clone()).map_err(MissionError::NoMemory)?;
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(network),
            Err(e) => return Err(MissionError::State(file, e)),
        };
        let damaged = || MissionError::KeptNetwork(file.clone());
        let object = OBJECT.open(&bytes).map_err(|_| damaged())?;
        let revoke = Revoke::kept(object).map_err(|_| damaged())?;
        if revoke.revoked().contains(fill.own()) {
            return Err(MissionError::Revoked);
        }
        roster.revoke(&revoke).map_err(|_| damaged())?;
        // A keyfill made after it holds what follows from it.
        if revoke.generation() > fill.generation() {
            let paths = network.paths.clone().ok_or_else(damaged)?;
            let seed = revoke.open(fill.own(), &paths).map_err(|_| damaged())?;
            network.enter(&revoke, &seed, object).map_err(MissionError::NoMemory)?;
        }
        Ok(network)
    }

    fn over(fill: &Keyfill<'_>, file: PathBuf) -> io::Result<Self> {
        let net = fill.net_keys();
        let mask = Mask::new(&net);
        Ok(Self { net: Locked::new(net)?, mask, earlier: None, paths: fill.paths().cloned(), object: None, file })
    }

    /// The newest revocation, to be passed on.
    pub(super) fn object(&self) -> Option<&[u8]> {
        self.object.as_deref()
    }

    /// Puts a revocation in force, after it is durable.
    pub(super) fn revoke(
        &mut self,
        me: Index,
        object: &[u8],
        roster: &mut Roster<Vec<u8>>,
    ) -> Result<(), RevocationError> {
        let revoke = Revoke::verify(object, roster).map_err(RevocationError::Revoke)?;
        if revoke.generation() <= self.net.generation {
            return Err(RevocationError::Older);
        }
        let mut next = roster.clone();
        next.revoke(&revoke).map_err(|_| RevocationError::Full)?;
        let kept = [&OBJECT.header(), object].concat();
        if revoke.revoked().contains(me) {
            // Written down all the same: it must not serve again after a restart.
            super::keep(&self.file, &kept).map_err(RevocationError::Io)?;
            *roster = next;
            return Err(RevocationError::Revoked);
        }
        let paths = self.paths.clone().ok_or(RevocationError::NoPaths)?;
        let seed = revoke.open(me, &paths).map_err(RevocationError::Open)?;
        super::keep(&self.file, &kept).map_err(RevocationError::Io)?;
        let before = (*self.net).clone();
        self.enter(&revoke, &seed, object).map_err(RevocationError::Io)?;
        self.earlier = Some((before.clone(), Mask::new(&before)));
        *roster = next;
        Ok(())
    }

    /// The generation that a revocation leads to.
    fn enter(&mut self, revoke: &Revoke<&[u8]>, seed: &Seed, object: &[u8]) -> io::Result<()> {
        let net = seed.net_keys(revoke.generation());
        self.mask = Mask::new(&net);
        self.net = Locked::new(net)?;
        if let Some(paths) = &mut self.paths {
            paths.advance_to(revoke.generation());
        }
        self.object = Some(object.to_vec());
        Ok(())
    }
}
