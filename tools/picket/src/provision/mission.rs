//! The authority's side: making a mission and enrolling devices.

use super::config::GatewayConfig;
use super::keyring::{self, Kept, Place, Unlock};
use super::ledger::{self, Deed, Hold, Ledger, Outcome};
use super::tls::Ca;
use super::{check_name, now};
use crate::cli::{EnrolArgs, MissionNewArgs};
use crate::error::{Exit, Failure};
use crate::files::{self, Access};
use crate::limits;
use crate::output::Output;
use crate::passphrase::{Protection, Source};
use picket_provision::Act;
use picket_provision::sealed::{self, Issue};
use picket_roster::device::DeviceRequest;
use picket_roster::{AuthorityKey, DeviceSecrets, DraftError, Kind, PublicKey, RevokeDraft, Roster, RosterDraft};
use picket_wire::Index;
use serde_json::json;
use std::path::{Path, PathBuf};

const DAY: u64 = 86_400;

/// A mission's folder with its authority unlocked, held by this process alone.
pub struct Mission {
    dir: PathBuf,
    authority: AuthorityKey,
    kept: Kept,
    draft: RosterDraft,
    ca: Ca,
    ledger: Ledger,
}

/// Whether keyfills are sealed to their devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// To the device's own key: they may travel by any way.
    Sealed,
    /// In clear, with the secrets this program made: benches only.
    Clear,
}

/// A roster signed here.
pub type Signed = Roster<Vec<u8>>;

/// One device to be enrolled.
pub struct Enrolment<'a> {
    /// Its verified request.
    pub request: DeviceRequest<'a>,
    /// The request's bytes.
    pub bytes: &'a [u8],
    /// Its own secrets, only where this program made them (quickstart).
    pub secrets: Option<&'a DeviceSecrets>,
}

/// A device that was enrolled.
pub struct Enrolled {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its keyfill's bytes, as they are handed over.
    pub keyfill: zeroize::Zeroizing<Vec<u8>>,
}

/// What is signed and not written yet.
pub struct Signing {
    /// The next roster.
    pub roster: Signed,
    /// The devices whose keyfills were made.
    pub devices: Vec<Enrolled>,
    /// What goes into the log.
    deeds: Vec<Deed>,
}

/// `picket mission new`.
///
/// # Errors
/// Usage, when DIR is not empty.
pub fn new(args: &MissionNewArgs, out: &Output) -> Result<(), Failure> {
    let place = args.place()?;
    let mut mission = Mission::create(&args.dir, &args.name, &place, None)?;
    mission.begin()?;
    let (dir, kept) = (args.dir.display(), mission.kept);
    out.object(&json!({"mission": args.name, "dir": args.dir, "protected": kept != Kept::Clear, "key": kept.word(),
                       "authority": mission.digits()}))?;
    mission.warn_clear(out);
    out.say(&format!("Mission {} is in {dir}.\nauthority {}", args.name, mission.digits()))?;
    out.say(&format!(
        "  next: on each device `picket device new NAME --kind member|gateway --home H`, then here \
         `picket mission enrol {dir} REQUEST…`"
    ))
}

/// `picket mission enrol`.
///
/// # Errors
/// Usage for a bad request or a name that is taken; nothing is written then.
pub fn enrol(args: &EnrolArgs, out: &Output) -> Result<(), Failure> {
    let files = super::scan::requests(&args.requests, args.qr, out)?;
    let mut enrolments = Vec::new();
    for (place, bytes) in &files {
        let request = DeviceRequest::verify(bytes).map_err(|e| {
            Failure::usage(
                format!("{place}: {e}"),
                "give the file `picket device new` wrote; parts of codes go with --qr",
            )
        })?;
        enrolments.push(Enrolment { request, bytes, secrets: None });
    }
    let mut mission = Mission::open(&args.dir, &args.unlock.unlock(), out)?;
    let signing = mission.enrol(&enrolments, Handover::Sealed)?;
    for device in signing.devices.iter().filter(|d| d.kind == Kind::Gateway) {
        mission.write_gateway(&device.name, None, None)?;
    }
    mission.commit(&signing)?;
    let version = signing.roster.version();
    for device in &signing.devices {
        let keyfill = mission.keyfill_path(&device.name);
        out.object(&json!({"enrolled": device.name, "kind": kind_name(device.kind), "keyfill": keyfill,
                           "roster_version": version, "authority": mission.digits()}))?;
        let name = &device.name;
        let more = match device.kind {
            Kind::Member => String::new(),
            Kind::Gateway => format!(", {name}.toml, and tls/ca.pem, tls/{name}.pem, tls/{name}.key beside it"),
        };
        out.say(&format!("{name} is enrolled: hand it {}{more}", keyfill.display()))?;
    }
    out.say(&format!(
        "Roster version {version} is {}. Keyfills are sealed: only their devices open them.\nauthority {}\n  next: on \
         each new device `picket join --home H KEYFILL`, or by codes: here `picket qr KEYFILL`, there `picket join --home \
         H --qr`; on a gateway `picket gateway provision`; on all others `picket roster import --home H ROSTER` or \
         `picket gateway roster ROSTER --control PATH`",
        args.dir.join(ROSTER).display(),
        mission.digits()
    ))
}

/// Name of the roster's file.
pub const ROSTER: &str = "roster";
/// Name of the authority's key file, in the authority's folder.
pub const AUTHORITY_KEY: &str = "authority.key";
/// Name of the folder of certificates.
pub const TLS: &str = "tls";

impl Mission {
    /// Makes a mission in a new or empty folder. The roster is not signed yet.
    ///
    /// # Errors
    /// Usage, when the folder is not empty or the name cannot be one.
    pub fn create(dir: &Path, name: &str, place: &Place, broker_host: Option<&str>) -> Result<Self, Failure> {
        // Midnight UTC: epochs change when days do, and a clock that runs a little behind is still in epoch 0.
        let start = now().as_secs() / DAY * DAY;
        let draft = RosterDraft::new(name, start).map_err(refused)?;
        files::empty_folder(dir)?;
        files::folder(&dir.join(ledger::FOLDER))?;
        let (authority, key_file) = keyring::create(place)?;
        let key = dir.join(ledger::FOLDER).join(AUTHORITY_KEY);
        files::write(&key, &key_file, Access::Secret)?;
        let ca = Ca::create(&dir.join(TLS), name)?;
        ca.broker(broker_host)?;
        let (hold, _) = Hold::of(dir)?;
        let (ledger, _) = hold.ledger(&public(&authority)?)?;
        Ok(Self { dir: dir.to_owned(), authority, kept: keyring::kept(&key)?, draft, ca, ledger })
    }

    /// Signs the first roster of a new mission and writes it.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn begin(&mut self) -> Result<(), Failure> {
        let create = self.creation()?;
        let roster = self.sign_roster()?;
        let deeds = vec![create, self.signed(&roster)];
        self.commit(&Signing { roster, devices: Vec::new(), deeds })
    }

    /// Opens a mission's folder: finishes what was cut off, unlocks the authority's key, and looks at its log.
    ///
    /// # Errors
    /// [`Exit::Locked`] for a wrong passphrase, [`Exit::Damaged`] for damaged keys or roster.
    pub fn open(dir: &Path, unlock: &Unlock, out: &Output) -> Result<Self, Failure> {
        let key = dir.join(ledger::FOLDER).join(AUTHORITY_KEY);
        if !key.exists() {
            return Err(no_mission(dir));
        }
        let (hold, finished) = Hold::of(dir)?;
        say_finished(finished.as_deref(), out);
        let (authority, kept) = keyring::open(&key, unlock)?;
        let path = dir.join(ROSTER);
        let bytes = files::read(&path, limits::KEYFILL_MAX)?;
        let roster = Roster::verify(bytes.to_vec(), &public(&authority)?)
            .map_err(|e| Failure::damaged(format!("{}: {e}", path.display()), "restore it from a copy"))?;
        let draft = RosterDraft::from_roster(&roster);
        let ca = Ca::open(&dir.join(TLS), &draft.mission_name)?;
        let (ledger, new) = hold.ledger(&public(&authority)?)?;
        let mut mission = Self { dir: dir.to_owned(), authority, kept, draft, ca, ledger };
        mission.warn_clear(out);
        if new {
            out.warn(
                "this mission is older than its log of the authority's acts, or the log was removed: a new one begins",
            );
            let begin = Deed { act: Act::Begin, output: *roster.hash(), ..mission.signed(&roster) };
            mission.ledger.record(&mission.authority, now().as_secs(), &[begin], Vec::new())?;
        } else {
            super::log::warn_broken(dir, &roster, out);
        }
        Ok(mission)
    }

    /// The authority's key.
    pub const fn authority(&self) -> &AuthorityKey {
        &self.authority
    }

    /// How the authority's key is kept.
    pub const fn kept(&self) -> Kept {
        self.kept
    }

    /// The authority as people compare it.
    pub fn digits(&self) -> String {
        public(&self.authority).map(|key| super::authority_digits(&key)).unwrap_or_default()
    }

    /// Says that the authority's key lies in clear, where it does.
    pub fn warn_clear(&self, out: &Output) {
        if self.kept == Kept::Clear {
            out.warn(&format!(
                "THE AUTHORITY'S KEY IS NOT PROTECTED: whoever copies {0}/authority IS this mission's authority. For more \
                 than a bench run `picket mission protect {0}`",
                self.dir.display()
            ));
        }
    }

    /// Writes down acts that sign no roster, with the files that come of them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn record(&mut self, deeds: &[Deed], files: Vec<Outcome>) -> Result<(), Failure> {
        self.ledger.record(&self.authority, now().as_secs(), deeds, files)
    }

    /// The roster in the making: for epoch length and D of a bench.
    pub fn draft_mut(&mut self) -> &mut RosterDraft {
        &mut self.draft
    }

    /// Enrols devices, signs the next roster and makes their keyfills. Nothing is written before [`Self::commit`].
    ///
    /// # Errors
    /// Usage for a name or key that is taken.
    pub fn enrol(&mut self, devices: &[Enrolment<'_>], handover: Handover) -> Result<Signing, Failure> {
        let epoch = self.epoch();
        let mut owners: Vec<(Index, Option<&DeviceSecrets>)> = Vec::new();
        let mut deeds = Vec::new();
        if self.ledger.next() == 1 {
            deeds.push(self.creation()?);
        }
        for device in devices {
            check_name(device.request.name)?;
            let index = self.draft.enrol(&device.request, epoch).map_err(|e| {
                let Failure { exit, message, next } = refused(e);
                Failure { exit, message: format!("{}: {message}", device.request.name), next }
            })?;
            deeds.push(Deed::of(Act::Enrol, device.request.name, index.0.into(), device.bytes));
            owners.push((index, device.secrets));
        }
        self.sign(deeds, &owners, handover)
    }

    /// Signs the next roster, and makes keyfills for some of its stations.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn sign(
        &mut self,
        mut deeds: Vec<Deed>,
        owners: &[(Index, Option<&DeviceSecrets>)],
        handover: Handover,
    ) -> Result<Signing, Failure> {
        let roster = self.sign_roster()?;
        deeds.push(self.signed(&roster));
        let mut devices = Vec::new();
        for (index, secrets) in owners {
            let owner = roster.station(*index).ok_or_else(|| Failure::internal("a station without an entry"))?;
            let clear = self.authority.keyfill(&roster, *index, roster.generation(), *secrets).map_err(refused)?;
            let keyfill = match handover {
                Handover::Clear => clear,
                Handover::Sealed => {
                    // The number of the act itself: a device that took this one takes no older one.
                    let before = u32::try_from(deeds.len()).unwrap_or(u32::MAX);
                    let issue = Issue(self.ledger.next().saturating_add(before));
                    let sealed = sealed::seal(&self.authority, &roster, *index, &clear, issue, &*super::seed()?);
                    sealed.map(zeroize::Zeroizing::new).map_err(|e| Failure::internal(e.to_string()))?
                }
            };
            deeds.push(Deed::of(Act::Keyfill, owner.name, roster.version(), &keyfill));
            devices.push(Enrolled { name: owner.name.into(), kind: owner.kind, keyfill });
        }
        Ok(Signing { roster, devices, deeds })
    }

    /// Writes what was signed, and into the log that it was: all or nothing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn commit(&mut self, signing: &Signing) -> Result<(), Failure> {
        self.commit_with(signing, |_| true)
    }

    /// The same, with files of only those keyfills that `wanted` names.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn commit_with(&mut self, signing: &Signing, wanted: impl Fn(&Enrolled) -> bool) -> Result<(), Failure> {
        let keyfills = signing.devices.iter().filter(|d| wanted(d));
        let mut files: Vec<Outcome> =
            keyfills.map(|d| Outcome::new(keyfill_name(&d.name), &d.keyfill, Access::Secret)).collect();
        files.push(Outcome::new(ROSTER, signing.roster.bytes(), Access::Public));
        self.record(&signing.deeds, files)
    }

    /// The same, with further acts and files.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn commit_also(&mut self, signing: &Signing, more: Vec<Deed>, mut files: Vec<Outcome>) -> Result<(), Failure> {
        let deeds: Vec<Deed> = signing.deeds.iter().cloned().chain(more).collect();
        files.push(Outcome::new(ROSTER, signing.roster.bytes(), Access::Public));
        self.record(&deeds, files)
    }

    /// The station of this name.
    ///
    /// # Errors
    /// Usage, when there is none.
    pub fn station(&self, name: &str) -> Result<Index, Failure> {
        self.draft.find(name).ok_or_else(|| {
            Failure::usage(format!("nobody is called \"{name}\" in this mission"), "see `picket mission show DIR`")
        })
    }

    /// Where a device's keyfill is.
    pub fn keyfill_path(&self, name: &str) -> PathBuf {
        self.dir.join(keyfill_name(name))
    }

    fn creation(&self) -> Result<Deed, Failure> {
        Ok(Deed::of(Act::Create, &self.draft.mission_name, 0, &public(&self.authority)?.0))
    }

    fn signed(&self, roster: &Signed) -> Deed {
        let name = roster.mission_name().to_owned();
        Deed { act: Act::Roster, name, detail: roster.version(), output: *roster.hash() }
    }

    /// Signs the draft as the next version.
    ///
    /// # Errors
    /// When it cannot be signed.
    fn sign_roster(&mut self) -> Result<Signed, Failure> {
        let bytes = self.draft.sign(&self.authority, now().as_secs()).map_err(refused)?;
        Roster::verify(bytes, &public(&self.authority)?)
            .map_err(|e| Failure::internal(format!("the roster just signed: {e}")))
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
    pub fn epoch(&self) -> u32 {
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

/// Says that an act was cut off before and is finished now.
pub fn say_finished(what: Option<&str>, out: &Output) {
    if let Some(what) = what {
        out.warn(&format!("the last act of the authority was cut off, and is finished now: {what}"));
    }
}

/// What is said of a folder that is no mission's.
pub fn no_mission(dir: &Path) -> Failure {
    Failure::usage(
        format!("{} is not a mission's folder: it has no authority", dir.display()),
        "check the path, or make one with `picket mission new DIR --name NAME`",
    )
}

fn keyfill_name(name: &str) -> String {
    format!("{name}.keyfill")
}

fn public(authority: &AuthorityKey) -> Result<PublicKey, Failure> {
    authority.public().map_err(|e| Failure::internal(e.to_string()))
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
