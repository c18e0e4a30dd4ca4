//! The command line: every flag defined once, with its help.

mod device;
mod gateway;
mod home;
mod message;
mod provision;
mod room;
mod verify;

use crate::passphrase::Source;
use crate::via::Via;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

pub use device::{
    DeviceCommand, DeviceExtendArgs, DeviceKind, DeviceNewArgs, JoinArgs, QrArgs, QrOutArgs, RosterCommand,
    RosterImportArgs,
};
pub use gateway::{ControlArgs, DeviceEmconArgs, EmconArgs, GatewayCommand, LinksArgs, RosterToGatewayArgs};
pub use home::{DeadManArgs, DuressArgs, HomeCommand, HomeOnlyArgs, HomeProtectArgs, With, ZeroizeArgs};
pub use message::{InboxArgs, Milestone, ReadArgs, RecoverArgs, SendArgs, SentArgs};
pub use provision::{
    CosignArgs, EnrolArgs, MissionCommand, MissionExtendArgs, MissionLogArgs, MissionNewArgs, MissionShowArgs,
    ProtectArgs, QuickstartArgs, RadioOption, ReissueArgs, RemoveArgs, RevokeArgs, RevokerArgs, RevokersArgs,
};
pub use room::{RoomArgs, RoomCommand, RoomCreateArgs, RoomListArgs, RoomMemberArgs};
pub use verify::VerifyArgs;

const EXAMPLES: &str = "\
Examples:
  Make a bench mission with one gateway and two members, and start the gateway:
    picket mission quickstart ./m --members alpha,bravo --gateways gw1 --unprotected
    picketd --config ./m/gw1.toml

  Follow bravo's mailbox in one terminal, send from alpha in another:
    picket inbox --home ./m/bravo --via unix:./m/run/gw1.sock --follow
    picket send --home ./m/alpha --via unix:./m/run/gw1.sock --to bravo --wait delivered \"hello\"

  Know that bravo is bravo: compare the words that both see, once, by voice:
    picket verify bravo --home ./m/alpha

  See what became of it, and what the gateway holds:
    picket sent --home ./m/alpha
    picket gateway queue --control ./m/run/gw1.ctl

  Two gateways, joined by a broker or by radios: see `picket mission quickstart --help`.

Exit codes:
  0 done               3 timed out             6 no gateway    9 no such id
  1 internal           4 expired or refused    7 home locked
  2 usage, config      5 cannot be sealed      8 damaged state";

/// Sends and reads end-to-end encrypted messages through Picket gateways, and provisions missions.
#[derive(Debug, Parser)]
#[command(name = "picket", version, after_help = EXAMPLES, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// Print one JSON object a line; errors and warnings as JSON on standard error.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Provision a mission: its authority, roster, members and gateways.
    #[command(subcommand)]
    Mission(MissionCommand),
    /// Make a device's own keys, for the beginning and for further epochs, and the requests to have them listed.
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Take the keyfill the authority made for this device.
    Join(JoinArgs),
    /// Show a request, a sealed keyfill or a roster as QR codes.
    Qr(QrArgs),
    /// Put a newer roster in force in a member's home.
    #[command(subcommand)]
    Roster(RosterCommand),
    /// Seal a text or a file and send it.
    Send(SendArgs),
    /// List the mailbox; with --follow, print messages as they come.
    Inbox(InboxArgs),
    /// Show one message and tell its sender that it was read.
    Read(ReadArgs),
    /// List what was sent, how far each message is and why it waits.
    Sent(SentArgs),
    /// After the device was in other hands: stop using every key it held, and tell those you write to.
    Recover(RecoverArgs),
    /// Show or order emission control of this device: free, minimize, receive-only or silent.
    Emcon(DeviceEmconArgs),
    /// Talk with several at once: make, join and leave rooms.
    #[command(subcommand)]
    Room(RoomCommand),
    /// Compare a member's keys with what the member sees, and keep that they are the same.
    Verify(VerifyArgs),
    /// Say or change how a home's keys are kept: TPM, passphrase or file, duress passphrase, dead man's time.
    #[command(subcommand)]
    Home(HomeCommand),
    /// Destroy a home: its key first, then everything in it. Cannot be undone.
    Zeroize(ZeroizeArgs),
    /// Ask a gateway for its status, queue and links, silence it, or give it a newer roster.
    #[command(subcommand)]
    Gateway(GatewayCommand),
    /// Tell and do the whole story on this machine: two gateways, a radio, a broker, outages.
    Demo(DemoArgs),
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// A member's home and how to unlock it.
#[derive(Clone, Debug, Args)]
pub struct HomeArgs {
    /// The member's home folder.
    #[arg(long, value_name = "H", env = "PICKET_HOME", hide_env_values = true)]
    pub home: PathBuf,
    /// File whose first line is the passphrase; without it a terminal is asked.
    #[arg(long, value_name = "FILE", env = "PICKET_PASSPHRASE_FILE", hide_env_values = true)]
    pub passphrase_file: Option<PathBuf>,
}

/// A member's home and the way to its gateway.
#[derive(Clone, Debug, Args)]
pub struct AttachArgs {
    /// The home.
    #[command(flatten)]
    pub home: HomeArgs,
    /// Way to a gateway: unix:PATH, tcp:HOST:PORT, or serial:PORT?baud=N&air_bps=N&duplex=half. Repeatable, tried in
    /// turn; the last used are remembered.
    #[arg(long, value_name = "V")]
    pub via: Vec<Via>,
}

/// How new keys are kept.
#[derive(Clone, Debug, Args)]
pub struct ProtectionArgs {
    /// File whose first line is the passphrase for the new keys; without it a terminal is asked.
    #[arg(long, value_name = "FILE", env = "PICKET_PASSPHRASE_FILE", hide_env_values = true)]
    pub passphrase_file: Option<PathBuf>,
    /// Keep keys without a passphrase: whoever copies the files can read everything. For benches.
    #[arg(long)]
    pub unprotected: bool,
}

/// Arguments of `demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// End by itself, with exit code 0 only if everything was verified.
    #[arg(long)]
    pub once: bool,
}

impl HomeArgs {
    /// Where the passphrase comes from.
    #[must_use]
    pub fn source(&self) -> Source {
        Source { file: self.passphrase_file.clone() }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definitions_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
