//! `cargo xtask dist`: the binaries that go on a board. Those for another processor are tried in emulation: a mission is
//! made, a message goes from one member to the other through the gateway, and is read.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cargo::{self, cargo};
use crate::cross::Board;

const PROGRAMS: [&str; 2] = ["picketd", "picket"];
const TEXT: &str = "Good morning from a board";
/// An emulated gateway starts within a second or two; a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Builds them, says how large they are, and tries those for a board.
///
/// # Errors
/// When they do not build, or do not do what they are for.
pub fn run(triple: Option<&str>) -> Result<(), String> {
    let what = ["build", "--profile", "dist", "-p", "picketd", "-p", "picket"];
    let Some(triple) = triple else {
        cargo::run(cargo().args(what))?;
        return sizes(&cargo::target_dir()?.join("dist"));
    };
    let board = Board::named(triple)?;
    // Not static: a board looks up names as its own libraries do.
    cargo::run(&mut board.cargo("boards", "", &what)?)?;
    let built = board.built("boards", "dist")?;
    sizes(&built)?;
    Trial::begin(board, &built)?.run()?;
    println!("in emulation: a mission made, a message sent through the gateway and read");
    Ok(())
}

fn sizes(folder: &Path) -> Result<(), String> {
    for name in PROGRAMS {
        let path = folder.join(name);
        let size = std::fs::metadata(&path).map_err(|e| format!("{name}: {e}"))?.len();
        println!("{}: {} KiB", path.display(), size / 1024);
    }
    Ok(())
}

/// The programs in emulation, in a folder of their own.
struct Trial<'a> {
    board: &'a Board,
    built: &'a Path,
    folder: std::path::PathBuf,
}

impl<'a> Trial<'a> {
    fn begin(board: &'a Board, built: &'a Path) -> Result<Self, String> {
        // Short: a socket's path has a hundred bytes.
        let folder = std::env::temp_dir().join(format!("picket-board-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        Ok(Self { board, built, folder })
    }

    fn run(&self) -> Result<(), String> {
        self.said("picketd", &["--version"])?;
        self.said("picket", &["--version"])?;
        let mission = ["mission", "quickstart", "m", "--members", "alpha,bravo", "--gateways", "gw1", "--unprotected"];
        self.said("picket", &mission)?;
        let mut gateway = Gateway(self.command("picketd", &["--config", "m/gw1.toml"]).spawn().map_err(text)?);
        self.until(&mut gateway, "picket", &["gateway", "status", "--control", "m/run/gw1.ctl"], "")?;
        self.said("picket", &["send", "--home", "m/alpha", "--to", "bravo", TEXT])?;
        self.until(&mut gateway, "picket", &["inbox", "--home", "m/bravo"], TEXT)
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = self.board.emulated();
        command.arg(self.built.join(program)).args(args).current_dir(&self.folder).stdin(Stdio::null());
        command.stderr(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn said(&self, program: &str, args: &[&str]) -> Result<String, String> {
        let output =
            self.command(program, args).stdout(Stdio::piped()).stderr(Stdio::piped()).output().map_err(text)?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(out.into_owned()) } else { Err(format!("{program} {args:?}: {err}{out}")) }
    }

    /// Asks again until the answer holds `wanted`.
    fn until(&self, gateway: &mut Gateway, program: &str, args: &[&str], wanted: &str) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.said(program, args);
            if answer.as_ref().is_ok_and(|said| said.contains(wanted)) {
                return Ok(());
            }
            if let Some(status) = gateway.0.try_wait().map_err(text)? {
                return Err(format!("picketd ended: {status}"));
            }
            if Instant::now() > end {
                return Err(format!("{program} {args:?} never told {wanted:?}: {answer:?}"));
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        // What cannot be removed lies in the folder for what is temporary.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Ends with the trial.
struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}
