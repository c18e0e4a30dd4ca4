//! The command line of `picketd`.

use clap::{Args, Parser, Subcommand};
use picket_gateway::config::{self, Config};
use picket_gateway::daemon;
use picket_gateway::keys::{self, Wrap};
use picket_node::gate::Emcon;
use picket_safe::{harden, heap, stack};
use std::io::{IsTerminal, Write, stderr, stdin, stdout};
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
                  Silence:    picket gateway emcon silent --control PATH, or --emcon silent at start\n\
                  Seal keys:  picketd --config gw1.toml --import-keyfill gw1.keyfill\n\
                  Destroy:    picketd --config gw1.toml --zeroize\n\n\
                  Exit codes: 0 stopped by a signal, 1 internal, 2 usage or configuration, 8 unusable store,\n              \
                  9 zeroized"
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
    /// Take this keyfill, the file of `secrets` and the TLS keys into the state folder, encrypted under one wrapping
    /// key; then write over the clear files and remove them. Do it before the gateway is started.
    #[arg(long, value_name = "FILE", requires = "config", conflicts_with_all = ["emcon", "zeroize"])]
    import_keyfill: Option<PathBuf>,
    /// Where the wrapping key is to be at the first import: in this machine's TPM 2.0 (tpm), or in the state folder
    /// itself (file), where whoever copies the folder has it.
    #[arg(long, value_name = "WHERE", requires = "import_keyfill", default_value = "file", value_parser = ["tpm", "file"])]
    wrap: String,
    /// Destroy this gateway's keys, running or not: the wrapping key first, then a running picketd, then keyfill, TLS
    /// keys and everything in the state folder. A power cut finds it whole, or the next start finishes it. Cannot be
    /// undone.
    #[arg(long, requires = "config", conflicts_with = "emcon")]
    zeroize: bool,
    /// Do not ask before --zeroize.
    #[arg(long, requires = "zeroize")]
    yes: bool,
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

#[global_allocator]
static HEAP: heap::SecretHeap = heap::SecretHeap;

fn main() -> ExitCode {
    // Before any secret is read.
    if let Err(warning) = harden::process() {
        let _ = writeln!(stderr(), "picketd: {warning}"); // without stderr there is nobody to tell
    }
    match heap::prepare().and_then(|()| stack::on_locked(command)) {
        Ok(exit) => exit,
        Err(e) => refuse(1, &format!("no memory to work in: {e}; free some and start again")),
    }
}

fn command() -> ExitCode {
    let cli = Cli::parse();
    let Run { config, emcon, import_keyfill, wrap, zeroize, yes } = cli.run;
    match (cli.command, config) {
        (Some(Command::Config), _) => print(&config::reference::print()),
        (Some(Command::Check { file }), _) => heap::within(|| check(&file)),
        (None, Some(file)) if zeroize => heap::within(|| end(&file, yes)),
        (None, Some(file)) => match import_keyfill {
            Some(keyfill) => heap::within(|| import(&file, &keyfill, wrap.parse().unwrap_or(Wrap::File))),
            None => run(&file, emcon),
        },
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

fn import(file: &Path, keyfill: &Path, wrap: Wrap) -> ExitCode {
    let config = match config::load(file) {
        Ok(config) => config,
        Err(e) => return refuse(2, &e),
    };
    let removed = match keys::import(&config, keyfill, wrap) {
        Ok(removed) => removed,
        Err(e) => return refuse(2, &e),
    };
    let mut text = format!("imported into {}; written over and removed:\n", config.gateway.state.display());
    for file in removed {
        text.push_str(&format!("  {}\n", file.display()));
    }
    if wrap == Wrap::File {
        text.push_str(
            "NOT protected: the wrapping key lies in that folder; whoever copies it has this gateway's keys\n",
        );
    }
    print(&text)
}

fn end(file: &Path, yes: bool) -> ExitCode {
    let config = match config::load(file) {
        Ok(config) => config,
        Err(e) => return refuse(2, &e),
    };
    if !yes && !confirmed(&config) {
        return refuse(2, &"not zeroized: it was not confirmed; type yes when asked, or give --yes");
    }
    let left = match keys::destroy(&config) {
        Ok(left) => left,
        Err(e) => return refuse(1, &e),
    };
    if let Err(e) = keys::finish(&config) {
        return refuse(1, &format!("the wrapping key is destroyed, the rest goes at the next start: {e}"));
    }
    let mut text = format!("{} is zeroized. Its keys are gone; have it enrolled again\n", config.gateway.name);
    for line in left {
        text.push_str(&format!("  {line}\n"));
    }
    print(&text)
}

fn confirmed(config: &Config) -> bool {
    let asked = write!(
        stderr(),
        "Destroy all keys of {} and everything in {}? This cannot be undone. Type yes: ",
        config.gateway.name,
        config.gateway.state.display()
    );
    let mut line = String::new();
    stdin().is_terminal() && asked.is_ok() && stdin().read_line(&mut line).is_ok() && line.trim() == "yes"
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
