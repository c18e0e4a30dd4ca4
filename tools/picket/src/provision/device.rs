//! The device's side: its own keys, its request, and taking its keyfill.

use super::mission::{kind_name, protection};
use super::{check_name, seed};
use crate::cli::{DeviceKind, DeviceNewArgs, JoinArgs};
use crate::error::{Exit, Failure};
use crate::files::{self, Access};
use crate::home::{self, Home, State};
use crate::limits;
use crate::output::Output;
use crate::vault::HomeVault;
use crate::via::Via;
use picket_endpoint::{CreateError, Endpoint};
use picket_provision::sealed::SEALED;
use picket_provision::{Issue, Sealed, SealedError};
use picket_roster::{DeviceSecrets, Keyfill, Kind, PublicKey};
use picket_shell::clock::Clock;
use serde_json::json;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Where a home keeps the device's own secrets until it joins.
const SECRETS: &[u8] = b"h/secrets";
/// Where a home keeps authority and issue of the sealed keyfill it took last.
const TAKEN: &[u8] = b"h/taken";

/// Keys of one device, and its request.
pub struct NewDevice {
    /// Its own secrets.
    pub secrets: DeviceSecrets,
    /// Its request's bytes.
    pub request: Vec<u8>,
}

impl NewDevice {
    /// Makes them.
    ///
    /// # Errors
    /// Usage for a name that cannot be one.
    pub fn make(name: &str, kind: Kind, epochs: u16) -> Result<Self, Failure> {
        let secrets = DeviceSecrets::generate(&*seed()?, epochs).map_err(|e| Failure::internal(e.to_string()))?;
        let mut buffer = vec![0; picket_roster::limits::REQUEST_MAX];
        let request = secrets
            .request(name, kind, &mut buffer)
            .map_err(|e| Failure::usage(e.to_string(), "choose another name"))?
            .to_vec();
        Ok(Self { secrets, request })
    }
}

/// `picket device new`.
///
/// # Errors
/// Usage, when the home is not empty.
pub fn new(args: &DeviceNewArgs, out: &Output) -> Result<(), Failure> {
    check_name(&args.name)?;
    let protection = protection(&args.protection)?;
    let (kind, epochs) = match args.kind {
        DeviceKind::Member => (Kind::Member, args.epochs),
        DeviceKind::Gateway => (Kind::Gateway, 0),
    };
    let device = NewDevice::make(&args.name, kind, epochs)?;
    let home = Home::create(&args.home, &protection)?;
    let mut state = home.open_alone()?.state;
    let mut buffer = Zeroizing::new(vec![0; picket_roster::limits::SECRETS_MAX]);
    let secrets = device.secrets.encode(&mut buffer).map_err(|e| Failure::internal(e.to_string()))?;
    state.commit_now(&[(SECRETS, Some(secrets))])?;
    let request = args.home.join(home::REQUEST);
    files::write(&request, &device.request, Access::Public)?;
    if args.protection.unprotected {
        out.warn("the keys are NOT protected by a passphrase: whoever copies this folder has this device's keys");
    }
    out.object(&json!({"name": args.name, "kind": kind_name(kind), "home": args.home, "request": request}))?;
    super::codes::show(&device.request, &args.codes, out)?;
    out.say(&format!(
        "Keys of {} are in {}; they never leave it.\n  next: bring {} to the authority, who runs \
         `picket mission enrol DIR {}`, or `picket mission enrol DIR --qr` and scans what `picket qr {}` shows",
        args.name,
        args.home.display(),
        request.display(),
        request.display(),
        request.display()
    ))
}

/// `picket join`.
///
/// # Errors
/// Usage for a keyfill of another device or an old one, [`Exit::Damaged`] for a damaged one.
pub fn join(args: &JoinArgs, out: &Output) -> Result<(), Failure> {
    let taken = Taken::from(args, out)?;
    let keyfill = taken.keyfill()?;
    let owner = keyfill.owner().map_err(|e| keyfill_failure(&e))?;
    match owner.kind {
        Kind::Gateway => provisioned(taken, args, out),
        Kind::Member => {
            let (name, mission) = (owner.name.to_owned(), keyfill.roster().mission_name().to_owned());
            let digits = super::authority_digits(keyfill.authority());
            let Taken { mut state, bytes, issue, .. } = taken;
            if state.has_joined()? {
                let mut state = super::refill::refill(state, &bytes, &name, out)?;
                return remember(&mut state, issue);
            }
            let mut state = join_with(state, &bytes, None)?;
            remember(&mut state, issue)?;
            out.object(&json!({"joined": name, "kind": "member", "mission": mission, "authority": digits}))?;
            out.say(&format!(
                "{name} has joined {mission}.\nauthority {digits}\n  next: compare these digits with the authority's own \
                 (`picket mission show`), once; then `picket inbox --home {} --via unix:PATH`; the keyfill may be erased",
                args.home.home.display()
            ))
        }
    }
}

/// `picket gateway provision`: opens a gateway's keyfill with the keys `device new` made, and leaves it as `picketd`
/// reads it. `picketd` itself holds nothing that could open one.
///
/// # Errors
/// As [`join`]; usage for a member's keyfill.
pub fn provision_gateway(args: &JoinArgs, out: &Output) -> Result<(), Failure> {
    let taken = Taken::from(args, out)?;
    if taken.keyfill()?.owner().map_err(|e| keyfill_failure(&e))?.kind == Kind::Member {
        return Err(Failure::usage(
            "this is a member's keyfill",
            "`picket join --home H KEYFILL` takes it; nothing was changed",
        ));
    }
    provisioned(taken, args, out)
}

fn provisioned(taken: Taken, args: &JoinArgs, out: &Output) -> Result<(), Failure> {
    let keyfill = taken.keyfill()?;
    let owner = keyfill.owner().map_err(|e| keyfill_failure(&e))?;
    let (name, digits) = (owner.name.to_owned(), super::authority_digits(keyfill.authority()));
    let path = args.home.home.join(format!("{name}.keyfill"));
    let Taken { mut state, bytes, issue, .. } = taken;
    join_gateway(&mut state, &bytes, &path)?;
    remember(&mut state, issue)?;
    out.object(&json!({"joined": name, "kind": "gateway", "keyfill": path, "authority": digits}))?;
    out.warn(
        "the opened keyfill holds the gateway's own keys in clear: keep it on this board only, and have picketd import it",
    );
    let home = args.home.home.display();
    out.say(&format!(
        "{name} has joined.\nauthority {digits}\n  next: compare these digits with the authority's own (`picket mission \
         show`), once; put {name}.toml and its tls/ from the authority into {home}, then \
         `picketd --config {home}/{name}.toml --import-keyfill {home}/{name}.keyfill`, which keeps it encrypted and removes \
         the file; without that picketd starts from the file in clear"
    ))
}

/// Where a sealed keyfill comes from: authority and issue.
type Origin = (PublicKey, Issue);

/// A keyfill that was opened, with the home it is for.
struct Taken {
    state: State,
    bytes: Zeroizing<Vec<u8>>,
    /// Of a sealed one.
    issue: Option<Origin>,
}

impl Taken {
    fn from(args: &JoinArgs, out: &Output) -> Result<Self, Failure> {
        let bytes = if args.qr {
            super::scan::collect(&args.keyfill, out)?
        } else {
            match args.keyfill.as_slice() {
                [path] => files::read(path, limits::KEYFILL_MAX)?,
                _ => return Err(Failure::usage("give one keyfill", "or the parts of its codes with --qr")),
            }
        };
        let home = Home::unlock(&args.home.home, &args.home.source())?;
        let mut state = home.open_alone()?.state;
        let taken = if bytes.starts_with(&SEALED.magic) {
            let (bytes, issue) = open_sealed(&mut state, &bytes)?;
            Self { state, bytes, issue: Some(issue) }
        } else {
            Keyfill::open(&bytes).map_err(|e| keyfill_failure(&e))?;
            out.warn("THIS KEYFILL IS NOT SEALED: whoever saw it on its way has this device's keys with others; benches only");
            Self { state, bytes, issue: None }
        };
        if let Some(expected) = &args.authority {
            taken.check_authority(expected)?;
        }
        Ok(taken)
    }

    fn keyfill(&self) -> Result<Keyfill<'_>, Failure> {
        Keyfill::open(&self.bytes).map_err(|e| keyfill_failure(&e))
    }

    /// The digits that the authority's people read out.
    fn check_authority(&self, expected: &str) -> Result<(), Failure> {
        let squeezed = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let digits = super::authority_digits(self.keyfill()?.authority());
        if squeezed(expected) == squeezed(&digits) {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Dead,
            format!("NOT THE SAME: this keyfill's authority is {digits}"),
            "nothing was changed; it comes from somebody else, or the digits were misheard",
        ))
    }
}

/// Opens a sealed keyfill with the secrets of `device new`, unless one as new was taken already.
fn open_sealed(state: &mut State, bytes: &[u8]) -> Result<(Zeroizing<Vec<u8>>, Origin), Failure> {
    let sealed = Sealed::verify(bytes).map_err(|e| sealed_failure(&e))?;
    let last = last_taken(state)?;
    if let Some((authority, last)) = &last {
        // Said even where the secrets are gone: they are, once a member has joined.
        if *authority == *sealed.authority() && sealed.issue() <= *last {
            return Err(sealed_failure(&SealedError::NotNewer { issue: sealed.issue(), last: *last }));
        }
    }
    let last = last.as_ref().map(|(key, issue)| (key, *issue));
    let opened = match (state.get(SECRETS)?, crate::vault::device_secrets(state)?) {
        (Some(stored), _) => {
            let secrets = DeviceSecrets::decode(&stored)
                .map_err(|e| Failure::damaged(e.to_string(), "make a new home and have it enrolled"))?;
            sealed.open(&secrets, last)
        }
        // Its signature holds, so that it is whole: what does not open is somebody else's.
        (None, Some(joined)) => sealed.open_again(&joined, last).map_err(|e| match e {
            SealedError::Closed => SealedError::OtherDevice,
            other => other,
        }),
        (None, None) => return Err(joined_already()),
    };
    let opened = opened.map_err(|e| {
        let mut failure = sealed_failure(&e);
        if e == SealedError::OtherDevice {
            failure.message = format!("this keyfill is for {}, or for another request of that name", sealed.name());
            failure.next = "give the keyfill made for this device's request; nothing was changed".into();
        }
        failure
    })?;
    Ok((opened, (*sealed.authority(), sealed.issue())))
}

/// Authority and issue of the sealed keyfill that was taken last.
fn last_taken(state: &mut State) -> Result<Option<Origin>, Failure> {
    let Some(bytes) = state.get(TAKEN)? else { return Ok(None) };
    let read = bytes.split_first_chunk::<33>().and_then(|(key, issue)| Some((*key, issue.try_into().ok()?)));
    let (key, issue) = read.ok_or_else(|| {
        Failure::damaged("the home's note of its last keyfill is damaged", "make a new home and have it enrolled")
    })?;
    Ok(Some((PublicKey(key), Issue(u32::from_be_bytes(issue)))))
}

fn remember(state: &mut State, issue: Option<Origin>) -> Result<(), Failure> {
    let Some((authority, Issue(issue))) = issue else { return Ok(()) };
    state.commit_now(&[(TAKEN, Some(&[&authority.0[..], &issue.to_be_bytes()].concat()))])
}

fn sealed_failure(e: &SealedError) -> Failure {
    let (exit, next) = match e {
        SealedError::Signature | SealedError::Format(_) | SealedError::Closed => {
            (Exit::Damaged, "copy it again from the authority; nothing was changed")
        }
        SealedError::NotNewer { .. } => {
            (Exit::Usage, "ask the authority for `picket mission reissue`; nothing was changed")
        }
        SealedError::Header(_)
        | SealedError::OtherAuthority
        | SealedError::OtherDevice
        | SealedError::Contradiction
        | SealedError::Keyfill(_)
        | SealedError::Key
        | SealedError::Signer(_)
        | SealedError::Unknown => (Exit::Usage, "nothing was changed"),
    };
    Failure::new(exit, e.to_string(), next)
}

fn joined_already() -> Failure {
    Failure::usage(
        "this home has joined already, or its keys were never made",
        "`picket roster import` puts a newer roster in force, `picket device extend` makes keys for further days, and \
         `picket device new` makes a new device",
    )
}

/// Makes a member's home from its keyfill and the secrets made by `device new`, or those in a quickstart keyfill.
///
/// # Errors
/// As [`join`].
pub fn join_member(state: State, bytes: &[u8], via: Option<&[Via]>) -> Result<(), Failure> {
    join_with(state, bytes, via).map(|_| ())
}

fn join_with(mut state: State, bytes: &[u8], via: Option<&[Via]>) -> Result<State, Failure> {
    let secrets = own_secrets(&mut state, bytes)?;
    if let Some(via) = via {
        crate::vault::remember_ways(&mut state, via)?;
    }
    let clock = Clock::new(crate::runtime::TRUST);
    let endpoint = Endpoint::create(HomeVault::new(state), &secrets, bytes, clock.now(), clock.wall())
        .map_err(|e| create_failure(&e))?;
    let mut state = endpoint.into_vault().into_state();
    state.set_joined(SECRETS)?;
    state.purge_now()?;
    Ok(state)
}

/// Writes a gateway's keyfill together with the keys made by `device new`.
fn join_gateway(state: &mut State, bytes: &[u8], path: &std::path::Path) -> Result<(), Failure> {
    let secrets = own_secrets(state, bytes)?;
    let complete = with_secrets(bytes, &secrets)?;
    Keyfill::open(&complete).map_err(|e| keyfill_failure(&e))?;
    files::write(path, &complete, Access::Secret)
}

/// This device's secrets, checked against the keyfill.
fn own_secrets(state: &mut State, bytes: &[u8]) -> Result<DeviceSecrets, Failure> {
    let keyfill = Keyfill::open(bytes).map_err(|e| keyfill_failure(&e))?;
    let mut secrets = match (state.get(SECRETS)?, keyfill.secrets().map_err(|e| keyfill_failure(&e))?) {
        (Some(stored), _) => DeviceSecrets::decode(&stored)
            .map_err(|e| Failure::damaged(e.to_string(), "make a new home and have it enrolled"))?,
        (None, Some(carried)) => carried,
        (None, None) => return Err(joined_already()),
    };
    let owner = keyfill.owner().map_err(|e| keyfill_failure(&e))?;
    secrets.set_first_epoch(owner.first_epoch);
    keyfill.check_device(&secrets).map_err(|e| keyfill_failure(&e))?;
    Ok(secrets)
}

/// The keyfill with the device's secrets in it (spec §30.10) and a new checksum. Sections ascend: the path keys, where there
/// are any, are the last one.
fn with_secrets(bytes: &[u8], secrets: &DeviceSecrets) -> Result<Zeroizing<Vec<u8>>, Failure> {
    const SUM: usize = 8;
    const SECTION: u8 = 6 << 1 | 1;
    const PATHS: usize = 3 + picket_roster::PathKeys::LEN;
    let paths = Keyfill::open(bytes).map_err(|e| keyfill_failure(&e))?.paths().map_or(0, |_| PATHS);
    let mut buffer = Zeroizing::new(vec![0; picket_roster::limits::SECRETS_MAX]);
    let section = secrets.encode(&mut buffer).map_err(|e| Failure::internal(e.to_string()))?;
    let body = bytes.get(..bytes.len().saturating_sub(SUM)).unwrap_or_default();
    let (body, paths) = body.split_at_checked(body.len().saturating_sub(paths)).unwrap_or((body, &[]));
    let mut out = Zeroizing::new(Vec::with_capacity(body.len() + section.len() + 16));
    out.extend_from_slice(body);
    out.push(SECTION);
    let mut len = section.len();
    while len >= 0x80 {
        out.push((len & 0x7F) as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(section);
    out.extend_from_slice(paths);
    let sum = Sha256::digest(out.as_slice());
    out.extend_from_slice(&sum[..SUM]);
    Ok(out)
}

pub(super) fn keyfill_failure(e: &picket_roster::KeyfillError) -> Failure {
    use picket_roster::KeyfillError as E;
    let exit = match e {
        E::Checksum | E::Format(_) => Exit::Damaged,
        E::Header(_) | E::Roster(_) | E::Owner | E::Material | E::Secrets(_) | E::OtherDevice => Exit::Usage,
    };
    Failure::new(exit, e.to_string(), "nothing was changed")
}

fn create_failure(e: &CreateError) -> Failure {
    match e {
        CreateError::Keyfill(e) => keyfill_failure(e),
        CreateError::NotAMember | CreateError::Exists => Failure::usage(e.to_string(), "nothing was changed"),
        CreateError::Key => Failure::damaged(e.to_string(), "make a new device with `picket device new`"),
        CreateError::Vault(e) => crate::vault::failure(*e),
    }
}
