//! The network key in force at a gateway, and what it follows revocations with: kept in one file, written at once.

use super::MissionError;
use picket_roster::{Keyfill, OpenError, PathKeys, Revoke, RevokeError, Roster};
use picket_wire::Index;
use picket_wire::frame::Mask;
use picket_wire::keys::NetKeys;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// File in the state folder that holds the newest revocation, and the keys it led to.
const FILE: &str = "network";
const MAGIC: &[u8; 10] = b"PKNETWRK\0\x01";
const KEY_LEN: usize = 32;

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

/// Keys of the generation in force, and of the one before while the change goes on.
pub(super) struct Network {
    pub(super) net: NetKeys,
    pub(super) mask: Mask,
    /// Only in memory: a restart ends the change.
    pub(super) earlier: Option<(NetKeys, Mask)>,
    paths: Option<PathKeys>,
    /// The newest revocation.
    object: Option<Vec<u8>>,
    file: PathBuf,
}

impl Network {
    /// The keyfill's, or the kept one where that is newer; puts the kept revocation in force in `roster`.
    pub(super) fn load(fill: &Keyfill<'_>, state: &Path, roster: &mut Roster<Vec<u8>>) -> Result<Self, MissionError> {
        let file = state.join(FILE);
        let given = |file: PathBuf| Self::over(fill.net_keys(), fill.paths().cloned(), None, file);
        let bytes = match fs::read(&file) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(given(file)),
            Err(e) => return Err(MissionError::State(file, e)),
        };
        let damaged = || MissionError::KeptNetwork(file.clone());
        let Kept { paths, key, object } = read(&bytes).ok_or_else(damaged)?;
        let revoke = Revoke::kept(object).map_err(|_| damaged())?;
        if revoke.revoked().contains(fill.own()) {
            return Err(MissionError::Revoked);
        }
        roster.revoke(&revoke).map_err(|_| damaged())?;
        if fill.generation() > paths.generation() {
            // A keyfill made after it.
            return Ok(given(file));
        }
        let net = NetKeys::derive(&key, paths.generation());
        Ok(Self::over(net, Some(paths), Some(object.to_vec()), file))
    }

    fn over(net: NetKeys, paths: Option<PathKeys>, object: Option<Vec<u8>>, file: PathBuf) -> Self {
        Self { mask: Mask::new(&net), net, earlier: None, paths, object, file }
    }

    /// The newest revocation, to be passed on.
    pub(super) fn object(&self) -> Option<&[u8]> {
        self.object.as_deref()
    }

    /// Puts a revocation in force, after it and what follows from it are durable in one file.
    pub(super) fn revoke(
        &mut self,
        me: Index,
        object: &[u8],
        roster: &mut Roster<Vec<u8>>,
    ) -> Result<(), RevocationError> {
        let revoke = Revoke::verify(object.to_vec(), roster).map_err(RevocationError::Revoke)?;
        if revoke.generation() <= self.net.generation {
            return Err(RevocationError::Older);
        }
        let mut next = roster.clone();
        next.revoke(&revoke).map_err(|_| RevocationError::Full)?;
        if revoke.revoked().contains(me) {
            // Written down all the same: it must not serve again after a restart.
            let gone = encode(&Zeroizing::new([0; PathKeys::LEN]), &[0; KEY_LEN], object);
            super::keep(&self.file, &gone).map_err(RevocationError::Io)?;
            *roster = next;
            return Err(RevocationError::Revoked);
        }
        let mut paths = self.paths.clone().ok_or(RevocationError::NoPaths)?;
        let seed = revoke.open(me, &paths).map_err(RevocationError::Open)?;
        let key = seed.network_key(revoke.generation());
        paths.advance_to(revoke.generation());
        super::keep(&self.file, &encode(&paths.to_bytes(), &key, object)).map_err(RevocationError::Io)?;
        let net = NetKeys::derive(&key, revoke.generation());
        let earlier = core::mem::replace(&mut self.net, net);
        let mask = core::mem::replace(&mut self.mask, Mask::new(&self.net));
        self.earlier = Some((earlier, mask));
        (self.paths, self.object) = (Some(paths), Some(object.to_vec()));
        *roster = next;
        Ok(())
    }
}

fn encode(paths: &[u8; PathKeys::LEN], key: &[u8; KEY_LEN], object: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([MAGIC.as_slice(), paths, key, object].concat())
}

/// What the file holds.
struct Kept<'a> {
    paths: PathKeys,
    key: Zeroizing<[u8; KEY_LEN]>,
    object: &'a [u8],
}

fn read(bytes: &[u8]) -> Option<Kept<'_>> {
    let rest = bytes.strip_prefix(MAGIC.as_slice())?;
    let (paths, rest) = rest.split_first_chunk::<{ PathKeys::LEN }>()?;
    let (key, object) = rest.split_first_chunk::<KEY_LEN>()?;
    Some(Kept { paths: PathKeys::decode(paths).ok()?, key: Zeroizing::new(*key), object })
}
