//! Arguments of the authority's side of provisioning.

use super::ProtectionArgs;
use crate::error::Failure;
use crate::passphrase::{Protection, Source};
use crate::provision::{Pin, Place, Unlock, protection};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::str::FromStr;

/// `picket mission …`.
#[derive(Debug, Subcommand)]
pub enum MissionCommand {
    /// Make a whole bench mission in one step: authority, roster, homes, keyfills, gateway configurations, test CA.
    Quickstart(QuickstartArgs),
    /// Make a mission: its authority, an empty roster and a CA for the broker.
    New(MissionNewArgs),
    /// Enrol devices by their requests: a new roster, and a keyfill sealed to each device.
    Enrol(EnrolArgs),
    /// List keys of further epochs that devices made: a new roster, and no new keyfills.
    Extend(MissionExtendArgs),
    /// Revoke devices: a new roster without them, and the revocation that gives everybody else a new network key.
    Revoke(RevokeArgs),
    /// Add a revoker's signature to a proposed revocation.
    Cosign(CosignArgs),
    /// Say whose signatures a revocation needs: k of these keys, instead of the authority's.
    Revokers(RevokersArgs),
    /// Make the key of one who may sign revocations.
    Revoker(RevokerArgs),
    /// Show a mission: its authority, roster and stations. Needs no key.
    Show(MissionShowArgs),
    /// Sign the roster anew, and make new keyfills for some stations.
    Reissue(ReissueArgs),
    /// Remove stations from the roster.
    Remove(RemoveArgs),
    /// Put the authority's key under a new passphrase, or into a token.
    Protect(ProtectArgs),
    /// Show what the authority did; with --check, verify that the log is whole.
    Log(MissionLogArgs),
}

/// Arguments of `mission quickstart`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Writes DIR/{roster, authority/, tls/, MEMBER/ …, GATEWAY.keyfill, GATEWAY.toml …}. Start each
gateway with `picketd --config DIR/GATEWAY.toml`; members attach at DIR/run/GATEWAY.sock. One
machine makes all keys here: for a real mission use `picket mission new` and `picket device new`.

Examples:
  One gateway, nothing else needed:
    picket mission quickstart ./m --members alpha,bravo --gateways gw1 --unprotected

  Two gateways joined by a broker; it gets ./m/tls/server.pem and server.key, and trusts ca.pem:
    picket mission quickstart ./m --members alpha,bravo --gateways gw1,gw2 \\
        --passphrase-file ./secret --broker mqtts://127.0.0.1:8883

  Two gateways joined by radios of 57600 baud, 9600 bit/s on air:
    picket mission quickstart ./m --members alpha,bravo --gateways gw1,gw2 --unprotected \\
        --radio gw1=/dev/ttyUSB0:57600/9600,gw2=/dev/ttyUSB1:57600/9600")]
pub struct QuickstartArgs {
    /// Where; must be new or empty.
    pub dir: PathBuf,
    /// Names of the members.
    #[arg(long, value_delimiter = ',', required = true, value_name = "NAME")]
    pub members: Vec<String>,
    /// Names of the gateways.
    #[arg(long, value_delimiter = ',', required = true, value_name = "NAME")]
    pub gateways: Vec<String>,
    /// The mission's name.
    #[arg(long, default_value = "quickstart")]
    pub name: String,
    /// Broker to put into the gateways' configurations; without it they hold a commented example.
    #[arg(long, value_name = "mqtts://HOST:PORT")]
    pub broker: Option<String>,
    /// Radio of a gateway to put into its configuration; without it they hold a commented example.
    #[arg(long, value_delimiter = ',', value_name = "GATEWAY=PORT[:BAUD[/AIR_BPS]]")]
    pub radio: Vec<RadioOption>,
    /// How the keys are kept.
    #[command(flatten)]
    pub protection: ProtectionArgs,
    /// Epochs that members have keys for.
    #[arg(long, hide = true, default_value_t = picket_roster::limits::EPOCHS_DEFAULT, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub epochs: u16,
    /// Length of an epoch in seconds.
    #[arg(long, hide = true)]
    pub epoch_seconds: Option<u32>,
    /// Longest delivery delay D in seconds.
    #[arg(long, hide = true)]
    pub max_delay: Option<u32>,
}

/// Arguments of `mission new`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The authority's key signs everything: keep DIR/authority offline, under a passphrase (stretched for about a
second by Argon2id) or in a PKCS#11 token that it never leaves.

Examples:
  picket mission new ./m --name exercise
  picket mission new ./m --name exercise --pkcs11 /usr/lib/softhsm/libsofthsm2.so --token hq --pin-file ./pin")]
pub struct MissionNewArgs {
    /// Where; must be new or empty.
    pub dir: PathBuf,
    /// The mission's name.
    #[arg(long)]
    pub name: String,
    /// How the authority's keys are kept.
    #[command(flatten)]
    pub protection: ProtectionArgs,
    /// Make the authority's key in the token with this label; it never leaves it.
    #[arg(long, value_name = "LABEL", requires = "pkcs11", conflicts_with = "unprotected")]
    pub token: Option<String>,
    /// The token, if any.
    #[command(flatten)]
    pub module: TokenArgs,
}

/// How a token is reached.
#[derive(Clone, Debug, Args)]
pub struct TokenArgs {
    /// PKCS#11 module of the token that holds the authority's key: code that this program loads.
    #[arg(long, value_name = "MODULE", env = "PICKET_PKCS11", hide_env_values = true)]
    pub pkcs11: Option<PathBuf>,
    /// File whose first line is the token's PIN; without it a terminal is asked.
    #[arg(long, value_name = "FILE", env = "PICKET_PIN_FILE", hide_env_values = true)]
    pub pin_file: Option<PathBuf>,
}

/// How the authority's key is unlocked.
#[derive(Clone, Debug, Args)]
pub struct UnlockArgs {
    /// File whose first line is the authority's passphrase; without it a terminal is asked.
    #[arg(long, value_name = "FILE", env = "PICKET_PASSPHRASE_FILE", hide_env_values = true)]
    pub passphrase_file: Option<PathBuf>,
    /// The token, if any.
    #[command(flatten)]
    pub module: TokenArgs,
}

impl TokenArgs {
    fn pin(&self) -> Pin {
        Pin(Source { file: self.pin_file.clone() })
    }
}

impl UnlockArgs {
    /// What may be asked for.
    #[must_use]
    pub fn unlock(&self) -> Unlock {
        Unlock {
            passphrase: Source { file: self.passphrase_file.clone() },
            module: self.module.pkcs11.clone(),
            pin: self.module.pin(),
        }
    }
}

impl MissionNewArgs {
    /// Where the new authority's key goes; asks for a passphrase where one is needed.
    ///
    /// # Errors
    /// Usage, when there is no passphrase to be had.
    pub fn place(&self) -> Result<Place, Failure> {
        match (&self.token, &self.module.pkcs11) {
            (Some(label), Some(module)) => {
                Ok(Place::Token { module: module.clone(), label: label.clone(), pin: self.module.pin() })
            }
            (Some(_) | None, _) => protection(&self.protection).map(Place::File),
        }
    }
}

/// Arguments of `mission enrol`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Writes DIR/roster (the next version) and DIR/NAME.keyfill, sealed to its device, for each; for a gateway also
DIR/NAME.toml and its TLS certificate. Hand each device its keyfill, and all devices the new roster. Nothing is
half done when power fails: the next command finishes it and says so.

Examples:
  picket mission enrol ./m alpha/request gw1/request
  picket mission enrol ./m --qr                        scan or paste the codes of one request, in any order
  picket mission enrol ./m --qr alpha-1.png alpha-2.png alpha-3.png")]
pub struct EnrolArgs {
    /// The mission.
    pub dir: PathBuf,
    /// Requests, as `picket device new` writes them; with --qr text files or PNG images of one request's codes.
    #[arg(required_unless_present = "qr")]
    pub requests: Vec<PathBuf>,
    /// Take one request as scanned codes: from files, or line by line from standard input.
    #[arg(long)]
    pub qr: bool,
    /// How the authority's key is unlocked.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// Arguments of `mission extend`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Writes DIR/roster (the next version). Each request is checked: its device belongs to the mission, is not
revoked and signed it; its epochs follow those listed, at most 64 of them. Keys of epochs that are over
leave the roster. Give the roster to any one gateway or member: up to 64 KiB it spreads by itself.

A device that was restored from a copy may have lost keys that are listed already, and refuses the
roster with an alarm. Speak with its owner; then its new request goes with --replace.

Examples:
  picket mission extend ./m alpha.extend bravo.extend
  picket gateway push ./m/roster --control run/gw1.ctl
  picket mission extend ./m --qr                       scan or paste the codes of one request, in any order")]
pub struct MissionExtendArgs {
    /// The mission.
    pub dir: PathBuf,
    /// Requests, as `picket device extend` makes them; with --qr text files or PNG images of one request's codes.
    #[arg(required_unless_present = "qr")]
    pub requests: Vec<PathBuf>,
    /// Take one request as scanned codes: from files, or line by line from standard input.
    #[arg(long)]
    pub qr: bool,
    /// List these keys instead of others that are listed for the same epochs: the device has lost those.
    #[arg(long)]
    pub replace: bool,
    /// How the authority's key is unlocked.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// Arguments of `mission show`.
#[derive(Clone, Debug, Args)]
pub struct MissionShowArgs {
    /// The mission.
    pub dir: PathBuf,
}

/// Arguments of `mission reissue`.
#[derive(Clone, Debug, Args)]
pub struct ReissueArgs {
    /// The mission.
    pub dir: PathBuf,
    /// Stations that get a new keyfill too, sealed to the keys they were enrolled with.
    pub names: Vec<String>,
    /// How the authority's key is unlocked.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// Arguments of `mission remove`.
#[derive(Clone, Debug, Args)]
pub struct RemoveArgs {
    /// The mission.
    pub dir: PathBuf,
    /// Stations.
    #[arg(required = true)]
    pub names: Vec<String>,
    /// How the authority's key is unlocked.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// Arguments of `mission protect`.
#[derive(Clone, Debug, Args)]
pub struct ProtectArgs {
    /// The mission.
    pub dir: PathBuf,
    /// File whose first line is the new passphrase; without it a terminal is asked.
    #[arg(long, value_name = "FILE")]
    pub new_passphrase_file: Option<PathBuf>,
    /// Move the key into the token with this label instead (a token may refuse a key from outside).
    #[arg(long, value_name = "LABEL", requires = "pkcs11", conflicts_with = "new_passphrase_file")]
    pub token: Option<String>,
    /// How the authority's key is unlocked now.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

impl ProtectArgs {
    /// Where the key goes; asks for a passphrase where one is needed.
    ///
    /// # Errors
    /// Usage, when there is no passphrase to be had.
    pub fn place(&self) -> Result<Place, Failure> {
        match (&self.token, &self.unlock.module.pkcs11) {
            (Some(label), Some(module)) => {
                Ok(Place::Token { module: module.clone(), label: label.clone(), pin: self.unlock.module.pin() })
            }
            (Some(_) | None, _) => {
                let passphrase = Source { file: self.new_passphrase_file.clone() }.choose()?;
                Ok(Place::File(Protection::Passphrase(passphrase)))
            }
        }
    }
}

/// Arguments of `mission log`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Each entry names the hash of the one before and is signed by the authority; authority/audit.head says where the
log ends. --check verifies all of it and names the first entry that does not hold. The folder as a whole can be
replaced by an older copy of itself: rosters and keyfills that devices hold then carry higher numbers than the log.

Examples:
  picket mission log ./m
  picket mission log ./m --check
  picket mission log ./m --check --roster alpha/roster     against the authority of a roster from elsewhere")]
pub struct MissionLogArgs {
    /// The mission.
    pub dir: PathBuf,
    /// Verify chain, signatures and end.
    #[arg(long)]
    pub check: bool,
    /// With --check: the roster whose authority must have signed the log; DIR/roster otherwise.
    #[arg(long, value_name = "FILE", requires = "check")]
    pub roster: Option<PathBuf>,
}

/// Arguments of `mission revoke`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Writes DIR/roster (the next version, without them), DIR/revoke-N.pkobj (N: the network key's new
generation) and, where a gateway is among them, DIR/tls/crl.pem. Hand revoke-N.pkobj to any one
gateway or member: it spreads by itself to all who can be heard, and to whoever was away.

Examples:
  picket mission revoke ./m bravo
  picket gateway push ./m/revoke-1.pkobj --control run/gw1.ctl

  Where 2 of 3 revokers must sign:
    picket mission revoke ./m bravo --propose revoke.pkobj
    picket mission cosign ./m revoke.pkobj --key anna.key     on each revoker's machine; DIR needs its roster only")]
pub struct RevokeArgs {
    /// The mission.
    pub dir: PathBuf,
    /// Names of the devices; none: only the network key changes.
    pub names: Vec<String>,
    /// Write the revocation to this file, to be signed by the revokers.
    #[arg(long, value_name = "FILE")]
    pub propose: Option<PathBuf>,
    /// How the authority's key is unlocked.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// Arguments of `mission cosign`.
#[derive(Clone, Debug, Args)]
pub struct CosignArgs {
    /// The mission, or a folder with a copy of its roster and of authority/public.
    pub dir: PathBuf,
    /// The proposed revocation; the signature is added to it.
    pub file: PathBuf,
    /// The revoker's key.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// File whose first line is the passphrase of the revoker's key.
    #[arg(long, value_name = "FILE", env = "PICKET_PASSPHRASE_FILE", hide_env_values = true)]
    pub passphrase_file: Option<PathBuf>,
}

/// Arguments of `mission revokers`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  picket mission revokers ./m --k 2 anna.key.pub bert.key.pub carl.key.pub")]
pub struct RevokersArgs {
    /// The mission.
    pub dir: PathBuf,
    /// How many of them must sign.
    #[arg(long)]
    pub k: u8,
    /// Their public keys, as `picket mission revoker` wrote them.
    #[arg(required = true, value_name = "FILE")]
    pub keys: Vec<PathBuf>,
    /// How the authority's key is unlocked.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// Arguments of `mission revoker`.
#[derive(Clone, Debug, Args)]
pub struct RevokerArgs {
    /// Where the secret key goes; its public half goes beside it, with .pub added.
    pub file: PathBuf,
    /// How the key is kept.
    #[command(flatten)]
    pub protection: ProtectionArgs,
}

/// `--radio gw1=/dev/ttyUSB0:57600/9600`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadioOption {
    /// Whose.
    pub gateway: String,
    /// Serial port.
    pub port: String,
    /// Bits per second on the wire.
    pub baud: u32,
    /// Bits per second on air.
    pub air_bps: Option<u32>,
}

impl FromStr for RadioOption {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let shape = || format!("\"{s}\" is not GATEWAY=PORT[:BAUD[/AIR_BPS]], for example gw1=/dev/ttyUSB0:57600/9600");
        let (gateway, rest) = s.split_once('=').filter(|(g, p)| !g.is_empty() && !p.is_empty()).ok_or_else(shape)?;
        // Stable names under /dev/serial/by-id and by-path hold colons of their own: only digits count as a rate.
        let rates = rest.rsplit_once(':').and_then(|(port, rates)| {
            let (baud, air) = rates.split_once('/').map_or((rates, None), |(b, a)| (b, Some(a)));
            let air = air.map(|a| a.parse().map_err(|_| ())).transpose().ok()?;
            Some((port, baud.parse().ok()?, air))
        });
        let (port, baud, air_bps) = rates.unwrap_or((rest, 57_600, None));
        if baud == 0 || air_bps == Some(0) || port.is_empty() {
            return Err(shape());
        }
        Ok(Self { gateway: gateway.into(), port: port.into(), baud, air_bps })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn radios_are_read_with_and_without_rates() {
        let full: RadioOption = "gw1=/dev/ttyUSB0:57600/9600".parse().unwrap();
        assert_eq!((full.port.as_str(), full.baud, full.air_bps), ("/dev/ttyUSB0", 57_600, Some(9_600)));
        let bare: RadioOption = "gw1=/dev/serial/by-path/pci-0:1.0".parse().unwrap();
        assert_eq!((bare.port.as_str(), bare.baud, bare.air_bps), ("/dev/serial/by-path/pci-0:1.0", 57_600, None));
        for bad in ["gw1", "=x", "gw1=", "gw1=/dev/x:0", "gw1=/dev/x:9600/0"] {
            assert!(bad.parse::<RadioOption>().is_err(), "{bad}");
        }
    }
}
