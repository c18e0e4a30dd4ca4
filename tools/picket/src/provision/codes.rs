//! Files shown as QR codes, on the terminal and as images (spec §30.13).

use crate::cli::{QrArgs, QrOutArgs};
use crate::error::Failure;
use crate::files::{self, Access};
use crate::limits;
use crate::output::Output;
use crate::qr::Code;
use picket_provision::parts;
use picket_provision::sealed::SEALED;
use picket_roster::file::{EXTENSION, REQUEST, ROSTER};
use serde_json::json;
use std::io::{IsTerminal, stdin, stdout};
use std::path::{Path, PathBuf};

/// `picket qr`.
///
/// # Errors
/// Usage for a file that is not to be shown, or is too long.
pub fn qr(args: &QrArgs, out: &Output) -> Result<(), Failure> {
    let bytes = files::read(&args.file, limits::KEYFILL_MAX)?;
    if ![REQUEST, EXTENSION, SEALED, ROSTER].iter().any(|kind| bytes.starts_with(&kind.magic)) {
        return Err(Failure::usage(
            format!("{} is neither a request, a sealed keyfill nor a roster", args.file.display()),
            "other files hold keys in clear, and are never shown",
        ));
    }
    let shown = QrOutArgs { qr: args.image.is_none(), qr_image: args.image.clone() };
    show(&bytes, &shown, out)
}

/// Shows a file as codes, as far as that is asked for.
///
/// # Errors
/// Usage for a file that is too long; when an image cannot be written.
pub fn show(bytes: &[u8], asked: &QrOutArgs, out: &Output) -> Result<(), Failure> {
    if !asked.qr && asked.qr_image.is_none() {
        return Ok(());
    }
    let parts = parts::split(bytes).map_err(|e| Failure::usage(e.to_string(), "carry it as a file"))?;
    let codes = parts.iter().map(|part| Code::of(part)).collect::<Result<Vec<_>, _>>()?;
    let count = codes.len();
    if let Some(prefix) = &asked.qr_image {
        for (n, code) in (1..).zip(&codes) {
            let path = image_path(prefix, n, count);
            files::write(&path, &code.png()?, Access::Public)?;
            out.object(&json!({"part": n, "of": count, "image": path}))?;
            out.say(&format!("part {n} of {count}: {}", path.display()))?;
        }
    }
    if asked.qr {
        let turns = count > 1 && !out.json && stdin().is_terminal() && stdout().is_terminal();
        for ((n, code), text) in (1..).zip(&codes).zip(&parts) {
            out.object(&json!({"part": n, "of": count, "text": text.as_str()}))?;
            out.say(&format!("{}part {n} of {count}", code.text()))?;
            if turns && n < count {
                out.warn("Enter shows the next one");
                let _ = stdin().read_line(&mut String::new()); // at its end all are shown
            }
        }
    }
    Ok(())
}

/// PREFIX-03.png.
fn image_path(prefix: &Path, n: usize, count: usize) -> PathBuf {
    let digits = count.to_string().len();
    let mut name = prefix.file_name().unwrap_or_default().to_owned();
    name.push(format!("-{n:0digits$}.png"));
    prefix.with_file_name(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn images_are_numbered_so_that_they_sort() {
        assert_eq!(image_path(Path::new("a/alpha"), 3, 13), Path::new("a/alpha-03.png"));
        assert_eq!(image_path(Path::new("x.y"), 1, 1), Path::new("x.y-1.png"));
    }

    #[test]
    fn what_holds_keys_in_clear_is_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keyfill");
        for magic in [b"PKKEYFIL", b"PKSECRET", b"PKAUTHOR", b"PKAUTHKY"] {
            std::fs::write(&file, [&magic[..], &[0, 1]].concat()).unwrap();
            let args = QrArgs { file: file.clone(), image: None };
            assert!(qr(&args, &Output { json: true }).is_err());
        }
    }
}
