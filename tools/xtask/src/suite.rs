//! `cargo xtask test`: builds once, runs every test program, keeps going after a failure and sums up.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use crate::cargo::{self, TestProgram};
use crate::summary::Summary;
use crate::{constant_time, machine, needs, prove};

/// The scenarios with real programs wait more than they work: this many share the machine.
const SCENARIOS_AT_ONCE: &str = "6";
/// A unit test program that takes longer hangs.
const UNIT_LIMIT: Duration = Duration::from_secs(300);
/// So does the whole of the scenarios.
const SCENARIO_LIMIT: Duration = Duration::from_secs(900);

/// And what takes minutes by design.
const PROOF_LIMIT: Duration = Duration::from_secs(1_800);

/// What to run.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Replay the scenarios with the seed that a failure printed
    #[arg(long)]
    seed: Option<u64>,
    /// Only the scenarios
    #[arg(long)]
    scenarios: bool,
    /// Everything but the scenarios
    #[arg(long, conflicts_with = "scenarios")]
    quick: bool,
    /// Only the long proofs: the symbolic models (`prove`), what depends on secrets (`constant-time`), two hundred
    /// histories of devices that crash, and an emulated board with a switch on a GPIO line (ten minutes, three of them to
    /// install Verifpal and four to build for the board)
    #[arg(long, conflicts_with_all = ["scenarios", "quick", "seed", "filter"])]
    proofs: bool,
    /// Only tests whose name contains this
    filter: Option<String>,
}

/// Runs the suite.
///
/// # Errors
/// When something did not build or did not pass.
pub fn run(options: &Options) -> Result<(), String> {
    let mut summary = Summary::default();
    if options.proofs {
        proofs(&mut summary);
    } else {
        needs::install_missing(needs::Set::Tests);
        match build() {
            Ok(programs) => run_all(&programs, options, &mut summary),
            Err(why) => summary.broke("build", &why),
        }
    }
    summary.print();
    if summary.is_good() { Ok(()) } else { Err("not everything passed".into()) }
}

/// The programs under test and the tests, with one selection of packages so that nothing is built twice.
fn build() -> Result<Vec<TestProgram>, String> {
    cargo::run(cargo::cargo().args(["build", "--workspace", "--bins"]))?;
    cargo::build_tests(&["--workspace"])
}

fn run_all(programs: &[TestProgram], options: &Options, summary: &mut Summary) {
    let (scenarios, units): (Vec<_>, Vec<_>) = programs.iter().partition(|p| is_scenario(p));
    if !options.scenarios {
        units.iter().for_each(|p| run_program(p, options, summary));
        doc_tests(options, summary);
        fuzz_corpora(options, summary);
    }
    if !options.quick {
        scenarios.iter().for_each(|p| run_program(p, options, summary));
    }
    // Last: it builds both programs anew, and the scenarios run them as they are built for everybody.
    if !options.scenarios {
        under_a_tpm(options, summary);
    }
}

/// What takes too long for every change.
fn proofs(summary: &mut Summary) {
    println!("\n     Asking Verifpal about the models");
    summary.step("the symbolic models", prove::run());
    println!("\n     Looking for what depends on secrets");
    summary.step("constant time", constant_time::run());
    println!("\n     Running the histories of devices");
    let mut command = cargo::cargo();
    command.args(["test", "-p", "picket-endpoint", "--test", "model", "--", "--ignored"]);
    watch("histories", &mut command, PROOF_LIMIT, summary);
    println!("\n     Closing a switch on an emulated board");
    summary.step("the board", machine::run());
}

fn is_scenario(program: &TestProgram) -> bool {
    program.name.ends_with("(test scenarios)")
}

fn run_program(program: &TestProgram, options: &Options, summary: &mut Summary) {
    println!("\n     Running {}", program.name);
    let skips = std::env::temp_dir().join(format!("picket-skips-{}", std::process::id()));
    let mut command = Command::new(&program.path);
    command.current_dir(&program.folder).env("CARGO_MANIFEST_DIR", &program.folder).env("PICKET_SKIPS", &skips);
    if let Some(folder) = program.path.parent().and_then(Path::parent) {
        command.env("PICKET_BIN_DIR", folder);
    }
    if let Some(seed) = options.seed {
        command.env("PICKET_SEED", seed.to_string());
    }
    if let Some(filter) = &options.filter {
        command.arg(filter);
    }
    let limit = if is_scenario(program) {
        command.args(["--test-threads", SCENARIOS_AT_ONCE]);
        SCENARIO_LIMIT
    } else {
        UNIT_LIMIT
    };
    watch(&program.name, &mut command, limit, summary);
    for named in std::fs::read_to_string(&skips).unwrap_or_default().lines() {
        summary.skip(named);
    }
    // Absent when nothing was skipped.
    let _ = std::fs::remove_file(&skips);
}

/// Keys at rest under a TPM, with the programs built for it.
fn under_a_tpm(options: &Options, summary: &mut Summary) {
    println!("\n     Running the tests with a TPM");
    if !needs::has_library("tss2-esys") {
        summary.broke("a TPM", "libtss2-dev is not installed");
        return;
    }
    let mut command = cargo::cargo();
    let features = ["--features", "picket/tpm,picketd/tpm"];
    command.args(["test", "-p", "picket", "-p", "picketd"]).args(features).args(["--test", "tpm", "--no-fail-fast"]);
    if let Some(filter) = &options.filter {
        command.args(["--", filter]);
    }
    watch("a TPM", &mut command, UNIT_LIMIT * 4, summary);
}

fn doc_tests(options: &Options, summary: &mut Summary) {
    println!("\n     Running the documents' examples");
    let mut command = cargo::cargo();
    command.args(["test", "--workspace", "--doc", "--no-fail-fast"]);
    if let Some(filter) = &options.filter {
        command.args(["--", filter]);
    }
    watch("documents", &mut command, UNIT_LIMIT * 2, summary);
}

/// Replays every committed corpus through its target: a plain test program of the fuzz workspace.
fn fuzz_corpora(options: &Options, summary: &mut Summary) {
    let manifest = cargo::root().join("firmware/fuzz/Cargo.toml");
    if !manifest.is_file() || options.filter.is_some() {
        return;
    }
    println!("\n     Replaying the fuzz corpora");
    let mut command = cargo::cargo();
    command.arg("test").arg("--manifest-path").arg(manifest).arg("--no-fail-fast");
    if let Ok(target) = cargo::target_dir() {
        command.env("CARGO_TARGET_DIR", target.join("fuzz"));
    }
    watch("fuzz corpora", &mut command, UNIT_LIMIT * 2, summary);
}

/// Runs a command, shows its output as it comes, counts its results; ends it at `limit`.
fn watch(name: &str, command: &mut Command, limit: Duration, summary: &mut Summary) {
    let mut child = match command.stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(e) => return summary.broke(name, &format!("did not start: {e}")),
    };
    let lines = lines_of(&mut child);
    let end = Instant::now() + limit;
    let failed_before = summary.failed();
    let mut reported = false;
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                println!("{line}");
                reported |= summary.line(name, &line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                // It may have ended in this very moment.
                let _ = child.kill();
                summary.broke(name, &format!("still running after {} s", limit.as_secs()));
                reported = true;
                break;
            }
        }
    }
    let well = child.wait().is_ok_and(|status| status.success());
    if !reported || (!well && summary.failed() == failed_before) {
        summary.broke(name, "ended without saying which test failed");
    }
}

fn lines_of(child: &mut Child) -> Receiver<String> {
    let (tx, rx) = sync_channel(64);
    if let Some(out) = child.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
                if tx.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
    }
    rx
}
