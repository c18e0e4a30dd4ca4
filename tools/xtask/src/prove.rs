//! `cargo xtask prove`: the symbolic model's expected results, one by one.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::{self, cargo};

const MODELS: &str = "firmware/spec/model";

/// A model file and the result written in it.
pub struct Model {
    path: PathBuf,
    /// One letter and digit a query.
    expected: String,
    /// Sessions of each party.
    sessions: &'static str,
}

/// Installs Verifpal where it is missing, and asks it about every model.
///
/// # Errors
/// When it cannot be installed, or a result is not the one written in its file.
pub fn run() -> Result<(), String> {
    let verifpal = verifpal()?;
    let mut wrong = 0;
    for model in models()? {
        let found = ask(&verifpal, &model)?;
        let right = found == model.expected;
        println!("{} {} {found}", if right { "ok  " } else { "FAIL" }, model.name());
        if !right {
            wrong += 1;
            eprintln!("{}: {found} found, {} expected", model.path.display(), model.expected);
        }
    }
    if wrong == 0 { Ok(()) } else { Err(format!("{wrong} models have another result than the one written in them")) }
}

/// The program: in PATH, or under the target folder, where it is installed if need be (some minutes).
fn verifpal() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(found) = std::env::split_paths(&path).map(|f| f.join("verifpal")).find(|p| p.is_file()) {
        return Ok(found);
    }
    let root = cargo::target_dir()?.join("verifpal");
    let program = root.join("bin/verifpal");
    if !program.is_file() {
        // It names a newer compiler than it needs.
        let mut install = cargo();
        install.args(["install", "verifpal", "--version", "1.6.7", "--locked", "--ignore-rust-version", "--root"]);
        cargo::run(install.arg(&root))?;
    }
    Ok(program)
}

fn models() -> Result<Vec<Model>, String> {
    let folder = cargo::root().join(MODELS);
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "vp"));
    paths.sort();
    paths.into_iter().map(Model::read).collect()
}

fn ask(verifpal: &Path, model: &Model) -> Result<String, String> {
    let mut command = Command::new(verifpal);
    command.args(["verify", "--result-code", "--quiet", "--sessions", model.sessions]).arg(&model.path);
    let output = command.output().map_err(|e| format!("verifpal did not start: {e}"))?;
    if !output.status.success() {
        return Err(format!("{}: {}", model.path.display(), String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().trim().to_owned())
}

impl Model {
    fn read(path: PathBuf) -> Result<Self, String> {
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let line = text.lines().find_map(|l| l.strip_prefix("// Expected: "));
        let mut words = line.ok_or_else(|| format!("{}: no expected result", path.display()))?.split(' ');
        let expected = words.next().unwrap_or_default().to_owned();
        let sessions = if words.next() == Some("@1") { "1" } else { "2" };
        Ok(Self { path, expected, sessions })
    }

    fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_has_a_result_and_a_line_in_the_readme() {
        let models = models().unwrap_or_default();
        assert!(models.len() > 15);
        let readme = std::fs::read_to_string(cargo::root().join(MODELS).join("README.md")).unwrap_or_default();
        for model in models {
            assert!(readme.contains(&format!("`{}`", model.name())), "{} is not in the README", model.name());
            let text = std::fs::read_to_string(&model.path).unwrap_or_default();
            let queries = text.lines().filter(|l| l.contains("? ") && l.starts_with('\t') && !l.contains('=')).count();
            assert_eq!(queries * 2, model.expected.len(), "{}: one result a query", model.name());
        }
    }
}
