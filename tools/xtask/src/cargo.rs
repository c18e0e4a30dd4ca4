//! Calling cargo.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use cargo_metadata::{Message, MetadataCommand};

/// One test program that cargo built.
#[derive(Debug, Clone)]
pub struct TestProgram {
    /// Package and target, for the reader.
    pub name: String,
    /// The executable.
    pub path: PathBuf,
    /// Its package's folder: tests run there.
    pub folder: PathBuf,
}

/// Cargo, as the one that started this program, in the workspace's root.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // This program's own package must not leak into the ones it starts.
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("CARGO_PKG_") || key == "CARGO_MANIFEST_DIR" {
            command.env_remove(key);
        }
    }
    command
}

/// The workspace's root.
pub fn root() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path.pop();
    path
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot start or does not succeed: the sentence to print.
pub fn run(command: &mut Command) -> Result<(), String> {
    let shown = show(command);
    eprintln!("+ {shown}");
    let status = command.status().map_err(|e| format!("`{shown}` did not start: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` failed ({status})")) }
}

/// Where cargo puts what it builds.
///
/// # Errors
/// When `cargo metadata` fails.
pub fn target_dir() -> Result<PathBuf, String> {
    let metadata = MetadataCommand::new().current_dir(root()).no_deps().exec().map_err(|e| e.to_string())?;
    Ok(metadata.target_directory.into_std_path_buf())
}

/// Builds every test program of the workspace without running it.
///
/// # Errors
/// When something does not compile.
pub fn build_tests(selection: &[&str]) -> Result<Vec<TestProgram>, String> {
    test_programs(cargo().args(["test", "--no-run"]).args(selection))
}

/// What such a command builds: tests, or benches.
///
/// # Errors
/// When something does not compile.
pub fn test_programs(command: &mut Command) -> Result<Vec<TestProgram>, String> {
    command.arg("--message-format=json-render-diagnostics");
    let shown = show(command);
    eprintln!("+ {shown}");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|e| format!("`{shown}` did not start: {e}"))?;
    let out = child.stdout.take().ok_or("cargo has no output")?;
    let mut programs: Vec<TestProgram> =
        Message::parse_stream(std::io::BufReader::new(out)).filter_map(|m| m.ok().and_then(program)).collect();
    let status = child.wait().map_err(|e| e.to_string())?;
    if !status.success() {
        return Err(format!("`{shown}` failed ({status})"));
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(programs)
}

fn program(message: Message) -> Option<TestProgram> {
    let Message::CompilerArtifact(artifact) = message else { return None };
    if !artifact.profile.test {
        return None;
    }
    let folder = artifact.manifest_path.parent()?.as_std_path().to_owned();
    let package = folder.strip_prefix(root()).ok()?.display().to_string();
    let kind = artifact.target.kind.first()?.to_string();
    let name = format!("{package} ({kind} {})", artifact.target.name);
    Some(TestProgram { name, path: artifact.executable?.into_std_path_buf(), folder })
}

fn show(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    command.get_args().fold(name, |line, arg| line + " " + &arg.to_string_lossy())
}
