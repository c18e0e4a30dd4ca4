//! The authority's side: making a mission and enrolling devices.

use super::config::GatewayConfig;
use super::tls::Ca;
use super::{check_name, now, seed};
use crate::cli::{EnrolArgs, MissionNewArgs};
use crate::error::{Exit, Failure};
use crate::files::{self, Access};
use crate::limits;
use crate::output::Output;
use crate::passphrase::{self, Protection, Source};
use picket_roster::device::DeviceRequest;
use picket_roster::{AuthorityKey, DeviceSecrets, DraftError, Kind, RevokeDraft, Roster, RosterDraft};
use picket_wire::Index;
use serde_json::json;
use std::path::{Path, PathBuf};

const DAY: u64 = 86_400;

/// A mission's folder with its authority unlocked.
pub struct Mission {
    dir: PathBuf,
    authority: AuthorityKey,
    draft: RosterDraft,
    ca: Ca,
}

/// A roster signed here.
pub type Signed = Roster<Vec<u8>>;

/// One device to be enrolled.
pub struct Enrolment<'a> {
    /// Its verified request.
    pub request: DeviceRequest<'a>,
    /// Its own secrets, only where this program made them (quickstart).
    pub secrets: Option<&'a DeviceSecrets>,
}

/// A device that was enrolled.
pub struct Enrolled {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its keyfill's bytes.
    pub keyfill: zeroize::Zeroizing<Vec<u8>>,
}

/// `picket mission new`.
///
/// # Errors
/// Usage, when DIR is not empty.
pub fn new(args: &MissionNewArgs, out: &Output) -> Result<(), Failure> {
    let protection = protection(&args.protection)?;
    let mut mission = Mission::create(&args.dir, &args.name, &protection, None)?;
    let roster = mission.sign_roster()?;
    mission.write_roster(&roster)?;
    out.object(&json!({"mission": args.name, "dir": args.dir, "protected": !args.protection.unprotected}))?;
    out.say(&format!("Mission {} is in {}.", args.name, args.dir.display()))?;
    out.say(&format!(
        "  next: on each device `picket device new NAME --kind member|gateway --home H`, then here \
         `picket mission enrol {} REQUEST…`",
        args.dir.display()
    ))
}

/// `picket mission enrol`.
///
/// # Errors
/// Usage for a bad request or a name that is taken; nothing is written then.
pub fn enrol(args: &EnrolArgs, out: &Output) -> Result<(), Failure> {
    let mut files = Vec::new();
    for path in &args.requests {
        files.push((path, files::read(path, limits::SMALL_FILE_MAX)?));
    }
    let mut enrolments = Vec::new();
    for (path, bytes) in &files {
        let request = DeviceRequest::verify(bytes).map_err(|e| {
            Failure::usage(format!("{}: {e}", path.display()), "give the file `picket device new` wrote")
        })?;
        enrolments.push(Enrolment { request, secrets: None });
    }
    let mut mission = Mission::open(&args.dir, &Source { file: args.passphrase_file.clone() })?;
    let (roster, enrolled) = mission.enrol(&enrolments)?;
    let version = roster.version();
    for device in &enrolled {
        let keyfill = mission.write_keyfill(device)?;
        if device.kind == Kind::Gateway {
            mission.write_gateway(&device.name, None, None)?;
        }
        out.object(&json!({"enrolled": device.name, "kind": kind_name(device.kind), "keyfill": keyfill,
                           "roster_version": version}))?;
        let name = &device.name;
        let more = match device.kind {
            Kind::Member => String::new(),
            Kind::Gateway => format!(", {name}.toml, and tls/ca.pem, tls/{name}.pem, tls/{name}.key beside it"),
        };
        out.say(&format!("{name} is enrolled: hand it {}{more}", keyfill.display()))?;
    }
    mission.write_roster(&roster)?;
    out.say(&format!(
        "Roster version {version} is {}.\n  next: on each new device `picket join --home H KEYFILL`; on all others \
         `picket roster import --home H ROSTER` or `picket gateway roster ROSTER --control PATH`",
        args.dir.join(ROSTER).display()
    ))
}

/// Name of the roster's file.
pub const ROSTER: &str = "roster";
const AUTHORITY_DIR: &str = "authority";
const AUTHORITY_KEY: &str = "authority.key";
/// Name of the folder of certificates.
pub const TLS: &str = "tls";

impl Mission {
    /// Makes a mission in a new or empty folder. The roster is not signed yet.
    ///
    /// # Errors
    /// Usage, when the folder is not empty or the name cannot be one.
    pub fn create(dir: &Path, name: &str, protection: &Protection, broker_host: Option<&str>) -> Result<Self, Failure> {
        // Midnight UTC: epochs change when days do, and a clock that runs a little behind is still in epoch 0.
        let start = now().as_secs() / DAY * DAY;
        let draft = RosterDraft::new(name, start).map_err(refused)?;
        files::empty_folder(dir)?;
        let authority = AuthorityKey::generate(&*seed()?).map_err(|e| Failure::internal(e.to_string()))?;
        files::folder(&dir.join(AUTHORITY_DIR))?;
        let bytes = authority.to_bytes().ok_or_else(|| Failure::internal("a new authority without its key"))?;
        let wrapped = passphrase::wrap(passphrase::AUTHORITY, protection, bytes.as_ref())?;
        files::write(&dir.join(AUTHORITY_DIR).join(AUTHORITY_KEY), &wrapped, Access::Secret)?;
        let ca = Ca::create(&dir.join(TLS), name)?;
        ca.broker(broker_host)?;
        Ok(Self { dir: dir.to_owned(), authority, draft, ca })
    }

    /// Opens a mission's folder.
    ///
    /// # Errors
    /// [`Exit::Locked`] for a wrong passphrase, [`Exit::Damaged`] for damaged keys or roster.
    pub fn open(dir: &Path, source: &Source) -> Result<Self, Failure> {
        let key = dir.join(AUTHORITY_DIR).join(AUTHORITY_KEY);
        if !key.exists() {
            return Err(Failure::usage(
                format!("{} is not a mission's folder: it has no authority", dir.display()),
                "check the path, or make one with `picket mission new DIR --name NAME`",
            ));
        }
        let bytes = passphrase::unwrap_file(passphrase::AUTHORITY, &key, source)?;
        let authority = AuthorityKey::from_bytes(&bytes)
            .map_err(|e| Failure::damaged(format!("{}: {e}", key.display()), "restore it from a copy"))?;
        let path = dir.join(ROSTER);
        let bytes = files::read(&path, limits::KEYFILL_MAX)?;
        let public = authority.public().map_err(|e| Failure::internal(e.to_string()))?;
        let roster = Roster::verify(bytes.to_vec(), &public)
            .map_err(|e| Failure::damaged(format!("{}: {e}", path.display()), "restore it from a copy"))?;
        let draft = RosterDraft::from_roster(&roster);
        let ca = Ca::open(&dir.join(TLS), &draft.mission_name)?;
        Ok(Self { dir: dir.to_owned(), authority, draft, ca })
    }

    /// The roster in the making: for epoch length and D of a bench.
    pub fn draft_mut(&mut self) -> &mut RosterDraft {
        &mut self.draft
    }

    /// Enrols devices, signs the next roster and makes their keyfills. The roster is to be written last: whoever is
    /// cut off before can enrol the same devices again.
    ///
    /// # Errors
    /// Usage for a name or key that is taken.
    pub fn enrol(&mut self, devices: &[Enrolment<'_>]) -> Result<(Signed, Vec<Enrolled>), Failure> {
        let epoch = self.epoch();
        let mut indices: Vec<Index> = Vec::new();
        for device in devices {
            check_name(device.request.name)?;
            let index = self.draft.enrol(&device.request, epoch).map_err(|e| {
                let Failure { exit, message, next } = refused(e);
                Failure { exit, message: format!("{}: {message}", device.request.name), next }
            })?;
            indices.push(index);
        }
        let roster = self.sign_roster()?;
        let mut enrolled = Vec::new();
        for (device, index) in devices.iter().zip(indices) {
            let keyfill =
                self.authority.keyfill(&roster, index, roster.generation(), device.secrets).map_err(refused)?;
            enrolled.push(Enrolled { name: device.request.name.into(), kind: device.request.kind, keyfill });
        }
        Ok((roster, enrolled))
    }

    /// Writes the roster just signed: from now on it is the mission's.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_roster(&self, roster: &Signed) -> Result<(), Failure> {
        files::write(&self.dir.join(ROSTER), roster.bytes(), Access::Public)
    }

    /// Signs the draft as the next version.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn sign_roster(&mut self) -> Result<Signed, Failure> {
        let bytes = self.draft.sign(&self.authority, now().as_secs()).map_err(refused)?;
        let public = self.authority.public().map_err(|e| Failure::internal(e.to_string()))?;
        Roster::verify(bytes, &public).map_err(|e| Failure::internal(format!("the roster just signed: {e}")))
    }

    /// Writes DIR/NAME.keyfill; returns its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_keyfill(&self, device: &Enrolled) -> Result<PathBuf, Failure> {
        let path = self.dir.join(format!("{}.keyfill", device.name));
        files::write(&path, &device.keyfill, Access::Secret)?;
        Ok(path)
    }

    /// Writes a gateway's certificate and configuration.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write_gateway(
        &self,
        name: &str,
        broker: Option<&str>,
        radio: Option<&crate::cli::RadioOption>,
    ) -> Result<(), Failure> {
        self.ca.gateway(name)?;
        let text = GatewayConfig { name, broker, radio }.text();
        files::write(&self.dir.join(format!("{name}.toml")), text.as_bytes(), Access::Public)
    }

    /// The REVOKE that leads to the generation of a roster just signed, without signatures.
    ///
    /// # Errors
    /// When nothing is revoked in it.
    pub fn revocation(&self, roster: &Signed) -> Result<RevokeDraft, Failure> {
        RevokeDraft::new(&self.authority, roster).map_err(refused)
    }

    /// Signs a revocation as the authority.
    ///
    /// # Errors
    /// Usage, where revokers must sign.
    pub fn sign_revocation(&self, draft: &mut RevokeDraft, roster: &Signed) -> Result<(), Failure> {
        draft.sign(&self.authority, roster).map_err(|e| {
            Failure::usage(e.to_string(), "in this mission revokers sign: write a proposal with --propose FILE")
        })
    }

    /// AK's public half.
    ///
    /// # Errors
    /// Never for a mission that was opened.
    pub fn public(&self) -> Result<picket_roster::PublicKey, Failure> {
        self.authority.public().map_err(|e| Failure::internal(e.to_string()))
    }

    /// The broker's CA.
    #[must_use]
    pub const fn ca(&self) -> &Ca {
        &self.ca
    }

    /// The epoch of now.
    fn epoch(&self) -> u32 {
        let since = now().as_secs().saturating_sub(self.draft.epoch_start);
        u32::try_from(since / u64::from(self.draft.epoch_seconds.max(1))).unwrap_or(u32::MAX)
    }
}

/// The protection that arguments ask for; asks for a passphrase where none is given.
///
/// # Errors
/// Usage, when there is no passphrase to be had.
pub fn protection(args: &crate::cli::ProtectionArgs) -> Result<Protection, Failure> {
    if args.unprotected {
        return Ok(Protection::Unprotected);
    }
    Source { file: args.passphrase_file.clone() }.choose().map(Protection::Passphrase)
}

/// The word for a kind.
#[must_use]
pub const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Member => "member",
        Kind::Gateway => "gateway",
    }
}

pub(super) fn refused(e: DraftError) -> Failure {
    let exit = match e {
        DraftError::NameTaken
        | DraftError::Name
        | DraftError::KeyTaken
        | DraftError::Full
        | DraftError::NoKeys
        | DraftError::Times
        | DraftError::TooManyRevoked
        | DraftError::Revokers
        | DraftError::TooLong => Exit::Usage,
        DraftError::Unknown
        | DraftError::Version
        | DraftError::Psk(_)
        | DraftError::Key
        | DraftError::Roster(_)
        | DraftError::Signer(_)
        | DraftError::Secrets => Exit::Internal,
    };
    Failure::new(exit, e.to_string(), "nothing was enrolled; correct it and try again")
}
