//! Arguments of the operator's commands.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `picket gateway …`.
#[derive(Debug, Subcommand)]
pub enum GatewayCommand {
    /// The gateway as a whole: uptime, roster, queue, uplinks, counters.
    Status(ControlArgs),
    /// What it holds in custody, and why each message waits.
    Queue(ControlArgs),
    /// Its links, what went over them and who is attached.
    Links(ControlArgs),
    /// Put a newer roster in force.
    Roster(RosterToGatewayArgs),
}

/// Where the gateway's operator socket is.
#[derive(Clone, Debug, Args)]
pub struct ControlArgs {
    /// The operator socket, `control` in the gateway's configuration.
    #[arg(long, value_name = "PATH")]
    pub control: PathBuf,
}

/// Arguments of `gateway roster`.
#[derive(Clone, Debug, Args)]
pub struct RosterToGatewayArgs {
    /// The roster file.
    pub file: PathBuf,
    /// Where.
    #[command(flatten)]
    pub control: ControlArgs,
}
