//! Arguments of keys at rest and of their end.

use super::HomeArgs;
use crate::duration::Span;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `picket home …`.
#[derive(Debug, Subcommand)]
pub enum HomeCommand {
    /// Say how a home is protected; needs no passphrase.
    Status(HomeOnlyArgs),
    /// Wrap a home's key anew: under this machine's TPM, a passphrase, or a file. Nothing is encrypted again.
    #[command(after_help = PROTECT_HELP)]
    Protect(HomeProtectArgs),
    /// Set a second passphrase that destroys the home when it is given.
    #[command(after_help = DURESS_HELP)]
    Duress(DuressArgs),
    /// Have the home wiped when it was not unlocked for this long.
    #[command(after_help = DEAD_MAN_HELP)]
    DeadMan(DeadManArgs),
    /// Run on, and wipe the home when its dead man's time is over: for a service manager.
    Guard(HomeOnlyArgs),
}

const PROTECT_HELP: &str = "\
With a passphrase, an unlock takes about --unlock-time on this machine: Argon2id is tuned to it, in at most 64 MiB and at
most a quarter of the free memory. Run it again after moving to another machine. A duress passphrase is gone afterwards.

Examples:
  picket home protect --with passphrase --home H
  picket home protect --with passphrase --unlock-time 3s --home H
  picket home protect --with file --home H                  unattended, and NOT protected: it says so";

const DURESS_HELP: &str = "\
Whoever gives the duress passphrase sees what a wrong passphrase shows. By then the key of the home is destroyed, and so
it stays locked for ever. Nobody can see from the files whether a duress passphrase is set.

Examples:
  picket home duress --home H
  picket home duress --remove --home H";

const DEAD_MAN_HELP: &str = "\
Counted in the machine's powered-on time, and in wall time while it was off. Checked by every command that opens the
home, and every minute by `picket home guard`. `picket home status` warns when a tenth of the time is left, at most a day.

Examples:
  picket home dead-man 72h --home H
  picket home dead-man off --home H";

/// A home, without unlocking it.
#[derive(Clone, Debug, Args)]
pub struct HomeOnlyArgs {
    /// The member's home folder.
    #[arg(long, value_name = "H", env = "PICKET_HOME", hide_env_values = true)]
    pub home: PathBuf,
}

/// Where a wrapping key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum With {
    /// In this machine's TPM 2.0: the home opens here only, and without a passphrase.
    Tpm,
    /// Made from a passphrase.
    Passphrase,
    /// In the home itself: not protected.
    File,
}

/// Arguments of `home protect`.
#[derive(Clone, Debug, Args)]
pub struct HomeProtectArgs {
    /// Where the wrapping key is to be.
    #[arg(long)]
    pub with: With,
    /// File whose first line is the new passphrase; without it a terminal is asked.
    #[arg(long, value_name = "FILE")]
    pub new_passphrase_file: Option<PathBuf>,
    /// How long an unlock is to take on this machine.
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub unlock_time: Span,
    /// The home, and how to unlock it as it is now.
    #[command(flatten)]
    pub home: HomeArgs,
}

/// Arguments of `home duress`.
#[derive(Clone, Debug, Args)]
pub struct DuressArgs {
    /// File whose first line is the duress passphrase; without it a terminal is asked.
    #[arg(long, value_name = "FILE", conflicts_with = "remove")]
    pub duress_passphrase_file: Option<PathBuf>,
    /// Have none any more.
    #[arg(long)]
    pub remove: bool,
    /// The home, and its ordinary passphrase.
    #[command(flatten)]
    pub home: HomeArgs,
}

/// Arguments of `home dead-man`.
#[derive(Clone, Debug, Args)]
pub struct DeadManArgs {
    /// After how long without an unlock the home is wiped (1h to 365d), or `off`.
    #[arg(value_parser = dead_man)]
    pub time: OrOff<Span>,
    /// The home.
    #[command(flatten)]
    pub home: HomeArgs,
}

/// A time, or none: clap reads `Option` as an absent argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrOff<T>(pub Option<T>);

fn dead_man(text: &str) -> Result<OrOff<Span>, String> {
    if text == "off" {
        return Ok(OrOff(None));
    }
    let span: Span = text.parse().map_err(|e: crate::duration::NotASpan| e.to_string())?;
    let hours = span.0.as_secs() / 3_600;
    if (1..=365 * 24).contains(&hours) { Ok(OrOff(Some(span))) } else { Err("not between 1h and 365d".into()) }
}

/// Arguments of `zeroize`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The key goes first: once it is destroyed, durably, nothing opens what is left, which goes next. A power cut at any moment
finds the home whole, or the next command finishes the wipe before it does anything else. A process that holds the home
is ended. No passphrase is needed.

Example:
  picket zeroize --home H")]
pub struct ZeroizeArgs {
    /// The member's home folder.
    #[arg(long, value_name = "H", env = "PICKET_HOME", hide_env_values = true)]
    pub home: PathBuf,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}
