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
    /// Its links, what went over them, who is attached; airtime used, and how good each one is.
    #[command(after_help = LINKS_HELP)]
    Links(LinksArgs),
    /// Show or order emission control: free, minimize, receive-only or silent.
    #[command(after_help = EMCON_HELP)]
    Emcon(EmconArgs),
    /// Give the gateway a sign of life: its dead man's time begins anew.
    Alive(ControlArgs),
    /// Put a newer roster in force.
    Roster(RosterToGatewayArgs),
    /// Hand over a revocation (or a roster): it is put in force and spreads to all others by radio and broker.
    Push(RosterToGatewayArgs),
    /// Open a gateway's sealed keyfill with the keys `picket device new` made, for `picketd` to start from.
    #[command(after_help = PROVISION_HELP)]
    Provision(super::JoinArgs),
}

const PROVISION_HELP: &str = "\
picketd holds nothing that could open a sealed keyfill; this step does, on the board, and leaves H/NAME.keyfill for it.
A newer keyfill replaces the one before; an older one is refused.

Example:
  picket device new gw1 --kind gateway --home gw1      then bring gw1/request to the authority
  picket gateway provision --home gw1 gw1.keyfill
  picketd --config gw1/gw1.toml --import-keyfill gw1/gw1.keyfill     keeps it encrypted, removes the file";

/// Where the gateway's operator socket is.
#[derive(Clone, Debug, Args)]
pub struct ControlArgs {
    /// The operator socket, `control` in the gateway's configuration.
    #[arg(long, value_name = "PATH")]
    pub control: PathBuf,
}

const LINKS_HELP: &str = "\
With --quality, for each link of the last hour: how busy the air was (one column a minute, oldest first; the height is
the share of the minute that was sent or heard), the goodput of the last ten minutes, repeated and damaged frames, and
for each neighbour how long it takes to answer and how many bytes arrive wrong, both ways.

Examples:
  picket gateway links --control run/gw1.ctl
  picket gateway links --quality --control run/gw1.ctl
  picket gateway links --json --control run/gw1.ctl       every figure of the last 60 minutes";

/// Arguments of `gateway links`.
#[derive(Clone, Debug, Args)]
pub struct LinksArgs {
    /// Show how good each link is, too.
    #[arg(long)]
    pub quality: bool,
    /// Where.
    #[command(flatten)]
    pub control: ControlArgs,
}

const EMCON_HELP: &str = "\
States, from the freest to the strictest:
  free          everything may be sent
  minimize      by radio only what is immediate or above (`minimize` in the configuration), and answers; no greetings
  receive-only  nothing leaves a link that emits; brokers stay connected unless they are reached by radio
  silent        the same, and every broker is disconnected

A stricter state applies at once and is never refused; it survives restarts, reboots and a restored configuration, and
nothing that arrives over a link or from a broker can end it. What was handed to a modem before cannot be called back:
`stopping` is shown until it has left the air. Answers owed are kept and given on release, most urgent first.

For each link is shown whether the radio's own silence is proven (there is no transmitter), read-back (by a setting of
the radio), or not-known: picketd sends it nothing, but a modem may transmit by itself.

Examples:
  picket gateway emcon --control run/gw1.ctl
  picket gateway emcon silent --control run/gw1.ctl
  picket gateway emcon free --yes --control run/gw1.ctl

Exit codes: 0 in force, 2 not confirmed or refused, 6 no gateway answers, 8 in force but not written down";

/// Arguments of `gateway emcon`.
#[derive(Clone, Debug, Args)]
pub struct EmconArgs {
    /// State to put in force; without it the one in force is shown.
    #[arg(value_parser = ["free", "minimize", "receive-only", "silent"])]
    pub state: Option<String>,
    /// Do not ask before a state is put in force that is freer than the present one.
    #[arg(long)]
    pub yes: bool,
    /// Where.
    #[command(flatten)]
    pub control: ControlArgs,
}

/// Arguments of `emcon`: a member's own device.
///
/// Ways over a serial port or TCP are silenced, a Unix socket on this machine is not. The state is kept in the home and
/// binds every process that opens it; the one that holds it now is told at once. Under `minimize` a device that is not
/// attached does not attach. Answers owed are given when their parcels are offered again.
#[derive(Clone, Debug, Args)]
pub struct DeviceEmconArgs {
    /// State to put in force; without it the one in force is shown.
    #[arg(value_parser = ["free", "minimize", "receive-only", "silent"])]
    pub state: Option<String>,
    /// Do not ask before a state is put in force that is freer than the present one.
    #[arg(long)]
    pub yes: bool,
    /// The home.
    #[command(flatten)]
    pub home: super::HomeArgs,
}

/// Arguments of `gateway roster` and `gateway push`.
#[derive(Clone, Debug, Args)]
pub struct RosterToGatewayArgs {
    /// The file.
    pub file: PathBuf,
    /// Where.
    #[command(flatten)]
    pub control: ControlArgs,
}
