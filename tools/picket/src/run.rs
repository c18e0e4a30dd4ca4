//! From the command line to a command, and from its end to an exit code.

use crate::cli::{Cli, Command, DemoArgs, DeviceCommand, GatewayCommand, HomeCommand, MissionCommand, RosterCommand};
use crate::commands::{self, block_on};
use crate::error::{Exit, Failure};
use crate::output::Output;
use crate::provision;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use picket_node::operator::Request;
use std::ffi::OsString;

/// Runs the command line `args` (with the program's name first); returns the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    let json = args.iter().any(|a| a == "--json");
    match Cli::try_parse_from(&args) {
        Ok(cli) => {
            let out = Output { json: cli.json };
            match command(cli.command, &out) {
                Ok(exit) => exit,
                Err(failure) => {
                    out.fail(&failure);
                    failure.exit
                }
            }
        }
        Err(e) => usage(&e, json),
    }
}

fn command(command: Command, out: &Output) -> Result<Exit, Failure> {
    match command {
        Command::Mission(MissionCommand::Quickstart(args)) => provision::quickstart(&args, out)?,
        Command::Mission(MissionCommand::New(args)) => provision::new(&args, out)?,
        Command::Mission(MissionCommand::Enrol(args)) => provision::enrol(&args, out)?,
        Command::Mission(MissionCommand::Revoke(args)) => provision::revoke(&args, out)?,
        Command::Mission(MissionCommand::Cosign(args)) => provision::cosign(&args, out)?,
        Command::Mission(MissionCommand::Revokers(args)) => provision::revokers(&args, out)?,
        Command::Mission(MissionCommand::Revoker(args)) => provision::revoker(&args, out)?,
        Command::Mission(MissionCommand::Show(args)) => provision::show(&args, out)?,
        Command::Mission(MissionCommand::Reissue(args)) => provision::reissue(&args, out)?,
        Command::Mission(MissionCommand::Remove(args)) => provision::remove(&args, out)?,
        Command::Mission(MissionCommand::Protect(args)) => provision::protect(&args, out)?,
        Command::Mission(MissionCommand::Log(args)) => provision::log(&args, out)?,
        Command::Mission(MissionCommand::Extend(args)) => provision::extend(&args, out)?,
        Command::Device(DeviceCommand::Extend(args)) => return block_on(commands::extend(args, *out)),
        Command::Device(DeviceCommand::New(args)) => provision::device::new(&args, out)?,
        Command::Join(args) => provision::device::join(&args, out)?,
        Command::Qr(args) => provision::qr(&args, out)?,
        Command::Gateway(GatewayCommand::Provision(args)) => provision::device::provision_gateway(&args, out)?,
        Command::Completions { shell } => completions(shell, out)?,
        Command::Roster(RosterCommand::Import(args)) => return block_on(commands::roster_import(args, *out)),
        Command::Send(args) => return block_on(commands::send(args, *out)),
        Command::Inbox(args) => return block_on(commands::inbox(args, *out)),
        Command::Read(args) => return block_on(commands::read(args, *out)),
        Command::Room(command) => return block_on(commands::room(command, *out)),
        Command::Verify(args) => return block_on(commands::verify(args, *out)),
        Command::Sent(args) => return block_on(commands::sent(args, *out)),
        Command::Recover(args) => return block_on(commands::recover(args, *out)),
        Command::Emcon(args) => return block_on(commands::emcon(args, *out)),
        Command::Home(HomeCommand::Status(args)) => commands::home::status(&args, out)?,
        Command::Home(HomeCommand::Protect(args)) => commands::home::protect(&args, out)?,
        Command::Home(HomeCommand::Duress(args)) => commands::home::duress(&args, out)?,
        Command::Home(HomeCommand::DeadMan(args)) => commands::home::dead_man(&args, out)?,
        Command::Home(HomeCommand::Guard(args)) => commands::home::guard(&args, out)?,
        Command::Zeroize(args) => commands::home::zeroize(&args, out)?,
        Command::Gateway(GatewayCommand::Status(args)) => commands::gateway(&Request::Status, &args, out)?,
        Command::Gateway(GatewayCommand::Queue(args)) => commands::gateway(&Request::Queue, &args, out)?,
        Command::Gateway(GatewayCommand::Alive(args)) => commands::gateway(&Request::Alive, &args, out)?,
        Command::Gateway(GatewayCommand::Links(args)) => commands::gateway_links(&args, out)?,
        Command::Gateway(GatewayCommand::Emcon(args)) => commands::gateway_emcon(&args, out)?,
        Command::Gateway(GatewayCommand::Roster(args)) => commands::gateway_roster(&args, out)?,
        Command::Gateway(GatewayCommand::Push(args)) => commands::gateway_push(&args, out)?,
        Command::Demo(args) => return demo(&args, out),
    }
    Ok(Exit::Done)
}

#[cfg(feature = "demo")]
fn demo(args: &DemoArgs, out: &Output) -> Result<Exit, Failure> {
    crate::demo::run(args.once, out)
}

#[cfg(not(feature = "demo"))]
fn demo(_: &DemoArgs, _: &Output) -> Result<Exit, Failure> {
    Err(Failure::usage(
        "this `picket` was built without the demo",
        "in the source tree run `cargo demo`, or build it with `cargo build -p picket --features demo`",
    ))
}

fn completions(shell: clap_complete::Shell, out: &Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "picket", &mut script);
    out.raw(&script)
}

/// clap's own answers: help and version on standard output with exit code 0, everything else is usage.
fn usage(e: &clap::Error, json: bool) -> Exit {
    let asked = matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if json && !asked {
        let text = e.to_string();
        let what = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        let message: Vec<&str> = what.split_whitespace().collect();
        Output { json }.fail(&Failure::usage(message.join(" "), "see `picket --help`"));
    } else {
        let _ = e.print(); // nowhere left to complain
    }
    if asked { Exit::Done } else { Exit::Usage }
}
