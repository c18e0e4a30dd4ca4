//! The command line of `picketd`.

use clap::{Args, Parser, Subcommand};
use picket_gateway::config::{self, Config};
use picket_gateway::daemon;
use picket_node::gate::Emcon;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Carries end-to-end encrypted messages between field radios and an IP network, for as long as it takes.
///
/// picketd stores every envelope durably before it acknowledges it, and keeps it until the next custodian has it. It
/// cannot read any of them.
#[derive(Parser)]
#[command(
    name = "picketd",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Start:      picketd --config gw1.toml\n\
                  Begin:      picketd config > gw1.toml     (every key with its default and its reason)\n\
                  Stop:       SIGTERM; what is owed is sent first, for at most [gateway] drain\n\
                  Look:       picket gateway status|queue|links --control PATH\n\
                  Silence:    picket gateway emcon silent --control PATH, or --emcon silent at start\n\n\
                  Exit codes: 0 stopped by a signal, 1 internal, 2 usage or configuration, 8 unusable store"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Args)]
struct Run {
    /// Configuration file; the gateway runs until SIGTERM.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Start in this state of emission control, or a stricter one that was ordered before: free, minimize, receive-only,
    /// silent. Nothing is emitted before it is in force. To release: picket gateway emcon free.
    #[arg(long, value_name = "STATE")]
    emcon: Option<Emcon>,
}

#[derive(Subcommand)]
enum Command {
    /// Check a configuration, its keyfill and its TLS material, then exit.
    Check {
        /// Configuration file.
        file: PathBuf,
    },
    /// Print the reference configuration: every key with its default and its reason.
    Config,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let emcon = cli.run.emcon;
    match (cli.command, cli.run.config) {
        (Some(Command::Config), _) => print(&config::reference::print()),
        (Some(Command::Check { file }), _) => check(&file),
        (None, Some(file)) => run(&file, emcon),
        (None, None) => refuse(2, &"name a configuration: picketd --config FILE (picketd --help explains)"),
    }
}

fn run(file: &Path, emcon: Option<Emcon>) -> ExitCode {
    let config = match config::load(file) {
        Ok(config) => config,
        Err(e) => return refuse(2, &e),
    };
    log(&config);
    match daemon::run(config, emcon) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => refuse(e.exit_code(), &e),
    }
}

fn check(file: &Path) -> ExitCode {
    let config = match config::load(file) {
        Ok(config) => config,
        Err(e) => return refuse(2, &e),
    };
    match daemon::prepare(&config) {
        Ok(_) => print(&format!(
            "{}: good; gateway {}, {} links, {} uplinks\n",
            file.display(),
            config.gateway.name,
            config.links.len(),
            config.uplinks.len()
        )),
        Err(e) => refuse(e.exit_code(), &e),
    }
}

fn log(config: &Config) {
    // Libraries report trouble to us as values; their own lines would only repeat it.
    let filter = EnvFilter::new(format!("off,picketd={0},picket_gateway={0},picket_shell={0}", config.log.level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_target(false);
    if config.log.json {
        builder.json().flatten_event(true).init();
    } else {
        builder.with_ansi(stderr().is_terminal()).init();
    }
}

fn print(text: &str) -> ExitCode {
    match stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(1),
    }
}

fn refuse(code: u8, why: &dyn core::fmt::Display) -> ExitCode {
    let _ = writeln!(stderr(), "picketd: {why}"); // without stderr the exit code must do
    ExitCode::from(code)
}
