//! Arguments of the devices' side of provisioning.

use super::{AttachArgs, HomeArgs, ProtectionArgs};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// How a file is shown as QR codes.
#[derive(Clone, Debug, Args)]
pub struct QrOutArgs {
    /// Show the request as QR codes on the terminal.
    #[arg(long)]
    pub qr: bool,
    /// Write the request's QR codes as PREFIX-1.png, PREFIX-2.png ….
    #[arg(long, value_name = "PREFIX")]
    pub qr_image: Option<PathBuf>,
}

/// Arguments of `qr`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Each code is a numbered part with a checksum over the whole; they are scanned in any order. With --json each part is a
line of text, which any scanner gives too.

Examples:
  picket qr alpha/request
  picket qr m/alpha.keyfill --image alpha              alpha-1.png, alpha-2.png …")]
pub struct QrArgs {
    /// A request, a sealed keyfill or a roster.
    pub file: PathBuf,
    /// Write PREFIX-1.png, PREFIX-2.png … instead of showing them.
    #[arg(long, value_name = "PREFIX")]
    pub image: Option<PathBuf>,
}

/// `picket device …`.
#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// Make this device's keys, which never leave it, and a request to be enrolled.
    New(DeviceNewArgs),
    /// Make keys for further epochs, and a request to have them listed.
    Extend(DeviceExtendArgs),
}

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceKind {
    /// A person's device.
    Member,
    /// A board running `picketd`.
    Gateway,
}

/// Arguments of `device new`.
#[derive(Clone, Debug, Args)]
pub struct DeviceNewArgs {
    /// Name it asks for.
    pub name: String,
    /// What it is.
    #[arg(long)]
    pub kind: DeviceKind,
    /// Its home folder; must be new or empty.
    #[arg(long, value_name = "H", env = "PICKET_HOME", hide_env_values = true)]
    pub home: PathBuf,
    /// How its keys are kept.
    #[command(flatten)]
    pub protection: ProtectionArgs,
    /// Days to make keys for.
    #[arg(long, default_value_t = picket_roster::limits::EPOCHS_DEFAULT, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub epochs: u16,
    /// Show its request as codes.
    #[command(flatten)]
    pub codes: QrOutArgs,
}

/// Arguments of `device extend`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Makes keys for the epochs (days) that follow, and H/NAME.extend, the request with their public
halves; the private halves stay in the home. With --to it goes sealed, as a file, to the member
who runs the authority, who saves it (`picket read ID --output PATH`) and runs `picket mission
extend`. The roster that lists the keys comes by itself over any gateway, or by `picket roster
import`; until then the same request is made again.

Examples:
  picket device extend --home ./m/alpha --to hq
  picket device extend --home ./m/alpha --epochs 30 --qr")]
pub struct DeviceExtendArgs {
    /// Home and way.
    #[command(flatten)]
    pub attach: AttachArgs,
    /// Days to come to make keys for; without it as many as make 60 with those there are.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub epochs: Option<u16>,
    /// Send the request to this member, sealed.
    #[arg(long, value_name = "NAME")]
    pub to: Option<String>,
    /// Show it as codes.
    #[command(flatten)]
    pub codes: QrOutArgs,
}

/// Arguments of `join`.
#[derive(Clone, Debug, Args)]
pub struct JoinArgs {
    /// The home `picket device new` made; or one that has joined, for a newer keyfill of the same device.
    #[command(flatten)]
    pub home: HomeArgs,
    /// The keyfill the authority made for this device; with --qr text files or PNG images of its codes.
    #[arg(required_unless_present = "qr")]
    pub keyfill: Vec<PathBuf>,
    /// Take the keyfill as scanned codes: from files, or line by line from standard input.
    #[arg(long)]
    pub qr: bool,
    /// Digits of the authority, as its people read them out (`picket mission show`); another one is refused.
    #[arg(long, value_name = "DIGITS")]
    pub authority: Option<String>,
}

/// `picket roster …`.
#[derive(Debug, Subcommand)]
pub enum RosterCommand {
    /// Put a newer roster in force.
    Import(RosterImportArgs),
}

/// Arguments of `roster import`.
#[derive(Clone, Debug, Args)]
pub struct RosterImportArgs {
    /// The home.
    #[command(flatten)]
    pub home: HomeArgs,
    /// The roster file.
    pub file: PathBuf,
}
