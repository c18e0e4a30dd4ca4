//! The gateway's own keys at rest: a keyfill as it came, in clear, or imported and sealed in the state folder under one
//! wrapping key (spec §75.2); and their end (§75.3).

use crate::config::Config;
use crate::mission::{Material, Mission, MissionError};
use core::fmt;
use picket_safe::disk::{self, Files};
use picket_safe::locked::Locked;
use picket_safe::sealed::{Sealed, SealedError};
use picket_safe::slots::{KeyFile, Opened, Opener, Owner, Protection, SlotsError};
use picket_safe::stop;
use picket_safe::tpm::{self, TpmError};
use picket_safe::wipe::{self, Device, Manner};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Name of the key file in the state folder.
pub const KEY: &str = "device.key";
/// Name of the sealed keyfill.
const KEYFILL: &str = "keyfill";
/// Name of the sealed secrets that `device new` made.
const SECRETS: &str = "secrets";

/// Where a wrapping key is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrap {
    /// In the key file itself.
    File,
    /// In this machine's TPM.
    Tpm,
}

impl core::str::FromStr for Wrap {
    type Err = &'static str;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "file" => Ok(Self::File),
            "tpm" => Ok(Self::Tpm),
            _ => Err("is not file or tpm"),
        }
    }
}

/// Why keys cannot be used, imported or destroyed.
#[derive(Debug)]
pub enum KeysError {
    /// The key file.
    Slots(PathBuf, SlotsError),
    /// The TPM.
    Tpm(TpmError),
    /// A sealed file.
    Sealed(SealedError),
    /// A file.
    Io(PathBuf, io::Error),
    /// What is to be imported is refused.
    Mission(MissionError),
    /// The system.
    System(io::Error),
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slots(path, e) => write!(f, "{}: {e}", path.display()),
            Self::Tpm(e) => e.fmt(f),
            Self::Sealed(e) => e.fmt(f),
            Self::Io(path, e) => write!(f, "{}: {e}", path.display()),
            Self::Mission(e) => e.fmt(f),
            Self::System(e) => write!(f, "no memory or no randomness for keys: {e}"),
        }
    }
}

impl core::error::Error for KeysError {}

/// Draws from the kernel.
fn draw(out: &mut [u8]) -> io::Result<()> {
    picket_shell::random::fill(out).map_err(io::Error::other)
}

fn extinguish(nv: (u32, u32)) -> Result<(), String> {
    tpm::extinguish(nv).map_err(|e| e.to_string())
}

/// The gateway as something to be wiped: its state folder, and every file that its configuration names with keys in it.
#[must_use]
pub fn device(config: &Config) -> Device {
    let g = &config.gateway;
    let tls = config.uplinks.iter().filter_map(|u| u.tls.as_ref()?.identity.as_ref().map(|(_, key)| key.clone()));
    let clear = core::iter::once(g.keyfill.clone()).chain(g.secrets.clone()).chain(tls).collect();
    Device { folder: g.state.clone(), key: g.state.join(KEY), owner: Owner::Gateway, clear }
}

/// The keys, found.
#[derive(Debug)]
pub struct Keys {
    sealed: Option<Sealed>,
    protection: Option<Protection>,
}

impl Keys {
    /// Opens the key file of the state folder, if there is one.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn open(state: &Path) -> Result<Self, KeysError> {
        let path = state.join(KEY);
        let bytes = match fs::read(&path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self { sealed: None, protection: None }),
            Err(e) => return Err(KeysError::Io(path, e)),
        };
        let refused = |e| KeysError::Slots(path.clone(), e);
        let file = KeyFile::decode(&bytes).map_err(refused)?;
        let opened = match file.protection() {
            Protection::File | Protection::Passphrase => file.open(&Opener::File),
            Protection::Tpm => {
                let secret = tpm::read(file.nv()).map_err(KeysError::Tpm)?;
                file.open(&Opener::Tpm(&secret))
            }
        };
        match opened.map_err(refused)? {
            Opened::Key(key) => {
                Ok(Self { sealed: Some(Sealed::new(state, &key)), protection: Some(file.protection()) })
            }
            Opened::Duress => Err(refused(SlotsError::Wrong)),
        }
    }

    /// `clear`, `file` or `tpm`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self.protection {
            None => "clear",
            Some(Protection::File | Protection::Passphrase) => "file",
            Some(Protection::Tpm) => "tpm",
        }
    }

    /// What the mission is loaded from.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn material(&self, config: &Config) -> Result<Material, KeysError> {
        let g = &config.gateway;
        match self.get(KEYFILL)? {
            Some(keyfill) => {
                Ok(Material { name: g.state.join("keyfill.sealed"), keyfill, secrets: self.get(SECRETS)? })
            }
            None => Material::read(&g.keyfill, g.secrets.as_deref()).map_err(KeysError::Mission),
        }
    }

    /// The private key for an uplink, where it was imported.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn tls(&self, uplink: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeysError> {
        self.get(&tls_name(uplink))
    }

    /// What an operator must know of how keys are kept.
    #[must_use]
    pub fn warnings(&self, config: &Config) -> Vec<String> {
        let mut warnings = Vec::new();
        match self.protection {
            None => warnings.push(format!(
                "keys_in_clear: {} holds this gateway's keys as they came; seal them with `picketd --import-keyfill`",
                config.gateway.keyfill.display()
            )),
            Some(Protection::File | Protection::Passphrase) => warnings.push(format!(
                "wrapping_key_in_file: whoever copies {} has this gateway's keys; a TPM would hold them (`--wrap tpm`)",
                config.gateway.state.display()
            )),
            Some(Protection::Tpm) => {}
        }
        if self.sealed.is_some() {
            for file in device(config).clear.iter().filter(|f| f.exists()) {
                warnings.push(format!(
                    "clear_key_left: {} is not used any more; import it (`picketd --import-keyfill`) or remove it",
                    file.display()
                ));
            }
        }
        warnings.extend(picket_safe::locked::warning().map(str::to_owned));
        warnings
    }

    fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeysError> {
        match &self.sealed {
            Some(sealed) => sealed.get(&Files, name).map_err(KeysError::Sealed),
            None => Ok(None),
        }
    }
}

fn tls_name(uplink: &str) -> String {
    // Names of uplinks may hold anything but slashes; a file's name has its own ideas.
    let hex: String = uplink.bytes().map(|b| format!("{b:02x}")).collect();
    format!("tls-{hex}")
}

/// Imports a keyfill, the gateway's secrets and its TLS keys: sealed first, durably, then the clear files are written
/// over and removed. Returns those files.
///
/// # Errors
/// [`KeysError`]; the clear files are all there then, or all that is sealed is.
pub fn import(config: &Config, keyfill: &Path, wrap: Wrap) -> Result<Vec<PathBuf>, KeysError> {
    resume(config)?;
    let g = &config.gateway;
    let material = Material::read(keyfill, g.secrets.as_deref().filter(|f| f.exists())).map_err(KeysError::Mission)?;
    DirBuilder::new().recursive(true).mode(0o700).create(&g.state).map_err(|e| KeysError::Io(g.state.clone(), e))?;
    Mission::from(&g.name, &material, &g.state).map_err(KeysError::Mission)?;
    if Keys::open(&g.state)?.sealed.is_none() {
        make(&g.state, wrap)?;
    }
    let keys = Keys::open(&g.state)?;
    let Some(sealed) = &keys.sealed else { return Ok(Vec::new()) };
    let put = |name: &str, bytes: &[u8]| sealed.put(&mut Files, name, bytes, draw).map_err(KeysError::Sealed);
    let mut done = vec![keyfill.to_owned()];
    if let (Some(secrets), Some(file)) = (&material.secrets, &g.secrets) {
        put(SECRETS, secrets)?;
        done.push(file.clone());
    }
    for uplink in &config.uplinks {
        let Some((_, key)) = uplink.tls.as_ref().and_then(|t| t.identity.as_ref()) else { continue };
        match fs::read(key) {
            Ok(pem) => put(&tls_name(&uplink.name), &Zeroizing::new(pem))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(KeysError::Io(key.clone(), e)),
        }
        done.push(key.clone());
    }
    // The keyfill last: until it is there, a start takes all from the clear files.
    put(KEYFILL, &material.keyfill)?;
    done.sort();
    done.dedup();
    for file in &done {
        disk::scrub(&mut Files, file).map_err(|e| KeysError::Io(file.clone(), e))?;
    }
    Ok(done)
}

fn make(state: &Path, wrap: Wrap) -> Result<(), KeysError> {
    let mut data = Locked::new([0; 32]).map_err(KeysError::System)?;
    draw(data.as_mut()).map_err(KeysError::System)?;
    let path = state.join(KEY);
    let file = match wrap {
        Wrap::File => KeyFile::in_file(Owner::Gateway, &data, draw),
        Wrap::Tpm => {
            let (secret, nv) = tpm::make(draw).map_err(KeysError::Tpm)?;
            KeyFile::under_tpm(Owner::Gateway, &data, &secret, nv, draw)
        }
    };
    let file = file.map_err(|e| KeysError::Slots(path.clone(), e))?;
    disk::replace(&mut Files, &path, file.bytes()).map_err(|e| KeysError::Io(path, e))
}

/// Finishes a wipe that has begun. `true` if there was one.
///
/// # Errors
/// When the disk refuses.
pub fn resume(config: &Config) -> Result<bool, KeysError> {
    let device = device(config);
    let failed = |e| KeysError::Io(device.folder.clone(), e);
    if !wipe::is_pending(&Files, &device).map_err(failed)? {
        return Ok(false);
    }
    let _ = stop::holder(&config.gateway.control.path); // who runs has keys in memory; without one we go on
    wipe::resume(&mut Files, &device, draw, &mut extinguish).map_err(failed)
}

/// Destroys the wrapping key, and ends a `picketd` that runs in another process. What is left opens nothing.
///
/// # Errors
/// When the disk refuses.
pub fn destroy(config: &Config) -> Result<Vec<String>, KeysError> {
    let device = device(config);
    let failed = |e| KeysError::Io(device.folder.clone(), e);
    DirBuilder::new().recursive(true).mode(0o700).create(&device.folder).map_err(failed)?;
    let kept = wipe::destroy_key(&mut Files, &device, Manner::Open, draw, &mut extinguish).map_err(failed)?;
    let mut left: Vec<String> =
        kept.map(|why| format!("the TPM keeps its half, which opens nothing: {why}")).into_iter().collect();
    if let Err(e) = stop::holder(&config.gateway.control.path) {
        left.push(format!("the running picketd could not be ended ({e}): end it by hand, it has keys in memory"));
    }
    Ok(left)
}

/// Removes everything else, after [`destroy`].
///
/// # Errors
/// When the disk refuses; the next start goes on.
pub fn finish(config: &Config) -> Result<(), KeysError> {
    let device = device(config);
    wipe::finish(&mut Files, &device, draw).map_err(|e| KeysError::Io(device.folder, e))
}
