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
use picket_roster::{DeviceSecrets, Keyfill, Kind};
use picket_shell::clock::Clock;
use serde_json::json;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Where a home keeps the device's own secrets until it joins.
const SECRETS: &[u8] = b"h/secrets";

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
    out.say(&format!(
        "Keys of {} are in {}; they never leave it.\n  next: bring {} to the authority, who runs \
         `picket mission enrol DIR {}`",
        args.name,
        args.home.display(),
        request.display(),
        request.display()
    ))
}

/// `picket join`.
///
/// # Errors
/// Usage for a keyfill of another device, [`Exit::Damaged`] for a damaged one.
pub fn join(args: &JoinArgs, out: &Output) -> Result<(), Failure> {
    let bytes = files::read(&args.keyfill, limits::KEYFILL_MAX)?;
    let home = Home::unlock(&args.home.home, &args.home.source())?;
    let state = home.open_alone()?.state;
    let keyfill = Keyfill::open(&bytes).map_err(|e| keyfill_failure(&e))?;
    let owner = keyfill.owner().map_err(|e| keyfill_failure(&e))?;
    let (name, kind) = (owner.name.to_owned(), owner.kind);
    match kind {
        Kind::Member => {
            join_member(state, &bytes, None)?;
            out.object(&json!({"joined": name, "kind": "member", "mission": keyfill.roster().mission_name()}))?;
            out.say(&format!(
                "{name} has joined {}.\n  next: `picket inbox --home {} --via unix:PATH`; the keyfill may be erased now",
                keyfill.roster().mission_name(),
                args.home.home.display()
            ))
        }
        Kind::Gateway => {
            let path = args.home.home.join(format!("{name}.keyfill"));
            join_gateway(state, &bytes, &path)?;
            out.object(&json!({"joined": name, "kind": "gateway", "keyfill": path}))?;
            out.warn("the gateway's keyfill holds its own keys in clear, so that it starts unattended: keep it on this board only");
            out.say(&format!("{name} has joined.\n  next: put {name}.toml and its tls/ from the authority into {}, then `picketd --config {}/{name}.toml`",
                args.home.home.display(),
                args.home.home.display()))
        }
    }
}

/// Makes a member's home from its keyfill and the secrets made by `device new`, or those in a quickstart keyfill.
///
/// # Errors
/// As [`join`].
pub fn join_member(mut state: State, bytes: &[u8], via: Option<&[Via]>) -> Result<(), Failure> {
    let secrets = own_secrets(&mut state, bytes)?;
    if let Some(via) = via {
        crate::vault::remember_ways(&mut state, via)?;
    }
    let clock = Clock::new(crate::runtime::TRUST);
    let endpoint = Endpoint::create(HomeVault::new(state), &secrets, bytes, clock.now(), clock.wall())
        .map_err(|e| create_failure(&e))?;
    let mut state = endpoint.into_vault().into_state();
    state.set_joined(SECRETS)?;
    state.purge_now()
}

/// Writes a gateway's keyfill together with the keys made by `device new`.
fn join_gateway(mut state: State, bytes: &[u8], path: &std::path::Path) -> Result<(), Failure> {
    let secrets = own_secrets(&mut state, bytes)?;
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
        (None, None) => {
            return Err(Failure::usage(
                "this home has joined already, or its keys were never made",
                "`picket roster import` puts a newer roster in force; `picket device new` makes a new device",
            ));
        }
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

fn keyfill_failure(e: &picket_roster::KeyfillError) -> Failure {
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
